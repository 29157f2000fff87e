// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers of the ops whose order depends on data. Constraint names are those
// of the op docs.
#include "dialects/CIM/IR/CIM.h"

using namespace mlir;
using namespace cim::ir;

static RankedTensorType tensorOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// Static, not empty, of numbers, and of a rank in [low, high].
static LogicalResult verifyNumbers(Operation *op, StringRef rule, Value value,
                                   int64_t low, int64_t high) {
  RankedTensorType type = tensorOf(value);
  if (!type.hasStaticShape() || type.getNumElements() < 1 ||
      type.getRank() < low || type.getRank() > high ||
      !type.getElementType().isIntOrFloat())
    return op->emitOpError()
           << rule << ": a tensor of numbers of rank " << low
           << (high == low ? "" : " or more")
           << " with static sizes of at least 1 is needed, found " << type;
  return success();
}

static LogicalResult verifyIs(Operation *op, StringRef rule, StringRef what,
                              Value value, ArrayRef<int64_t> shape,
                              Type element) {
  auto wanted = RankedTensorType::get(shape, element);
  if (value.getType() != wanted)
    return op->emitOpError() << rule << ": " << what << " is " << wanted
                             << ", found " << value.getType();
  return success();
}

static Type i64(Operation *op) {
  return IntegerType::get(op->getContext(), 64);
}
static Type f32(Operation *op) { return Float32Type::get(op->getContext()); }

LogicalResult TopKOp::verify() {
  if (failed(verifyNumbers(*this, "topk_c1", getInput(), 1, INT64_MAX)))
    return failure();
  RankedTensorType type = tensorOf(getInput());
  SmallVector<int64_t> shape(type.getShape());
  int64_t k = getK();
  if (k < 1 || k > shape.back())
    return emitOpError("topk_c2: k is 1 to ")
           << shape.back() << ", found " << k;
  shape.back() = k;
  if (failed(verifyIs(*this, "topk_c3", "the type of values", getValues(),
                      shape, type.getElementType())))
    return failure();
  return verifyIs(*this, "topk_c3", "the type of indices", getIndices(), shape,
                  i64(*this));
}

LogicalResult NonZeroOp::verify() {
  if (failed(verifyNumbers(*this, "nonzero_c1", getInput(), 1, 8)))
    return failure();
  RankedTensorType type = tensorOf(getInput());
  if (failed(verifyIs(*this, "nonzero_c2", "the type of indices", getIndices(),
                      {type.getRank(), type.getNumElements()}, i64(*this))))
    return failure();
  return verifyIs(*this, "nonzero_c2", "the type of count", getCount(), {},
                  i64(*this));
}

LogicalResult LexSortOp::verify() {
  if (failed(verifyNumbers(*this, "lexsort_c1", getInput(), 2, 2)))
    return failure();
  return verifyIs(*this, "lexsort_c2", "the type of the result", getOrder(),
                  {tensorOf(getInput()).getDimSize(0)}, i64(*this));
}

LogicalResult NmsOp::verify() {
  if (failed(verifyNumbers(*this, "nms_c1", getBoxes(), 3, 3)) ||
      failed(verifyNumbers(*this, "nms_c1", getScores(), 3, 3)))
    return failure();
  ArrayRef<int64_t> boxes = tensorOf(getBoxes()).getShape();
  ArrayRef<int64_t> scores = tensorOf(getScores()).getShape();
  if (failed(verifyIs(*this, "nms_c1", "the type of boxes", getBoxes(),
                      {boxes[0], boxes[1], 4}, f32(*this))) ||
      failed(verifyIs(*this, "nms_c1", "the type of scores", getScores(),
                      {boxes[0], scores[1], boxes[1]}, f32(*this))) ||
      failed(verifyIs(*this, "nms_c2", "the type of max_boxes", getMaxBoxes(),
                      {}, i64(*this))) ||
      failed(verifyIs(*this, "nms_c2", "the type of max_overlap",
                      getMaxOverlap(), {}, f32(*this))))
    return failure();
  if (getMinScore() && failed(verifyIs(*this, "nms_c2", "the type of min_score",
                                       getMinScore(), {}, f32(*this))))
    return failure();
  int64_t limit = getLimit();
  if (limit < 1 || limit > boxes[1])
    return emitOpError("nms_c3: limit is 1 to ")
           << boxes[1] << ", found " << limit;
  if (failed(verifyIs(*this, "nms_c3", "the type of selected", getSelected(),
                      {boxes[0] * scores[1] * limit, 3}, i64(*this))))
    return failure();
  return verifyIs(*this, "nms_c3", "the type of count", getCount(), {},
                  i64(*this));
}

LogicalResult ScatterOp::verify() {
  if (failed(verifyNumbers(*this, "scatter_c1", getDest(), 2, 2)) ||
      failed(verifyNumbers(*this, "scatter_c1", getUpdates(), 2, 2)))
    return failure();
  RankedTensorType dest = tensorOf(getDest());
  int64_t rows = tensorOf(getUpdates()).getDimSize(0);
  if (failed(verifyIs(*this, "scatter_c1", "the type of updates", getUpdates(),
                      {rows, dest.getDimSize(1)}, dest.getElementType())) ||
      failed(verifyIs(*this, "scatter_c1", "the type of indices", getIndices(),
                      {rows}, i64(*this))))
    return failure();
  return verifyIs(*this, "scatter_c2", "the type of the result", getResult(),
                  dest.getShape(), dest.getElementType());
}
