// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Resize and Upsample. All sizes are known, so each output coordinate's source
// coordinates and weights are tables made here; the interpolation is separable
// and runs one dimension at a time: nearest is a gather, linear and cubic are
// weighted sums over 2, 4 or (antialiased) more taps.

#include <cmath>

#include "Binder.h"
#include "cim/IR/Constants.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace cim::onnx {
namespace {

struct ResizeSpec {
  std::string mode = "nearest";
  std::string coordinates = "half_pixel";
  std::string nearest = "round_prefer_floor";
  double cubicA = -0.75, extrapolation = 0;
  bool excludeOutside = false, antialias = false;
};

/// One resized dimension.
struct Dimension {
  int64_t in = 1, out = 1;
  double scale = 1;
  double roiStart = 0, roiEnd = 1;
};

/// Coordinate in the input of output position `at`. Where the coordinate is
/// rounded (mode nearest) Real is float, which is what other runtimes compute
/// in: results between two elements then fall to the same side.
template <typename Real>
Real sourceCoordinate(const ResizeSpec &spec, const Dimension &d, int64_t at) {
  const std::string &mode = spec.coordinates;
  Real in = d.in, out = d.out, x = at, scale = d.scale, half = 0.5;
  if (mode == "asymmetric")
    return x / scale;
  // With scales, the resized length is not rounded.
  Real resized = d.scale * d.in;
  if (mode == "align_corners")
    return resized == 1 ? 0 : x * (in - 1) / (resized - 1);
  if (mode == "pytorch_half_pixel")
    return d.out == 1 ? 0 : (x + half) / scale - half;
  if (mode == "tf_half_pixel_for_nn")
    return (x + half) / scale;
  if (mode == "half_pixel_symmetric") {
    // The output may be shorter than in * scale: keep the centres together.
    Real adjustment = out / resized;
    Real offset = in / 2 * (1 - adjustment);
    return offset + (x + half) / scale - half;
  }
  if (mode == "tf_crop_and_resize") {
    Real start = d.roiStart, end = d.roiEnd;
    if (d.out == 1)
      return half * (start + end) * (in - 1);
    return start * (in - 1) + x * (end - start) * (in - 1) / (out - 1);
  }
  return (x + half) / scale - half;
}

int64_t nearestIndex(const ResizeSpec &spec, double x) {
  if (spec.nearest == "floor")
    return static_cast<int64_t>(std::floor(x));
  if (spec.nearest == "ceil")
    return static_cast<int64_t>(std::ceil(x));
  // Half way but for the rounding of `x` (a float) is half way.
  double down = std::floor(x), over = x - down;
  if (std::fabs(over - 0.5) <= std::ldexp(std::max(1.0, std::fabs(x)), -21))
    over = 0.5;
  bool isUp = spec.nearest == "round_prefer_ceil" ? over >= 0.5 : over > 0.5;
  return static_cast<int64_t>(down) + (isUp ? 1 : 0);
}

double cubicWeight(double a, double x) {
  x = std::fabs(x);
  if (x <= 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2)
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

/// Source positions and weights of one output position.
struct Taps {
  std::vector<int64_t> at;
  std::vector<double> weights;
};

Taps makeTaps(const ResizeSpec &spec, const Dimension &d, int64_t x) {
  double source = sourceCoordinate<double>(spec, d, x);
  bool isCubic = spec.mode == "cubic";
  // When shrinking with antialias the filter is stretched.
  double stretch = spec.antialias && d.scale < 1 ? 1 / d.scale : 1;
  double radius = (isCubic ? 2 : 1) * stretch;
  auto first = static_cast<int64_t>(std::floor(source - radius)) + 1;
  auto last = static_cast<int64_t>(std::ceil(source + radius)) - 1;
  Taps taps;
  double sum = 0;
  for (int64_t i = first; i <= last; ++i) {
    double distance = (i - source) / stretch;
    double weight = isCubic ? cubicWeight(spec.cubicA, distance)
                            : std::max(0.0, 1 - std::fabs(distance));
    if (spec.excludeOutside && (i < 0 || i >= d.in))
      weight = 0;
    taps.at.push_back(std::clamp<int64_t>(i, 0, d.in - 1));
    taps.weights.push_back(weight);
    sum += weight;
  }
  bool normalize = spec.excludeOutside || stretch != 1;
  for (double &weight : taps.weights)
    if (normalize && sum != 0)
      weight /= sum;
  return taps;
}

Value nearest(NodeBinder &n, Value x, int64_t axis, const ResizeSpec &spec,
              const Dimension &d) {
  Emitter &e = n.e;
  std::vector<int64_t> table;
  for (int64_t i = 0; i < d.out; ++i) {
    double source = sourceCoordinate<float>(spec, d, i);
    table.push_back(
        std::clamp<int64_t>(nearestIndex(spec, source), 0, d.in - 1));
  }
  Shape shape(shapeOf(x));
  shape[axis] = d.out;
  Value indices = e.ints(table);
  return e.mapWith(
      indices, e.oneDim(shape.size(), axis), shape, elementOf(x),
      [&](Scalars &s, ValueRange args) {
        SmallVector<Value> at;
        for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i)
          at.push_back(i == axis ? s.toIndex(args[0])
                                 : s.make<linalg::IndexOp>(i));
        return s.extract(x, at);
      },
      /*widen=*/false);
}

/// Weighted sum of taps; the taps are the last, reduction loop.
Value interpolate(NodeBinder &n, Value x, int64_t axis, const ResizeSpec &spec,
                  const Dimension &d) {
  Emitter &e = n.e;
  std::vector<Taps> taps;
  size_t count = 1;
  for (int64_t i = 0; i < d.out; ++i) {
    taps.push_back(makeTaps(spec, d, i));
    count = std::max(count, taps.back().at.size());
  }
  std::vector<int64_t> positions;
  std::vector<double> weights;
  for (const Taps &each : taps)
    for (size_t t = 0; t < count; ++t) {
      bool exists = t < each.at.size();
      positions.push_back(exists ? each.at[t] : 0);
      weights.push_back(exists ? each.weights[t] : 0);
    }
  Type type = elementOf(x);
  Shape tableShape{d.out, static_cast<int64_t>(count)};
  Value positionTable = e.constant(ir::makeConstant(
      RankedTensorType::get(tableShape, n.b.getI64Type()), positions, "taps"));
  Value weightTable = e.constant(ir::makeConstant(
      RankedTensorType::get(tableShape, type), weights, "weights"));
  Shape shape(shapeOf(x));
  shape[axis] = d.out;
  int64_t rank = shape.size();
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(rank + 1, 0, exprs, n.b.getContext());
  };
  AffineMap tableMap =
      map({n.b.getAffineDimExpr(axis), n.b.getAffineDimExpr(rank)});
  SmallVector<AffineExpr> out;
  for (int64_t i = 0; i < rank; ++i)
    out.push_back(n.b.getAffineDimExpr(i));
  SmallVector<utils::IteratorType> iterators(rank + 1,
                                             utils::IteratorType::parallel);
  iterators.back() = utils::IteratorType::reduction;
  return e.generic({positionTable, weightTable}, {tableMap, tableMap},
                   e.filled(shape, e.scalarAttr(type, 0)), map(out), iterators,
                   [&](Scalars &s, ValueRange args) {
                     SmallVector<Value> at;
                     for (int64_t i = 0; i < rank; ++i)
                       at.push_back(i == axis ? s.toIndex(args[0])
                                              : s.make<linalg::IndexOp>(i));
                     Value term = s.mul(s.extract(x, at), args[1]);
                     return s.add(args[2], term);
                   });
}

/// Positions whose source lies outside the input get the extrapolation value.
Value extrapolate(NodeBinder &n, Value y, int64_t axis, const ResizeSpec &spec,
                  const Dimension &d) {
  std::vector<int64_t> isOutside;
  for (int64_t i = 0; i < d.out; ++i) {
    double source = sourceCoordinate<double>(spec, d, i);
    isOutside.push_back(source < 0 || source > d.in - 1);
  }
  if (!llvm::is_contained(isOutside, 1))
    return y;
  Emitter &e = n.e;
  Value mask = e.constant(ir::makeConstant(
      RankedTensorType::get({d.out}, n.b.getI1Type()), isOutside, "outside"));
  int64_t rank = rankOf(y);
  return e.mapWith({y, mask}, {e.identity(rank), e.oneDim(rank, axis)},
                   shapeOf(y), elementOf(y), [&](Scalars &s, ValueRange args) {
                     return s.select(
                         args[1],
                         s.constant(args[0].getType(), spec.extrapolation),
                         args[0]);
                   });
}

LogicalResult emitResize(NodeBinder &n, const ResizeSpec &spec,
                         ArrayRef<Dimension> dims) {
  Shape result;
  for (const Dimension &d : dims)
    result.push_back(d.out);
  if (failed(n.checkShape(result)))
    return failure();
  for (const Dimension &d : dims)
    if (d.in == 0 || d.out == 0)
      return n.fail("an empty dimension cannot be resized",
                    "shape " + toText(n.shape(0)));
  Emitter &e = n.e;
  bool isNearest = spec.mode == "nearest";
  Type element = n.element(0);
  Value x = n.input(0);
  if (!isNearest) {
    Type type =
        isFloating(n.type(0)) ? computeType(element) : Type(n.b.getF32Type());
    x = e.cast(x, type, n.isUnsigned(0));
  }
  bool isCrop = spec.coordinates == "tf_crop_and_resize";
  for (auto [axis, d] : llvm::enumerate(dims)) {
    bool isWhole = d.in == d.out && d.scale == 1 &&
                   (!isCrop || (d.roiStart == 0 && d.roiEnd == 1));
    if (!isWhole)
      x = isNearest ? nearest(n, x, axis, spec, d)
                    : interpolate(n, x, axis, spec, d);
  }
  if (isCrop)
    for (auto [axis, d] : llvm::enumerate(dims))
      x = extrapolate(n, x, axis, spec, d);
  n.setOutput(0, e.cast(x, element, false, n.isUnsigned(0)), n.type(0));
  return success();
}

/// Input `i` as floats, absent when omitted or empty.
FailureOr<std::vector<double>> optionalFloats(NodeBinder &n, size_t i,
                                              StringRef what) {
  if (!n.hasInput(i) || product(n.shape(i)) == 0)
    return std::vector<double>();
  return n.constantFloats(i, what);
}

LogicalResult setScale(NodeBinder &n, Dimension &d, double scale) {
  double out = std::floor(static_cast<double>(d.in) * scale);
  if (!(scale > 0) || !(out < 1e9))
    return n.fail("a scale is out of range", "scale " + std::to_string(scale));
  d.scale = scale;
  d.out = static_cast<int64_t>(out);
  return success();
}

SmallVector<Dimension> wholeInput(NodeBinder &n) {
  SmallVector<Dimension> dims;
  for (int64_t size : n.shape(0)) {
    Dimension d;
    d.in = d.out = size;
    dims.push_back(d);
  }
  return dims;
}

/// Sizes with keep_aspect_ratio_policy (opset 18).
LogicalResult setSizes(NodeBinder &n, SmallVectorImpl<Dimension> &dims,
                       ArrayRef<int64_t> axes, ArrayRef<int64_t> sizes) {
  std::string policy = n.stringAttr("keep_aspect_ratio_policy", "stretch");
  double common = 0;
  for (auto [axis, size] : llvm::zip_equal(axes, sizes)) {
    Dimension &d = dims[axis];
    if (size < 1 || size > 1000000000 || d.in < 1)
      return n.fail("a size is out of range", "size " + Twine(size));
    d.out = size;
    d.scale = static_cast<double>(size) / d.in;
    bool isFirst = common == 0;
    common = policy == "not_larger"
                 ? (isFirst ? d.scale : std::min(common, d.scale))
                 : std::max(common, d.scale);
  }
  if (policy == "stretch")
    return success();
  for (int64_t axis : axes) {
    dims[axis].scale = common;
    dims[axis].out =
        static_cast<int64_t>(std::floor(common * dims[axis].in + 0.5));
  }
  return success();
}

LogicalResult readSpec(NodeBinder &n, ResizeSpec &spec) {
  spec.mode = n.stringAttr("mode", "nearest");
  spec.coordinates =
      n.stringAttr("coordinate_transformation_mode", "half_pixel");
  spec.nearest = n.stringAttr("nearest_mode", "round_prefer_floor");
  spec.cubicA = n.floatAttr("cubic_coeff_a", -0.75);
  spec.extrapolation = n.floatAttr("extrapolation_value", 0);
  spec.excludeOutside = n.intAttr("exclude_outside", 0) != 0;
  spec.antialias = n.intAttr("antialias", 0) != 0;
  if (spec.mode != "nearest" && spec.mode != "linear" && spec.mode != "cubic")
    return n.fail("unknown mode", "mode '" + spec.mode + "'");
  static const char *const known[] = {
      "half_pixel",        "half_pixel_symmetric", "pytorch_half_pixel",
      "align_corners",     "asymmetric",           "tf_half_pixel_for_nn",
      "tf_crop_and_resize"};
  if (!llvm::is_contained(known, spec.coordinates))
    return n.fail("unknown coordinate_transformation_mode",
                  "mode '" + spec.coordinates + "'");
  return success();
}

LogicalResult resize11(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  ResizeSpec spec;
  if (failed(readSpec(n, spec)))
    return failure();
  FailureOr<std::vector<double>> roi = optionalFloats(n, 1, "roi");
  FailureOr<std::vector<double>> scales = optionalFloats(n, 2, "scales");
  if (failed(roi) || failed(scales))
    return failure();
  Shape axes, sizes;
  if (std::optional<Shape> given = n.intsAttr("axes")) {
    if (failed(n.axes(*given, n.rank(0))))
      return failure();
    for (int64_t axis : *given)
      axes.push_back(axis < 0 ? axis + n.rank(0) : axis);
  } else {
    for (int64_t d = 0; d < n.rank(0); ++d)
      axes.push_back(d);
  }
  SmallVector<Dimension> dims = wholeInput(n);
  if (n.hasInput(3) && product(n.shape(3)) != 0) {
    FailureOr<Shape> given = n.constantInts(3, "sizes");
    if (failed(given))
      return failure();
    sizes = *given;
  }
  size_t count = sizes.empty() ? scales->size() : sizes.size();
  if (count != axes.size())
    return n.fail("scales or sizes do not have one entry per axis",
                  Twine(count) + " entries, " + Twine(axes.size()) + " axes");
  if (!sizes.empty()) {
    if (failed(setSizes(n, dims, axes, sizes)))
      return failure();
  } else {
    for (auto [axis, scale] : llvm::zip_equal(axes, *scales))
      if (failed(setScale(n, dims[axis], scale)))
        return failure();
  }
  if (spec.coordinates == "tf_crop_and_resize") {
    if (roi->size() != 2 * axes.size())
      return n.fail("roi does not have two entries per axis",
                    Twine(roi->size()) + " entries");
    for (auto [i, axis] : llvm::enumerate(axes)) {
      dims[axis].roiStart = (*roi)[i];
      dims[axis].roiEnd = (*roi)[axes.size() + i];
      if (sizes.empty()) // The scale applies to the region.
        dims[axis].out = static_cast<int64_t>(std::floor(
            dims[axis].in * (dims[axis].roiEnd - dims[axis].roiStart) *
            dims[axis].scale));
    }
  }
  return emitResize(n, spec, dims);
}

/// Upsample and Resize-10: coordinates divided by the scale, rounded down.
LogicalResult upsample(NodeBinder &n, ArrayRef<double> scales) {
  ResizeSpec spec;
  spec.mode = n.stringAttr("mode", "nearest");
  spec.coordinates = "asymmetric";
  spec.nearest = "floor";
  if (spec.mode == "bilinear")
    spec.mode = "linear";
  if (spec.mode != "nearest" && spec.mode != "linear")
    return n.fail("unknown mode", "mode '" + spec.mode + "'");
  SmallVector<Dimension> dims = wholeInput(n);
  if (scales.size() != dims.size())
    return n.fail("scales do not have one entry per dimension",
                  Twine(scales.size()) + " entries, rank " +
                      Twine(dims.size()));
  for (auto [d, scale] : llvm::zip_equal(dims, scales))
    if (failed(setScale(n, d, scale)))
      return failure();
  return emitResize(n, spec, dims);
}

LogicalResult upsample7(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  const Attribute *attr = n.attribute("scales");
  if (!attr || attr->kind != Attribute::Kind::Floats)
    return n.fail("scales is missing", "required attribute");
  std::vector<double> scales(attr->floats.begin(), attr->floats.end());
  return upsample(n, scales);
}

LogicalResult upsample9(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  FailureOr<std::vector<double>> scales = n.constantFloats(1, "scales");
  if (failed(scales))
    return failure();
  return upsample(n, *scales);
}

} // namespace

void registerResize(Registry &registry) {
  registry.add("", {{"Resize", 10, upsample9, "constant scales"},
                    {"Resize", 11, resize11, "constant sizes or scales"},
                    {"Upsample", 7, upsample7},
                    {"Upsample", 9, upsample9, "constant scales"}});
}

} // namespace cim::onnx
