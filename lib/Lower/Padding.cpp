// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Padding. A pooling whose padding cannot change its result (the padding of a
// maximum is its start value) reads the unpadded tensor with windows cut at the
// border; other padding is written down, border only.
#include "Lowering.h"

#include <bit>

#include "cim/Support/Numerics.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Dialect/Quant/IR/QuantTypes.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

/// An fp32 constant quantized (numerics Q1).
static std::optional<uint64_t> quantizedBits(quant::QuantizeCastOp cast) {
  auto type = dyn_cast<quant::UniformQuantizedType>(cast.getType());
  FloatAttr real;
  if (!type || !cast.getInput().getType().isF32() ||
      !matchPattern(cast.getInput(), m_Constant(&real)))
    return std::nullopt;
  return static_cast<uint64_t>(numerics::quantize(
      real.getValue().convertToFloat(), static_cast<float>(type.getScale()),
      static_cast<int32_t>(type.getZeroPoint()), type.getStorageTypeMin(),
      type.getStorageTypeMax()));
}

std::optional<uint64_t> constantScalarBits(Value value) {
  if (auto cast = value.getDefiningOp<quant::QuantizeCastOp>())
    return quantizedBits(cast);
  Attribute constant;
  if (!matchPattern(value, m_Constant(&constant)))
    return std::nullopt;
  if (auto integer = dyn_cast<IntegerAttr>(constant))
    return integer.getType().isInteger(1) ? integer.getValue().getZExtValue()
                                          : integer.getValue().getSExtValue();
  if (auto real = dyn_cast<FloatAttr>(constant))
    return real.getValue().bitcastToAPInt().getZExtValue();
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Padding that need not exist
//===----------------------------------------------------------------------===//

/// True when `combine(start, padding)` is `start` and stays so however often it
/// is repeated between other values: the padding of a pooling without effect.
static bool hasNoEffect(Operation *combine, uint64_t start, uint64_t padding,
                        Type type) {
  if (isa<arith::AddIOp>(combine))
    return padding == 0;
  if (isa<arith::MaxSIOp>(combine))
    return static_cast<int64_t>(padding) <= static_cast<int64_t>(start);
  if (isa<arith::MinSIOp>(combine))
    return static_cast<int64_t>(padding) >= static_cast<int64_t>(start);
  if (!type.isF32())
    return false;
  // Sums start at +0, and x + +0 is x for every x such a sum can reach.
  if (isa<arith::AddFOp>(combine))
    return padding == 0 && start == 0;
  auto s = std::bit_cast<float>(static_cast<uint32_t>(start));
  auto p = std::bit_cast<float>(static_cast<uint32_t>(padding));
  if (isa<arith::MaximumFOp, arith::MaxNumFOp>(combine))
    return p < s || padding == start;
  if (isa<arith::MinimumFOp, arith::MinNumFOp>(combine))
    return p > s || padding == start;
  return false;
}

/// Looks through casts between a quantized type and its storage.
static Value withoutStorageCasts(Value value) {
  while (auto cast = value.getDefiningOp<quant::StorageCastOp>())
    value = cast.getInput();
  return value;
}

/// True when the generic only combines `input`'s elements into one result and
/// elements equal to `padding` change nothing.
static bool ignoresPadding(linalg::GenericOp op, OpOperand *input,
                           uint64_t padding) {
  if (op.getNumResults() != 1)
    return false;
  OpOperand *init = op.getDpsInitOperand(0);
  auto fill = init->get().getDefiningOp<linalg::FillOp>();
  if (!fill)
    return false;
  std::optional<uint64_t> start = constantScalarBits(fill.getInputs()[0]);
  Value yielded =
      withoutStorageCasts(op.getBody()->getTerminator()->getOperand(0));
  Operation *combine = yielded.getDefiningOp();
  if (!start || !combine || combine->getNumOperands() != 2)
    return false;
  Value a = withoutStorageCasts(combine->getOperand(0));
  Value b = withoutStorageCasts(combine->getOperand(1));
  Value in = op.getMatchingBlockArgument(input);
  Value old = op.getMatchingBlockArgument(init);
  return ((a == in && b == old) || (a == old && b == in)) && in.hasOneUse() &&
         old.hasOneUse() &&
         hasNoEffect(combine, *start, padding, combine->getResult(0).getType());
}

namespace {
/// One dimension of a window: position = stride * out + dilation * kernel.
struct Window {
  int64_t out = -1, kernel = -1, stride = 1, dilation = 1;
};
} // namespace

/// Adds `expr` = a sum of multiples of loops to `window`; false if it is more.
static bool parseWindow(AffineExpr expr, int64_t factor, linalg::GenericOp op,
                        Window &window) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    bool reduces = op.getIteratorTypesArray()[dim.getPosition()] ==
                   utils::IteratorType::reduction;
    int64_t &loop = reduces ? window.kernel : window.out;
    if (loop >= 0 || factor < 1)
      return false;
    loop = dim.getPosition();
    (reduces ? window.dilation : window.stride) = factor;
    return true;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return false;
  if (binary.getKind() == AffineExprKind::Add)
    return parseWindow(binary.getLHS(), factor, op, window) &&
           parseWindow(binary.getRHS(), factor, op, window);
  auto multiple = dyn_cast<AffineConstantExpr>(binary.getRHS());
  return binary.getKind() == AffineExprKind::Mul && multiple &&
         parseWindow(binary.getLHS(), factor * multiple.getValue(), op, window);
}

/// Ranges of the output loop whose windows are cut alike.
static std::vector<WindowPart> cutWindow(const Window &w, int64_t outs,
                                         int64_t kernels, int64_t low,
                                         int64_t size) {
  std::vector<WindowPart> parts;
  for (int64_t o = 0; o < outs; ++o) {
    int64_t first = low - w.stride * o, last = low + size - 1 - w.stride * o;
    int64_t begin = first > 0 ? llvm::divideCeil(first, w.dilation) : 0;
    int64_t end = last < 0 ? 0 : std::min(kernels, last / w.dilation + 1);
    if (end <= begin) // nothing but padding
      continue;
    if (!parts.empty() && parts.back().kernelBegin == begin &&
        parts.back().kernelSize == end - begin &&
        parts.back().begin + parts.back().size == o)
      ++parts.back().size;
    else
      parts.push_back({w.out, o, 1, w.kernel, begin, end - begin});
  }
  return parts;
}

/// The padded operand of `op`, if it has one that may stay unwritten.
static OpOperand *paddedOperand(linalg::GenericOp op) {
  for (OpOperand *input : op.getDpsInputOperands())
    if (input->get().getDefiningOp<tensor::PadOp>())
      return input;
  return nullptr;
}

std::optional<std::vector<std::vector<WindowPart>>>
clippedWindows(linalg::GenericOp op) {
  OpOperand *input = paddedOperand(op);
  if (!input)
    return std::nullopt;
  auto pad = input->get().getDefiningOp<tensor::PadOp>();
  Value padding = pad.getConstantPaddingValue();
  std::optional<uint64_t> bits =
      padding ? constantScalarBits(padding) : std::nullopt;
  if (!pad->hasOneUse() || pad->getBlock() != op->getBlock() || !bits ||
      !ignoresPadding(op, input, *bits))
    return std::nullopt;
  SmallVector<int64_t> loops = op.getStaticLoopRanges();
  std::vector<std::vector<WindowPart>> combinations(1);
  llvm::SmallBitVector cutLoops(loops.size());
  AffineMap map = op.getMatchingIndexingMap(input);
  for (auto [i, expr] : llvm::enumerate(map.getResults())) {
    int64_t low = pad.getStaticLow()[i], high = pad.getStaticHigh()[i];
    if (low == 0 && high == 0)
      continue;
    Window window;
    if (low < 0 || high < 0 || !parseWindow(expr, 1, op, window) ||
        window.out < 0 || window.kernel < 0 || cutLoops.test(window.out) ||
        cutLoops.test(window.kernel))
      return std::nullopt;
    cutLoops.set(window.out);
    cutLoops.set(window.kernel);
    std::vector<std::vector<WindowPart>> next;
    for (const WindowPart &part :
         cutWindow(window, loops[window.out], loops[window.kernel], low,
                   pad.getSourceType().getDimSize(i)))
      for (const std::vector<WindowPart> &combination : combinations) {
        next.push_back(combination);
        next.back().push_back(part);
      }
    combinations = std::move(next);
    constexpr size_t maxParts = 64; // Beyond that writing it down is cheaper.
    if (combinations.size() > maxParts)
      return std::nullopt;
  }
  return combinations;
}

//===----------------------------------------------------------------------===//
// Padding that is written
//===----------------------------------------------------------------------===//

/// Fills the padding around `inner` (at `low` in `whole`), slab by slab.
void Lowering::fillBorder(const View &whole, ArrayRef<int64_t> low,
                          ArrayRef<int64_t> inner, uint64_t value) {
  // Dimensions in the order of storage, outermost first: the first slabs are
  // the long contiguous ones.
  SmallVector<int64_t> order = rowMajorOrder(whole.shape.size());
  llvm::sort(order, [&](int64_t a, int64_t b) {
    return std::pair(-whole.strides[a], a) < std::pair(-whole.strides[b], b);
  });
  SmallVector<int64_t> offsets(whole.shape.size(), 0), sizes(whole.shape);
  SmallVector<int64_t> ones(whole.shape.size(), 1);
  for (int64_t dim : order) {
    int64_t end = low[dim] + inner[dim];
    for (auto [begin, size] : {std::pair(int64_t(0), low[dim]),
                               std::pair(end, whole.shape[dim] - end)}) {
      if (size <= 0)
        continue;
      SmallVector<int64_t> slabOffsets(offsets), slabSizes(sizes);
      slabOffsets[dim] = begin;
      slabSizes[dim] = size;
      fill(sliceView(whole, slabOffsets, slabSizes, ones), value);
    }
    offsets[dim] = low[dim];
    sizes[dim] = inner[dim];
  }
}

LogicalResult Lowering::lowerPad(tensor::PadOp pad) {
  Value padding = pad.getConstantPaddingValue();
  std::optional<uint64_t> bits =
      padding ? constantScalarBits(padding) : std::nullopt;
  if (!bits)
    return pad.emitError("pads with a computed value; only constant padding "
                         "can be moved by DMA");
  View source = viewOf(pad.getSource());
  ArrayRef<int64_t> low = pad.getStaticLow();
  auto reader = dyn_cast<linalg::GenericOp>(*pad->getUsers().begin());
  if (pad->hasOneUse() && reader && clippedWindows(reader)) {
    // The padded tensor as seen by the reader, which stays inside the source.
    View padded = source;
    padded.shape.assign(pad.getResultType().getShape().begin(),
                        pad.getResultType().getShape().end());
    for (auto [stride, before] : llvm::zip_equal(source.strides, low))
      padded.offset -= stride * before;
    setView(pad.getResult(), padded);
    return success();
  }
  View whole = allocate(pad.getResult(), layer);
  // Negative padding cuts the source.
  SmallVector<int64_t> ones(whole.shape.size(), 1), from, to, sizes;
  for (size_t i = 0; i < whole.shape.size(); ++i) {
    from.push_back(std::max<int64_t>(0, -low[i]));
    to.push_back(std::max<int64_t>(0, low[i]));
    sizes.push_back(std::max<int64_t>(
        0, std::min(source.shape[i] - from[i], whole.shape[i] - to[i])));
  }
  fillBorder(whole, to, sizes, *bits);
  copy(sliceView(source, from, sizes, ones), sliceView(whole, to, sizes, ones));
  setView(pad.getResult(), whole);
  return success();
}

} // namespace cim
