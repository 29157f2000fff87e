// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Normalizations: reductions for mean and variance, one elementwise generic at
// the end. Everything but the last rounding happens in fp32 (fp64 for fp64).

#include "Reduce.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace cim::onnx {
namespace {

LogicalResult needFloat(NodeBinder &n, size_t inputs) {
  if (failed(n.needInputs(inputs)))
    return failure();
  if (!isFloating(n.type(0)))
    return n.fail("operand is not floating point",
                  StringRef("type ") + name(n.type(0)));
  return success();
}

/// sum / count
Value meanOf(Emitter &e, Value sum, int64_t count) {
  return e.map(sum, shapeOf(sum), elementOf(sum),
               [&](Scalars &s, ValueRange args) {
                 Type type = args[0].getType();
                 return s.div(args[0], s.constantInt(type, count));
               });
}

/// 1 / sqrt(sum / count + epsilon)
Value inverseDeviation(Emitter &e, Value sum, int64_t count, double epsilon) {
  return e.map(
      sum, shapeOf(sum), elementOf(sum), [&](Scalars &s, ValueRange args) {
        Type type = args[0].getType();
        Value mean = s.div(args[0], s.constantInt(type, count));
        return s.make<math::RsqrtOp>(s.add(mean, s.constant(type, epsilon)));
      });
}

/// Mean, variance and inverse standard deviation over `dims`, dropped. Nobody
/// need use the variance.
struct Moments {
  Value mean, variance, inverse;
};
Moments emitMoments(Emitter &e, Value x, ArrayRef<int64_t> dims,
                    double epsilon) {
  int64_t count = countOf(x, dims), rank = rankOf(x);
  Moments m;
  m.mean = meanOf(e, emitSum(e, x, dims), count);
  // Sum of squared differences: one generic with the mean as second operand.
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  for (int64_t dim : dims)
    iterators[dim] = utils::IteratorType::reduction;
  AffineMap out = e.withoutDims(rank, dims);
  Type type = elementOf(m.mean);
  Value squares = e.generic({x, m.mean}, {e.identity(rank), out},
                            e.filled(shapeOf(m.mean), e.scalarAttr(type, 0)),
                            out, iterators, [&](Scalars &s, ValueRange args) {
                              Value d = s.sub(s.cast(args[0], type), args[1]);
                              return s.add(args[2], s.mul(d, d));
                            });
  m.variance = meanOf(e, squares, count);
  m.inverse = inverseDeviation(e, squares, count, epsilon);
  return m;
}

/// (x - mean) * inverse * scale + bias; scale and bias with maps of their own,
/// bias may be null.
Value emitNormalized(Emitter &e, Value x, const Moments &m,
                     ArrayRef<int64_t> dims, Value scale, Value bias,
                     AffineMap affine) {
  int64_t rank = rankOf(x);
  SmallVector<Value> inputs{x, m.mean, m.inverse};
  SmallVector<AffineMap> maps{e.identity(rank), e.withoutDims(rank, dims),
                              e.withoutDims(rank, dims)};
  for (Value value : {scale, bias})
    if (value) {
      inputs.push_back(value);
      maps.push_back(affine);
    }
  return e.mapWith(inputs, maps, shapeOf(x), elementOf(x),
                   [&](Scalars &s, ValueRange args) {
                     Value y = s.mul(s.sub(args[0], args[1]), args[2]);
                     if (scale)
                       y = s.mul(y, s.cast(args[3], y.getType()));
                     if (bias)
                       y = s.add(y, s.cast(args.back(), y.getType()));
                     return y;
                   });
}

/// Map of a tensor that broadcasts to `shape` (rank >= its own).
AffineMap broadcastMap(OpBuilder &b, ArrayRef<int64_t> from,
                       ArrayRef<int64_t> shape) {
  SmallVector<AffineExpr> exprs;
  for (auto [i, dim] : llvm::enumerate(from)) {
    int64_t target = shape.size() - from.size() + i;
    exprs.push_back(dim == 1 && shape[target] != 1
                        ? b.getAffineConstantExpr(0)
                        : b.getAffineDimExpr(target));
  }
  return AffineMap::get(shape.size(), 0, exprs, b.getContext());
}

LogicalResult needVector(NodeBinder &n, size_t i, int64_t size,
                         const char *what) {
  if (n.rank(i) != 1 || n.shape(i)[0] != size)
    return n.fail(StringRef(what) + " does not have one value per channel",
                  "shape " + toText(n.shape(i)) + ", " + Twine(size) +
                      " wanted");
  return success();
}

/// Statistics of the batch normalize it and move the running ones.
LogicalResult batchNormTraining(NodeBinder &n) {
  Emitter &e = n.e;
  Shape dims, channels{n.shape(0)[1]};
  for (int64_t d = 0; d < n.rank(0); ++d)
    if (d != 1)
      dims.push_back(d);
  if (countOf(n.input(0), dims) == 0)
    return n.fail("the batch is empty", "shape " + toText(n.shape(0)));
  double momentum = n.floatAttr("momentum", 0.9f);
  Moments m = emitMoments(e, n.input(0), dims, n.floatAttr("epsilon", 1e-5f));
  n.setOutput(0, emitNormalized(e, n.input(0), m, dims, n.input(1), n.input(2),
                                e.oneDim(n.rank(0), 1)));
  auto move = [&](size_t running, Value current) {
    return e.map(
        {n.input(running), current}, channels, n.element(running),
        [&](Scalars &s, ValueRange args) {
          Type type = args[1].getType();
          Value old = s.mul(s.cast(args[0], type), s.constant(type, momentum));
          return s.add(old, s.mul(args[1], s.constant(type, 1 - momentum)));
        });
  };
  n.setOutput(1, move(3, m.mean), n.type(3));
  n.setOutput(2, move(4, m.variance), n.type(4));
  return success();
}

/// y = x * s + t with s = scale / sqrt(var + eps), t = bias - mean * s, so that
/// constants fold and the affine form merges into a preceding convolution.
LogicalResult batchNorm(NodeBinder &n) {
  if (failed(needFloat(n, 5)))
    return failure();
  bool isTraining = n.intAttr("training_mode", 0) != 0;
  if (n.opset < 14 && n.wantsOutput(1))
    return n.fail("training mode is not supported before opset 14",
                  Twine(n.numOutputs()) + " outputs",
                  "export the model for inference");
  if (n.opset < 9 && n.intAttr("spatial", 1) == 0)
    return n.fail("per-activation statistics are not supported", "spatial 0",
                  "export with opset 9 or later");
  if (n.rank(0) < 2)
    return n.fail("the input has no channels",
                  "rank " + Twine(n.rank(0)) + ", at least 2 wanted");
  for (size_t i = 1; i < 5; ++i)
    if (failed(needVector(n, i, n.shape(0)[1], "an operand")))
      return failure();
  if (isTraining)
    return batchNormTraining(n);
  Emitter &e = n.e;
  double epsilon = n.floatAttr("epsilon", 1e-5f);
  Type type = computeType(n.element(0));
  Shape channels{n.shape(0)[1]};
  Value scale = e.map({n.input(1), n.input(4)}, channels, type,
                      [&](Scalars &s, ValueRange args) {
                        Value variance = s.cast(args[1], type);
                        Value root = s.make<math::SqrtOp>(
                            s.add(variance, s.constant(type, epsilon)));
                        return s.div(s.cast(args[0], type), root);
                      });
  Value shift = e.map({n.input(2), n.input(3), scale}, channels, type,
                      [&](Scalars &s, ValueRange args) {
                        return s.sub(s.cast(args[0], type),
                                     s.mul(s.cast(args[1], type), args[2]));
                      });
  int64_t rank = n.rank(0);
  AffineMap channel = e.oneDim(rank, 1);
  n.setOutput(0, e.mapWith({n.input(0), scale, shift},
                           {e.identity(rank), channel, channel}, n.shape(0),
                           n.element(0), [](Scalars &s, ValueRange args) {
                             return s.add(s.mul(args[0], args[1]), args[2]);
                           }));
  return success();
}

LogicalResult instanceNorm(NodeBinder &n) {
  if (failed(needFloat(n, 3)))
    return failure();
  int64_t rank = n.rank(0);
  if (rank < 3)
    return n.fail("the input has no spatial dimensions",
                  "rank " + Twine(rank) + ", at least 3 wanted");
  for (size_t i = 1; i < 3; ++i)
    if (failed(needVector(n, i, n.shape(0)[1], "an operand")))
      return failure();
  Shape dims;
  for (int64_t d = 2; d < rank; ++d)
    dims.push_back(d);
  Moments m = emitMoments(n.e, n.input(0), dims, n.floatAttr("epsilon", 1e-5f));
  n.setOutput(0, emitNormalized(n.e, n.input(0), m, dims, n.input(1),
                                n.input(2), n.e.oneDim(rank, 1)));
  return success();
}

/// Statistics per group of channels; scale and bias per group (opset 18) or per
/// channel (21).
LogicalResult groupNorm(NodeBinder &n) {
  if (failed(needFloat(n, 3)))
    return failure();
  int64_t groups = n.intAttr("num_groups", 0), rank = n.rank(0);
  if (rank < 2 || groups < 1 || n.shape(0)[1] % groups != 0)
    return n.fail("channels are not divisible by num_groups",
                  "shape " + toText(n.shape(0)) + ", num_groups " +
                      Twine(groups));
  bool perGroup = n.opset < 21;
  int64_t channels = n.shape(0)[1], perChannel = channels / groups;
  for (size_t i = 1; i < 3; ++i)
    if (failed(needVector(n, i, perGroup ? groups : channels, "an operand")))
      return failure();
  Emitter &e = n.e;
  Shape split{n.shape(0)[0], groups, perChannel}, dims;
  llvm::append_range(split, n.shape(0).drop_front(2));
  for (int64_t d = 2; d <= rank; ++d)
    dims.push_back(d);
  Value x = e.reshape(n.input(0), split);
  Moments m = emitMoments(e, x, dims, n.floatAttr("epsilon", 1e-5f));
  Value scale = n.input(1), bias = n.input(2);
  AffineMap affine = e.oneDim(rank + 1, 1);
  if (!perGroup) {
    scale = e.reshape(scale, {groups, perChannel});
    bias = e.reshape(bias, {groups, perChannel});
    affine = AffineMap::get(rank + 1, 0,
                            {n.b.getAffineDimExpr(1), n.b.getAffineDimExpr(2)},
                            n.b.getContext());
  }
  Value y = emitNormalized(e, x, m, dims, scale, bias, affine);
  n.setOutput(0, e.reshape(y, n.shape(0)));
  return success();
}

/// The dimensions from `axis` on.
FailureOr<Shape> trailingDims(NodeBinder &n) {
  FailureOr<int64_t> axis = n.axis(n.intAttr("axis", -1), n.rank(0));
  if (failed(axis))
    return failure();
  Shape dims;
  for (int64_t d = *axis; d < n.rank(0); ++d)
    dims.push_back(d);
  return dims;
}

LogicalResult checkAffine(NodeBinder &n, size_t i) {
  if (!n.hasInput(i))
    return success();
  std::optional<Shape> shape = broadcastShapes({n.shape(0), n.shape(i)});
  if (!shape || ArrayRef<int64_t>(*shape) != n.shape(0))
    return n.fail("scale or bias does not broadcast to the input",
                  "shapes " + toText(n.shape(i)) + " and " +
                      toText(n.shape(0)));
  return success();
}

LogicalResult layerNorm(NodeBinder &n) {
  if (failed(needFloat(n, 2)))
    return failure();
  FailureOr<Shape> dims = trailingDims(n);
  if (failed(dims) || failed(checkAffine(n, 1)) || failed(checkAffine(n, 2)))
    return failure();
  Emitter &e = n.e;
  Value bias = n.hasInput(2) ? n.input(2) : Value();
  Value scale = n.input(1);
  if (bias && shapeOf(bias) != shapeOf(scale)) {
    Shape common = *broadcastShapes({shapeOf(scale), shapeOf(bias)});
    scale = e.broadcast(scale, common);
    bias = e.broadcast(bias, common);
  }
  Moments m = emitMoments(e, n.input(0), *dims, n.floatAttr("epsilon", 1e-5f));
  n.setOutput(0,
              emitNormalized(e, n.input(0), m, *dims, scale, bias,
                             broadcastMap(n.b, shapeOf(scale), n.shape(0))),
              n.type(0));
  auto kept = [&](Value value) {
    return keepDims(e, value, n.shape(0), *dims);
  };
  DType statistics = n.type(0) == DType::Double ? DType::Double : DType::Float;
  if (n.wantsOutput(1))
    n.setOutput(1, kept(m.mean), statistics);
  if (n.wantsOutput(2))
    n.setOutput(2, kept(m.inverse), statistics);
  return success();
}

LogicalResult rmsNorm(NodeBinder &n) {
  if (failed(needFloat(n, 2)))
    return failure();
  FailureOr<Shape> dims = trailingDims(n);
  if (failed(dims) || failed(checkAffine(n, 1)))
    return failure();
  Emitter &e = n.e;
  Value squares = emitSum(e, n.input(0), *dims,
                          [](Scalars &s, Value v) { return s.mul(v, v); });
  Value inverse = inverseDeviation(e, squares, countOf(n.input(0), *dims),
                                   n.floatAttr("epsilon", 1e-5f));
  int64_t rank = n.rank(0);
  n.setOutput(0,
              e.mapWith({n.input(0), inverse, n.input(1)},
                        {e.identity(rank), e.withoutDims(rank, *dims),
                         broadcastMap(n.b, n.shape(1), n.shape(0))},
                        n.shape(0), n.element(0),
                        [](Scalars &s, ValueRange args) {
                          Value y = s.mul(args[0], args[1]);
                          return s.mul(y, s.cast(args[2], y.getType()));
                        }),
              n.type(0));
  return success();
}

/// x / norm, with 0 where the norm is 0.
LogicalResult lpNorm(NodeBinder &n) {
  if (failed(needFloat(n, 1)))
    return failure();
  FailureOr<int64_t> axis = n.axis(n.intAttr("axis", -1), n.rank(0));
  int64_t p = n.intAttr("p", 2);
  if (failed(axis))
    return failure();
  if (p != 1 && p != 2)
    return n.fail("p is neither 1 nor 2", "p " + Twine(p));
  Emitter &e = n.e;
  Value norm = emitSum(e, n.input(0), *axis, [p](Scalars &s, Value v) {
    return p == 1 ? s.abs(v) : s.mul(v, v);
  });
  if (p == 2)
    norm = e.map(norm, shapeOf(norm), elementOf(norm),
                 [](Scalars &s, ValueRange args) {
                   return s.make<math::SqrtOp>(args[0]);
                 });
  n.setOutput(0, emitWithReduced(
                     e, n.input(0), norm, *axis, n.element(0),
                     [](Scalars &s, ValueRange args) {
                       Value zero = s.constant(args[1].getType(), 0);
                       Value isZero = s.cmp(Scalars::Cmp::EQ, args[1], zero);
                       return s.select(isZero, zero, s.div(args[0], args[1]));
                     }));
  return success();
}

/// (x - mean) / (sqrt(var) + 1e-9) over `axes`, as ONNX's function body.
LogicalResult meanVarianceNorm(NodeBinder &n) {
  if (failed(needFloat(n, 1)))
    return failure();
  Shape given = n.intsAttr("axes").value_or(Shape{0, 2, 3});
  FailureOr<Shape> dims = n.axes(given, n.rank(0));
  if (failed(dims))
    return failure();
  Emitter &e = n.e;
  Value x = n.input(0);
  int64_t count = countOf(x, *dims);
  Value mean = meanOf(e, emitSum(e, x, *dims), count);
  Value centered = emitWithReduced(
      e, x, mean, *dims, computeType(n.element(0)),
      [](Scalars &s, ValueRange args) { return s.sub(args[0], args[1]); });
  Value squares = emitSum(e, centered, *dims,
                          [](Scalars &s, Value v) { return s.mul(v, v); });
  Value deviation = e.map(
      squares, shapeOf(squares), elementOf(squares),
      [&](Scalars &s, ValueRange args) {
        Type type = args[0].getType();
        Value variance = s.div(args[0], s.constantInt(type, count));
        return s.add(s.make<math::SqrtOp>(variance), s.constant(type, 1e-9f));
      });
  Type element = n.element(0);
  n.setOutput(0, emitWithReduced(e, centered, deviation, *dims, element,
                                 [&](Scalars &s, ValueRange args) {
                                   return s.cast(s.div(args[0], args[1]),
                                                 element);
                                 }));
  return success();
}

/// x / (bias + alpha / size * sum of squares of neighbouring channels) ^ beta
LogicalResult lrn(NodeBinder &n) {
  if (failed(needFloat(n, 1)))
    return failure();
  int64_t size = n.intAttr("size", 0), rank = n.rank(0);
  if (rank < 2 || size < 1 || size > (1 << 20))
    return n.fail("size is out of range or the input has no channels",
                  "size " + Twine(size) + ", rank " + Twine(rank));
  Emitter &e = n.e;
  double alpha = n.floatAttr("alpha", 1e-4f) / size;
  double beta = n.floatAttr("beta", 0.75f), bias = n.floatAttr("bias", 1);
  Type type = computeType(n.element(0));
  Shape low(rank, 0), high(rank, 0);
  low[1] = (size - 1) / 2;
  high[1] = size - 1 - low[1];
  Value padded = e.pad(n.input(0), low, high, e.scalarAttr(n.element(0), 0));
  // The window is the last loop; its only operand bounds it.
  SmallVector<AffineExpr> in, out;
  for (int64_t d = 0; d < rank; ++d) {
    out.push_back(n.b.getAffineDimExpr(d));
    in.push_back(d == 1 ? out[1] + n.b.getAffineDimExpr(rank) : out[d]);
  }
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(rank + 1, 0, exprs, n.b.getContext());
  };
  SmallVector<utils::IteratorType> iterators(rank + 1,
                                             utils::IteratorType::parallel);
  iterators.back() = utils::IteratorType::reduction;
  Value window = e.empty({size}, n.element(0));
  Value sum =
      e.generic({padded, window}, {map(in), map(n.b.getAffineDimExpr(rank))},
                e.filled(n.shape(0), e.scalarAttr(type, 0)), map(out),
                iterators, [&](Scalars &s, ValueRange args) {
                  Value x = s.cast(args[0], type);
                  return s.add(args[2], s.mul(x, x));
                });
  n.setOutput(0, e.map({n.input(0), sum}, n.shape(0), n.element(0),
                       [&](Scalars &s, ValueRange args) {
                         Value scaled = s.mul(args[1], s.constant(type, alpha));
                         Value base = s.add(scaled, s.constant(type, bias));
                         return s.div(args[0],
                                      s.make<math::PowFOp>(
                                          base, s.constant(type, beta)));
                       }));
  return success();
}

} // namespace

void registerNorm(Registry &registry) {
  registry.add("", {{"BatchNormalization", 1, batchNorm, "inference"},
                    {"GroupNormalization", 18, groupNorm},
                    {"InstanceNormalization", 1, instanceNorm},
                    {"LRN", 1, lrn},
                    {"LayerNormalization", 17, layerNorm},
                    {"LpNormalization", 1, lpNorm},
                    {"MeanVarianceNormalization", 9, meanVarianceNorm},
                    {"RMSNormalization", 23, rmsNorm}});
}

} // namespace cim::onnx
