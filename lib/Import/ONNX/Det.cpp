// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Det: Gaussian elimination with partial pivoting, one step per column.

#include "Binder.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace cim::onnx {
namespace {

using Cmp = Scalars::Cmp;

/// Row with the largest magnitude in column 0 of each of [batch, size, size]:
/// [batch] of i64, the first of equal ones; 0 where there is NaN.
Value pivotRow(Emitter &e, Value matrix) {
  int64_t batch = shapeOf(matrix)[0], size = shapeOf(matrix)[1];
  Type type = elementOf(matrix), i64 = e.b.getI64Type();
  Value column = e.reshape(
      e.slice(matrix, {0, 0, 0}, {batch, size, 1}, {1, 1, 1}), {batch, size});
  Value largest = e.reduce(column, {1}, e.scalarAttr(type, 0),
                           [](Scalars &s, ValueRange args) {
                             return s.max(s.abs(args[0]), args[1]);
                           });
  AffineMap full = e.identity(2), rows = e.withoutDims(2, {1});
  Value row =
      e.generic({column, largest}, {full, rows},
                e.filled({batch}, e.scalarAttr(i64, size)), rows,
                {utils::IteratorType::parallel, utils::IteratorType::reduction},
                [&](Scalars &s, ValueRange args) {
                  Value here = s.cast(s.make<linalg::IndexOp>(1), i64);
                  Value isLargest = s.cmp(Cmp::EQ, s.abs(args[0]), args[1]);
                  return s.select(isLargest, s.min(here, args[2]), args[2]);
                });
  return e.map(row, {batch}, i64, [&](Scalars &s, ValueRange args) {
    Value none = s.cmp(Cmp::EQ, args[0], s.constantInt(i64, size));
    return s.select(none, s.constantInt(i64, 0), args[0]);
  });
}

/// The determinant so far times this step's pivot, with the sign of the swap.
Value multiplyPivot(Emitter &e, Value matrix, Value row, Value product) {
  Type i64 = e.b.getI64Type();
  return e.map({product, row}, shapeOf(product), elementOf(matrix),
               [&](Scalars &s, ValueRange args) {
                 Value batch = s.make<linalg::IndexOp>(0);
                 Value pivot =
                     s.extract(matrix, {batch, s.toIndex(args[1]), s.index(0)});
                 Value isFirst = s.cmp(Cmp::EQ, args[1], s.constantInt(i64, 0));
                 Value sign = s.select(isFirst, pivot, s.neg(pivot));
                 return s.mul(args[0], sign);
               });
}

/// What is left after the pivot's row has been swapped to the top and
/// subtracted from the others: one row and column less.
Value eliminate(Emitter &e, Value matrix, Value row) {
  int64_t batch = shapeOf(matrix)[0], size = shapeOf(matrix)[1] - 1;
  Type type = elementOf(matrix);
  return e.indexed(
      {batch, size, size}, type, [&](Scalars &s, ValueRange at) -> Value {
        Value pivotAt = s.toIndex(s.extract(row, at[0]));
        Value below = s.make<arith::AddIOp>(at[1], s.index(1));
        Value right = s.make<arith::AddIOp>(at[2], s.index(1));
        // The first row took the pivot's place.
        Value isPivot =
            s.make<arith::CmpIOp>(arith::CmpIPredicate::eq, below, pivotAt);
        Value from = s.select(isPivot, s.index(0), below);
        auto element = [&](Value i, Value j) {
          return s.extract(matrix, {at[0], i, j});
        };
        Value pivot = element(pivotAt, s.index(0));
        Value zero = s.constant(type, 0);
        Value ratio = s.div(element(from, s.index(0)), pivot);
        // A column of zeros: the product is zero already.
        ratio = s.select(s.cmp(Cmp::EQ, pivot, zero), zero, ratio);
        return s.sub(element(from, right),
                     s.mul(ratio, element(pivotAt, right)));
      });
}

LogicalResult det(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  int64_t rank = n.rank(0);
  if (rank < 2 || n.shape(0)[rank - 1] != n.shape(0)[rank - 2] ||
      !isFloating(n.type(0)))
    return n.fail("the input is not a square matrix of floats",
                  "shape " + toText(n.shape(0)));
  int64_t size = n.shape(0)[rank - 1];
  constexpr int64_t largest = 256;
  if (size > largest)
    return n.fail("the matrix is too big",
                  "size " + Twine(size) + ", at most " + Twine(largest),
                  "use a smaller matrix");
  Shape outer(n.shape(0).drop_back(2));
  int64_t batch = product(outer);
  Emitter &e = n.e;
  Type type = computeType(n.element(0));
  Value matrix = e.reshape(e.cast(n.input(0), type), {batch, size, size});
  Value result = e.splat({batch}, type, 1);
  for (int64_t step = 0; step < size; ++step) {
    Value row = pivotRow(e, matrix);
    result = multiplyPivot(e, matrix, row, result);
    if (step + 1 < size)
      matrix = eliminate(e, matrix, row);
  }
  n.setOutput(0, e.cast(e.reshape(result, outer), n.element(0)), n.type(0));
  return success();
}

} // namespace

void registerDet(Registry &registry) { registry.add("", {{"Det", 11, det}}); }

} // namespace cim::onnx
