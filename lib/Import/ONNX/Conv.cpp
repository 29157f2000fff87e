// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Conv, ConvTranspose, ConvInteger and the emission of convolutions.

#include "Mac.h"
#include "cim/IR/Constants.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace cim::onnx {
namespace {

/// One group (or all, side by side, as an extra loop) on the vector unit.
Value convGeneric(NodeBinder &n, const ConvOperands &c, const Window &w) {
  Emitter &e = n.e;
  Type type = c.result ? c.result : elementOf(c.input);
  Value input =
      padForWindow(n, c.input, w, e.scalarAttr(elementOf(c.input), 0));
  int64_t groups = c.groups, batch = shapeOf(input)[0];
  int64_t channels = shapeOf(input)[1] / groups;
  int64_t outs = shapeOf(c.weights)[0] / groups, rank = w.rank();
  // Loops: n, g, o, out.., c, kernel..
  Shape inShape{batch, groups, channels}, wShape{groups, outs, channels},
      outShape{batch, groups, outs}, result{batch, groups * outs};
  llvm::append_range(inShape, shapeOf(input).drop_front(2));
  llvm::append_range(wShape, w.kernel);
  llvm::append_range(outShape, w.output);
  llvm::append_range(result, w.output);
  input = e.reshape(input, inShape);
  Value weights = e.reshape(c.weights, wShape);
  int64_t loops = 4 + 2 * rank;
  auto dim = [&](int64_t d) { return n.b.getAffineDimExpr(d); };
  SmallVector<AffineExpr> in{dim(0), dim(1), dim(3 + rank)},
      wt{dim(1), dim(2), dim(3 + rank)}, out{dim(0), dim(1), dim(2)};
  for (int64_t d = 0; d < rank; ++d) {
    in.push_back(dim(3 + d) * w.strides[d] +
                 dim(4 + rank + d) * w.dilations[d]);
    wt.push_back(dim(4 + rank + d));
    out.push_back(dim(3 + d));
  }
  SmallVector<utils::IteratorType> iterators(loops,
                                             utils::IteratorType::reduction);
  std::fill_n(iterators.begin(), 3 + rank, utils::IteratorType::parallel);
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(loops, 0, exprs, n.b.getContext());
  };
  Value init = e.filled(outShape, e.scalarAttr(type, 0));
  Value y = e.generic({input, weights}, {map(in), map(wt)}, init, map(out),
                      iterators, [&](Scalars &s, ValueRange args) {
                        Value l = s.cast(args[0], type, c.inputUnsigned);
                        Value r = s.cast(args[1], type, c.weightsUnsigned);
                        return s.add(args[2], s.mul(l, r));
                      });
  return e.reshape(y, result);
}

Value addBias(NodeBinder &n, Value y, Value bias) {
  int64_t rank = rankOf(y);
  return n.e.mapWith({y, bias}, {n.e.identity(rank), n.e.oneDim(rank, 1)},
                     shapeOf(y), elementOf(y), [](Scalars &s, ValueRange args) {
                       return s.add(args[0], args[1]);
                     });
}

} // namespace

FailureOr<Value> emitConv(NodeBinder &n, const ConvOperands &c,
                          const Window &w) {
  Type element = elementOf(c.input);
  if (w.rank() > 3)
    return n.fail("convolution of more than 3 spatial dimensions",
                  Twine(w.rank()) + " spatial dimensions",
                  "reshape to at most 3");
  Shape result{shapeOf(c.input)[0], shapeOf(c.weights)[0]};
  llvm::append_range(result, w.output);
  if (failed(n.checkShape(result)))
    return failure();
  if (c.result || !(element.isF32() || element.isF16() || element.isBF16())) {
    Value y = convGeneric(n, c, w);
    return c.bias ? addBias(n, y, c.bias) : y;
  }
  Type f32 = n.b.getF32Type();
  Value input = c.input, weights = c.weights, bias = c.bias;
  Type resultElement = element;
  if (element.isBF16()) {
    input = n.e.cast(input, f32);
    weights = n.e.cast(weights, f32);
    resultElement = f32;
  }
  if (bias)
    bias = n.e.cast(bias, f32);
  Shape pads(w.padBegin);
  llvm::append_range(pads, w.padEnd);
  Value y = ir::ConvOp::create(
      n.b, n.e.loc, RankedTensorType::get(result, resultElement), input,
      weights, bias, /*multiplier=*/Value(), w.strides, pads, w.dilations,
      static_cast<uint64_t>(c.groups), /*mantissa=*/IntegerAttr());
  return n.e.cast(y, element);
}

namespace {

/// Checks channels, groups and kernel_shape of operands x and w.
LogicalResult checkConv(NodeBinder &n, int64_t group, bool isTransposed) {
  ArrayRef<int64_t> x = n.shape(0), w = n.shape(1);
  if (x.size() < 3 || w.size() != x.size())
    return n.fail("input and weights do not have the same rank of at least 3",
                  "shapes " + toText(x) + " and " + toText(w));
  int64_t channels = isTransposed ? w[0] : w[1] * group;
  int64_t split = w[0]; // O, or C when transposed
  if (group < 1 || group > (1 << 24) || channels != x[1] || split % group != 0)
    return n.fail("channels and groups do not agree",
                  "input " + toText(x) + ", weights " + toText(w) + ", group " +
                      Twine(group));
  std::optional<Shape> kernel = n.intsAttr("kernel_shape");
  if (kernel && !kernel->empty() &&
      ArrayRef<int64_t>(*kernel) != w.drop_front(2))
    return n.fail("kernel_shape is not the weights' shape",
                  "kernel_shape " + toText(*kernel) + ", weights " + toText(w));
  return success();
}

LogicalResult checkBias(NodeBinder &n, size_t i, int64_t channels) {
  if (n.hasInput(i) && (n.rank(i) != 1 || n.shape(i)[0] != channels))
    return n.fail("the bias does not have one value per output channel",
                  "shape " + toText(n.shape(i)) + ", " + Twine(channels) +
                      " wanted");
  return success();
}

LogicalResult conv(NodeBinder &n) {
  if (failed(n.needInputs(2)) || failed(n.needTypeOfFirst({1, 2})))
    return failure();
  ConvOperands c;
  c.groups = n.intAttr("group", 1);
  if (failed(checkConv(n, c.groups, false)) ||
      failed(checkBias(n, 2, n.shape(1)[0])))
    return failure();
  c.input = n.input(0);
  c.weights = n.input(1);
  c.bias = n.hasInput(2) ? n.input(2) : Value();
  FailureOr<Window> w = readWindow(n, n.shape(1).drop_front(2), false);
  if (failed(w))
    return failure();
  FailureOr<Value> y = emitConv(n, c, *w);
  if (failed(y))
    return failure();
  n.setOutput(0, *y);
  return success();
}

LogicalResult convInteger(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  ConvOperands c;
  c.groups = n.intAttr("group", 1);
  if (failed(checkConv(n, c.groups, false)))
    return failure();
  FailureOr<Window> w = readWindow(n, n.shape(1).drop_front(2), false);
  FailureOr<Value> x = subtractZeroPoint(n, 0, 2, 1);
  FailureOr<Value> weights = subtractZeroPoint(n, 1, 3, 0);
  if (failed(w) || failed(x) || failed(weights))
    return failure();
  c.input = *x;
  c.weights = *weights;
  c.result = n.b.getI32Type();
  FailureOr<Value> y = emitConv(n, c, *w);
  if (failed(y))
    return failure();
  n.setOutput(0, *y, DType::Int32);
  return success();
}

LogicalResult qLinearConv(NodeBinder &n) {
  if (failed(n.needInputs(8)))
    return failure();
  ConvOperands c;
  c.groups = n.intAttr("group", 1);
  if (n.rank(3) != n.rank(0))
    return n.fail("input and weights do not have the same rank",
                  "shapes " + toText(n.shape(0)) + " and " +
                      toText(n.shape(3)));
  Type f32 = n.b.getF32Type();
  FailureOr<Value> x = emitDequantize(
      n, {n.input(0), n.input(1), n.input(2), n.isUnsigned(0), 1}, f32);
  FailureOr<Value> weights = emitDequantize(
      n, {n.input(3), n.input(4), n.input(5), n.isUnsigned(3), 0}, f32);
  if (failed(x) || failed(weights) || failed(checkBias(n, 8, n.shape(3)[0])))
    return failure();
  if (n.shape(0)[1] != n.shape(3)[1] * c.groups ||
      n.shape(3)[0] % std::max<int64_t>(c.groups, 1) != 0)
    return n.fail("channels and groups do not agree",
                  "input " + toText(n.shape(0)) + ", weights " +
                      toText(n.shape(3)) + ", group " + Twine(c.groups));
  FailureOr<Window> w = readWindow(n, n.shape(3).drop_front(2), false);
  if (failed(w))
    return failure();
  c.input = *x;
  c.weights = *weights;
  if (n.hasInput(8)) // int32 at scale x_scale * w_scale
    c.bias =
        n.e.map({n.input(8), n.e.reshape(n.input(1), {}), n.input(4)},
                n.shape(8), f32, [&](Scalars &s, ValueRange args) {
                  return s.mul(s.cast(args[0], f32), s.mul(args[1], args[2]));
                });
  FailureOr<Value> y = emitConv(n, c, *w);
  if (failed(y))
    return failure();
  FailureOr<Value> q =
      emitQuantize(n, {*y, n.input(6), n.input(7), false, 1}, n.type(7));
  if (failed(q))
    return failure();
  n.setOutput(0, *q, n.type(7));
  return success();
}

/// Weights C x M/g x kernel of a transposed convolution as those of the
/// equivalent convolution: M x C/g x kernel, flipped. Constants are rearranged
/// here, others by a transpose and a gather.
Value flipWeights(NodeBinder &n, Value weights, int64_t groups) {
  Emitter &e = n.e;
  Shape shape(shapeOf(weights));
  int64_t inPer = shape[0] / groups, outPer = shape[1];
  int64_t rank = shape.size() - 2;
  Shape grouped{groups, inPer, outPer}, result{groups * outPer, inPer};
  llvm::append_range(grouped, ArrayRef<int64_t>(shape).drop_front(2));
  llvm::append_range(result, ArrayRef<int64_t>(shape).drop_front(2));
  ElementsAttr attr = ir::constantOf(weights);
  if (attr && ir::hasData(attr)) {
    std::vector<char> from = ir::expandedBytes(attr), to(from.size());
    size_t size = ir::elementBytes(elementOf(weights));
    int64_t taps = product(ArrayRef<int64_t>(shape).drop_front(2));
    for (int64_t g = 0; g < groups; ++g)
      for (int64_t i = 0; i < inPer; ++i)
        for (int64_t o = 0; o < outPer; ++o)
          for (int64_t t = 0; t < taps; ++t) {
            int64_t source = ((g * inPer + i) * outPer + o) * taps + t;
            // Flipping every kernel dimension reverses the taps.
            int64_t target =
                ((g * outPer + o) * inPer + i) * taps + taps - 1 - t;
            std::copy_n(from.begin() + source * size, size,
                        to.begin() + target * size);
          }
    return e.constant(
        ir::makeConstant(RankedTensorType::get(result, elementOf(weights)), to,
                         n.node.inputs[1] + ".flipped"));
  }
  Shape perm{0, 2, 1};
  for (int64_t d = 0; d < rank; ++d)
    perm.push_back(3 + d);
  Value moved =
      e.reshape(e.transpose(e.reshape(weights, grouped), perm), result);
  return e.indexed(
      result, elementOf(weights), [&](Scalars &s, ValueRange indices) {
        SmallVector<Value> at(indices);
        for (int64_t d = 0; d < rank; ++d)
          at[2 + d] =
              s.make<arith::SubIOp>(s.index(result[2 + d] - 1), indices[2 + d]);
        return s.extract(moved, at);
      });
}

/// Pads and output sizes of ConvTranspose.
FailureOr<Window> readTransposedWindow(NodeBinder &n) {
  Window w;
  w.input.assign(n.shape(0).begin() + 2, n.shape(0).end());
  w.kernel.assign(n.shape(1).begin() + 2, n.shape(1).end());
  size_t rank = w.input.size();
  FailureOr<Shape> strides = windowAttr(n, "strides", rank, 1, 1);
  FailureOr<Shape> dilations = windowAttr(n, "dilations", rank, 1, 1);
  FailureOr<Shape> extra = windowAttr(n, "output_padding", rank, 0, 0);
  FailureOr<Shape> wanted = windowAttr(n, "output_shape", rank, -1, 1);
  FailureOr<Shape> pads = windowAttr(n, "pads", 2 * rank, 0, 0);
  if (failed(strides) || failed(dilations) || failed(extra) || failed(wanted) ||
      failed(pads))
    return failure();
  for (int64_t size : w.kernel)
    if (size < 1 || size > (1 << 24))
      return n.fail("a kernel size is out of range", "size " + Twine(size));
  w.strides = *strides;
  w.dilations = *dilations;
  std::string autoPad = n.stringAttr("auto_pad", "NOTSET");
  bool isSame = StringRef(autoPad).starts_with("SAME");
  bool isUpper = autoPad == "SAME_UPPER";
  for (size_t d = 0; d < rank; ++d) {
    int64_t full = w.strides[d] * (w.input[d] - 1) + (*extra)[d] + w.extent(d);
    int64_t begin = (*pads)[d], end = (*pads)[rank + d];
    int64_t out = full - begin - end;
    if ((*wanted)[d] > 0 || isSame) {
      // SAME never pads by less than nothing (strides beyond the kernel).
      out = (*wanted)[d] > 0 ? (*wanted)[d]
                             : std::min(full, w.input[d] * w.strides[d]);
      int64_t total = std::max<int64_t>(0, full - out);
      // Without auto_pad the bigger half of an odd total goes first.
      begin = isUpper ? total / 2 : total - total / 2;
      end = total - begin;
    } else if (autoPad == "VALID") {
      begin = end = 0;
      out = full;
    }
    if (out < 1)
      return n.fail("the pads leave no output",
                    "dimension " + Twine(d) + ", size " + Twine(out));
    w.padBegin.push_back(begin);
    w.padEnd.push_back(end);
    w.output.push_back(out);
  }
  return w;
}

/// A transposed convolution is a convolution, stride 1, of the input with zeros
/// between its elements by the flipped weights.
LogicalResult convTranspose(NodeBinder &n) {
  if (failed(n.needInputs(2)) || failed(n.needTypeOfFirst({1, 2})))
    return failure();
  int64_t groups = n.intAttr("group", 1);
  if (failed(checkConv(n, groups, true)) ||
      failed(checkBias(n, 2, n.shape(1)[1] * groups)))
    return failure();
  FailureOr<Window> t = readTransposedWindow(n);
  if (failed(t))
    return failure();
  Emitter &e = n.e;
  int64_t rank = t->rank();
  Window w;
  w.kernel = t->kernel;
  w.dilations = t->dilations;
  w.output = t->output;
  w.strides.assign(rank, 1);
  Shape spread(n.shape(0).take_front(2)), strides{1, 1}, crop{0, 0};
  bool isCropped = false;
  for (int64_t d = 0; d < rank; ++d) {
    int64_t size = (t->input[d] - 1) * t->strides[d] + 1;
    int64_t begin = t->extent(d) - 1 - t->padBegin[d];
    // Everything the output needs beyond the spread input.
    int64_t end = t->output[d] + t->extent(d) - 1 - size - begin;
    spread.push_back(size);
    strides.push_back(t->strides[d]);
    crop.push_back(std::max<int64_t>(0, -begin));
    isCropped |= begin < 0 || end < 0;
    w.input.push_back(size - std::max<int64_t>(0, -begin) -
                      std::max<int64_t>(0, -end));
    w.padBegin.push_back(std::max<int64_t>(0, begin));
    w.padEnd.push_back(std::max<int64_t>(0, end));
  }
  if (failed(n.checkShape(spread)))
    return failure();
  Value x = n.input(0);
  if (ArrayRef<int64_t>(spread) != n.shape(0)) {
    Value zeros = e.filled(spread, e.scalarAttr(n.element(0), 0));
    x = e.insert(x, zeros, Shape(rank + 2, 0), strides);
  }
  if (isCropped) {
    Shape sizes(n.shape(0).take_front(2));
    for (int64_t size : w.input) {
      if (size < 1)
        return n.fail("the pads leave no output", "size " + Twine(size));
      sizes.push_back(size);
    }
    x = e.slice(x, crop, sizes, Shape(rank + 2, 1));
  }
  ConvOperands c;
  c.input = x;
  c.weights = flipWeights(n, n.input(1), groups);
  c.bias = n.hasInput(2) ? n.input(2) : Value();
  c.groups = groups;
  FailureOr<Value> y = emitConv(n, c, w);
  if (failed(y))
    return failure();
  n.setOutput(0, *y);
  return success();
}

} // namespace

void registerConv(Registry &registry) {
  registry.add(
      "", {{"Conv", 1, conv, "1 to 3 spatial dimensions"},
           {"ConvInteger", 10, convInteger,
            "1 to 3 spatial dimensions; vector unit"},
           {"ConvTranspose", 1, convTranspose, "1 to 3 spatial dimensions"},
           {"QLinearConv", 10, qLinearConv,
            "as DequantizeLinear, Conv, QuantizeLinear"}});
}

} // namespace cim::onnx
