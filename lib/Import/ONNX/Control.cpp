// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// If and Loop. What is known when compiling disappears: the branch not taken,
// the iterations that are never reached. What depends on input values becomes a
// selection: both branches are computed, all iterations run and those after the
// loop's end change nothing.

#include <limits>

#include "Unroll.h"

using namespace mlir;

namespace cim::onnx {
namespace {

/// The truth of a condition known when compiling.
std::optional<bool> knownTruth(NodeBinder &n, Value condition) {
  std::optional<ir::Literal> literal = n.known(condition);
  if (!literal || literal->elements.size() != 1)
    return std::nullopt;
  return literal->elements[0].i != 0;
}

LogicalResult needCondition(NodeBinder &n, const TypedValue &condition) {
  if (condition.type != DType::Bool || product(shapeOf(condition.value)) != 1)
    return n.fail("the condition is not one boolean",
                  Twine(name(condition.type)) + " " +
                      toText(shapeOf(condition.value)));
  return success();
}

//===--- If ---------------------------------------------------------------===//

FailureOr<SmallVector<TypedValue>> emitBranch(NodeBinder &n, StringRef name) {
  FailureOr<const Graph *> graph = n.graphAttr(name);
  SmallVector<TypedValue> outputs;
  if (failed(graph) || failed(n.subgraph(**graph)({}, outputs)))
    return failure();
  if (outputs.size() != n.numOutputs())
    return n.fail("the branch has another number of outputs",
                  Twine(outputs.size()) + " and " + Twine(n.numOutputs()));
  return outputs;
}

LogicalResult ifOp(NodeBinder &n) {
  if (failed(n.needInputs(1)) ||
      failed(needCondition(n, {n.input(0), n.type(0)})))
    return failure();
  if (std::optional<bool> truth = knownTruth(n, n.input(0))) {
    auto outputs = emitBranch(n, *truth ? "then_branch" : "else_branch");
    if (failed(outputs))
      return failure();
    for (auto [i, output] : llvm::enumerate(*outputs)) {
      if (output.sequence) {
        n.setSequence(i, *output.sequence);
        continue;
      }
      n.setOutput(i, output.value, output.type);
      for (const Length &length : output.lengths)
        if (failed(n.setLength(i, length.dim, length.value)))
          return failure();
    }
    return success();
  }
  auto onTrue = emitBranch(n, "then_branch");
  if (failed(onTrue))
    return failure();
  auto onFalse = emitBranch(n, "else_branch");
  if (failed(onFalse))
    return failure();
  for (size_t i = 0; i < n.numOutputs(); ++i) {
    if ((*onTrue)[i].sequence || (*onFalse)[i].sequence) {
      n.noteUnknown(n.input(0));
      return n.fail("the condition of branches with sequences is not constant",
                    "output '" + n.node.outputs[i] + "'",
                    "make it a constant, or keep the elements in one tensor");
    }
    if (failed(needWhole(n, (*onTrue)[i])) ||
        failed(needWhole(n, (*onFalse)[i])))
      return failure();
    FailureOr<TypedValue> value =
        selectValue(n, n.input(0), (*onTrue)[i], (*onFalse)[i],
                    "output '" + n.node.outputs[i] + "'");
    if (failed(value))
      return failure();
    n.setOutput(i, value->value, value->type);
  }
  return success();
}

//===--- Loop -------------------------------------------------------------===//

class LoopUnroller {
public:
  LoopUnroller(NodeBinder &n, const Graph &body)
      : n(n), body(body), emit(n.subgraph(body)) {}

  LogicalResult run() {
    if (failed(readBounds()))
      return failure();
    UnrollBudget budget(n);
    for (int64_t i = 0; !ended && (!trips || i < *trips); ++i) {
      if (failed(iterate(i)))
        return failure();
      if (failed(budget.repeated(
              foreseen(), active ? "give the loop, whose end depends on input "
                                   "values, a smaller constant trip count"
                                 : "repeat less often, or split the model"))) {
        n.noteUnknown(active);
        return failure();
      }
    }
    return setOutputs();
  }

private:
  LogicalResult readBounds() {
    size_t count = body.inputs.size() - 2;
    for (size_t i = 2; i < count + 2; ++i) {
      if (!n.hasInput(i))
        return n.fail("input " + Twine(i) + " is missing",
                      Twine(count + 2) + " inputs wanted");
      carried.push_back({n.input(i), n.type(i)});
    }
    scans.resize(body.outputs.size() - 1 - count);
    if (n.hasInput(0)) {
      FailureOr<Shape> count = n.constantInts(0, "the trip count");
      if (failed(count))
        return failure();
      if (count->size() != 1)
        return n.fail("the trip count is not one number",
                      "shape " + toText(n.shape(0)));
      trips = std::max<int64_t>(count->front(), 0);
    }
    if (!n.hasInput(1))
      return success();
    return setCondition({n.input(1), n.type(1)});
  }

  /// Takes the condition for the next iteration.
  LogicalResult setCondition(const TypedValue &condition) {
    if (failed(needCondition(n, condition)))
      return failure();
    if (std::optional<bool> truth = knownTruth(n, condition.value)) {
      ended = !*truth;
      return success();
    }
    Value flag = n.e.reshape(condition.value, {});
    active = active ? n.e.map({active, flag}, {}, n.b.getI1Type(),
                              [](Scalars &s, ValueRange args) {
                                return s.bitAnd(args[0], args[1]);
                              })
                    : flag;
    if (scans.empty())
      return success();
    n.noteUnknown(condition.value);
    return n.fail(
        "the number of iterations depends on input values, and so "
        "does the size of its scan outputs",
        Twine(scans.size()) + " scan outputs",
        "collect them in a loop-carried tensor of fixed size, or make "
        "the condition a constant");
  }

  /// The number of iterations, as far as it is certain: a condition may become
  /// false any time, unless the body hands on the one it is given.
  std::optional<int64_t> foreseen() const {
    if (!handsOn || ended)
      return std::nullopt;
    return trips.value_or(std::numeric_limits<int64_t>::max());
  }

  /// A scalar in the rank the body declares.
  TypedValue scalarInput(size_t i, Value scalar, DType type) {
    const ValueInfo &info = body.inputs[i];
    bool isVector = info.shape && info.shape->size() == 1;
    return {isVector ? n.e.reshape(scalar, {1}) : scalar, type};
  }

  FailureOr<SmallVector<TypedValue>> emitBody(int64_t i) {
    Type i1 = n.b.getI1Type();
    Value condition = active ? active : n.e.splat({}, i1, 1);
    auto type = RankedTensorType::get({}, n.b.getI64Type());
    Value number = n.e.constant(DenseElementsAttr::get(type, {i}));
    SmallVector<TypedValue> bound{scalarInput(0, number, DType::Int64),
                                  scalarInput(1, condition, DType::Bool)};
    llvm::append_range(bound, carried);
    SmallVector<TypedValue> outputs;
    if (failed(emit(bound, outputs)))
      return failure();
    for (const TypedValue &output : outputs)
      if (failed(needWhole(n, output)))
        return failure();
    handsOn = outputs[0].value == bound[1].value;
    return outputs;
  }

  LogicalResult iterate(int64_t i) {
    FailureOr<SmallVector<TypedValue>> outputs = emitBody(i);
    if (failed(outputs))
      return failure();
    for (auto [j, value] : llvm::enumerate(carried)) {
      TypedValue next = (*outputs)[j + 1];
      if (active) {
        FailureOr<TypedValue> selected =
            selectValue(n, active, next, value,
                        "loop-carried value '" + body.inputs[j + 2].name + "'");
        if (failed(selected))
          return failure();
        next = *selected;
      }
      value = next;
    }
    for (auto [j, scan] : llvm::enumerate(scans)) {
      const TypedValue &value = (*outputs)[1 + carried.size() + j];
      scan.first.push_back(value.value);
      scan.second = value.type;
    }
    return handsOn ? success() : setCondition((*outputs)[0]);
  }

  LogicalResult setOutputs() {
    for (auto [i, value] : llvm::enumerate(carried))
      n.setOutput(i, value.value, value.type);
    bool isEmpty = !scans.empty() && scans[0].first.empty();
    SmallVector<TypedValue> shapes;
    if (isEmpty) {
      // One iteration that nobody uses gives the shapes.
      FailureOr<SmallVector<TypedValue>> outputs = emitBody(0);
      if (failed(outputs))
        return failure();
      shapes.assign(outputs->begin() + 1 + carried.size(), outputs->end());
    }
    for (auto [i, scan] : llvm::enumerate(scans)) {
      size_t index = carried.size() + i;
      if (isEmpty) {
        Shape shape(shapeOf(shapes[i].value));
        shape.insert(shape.begin(), 0);
        n.setOutput(index, n.e.empty(shape, elementOf(shapes[i].value)),
                    shapes[i].type);
        continue;
      }
      FailureOr<Value> value =
          stack(n, scan.first, 0,
                "scan output '" + body.outputs[index + 1].name + "'");
      if (failed(value))
        return failure();
      n.setOutput(index, *value, scan.second);
    }
    return success();
  }

  NodeBinder &n;
  const Graph &body;
  NodeBinder::EmitGraph emit;
  std::optional<int64_t> trips; ///< Unlimited without.
  bool ended = false;           ///< The condition is known to be false.
  bool handsOn = false; ///< The last body returned the condition it was given.
  Value active;         ///< Run-time condition so far; null while all is known.
  SmallVector<TypedValue> carried;
  std::vector<std::pair<SmallVector<Value>, DType>> scans;
};

LogicalResult loop(NodeBinder &n) {
  FailureOr<const Graph *> body = n.graphAttr("body");
  if (failed(body) || failed(needTensors(n, **body)))
    return failure();
  size_t inputs = (*body)->inputs.size(), outputs = (*body)->outputs.size();
  if (inputs < 2 || outputs + 1 < inputs || outputs != n.numOutputs() + 1)
    return n.fail("the body does not fit the loop",
                  Twine(inputs) + " inputs and " + Twine(outputs) +
                      " outputs of the body, " + Twine(n.numOutputs()) +
                      " outputs of the loop");
  return LoopUnroller(n, **body).run();
}

} // namespace

void registerControl(Registry &registry) {
  registry.add(
      "", {{"If", 1, ifOp,
            "both branches are computed unless the condition is constant; then "
            "they "
            "agree in shape"},
           {"Loop", 1, loop,
            "unrolled; constant trip count; no scan outputs when the condition "
            "depends on input values"}});
}

} // namespace cim::onnx
