// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef CIMISA_OPS_TD
#define CIMISA_OPS_TD

include "dialects/CIMISA/IR/CIMISADialect.td"
include "dialects/CIMISA/IR/CIMISAInstructions.td"
include "dialects/CIMISA/IR/CIMISAProgram.td"

#endif // CIMISA_OPS_TD
