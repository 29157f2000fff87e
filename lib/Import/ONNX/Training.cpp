// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The optimizers of ai.onnx.preview.training: elementwise updates of any number
// of tensors, each with its gradient and its state.

#include "Binder.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace cim::onnx {
namespace {

/// Operands are the rate R, the update count T, and `kinds` groups of as many
/// tensors each: the tensors, their gradients, their states.
FailureOr<size_t> tensorsPerGroup(NodeBinder &n, size_t kinds) {
  size_t rest = n.numInputs() - std::min<size_t>(n.numInputs(), 2);
  if (rest == 0 || rest % kinds != 0 || failed(n.needInputs(n.numInputs())))
    return n.fail("operands do not come in groups",
                  Twine(rest) + " tensors, a multiple of " + Twine(kinds) +
                      " wanted");
  size_t count = rest / kinds;
  for (size_t i = 0; i < rest; ++i)
    if (n.shape(2 + i) != n.shape(2 + i % count) ||
        n.type(2 + i) != n.type(2 + i % count) || !isFloating(n.type(2 + i)))
      return n.fail("a gradient or state does not fit its tensor",
                    "shapes " + toText(n.shape(2 + i)) + " and " +
                        toText(n.shape(2 + i % count)));
  for (size_t i : {size_t(0), size_t(1)})
    if (product(n.shape(i)) != 1)
      return n.fail("the rate or count is not a scalar",
                    "shape " + toText(n.shape(i)));
  return count;
}

/// What an update sees of one tensor, all of one type.
struct Update {
  Scalars &s;
  Type type;
  Value rate, count, x;
  Value gradient; ///< With the norm's part.
  ArrayRef<Value> states;

  Value number(double value) { return s.constant(type, value); }
  /// a * x + b * y
  Value blend(double a, Value x, double b, Value y) {
    return s.add(s.mul(number(a), x), s.mul(number(b), y));
  }
  /// True from the second update on.
  Value later() { return s.cmp(Scalars::Cmp::GT, count, number(0)); }
};

/// Result `which` of an update: 0 the tensor, then its states.
using Rule = function_ref<SmallVector<Value>(Update &)>;

LogicalResult optimize(NodeBinder &n, size_t states, Rule rule) {
  FailureOr<size_t> count = tensorsPerGroup(n, 2 + states);
  if (failed(count))
    return failure();
  Emitter &e = n.e;
  double norm = n.floatAttr("norm_coefficient", 0);
  Value rate = e.reshape(n.input(0), {}), updates = e.reshape(n.input(1), {});
  for (size_t i = 0; i < *count; ++i)
    for (size_t which = 0; which <= states; ++which) {
      SmallVector<Value> inputs{rate, updates};
      for (size_t kind = 0; kind < 2 + states; ++kind)
        inputs.push_back(n.input(2 + kind * *count + i));
      Value y = e.map(
          inputs, n.shape(2 + i), n.element(2 + i),
          [&](Scalars &s, ValueRange args) {
            Value x = args[2];
            Type type = x.getType();
            Value gradient = s.add(s.mul(s.constant(type, norm), x), args[3]);
            SmallVector<Value> old(args.drop_front(4));
            Update update{
                s,        type, s.cast(args[0], type), s.cast(args[1], type), x,
                gradient, old};
            return rule(update)[which];
          });
      n.setOutput(which * *count + i, y, n.type(2 + i));
    }
  return success();
}

LogicalResult momentum(NodeBinder &n) {
  double alpha = n.floatAttr("alpha", 0), beta = n.floatAttr("beta", 0);
  std::string mode = n.stringAttr("mode", "");
  if (mode != "standard" && mode != "nesterov")
    return n.fail("unknown mode", "mode '" + mode + "'");
  return optimize(n, 1, [&](Update &u) -> SmallVector<Value> {
    Scalars &s = u.s;
    Value weight = s.select(u.later(), u.number(beta), u.number(1));
    Value velocity =
        s.add(s.mul(u.number(alpha), u.states[0]), s.mul(weight, u.gradient));
    Value step = mode == "standard"
                     ? velocity
                     : s.add(u.gradient, s.mul(u.number(alpha), velocity));
    return {s.sub(u.x, s.mul(u.rate, step)), velocity};
  });
}

LogicalResult adagrad(NodeBinder &n) {
  double decay = n.floatAttr("decay_factor", 0);
  double epsilon = n.floatAttr("epsilon", 1e-6f);
  return optimize(n, 1, [&](Update &u) -> SmallVector<Value> {
    Scalars &s = u.s;
    Value rate =
        s.div(u.rate, s.add(u.number(1), s.mul(u.count, u.number(decay))));
    Value squares = s.add(u.states[0], s.mul(u.gradient, u.gradient));
    Value root = s.make<math::SqrtOp>(squares);
    Value step = s.div(s.mul(rate, u.gradient), s.add(root, u.number(epsilon)));
    return {s.sub(u.x, step), squares};
  });
}

LogicalResult adam(NodeBinder &n) {
  double alpha = n.floatAttr("alpha", 0.9f), beta = n.floatAttr("beta", 0.999f);
  double epsilon = n.floatAttr("epsilon", 1e-6f);
  double post = n.floatAttr("norm_coefficient_post", 0);
  return optimize(n, 2, [&](Update &u) -> SmallVector<Value> {
    Scalars &s = u.s;
    Value mean = u.blend(alpha, u.states[0], 1 - alpha, u.gradient);
    Value squares =
        u.blend(beta, u.states[1], 1 - beta, s.mul(u.gradient, u.gradient));
    Value root = s.make<math::SqrtOp>(squares);
    auto unbiased = [&](double base) {
      Value power = s.make<math::PowFOp>(u.number(base), u.count);
      return s.sub(u.number(1), power);
    };
    Value rootBeta = s.make<math::SqrtOp>(unbiased(beta));
    Value corrected = s.div(s.mul(u.rate, rootBeta), unbiased(alpha));
    Value rate = s.select(u.later(), corrected, u.rate);
    Value step = s.div(s.mul(rate, mean), s.add(root, u.number(epsilon)));
    Value x = s.mul(u.number(1 - post), s.sub(u.x, step));
    return {x, mean, squares};
  });
}

} // namespace

void registerTraining(Registry &registry) {
  registry.add(
      "ai.onnx.preview.training",
      {{"Adagrad", 1, adagrad}, {"Adam", 1, adam}, {"Momentum", 1, momentum}});
}

} // namespace cim::onnx
