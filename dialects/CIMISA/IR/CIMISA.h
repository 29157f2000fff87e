// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The CIMISA dialect: everything a user of its ops includes.
#ifndef DIALECTS_CIMISA_IR_CIMISA_H
#define DIALECTS_CIMISA_IR_CIMISA_H

#include "dialects/CIMISA/IR/Fields.h"
#include "dialects/CIMISA/IR/Location.h"
#include "dialects/CIMISA/IR/MicroOps.h"
#include "dialects/CIMISA/IR/Structs.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace cim::isa {
/// Loops nest at most this deep (device.md D2.4).
constexpr unsigned kMaxLoopDepth = 4;
} // namespace cim::isa

#include "dialects/CIMISA/IR/CIMISADialect.h.inc"
#include "dialects/CIMISA/IR/CIMISAInterfaces.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/CIMISA/IR/CIMISATypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/CIMISA/IR/CIMISAOps.h.inc"

#endif // DIALECTS_CIMISA_IR_CIMISA_H
