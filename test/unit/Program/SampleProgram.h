// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A small program that uses every kind of instruction and record.
#ifndef CIM_TEST_UNIT_PROGRAM_SAMPLEPROGRAM_H
#define CIM_TEST_UNIT_PROGRAM_SAMPLEPROGRAM_H

#include "cim/Program/Program.h"

namespace cim {

/// Valid for the target it carries ("sample", independent of the presets).
Program sampleProgram();

} // namespace cim

#endif // CIM_TEST_UNIT_PROGRAM_SAMPLEPROGRAM_H
