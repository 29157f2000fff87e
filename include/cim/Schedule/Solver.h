// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The schedule search of one MAC region. Three independent parts: the cost
// model predicts cycles from the target's numbers (device.md sections 4 and 5,
// written separately from the device model), the solver enumerates the mapspace
// and prunes by a lower bound, the validator checks what the solver returns.
#ifndef CIM_SCHEDULE_SOLVER_H
#define CIM_SCHEDULE_SOLVER_H

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cim/Schedule/Problem.h"
#include "cim/Target/TargetSpec.h"

namespace cim::schedule {

/// Where a schedule's time goes, in cycles of the busiest core.
struct Cost {
  double mac = 0;                  ///< Array computing.
  double write = 0;                ///< Weight-write port.
  double vector = 0;               ///< Epilogues.
  double load = 0;                 ///< Activation DMA.
  double l2 = 0, dram = 0, l1 = 0; ///< Shared memories, whole region.
  double fill = 0; ///< What nothing overlaps with: first loads, last epilogue.
  double total = 0;
  /// Name of the resource that limits the steady part.
  const char *bound() const;
};

/// Predicts a valid schedule's cycles.
Cost predict(const MacProblem &problem, const MacSchedule &schedule,
             const TargetSpec &target);

/// Cycles no schedule can beat with weights at `home`: the largest of array
/// time with every cell busy, vector time, and bytes that must move.
double lowerBound(const MacProblem &problem, const TargetSpec &target,
                  Home home);

/// Explains the first rule a schedule breaks.
absl::Status validate(const MacProblem &problem, const MacSchedule &schedule,
                      const TargetSpec &target);

struct SearchOptions {
  Home weights = Home::Dram; ///< Where constant weights stay between runs.
  bool splitCores = true;    ///< Off: one core.
  bool overlap = true;       ///< Off: a single weight set.
  bool copies = true;        ///< Off: no duplication in the array.
  bool exhaustive = true;    ///< Off: the first legal schedule.
};

/// A candidate the search looked at, for the decision trace.
struct Candidate {
  MacSchedule schedule;
  Cost cost;
};

struct SearchResult {
  MacSchedule best;
  Cost cost;
  uint64_t evaluated = 0, pruned = 0;
};

/// The best schedule of the mapspace. Fails only when the target cannot hold
/// the smallest tile, naming the memory.
absl::StatusOr<SearchResult> solve(const MacProblem &problem,
                                   const TargetSpec &target,
                                   const SearchOptions &options);

} // namespace cim::schedule

#endif // CIM_SCHEDULE_SOLVER_H
