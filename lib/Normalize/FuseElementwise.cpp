// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Normalize/Passes.h"

#include "FoldConstants.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace cim {
namespace {

/// Limits of a vector kernel (device.md D4.7) with room for an epilogue.
constexpr int64_t kMaxOperands = 10;
constexpr size_t kMaxBodyOps = 28;

bool isPlain(linalg::GenericOp op) {
  bool plain = true;
  op.getBody()->walk([&](Operation *inner) {
    plain &= !isa<linalg::IndexOp, tensor::ExtractOp>(inner);
  });
  return plain;
}

/// Fuse only what leaves the work as it is: one reader, which reads every
/// element once.
bool mayFuse(OpOperand *operand) {
  auto producer = operand->get().getDefiningOp<linalg::GenericOp>();
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  if (!producer || !consumer || !producer->hasOneUse() ||
      producer.getNumResults() != 1 || !isPlain(producer) || !isPlain(consumer))
    return false;
  if (!consumer.getMatchingIndexingMap(operand).isPermutation())
    return false;
  int64_t operands =
      producer.getNumDpsInputs() + consumer.getNumDpsInputs() - 1;
  size_t body = producer.getBody()->getOperations().size() +
                consumer.getBody()->getOperations().size();
  return operands <= kMaxOperands && body <= kMaxBodyOps;
}

/// Upstream's fusion of one producer, with the names of both in the location.
struct FuseProducer : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::GenericOp consumer,
                                PatternRewriter &rewriter) const override {
    for (OpOperand &operand : consumer->getOpOperands()) {
      if (!linalg::areElementwiseOpsFusable(&operand) || !mayFuse(&operand))
        continue;
      Operation *producer = operand.get().getDefiningOp();
      Location loc =
          rewriter.getFusedLoc({producer->getLoc(), consumer.getLoc()});
      FailureOr<linalg::ElementwiseOpFusionResult> fused =
          linalg::fuseElementwiseOps(rewriter, &operand);
      if (failed(fused))
        return rewriter.notifyMatchFailure(consumer, "upstream declined");
      fused->fusedOp->setLoc(loc);
      for (OpResult result : consumer->getResults())
        rewriter.replaceAllUsesWith(result, fused->replacements.lookup(result));
      rewriter.eraseOp(consumer);
      return success();
    }
    return failure();
  }
};

struct FuseElementwisePass
    : PassWrapper<FuseElementwisePass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FuseElementwisePass)
  StringRef getArgument() const override { return "cim-fuse-elementwise"; }
  StringRef getDescription() const override {
    return "Fuses chains of elementwise ops within a vector kernel's limits";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<linalg::LinalgDialect, tensor::TensorDialect>();
  }
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseProducer>(&getContext());
    // Upstream's clean-ups (splat operands become scalars, unused operands go)
    // without its own fusion, which forgets the producer's name.
    linalg::populateElementwiseOpsFusionPatterns(
        patterns, [](OpOperand *) { return false; });
    GreedyRewriteConfig config;
    config.setUseTopDownTraversal(true);
    if (failed(
            applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      signalPassFailure();
  }
};

struct SetPhasePass : PassWrapper<SetPhasePass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SetPhasePass)
  void runOnOperation() override {
    getOperation()->setAttr("cim.phase",
                            StringAttr::get(&getContext(), "normalize"));
  }
};

} // namespace

std::unique_ptr<Pass> createFuseElementwisePass() {
  return std::make_unique<FuseElementwisePass>();
}

std::unique_ptr<Pass> createCanonicalizePass() {
  return createCanonicalizerPass(
      GreedyRewriteConfig(), {"(anonymous namespace)::FoldInsertPadIntoFill"});
}

void buildNormalizePipeline(OpPassManager &pm) {
  pm.addPass(createExpandNarrowTypesPass());
  pm.addPass(createCanonicalizePass());
  pm.addPass(createCSEPass());
  pm.addPass(createFoldConstantsPass());
  pm.addPass(createFoldScalesPass());
  pm.addPass(createFuseElementwisePass());
  pm.addPass(createReplaceDivisionsPass());
  pm.addPass(createCanonicalizePass());
  pm.addPass(createCSEPass());
  pm.addPass(std::make_unique<SetPhasePass>());
}

void registerNormalizePasses() {
  registerPass(createExpandNarrowTypesPass);
  registerPass(createFoldConstantsPass);
  registerPass(createFoldScalesPass);
  registerPass(createFuseElementwisePass);
  registerPass(createReplaceDivisionsPass);
  PassPipelineRegistration<>("cim-normalize", "The whole normalize phase",
                             buildNormalizePipeline);
}

} // namespace cim
