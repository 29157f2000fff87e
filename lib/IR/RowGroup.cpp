// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/IR/RowGroup.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace cim {

/// Sums of loops with non-negative factors.
static bool isLinear(AffineExpr expr) {
  if (isa<AffineDimExpr>(expr))
    return true;
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue() >= 0;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return false;
  if (binary.getKind() == AffineExprKind::Add)
    return isLinear(binary.getLHS()) && isLinear(binary.getRHS());
  auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  return binary.getKind() == AffineExprKind::Mul && factor &&
         factor.getValue() >= 0 && isLinear(binary.getLHS());
}

bool canJoinRows(linalg::GenericOp op) {
  if (op.getNumLoops() == 0 || llvm::is_contained(op.getStaticLoopRanges(), 0))
    return false;
  for (OpOperand *input : op.getDpsInputOperands()) {
    if (!isa<RankedTensorType>(input->get().getType()) ||
        !llvm::all_of(op.getMatchingIndexingMap(input).getResults(), isLinear))
      return false;
  }
  for (OpOperand &init : op.getDpsInitsMutable()) {
    if (!op.getMatchingIndexingMap(&init).isProjectedPermutation())
      return false;
    bool isRead = !op.getMatchingBlockArgument(&init).use_empty();
    if (isRead && !init.get().getDefiningOp<linalg::FillOp>())
      return false;
  }
  bool plain = true;
  op.getBody()->walk([&](Operation *inner) {
    plain &= !isa<linalg::IndexOp, tensor::ExtractOp>(inner);
  });
  return plain;
}

/// Results 0, 1, .. of `map` that are loops 0, 1, .., which nothing else uses.
static int64_t leadingLoops(AffineMap map) {
  int64_t count = 0;
  while (count < map.getNumResults() && count < map.getNumDims() &&
         map.getResult(count) == getAffineDimExpr(count, map.getContext()))
    ++count;
  for (unsigned i = 0; i < map.getNumResults(); ++i)
    for (int64_t loop = 0; loop < count; ++loop)
      if (i != loop && map.getResult(i).isFunctionOfDim(loop))
        count = loop;
  return count;
}

int64_t commonRowLoops(ArrayRef<linalg::GenericOp> ops) {
  int64_t count = std::numeric_limits<int64_t>::max();
  SmallVector<int64_t> sizes;
  for (linalg::GenericOp op : ops) {
    SmallVector<int64_t> ranges = op.getStaticLoopRanges();
    auto types = op.getIteratorTypesArray();
    if (sizes.empty())
      sizes = ranges;
    int64_t own = 0;
    while (own < static_cast<int64_t>(std::min(ranges.size(), sizes.size())) &&
           types[own] == utils::IteratorType::parallel &&
           ranges[own] == sizes[own])
      ++own;
    count = std::min(count, own);
    for (OpOperand *input : op.getDpsInputOperands()) {
      auto producer = input->get().getDefiningOp<linalg::GenericOp>();
      if (!producer || !llvm::is_contained(ops, producer))
        continue;
      OpOperand *init = producer.getTiedOpOperand(cast<OpResult>(input->get()));
      count = std::min({count, leadingLoops(op.getMatchingIndexingMap(input)),
                        leadingLoops(producer.getMatchingIndexingMap(init))});
    }
  }
  return ops.empty() ? 0 : count;
}

} // namespace cim
