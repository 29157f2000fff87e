// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Binder.h"

#include <cmath>

#include "cim/IR/Constants.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace cim::onnx {

Type toElementType(MLIRContext *context, DType type) {
  switch (type) {
  case DType::Float:
    return Float32Type::get(context);
  case DType::Double:
    return Float64Type::get(context);
  case DType::Float16:
    return Float16Type::get(context);
  case DType::BFloat16:
    return BFloat16Type::get(context);
  case DType::Float8E4M3FN:
    return Float8E4M3FNType::get(context);
  case DType::Float8E4M3FNUZ:
    return Float8E4M3FNUZType::get(context);
  case DType::Float8E5M2:
    return Float8E5M2Type::get(context);
  case DType::Float8E5M2FNUZ:
    return Float8E5M2FNUZType::get(context);
  case DType::Float8E8M0:
    return Float8E8M0FNUType::get(context);
  case DType::Float4E2M1:
    return Float4E2M1FNType::get(context);
  case DType::Float6E2M3:
    return Float6E2M3FNType::get(context);
  case DType::Float6E3M2:
    return Float6E3M2FNType::get(context);
  case DType::Bool:
    return IntegerType::get(context, 1);
  case DType::Undefined:
  case DType::String:
  case DType::Complex64:
  case DType::Complex128:
    return {};
  default:
    return bitWidth(type) ? IntegerType::get(context, bitWidth(type)) : Type();
  }
}

std::string toText(ArrayRef<int64_t> shape) {
  std::string text;
  for (auto [i, dim] : llvm::enumerate(shape))
    text += (i ? "x" : "") + std::to_string(dim);
  return text.empty() ? "scalar" : text;
}

SmallVector<Value> NodeBinder::values() const {
  SmallVector<Value> result;
  for (const TypedValue &input : inputs)
    result.push_back(input.value);
  return result;
}

ArrayRef<Length> NodeBinder::lengths(size_t i) const {
  return hasInput(i) ? ArrayRef<Length>(inputs[i].lengths) : ArrayRef<Length>();
}

Value NodeBinder::length(size_t i, int64_t dim) const {
  for (const Length &length : lengths(i))
    if (length.dim == dim)
      return length.value;
  return {};
}

LogicalResult NodeBinder::setLength(size_t i, int64_t dim, Value length) {
  if (i >= outputs.size() || !outputs[i].value)
    return success();
  SmallVector<Length, 1> &list = outputs[i].lengths;
  for (const Length &known : list) {
    if (known.dim != dim)
      continue;
    if (known.value == length)
      return success();
    return fail("dimension " + Twine(dim) + " of output " + Twine(i) +
                    " gets two run-time lengths",
                "they are equal at run time or the model is wrong, which is "
                "not known when compiling",
                "derive both operands from one tensor");
  }
  list.push_back({dim, length});
  lengthLimits->try_emplace(length, shapeOf(outputs[i].value)[dim]);
  llvm::sort(list,
             [](const Length &a, const Length &b) { return a.dim < b.dim; });
  return success();
}

LogicalResult NodeBinder::needInputs(size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (sequence(i))
      return fail("input " + Twine(i) + " is a sequence", "a tensor wanted");
    else if (!hasInput(i))
      return fail("input " + Twine(i) + " is missing",
                  Twine(count) + " inputs wanted");
  return success();
}

LogicalResult NodeBinder::needTypeOfFirst(ArrayRef<size_t> others) {
  for (size_t i : others)
    if (hasInput(i) && type(i) != type(0))
      return fail("operand types differ",
                  StringRef(name(type(0))) + " and " + name(type(i)));
  return success();
}

const Attribute *NodeBinder::attribute(StringRef name) const {
  for (const Attribute &attr : node.attributes)
    if (attr.name == name)
      return &attr;
  return nullptr;
}

int64_t NodeBinder::intAttr(StringRef name, int64_t orElse) const {
  const Attribute *attr = attribute(name);
  return attr && attr->kind == Attribute::Kind::Int ? attr->i : orElse;
}

double NodeBinder::floatAttr(StringRef name, double orElse) const {
  const Attribute *attr = attribute(name);
  return attr && attr->kind == Attribute::Kind::Float ? attr->f : orElse;
}

std::string NodeBinder::stringAttr(StringRef name, StringRef orElse) const {
  const Attribute *attr = attribute(name);
  return attr && attr->kind == Attribute::Kind::String ? attr->s : orElse.str();
}

std::optional<Shape> NodeBinder::intsAttr(StringRef name) const {
  const Attribute *attr = attribute(name);
  if (!attr || attr->kind != Attribute::Kind::Ints)
    return std::nullopt;
  return Shape(attr->ints.begin(), attr->ints.end());
}

FailureOr<const Graph *> NodeBinder::graphAttr(StringRef name) {
  const Attribute *attr = attribute(name);
  if (!attr || !attr->graph)
    return fail(name + " is missing", "required attribute");
  return static_cast<const Graph *>(attr->graph.get());
}

std::optional<ir::Literal> NodeBinder::known(Value value) const {
  ir::Evaluator evaluator;
  const ir::Literal *literal = evaluator.evaluate(value);
  return literal ? std::optional(*literal) : std::nullopt;
}

Value NodeBinder::folded(Value value, StringRef name) {
  if (ir::constantOf(value))
    return value;
  std::optional<ir::Literal> literal = known(value);
  return literal ? e.constant(ir::toAttribute(*literal, name)) : value;
}

FailureOr<Shape> NodeBinder::constantInts(size_t i, StringRef what) {
  ir::Evaluator evaluator;
  const ir::Literal *literal =
      hasInput(i) ? evaluator.evaluate(input(i)) : nullptr;
  if (!literal || isa<FloatType>(literal->type.getElementType())) {
    if (hasInput(i))
      noteUnknown(input(i));
    return fail(what + " is not a known integer constant",
                "it must not depend on the model's input values",
                "export the model with fixed shapes");
  }
  Shape result;
  for (ir::Scalar scalar : literal->elements)
    result.push_back(scalar.i);
  return result;
}

std::optional<std::pair<int64_t, Value>>
NodeBinder::traceSize(Value vector, int64_t i) const {
  while (true) {
    if (auto limit = lengthLimits->find(vector); limit != lengthLimits->end())
      return std::pair(limit->second, vector);
    Operation *op = vector.getDefiningOp();
    if (isa_and_nonnull<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op)) {
      vector = op->getOperand(0); // the same elements in the same order
    } else if (auto slice = dyn_cast_or_null<tensor::ExtractSliceOp>(op);
               slice && rankOf(slice.getSource()) == 1) {
      i = slice.getStaticOffset(0) + i * slice.getStaticStride(0);
      vector = slice.getSource();
    } else if (auto concat = dyn_cast_or_null<tensor::ConcatOp>(op);
               concat && rankOf(concat.getResult()) == 1) {
      for (Value part : concat.getInputs()) {
        vector = part;
        if (i < shapeOf(part)[0])
          break;
        i -= shapeOf(part)[0];
      }
    } else {
      ir::Evaluator evaluator;
      const ir::Literal *literal = evaluator.evaluate(vector);
      if (!literal || i >= static_cast<int64_t>(literal->elements.size()))
        return std::nullopt;
      return std::pair(literal->elements[i].i, Value());
    }
  }
}

FailureOr<Sizes> NodeBinder::sizes(size_t i, StringRef what) {
  Sizes result;
  if (hasInput(i) && rank(i) == 1 && element(i).isInteger(64) &&
      lengths(i).empty())
    for (int64_t d = 0; d < shape(i)[0]; ++d) {
      auto size = traceSize(input(i), d);
      if (!size)
        break;
      if (size->second)
        result.lengths.push_back({d, size->second});
      result.most.push_back(size->first);
    }
  if (hasInput(i) && rank(i) == 1 &&
      static_cast<int64_t>(result.most.size()) == shape(i)[0])
    return result;
  FailureOr<Shape> known = constantInts(i, what);
  if (failed(known))
    return failure();
  return Sizes{*known, {}};
}

FailureOr<std::vector<double>> NodeBinder::constantFloats(size_t i,
                                                          StringRef what) {
  ir::Evaluator evaluator;
  const ir::Literal *literal =
      hasInput(i) ? evaluator.evaluate(input(i)) : nullptr;
  if (!literal || !isa<FloatType>(literal->type.getElementType())) {
    if (hasInput(i))
      noteUnknown(input(i));
    return fail(what + " is not a known floating-point constant",
                "it must not depend on the model's input values",
                "export the model with fixed shapes");
  }
  std::vector<double> result;
  for (ir::Scalar scalar : literal->elements)
    result.push_back(scalar.f);
  return result;
}

FailureOr<std::optional<Shape>> NodeBinder::intsAttrOrInput(StringRef name,
                                                            size_t i) {
  if (std::optional<Shape> attr = intsAttr(name))
    return std::optional<Shape>(*attr);
  if (!hasInput(i))
    return std::optional<Shape>();
  FailureOr<Shape> constant = constantInts(i, name);
  if (failed(constant))
    return failure();
  return std::optional<Shape>(*constant);
}

FailureOr<int64_t> NodeBinder::axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return fail("axis " + Twine(axis) + " is out of range",
                "rank " + Twine(rank));
  return axis < 0 ? axis + rank : axis;
}

FailureOr<Shape> NodeBinder::axes(ArrayRef<int64_t> axes, int64_t rank) {
  Shape result;
  for (int64_t each : axes) {
    FailureOr<int64_t> fixed = axis(each, rank);
    if (failed(fixed))
      return failure();
    result.push_back(*fixed);
  }
  llvm::sort(result);
  if (std::adjacent_find(result.begin(), result.end()) != result.end())
    return fail("an axis is named twice", "axes are unique");
  return result;
}

void NodeBinder::setOutput(size_t i, Value value, DType type) {
  if (i >= outputs.size())
    return;
  if (type == DType::Undefined) {
    Type element = elementOf(value);
    for (const TypedValue &input : inputs)
      if (input.value && type == DType::Undefined &&
          elementOf(input.value) == element)
        type = input.type;
    if (type == DType::Undefined) {
      // No input to take the sign from: the signed or only type.
      static constexpr DType candidates[] = {
          DType::Float,          DType::Double,     DType::Float16,
          DType::BFloat16,       DType::Bool,       DType::Int2,
          DType::Int4,           DType::Int8,       DType::Int16,
          DType::Int32,          DType::Int64,      DType::Float8E4M3FN,
          DType::Float8E4M3FNUZ, DType::Float8E5M2, DType::Float8E5M2FNUZ,
          DType::Float8E8M0,     DType::Float4E2M1, DType::Float6E2M3,
          DType::Float6E3M2};
      for (DType candidate : candidates)
        if (toElementType(element.getContext(), candidate) == element)
          type = candidate;
    }
  }
  outputs[i] = {value, type, {}};
}

void NodeBinder::setSequence(size_t i, std::vector<TypedValue> elements) {
  if (i >= outputs.size())
    return;
  outputs[i] = {};
  outputs[i].sequence =
      std::make_shared<std::vector<TypedValue>>(std::move(elements));
}

LogicalResult NodeBinder::checkShape(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t dim : shape)
    if (dim < 0)
      return fail("a result dimension is negative", "shape " + toText(shape));
  if (llvm::is_contained(shape, 0))
    return success();
  for (int64_t dim : shape)
    if (__builtin_mul_overflow(count, dim, &count) ||
        count > (int64_t(1) << 40))
      return fail("the result has too many elements",
                  "at most 2^40, shape " + toText(shape),
                  "use smaller tensors");
  return success();
}

LogicalResult NodeBinder::fail(const Twine &what, const Twine &limit,
                               const Twine &advice) {
  error = (label + ": " + what + "; " +
           (node.domain.empty() ? "" : node.domain + ".") + node.opType +
           " opset " + Twine(opset) + ", " + limit + "; " + advice)
              .str();
  return failure();
}

const Registry &Registry::instance() {
  static const Registry registry = [] {
    Registry result;
    registerActivation(result);
    registerClassic(result);
    registerControl(result);
    registerConv(result);
    registerDet(result);
    registerElementwise(result);
    registerFourier(result);
    registerGather(result);
    registerGenerate(result);
    registerGradient(result);
    registerMatMul(result);
    registerNorm(result);
    registerPad(result);
    registerPool(result);
    registerQuantize(result);
    registerRecurrent(result);
    registerReduction(result);
    registerResize(result);
    registerSample(result);
    registerScan(result);
    registerScatter(result);
    registerSelect(result);
    registerSequence(result);
    registerShape(result);
    registerSlice(result);
    registerSoftmax(result);
    registerSpatial(result);
    registerTfIdf(result);
    registerTraining(result);
    return result;
  }();
  return registry;
}

void Registry::add(const char *domain, std::vector<OpRecord> list) {
  for (OpRecord &record : list) {
    auto &versions = records[{domain, record.name}];
    versions.emplace(record.sinceVersion, record);
  }
}

const OpRecord *Registry::find(const std::string &domain,
                               const std::string &name, int opset) const {
  auto it = records.find({domain, name});
  if (it == records.end())
    return nullptr;
  auto version = it->second.upper_bound(opset);
  if (version == it->second.begin())
    return nullptr;
  return &std::prev(version)->second;
}

int Registry::oldest(const std::string &domain, const std::string &name) const {
  auto it = records.find({domain, name});
  return it == records.end() ? 0 : it->second.begin()->first;
}

} // namespace cim::onnx
