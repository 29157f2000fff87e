// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Floats of at most 8 bits as arithmetic on their codes: one byte per element,
// code in the low bits.
#ifndef CIM_LIB_NORMALIZE_NARROWFORMATS_H
#define CIM_LIB_NORMALIZE_NARROWFORMATS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

namespace cim {

/// Emits scalar arithmetic at one place.
class NarrowFormats {
public:
  NarrowFormats(mlir::OpBuilder &b, mlir::Location loc) : b(b), loc(loc) {}

  /// The number of an i8 code, in fp32; exact.
  mlir::Value decode(mlir::Value code, mlir::FloatType format);
  /// The i8 code nearest to a floating-point number, ties to even (numerics
  /// F3); overflow gives infinity, else NaN, else the largest number, by what
  /// the format has.
  mlir::Value encode(mlir::Value number, mlir::FloatType format);

  mlir::Value constant(mlir::Type type, int64_t value);
  template <typename Op, typename... Args>
  mlir::Value make(Args &&...args) {
    return Op::create(b, loc, std::forward<Args>(args)...).getResult();
  }

private:
  mlir::Value real(float value);
  mlir::Value bits(float value);
  mlir::Value compare(mlir::arith::CmpIPredicate predicate, mlir::Value value,
                      int64_t bound);
  /// fp32 that rounds to fewer than 22 bits as `number` does.
  mlir::Value toFloat(mlir::Value number);

  mlir::OpBuilder &b;
  mlir::Location loc;
};

} // namespace cim

#endif // CIM_LIB_NORMALIZE_NARROWFORMATS_H
