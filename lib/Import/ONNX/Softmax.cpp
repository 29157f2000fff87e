// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Softmax, LogSoftmax, Hardmax.

#include "Reduce.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace cim::onnx {
namespace {

/// Dimensions normalised together: one axis since opset 13, before that all
/// from `axis` on.
FailureOr<Shape> softmaxDims(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  bool isSingle = n.opset >= 13;
  int64_t given = n.intAttr("axis", isSingle ? -1 : 1);
  int64_t rank = n.rank(0);
  if (!isSingle && given == rank) // An empty right-hand side.
    return Shape{};
  FailureOr<int64_t> axis = n.axis(given, rank);
  if (failed(axis))
    return failure();
  Shape dims{*axis};
  for (int64_t d = *axis + 1; !isSingle && d < rank; ++d)
    dims.push_back(d);
  return dims;
}

/// Maximum, exponentials of the differences, their sum, and the product with
/// its reciprocal: one division per row instead of one per element. The sum is
/// at least 1, the exponential of the maximum's difference with itself.
LogicalResult softmax(NodeBinder &n, bool isLog) {
  FailureOr<Shape> dims = softmaxDims(n);
  if (failed(dims))
    return failure();
  if (!isFloating(n.type(0)))
    return n.fail("operand is not floating point",
                  StringRef("type ") + name(n.type(0)));
  Emitter &e = n.e;
  Type element = n.element(0), type = computeType(element);
  Value x = e.cast(n.input(0), type);
  Value max = emitMax(e, x, *dims);
  if (isLog) {
    Value shifted = emitWithReduced(
        e, x, max, *dims, type,
        [](Scalars &s, ValueRange args) { return s.sub(args[0], args[1]); });
    Value sum = emitSum(e, shifted, *dims, [](Scalars &s, Value v) {
      return s.make<math::ExpOp>(v);
    });
    Value log = e.map(sum, shapeOf(sum), type, [](Scalars &s, ValueRange args) {
      return s.make<math::LogOp>(args[0]);
    });
    n.setOutput(0, emitWithReduced(e, shifted, log, *dims, element,
                                   [&](Scalars &s, ValueRange args) {
                                     return s.cast(s.sub(args[0], args[1]),
                                                   element);
                                   }));
    return success();
  }
  Value exps =
      emitWithReduced(e, x, max, *dims, type, [](Scalars &s, ValueRange args) {
        return s.make<math::ExpOp>(s.sub(args[0], args[1]));
      });
  Value sum = emitSum(e, exps, *dims);
  Value scale =
      e.map(sum, shapeOf(sum), type, [&](Scalars &s, ValueRange args) {
        return s.div(s.constant(type, 1), args[0]);
      });
  n.setOutput(0, emitWithReduced(e, exps, scale, *dims, element,
                                 [&](Scalars &s, ValueRange args) {
                                   return s.cast(s.mul(args[0], args[1]),
                                                 element);
                                 }));
  return success();
}

/// One at the first maximum, zero elsewhere.
LogicalResult hardmax(NodeBinder &n) {
  FailureOr<Shape> dims = softmaxDims(n);
  if (failed(dims))
    return failure();
  Emitter &e = n.e;
  Type element = n.element(0);
  // Several dimensions are flattened into their first.
  Shape flat(n.shape(0));
  int64_t axis = dims->empty() ? n.rank(0) : dims->front();
  if (dims->size() != 1) {
    flat.resize(axis);
    flat.push_back(countOf(n.input(0), *dims));
  }
  Value x = e.reshape(n.input(0), flat);
  Value best =
      emitArg(e, x, axis, /*isMax=*/true, /*isLast=*/false, n.isUnsigned(0));
  int64_t rank = flat.size();
  Value y = e.mapWith(
      best, e.withoutDims(rank, axis), flat, element,
      [&](Scalars &s, ValueRange args) {
        Value at = s.cast(s.make<linalg::IndexOp>(axis), s.b.getI64Type());
        return s.select(s.cmp(Scalars::Cmp::EQ, at, args[0]),
                        s.constant(element, 1), s.constant(element, 0));
      });
  n.setOutput(0, e.reshape(y, n.shape(0)), n.type(0));
  return success();
}

} // namespace

void registerSoftmax(Registry &registry) {
  auto plain = [](NodeBinder &n) { return softmax(n, false); };
  auto log = [](NodeBinder &n) { return softmax(n, true); };
  registry.add(
      "",
      {{"Hardmax", 1, hardmax}, {"LogSoftmax", 1, log}, {"Softmax", 1, plain}});
}

} // namespace cim::onnx
