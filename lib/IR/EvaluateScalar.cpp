// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "EvaluateScalar.h"

#include <cmath>

#include "cim/IR/Constants.h"
#include "cim/Support/Math.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace cim::ir {
namespace {

unsigned widthOf(Type type) {
  return isa<IndexType>(type) ? 64 : type.getIntOrFloatBitWidth();
}

/// Low `width` bits, sign-extended (i1: zero-extended).
int64_t wrap(uint64_t value, unsigned width) {
  if (width >= 64)
    return static_cast<int64_t>(value);
  value &= (uint64_t(1) << width) - 1;
  if (width > 1 && (value >> (width - 1)) != 0)
    value |= ~uint64_t(0) << width;
  return static_cast<int64_t>(value);
}
uint64_t zext(int64_t value, unsigned width) {
  return width >= 64
             ? static_cast<uint64_t>(value)
             : static_cast<uint64_t>(value) & ((uint64_t(1) << width) - 1);
}

Scalar integer(int64_t value) { return {.i = value}; }
Scalar real(double value) { return {.f = value}; }

/// Division as numerics I1: x / 0 is all ones, x % 0 is x, no trap at MIN / -1.
int64_t divideSigned(int64_t a, int64_t b) {
  if (b == 0)
    return -1;
  return b == -1 ? wrap(-static_cast<uint64_t>(a), 64) : a / b;
}
int64_t remainderSigned(int64_t a, int64_t b) {
  if (b == 0)
    return a;
  return b == -1 ? 0 : a % b;
}

std::optional<int64_t> integerBinary(Operation *op, int64_t a, int64_t b,
                                     unsigned width) {
  uint64_t ua = zext(a, width), ub = zext(b, width);
  return TypeSwitch<Operation *, std::optional<int64_t>>(op)
      .Case([&](arith::AddIOp) { return ua + ub; })
      .Case([&](arith::SubIOp) { return ua - ub; })
      .Case([&](arith::MulIOp) { return ua * ub; })
      .Case([&](arith::DivSIOp) { return divideSigned(a, b); })
      .Case([&](arith::RemSIOp) { return remainderSigned(a, b); })
      .Case([&](arith::DivUIOp) { return ub == 0 ? ~uint64_t(0) : ua / ub; })
      .Case([&](arith::RemUIOp) { return ub == 0 ? ua : ua % ub; })
      .Case([&](arith::AndIOp) { return ua & ub; })
      .Case([&](arith::OrIOp) { return ua | ub; })
      .Case([&](arith::XOrIOp) { return ua ^ ub; })
      .Case([&](arith::MaxSIOp) { return std::max(a, b); })
      .Case([&](arith::MinSIOp) { return std::min(a, b); })
      .Case([&](arith::MaxUIOp) { return std::max(ua, ub); })
      .Case([&](arith::MinUIOp) { return std::min(ua, ub); })
      // I2: at or beyond the width every bit is shifted out.
      .Case([&](arith::ShLIOp) { return ub < width ? ua << ub : 0; })
      .Case([&](arith::ShRUIOp) { return ub < width ? ua >> ub : 0; })
      .Case([&](arith::ShRSIOp) {
        return a >> std::min<uint64_t>(ub, width - 1);
      })
      .Default([](Operation *) { return std::nullopt; });
}

bool compareIntegers(arith::CmpIPredicate predicate, int64_t a, int64_t b,
                     unsigned width) {
  uint64_t ua = zext(a, width), ub = zext(b, width);
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return a == b;
  case arith::CmpIPredicate::ne:
    return a != b;
  case arith::CmpIPredicate::slt:
    return a < b;
  case arith::CmpIPredicate::sle:
    return a <= b;
  case arith::CmpIPredicate::sgt:
    return a > b;
  case arith::CmpIPredicate::sge:
    return a >= b;
  case arith::CmpIPredicate::ult:
    return ua < ub;
  case arith::CmpIPredicate::ule:
    return ua <= ub;
  case arith::CmpIPredicate::ugt:
    return ua > ub;
  case arith::CmpIPredicate::uge:
    return ua >= ub;
  }
  return false;
}

bool compareFloats(arith::CmpFPredicate predicate, double a, double b) {
  bool unordered = std::isnan(a) || std::isnan(b);
  using P = arith::CmpFPredicate;
  switch (predicate) {
  case P::AlwaysFalse:
    return false;
  case P::AlwaysTrue:
    return true;
  case P::ORD:
    return !unordered;
  case P::UNO:
    return unordered;
  case P::OEQ:
    return a == b;
  case P::OGT:
    return a > b;
  case P::OGE:
    return a >= b;
  case P::OLT:
    return a < b;
  case P::OLE:
    return a <= b;
  case P::ONE:
    return !unordered && a != b;
  case P::UEQ:
    return unordered || a == b;
  case P::UGT:
    return unordered || a > b;
  case P::UGE:
    return unordered || a >= b;
  case P::ULT:
    return unordered || a < b;
  case P::ULE:
    return unordered || a <= b;
  case P::UNE:
    return unordered || a != b;
  }
  return false;
}

/// Minimum and maximum with -0 < +0; NaN propagates or is ignored (F2).
double minimum(double a, double b, bool ignoreNaN) {
  if (std::isnan(a) || std::isnan(b))
    return ignoreNaN ? (std::isnan(a) ? b : a)
                     : std::numeric_limits<double>::quiet_NaN();
  if (a == b)
    return std::signbit(a) ? a : b;
  return a < b ? a : b;
}
double maximum(double a, double b, bool ignoreNaN) {
  return -minimum(-a, -b, ignoreNaN);
}

/// The op on operands exact in double, rounded by the caller. Rounding the
/// double result of +, -, *, / and sqrt to binary32 or narrower once more gives
/// the correctly rounded result (53 >= 2 * 24 + 2).
std::optional<double> floatOp(Operation *op, ArrayRef<Scalar> args) {
  double a = args[0].f, b = args.size() > 1 ? args[1].f : 0;
  return TypeSwitch<Operation *, std::optional<double>>(op)
      .Case([&](arith::AddFOp) { return a + b; })
      .Case([&](arith::SubFOp) { return a - b; })
      .Case([&](arith::MulFOp) { return a * b; })
      .Case([&](arith::DivFOp) { return a / b; })
      .Case([&](arith::RemFOp) { return std::fmod(a, b); })
      .Case([&](arith::NegFOp) { return -a; })
      .Case([&](arith::MinimumFOp) { return minimum(a, b, false); })
      .Case([&](arith::MaximumFOp) { return maximum(a, b, false); })
      .Case([&](arith::MinNumFOp) { return minimum(a, b, true); })
      .Case([&](arith::MaxNumFOp) { return maximum(a, b, true); })
      .Case([&](mlir::math::AbsFOp) { return std::fabs(a); })
      .Case([&](mlir::math::SqrtOp) { return std::sqrt(a); })
      .Case([&](mlir::math::FloorOp) { return std::floor(a); })
      .Case([&](mlir::math::CeilOp) { return std::ceil(a); })
      .Case([&](mlir::math::TruncOp) { return std::trunc(a); })
      .Case([&](mlir::math::RoundOp) { return std::round(a); })
      .Case([&](mlir::math::RoundEvenOp) { return std::nearbyint(a); })
      .Case([&](mlir::math::CopySignOp) { return std::copysign(a, b); })
      .Default([](Operation *) { return std::nullopt; });
}

/// Elementary functions (numerics F4): the specified binary64 sequence,
/// unrounded.
std::optional<double> elementary(Operation *op, ArrayRef<Scalar> args) {
  double a = args[0].f, b = args.size() > 1 ? args[1].f : 0;
  return TypeSwitch<Operation *, std::optional<double>>(op)
      .Case([&](mlir::math::ExpOp) { return cim::math::exp(a); })
      .Case([&](mlir::math::Exp2Op) { return cim::math::exp2(a); })
      .Case([&](mlir::math::ExpM1Op) { return cim::math::expm1(a); })
      .Case([&](mlir::math::LogOp) { return cim::math::log(a); })
      .Case([&](mlir::math::Log2Op) { return cim::math::log2(a); })
      .Case([&](mlir::math::Log10Op) { return cim::math::log10(a); })
      .Case([&](mlir::math::Log1pOp) { return cim::math::log1p(a); })
      .Case([&](mlir::math::RsqrtOp) { return cim::math::rsqrt(a); })
      .Case([&](mlir::math::TanhOp) { return cim::math::tanh(a); })
      .Case([&](mlir::math::ErfOp) { return cim::math::erf(a); })
      .Case([&](mlir::math::SinOp) { return cim::math::sin(a); })
      .Case([&](mlir::math::CosOp) { return cim::math::cos(a); })
      .Case([&](mlir::math::TanOp) { return cim::math::tan(a); })
      .Case([&](mlir::math::AsinOp) { return cim::math::asin(a); })
      .Case([&](mlir::math::AcosOp) { return cim::math::acos(a); })
      .Case([&](mlir::math::AtanOp) { return cim::math::atan(a); })
      .Case([&](mlir::math::SinhOp) { return cim::math::sinh(a); })
      .Case([&](mlir::math::CoshOp) { return cim::math::cosh(a); })
      .Case([&](mlir::math::AsinhOp) { return cim::math::asinh(a); })
      .Case([&](mlir::math::AcoshOp) { return cim::math::acosh(a); })
      .Case([&](mlir::math::AtanhOp) { return cim::math::atanh(a); })
      .Case([&](mlir::math::Atan2Op) { return cim::math::atan2(a, b); })
      .Case([&](mlir::math::PowFOp) { return cim::math::pow(a, b); })
      .Default([](Operation *) { return std::nullopt; });
}

/// Float to integer, truncating and saturating, NaN to 0 (F3).
int64_t toInteger(double value, unsigned width, bool isUnsigned) {
  if (std::isnan(value))
    return 0;
  value = std::trunc(value);
  double low = isUnsigned ? 0 : -std::ldexp(1.0, width - 1);
  double high = std::ldexp(1.0, isUnsigned ? width : width - 1);
  if (value < low)
    return isUnsigned ? 0 : wrap(uint64_t(1) << (width - 1), width);
  if (value >= high)
    return isUnsigned ? wrap(~uint64_t(0), width)
                      : static_cast<int64_t>((uint64_t(1) << (width - 1)) - 1);
  return isUnsigned ? wrap(static_cast<uint64_t>(value), width)
                    : static_cast<int64_t>(value);
}

/// An integer as the nearest value of a float type (F3).
double toFloat(int64_t value, unsigned width, bool isUnsigned, FloatType to) {
  APInt bits(width < 64 ? 64 : width,
             isUnsigned ? zext(value, width) : static_cast<uint64_t>(value));
  APFloat number(to.getFloatSemantics());
  number.convertFromAPInt(bits, !isUnsigned, APFloat::rmNearestTiesToEven);
  bool losesInfo;
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  return number.convertToDouble();
}

/// The same bits as another type of the same width.
std::optional<Scalar> bitcast(Scalar a, Type from, Type to) {
  unsigned width = widthOf(from);
  if (width > 64 || width != widthOf(to))
    return std::nullopt;
  uint64_t bits = zext(a.i, width);
  bool losesInfo;
  if (auto floatType = dyn_cast<FloatType>(from)) {
    APFloat number(a.f);
    number.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                   &losesInfo);
    bits = number.bitcastToAPInt().getZExtValue();
  }
  auto floatType = dyn_cast<FloatType>(to);
  if (!floatType)
    return integer(wrap(bits, width));
  APFloat number(floatType.getFloatSemantics(), APInt(width, bits));
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  return real(number.convertToDouble());
}

std::optional<Scalar> castOp(Operation *op, Scalar a) {
  Type from = op->getOperand(0).getType(), to = op->getResult(0).getType();
  if (isa<arith::BitcastOp>(op))
    return bitcast(a, from, to);
  return TypeSwitch<Operation *, std::optional<Scalar>>(op)
      .Case<arith::ExtSIOp>(
          [&](Operation *) { return integer(from.isInteger(1) ? -a.i : a.i); })
      .Case<arith::ExtUIOp>([&](Operation *) {
        return integer(static_cast<int64_t>(zext(a.i, widthOf(from))));
      })
      .Case<arith::IndexCastUIOp>([&](Operation *) {
        return integer(wrap(zext(a.i, widthOf(from)), widthOf(to)));
      })
      .Case<arith::TruncIOp, arith::IndexCastOp>([&](Operation *) {
        return integer(wrap(static_cast<uint64_t>(a.i), widthOf(to)));
      })
      .Case<arith::ExtFOp, arith::TruncFOp>([&](Operation *) {
        return real(roundToType(a.f, cast<FloatType>(to)));
      })
      .Case<arith::SIToFPOp>([&](Operation *) {
        int64_t value = from.isInteger(1) ? -a.i : a.i;
        return real(toFloat(value, widthOf(from), false, cast<FloatType>(to)));
      })
      .Case<arith::UIToFPOp>([&](Operation *) {
        return real(toFloat(a.i, widthOf(from), true, cast<FloatType>(to)));
      })
      .Case<arith::FPToSIOp>([&](Operation *) {
        return integer(toInteger(a.f, widthOf(to), false));
      })
      .Case<arith::FPToUIOp>([&](Operation *) {
        return integer(toInteger(a.f, widthOf(to), true));
      })
      .Default([](Operation *) { return std::nullopt; });
}

} // namespace

std::optional<Scalar> scalarOf(Attribute attr) {
  if (auto value = dyn_cast<IntegerAttr>(attr)) {
    unsigned width = widthOf(value.getType());
    if (width > 64)
      return std::nullopt;
    return integer(wrap(value.getValue().getZExtValue(), width));
  }
  if (auto value = dyn_cast<FloatAttr>(attr))
    return real(value.getValueAsDouble());
  return std::nullopt;
}

std::optional<Scalar> evaluateScalar(Operation *op, ArrayRef<Scalar> args) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return scalarOf(constant.getValue());
  if (args.empty() || op->getNumResults() != 1)
    return std::nullopt;
  if (auto cmp = dyn_cast<arith::CmpIOp>(op))
    return integer(compareIntegers(cmp.getPredicate(), args[0].i, args[1].i,
                                   widthOf(cmp.getLhs().getType())));
  if (auto cmp = dyn_cast<arith::CmpFOp>(op))
    return integer(compareFloats(cmp.getPredicate(), args[0].f, args[1].f));
  if (isa<arith::SelectOp>(op))
    return args[0].i != 0 ? args[1] : args[2];
  if (isa<mlir::math::IsNaNOp>(op))
    return integer(std::isnan(args[0].f));
  if (isa<mlir::math::IsInfOp>(op))
    return integer(std::isinf(args[0].f));
  if (std::optional<Scalar> result = castOp(op, args[0]))
    return result;

  Type type = op->getResult(0).getType();
  if (type != op->getOperand(0).getType())
    return std::nullopt;
  if (auto floatType = dyn_cast<FloatType>(type)) {
    if (std::optional<double> result = floatOp(op, args))
      return real(roundToType(*result, floatType));
    std::optional<double> result = elementary(op, args);
    if (!result || floatType.isF64())
      return result ? std::optional<Scalar>(real(*result)) : std::nullopt;
    // Narrower types: rounded to fp32, then again.
    return real(roundToType(static_cast<float>(*result), floatType));
  }
  unsigned width = widthOf(type);
  if (width > 64)
    return std::nullopt;
  if (isa<mlir::math::AbsIOp>(op))
    return integer(wrap(args[0].i < 0 ? -static_cast<uint64_t>(args[0].i)
                                      : static_cast<uint64_t>(args[0].i),
                        width));
  if (args.size() != 2)
    return std::nullopt;
  if (auto result = integerBinary(op, args[0].i, args[1].i, width))
    return integer(wrap(static_cast<uint64_t>(*result), width));
  return std::nullopt;
}

} // namespace cim::ir
