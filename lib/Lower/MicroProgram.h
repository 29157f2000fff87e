// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cim.kernel bodies as micro-programs of the vector unit.
#ifndef CIM_LIB_LOWER_MICROPROGRAM_H
#define CIM_LIB_LOWER_MICROPROGRAM_H

#include "cim/IR/StoredType.h"
#include "cim/Program/Program.h"
#include "dialects/CIM/IR/CIM.h"

namespace cim {

/// Translates a kernel; on failure an error has been emitted on the op that has
/// no micro-operation.
mlir::FailureOr<Kernel> toMicroProgram(ir::KernelOp kernel);

/// True when an op may stand in the body of a vector kernel.
bool hasMicroOp(mlir::Operation *op);

} // namespace cim

#endif // CIM_LIB_LOWER_MICROPROGRAM_H
