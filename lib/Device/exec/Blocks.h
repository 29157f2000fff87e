// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Moves the elements of a small strided block to and from a dense array: the
// loads and stores of the vector unit.
#ifndef CIM_LIB_DEVICE_EXEC_BLOCKS_H
#define CIM_LIB_DEVICE_EXEC_BLOCKS_H

#include <cstdint>
#include <vector>

namespace cim::exec {

/// Shape of a block in memory, outermost dim first, simplified for one operand.
class Block {
public:
  /// Element (i0, ..) lies at sum of i * stride bytes; `width` bytes each.
  Block(const std::vector<int64_t> &sizes, const std::vector<int64_t> &strides,
        unsigned width);
  Block() = default;

  /// One run without gaps.
  bool contiguous() const {
    return dims == 0 || (dims == 1 && stride[0] == int64_t(width));
  }
  /// Memory at p to the dense array `out` (width bytes per element).
  void load(const uint8_t *p, uint8_t *out) const;
  /// The reverse; where elements coincide the last one stays.
  void store(const uint8_t *in, uint8_t *p) const;

private:
  template <typename T>
  void loadDim(int d, const uint8_t *p, T *out) const;
  template <typename T>
  void storeDim(int d, const T *in, uint8_t *p) const;

  static constexpr int kMax = 6;
  int dims = 0;
  unsigned width = 1;
  int64_t size[kMax] = {}, stride[kMax] = {};
  int64_t count[kMax] = {}; ///< Elements of one step of a dim.
};

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_BLOCKS_H
