// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Gemm.h"

#include <cstring>

#include <dlfcn.h>

#include "cim/Support/Simd.h"
#include "oneapi/dnnl/dnnl.h"

namespace cim::interp {
namespace {

/// Sums of a few rows and one vector of columns stay in registers over all k.
template <typename T, int rows, int vectors>
CIM_INLINE void block(const T *left, int64_t leftPitch, const T *right,
                      int64_t rightPitch, T *out, int64_t outPitch,
                      int64_t depth) {
  using Vector [[gnu::vector_size(64), gnu::aligned(alignof(T))]] = T;
  constexpr int width = 64 / sizeof(T);
  Vector sums[rows][vectors];
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v)
      sums[r][v] =
          *reinterpret_cast<const Vector *>(out + r * outPitch + v * width);
  for (int64_t k = 0; k < depth; ++k) {
    Vector b[vectors];
    for (int v = 0; v < vectors; ++v)
      b[v] =
          *reinterpret_cast<const Vector *>(right + k * rightPitch + v * width);
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < vectors; ++v)
        sums[r][v] = sums[r][v] + left[r * leftPitch + k] * b[v];
  }
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v)
      *reinterpret_cast<Vector *>(out + r * outPitch + v * width) = sums[r][v];
}

template <typename T>
CIM_INLINE void gemmOf(const T *left, int64_t leftPitch, const T *right,
                       int64_t rightPitch, T *out, int64_t outPitch,
                       int64_t rows, int64_t columns, int64_t depth) {
  constexpr int64_t width = 64 / sizeof(T);
  for (int64_t c = 0; c < columns; c += 2 * width) {
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4)
      block<T, 4, 2>(left + r * leftPitch, leftPitch, right + c, rightPitch,
                     out + r * outPitch + c, outPitch, depth);
    for (; r < rows; ++r)
      block<T, 1, 2>(left + r * leftPitch, leftPitch, right + c, rightPitch,
                     out + r * outPitch + c, outPitch, depth);
  }
}

} // namespace

#define CIM_GEMM(T)                                                            \
  CIM_SIMD static void gemm_##T(const T *left, int64_t leftPitch,              \
                                const T *right, int64_t rightPitch, T *out,    \
                                int64_t outPitch, int64_t rows,                \
                                int64_t columns, int64_t depth) {              \
    gemmOf<T>(left, leftPitch, right, rightPitch, out, outPitch, rows,         \
              columns, depth);                                                 \
  }                                                                            \
  void gemm(const T *left, int64_t leftPitch, const T *right,                  \
            int64_t rightPitch, T *out, int64_t outPitch, int64_t rows,        \
            int64_t columns, int64_t depth) {                                  \
    gemm_##T(left, leftPitch, right, rightPitch, out, outPitch, rows, columns, \
             depth);                                                           \
  }
CIM_GEMM(float)
CIM_GEMM(double)
CIM_GEMM(uint32_t)
#undef CIM_GEMM

namespace {

/// oneDNN threads through OpenMP, which this library is not linked to: the one
/// oneDNN brought along is asked.
class OpenMPThreads {
public:
  explicit OpenMPThreads(int threads) {
    using Get = int (*)();
    auto get =
        reinterpret_cast<Get>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
    set = reinterpret_cast<Set>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
    if (get && set) {
      before = get();
      set(threads > 0 ? threads : 1);
    }
  }
  ~OpenMPThreads() {
    if (before)
      set(before);
  }

private:
  using Set = void (*)(int);
  Set set = nullptr;
  int before = 0;
};

} // namespace

bool fastGemm(const float *left, const float *right, float *out, int64_t rows,
              int64_t columns, int64_t depth, bool accumulate, int threads) {
  OpenMPThreads scope(threads);
  return dnnl_sgemm('N', 'N', rows, columns, depth, 1.0f, left, depth, right,
                    columns, accumulate ? 1.0f : 0.0f, out,
                    columns) == dnnl_success;
}

} // namespace cim::interp
