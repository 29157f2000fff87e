// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RecurrentCell.h"

#include "Mac.h"
#include "cim/IR/Constants.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace cim::onnx {
namespace {

using Cmp = Scalars::Cmp;

Value constant(Scalars &s, Value like, double value) {
  return s.constant(like.getType(), value);
}

/// x < 0 ? negative : x
Value belowZero(Scalars &s, Value x, Value negative) {
  return s.select(s.cmp(Cmp::LT, x, constant(s, x, 0)), negative, x);
}

Value relu(Scalars &s, Value x, double, double) {
  return s.max(x, constant(s, x, 0));
}
Value tanh(Scalars &s, Value x, double, double) {
  return s.make<math::TanhOp>(x);
}
Value sigmoid(Scalars &s, Value x, double, double) {
  Value one = constant(s, x, 1);
  return s.div(one, s.add(one, s.make<math::ExpOp>(s.neg(x))));
}
Value affine(Scalars &s, Value x, double alpha, double beta) {
  return s.add(s.mul(x, constant(s, x, alpha)), constant(s, x, beta));
}
Value leakyRelu(Scalars &s, Value x, double alpha, double) {
  return belowZero(s, x, s.mul(x, constant(s, x, alpha)));
}
Value thresholdedRelu(Scalars &s, Value x, double alpha, double) {
  return s.select(s.cmp(Cmp::GT, x, constant(s, x, alpha)), x,
                  constant(s, x, 0));
}
Value scaledTanh(Scalars &s, Value x, double alpha, double beta) {
  Value inner = s.make<math::TanhOp>(s.mul(x, constant(s, x, beta)));
  return s.mul(constant(s, x, alpha), inner);
}
Value hardSigmoid(Scalars &s, Value x, double alpha, double beta) {
  Value y = affine(s, x, alpha, beta);
  return s.min(s.max(y, constant(s, x, 0)), constant(s, x, 1));
}
Value elu(Scalars &s, Value x, double alpha, double) {
  return belowZero(s, x,
                   s.mul(constant(s, x, alpha), s.make<math::ExpM1Op>(x)));
}
Value softsign(Scalars &s, Value x, double, double) {
  return s.div(x, s.add(constant(s, x, 1), s.abs(x)));
}
Value softplus(Scalars &s, Value x, double, double) {
  Value tail = s.make<math::Log1pOp>(s.make<math::ExpOp>(s.neg(s.abs(x))));
  return s.add(s.max(x, constant(s, x, 0)), tail);
}

struct ActivationRow {
  const char *name;
  Value (*body)(Scalars &, Value, double alpha, double beta);
  bool usesAlpha, usesBeta;
  double alpha, beta; ///< Defaults.
};
constexpr ActivationRow activationRows[] = {
    {"relu", relu, false, false, 0, 0},
    {"tanh", tanh, false, false, 0, 0},
    {"sigmoid", sigmoid, false, false, 0, 0},
    {"affine", affine, true, true, 1, 0},
    {"leakyrelu", leakyRelu, true, false, 0.01f, 0},
    {"thresholdedrelu", thresholdedRelu, true, false, 1, 0},
    {"scaledtanh", scaledTanh, true, true, 1, 1},
    {"hardsigmoid", hardSigmoid, true, true, 0.2f, 0.5f},
    {"elu", elu, true, false, 1, 0},
    {"softsign", softsign, false, false, 0, 0},
    {"softplus", softplus, false, false, 0, 0},
};

const ActivationRow *findRow(StringRef name) {
  for (const ActivationRow &row : activationRows)
    if (name.equals_insensitive(row.name))
      return &row;
  return nullptr;
}

/// A step being emitted: elementwise operations on B x H, one generic each;
/// normalization fuses them as far as a vector kernel reaches.
struct Cell {
  NodeBinder &n;
  const CellOptions &options;
  const CellWeights &weights;

  Value map(ValueRange inputs, Emitter::Body body) {
    return n.e.map(inputs, shapeOf(inputs[0]), elementOf(inputs[0]), body);
  }
  Value add(Value l, Value r) {
    return map({l, r}, [](Scalars &s, ValueRange args) {
      return s.add(args[0], args[1]);
    });
  }
  Value mul(Value l, Value r) {
    return map({l, r}, [](Scalars &s, ValueRange args) {
      return s.mul(args[0], args[1]);
    });
  }

  /// Columns of gate `index`, or of `count` gates from it.
  Value gate(Value all, int64_t index, int64_t count = 1) {
    return n.e.sliceDim(all, 1, index * options.hidden, count * options.hidden);
  }

  /// Activation `index` of a gate, clipped first.
  Value gateOf(size_t index, Value x) {
    return activate(index, x, options.clip);
  }

  /// Activation `index` of `x` within [-clip, clip].
  Value activate(size_t index, Value x, std::optional<double> clip) {
    const CellActivation &function = weights.activations[index];
    const ActivationRow *row = findRow(function.name);
    return map(x, [&](Scalars &s, ValueRange args) {
      Value value = args[0];
      if (clip) {
        value = s.max(value, constant(s, value, -*clip));
        value = s.min(value, constant(s, value, *clip));
      }
      return row->body(s, value, function.alpha, function.beta);
    });
  }

  /// x + h * weights (+ bias); x alone where h is zero.
  FailureOr<Value> addProduct(Value x, Value h, Value matrix) {
    if (!h)
      return x;
    FailureOr<Value> y = emitMatMul(n, {h, matrix, {}, false, false, {}});
    return failed(y) ? y : FailureOr<Value>(add(*y, x));
  }

  /// x + p * c for a peephole.
  Value peep(Value x, Value p, Value c) {
    if (!p || !c)
      return x;
    return map({x, p, c}, [](Scalars &s, ValueRange args) {
      return s.add(args[0], s.mul(args[1], args[2]));
    });
  }
};

} // namespace

std::optional<CellActivation>
findCellActivation(StringRef name, bool &usesAlpha, bool &usesBeta) {
  const ActivationRow *row = findRow(name);
  if (!row)
    return std::nullopt;
  usesAlpha = row->usesAlpha;
  usesBeta = row->usesBeta;
  return CellActivation{row->name, row->alpha, row->beta};
}

/// h = f(x + h R)
FailureOr<CellState> stepRnn(NodeBinder &n, const CellOptions &options,
                             const CellWeights &weights, Value x,
                             const CellState &state) {
  Cell cell{n, options, weights};
  FailureOr<Value> sum = cell.addProduct(x, state.h, weights.recurrent);
  if (failed(sum))
    return failure();
  return CellState{cell.gateOf(0, *sum), {}};
}

/// z, r = f(x + h R); n = g(x + (r h) R), or g(x + r (h R + b)) when the reset
/// comes after the product; h = (1 - z) n + z h.
FailureOr<CellState> stepGru(NodeBinder &n, const CellOptions &options,
                             const CellWeights &weights, Value x,
                             const CellState &state) {
  Cell cell{n, options, weights};
  Value gates = cell.gate(x, 0, 2), hidden = cell.gate(x, 2);
  // What the reset gate acts on: h before the product, or the product.
  Value product;
  if (options.resetAfter && state.h) {
    Value bias = weights.recurrentBias;
    bool isConstant = bias && ir::constantOf(bias);
    FailureOr<Value> all = emitMatMul(n, {state.h,
                                          weights.recurrent,
                                          isConstant ? bias : Value(),
                                          false,
                                          false,
                                          {}});
    if (failed(all))
      return failure();
    Value y = bias && !isConstant ? cell.add(*all, bias) : *all;
    gates = cell.add(cell.gate(y, 0, 2), gates);
    product = cell.gate(y, 2);
  } else {
    FailureOr<Value> sum = cell.addProduct(gates, state.h, weights.recurrent);
    if (failed(sum))
      return failure();
    gates = *sum;
    if (options.resetAfter && weights.recurrentBias)
      product = n.e.broadcast(n.e.sliceDim(weights.recurrentBias, 0,
                                           2 * options.hidden, options.hidden),
                              shapeOf(hidden));
  }
  Value z = cell.gateOf(0, cell.gate(gates, 0));
  if (product || state.h) {
    Value r = cell.gateOf(0, cell.gate(gates, 1));
    if (options.resetAfter) {
      hidden = cell.add(hidden, cell.mul(r, product));
    } else {
      FailureOr<Value> sum = cell.addProduct(hidden, cell.mul(r, state.h),
                                             weights.recurrentHidden);
      if (failed(sum))
        return failure();
      hidden = *sum;
    }
  }
  Value next = cell.gateOf(1, hidden);
  SmallVector<Value> operands{z, next};
  if (state.h)
    operands.push_back(state.h);
  Value h = cell.map(operands, [](Scalars &s, ValueRange args) {
    Value rest = s.sub(constant(s, args[0], 1), args[0]);
    Value y = s.mul(rest, args[1]);
    return args.size() == 3 ? s.add(y, s.mul(args[0], args[2])) : y;
  });
  return CellState{h, {}};
}

/// i, f, g = x + h R + peepholes of c; c = f c + i g; o also sees the new c;
/// h = o act(c). Gates are stored in the order i, o, f, g.
FailureOr<CellState> stepLstm(NodeBinder &n, const CellOptions &options,
                              const CellWeights &weights, Value x,
                              const CellState &state) {
  Cell cell{n, options, weights};
  FailureOr<Value> sum = cell.addProduct(x, state.h, weights.recurrent);
  if (failed(sum))
    return failure();
  Value i = cell.gateOf(
      0, cell.peep(cell.gate(*sum, 0), weights.peepholes[0], state.c));
  Value g = cell.gateOf(1, cell.gate(*sum, 3));
  Value c = cell.mul(i, g);
  if (state.c) {
    Value f;
    if (options.coupleForget)
      f = cell.map(i, [](Scalars &s, ValueRange args) {
        return s.sub(constant(s, args[0], 1), args[0]);
      });
    else
      f = cell.gateOf(
          0, cell.peep(cell.gate(*sum, 2), weights.peepholes[2], state.c));
    c = cell.map({f, state.c, c}, [](Scalars &s, ValueRange args) {
      return s.add(s.mul(args[0], args[1]), args[2]);
    });
  }
  Value o =
      cell.gateOf(0, cell.peep(cell.gate(*sum, 1), weights.peepholes[1], c));
  // The state is no gate: like ONNX Runtime, the threshold leaves it alone.
  Value h = cell.mul(o, cell.activate(2, c, std::nullopt));
  return CellState{h, c};
}

} // namespace cim::onnx
