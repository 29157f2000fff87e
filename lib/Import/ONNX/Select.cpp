// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// TopK, and operators whose results are as long as the data say: NonZero,
// Compress, NonMaxSuppression, Unique. Such a result has the size of the worst
// case and a run-time length (Length in Binder.h).

#include "Select.h"

#include "cim/IR/Constants.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace cim::onnx {

using Cmp = Scalars::Cmp;

Value maskBeyond(NodeBinder &n, Value x, ArrayRef<Length> lengths,
                 TypedAttr fill) {
  if (lengths.empty())
    return x;
  int64_t rank = rankOf(x);
  SmallVector<Value> inputs{x};
  SmallVector<AffineMap> maps{n.e.identity(rank)};
  for (const Length &length : lengths) {
    inputs.push_back(length.value);
    maps.push_back(AffineMap::get(rank, 0, n.b.getContext()));
  }
  return n.e.mapWith(
      inputs, maps, shapeOf(x), elementOf(x),
      [&](Scalars &s, ValueRange args) {
        Value inside;
        for (auto [i, length] : llvm::enumerate(lengths)) {
          Value at =
              s.cast(s.make<linalg::IndexOp>(length.dim), s.b.getI64Type());
          Value here = s.cmp(Cmp::LT, at, args[1 + i]);
          inside = inside ? s.bitAnd(inside, here) : here;
        }
        return s.select(inside, args[0], s.make<arith::ConstantOp>(fill));
      },
      /*widen=*/false);
}

Value gatherDim(Emitter &e, Value data, int64_t dim, Value indices) {
  Shape shape(shapeOf(data));
  shape[dim] = shapeOf(indices)[0];
  int64_t rank = shape.size();
  return e.mapWith(
      indices, e.oneDim(rank, dim), shape, elementOf(data),
      [&](Scalars &s, ValueRange args) {
        SmallVector<Value> at;
        for (int64_t d = 0; d < rank; ++d)
          at.push_back(d == dim ? s.toIndex(args[0])
                                : s.make<linalg::IndexOp>(d));
        return s.extract(data, at);
      },
      /*widen=*/false);
}

Found emitNonZero(Emitter &e, Value x) {
  Type i64 = e.b.getI64Type();
  auto indices = RankedTensorType::get({rankOf(x), product(shapeOf(x))}, i64);
  auto op = ir::NonZeroOp::create(e.b, e.loc, indices,
                                  RankedTensorType::get({}, i64), x);
  return {op.getIndices(), op.getCount()};
}

Value scalarTensor(NodeBinder &n, Value x, Type type) {
  x = n.e.reshape(x, {});
  return n.e.cast(x, type);
}

namespace {

/// Types the control processor compares.
LogicalResult needComparable(NodeBinder &n, size_t i) {
  Type element = n.element(i);
  bool isKnown = element.isF16() || element.isBF16() || element.isF32() ||
                 element.isF64() || element.isInteger(1) ||
                 element.isInteger(8) || element.isInteger(16) ||
                 element.isInteger(32) || element.isInteger(64);
  if (isKnown)
    return success();
  return n.fail("elements of type " + Twine(name(n.type(i))) +
                    " are not compared",
                "booleans, integers of 8 to 64 bits and floats of 16 to 64",
                "cast them before");
}

//===----------------------------------------------------------------------===//
// TopK
//===----------------------------------------------------------------------===//

struct TopKCall {
  Value input;
  int64_t axis, k;
  Value length; ///< min(k, size) at run time, or null.
};

LogicalResult emitTopK(NodeBinder &n, const TopKCall &call) {
  int64_t rank = n.rank(0);
  Shape perm;
  for (int64_t d = 0; d < rank; ++d)
    if (d != call.axis)
      perm.push_back(d);
  perm.push_back(call.axis);
  Shape inverse(rank);
  for (int64_t d = 0; d < rank; ++d)
    inverse[perm[d]] = d;
  Value x = n.e.transpose(call.input, perm);
  Shape shape(shapeOf(x));
  shape.back() = call.k;
  Value values, indices;
  if (llvm::is_contained(shape, 0)) {
    values = n.e.empty(shape, n.element(0));
    indices = n.e.empty(shape, n.b.getI64Type());
  } else {
    auto op = ir::TopKOp::create(n.b, n.e.loc,
                                 RankedTensorType::get(shape, n.element(0)),
                                 RankedTensorType::get(shape, n.b.getI64Type()),
                                 x, call.k, n.intAttr("largest", 1) != 0,
                                 n.intAttr("sorted", 1) != 0, n.isUnsigned(0));
    values = op.getValues();
    indices = op.getIndices();
  }
  n.setOutput(0, n.e.transpose(values, inverse), n.type(0));
  n.setOutput(1, n.e.transpose(indices, inverse), DType::Int64);
  for (size_t i = 0; i < 2; ++i) {
    for (const Length &length : n.lengths(0))
      if (length.dim != call.axis &&
          failed(n.setLength(i, length.dim, length.value)))
        return failure();
    if (call.length && failed(n.setLength(i, call.axis, call.length)))
      return failure();
  }
  return success();
}

/// The smaller of two tensor<i64>.
Value minLength(NodeBinder &n, Value a, Value b) {
  return n.e.map({a, b}, {}, n.b.getI64Type(), [](Scalars &s, ValueRange args) {
    return s.min(args[0], args[1]);
  });
}

LogicalResult topK(NodeBinder &n) {
  if (failed(n.needInputs(n.opset >= 10 ? 2 : 1)) ||
      failed(needComparable(n, 0)))
    return failure();
  FailureOr<int64_t> axis = n.axis(n.intAttr("axis", -1), n.rank(0));
  if (failed(axis))
    return failure();
  TopKCall call{n.input(0), *axis, n.intAttr("k", -1), {}};
  int64_t size = n.shape(0)[*axis];
  Type i64 = n.b.getI64Type();
  Value bound = n.length(0, *axis);
  bool isKnown = n.opset < 10;
  if (!isKnown) {
    ir::Evaluator evaluator;
    const ir::Literal *literal = evaluator.evaluate(n.input(1));
    isKnown = literal && literal->elements.size() == 1;
    if (isKnown)
      call.k = literal->elements[0].i;
    else if (product(n.shape(1)) != 1)
      return n.fail("K has several elements", "shape " + toText(n.shape(1)));
  }
  if (!isKnown || bound) {
    // All of them, cut at run time.
    Value k = isKnown ? n.e.reshape(n.e.ints({call.k}), {})
                      : scalarTensor(n, n.input(1), i64);
    call.length =
        minLength(n, k, bound ? bound : n.e.reshape(n.e.ints({size}), {}));
    call.k = isKnown ? std::clamp<int64_t>(call.k, 0, size) : size;
  }
  if (call.k < 0 || call.k > size)
    return n.fail("k is out of range",
                  "k " + Twine(call.k) + ", " + Twine(size) + " elements");
  if (bound) {
    // What lies beyond the length comes last: of equal elements those of lower
    // position are taken, and NaN is the largest float.
    TypedAttr worst = lowest(n.b, n.element(0), n.isUnsigned(0));
    if (!n.intAttr("largest", 1))
      worst = isFloating(n.type(0))
                  ? n.b.getFloatAttr(n.element(0),
                                     std::numeric_limits<double>::quiet_NaN())
                  : highest(n.b, n.element(0), n.isUnsigned(0));
    call.input = maskBeyond(n, call.input, {{*axis, bound}}, worst);
  }
  return emitTopK(n, call);
}

//===----------------------------------------------------------------------===//
// NonZero, Compress
//===----------------------------------------------------------------------===//

/// Positions known now: the exact result.
std::optional<Value> constantNonZero(NodeBinder &n) {
  ir::Evaluator evaluator;
  const ir::Literal *literal = evaluator.evaluate(n.input(0));
  if (!literal || !n.lengths(0).empty())
    return std::nullopt;
  bool isFloat = isa<FloatType>(n.element(0));
  int64_t rank = n.rank(0), count = 0;
  SmallVector<SmallVector<int64_t>> found(rank);
  for (auto [i, scalar] : llvm::enumerate(literal->elements)) {
    if (isFloat ? scalar.f == 0 : scalar.i == 0)
      continue;
    int64_t rest = static_cast<int64_t>(i);
    for (int64_t d = rank - 1; d >= 0; rest /= n.shape(0)[d--])
      found[d].push_back(rest % n.shape(0)[d]);
    ++count;
  }
  SmallVector<int64_t> all;
  for (const auto &list : found)
    llvm::append_range(all, list);
  auto type = RankedTensorType::get({rank, count}, n.b.getI64Type());
  if (all.empty())
    return n.e.empty(type.getShape(), type.getElementType());
  return n.e.constant(
      ir::makeConstant(type, ArrayRef<int64_t>(all), "nonzero"));
}

LogicalResult nonZero(NodeBinder &n) {
  if (failed(n.needInputs(1)) || failed(needComparable(n, 0)))
    return failure();
  if (n.rank(0) > 8)
    return n.fail("the input has too many dimensions",
                  "rank " + Twine(n.rank(0)) + ", at most 8");
  if (std::optional<Value> known = constantNonZero(n)) {
    n.setOutput(0, *known, DType::Int64);
    return success();
  }
  if (llvm::is_contained(n.shape(0), 0)) {
    n.setOutput(0, n.e.empty({n.rank(0), 0}, n.b.getI64Type()), DType::Int64);
    return success();
  }
  Value x =
      maskBeyond(n, n.input(0), n.lengths(0), n.e.scalarAttr(n.element(0), 0));
  Found found = emitNonZero(n.e, n.rank(0) ? x : n.e.reshape(x, {1}));
  // A scalar has no coordinates: 0 x count.
  Value indices =
      n.rank(0) ? found.indices : n.e.empty({0, 1}, n.b.getI64Type());
  n.setOutput(0, indices, DType::Int64);
  return n.setLength(0, 1, found.count);
}

LogicalResult compress(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  Value data = n.input(0);
  int64_t axis = 0;
  SmallVector<Length, 1> kept;
  if (n.attribute("axis")) {
    FailureOr<int64_t> given = n.axis(n.intAttr("axis", 0), n.rank(0));
    if (failed(given))
      return failure();
    axis = *given;
    kept.assign(n.lengths(0).begin(), n.lengths(0).end());
  } else if (!n.lengths(0).empty()) {
    return failOnLengths(n);
  } else {
    data = n.e.reshape(data, {product(n.shape(0))});
  }
  int64_t size = shapeOf(data)[axis];
  if (n.rank(1) != 1 || !n.element(1).isInteger(1) || n.shape(1)[0] > size)
    return n.fail("the condition is no list of booleans, or longer than the "
                  "axis",
                  "shape " + toText(n.shape(1)) + ", size " + Twine(size));
  ir::Evaluator evaluator;
  const ir::Literal *known = evaluator.evaluate(n.input(1));
  if (known && n.lengths(1).empty()) {
    SmallVector<Value> parts;
    for (auto [i, keep] : llvm::enumerate(known->elements))
      if (keep.i)
        parts.push_back(n.e.sliceDim(data, axis, i, 1));
    if (parts.empty())
      parts.push_back(n.e.sliceDim(data, axis, 0, 0));
    n.setOutput(0, n.e.concat(parts, axis), n.type(0));
  } else if (llvm::is_contained(shapeOf(data), 0) || n.shape(1)[0] == 0) {
    n.setOutput(0, n.e.sliceDim(data, axis, 0, 0), n.type(0));
  } else {
    // What lies beyond a length is not selected.
    SmallVector<Length, 1> lengths(n.lengths(1));
    if (Value length = n.length(0, axis); length && n.attribute("axis"))
      lengths.push_back({0, length});
    Value condition =
        maskBeyond(n, n.input(1), lengths, n.b.getBoolAttr(false));
    Found found = emitNonZero(n.e, condition);
    Value indices = n.e.reshape(found.indices, n.shape(1));
    n.setOutput(0, gatherDim(n.e, data, axis, indices), n.type(0));
    llvm::erase_if(kept, [&](const Length &l) { return l.dim == axis; });
    if (failed(n.setLength(0, axis, found.count)))
      return failure();
  }
  for (const Length &length : kept)
    if (length.dim != axis && failed(n.setLength(0, length.dim, length.value)))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// NonMaxSuppression
//===----------------------------------------------------------------------===//

LogicalResult nonMaxSuppression(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  bool fits = n.rank(0) == 3 && n.rank(1) == 3 && n.shape(0)[2] == 4 &&
              n.shape(0)[0] == n.shape(1)[0] &&
              n.shape(0)[1] == n.shape(1)[2] && n.element(0).isF32() &&
              n.element(1).isF32();
  if (!fits)
    return n.fail("boxes and scores do not fit each other",
                  "shapes " + toText(n.shape(0)) + " and " +
                      toText(n.shape(1)));
  Type i64 = n.b.getI64Type(), f32 = n.b.getF32Type();
  int64_t boxes = n.shape(0)[1], limit = boxes;
  auto scalar = [&](size_t i, Type type, double orElse) {
    if (n.hasInput(i))
      return scalarTensor(n, n.input(i), type);
    return n.e.splat({}, type, orElse);
  };
  for (size_t i = 2; i < 5; ++i)
    if (n.hasInput(i) && product(n.shape(i)) != 1)
      return n.fail("a threshold is no single number",
                    "input " + Twine(i) + ", shape " + toText(n.shape(i)));
  Value most = scalar(2, i64, 0);
  ir::Evaluator evaluator;
  if (const ir::Literal *known = evaluator.evaluate(most))
    limit = std::clamp<int64_t>(known->elements[0].i, 0, boxes);
  int64_t pairs = n.shape(1)[0] * n.shape(1)[1];
  if (limit == 0 || pairs == 0) {
    n.setOutput(0, n.e.empty({0, 3}, i64), DType::Int64);
    return success();
  }
  if (failed(n.checkShape({pairs, limit, 3})))
    return failure();
  if (failed(n.checkShape({pairs, boxes, limit})))
    return n.fail("too many comparisons of boxes",
                  Twine(pairs) + " lists of " + Twine(boxes) + " boxes, " +
                      Twine(limit) + " selected; at most 2^40 in all",
                  "give max_output_boxes_per_class as a constant");
  Value scores = n.input(1);
  if (Value length = n.length(1, 2) ? n.length(1, 2) : n.length(0, 1))
    // Boxes beyond the length are never selected.
    scores = maskBeyond(
        n, scores, {{2, length}},
        n.b.getF32FloatAttr(std::numeric_limits<float>::quiet_NaN()));
  for (const Length &length : n.lengths(0))
    if (length.dim != 1)
      return failOnLengths(n);
  for (const Length &length : n.lengths(1))
    if (length.dim != 2)
      return failOnLengths(n);
  auto op = ir::NmsOp::create(
      n.b, n.e.loc, RankedTensorType::get({pairs * limit, 3}, i64),
      RankedTensorType::get({}, i64), n.input(0), scores, most,
      scalar(3, f32, 0), n.hasInput(4) ? scalar(4, f32, 0) : Value(), limit,
      n.intAttr("center_point_box", 0) != 0);
  n.setOutput(0, op.getSelected(), DType::Int64);
  return n.setLength(0, 0, op.getCount());
}

} // namespace

void registerSelect(Registry &registry) {
  const char *variable = "run-time length";
  registry.add("", {{"Compress", 9, compress, variable},
                    {"NonMaxSuppression", 10, nonMaxSuppression, variable},
                    {"NonZero", 9, nonZero, variable},
                    {"TopK", 1, topK, "any K; a computed one: run-time length"},
                    {"Unique", 11, unique, variable}});
}

} // namespace cim::onnx
