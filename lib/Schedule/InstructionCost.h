// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef CIM_LIB_SCHEDULE_INSTRUCTIONCOST_H
#define CIM_LIB_SCHEDULE_INSTRUCTIONCOST_H

#include "cim/Program/Program.h"

namespace cim::schedule {

/// Startup, the engine's own cycles, and bytes on the shared memories.
struct InstructionCost {
  double startup = 0, engine = 0;
  double dram = 0, l2 = 0, l1 = 0, acc = 0;
  double arrayWork = 0; ///< Row cycles times array share, for the lower bound.
};

InstructionCost costOf(const Program &program, const Instruction &instruction);

} // namespace cim::schedule

#endif // CIM_LIB_SCHEDULE_INSTRUCTIONCOST_H
