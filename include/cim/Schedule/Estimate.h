// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Predicted cycles of a whole program, before anything runs. A second
// implementation of device.md sections 4 and 5, simplified: an instruction is
// slowed down by the oversubscription of its scarcest memory (the device shares
// max-min fairly), and times are not rounded to cycles. The report shows the
// prediction beside the simulated cycles.
#ifndef CIM_SCHEDULE_ESTIMATE_H
#define CIM_SCHEDULE_ESTIMATE_H

#include <cstdint>
#include <vector>

#include "cim/Program/Program.h"

namespace cim::schedule {

struct Estimate {
  uint64_t cycles = 0;
  /// What every layer of Program::layers adds to the run.
  std::vector<uint64_t> layerCycles;
};

/// Predicts a stage of a program without loops (before rerolling).
Estimate estimate(const Program &program, const Stage &stage);

/// Cycles no execution of the stage can beat: array work, vector work and bytes
/// moved, each spread perfectly over its resource.
uint64_t stageLowerBound(const Program &program, const Stage &stage);

} // namespace cim::schedule

#endif // CIM_SCHEDULE_ESTIMATE_H
