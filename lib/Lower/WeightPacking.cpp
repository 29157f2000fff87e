// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "WeightPacking.h"

#include <algorithm>
#include <cstring>

#include "cim/Support/Numerics.h"

namespace cim {

int64_t packedPlaneBytes(int64_t rows, int64_t cols, int64_t planes) {
  return planes * rows * ((cols + 7) / 8);
}

/// Transposes an 8x8 bit matrix: bit p of byte j moves to bit j of byte p.
static uint64_t transpose8x8(uint64_t x) {
  uint64_t t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAull;
  x ^= t ^ (t << 7);
  t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCull;
  x ^= t ^ (t << 14);
  t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0ull;
  return x ^ t ^ (t << 28);
}

void packPlanes(const int8_t *weights, int64_t rows, int64_t cols,
                int64_t planes, char *out) {
  int64_t rowBytes = (cols + 7) / 8, planeBytes = rows * rowBytes;
  for (int64_t row = 0; row < rows; ++row) {
    const int8_t *source = weights + row * cols;
    for (int64_t byte = 0; byte < rowBytes; ++byte) {
      uint64_t eight = 0;
      std::memcpy(&eight, source + byte * 8,
                  std::min<int64_t>(8, cols - byte * 8));
      eight = transpose8x8(eight);
      char *target = out + row * rowBytes + byte;
      for (int64_t plane = 0; plane < planes; ++plane)
        target[plane * planeBytes] = static_cast<char>(eight >> (8 * plane));
    }
  }
}

std::vector<int64_t> planeMasks(const int8_t *weights, int64_t rows,
                                int64_t cols, int64_t planes,
                                int64_t groupCols) {
  int64_t groups = (cols + groupCols - 1) / groupCols;
  std::vector<int64_t> masks(groups, 0);
  int64_t all = (int64_t(1) << planes) - 1;
  for (int64_t group = 0; group < groups; ++group) {
    int64_t end = std::min(cols, (group + 1) * groupCols);
    uint8_t any = 0;
    for (int64_t row = 0; row < rows && (any & all) != all; ++row)
      for (int64_t col = group * groupCols; col < end; ++col)
        any |= static_cast<uint8_t>(weights[row * cols + col]);
    masks[group] = std::max<int64_t>(any & all, 1);
  }
  return masks;
}

int64_t packedBfpBytes(int64_t rows, int64_t cols, int64_t blockRows) {
  int64_t blocks = (rows + blockRows - 1) / blockRows;
  return blocks * cols + rows * cols * 2;
}

void packBfp(const float *weights, int64_t rows, int64_t cols,
             int64_t blockRows, int mantissaBits, char *out) {
  int64_t blocks = (rows + blockRows - 1) / blockRows;
  char *mantissas = out + blocks * cols;
  std::vector<int16_t> column(blockRows);
  for (int64_t block = 0; block < blocks; ++block) {
    int64_t begin = block * blockRows;
    int64_t size = std::min(blockRows, rows - begin);
    for (int64_t col = 0; col < cols; ++col) {
      int32_t exponent = numerics::bfpBlock(weights + begin * cols + col, cols,
                                            size, mantissaBits, column.data());
      out[block * cols + col] = static_cast<char>(exponent + 127);
      for (int64_t i = 0; i < size; ++i)
        std::memcpy(mantissas + ((begin + i) * cols + col) * 2, &column[i], 2);
    }
  }
}

} // namespace cim
