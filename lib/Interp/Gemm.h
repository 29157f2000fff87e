// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef CIM_LIB_INTERP_GEMM_H
#define CIM_LIB_INTERP_GEMM_H

#include <cstdint>

namespace cim::interp {

/// Columns of `right` and `out` are padded to a multiple of this.
constexpr int64_t gemmColumns = 32;

/// out[r][c] += left[r][0] * right[0][c], then [1], ... in this order, each
/// product and each sum one operation of the type (unsigned: modulo 2^32).
/// Leading dimensions in elements; `columns` a multiple of gemmColumns.
void gemm(const float *left, int64_t leftPitch, const float *right,
          int64_t rightPitch, float *out, int64_t outPitch, int64_t rows,
          int64_t columns, int64_t depth);
void gemm(const double *left, int64_t leftPitch, const double *right,
          int64_t rightPitch, double *out, int64_t outPitch, int64_t rows,
          int64_t columns, int64_t depth);
void gemm(const uint32_t *left, int64_t leftPitch, const uint32_t *right,
          int64_t rightPitch, uint32_t *out, int64_t outPitch, int64_t rows,
          int64_t columns, int64_t depth);

/// out = left * right, dense row-major fp32, through oneDNN: any order of
/// additions. `accumulate` adds to `out`. `threads` 0 means 1: products are
/// small and waiting threads cost more than they bring. False when the library
/// refuses.
bool fastGemm(const float *left, const float *right, float *out, int64_t rows,
              int64_t columns, int64_t depth, bool accumulate, int threads);

} // namespace cim::interp

#endif // CIM_LIB_INTERP_GEMM_H
