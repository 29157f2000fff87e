// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Build.h"

#include "cim/IR/Constants.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace cim::onnx {

static bool isFloat(Value value) { return isa<FloatType>(value.getType()); }

Value Scalars::constant(Type type, double value) {
  if (auto floatType = dyn_cast<FloatType>(type))
    return make<arith::ConstantOp>(
        b.getFloatAttr(type, ir::roundToType(value, floatType)));
  return constantInt(type, static_cast<int64_t>(value));
}

Value Scalars::constantInt(Type type, int64_t value) {
  if (isa<FloatType>(type))
    return constant(type, static_cast<double>(value));
  unsigned width = isa<IndexType>(type) ? 64 : type.getIntOrFloatBitWidth();
  APInt bits(64, static_cast<uint64_t>(value));
  return make<arith::ConstantOp>(b.getIntegerAttr(type, bits.trunc(width)));
}

Value Scalars::index(int64_t value) {
  return make<arith::ConstantIndexOp>(value);
}

Value Scalars::add(Value l, Value r) {
  return isFloat(l) ? make<arith::AddFOp>(l, r) : make<arith::AddIOp>(l, r);
}
Value Scalars::sub(Value l, Value r) {
  return isFloat(l) ? make<arith::SubFOp>(l, r) : make<arith::SubIOp>(l, r);
}
Value Scalars::mul(Value l, Value r) {
  return isFloat(l) ? make<arith::MulFOp>(l, r) : make<arith::MulIOp>(l, r);
}
Value Scalars::div(Value l, Value r, bool isUnsigned) {
  if (isFloat(l))
    return make<arith::DivFOp>(l, r);
  return isUnsigned ? make<arith::DivUIOp>(l, r) : make<arith::DivSIOp>(l, r);
}
Value Scalars::rem(Value l, Value r, bool isUnsigned) {
  if (isFloat(l))
    return make<arith::RemFOp>(l, r);
  return isUnsigned ? make<arith::RemUIOp>(l, r) : make<arith::RemSIOp>(l, r);
}
Value Scalars::min(Value l, Value r, bool isUnsigned) {
  if (isFloat(l))
    return make<arith::MinimumFOp>(l, r);
  return isUnsigned ? make<arith::MinUIOp>(l, r) : make<arith::MinSIOp>(l, r);
}
Value Scalars::max(Value l, Value r, bool isUnsigned) {
  if (isFloat(l))
    return make<arith::MaximumFOp>(l, r);
  return isUnsigned ? make<arith::MaxUIOp>(l, r) : make<arith::MaxSIOp>(l, r);
}

Value Scalars::neg(Value x) {
  if (isFloat(x))
    return make<arith::NegFOp>(x);
  return sub(constantInt(x.getType(), 0), x);
}

Value Scalars::abs(Value x, bool isUnsigned) {
  if (isFloat(x))
    return make<math::AbsFOp>(x);
  return isUnsigned ? x : make<math::AbsIOp>(x);
}

Value Scalars::logicalNot(Value x) {
  return make<arith::XOrIOp>(x, constantInt(x.getType(), 1));
}
Value Scalars::bitAnd(Value l, Value r) { return make<arith::AndIOp>(l, r); }
Value Scalars::bitOr(Value l, Value r) { return make<arith::OrIOp>(l, r); }

Value Scalars::select(Value c, Value t, Value f) {
  return make<arith::SelectOp>(c, t, f);
}

Value Scalars::cmp(Cmp predicate, Value l, Value r, bool isUnsigned) {
  using F = arith::CmpFPredicate;
  using I = arith::CmpIPredicate;
  static constexpr F floats[] = {F::OEQ, F::UNE, F::OLT,
                                 F::OLE, F::OGT, F::OGE};
  static constexpr I ints[] = {I::eq, I::ne, I::slt, I::sle, I::sgt, I::sge};
  static constexpr I uints[] = {I::eq, I::ne, I::ult, I::ule, I::ugt, I::uge};
  auto i = static_cast<size_t>(predicate);
  if (isFloat(l))
    return make<arith::CmpFOp>(floats[i], l, r);
  bool unsignedOrder = isUnsigned || l.getType().isInteger(1);
  return make<arith::CmpIOp>(unsignedOrder ? uints[i] : ints[i], l, r);
}

Value Scalars::toIndex(Value x) {
  if (isa<IndexType>(x.getType()))
    return x;
  return make<arith::IndexCastOp>(b.getIndexType(), x);
}

Value Scalars::cast(Value x, Type to, bool fromUnsigned, bool toUnsigned) {
  Type from = x.getType();
  if (from == to)
    return x;
  if (isa<IndexType>(from))
    return cast(make<arith::IndexCastOp>(b.getI64Type(), x), to);
  if (isa<IndexType>(to))
    return toIndex(x);
  if (to.isInteger(1))
    return cmp(Cmp::NE, x, constantInt(from, 0));
  bool extendZero = fromUnsigned || from.isInteger(1);
  if (isa<FloatType>(from)) {
    if (isa<FloatType>(to)) {
      unsigned narrow = from.getIntOrFloatBitWidth();
      unsigned wide = to.getIntOrFloatBitWidth();
      if (narrow == wide) // f16 and bf16, the 8-bit kinds
        return cast(cast(x, b.getF32Type()), to);
      return narrow < wide ? make<arith::ExtFOp>(to, x)
                           : make<arith::TruncFOp>(to, x);
    }
    return toUnsigned ? make<arith::FPToUIOp>(to, x)
                      : make<arith::FPToSIOp>(to, x);
  }
  if (isa<FloatType>(to))
    return extendZero ? make<arith::UIToFPOp>(to, x)
                      : make<arith::SIToFPOp>(to, x);
  if (from.getIntOrFloatBitWidth() > to.getIntOrFloatBitWidth())
    return make<arith::TruncIOp>(to, x);
  return extendZero ? make<arith::ExtUIOp>(to, x) : make<arith::ExtSIOp>(to, x);
}

Value Scalars::extract(Value tensor, ValueRange indices) {
  return make<tensor::ExtractOp>(tensor, indices);
}

Value Scalars::wrapIndex(Value i, int64_t dim) {
  i = cast(i, b.getI64Type());
  Value zero = constantInt(b.getI64Type(), 0);
  Value wrapped = add(i, constantInt(b.getI64Type(), dim));
  return toIndex(select(cmp(Cmp::LT, i, zero), wrapped, i));
}

} // namespace cim::onnx
