// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scalar number formats and conversions of docs/numerics.md; the rule is cited
// at each function. Branch-light, so that loops over them vectorise. Shared by
// the device model and the compile side; elementary functions are in Math.h.
#ifndef CIM_SUPPORT_NUMERICS_H
#define CIM_SUPPORT_NUMERICS_H

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "cim/Support/Simd.h"

namespace cim::numerics {

//===----------------------------------------------------------------------===//
// Rounding and saturation.
//===----------------------------------------------------------------------===//

/// Nearest integral value, ties to even; any magnitude, NaN and infinity stay,
/// the sign of zero is kept.
CIM_INLINE float rne(float x) {
  constexpr float big = 0x1p23f;
  uint32_t sign = std::bit_cast<uint32_t>(x) & 0x80000000u;
  float a = std::bit_cast<float>(std::bit_cast<uint32_t>(x) ^ sign);
  float r = (a + big) - big;
  r = std::bit_cast<float>(std::bit_cast<uint32_t>(r) | sign);
  return a < big ? r : x;
}
CIM_INLINE double rne(double x) {
  constexpr double big = 0x1p52;
  uint64_t sign = std::bit_cast<uint64_t>(x) & (1ull << 63);
  double a = std::bit_cast<double>(std::bit_cast<uint64_t>(x) ^ sign);
  double r = (a + big) - big;
  r = std::bit_cast<double>(std::bit_cast<uint64_t>(r) | sign);
  return a < big ? r : x;
}

/// Float to integer (F3): truncates toward zero, saturates, NaN becomes 0.
/// `I` may be bool (range 0..1).
template <typename I, typename F>
CIM_INLINE I truncateToInt(F x) {
  if constexpr (std::is_same_v<I, bool>) {
    return x >= F(1);
  } else {
    // The limits are powers of two, or exact in F, or rounded up to one.
    constexpr I lo = std::numeric_limits<I>::min();
    constexpr I hi = std::numeric_limits<I>::max();
    constexpr F below = F(lo), above = F(hi);
    constexpr bool exact = sizeof(I) * 8 <= (sizeof(F) == 4 ? 16 : 32);
    // In range, the conversion is exact; outside, its operand is replaced.
    bool over = exact ? x > above : x >= above;
    bool under = x < below;
    F y = over || under || x != x ? F(0) : x;
    I i = static_cast<I>(y);
    i = over ? hi : i;
    return under ? lo : i;
  }
}

/// Integral fp32 to int32, saturating, NaN becomes 0 (Q1).
CIM_INLINE int32_t saturateToInt32(float x) {
  return truncateToInt<int32_t>(x);
}

//===----------------------------------------------------------------------===//
// Quantization.
//===----------------------------------------------------------------------===//

/// clamp(rne(scaled) + zero) to [lo, hi]; the common end of Q1 and Q3. `scaled`
/// becomes integral first, saturates to int32 and meets `zero` in int64.
CIM_INLINE int64_t roundAndClamp(float scaled, int32_t zero, int64_t lo,
                                 int64_t hi) {
  int64_t y = int64_t(saturateToInt32(rne(scaled))) + zero;
  y = y < lo ? lo : y;
  return y > hi ? hi : y;
}
/// Q1.
CIM_INLINE int64_t quantize(float x, float scale, int32_t zero, int64_t lo,
                            int64_t hi) {
  return roundAndClamp(x / scale, zero, lo, hi);
}
/// Q2: q - zero modulo 2^32, one conversion, one multiplication.
CIM_INLINE float dequantize(int32_t q, int32_t zero, float scale) {
  return float(int32_t(uint32_t(q) - uint32_t(zero))) * scale;
}
/// Q3.
CIM_INLINE int64_t requantize(int32_t acc, float multiplier, int32_t zero,
                              int64_t lo, int64_t hi) {
  return roundAndClamp(float(acc) * multiplier, zero, lo, hi);
}

//===----------------------------------------------------------------------===//
// Narrow float formats (F1, F3).
//===----------------------------------------------------------------------===//

/// What a format does with its highest exponent.
enum class Top : uint8_t {
  Ieee,      ///< Infinities and NaNs.
  Finite,    ///< Numbers; all ones (both signs) is the only NaN ("FN").
  Unsigned0, ///< Numbers; the code of -0 is the only NaN ("FNUZ").
};
struct Format {
  int exponentBits, mantissaBits, bias;
  Top top = Top::Ieee;
};
constexpr Format kF16{5, 10, 15}, kBF16{8, 7, 127};
constexpr Format kF8E4M3FN{4, 3, 7, Top::Finite}, kF8E5M2{5, 2, 15};
constexpr Format kF8E4M3FNUZ{4, 3, 8, Top::Unsigned0},
    kF8E5M2FNUZ{5, 2, 16, Top::Unsigned0};
/// OCP microscaling elements and scales have no NaN ("Fn" without it): all
/// codes of fp4 and fp6 are numbers.
constexpr Format kF4E2M1{2, 1, 1, Top::Finite};

/// Value of code `c`. Exact. For formats of at most 16 bits.
template <Format f>
CIM_INLINE float decode(uint32_t c) {
  constexpr int bits = 1 + f.exponentBits + f.mantissaBits;
  constexpr uint32_t maxExponent = (1u << f.exponentBits) - 1;
  uint32_t sign = (c >> (bits - 1)) & 1;
  uint32_t magnitude = c & ((1u << (bits - 1)) - 1);
  uint32_t e = magnitude >> f.mantissaBits;
  uint32_t m = magnitude & ((1u << f.mantissaBits) - 1);
  // Normal: rebias. Subnormal: an exact product with a power of two.
  uint32_t normal = ((e + 127 - f.bias) << 23) | (m << (23 - f.mantissaBits));
  float v = std::bit_cast<float>(normal);
  if constexpr (f.bias == 127) { // bf16: subnormals are fp32 subnormals.
    v = std::bit_cast<float>(magnitude << 16);
  } else {
    constexpr float ulp =
        std::bit_cast<float>(uint32_t(127 + 1 - f.bias - f.mantissaBits) << 23);
    v = e == 0 ? float(m) * ulp : v;
    if constexpr (f.top == Top::Ieee) {
      uint32_t special = 0x7f800000u | (m << (23 - f.mantissaBits));
      v = e == maxExponent ? std::bit_cast<float>(special) : v;
    }
  }
  if constexpr (f.top == Top::Finite && bits == 8)
    v = magnitude == (1u << (bits - 1)) - 1
            ? std::numeric_limits<float>::quiet_NaN()
            : v;
  uint32_t out = std::bit_cast<uint32_t>(v) | (sign << 31);
  if constexpr (f.top == Top::Unsigned0)
    out = c == (1u << (bits - 1)) ? 0x7fc00000u : out;
  return std::bit_cast<float>(out);
}

/// Largest finite magnitude.
template <Format f>
constexpr double maxFinite() {
  int e = (1 << f.exponentBits) - 1 - f.bias - (f.top == Top::Ieee ? 1 : 0);
  double m = 2.0 - 1.0 / (1 << f.mantissaBits);
  if (f.top == Top::Finite && f.exponentBits + f.mantissaBits == 7)
    m = 2.0 - 2.0 / (1 << f.mantissaBits);
  double p = 1;
  for (int i = 0; i < (e < 0 ? -e : e); ++i)
    p *= e < 0 ? 0.5 : 2.0;
  return m * p;
}

/// Code nearest to x, ties to even (F3), from binary64 (binary32 is exact in
/// it, so both sources round once). Overflow: infinity where the format has
/// one, else NaN where it has one, else the largest number; NaN gives 0 in a
/// format without NaN. With `saturate`,
/// overflow (infinity included) always gives the largest number.
template <Format f>
CIM_INLINE uint32_t encode(double x, bool saturate = false) {
  constexpr int bits = 1 + f.exponentBits + f.mantissaBits;
  constexpr uint32_t signBit = 1u << (bits - 1);
  constexpr uint32_t nanCode =
      f.top == Top::Ieee ? (((1u << f.exponentBits) - 1) << f.mantissaBits) |
                               (1u << (f.mantissaBits - 1))
      : f.top == Top::Unsigned0 ? signBit
      : bits == 8               ? signBit - 1
                                : 0;
  constexpr uint32_t maxCode =
      f.top == Top::Ieee ? (((1u << f.exponentBits) - 1) << f.mantissaBits) - 1
      : f.top == Top::Finite && bits == 8 ? signBit - 2
                                          : signBit - 1;
  constexpr uint32_t infCode = f.top == Top::Ieee                 ? maxCode + 1
                               : f.top == Top::Finite && bits < 8 ? maxCode
                                                                  : nanCode;
  uint64_t b = std::bit_cast<uint64_t>(x);
  uint32_t sign = uint32_t(b >> 63) << (bits - 1);
  double a = std::bit_cast<double>(b & ~(1ull << 63));
  // Adding 3/2 * 2^(52 + exponent of the result's ulp) rounds to that ulp.
  // The result's exponent is that of a, but at least the smallest normal's.
  uint64_t ea = std::bit_cast<uint64_t>(a) >> 52;
  constexpr uint64_t eMin = 1023 + 1 - f.bias;
  uint64_t e = ea < eMin ? eMin : ea;
  e = e > 1023 + 200 ? 1023 + 200 : e;
  double shifter = std::bit_cast<double>((e + 52 - f.mantissaBits) << 52) * 1.5;
  uint64_t units = std::bit_cast<uint64_t>(a + shifter) & ((1ull << 51) - 1);
  // units counts ulps: with the implicit bit for normals; a carry into the
  // next exponent comes out right because codes are consecutive.
  uint64_t code = ((e - eMin) << f.mantissaBits) + units;
  uint64_t limited = code > maxCode || a > 0x1p199 ? infCode : code;
  if (saturate)
    limited = code > maxCode || a > 0x1p199 ? maxCode : code;
  uint32_t c = uint32_t(limited);
  bool nanSign = f.top == Top::Unsigned0 && (c == 0 || c == nanCode);
  uint32_t out = nanSign ? c : c | sign;
  return x != x ? (f.top == Top::Unsigned0 ? nanCode : nanCode | sign) : out;
}

/// fp16 and bf16, the types vector registers and memories hold.
CIM_INLINE float halfToFloat(uint16_t h) { return decode<kF16>(h); }
CIM_INLINE float bfloatToFloat(uint16_t h) { return decode<kBF16>(h); }
CIM_INLINE uint16_t doubleToHalf(double x) { return uint16_t(encode<kF16>(x)); }
CIM_INLINE uint16_t doubleToBfloat(double x) {
  return uint16_t(encode<kBF16>(x));
}
/// fp32 to fp16 in fp32 steps; the same code as doubleToHalf.
CIM_INLINE uint16_t floatToHalf(float x) {
  uint32_t b = std::bit_cast<uint32_t>(x);
  uint32_t sign = b & 0x80000000u, magnitude = b ^ sign;
  float a = std::bit_cast<float>(magnitude);
  // Subnormal results: a + 1/2 puts units of 2^-24 into the low bits.
  uint32_t small = std::bit_cast<uint32_t>(a + 0.5f) - 0x3f000000u;
  // Normal: rebias and round half to even on 13 bits.
  uint32_t normal =
      (magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  uint32_t h = magnitude < (113u << 23) ? small : normal;
  h = magnitude >= (143u << 23) ? 0x7c00u : h;
  h = magnitude > 0x7f800000u ? 0x7e00u : h;
  return uint16_t(h | (sign >> 16));
}
/// fp32 to bf16 in integer steps; the same code as doubleToBfloat.
CIM_INLINE uint16_t floatToBfloat(float x) {
  uint32_t b = std::bit_cast<uint32_t>(x);
  uint32_t r = (b + 0x7fff + ((b >> 16) & 1)) >> 16;
  r = (b & 0x7fffffffu) > 0x7f800000u ? (0x7fc0u | ((b >> 16) & 0x8000u)) : r;
  return uint16_t(r);
}

//===----------------------------------------------------------------------===//
// Integer arithmetic (I1, I2).
//===----------------------------------------------------------------------===//

/// I1: never traps. Signed or unsigned by `T`.
template <typename T>
CIM_INLINE T divide(T a, T b) {
  using U = std::make_unsigned_t<T>;
  if (b == 0)
    return T(~U(0));
  if constexpr (std::is_signed_v<T>)
    if (b == T(-1))
      return T(U(0) - U(a));
  return T(a / b);
}
template <typename T>
CIM_INLINE T remainder(T a, T b) {
  if (b == 0)
    return a;
  if constexpr (std::is_signed_v<T>)
    if (b == T(-1))
      return 0;
  return T(a % b);
}
/// I2: amounts are unsigned; at or above the width, all bits are shifted out.
template <typename T>
CIM_INLINE T shiftLeft(T a, T amount) {
  using U = std::make_unsigned_t<T>;
  constexpr U width = sizeof(T) * 8;
  U n = U(amount);
  return n < width ? T(U(a) << (n & (width - 1))) : T(0);
}
template <typename T>
CIM_INLINE T shiftRightLogical(T a, T amount) {
  using U = std::make_unsigned_t<T>;
  constexpr U width = sizeof(T) * 8;
  U n = U(amount);
  return n < width ? T(U(U(a) >> (n & (width - 1)))) : T(0);
}
template <typename T>
CIM_INLINE T shiftRightArithmetic(T a, T amount) {
  using U = std::make_unsigned_t<T>;
  using S = std::make_signed_t<T>;
  constexpr U width = sizeof(T) * 8;
  U n = U(amount);
  n = n < width ? n : U(width - 1);
  return T(S(S(a) >> n));
}

//===----------------------------------------------------------------------===//
// Float arithmetic beyond the operators (F2).
//===----------------------------------------------------------------------===//

template <typename F>
CIM_INLINE bool signOf(F x) {
  using U = std::conditional_t<sizeof(F) == 4, uint32_t, uint64_t>;
  return std::bit_cast<U>(x) >> (sizeof(F) * 8 - 1);
}
/// F2: NaN if either is; -0 is less than +0.
template <typename F>
CIM_INLINE F minimum(F a, F b) {
  F m = a < b || (a == b && signOf(a)) ? a : b;
  m = b != b ? b : m;
  return a != a ? a : m;
}
template <typename F>
CIM_INLINE F maximum(F a, F b) {
  F m = a > b || (a == b && signOf(b)) ? a : b;
  m = b != b ? b : m;
  return a != a ? a : m;
}
/// F2: the other operand if one is NaN; -0 is less than +0.
template <typename F>
CIM_INLINE F minNum(F a, F b) {
  F m = a < b || (a == b && signOf(a)) ? a : b;
  m = b != b ? a : m;
  return a != a ? b : m;
}
template <typename F>
CIM_INLINE F maxNum(F a, F b) {
  F m = a > b || (a == b && signOf(b)) ? a : b;
  m = b != b ? a : m;
  return a != a ? b : m;
}

//===----------------------------------------------------------------------===//
// Block floating point (B1, B3).
//===----------------------------------------------------------------------===//

/// B1: infinities count as the largest finite value, NaN as 0.
CIM_INLINE float bfpOperand(float x) {
  constexpr float top = std::numeric_limits<float>::max();
  x = x > top ? top : x;
  x = x < -top ? -top : x;
  return x != x ? 0.0f : x;
}
/// floor(log2|x|) of a bfpOperand, clamped below at -126; 0 gives -126.
CIM_INLINE int32_t bfpExponent(float x) {
  int32_t e = int32_t((std::bit_cast<uint32_t>(x) >> 23) & 0xff);
  return (e == 0 ? 1 : e) - 127;
}
/// B1: mantissa of x in a block of exponent `exponent`, `bits` wide.
CIM_INLINE int32_t bfpMantissa(float x, int32_t exponent, int32_t bits) {
  // 2^(bits - 2 - exponent) and the product are exact in binary64.
  double scale =
      std::bit_cast<double>(uint64_t(1023 + bits - 2 - exponent) << 52);
  double limit = double((1 << (bits - 1)) - 1);
  double q = rne(double(bfpOperand(x)) * scale);
  q = q > limit ? limit : q;
  q = q < -limit ? -limit : q;
  return int32_t(q);
}
/// Converts a block of n values, `stride` elements apart. Returns the exponent.
inline int32_t bfpBlock(const float *x, int64_t stride, int64_t n, int32_t bits,
                        int16_t *mantissas) {
  int32_t e = -126;
  for (int64_t i = 0; i < n; ++i) {
    int32_t ei = bfpExponent(bfpOperand(x[i * stride]));
    e = ei > e ? ei : e;
  }
  for (int64_t i = 0; i < n; ++i)
    mantissas[i] = int16_t(bfpMantissa(x[i * stride], e, bits));
  return e;
}
/// B3: the exact sum s of products of two blocks as fp32; |s| < 2^53. One
/// rounding: the scaled sum is exact in binary64.
CIM_INLINE float bfpValue(double s, int32_t ea, int32_t ew, int32_t bits) {
  int32_t e = ea + ew - 2 * (bits - 2);
  double scale = std::bit_cast<double>(uint64_t(1023 + e) << 52);
  return float(s * scale);
}

} // namespace cim::numerics

#endif // CIM_SUPPORT_NUMERICS_H
