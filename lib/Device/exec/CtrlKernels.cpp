// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "CtrlKernels.h"

#include "cim/Support/Status.h"

namespace cim::exec {
namespace {

constexpr int64_t kMaxElements = int64_t(1) << 40;

/// Collects the operands of one kernel, checking as it goes.
class ShapeBuilder {
public:
  ShapeBuilder(const Ctrl &op, const char *name) : op(op), shape{name, 0, {}} {}

  absl::Status params(size_t least, size_t most) {
    if (op.params.size() >= least && op.params.size() <= most)
      return absl::OkStatus();
    return error(op.params.size(), " parameters; ", least, " to ", most,
                 " are needed");
  }
  absl::Status inRange(size_t i, int64_t lo, int64_t hi) {
    if (op.params[i] >= lo && op.params[i] <= hi)
      return absl::OkStatus();
    return error("parameter ", i, " is ", op.params[i], "; it must be ", lo,
                 " to ", hi);
  }
  absl::Status operands(size_t n) {
    if (op.operands.size() == n)
      return absl::OkStatus();
    return error(op.operands.size(), " operands; ", n, " are needed");
  }
  absl::Status access(size_t i, bool write, DType type,
                      const std::vector<int64_t> &sizes) {
    const VecOperand &operand = op.operands[i];
    if (operand.strides.size() != sizes.size())
      return error("operand ", i, " has ", operand.strides.size(), " strides; ",
                   sizes.size(), " are needed");
    CtrlShape::Access out{i, write, type, {}};
    for (size_t d = 0; d < sizes.size(); ++d)
      out.dims.push_back({sizes[d], operand.strides[d]});
    shape.accesses.push_back(std::move(out));
    return absl::OkStatus();
  }
  template <typename... Args>
  absl::Status error(const Args &...args) {
    return invalidArgument("ctrl kernel ", shape.name, ": ", args...,
                           "; see device.md D4.6");
  }

  const Ctrl &op;
  CtrlShape shape;
};

/// params: type, outer, n, k, largest, sorted; operands: input (outer, n),
/// values (outer, k), indices (outer, k) i64.
absl::StatusOr<CtrlShape> topK(const Ctrl &op) {
  ShapeBuilder b(op, "topk");
  CIM_RETURN_IF_ERROR(b.params(6, 6));
  CIM_RETURN_IF_ERROR(b.inRange(0, 0, int64_t(DType::F64)));
  CIM_RETURN_IF_ERROR(b.inRange(1, 1, kMaxElements));
  CIM_RETURN_IF_ERROR(b.inRange(2, 1, kMaxElements / op.params[1]));
  CIM_RETURN_IF_ERROR(b.inRange(3, 1, op.params[2]));
  CIM_RETURN_IF_ERROR(b.inRange(4, 0, 1));
  CIM_RETURN_IF_ERROR(b.inRange(5, 0, 1));
  CIM_RETURN_IF_ERROR(b.operands(3));
  DType type = DType(op.params[0]);
  int64_t outer = op.params[1], n = op.params[2], k = op.params[3];
  CIM_RETURN_IF_ERROR(b.access(0, false, type, {outer, n}));
  CIM_RETURN_IF_ERROR(b.access(1, true, type, {outer, k}));
  CIM_RETURN_IF_ERROR(b.access(2, true, DType::I64, {outer, k}));
  b.shape.elements = uint64_t(outer * n);
  return b.shape;
}

/// params: type, capacity, sizes...; operands: input (sizes), indices
/// (rank, capacity) i64, count () i64.
absl::StatusOr<CtrlShape> nonZero(const Ctrl &op) {
  ShapeBuilder b(op, "nonzero");
  CIM_RETURN_IF_ERROR(b.params(3, 2 + 8));
  CIM_RETURN_IF_ERROR(b.inRange(0, 0, int64_t(DType::F64)));
  CIM_RETURN_IF_ERROR(b.inRange(1, 1, kMaxElements));
  std::vector<int64_t> sizes(op.params.begin() + 2, op.params.end());
  int64_t elements = 1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    CIM_RETURN_IF_ERROR(b.inRange(2 + i, 1, kMaxElements / elements));
    elements *= sizes[i];
  }
  CIM_RETURN_IF_ERROR(b.operands(3));
  int64_t rank = int64_t(sizes.size());
  CIM_RETURN_IF_ERROR(b.access(0, false, DType(op.params[0]), sizes));
  CIM_RETURN_IF_ERROR(b.access(1, true, DType::I64, {rank, op.params[1]}));
  CIM_RETURN_IF_ERROR(b.access(2, true, DType::I64, {}));
  b.shape.elements = uint64_t(elements);
  return b.shape;
}

/// params: batches, boxes, classes, limit, center, filtered; operands: boxes
/// (batches, boxes, 4) f32, scores (batches, classes, boxes) f32, max_boxes ()
/// i64, max_overlap () f32, if filtered min_score () f32, then selected
/// (batches * classes * limit, 3) i64, count () i64.
absl::StatusOr<CtrlShape> nms(const Ctrl &op) {
  ShapeBuilder b(op, "nms");
  CIM_RETURN_IF_ERROR(b.params(6, 6));
  int64_t elements = 1;
  for (size_t i = 0; i < 3; ++i) {
    CIM_RETURN_IF_ERROR(b.inRange(i, 1, kMaxElements / elements / 4));
    elements *= op.params[i];
  }
  int64_t batches = op.params[0], boxes = op.params[1], classes = op.params[2];
  CIM_RETURN_IF_ERROR(b.inRange(3, 1, boxes));
  CIM_RETURN_IF_ERROR(b.inRange(4, 0, 1));
  CIM_RETURN_IF_ERROR(b.inRange(5, 0, 1));
  int64_t limit = op.params[3];
  size_t filtered = size_t(op.params[5]);
  CIM_RETURN_IF_ERROR(b.operands(6 + filtered));
  CIM_RETURN_IF_ERROR(b.access(0, false, DType::F32, {batches, boxes, 4}));
  CIM_RETURN_IF_ERROR(
      b.access(1, false, DType::F32, {batches, classes, boxes}));
  CIM_RETURN_IF_ERROR(b.access(2, false, DType::I64, {}));
  CIM_RETURN_IF_ERROR(b.access(3, false, DType::F32, {}));
  if (filtered)
    CIM_RETURN_IF_ERROR(b.access(4, false, DType::F32, {}));
  CIM_RETURN_IF_ERROR(
      b.access(4 + filtered, true, DType::I64, {batches * classes * limit, 3}));
  CIM_RETURN_IF_ERROR(b.access(5 + filtered, true, DType::I64, {}));
  if (limit > kMaxElements / elements)
    return b.error("a limit of ", limit, " of ", elements,
                   " scores; their product is at most 2^40");
  b.shape.elements = uint64_t(elements) * uint64_t(limit);
  return b.shape;
}

/// params: type, rows, columns; operands: input (rows, columns), order (rows)
/// i64.
absl::StatusOr<CtrlShape> lexSort(const Ctrl &op) {
  ShapeBuilder b(op, "lexsort");
  CIM_RETURN_IF_ERROR(b.params(3, 3));
  CIM_RETURN_IF_ERROR(b.inRange(0, 0, int64_t(DType::F64)));
  CIM_RETURN_IF_ERROR(b.inRange(1, 1, kMaxElements));
  CIM_RETURN_IF_ERROR(b.inRange(2, 1, kMaxElements / op.params[1]));
  CIM_RETURN_IF_ERROR(b.operands(2));
  int64_t rows = op.params[1], columns = op.params[2];
  CIM_RETURN_IF_ERROR(b.access(0, false, DType(op.params[0]), {rows, columns}));
  CIM_RETURN_IF_ERROR(b.access(1, true, DType::I64, {rows}));
  b.shape.elements = uint64_t(rows * columns);
  return b.shape;
}

} // namespace

absl::StatusOr<CtrlShape> ctrlShape(const Ctrl &op) {
  switch (CtrlKernel(op.kernel)) {
  case CtrlKernel::TopK:
    return topK(op);
  case CtrlKernel::NonZero:
    return nonZero(op);
  case CtrlKernel::Nms:
    return nms(op);
  case CtrlKernel::LexSort:
    return lexSort(op);
  }
  return invalidArgument("ctrl kernel ", op.kernel,
                         ": no such kernel; the last is ",
                         int(CtrlKernel::LexSort), "; see device.md D4.6");
}

} // namespace cim::exec
