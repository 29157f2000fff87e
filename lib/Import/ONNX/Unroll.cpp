// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Unroll.h"

using namespace mlir;

namespace cim::onnx {

static Operation *lastOf(Block *block) {
  return block->empty() ? nullptr : &block->back();
}

UnrollBudget::UnrollBudget(NodeBinder &n)
    : n(n), last(lastOf(n.b.getInsertionBlock())) {}

LogicalResult UnrollBudget::repeated(std::optional<int64_t> all,
                                     StringRef advice) {
  Block *block = n.b.getInsertionBlock();
  auto it = last ? std::next(last->getIterator()) : block->begin();
  for (; it != block->end(); ++it)
    ++operations;
  last = lastOf(block);
  ++repetitions;
  // A body of nothing repeats for ever.
  int64_t each = std::max<int64_t>(operations / repetitions, 1);
  bool tooMany = std::max(operations, repetitions) > maxUnrolledOps ||
                 (all && *all > maxUnrolledOps / each);
  if (!tooMany)
    return success();
  std::string number = all ? "each of " + std::to_string(*all) + " repetitions"
                           : "each repetition";
  return n.fail("the repetitions are too many to be written out",
                "at most " + Twine(maxUnrolledOps) + " operations, " +
                    Twine(each) + " for " + number,
                advice);
}

FailureOr<Value> stack(NodeBinder &n, ArrayRef<Value> values, int64_t axis,
                       const Twine &what) {
  Shape shape(shapeOf(values.front()));
  SmallVector<Value> parts;
  for (Value value : values) {
    if (shapeOf(value) != ArrayRef<int64_t>(shape) ||
        elementOf(value) != elementOf(values.front()))
      return n.fail(what + " differs in shape between repetitions",
                    toText(shape) + " and " + toText(shapeOf(value)),
                    "keep its shape");
    Shape expanded(shape);
    expanded.insert(expanded.begin() + axis, 1);
    parts.push_back(n.e.reshape(value, expanded));
  }
  return n.e.concat(parts, axis);
}

FailureOr<TypedValue> selectValue(NodeBinder &n, Value condition,
                                  const TypedValue &onTrue,
                                  const TypedValue &onFalse,
                                  const Twine &what) {
  if (onTrue.value == onFalse.value)
    return onTrue;
  ArrayRef<int64_t> shape = shapeOf(onTrue.value);
  if (onTrue.type != onFalse.type || shape != shapeOf(onFalse.value)) {
    n.noteUnknown(condition);
    return n.fail(what +
                      " depends on input values in type or shape, not only in "
                      "its elements",
                  Twine(name(onTrue.type)) + " " + toText(shape) + " and " +
                      name(onFalse.type) + " " + toText(shapeOf(onFalse.value)),
                  "give both the same shape, or make the condition a constant");
  }
  Value value = n.e.map(
      {n.e.reshape(condition, {}), onTrue.value, onFalse.value}, shape,
      elementOf(onTrue.value),
      [](Scalars &s, ValueRange args) {
        return s.select(args[0], args[1], args[2]);
      },
      /*widen=*/false);
  return TypedValue{value, onTrue.type};
}

LogicalResult needWhole(NodeBinder &n, const TypedValue &output) {
  if (output.lengths.empty())
    return success();
  return n.fail("a result of its subgraph has a length that depends on input "
                "values",
                "dimension " + Twine(output.lengths.front().dim) +
                    ", at most " + toText(shapeOf(output.value)),
                "select a fixed number of elements inside the subgraph");
}

LogicalResult needTensors(NodeBinder &n, const Graph &graph) {
  for (const auto *list : {&graph.inputs, &graph.outputs})
    for (const ValueInfo &info : *list)
      if (!info.container.empty())
        return n.fail("'" + info.name + "' of its subgraph is of type " +
                          info.container,
                      "tensors only",
                      "keep the elements in one tensor, such as a scan output");
  return success();
}

} // namespace cim::onnx
