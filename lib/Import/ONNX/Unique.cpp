// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Unique: rows are sorted, the first of each run of equal ones is kept.

#include "Select.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace cim::onnx {

using Cmp = Scalars::Cmp;

Value emitScatter(Emitter &e, Value updates, Value indices, Value dest) {
  return ir::ScatterOp::create(e.b, e.loc, dest.getType(),
                               ir::ScatterKind::replace, updates, indices, dest,
                               /*is_unsigned=*/false);
}

Value emitPrefixSum(Emitter &e, Value x) {
  int64_t size = shapeOf(x)[0];
  for (int64_t step = 1; step < size; step *= 2)
    x = e.map(x, {size}, elementOf(x), [&](Scalars &s, ValueRange args) {
      Value at = s.make<linalg::IndexOp>(0), zero = s.index(0);
      Value from = s.make<arith::SubIOp>(at, s.index(step));
      Value isInside = s.cmp(Cmp::GE, from, zero);
      Value other = s.extract(x, s.select(isInside, from, zero));
      Value none = s.constantInt(args[0].getType(), 0);
      return s.add(args[0], s.select(isInside, other, none));
    });
  return x;
}

namespace {

/// Element i of the result: table[indices[i]].
Value lookUp(Emitter &e, Value table, Value indices) {
  return gatherDim(e, table, 0, indices);
}

Value zeros(Emitter &e, int64_t n) {
  return e.filled({n, 1}, e.b.getI64IntegerAttr(0));
}

Value lexSort(Emitter &e, Value rows, bool isUnsigned) {
  auto type = RankedTensorType::get({shapeOf(rows)[0]}, e.b.getI64Type());
  return ir::LexSortOp::create(e.b, e.loc, type, rows, isUnsigned);
}

/// For each of the sorted rows: does it differ from the one before?
Value startsRun(Emitter &e, Value rows) {
  auto dim = [&](int64_t d) { return e.b.getAffineDimExpr(d); };
  AffineMap out = AffineMap::get(2, 0, {dim(0)}, e.b.getContext());
  Value none = e.filled({shapeOf(rows)[0]}, e.b.getBoolAttr(false));
  return e.generic(
      rows, e.identity(2), none, out,
      {utils::IteratorType::parallel, utils::IteratorType::reduction},
      [&](Scalars &s, ValueRange args) {
        Value row = s.make<linalg::IndexOp>(0);
        Value isFirst = s.cmp(Cmp::EQ, row, s.index(0));
        Value before =
            s.select(isFirst, row, s.make<arith::SubIOp>(row, s.index(1)));
        Value column = s.make<linalg::IndexOp>(1);
        Value x = args[0], y = s.extract(rows, {before, column});
        Value differs = s.cmp(Cmp::NE, x, y);
        if (isa<FloatType>(x.getType())) // NaN equals NaN
          differs =
              s.bitAnd(differs, s.logicalNot(s.bitAnd(s.cmp(Cmp::NE, x, x),
                                                      s.cmp(Cmp::NE, y, y))));
        return s.bitOr(args[1], s.bitOr(isFirst, differs));
      });
}

/// Everything about the runs of equal rows, one entry per run (vectors of i64
/// as long as there are rows; `count` of them mean something).
struct Runs {
  Value first;   ///< Row of the first occurrence.
  Value size;    ///< Number of rows.
  Value inverse; ///< Per row: its run.
  Value count;
};

Runs findRuns(Emitter &e, Value rows, bool isUnsigned) {
  Type i64 = e.b.getI64Type();
  int64_t n = shapeOf(rows)[0];
  Value order = lexSort(e, rows, isUnsigned);
  Value marks = startsRun(e, gatherDim(e, rows, 0, order));
  Found found = emitNonZero(e, marks);
  Value starts = e.reshape(found.indices, {n});
  Runs runs;
  runs.count = found.count;
  runs.first = lookUp(e, order, starts);
  AffineMap scalar = AffineMap::get(1, 0, e.b.getContext());
  runs.size =
      e.mapWith({starts, found.count}, {e.identity(1), scalar}, {n}, i64,
                [&](Scalars &s, ValueRange args) {
                  Value next = s.add(s.cast(s.make<linalg::IndexOp>(0), i64),
                                     s.constantInt(i64, 1));
                  Value hasNext = s.cmp(Cmp::LT, next, args[1]);
                  Value at = s.select(hasNext, next, s.constantInt(i64, 0));
                  Value end =
                      s.select(hasNext, s.extract(starts, s.toIndex(at)),
                               s.constantInt(i64, n));
                  return s.sub(end, args[0]);
                });
  Value run = emitPrefixSum(e, e.cast(marks, i64, /*fromUnsigned=*/true));
  run = e.map(run, {n}, i64, [&](Scalars &s, ValueRange args) {
    return s.sub(args[0], s.constantInt(i64, 1));
  });
  Value inverse = emitScatter(e, e.reshape(run, {n, 1}), order, zeros(e, n));
  runs.inverse = e.reshape(inverse, {n});
  return runs;
}

/// The runs in the order of their first rows.
Runs byOccurrence(Emitter &e, const Runs &runs) {
  Type i64 = e.b.getI64Type();
  int64_t n = shapeOf(runs.first)[0];
  AffineMap scalar = AffineMap::get(1, 0, e.b.getContext());
  Value key = e.mapWith({runs.first, runs.count}, {e.identity(1), scalar}, {n},
                        i64, [&](Scalars &s, ValueRange args) {
                          Value at = s.cast(s.make<linalg::IndexOp>(0), i64);
                          return s.select(s.cmp(Cmp::LT, at, args[1]), args[0],
                                          s.constantInt(i64, n));
                        });
  Value order = lexSort(e, e.reshape(key, {n, 1}), false);
  Value numbers = e.indexed({n, 1}, i64, [&](Scalars &s, ValueRange at) {
    return s.cast(at[0], i64);
  });
  Value place = e.reshape(emitScatter(e, numbers, order, zeros(e, n)), {n});
  return {lookUp(e, runs.first, order), lookUp(e, runs.size, order),
          lookUp(e, place, runs.inverse), runs.count};
}

} // namespace

LogicalResult unique(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  Emitter &e = n.e;
  Value x = n.input(0);
  int64_t axis = 0;
  if (n.attribute("axis")) {
    FailureOr<int64_t> given = n.axis(n.intAttr("axis", 0), n.rank(0));
    if (failed(given))
      return failure();
    axis = *given;
  } else {
    x = e.reshape(x, {product(n.shape(0))});
  }
  // Rows are slices along the axis.
  Shape perm{axis}, inverse;
  for (int64_t d = 0; d < rankOf(x); ++d)
    if (d != axis)
      perm.push_back(d);
  inverse.resize(perm.size());
  for (auto [i, p] : llvm::enumerate(perm))
    inverse[p] = i;
  Value first = e.transpose(x, perm);
  Shape shape(shapeOf(first));
  int64_t rows = shape[0];
  Type i64 = n.b.getI64Type();
  if (llvm::is_contained(shape, 0)) {
    Shape none(shapeOf(x));
    none[axis] = 0;
    n.setOutput(0, e.empty(none, n.element(0)), n.type(0));
    for (size_t i = 1; i < 4; ++i)
      n.setOutput(i, e.empty({0}, i64), DType::Int64);
    if (rows != 0)
      return n.fail("slices without elements cannot be compared",
                    "shape " + toText(n.shape(0)));
    return success();
  }
  Value table = e.reshape(first, {rows, product(shape) / rows});
  Runs runs = findRuns(e, table, n.isUnsigned(0));
  if (n.intAttr("sorted", 1) == 0)
    runs = byOccurrence(e, runs);
  Value kept = e.reshape(gatherDim(e, table, 0, runs.first), shape);
  n.setOutput(0, e.transpose(kept, inverse), n.type(0));
  n.setOutput(1, runs.first, DType::Int64);
  n.setOutput(2, runs.inverse, DType::Int64);
  n.setOutput(3, runs.size, DType::Int64);
  if (failed(n.setLength(0, axis, runs.count)) ||
      failed(n.setLength(1, 0, runs.count)))
    return failure();
  return n.setLength(3, 0, runs.count);
}

} // namespace cim::onnx
