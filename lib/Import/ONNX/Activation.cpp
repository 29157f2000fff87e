// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activation functions, one elementwise generic each.

#include "Binder.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace cim::onnx {
namespace {

using Cmp = Scalars::Cmp;
using Body = std::function<Value(Scalars &, Value)>;

Value constant(Scalars &s, Value like, double value) {
  return s.constant(like.getType(), value);
}

Value sigmoid(Scalars &s, Value x) {
  Value one = constant(s, x, 1);
  return s.div(one, s.add(one, s.make<math::ExpOp>(s.neg(x))));
}

/// log(1 + exp(x)) without overflow.
Value softplus(Scalars &s, Value x) {
  Value tail = s.make<math::Log1pOp>(s.make<math::ExpOp>(s.neg(s.abs(x))));
  return s.add(s.max(x, constant(s, x, 0)), tail);
}

Value clamp01(Scalars &s, Value x) {
  return s.min(s.max(x, constant(s, x, 0)), constant(s, x, 1));
}

/// x < 0 ? negative : x
Value belowZero(Scalars &s, Value x, Value negative) {
  return s.select(s.cmp(Cmp::LT, x, constant(s, x, 0)), negative, x);
}

/// Body made from the node's attributes.
Handler activation(std::function<Body(NodeBinder &)> make) {
  return [make](NodeBinder &n) -> LogicalResult {
    if (failed(n.needInputs(1)))
      return failure();
    if (!isFloating(n.type(0)))
      return n.fail("operand is not floating point",
                    StringRef("type ") + name(n.type(0)));
    Body body = make(n);
    n.setOutput(0, n.e.map(n.input(0), n.shape(0), n.element(0),
                           [&](Scalars &s, ValueRange args) {
                             return body(s, args[0]);
                           }));
    return success();
  };
}

Handler plain(Body body) {
  return activation([body](NodeBinder &) { return body; });
}

LogicalResult relu(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  n.setOutput(0, n.e.map(n.input(0), n.shape(0), n.element(0),
                         [&](Scalars &s, ValueRange args) {
                           return s.max(args[0], constant(s, args[0], 0));
                         }));
  return success();
}

Body leakyRelu(NodeBinder &n) {
  double alpha = n.floatAttr("alpha", 0.01f);
  return [=](Scalars &s, Value x) {
    return belowZero(s, x, s.mul(x, constant(s, x, alpha)));
  };
}

LogicalResult prelu(NodeBinder &n) {
  if (failed(n.needInputs(2)) || failed(n.needTypeOfFirst({1})))
    return failure();
  std::optional<Shape> shape = broadcastShapes({n.shape(0), n.shape(1)});
  Value slope = n.input(1);
  // Version 6 and exporters give one slope per channel as a vector.
  int64_t rank = n.rank(0);
  if ((!shape || ArrayRef<int64_t>(*shape) != n.shape(0)) && n.rank(1) == 1 &&
      rank >= 2 && n.shape(1)[0] == n.shape(0)[1]) {
    Shape perChannel(rank - 1, 1);
    perChannel[0] = n.shape(1)[0];
    slope = n.e.reshape(slope, perChannel);
    shape = broadcastShapes({n.shape(0), shapeOf(slope)});
  }
  if (!shape || ArrayRef<int64_t>(*shape) != n.shape(0))
    return n.fail("the slope does not broadcast to the input",
                  "shapes " + toText(n.shape(0)) + " and " +
                      toText(n.shape(1)));
  bool isUnsigned = n.isUnsigned(0);
  n.setOutput(0, n.e.map({n.input(0), slope}, *shape, n.element(0),
                         [&](Scalars &s, ValueRange args) {
                           Value x = args[0];
                           Value isNegative =
                               s.cmp(Cmp::LT, x, constant(s, x, 0), isUnsigned);
                           return s.select(isNegative, s.mul(x, args[1]), x);
                         }));
  return success();
}

Body elu(NodeBinder &n) {
  double alpha = n.floatAttr("alpha", 1);
  return [=](Scalars &s, Value x) {
    return belowZero(s, x,
                     s.mul(constant(s, x, alpha), s.make<math::ExpM1Op>(x)));
  };
}

Body selu(NodeBinder &n) {
  double alpha = n.floatAttr("alpha", 1.67326319217681884765625f);
  double gamma = n.floatAttr("gamma", 1.05070102214813232421875f);
  return [=](Scalars &s, Value x) {
    Value scaled = s.mul(constant(s, x, alpha), s.make<math::ExpM1Op>(x));
    return s.mul(constant(s, x, gamma), belowZero(s, x, scaled));
  };
}

Body celu(NodeBinder &n) {
  double alpha = n.floatAttr("alpha", 1);
  return [=](Scalars &s, Value x) {
    Value a = constant(s, x, alpha);
    Value tail = s.mul(a, s.make<math::ExpM1Op>(s.div(x, a)));
    Value zero = constant(s, x, 0);
    return s.add(s.max(x, zero), s.min(tail, zero));
  };
}

Body hardSigmoid(NodeBinder &n) {
  double alpha = n.floatAttr("alpha", 0.2f), beta = n.floatAttr("beta", 0.5f);
  return [=](Scalars &s, Value x) {
    return clamp01(
        s, s.add(s.mul(x, constant(s, x, alpha)), constant(s, x, beta)));
  };
}

Value hardSwish(Scalars &s, Value x) {
  Value inner = s.add(s.mul(x, constant(s, x, 1.0f / 6)), constant(s, x, 0.5));
  return s.mul(x, clamp01(s, inner));
}

Body swish(NodeBinder &n) {
  double alpha = n.floatAttr("alpha", 1);
  return [=](Scalars &s, Value x) {
    Value scaled = alpha == 1 ? x : s.mul(x, constant(s, x, alpha));
    return s.mul(x, sigmoid(s, scaled));
  };
}

Body gelu(NodeBinder &n) {
  if (n.stringAttr("approximate", "none") == "tanh")
    return [](Scalars &s, Value x) {
      Value cube = s.mul(s.mul(x, x), x);
      Value inner = s.add(x, s.mul(constant(s, x, 0.044715f), cube));
      Value scaled = s.mul(constant(s, x, 0.7978845608028654), inner);
      Value t = s.add(constant(s, x, 1), s.make<math::TanhOp>(scaled));
      return s.mul(s.mul(constant(s, x, 0.5), x), t);
    };
  return [](Scalars &s, Value x) {
    Value scaled = s.mul(x, constant(s, x, 0.7071067811865476));
    Value t = s.add(constant(s, x, 1), s.make<math::ErfOp>(scaled));
    return s.mul(s.mul(constant(s, x, 0.5), x), t);
  };
}

Body thresholdedRelu(NodeBinder &n) {
  double alpha = n.floatAttr("alpha", 1);
  return [=](Scalars &s, Value x) {
    return s.select(s.cmp(Cmp::GT, x, constant(s, x, alpha)), x,
                    constant(s, x, 0));
  };
}

LogicalResult shrink(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  double bias = n.floatAttr("bias", 0), lambd = n.floatAttr("lambd", 0.5);
  bool isFloat = isFloating(n.type(0));
  // Integers are compared and shifted as floats.
  n.setOutput(
      0, n.e.map(n.input(0), n.shape(0), n.element(0),
                 [&](Scalars &s, ValueRange args) {
                   Value x = args[0];
                   if (!isFloat)
                     x = s.cast(x, s.b.getF32Type(), n.isUnsigned(0));
                   Value low = s.cmp(Cmp::LT, x, constant(s, x, -lambd));
                   Value high = s.cmp(Cmp::GT, x, constant(s, x, lambd));
                   Value b = constant(s, x, bias);
                   Value y =
                       s.select(low, s.add(x, b),
                                s.select(high, s.sub(x, b), constant(s, x, 0)));
                   return isFloat
                              ? y
                              : s.cast(y, n.element(0), false, n.isUnsigned(0));
                 }));
  return success();
}

/// min(max(x, low), high); either bound may be missing.
LogicalResult clip(NodeBinder &n, Value low, Value high) {
  bool isUnsigned = n.isUnsigned(0);
  SmallVector<Value> inputs{n.input(0)};
  for (Value bound : {low, high}) {
    if (!bound)
      continue;
    if (product(shapeOf(bound)) != 1 || elementOf(bound) != n.element(0))
      return n.fail("a bound is not a scalar of the input's type",
                    "shape " + toText(shapeOf(bound)));
    inputs.push_back(n.e.reshape(bound, {}));
  }
  n.setOutput(0,
              n.e.map(inputs, n.shape(0), n.element(0),
                      [&](Scalars &s, ValueRange args) {
                        Value x = args[0];
                        if (low)
                          x = s.max(x, args[1], isUnsigned);
                        if (high)
                          x = s.min(x, args[low ? 2 : 1], isUnsigned);
                        return x;
                      }),
              n.type(0));
  return success();
}

LogicalResult clip6(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  Value low, high;
  if (n.attribute("min"))
    low = n.e.splat({}, n.element(0), n.floatAttr("min", 0));
  if (n.attribute("max"))
    high = n.e.splat({}, n.element(0), n.floatAttr("max", 0));
  return clip(n, low, high);
}

LogicalResult clip11(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  return clip(n, n.hasInput(1) ? n.input(1) : Value(),
              n.hasInput(2) ? n.input(2) : Value());
}

} // namespace

void registerActivation(Registry &registry) {
  auto softsign = [](Scalars &s, Value x) {
    return s.div(x, s.add(constant(s, x, 1), s.abs(x)));
  };
  auto mish = [](Scalars &s, Value x) {
    return s.mul(x, s.make<math::TanhOp>(softplus(s, x)));
  };
  registry.add("", {{"Celu", 12, activation(celu)},
                    {"Clip", 1, clip6},
                    {"Clip", 11, clip11},
                    {"Elu", 1, activation(elu)},
                    {"Gelu", 20, activation(gelu)},
                    {"HardSigmoid", 1, activation(hardSigmoid)},
                    {"HardSwish", 14, plain(hardSwish)},
                    {"LeakyRelu", 1, activation(leakyRelu)},
                    {"Mish", 18, plain(mish)},
                    {"PRelu", 1, prelu},
                    {"Relu", 1, relu},
                    {"Selu", 1, activation(selu)},
                    {"Shrink", 9, shrink},
                    {"Sigmoid", 1, plain(sigmoid)},
                    {"Softplus", 1, plain(softplus)},
                    {"Softsign", 1, plain(softsign)},
                    {"Swish", 24, activation(swish)},
                    {"ThresholdedRelu", 10, activation(thresholdedRelu)}});
}

} // namespace cim::onnx
