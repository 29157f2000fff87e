// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The CIM dialect: everything a user of its ops includes.
#ifndef DIALECTS_CIM_IR_CIM_H
#define DIALECTS_CIM_IR_CIM_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/CIM/IR/CIMDialect.h.inc"
#include "dialects/CIM/IR/CIMEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/CIM/IR/CIMAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/CIM/IR/CIMTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/CIM/IR/CIMOps.h.inc"

#endif // DIALECTS_CIM_IR_CIM_H
