// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights reach MAC ops through dequantizations, scales, transposes and casts;
// as constants they can be packed and quantized. The interpreter is the meaning
// of every op, so folding never changes a bit.
#include "FoldConstants.h"

#include "cim/IR/Constants.h"
#include "cim/Interp/Interpreter.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {
namespace {

/// Results may have this many bytes whatever they are made from, ...
constexpr int64_t kSmallBytes = 1 << 18;
/// ... or this many times the bytes of the constants they are made from (a
/// dequantized weight has four to eight).
constexpr int64_t kGrowth = 8;
/// Iterations of a loop nest.
constexpr int64_t kMostIterations = int64_t(1) << 28;

int64_t bytesOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return constantBytes(tensor).value_or(INT64_MAX);
}

bool isPlainTensor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.hasStaticShape() &&
         tensor.getElementType().isIntOrIndexOrFloat();
}

/// Values from outside that the op or its body uses, each once.
llvm::SetVector<Value> outerValues(Operation *op) {
  llvm::SetVector<Value> values;
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands()) {
      Operation *def = operand.getDefiningOp();
      bool inside =
          def ? op->isProperAncestor(def)
              : op->isAncestor(
                    cast<BlockArgument>(operand).getOwner()->getParentOp());
      if (!inside)
        values.insert(operand);
    }
  });
  return values;
}

class Folder {
public:
  explicit Folder(func::FuncOp func) : func(func) {}

  void run() {
    for (Operation &op : llvm::make_early_inc_range(
             func.getBody().front().without_terminator()))
      if (mayFold(&op))
        fold(&op);
    // Intermediate results die with their storage.
    for (arith::ConstantOp constant : made) {
      if (!constant.use_empty())
        continue;
      auto attr = cast<ElementsAttr>(constant.getValue());
      constant.erase();
      releaseBlob(attr);
    }
  }

private:
  /// Something to compute a result from: constants and what stands for an
  /// initial value.
  static bool isSource(Value value) {
    Operation *def = value.getDefiningOp();
    if (auto constant = dyn_cast_or_null<arith::ConstantOp>(def)) {
      auto elements = dyn_cast<ElementsAttr>(constant.getValue());
      return !elements || hasData(elements);
    }
    if (auto fill = dyn_cast_or_null<linalg::FillOp>(def))
      return llvm::all_of(fill->getOperands(), isSource);
    return isa_and_nonnull<tensor::EmptyOp>(def);
  }

  static bool mayFold(Operation *op) {
    if (op->getNumResults() == 0 || !isMemoryEffectFree(op) ||
        isa<arith::ConstantOp, tensor::EmptyOp, linalg::FillOp, RegionOp>(op) ||
        !llvm::all_of(op->getResultTypes(), isPlainTensor))
      return false;
    int64_t allowed = 0;
    for (Value value : outerValues(op)) {
      if (!isSource(value))
        return false;
      if (value.getDefiningOp<arith::ConstantOp>() &&
          isPlainTensor(value.getType()))
        allowed += kGrowth * std::min<int64_t>(bytesOf(value.getType()),
                                               int64_t(1) << 40);
    }
    allowed = std::max(allowed, kSmallBytes);
    for (Type type : op->getResultTypes())
      if (bytesOf(type) > allowed)
        return false;
    auto generic = dyn_cast<linalg::GenericOp>(op);
    int64_t iterations = 1;
    if (generic)
      for (int64_t range : generic.getStaticLoopRanges())
        if (__builtin_mul_overflow(iterations, range, &iterations) ||
            iterations > kMostIterations)
          return false;
    return true;
  }

  /// Runs a copy of the op, with its sources, as a function of its own.
  void fold(Operation *op) {
    MLIRContext *context = op->getContext();
    OwningOpRef<func::FuncOp> alone = func::FuncOp::create(
        op->getLoc(), "fold",
        FunctionType::get(context, {}, op->getResultTypes()));
    Block *block = alone->addEntryBlock();
    OpBuilder b = OpBuilder::atBlockEnd(block);
    IRMapping map;
    for (Value value : outerValues(op))
      cloneSource(b, value, map);
    Operation *copy = b.clone(*op, map);
    func::ReturnOp::create(b, op->getLoc(), copy->getResults());
    // What cannot be computed stays as it is and is reported when it runs.
    ScopedDiagnosticHandler quiet(context,
                                  [](Diagnostic &) { return success(); });
    FailureOr<std::vector<TensorValue>> results = interpret(*alone, {});
    if (failed(results))
      return;
    replace(op, *results);
  }

  static void cloneSource(OpBuilder &b, Value value, IRMapping &map) {
    if (map.contains(value))
      return;
    Operation *def = value.getDefiningOp();
    for (Value operand : outerValues(def))
      cloneSource(b, operand, map);
    b.clone(*def, map);
  }

  void replace(Operation *op, std::vector<TensorValue> &results) {
    OpBuilder b(op);
    for (auto [old, value] : llvm::zip_equal(op->getResults(), results)) {
      size_t size = bytesOf(value.type);
      ArrayRef<char> bytes(value.data, size);
      // A view of another constant keeps nothing alive: copy it.
      ElementsAttr attr =
          value.bytes ? makeConstant(value.type, bytes, nameOf(op), value.bytes)
                      : makeConstant(value.type, bytes, nameOf(op));
      made.push_back(arith::ConstantOp::create(b, op->getLoc(), attr));
      old.replaceAllUsesWith(made.back());
    }
    op->erase();
  }

  /// Hint for the resource's key: that of the first constant.
  static std::string nameOf(Operation *op) {
    for (Value operand : op->getOperands())
      if (ElementsAttr attr = constantOf(operand))
        if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr))
          return resource.getRawHandle().getKey().str();
    return "folded";
  }

  func::FuncOp func;
  std::vector<arith::ConstantOp> made;
};

struct FoldConstantsPass
    : PassWrapper<FoldConstantsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FoldConstantsPass)
  StringRef getArgument() const override { return "cim-fold-constants"; }
  StringRef getDescription() const override {
    return "Computes what depends on constants only";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, func::FuncDialect>();
  }
  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (func.getBody().hasOneBlock())
        Folder(func).run();
  }
};

} // namespace

std::unique_ptr<Pass> createFoldConstantsPass() {
  return std::make_unique<FoldConstantsPass>();
}

} // namespace cim
