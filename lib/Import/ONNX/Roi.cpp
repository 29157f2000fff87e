// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pooling of regions of interest: RoiAlign, MaxRoiPool. Regions are data: what
// depends on them is computed per dimension into small tables first.

#include "Reduce.h"
#include "Sample.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace cim::onnx {

using Cmp = Scalars::Cmp;

namespace {

/// One spatial dimension of all regions, in pixels; vectors of R.
struct Extent {
  Value start, size;
  int64_t pixels, bins;
};

/// Column `column` of the regions as a vector in their compute type.
Value columnOf(NodeBinder &n, int64_t column) {
  Value part = n.e.sliceDim(n.input(1), 1, column, 1);
  part = n.e.reshape(part, {n.shape(1)[0]});
  return n.e.cast(part, computeType(elementOf(part)));
}

/// Pixel numbers as floats and taps for sampling `samples` points per bin.
Taps samplePoints(Emitter &e, const Extent &extent, int64_t samples,
                  ArrayRef<int64_t> loops) {
  int64_t regions = shapeOf(extent.start)[0];
  Shape shape{regions, extent.bins, 2 * samples};
  Type type = elementOf(extent.start), i64 = e.b.getI64Type();
  SmallVector<AffineMap> maps(2, e.oneDim(3, 0));
  double last = static_cast<double>(extent.pixels) - 1;
  /// The sample's coordinate; tap t belongs to sample t / 2.
  auto coordinate = [&](Scalars &s, ValueRange args) {
    auto number = [&](double v) { return s.constant(type, v); };
    Value bin = s.div(args[1], number(static_cast<double>(extent.bins)));
    Value tap = s.cast(s.make<linalg::IndexOp>(2), i64);
    Value sample = s.cast(s.div(tap, s.constantInt(i64, 2)), type);
    Value at = s.cast(s.make<linalg::IndexOp>(1), type);
    Value inBin = s.div(s.mul(s.add(sample, number(0.5)), bin),
                        number(static_cast<double>(samples)));
    return s.add(s.add(args[0], s.mul(at, bin)), inBin);
  };
  auto side = [&](Scalars &s) {
    Value tap = s.cast(s.make<linalg::IndexOp>(2), i64);
    return s.rem(tap, s.constantInt(i64, 2));
  };
  Taps taps;
  taps.loops.assign(loops.begin(), loops.end());
  SmallVector<Value> operands{extent.start, extent.size};
  taps.index =
      e.mapWith(operands, maps, shape, i64, [&](Scalars &s, ValueRange args) {
        auto number = [&](double v) { return s.constant(type, v); };
        Value y = coordinate(s, args);
        Value isInside = s.bitAnd(
            s.cmp(Cmp::GE, y, number(-1)),
            s.cmp(Cmp::LE, y, number(static_cast<double>(extent.pixels))));
        y = s.min(s.max(y, number(0)), number(last));
        Value index = s.add(s.cast(y, i64), side(s));
        index = s.min(index, s.constantInt(i64, extent.pixels - 1));
        return s.select(isInside, index, s.constantInt(i64, -1));
      });
  taps.weight =
      e.mapWith(operands, maps, shape, type, [&](Scalars &s, ValueRange args) {
        auto number = [&](double v) { return s.constant(type, v); };
        Value y = s.min(s.max(coordinate(s, args), number(0)), number(last));
        Value fraction = s.sub(y, s.make<math::FloorOp>(y));
        Value isUpper = s.cmp(Cmp::NE, side(s), s.constantInt(i64, 0));
        return s.select(isUpper, fraction, s.sub(number(1), fraction));
      });
  return taps;
}

//===----------------------------------------------------------------------===//
// As many samples as the region's size asks for
//===----------------------------------------------------------------------===//

/// weight[r, bin, pixel]: the mean over the bin's samples, as many as the bin
/// is pixels wide, of the sample's weight on the pixel. Samples outside of the
/// image weigh nothing, so only those from the first inside on are looked at:
/// they are at least half a pixel apart.
Value adaptiveWeights(Emitter &e, const Extent &extent) {
  int64_t regions = shapeOf(extent.start)[0], pixels = extent.pixels;
  Type type = elementOf(extent.start);
  Value samples =
      e.map(extent.size, {regions}, type, [&](Scalars &s, ValueRange args) {
        Value bins = s.constant(type, static_cast<double>(extent.bins));
        return Value(s.make<math::CeilOp>(s.div(args[0], bins)));
      });
  AffineMap region = e.oneDim(2, 0);
  // Coordinate before the bin's first sample, and the step between samples.
  Value step = e.map({extent.size, samples}, {regions}, type,
                     [&](Scalars &s, ValueRange args) {
                       Value bins =
                           s.constant(type, static_cast<double>(extent.bins));
                       return s.div(s.div(args[0], bins), args[1]);
                     });
  Value base =
      e.mapWith({extent.start, extent.size}, {region, region},
                {regions, extent.bins}, type, [&](Scalars &s, ValueRange args) {
                  Value bins =
                      s.constant(type, static_cast<double>(extent.bins));
                  Value at = s.cast(s.make<linalg::IndexOp>(1), type);
                  return s.add(args[0], s.mul(at, s.div(args[1], bins)));
                });
  Value first =
      e.mapWith({base, step}, {e.identity(2), region}, {regions, extent.bins},
                type, [&](Scalars &s, ValueRange args) {
                  auto number = [&](double v) { return s.constant(type, v); };
                  Value skipped = s.div(s.sub(number(-1), args[0]), args[1]);
                  skipped = s.sub(s.make<math::FloorOp>(skipped), number(1));
                  return s.max(skipped, number(0));
                });
  auto dim = [&](int64_t d) { return e.b.getAffineDimExpr(d); };
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(4, 0, exprs, e.b.getContext());
  };
  int64_t most = 2 * pixels + 8;
  Value none =
      e.filled({regions, extent.bins, pixels}, e.b.getFloatAttr(type, 0));
  // The last operand only bounds the loop over samples.
  Value sum = e.generic(
      {base, step, samples, first, e.empty({most}, type)},
      {map({dim(0), dim(1)}), map({dim(0)}), map({dim(0)}),
       map({dim(0), dim(1)}), map({dim(3)})},
      none, map({dim(0), dim(1), dim(2)}),
      {utils::IteratorType::parallel, utils::IteratorType::parallel,
       utils::IteratorType::parallel, utils::IteratorType::reduction},
      [&](Scalars &s, ValueRange args) {
        auto number = [&](double v) { return s.constant(type, v); };
        Value i = s.add(s.cast(s.make<linalg::IndexOp>(3), type), args[3]);
        Value y = s.add(args[0], s.mul(s.add(i, number(0.5)), args[1]));
        Value isInside = s.bitAnd(
            s.cmp(Cmp::LT, i, args[2]),
            s.bitAnd(s.cmp(Cmp::GE, y, number(-1)),
                     s.cmp(Cmp::LE, y, number(static_cast<double>(pixels)))));
        y = s.min(s.max(y, number(0)), number(static_cast<double>(pixels) - 1));
        Value pixel = s.cast(s.make<linalg::IndexOp>(2), type);
        Value weight = s.sub(number(1), s.abs(s.sub(y, pixel)));
        weight = s.select(isInside, s.max(weight, number(0)), number(0));
        return s.add(args.back(), weight);
      });
  return e.mapWith({sum, samples}, {e.identity(3), e.oneDim(3, 0)},
                   shapeOf(sum), type, [&](Scalars &s, ValueRange args) {
                     return s.div(args[0], s.max(args[1], s.constant(type, 1)));
                   });
}

/// Two reductions of an image by tables per region and bin: over its rows, read
/// through the regions' batch numbers, then over its columns. `combine` gets
/// (pixel, the tables' entries.., row or column, accumulator).
using Combine = llvm::function_ref<Value(
    Scalars &, Value pixel, ValueRange tables, Value at, Value accumulator)>;

struct Tables {
  SmallVector<Value> values;
  bool perPixel; ///< (R, bins, pixels) or (R, bins).
  int64_t bins;
};

Value reduceByTables(NodeBinder &n, Value batch, const Tables &rows,
                     const Tables &columns, double start, Combine combine) {
  Emitter &e = n.e;
  Value x = n.input(0);
  Type type = computeType(elementOf(x));
  int64_t regions = shapeOf(batch)[0], channels = n.shape(0)[1];
  int64_t height = n.shape(0)[2], width = n.shape(0)[3];
  auto dim = [&](int64_t d) { return e.b.getAffineDimExpr(d); };
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(5, 0, exprs, e.b.getContext());
  };
  auto addTables = [&](const Tables &tables, int64_t bin, int64_t pixel,
                       SmallVectorImpl<Value> &inputs,
                       SmallVectorImpl<AffineMap> &maps) {
    for (Value table : tables.values) {
      inputs.push_back(table);
      maps.push_back(tables.perPixel ? map({dim(0), dim(bin), dim(pixel)})
                                     : map({dim(0), dim(bin)}));
    }
  };
  SmallVector<utils::IteratorType> iterators(5, utils::IteratorType::parallel);
  iterators.back() = utils::IteratorType::reduction;
  // Loops r, c, bin row, column, row.
  SmallVector<Value> inputs{batch, e.empty({height}, type)};
  SmallVector<AffineMap> maps{map({dim(0)}), map({dim(4)})};
  addTables(rows, 2, 4, inputs, maps);
  Value init = e.filled({regions, channels, rows.bins, width},
                        e.b.getFloatAttr(type, start));
  AffineMap out = map({dim(0), dim(1), dim(2), dim(3)});
  Value partial = e.generic(
      inputs, maps, init, out, iterators, [&](Scalars &s, ValueRange args) {
        Value row = s.make<linalg::IndexOp>(4);
        SmallVector<Value> at{s.toIndex(args[0]), s.make<linalg::IndexOp>(1),
                              row, s.make<linalg::IndexOp>(3)};
        Value pixel = s.cast(s.extract(x, at), type);
        return combine(s, pixel, args.drop_front(2).drop_back(), row,
                       args.back());
      });
  // Loops r, c, bin row, bin column, column.
  inputs = {partial};
  maps = {map({dim(0), dim(1), dim(2), dim(4)})};
  addTables(columns, 3, 4, inputs, maps);
  init = e.filled({regions, channels, rows.bins, columns.bins},
                  e.b.getFloatAttr(type, start));
  return e.generic(inputs, maps, init, out, iterators,
                   [&](Scalars &s, ValueRange args) {
                     return combine(s, args[0], args.drop_front(1).drop_back(),
                                    s.make<linalg::IndexOp>(4), args.back());
                   });
}

} // namespace

/// Dimension `d` of the regions, scaled to pixels.
static Extent regionExtent(NodeBinder &n, int64_t d, int64_t bins,
                           bool isHalfPixel) {
  Emitter &e = n.e;
  int64_t regions = n.shape(1)[0];
  double scale = n.floatAttr("spatial_scale", 1);
  Type type = computeType(n.element(1));
  auto toPixels = [&](int64_t column) {
    Value v = columnOf(n, column);
    return e.map(v, {regions}, type, [&](Scalars &s, ValueRange args) {
      Value x = s.mul(args[0], s.constant(type, scale));
      return isHalfPixel ? s.sub(x, s.constant(type, 0.5)) : x;
    });
  };
  // Columns are x1, y1, x2, y2.
  Value start = toPixels(1 - d), end = toPixels(3 - d);
  Value size =
      e.map({end, start}, {regions}, type, [&](Scalars &s, ValueRange args) {
        Value size = s.sub(args[0], args[1]);
        return isHalfPixel ? size : s.max(size, s.constant(type, 1));
      });
  return {start, size, n.shape(0)[2 + d], bins};
}

LogicalResult roiAlign(NodeBinder &n) {
  if (failed(n.needInputs(3)))
    return failure();
  int64_t regions = n.rank(1) == 2 ? n.shape(1)[0] : 0;
  bool fits = n.rank(0) == 4 && n.rank(1) == 2 && n.shape(1)[1] == 4 &&
              n.rank(2) == 1 && n.shape(2)[0] == regions &&
              isa<FloatType>(n.element(0)) && isa<FloatType>(n.element(1));
  int64_t bins[] = {n.intAttr("output_height", 1),
                    n.intAttr("output_width", 1)};
  int64_t samples = n.intAttr("sampling_ratio", 0);
  if (!fits || bins[0] < 1 || bins[1] < 1 || samples < 0 || samples > 4096)
    return n.fail("operands do not fit each other",
                  "shapes " + toText(n.shape(0)) + ", " + toText(n.shape(1)) +
                      " and " + toText(n.shape(2)) + ", sampling_ratio " +
                      Twine(samples));
  std::string mode = n.stringAttr("mode", "avg");
  if (mode != "avg" && mode != "max")
    return n.fail("unknown mode", "mode '" + mode + "'");
  if (mode == "max" && samples == 0)
    return n.fail("the number of samples depends on the regions",
                  "sampling_ratio 0 with mode max",
                  "set sampling_ratio to a positive number");
  std::string transform =
      n.stringAttr("coordinate_transformation_mode",
                   n.opset >= 16 ? "half_pixel" : "output_half_pixel");
  Shape result{regions, n.shape(0)[1], bins[0], bins[1]};
  if (failed(n.checkShape(result)))
    return failure();
  Emitter &e = n.e;
  if (llvm::is_contained(result, 0) || llvm::is_contained(n.shape(0), 0)) {
    n.setOutput(0, e.splat(result, n.element(0), 0), n.type(0));
    return success();
  }
  Extent extents[2];
  for (int64_t d = 0; d < 2; ++d)
    extents[d] = regionExtent(n, d, bins[d], transform == "half_pixel");
  Type image = computeType(n.element(0));
  Value y;
  if (samples > 0) {
    Taps taps[2];
    for (int64_t d = 0; d < 2; ++d) {
      taps[d] = samplePoints(e, extents[d], samples, {0, 2 + d});
      taps[d].weight = e.cast(taps[d].weight, image);
    }
    y = sampleTaps(n, n.input(0), taps, result, n.input(2), mode == "max");
    if (mode == "avg")
      y = e.map(y, result, image, [&](Scalars &s, ValueRange args) {
        return s.div(args[0],
                     s.constant(image, static_cast<double>(samples * samples)));
      });
  } else {
    Tables tables[2];
    for (int64_t d = 0; d < 2; ++d)
      tables[d] = {
          {e.cast(adaptiveWeights(e, extents[d]), image)}, true, bins[d]};
    y = reduceByTables(
        n, n.input(2), tables[0], tables[1], 0,
        [](Scalars &s, Value pixel, ValueRange table, Value, Value sum) {
          return s.add(sum, s.mul(pixel, table[0]));
        });
  }
  n.setOutput(0, e.cast(y, n.element(0)), n.type(0));
  return success();
}

/// Bins of whole pixels: the first and one past the last of each, from rounded
/// region corners.
static Tables poolRanges(NodeBinder &n, int64_t dim, int64_t bins) {
  Emitter &e = n.e;
  int64_t regions = n.shape(1)[0], pixels = n.shape(0)[2 + dim];
  double scale = n.floatAttr("spatial_scale", 1);
  Type type = computeType(n.element(1)), i64 = e.b.getI64Type();
  SmallVector<Value> corners{columnOf(n, 2 - dim), columnOf(n, 4 - dim)};
  Tables tables{{}, false, bins};
  for (int64_t end = 0; end < 2; ++end)
    tables.values.push_back(
        e.mapWith(corners, {e.oneDim(2, 0), e.oneDim(2, 0)}, {regions, bins},
                  i64, [&](Scalars &s, ValueRange args) {
                    auto number = [&](double v) { return s.constant(type, v); };
                    auto round = [&](Value v) -> Value {
                      return s.make<math::RoundOp>(s.mul(v, number(scale)));
                    };
                    Value start = round(args[0]), stop = round(args[1]);
                    Value size = s.add(s.sub(stop, start), number(1));
                    size = s.max(size, number(1));
                    Value bin = s.div(size, number(static_cast<double>(bins)));
                    Value at = s.cast(s.make<linalg::IndexOp>(1), type);
                    if (end)
                      at = s.add(at, number(1));
                    at = s.mul(at, bin);
                    at = end ? Value(s.make<math::CeilOp>(at))
                             : Value(s.make<math::FloorOp>(at));
                    at = s.min(s.max(s.add(at, start), number(0)),
                               number(static_cast<double>(pixels)));
                    return s.cast(at, i64);
                  }));
  return tables;
}

LogicalResult maxRoiPool(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  std::optional<Shape> bins = n.intsAttr("pooled_shape");
  bool fits = n.rank(0) == 4 && n.rank(1) == 2 && n.shape(1)[1] == 5 && bins &&
              bins->size() == 2 && (*bins)[0] > 0 && (*bins)[1] > 0 &&
              isa<FloatType>(n.element(0));
  if (!fits)
    return n.fail("operands or pooled_shape do not fit",
                  "shapes " + toText(n.shape(0)) + " and " +
                      toText(n.shape(1)));
  Emitter &e = n.e;
  int64_t regions = n.shape(1)[0];
  Shape result{regions, n.shape(0)[1], (*bins)[0], (*bins)[1]};
  if (failed(n.checkShape(result)))
    return failure();
  if (llvm::is_contained(result, 0) || llvm::is_contained(n.shape(0), 0)) {
    n.setOutput(0, e.splat(result, n.element(0), 0), n.type(0));
    return success();
  }
  Type i64 = e.b.getI64Type(), type = computeType(n.element(0));
  Value batch = e.cast(columnOf(n, 0), i64);
  Tables rows = poolRanges(n, 0, (*bins)[0]);
  Tables columns = poolRanges(n, 1, (*bins)[1]);
  double least = -std::numeric_limits<double>::infinity();
  Value y = reduceByTables(
      n, batch, rows, columns, least,
      [&](Scalars &s, Value pixel, ValueRange table, Value at, Value max) {
        at = s.cast(at, i64);
        Value isInside = s.bitAnd(s.cmp(Cmp::GE, at, table[0]),
                                  s.cmp(Cmp::LT, at, table[1]));
        return s.select(isInside, s.max(max, pixel), max);
      });
  // Bins without pixels are zero.
  SmallVector<Value> operands{y};
  SmallVector<AffineMap> maps{e.identity(4)};
  for (int64_t d = 0; d < 2; ++d)
    for (Value table : d ? columns.values : rows.values) {
      operands.push_back(table);
      maps.push_back(AffineMap::get(
          4, 0, {e.b.getAffineDimExpr(0), e.b.getAffineDimExpr(2 + d)},
          e.b.getContext()));
    }
  y = e.mapWith(operands, maps, result, n.element(0),
                [&](Scalars &s, ValueRange args) {
                  Value isEmpty = s.bitOr(s.cmp(Cmp::LE, args[2], args[1]),
                                          s.cmp(Cmp::LE, args[4], args[3]));
                  return s.select(isEmpty, s.constant(type, 0), args[0]);
                });
  n.setOutput(0, y, n.type(0));
  return success();
}

} // namespace cim::onnx
