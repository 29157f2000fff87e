// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The schedule search of one MAC region. Three independent parts: the cost
// model predicts cycles from the target's numbers (device.md sections 4 and 5,
// written separately from the device model), the solver enumerates the mapspace
// and prunes by a lower bound, the validator checks what the solver returns.
#ifndef CIM_SCHEDULE_SOLVER_H
#define CIM_SCHEDULE_SOLVER_H

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "absl/status/statusor.h"
#include "cim/Schedule/Problem.h"
#include "cim/Target/TargetSpec.h"

namespace cim::schedule {

/// Most activation patches a region keeps in L1.
inline constexpr int64_t maxPatchSlots = 64;
/// Channels that one transfer brings into a shared patch: whole k tiles, so
/// that MACs on the first can start before the others are there, but enough of
/// them that startup does not dominate. `positions` are those of an m tile.
int64_t channelsPerLoad(int64_t positions, int64_t kChannels,
                        int64_t chunkChannels, int64_t actBytes);
/// ACC bytes for the requantization multipliers of a region; 0 when they are
/// too large to sit beside the accumulators and stay in L1.
int64_t accMultiplierBytes(const MacProblem &problem, const TargetSpec &target);

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

/// Plays the region's operations on the queues of one core and returns what it
/// adds to a run in which equal layers follow each other, in cycles. Takes the
/// operations played from `budget`; nothing when they are more than that.
std::optional<double> simulate(const MacProblem &problem,
                               const MacSchedule &schedule,
                               const TargetSpec &target, uint64_t &budget);

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
  /// Operations that `simulate` may play on the best candidates; 0: the cost
  /// model decides alone.
  uint64_t simulation = 200000;
  /// Operations that the random search around the best may play.
  uint64_t exploration = 0;
  uint64_t seed = 0; ///< Of the random search.
};

/// A candidate the search looked at, for the decision trace.
struct Candidate {
  MacSchedule schedule;
  Cost cost;
};

struct SearchResult {
  MacSchedule best;
  Cost cost;
  uint64_t evaluated = 0, pruned = 0, simulated = 0;
};

/// The best schedule of the mapspace. Fails only when the target cannot hold
/// the smallest tile, naming the memory.
absl::StatusOr<SearchResult> solve(const MacProblem &problem,
                                   const TargetSpec &target,
                                   const SearchOptions &options);

} // namespace cim::schedule

#endif // CIM_SCHEDULE_SOLVER_H
