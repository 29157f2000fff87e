// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The allocator's solver. In short (docs/allocator.md has the whole story and
// measured numbers):
//
// Time is cut into *sections*, the maximal sets of buffers live together; a
// buffer covers a run of sections. The problem falls apart where no buffer
// crosses from one section to the next, and each part goes through
//
//  1. a lower bound, the largest live sum, with alignment padding;
//  2. greedy first-fit in several buffer orders;
//  3. an exact search that fills the space from the bottom. Every section has a
//     *floor*, below which nothing will be placed any more. Where neighbouring
//     floors form a valley, some buffer must come to lie on the valley's floor,
//     or the section wastes address space there. That choice is the branch: the
//     branches of one section exclude each other, so no layout is met twice.
//     The section with the fewest branches goes first, which makes full
//     sections (live sum = capacity) nearly deterministic. A section whose
//     floor plus unplaced sizes exceeds the capacity ends a branch; parts that
//     no unplaced buffer connects any more are searched one by one; what
//     remains to be done (unplaced buffers, floors) is remembered when it
//     failed; and a buffer that rests on nothing is refused, as moving it down
//     gives another layout. The search restarts with other value orders under
//     growing node limits and keeps what it has learnt;
//  4. if the budget ends first, seeded local search over greedy orders.
//
// Budgets are counts, never times (a deadline can be added), so results do not
// depend on the machine.
#ifndef CIM_ALLOC_SOLVER_H
#define CIM_ALLOC_SOLVER_H

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cim/Alloc/Problem.h"

namespace cim::alloc {

enum class Goal {
  fit,      ///< any layout within the capacity
  minimize, ///< the lowest layout; the capacity is still a limit
};

struct SolverOptions {
  Goal goal = Goal::fit;
  /// Nodes of the exact search, over all parts of the problem.
  uint64_t maxNodes = 200'000;
  /// Elementary steps of the exact search; bounds problems whose nodes are
  /// expensive. A second makes some 2 * 10^8.
  uint64_t maxWork = 100'000'000;
  /// Elementary steps of the local search; a second makes some 10^8.
  uint64_t maxLocalWork = 40'000'000;
  uint64_t seed = 1;
  /// Wall-clock limit. Only a finite one makes results machine-dependent.
  absl::Duration timeout = absl::InfiniteDuration();

  // Techniques, each of which can be switched off. Results stay correct.
  bool greedy = true;       ///< several greedy orders (off: one)
  bool exact = true;        ///< the exact search
  bool localSearch = true;  ///< local search when the budget is exhausted
  bool sectionBound = true; ///< prune on floor + unplaced sizes
  bool inference = true;    ///< raise and pin offsets in full sections
  bool fewestFirst = true;  ///< fewest branches first (off: lowest valley)
  bool decompose = true;    ///< search unconnected parts one by one
  bool remember = true;     ///< recognise failed remainders
  bool dominance = true;    ///< refuse unsupported and interchangeable buffers
  bool restarts = true;     ///< several value orders, growing limits
};

/// A layout for `problem`. Deterministic for equal arguments, without a timeout
/// on every machine. Errors: those of `check`. An infeasible problem is not an
/// error, see Status.
absl::StatusOr<Solution> solve(const Problem &problem,
                               const SolverOptions &options = {});

} // namespace cim::alloc

#endif // CIM_ALLOC_SOLVER_H
