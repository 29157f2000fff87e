// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ScatterElements, ScatterND. A scatter is written
// as the gather it is equivalent to: every element of the result goes through
// the updates in order and takes those whose index names it. Work is the result
// times the updates per target; the order of several updates of one element is
// the order of the updates.

#include "Binder.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace cim::onnx {
namespace {

using Cmp = Scalars::Cmp;

enum class Combine { Replace, Add, Mul, Max, Min };

FailureOr<Combine> readReduction(NodeBinder &n) {
  std::string text = n.stringAttr("reduction", "none");
  if (text == "none")
    return Combine::Replace;
  if (text == "add")
    return Combine::Add;
  if (text == "mul")
    return Combine::Mul;
  if (text == "max")
    return Combine::Max;
  if (text == "min")
    return Combine::Min;
  return n.fail("unknown reduction", "reduction '" + text + "'");
}

Value combine(Scalars &s, Combine kind, Value old, Value update,
              bool isUnsigned) {
  switch (kind) {
  case Combine::Replace:
    return update;
  case Combine::Add:
    return s.add(old, update);
  case Combine::Mul:
    return s.mul(old, update);
  case Combine::Max:
    return s.max(old, update, isUnsigned);
  case Combine::Min:
    return s.min(old, update, isUnsigned);
  }
  return update;
}

LogicalResult scatterElements(NodeBinder &n) {
  if (failed(n.needInputs(3)))
    return failure();
  int64_t rank = n.rank(0);
  FailureOr<int64_t> axis = n.axis(n.intAttr("axis", 0), rank);
  FailureOr<Combine> kind = readReduction(n);
  if (failed(axis) || failed(kind))
    return failure();
  bool fits =
      n.rank(1) == rank && n.shape(1) == n.shape(2) && n.type(0) == n.type(2);
  // The part of the data the updates can reach.
  Shape region(n.shape(0));
  for (int64_t d = 0; fits && d < rank; ++d) {
    if (d != *axis)
      region[d] = n.shape(1)[d];
    fits = d == *axis || n.shape(1)[d] <= n.shape(0)[d];
  }
  if (!fits)
    return n.fail("indices and updates do not fit the data",
                  "shapes " + toText(n.shape(1)) + ", " + toText(n.shape(2)) +
                      " and " + toText(n.shape(0)));
  Emitter &e = n.e;
  int64_t dim = n.shape(0)[*axis];
  Shape zeros(rank, 0), ones(rank, 1);
  Value data = e.slice(n.input(0), zeros, region, ones);
  // Loop `rank` walks the updates along the axis.
  SmallVector<AffineExpr> in, out;
  for (int64_t d = 0; d < rank; ++d) {
    in.push_back(n.b.getAffineDimExpr(d == *axis ? rank : d));
    out.push_back(n.b.getAffineDimExpr(d));
  }
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(rank + 1, 0, exprs, n.b.getContext());
  };
  SmallVector<utils::IteratorType> iterators(rank + 1,
                                             utils::IteratorType::parallel);
  iterators.back() = utils::IteratorType::reduction;
  bool isUnsigned = n.isUnsigned(0);
  Value y =
      e.generic({n.input(1), n.input(2)}, {map(in), map(in)}, data, map(out),
                iterators, [&](Scalars &s, ValueRange args) {
                  Value target = s.wrapIndex(args[0], dim);
                  Value here = s.make<linalg::IndexOp>(*axis);
                  Value next = combine(s, *kind, args[2], args[1], isUnsigned);
                  return s.select(s.cmp(Cmp::EQ, target, here), next, args[2]);
                });
  if (ArrayRef<int64_t>(region) != n.shape(0) && !llvm::is_contained(region, 0))
    y = e.insert(y, n.input(0), zeros, ones);
  else if (llvm::is_contained(region, 0))
    y = n.input(0);
  n.setOutput(0, y, n.type(0));
  return success();
}

LogicalResult scatterND(NodeBinder &n) {
  if (failed(n.needInputs(3)))
    return failure();
  FailureOr<Combine> kind = readReduction(n);
  if (failed(kind))
    return failure();
  int64_t rank = n.rank(0), indexRank = n.rank(1);
  int64_t depth = indexRank > 0 ? n.shape(1)[indexRank - 1] : 0;
  Shape wanted;
  bool fits = indexRank > 0 && depth <= rank && n.type(0) == n.type(2);
  if (fits) {
    llvm::append_range(wanted, n.shape(1).drop_back());
    llvm::append_range(wanted, n.shape(0).drop_front(depth));
    fits = ArrayRef<int64_t>(wanted) == n.shape(2);
  }
  if (!fits)
    return n.fail("indices and updates do not fit the data",
                  "shapes " + toText(n.shape(1)) + ", " + toText(n.shape(2)) +
                      " and " + toText(n.shape(0)));
  Emitter &e = n.e;
  // Loops: the data's dimensions, then the index tuples flattened to one.
  int64_t tuples = product(n.shape(1).drop_back());
  Value indices = e.reshape(n.input(1), {tuples, depth});
  Shape updateShape{tuples};
  llvm::append_range(updateShape, n.shape(0).drop_front(depth));
  Value updates = e.reshape(n.input(2), updateShape);
  if (tuples == 0 || llvm::is_contained(n.shape(0), 0)) {
    n.setOutput(0, n.input(0), n.type(0));
    return success();
  }
  auto dim = [&](int64_t d) { return n.b.getAffineDimExpr(d); };
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(rank + 1, 0, exprs, n.b.getContext());
  };
  SmallVector<Value> inputs{updates};
  SmallVector<AffineExpr> exprs{dim(rank)};
  for (int64_t d = depth; d < rank; ++d)
    exprs.push_back(dim(d));
  SmallVector<AffineMap> maps{map(exprs)};
  for (int64_t j = 0; j < depth; ++j) {
    inputs.push_back(indices);
    maps.push_back(map({dim(rank), n.b.getAffineConstantExpr(j)}));
  }
  exprs.clear();
  for (int64_t d = 0; d < rank; ++d)
    exprs.push_back(dim(d));
  SmallVector<utils::IteratorType> iterators(rank + 1,
                                             utils::IteratorType::parallel);
  iterators.back() = utils::IteratorType::reduction;
  bool isUnsigned = n.isUnsigned(0);
  Value y = e.generic(inputs, maps, n.input(0), map(exprs), iterators,
                      [&](Scalars &s, ValueRange args) {
                        Value hit = s.constantInt(s.b.getI1Type(), 1);
                        for (int64_t j = 0; j < depth; ++j) {
                          Value target =
                              s.wrapIndex(args[1 + j], n.shape(0)[j]);
                          Value here = s.make<linalg::IndexOp>(j);
                          hit = s.bitAnd(hit, s.cmp(Cmp::EQ, target, here));
                        }
                        Value next =
                            combine(s, *kind, args.back(), args[0], isUnsigned);
                        return s.select(hit, next, args.back());
                      });
  n.setOutput(0, y, n.type(0));
  return success();
}

} // namespace

void registerScatter(Registry &registry) {
  registry.add(
      "", {{"Scatter", 9, scatterElements},
           {"ScatterElements", 11, scatterElements},
           {"ScatterND", 11, scatterND, "work is data times index tuples"}});
}

} // namespace cim::onnx
