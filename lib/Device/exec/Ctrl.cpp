// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// device.md D4.6: firmware kernels of the control processor.
#include <algorithm>
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

/// The registry: one row per kernel of CtrlKernels.h.
struct Entry {
  CtrlKernel kernel;
  MaybeFault (*execute)(const Ctrl &, const Pointers &);
};
constexpr Entry entries[] = {{CtrlKernel::TopK, topK},
                             {CtrlKernel::NonZero, nonZero}};

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
