// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "BfpMac.h"

#include <algorithm>
#include <cstring>

#include "cim/Support/Numerics.h"
#include "cim/Support/Simd.h"

namespace cim::exec {

namespace loops {

/// B1 on n values; returns the exponent.
CIM_SIMD int32_t convertBlock(const float *x, int64_t n, int32_t bits,
                              int16_t *q) {
  int32_t e = -126;
  for (int64_t i = 0; i < n; ++i) {
    int32_t v = numerics::bfpExponent(numerics::bfpOperand(x[i]));
    e = v > e ? v : e;
  }
  for (int64_t i = 0; i < n; ++i)
    q[i] = int16_t(numerics::bfpMantissa(x[i], e, bits));
  return e;
}

/// B3 and B4 for one row and block: acc[i] += fp32(s[i] * 2^(e + ew[i])), in
/// binary64 so that subnormal and huge values round once. s = high * 256 + low.
CIM_SIMD void addBlock(const int32_t *low, const int32_t *high, int32_t e,
                       const int16_t *ew, float *acc, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    double s = double(low[i]) + (high ? double(high[i]) * 256 : 0);
    double scale =
        std::bit_cast<double>(uint64_t(int64_t(1023 + e + ew[i])) << 52);
    acc[i] += float(s * scale);
  }
}

/// The same when every scaled value is a normal fp32 number: fp32(s) rounds
/// and the power of two is exact.
CIM_SIMD void addBlockNormal(const int32_t *s, int32_t e, const int16_t *ew,
                             float *acc, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    float scale = std::bit_cast<float>((127 + e + ew[i]) << 23);
    acc[i] += float(s[i]) * scale;
  }
}

} // namespace loops

namespace {

/// Scratch memory of one task.
struct Scratch {
  AlignedBuffer values, mantissas, low, high, acc;
  std::vector<int32_t> exponents;
};

/// One block of output rows.
class RowBlock {
public:
  RowBlock(const Mac &op, const Activations &acts, const WeightData &w,
           Scratch &scratch)
      : op(op), acts(acts), w(w), scratch(scratch),
        pitch(w.blockRows + w.blockRows % 2),
        depth(pitch * int64_t(w.blocks.size())) {}

  void run(int64_t m0, int64_t n, uint8_t *acc, const uint8_t *bias) {
    convert(m0, n);
    int64_t cols = op.cols;
    scratch.acc.reserve(size_t(n * cols) * 4);
    float *sums = scratch.acc.as<float>();
    for (int64_t i = 0; i < n; ++i) {
      const uint8_t *start = op.init == AccInit::Bias ? bias
                             : op.init == AccInit::Accumulate
                                 ? acc + (m0 + i) * op.accStride
                                 : nullptr;
      if (start)
        std::memcpy(sums + i * cols, start, size_t(cols) * 4);
      else
        std::memset(sums + i * cols, 0, size_t(cols) * 4);
    }
    for (size_t b = 0; b < w.blocks.size(); ++b)
      addBlock(b, n, sums);
    for (int64_t i = 0; i < n; ++i)
      std::memcpy(acc + (m0 + i) * op.accStride, sums + i * cols,
                  size_t(cols) * 4);
  }

private:
  /// Activations to mantissas, block by block; an odd block gets a zero.
  void convert(int64_t m0, int64_t n) {
    int64_t k = acts.depth();
    scratch.values.reserve(size_t(n * k) * 4);
    scratch.mantissas.reserve(size_t(n * depth) * 2);
    scratch.exponents.resize(size_t(n) * w.blocks.size());
    float *x = scratch.values.as<float>();
    acts.floats(m0, n, x, k);
    for (int64_t i = 0; i < n; ++i)
      for (size_t b = 0; b < w.blocks.size(); ++b) {
        int64_t rows = w.blocks[b].rows;
        int16_t *q =
            scratch.mantissas.as<int16_t>() + i * depth + int64_t(b) * pitch;
        scratch.exponents[i * w.blocks.size() + b] = loops::convertBlock(
            x + i * k + int64_t(b) * w.blockRows, rows, w.bits, q);
        if (rows % 2)
          q[rows] = 0;
      }
  }

  void addBlock(size_t b, int64_t n, float *sums) {
    const WeightData::Block &block = w.blocks[b];
    int64_t cols = op.cols;
    const int16_t *q = scratch.mantissas.as<int16_t>() + int64_t(b) * pitch;
    auto product = [&](const Panels &panels, AlignedBuffer &out) {
      out.reserve(size_t(n * cols) * 4);
      gemm16(q, depth, n, panels, 0, panels.count(), out.as<char>(), cols * 4,
             false);
      return out.as<int32_t>();
    };
    const int32_t *low = product(block.low, scratch.low);
    const int32_t *high = w.split ? product(block.high, scratch.high) : nullptr;
    auto [least, most] =
        std::minmax_element(block.exponents.begin(), block.exponents.end());
    for (int64_t i = 0; i < n; ++i) {
      int32_t e = scratch.exponents[i * w.blocks.size() + b] - 2 * (w.bits - 2);
      float *to = sums + i * cols;
      bool normal = !high && e + *least >= -126 && e + *most <= 127 - 32;
      if (normal)
        loops::addBlockNormal(low + i * cols, e, block.exponents.data(), to,
                              cols);
      else
        loops::addBlock(low + i * cols, high ? high + i * cols : nullptr, e,
                        block.exponents.data(), to, cols);
    }
  }

  const Mac &op;
  const Activations &acts;
  const WeightData &w;
  Scratch &scratch;
  int64_t pitch; ///< Mantissas of a block, padded to pairs.
  int64_t depth; ///< Mantissas of a row.
};

} // namespace

void bfpMac(const Context &context, const Mac &op, uint8_t *acc,
            const uint8_t *bias, const Activations &acts, const WeightData &w) {
  ThreadPool &pool = context.state.pool;
  int64_t m = acts.rows();
  int64_t share = (m + pool.threads() - 1) / pool.threads();
  int64_t block = std::clamp<int64_t>((share + 5) / 6 * 6, 6, 48);
  pool.run((m + block - 1) / block, [&](int64_t task) {
    thread_local Scratch scratch;
    RowBlock rows(op, acts, w, scratch);
    rows.run(task * block, std::min(block, m - task * block), acc, bias);
  });
}

} // namespace cim::exec
