// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Array forms of the elementary functions: one loop per function and type,
// vectorised for each instruction set.
#include "cim/Support/Math.h"

#include "cim/Support/Simd.h"

namespace cim::math {
namespace {

CIM_INLINE double sqrtOf(double x) { return detail::sqrt(x); }
CIM_INLINE float sqrtOf(float x) {
#if defined(__clang__)
  return __builtin_elementwise_sqrt(x);
#else
  return std::sqrt(x);
#endif
}

} // namespace

// The loops have external linkage because resolvers of cloned functions do.
namespace loops {

#define CIM_LOOP(name, expression)                                             \
  CIM_SIMD void name##32(const float *x, float *y, size_t n) {                 \
    for (size_t i = 0; i < n; ++i) {                                           \
      double v = x[i];                                                         \
      y[i] = float(expression);                                                \
    }                                                                          \
  }                                                                            \
  CIM_SIMD void name##64(const double *x, double *y, size_t n) {               \
    for (size_t i = 0; i < n; ++i) {                                           \
      double v = x[i];                                                         \
      y[i] = expression;                                                       \
    }                                                                          \
  }
CIM_LOOP(exp, math::exp(v))
CIM_LOOP(exp2, math::exp2(v))
CIM_LOOP(expm1, math::expm1(v))
CIM_LOOP(log, math::log(v))
CIM_LOOP(log2, math::log2(v))
CIM_LOOP(log10, math::log10(v))
CIM_LOOP(log1p, math::log1p(v))
CIM_LOOP(rsqrt, math::rsqrt(v))
CIM_LOOP(tanh, math::tanh(v))
CIM_LOOP(erf, math::erf(v))
CIM_LOOP(sinSmall, detail::sinSmall(v))
CIM_LOOP(cosSmall, detail::cosSmall(v))
CIM_LOOP(tanSmall, detail::tanSmall(v))
CIM_LOOP(asin, math::asin(v))
CIM_LOOP(acos, math::acos(v))
CIM_LOOP(atan, math::atan(v))
CIM_LOOP(sinh, math::sinh(v))
CIM_LOOP(cosh, math::cosh(v))
CIM_LOOP(asinh, math::asinh(v))
CIM_LOOP(acosh, math::acosh(v))
CIM_LOOP(atanh, math::atanh(v))
#undef CIM_LOOP

CIM_SIMD void sqrt32(const float *x, float *y, size_t n) {
  for (size_t i = 0; i < n; ++i)
    y[i] = sqrtOf(x[i]);
}
CIM_SIMD void sqrt64(const double *x, double *y, size_t n) {
  for (size_t i = 0; i < n; ++i)
    y[i] = sqrtOf(x[i]);
}

#define CIM_LOOP2(name)                                                        \
  CIM_SIMD void name##32(const float *a, const float *b, float *y, size_t n) { \
    for (size_t i = 0; i < n; ++i)                                             \
      y[i] = float(math::name(double(a[i]), double(b[i])));                    \
  }                                                                            \
  CIM_SIMD void name##64(const double *a, const double *b, double *y,          \
                         size_t n) {                                           \
    for (size_t i = 0; i < n; ++i)                                             \
      y[i] = math::name(a[i], b[i]);                                           \
  }
CIM_LOOP2(atan2)
CIM_LOOP2(pow)
#undef CIM_LOOP2

} // namespace loops

namespace {

/// Fast loop on all, then the elements outside of its range again, one by one.
template <typename T>
void trigonometric(void (*loop)(const T *, T *, size_t),
                   double (*exact)(double), const T *x, T *y, size_t n) {
  constexpr size_t chunk = 256;
  T kept[chunk];
  for (size_t i = 0; i < n; i += chunk) {
    size_t len = n - i < chunk ? n - i : chunk;
    bool large = false;
    for (size_t j = 0; j < len; ++j) {
      kept[j] = x[i + j];
      large |= !(detail::abs(kept[j]) < detail::smallAngle);
    }
    loop(kept, y + i, len);
    if (!large)
      continue;
    for (size_t j = 0; j < len; ++j)
      if (!(detail::abs(kept[j]) < detail::smallAngle))
        y[i + j] = T(exact(kept[j]));
  }
}

double sinExact(double x) { return sin(x); }
double cosExact(double x) { return cos(x); }
double tanExact(double x) { return tan(x); }

} // namespace

#define CIM_CASES(bits)                                                        \
  switch (f) {                                                                 \
  case Unary::Exp:                                                             \
    return loops::exp##bits(x, y, n);                                          \
  case Unary::Exp2:                                                            \
    return loops::exp2##bits(x, y, n);                                         \
  case Unary::Expm1:                                                           \
    return loops::expm1##bits(x, y, n);                                        \
  case Unary::Log:                                                             \
    return loops::log##bits(x, y, n);                                          \
  case Unary::Log2:                                                            \
    return loops::log2##bits(x, y, n);                                         \
  case Unary::Log10:                                                           \
    return loops::log10##bits(x, y, n);                                        \
  case Unary::Log1p:                                                           \
    return loops::log1p##bits(x, y, n);                                        \
  case Unary::Sqrt:                                                            \
    return loops::sqrt##bits(x, y, n);                                         \
  case Unary::Rsqrt:                                                           \
    return loops::rsqrt##bits(x, y, n);                                        \
  case Unary::Tanh:                                                            \
    return loops::tanh##bits(x, y, n);                                         \
  case Unary::Erf:                                                             \
    return loops::erf##bits(x, y, n);                                          \
  case Unary::Sin:                                                             \
    return trigonometric(loops::sinSmall##bits, sinExact, x, y, n);            \
  case Unary::Cos:                                                             \
    return trigonometric(loops::cosSmall##bits, cosExact, x, y, n);            \
  case Unary::Tan:                                                             \
    return trigonometric(loops::tanSmall##bits, tanExact, x, y, n);            \
  case Unary::Asin:                                                            \
    return loops::asin##bits(x, y, n);                                         \
  case Unary::Acos:                                                            \
    return loops::acos##bits(x, y, n);                                         \
  case Unary::Atan:                                                            \
    return loops::atan##bits(x, y, n);                                         \
  case Unary::Sinh:                                                            \
    return loops::sinh##bits(x, y, n);                                         \
  case Unary::Cosh:                                                            \
    return loops::cosh##bits(x, y, n);                                         \
  case Unary::Asinh:                                                           \
    return loops::asinh##bits(x, y, n);                                        \
  case Unary::Acosh:                                                           \
    return loops::acosh##bits(x, y, n);                                        \
  case Unary::Atanh:                                                           \
    return loops::atanh##bits(x, y, n);                                        \
  }

void map(Unary f, const float *x, float *y, size_t n) { CIM_CASES(32) }
void map(Unary f, const double *x, double *y, size_t n) { CIM_CASES(64) }
#undef CIM_CASES

void map(Binary f, const float *a, const float *b, float *y, size_t n) {
  return f == Binary::Atan2 ? loops::atan232(a, b, y, n)
                            : loops::pow32(a, b, y, n);
}
void map(Binary f, const double *a, const double *b, double *y, size_t n) {
  return f == Binary::Atan2 ? loops::atan264(a, b, y, n)
                            : loops::pow64(a, b, y, n);
}

} // namespace cim::math
