// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The last step of compilation: allocated tile ops to the device program.
#ifndef CIM_LOWER_TOPROGRAM_H
#define CIM_LOWER_TOPROGRAM_H

#include "cim/Program/Program.h"
#include "mlir/IR/BuiltinOps.h"

namespace cim {

/// Builds the device program from an allocated module. Constant segments are
/// views into the module's resources, which must outlive the program. On
/// failure an error has been emitted.
mlir::FailureOr<Program> buildProgram(mlir::ModuleOp module,
                                      const TargetSpec &target);

} // namespace cim

#endif // CIM_LOWER_TOPROGRAM_H
