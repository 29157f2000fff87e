// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plain readings of the rules, element by element, for comparison.
#ifndef CIM_TEST_UNIT_DEVICEEXEC_NAIVE_H
#define CIM_TEST_UNIT_DEVICEEXEC_NAIVE_H

#include <cstdint>
#include <functional>
#include <vector>

#include "cim/Program/Program.h"

namespace cim::test {

/// A register's value: integers sign- or zero-extended, floats as binary64
/// (every float type is exact in it), i1 as 0 or 1.
struct Scalar {
  int64_t i = 0;
  double f = 0;
};
Scalar decodeScalar(DType type, const uint8_t *memory);
void encodeScalar(DType type, Scalar value, uint8_t *memory);

/// Runs a kernel over its nest in lexicographic order, one element at a time;
/// `memory` maps an operand and a byte offset from its base to host memory.
/// Returns false at the first index out of bounds.
bool runNaively(const Kernel &kernel, const Vec &op,
                const std::function<uint8_t *(size_t, int64_t)> &memory);

} // namespace cim::test

#endif // CIM_TEST_UNIT_DEVICEEXEC_NAIVE_H
