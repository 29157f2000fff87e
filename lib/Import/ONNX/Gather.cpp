// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gather, GatherElements, GatherND.

#include "Select.h"
#include "cim/IR/Constants.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace cim::onnx {
namespace {

/// Constant indices made non-negative and checked.
FailureOr<std::optional<Shape>> knownIndices(NodeBinder &n, Value indices,
                                             int64_t dim) {
  constexpr int64_t limit = 65536;
  ElementsAttr attr = ir::constantOf(indices);
  if (!attr || !ir::hasData(attr) || typeOf(indices).getNumElements() > limit)
    return std::optional<Shape>();
  Shape result;
  for (int64_t index : ir::values<int64_t>(attr)) {
    if (index < -dim || index >= dim)
      return n.fail("an index is out of range",
                    "index " + Twine(index) + ", size " + Twine(dim));
    result.push_back(index < 0 ? index + dim : index);
  }
  return std::optional<Shape>(result);
}

/// start, start + step, ...: the step, or nothing.
std::optional<int64_t> progression(ArrayRef<int64_t> list) {
  if (list.empty())
    return std::nullopt;
  int64_t step = list.size() > 1 ? list[1] - list[0] : 1;
  for (size_t i = 1; i < list.size(); ++i)
    if (list[i] - list[i - 1] != step)
      return std::nullopt;
  return step > 0 ? std::optional<int64_t>(step) : std::nullopt;
}

/// Negative indices count from the dimension's end, which a run may decide.
Value wrap(NodeBinder &n, Scalars &s, Value index, int64_t dim) {
  Value length = n.length(0, dim);
  if (!length)
    return s.wrapIndex(index, n.shape(0)[dim]);
  Type i64 = s.b.getI64Type();
  index = s.cast(index, i64);
  Value end = s.extract(length, {});
  Value isNegative = s.cmp(Scalars::Cmp::LT, index, s.constantInt(i64, 0));
  return s.toIndex(s.select(isNegative, s.add(index, end), index));
}

LogicalResult gather(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  FailureOr<int64_t> axis = n.axis(n.intAttr("axis", 0), n.rank(0));
  if (failed(axis))
    return failure();
  Value data = n.input(0), indices = n.input(1);
  int64_t dim = n.shape(0)[*axis], inner = n.rank(1);
  FailureOr<std::optional<Shape>> known = knownIndices(n, indices, dim);
  if (failed(known))
    return failure();
  // Indices from the end of a length that is not known yet stay as they are.
  if (n.length(0, *axis))
    known = std::optional<Shape>();
  Shape shape(n.shape(0).take_front(*axis));
  llvm::append_range(shape, n.shape(1));
  llvm::append_range(shape, n.shape(0).drop_front(*axis + 1));
  if (failed(n.checkShape(shape)))
    return failure();
  Emitter &e = n.e;
  bool isNonNegative = known->has_value();
  if (isNonNegative) {
    if (std::optional<int64_t> step = progression(**known)) {
      Shape offsets(n.rank(0), 0), sizes(n.shape(0)), strides(n.rank(0), 1);
      offsets[*axis] = (*known)->front();
      sizes[*axis] = (*known)->size();
      strides[*axis] = (*known)->size() > 1 ? *step : 1;
      Value cut = e.slice(data, offsets, sizes, strides);
      n.setOutput(0, e.reshape(cut, shape), n.type(0));
      return success();
    }
    auto type = RankedTensorType::get(n.shape(1), n.b.getI64Type());
    indices = e.constant(
        ir::makeConstant(type, ArrayRef<int64_t>(**known), "indices"));
  }
  int64_t rank = shape.size();
  SmallVector<AffineExpr> exprs;
  for (int64_t d = 0; d < inner; ++d)
    exprs.push_back(n.b.getAffineDimExpr(*axis + d));
  Value y = e.mapWith(
      indices, AffineMap::get(rank, 0, exprs, n.b.getContext()), shape,
      n.element(0),
      [&](Scalars &s, ValueRange args) {
        SmallVector<Value> at;
        for (int64_t d = 0; d < *axis; ++d)
          at.push_back(s.make<linalg::IndexOp>(d));
        at.push_back(isNonNegative ? s.toIndex(args[0])
                                   : wrap(n, s, args[0], *axis));
        for (int64_t d = *axis + inner; d < rank; ++d)
          at.push_back(s.make<linalg::IndexOp>(d));
        return s.extract(data, at);
      },
      /*widen=*/false);
  n.setOutput(0, y, n.type(0));
  return success();
}

LogicalResult gatherElements(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  FailureOr<int64_t> axis = n.axis(n.intAttr("axis", 0), n.rank(0));
  if (failed(axis))
    return failure();
  bool fits = n.rank(1) == n.rank(0);
  for (int64_t d = 0; fits && d < n.rank(0); ++d)
    fits = d == *axis || n.shape(1)[d] <= n.shape(0)[d];
  if (!fits)
    return n.fail("indices do not fit the data",
                  "shapes " + toText(n.shape(1)) + " and " +
                      toText(n.shape(0)));
  int64_t dim = n.shape(0)[*axis];
  if (failed(knownIndices(n, n.input(1), dim)))
    return failure();
  n.setOutput(0,
              n.e.map(
                  n.input(1), n.shape(1), n.element(0),
                  [&](Scalars &s, ValueRange args) {
                    SmallVector<Value> at;
                    for (int64_t d = 0; d < n.rank(0); ++d)
                      at.push_back(d == *axis ? wrap(n, s, args[0], d)
                                              : s.make<linalg::IndexOp>(d));
                    return s.extract(n.input(0), at);
                  },
                  /*widen=*/false),
              n.type(0));
  return success();
}

LogicalResult gatherND(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  int64_t batch = n.intAttr("batch_dims", 0);
  int64_t dataRank = n.rank(0), indexRank = n.rank(1);
  if (indexRank < 1 || batch < 0 || batch >= indexRank || batch > dataRank)
    return n.fail("batch_dims is out of range",
                  "batch_dims " + Twine(batch) + ", shapes " +
                      toText(n.shape(0)) + " and " + toText(n.shape(1)));
  int64_t depth = n.shape(1)[indexRank - 1];
  if (depth < 1 || batch + depth > dataRank ||
      n.shape(0).take_front(batch) != n.shape(1).take_front(batch))
    return n.fail("indices do not fit the data",
                  "shapes " + toText(n.shape(1)) + " and " +
                      toText(n.shape(0)));
  // Result: index dimensions but the last, then the rest of the data's.
  Shape shape(n.shape(1).drop_back());
  llvm::append_range(shape, n.shape(0).drop_front(batch + depth));
  if (failed(n.checkShape(shape)))
    return failure();
  int64_t rank = shape.size();
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  for (int64_t j = 0; j < depth; ++j) {
    SmallVector<AffineExpr> exprs;
    for (int64_t d = 0; d + 1 < indexRank; ++d)
      exprs.push_back(n.b.getAffineDimExpr(d));
    exprs.push_back(n.b.getAffineConstantExpr(j));
    inputs.push_back(n.input(1));
    maps.push_back(AffineMap::get(rank, 0, exprs, n.b.getContext()));
  }
  n.setOutput(0,
              n.e.mapWith(
                  inputs, maps, shape, n.element(0),
                  [&](Scalars &s, ValueRange args) {
                    SmallVector<Value> at;
                    for (int64_t d = 0; d < batch; ++d)
                      at.push_back(s.make<linalg::IndexOp>(d));
                    for (int64_t j = 0; j < depth; ++j)
                      at.push_back(wrap(n, s, args[j], batch + j));
                    for (int64_t d = indexRank - 1; d < rank; ++d)
                      at.push_back(s.make<linalg::IndexOp>(d));
                    return s.extract(n.input(0), at);
                  },
                  /*widen=*/false),
              n.type(0));
  return success();
}

} // namespace

void registerGather(Registry &registry) {
  registry.add("", {{"Gather", 1, gather},
                    {"GatherElements", 11, gatherElements},
                    {"GatherND", 11, gatherND}});
}

} // namespace cim::onnx
