// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Arithmetic, comparison and selection on registers (numerics I1 to I3, F1, F2,
// F4, F6, F8).

#include <cmath>
#include <type_traits>

#include "Body.h"
#include "cim/Support/Math.h"
#include "cim/Support/Numerics.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringSwitch.h"

namespace cim::interp {
namespace {

//===----------------------------------------------------------------------===//
// Operations on one lane
//===----------------------------------------------------------------------===//

/// Wide enough that no signed overflow happens; the store wraps (I1).
template <typename T>
using Modular =
    std::make_unsigned_t<std::conditional_t<(sizeof(T) < 4), int32_t, T>>;

#define CIM_OP(Name, expression)                                               \
  struct Name {                                                                \
    template <typename T>                                                      \
    T operator()(T x, T y) const {                                             \
      using U = std::make_unsigned_t<T>;                                       \
      using M = Modular<T>;                                                    \
      (void)sizeof(U);                                                         \
      (void)sizeof(M);                                                         \
      return T(expression);                                                    \
    }                                                                          \
  };
CIM_OP(AddI, M(x) + M(y))
CIM_OP(SubI, M(x) - M(y))
CIM_OP(MulI, M(x) * M(y))
CIM_OP(DivS, numerics::divide(x, y))
CIM_OP(DivU, numerics::divide(U(x), U(y)))
CIM_OP(RemS, numerics::remainder(x, y))
CIM_OP(RemU, numerics::remainder(U(x), U(y)))
CIM_OP(MinS, x < y ? x : y)
CIM_OP(MaxS, x > y ? x : y)
CIM_OP(MinU, U(x) < U(y) ? x : y)
CIM_OP(MaxU, U(x) > U(y) ? x : y)
CIM_OP(And, x &y)
CIM_OP(Or, x | y)
CIM_OP(Xor, x ^ y)
CIM_OP(Shl, numerics::shiftLeft(x, y))
CIM_OP(ShrU, numerics::shiftRightLogical(x, y))
CIM_OP(ShrS, numerics::shiftRightArithmetic(x, y))
CIM_OP(AbsI, x < T(0) ? T(M(0) - M(x)) : x)
#undef CIM_OP

#define CIM_OP(Name, expression)                                               \
  struct Name {                                                                \
    template <typename T>                                                      \
    T operator()(T x, T y) const {                                             \
      return expression;                                                       \
    }                                                                          \
  };
CIM_OP(AddF, x + y)
CIM_OP(SubF, x - y)
CIM_OP(MulF, x *y)
CIM_OP(DivF, x / y)
CIM_OP(RemF, std::fmod(x, y))
CIM_OP(MinF, numerics::minimum(x, y))
CIM_OP(MaxF, numerics::maximum(x, y))
CIM_OP(MinNumF, numerics::minNum(x, y))
CIM_OP(MaxNumF, numerics::maxNum(x, y))
CIM_OP(NegF, -x)
CIM_OP(AbsF, std::fabs(x))
CIM_OP(CeilF, std::ceil(x))
CIM_OP(FloorF, std::floor(x))
CIM_OP(TruncF, std::trunc(x))
CIM_OP(RoundF, std::round(x))
CIM_OP(RoundEvenF, numerics::rne(x))
CIM_OP(CopySignF, std::copysign(x, y))
#undef CIM_OP

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

/// Operations of one operand get it twice: `b` is then register `a`.
template <typename Op, typename T>
void apply(const Step &s, Lanes &lanes, int64_t n) {
  const T *a = lanes.in<T>(s.a), *b = lanes.in<T>(s.b);
  T *d = lanes.out<T>(s.dst);
  for (int64_t i = 0; i < n; ++i)
    d[i] = Op()(a[i], b[i]);
}
/// I3: modulo 2 on unsigned bytes 0 and 1.
template <typename Op>
void applyBool(const Step &s, Lanes &lanes, int64_t n) {
  const uint8_t *a = lanes.in<uint8_t>(s.a), *b = lanes.in<uint8_t>(s.b);
  uint8_t *d = lanes.out<uint8_t>(s.dst);
  for (int64_t i = 0; i < n; ++i)
    d[i] = std::is_same_v<Op, ShrS> ? a[i] : Op()(a[i], b[i]) & 1;
}

template <typename Op>
Loop integers(Kind kind) {
  switch (kind) {
  case Kind::I1:
    return applyBool<Op>;
  case Kind::I8:
    return apply<Op, int8_t>;
  case Kind::I16:
    return apply<Op, int16_t>;
  case Kind::I32:
    return apply<Op, int32_t>;
  case Kind::I64:
    return apply<Op, int64_t>;
  default:
    return nullptr;
  }
}
template <typename Op>
Loop floats(Kind kind) {
  return kind == Kind::F32   ? apply<Op, float>
         : kind == Kind::F64 ? apply<Op, double>
                             : Loop(nullptr);
}

template <typename T>
void applyFma(const Step &s, Lanes &lanes, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    lanes.out<T>(s.dst)[i] =
        std::fma(lanes.in<T>(s.a)[i], lanes.in<T>(s.b)[i], lanes.in<T>(s.c)[i]);
}

template <math::Unary f, typename T>
void applyUnary(const Step &s, Lanes &lanes, int64_t n) {
  math::map(f, lanes.in<T>(s.a), lanes.out<T>(s.dst), size_t(n));
}
template <math::Binary f, typename T>
void applyBinary(const Step &s, Lanes &lanes, int64_t n) {
  math::map(f, lanes.in<T>(s.a), lanes.in<T>(s.b), lanes.out<T>(s.dst),
            size_t(n));
}
template <math::Unary f>
Loop unary(Kind kind) {
  return kind == Kind::F32   ? applyUnary<f, float>
         : kind == Kind::F64 ? applyUnary<f, double>
                             : Loop(nullptr);
}
template <math::Binary f>
Loop binary(Kind kind) {
  return kind == Kind::F32   ? applyBinary<f, float>
         : kind == Kind::F64 ? applyBinary<f, double>
                             : Loop(nullptr);
}

using Select = Loop (*)(Kind);

Select integerOperation(llvm::StringRef name) {
  return llvm::StringSwitch<Select>(name)
      .Case("arith.addi", integers<AddI>)
      .Case("arith.subi", integers<SubI>)
      .Case("arith.muli", integers<MulI>)
      .Case("arith.divsi", integers<DivS>)
      .Case("arith.divui", integers<DivU>)
      .Case("arith.remsi", integers<RemS>)
      .Case("arith.remui", integers<RemU>)
      .Case("arith.minsi", integers<MinS>)
      .Case("arith.maxsi", integers<MaxS>)
      .Case("arith.minui", integers<MinU>)
      .Case("arith.maxui", integers<MaxU>)
      .Case("arith.andi", integers<And>)
      .Case("arith.ori", integers<Or>)
      .Case("arith.xori", integers<Xor>)
      .Case("arith.shli", integers<Shl>)
      .Case("arith.shrui", integers<ShrU>)
      .Case("arith.shrsi", integers<ShrS>)
      .Case("math.absi", integers<AbsI>)
      .Default(nullptr);
}

Select floatOperation(llvm::StringRef name) {
  return llvm::StringSwitch<Select>(name)
      .Case("arith.addf", floats<AddF>)
      .Case("arith.subf", floats<SubF>)
      .Case("arith.mulf", floats<MulF>)
      .Case("arith.divf", floats<DivF>)
      .Case("arith.remf", floats<RemF>)
      .Case("arith.minimumf", floats<MinF>)
      .Case("arith.maximumf", floats<MaxF>)
      .Case("arith.minnumf", floats<MinNumF>)
      .Case("arith.maxnumf", floats<MaxNumF>)
      .Case("arith.negf", floats<NegF>)
      .Case("math.absf", floats<AbsF>)
      .Case("math.ceil", floats<CeilF>)
      .Case("math.floor", floats<FloorF>)
      .Case("math.trunc", floats<TruncF>)
      .Case("math.round", floats<RoundF>)
      .Case("math.roundeven", floats<RoundEvenF>)
      .Case("math.copysign", floats<CopySignF>)
      .Default(nullptr);
}

Select elementaryFunction(llvm::StringRef name) {
  using math::Binary;
  using math::Unary;
  return llvm::StringSwitch<Select>(name)
#define CIM_CASE(Name, function) .Case("math." #function, unary<Unary::Name>)
      // clang-format off
      CIM_UNARY_FUNCTIONS(CIM_CASE)
  // clang-format on
#undef CIM_CASE
          .Case("math.atan2", binary<Binary::Atan2>)
          .Case("math.powf", binary<Binary::Pow>)
          .Default(nullptr);
}

//===----------------------------------------------------------------------===//
// Comparison and selection
//===----------------------------------------------------------------------===//

template <uint64_t predicate, typename T>
void compareInt(const Step &s, Lanes &lanes, int64_t n) {
  using P = mlir::arith::CmpIPredicate;
  using U = std::make_unsigned_t<T>;
  const T *a = lanes.in<T>(s.a), *b = lanes.in<T>(s.b);
  uint8_t *d = lanes.out<uint8_t>(s.dst);
  constexpr P p = P(predicate);
  for (int64_t i = 0; i < n; ++i) {
    T x = a[i], y = b[i];
    U ux = U(x), uy = U(y);
    d[i] = p == P::eq    ? x == y
           : p == P::ne  ? x != y
           : p == P::slt ? x < y
           : p == P::sle ? x <= y
           : p == P::sgt ? x > y
           : p == P::sge ? x >= y
           : p == P::ult ? ux < uy
           : p == P::ule ? ux <= uy
           : p == P::ugt ? ux > uy
                         : ux >= uy;
  }
}
template <uint64_t predicate>
Loop compareIntOf(Kind kind) {
  switch (kind) {
  case Kind::I1: // 0 and 1 as numbers whatever the predicate (I3).
  case Kind::I8:
    return compareInt<predicate, int8_t>;
  case Kind::I16:
    return compareInt<predicate, int16_t>;
  case Kind::I32:
    return compareInt<predicate, int32_t>;
  case Kind::I64:
    return compareInt<predicate, int64_t>;
  default:
    return nullptr;
  }
}

template <uint64_t predicate, typename T>
void compareFloat(const Step &s, Lanes &lanes, int64_t n) {
  using P = mlir::arith::CmpFPredicate;
  const T *a = lanes.in<T>(s.a), *b = lanes.in<T>(s.b);
  uint8_t *d = lanes.out<uint8_t>(s.dst);
  constexpr P p = P(predicate);
  for (int64_t i = 0; i < n; ++i) {
    T x = a[i], y = b[i];
    bool unordered = x != x || y != y;
    d[i] = p == P::AlwaysFalse ? false
           : p == P::OEQ       ? x == y
           : p == P::OGT       ? x > y
           : p == P::OGE       ? x >= y
           : p == P::OLT       ? x < y
           : p == P::OLE       ? x <= y
           : p == P::ONE       ? !unordered && x != y
           : p == P::ORD       ? !unordered
           : p == P::UEQ       ? unordered || x == y
           : p == P::UGT       ? unordered || x > y
           : p == P::UGE       ? unordered || x >= y
           : p == P::ULT       ? unordered || x < y
           : p == P::ULE       ? unordered || x <= y
           : p == P::UNE       ? unordered || x != y
           : p == P::UNO       ? unordered
                               : true;
  }
}
template <uint64_t predicate>
Loop compareFloatOf(Kind kind) {
  return kind == Kind::F32   ? compareFloat<predicate, float>
         : kind == Kind::F64 ? compareFloat<predicate, double>
                             : Loop(nullptr);
}

template <uint64_t... predicates>
Loop pickInt(uint64_t predicate, Kind kind,
             std::integer_sequence<uint64_t, predicates...>) {
  static constexpr Select table[] = {compareIntOf<predicates>...};
  return predicate < sizeof...(predicates) ? table[predicate](kind) : nullptr;
}
template <uint64_t... predicates>
Loop pickFloat(uint64_t predicate, Kind kind,
               std::integer_sequence<uint64_t, predicates...>) {
  static constexpr Select table[] = {compareFloatOf<predicates>...};
  return predicate < sizeof...(predicates) ? table[predicate](kind) : nullptr;
}

template <typename T, bool nan>
void classify(const Step &s, Lanes &lanes, int64_t n) {
  const T *a = lanes.in<T>(s.a);
  for (int64_t i = 0; i < n; ++i)
    lanes.out<uint8_t>(s.dst)[i] =
        nan ? a[i] != a[i]
            : std::fabs(a[i]) == std::numeric_limits<T>::infinity();
}

template <typename T>
void select(const Step &s, Lanes &lanes, int64_t n) {
  const uint8_t *c = lanes.in<uint8_t>(s.a);
  const T *x = lanes.in<T>(s.b), *y = lanes.in<T>(s.c);
  T *d = lanes.out<T>(s.dst);
  for (int64_t i = 0; i < n; ++i)
    d[i] = c[i] ? x[i] : y[i];
}

} // namespace

Loop arithmeticLoop(llvm::StringRef name, Kind kind) {
  if (name == "math.fma")
    return kind == Kind::F32   ? applyFma<float>
           : kind == Kind::F64 ? applyFma<double>
                               : Loop(nullptr);
  for (Select find :
       {integerOperation(name), floatOperation(name), elementaryFunction(name)})
    if (find)
      return find(kind);
  return nullptr;
}

bool readsUnsigned(llvm::StringRef name) {
  return llvm::StringSwitch<bool>(name)
      .Cases({"arith.divui", "arith.remui", "arith.minui", "arith.maxui"}, true)
      .Cases({"arith.shli", "arith.shrui"}, true)
      .Default(false);
}

Loop compareIntLoop(uint64_t predicate, Kind kind) {
  return pickInt(predicate, kind, std::make_integer_sequence<uint64_t, 10>());
}
Loop compareFloatLoop(uint64_t predicate, Kind kind) {
  return pickFloat(predicate, kind, std::make_integer_sequence<uint64_t, 16>());
}

Loop classifyLoop(llvm::StringRef name, Kind kind) {
  bool nan = name == "math.isnan";
  if (!nan && name != "math.isinf")
    return nullptr;
  if (kind == Kind::F32)
    return nan ? classify<float, true> : classify<float, false>;
  if (kind == Kind::F64)
    return nan ? classify<double, true> : classify<double, false>;
  return nullptr;
}

Loop selectLoop(Kind kind) {
  switch (bytesOf(kind)) {
  case 1:
    return select<uint8_t>;
  case 2:
    return select<uint16_t>;
  case 4:
    return select<uint32_t>;
  default:
    return select<uint64_t>;
  }
}

} // namespace cim::interp
