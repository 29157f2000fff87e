// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Unary, binary and variadic elementwise operators, comparisons, logic, casts.

#include <cmath>

#include "Binder.h"
#include "cim/IR/Constants.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/APFloat.h"

using namespace mlir;

namespace cim::onnx {
namespace {

using Cmp = Scalars::Cmp;
using UnaryBody = std::function<Value(Scalars &, Value)>;
using BinaryBody = std::function<Value(Scalars &, Value, Value, bool)>;

/// y = body(x), same type.
Handler unary(UnaryBody body) {
  return [body](NodeBinder &n) -> LogicalResult {
    if (failed(n.needInputs(1)))
      return failure();
    n.setOutput(0, n.e.map(n.input(0), n.shape(0), n.element(0),
                           [&](Scalars &s, ValueRange args) {
                             return body(s, args[0]);
                           }));
    return success();
  };
}

/// y = body(x) of a float tensor.
Handler floatUnary(UnaryBody body) {
  Handler inner = unary(body);
  return [inner](NodeBinder &n) -> LogicalResult {
    if (failed(n.needInputs(1)))
      return failure();
    if (!isFloating(n.type(0)))
      return n.fail("operand is not floating point",
                    StringRef("type ") + name(n.type(0)));
    return inner(n);
  };
}

template <typename Op>
Handler mathOp() {
  return floatUnary([](Scalars &s, Value x) { return s.make<Op>(x); });
}

/// Before opset 7 the second operand's dimensions stood at `axis` of the
/// first's; NumPy's rule aligns them at the end.
void alignLegacyOperand(NodeBinder &n) {
  int64_t axis = n.intAttr("axis", -1);
  if (n.opset >= 7 || axis < 0 || axis + n.rank(1) > n.rank(0))
    return;
  Shape shape(n.shape(1));
  shape.resize(n.rank(0) - axis, 1);
  n.replaceInput(1, n.e.reshape(n.input(1), shape));
}

FailureOr<Shape> broadcastInputs(NodeBinder &n, size_t count) {
  if (failed(n.needInputs(count)))
    return failure();
  if (count == 2)
    alignLegacyOperand(n);
  SmallVector<ArrayRef<int64_t>> shapes;
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    shapes.push_back(n.shape(i));
    text += (i ? ", " : "") + toText(n.shape(i));
  }
  std::optional<Shape> result = broadcastShapes(shapes);
  if (!result)
    return n.fail("operand shapes do not broadcast", "shapes " + text);
  if (failed(n.checkShape(*result)))
    return failure();
  return *result;
}

LogicalResult needSameType(NodeBinder &n, size_t first, size_t count) {
  for (size_t i = first + 1; i < count; ++i)
    if (n.type(i) != n.type(first))
      return n.fail("operand types differ",
                    StringRef(name(n.type(first))) + " and " + name(n.type(i)));
  return success();
}

/// z = body(x, y, unsigned) with broadcasting; result of the operands' type.
Handler binary(BinaryBody body) {
  return [body](NodeBinder &n) -> LogicalResult {
    FailureOr<Shape> shape = broadcastInputs(n, 2);
    if (failed(shape) || failed(needSameType(n, 0, 2)))
      return failure();
    n.setOutput(0, n.e.map({n.input(0), n.input(1)}, *shape, n.element(0),
                           [&](Scalars &s, ValueRange args) {
                             return body(s, args[0], args[1], n.isUnsigned(0));
                           }));
    return success();
  };
}

/// And, Or: an operand all of whose elements are `decisive` is the result, so
/// that a bound on a loop shows although the rest of its condition is not
/// known.
Handler logical(BinaryBody body, bool decisive) {
  return [=](NodeBinder &n) -> LogicalResult {
    FailureOr<Shape> shape = broadcastInputs(n, 2);
    if (failed(shape) || failed(needSameType(n, 0, 2)))
      return failure();
    for (size_t i = 0; i < 2; ++i) {
      std::optional<ir::Literal> literal = n.known(n.input(i));
      if (!literal || !llvm::all_of(literal->elements, [&](ir::Scalar element) {
            return element.i == static_cast<int64_t>(decisive);
          }))
        continue;
      n.setOutput(0, n.e.splat(*shape, n.element(0), decisive));
      return success();
    }
    return binary(body)(n);
  };
}

Handler compare(Cmp predicate) {
  return [predicate](NodeBinder &n) -> LogicalResult {
    FailureOr<Shape> shape = broadcastInputs(n, 2);
    if (failed(shape) || failed(needSameType(n, 0, 2)))
      return failure();
    n.setOutput(0,
                n.e.map({n.input(0), n.input(1)}, *shape, n.b.getI1Type(),
                        [&](Scalars &s, ValueRange args) {
                          return s.cmp(predicate, args[0], args[1],
                                       n.isUnsigned(0));
                        }),
                DType::Bool);
    return success();
  };
}

/// Left fold of all inputs; `finish` gets the sum and the number of inputs.
Handler variadic(BinaryBody body,
                 std::function<Value(Scalars &, Value, size_t)> finish) {
  return [=](NodeBinder &n) -> LogicalResult {
    FailureOr<Shape> shape =
        broadcastInputs(n, std::max<size_t>(n.numInputs(), 1));
    if (failed(shape) || failed(needSameType(n, 0, n.numInputs())))
      return failure();
    // A vector kernel takes few operands (device.md D4.7): fold in groups.
    constexpr size_t group = 8;
    SmallVector<Value> inputs = n.values();
    size_t count = inputs.size();
    while (true) {
      size_t taken = std::min(inputs.size(), group);
      bool isLast = taken == inputs.size();
      Value folded = n.e.map(ArrayRef<Value>(inputs).take_front(taken), *shape,
                             n.element(0), [&](Scalars &s, ValueRange args) {
                               Value acc = args[0];
                               for (Value arg : args.drop_front())
                                 acc = body(s, acc, arg, n.isUnsigned(0));
                               return isLast ? finish(s, acc, count) : acc;
                             });
      if (isLast) {
        n.setOutput(0, folded);
        return success();
      }
      inputs.erase(inputs.begin(), inputs.begin() + taken - 1);
      inputs[0] = folded;
    }
  };
}

Value keep(Scalars &, Value x, size_t) { return x; }

/// The divisor's sign with fmod=0 (Python's %), the dividend's with fmod=1.
LogicalResult mod(NodeBinder &n) {
  bool isFmod = n.intAttr("fmod", 0) != 0;
  if (n.hasInput(0) && isFloating(n.type(0)) && !isFmod && n.opset < 28)
    return n.fail("floating-point Mod needs fmod=1", "fmod 0");
  return binary([isFmod](Scalars &s, Value l, Value r, bool isUnsigned) {
    Value rem = s.rem(l, r, isUnsigned);
    if (isFmod || isUnsigned)
      return rem;
    Value zero = s.constantInt(l.getType(), 0);
    Value differs =
        s.cmp(Cmp::NE, s.cmp(Cmp::LT, rem, zero), s.cmp(Cmp::LT, r, zero));
    Value isNonZero = s.cmp(Cmp::NE, rem, zero);
    Value fixed = s.add(rem, r);
    if (isa<FloatType>(l.getType()))
      rem = s.select(isNonZero, rem, s.make<math::CopySignOp>(rem, r));
    return s.select(s.bitAnd(differs, isNonZero), fixed, rem);
  })(n);
}

/// The constant all elements of operand `i` are equal to.
std::optional<double> splatFloat(NodeBinder &n, size_t i) {
  ElementsAttr attr = ir::constantOf(n.input(i));
  if (!attr || !ir::isSplat(attr))
    return std::nullopt;
  return ir::values<double>(attr, n.isUnsigned(i))[0];
}

/// Exact small integer powers by multiplication; others by math.powf.
Value power(Scalars &s, Value x, Value y, std::optional<double> exponent) {
  if (exponent == 1.0)
    return x;
  if (exponent == 2.0)
    return s.mul(x, x);
  if (exponent == 3.0)
    return s.mul(s.mul(x, x), x);
  if (exponent == -1.0)
    return s.div(s.constant(x.getType(), 1), x);
  return s.make<math::PowFOp>(x, y);
}

LogicalResult pow(NodeBinder &n) {
  FailureOr<Shape> shape = broadcastInputs(n, 2);
  if (failed(shape))
    return failure();
  std::optional<double> exponent = splatFloat(n, 1);
  bool isInteger = !isFloating(n.type(0));
  bool smallExponent = exponent == 1.0 || exponent == 2.0 || exponent == 3.0;
  n.setOutput(0,
              n.e.map({n.input(0), n.input(1)}, *shape, n.element(0),
                      [&](Scalars &s, ValueRange args) {
                        Value x = args[0], y = args[1];
                        if (isInteger && smallExponent)
                          return power(s, x, y, exponent);
                        // Integers: exact in f64 up to 2^53.
                        Type type = isInteger ? s.b.getF64Type() : x.getType();
                        x = s.cast(x, type, n.isUnsigned(0));
                        y = s.cast(y, type, n.isUnsigned(1));
                        Value result = power(s, x, y, exponent);
                        return isInteger ? s.cast(result, args[0].getType(),
                                                  false, n.isUnsigned(0))
                                         : result;
                      }),
              n.type(0));
  return success();
}

LogicalResult bitShift(NodeBinder &n) {
  std::string direction = n.stringAttr("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    return n.fail("direction is not LEFT or RIGHT",
                  "direction '" + direction + "'");
  bool isLeft = direction == "LEFT";
  return binary(
      [isLeft](Scalars &s, Value x, Value amount, bool isUnsigned) -> Value {
        Type type = x.getType();
        int64_t width = type.getIntOrFloatBitWidth();
        Value limit = s.constantInt(type, width);
        Value isInside = s.cmp(Cmp::LT, amount, limit, /*isUnsigned=*/true);
        Value zero = s.constantInt(type, 0);
        if (!isLeft && !isUnsigned) {
          // Arithmetic: beyond the width only the sign is left.
          Value last = s.constantInt(type, width - 1);
          return s.make<arith::ShRSIOp>(x, s.select(isInside, amount, last));
        }
        Value safe = s.select(isInside, amount, zero);
        Value shifted = isLeft ? s.make<arith::ShLIOp>(x, safe)
                               : s.make<arith::ShRUIOp>(x, safe);
        return s.select(isInside, shifted, zero);
      })(n);
}

LogicalResult where(NodeBinder &n) {
  FailureOr<Shape> shape = broadcastInputs(n, 3);
  if (failed(shape) || failed(needSameType(n, 1, 3)))
    return failure();
  if (n.type(0) != DType::Bool)
    return n.fail("the condition is not boolean",
                  StringRef("type ") + name(n.type(0)));
  n.setOutput(0,
              n.e.map(
                  {n.input(0), n.input(1), n.input(2)}, *shape, n.element(1),
                  [](Scalars &s, ValueRange args) {
                    return s.select(args[0], args[1], args[2]);
                  },
                  /*widen=*/false),
              n.type(1));
  return success();
}

/// The value clamped to a narrow float type's finite range, so that conversion
/// saturates instead of overflowing.
Value saturate(Scalars &s, Value x, Type to) {
  const llvm::fltSemantics &semantics = cast<FloatType>(to).getFloatSemantics();
  double largest = APFloat::getLargest(semantics).convertToDouble();
  return s.min(s.max(x, s.constant(x.getType(), -largest)),
               s.constant(x.getType(), largest));
}

/// The power of two of `x` (fp32) as E8M0, by the operator's rounding of the
/// exponent; the sign is dropped.
Value toPowerOfTwo(Scalars &s, Value x, Type to, StringRef mode,
                   bool saturates) {
  Type i32 = s.b.getI32Type();
  Value bits = s.make<arith::BitcastOp>(i32, x);
  auto field = [&](int64_t mask) {
    return s.bitAnd(bits, s.constantInt(i32, mask));
  };
  auto isSet = [&](int64_t mask) {
    return s.cmp(Cmp::NE, field(mask), s.constantInt(i32, 0));
  };
  Value exponent =
      s.make<arith::ShRUIOp>(field(0x7f800000), s.constantInt(i32, 23));
  Value up;
  if (mode == "up")
    up = isSet(0x7fffff);
  else if (mode == "nearest") // Half goes up, but not below the normals.
    up = s.bitAnd(isSet(0x400000), s.bitOr(isSet(0x3fffff), isSet(0x7f800000)));
  if (up) {
    // NaN and infinity are 255 already.
    Value limit = s.constantInt(i32, saturates ? 254 : 255);
    up = s.bitAnd(up, s.cmp(Cmp::LT, exponent, limit));
    exponent = s.add(exponent, s.cast(up, i32));
  }
  return s.make<arith::BitcastOp>(to, s.cast(exponent, s.b.getI8Type()));
}

LogicalResult castToPowerOfTwo(NodeBinder &n, Type element) {
  std::string mode = n.stringAttr("round_mode", "up");
  if (mode != "up" && mode != "down" && mode != "nearest")
    return n.fail("rounding mode is not supported", "round_mode " + mode,
                  "use up, down or nearest");
  n.setOutput(0,
              n.e.map(
                  n.input(0), n.shape(0), element,
                  [&](Scalars &s, ValueRange args) {
                    Value x =
                        s.cast(args[0], s.b.getF32Type(), n.isUnsigned(0));
                    return toPowerOfTwo(s, x, element, mode,
                                        n.intAttr("saturate", 1) != 0);
                  },
                  /*widen=*/false),
              DType::Float8E8M0);
  return success();
}

LogicalResult castTo(NodeBinder &n, DType to) {
  Type element = toElementType(n.b.getContext(), to);
  if (to == DType::Float8E8M0 && element != n.element(0))
    return castToPowerOfTwo(n, element);
  if (!element)
    return n.fail("cast to an unsupported type", StringRef("type ") + name(to),
                  "use another type");
  if (element == n.element(0)) {
    n.setOutput(0, n.input(0), to);
    return success();
  }
  unsigned bits = bitWidth(to);
  bool saturates = isFloating(to) &&
                   (bits < 8 || (bits == 8 && n.intAttr("saturate", 1) != 0));
  bool toNarrow = !isFloating(to) && bits < 8;
  Value y = n.e.map(
      n.input(0), n.shape(0), element,
      [&](Scalars &s, ValueRange args) {
        Value x = args[0];
        if (saturates) {
          x = s.cast(x, computeType(s.b.getF16Type()), n.isUnsigned(0));
          x = saturate(s, x, element);
        }
        // Sub-byte integers wrap.
        if (toNarrow && isFloating(n.type(0)))
          x = s.cast(x, s.b.getI32Type());
        return s.cast(x, element, n.isUnsigned(0), onnx::isUnsigned(to));
      },
      /*widen=*/false);
  n.setOutput(0, y, to);
  return success();
}

LogicalResult cast(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  return castTo(n, static_cast<DType>(n.intAttr("to", 0)));
}

LogicalResult castLike(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  return castTo(n, n.type(1));
}

LogicalResult bitCast(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  DType to = static_cast<DType>(n.intAttr("to", 0));
  Type element = toElementType(n.b.getContext(), to);
  // Booleans are stored as bytes.
  auto bits = [](DType type) {
    return type == DType::Bool ? 8 : bitWidth(type);
  };
  if (!element || bits(to) != bits(n.type(0)))
    return n.fail("bit cast between these types",
                  StringRef(name(n.type(0))) + " to " + name(to),
                  "use types of the same width");
  if (element == n.element(0)) {
    n.setOutput(0, n.input(0), to);
    return success();
  }
  n.setOutput(0,
              n.e.map(
                  n.input(0), n.shape(0), element,
                  [&](Scalars &s, ValueRange args) -> Value {
                    Value x = args[0];
                    Type byte = s.b.getI8Type();
                    if (n.type(0) == DType::Bool)
                      x = s.cast(x, byte);
                    if (to == DType::Bool) {
                      if (x.getType() != byte)
                        x = s.make<arith::BitcastOp>(byte, x);
                      return s.cast(x, element);
                    }
                    return x.getType() == element
                               ? x
                               : s.make<arith::BitcastOp>(element, x);
                  },
                  /*widen=*/false),
              to);
  return success();
}

LogicalResult identity(NodeBinder &n) {
  if (const std::vector<TypedValue> *elements = n.sequence(0)) {
    n.setSequence(0, *elements);
    return success();
  }
  if (failed(n.needInputs(1)))
    return failure();
  n.setOutput(0, n.input(0), n.type(0));
  return success();
}

/// Inference: the identity; the mask is all true.
LogicalResult dropout(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  bool training = n.intAttr("is_test", 1) == 0;
  if (n.opset >= 12)
    training = false;
  if (n.hasInput(2)) {
    FailureOr<Shape> mode = n.constantInts(2, "training_mode");
    if (failed(mode))
      return failure();
    training = !mode->empty() && mode->front() != 0;
  }
  if (training && n.opset >= 12) {
    // Nothing is dropped at ratio 0; otherwise the mask is random.
    double ratio = 0.5;
    if (n.hasInput(1)) {
      FailureOr<std::vector<double>> given = n.constantFloats(1, "ratio");
      if (failed(given))
        return failure();
      ratio = given->empty() ? ratio : given->front();
    }
    training = ratio != 0;
  }
  if (training)
    return n.fail("training mode is not supported", "training_mode 1",
                  "export the model for inference");
  n.setOutput(0, n.input(0), n.type(0));
  if (n.wantsOutput(1)) {
    bool isBool = n.opset >= 10;
    n.setOutput(
        1, n.e.splat(n.shape(0), isBool ? n.b.getI1Type() : n.element(0), 1),
        isBool ? DType::Bool : n.type(0));
  }
  return success();
}

LogicalResult isInf(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  bool negative = n.intAttr("detect_negative", 1) != 0;
  bool positive = n.intAttr("detect_positive", 1) != 0;
  n.setOutput(0,
              n.e.map(n.input(0), n.shape(0), n.b.getI1Type(),
                      [&](Scalars &s, ValueRange args) -> Value {
                        Value x = args[0];
                        double inf = std::numeric_limits<double>::infinity();
                        if (negative && positive)
                          return s.make<math::IsInfOp>(x);
                        if (negative || positive)
                          return s.cmp(
                              Cmp::EQ, x,
                              s.constant(x.getType(), negative ? -inf : inf));
                        return s.constantInt(s.b.getI1Type(), 0);
                      }),
              DType::Bool);
  return success();
}

LogicalResult isNaN(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  n.setOutput(0,
              n.e.map(n.input(0), n.shape(0), n.b.getI1Type(),
                      [](Scalars &s, ValueRange args) {
                        return s.make<math::IsNaNOp>(args[0]);
                      }),
              DType::Bool);
  return success();
}

LogicalResult sign(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  bool isUnsigned = n.isUnsigned(0);
  return unary([isUnsigned](Scalars &s, Value x) {
    Type type = x.getType();
    Value zero = s.constant(type, 0), one = s.constant(type, 1);
    Value result = x; // zeros and NaN
    if (!isUnsigned)
      result = s.select(s.cmp(Cmp::LT, x, zero), s.constant(type, -1), result);
    return s.select(s.cmp(Cmp::GT, x, zero, isUnsigned), one, result);
  })(n);
}

LogicalResult abs(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  bool isUnsigned = n.isUnsigned(0);
  return unary(
      [isUnsigned](Scalars &s, Value x) { return s.abs(x, isUnsigned); })(n);
}

void registerUnary(Registry &registry) {
  auto neg = unary([](Scalars &s, Value x) { return s.neg(x); });
  auto reciprocal = floatUnary(
      [](Scalars &s, Value x) { return s.div(s.constant(x.getType(), 1), x); });
  auto bitNot = unary([](Scalars &s, Value x) {
    return s.make<arith::XOrIOp>(x, s.constantInt(x.getType(), -1));
  });
  auto logicalNot = unary([](Scalars &s, Value x) { return s.logicalNot(x); });
  registry.add("", {{"Abs", 1, abs},
                    {"Acos", 7, mathOp<math::AcosOp>()},
                    {"Acosh", 9, mathOp<math::AcoshOp>()},
                    {"Asin", 7, mathOp<math::AsinOp>()},
                    {"Asinh", 9, mathOp<math::AsinhOp>()},
                    {"Atan", 7, mathOp<math::AtanOp>()},
                    {"Atanh", 9, mathOp<math::AtanhOp>()},
                    {"BitwiseNot", 18, bitNot},
                    {"Ceil", 1, mathOp<math::CeilOp>()},
                    {"Cos", 7, mathOp<math::CosOp>()},
                    {"Cosh", 9, mathOp<math::CoshOp>()},
                    {"Erf", 9, mathOp<math::ErfOp>()},
                    {"Exp", 1, mathOp<math::ExpOp>()},
                    {"Floor", 1, mathOp<math::FloorOp>()},
                    {"IsInf", 10, isInf},
                    {"IsNaN", 9, isNaN},
                    {"Log", 1, mathOp<math::LogOp>()},
                    {"Neg", 1, neg},
                    {"Not", 1, logicalNot},
                    {"Reciprocal", 1, reciprocal},
                    {"Round", 11, mathOp<math::RoundEvenOp>()},
                    {"Sign", 9, sign},
                    {"Sin", 7, mathOp<math::SinOp>()},
                    {"Sinh", 9, mathOp<math::SinhOp>()},
                    {"Sqrt", 1, mathOp<math::SqrtOp>()},
                    {"Tan", 7, mathOp<math::TanOp>()},
                    {"Tanh", 1, mathOp<math::TanhOp>()}});
}

void registerBinary(Registry &registry) {
  auto add = [](Scalars &s, Value l, Value r, bool) { return s.add(l, r); };
  auto sub = [](Scalars &s, Value l, Value r, bool) { return s.sub(l, r); };
  auto mul = [](Scalars &s, Value l, Value r, bool) { return s.mul(l, r); };
  auto div = [](Scalars &s, Value l, Value r, bool u) {
    return s.div(l, r, u);
  };
  auto bitAnd = [](Scalars &s, Value l, Value r, bool) {
    return s.bitAnd(l, r);
  };
  auto bitOr = [](Scalars &s, Value l, Value r, bool) { return s.bitOr(l, r); };
  auto bitXor = [](Scalars &s, Value l, Value r, bool) -> Value {
    return s.make<arith::XOrIOp>(l, r);
  };
  auto min = [](Scalars &s, Value l, Value r, bool u) {
    return s.min(l, r, u);
  };
  auto max = [](Scalars &s, Value l, Value r, bool u) {
    return s.max(l, r, u);
  };
  auto mean = [](Scalars &s, Value sum, size_t count) {
    return s.div(sum, s.constantInt(sum.getType(), count));
  };
  registry.add("", {{"Add", 1, binary(add)},
                    {"And", 1, logical(bitAnd, false)},
                    {"BitShift", 11, bitShift},
                    {"BitwiseAnd", 18, binary(bitAnd)},
                    {"BitwiseOr", 18, binary(bitOr)},
                    {"BitwiseXor", 18, binary(bitXor)},
                    {"Div", 1, binary(div)},
                    {"Equal", 1, compare(Cmp::EQ)},
                    {"Greater", 1, compare(Cmp::GT)},
                    {"GreaterOrEqual", 12, compare(Cmp::GE)},
                    {"Less", 1, compare(Cmp::LT)},
                    {"LessOrEqual", 12, compare(Cmp::LE)},
                    {"Max", 1, variadic(max, keep)},
                    {"Mean", 1, variadic(add, mean)},
                    {"Min", 1, variadic(min, keep)},
                    {"Mod", 10, mod},
                    {"Mul", 1, binary(mul)},
                    {"Or", 1, logical(bitOr, true)},
                    {"Pow", 1, pow},
                    {"Sub", 1, binary(sub)},
                    {"Sum", 1, variadic(add, keep)},
                    {"Xor", 1, binary(bitXor)}});
}

} // namespace

void registerElementwise(Registry &registry) {
  registerUnary(registry);
  registerBinary(registry);
  registry.add("", {{"BitCast", 26, bitCast, ""},
                    {"Cast", 6, cast, "no strings; saturating"},
                    {"CastLike", 15, castLike, "no strings; saturating"},
                    {"Dropout", 1, dropout, "inference: the identity"},
                    {"Identity", 1, identity},
                    {"Where", 9, where}});
}

} // namespace cim::onnx
