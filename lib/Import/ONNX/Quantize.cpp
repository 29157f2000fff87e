// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// QuantizeLinear and DequantizeLinear as elementwise arithmetic (numerics Q1
// and Q2), per tensor, per axis and blocked.

#include <cmath>

#include "Mac.h"
#include "cim/IR/Constants.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace cim::onnx {
namespace {

/// Value, scale and zero point in the shape the elementwise code works on.
struct Aligned {
  Value value, scale, zeroPoint;
};

/// Makes scale and zero point broadcast against the value: a scalar, a vector
/// along `axis`, or one value per block, for which the axis is split in two.
FailureOr<Aligned> align(NodeBinder &n, const QuantOperands &q) {
  Emitter &e = n.e;
  ArrayRef<int64_t> shape = shapeOf(q.value), scale = shapeOf(q.scale);
  auto reshaped = [&](Value v, ArrayRef<int64_t> to) {
    return v ? e.reshape(v, to) : Value();
  };
  auto bad = [&]() -> LogicalResult {
    return n.fail("the scale does not fit the tensor",
                  "scale " + toText(scale) + ", tensor " + toText(shape) +
                      ", axis " + Twine(q.axis) + ", block_size " +
                      Twine(q.block));
  };
  if (q.zeroPoint && product(shapeOf(q.zeroPoint)) != product(scale))
    return n.fail("scale and zero point differ in shape",
                  toText(scale) + " and " + toText(shapeOf(q.zeroPoint)));
  if (product(scale) == 1 && q.block == 0)
    return Aligned{q.value, e.reshape(q.scale, {}), reshaped(q.zeroPoint, {})};
  int64_t rank = shape.size();
  int64_t axis = q.axis < 0 ? q.axis + rank : q.axis;
  if (axis < 0 || axis >= rank)
    return bad();
  if (q.block == 0) {
    if (scale.size() != 1 || scale[0] != shape[axis])
      return bad();
    Shape perAxis(rank, 1);
    perAxis[axis] = scale[0];
    return Aligned{q.value, e.reshape(q.scale, perAxis),
                   reshaped(q.zeroPoint, perAxis)};
  }
  bool fits = static_cast<int64_t>(scale.size()) == rank && q.block > 0;
  for (int64_t d = 0; fits && d < rank; ++d)
    fits = d == axis ? scale[d] == (shape[d] + q.block - 1) / q.block
                     : scale[d] == shape[d];
  if (!fits)
    return bad();
  if (shape[axis] % q.block == 0) {
    Shape split(shape), blocks(scale);
    split[axis] = scale[axis];
    split.insert(split.begin() + axis + 1, q.block);
    blocks.insert(blocks.begin() + axis + 1, 1);
    return Aligned{e.reshape(q.value, split), e.reshape(q.scale, blocks),
                   reshaped(q.zeroPoint, blocks)};
  }
  // A last partial block: the scales are written out.
  auto spread = [&](Value v) -> Value {
    if (!v)
      return {};
    return e.indexed(shape, elementOf(v), [&](Scalars &s, ValueRange at) {
      SmallVector<Value> from(at);
      from[axis] = s.make<arith::DivUIOp>(at[axis], s.index(q.block));
      return s.extract(v, from);
    });
  };
  return Aligned{q.value, spread(q.scale), spread(q.zeroPoint)};
}

/// Range of an integer type, as doubles.
std::pair<double, double> rangeOf(DType type) {
  unsigned bits = bitWidth(type);
  if (isUnsigned(type))
    return {0, std::ldexp(1.0, bits) - 1};
  return {-std::ldexp(1.0, bits - 1), std::ldexp(1.0, bits - 1) - 1};
}

} // namespace

FailureOr<Value> emitDequantize(NodeBinder &n, const QuantOperands &q,
                                Type result) {
  FailureOr<Aligned> a = align(n, q);
  if (failed(a))
    return failure();
  SmallVector<Value> inputs{a->value, a->scale};
  if (a->zeroPoint)
    inputs.push_back(a->zeroPoint);
  bool isFloat = isa<FloatType>(elementOf(q.value));
  Type type = computeType(result), i32 = n.b.getI32Type();
  Value y = n.e.map(inputs, shapeOf(a->value), result,
                    [&](Scalars &s, ValueRange args) {
                      Value x = args[0];
                      if (isFloat) {
                        x = s.cast(x, type);
                        if (args.size() > 2)
                          x = s.sub(x, s.cast(args[2], type));
                      } else {
                        x = s.cast(x, i32, q.valueUnsigned);
                        if (args.size() > 2)
                          x = s.sub(x, s.cast(args[2], i32, q.valueUnsigned));
                        x = s.cast(x, type);
                      }
                      return s.mul(x, s.cast(args[1], type));
                    });
  return n.e.reshape(y, shapeOf(q.value));
}

FailureOr<Value> emitQuantize(NodeBinder &n, const QuantOperands &q, DType to) {
  FailureOr<Aligned> a = align(n, q);
  if (failed(a))
    return failure();
  Type element = toElementType(n.b.getContext(), to);
  bool toFloat = isFloating(to), toUnsigned = isUnsigned(to);
  if (!element || element.isInteger(1) || element.isInteger(64))
    return n.fail("quantization to this type is not supported",
                  StringRef("type ") + name(to), "use an 8-bit type");
  SmallVector<Value> inputs{a->value, a->scale};
  if (a->zeroPoint)
    inputs.push_back(a->zeroPoint);
  Type type = computeType(elementOf(q.scale));
  if (!isa<FloatType>(type) || type.getIntOrFloatBitWidth() < 32)
    type = n.b.getF32Type();
  Value y = n.e.map(
      inputs, shapeOf(a->value), element,
      [&](Scalars &s, ValueRange args) -> Value {
        Value x = s.cast(args[0], type, q.valueUnsigned);
        x = s.div(x, s.cast(args[1], type));
        if (toFloat) {
          if (args.size() > 2)
            x = s.add(x, s.cast(args[2], type));
          if (bitWidth(to) < 8 || n.intAttr("saturate", 1) != 0) {
            double largest = APFloat::getLargest(
                                 cast<FloatType>(element).getFloatSemantics())
                                 .convertToDouble();
            x = s.min(s.max(x, s.constant(type, -largest)),
                      s.constant(type, largest));
          }
          return s.cast(x, element);
        }
        x = s.make<math::RoundEvenOp>(x);
        if (args.size() > 2)
          x = s.add(
              x, s.cast(s.cast(args[2], s.b.getI32Type(), toUnsigned), type));
        auto [low, high] = rangeOf(to);
        x = s.min(s.max(x, s.constant(type, low)), s.constant(type, high));
        return s.cast(x, element, false, toUnsigned);
      });
  return n.e.reshape(y, shapeOf(q.value));
}

namespace {

QuantOperands readOperands(NodeBinder &n) {
  QuantOperands q;
  q.value = n.input(0);
  q.scale = n.input(1);
  q.zeroPoint = n.hasInput(2) ? n.input(2) : Value();
  q.valueUnsigned = n.isUnsigned(0);
  q.axis = n.intAttr("axis", 1);
  q.block = n.intAttr("block_size", 0);
  return q;
}

LogicalResult dequantizeLinear(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  DType to = static_cast<DType>(n.intAttr("output_dtype", 0));
  if (to == DType::Undefined)
    to = n.type(1);
  if (!isFloating(to) || !isFloating(n.type(1)))
    return n.fail("the scale or result type is not floating point",
                  StringRef("type ") + name(to));
  FailureOr<Value> y =
      emitDequantize(n, readOperands(n), toElementType(n.b.getContext(), to));
  if (failed(y))
    return failure();
  n.setOutput(0, *y, to);
  return success();
}

LogicalResult quantizeLinear(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  DType to = static_cast<DType>(n.intAttr("output_dtype", 0));
  if (n.hasInput(2))
    to = n.type(2);
  if (to == DType::Undefined)
    to = DType::UInt8;
  FailureOr<Value> y = emitQuantize(n, readOperands(n), to);
  if (failed(y))
    return failure();
  n.setOutput(0, *y, to);
  return success();
}

} // namespace

void registerQuantize(Registry &registry) {
  registry.add("", {{"DequantizeLinear", 10, dequantizeLinear},
                    {"QuantizeLinear", 10, quantizeLinear}});
}

} // namespace cim::onnx
