// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Seeded local search over the orders of greedy first-fit. Internal to the
// library.
#ifndef CIM_LIB_ALLOC_LOCALSEARCH_H
#define CIM_LIB_ALLOC_LOCALSEARCH_H

#include "Greedy.h"
#include "absl/time/time.h"

namespace cim::alloc {

/// Improves `layout` until its height is <= goal, or after about `maxWork`
/// elementary steps, or at the deadline. Never makes it worse.
void improveLayout(const Instance &instance, const Lists<int32_t> &overlaps,
                   int64_t goal, uint64_t maxWork, uint64_t seed,
                   absl::Time deadline, Layout &layout);

} // namespace cim::alloc

#endif // CIM_LIB_ALLOC_LOCALSEARCH_H
