// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The schedule phase.
#ifndef CIM_SCHEDULE_PASSES_H
#define CIM_SCHEDULE_PASSES_H

#include <memory>

#include "cim/Target/TargetSpec.h"
#include "mlir/Pass/Pass.h"

namespace cim {

struct ScheduleOptions {
  /// 0: first legal schedule; 1: one core; 2: the mapspace; 3: beyond it.
  int optLevel = 2;
  double searchSeconds = 0; ///< Nominal; of further search, over all regions.
  uint64_t seed = 0;        ///< Of further search.
  bool overlap = true;      ///< Rotate weight sets (dual port).
  bool copies = true;       ///< Duplicate small tiles in the array.
  bool splitCores = true;   ///< Divide regions among cores.
  bool residentWeights = true; ///< Keep weights in L2 between runs.
};

/// Attaches #cim.schedule to every MAC region that has none.
std::unique_ptr<mlir::Pass> createSchedulePass(const TargetSpec &target,
                                               const ScheduleOptions &options);

} // namespace cim

#endif // CIM_SCHEDULE_PASSES_H
