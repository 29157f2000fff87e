// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Gemm.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "cim/Support/Simd.h"

namespace cim::exec {

void AlignedBuffer::Free::operator()(void *p) const {
  ::operator delete(p, std::align_val_t(64));
}

AlignedBuffer::AlignedBuffer(size_t size) { reserve(size); }

void AlignedBuffer::reserve(size_t size) {
  if (size <= bytes)
    return;
  bytes = (size + 63) / 64 * 64;
  ptr.reset(static_cast<char *>(::operator new(bytes, std::align_val_t(64))));
}

namespace {

constexpr int64_t W = Panels::width;

/// One tile of R rows by 16 columns; c rows `ldc` bytes apart.
using Kernel = void (*)(const int16_t *a, int64_t lda, const int16_t *w,
                        int64_t pairs, char *c, int64_t ldc, bool accumulate);

int32_t pairAt(const int16_t *a) {
  int32_t v;
  std::memcpy(&v, a, 4);
  return v;
}

template <int R>
void portable(const int16_t *a, int64_t lda, const int16_t *w, int64_t pairs,
              char *c, int64_t ldc, bool accumulate) {
  for (int r = 0; r < R; ++r) {
    uint32_t sum[W] = {};
    if (accumulate)
      std::memcpy(sum, c + r * ldc, sizeof(sum));
    for (int64_t p = 0; p < pairs; ++p) {
      int32_t a0 = a[r * lda + 2 * p], a1 = a[r * lda + 2 * p + 1];
      const int16_t *q = w + p * 2 * W;
      for (int j = 0; j < W; ++j)
        sum[j] += uint32_t(a0 * q[2 * j]) + uint32_t(a1 * q[2 * j + 1]);
    }
    std::memcpy(c + r * ldc, sum, sizeof(sum));
  }
}

#if defined(__x86_64__)
template <int R>
__attribute__((target("avx2"))) void
avx2(const int16_t *a, int64_t lda, const int16_t *w, int64_t pairs, char *c,
     int64_t ldc, bool accumulate) {
  __m256i sum[R][2];
  for (int r = 0; r < R; ++r)
    for (int h = 0; h < 2; ++h)
      sum[r][h] = accumulate ? _mm256_loadu_si256(reinterpret_cast<__m256i *>(
                                   c + r * ldc + h * 32))
                             : _mm256_setzero_si256();
  for (int64_t p = 0; p < pairs; ++p) {
    auto *q = reinterpret_cast<const __m256i *>(w + p * 2 * W);
    __m256i w0 = _mm256_load_si256(q), w1 = _mm256_load_si256(q + 1);
    for (int r = 0; r < R; ++r) {
      __m256i x = _mm256_set1_epi32(pairAt(a + r * lda + 2 * p));
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(x, w0));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(x, w1));
    }
  }
  for (int r = 0; r < R; ++r)
    for (int h = 0; h < 2; ++h)
      _mm256_storeu_si256(reinterpret_cast<__m256i *>(c + r * ldc + h * 32),
                          sum[r][h]);
}

template <int R>
__attribute__((target("avx512f,avx512bw"))) void
avx512(const int16_t *a, int64_t lda, const int16_t *w, int64_t pairs, char *c,
       int64_t ldc, bool accumulate) {
  __m512i sum[R];
  for (int r = 0; r < R; ++r)
    sum[r] =
        accumulate ? _mm512_loadu_si512(c + r * ldc) : _mm512_setzero_si512();
  for (int64_t p = 0; p < pairs; ++p) {
    __m512i w0 = _mm512_load_si512(w + p * 2 * W);
    for (int r = 0; r < R; ++r) {
      __m512i x = _mm512_set1_epi32(pairAt(a + r * lda + 2 * p));
      sum[r] = _mm512_add_epi32(sum[r], _mm512_madd_epi16(x, w0));
    }
  }
  for (int r = 0; r < R; ++r)
    _mm512_storeu_si512(c + r * ldc, sum[r]);
}
#endif

/// Kernels for 1 .. `rows` rows.
struct Family {
  int rows;
  Kernel kernels[12];
};
constexpr Family portableFamily{
    4, {portable<1>, portable<2>, portable<3>, portable<4>}};
#if defined(__x86_64__)
constexpr Family avx2Family{
    6, {avx2<1>, avx2<2>, avx2<3>, avx2<4>, avx2<5>, avx2<6>}};
constexpr Family avx512Family{12,
                              {avx512<1>, avx512<2>, avx512<3>, avx512<4>,
                               avx512<5>, avx512<6>, avx512<7>, avx512<8>,
                               avx512<9>, avx512<10>, avx512<11>, avx512<12>}};
#endif

std::atomic<int> forced{-1};

const Family &family() {
  static const int best = bestGemm16();
  int kind = forced.load(std::memory_order_relaxed);
  kind = kind < 0 ? best : kind;
#if defined(__x86_64__)
  if (kind == 2)
    return avx512Family;
  if (kind == 1)
    return avx2Family;
#endif
  return portableFamily;
}

} // namespace

int bestGemm16() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
    return 2;
  if (__builtin_cpu_supports("avx2"))
    return 1;
#endif
  return 0;
}

void selectGemm16(int kind) { forced = kind; }

namespace loops {
/// Interleaves two rows of 16-bit values.
CIM_SIMD void interleave(const int16_t *even, const int16_t *odd, int16_t *out,
                         int64_t n) {
  for (int64_t j = 0; j < n; ++j) {
    out[2 * j] = even[j];
    out[2 * j + 1] = odd[j];
  }
}
} // namespace loops

Packer::Packer(int64_t rows, int64_t cols)
    : padded((cols + W - 1) / W * W), lines(size_t(padded) * 4, 0) {
  out.rows = rows;
  out.cols = cols;
  out.data.reserve(size_t(out.count() * out.pairs() * 2 * W) * sizeof(int16_t));
}

void Packer::next() {
  if (2 * pair + 1 == out.rows)
    std::fill_n(odd(), padded, int16_t(0));
  int16_t *both = lines.data() + 2 * padded;
  loops::interleave(even(), odd(), both, padded);
  int64_t panelSize = out.pairs() * 2 * W;
  int16_t *to = out.data.as<int16_t>() + pair * 2 * W;
  for (int64_t q = 0; q < out.count(); ++q)
    std::memcpy(to + q * panelSize, both + q * 2 * W, 2 * W * sizeof(int16_t));
  ++pair;
}

int16_t at(const Panels &w, int64_t k, int64_t n) {
  return w.panel(n / W)[(k / 2) * 2 * W + (n % W) * 2 + k % 2];
}

void gemm16(const int16_t *a, int64_t lda, int64_t m, const Panels &w,
            int64_t p0, int64_t p1, char *c, int64_t ldc, bool accumulate) {
  const Family &f = family();
  int64_t pairs = w.pairs();
  for (int64_t p = p0; p < p1; ++p) {
    int64_t valid = std::min(W, w.cols - p * W);
    char *column = c + p * W * 4;
    for (int64_t i = 0; i < m; i += f.rows) {
      int64_t rows = std::min<int64_t>(f.rows, m - i);
      Kernel kernel = f.kernels[rows - 1];
      char *tile = column + i * ldc;
      if (valid == W) {
        kernel(a + i * lda, lda, w.panel(p), pairs, tile, ldc, accumulate);
        continue;
      }
      // The last columns go through a full tile.
      int32_t buffer[12][W] = {};
      for (int64_t r = 0; accumulate && r < rows; ++r)
        std::memcpy(buffer[r], tile + r * ldc, size_t(valid) * 4);
      kernel(a + i * lda, lda, w.panel(p), pairs,
             reinterpret_cast<char *>(buffer), W * 4, accumulate);
      for (int64_t r = 0; r < rows; ++r)
        std::memcpy(tile + r * ldc, buffer[r], size_t(valid) * 4);
    }
  }
}

} // namespace cim::exec
