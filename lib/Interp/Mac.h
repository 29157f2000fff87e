// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cim.conv and cim.matmul in all number formats.
#ifndef CIM_LIB_INTERP_MAC_H
#define CIM_LIB_INTERP_MAC_H

#include "Elements.h"
#include "dialects/CIM/IR/CIM.h"

namespace cim::interp {

/// Operand values of a MAC op; `bias` and `multiplier` may be null.
struct MacValues {
  TensorValue input, weights;
  const TensorValue *bias = nullptr, *multiplier = nullptr;
};

/// Computes a cim.conv or cim.matmul.
mlir::FailureOr<TensorValue> runMac(mlir::Operation *op,
                                    const MacValues &values,
                                    const InterpretOptions &options);

} // namespace cim::interp

#endif // CIM_LIB_INTERP_MAC_H
