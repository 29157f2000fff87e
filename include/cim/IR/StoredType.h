// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How elements of a tensor type lie in data memories.
#ifndef CIM_IR_STOREDTYPE_H
#define CIM_IR_STOREDTYPE_H

#include <cstdint>
#include <optional>

#include "mlir/IR/Types.h"

namespace cim {

// Program.h's names and MLIR's do not go together in one header.
enum class DType : uint8_t;

/// The type elements have in memory: quantized types their storage type
/// (unsigned storage as an unsigned integer), others themselves.
mlir::Type storedType(mlir::Type elementType);
/// Bytes of one element in data memories: sub-byte types one, index eight.
int64_t storedBytes(mlir::Type elementType);

/// The device's type of an element (of quantized types: as stored), index being
/// i64 and integers below a byte i8; nothing for types devices do not have.
std::optional<DType> dtypeOf(mlir::Type elementType);
/// The unsigned type of the same width (MLIR integers carry no sign); other
/// types as they are.
DType asUnsigned(DType type);

} // namespace cim

#endif // CIM_IR_STOREDTYPE_H
