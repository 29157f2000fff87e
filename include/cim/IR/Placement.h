// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef CIM_IR_PLACEMENT_H
#define CIM_IR_PLACEMENT_H

#include "mlir/IR/Value.h"

namespace cim {

/// True when a value is a result of the function, as it is or reshaped or
/// transposed, and nothing else reads it: whoever computes it then writes the
/// result's buffer in DRAM directly (lib/Lower/LowerPass.cpp).
bool becomesResult(mlir::Value value);

} // namespace cim

#endif // CIM_IR_PLACEMENT_H
