// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the operations of a region demand (device.md section 4), as the cost
// model and the simulation of a region understand it.
#ifndef CIM_LIB_SCHEDULE_COSTS_H
#define CIM_LIB_SCHEDULE_COSTS_H

#include <algorithm>

#include "cim/Schedule/Problem.h"
#include "cim/Target/TargetSpec.h"

namespace cim::schedule {

/// Bytes a weight tile of `rows` x `cols` takes on the write port (D4.2).
double weightTileBytes(const MacProblem &p, const TargetSpec &t, double rows,
                       double cols);
/// Cycles of the array per row of activations (D4.3).
double arrayCyclesPerRow(const MacProblem &p, const TargetSpec &t);
/// Bytes L1 delivers for the activations of one row of a k tile (D4.3).
double fetchBytes(const MacProblem &p, const TargetSpec &t, int64_t channels,
                  int64_t kernelInner, int64_t kernelOuter);
/// Issue cycles of the epilogue of `elements` accumulators (D4.5).
double epilogueCycles(const MacProblem &p, const TargetSpec &t,
                      double elements);

/// Bytes per output element that the epilogue moves in L2 and in DRAM.
struct EpilogueBytes {
  double l2 = 0, dram = 0;
};
inline EpilogueBytes epilogueBytes(const MacProblem &p) {
  double out = double(p.outBytes), in = double(p.inBytes);
  return p.outToDram ? EpilogueBytes{in, out} : EpilogueBytes{in + out, 0};
}
/// Startup of an epilogue operation.
inline double epilogueStartup(const MacProblem &p, const TargetSpec &t) {
  return t.vecStartupCycles +
         (p.outToDram ? std::max(t.dramLatencyCycles, t.l2LatencyCycles)
                      : t.l2LatencyCycles);
}

} // namespace cim::schedule

#endif // CIM_LIB_SCHEDULE_COSTS_H
