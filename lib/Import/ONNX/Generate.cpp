// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operators that make tensors: Constant, ConstantOfShape, Range, OneHot,
// EyeLike, Trilu.

#include <cmath>

#include "Binder.h"
#include "cim/IR/Constants.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace cim::onnx {
namespace {

using Cmp = Scalars::Cmp;

FailureOr<Value> tensorConstant(NodeBinder &n, const Tensor &tensor) {
  Type element = toElementType(n.b.getContext(), tensor.type);
  if (!element)
    return n.fail("the constant's type is not supported",
                  StringRef("type ") + name(tensor.type),
                  "use numbers and booleans only");
  auto type = RankedTensorType::get(tensor.dims, element);
  std::string hint = n.node.outputs.empty() ? "constant" : n.node.outputs[0];
  return n.e.constant(ir::makeConstant(type, tensor.bytes, hint, tensor.owner));
}

LogicalResult constant(NodeBinder &n) {
  if (const Attribute *attr = n.attribute("value"); attr && attr->tensor) {
    FailureOr<Value> value = tensorConstant(n, *attr->tensor);
    if (failed(value))
      return failure();
    n.setOutput(0, *value, attr->tensor->type);
    return success();
  }
  auto vector = [&](auto elements, Type type, bool isScalar) {
    Shape shape;
    if (!isScalar)
      shape.push_back(elements.size());
    return n.e.constant(ir::makeConstant(
        RankedTensorType::get(shape, type), elements,
        n.node.outputs.empty() ? "constant" : n.node.outputs[0]));
  };
  for (const Attribute &attr : n.node.attributes) {
    if (attr.name == "value_int" || attr.name == "value_ints") {
      bool isScalar = attr.kind == Attribute::Kind::Int;
      SmallVector<int64_t> ints(attr.ints.begin(), attr.ints.end());
      if (isScalar)
        ints = {attr.i};
      n.setOutput(0,
                  vector(ArrayRef<int64_t>(ints), n.b.getI64Type(), isScalar),
                  DType::Int64);
      return success();
    }
    if (attr.name == "value_float" || attr.name == "value_floats") {
      bool isScalar = attr.kind == Attribute::Kind::Float;
      SmallVector<double> floats(attr.floats.begin(), attr.floats.end());
      if (isScalar)
        floats = {attr.f};
      n.setOutput(0,
                  vector(ArrayRef<double>(floats), n.b.getF32Type(), isScalar),
                  DType::Float);
      return success();
    }
  }
  return n.fail("the constant's kind is not supported",
                "a dense tensor, integers or floats wanted",
                "store a dense tensor");
}

LogicalResult constantOfShape(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  FailureOr<Sizes> sizes = n.sizes(0, "shape");
  if (failed(sizes) || failed(n.checkShape(sizes->most)))
    return failure();
  const Shape &shape = sizes->most;
  auto setResult = [&](Value value, DType type) {
    n.setOutput(0, value, type);
    for (const Length &length : sizes->lengths)
      if (failed(n.setLength(0, length.dim, length.value)))
        return LogicalResult(failure());
    return success();
  };
  const Attribute *attr = n.attribute("value");
  if (!attr || !attr->tensor)
    return setResult(n.e.splat(shape, n.b.getF32Type(), 0), DType::Float);
  const Tensor &tensor = *attr->tensor;
  Type element = toElementType(n.b.getContext(), tensor.type);
  if (!element || product(Shape(tensor.dims.begin(), tensor.dims.end())) != 1)
    return n.fail("value is not one number",
                  StringRef("type ") + name(tensor.type));
  auto one = RankedTensorType::get({}, element);
  auto dense =
      cast<DenseElementsAttr>(ir::makeConstant(one, tensor.bytes, "value"));
  return setResult(
      n.e.constant(ir::makeSplat(RankedTensorType::get(shape, element),
                                 dense.getSplatValue<mlir::Attribute>())),
      tensor.type);
}

LogicalResult range(NodeBinder &n) {
  if (failed(n.needInputs(3)))
    return failure();
  Type element = n.element(0);
  bool isFloat = isFloating(n.type(0));
  Shape ints;
  std::vector<double> floats;
  for (size_t i = 0; i < 3; ++i) {
    if (isFloat) {
      FailureOr<std::vector<double>> value = n.constantFloats(i, "a bound");
      if (failed(value) || value->size() != 1)
        return failure();
      floats.push_back(value->front());
    } else {
      FailureOr<Shape> value = n.constantInts(i, "a bound");
      if (failed(value) || value->size() != 1)
        return failure();
      ints.push_back(value->front());
      floats.push_back(static_cast<double>(value->front()));
    }
  }
  double span = std::ceil((floats[1] - floats[0]) / floats[2]);
  if (!(span < 1e9))
    return n.fail("the range is too long or its step is 0",
                  "at most 1e9 elements");
  int64_t count = std::max<int64_t>(0, static_cast<int64_t>(span));
  // start + i * delta; integers in i64 arithmetic, exact.
  Type type = isFloat ? computeType(element) : Type(n.b.getI64Type());
  Value y = n.e.indexed(Shape{count}, element, [&](Scalars &s, ValueRange at) {
    Value i = s.cast(s.cast(at[0], s.b.getI64Type()), type);
    Value start =
        isFloat ? s.constant(type, floats[0]) : s.constantInt(type, ints[0]);
    Value delta =
        isFloat ? s.constant(type, floats[2]) : s.constantInt(type, ints[2]);
    return s.cast(s.add(start, s.mul(i, delta)), element);
  });
  n.setOutput(0, y, n.type(0));
  return success();
}

LogicalResult oneHot(NodeBinder &n) {
  if (failed(n.needInputs(3)))
    return failure();
  int64_t depth = 0;
  if (isFloating(n.type(1))) {
    FailureOr<std::vector<double>> value = n.constantFloats(1, "depth");
    if (failed(value))
      return failure();
    depth = value->empty() || !(std::fabs(value->front()) < 1e9)
                ? 0
                : static_cast<int64_t>(value->front());
  } else {
    FailureOr<Shape> value = n.constantInts(1, "depth");
    if (failed(value))
      return failure();
    depth = value->empty() ? 0 : value->front();
  }
  if (depth < 1)
    return n.fail("depth is not positive", "depth " + Twine(depth));
  if (n.rank(2) != 1 || n.shape(2)[0] != 2)
    return n.fail("values is not [off, on]", "shape " + toText(n.shape(2)));
  int64_t rank = n.rank(0) + 1;
  FailureOr<int64_t> axis = n.axis(n.intAttr("axis", -1), rank);
  if (failed(axis))
    return failure();
  Shape shape(n.shape(0));
  shape.insert(shape.begin() + *axis, depth);
  if (failed(n.checkShape(shape)))
    return failure();
  Emitter &e = n.e;
  AffineMap constantMap[2];
  for (int64_t i = 0; i < 2; ++i)
    constantMap[i] = AffineMap::get(rank, 0, n.b.getAffineConstantExpr(i));
  Type i64 = n.b.getI64Type();
  Value y = e.mapWith(
      {n.input(0), n.input(2), n.input(2)},
      {e.withoutDims(rank, *axis), constantMap[0], constantMap[1]}, shape,
      n.element(2),
      [&](Scalars &s, ValueRange args) {
        Value index = s.cast(args[0], i64, n.isUnsigned(0));
        Value wrapped =
            s.select(s.cmp(Cmp::LT, index, s.constantInt(i64, 0)),
                     s.add(index, s.constantInt(i64, depth)), index);
        Value here = s.cast(s.make<linalg::IndexOp>(*axis), i64);
        return s.select(s.cmp(Cmp::EQ, wrapped, here), args[2], args[1]);
      },
      /*widen=*/false);
  n.setOutput(0, y, n.type(2));
  return success();
}

LogicalResult eyeLike(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  if (n.rank(0) != 2)
    return n.fail("the input is not a matrix", "shape " + toText(n.shape(0)));
  DType type =
      static_cast<DType>(n.intAttr("dtype", static_cast<int64_t>(n.type(0))));
  Type element = toElementType(n.b.getContext(), type);
  if (!element)
    return n.fail("dtype is not supported", StringRef("type ") + name(type));
  int64_t k =
      std::clamp<int64_t>(n.intAttr("k", 0), -n.shape(0)[0], n.shape(0)[1]);
  n.setOutput(0,
              n.e.indexed(n.shape(0), element,
                          [&](Scalars &s, ValueRange at) {
                            Value shifted =
                                s.make<arith::AddIOp>(at[0], s.index(k));
                            return s.select(s.cmp(Cmp::EQ, at[1], shifted),
                                            s.constantInt(element, 1),
                                            s.constantInt(element, 0));
                          }),
              type);
  return success();
}

LogicalResult trilu(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  int64_t rank = n.rank(0), k = 0;
  if (rank < 2)
    return n.fail("the input is not a matrix", "shape " + toText(n.shape(0)));
  if (n.hasInput(1)) {
    FailureOr<Shape> given = n.constantInts(1, "k");
    if (failed(given))
      return failure();
    k = given->empty() ? 0 : given->front();
  }
  k = std::clamp<int64_t>(k, -n.shape(0)[rank - 2] - 1,
                          n.shape(0)[rank - 1] + 1);
  bool isUpper = n.intAttr("upper", 1) != 0;
  n.setOutput(
      0,
      n.e.map(
          n.input(0), n.shape(0), n.element(0),
          [&](Scalars &s, ValueRange args) {
            Value row = s.make<linalg::IndexOp>(rank - 2);
            Value column = s.make<linalg::IndexOp>(rank - 1);
            Value diagonal = s.make<arith::AddIOp>(row, s.index(k));
            Value isKept = s.cmp(isUpper ? Cmp::GE : Cmp::LE, column, diagonal);
            return s.select(isKept, args[0], s.constant(args[0].getType(), 0));
          },
          /*widen=*/false),
      n.type(0));
  return success();
}

} // namespace

void registerGenerate(Registry &registry) {
  registry.add("", {{"Constant", 1, constant, "dense, no strings"},
                    {"ConstantOfShape", 9, constantOfShape, "constant shape"},
                    {"EyeLike", 9, eyeLike},
                    {"OneHot", 9, oneHot, "constant depth"},
                    {"Range", 11, range, "constant bounds"},
                    {"Trilu", 14, trilu, "constant k"}});
}

} // namespace cim::onnx
