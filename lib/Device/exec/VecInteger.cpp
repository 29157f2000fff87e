// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Integer micro-operations (numerics I1 to I3).
#include <type_traits>

#include "VecOps.h"
#include "cim/Support/Numerics.h"
#include "cim/Support/Simd.h"

namespace cim::exec {
namespace {

template <typename T, typename F>
CIM_INLINE void each(const T *a, const T *b, T *d, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i)
    d[i] = f(a[i], b[i]);
}

template <typename T>
CIM_INLINE void arithmetic(MicroOp op, const T *a, const T *b, T *d,
                           int64_t n) {
  using U = std::make_unsigned_t<T>;
  // Narrow types promote to int, which never overflows here; the wide ones
  // are computed unsigned.
  using P = std::conditional_t<sizeof(T) < 4, int32_t, U>;
  switch (op) {
  case MicroOp::Add:
    return each(a, b, d, n, [](T x, T y) { return T(P(x) + P(y)); });
  case MicroOp::Sub:
    return each(a, b, d, n, [](T x, T y) { return T(P(x) - P(y)); });
  case MicroOp::Mul:
    return each(a, b, d, n, [](T x, T y) {
      using M = std::conditional_t<sizeof(T) < 4, uint32_t, U>;
      return T(M(x) * M(y));
    });
  case MicroOp::Div:
    return each(a, b, d, n, [](T x, T y) { return numerics::divide(x, y); });
  case MicroOp::Rem:
    return each(a, b, d, n, [](T x, T y) { return numerics::remainder(x, y); });
  case MicroOp::Min:
  case MicroOp::MinNum:
    return each(a, b, d, n, [](T x, T y) { return x < y ? x : y; });
  case MicroOp::Max:
  case MicroOp::MaxNum:
    return each(a, b, d, n, [](T x, T y) { return x > y ? x : y; });
  case MicroOp::Neg:
    return each(a, a, d, n, [](T x, T) { return T(P(0) - P(x)); });
  case MicroOp::Abs:
    return each(a, a, d, n,
                [](T x, T) { return x < T(0) ? T(P(0) - P(x)) : x; });
  case MicroOp::And:
    return each(a, b, d, n, [](T x, T y) { return T(x & y); });
  case MicroOp::Or:
    return each(a, b, d, n, [](T x, T y) { return T(x | y); });
  case MicroOp::Xor:
    return each(a, b, d, n, [](T x, T y) { return T(x ^ y); });
  case MicroOp::Shl:
    return each(a, b, d, n, [](T x, T y) { return numerics::shiftLeft(x, y); });
  case MicroOp::ShrU:
    return each(a, b, d, n,
                [](T x, T y) { return numerics::shiftRightLogical(x, y); });
  case MicroOp::ShrS:
    return each(a, b, d, n,
                [](T x, T y) { return numerics::shiftRightArithmetic(x, y); });
  case MicroOp::DivU:
    return each(a, b, d, n,
                [](T x, T y) { return T(numerics::divide<U>(U(x), U(y))); });
  case MicroOp::RemU:
    return each(a, b, d, n,
                [](T x, T y) { return T(numerics::remainder<U>(U(x), U(y))); });
  case MicroOp::MinU:
    return each(a, b, d, n, [](T x, T y) { return U(x) < U(y) ? x : y; });
  case MicroOp::MaxU:
    return each(a, b, d, n, [](T x, T y) { return U(x) > U(y) ? x : y; });
  default:
    return; // No other operation is integer arithmetic (validated).
  }
}

/// I3: i1 is arithmetic modulo 2 on 0 and 1.
CIM_INLINE void booleans(MicroOp op, const uint8_t *a, const uint8_t *b,
                         uint8_t *d, int64_t n) {
  using T = uint8_t;
  switch (op) {
  case MicroOp::Add:
  case MicroOp::Sub:
  case MicroOp::Xor:
    return each(a, b, d, n, [](T x, T y) { return T(x ^ y); });
  case MicroOp::Mul:
  case MicroOp::And:
  case MicroOp::Min:
  case MicroOp::MinU:
    return each(a, b, d, n, [](T x, T y) { return T(x & y); });
  case MicroOp::Or:
  case MicroOp::Max:
  case MicroOp::MaxU:
    return each(a, b, d, n, [](T x, T y) { return T(x | y); });
  case MicroOp::Div: // By 0: all ones.
  case MicroOp::DivU:
    return each(a, b, d, n, [](T x, T y) { return T(x | (y ^ 1)); });
  case MicroOp::Rem: // By 0: the dividend.
  case MicroOp::RemU:
  case MicroOp::Shl:
  case MicroOp::ShrU:
    return each(a, b, d, n, [](T x, T y) { return T(x & (y ^ 1)); });
  default: // Neg, Abs, ShrS keep the bit.
    return each(a, a, d, n, [](T x, T) { return x; });
  }
}

template <typename T, typename F>
CIM_INLINE void test(const T *a, const T *b, uint8_t *d, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i)
    d[i] = f(a[i], b[i]);
}

template <typename T>
CIM_INLINE void compare(CmpIntPredicate p, const T *a, const T *b, uint8_t *d,
                        int64_t n) {
  using U = std::make_unsigned_t<T>;
  using S = std::make_signed_t<T>;
  using P = CmpIntPredicate;
  switch (p) {
  case P::EQ:
    return test(a, b, d, n, [](T x, T y) { return x == y; });
  case P::NE:
    return test(a, b, d, n, [](T x, T y) { return x != y; });
  case P::SLT:
    return test(a, b, d, n, [](T x, T y) { return S(x) < S(y); });
  case P::SLE:
    return test(a, b, d, n, [](T x, T y) { return S(x) <= S(y); });
  case P::SGT:
    return test(a, b, d, n, [](T x, T y) { return S(x) > S(y); });
  case P::SGE:
    return test(a, b, d, n, [](T x, T y) { return S(x) >= S(y); });
  case P::ULT:
    return test(a, b, d, n, [](T x, T y) { return U(x) < U(y); });
  case P::ULE:
    return test(a, b, d, n, [](T x, T y) { return U(x) <= U(y); });
  case P::UGT:
    return test(a, b, d, n, [](T x, T y) { return U(x) > U(y); });
  case P::UGE:
    return test(a, b, d, n, [](T x, T y) { return U(x) >= U(y); });
  }
}

} // namespace

namespace loops {
#define CIM_INTEGER(T, name)                                                   \
  CIM_SIMD void arithmetic##name(MicroOp op, const T *a, const T *b, T *d,     \
                                 int64_t n) {                                  \
    arithmetic<T>(op, a, b, d, n);                                             \
  }                                                                            \
  CIM_SIMD void compare##name(CmpIntPredicate p, const T *a, const T *b,       \
                              uint8_t *d, int64_t n) {                         \
    compare<T>(p, a, b, d, n);                                                 \
  }
CIM_INTEGER(int8_t, I8)
CIM_INTEGER(uint8_t, U8)
CIM_INTEGER(int16_t, I16)
CIM_INTEGER(uint16_t, U16)
CIM_INTEGER(int32_t, I32)
CIM_INTEGER(uint32_t, U32)
CIM_INTEGER(int64_t, I64)
CIM_INTEGER(uint64_t, U64)
#undef CIM_INTEGER
CIM_SIMD void arithmeticI1(MicroOp op, const uint8_t *a, const uint8_t *b,
                           uint8_t *d, int64_t n) {
  booleans(op, a, b, d, n);
}
} // namespace loops

#define CIM_TYPES(X)                                                           \
  X(I8, int8_t)                                                                \
  X(U8, uint8_t)                                                               \
  X(I16, int16_t)                                                              \
  X(U16, uint16_t)                                                             \
  X(I32, int32_t)                                                              \
  X(U32, uint32_t)                                                             \
  X(I64, int64_t)                                                              \
  X(U64, uint64_t)

void integerOp(MicroOp op, DType type, const void *a, const void *b, void *dst,
               int64_t n) {
  switch (type) {
#define CIM_CASE(name, T)                                                      \
  case DType::name:                                                            \
    return loops::arithmetic##name(op, static_cast<const T *>(a),              \
                                   static_cast<const T *>(b),                  \
                                   static_cast<T *>(dst), n);
    CIM_TYPES(CIM_CASE)
#undef CIM_CASE
  default:
    return loops::arithmeticI1(op, static_cast<const uint8_t *>(a),
                               static_cast<const uint8_t *>(b),
                               static_cast<uint8_t *>(dst), n);
  }
}

void compareInt(CmpIntPredicate predicate, DType type, const void *a,
                const void *b, uint8_t *dst, int64_t n) {
  switch (type) {
#define CIM_CASE(name, T)                                                      \
  case DType::name:                                                            \
    return loops::compare##name(predicate, static_cast<const T *>(a),          \
                                static_cast<const T *>(b), dst, n);
    CIM_TYPES(CIM_CASE)
#undef CIM_CASE
  default: // I3: i1 is 0 or 1 whatever the predicate.
    return loops::compareU8(predicate, static_cast<const uint8_t *>(a),
                            static_cast<const uint8_t *>(b), dst, n);
  }
}

} // namespace cim::exec
