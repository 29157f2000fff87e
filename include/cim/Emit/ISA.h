// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cim::Program as CIMISA IR and back: the two halves of the assembler and the
// disassembler, exact inverses of each other.
#ifndef CIM_EMIT_ISA_H
#define CIM_EMIT_ISA_H

#include "cim/Program/Program.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace cim {

/// A module with one `cimisa.program` that says all that `program` says.
/// Segments are not copied: resources in the context share their bytes. The
/// program must satisfy validateProgram(); where the IR has no form for a
/// program that does not (unbalanced loops, a register read before it is
/// written), an error is emitted and null returned. Loads the dialect.
mlir::OwningOpRef<mlir::ModuleOp> buildISA(const Program &program,
                                           mlir::MLIRContext *context);

struct ExportOptions {
  /// Copy segments, so that the program may outlive the context. Otherwise
  /// resource segments are views into the context's blobs.
  bool copySegments = true;
  /// Check the result with validateProgram().
  bool validate = true;
};

/// The program in `module`, which holds exactly one `cimisa.program` at its
/// top level and has been verified. Errors are emitted and name the program or
/// the op.
mlir::FailureOr<Program> exportProgram(mlir::ModuleOp module,
                                       const ExportOptions &options = {});

} // namespace cim

#endif // CIM_EMIT_ISA_H
