// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementary functions with one meaning on every host (docs/numerics.md F4).
//
// Every function is a fixed sequence of IEEE binary64 additions, subtractions,
// multiplications, divisions and square roots plus exact bit operations, so its
// result does not depend on the host, its libm or the vector width. fp32
// entry points evaluate the binary64 sequence and round once.
//
// Bounds (test/unit/Numerics checks them): relative error of the binary64
// functions < 2^-50 where the result is normal; fp32 results < 0.5001 ulp.
// Polynomials are near-minimax fits with coefficients rounded to binary64; the
// error stated beside each is the largest absolute error of the rounded
// polynomial on its interval.
//
// Everything is branch-free except the reduction of huge sine arguments, so
// loops over arrays vectorise. The translation unit must be compiled without
// contraction (-ffp-contract=off, set for the whole project).
#ifndef CIM_SUPPORT_MATH_H
#define CIM_SUPPORT_MATH_H

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "cim/Support/Simd.h"

#define CIM_MATH CIM_INLINE

namespace cim::math {

namespace detail {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
/// Adding it leaves the nearest integer (ties to even) in the low bits, for
/// |x| < 2^51.
constexpr double magic = 0x1.8p52;
constexpr double ln2Hi = 0x1.62e42fee00000p-1, ln2Lo = 0x1.a39ef35793c76p-33;
constexpr double log2e = 0x1.71547652b82fep+0, log2eLo = 0x1.777d0ffda0d24p-56;
constexpr double log10e = 0x1.bcb7b1526e50ep-2;
constexpr double log10Of2Hi = 0x1.3441350800000p-2,
                 log10Of2Lo = 0x1.f79fef311f12bp-34;
constexpr double ln2 = 0x1.62e42fefa39efp-1;
constexpr double pi = 0x1.921fb54442d18p+1, piLo = 0x1.1a62633145c07p-53;
constexpr double halfPi = pi / 2, halfPiLo = piLo / 2;
constexpr double quarterPi = pi / 4, quarterPiLo = piLo / 4;

CIM_MATH uint64_t bits(double x) { return std::bit_cast<uint64_t>(x); }
CIM_MATH double fromBits(uint64_t x) { return std::bit_cast<double>(x); }
CIM_MATH double abs(double x) { return fromBits(bits(x) & ~(1ull << 63)); }
/// |x| with the sign of `sign`.
CIM_MATH double withSign(double x, double sign) {
  return fromBits((bits(x) & ~(1ull << 63)) | (bits(sign) & (1ull << 63)));
}
CIM_MATH double sqrt(double x) {
#if defined(__clang__)
  return __builtin_elementwise_sqrt(x);
#else
  return std::sqrt(x);
#endif
}
/// Nearest integer, |x| < 2^51.
CIM_MATH double nearest(double x) { return (x + magic) - magic; }

CIM_MATH double poly(double, double c0) { return c0; }
/// c0 + x * (c1 + x * (...)), in this order of operations.
template <typename... C>
CIM_MATH double poly(double x, double c0, C... rest) {
  return c0 + x * poly(x, rest...);
}

/// 2^k for integral k in [-1022, 1023].
CIM_MATH double pow2(double k) {
  return fromBits((bits(k + magic) + 1023) << 52);
}
/// x * 2^k, rounded once, for integral k in [-1100, 1100].
CIM_MATH double scale(double x, double k) {
  double half = nearest(k * 0.5);
  return (x * pow2(half)) * pow2(k - half);
}

/// (e^r - 1 - r) / r^2 on [-ln2/2, ln2/2].
CIM_MATH double expTail(double r) {
  // (e^r - 1 - r - r^2/2) / r^3, error 2^-56.4.
  double p =
      poly(r, 0x1.5555555555555p-3, 0x1.5555555555556p-5, 0x1.1111111111111p-7,
           0x1.6c16c16c162d4p-10, 0x1.a01a01a019b2ap-13, 0x1.a01a01a6d889cp-16,
           0x1.71de3a590520ap-19, 0x1.27e4db646b17ep-22, 0x1.ae643449fe524p-26,
           0x1.1f730349868cep-29, 0x1.61b2b7617544bp-33);
  return 0.5 + r * p;
}

/// x = 2^e * m with sqrt(1/2) <= m < sqrt(2), for finite x > 0.
struct Log {
  double e; ///< Exponent.
  double m; ///< Significand.
};
CIM_MATH Log decompose(double x) {
  bool tiny = x < 0x1p-1022;
  double y = tiny ? x * 0x1p54 : x;
  uint64_t b = bits(y);
  // Offset so that a logical shift finds floor(log2(y / sqrt(1/2))).
  uint64_t k = (b - 0x3fe6a09e667f3bcdull + (1024ull << 52)) >> 52;
  double m = fromBits(b - ((k - 1024) << 52));
  double e = fromBits(k | 0x4330000000000000ull) - (0x1p52 + 1024);
  return {tiny ? e - 54 : e, m};
}
/// (2 atanh(s) - 2s) / s for z = s^2, |s| <= (sqrt(2)-1)/(sqrt(2)+1);
/// error of the polynomial 2^-54.5.
CIM_MATH double atanhTail(double z) {
  return z * poly(z, 0x1.5555555555555p-1, 0x1.9999999999a38p-2,
                  0x1.2492492476c87p-2, 0x1.c71c720160b47p-3,
                  0x1.745cf901605f7p-3, 0x1.3b1c360763b8ap-3,
                  0x1.0fbe83c2cbcf3p-3, 0x1.0c04595972ab8p-3);
}
/// log(m) = f - correction, f = m - 1 exact.
CIM_MATH double logCorrection(double f) {
  double s = f / (2.0 + f);
  double half = 0.5 * f * f;
  return half - s * (half + atanhTail(s * s));
}
/// Results of logarithms outside the domain of the sequences.
CIM_MATH double logSpecial(double x, double y) {
  y = x == inf ? inf : y;
  y = x == 0 ? -inf : y;
  y = x < 0 ? nan : y;
  return x != x ? x : y;
}

} // namespace detail

//===----------------------------------------------------------------------===//
// Exponentials and logarithms.
//===----------------------------------------------------------------------===//

CIM_MATH double exp(double x) {
  using namespace detail;
  double c = x > 710 ? 710 : x;
  c = c < -746 ? -746 : c;
  double k = nearest(c * log2e);
  double r = (c - k * ln2Hi) - k * ln2Lo;
  double y = scale(1 + (r + r * r * expTail(r)), k);
  y = x > 0x1.62e42fefa39efp+9 ? inf : y;
  return x < -0x1.74910d52d3052p+9 ? 0.0 : y;
}

CIM_MATH double exp2(double x) {
  using namespace detail;
  double c = x > 1025 ? 1025 : x;
  c = c < -1080 ? -1080 : c;
  double k = nearest(c);
  double r = (c - k) * ln2;
  double y = scale(1 + (r + r * r * expTail(r)), k);
  y = x >= 1024 ? inf : y;
  return x < -1075 ? 0.0 : y;
}

CIM_MATH double expm1(double x) {
  using namespace detail;
  double c = x > 710 ? 710 : x;
  c = c < -60 ? -60 : c;
  double k = nearest(c * log2e);
  double r = (c - k * ln2Hi) - k * ln2Lo;
  // 2^k * ((e^r - 1) + (1 - 2^-k)).
  double k1 = k > 60 ? 60 : k;
  double rest = 1 - (k > 60 ? 0.0 : pow2(-k1));
  double y = scale((r + r * r * expTail(r)) + rest, k);
  y = x > 0x1.62e42fefa39efp+9 ? inf : y;
  return abs(x) < 0x1p-54 ? x : y;
}

CIM_MATH double log(double x) {
  using namespace detail;
  Log d = decompose(x);
  double f = d.m - 1;
  double s = f / (2.0 + f);
  double half = 0.5 * f * f;
  double t = s * (half + atanhTail(s * s)) + d.e * ln2Lo;
  return logSpecial(x, d.e * ln2Hi - ((half - t) - f));
}

CIM_MATH double log2(double x) {
  using namespace detail;
  Log d = decompose(x);
  double f = d.m - 1;
  return logSpecial(x, d.e + (f - logCorrection(f)) * log2e);
}

CIM_MATH double log10(double x) {
  using namespace detail;
  Log d = decompose(x);
  double f = d.m - 1;
  double y =
      (d.e * log10Of2Lo + (f - logCorrection(f)) * log10e) + d.e * log10Of2Hi;
  return logSpecial(x, y);
}

CIM_MATH double log1p(double x) {
  using namespace detail;
  double u = 1 + x;
  // 1 + x = u + lost exactly; log(u + lost) = log(u) + lost / u to first order.
  double lost = x >= 1 ? 1 - (u - x) : x - (u - 1);
  double y = log(u) + lost / u;
  y = x == inf ? inf : y;
  y = x == -1 ? -inf : y;
  return abs(x) < 0x1p-54 ? x : y;
}

CIM_MATH double rsqrt(double x) { return 1 / detail::sqrt(x); }

//===----------------------------------------------------------------------===//
// Hyperbolic functions and erf.
//===----------------------------------------------------------------------===//

CIM_MATH double tanh(double x) {
  using namespace detail;
  double a = abs(x);
  double t = expm1(2 * (a > 22 ? 22 : a));
  double y = t / (t + 2);
  y = a > 22 ? 1 : y;
  return withSign(y, x);
}

CIM_MATH double sinh(double x) {
  using namespace detail;
  double a = abs(x);
  double t = expm1(a > 40 ? 40 : a);
  double h = exp(a * 0.5);
  double y = a > 40 ? (0.5 * h) * h : 0.5 * (t + t / (t + 1));
  return withSign(y, x);
}

CIM_MATH double cosh(double x) {
  using namespace detail;
  double a = abs(x);
  double e = exp(a > 40 ? 40 : a);
  double h = exp(a * 0.5);
  return a > 40 ? (0.5 * h) * h : 0.5 * (e + 1 / e);
}

CIM_MATH double asinh(double x) {
  using namespace detail;
  double a = abs(x);
  bool big = a > 0x1p500;
  double s = big ? 0 : a * a;
  double u = big ? a : a + s / (1 + sqrt(s + 1));
  double y = log1p(u) + (big ? ln2 : 0.0);
  return withSign(y, x);
}

CIM_MATH double acosh(double x) {
  using namespace detail;
  bool big = x > 0x1p500;
  double t = x - 1;
  double u = big ? x : t + sqrt(big ? 0 : t * (t + 2));
  double y = log1p(u) + (big ? ln2 : 0.0);
  return x < 1 ? nan : y;
}

CIM_MATH double atanh(double x) {
  using namespace detail;
  double a = abs(x);
  double y = 0.5 * log1p(2 * a / (1 - a));
  y = a > 1 ? nan : y;
  y = a < 0x1p-54 ? a : y;
  return withSign(y, x);
}

CIM_MATH double erf(double x) {
  using namespace detail;
  double a = abs(x);
  // |x| < 1: x + x * p(x^2), error of p 2^-56.1.
  double s = a < 1 ? a : 1;
  double z = s * s;
  double p = poly(
      z, 0x1.06eba8214db69p-3, -0x1.812746b0379e7p-2, 0x1.ce2f21a042be2p-4,
      -0x1.b82ce31288b51p-6, 0x1.565bcd0e6a530p-8, -0x1.c02db400406a3p-11,
      0x1.f9a326f9a7769p-14, -0x1.f4d25c3b729a6p-17, 0x1.b9e6c9944bd7ep-20,
      -0x1.5f74291398641p-23, 0x1.fcc4c8ec29638p-27, -0x1.51cfe00be885fp-30,
      0x1.9df7fd0b39a12p-34, -0x1.d332e777f7344p-38, 0x1.cf915d8f3c685p-42,
      -0x1.3aa422cc5d833p-46);
  double small = s + s * p;
  // 1 <= |x| <= 6: 1 - e^(-x^2) * q((x - 2) / (x + 2)), error of q 2^-57.1.
  double w = a < 1 ? 1 : a;
  w = w > 6 ? 6 : w;
  double t = (w - 2) / (w + 2);
  double q = poly(
      t, 0x1.058671b52c776p-2, -0x1.b57034efd3f74p-2, 0x1.eeea7dc8a78a1p-3,
      -0x1.437f0b68c0489p-4, 0x1.e9471597be87ap-9, 0x1.ca95ed50b7c81p-8,
      -0x1.bc25a48873fcfp-11, -0x1.016b5b63ce721p-10, 0x1.6d5ee91b54222p-15,
      0x1.6da887a2804f7p-13, 0x1.cdd4519ae1742p-16, -0x1.ce6ac975b91e0p-16,
      -0x1.d5b4578dde1bbp-17, 0x1.5e89dbd23021dp-20, 0x1.0d39558a33004p-18,
      0x1.559a2f0faada6p-20, -0x1.30be46f379823p-20);
  double large = 1 - exp(-(w * w)) * q;
  double y = a < 1 ? small : large;
  return x != x ? x : withSign(y, x);
}

//===----------------------------------------------------------------------===//
// Trigonometric functions.
//===----------------------------------------------------------------------===//

namespace detail {

/// x = (r + lo) + q * pi/2 with |r| <= pi/4 (a little more after rounding).
struct Angle {
  double r, lo;
  uint64_t q; ///< Modulo 4.
};

/// Largest argument of reduceSmall: quotients stay below 2^20.
constexpr double smallAngle = 0x1p20;

CIM_MATH Angle reduceSmall(double x) {
  // pi/2 in three parts of 33 bits (their products with the quotient are
  // exact) and a remainder.
  constexpr double p1 = 0x1.921fb54400000p+0, p2 = 0x1.0b4611a600000p-34,
                   p3 = 0x1.3198a2e000000p-69, p4 = 0x1.b839a252049c1p-104;
  double biased = x * (2 / pi) + magic;
  double k = biased - magic;
  double t0 = x - k * p1; // Exact: the operands are within a factor of two.
  double w1 = k * p2;
  double t1 = t0 - w1;
  double b1 = t0 - t1;
  double e1 = (t0 - (t1 + b1)) + (b1 - w1);
  double w2 = k * p3;
  double t2 = t1 - w2;
  double b2 = t1 - t2;
  double e2 = (t1 - (t2 + b2)) + (b2 - w2);
  double low = (e1 + e2) - k * p4;
  double r = t2 + low;
  return {r, (t2 - r) + low, bits(biased)};
}

/// The same for finite |x| >= 2^20, with 1280 bits of 2/pi.
Angle reduceLarge(double x);

CIM_MATH double sinKernel(double r, double lo) {
  double z = r * r; // Error of the polynomial 2^-56.5.
  double p = poly(z, -0x1.5555555555555p-3, 0x1.1111111111110p-7,
                  -0x1.a01a01a01992fp-13, 0x1.71de3a545f836p-19,
                  -0x1.ae645410e937bp-26, 0x1.61217d9252c03p-33,
                  -0x1.ab16f5caa198ap-41);
  return r + (r * (z * p) + lo * (1 - 0.5 * z));
}
CIM_MATH double cosKernel(double r, double lo) {
  double z = r * r; // Error of the polynomial 2^-58.5.
  double p =
      poly(z, 0x1.5555555555555p-5, -0x1.6c16c16c16c16p-10,
           0x1.a01a01a019d06p-16, -0x1.27e4fb77125c5p-22, 0x1.1eed8deac3dfep-29,
           -0x1.9394b8bd50ae1p-37, 0x1.ab779550c8d9bp-45);
  double half = 0.5 * z, w = 1 - half;
  return w + (((1 - w) - half) + (z * z * p - r * lo));
}
CIM_MATH double sinOf(Angle a) {
  double s = sinKernel(a.r, a.lo), c = cosKernel(a.r, a.lo);
  double y = (a.q & 1) ? c : s;
  return fromBits(bits(y) ^ ((a.q & 2) << 62));
}
CIM_MATH double tanOf(Angle a) {
  double s = sinKernel(a.r, a.lo), c = cosKernel(a.r, a.lo);
  bool odd = a.q & 1;
  return (odd ? -c : s) / (odd ? s : c);
}
CIM_MATH Angle plusQuarter(Angle a) { return {a.r, a.lo, a.q + 1}; }

/// The functions for |x| < smallAngle; other arguments give an unspecified
/// value. They have no branches: array loops use them and then redo the rest.
CIM_MATH double sinSmall(double x) {
  return abs(x) < 0x1p-27 ? x : sinOf(reduceSmall(x));
}
CIM_MATH double cosSmall(double x) {
  return sinOf(plusQuarter(reduceSmall(x)));
}
CIM_MATH double tanSmall(double x) {
  return abs(x) < 0x1p-27 ? x : tanOf(reduceSmall(x));
}

/// atan(y / x) for y, x >= 0, not both zero, neither NaN, nor both infinite.
CIM_MATH double atanRatio(double y, double x) {
  constexpr double tan1 = 0x1.a827999fcef32p-2; // tan(pi/8)
  constexpr double tan3 = 0x1.3504f333f9de6p+1; // tan(3 pi/8)
  bool upper = y > tan3 * x, middle = y > tan1 * x;
  double n = upper ? -x : middle ? y - x : y;
  double d = upper ? y : middle ? y + x : x;
  double base = upper ? halfPi : middle ? quarterPi : 0.0;
  double baseLo = upper ? halfPiLo : middle ? quarterPiLo : 0.0;
  double t = n / d, z = t * t; // Error of the polynomial 2^-55.4.
  double p =
      poly(z, -0x1.5555555555555p-2, 0x1.9999999999997p-3,
           -0x1.24924924920acp-3, 0x1.c71c71c6ddb13p-4, -0x1.745d173561ae0p-4,
           0x1.3b13aea970e58p-4, -0x1.1110ceddb22d6p-4, 0x1.e1d8e89291b2fp-5,
           -0x1.aebd143c55a36p-5, 0x1.829c9a46152b5p-5, -0x1.503b1df32251dp-5,
           0x1.f5ea203927f08p-6, -0x1.c807c7fd8901cp-7);
  return base + (t + (t * (z * p) + baseLo));
}
/// (asin(s) - s) / s for z = s^2 <= 1/4; error of the polynomial 2^-56.6.
CIM_MATH double asinTail(double z) {
  return z * poly(z, 0x1.5555555555555p-3, 0x1.3333333333389p-4,
                  0x1.6db6db6dac0eap-5, 0x1.f1c71c7a5e151p-6,
                  0x1.6e8ba121b9d5fp-6, 0x1.1c4efd20ebb99p-6,
                  0x1.c990a42b32b03p-7, 0x1.7b02ef007d23ep-7,
                  0x1.3b462d121c5d2p-7, 0x1.31777489dfd29p-7,
                  0x1.8dcdf11997e0fp-9, 0x1.40c91fa8deb7ep-6,
                  -0x1.3bd7e353ddbc2p-6, 0x1.e58a4f278e007p-6);
}

} // namespace detail

inline double sin(double x) {
  using namespace detail;
  if (abs(x) < smallAngle)
    return sinSmall(x);
  return abs(x) < inf ? sinOf(reduceLarge(x)) : nan;
}
inline double cos(double x) {
  using namespace detail;
  if (abs(x) < smallAngle)
    return cosSmall(x);
  return abs(x) < inf ? sinOf(plusQuarter(reduceLarge(x))) : nan;
}
inline double tan(double x) {
  using namespace detail;
  if (abs(x) < smallAngle)
    return tanSmall(x);
  return abs(x) < inf ? tanOf(reduceLarge(x)) : nan;
}

CIM_MATH double atan(double x) {
  using namespace detail;
  double y = atanRatio(abs(x), 1);
  y = abs(x) == inf ? halfPi : y;
  y = abs(x) < 0x1p-27 ? x : y;
  return x != x ? x : withSign(y, x);
}

CIM_MATH double asin(double x) {
  using namespace detail;
  double a = abs(x);
  bool big = a > 0.5;
  double z = big ? (1 - a) * 0.5 : a * a;
  double s = big ? sqrt(z) : a;
  double v = s + s * asinTail(z);
  double y = big ? halfPi - (2 * v - halfPiLo) : v;
  y = a > 1 ? nan : y;
  return x != x ? x : withSign(y, x);
}

CIM_MATH double acos(double x) {
  using namespace detail;
  double a = abs(x);
  bool big = a > 0.5;
  double z = big ? (1 - a) * 0.5 : a * a;
  double s = big ? sqrt(z) : x;
  double v = s + s * asinTail(z);
  double upper = 2 * v, lower = pi - (2 * v - piLo);
  double y = big ? (x > 0 ? upper : lower) : halfPi - (v - halfPiLo);
  y = a > 1 ? nan : y;
  return x != x ? x : y;
}

/// The angle of the point (x, y); IEEE 754 special cases.
CIM_MATH double atan2(double y, double x) {
  using namespace detail;
  double ay = abs(y), ax = abs(x);
  double top = ay > ax ? ay : ax;
  double s = top > 0x1p1000 ? 0x1p-100 : top < 0x1p-900 ? 0x1p100 : 1.0;
  bool bothInf = ay == inf && ax == inf;
  double sy = bothInf ? 1 : ay * s, sx = bothInf ? 1 : ax * s;
  bool origin = top == 0;
  double v = atanRatio(origin ? 0 : sy, origin ? 1 : sx);
  // Infinity over finite leaves 0 * inf in the reduction.
  v = !bothInf && ay == inf ? halfPi : v;
  v = !bothInf && ax == inf ? 0 : v;
  bool left = bits(x) >> 63;
  v = left ? pi - (v - piLo) : v;
  v = withSign(v, y);
  return x != x || y != y ? x + y : v;
}

//===----------------------------------------------------------------------===//
// Power.
//===----------------------------------------------------------------------===//

namespace detail {

/// An unevaluated sum hi + lo, |lo| <= ulp(hi) / 2 or so.
struct Double2 {
  double hi, lo;
};
/// Exact product (Dekker), for magnitudes below 2^995.
CIM_MATH Double2 product(double a, double b) {
  double p = a * b;
  double ca = 0x1.0000002p27 * a, cb = 0x1.0000002p27 * b;
  double ah = ca - (ca - a), bh = cb - (cb - b);
  double al = a - ah, bl = b - bh;
  return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}
/// Exact sum when |a| >= |b| or a == 0.
CIM_MATH Double2 fastSum(double a, double b) {
  double s = a + b;
  return {s, (a - s) + b};
}
CIM_MATH Double2 multiply(Double2 a, Double2 b) {
  Double2 p = product(a.hi, b.hi);
  return fastSum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

/// log2(x) to about 2^-64 relative, for finite x > 0.
CIM_MATH Double2 log2Extended(double x) {
  Log d = decompose(x);
  double f = d.m - 1;
  // s = f / (2 + f), to twice the precision.
  double den = d.m + 1;
  double denLo = d.m < 1 ? (1 - den) + d.m : (d.m - den) + 1;
  double sh = f / den;
  Double2 back = product(sh, den);
  Double2 s{sh, (((f - back.hi) - back.lo) - sh * denLo) / den};
  Double2 z = multiply(s, s);
  // 2 atanh(s) = s * (2 + z * (2/3 + z * (2/5 + ...))), error 2^-55.3.
  double q = z.hi * poly(z.hi, 0x1.999999999999ap-2, 0x1.2492492492491p-2,
                         0x1.c71c71c71cfd9p-3, 0x1.745d174513593p-3,
                         0x1.3b13b1bc75cd4p-3, 0x1.1110dfad0f8eap-3,
                         0x1.e1f7fa7547177p-4, 0x1.ac4a89c964b82p-4,
                         0x1.b8d433113b7fap-4);
  Double2 c = fastSum(0x1.5555555555555p-1, q);
  c.lo += 0x1.5555555555555p-55;
  Double2 t = multiply(z, c);
  Double2 u = fastSum(2, t.hi);
  u.lo += t.lo;
  Double2 l = multiply(multiply(s, u), {log2e, log2eLo});
  Double2 r = fastSum(d.e, l.hi);
  r.lo += l.lo;
  return r;
}

} // namespace detail

/// IEEE 754 pow, special cases included.
CIM_MATH double pow(double x, double y) {
  using namespace detail;
  double ax = abs(x), ay = abs(y);
  bool regular = ax > 0 && ax < inf;
  Double2 l = log2Extended(regular ? ax : 1);
  double c = ay > 0x1p65 ? withSign(0x1p65, y) : y;
  Double2 p = product(c, l.hi);
  double lo = p.lo + c * l.lo;
  double h = p.hi > 1100 ? 1100 : p.hi;
  h = h < -1100 ? -1100 : h;
  bool clamped = h != p.hi;
  double k = nearest(h);
  double r = ((h - k) + (clamped ? 0.0 : lo)) * ln2;
  double v = scale(1 + (r + r * r * expTail(r)), k);

  double top = y > 0 ? inf : 0.0, bottom = y > 0 ? 0.0 : inf;
  v = ax == 0 ? bottom : v;
  v = ax == inf ? top : v;
  v = ay == inf ? (ax > 1 ? top : ax < 1 ? bottom : 1.0) : v;
  // Integers and odd integers among y: adding 2^52 leaves the units bit last.
  double shifted = ay + 0x1p52;
  bool integral = ay >= 0x1p53 || ay >= 0x1p52 || shifted - 0x1p52 == ay;
  bool odd = ay < 0x1p53 &&
             (ay >= 0x1p52 ? bits(ay) & 1 : integral && (bits(shifted) & 1));
  bool negative = bits(x) >> 63;
  v = negative && odd ? -v : v;
  v = negative && !integral && regular ? nan : v;
  v = x != x || y != y ? x + y : v;
  return x == 1 || y == 0 ? 1.0 : v;
}

//===----------------------------------------------------------------------===//
// fp32: the binary64 sequence rounded once (F4).
//===----------------------------------------------------------------------===//

#define CIM_MATH_F32(f)                                                        \
  inline float f(float x) { return float(f(double(x))); }
CIM_MATH_F32(exp)
CIM_MATH_F32(exp2)
CIM_MATH_F32(expm1)
CIM_MATH_F32(log)
CIM_MATH_F32(log2)
CIM_MATH_F32(log10)
CIM_MATH_F32(log1p)
CIM_MATH_F32(rsqrt)
CIM_MATH_F32(tanh)
CIM_MATH_F32(sinh)
CIM_MATH_F32(cosh)
CIM_MATH_F32(asinh)
CIM_MATH_F32(acosh)
CIM_MATH_F32(atanh)
CIM_MATH_F32(erf)
CIM_MATH_F32(sin)
CIM_MATH_F32(cos)
CIM_MATH_F32(tan)
CIM_MATH_F32(asin)
CIM_MATH_F32(acos)
CIM_MATH_F32(atan)
#undef CIM_MATH_F32
inline float atan2(float y, float x) {
  return float(atan2(double(y), double(x)));
}
inline float pow(float x, float y) { return float(pow(double(x), double(y))); }

//===----------------------------------------------------------------------===//
// Arrays: y[i] = f(x[i]), with the widest vectors the host has. Same bits as
// the scalar functions. `y` may be `x`; other overlaps are not allowed.
//===----------------------------------------------------------------------===//

/// X(enumerator, function) for the functions of one argument, in the order of
/// MicroOp.
#define CIM_UNARY_FUNCTIONS(X)                                                 \
  X(Exp, exp)                                                                  \
  X(Exp2, exp2)                                                                \
  X(Expm1, expm1)                                                              \
  X(Log, log)                                                                  \
  X(Log2, log2)                                                                \
  X(Log10, log10)                                                              \
  X(Log1p, log1p)                                                              \
  X(Sqrt, sqrt)                                                                \
  X(Rsqrt, rsqrt)                                                              \
  X(Tanh, tanh)                                                                \
  X(Erf, erf)                                                                  \
  X(Sin, sin)                                                                  \
  X(Cos, cos)                                                                  \
  X(Tan, tan)                                                                  \
  X(Asin, asin)                                                                \
  X(Acos, acos)                                                                \
  X(Atan, atan)                                                                \
  X(Sinh, sinh)                                                                \
  X(Cosh, cosh)                                                                \
  X(Asinh, asinh)                                                              \
  X(Acosh, acosh)                                                              \
  X(Atanh, atanh)

enum class Unary : uint8_t {
#define CIM_UNARY(Name, function) Name,
  CIM_UNARY_FUNCTIONS(CIM_UNARY)
#undef CIM_UNARY
};
enum class Binary : uint8_t { Atan2, Pow };

void map(Unary f, const float *x, float *y, size_t n);
void map(Unary f, const double *x, double *y, size_t n);
void map(Binary f, const float *a, const float *b, float *y, size_t n);
void map(Binary f, const double *a, const double *b, double *y, size_t n);

} // namespace cim::math

#endif // CIM_SUPPORT_MATH_H
