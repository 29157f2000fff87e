// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Col2Im and DeformConv.

#include "Mac.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace cim::onnx {
namespace {

using Cmp = Scalars::Cmp;

//===----------------------------------------------------------------------===//
// Col2Im
//===----------------------------------------------------------------------===//

/// Positions of a kernel, row-major: calls `body` with each.
void forEachPosition(ArrayRef<int64_t> kernel,
                     function_ref<void(ArrayRef<int64_t>)> body) {
  Shape at(kernel.size(), 0);
  for (int64_t i = 0, count = product(kernel); i < count; ++i) {
    body(at);
    for (size_t d = kernel.size(); d-- > 0;) {
      if (++at[d] < kernel[d])
        break;
      at[d] = 0;
    }
  }
}

/// The image and block sizes with the strides between blocks, checked against
/// the columns.
FailureOr<Window> readColumns(NodeBinder &n, ArrayRef<int64_t> image,
                              ArrayRef<int64_t> block) {
  size_t rank = image.size();
  FailureOr<Shape> pads = windowAttr(n, "pads", 2 * rank, 0, 0);
  FailureOr<Shape> strides = windowAttr(n, "strides", rank, 1, 1);
  FailureOr<Shape> dilations = windowAttr(n, "dilations", rank, 1, 1);
  if (failed(pads) || failed(strides) || failed(dilations))
    return failure();
  Window w;
  w.input.assign(image.begin(), image.end());
  w.kernel.assign(block.begin(), block.end());
  w.strides = *strides;
  w.dilations = *dilations;
  w.padBegin.assign(pads->begin(), pads->begin() + rank);
  w.padEnd.assign(pads->begin() + rank, pads->end());
  for (size_t d = 0; d < rank; ++d) {
    int64_t span = w.input[d] + w.padBegin[d] + w.padEnd[d] - w.extent(d);
    if (image[d] < 1 || block[d] < 1 || span < 0)
      return n.fail("a block is bigger than the image",
                    "image " + toText(image) + ", block " + toText(block));
    w.output.push_back(span / w.strides[d] + 1);
  }
  int64_t volume = product(block);
  if (n.rank(0) != 3 || n.shape(0)[1] % volume != 0 ||
      n.shape(0)[2] != product(w.output))
    return n.fail("the columns do not fit image and block",
                  "columns " + toText(n.shape(0)) + ", block " + toText(block) +
                      ", " + Twine(product(w.output)) + " blocks");
  constexpr int64_t mostPositions = 4096;
  if (volume > mostPositions)
    return n.fail("the block is too big",
                  Twine(volume) + " positions, at most " + Twine(mostPositions),
                  "use smaller blocks");
  return w;
}

/// Every position of the block adds a strided slice of the padded image.
LogicalResult col2Im(NodeBinder &n) {
  if (failed(n.needInputs(3)))
    return failure();
  FailureOr<Shape> image = n.constantInts(1, "image_shape");
  if (failed(image))
    return failure();
  FailureOr<Shape> block = n.constantInts(2, "block_shape");
  if (failed(block))
    return failure();
  if (image->empty() || image->size() != block->size())
    return n.fail("image and block differ in rank",
                  Twine(image->size()) + " and " + Twine(block->size()));
  FailureOr<Window> window = readColumns(n, *image, *block);
  if (failed(window))
    return failure();
  const Window &w = *window;
  Emitter &e = n.e;
  int64_t rank = w.rank(), volume = product(w.kernel);
  int64_t batch = n.shape(0)[0], channels = n.shape(0)[1] / volume;
  Shape columnShape{batch, channels, volume}, canvas{batch, channels};
  llvm::append_range(columnShape, w.output);
  for (int64_t d = 0; d < rank; ++d)
    canvas.push_back(w.input[d] + w.padBegin[d] + w.padEnd[d]);
  Value columns = e.reshape(n.input(0), columnShape);
  Shape strides{1, 1}, partShape{batch, channels}, ones(2 + rank, 1);
  llvm::append_range(strides, w.strides);
  llvm::append_range(partShape, w.output);
  Type type = computeType(n.element(0));
  Value sum = e.splat(canvas, type, 0);
  int64_t position = 0;
  forEachPosition(w.kernel, [&](ArrayRef<int64_t> at) {
    Shape offsets{0, 0};
    for (int64_t d = 0; d < rank; ++d)
      offsets.push_back(at[d] * w.dilations[d]);
    Value part = e.reshape(e.sliceDim(columns, 2, position++, 1), partShape);
    Value old = e.slice(sum, offsets, partShape, strides);
    Value next =
        e.map({old, part}, partShape, type, [](Scalars &s, ValueRange args) {
          return s.add(args[0], args[1]);
        });
    sum = e.insert(next, sum, offsets, strides);
  });
  Shape offsets{0, 0}, result{batch, channels};
  llvm::append_range(offsets, w.padBegin);
  llvm::append_range(result, w.input);
  sum = e.slice(sum, offsets, result, ones);
  n.setOutput(0, e.cast(sum, n.element(0)), n.type(0));
  return success();
}

//===----------------------------------------------------------------------===//
// DeformConv
//===----------------------------------------------------------------------===//

/// Operands: input, weights, offsets, bias, mask.
struct DeformConv {
  Window window;
  int64_t groups = 1, offsetGroups = 1;
};

FailureOr<DeformConv> readDeformConv(NodeBinder &n) {
  if (failed(n.needInputs(3)))
    return failure();
  if (n.rank(1) != n.rank(0) || n.rank(0) < 3)
    return n.fail("the weights do not fit the input",
                  "shapes " + toText(n.shape(1)) + " and " +
                      toText(n.shape(0)));
  DeformConv c;
  Shape kernel(n.shape(1).drop_front(2));
  if (std::optional<Shape> given = n.intsAttr("kernel_shape");
      given && *given != kernel)
    return n.fail("kernel_shape contradicts the weights",
                  toText(*given) + " and " + toText(kernel));
  FailureOr<Window> window = readWindow(n, kernel, /*ceilMode=*/false);
  if (failed(window))
    return failure();
  c.window = *window;
  c.groups = n.intAttr("group", 1);
  c.offsetGroups = n.intAttr("offset_group", 1);
  int64_t rank = c.window.rank(), channels = n.shape(0)[1];
  int64_t volume = product(kernel);
  Shape offsets{n.shape(0)[0], c.offsetGroups * volume * rank};
  Shape mask{n.shape(0)[0], c.offsetGroups * volume};
  llvm::append_range(offsets, c.window.output);
  llvm::append_range(mask, c.window.output);
  bool fits =
      c.groups > 0 && c.offsetGroups > 0 &&
      channels == n.shape(1)[1] * c.groups && n.shape(1)[0] % c.groups == 0 &&
      channels % c.offsetGroups == 0 &&
      n.shape(2) == ArrayRef<int64_t>(offsets) &&
      (!n.hasInput(4) || n.shape(4) == ArrayRef<int64_t>(mask)) &&
      (!n.hasInput(3) || (n.rank(3) == 1 && n.shape(3)[0] == n.shape(1)[0]));
  if (!fits || failed(n.needTypeOfFirst({1, 2, 3, 4})) ||
      !isFloating(n.type(0)))
    return n.fail("operands do not fit each other",
                  "input " + toText(n.shape(0)) + ", weights " +
                      toText(n.shape(1)) + ", offsets " + toText(n.shape(2)));
  return c;
}

/// The value between the elements of `x` at [batch, channel, place...]:
/// linear in every dimension, zero outside.
Value sampleLinear(Scalars &s, Value x, Value batch, Value channel,
                   ArrayRef<Value> place) {
  Type type = place[0].getType(), i64 = s.b.getI64Type();
  SmallVector<Value> low, part;
  for (Value p : place) {
    Value floor = s.make<math::FloorOp>(p);
    part.push_back(s.sub(p, floor));
    low.push_back(s.cast(floor, i64));
  }
  Value sum;
  for (size_t corner = 0; corner < (size_t(1) << place.size()); ++corner) {
    SmallVector<Value> at{batch, channel};
    Value weight = s.constant(type, 1), inside;
    for (size_t d = 0; d < place.size(); ++d) {
      bool upper = (corner >> d) & 1;
      Value share = upper ? part[d] : s.sub(s.constant(type, 1), part[d]);
      weight = s.mul(weight, share);
      Value i = upper ? s.add(low[d], s.constantInt(i64, 1)) : low[d];
      int64_t size = shapeOf(x)[2 + d];
      Value isIn = s.bitAnd(s.cmp(Cmp::GE, i, s.constantInt(i64, 0)),
                            s.cmp(Cmp::LT, i, s.constantInt(i64, size)));
      inside = inside ? s.bitAnd(inside, isIn) : isIn;
      Value clamped =
          s.min(s.max(i, s.constantInt(i64, 0)), s.constantInt(i64, size - 1));
      at.push_back(s.toIndex(clamped));
    }
    Value element = s.cast(s.extract(x, at), type);
    Value term = s.select(inside, s.mul(weight, element), s.constant(type, 0));
    sum = sum ? s.add(sum, term) : term;
  }
  return sum;
}

/// The columns a plain product takes: [batch, channel, kernel position,
/// output position...], sampled where the offsets say.
Value deformedColumns(NodeBinder &n, const DeformConv &c) {
  const Window &w = c.window;
  Emitter &e = n.e;
  int64_t rank = w.rank(), volume = product(w.kernel);
  int64_t channels = n.shape(0)[1];
  Shape shape{n.shape(0)[0], channels, volume};
  llvm::append_range(shape, w.output);
  Type type = computeType(n.element(0));
  return e.indexed(shape, type, [&](Scalars &s, ValueRange at) -> Value {
    auto divide = [&](Value i, int64_t by) -> Value {
      return s.make<arith::DivUIOp>(i, s.index(by));
    };
    auto modulo = [&](Value i, int64_t by) -> Value {
      return s.make<arith::RemUIOp>(i, s.index(by));
    };
    auto plus = [&](Value a, Value b) -> Value {
      return s.make<arith::AddIOp>(a, b);
    };
    auto times = [&](Value a, int64_t by) -> Value {
      return s.make<arith::MulIOp>(a, s.index(by));
    };
    Value group = divide(at[1], channels / c.offsetGroups);
    Value slot = plus(times(group, volume), at[2]);
    SmallVector<Value> spatial(at.drop_front(3));
    SmallVector<Value> place;
    int64_t inner = volume;
    for (int64_t d = 0; d < rank; ++d) {
      inner /= w.kernel[d];
      Value k = modulo(divide(at[2], inner), w.kernel[d]);
      Value start =
          plus(times(spatial[d], w.strides[d]), times(k, w.dilations[d]));
      Value base = s.cast(s.cast(start, s.b.getI64Type()), type);
      base = s.sub(base, s.constant(type, w.padBegin[d]));
      SmallVector<Value> from{at[0], plus(times(slot, rank), s.index(d))};
      llvm::append_range(from, spatial);
      place.push_back(s.add(base, s.cast(s.extract(n.input(2), from), type)));
    }
    Value value = sampleLinear(s, n.input(0), at[0], at[1], place);
    if (!n.hasInput(4))
      return value;
    SmallVector<Value> from{at[0], slot};
    llvm::append_range(from, spatial);
    return s.mul(value, s.cast(s.extract(n.input(4), from), type));
  });
}

LogicalResult deformConv(NodeBinder &n) {
  FailureOr<DeformConv> conv = readDeformConv(n);
  if (failed(conv))
    return failure();
  const DeformConv &c = *conv;
  Emitter &e = n.e;
  Value columns = deformedColumns(n, c);
  int64_t batch = n.shape(0)[0], positions = product(c.window.output);
  int64_t depth = n.shape(1)[1] * product(c.window.kernel);
  int64_t outputs = n.shape(1)[0] / c.groups;
  Type type = elementOf(columns);
  Value weights =
      e.reshape(e.cast(n.input(1), type), {1, c.groups, outputs, depth});
  columns = e.reshape(columns, {batch, c.groups, depth, positions});
  MatMulOperands m;
  m.lhs = weights;
  m.rhs = columns;
  FailureOr<Value> product = emitMatMul(n, m);
  if (failed(product))
    return failure();
  Shape shape{batch, n.shape(1)[0]};
  llvm::append_range(shape, c.window.output);
  Value y = e.reshape(*product, shape);
  SmallVector<Value> inputs{y};
  SmallVector<AffineMap> maps{e.identity(shape.size())};
  if (n.hasInput(3)) {
    inputs.push_back(n.input(3));
    maps.push_back(e.oneDim(shape.size(), 1));
  }
  y = e.mapWith(inputs, maps, shape, n.element(0),
                [](Scalars &s, ValueRange args) {
                  return args.size() > 1 ? s.add(args[0], args[1]) : args[0];
                });
  n.setOutput(0, y, n.type(0));
  return success();
}

} // namespace

void registerSpatial(Registry &registry) {
  registry.add("", {{"Col2Im", 18, col2Im, "constant image and block"},
                    {"DeformConv", 19, deformConv}});
}

} // namespace cim::onnx
