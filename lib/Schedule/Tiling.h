// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Counts and sizes that follow from a schedule, the same for the cost model and
// the validator; the lower phase (lib/Lower) derives its loops on its own.
#ifndef CIM_LIB_SCHEDULE_TILING_H
#define CIM_LIB_SCHEDULE_TILING_H

#include "cim/Schedule/Solver.h"
#include "cim/Target/TargetSpec.h"

namespace cim::schedule {

struct Tiling {
  Tiling(const MacProblem &p, const MacSchedule &s, const TargetSpec &t);

  int64_t cores = 1;
  int64_t chunks = 1, chunkChannels = 1, chunkN = 1;
  // Of the busiest core.
  int64_t subPerCore = 1;  ///< Sub-problems (batch entries, chunks of groups).
  int64_t rowsPerCore = 1; ///< Output rows of a sub-problem.
  int64_t mTilesPerCore = 1;
  int64_t nPerCore = 1, nTilesPerCore = 1;
  int64_t kTiles = 1, kRowsTotal = 1;
  int64_t maxTileRows = 1;   ///< Rows of the largest m tile.
  int64_t kTileRows = 1;     ///< Array rows of the largest k tile.
  bool sharedPatch = false;  ///< One patch for all tiles of a core.
  double patchPositions = 1; ///< That a load brings.
  int64_t patchChannels = 1;
  bool patchPerK = false;      ///< A patch holds one k tile's channels only.
  bool patchPerKernel = false; ///< ... and its kernel positions' inputs only.
  bool patchesStay = false;    ///< L1 holds all patches of a sub-problem.
  int64_t loadChannels = 1;    ///< That one transfer brings.
  int64_t patchSlots = 1;
  int64_t patchBytes = 0;
  int64_t accTileBytes = 0, accSlots = 1;
};

/// Index of the m dimension that cores divide.
size_t splitDim(const MacProblem &p);

} // namespace cim::schedule

#endif // CIM_LIB_SCHEDULE_TILING_H
