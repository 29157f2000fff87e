// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scan: the number of steps is a dimension, so the steps are written out.

#include "Unroll.h"

using namespace mlir;

namespace cim::onnx {
namespace {

/// One sequence of steps.
class Scanner {
public:
  Scanner(NodeBinder &n, const Graph &body, size_t numScans)
      : n(n), body(body), emit(n.subgraph(body)), budget(n),
        states(body.inputs.size() - numScans), scanInputs(numScans),
        scanOutputs(body.outputs.size() - states) {}

  /// Reads `name`, one entry per scan input or output, or `orElse`.
  FailureOr<Shape> list(StringRef name, size_t count) {
    std::optional<Shape> given = n.intsAttr(name);
    if (given && given->size() != count)
      return n.fail(name + " has the wrong number of entries",
                    Twine(given->size()) + ", " + Twine(count) + " wanted");
    return given ? *given : Shape(count, 0);
  }
  FailureOr<Shape> directions(StringRef name, size_t count) {
    FailureOr<Shape> result = list(name, count);
    if (succeeded(result))
      for (int64_t direction : *result)
        if (direction != 0 && direction != 1)
          return n.fail(name + " is neither forward (0) nor reverse (1)",
                        "value " + Twine(direction));
    return result;
  }

  /// Runs the steps from `state`, which it replaces; the elements of scan
  /// outputs are appended to `elements` in order of steps. Where `length` is
  /// given (a run-time scalar), later steps change nothing and give zeros.
  /// `sequences` is how often this is done in all.
  LogicalResult run(SmallVectorImpl<TypedValue> &state,
                    ArrayRef<TypedValue> inputs, ArrayRef<int64_t> axes,
                    ArrayRef<int64_t> reversed, int64_t steps, Value length,
                    int64_t sequences,
                    std::vector<SmallVector<TypedValue>> &elements) {
    for (int64_t t = 0; t < steps; ++t) {
      SmallVector<TypedValue> bound(state.begin(), state.end());
      for (auto [i, input] : llvm::enumerate(inputs))
        bound.push_back(
            {element(input.value, axes[i], reversed[i] ? steps - 1 - t : t),
             input.type});
      SmallVector<TypedValue> outputs;
      if (failed(emit(bound, outputs)))
        return failure();
      for (const TypedValue &output : outputs)
        if (failed(needWhole(n, output)))
          return failure();
      if (length && failed(mask(state, outputs, length, t)))
        return failure();
      for (auto [i, each] : llvm::enumerate(elements))
        each.push_back(outputs[states + i]);
      for (size_t i = 0; i < states; ++i)
        state[i] = outputs[i];
      if (failed(budget.repeated(steps * sequences)))
        return failure();
    }
    return success();
  }

  /// Slice `index` of dimension `axis`, without it.
  Value element(Value value, int64_t axis, int64_t index) {
    Value slice = n.e.sliceDim(value, axis, index, 1);
    Shape shape(shapeOf(value));
    shape.erase(shape.begin() + axis);
    return n.e.reshape(slice, shape);
  }

  NodeBinder &n;
  const Graph &body;
  NodeBinder::EmitGraph emit;
  UnrollBudget budget;
  const size_t states, scanInputs, scanOutputs;

private:
  /// Outputs of a step at or after the sequence's end.
  LogicalResult mask(ArrayRef<TypedValue> state,
                     MutableArrayRef<TypedValue> outputs, Value length,
                     int64_t t) {
    Value isInside =
        n.e.map(length, {}, n.b.getI1Type(), [&](Scalars &s, ValueRange args) {
          Value at = s.constantInt(args[0].getType(), t);
          return s.cmp(Scalars::Cmp::LT, at, args[0]);
        });
    for (auto [i, output] : llvm::enumerate(outputs)) {
      TypedValue otherwise = output;
      if (i < states)
        otherwise = state[i];
      else
        otherwise.value =
            n.e.splat(shapeOf(output.value), elementOf(output.value), 0);
      FailureOr<TypedValue> value =
          selectValue(n, isInside, output, otherwise,
                      "output '" + body.outputs[i].name + "' of the body");
      if (failed(value))
        return failure();
      output = *value;
    }
    return success();
  }
};

/// The body and what it says about the node; fails unless they fit.
FailureOr<const Graph *> readBody(NodeBinder &n, size_t firstInput,
                                  size_t &numScans) {
  FailureOr<const Graph *> body = n.graphAttr("body");
  if (failed(body) || failed(needTensors(n, **body)))
    return failure();
  int64_t scans = n.intAttr("num_scan_inputs", 0);
  size_t inputs = (*body)->inputs.size(), outputs = (*body)->outputs.size();
  if (scans < 1 || static_cast<size_t>(scans) > inputs ||
      outputs < inputs - scans || n.numInputs() != inputs + firstInput ||
      outputs != n.numOutputs())
    return n.fail("the body does not fit the scan",
                  Twine(inputs) + " inputs and " + Twine(outputs) +
                      " outputs of the body, " + Twine(n.numInputs()) +
                      " inputs, " + Twine(scans) + " scan inputs and " +
                      Twine(n.numOutputs()) + " outputs of the scan");
  for (size_t i = firstInput; i < n.numInputs(); ++i)
    if (!n.hasInput(i))
      return n.fail("input " + Twine(i) + " is missing", "no optional inputs");
  numScans = scans;
  return body;
}

/// Fails unless the scan inputs agree in length, which must not be 0.
LogicalResult checkLengths(NodeBinder &n, ArrayRef<TypedValue> inputs,
                           ArrayRef<int64_t> axes) {
  int64_t length = shapeOf(inputs[0].value)[axes[0]];
  for (auto [input, axis] : llvm::zip_equal(inputs, axes))
    if (shapeOf(input.value)[axis] != length || length == 0)
      return n.fail("scan inputs have no elements or differ in their number",
                    Twine(length) + " and " + Twine(shapeOf(input.value)[axis]),
                    "give them the same length of at least 1");
  return success();
}

LogicalResult scan9(NodeBinder &n) {
  size_t numScans = 0;
  FailureOr<const Graph *> body = readBody(n, 0, numScans);
  if (failed(body))
    return failure();
  Scanner scanner(n, **body, numScans);
  size_t outs = scanner.scanOutputs;
  auto axes = scanner.list("scan_input_axes", numScans);
  auto reversed = scanner.directions("scan_input_directions", numScans);
  auto outAxes = scanner.list("scan_output_axes", outs);
  auto outReversed = scanner.directions("scan_output_directions", outs);
  if (failed(axes) || failed(reversed) || failed(outAxes) ||
      failed(outReversed))
    return failure();
  SmallVector<TypedValue> state, inputs;
  for (size_t i = 0; i < n.numInputs(); ++i)
    (i < scanner.states ? state : inputs).push_back({n.input(i), n.type(i)});
  for (auto [axis, input] : llvm::zip_equal(*axes, inputs)) {
    FailureOr<int64_t> fixed = n.axis(axis, rankOf(input.value));
    if (failed(fixed))
      return failure();
    axis = *fixed;
  }
  std::vector<SmallVector<TypedValue>> elements(outs);
  if (failed(checkLengths(n, inputs, *axes)))
    return failure();
  int64_t steps = shapeOf(inputs[0].value)[(*axes)[0]];
  if (failed(
          scanner.run(state, inputs, *axes, *reversed, steps, {}, 1, elements)))
    return failure();
  for (auto [i, value] : llvm::enumerate(state))
    n.setOutput(i, value.value, value.type);
  for (auto [i, each] : llvm::enumerate(elements)) {
    SmallVector<Value> values;
    for (const TypedValue &value : each)
      values.push_back(value.value);
    if ((*outReversed)[i])
      std::reverse(values.begin(), values.end());
    FailureOr<int64_t> axis = n.axis((*outAxes)[i], rankOf(values.front()) + 1);
    if (failed(axis))
      return failure();
    FailureOr<Value> stacked = stack(n, values, *axis, "a scan output");
    if (failed(stacked))
      return failure();
    n.setOutput(scanner.states + i, *stacked, each.front().type);
  }
  return success();
}

/// Version 8: dimension 0 is the batch, 1 the sequence, each element of the
/// batch a scan of its own with a length of its own.
class BatchScan {
public:
  BatchScan(NodeBinder &n, const Graph &body, size_t numScans)
      : n(n), scanner(n, body, numScans),
        results(scanner.states + scanner.scanOutputs),
        types(scanner.states + scanner.scanOutputs) {}

  LogicalResult run() {
    auto given = scanner.directions("directions", scanner.scanInputs);
    if (failed(given) || failed(check()))
      return failure();
    reversed = *given;
    for (int64_t b = 0; b < n.shape(1)[0]; ++b)
      if (failed(runElement(b)))
        return failure();
    for (size_t i = 0; i < results.size(); ++i) {
      FailureOr<Value> value = stack(n, results[i], 0, "an output");
      if (failed(value))
        return failure();
      n.setOutput(i, *value, types[i]);
    }
    return success();
  }

private:
  LogicalResult check() {
    for (size_t i = 1; i < n.numInputs(); ++i)
      if (n.rank(i) < (i > scanner.states ? 2 : 1) ||
          n.shape(i)[0] != n.shape(1)[0] || n.shape(i)[0] == 0)
        return n.fail("operands do not have the same batch size of at least 1",
                      "shapes " + toText(n.shape(1)) + " and " +
                          toText(n.shape(i)));
    if (n.hasInput(0) && product(n.shape(0)) != n.shape(1)[0])
      return n.fail("sequence_lens does not have one length per batch element",
                    "shape " + toText(n.shape(0)) + ", " +
                        Twine(n.shape(1)[0]) + " wanted");
    return success();
  }

  /// The steps to write out; `length` stays set when it is only known at run
  /// time.
  FailureOr<int64_t> stepsOf(int64_t most, Value &length) {
    if (!length)
      return most;
    std::optional<ir::Literal> literal = n.known(length);
    if (!literal) {
      if (llvm::is_contained(reversed, 1)) {
        n.noteUnknown(length);
        return n.fail("a reverse scan starts at a position that depends on "
                      "input values",
                      "sequence_lens is not constant",
                      "make sequence_lens a constant");
      }
      return most;
    }
    length = {};
    int64_t steps = literal->elements[0].i;
    if (steps < 1 || steps > most)
      return n.fail("a sequence length is out of range",
                    Twine(steps) + ", 1 to " + Twine(most));
    return steps;
  }

  LogicalResult runElement(int64_t b) {
    SmallVector<TypedValue> state, inputs;
    for (size_t i = 1; i < n.numInputs(); ++i)
      (i <= scanner.states ? state : inputs)
          .push_back({scanner.element(n.input(i), 0, b), n.type(i)});
    Value length;
    if (n.hasInput(0))
      length = scanner.element(n.e.reshape(n.input(0), {n.shape(1)[0]}), 0, b);
    std::vector<SmallVector<TypedValue>> elements(scanner.scanOutputs);
    Shape axes(scanner.scanInputs, 0);
    if (failed(checkLengths(n, inputs, axes)))
      return failure();
    int64_t most = shapeOf(inputs[0].value)[0];
    FailureOr<int64_t> steps = stepsOf(most, length);
    if (failed(steps) ||
        failed(scanner.run(state, inputs, axes, reversed, *steps, length,
                           n.shape(1)[0], elements)))
      return failure();
    for (auto [i, value] : llvm::enumerate(state)) {
      results[i].push_back(value.value);
      types[i] = value.type;
    }
    for (auto [i, each] : llvm::enumerate(elements)) {
      SmallVector<Value> values;
      for (const TypedValue &value : each)
        values.push_back(value.value);
      // What lies after the end is undefined; zero here.
      while (static_cast<int64_t>(values.size()) < most)
        values.push_back(
            n.e.splat(shapeOf(values[0]), elementOf(values[0]), 0));
      FailureOr<Value> stacked = stack(n, values, 0, "a scan output");
      if (failed(stacked))
        return failure();
      results[scanner.states + i].push_back(*stacked);
      types[scanner.states + i] = each.front().type;
    }
    return success();
  }

  NodeBinder &n;
  Scanner scanner;
  Shape reversed;
  std::vector<SmallVector<Value>> results; ///< By output, one per element.
  std::vector<DType> types;
};

LogicalResult scan8(NodeBinder &n) {
  size_t numScans = 0;
  FailureOr<const Graph *> body = readBody(n, 1, numScans);
  return failed(body) ? failure() : BatchScan(n, **body, numScans).run();
}

} // namespace

void registerScan(Registry &registry) {
  registry.add(
      "", {{"Scan", 8, scan8, "unrolled"}, {"Scan", 9, scan9, "unrolled"}});
}

} // namespace cim::onnx
