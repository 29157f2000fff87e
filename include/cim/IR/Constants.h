// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reading and making tensor constants. A constant is a `dense<...>` attribute
// when it is small or a splat and a `dense_resource<key>` otherwise, whose
// storage (a mapped file, a parsed model, the heap) is shared and never copied.
// Storage convention of resources: little-endian, one byte per element of i1
// and of every integer narrower than 8 bits, the type's own size otherwise.
#ifndef CIM_IR_CONSTANTS_H
#define CIM_IR_CONSTANTS_H

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringRef.h"

namespace cim::ir {

/// Constants of at most this many elements are written in line.
constexpr int64_t maxInlineElements = 64;

/// Bytes of one stored element of an integer, index or float type.
unsigned elementBytes(mlir::Type elementType);

/// Bytes of a whole constant of this type, or nothing when the product of its
/// dimensions does not fit 2^62.
std::optional<int64_t> constantBytes(mlir::ShapedType type);

/// True when one stored value stands for all elements.
bool isSplat(mlir::ElementsAttr attr);

/// The stored bytes by the convention above; of a splat the one element only.
/// Empty for `dense<...>` of i1 (use `values`), for a resource without storage
/// (released, or elided text) and for other attributes.
llvm::ArrayRef<char> rawBytes(mlir::ElementsAttr attr);

/// True when the elements can be read: false for a resource whose storage is
/// missing or does not have the size its type asks for.
bool hasData(mlir::ElementsAttr attr);

/// All elements in row-major order, converted to T: integers sign-extended
/// (i1 and `isUnsigned`: zero-extended), floats by value. Instantiated for
/// int64_t, float and double; empty when there are no data. A float read as
/// int64_t truncates.
template <typename T>
std::vector<T> values(mlir::ElementsAttr attr, bool isUnsigned = false);

/// All elements by the storage convention, splats expanded.
std::vector<char> expandedBytes(mlir::ElementsAttr attr);

/// A constant of `type` from `bytes` in the storage convention, copied. `name`
/// is the hint for the resource key.
mlir::ElementsAttr makeConstant(mlir::ShapedType type,
                                llvm::ArrayRef<char> bytes,
                                llvm::StringRef name);

/// As above without a copy: `bytes` live as long as `owner` does.
mlir::ElementsAttr makeConstant(mlir::ShapedType type,
                                llvm::ArrayRef<char> bytes,
                                llvm::StringRef name,
                                std::shared_ptr<const void> owner);

/// A constant from one int64_t or double per element, converted to the element
/// type (integers truncated, floats rounded to nearest even).
mlir::ElementsAttr makeConstant(mlir::ShapedType type,
                                llvm::ArrayRef<int64_t> elements,
                                llvm::StringRef name);
mlir::ElementsAttr makeConstant(mlir::ShapedType type,
                                llvm::ArrayRef<double> elements,
                                llvm::StringRef name);

/// All elements equal to `value`, an attribute of the element type.
mlir::ElementsAttr makeSplat(mlir::ShapedType type, mlir::Attribute value);

/// Drops the storage of a resource nobody reads any more; other attributes are
/// left alone.
void releaseBlob(mlir::ElementsAttr attr);

/// The value's attribute when an `arith.constant` defines it, else null.
mlir::ElementsAttr constantOf(mlir::Value value);

/// `value` rounded to nearest even into `type`, as a double.
double roundToType(double value, mlir::FloatType type);

} // namespace cim::ir

#endif // CIM_IR_CONSTANTS_H
