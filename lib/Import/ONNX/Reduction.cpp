// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reduce*, ArgMax, ArgMin, CumSum, CumProd.

#include <limits>

#include "Reduce.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace cim::onnx {

using Cmp = Scalars::Cmp;

TypedAttr lowest(OpBuilder &b, Type type, bool isUnsigned) {
  if (isa<FloatType>(type))
    return b.getFloatAttr(type, -std::numeric_limits<double>::infinity());
  unsigned width = type.getIntOrFloatBitWidth();
  bool zero = isUnsigned || width == 1;
  return b.getIntegerAttr(type, zero ? APInt::getZero(width)
                                     : APInt::getSignedMinValue(width));
}

TypedAttr highest(OpBuilder &b, Type type, bool isUnsigned) {
  if (isa<FloatType>(type))
    return b.getFloatAttr(type, std::numeric_limits<double>::infinity());
  unsigned width = type.getIntOrFloatBitWidth();
  bool ones = isUnsigned || width == 1;
  return b.getIntegerAttr(type, ones ? APInt::getAllOnes(width)
                                     : APInt::getSignedMaxValue(width));
}

int64_t countOf(Value x, ArrayRef<int64_t> dims) {
  int64_t count = 1;
  for (int64_t dim : dims)
    count *= shapeOf(x)[dim];
  return count;
}

Value emitSum(Emitter &e, Value x, ArrayRef<int64_t> dims,
              std::function<Value(Scalars &, Value)> body, Type accumulator) {
  Type type = accumulator ? accumulator : computeType(elementOf(x));
  return e.reduce(x, dims, e.scalarAttr(type, 0),
                  [&](Scalars &s, ValueRange args) {
                    Value term = s.cast(args[0], type);
                    if (body)
                      term = body(s, term);
                    return s.add(args[1], term);
                  });
}

Value emitMax(Emitter &e, Value x, ArrayRef<int64_t> dims, bool isUnsigned) {
  bool zeroExtended = isUnsigned || elementOf(x).isInteger(1);
  return e.reduce(x, dims, lowest(e.b, elementOf(x), isUnsigned),
                  [&](Scalars &s, ValueRange args) {
                    return s.max(args[1], args[0], zeroExtended);
                  });
}

Value emitMin(Emitter &e, Value x, ArrayRef<int64_t> dims, bool isUnsigned) {
  bool zeroExtended = isUnsigned || elementOf(x).isInteger(1);
  return e.reduce(x, dims, highest(e.b, elementOf(x), isUnsigned),
                  [&](Scalars &s, ValueRange args) {
                    return s.min(args[1], args[0], zeroExtended);
                  });
}

Value emitWithReduced(Emitter &e, Value x, ValueRange reduced,
                      ArrayRef<int64_t> dims, Type element,
                      Emitter::Body body) {
  int64_t rank = rankOf(x);
  SmallVector<Value> inputs{x};
  SmallVector<AffineMap> maps{e.identity(rank)};
  for (Value value : reduced) {
    inputs.push_back(value);
    maps.push_back(e.withoutDims(rank, dims));
  }
  return e.mapWith(inputs, maps, shapeOf(x), element, body);
}

Value keepDims(Emitter &e, Value reduced, ArrayRef<int64_t> full,
               ArrayRef<int64_t> dims) {
  Shape shape(full);
  for (int64_t dim : dims)
    shape[dim] = 1;
  return e.reshape(reduced, shape);
}

/// Two passes: the extreme value, then the first (last) place it stands at.
Value emitArg(Emitter &e, Value x, int64_t dim, bool isMax, bool isLast,
              bool isUnsigned) {
  Value best =
      isMax ? emitMax(e, x, dim, isUnsigned) : emitMin(e, x, dim, isUnsigned);
  int64_t rank = rankOf(x);
  Type i64 = e.b.getI64Type();
  // Where nothing is equal (NaN) the initial value remains.
  int64_t none = isLast ? 0 : std::max<int64_t>(shapeOf(x)[dim] - 1, 0);
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  iterators[dim] = utils::IteratorType::reduction;
  AffineMap out = e.withoutDims(rank, dim);
  Value init = e.filled(shapeOf(best), e.b.getI64IntegerAttr(none));
  return e.generic({x, best}, {e.identity(rank), out}, init, out, iterators,
                   [&](Scalars &s, ValueRange args) {
                     Value at = s.cast(s.make<linalg::IndexOp>(dim), i64);
                     Value hit = s.cmp(Cmp::EQ, args[0], args[1]);
                     Value place = s.select(hit, at, s.constantInt(i64, none));
                     return isLast ? s.max(args[2], place)
                                   : s.min(args[2], place);
                   });
}

namespace {

/// Axes to reduce and whether to keep them; nothing when the node is the
/// identity (noop_with_empty_axes).
struct ReductionSpec {
  Shape dims;
  bool keep = true;
  bool isIdentity = false;
};

FailureOr<ReductionSpec> readReduction(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  FailureOr<std::optional<Shape>> axes = n.intsAttrOrInput("axes", 1);
  if (failed(axes))
    return failure();
  ReductionSpec spec;
  spec.keep = n.intAttr("keepdims", 1) != 0;
  if (!*axes || (*axes)->empty()) {
    spec.isIdentity = n.intAttr("noop_with_empty_axes", 0) != 0;
    for (int64_t d = 0; !spec.isIdentity && d < n.rank(0); ++d)
      spec.dims.push_back(d);
    return spec;
  }
  FailureOr<Shape> fixed = n.axes(**axes, n.rank(0));
  if (failed(fixed))
    return failure();
  spec.dims = *fixed;
  return spec;
}

/// Runs `emit` (which drops the dimensions) and finishes type and shape. With
/// no axis the reduction still applies its elementwise part, over no loop.
Handler
reduction(std::function<Value(NodeBinder &, Value, const Shape &)> emit) {
  return [emit](NodeBinder &n) -> LogicalResult {
    FailureOr<ReductionSpec> spec = readReduction(n);
    if (failed(spec))
      return failure();
    if (spec->isIdentity && n.opset < 18) {
      n.setOutput(0, n.input(0), n.type(0));
      return success();
    }
    Value y = emit(n, n.input(0), spec->dims);
    y = n.e.cast(y, n.element(0), false, n.isUnsigned(0));
    if (spec->keep)
      y = keepDims(n.e, y, n.shape(0), spec->dims);
    n.setOutput(0, y, n.type(0));
    return success();
  };
}

/// The reduced value transformed.
Value then(NodeBinder &n, Value x,
           llvm::function_ref<Value(Scalars &, Value)> body) {
  return n.e.map(x, shapeOf(x), elementOf(x),
                 [&](Scalars &s, ValueRange args) { return body(s, args[0]); });
}

Value reduceSum(NodeBinder &n, Value x, const Shape &dims) {
  return emitSum(n.e, x, dims);
}
Value reduceSumSquare(NodeBinder &n, Value x, const Shape &dims) {
  return emitSum(n.e, x, dims, [](Scalars &s, Value v) { return s.mul(v, v); });
}
Value reduceL1(NodeBinder &n, Value x, const Shape &dims) {
  bool isUnsigned = n.isUnsigned(0);
  return emitSum(n.e, x, dims, [isUnsigned](Scalars &s, Value v) {
    return s.abs(v, isUnsigned);
  });
}
Value sqrtOf(Scalars &s, Value v, bool isUnsigned) {
  if (isa<FloatType>(v.getType()))
    return s.make<math::SqrtOp>(v);
  Value root = s.make<math::SqrtOp>(s.cast(v, s.b.getF64Type(), isUnsigned));
  return s.cast(root, v.getType(), false, isUnsigned);
}
Value reduceL2(NodeBinder &n, Value x, const Shape &dims) {
  return then(n, reduceSumSquare(n, x, dims), [&](Scalars &s, Value v) {
    return sqrtOf(s, v, n.isUnsigned(0));
  });
}
Value logOf(Scalars &s, Value v, bool isUnsigned) {
  if (isa<FloatType>(v.getType()))
    return s.make<math::LogOp>(v);
  Value log = s.make<math::LogOp>(s.cast(v, s.b.getF64Type(), isUnsigned));
  return s.cast(log, v.getType(), false, isUnsigned);
}
Value reduceLogSum(NodeBinder &n, Value x, const Shape &dims) {
  return then(n, reduceSum(n, x, dims), [&](Scalars &s, Value v) {
    return logOf(s, v, n.isUnsigned(0));
  });
}

Value reduceMean(NodeBinder &n, Value x, const Shape &dims) {
  int64_t count = countOf(x, dims);
  bool isFloat = isFloating(n.type(0));
  // Integers: the sum must not wrap before the division.
  Type type = isFloat ? Type() : Type(n.b.getI64Type());
  if (n.isUnsigned(0))
    x = n.e.cast(x, type, true);
  Value sum = emitSum(n.e, x, dims, {}, type);
  return then(n, sum, [&](Scalars &s, Value v) {
    return s.div(v, s.constantInt(v.getType(), count));
  });
}

Value reduceProd(NodeBinder &n, Value x, const Shape &dims) {
  Type type = computeType(elementOf(x));
  return n.e.reduce(x, dims, n.e.scalarAttr(type, 1),
                    [&](Scalars &s, ValueRange args) {
                      return s.mul(args[1], s.cast(args[0], type));
                    });
}

Value reduceMax(NodeBinder &n, Value x, const Shape &dims) {
  return emitMax(n.e, x, dims, n.isUnsigned(0));
}
Value reduceMin(NodeBinder &n, Value x, const Shape &dims) {
  return emitMin(n.e, x, dims, n.isUnsigned(0));
}

/// log(sum(exp(x - m))) + m with m the maximum (0 where it is infinite).
Value reduceLogSumExp(NodeBinder &n, Value x, const Shape &dims) {
  Emitter &e = n.e;
  if (!isFloating(n.type(0)))
    x = e.cast(x, n.b.getF64Type(), n.isUnsigned(0));
  else
    x = e.cast(x, computeType(elementOf(x)));
  Type type = elementOf(x);
  Value max = then(n, emitMax(e, x, dims), [](Scalars &s, Value v) {
    return s.select(s.make<math::IsInfOp>(v), s.constant(v.getType(), 0), v);
  });
  Value exps =
      emitWithReduced(e, x, max, dims, type, [](Scalars &s, ValueRange args) {
        return s.make<math::ExpOp>(s.sub(args[0], args[1]));
      });
  Value sum = emitSum(e, exps, dims);
  return e.map({sum, max}, shapeOf(sum), type, [](Scalars &s, ValueRange args) {
    return s.add(s.make<math::LogOp>(args[0]), args[1]);
  });
}

Handler argOp(bool isMax) {
  return [isMax](NodeBinder &n) -> LogicalResult {
    if (failed(n.needInputs(1)))
      return failure();
    FailureOr<int64_t> axis = n.axis(n.intAttr("axis", 0), n.rank(0));
    if (failed(axis))
      return failure();
    Value y = emitArg(n.e, n.input(0), *axis, isMax,
                      n.intAttr("select_last_index", 0) != 0, n.isUnsigned(0));
    if (n.intAttr("keepdims", 1))
      y = keepDims(n.e, y, n.shape(0), *axis);
    n.setOutput(0, y, DType::Int64);
    return success();
  };
}

/// y[i] = sum (product) of x[j] over j <= i, j ascending: a triangular
/// reduction. `reverse` looks at j >= i from the end, `exclusive` drops j = i.
Handler cumulative(bool isProduct) {
  return [isProduct](NodeBinder &n) -> LogicalResult {
    if (failed(n.needInputs(2)))
      return failure();
    FailureOr<Shape> given = n.constantInts(1, "axis");
    if (failed(given))
      return failure();
    if (given->size() != 1)
      return n.fail("axis is not a scalar", Twine(given->size()) + " values");
    FailureOr<int64_t> axis = n.axis(given->front(), n.rank(0));
    if (failed(axis))
      return failure();
    bool isExclusive = n.intAttr("exclusive", 0) != 0;
    bool isReverse = n.intAttr("reverse", 0) != 0;
    Emitter &e = n.e;
    int64_t rank = n.rank(0), size = n.shape(0)[*axis];
    Type type = computeType(n.element(0));
    // Loop `rank` is how far back from i the term lies, far to near, so that
    // terms are added in the order of the running sum.
    SmallVector<utils::IteratorType> iterators(rank + 1,
                                               utils::IteratorType::parallel);
    iterators[rank] = utils::IteratorType::reduction;
    SmallVector<AffineExpr> in, out;
    for (int64_t d = 0; d < rank; ++d) {
      in.push_back(n.b.getAffineDimExpr(d == *axis ? rank : d));
      out.push_back(n.b.getAffineDimExpr(d));
    }
    Value x = n.input(0);
    if (isReverse) // Terms come from the end: reverse before and after.
      x = e.indexed(n.shape(0), n.element(0), [&](Scalars &s, ValueRange at) {
        SmallVector<Value> from(at);
        from[*axis] = s.make<arith::SubIOp>(s.index(size - 1), at[*axis]);
        return s.extract(n.input(0), from);
      });
    auto map = [&](ArrayRef<AffineExpr> exprs) {
      return AffineMap::get(rank + 1, 0, exprs, n.b.getContext());
    };
    Value y = e.generic(
        x, map(in), e.filled(n.shape(0), e.scalarAttr(type, isProduct)),
        map(out), iterators, [&](Scalars &s, ValueRange args) {
          Value i = s.make<linalg::IndexOp>(*axis);
          Value j = s.make<linalg::IndexOp>(rank);
          Value isBefore = s.cmp(isExclusive ? Cmp::LT : Cmp::LE, j, i);
          Value term = s.cast(args[0], type);
          Value next = isProduct ? s.mul(args[1], term) : s.add(args[1], term);
          return s.select(isBefore, next, args[1]);
        });
    if (isReverse) {
      Value forward = y;
      y = e.indexed(n.shape(0), type, [&](Scalars &s, ValueRange at) {
        SmallVector<Value> from(at);
        from[*axis] = s.make<arith::SubIOp>(s.index(size - 1), at[*axis]);
        return s.extract(forward, from);
      });
    }
    n.setOutput(0, e.cast(y, n.element(0)), n.type(0));
    return success();
  };
}

} // namespace

void registerReduction(Registry &registry) {
  registry.add("", {{"ArgMax", 1, argOp(true)},
                    {"ArgMin", 1, argOp(false)},
                    {"CumProd", 26, cumulative(true), "quadratic in the axis"},
                    {"CumSum", 11, cumulative(false), "quadratic in the axis"},
                    {"ReduceL1", 1, reduction(reduceL1)},
                    {"ReduceL2", 1, reduction(reduceL2)},
                    {"ReduceLogSum", 1, reduction(reduceLogSum)},
                    {"ReduceLogSumExp", 1, reduction(reduceLogSumExp)},
                    {"ReduceMax", 1, reduction(reduceMax)},
                    {"ReduceMean", 1, reduction(reduceMean)},
                    {"ReduceMin", 1, reduction(reduceMin)},
                    {"ReduceProd", 1, reduction(reduceProd)},
                    {"ReduceSum", 1, reduction(reduceSum)},
                    {"ReduceSumSquare", 1, reduction(reduceSumSquare)}});
}

} // namespace cim::onnx
