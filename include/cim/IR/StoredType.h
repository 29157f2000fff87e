// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How elements of a tensor type lie in data memories.
#ifndef CIM_IR_STOREDTYPE_H
#define CIM_IR_STOREDTYPE_H

#include <cstdint>

#include "mlir/IR/Types.h"

namespace cim {

/// The type elements have in memory: quantized types their storage type
/// (unsigned storage as an unsigned integer), others themselves.
mlir::Type storedType(mlir::Type elementType);
/// Bytes of one element in data memories: sub-byte types one, index eight.
int64_t storedBytes(mlir::Type elementType);

} // namespace cim

#endif // CIM_IR_STOREDTYPE_H
