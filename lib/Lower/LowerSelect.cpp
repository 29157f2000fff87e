// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Work whose order depends on data: firmware kernels of the control processor
// (device.md D4.6), and scatters as vector kernels that gather and store rows
// at computed places, one after the other.
#include "Lowering.h"

#include "MicroProgram.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

/// The device type of a value's elements as a parameter of a firmware kernel.
static int64_t typeParameter(Value value, bool isUnsigned) {
  DType type = *dtypeOf(storedType(getElementTypeOrSelf(value.getType())));
  if (isUnsigned && type != DType::I1 && !isFloat(type))
    type = static_cast<DType>(static_cast<int>(type) + 1);
  return static_cast<int64_t>(type);
}
static_assert(static_cast<int>(DType::U8) == static_cast<int>(DType::I8) + 1 &&
              static_cast<int>(DType::U64) == static_cast<int>(DType::I64) + 1);

TileBuilder::CtrlOperand Lowering::ctrlOperand(const View &view) {
  return {{view.buffer, view.offset, view.strides}, view.shape, view.elemBytes};
}

View Lowering::result(Value value) {
  View view = allocate(value, layer);
  setView(value, view);
  return view;
}

/// The view as rows of the last dimension, where strides can say it.
static std::optional<View> rowsOf(const View &view) {
  SmallVector<SmallVector<int64_t, 2>> groups(2);
  for (int64_t d = 0, e = view.shape.size(); d < e; ++d)
    groups[d + 1 == e].push_back(d);
  if (!groups[0].empty())
    return collapseView(view, groups);
  View rows = view;
  rows.shape.insert(rows.shape.begin(), 1);
  rows.strides.insert(rows.strides.begin(), 0);
  return rows;
}

void Lowering::lowerTopK(TopKOp op) {
  View input = viewOf(op.getInput());
  std::optional<View> rows = rowsOf(input);
  auto type = cast<RankedTensorType>(op.getInput().getType());
  if (!rows) {
    View dense = allocate(type, rowMajorOrder(type.getRank()), layer);
    copy(input, dense);
    rows = rowsOf(dense);
  }
  // Results are read by rows, whatever the layout of their shape.
  View outs[2];
  for (auto [view, value] : llvm::zip_equal(outs, op.getResults())) {
    auto resultType = cast<RankedTensorType>(value.getType());
    View dense = allocate(resultType, rowMajorOrder(type.getRank()), layer);
    setView(value, dense);
    view = *rowsOf(dense);
  }
  // Rows are divided among the cores where each gets enough to pay for the
  // start.
  int64_t outer = rows->shape[0], n = rows->shape[1];
  constexpr int64_t minElementsPerCore = 256;
  int64_t cores = std::clamp<int64_t>(outer * n / minElementsPerCore, 1,
                                      std::min<int64_t>(totalCores(), outer));
  for (int64_t core = 0; core < cores; ++core) {
    int64_t first = outer * core / cores, last = outer * (core + 1) / cores;
    SmallVector<TileBuilder::CtrlOperand> operands;
    for (View view : {*rows, outs[0], outs[1]}) {
      view.offset += first * view.strides[0];
      view.shape[0] = last - first;
      operands.push_back(ctrlOperand(view));
    }
    tiles.ctrl(core, CtrlKernel::topk,
               {typeParameter(op.getInput(), op.getIsUnsigned()), last - first,
                n, static_cast<int64_t>(op.getK()), op.getLargest(),
                op.getSorted()},
               operands, 1);
  }
}

void Lowering::lowerNonZero(NonZeroOp op) {
  View input = viewOf(op.getInput());
  View indices = result(op.getIndices()), count = result(op.getCount());
  SmallVector<int64_t> params{typeParameter(op.getInput(), false),
                              indices.shape[1]};
  llvm::append_range(params, input.shape);
  tiles.ctrl(0, CtrlKernel::nonzero, params,
             {ctrlOperand(input), ctrlOperand(indices), ctrlOperand(count)}, 1);
}

void Lowering::lowerLexSort(LexSortOp op) {
  View input = viewOf(op.getInput()), order = result(op.getOrder());
  tiles.ctrl(0, CtrlKernel::lexsort,
             {typeParameter(op.getInput(), op.getIsUnsigned()), input.shape[0],
              input.shape[1]},
             {ctrlOperand(input), ctrlOperand(order)}, 1);
}

void Lowering::lowerNms(NmsOp op) {
  SmallVector<TileBuilder::CtrlOperand> operands;
  for (Value operand : op.getOperands())
    operands.push_back(ctrlOperand(viewOf(operand)));
  size_t inputs = operands.size();
  for (Value value : op.getResults())
    operands.push_back(ctrlOperand(result(value)));
  ArrayRef<int64_t> scores = operands[1].sizes;
  int64_t limit = op.getLimit();
  tiles.ctrl(0, CtrlKernel::nms,
             {scores[0], scores[2], scores[1], limit, op.getCenter(),
              static_cast<bool>(op.getMinScore())},
             operands, inputs);
}

/// One op of the element type, the old element on the left.
static Value combine(OpBuilder &b, mlir::Location loc, ScatterKind kind,
                     Value old, Value update, bool isUnsigned) {
  bool isFloating = isa<FloatType>(old.getType());
  isUnsigned |= old.getType().isInteger(1);
  switch (kind) {
  case ScatterKind::replace:
    return update;
  case ScatterKind::add:
    if (isFloating)
      return arith::AddFOp::create(b, loc, old, update);
    return arith::AddIOp::create(b, loc, old, update);
  case ScatterKind::mul:
    if (isFloating)
      return arith::MulFOp::create(b, loc, old, update);
    return arith::MulIOp::create(b, loc, old, update);
  case ScatterKind::max:
    if (isFloating)
      return arith::MaximumFOp::create(b, loc, old, update);
    if (isUnsigned)
      return arith::MaxUIOp::create(b, loc, old, update);
    return arith::MaxSIOp::create(b, loc, old, update);
  case ScatterKind::min:
    if (isFloating)
      return arith::MinimumFOp::create(b, loc, old, update);
    if (isUnsigned)
      return arith::MinUIOp::create(b, loc, old, update);
    return arith::MinSIOp::create(b, loc, old, update);
  }
  return update;
}

/// The kernel of a scatter; operands updates, indices, result.
static FlatSymbolRefAttr scatterKernel(KernelTable &table, ScatterOp op,
                                       StringRef name) {
  KernelBuilder kernel(table, op.getLoc());
  OpBuilder &b = kernel.opBuilder();
  mlir::Location loc = op.getLoc();
  Type element = getElementTypeOrSelf(op.getDest().getType());
  Value update = kernel.addInput(element);
  Value index = kernel.addInput(b.getI64Type());
  // A skipped row keeps row 0 as it is.
  Value zero =
      arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(0)).getResult();
  Value skip =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, index, zero);
  Value place = arith::SelectOp::create(b, loc, skip, zero, index);
  place = arith::IndexCastOp::create(b, loc, b.getIndexType(), place);
  Value old = KernelGatherOp::create(b, loc, storedType(element), 2, place);
  Value next = combine(b, loc, op.getKind(), old, update, op.getIsUnsigned());
  Value stored = arith::SelectOp::create(b, loc, skip, old, next);
  return kernel.finish({stored}, name, {place});
}

void Lowering::lowerScatter(ScatterOp op) {
  View updates = viewOf(op.getUpdates()), indices = viewOf(op.getIndices());
  View whole = result(op.getResult());
  copy(viewOf(op.getDest()), whole);
  LoopNest nest;
  // Rows one after the other; the elements of a row are independent.
  nest.sizes = {updates.shape[1], updates.shape[0]};
  nest.origin = {0, 1};
  nest.reduction = {false, true};
  nest.indexed = {false, false};
  nest.indexBase = {0, 0};
  nest.operands.push_back(
      {updates, {updates.strides[1], updates.strides[0]}, {}, false, false});
  nest.operands.push_back({indices, {0, indices.strides[0]}, {}, false, false});
  nest.operands.push_back({whole,
                           {whole.strides[1], 0},
                           {whole.shape[0], whole.strides[0]},
                           true,
                           true});
  emitNest(nest, scatterKernel(kernels, op, layer), totalCores());
}

LogicalResult Lowering::lowerSelect(mlir::Operation *op) {
  if (auto typed = dyn_cast<TopKOp>(op))
    lowerTopK(typed);
  else if (auto typed = dyn_cast<NonZeroOp>(op))
    lowerNonZero(typed);
  else if (auto typed = dyn_cast<LexSortOp>(op))
    lowerLexSort(typed);
  else if (auto typed = dyn_cast<NmsOp>(op))
    lowerNms(typed);
  else
    lowerScatter(cast<ScatterOp>(op));
  return success();
}

} // namespace cim
