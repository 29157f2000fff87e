// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ScatterElements, ScatterND, MaxUnpool, TensorScatter. A small scatter
// is written as the gather it is equivalent to, which folds and fuses like
// other generics: every element of the result goes through the updates in order
// and takes those whose index names it. That is work of the result times the
// updates; a larger scatter is a `cim.scatter` of rows at computed places.
// Either way the order of several updates of one element is the order of the
// updates.

#include "Select.h"
#include "Window.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace cim::onnx {
namespace {

using Cmp = Scalars::Cmp;

using Combine = ir::ScatterKind;

/// Iterations up to which a scatter is written as a gather.
constexpr int64_t kSmallScatter = 1 << 14;

FailureOr<Combine> readReduction(NodeBinder &n) {
  std::string text = n.stringAttr("reduction", "none");
  if (text == "none")
    return Combine::replace;
  if (text == "add")
    return Combine::add;
  if (text == "mul")
    return Combine::mul;
  if (text == "max")
    return Combine::max;
  if (text == "min")
    return Combine::min;
  return n.fail("unknown reduction", "reduction '" + text + "'");
}

Value combine(Scalars &s, Combine kind, Value old, Value update,
              bool isUnsigned) {
  switch (kind) {
  case Combine::replace:
    return update;
  case Combine::add:
    return s.add(old, update);
  case Combine::mul:
    return s.mul(old, update);
  case Combine::max:
    return s.max(old, update, isUnsigned);
  case Combine::min:
    return s.min(old, update, isUnsigned);
  }
  return update;
}

/// The rows of `dest` (D x S) after those of `updates` (T x S) have been
/// combined into them at `indices` (T, i64).
Value scatterRows(NodeBinder &n, Combine kind, Value updates, Value indices,
                  Value dest) {
  return ir::ScatterOp::create(n.b, n.e.loc, dest.getType(), kind, updates,
                               indices, dest, n.isUnsigned(0));
}

/// Row-major position of the index tuples `parts` (values between -size and
/// size, one tensor of shape `shape` each) among `sizes`; the number of all
/// positions, which a scatter refuses, where an index is outside.
Value flatIndices(Emitter &e, ValueRange parts, ArrayRef<AffineMap> maps,
                  ArrayRef<int64_t> shape, ArrayRef<int64_t> sizes) {
  Type i64 = e.b.getI64Type();
  return e.mapWith(parts, maps, shape, i64, [&](Scalars &s, ValueRange args) {
    Value zero = s.constantInt(i64, 0), flat = zero, isInside;
    for (auto [d, size] : llvm::enumerate(sizes)) {
      Value at = s.cast(s.wrapIndex(args[d], size), i64);
      Value here = s.cmp(Cmp::LT, at, s.constantInt(i64, size), true);
      isInside = isInside ? s.bitAnd(isInside, here) : here;
      flat = s.add(s.mul(flat, s.constantInt(i64, size)), at);
    }
    return s.select(isInside, flat, s.constantInt(i64, product(sizes)));
  });
}

/// ScatterElements with loops over the updates only: elements of one line along
/// the axis are rows of one element.
Value scatterLarge(NodeBinder &n, int64_t axis, Combine kind) {
  Emitter &e = n.e;
  int64_t rank = n.rank(0), total = product(n.shape(0));
  Shape updateShape(n.shape(1)), dataShape(n.shape(0));
  Type i64 = n.b.getI64Type();
  Value flat =
      e.map(n.input(1), updateShape, i64, [&](Scalars &s, ValueRange args) {
        Value at = s.constantInt(i64, 0), isInside;
        for (int64_t d = 0; d < rank; ++d) {
          Value index = s.cast(s.make<linalg::IndexOp>(d), i64);
          if (d == axis) {
            index = s.cast(s.wrapIndex(args[0], dataShape[d]), i64);
            isInside =
                s.cmp(Cmp::LT, index, s.constantInt(i64, dataShape[d]), true);
          }
          at = s.add(s.mul(at, s.constantInt(i64, dataShape[d])), index);
        }
        return s.select(isInside, at, s.constantInt(i64, total));
      });
  int64_t count = product(updateShape);
  Value y =
      scatterRows(n, kind, e.reshape(n.input(2), {count, 1}),
                  e.reshape(flat, {count}), e.reshape(n.input(0), {total, 1}));
  return e.reshape(y, dataShape);
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
  if (product(region) > 0 && product(n.shape(1)) > 0 &&
      product(region) * n.shape(1)[*axis] > kSmallScatter) {
    n.setOutput(0, scatterLarge(n, *axis, *kind), n.type(0));
    return success();
  }
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

/// ScatterND with loops over the updates only; of them the first `length` count
/// (all if it is null).
Value scatterTuples(NodeBinder &n, Value indices, Value updates, Combine kind,
                    Value length) {
  Emitter &e = n.e;
  int64_t tuples = shapeOf(indices)[0], depth = shapeOf(indices)[1];
  ArrayRef<int64_t> sizes = n.shape(0).take_front(depth);
  int64_t row = product(n.shape(0).drop_front(depth));
  SmallVector<Value> parts(depth, indices);
  SmallVector<AffineMap> maps;
  for (int64_t j = 0; j < depth; ++j)
    maps.push_back(AffineMap::get(
        1, 0, {n.b.getAffineDimExpr(0), n.b.getAffineConstantExpr(j)},
        n.b.getContext()));
  Value flat = flatIndices(e, parts, maps, {tuples}, sizes);
  if (length)
    flat = maskBeyond(n, flat, {{0, length}}, n.b.getI64IntegerAttr(-1));
  Value y = scatterRows(n, kind, e.reshape(updates, {tuples, row}), flat,
                        e.reshape(n.input(0), {product(sizes), row}));
  return e.reshape(y, n.shape(0));
}

/// The run-time number of index tuples, or null; their first dimension may have
/// a length.
FailureOr<Value> tupleCount(NodeBinder &n) {
  Value result;
  if (!n.lengths(0).empty())
    return failOnLengths(n);
  for (size_t i = 1; i < 3; ++i)
    for (const Length &length : n.lengths(i)) {
      int64_t inner = product(n.shape(1).drop_back().drop_front(1));
      if (length.dim != 0 || n.rank(1) < 2 || inner != 1)
        return failOnLengths(n);
      result = length.value;
    }
  return result;
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
  FailureOr<Value> count = tupleCount(n);
  if (failed(count))
    return failure();
  if (*count || product(n.shape(0)) * tuples > kSmallScatter) {
    n.setOutput(0, scatterTuples(n, indices, updates, *kind, *count),
                n.type(0));
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

LogicalResult maxUnpool(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  int64_t spatial = n.rank(0) - 2;
  std::optional<Shape> kernel = n.intsAttr("kernel_shape");
  if (!kernel || spatial < 1 || n.shape(0) != n.shape(1) ||
      static_cast<int64_t>(kernel->size()) != spatial)
    return n.fail("indices or kernel_shape do not fit the input",
                  "shapes " + toText(n.shape(0)) + " and " +
                      toText(n.shape(1)));
  FailureOr<Shape> strides = windowAttr(n, "strides", spatial, 1, 1);
  FailureOr<Shape> pads = windowAttr(n, "pads", 2 * spatial, 0, 0);
  if (failed(strides) || failed(pads))
    return failure();
  Shape inferred(n.shape(0).take_front(2));
  for (int64_t d = 0; d < spatial; ++d)
    inferred.push_back((n.shape(0)[2 + d] - 1) * (*strides)[d] - (*pads)[d] -
                       (*pads)[spatial + d] + (*kernel)[d]);
  Shape result = inferred;
  if (n.hasInput(2)) {
    FailureOr<Shape> given = n.constantInts(2, "output_shape");
    if (failed(given))
      return failure();
    result = *given;
  }
  bool fits = result.size() == inferred.size();
  for (size_t d = 0; fits && d < result.size(); ++d)
    fits = result[d] >= inferred[d];
  if (!fits || failed(n.checkShape(inferred)) || failed(n.checkShape(result)))
    return n.fail("output_shape is smaller than what is unpooled",
                  toText(result) + ", at least " + toText(inferred));
  Emitter &e = n.e;
  if (llvm::is_contained(inferred, 0) || llvm::is_contained(n.shape(0), 0)) {
    n.setOutput(0, e.splat(result, n.element(0), 0), n.type(0));
    return success();
  }
  // Indices are positions in the whole tensor before padding to the result.
  int64_t count = product(n.shape(0)), total = product(inferred);
  Value zeros = e.filled({total, 1}, e.scalarAttr(n.element(0), 0));
  Value flat = flatIndices(e, e.reshape(n.input(1), {count}), e.identity(1),
                           {count}, {total});
  Value y = scatterRows(n, Combine::replace, e.reshape(n.input(0), {count, 1}),
                        flat, zeros);
  Shape low(result.size(), 0), high;
  for (auto [to, from] : llvm::zip_equal(result, inferred))
    high.push_back(to - from);
  n.setOutput(
      0,
      e.pad(e.reshape(y, inferred), low, high, e.scalarAttr(n.element(0), 0)),
      n.type(0));
  return success();
}

/// present[.., t, ..] = update[.., t - start[batch], ..] where that exists,
/// else past[.., t, ..].
LogicalResult tensorScatter(NodeBinder &n) {
  if (failed(n.needInputs(2)) || failed(n.needTypeOfFirst({1})))
    return failure();
  int64_t rank = n.rank(0);
  FailureOr<int64_t> axis = n.axis(n.intAttr("axis", -2), rank);
  if (failed(axis))
    return failure();
  bool fits = n.rank(1) == rank && *axis > 0;
  for (int64_t d = 0; fits && d < rank; ++d)
    fits = d == *axis ? n.shape(1)[d] <= n.shape(0)[d]
                      : n.shape(1)[d] == n.shape(0)[d];
  if (n.hasInput(2))
    fits &= n.rank(2) == 1 && n.shape(2)[0] == n.shape(0)[0];
  std::string mode = n.stringAttr("mode", "linear");
  if (!fits || (mode != "linear" && mode != "circular"))
    return n.fail("the update does not fit the cache, or unknown mode",
                  "shapes " + toText(n.shape(1)) + " and " +
                      toText(n.shape(0)) + ", mode '" + mode + "'");
  int64_t size = n.shape(0)[*axis], count = n.shape(1)[*axis];
  if (count == 0 || product(n.shape(0)) == 0) {
    n.setOutput(0, n.input(0), n.type(0));
    return success();
  }
  Type i64 = n.b.getI64Type();
  SmallVector<Value> inputs{n.input(0)};
  SmallVector<AffineMap> maps{n.e.identity(rank)};
  if (n.hasInput(2)) {
    inputs.push_back(n.input(2));
    maps.push_back(n.e.oneDim(rank, 0));
  }
  Value y = n.e.mapWith(
      inputs, maps, n.shape(0), n.element(0),
      [&](Scalars &s, ValueRange args) {
        auto number = [&](int64_t v) { return s.constantInt(i64, v); };
        Value from = s.cast(s.make<linalg::IndexOp>(*axis), i64);
        if (args.size() > 1)
          from = s.sub(from, s.cast(args[1], i64));
        if (mode == "circular") { // the remainder that is not negative
          from = s.rem(from, number(size));
          from = s.select(s.cmp(Cmp::LT, from, number(0)),
                          s.add(from, number(size)), from);
        }
        Value isUpdated = s.cmp(Cmp::LT, from, number(count), true);
        SmallVector<Value> at;
        for (int64_t d = 0; d < rank; ++d)
          at.push_back(d == *axis
                           ? s.toIndex(s.select(isUpdated, from, number(0)))
                           : s.make<linalg::IndexOp>(d));
        return s.select(isUpdated, s.extract(n.input(1), at), args[0]);
      },
      /*widen=*/false);
  n.setOutput(0, y, n.type(0));
  return success();
}

} // namespace

void registerScatter(Registry &registry) {
  registry.add("", {{"MaxUnpool", 9, maxUnpool},
                    {"Scatter", 9, scatterElements},
                    {"ScatterElements", 11, scatterElements},
                    {"ScatterND", 11, scatterND},
                    {"TensorScatter", 24, tensorScatter}});
}

} // namespace cim::onnx
