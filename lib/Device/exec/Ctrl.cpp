// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// device.md D4.6: firmware kernels of the control processor.
#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "CtrlKernels.h"
#include "State.h"
#include "VecOps.h"

namespace cim::exec {
namespace {

/// Checked pointers of the operands, in order; outputs are written last.
struct Pointers {
  std::vector<const uint8_t *> in;
  std::vector<uint8_t *> out;
};

/// One element as a number that orders and tests like it: integers exactly,
/// floats as binary64 (exact for all of them).
struct Value {
  bool isFloat;
  double f;
  int64_t i;
  uint64_t u; ///< For u64 beyond int64.
};

Value loadValue(DType type, const uint8_t *p) {
  alignas(8) uint8_t memory[8], reg[8];
  std::memcpy(memory, p, byteSize(type));
  decodeElements(type, memory, reg, 1);
  Value v{isFloat(type), 0, 0, 0};
  if (v.isFloat)
    castOp(type, DType::F64, reg, &v.f, 1);
  else
    castOp(type, DType::I64, reg, &v.i, 1);
  v.u = uint64_t(v.i);
  return v;
}

/// Less-than of one type; NaN is above everything and equal to itself.
bool less(DType type, const Value &a, const Value &b) {
  if (a.isFloat) {
    if (a.f != a.f || b.f != b.f)
      return b.f != b.f && a.f == a.f;
    return a.f < b.f;
  }
  return type == DType::U64 ? a.u < b.u : a.i < b.i;
}

bool isZero(const Value &v) { return v.isFloat ? v.f == 0 : v.i == 0; }

void putIndex(uint8_t *p, int64_t value) { std::memcpy(p, &value, 8); }

MaybeFault topK(const Ctrl &op, const Pointers &p) {
  DType type = DType(op.params[0]);
  int64_t outer = op.params[1], n = op.params[2], k = op.params[3];
  bool largest = op.params[4], sorted = op.params[5];
  unsigned width = byteSize(type);
  const auto &in = op.operands[0].strides, &values = op.operands[1].strides,
             &indices = op.operands[2].strides;
  std::vector<Value> row(static_cast<size_t>(n));
  std::vector<uint8_t> kept(static_cast<size_t>(k) * width);
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < n; ++i)
      row[i] = loadValue(type, p.in[0] + o * in[0] + i * in[1]);
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + k, order.end(),
                      [&](int64_t a, int64_t b) {
                        bool ab = less(type, row[a], row[b]);
                        bool ba = less(type, row[b], row[a]);
                        return ab == ba ? a < b : largest ? ba : ab;
                      });
    if (!sorted)
      std::sort(order.begin(), order.begin() + k);
    // Values first into a buffer: outputs may lie where the input is.
    for (int64_t j = 0; j < k; ++j)
      std::memcpy(kept.data() + j * width,
                  p.in[0] + o * in[0] + order[j] * in[1], width);
    for (int64_t j = 0; j < k; ++j) {
      std::memcpy(p.out[0] + o * values[0] + j * values[1],
                  kept.data() + j * width, width);
      putIndex(p.out[1] + o * indices[0] + j * indices[1], order[j]);
    }
  }
  return std::nullopt;
}

MaybeFault nonZero(const Ctrl &op, const Pointers &p) {
  DType type = DType(op.params[0]);
  int64_t capacity = op.params[1], count = 0;
  std::vector<int64_t> sizes(op.params.begin() + 2, op.params.end());
  const auto &in = op.operands[0].strides, &out = op.operands[1].strides;
  std::vector<int64_t> index(sizes.size(), 0), found;
  for (bool more = true; more;) {
    int64_t offset = 0;
    for (size_t d = 0; d < sizes.size(); ++d)
      offset += index[d] * in[d];
    if (!isZero(loadValue(type, p.in[0] + offset)) && count++ < capacity)
      found.insert(found.end(), index.begin(), index.end());
    more = false;
    for (size_t d = sizes.size(); d-- > 0 && !more;) {
      more = ++index[d] < sizes[d];
      if (!more)
        index[d] = 0;
    }
  }
  int64_t rank = int64_t(sizes.size());
  for (int64_t j = 0; j < capacity; ++j)
    for (int64_t d = 0; d < rank; ++d)
      putIndex(p.out[0] + d * out[0] + j * out[1],
               j < count ? found[j * rank + d] : 0);
  putIndex(p.out[1], count);
  return std::nullopt;
}

MaybeFault lexSort(const Ctrl &op, const Pointers &p) {
  DType type = DType(op.params[0]);
  int64_t rows = op.params[1], columns = op.params[2];
  const auto &in = op.operands[0].strides;
  std::vector<Value> values;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      values.push_back(loadValue(type, p.in[0] + r * in[0] + c * in[1]));
  std::vector<int64_t> order(static_cast<size_t>(rows));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const Value *x = &values[size_t(a * columns)];
    const Value *y = &values[size_t(b * columns)];
    for (int64_t c = 0; c < columns; ++c)
      if (less(type, x[c], y[c]) || less(type, y[c], x[c]))
        return less(type, x[c], y[c]);
    return a < b; // equal rows stay in order
  });
  for (int64_t r = 0; r < rows; ++r)
    putIndex(p.out[0] + r * op.operands[1].strides[0], order[size_t(r)]);
  return std::nullopt;
}

/// Min and Max of numerics F2, up to the sign of zero.
float least(float a, float b) { return a != a || a < b ? a : b; }
float greatest(float a, float b) { return a != a || a > b ? a : b; }

/// A box by its corners, lower ones first.
struct Rectangle {
  float low[2], high[2];
  float area() const { return (high[0] - low[0]) * (high[1] - low[1]); }
};

float overlap(const Rectangle &a, const Rectangle &b) {
  float side[2];
  for (int d = 0; d < 2; ++d)
    side[d] = least(a.high[d], b.high[d]) - greatest(a.low[d], b.low[d]);
  if (!(side[0] > 0 && side[1] > 0))
    return 0;
  float common = side[0] * side[1], first = a.area(), second = b.area();
  float both = first + second;
  both -= common;
  return common > 0 && first > 0 && second > 0 && both > 0 ? common / both : 0;
}

float loadFloat(const uint8_t *p) {
  float value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

std::vector<Rectangle> loadBoxes(const Ctrl &op, const uint8_t *p) {
  const auto &strides = op.operands[0].strides;
  std::vector<Rectangle> boxes(static_cast<size_t>(op.params[1]));
  for (size_t i = 0; i < boxes.size(); ++i) {
    const uint8_t *at = p + int64_t(i) * strides[1];
    float v[4];
    for (int j = 0; j < 4; ++j)
      v[j] = loadFloat(at + j * strides[2]);
    for (int d = 0; d < 2; ++d) {
      float x = v[d], y = v[d + 2];
      if (op.params[4]) {
        float half = y / 2;
        y = x + half;
        x = x - half;
      }
      boxes[i].low[d] = least(x, y);
      boxes[i].high[d] = greatest(x, y);
    }
  }
  return boxes;
}

MaybeFault nms(const Ctrl &op, const Pointers &p) {
  int64_t batches = op.params[0], boxes = op.params[1], classes = op.params[2];
  bool filtered = op.params[5];
  int64_t most;
  std::memcpy(&most, p.in[2], sizeof(most));
  most = std::min(most, op.params[3]);
  float maxOverlap = loadFloat(p.in[3]);
  const auto &scoreStrides = op.operands[1].strides;
  const auto &to = op.operands[op.operands.size() - 2].strides;
  std::vector<std::array<int64_t, 3>> selected;
  for (int64_t b = 0; b < batches; ++b) {
    std::vector<Rectangle> box =
        loadBoxes(op, p.in[0] + b * op.operands[0].strides[0]);
    for (int64_t c = 0; c < classes; ++c) {
      std::vector<std::pair<float, int64_t>> ranked;
      for (int64_t i = 0; i < boxes; ++i) {
        float score = loadFloat(p.in[1] + b * scoreStrides[0] +
                                c * scoreStrides[1] + i * scoreStrides[2]);
        if (filtered ? score > loadFloat(p.in[4]) : score == score)
          ranked.emplace_back(-score, i);
      }
      std::sort(ranked.begin(), ranked.end());
      std::vector<int64_t> kept;
      for (auto [unused, i] : ranked) {
        if (int64_t(kept.size()) >= most)
          break;
        bool clear = std::none_of(kept.begin(), kept.end(), [&](int64_t k) {
          return overlap(box[size_t(i)], box[size_t(k)]) > maxOverlap;
        });
        if (!clear)
          continue;
        kept.push_back(i);
        selected.push_back({b, c, i});
      }
    }
  }
  size_t capacity = size_t(batches * classes * op.params[3]);
  int64_t count = int64_t(selected.size());
  selected.resize(capacity);
  for (size_t j = 0; j < capacity; ++j)
    for (size_t d = 0; d < 3; ++d)
      putIndex(p.out[0] + int64_t(j) * to[0] + int64_t(d) * to[1],
               selected[j][d]);
  putIndex(p.out[1], count);
  return std::nullopt;
}

/// The registry: one row per kernel of CtrlKernels.h.
struct Entry {
  CtrlKernel kernel;
  MaybeFault (*execute)(const Ctrl &, const Pointers &);
};
constexpr Entry entries[] = {{CtrlKernel::TopK, topK},
                             {CtrlKernel::NonZero, nonZero},
                             {CtrlKernel::Nms, nms},
                             {CtrlKernel::LexSort, lexSort}};

} // namespace

MaybeFault executeCtrl(const Context &context, const Ctrl &op) {
  absl::StatusOr<CtrlShape> shape = ctrlShape(op);
  if (!shape.ok())
    return fault(FaultCode::IllegalInstruction, shape.status().message());
  Pointers p;
  for (const CtrlShape::Access &a : shape->accesses) {
    std::string what =
        absl::StrCat("ctrl kernel ", shape->name, " operand ", a.operand);
    Access access{what.c_str(), op.operands[a.operand].base, byteSize(a.type),
                  a.dims};
    if (a.write)
      CIM_FAULT_IF(context.write(access, p.out.emplace_back()));
    else
      CIM_FAULT_IF(context.read(access, p.in.emplace_back()));
  }
  for (const Entry &entry : entries)
    if (entry.kernel == CtrlKernel(op.kernel))
      return entry.execute(op, p);
  return std::nullopt;
}

} // namespace cim::exec
