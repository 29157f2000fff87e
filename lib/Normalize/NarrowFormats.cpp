// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "NarrowFormats.h"

#include <bit>
#include <cmath>

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace cim {
namespace {

/// A format by its numbers; codes without the sign.
struct Layout {
  int mantissa, bias, signBit;
  bool isSigned = true;
  int64_t largest;  ///< Of the finite numbers.
  int64_t overflow; ///< What larger numbers become.
  int64_t nan;      ///< Of NaN; 0 where there is none.
  bool hasInf = false, noNegativeZero = false;
};

Layout layoutOf(FloatType format) {
  const llvm::fltSemantics &semantics = format.getFloatSemantics();
  int width = format.getWidth();
  Layout layout;
  layout.mantissa =
      static_cast<int>(APFloat::semanticsPrecision(semantics)) - 1;
  layout.bias = 1 - APFloat::semanticsMinExponent(semantics);
  layout.signBit = width - 1;
  int64_t ones = (int64_t(1) << (width - 1)) - 1;
  layout.largest = layout.overflow = ones;
  layout.nan = 0;
  if (isa<Float8E8M0FNUType>(format)) { // Powers of two from 2^-127.
    layout.isSigned = false;
    layout.bias = 127;
    layout.largest = 254;
    layout.overflow = layout.nan = 255;
  } else if (isa<Float8E5M2Type>(format)) {
    layout.hasInf = true;
    layout.largest = 0x7b;
    layout.overflow = 0x7c;
    layout.nan = 0x7e;
  } else if (isa<Float8E4M3FNType>(format)) {
    layout.largest = ones - 1;
    layout.overflow = layout.nan = ones;
  } else if (isa<Float8E4M3FNUZType, Float8E5M2FNUZType>(format)) {
    layout.noNegativeZero = true;
    layout.overflow = layout.nan = 0x80;
  }
  return layout;
}

} // namespace

Value NarrowFormats::constant(Type type, int64_t value) {
  unsigned width = type.getIntOrFloatBitWidth();
  return make<arith::ConstantOp>(b.getIntegerAttr(
      type, APInt(64, static_cast<uint64_t>(value)).trunc(width)));
}
Value NarrowFormats::real(float value) {
  return make<arith::ConstantOp>(b.getF32FloatAttr(value));
}
Value NarrowFormats::bits(float value) {
  return constant(b.getI32Type(), std::bit_cast<int32_t>(value));
}
Value NarrowFormats::compare(arith::CmpIPredicate predicate, Value value,
                             int64_t bound) {
  return make<arith::CmpIOp>(predicate, value,
                             constant(value.getType(), bound));
}

Value NarrowFormats::decode(Value code, FloatType format) {
  Layout f = layoutOf(format);
  Type i32 = b.getI32Type(), f32 = b.getF32Type();
  Value c = make<arith::ExtUIOp>(i32, code);
  Value shift = constant(i32, 23 - f.mantissa);
  if (!f.isSigned) {
    Value value = make<arith::BitcastOp>(f32, make<arith::ShLIOp>(c, shift));
    Value isZero = compare(arith::CmpIPredicate::eq, c, 0);
    value = make<arith::SelectOp>(isZero, real(0x1p-127f), value);
    Value isNan = compare(arith::CmpIPredicate::eq, c, f.nan);
    return make<arith::SelectOp>(
        isNan, make<arith::BitcastOp>(f32, constant(i32, 0x7fc00000)), value);
  }
  // As fp32 with the narrow exponent, times the power of two between the
  // biases: exact for subnormals too.
  Value magnitude =
      make<arith::AndIOp>(c, constant(i32, (int64_t(1) << f.signBit) - 1));
  Value small =
      make<arith::BitcastOp>(f32, make<arith::ShLIOp>(magnitude, shift));
  Value value =
      make<arith::MulFOp>(small, real(std::ldexp(1.0f, 127 - f.bias)));
  Value out = make<arith::BitcastOp>(i32, value);
  if (f.hasInf) {
    Value special = make<arith::OrIOp>(make<arith::ShLIOp>(magnitude, shift),
                                       constant(i32, 0x7f800000));
    Value isSpecial = compare(arith::CmpIPredicate::sgt, magnitude, f.largest);
    out = make<arith::SelectOp>(isSpecial, special, out);
  } else if (f.nan && !f.noNegativeZero) {
    Value isNan = compare(arith::CmpIPredicate::eq, magnitude, f.nan);
    out = make<arith::SelectOp>(isNan, constant(i32, 0x7fc00000), out);
  }
  Value sign = make<arith::ShLIOp>(
      make<arith::ShRUIOp>(
          make<arith::AndIOp>(c, constant(i32, int64_t(1) << f.signBit)),
          constant(i32, f.signBit)),
      constant(i32, 31));
  out = make<arith::OrIOp>(out, sign);
  if (f.noNegativeZero) {
    Value isNan = compare(arith::CmpIPredicate::eq, c, f.nan);
    out = make<arith::SelectOp>(isNan, constant(i32, 0x7fc00000), out);
  }
  return make<arith::BitcastOp>(f32, out);
}

Value NarrowFormats::toFloat(Value number) {
  Type type = number.getType(), f32 = b.getF32Type();
  if (type.isF32())
    return number;
  if (type.getIntOrFloatBitWidth() < 32)
    return make<arith::ExtFOp>(f32, number);
  // Round to odd: truncate, and keep in the last bit that something was lost.
  Type i32 = b.getI32Type(), f64 = b.getF64Type();
  Value nearest = make<arith::TruncFOp>(f32, number);
  Value back = make<arith::ExtFOp>(f64, nearest);
  Value tooBig =
      make<arith::CmpFOp>(arith::CmpFPredicate::OGT, make<math::AbsFOp>(back),
                          make<math::AbsFOp>(number));
  Value differs = make<arith::CmpFOp>(arith::CmpFPredicate::ONE, back, number);
  Value code = make<arith::BitcastOp>(i32, nearest);
  Value lower = make<arith::SelectOp>(
      tooBig, make<arith::SubIOp>(code, constant(i32, 1)), code);
  Value odd = make<arith::OrIOp>(lower, constant(i32, 1));
  return make<arith::BitcastOp>(f32, make<arith::SelectOp>(differs, odd, code));
}

Value NarrowFormats::encode(Value number, FloatType format) {
  using Predicate = arith::CmpIPredicate;
  Layout f = layoutOf(format);
  Type i32 = b.getI32Type(), f32 = b.getF32Type();
  Value x = make<arith::BitcastOp>(i32, toFloat(number));
  Value a = make<arith::AndIOp>(x, constant(i32, 0x7fffffff));
  // Normal results: rebias and round half to even on the bits that go; a carry
  // into the exponent comes out right because codes are consecutive.
  int drop = 23 - f.mantissa;
  Value odd = make<arith::AndIOp>(make<arith::ShRUIOp>(a, constant(i32, drop)),
                                  constant(i32, 1));
  Value half = constant(i32, (int64_t(1) << (drop - 1)) - 1);
  Value rounded = make<arith::ShRUIOp>(
      make<arith::AddIOp>(make<arith::AddIOp>(a, half), odd),
      constant(i32, drop));
  Value code = make<arith::SubIOp>(
      rounded, constant(i32, int64_t(127 - f.bias) << f.mantissa));
  if (f.isSigned) {
    // Subnormal results count units of the smallest number.
    float unit = std::ldexp(1.0f, f.bias - 1 + f.mantissa);
    Value units = make<arith::FPToSIOp>(
        i32, make<math::RoundEvenOp>(make<arith::MulFOp>(
                 make<arith::BitcastOp>(f32, a), real(unit))));
    Value isSmall = make<arith::CmpIOp>(Predicate::slt, a,
                                        bits(std::ldexp(1.0f, 1 - f.bias)));
    code = make<arith::SelectOp>(isSmall, units, code);
  }
  Value over = compare(Predicate::sgt, code, f.largest);
  code = make<arith::SelectOp>(over, constant(i32, f.overflow), code);
  Value isNan = compare(Predicate::sgt, a, 0x7f800000);
  code = make<arith::SelectOp>(isNan, constant(i32, f.nan), code);
  if (f.isSigned) {
    Value sign = make<arith::ShLIOp>(make<arith::ShRUIOp>(x, constant(i32, 31)),
                                     constant(i32, f.signBit));
    Value withSign = make<arith::OrIOp>(code, sign);
    code = f.noNegativeZero
               ? make<arith::SelectOp>(compare(Predicate::eq, code, 0), code,
                                       withSign)
               : withSign;
  }
  return make<arith::TruncIOp>(b.getI8Type(), code);
}

} // namespace cim
