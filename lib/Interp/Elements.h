// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the interpreter holds elements: in tensors (memory form, StoredType.h)
// and in the registers of a generic's body (register form).
#ifndef CIM_LIB_INTERP_ELEMENTS_H
#define CIM_LIB_INTERP_ELEMENTS_H

#include <cstdint>
#include <optional>

#include "cim/Interp/Interpreter.h"
#include "mlir/IR/BuiltinTypes.h"

namespace cim::interp {

/// Register form: i1 as bytes 0 and 1, other integers sign-extended to 8, 16,
/// 32 or 64 bits, floats narrower than fp32 as the fp32 numbers they are.
enum class Kind : uint8_t { I1, I8, I16, I32, I64, F32, F64 };
constexpr bool isFloat(Kind kind) { return kind >= Kind::F32; }
unsigned bytesOf(Kind kind);

/// Float formats that registers hold as fp32.
enum class Narrow : uint8_t { No, F16, BF16, E4M3FN, E5M2, E4M3FNUZ, E5M2FNUZ };

/// One element type.
struct Element {
  Kind kind = Kind::F32;
  Narrow narrow = Narrow::No;
  unsigned width = 32; ///< Bits of the type itself, e.g. 4 for i4.
  unsigned bytes = 4;  ///< In memory.
  /// True when memory and register form are the same bytes.
  bool sameForm() const { return narrow == Narrow::No && kind != Kind::I1; }
  /// Integer narrower than its register: results are wrapped to `width`.
  bool isPartial() const { return kind == Kind::I8 && width < 8; }
};

/// The element of a scalar type; quantized types are their storage type.
/// Nothing for types the interpreter has no form for.
std::optional<Element> elementOf(mlir::Type type);

/// Reads n elements, `stride` bytes apart, into a register, and back.
using Decode = void (*)(const char *memory, int64_t stride, char *reg,
                        int64_t n);
using Encode = void (*)(const char *reg, char *memory, int64_t stride,
                        int64_t n);
Decode decodeOf(const Element &element);
Encode encodeOf(const Element &element);

/// Nearest value of a narrow format (numerics F3), as fp32.
float roundTo(Narrow narrow, double x);

/// A zero-filled tensor; fails with an error at `loc` for types without a form
/// and sizes beyond any memory.
mlir::FailureOr<TensorValue> allocate(mlir::RankedTensorType type,
                                      mlir::Location loc);
/// The bytes of a tensor that `allocate` made.
inline char *writable(TensorValue &value) { return value.bytes->data(); }

/// Memory form of a scalar attribute of type `type`, in the low bytes.
std::optional<uint64_t> scalarBits(mlir::Attribute attr);
/// Memory form of a scalar SSA value: an arith.constant or a quant.qcast of
/// one.
std::optional<uint64_t> constantScalar(mlir::Value value);

} // namespace cim::interp

#endif // CIM_LIB_INTERP_ELEMENTS_H
