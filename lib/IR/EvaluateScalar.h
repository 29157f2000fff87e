// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One arith or math operation on scalars known at compile time.
#ifndef CIM_LIB_IR_EVALUATESCALAR_H
#define CIM_LIB_IR_EVALUATESCALAR_H

#include <optional>

#include "cim/IR/Evaluate.h"
#include "mlir/IR/Operation.h"

namespace cim::ir {

/// Result of `op` on `args`, or nothing when the operation is not one that is
/// computed exactly here.
std::optional<Scalar> evaluateScalar(mlir::Operation *op,
                                     llvm::ArrayRef<Scalar> args);

/// The scalar attribute's value.
std::optional<Scalar> scalarOf(mlir::Attribute attr);

} // namespace cim::ir

#endif // CIM_LIB_IR_EVALUATESCALAR_H
