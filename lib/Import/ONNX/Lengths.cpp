// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What operators do with dimensions whose length a run decides. Elements beyond
// the length are computed like the others and mean nothing, so an operator
// whose result elements each depend on the elements at the same place of the
// dimension only passes the length on. The others mask, or are refused.

#include "Select.h"

#include "cim/IR/Constants.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace cim::onnx {

LogicalResult failOnLengths(NodeBinder &n) {
  for (size_t i = 0; i < n.numInputs(); ++i)
    for (const Length &length : n.lengths(i))
      return n.fail("dimension " + Twine(length.dim) + " of input " + Twine(i) +
                        " ('" + n.node.inputs[i] +
                        "') has a length that only a run decides",
                    "at most " + Twine(n.shape(i)[length.dim]) +
                        ", and the operator must know it when compiling",
                    "make '" + n.node.inputs[i] +
                        "' an output of the model and compute the rest from "
                        "it elsewhere");
  return n.fail("a dimension has a length that only a run decides",
                "the operator must know it when compiling");
}

namespace {

/// The handler sets the lengths itself.
LogicalResult done(NodeBinder &) { return success(); }

ArrayRef<int64_t> resultShape(NodeBinder &n) {
  return shapeOf(n.results()[0].value);
}

/// Results broadcast from all inputs.
LogicalResult elementwise(NodeBinder &n) {
  int64_t rank = resultShape(n).size();
  for (size_t i = 0; i < n.numInputs(); ++i)
    for (const Length &length : n.lengths(i)) {
      int64_t dim = rank - n.rank(i) + length.dim;
      // A size of 1 would be broadcast whatever its length.
      if (n.shape(i)[length.dim] != resultShape(n)[dim])
        return failOnLengths(n);
      if (failed(n.setLength(0, dim, length.value)))
        return failure();
    }
  return success();
}

LogicalResult ofFirst(NodeBinder &n) {
  for (const Length &length : n.lengths(0))
    if (failed(n.setLength(0, length.dim, length.value)))
      return failure();
  return success();
}

/// As input 0, which alone may have lengths.
LogicalResult sameAsFirst(NodeBinder &n) {
  for (size_t i = 1; i < n.numInputs(); ++i)
    if (!n.lengths(i).empty())
      return failOnLengths(n);
  return ofFirst(n);
}

LogicalResult unsqueeze(NodeBinder &n) {
  FailureOr<std::optional<Shape>> given = n.intsAttrOrInput("axes", 1);
  if (failed(given) || !*given)
    return failure();
  int64_t rank = resultShape(n).size(), from = 0;
  FailureOr<Shape> axes = n.axes(**given, rank);
  if (failed(axes))
    return failure();
  for (int64_t d = 0; d < rank; ++d) {
    if (llvm::is_contained(*axes, d))
      continue;
    if (Value length = n.length(0, from++))
      if (failed(n.setLength(0, d, length)))
        return failure();
  }
  return success();
}

LogicalResult transpose(NodeBinder &n) {
  std::optional<Shape> perm = n.intsAttr("perm");
  int64_t rank = n.rank(0);
  for (int64_t to = 0; to < rank; ++to) {
    int64_t from = perm ? (*perm)[to] : rank - 1 - to;
    if (Value length = n.length(0, from < 0 ? from + rank : from))
      if (failed(n.setLength(0, to, length)))
        return failure();
  }
  return success();
}

/// length * factor
Value scaled(NodeBinder &n, Value length, int64_t factor) {
  if (factor == 1)
    return length;
  return n.e.map(
      length, {}, n.b.getI64Type(), [&](Scalars &s, ValueRange args) {
        return s.mul(args[0], s.constantInt(args[0].getType(), factor));
      });
}

/// A dimension stays one, or is the first but for ones and absorbs others that
/// vary faster.
LogicalResult reshape(NodeBinder &n) {
  ArrayRef<int64_t> to = resultShape(n);
  for (size_t i = 1; i < n.numInputs(); ++i)
    if (!n.lengths(i).empty())
      return failOnLengths(n);
  for (const Length &length : n.lengths(0)) {
    int64_t before = product(n.shape(0).take_front(length.dim));
    int64_t size = n.shape(0)[length.dim];
    bool isFound = false;
    int64_t prefix = 1;
    for (int64_t d = 0, e = to.size(); d < e && !isFound; prefix *= to[d++]) {
      if (prefix != before)
        continue;
      bool isSame = to[d] == size;
      bool absorbs = size != 0 && to[d] > size && to[d] % size == 0;
      if (!isSame && !absorbs)
        continue;
      isFound = true;
      if (failed(n.setLength(0, d, scaled(n, length.value, to[d] / size))))
        return failure();
    }
    if (!isFound)
      return failOnLengths(n);
  }
  return success();
}

LogicalResult concat(NodeBinder &n) {
  int64_t rank = n.rank(0), axis = n.intAttr("axis", 1);
  axis = axis < 0 ? axis + rank : axis;
  for (size_t i = 0; i < n.numInputs(); ++i)
    for (const Length &length : n.lengths(i)) {
      // Along the axis only the last part may be shorter than it could be.
      if (length.dim != axis) {
        if (failed(n.setLength(0, length.dim, length.value)))
          return failure();
        continue;
      }
      if (i + 1 != n.numInputs())
        return failOnLengths(n);
      int64_t offset = resultShape(n)[axis] - n.shape(i)[axis];
      Value total = n.e.map(
          length.value, {}, n.b.getI64Type(), [&](Scalars &s, ValueRange args) {
            return s.add(args[0], s.constantInt(args[0].getType(), offset));
          });
      if (failed(n.setLength(0, axis, total)))
        return failure();
    }
  return success();
}

/// data[.., indices, ..]: lengths of the indices, and of the data's other
/// dimensions. Indices into a dimension are checked against the most it can be.
LogicalResult gather(NodeBinder &n) {
  int64_t axis = n.intAttr("axis", 0);
  axis = axis < 0 ? axis + n.rank(0) : axis;
  for (const Length &length : n.lengths(1))
    if (failed(n.setLength(0, axis + length.dim, length.value)))
      return failure();
  for (const Length &length : n.lengths(0)) {
    if (length.dim == axis)
      continue;
    int64_t dim = length.dim < axis ? length.dim : length.dim + n.rank(1) - 1;
    if (failed(n.setLength(0, dim, length.value)))
      return failure();
  }
  return success();
}

LogicalResult gatherElements(NodeBinder &n) {
  for (const Length &length : n.lengths(1))
    if (failed(n.setLength(0, length.dim, length.value)))
      return failure();
  return success();
}

LogicalResult gatherND(NodeBinder &n) {
  int64_t batch = n.intAttr("batch_dims", 0), last = n.rank(1) - 1;
  int64_t depth = n.shape(1)[last];
  for (const Length &length : n.lengths(1)) {
    if (length.dim == last)
      return failOnLengths(n);
    if (failed(n.setLength(0, length.dim, length.value)))
      return failure();
  }
  for (const Length &length : n.lengths(0)) {
    if (length.dim < batch)
      return failOnLengths(n);
    if (length.dim >= batch + depth &&
        failed(n.setLength(0, length.dim - batch - depth + last, length.value)))
      return failure();
  }
  return success();
}

/// The left operand's rows.
LogicalResult matMul(NodeBinder &n) {
  bool isPlain = n.rank(0) >= 2 && n.intAttr("transA", 0) == 0;
  for (size_t i = 1; i < n.numInputs(); ++i)
    isPlain &= n.lengths(i).empty();
  for (const Length &length : n.lengths(0)) {
    if (!isPlain || length.dim + 1 == n.rank(0) ||
        static_cast<int64_t>(resultShape(n).size()) < n.rank(0))
      return failOnLengths(n);
    int64_t dim = length.dim + resultShape(n).size() - n.rank(0);
    if (failed(n.setLength(0, dim, length.value)))
      return failure();
  }
  return success();
}

/// Softmax and its like: lengths of the dimensions that are not normalized.
LogicalResult alongAxis(NodeBinder &n) {
  int64_t rank = n.rank(0), axis = n.intAttr("axis", -1);
  axis = axis < 0 ? axis + rank : axis;
  if (n.opset < 13) // One matrix: everything from the axis on.
    for (const Length &length : n.lengths(0))
      if (length.dim >= axis)
        return failOnLengths(n);
  if (n.length(0, axis))
    return failOnLengths(n);
  return sameAsFirst(n);
}

/// What a reduction's elements beyond a length are set to; null for operators
/// that cannot do without knowing it.
TypedAttr neutralElement(NodeBinder &n) {
  StringRef op = n.node.opType;
  Type type = n.element(0);
  bool isUnsigned = n.isUnsigned(0);
  if (op == "ReduceSum" || op == "ReduceL1" || op == "ReduceL2" ||
      op == "ReduceSumSquare")
    return n.e.scalarAttr(type, 0);
  if (op == "ReduceProd")
    return n.e.scalarAttr(type, 1);
  // Of equal elements an ArgMax takes the first.
  bool takesFirst = n.intAttr("select_last_index", 0) == 0;
  if (op == "ReduceMax" || (op == "ArgMax" && takesFirst))
    return lowest(n.b, type, isUnsigned);
  if (op == "ReduceMin" || (op == "ArgMin" && takesFirst))
    return highest(n.b, type, isUnsigned);
  return {};
}

/// The dimensions a reduction reduces.
FailureOr<Shape> reducedDims(NodeBinder &n) {
  int64_t rank = n.rank(0);
  if (StringRef(n.node.opType).starts_with("Arg"))
    return n.axes({n.intAttr("axis", 0)}, rank);
  FailureOr<std::optional<Shape>> given = n.intsAttrOrInput("axes", 1);
  if (failed(given))
    return failure();
  if (*given && !(*given)->empty())
    return n.axes(**given, rank);
  Shape all;
  if (n.intAttr("noop_with_empty_axes", 0) == 0)
    for (int64_t d = 0; d < rank; ++d)
      all.push_back(d);
  return all;
}

LogicalResult reduction(NodeBinder &n) {
  FailureOr<Shape> dims = reducedDims(n);
  if (failed(dims))
    return failure();
  bool keeps = n.intAttr("keepdims", 1) != 0;
  for (const Length &length : n.lengths(0)) {
    if (llvm::is_contained(*dims, length.dim)) {
      if (!neutralElement(n))
        return failOnLengths(n);
      continue;
    }
    int64_t dim = length.dim;
    if (!keeps)
      dim -= llvm::count_if(*dims, [&](int64_t d) { return d < length.dim; });
    if (failed(n.setLength(0, dim, length.value)))
      return failure();
  }
  return success();
}

LogicalResult split(NodeBinder &n) {
  int64_t axis = n.intAttr("axis", 0);
  axis = axis < 0 ? axis + n.rank(0) : axis;
  for (const Length &length : n.lengths(0)) {
    if (length.dim == axis)
      return failOnLengths(n);
    for (size_t i = 0; i < n.numOutputs(); ++i)
      if (failed(n.setLength(i, length.dim, length.value)))
        return failure();
  }
  return success();
}

/// Operators whose results are computed element by element.
constexpr const char *elementwiseOps[] = {"Abs",
                                          "Acos",
                                          "Acosh",
                                          "Add",
                                          "And",
                                          "Asin",
                                          "Asinh",
                                          "Atan",
                                          "Atanh",
                                          "BitCast",
                                          "BitShift",
                                          "BitwiseAnd",
                                          "BitwiseNot",
                                          "BitwiseOr",
                                          "BitwiseXor",
                                          "Cast",
                                          "Ceil",
                                          "Celu",
                                          "Clip",
                                          "Cos",
                                          "Cosh",
                                          "Div",
                                          "Elu",
                                          "Equal",
                                          "Erf",
                                          "Exp",
                                          "Floor",
                                          "Gelu",
                                          "Greater",
                                          "GreaterOrEqual",
                                          "HardSigmoid",
                                          "HardSwish",
                                          "IsInf",
                                          "IsNaN",
                                          "LeakyRelu",
                                          "Less",
                                          "LessOrEqual",
                                          "Log",
                                          "Max",
                                          "Mean",
                                          "Min",
                                          "Mish",
                                          "Mod",
                                          "Mul",
                                          "Neg",
                                          "Not",
                                          "Or",
                                          "PRelu",
                                          "Pow",
                                          "Reciprocal",
                                          "Relu",
                                          "Round",
                                          "Selu",
                                          "Shrink",
                                          "Sigmoid",
                                          "Sign",
                                          "Sin",
                                          "Sinh",
                                          "Softplus",
                                          "Softsign",
                                          "Sqrt",
                                          "Sub",
                                          "Sum",
                                          "Swish",
                                          "Tan",
                                          "Tanh",
                                          "ThresholdedRelu",
                                          "Where",
                                          "Xor"};

llvm::StringMap<LengthRule> makeRules() {
  llvm::StringMap<LengthRule> rules;
  for (const char *name : elementwiseOps)
    rules[name] = elementwise;
  for (const char *name :
       {"DequantizeLinear", "Dropout", "Identity", "QuantizeLinear"})
    rules[name] = sameAsFirst;
  for (const char *name : {"Flatten", "Reshape", "Squeeze"})
    rules[name] = reshape;
  rules["CastLike"] = ofFirst;
  rules["Unsqueeze"] = unsqueeze;
  for (const char *name : {"Gemm", "MatMul"})
    rules[name] = matMul;
  for (const char *name : {"Hardmax", "LogSoftmax", "Softmax"})
    rules[name] = alongAxis;
  for (const char *name :
       {"ArgMax", "ArgMin", "ReduceL1", "ReduceL2", "ReduceLogSum",
        "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
        "ReduceSum", "ReduceSumSquare"})
    rules[name] = reduction;
  rules["Concat"] = concat;
  rules["Expand"] = elementwise;
  rules["Gather"] = gather;
  rules["GatherElements"] = gatherElements;
  rules["GatherND"] = gatherND;
  rules["Split"] = split;
  rules["Transpose"] = transpose;
  for (const char *name : {"Compress", "NonMaxSuppression", "NonZero",
                           "ScatterND", "Shape", "Size", "Slice", "TopK"})
    rules[name] = done;
  return rules;
}

} // namespace

LogicalResult prepareLengths(NodeBinder &n) {
  if (lengthRule(n.node.domain, n.node.opType) != reduction)
    return success();
  FailureOr<Shape> dims = reducedDims(n);
  if (failed(dims))
    return failure();
  SmallVector<Length, 1> reduced;
  for (const Length &length : n.lengths(0))
    if (llvm::is_contained(*dims, length.dim))
      reduced.push_back(length);
  if (reduced.empty())
    return success();
  TypedAttr neutral = neutralElement(n);
  if (!neutral)
    return failOnLengths(n);
  n.replaceInput(0, maskBeyond(n, n.input(0), reduced, neutral));
  return success();
}

LengthRule lengthRule(const std::string &domain, const std::string &name) {
  static const llvm::StringMap<LengthRule> rules = makeRules();
  return domain.empty() ? rules.lookup(name) : nullptr;
}

} // namespace cim::onnx
