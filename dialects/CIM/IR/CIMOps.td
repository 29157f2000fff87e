// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef CIM_OPS_TD
#define CIM_OPS_TD

include "dialects/CIM/IR/CIMDialect.td"
include "dialects/CIM/IR/CIMTensorOps.td"
include "dialects/CIM/IR/CIMSelectOps.td"
include "dialects/CIM/IR/CIMTileOps.td"

#endif // CIM_OPS_TD
