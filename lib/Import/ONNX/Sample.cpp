// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Taps, GridSample.

#include "Sample.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace cim::onnx {

using Cmp = Scalars::Cmp;

Value sampleTaps(NodeBinder &n, Value x, ArrayRef<Taps> taps,
                 ArrayRef<int64_t> lead, Value batch, bool isMax) {
  Emitter &e = n.e;
  int64_t dims = lead.size(), loops = dims + taps.size();
  Type type = computeType(elementOf(x));
  auto dim = [&](int64_t d) { return n.b.getAffineDimExpr(d); };
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(loops, 0, exprs, n.b.getContext());
  };
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  for (auto [d, tap] : llvm::enumerate(taps)) {
    SmallVector<AffineExpr> exprs;
    for (int64_t loop : tap.loops)
      exprs.push_back(dim(loop));
    exprs.push_back(dim(dims + d));
    inputs.append({tap.index, tap.weight});
    maps.append(2, map(exprs));
  }
  if (batch) {
    inputs.push_back(batch);
    maps.push_back(map({dim(0)}));
  }
  SmallVector<AffineExpr> out;
  for (int64_t d = 0; d < dims; ++d)
    out.push_back(dim(d));
  SmallVector<utils::IteratorType> iterators(loops,
                                             utils::IteratorType::reduction);
  std::fill_n(iterators.begin(), dims, utils::IteratorType::parallel);
  double start = isMax ? -std::numeric_limits<double>::infinity() : 0;
  return e.generic(inputs, maps, e.filled(lead, n.b.getFloatAttr(type, start)),
                   map(out), iterators, [&](Scalars &s, ValueRange args) {
                     Type i64 = s.b.getI64Type();
                     Value zero = s.constantInt(i64, 0), isInside, weight;
                     for (size_t d = 0; d < taps.size(); ++d) {
                       Value here = s.cmp(Cmp::GE, args[2 * d], zero);
                       isInside = d ? s.bitAnd(isInside, here) : here;
                       weight = d ? s.mul(weight, args[2 * d + 1]) : args[1];
                     }
                     SmallVector<Value> at{
                         batch ? s.toIndex(args[2 * taps.size()])
                               : Value(s.make<linalg::IndexOp>(0)),
                         s.make<linalg::IndexOp>(1)};
                     for (size_t d = 0; d < taps.size(); ++d)
                       at.push_back(s.toIndex(s.max(args[2 * d], zero)));
                     Value term = s.mul(weight, s.cast(s.extract(x, at), type));
                     term = s.select(isInside, term, s.constant(type, 0));
                     Value sum = args.back();
                     return isMax ? s.max(sum, term) : s.add(sum, term);
                   });
}

namespace {

enum class Mode { Nearest, Linear, Cubic };
enum class Padding { Zeros, Border, Reflection };

struct GridOptions {
  Mode mode = Mode::Linear;
  Padding padding = Padding::Zeros;
  bool alignCorners = false;
  int64_t taps() const {
    return mode == Mode::Nearest ? 1 : mode == Mode::Linear ? 2 : 4;
  }
};

/// Mirrored at the borders until inside: a triangle wave.
Value reflect(Scalars &s, Value x, double low, double high) {
  Type type = x.getType();
  double range = high - low;
  if (range <= 0)
    return s.constant(type, low);
  Value distance = s.abs(s.sub(x, s.constant(type, low)));
  Value phase = s.rem(distance, s.constant(type, 2 * range));
  Value back = s.sub(s.constant(type, 2 * range), phase);
  return s.add(s.min(phase, back), s.constant(type, low));
}

Value clamp(Scalars &s, Value x, double low, double high) {
  Type type = x.getType();
  return s.min(s.max(x, s.constant(type, low)), s.constant(type, high));
}

/// Pixel coordinates from those in [-1, 1], moved inside as the padding says.
Value pixelCoordinates(Emitter &e, Value grid, int64_t size,
                       const GridOptions &options) {
  double low = options.alignCorners ? 0 : -0.5;
  double high = static_cast<double>(size) - (options.alignCorners ? 1 : 0.5);
  Type type = computeType(elementOf(grid));
  return e.map(grid, shapeOf(grid), type, [&](Scalars &s, ValueRange args) {
    auto number = [&](double v) { return s.constant(type, v); };
    double scale = static_cast<double>(size);
    Value x = s.add(args[0], number(1));
    if (options.alignCorners)
      x = s.mul(s.mul(x, number(0.5)), number(scale - 1));
    else
      x = s.mul(s.sub(s.mul(x, number(scale)), number(1)), number(0.5));
    if (options.mode == Mode::Nearest)
      x = s.make<math::RoundEvenOp>(x);
    // The cubic kernel reads border pixels at its taps, from where it is.
    if (options.padding == Padding::Zeros ||
        (options.padding == Padding::Border && options.mode == Mode::Cubic))
      return x;
    Value isOutside = s.bitOr(s.cmp(Cmp::LT, x, number(low)),
                              s.cmp(Cmp::GT, x, number(high)));
    Value moved = options.padding == Padding::Border ? clamp(s, x, 0, scale - 1)
                                                     : reflect(s, x, low, high);
    return s.select(isOutside, moved, x);
  });
}

/// Weight of tap `k` at `fraction` behind the pixel before the point.
Value weightOf(Scalars &s, Value fraction, Value k, Mode mode) {
  Type type = fraction.getType();
  auto number = [&](double v) { return s.constant(type, v); };
  if (mode == Mode::Nearest)
    return number(1);
  if (mode == Mode::Linear)
    return s.select(s.cmp(Cmp::EQ, k, number(0)), s.sub(number(1), fraction),
                    fraction);
  constexpr double a = -0.75;
  Value d = s.abs(s.sub(fraction, s.sub(k, number(1))));
  Value near = s.sub(s.mul(d, number(a + 2)), number(a + 3));
  near = s.add(s.mul(s.mul(near, d), d), number(1));
  Value far = s.sub(s.mul(d, number(a)), number(5 * a));
  far = s.add(s.mul(far, d), number(8 * a));
  far = s.sub(s.mul(far, d), number(4 * a));
  return s.select(s.cmp(Cmp::LE, d, number(1)), near, far);
}

/// Taps around coordinates of shape [..]; index and weight get one more
/// dimension.
Taps makeTaps(Emitter &e, Value at, int64_t size, const GridOptions &options,
              ArrayRef<int64_t> loops) {
  double low = options.alignCorners ? 0 : -0.5;
  double high = static_cast<double>(size) - (options.alignCorners ? 1 : 0.5);
  int64_t rank = rankOf(at);
  Shape shape(shapeOf(at));
  shape.push_back(options.taps());
  AffineMap map =
      AffineMap::getMinorIdentityMap(rank + 1, rank + 1, e.b.getContext())
          .getMajorSubMap(rank);
  Type type = elementOf(at), i64 = e.b.getI64Type();
  auto tap = [&](Scalars &s) {
    return s.cast(s.make<linalg::IndexOp>(rank), type);
  };
  auto floor = [&](Scalars &s, Value x) -> Value {
    return options.mode == Mode::Nearest ? x : s.make<math::FloorOp>(x);
  };
  Taps taps;
  taps.loops.assign(loops.begin(), loops.end());
  taps.index = e.mapWith(
      at, map, shape, i64,
      [&](Scalars &s, ValueRange args) {
        auto number = [&](double v) { return s.constant(type, v); };
        Value pixel = s.add(floor(s, args[0]), tap(s));
        if (options.mode == Mode::Cubic)
          pixel = s.sub(pixel, number(1));
        double last = static_cast<double>(size) - 1;
        if (options.padding == Padding::Zeros) {
          Value isInside = s.bitAnd(s.cmp(Cmp::GE, pixel, number(0)),
                                    s.cmp(Cmp::LE, pixel, number(last)));
          return s.select(isInside, s.cast(pixel, i64), s.constantInt(i64, -1));
        }
        if (options.padding == Padding::Reflection)
          pixel = reflect(s, pixel, low, high);
        Value index = s.cast(clamp(s, pixel, 0, last), i64);
        return index;
      },
      /*widen=*/false);
  taps.weight = e.mapWith(
      at, map, shape, type,
      [&](Scalars &s, ValueRange args) {
        Value fraction = s.sub(args[0], floor(s, args[0]));
        return weightOf(s, fraction, tap(s), options.mode);
      },
      /*widen=*/false);
  return taps;
}

FailureOr<GridOptions> readGridOptions(NodeBinder &n) {
  GridOptions options;
  std::string mode = n.stringAttr("mode", n.opset < 20 ? "bilinear" : "linear");
  if (mode == "nearest")
    options.mode = Mode::Nearest;
  else if (mode == "cubic" || mode == "bicubic")
    options.mode = Mode::Cubic;
  else if (mode != "linear" && mode != "bilinear")
    return n.fail("unknown mode", "mode '" + mode + "'");
  std::string padding = n.stringAttr("padding_mode", "zeros");
  if (padding == "border")
    options.padding = Padding::Border;
  else if (padding == "reflection")
    options.padding = Padding::Reflection;
  else if (padding != "zeros")
    return n.fail("unknown padding_mode", "padding_mode '" + padding + "'");
  options.alignCorners = n.intAttr("align_corners", 0) != 0;
  return options;
}

} // namespace

LogicalResult gridSample(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  FailureOr<GridOptions> options = readGridOptions(n);
  if (failed(options))
    return failure();
  int64_t spatial = n.rank(0) - 2;
  bool fits = (spatial == 1 || spatial == 2 || spatial == 3) &&
              n.rank(1) == n.rank(0) && n.shape(1).back() == spatial &&
              n.shape(0)[0] == n.shape(1)[0] && isa<FloatType>(n.element(1)) &&
              isa<FloatType>(n.element(0));
  if (!fits)
    return n.fail("input and grid do not fit each other",
                  "shapes " + toText(n.shape(0)) + " and " +
                      toText(n.shape(1)) +
                      "; floats of 1 to 3 spatial dimensions");
  Shape result{n.shape(0)[0], n.shape(0)[1]};
  llvm::append_range(result, n.shape(1).drop_front().drop_back());
  if (failed(n.checkShape(result)))
    return failure();
  Emitter &e = n.e;
  if (llvm::is_contained(result, 0) || llvm::is_contained(n.shape(0), 0)) {
    n.setOutput(0, e.splat(result, n.element(0), 0), n.type(0));
    return success();
  }
  int64_t points = product(n.shape(1).drop_front().drop_back());
  Value grid = e.reshape(n.input(1), {n.shape(0)[0], points, spatial});
  // In the wider of the two types: coordinates and products with pixels.
  Type type = computeType(n.element(0));
  SmallVector<Taps> taps;
  for (int64_t d = 0; d < spatial; ++d) {
    // Coordinates come x first.
    Value part = e.reshape(e.sliceDim(grid, 2, spatial - 1 - d, 1),
                           {n.shape(0)[0], points});
    Value at = pixelCoordinates(e, part, n.shape(0)[2 + d], *options);
    Taps tap = makeTaps(e, at, n.shape(0)[2 + d], *options, {0, 2});
    tap.weight = e.cast(tap.weight, type);
    taps.push_back(tap);
  }
  Value y =
      sampleTaps(n, n.input(0), taps, {n.shape(0)[0], n.shape(0)[1], points});
  n.setOutput(0, e.cast(e.reshape(y, result), n.element(0)), n.type(0));
  return success();
}

void registerSample(Registry &registry) {
  registry.add(
      "", {{"GridSample", 16, gridSample, "1 to 3 spatial dimensions"},
           {"MaxRoiPool", 1, maxRoiPool},
           {"RoiAlign", 10, roiAlign, "sampling_ratio 0 with mode avg only"}});
}

} // namespace cim::onnx
