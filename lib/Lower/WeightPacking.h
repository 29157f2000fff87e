// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weight tiles as the array's write port reads them (device.md D3.3, D3.4).
#ifndef CIM_LIB_LOWER_WEIGHTPACKING_H
#define CIM_LIB_LOWER_WEIGHTPACKING_H

#include <cstdint>
#include <vector>

namespace cim {

/// Bytes of a packed plane tile.
int64_t packedPlaneBytes(int64_t rows, int64_t cols, int64_t planes);
/// Packs `rows` x `cols` two's complement weights (row-major) as bit planes.
void packPlanes(const int8_t *weights, int64_t rows, int64_t cols,
                int64_t planes, char *out);
/// Per group of `groupCols` columns, the planes that are not all zero; at least
/// one plane. Negative numbers use the sign plane as any other.
std::vector<int64_t> planeMasks(const int8_t *weights, int64_t rows,
                                int64_t cols, int64_t planes,
                                int64_t groupCols);

/// Bytes of a packed bfp tile.
int64_t packedBfpBytes(int64_t rows, int64_t cols, int64_t blockRows);
/// Converts fp32 weights (row-major) to blocks (numerics B1).
void packBfp(const float *weights, int64_t rows, int64_t cols,
             int64_t blockRows, int mantissaBits, char *out);

} // namespace cim

#endif // CIM_LIB_LOWER_WEIGHTPACKING_H
