// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The smallest useful program: copies int8 x[2,4] to y[2,4] by DMA through L1;
// and one whose output y is its input x, int8 [4,3], as long in a dimension as
// its input n says, through a hidden output before y.
#ifndef CIM_TEST_UNIT_RUNTIME_COPYPROGRAM_H
#define CIM_TEST_UNIT_RUNTIME_COPYPROGRAM_H

#include "cim/Program/Program.h"

namespace cim {

Program copyProgram();
Program lengthProgram(uint32_t dim);

} // namespace cim

#endif // CIM_TEST_UNIT_RUNTIME_COPYPROGRAM_H
