// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The lower phase: a scheduled tensor-level module becomes buffers, kernels and
// two stages of engine operations.
#include "Lowering.h"

#include "cim/IR/Constants.h"
#include "cim/Lower/Passes.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

std::string nodeName(Location loc, StringRef otherwise) {
  if (auto name = dyn_cast<NameLoc>(loc))
    return name.getName().str();
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location inner : fused.getLocations())
      if (std::string name = nodeName(inner, ""); !name.empty())
        return name;
  return otherwise.str();
}

/// An engine operation's location: the source node(s) and, as metadata, the
/// layer (region) it executes.
void Lowering::setLocation(Location loc) {
  tiles.loc = FusedLoc::get({loc}, StringAttr::get(loc.getContext(), layer),
                            loc.getContext());
}

LogicalResult Lowering::lowerOp(Operation *op) {
  setLocation(op->getLoc());
  if (isa<arith::ConstantOp, tensor::EmptyOp, YieldOp>(op))
    return success();
  if (isa<quant::QuantizeCastOp>(op) && constantScalarBits(op->getResult(0)))
    return success(); // A scalar constant; its readers evaluate it.
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return lowerGeneric(generic);
  if (auto fill = dyn_cast<linalg::FillOp>(op))
    return lowerFill(fill);
  if (isa<TopKOp, NonZeroOp, LexSortOp, NmsOp, ScatterOp>(op))
    return lowerSelect(op);
  return lowerMove(op);
}

LogicalResult Lowering::lowerRegion(RegionOp region) {
  layer = region.getName().str();
  setLocation(region.getLoc());
  Block &block = region.getBody().front();
  for (Operation &op : block)
    if (isa<ConvOp, MatmulOp>(op))
      return lowerMac(region, &op);
  for (auto [outer, inner] :
       llvm::zip_equal(region.getInputs(), block.getArguments()))
    setView(inner, viewOf(outer));
  for (auto [value, result] : llvm::zip_equal(
           block.getTerminator()->getOperands(), region.getResults())) {
    auto place = destinations.find(result);
    if (place == destinations.end())
      continue;
    View view = place->second;
    destinations.try_emplace(value, view);
    // A reduction happens where its start value is.
    if (auto generic = value.getDefiningOp<linalg::GenericOp>()) {
      Value init =
          generic.getDpsInits()[cast<OpResult>(value).getResultNumber()];
      if (init.hasOneUse() && init.getDefiningOp<linalg::FillOp>())
        destinations.try_emplace(init, view);
    }
  }
  FailureOr<bool> done = lowerRows(region);
  if (failed(done) || *done)
    return failed(done) ? failure() : success();
  for (Operation &op : block.without_terminator())
    if (failed(lowerOp(&op)))
      return failure();
  for (auto [value, result] : llvm::zip_equal(
           block.getTerminator()->getOperands(), region.getResults()))
    setView(result, viewOf(value));
  return success();
}

/// An argument or result of the function as a dense row-major buffer in DRAM;
/// `attributes` are the function's for it.
View Lowering::portBuffer(BufferKind kind, RankedTensorType type,
                          DictionaryAttr attributes, StringRef fallback) {
  View view;
  view.elemBytes = storedBytes(type.getElementType());
  view.shape.assign(type.getShape().begin(), type.getShape().end());
  view.strides =
      denseStrides(view.shape, rowMajorOrder(type.getRank()), view.elemBytes);
  SmallVector<int64_t> physical = physicalShape(type.getShape());
  auto name =
      attributes ? attributes.getAs<StringAttr>("cim.name") : StringAttr();
  view.buffer =
      tiles.buffer(kind, name ? name.getValue() : fallback, physical,
                   storedType(type.getElementType()), MemorySpace::dram);
  Operation *buffer = view.buffer.getDefiningOp();
  MLIRContext *context = func.getContext();
  buffer->setAttr("cim.shape",
                  DenseI64ArrayAttr::get(context, type.getShape()));
  for (StringRef name : {"cim.unsigned", "cim.hidden", "cim.lengths"})
    if (Attribute attribute = attributes ? attributes.get(name) : Attribute())
      buffer->setAttr(name, attribute);
  return view;
}

/// Results of the function have their buffers from the start, so that whoever
/// computes one writes it where it belongs: through reshapes and transposes, as
/// long as nobody else reads the value.
void Lowering::placeResults() {
  Operation *terminator = func.getBody().front().getTerminator();
  for (OpOperand &operand : terminator->getOpOperands()) {
    unsigned i = operand.getOperandNumber();
    Value value = operand.get();
    setLocation(value.getLoc());
    View view =
        portBuffer(BufferKind::output, cast<RankedTensorType>(value.getType()),
                   func.getResultAttrDict(i), "result" + std::to_string(i));
    results.push_back(view);
    while (value.hasOneUse()) {
      destinations[value] = view;
      Operation *def = value.getDefiningOp();
      if (auto region = dyn_cast_or_null<RegionOp>(def)) {
        value = region.getBody().front().getTerminator()->getOperand(
            cast<OpResult>(value).getResultNumber());
        continue;
      }
      if (isa_and_nonnull<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(
              def)) {
        // Row-major and dense stays so in any shape.
        value = def->getOperand(0);
        auto type = cast<RankedTensorType>(value.getType());
        if (!llvm::equal(view.strides,
                         denseStrides(view.shape,
                                      rowMajorOrder(view.shape.size()),
                                      view.elemBytes)))
          break;
        view.shape.assign(type.getShape().begin(), type.getShape().end());
        view.strides = denseStrides(view.shape, rowMajorOrder(type.getRank()),
                                    view.elemBytes);
        continue;
      }
      auto transpose = dyn_cast_or_null<linalg::TransposeOp>(def);
      if (!transpose)
        break;
      value = transpose.getInput();
      View source = view;
      for (auto [to, from] : llvm::enumerate(transpose.getPermutation())) {
        source.shape[from] = view.shape[to];
        source.strides[from] = view.strides[to];
      }
      view = source;
    }
  }
}

LogicalResult Lowering::run() {
  chooseLayouts();
  planConcats();
  tiles.enterStage(StageKind::run);
  for (auto [i, argument] : llvm::enumerate(func.getArguments()))
    setView(argument,
            portBuffer(BufferKind::input,
                       cast<RankedTensorType>(argument.getType()),
                       func.getArgAttrDict(i), "arg" + std::to_string(i)));
  placeResults();
  Operation *terminator = func.getBody().front().getTerminator();
  for (Operation &op : func.getBody().front().without_terminator()) {
    StringRef kind = "move";
    if (isa<linalg::GenericOp, linalg::FillOp, ScatterOp>(op))
      kind = "vector";
    if (isa<TopKOp, NonZeroOp, LexSortOp, NmsOp>(op))
      kind = "ctrl";
    layer = nodeName(op.getLoc(), kind);
    LogicalResult result = success();
    if (auto region = dyn_cast<RegionOp>(op))
      result = lowerRegion(region);
    else
      result = lowerOp(&op);
    if (failed(result))
      return failure();
  }
  return lowerResults(terminator);
}

/// The run-time lengths of result `i`, checked: the attributes come from text.
static LogicalResult checkLengths(func::FuncOp func, unsigned i,
                                  ArrayRef<int64_t> pairs) {
  auto rankOf = [&](int64_t r) {
    return cast<RankedTensorType>(func.getResultTypes()[r]).getRank();
  };
  for (size_t j = 0; j < pairs.size(); j += 2)
    if (j + 1 == pairs.size() || pairs[j] < 0 || pairs[j] >= rankOf(i) ||
        pairs[j + 1] < 0 || pairs[j + 1] >= func.getNumResults())
      return func.emitError("result ")
             << i << " has cim.lengths that name no dimension or no result";
  return success();
}

LogicalResult Lowering::lowerResults(Operation *terminator) {
  // Results are dense row-major buffers in DRAM.
  layer = "output";
  for (auto [i, value] : llvm::enumerate(terminator->getOperands())) {
    const View &view = results[i];
    setLocation(value.getLoc());
    if (auto lengths =
            func.getResultAttrOfType<DenseI64ArrayAttr>(i, "cim.lengths"))
      if (failed(checkLengths(func, i, lengths)))
        return failure();
    if (viewOf(value).buffer != view.buffer)
      copy(viewOf(value), view);
  }
  return success();
}

namespace {
struct LowerPass : PassWrapper<LowerPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerPass)
  explicit LowerPass(const TargetSpec &target) : target(target) {}
  StringRef getArgument() const override { return "cim-lower"; }
  StringRef getDescription() const override {
    return "Scheduled regions to tile-level engine operations";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<CIMDialect, memref::MemRefDialect>();
  }
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto func = module.lookupSymbol<func::FuncOp>("main");
    if (!func) {
      module.emitError("has no function @main");
      return signalPassFailure();
    }
    KernelTable kernels(module);
    // Tiles are built at the end of the module; the function goes away.
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    Lowering lowering(func, target, builder, kernels);
    if (failed(lowering.run()))
      return signalPassFailure();
    func.erase();
    module->setAttr("cim.phase", StringAttr::get(&getContext(), "lower"));
  }
  TargetSpec target;
};
} // namespace

std::unique_ptr<Pass> createLowerPass(const TargetSpec &target) {
  return std::make_unique<LowerPass>(target);
}

} // namespace cim
