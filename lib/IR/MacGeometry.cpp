// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/IR/MacGeometry.h"

#include "cim/IR/Constants.h"
#include "cim/IR/StoredType.h"
#include "mlir/Dialect/Quant/IR/QuantTypes.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

Value outerValue(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument)
    return value;
  if (auto region = dyn_cast<RegionOp>(argument.getOwner()->getParentOp()))
    return region.getInputs()[argument.getArgNumber()];
  return value;
}

static void describeFormats(MacGeometry &g, Type act, Type weight,
                            std::optional<int64_t> mantissa) {
  g.problem.bfp = mantissa.has_value();
  g.problem.actBytes = storedBytes(act);
  Type stored = storedType(weight);
  g.problem.planes = mantissa
                         ? static_cast<int>(*mantissa)
                         : static_cast<int>(stored.getIntOrFloatBitWidth());
  if (auto quantized = dyn_cast<quant::UniformQuantizedType>(act))
    g.actZero = quantized.getZeroPoint();
}

static MacGeometry convGeometry(ConvOp conv) {
  MacGeometry g;
  auto x = cast<RankedTensorType>(conv.getInput().getType());
  auto w = cast<RankedTensorType>(conv.getWeights().getType());
  auto y = cast<RankedTensorType>(conv.getType());
  int64_t r = conv.getSpatialRank();
  schedule::MDim batch;
  batch.size = batch.inSize = x.getDimSize(0);
  g.problem.m.push_back(batch);
  g.actDim = g.outDim = {0};
  g.weightKernelStride = {0};
  int64_t kernelSize = 1;
  for (int64_t i = 0; i < r; ++i) {
    schedule::MDim dim;
    dim.size = y.getDimSize(2 + i);
    dim.step = conv.getStrides()[i];
    dim.pad = conv.getPads()[i];
    dim.kernel = w.getDimSize(2 + i);
    dim.dilation = conv.getDilations()[i];
    dim.inSize = x.getDimSize(2 + i);
    g.problem.m.push_back(dim);
    g.actDim.push_back(2 + i);
    g.outDim.push_back(2 + i);
    int64_t stride = 1;
    for (int64_t j = i + 1; j < r; ++j)
      stride *= w.getDimSize(2 + j);
    g.weightKernelStride.push_back(stride);
    kernelSize *= dim.kernel;
  }
  g.actChannelDim = g.outChannelDim = 1;
  g.problem.groups = conv.getGroups();
  g.problem.channels = x.getDimSize(1) / conv.getGroups();
  g.problem.n = w.getDimSize(0) / conv.getGroups();
  g.weightChannelStride = kernelSize;
  g.weightOutStride = kernelSize * g.problem.channels;
  describeFormats(g, x.getElementType(), w.getElementType(),
                  conv.getMantissa());
  return g;
}

/// Row dimensions that the MAC unit walks: the largest, if there are more than
/// it has loops for. The others' entries become sub-problems.
static llvm::SmallBitVector macRows(RankedTensorType a) {
  constexpr unsigned macLoops = 4; // device.md D4.7
  int64_t rows = a.getRank() - 1;
  llvm::SmallBitVector chosen(rows);
  SmallVector<int64_t> order;
  for (int64_t i = 0; i < rows; ++i)
    if (a.getDimSize(i) != 1) // unit dimensions are no loops
      order.push_back(i);
  llvm::sort(order, [&](int64_t i, int64_t j) {
    return std::pair(-a.getDimSize(i), i) < std::pair(-a.getDimSize(j), j);
  });
  for (int64_t i : ArrayRef(order).take_front(macLoops))
    chosen.set(i);
  if (order.empty())
    chosen.set(rows - 1);
  return chosen;
}

static MacGeometry matmulGeometry(MatmulOp matmul) {
  MacGeometry g;
  auto a = cast<RankedTensorType>(matmul.getLhs().getType());
  auto b = cast<RankedTensorType>(matmul.getRhs().getType());
  int64_t rank = a.getRank();
  bool shared = b.getRank() == 2;
  llvm::SmallBitVector rows(rank - 1);
  if (shared)
    rows = macRows(a);
  else
    rows.set(rank - 2);
  for (int64_t i = 0; i + 1 < rank; ++i) {
    if (!rows.test(i)) {
      g.batchDims.push_back(i);
      g.batchSizes.push_back(a.getDimSize(i));
      g.problem.batch *= a.getDimSize(i);
      continue;
    }
    schedule::MDim dim;
    dim.size = dim.inSize = a.getDimSize(i);
    g.problem.m.push_back(dim);
    g.actDim.push_back(i);
    g.outDim.push_back(i);
    g.weightKernelStride.push_back(0);
  }
  g.actChannelDim = g.outChannelDim = rank - 1;
  g.problem.channels = a.getDimSize(rank - 1);
  g.problem.n = b.getDimSize(b.getRank() - 1);
  g.weightChannelStride = g.problem.n;
  g.weightOutStride = 1;
  describeFormats(g, a.getElementType(), b.getElementType(),
                  matmul.getMantissa());
  g.problem.computedWeights =
      !shared || !constantOf(outerValue(matmul.getRhs()));
  return g;
}

MacGeometry macGeometry(Operation *mac) {
  if (auto conv = dyn_cast<ConvOp>(mac))
    return convGeometry(conv);
  return matmulGeometry(cast<MatmulOp>(mac));
}

} // namespace cim
