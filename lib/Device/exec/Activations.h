// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The affine activation fetch of a MAC (device.md D3.6): rows of K elements
// collected from L1 into dense host buffers.
#ifndef CIM_LIB_DEVICE_EXEC_ACTIVATIONS_H
#define CIM_LIB_DEVICE_EXEC_ACTIVATIONS_H

#include <cstdint>
#include <vector>

#include "cim/Program/Program.h"

namespace cim::exec {

class Activations {
public:
  /// `p` is the byte of op.act.
  Activations(const Mac &op, const uint8_t *p);

  int64_t rows() const { return m; }  ///< M.
  int64_t depth() const { return k; } ///< K.

  /// Rows [m0, m0 + n) of an integer activation as int16; row i at
  /// out + i * stride. One zero follows each row when K is odd.
  void integers(int64_t m0, int64_t n, int16_t *out, int64_t stride) const;
  /// 8-bit rows as bytes, signed ones offset by 128; stride in bytes.
  void bytes(int64_t m0, int64_t n, uint8_t *out, int64_t stride) const;
  /// Rows of a float activation as fp32.
  void floats(int64_t m0, int64_t n, float *out, int64_t stride) const;

private:
  /// Byte offsets of the rows [m0, m0 + n).
  std::vector<int64_t> offsets(int64_t m0, int64_t n) const;

  const uint8_t *base;
  DType type;
  std::vector<Dim> mDims;
  int64_t m = 1, k = 1;
  /// K as runs: element j of run r at runs[r] + j * step (bytes).
  std::vector<int64_t> runs;
  int64_t runLength = 1, step = 0;
};

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_ACTIVATIONS_H
