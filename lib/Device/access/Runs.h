// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Contiguous runs of strided accesses (device.md section 4): what a memory
// really moves when each run is rounded up to its granule.
#ifndef CIM_LIB_DEVICE_ACCESS_RUNS_H
#define CIM_LIB_DEVICE_ACCESS_RUNS_H

#include <cstdint>

#include "absl/types/span.h"
#include "cim/Program/Program.h"

namespace cim::device {

struct Runs {
  uint64_t count = 1; ///< Number of runs.
  uint64_t bytes = 0; ///< Bytes of each.
  uint64_t total() const { return count * bytes; }
  /// Bytes moved when a run is rounded up to multiples of `granule` bytes.
  uint64_t rounded(uint64_t granule) const {
    return granule <= 1 ? total()
                        : count * ((bytes + granule - 1) / granule * granule);
  }
};

/// Runs of an access of `elemBytes` elements over `dims`, outermost first, in
/// access order: the innermost loops merge while each continues the run.
/// Loops of one iteration do not matter.
Runs contiguousRuns(absl::Span<const Dim> dims, uint64_t elemBytes);

} // namespace cim::device

#endif // CIM_LIB_DEVICE_ACCESS_RUNS_H
