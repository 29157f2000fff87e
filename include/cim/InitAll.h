// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one place that knows every dialect, pass and translation. Tools and the
// Python module call these and nothing else.
#ifndef CIM_INITALL_H
#define CIM_INITALL_H

#include "mlir/IR/DialectRegistry.h"

namespace cim {

/// Adds the upstream dialects the compiler uses and the project's own, with
/// their extensions.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Registers every pass and pipeline with the global pass registry. Call once
/// per process.
void registerAllPasses();

/// Registers every translation (--import-onnx, --assemble, --disassemble).
/// Call once per process.
void registerAllTranslations();

} // namespace cim

#endif // CIM_INITALL_H
