// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A device that copies the first input to the first output, for tests of the
// runtime around it.
#ifndef CIM_TEST_UNIT_RUNTIME_FAKEDEVICE_H
#define CIM_TEST_UNIT_RUNTIME_FAKEDEVICE_H

#include "cim/Runtime/Session.h"

namespace cim {

/// A program for the fake: x i8[2,3] and k f32[3] in, y i8[2,3] and s f32[]
/// out.
Program fakeProgram();
/// Output y = x, s = k[0]; the load stage takes 1000 cycles, run number i
/// (from 0) 100 + i. Run number `failAt` fails.
DeviceFactory fakeDevice(int failAt = -1);

} // namespace cim

#endif // CIM_TEST_UNIT_RUNTIME_FAKEDEVICE_H
