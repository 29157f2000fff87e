// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// device.md D3.2, D3.6: acc[m][n] (+)= sum_k act[m][k] * weight[k][n].
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "Activations.h"
#include "BfpMac.h"
#include "State.h"
#include "cim/Support/Simd.h"

namespace cim::exec {

namespace loops {

/// acc = (init) + product - 128 * column sum, modulo 2^32.
CIM_SIMD void addShifted(const int32_t *product, const int32_t *sums,
                         int32_t factor, int32_t *acc, bool accumulate,
                         int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t v = uint32_t(product[i]) - uint32_t(factor) * uint32_t(sums[i]);
    acc[i] = int32_t(v + (accumulate ? uint32_t(acc[i]) : 0));
  }
}

} // namespace loops

namespace {

const char *kindOf(const WeightData &data) {
  return data.bfp ? "bfp" : "integer";
}

/// D3.2: the tile the MAC names.
MaybeFault findTile(const Context &context, const Mac &op, const Tile *&found) {
  auto at = [&] {
    return absl::StrCat("MAC on set ", int(op.set), " row ", op.row0,
                        " column ", op.col0, ": ");
  };
  const Core &core = context.self();
  found = nullptr;
  if (op.set < core.sets.size())
    for (const Tile &tile : core.sets[op.set])
      if (tile.row0 == op.row0 && tile.col0 == op.col0)
        found = &tile;
  if (!found)
    return fault(FaultCode::BadTile, at(),
                 "no tile starts there; write the weights first, and not over "
                 "with another tile");
  if (found->rows != op.rows || found->cols != op.cols ||
      found->copies != op.copies)
    return fault(FaultCode::BadTile, at(), op.rows, " x ", op.cols, " in ",
                 op.copies, " copies; the tile was written ", found->rows,
                 " x ", found->cols, " in ", found->copies,
                 " copies; repeat these");
  bool bfpType = op.actType == DType::F16 || op.actType == DType::F32;
  bool intType = op.actType == DType::I8 || op.actType == DType::U8 ||
                 op.actType == DType::I16;
  if (found->data->bfp ? !bfpType : !intType)
    return fault(FaultCode::IllegalInstruction, at(), name(op.actType),
                 " activations on ", kindOf(*found->data), " weights; use ",
                 found->data->bfp ? "f16 or f32" : "i8, u8 or i16");
  return std::nullopt;
}

/// Pointers of a checked MAC.
struct Operands {
  const uint8_t *act, *bias = nullptr;
  uint8_t *acc;
};

MaybeFault checkOperands(const Context &context, const Mac &op, int64_t m,
                         Operands &out) {
  Access act{"activations", op.act, byteSize(op.actType), op.m};
  act.dims.insert(act.dims.end(), op.k.begin(), op.k.end());
  CIM_FAULT_IF(context.read(act, out.act));
  Dim columns{op.cols, 4};
  Access acc{"accumulators", op.acc, 4, {{m, op.accStride}, columns}};
  if (op.act.space != Space::L1 || op.acc.space != Space::ACC)
    return fault(FaultCode::IllegalInstruction, "MAC with activations at ",
                 describe(op.act), " and accumulators at ", describe(op.acc),
                 "; they must lie in L1 and ACC");
  if (m > 1 && std::abs(op.accStride) < int64_t(op.cols) * 4)
    return fault(FaultCode::IllegalInstruction, "accumulators ",
                 describe(op.acc), ": rows of ", op.cols, " columns are ",
                 op.accStride, " bytes apart and overlap; use at least ",
                 op.cols * 4);
  if (op.init == AccInit::Bias) {
    Access bias{"bias", op.bias, 4, {columns}};
    if (op.bias.space != Space::L1)
      return fault(FaultCode::IllegalInstruction, "MAC with bias at ",
                   describe(op.bias), "; it must lie in L1");
    CIM_FAULT_IF(context.read(bias, out.bias));
  } else if (op.init == AccInit::Accumulate) {
    const uint8_t *ignored;
    CIM_FAULT_IF(context.read(acc, ignored));
  }
  return context.write(acc, out.acc);
}

int64_t magnitude(DType type) {
  return type == DType::I8 ? 128 : type == DType::U8 ? 255 : 32768;
}

/// D3.6 under the sanitizer: every final sum fits int32.
MaybeFault checkOverflow(const Mac &op, const Operands &p,
                         const Activations &acts, const WeightData &w) {
  int64_t m = acts.rows(), n = op.cols;
  auto initial = [&](int64_t i, int64_t j) -> int64_t {
    int32_t v = 0;
    if (op.init == AccInit::Bias)
      std::memcpy(&v, p.bias + j * 4, 4);
    else if (op.init == AccInit::Accumulate)
      std::memcpy(&v, p.acc + i * op.accStride + j * 4, 4);
    return v;
  };
  int64_t largest = 0;
  for (int64_t i = 0; i < (op.init == AccInit::Accumulate ? m : 1); ++i)
    for (int64_t j = 0; j < n; ++j)
      largest = std::max(largest, std::abs(initial(i, j)));
  if (magnitude(op.actType) * w.largestColumn + largest <= INT32_MAX)
    return std::nullopt; // Nothing can overflow.
  std::vector<int16_t> row(size_t(acts.depth()) + 1);
  for (int64_t i = 0; i < m; ++i) {
    acts.integers(i, 1, row.data(), 0);
    for (int64_t j = 0; j < n; ++j) {
      int64_t sum = initial(i, j);
      for (int64_t k = 0; k < acts.depth(); ++k)
        sum += int64_t(row[k]) * at(w.panels, k, j);
      if (sum != int32_t(sum))
        return fault(FaultCode::Overflow, "MAC into ", describe(op.acc),
                     ": sum of row ", i, " column ", j, " is ", sum,
                     "; int32 ends at ", sum < 0 ? INT32_MIN : INT32_MAX,
                     "; split the reduction or use smaller weights");
    }
  }
  return std::nullopt;
}

/// Rows of a block that fit the inner caches.
int64_t blockRows(int64_t m, int64_t bytesPerRow, int threads) {
  int64_t rows = std::clamp<int64_t>(131072 / bytesPerRow / 12 * 12, 12, 1200);
  int64_t share = (m + threads - 1) / threads;
  return std::min(rows, std::max<int64_t>((share + 11) / 12 * 12, 12));
}

void startRows(const Mac &op, const Operands &p, int64_t m0, int64_t n) {
  for (int64_t i = 0; op.init == AccInit::Bias && i < n; ++i)
    std::memcpy(p.acc + (m0 + i) * op.accStride, p.bias, size_t(op.cols) * 4);
}

/// Rows [m0, m0 + n) by 8-bit products. False when the library refuses.
bool bytesBlock(const Mac &op, const Operands &p, const Activations &acts,
                const WeightData &w, int64_t m0, int64_t n) {
  int64_t k = acts.depth(), cols = op.cols;
  std::vector<uint8_t> a(size_t(n * k));
  std::vector<int32_t> c(size_t(n * cols)), line(cols);
  acts.bytes(m0, n, a.data(), k);
  if (!gemm8(a.data(), k, n, w.bytes.data(), k, cols, c.data()))
    return false;
  startRows(op, p, m0, n);
  for (int64_t i = 0; i < n; ++i) {
    uint8_t *acc = p.acc + (m0 + i) * op.accStride;
    std::memcpy(line.data(), acc, size_t(cols) * 4);
    loops::addShifted(c.data() + i * cols, w.sums.data(),
                      op.actType == DType::I8 ? 128 : 0, line.data(),
                      op.init != AccInit::Zero, cols);
    std::memcpy(acc, line.data(), size_t(cols) * 4);
  }
  return true;
}

void integerMac(const Context &context, const Mac &op, const Operands &p,
                const Activations &acts, const WeightData &w) {
  ThreadPool &pool = context.state.pool;
  int64_t m = acts.rows(), stride = acts.depth() + acts.depth() % 2;
  bool eight = !w.bytes.empty() && op.actType != DType::I16;
  // The library repacks the weights on every call: give it more rows.
  int64_t block =
      blockRows(m, eight ? (stride + 7) / 8 : stride * 2, pool.threads());
  int64_t tasks = (m + block - 1) / block;
  bool accumulate = op.init != AccInit::Zero;
  // Few rows: share the columns instead.
  int64_t slices = 1;
  if (tasks < pool.threads() && m < 12)
    slices = std::min<int64_t>(pool.threads(), w.panels.count());
  pool.run(tasks * slices, [&](int64_t task) {
    int64_t slice = task % slices, m0 = task / slices * block;
    int64_t n = std::min(block, m - m0);
    if (eight && slices == 1 && bytesBlock(op, p, acts, w, m0, n))
      return;
    int64_t p0 = w.panels.count() * slice / slices;
    int64_t p1 = w.panels.count() * (slice + 1) / slices;
    thread_local AlignedBuffer buffer;
    buffer.reserve(size_t(n * stride) * 2);
    int16_t *a = buffer.as<int16_t>();
    acts.integers(m0, n, a, stride);
    char *c = reinterpret_cast<char *>(p.acc) + m0 * op.accStride;
    gemm16(a, stride, n, w.panels, p0, p1, c, op.accStride, accumulate);
  });
}

} // namespace

MaybeFault executeMac(const Context &context, const Mac &op) {
  const Tile *tile;
  CIM_FAULT_IF(findTile(context, op, tile));
  const WeightData &w = *tile->data;
  __int128 m = 1, k = 1;
  for (const Dim &d : op.m)
    m = d.size < 1 || m > INT32_MAX ? 0 : m * d.size;
  for (const Dim &d : op.k)
    k = d.size < 1 || k > INT32_MAX ? 0 : k * d.size;
  if (k != op.rows || m < 1 || m > INT32_MAX)
    return fault(FaultCode::IllegalInstruction, "MAC on set ", int(op.set),
                 ": loops cover ", int64_t(m), " x ", int64_t(k),
                 " elements; the tile has ", op.rows,
                 " rows; the k sizes must multiply to that, the m sizes to 1 "
                 "or more");
  Operands p;
  CIM_FAULT_IF(checkOperands(context, op, int64_t(m), p));
  Activations acts(op, p.act);
  if (w.bfp) {
    bfpMac(context, op, p.acc, p.bias, acts, w);
    return std::nullopt;
  }
  if (context.state.sanitize)
    CIM_FAULT_IF(checkOverflow(op, p, acts, w));
  startRows(op, p, 0, int64_t(m));
  integerMac(context, op, p, acts, w);
  return std::nullopt;
}

} // namespace cim::exec
