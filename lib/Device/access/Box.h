// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Strided boxes: the byte sets that instructions read and write, and exact
// questions about them (do two overlap, does one cover another) answered
// without enumerating bytes.
#ifndef CIM_LIB_DEVICE_ACCESS_BOX_H
#define CIM_LIB_DEVICE_ACCESS_BOX_H

#include <cstdint>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "cim/Program/Program.h"

namespace cim::device {

/// The byte set { base + sum_j i_j * dims[j].stride + x | 0 <= i_j < size_j,
/// 0 <= x < length }. Always canonical: every size > 1, strides positive,
/// descending and greater than `length`.
class Box {
public:
  using Dims = absl::InlinedVector<Dim, 4>;

  Box() = default;
  /// `length` contiguous bytes at `base`.
  Box(int64_t base, int64_t length)
      : first(base), last(base + length), run(length) {}
  /// Elements of `length` bytes over `dims`; any order, strides of any sign,
  /// zero included. Sizes are at least 1.
  Box(int64_t base, int64_t length, Dims dims);

  /// Lowest byte.
  int64_t begin() const { return first; }
  /// One past the highest byte.
  int64_t end() const { return last; }
  int64_t length() const { return run; }
  const Dims &dims() const { return loops; }
  bool dense() const { return loops.empty(); }

  /// Whether the two sets share a byte. Exact.
  bool overlaps(const Box &other) const;
  /// A byte of both sets; call only when they overlap.
  int64_t commonByte(const Box &other) const;
  /// True only if every byte of `other` is in this set; may miss exotic cases.
  bool covers(const Box &other) const;

  bool operator==(const Box &) const = default;

private:
  int64_t first = 0, last = 0, run = 0;
  Dims loops;
};

inline Box makeBox(const Address &address, int64_t length) {
  return Box(static_cast<int64_t>(address.offset), length);
}

} // namespace cim::device

#endif // CIM_LIB_DEVICE_ACCESS_BOX_H
