// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Seeded problems for tests, and their optimum by enumeration.
#ifndef CIM_TEST_UNIT_ALLOC_RANDOMPROBLEMS_H
#define CIM_TEST_UNIT_ALLOC_RANDOMPROBLEMS_H

#include <cstdint>
#include <optional>

#include "cim/Alloc/Problem.h"

namespace cim::alloc::test {

struct Features {
  bool alignment = false;
  bool fixed = false;
  bool gaps = false;
};

/// A few small buffers, legal for check(). Capacity is left at 0.
Problem smallProblem(uint64_t seed, int buffers, Features features);

/// Buffers cut out of a full rectangle of height `capacity`: the live sum
/// equals the capacity everywhere, and a layout of that height exists. Each
/// buffer is then left out with a chance of `dropPercent`.
Problem tightProblem(uint64_t seed, int buffers, int64_t capacity,
                     int dropPercent);

/// The height of the lowest layout, by trying every order of stacking (use up
/// to 7 buffers); nothing if fixed offsets leave no layout.
std::optional<int64_t> lowestHeight(const Problem &problem);

} // namespace cim::alloc::test

#endif // CIM_TEST_UNIT_ALLOC_RANDOMPROBLEMS_H
