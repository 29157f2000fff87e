// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sequences of tensors and optional values inside of a graph: lists the
// importer keeps, so that length and positions are known and nothing is left of
// them in the IR.

#include "Binder.h"

using namespace mlir;

namespace cim::onnx {
namespace {

using Elements = std::vector<TypedValue>;

FailureOr<Elements> sequenceOperand(NodeBinder &n) {
  if (const Elements *elements = n.sequence(0))
    return *elements;
  return n.fail("the operand is not a sequence", "input 0");
}

/// The constant position of an operand in [-size, size), or `orElse` if
/// omitted; `extra` more are allowed at the end.
FailureOr<int64_t> position(NodeBinder &n, size_t operand, int64_t size,
                            int64_t orElse, int64_t extra) {
  if (!n.hasInput(operand))
    return orElse;
  FailureOr<Shape> given = n.constantInts(operand, "position");
  if (failed(given))
    return failure();
  int64_t at = given->size() == 1 ? given->front() : INT64_MAX;
  if (at < -size || at >= size + extra)
    return n.fail("position is outside of the sequence",
                  Twine(size) + " elements, position " + Twine(at));
  return at < 0 ? at + size : at;
}

LogicalResult sequenceEmpty(NodeBinder &n) {
  n.setSequence(0, {});
  return success();
}

LogicalResult sequenceConstruct(NodeBinder &n) {
  Elements elements;
  for (size_t i = 0; i < n.numInputs(); ++i) {
    if (!n.hasInput(i) || n.type(i) != n.type(0))
      return n.fail("elements are not tensors of one type",
                    "input " + Twine(i));
    elements.push_back({n.input(i), n.type(i)});
  }
  n.setSequence(0, std::move(elements));
  return success();
}

LogicalResult sequenceInsert(NodeBinder &n) {
  FailureOr<Elements> elements = sequenceOperand(n);
  if (failed(elements))
    return failure();
  int64_t size = elements->size();
  FailureOr<int64_t> at = position(n, 2, size, size, 1);
  if (failed(at))
    return failure();
  if (!n.hasInput(1) || (size && elements->front().type != n.type(1)))
    return n.fail("the element is not a tensor of the sequence's type",
                  "input 1");
  elements->insert(elements->begin() + *at, {n.input(1), n.type(1)});
  n.setSequence(0, std::move(*elements));
  return success();
}

LogicalResult sequenceErase(NodeBinder &n) {
  FailureOr<Elements> elements = sequenceOperand(n);
  if (failed(elements))
    return failure();
  int64_t size = elements->size();
  if (size == 0)
    return n.fail("the sequence is empty", "0 elements");
  FailureOr<int64_t> at = position(n, 1, size, size - 1, 0);
  if (failed(at))
    return failure();
  elements->erase(elements->begin() + *at);
  n.setSequence(0, std::move(*elements));
  return success();
}

LogicalResult sequenceAt(NodeBinder &n) {
  FailureOr<Elements> elements = sequenceOperand(n);
  if (failed(elements))
    return failure();
  int64_t size = elements->size();
  FailureOr<int64_t> at = position(n, 1, size, size, 0);
  if (failed(at))
    return failure();
  if (*at >= size)
    return n.fail("position is missing", "input 1");
  n.setOutput(0, (*elements)[*at].value, (*elements)[*at].type);
  return success();
}

LogicalResult sequenceLength(NodeBinder &n) {
  FailureOr<Elements> elements = sequenceOperand(n);
  if (failed(elements))
    return failure();
  n.setOutput(
      0, n.e.splat({}, n.b.getI64Type(), static_cast<double>(elements->size())),
      DType::Int64);
  return success();
}

/// Sizes of the parts along the axis: those given, parts of one given size, or
/// ones.
FailureOr<Shape> partSizes(NodeBinder &n, int64_t size) {
  if (!n.hasInput(1))
    return Shape(size, 1);
  FailureOr<Shape> given = n.constantInts(1, "split");
  if (failed(given))
    return failure();
  Shape parts;
  if (n.rank(1) > 0) {
    parts = *given;
  } else {
    int64_t each = given->front();
    for (int64_t at = 0; each > 0 && at < size; at += each)
      parts.push_back(std::min(each, size - at));
  }
  int64_t total = 0;
  for (int64_t part : parts)
    if (part < 0 || __builtin_add_overflow(total, part, &total))
      total = -1;
  if (total != size)
    return n.fail("split does not add up to the size of the axis",
                  "sizes " + toText(parts) + ", axis " + Twine(size));
  return parts;
}

LogicalResult splitToSequence(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  FailureOr<int64_t> axis = n.axis(n.intAttr("axis", 0), n.rank(0));
  if (failed(axis))
    return failure();
  FailureOr<Shape> parts = partSizes(n, n.shape(0)[*axis]);
  if (failed(parts))
    return failure();
  bool drop = n.intAttr("keepdims", 1) == 0 && !n.hasInput(1);
  Elements elements;
  int64_t offset = 0;
  for (int64_t part : *parts) {
    Value value = n.e.sliceDim(n.input(0), *axis, offset, part);
    offset += part;
    if (drop) {
      Shape shape(shapeOf(value));
      shape.erase(shape.begin() + *axis);
      value = n.e.reshape(value, shape);
    }
    elements.push_back({value, n.type(0)});
  }
  n.setSequence(0, std::move(elements));
  return success();
}

LogicalResult concatFromSequence(NodeBinder &n) {
  FailureOr<Elements> elements = sequenceOperand(n);
  if (failed(elements))
    return failure();
  if (elements->empty())
    return n.fail("the sequence is empty", "0 elements");
  bool isNew = n.intAttr("new_axis", 0) != 0;
  int64_t rank = rankOf(elements->front().value);
  FailureOr<int64_t> axis = n.axis(n.intAttr("axis", 0), rank + isNew);
  if (failed(axis))
    return failure();
  SmallVector<Value> values;
  Shape first;
  for (const TypedValue &element : *elements) {
    Shape shape(shapeOf(element.value));
    if (isNew)
      shape.insert(shape.begin() + *axis, 1);
    Shape rest = shape;
    if (!rest.empty())
      rest[*axis] = 0;
    if (values.empty())
      first = rest;
    if (rest != first)
      return n.fail("elements do not fit each other",
                    "shapes " + toText(shapeOf(elements->front().value)) +
                        " and " + toText(shapeOf(element.value)));
    values.push_back(n.e.reshape(element.value, shape));
  }
  n.setOutput(0, n.e.concat(values, *axis), elements->front().type);
  return success();
}

/// What is there is known: a tensor or sequence, or nothing.
LogicalResult optionalHasElement(NodeBinder &n) {
  bool has = n.hasInput(0) || n.sequence(0);
  n.setOutput(0, n.e.splat({}, n.b.getI1Type(), has), DType::Bool);
  return success();
}

LogicalResult optionalGetElement(NodeBinder &n) {
  if (const Elements *elements = n.sequence(0)) {
    n.setSequence(0, *elements);
    return success();
  }
  if (failed(n.needInputs(1)))
    return failure();
  n.setOutput(0, n.input(0), n.type(0));
  return success();
}

} // namespace

void registerSequence(Registry &registry) {
  registry.add("",
               {{"ConcatFromSequence", 11, concatFromSequence},
                {"OptionalGetElement", 15, optionalGetElement},
                {"OptionalHasElement", 15, optionalHasElement},
                {"SequenceAt", 11, sequenceAt, "constant position"},
                {"SequenceConstruct", 11, sequenceConstruct},
                {"SequenceEmpty", 11, sequenceEmpty},
                {"SequenceErase", 11, sequenceErase, "constant position"},
                {"SequenceInsert", 11, sequenceInsert, "constant position"},
                {"SequenceLength", 11, sequenceLength},
                {"SplitToSequence", 11, splitToSequence, "constant sizes"}});
}

} // namespace cim::onnx
