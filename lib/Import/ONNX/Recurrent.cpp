// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// RNN, GRU, LSTM. The input's products of all time steps are one product; then
// the steps are written out, one product with the state each (two for a GRU
// that resets before it). A sequence that ends early keeps its state from then
// on and gives zeros, element by element of the batch.

#include <cmath>

#include "Mac.h"
#include "RecurrentCell.h"
#include "Unroll.h"
#include "cim/IR/Constants.h"

using namespace mlir;

namespace cim::onnx {
namespace {

struct CellKind {
  int64_t gates;
  CellStep step;
  std::initializer_list<const char *> activations;
  bool hasCell; ///< initial_c, P and Y_c exist.
};
const CellKind rnnKind{1, stepRnn, {"Tanh"}, false};
const CellKind gruKind{3, stepGru, {"Sigmoid", "Tanh"}, false};
const CellKind lstmKind{4, stepLstm, {"Sigmoid", "Tanh", "Tanh"}, true};

/// Input positions.
enum : size_t { X, W, R, B, SequenceLens, InitialH, InitialC, P };

class Recurrence {
public:
  Recurrence(NodeBinder &n, const CellKind &kind)
      : n(n), kind(kind), budget(n) {}
  LogicalResult run();

private:
  LogicalResult readAttributes();
  LogicalResult readActivations();
  LogicalResult readShapes();
  LogicalResult readLengths();
  LogicalResult needShape(size_t i, const Shape &wanted, StringRef what);
  Value ofDirection(size_t i, int64_t d, int64_t first, int64_t size);
  CellState initialState(int64_t d);
  Value inputBias(int64_t d, CellWeights &weights);
  FailureOr<Value> inputProduct(int64_t d, CellWeights &weights);
  CellWeights readWeights(int64_t d);
  LogicalResult runDirection(int64_t d);
  Value masked(Value mask, Value value, Value otherwise);
  Value orZero(Value value);
  void setOutputs();

  NodeBinder &n;
  const CellKind &kind;
  UnrollBudget budget;
  CellOptions options;
  int64_t directions = 1, steps = 0, batch = 0, inputSize = 0;
  bool isReverse = false, isBatchFirst = false;
  std::vector<CellActivation> activations; ///< Of all directions.
  /// Steps in front of `allRun` run for every sequence, none from `noneRuns`.
  int64_t allRun = 0, noneRuns = 0;
  Value mask; ///< T x B: the sequence is as long as that.
  std::vector<SmallVector<Value>> outputs; ///< By direction and time; B x H.
  SmallVector<CellState> finalStates;
};

LogicalResult Recurrence::readAttributes() {
  std::string direction = n.stringAttr("direction", "forward");
  isReverse = direction == "reverse";
  if (direction == "bidirectional")
    directions = 2;
  else if (direction != "forward" && !isReverse)
    return n.fail("the direction is unknown",
                  "forward, reverse or bidirectional, '" + direction + "'");
  int64_t layout = n.intAttr("layout", 0);
  if (layout != 0 && layout != 1)
    return n.fail("the layout is unknown", "0 or 1, " + Twine(layout));
  isBatchFirst = layout == 1;
  if (n.attribute("clip")) {
    options.clip = n.floatAttr("clip", 0);
    if (!(*options.clip > 0))
      return n.fail("clip is not positive", "a threshold above 0");
  }
  options.resetAfter = n.intAttr("linear_before_reset", 0) != 0;
  options.coupleForget = n.intAttr("input_forget", 0) != 0;
  return readActivations();
}

LogicalResult Recurrence::readActivations() {
  std::vector<std::string> names;
  const Attribute *given = n.attribute("activations");
  if (given && !given->strings.empty())
    names = given->strings;
  else
    for (int64_t d = 0; d < directions; ++d)
      names.insert(names.end(), kind.activations.begin(),
                   kind.activations.end());
  size_t wanted = kind.activations.size() * directions;
  if (names.size() != wanted)
    return n.fail("the number of activations is wrong",
                  Twine(names.size()) + ", " + Twine(wanted) + " wanted");
  // Each function takes the next of the parameters it has.
  const Attribute *alphas = n.attribute("activation_alpha");
  const Attribute *betas = n.attribute("activation_beta");
  size_t nextAlpha = 0, nextBeta = 0;
  auto take = [](const Attribute *list, size_t &next, double &value) {
    if (list && next < list->floats.size())
      value = list->floats[next++];
  };
  for (const std::string &each : names) {
    bool usesAlpha = false, usesBeta = false;
    auto function = findCellActivation(each, usesAlpha, usesBeta);
    if (!function)
      return n.fail("the activation is unknown", "'" + each + "'",
                    "use one that ONNX defines for recurrent operators");
    if (usesAlpha)
      take(alphas, nextAlpha, function->alpha);
    if (usesBeta)
      take(betas, nextBeta, function->beta);
    activations.push_back(*function);
  }
  return success();
}

LogicalResult Recurrence::needShape(size_t i, const Shape &wanted,
                                    StringRef what) {
  if (n.hasInput(i) && n.shape(i) != ArrayRef<int64_t>(wanted))
    return n.fail(what + " does not have the right shape",
                  toText(n.shape(i)) + ", " + toText(wanted) + " wanted");
  return success();
}

LogicalResult Recurrence::readShapes() {
  if (failed(n.needInputs(3)) ||
      failed(n.needTypeOfFirst({W, R, B, InitialH})) ||
      (kind.hasCell && failed(n.needTypeOfFirst({InitialC, P}))))
    return failure();
  if (!isFloating(n.type(X)))
    return n.fail("operand is not floating point",
                  StringRef("type ") + name(n.type(X)));
  if (n.rank(X) != 3 || n.rank(R) != 3)
    return n.fail("X and R do not have three dimensions",
                  "shapes " + toText(n.shape(X)) + " and " +
                      toText(n.shape(R)));
  steps = n.shape(X)[isBatchFirst ? 1 : 0];
  batch = n.shape(X)[isBatchFirst ? 0 : 1];
  inputSize = n.shape(X)[2];
  int64_t h = options.hidden = n.shape(R)[2];
  if (n.intAttr("hidden_size", h) != h)
    return n.fail("hidden_size is not that of R",
                  Twine(n.intAttr("hidden_size", h)) + " and " + Twine(h));
  for (int64_t size : {steps, batch, inputSize, h})
    if (size == 0)
      return n.fail("a dimension is 0",
                    "X " + toText(n.shape(X)) + ", R " + toText(n.shape(R)));
  int64_t g = kind.gates, d = directions;
  Shape state = isBatchFirst ? Shape{batch, d, h} : Shape{d, batch, h};
  if (failed(needShape(W, {d, g * h, inputSize}, "W")) ||
      failed(needShape(R, {d, g * h, h}, "R")) ||
      failed(needShape(B, {d, 2 * g * h}, "B")) ||
      failed(needShape(SequenceLens, {batch}, "sequence_lens")) ||
      failed(needShape(InitialH, state, "initial_h")))
    return failure();
  if (kind.hasCell && (failed(needShape(InitialC, state, "initial_c")) ||
                       failed(needShape(P, {d, 3 * h}, "P"))))
    return failure();
  return readLengths();
}

LogicalResult Recurrence::readLengths() {
  allRun = noneRuns = steps;
  if (!n.hasInput(SequenceLens))
    return success();
  if (isFloating(n.type(SequenceLens)))
    return n.fail("sequence_lens is not an integer tensor",
                  StringRef("type ") + name(n.type(SequenceLens)));
  allRun = 0;
  if (auto literal = n.known(n.input(SequenceLens))) {
    allRun = steps;
    noneRuns = 0;
    for (ir::Scalar length : literal->elements) {
      if (length.i < 0 || length.i > steps)
        return n.fail("a sequence length is out of range",
                      Twine(length.i) + ", 0 to " + Twine(steps));
      allRun = std::min(allRun, length.i);
      noneRuns = std::max(noneRuns, length.i);
    }
  }
  if (allRun == noneRuns)
    return success();
  AffineMap map =
      AffineMap::get(2, 0, n.b.getAffineDimExpr(1), n.b.getContext());
  Type type = n.element(SequenceLens);
  mask = n.e.indexed({steps, 1}, type, [&](Scalars &s, ValueRange at) {
    return s.cast(at[0], type);
  });
  mask = n.e.mapWith(
      {n.folded(mask, "time"), n.input(SequenceLens)},
      {AffineMap::get(2, 0,
                      {n.b.getAffineDimExpr(0), n.b.getAffineConstantExpr(0)},
                      n.b.getContext()),
       map},
      {steps, batch}, n.b.getI1Type(), [](Scalars &s, ValueRange args) {
        return s.cmp(Scalars::Cmp::LT, args[0], args[1]);
      });
  return success();
}

/// Rows [first, first + size) of direction d of W, R, B or P.
Value Recurrence::ofDirection(size_t i, int64_t d, int64_t first,
                              int64_t size) {
  Value value = n.e.sliceDim(n.input(i), 0, d, 1);
  value = n.e.reshape(value, n.shape(i).drop_front());
  return n.e.sliceDim(value, 0, first, size);
}

CellState Recurrence::initialState(int64_t d) {
  auto read = [&](size_t i) -> Value {
    if (!n.hasInput(i))
      return {};
    // Nothing is added for a state of zeros.
    std::optional<ir::Literal> literal = n.known(n.input(i));
    if (literal && llvm::all_of(literal->elements, [](ir::Scalar element) {
          return element.f == 0 && !std::signbit(element.f);
        }))
      return {};
    Value slice = n.e.sliceDim(n.input(i), isBatchFirst ? 1 : 0, d, 1);
    return n.e.reshape(slice, {batch, options.hidden});
  };
  return {read(InitialH), kind.hasCell ? read(InitialC) : Value()};
}

/// The sum of the two biases, but for what a reset gate acts on.
Value Recurrence::inputBias(int64_t d, CellWeights &weights) {
  if (!n.hasInput(B))
    return {};
  int64_t h = options.hidden, all = kind.gates * h;
  Value input = ofDirection(B, d, 0, all);
  Value recurrent = ofDirection(B, d, all, all);
  if (options.resetAfter) {
    Value zeros = n.e.splat({2 * h}, n.element(B), 0);
    Value hidden = n.e.sliceDim(recurrent, 0, 2 * h, h);
    weights.recurrentBias =
        n.folded(n.e.concat({zeros, hidden}, 0), "recurrent_bias");
    recurrent = n.e.concat(
        {n.e.sliceDim(recurrent, 0, 0, 2 * h), n.e.splat({h}, n.element(B), 0)},
        0);
  }
  Value sum = n.e.map(
      {input, recurrent}, {all}, n.element(B),
      [](Scalars &s, ValueRange args) { return s.add(args[0], args[1]); });
  return n.folded(sum, "bias");
}

/// X W + b of all time steps: rows in the order of X.
FailureOr<Value> Recurrence::inputProduct(int64_t d, CellWeights &weights) {
  Value x = n.e.reshape(n.input(X), {steps * batch, inputSize});
  int64_t all = kind.gates * options.hidden;
  Value matrix = n.e.transpose(ofDirection(W, d, 0, all), {1, 0});
  Value bias = inputBias(d, weights);
  bool isConstant = bias && ir::constantOf(bias);
  FailureOr<Value> y =
      emitMatMul(n, {x, matrix, isConstant ? bias : Value(), false, false, {}});
  if (failed(y) || !bias || isConstant)
    return y;
  return n.e.map(
      {*y, bias}, shapeOf(*y), elementOf(*y),
      [](Scalars &s, ValueRange args) { return s.add(args[0], args[1]); });
}

CellWeights Recurrence::readWeights(int64_t d) {
  CellWeights weights;
  int64_t h = options.hidden, gates = kind.gates;
  bool resetsBefore = gates == 3 && !options.resetAfter;
  int64_t together = resetsBefore ? 2 : gates;
  auto matrix = [&](int64_t first, int64_t count) {
    return n.e.transpose(ofDirection(R, d, first * h, count * h), {1, 0});
  };
  weights.recurrent = matrix(0, together);
  if (resetsBefore)
    weights.recurrentHidden = matrix(2, 1);
  if (kind.hasCell && n.hasInput(P))
    for (int64_t i = 0; i < 3; ++i)
      weights.peepholes[i] = ofDirection(P, d, i * h, h);
  size_t count = kind.activations.size();
  weights.activations.assign(activations.begin() + d * count,
                             activations.begin() + (d + 1) * count);
  return weights;
}

/// mask ? value : otherwise (null: zero); a null mask is true.
Value Recurrence::masked(Value rows, Value value, Value otherwise) {
  if (!rows)
    return value;
  return n.e.map(
      {rows, value, orZero(otherwise)}, shapeOf(value), elementOf(value),
      [](Scalars &s, ValueRange args) {
        return s.select(args[0], args[1], args[2]);
      },
      /*widen=*/false);
}

Value Recurrence::orZero(Value value) {
  return value ? value : n.e.splat({batch, options.hidden}, n.element(X), 0);
}

LogicalResult Recurrence::runDirection(int64_t d) {
  CellWeights weights = readWeights(d);
  FailureOr<Value> x = inputProduct(d, weights);
  if (failed(x))
    return failure();
  CellState state = initialState(d);
  SmallVector<Value> ys(steps);
  bool backwards = isReverse || d == 1;
  int64_t columns = kind.gates * options.hidden;
  for (int64_t i = 0; i < steps; ++i) {
    // A reversed sequence begins at its own end: what lies behind it comes
    // first and leaves the initial state alone.
    int64_t t = backwards ? steps - 1 - i : i;
    if (t >= noneRuns)
      continue;
    int64_t first = isBatchFirst ? t : t * batch;
    Value now = n.e.slice(*x, {first, 0}, {batch, columns},
                          {batch == 1 || !isBatchFirst ? 1 : steps, 1});
    FailureOr<CellState> next = kind.step(n, options, weights, now, state);
    if (failed(next))
      return failure();
    Value rows;
    if (mask && t >= allRun)
      rows = n.e.reshape(n.e.sliceDim(mask, 0, t, 1), {batch, 1});
    if (n.wantsOutput(0))
      ys[t] = masked(rows, next->h, {});
    state.h = masked(rows, next->h, state.h);
    if (kind.hasCell)
      state.c = masked(rows, next->c, state.c);
    if (failed(budget.repeated(noneRuns * directions)))
      return failure();
  }
  outputs.push_back(ys);
  finalStates.push_back(state);
  return success();
}

void Recurrence::setOutputs() {
  int64_t h = options.hidden, d = directions;
  if (n.wantsOutput(0)) {
    // Time and direction are one dimension of parts, behind the batch or in
    // front of it.
    SmallVector<Value> parts;
    Shape part = isBatchFirst ? Shape{batch, 1, h} : Shape{1, batch, h};
    for (int64_t t = 0; t < steps; ++t)
      for (int64_t i = 0; i < d; ++i)
        parts.push_back(n.e.reshape(orZero(outputs[i][t]), part));
    Value all = n.e.concat(parts, isBatchFirst ? 1 : 0);
    Shape shape =
        isBatchFirst ? Shape{batch, steps, d, h} : Shape{steps, d, batch, h};
    n.setOutput(0, n.e.reshape(all, shape), n.type(X));
  }
  auto setFinal = [&](size_t output, Value CellState::*member) {
    SmallVector<Value> parts;
    Shape part = isBatchFirst ? Shape{batch, 1, h} : Shape{1, batch, h};
    for (const CellState &state : finalStates)
      parts.push_back(n.e.reshape(orZero(state.*member), part));
    n.setOutput(output, n.e.concat(parts, isBatchFirst ? 1 : 0), n.type(X));
  };
  if (n.wantsOutput(1))
    setFinal(1, &CellState::h);
  if (kind.hasCell && n.wantsOutput(2))
    setFinal(2, &CellState::c);
}

LogicalResult Recurrence::run() {
  if (failed(readAttributes()) || failed(readShapes()))
    return failure();
  for (int64_t d = 0; d < directions; ++d)
    if (failed(runDirection(d)))
      return failure();
  setOutputs();
  return success();
}

template <const CellKind &kind>
LogicalResult recurrent(NodeBinder &n) {
  return Recurrence(n, kind).run();
}

} // namespace

void registerRecurrent(Registry &registry) {
  const char *notes = "unrolled";
  registry.add("", {{"GRU", 1, recurrent<gruKind>, notes},
                    {"LSTM", 1, recurrent<lstmKind>, notes},
                    {"RNN", 1, recurrent<rnnKind>, notes}});
}

} // namespace cim::onnx
