// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Checks a layout by a sweep over time. Shares no code with the solver.
#ifndef CIM_ALLOC_VALIDATOR_H
#define CIM_ALLOC_VALIDATOR_H

#include "absl/status/status.h"
#include "cim/Alloc/Problem.h"

namespace cim::alloc {

/// OK if `solution` has one offset >= 0 per buffer, every offset keeps its
/// alignment and fixed value, no two buffers held at one time share an address,
/// and `height` is the highest address used. If `solution.fits()`, the height
/// must also be within the capacity; an `optimal` height, if it differs from
/// the lower bound, cannot be judged here and is not. FailedPrecondition names
/// the first offending buffer or pair.
absl::Status validate(const Problem &problem, const Solution &solution);

} // namespace cim::alloc

#endif // CIM_ALLOC_VALIDATOR_H
