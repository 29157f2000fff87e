// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Integer matrix products on the host, exact modulo 2^32. Which instructions
// compute them depends on the CPU, the bits do not.
#ifndef CIM_LIB_DEVICE_EXEC_GEMM_H
#define CIM_LIB_DEVICE_EXEC_GEMM_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace cim::exec {

/// Bytes aligned to 64 bytes; uninitialized.
class AlignedBuffer {
public:
  explicit AlignedBuffer(size_t bytes = 0);
  template <typename T>
  T *as() const {
    return reinterpret_cast<T *>(ptr.get());
  }
  size_t size() const { return bytes; }
  /// Grows to at least `bytes`; the contents are lost.
  void reserve(size_t bytes);

private:
  struct Free {
    void operator()(void *p) const;
  };
  std::unique_ptr<char, Free> ptr;
  size_t bytes = 0;
};

/// A K x N matrix of int16 in panels of 16 columns: panel p holds, for each
/// pair of rows (2i, 2i+1), the 16 columns' pairs. Missing rows and columns are
/// zero. 16-bit pair products with 32-bit sums are what every x86 multiplies
/// fastest without rounding or saturation.
struct Panels {
  static constexpr int64_t width = 16;
  int64_t rows = 0, cols = 0;
  AlignedBuffer data;

  int64_t pairs() const { return (rows + 1) / 2; }
  int64_t count() const { return (cols + width - 1) / width; }
  const int16_t *panel(int64_t p) const {
    return data.as<int16_t>() + p * pairs() * 2 * width;
  }
};
/// Fills panels two rows at a time, from the first pair on.
class Packer {
public:
  Packer(int64_t rows, int64_t cols);
  /// Buffers of `cols` values for the caller to fill before each next();
  /// `odd` is ignored for the last pair of an odd number of rows.
  int16_t *even() { return lines.data(); }
  int16_t *odd() { return lines.data() + padded; }
  void next();
  Panels finish() { return std::move(out); }

private:
  Panels out;
  int64_t padded, pair = 0;
  std::vector<int16_t> lines; ///< Even row, odd row, interleaved.
};
/// Element (k, n), for slow paths.
int16_t at(const Panels &w, int64_t k, int64_t n);

/// c[i][n] = (accumulate ? c[i][n] : 0) + sum_k a[i][k] * w[k][n] for the
/// columns of panels [p0, p1); i < m. Rows of `a` are `lda` elements apart and
/// padded with a zero when w.rows is odd; rows of c are `ldc` bytes apart, c
/// names column 0, any alignment.
void gemm16(const int16_t *a, int64_t lda, int64_t m, const Panels &w,
            int64_t p0, int64_t p1, char *c, int64_t ldc, bool accumulate);

/// True when the CPU multiplies unsigned by signed bytes without saturating
/// (AVX-512 VNNI); gemm8 may then be used for 8-bit operands.
bool hasExactGemm8();
/// For tests: 1 claims it, 0 denies it, -1 asks the CPU.
void selectGemm8(int choice);
/// c (dense, m x n int32) = a (m x k bytes) * w (k x n bytes). The product of
/// oneDNN. Returns false if the library refuses.
bool gemm8(const uint8_t *a, int64_t lda, int64_t m, const int8_t *w, int64_t k,
           int64_t n, int32_t *c);

/// Which gemm16 kernels this CPU can run, for tests and benchmarks: 0 portable,
/// 1 AVX2, 2 AVX-512BW. selectGemm16 forces one (-1: the best).
int bestGemm16();
void selectGemm16(int kind);

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_GEMM_H
