// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef CIM_LIB_SCHEDULE_EXPLORE_H
#define CIM_LIB_SCHEDULE_EXPLORE_H

#include "cim/Schedule/Solver.h"

namespace cim::schedule {

/// Improves `result` by a random search of `options.exploration` operations,
/// the same for the same seed. `result.cost.total` must come from `simulate`.
void explore(const MacProblem &problem, const TargetSpec &target,
             const SearchOptions &options, SearchResult &result);

} // namespace cim::schedule

#endif // CIM_LIB_SCHEDULE_EXPLORE_H
