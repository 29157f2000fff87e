// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Static memory allocation: which address every buffer gets when all live
// ranges are known beforehand. The problem and its solution hold no IR, so the
// compiler, the command line and the tests share them.
//
// Addresses and sizes are in any one unit (the compiler uses bytes), times in
// any one unit (the compiler uses positions in its schedule).
#ifndef CIM_ALLOC_PROBLEM_H
#define CIM_ALLOC_PROBLEM_H

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"

namespace cim::alloc {

/// A half-open interval of time, [lower, upper).
struct Interval {
  int64_t lower = 0;
  int64_t upper = 0;
  friend bool operator==(const Interval &, const Interval &) = default;
};

/// One buffer: a block of `size` addresses held during [lower, upper).
struct Buffer {
  int64_t lower = 0;
  int64_t upper = 0; ///< > lower
  int64_t size = 0;  ///< > 0
  /// The offset must be a multiple of this; >= 1.
  int64_t alignment = 1;
  /// The offset must be exactly this (a multiple of `alignment`).
  std::optional<int64_t> fixedOffset;
  /// An offset to try first; has no influence on what is legal.
  std::optional<int64_t> hint;
  /// Times within [lower, upper) at which the addresses are not held: sorted,
  /// disjoint, not empty, and not the whole live range.
  std::vector<Interval> gaps;
};

struct Problem {
  std::vector<Buffer> buffers;
  int64_t capacity = 0; ///< addresses 0 .. capacity - 1 exist
};

enum class Status {
  /// The layout is within the capacity and no layout is lower.
  optimal,
  /// The layout is within the capacity.
  feasible,
  /// Proven: no layout is within the capacity.
  infeasible,
  /// Neither a layout within the capacity nor a proof was found in the budget.
  unknown,
};

/// "optimal", "feasible", "infeasible" or "unknown".
const char *name(Status status);

struct Solution {
  /// One per buffer, in the problem's order: the lowest layout found, whatever
  /// the status. It is legal except that its height may exceed the capacity.
  std::vector<int64_t> offsets;
  int64_t height = 0; ///< max of offset + size
  /// Proven: no layout is lower than this.
  int64_t lowerBound = 0;
  /// A time at which the live buffers need the most, and how much: the reason
  /// for `infeasible` when `peakLive` exceeds the capacity.
  Interval peak;
  int64_t peakLive = 0;
  Status status = Status::unknown;
  uint64_t nodes = 0; ///< visited by the exact search

  bool fits() const {
    return status == Status::optimal || status == Status::feasible;
  }
};

/// Errors (InvalidArgument, "buffer <index>: what; value; what to do"): an
/// empty live range, size < 1, alignment < 1, a negative or misaligned fixed
/// offset, two live-overlapping buffers fixed to overlapping addresses, gaps
/// out of order or range, sizes whose sum does not fit 61 bits, capacity < 0.
absl::Status check(const Problem &problem);

} // namespace cim::alloc

#endif // CIM_ALLOC_PROBLEM_H
