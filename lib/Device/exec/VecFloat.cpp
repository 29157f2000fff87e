// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Float micro-operations (numerics F1, F2, F4, F6) and selection.
#include <cmath>

#include "VecOps.h"
#include "cim/Support/Math.h"
#include "cim/Support/Numerics.h"
#include "cim/Support/Simd.h"

namespace cim::exec {
namespace {

template <typename T, typename D, typename F>
CIM_INLINE void each(const T *a, const T *b, D *d, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i)
    d[i] = f(a[i], b[i]);
}

// Correctly rounded and exact functions: the same everywhere.
#if defined(__clang__)
#define CIM_ROUNDING(name, builtin)                                            \
  template <typename T>                                                        \
  CIM_INLINE T name(T x) {                                                     \
    return builtin(x);                                                         \
  }
CIM_ROUNDING(ceilOf, __builtin_elementwise_ceil)
CIM_ROUNDING(floorOf, __builtin_elementwise_floor)
CIM_ROUNDING(truncOf, __builtin_elementwise_trunc)
CIM_ROUNDING(roundOf, __builtin_elementwise_round)
#else
#define CIM_ROUNDING(name, builtin)                                            \
  template <typename T>                                                        \
  CIM_INLINE T name(T x) {                                                     \
    return builtin(x);                                                         \
  }
CIM_ROUNDING(ceilOf, std::ceil)
CIM_ROUNDING(floorOf, std::floor)
CIM_ROUNDING(truncOf, std::trunc)
CIM_ROUNDING(roundOf, std::round)
#endif
#undef CIM_ROUNDING

template <typename T>
CIM_INLINE void arithmetic(MicroOp op, const T *a, const T *b, const T *c, T *d,
                           int64_t n) {
  switch (op) {
  case MicroOp::Add:
    return each(a, b, d, n, [](T x, T y) { return x + y; });
  case MicroOp::Sub:
    return each(a, b, d, n, [](T x, T y) { return x - y; });
  case MicroOp::Mul:
    return each(a, b, d, n, [](T x, T y) { return x * y; });
  case MicroOp::Div:
    return each(a, b, d, n, [](T x, T y) { return x / y; });
  case MicroOp::Rem: // Exact, the sign of the dividend.
    return each(a, b, d, n, [](T x, T y) { return std::fmod(x, y); });
  case MicroOp::Min:
    return each(a, b, d, n, [](T x, T y) { return numerics::minimum(x, y); });
  case MicroOp::Max:
    return each(a, b, d, n, [](T x, T y) { return numerics::maximum(x, y); });
  case MicroOp::MinNum:
    return each(a, b, d, n, [](T x, T y) { return numerics::minNum(x, y); });
  case MicroOp::MaxNum:
    return each(a, b, d, n, [](T x, T y) { return numerics::maxNum(x, y); });
  case MicroOp::Neg:
    return each(a, a, d, n, [](T x, T) { return -x; });
  case MicroOp::Abs:
    return each(a, a, d, n, [](T x, T) { return std::fabs(x); });
  case MicroOp::Fma:
    for (int64_t i = 0; i < n; ++i)
      d[i] = std::fma(a[i], b[i], c[i]);
    return;
  case MicroOp::Ceil:
    return each(a, a, d, n, [](T x, T) { return ceilOf(x); });
  case MicroOp::Floor:
    return each(a, a, d, n, [](T x, T) { return floorOf(x); });
  case MicroOp::Trunc:
    return each(a, a, d, n, [](T x, T) { return truncOf(x); });
  case MicroOp::Round:
    return each(a, a, d, n, [](T x, T) { return roundOf(x); });
  case MicroOp::RoundEven:
    return each(a, a, d, n, [](T x, T) { return numerics::rne(x); });
  case MicroOp::CopySign:
    return each(a, b, d, n, [](T x, T y) { return std::copysign(x, y); });
  default:
    return; // Elementary functions are dispatched before.
  }
}

template <typename T>
CIM_INLINE void compare(CmpFloatPredicate p, const T *a, const T *b, uint8_t *d,
                        int64_t n) {
  using P = CmpFloatPredicate;
  switch (p) {
  case P::False:
    return each(a, b, d, n, [](T, T) { return uint8_t(0); });
  case P::OEQ:
    return each(a, b, d, n, [](T x, T y) { return uint8_t(x == y); });
  case P::OGT:
    return each(a, b, d, n, [](T x, T y) { return uint8_t(x > y); });
  case P::OGE:
    return each(a, b, d, n, [](T x, T y) { return uint8_t(x >= y); });
  case P::OLT:
    return each(a, b, d, n, [](T x, T y) { return uint8_t(x < y); });
  case P::OLE:
    return each(a, b, d, n, [](T x, T y) { return uint8_t(x <= y); });
  case P::ONE:
    return each(a, b, d, n, [](T x, T y) { return uint8_t(x < y || x > y); });
  case P::ORD:
    return each(a, b, d, n, [](T x, T y) { return uint8_t(x == x && y == y); });
  case P::UEQ:
    return each(a, b, d, n,
                [](T x, T y) { return uint8_t(!(x < y || x > y)); });
  case P::UGT:
    return each(a, b, d, n, [](T x, T y) { return uint8_t(!(x <= y)); });
  case P::UGE:
    return each(a, b, d, n, [](T x, T y) { return uint8_t(!(x < y)); });
  case P::ULT:
    return each(a, b, d, n, [](T x, T y) { return uint8_t(!(x >= y)); });
  case P::ULE:
    return each(a, b, d, n, [](T x, T y) { return uint8_t(!(x > y)); });
  case P::UNE:
    return each(a, b, d, n, [](T x, T y) { return uint8_t(x != y); });
  case P::UNO:
    return each(a, b, d, n, [](T x, T y) { return uint8_t(x != x || y != y); });
  case P::True:
    return each(a, b, d, n, [](T, T) { return uint8_t(1); });
  }
}

template <typename T>
CIM_INLINE void choose(const uint8_t *c, const T *a, const T *b, T *d,
                       int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    d[i] = c[i] ? a[i] : b[i];
}

/// The elementary function of an operation; false if it is none.
bool elementary(MicroOp op, math::Unary &f) {
  switch (op) {
#define CIM_CASE(Name, function)                                               \
  case MicroOp::Name:                                                          \
    f = math::Unary::Name;                                                     \
    return true;
    CIM_UNARY_FUNCTIONS(CIM_CASE)
#undef CIM_CASE
  default:
    return false;
  }
}

} // namespace

namespace loops {
#define CIM_FLOAT(T, name)                                                     \
  CIM_SIMD void arithmetic##name(MicroOp op, const T *a, const T *b,           \
                                 const T *c, T *d, int64_t n) {                \
    arithmetic<T>(op, a, b, c, d, n);                                          \
  }                                                                            \
  CIM_SIMD void compare##name(CmpFloatPredicate p, const T *a, const T *b,     \
                              uint8_t *d, int64_t n) {                         \
    compare<T>(p, a, b, d, n);                                                 \
  }
CIM_FLOAT(float, F32)
CIM_FLOAT(double, F64)
#undef CIM_FLOAT
CIM_SIMD void roundToHalf(float *x, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    x[i] = numerics::halfToFloat(numerics::floatToHalf(x[i]));
}
CIM_SIMD void roundToBfloat(float *x, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    x[i] = numerics::bfloatToFloat(numerics::floatToBfloat(x[i]));
}
CIM_SIMD void choose8(const uint8_t *c, const uint8_t *a, const uint8_t *b,
                      uint8_t *d, int64_t n) {
  choose(c, a, b, d, n);
}
CIM_SIMD void choose16(const uint8_t *c, const uint16_t *a, const uint16_t *b,
                       uint16_t *d, int64_t n) {
  choose(c, a, b, d, n);
}
CIM_SIMD void choose32(const uint8_t *c, const uint32_t *a, const uint32_t *b,
                       uint32_t *d, int64_t n) {
  choose(c, a, b, d, n);
}
CIM_SIMD void choose64(const uint8_t *c, const uint64_t *a, const uint64_t *b,
                       uint64_t *d, int64_t n) {
  choose(c, a, b, d, n);
}
} // namespace loops

void roundToType(DType type, float *x, int64_t n) {
  if (type == DType::F16)
    loops::roundToHalf(x, n);
  else if (type == DType::BF16)
    loops::roundToBfloat(x, n);
}

namespace {
template <typename T, typename Loop>
void apply(Loop loop, MicroOp op, const void *va, const void *vb,
           const void *vc, void *vd, int64_t n) {
  auto *a = static_cast<const T *>(va), *b = static_cast<const T *>(vb),
       *c = static_cast<const T *>(vc);
  auto *d = static_cast<T *>(vd);
  math::Unary unary;
  if (elementary(op, unary))
    math::map(unary, a, d, size_t(n));
  else if (op == MicroOp::Pow)
    math::map(math::Binary::Pow, a, b, d, size_t(n));
  else if (op == MicroOp::Atan2)
    math::map(math::Binary::Atan2, a, b, d, size_t(n));
  else
    loop(op, a, b, c, d, n);
}
} // namespace

void floatOp(MicroOp op, DType type, const void *a, const void *b,
             const void *c, void *dst, int64_t n) {
  if (type == DType::F64)
    return apply<double>(loops::arithmeticF64, op, a, b, c, dst, n);
  apply<float>(loops::arithmeticF32, op, a, b, c, dst, n);
  roundToType(type, static_cast<float *>(dst), n); // F1
}

void compareFloat(CmpFloatPredicate predicate, DType type, const void *a,
                  const void *b, uint8_t *dst, int64_t n) {
  if (type == DType::F64)
    loops::compareF64(predicate, static_cast<const double *>(a),
                      static_cast<const double *>(b), dst, n);
  else
    loops::compareF32(predicate, static_cast<const float *>(a),
                      static_cast<const float *>(b), dst, n);
}

void classify(MicroOp op, DType type, const void *a, uint8_t *dst, int64_t n) {
  auto test = [&](auto *x) {
    for (int64_t i = 0; i < n; ++i)
      dst[i] = op == MicroOp::IsNan ? x[i] != x[i] : std::isinf(x[i]);
  };
  if (type == DType::F64)
    test(static_cast<const double *>(a));
  else
    test(static_cast<const float *>(a));
}

void select(DType type, const uint8_t *condition, const void *a, const void *b,
            void *dst, int64_t n) {
  auto run = [&](auto loop, auto *zero) {
    using T = std::remove_pointer_t<decltype(zero)>;
    loop(condition, static_cast<const T *>(a), static_cast<const T *>(b),
         static_cast<T *>(dst), n);
  };
  switch (registerBytes(type)) {
  case 1:
    return run(loops::choose8, static_cast<uint8_t *>(nullptr));
  case 2:
    return run(loops::choose16, static_cast<uint16_t *>(nullptr));
  case 4:
    return run(loops::choose32, static_cast<uint32_t *>(nullptr));
  default:
    return run(loops::choose64, static_cast<uint64_t *>(nullptr));
  }
}

} // namespace cim::exec
