// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Number formats and conversions against definitions written out plainly.
#include "cim/Support/Numerics.h"

#include <cfenv>
#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace {

using namespace cim::numerics;

/// Value of a code from the definition of the format.
template <Format f>
double valueOf(uint32_t c) {
  int bits = 1 + f.exponentBits + f.mantissaBits;
  bool negative = c >> (bits - 1) & 1;
  int e = int(c >> f.mantissaBits) & ((1 << f.exponentBits) - 1);
  int m = int(c) & ((1 << f.mantissaBits) - 1);
  bool allOnes = (c | (1u << (bits - 1))) == (1u << bits) - 1;
  if (f.top == Top::Finite && bits == 8 && allOnes)
    return NAN;
  if (f.top == Top::Unsigned0 && c == 1u << (bits - 1))
    return NAN;
  double v;
  if (f.top == Top::Ieee && e == (1 << f.exponentBits) - 1)
    v = m ? NAN : INFINITY;
  else if (e == 0)
    v = std::ldexp(m, 1 - f.bias - f.mantissaBits);
  else
    v = std::ldexp((1 << f.mantissaBits) + m, e - f.bias - f.mantissaBits);
  return negative ? -v : v;
}

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) ||
         (a == b && std::signbit(a) == std::signbit(b));
}

/// Nearest finite value by search over all codes; ties by even code.
template <Format f>
double nearestValue(double x) {
  int bits = 1 + f.exponentBits + f.mantissaBits;
  if (std::isnan(x)) // fp4 has no NaN.
    return f.top == Top::Finite && bits < 8 ? 0 : x;
  double top = maxFinite<f>();
  // Half an ulp of the top binade above the largest value overflows.
  double ulp = std::ldexp(1, std::ilogb(top) - f.mantissaBits);
  bool lastOdd = true;
  if (f.top == Top::Finite && bits == 8)
    lastOdd = false;
  double limit = top + ulp / 2;
  if (std::fabs(x) > limit || (std::fabs(x) == limit && lastOdd)) {
    double over = f.top == Top::Ieee                 ? INFINITY
                  : f.top == Top::Finite && bits < 8 ? top
                                                     : NAN;
    return std::copysign(over, x);
  }
  double best = NAN;
  uint32_t bestCode = 0;
  for (uint32_t c = 0; c < 1u << (bits - 1); ++c) {
    double v = valueOf<f>(c);
    if (!std::isfinite(v))
      continue;
    double d = std::fabs(v - std::fabs(x)), b = std::fabs(best - std::fabs(x));
    if (std::isnan(best) || d < b || (d == b && c % 2 == 0 && bestCode % 2))
      best = v, bestCode = c;
  }
  if (f.top == Top::Unsigned0 && best == 0)
    return 0;
  return std::copysign(best, x);
}

template <Format f>
void checkFormat(int samples) {
  int bits = 1 + f.exponentBits + f.mantissaBits;
  for (uint32_t c = 0; c < 1u << bits; ++c) {
    double v = valueOf<f>(c);
    ASSERT_TRUE(same(decode<f>(c), v)) << c;
    if (!std::isnan(v)) {
      ASSERT_EQ(encode<f>(v), c) << v;
    }
    // Midpoints and their neighbours.
    double w = valueOf<f>((c + 1) & ((1u << bits) - 1));
    if (!std::isfinite(v) || !std::isfinite(w) || bits > 8)
      continue;
    double mid = (v + w) / 2;
    for (double x : {mid, std::nextafter(mid, v), std::nextafter(mid, w)})
      ASSERT_TRUE(same(decode<f>(encode<f>(x)), nearestValue<f>(x))) << x;
  }
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> exponent(-30, 20);
  for (int i = 0; i < samples; ++i) {
    double x = std::exp2(exponent(random)) * (i & 1 ? 1 : -1);
    ASSERT_TRUE(same(decode<f>(encode<f>(x)), nearestValue<f>(x))) << x;
  }
  double top = maxFinite<f>();
  for (double x : {top, -top, top * 1.01, top * 1.2, top * 4, double(INFINITY),
                   -double(INFINITY), 1e300, double(NAN), 0.0, -0.0, 5e-324})
    ASSERT_TRUE(same(decode<f>(encode<f>(x)), nearestValue<f>(x))) << x;
  EXPECT_EQ(decode<f>(encode<f>(1e300, true)), top);
  EXPECT_EQ(decode<f>(encode<f>(-INFINITY, true)), -top);
}

TEST(Numerics, NarrowFloats) {
  checkFormat<kF16>(20);
  checkFormat<kF8E4M3FN>(2000);
  checkFormat<kF8E5M2>(2000);
  checkFormat<kF8E4M3FNUZ>(2000);
  checkFormat<kF8E5M2FNUZ>(2000);
  checkFormat<kF4E2M1>(2000);
}

TEST(Numerics, HalfAndBfloatFastPathsAgree) {
  for (uint64_t b = 0; b < (1ull << 32); b += 4093) {
    float x = std::bit_cast<float>(uint32_t(b));
    ASSERT_EQ(floatToHalf(x), doubleToHalf(x)) << x;
    ASSERT_EQ(floatToBfloat(x), doubleToBfloat(x)) << x;
  }
  // All ties of fp16 and bf16.
  for (uint32_t h = 0; h < 0x7c00; ++h) {
    float a = halfToFloat(uint16_t(h)), b = halfToFloat(uint16_t(h + 1));
    if (std::isinf(b))
      b = 65536;
    ASSERT_EQ(floatToHalf((a + b) / 2), (h + 1) & ~1u);
  }
  for (uint32_t c = 0; c < 0x10000; ++c) {
    float v = bfloatToFloat(uint16_t(c));
    ASSERT_EQ(std::bit_cast<uint32_t>(v), c << 16);
    if (v == v) {
      ASSERT_EQ(floatToBfloat(v), c);
    }
  }
  // binary64 to fp16 rounds once: just above a tie that binary32 would hit.
  EXPECT_EQ(doubleToHalf(1 + 0x1p-11 + 0x1p-40), 0x3c01);
  EXPECT_EQ(doubleToBfloat(1 + 0x1p-8 + 0x1p-40), 0x3f81);
  EXPECT_EQ(floatToBfloat(-NAN) & 0x7fc0, 0x7fc0);
}

TEST(Numerics, RoundToNearestEven) {
  std::mt19937_64 random(8);
  for (float x : {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 0.49999997f, 8388607.5f,
                  8388608.f, 1e30f, -0.0f, 0.0f})
    EXPECT_TRUE(same(rne(x), std::nearbyint(x))) << x;
  EXPECT_TRUE(std::isnan(rne(NAN)));
  EXPECT_EQ(rne(-INFINITY), -INFINITY);
  for (int i = 0; i < 100000; ++i) {
    float x = std::bit_cast<float>(uint32_t(random()));
    ASSERT_TRUE(same(rne(x), std::nearbyint(x))) << x;
    double d = std::bit_cast<double>(uint64_t(random()));
    ASSERT_TRUE(same(rne(d), std::nearbyint(d))) << d;
  }
}

template <typename I, typename F>
I plainTruncate(F x) {
  if (std::isnan(x))
    return 0;
  long double t = std::trunc((long double)x);
  if (t <= (long double)std::numeric_limits<I>::min())
    return std::numeric_limits<I>::min();
  if (t >= (long double)std::numeric_limits<I>::max())
    return std::numeric_limits<I>::max();
  return I(t);
}

template <typename I, typename F>
void checkTruncate() {
  std::mt19937_64 random(9);
  std::uniform_real_distribution<double> exponent(-3, 70);
  auto check = [](F x) {
    ASSERT_EQ((truncateToInt<I, F>(x)), (plainTruncate<I, F>(x))) << x;
  };
  for (int i = 0; i < 3000; ++i)
    check(F(std::exp2(exponent(random)) * (i & 1 ? 1 : -1)));
  for (double lim : {double(std::numeric_limits<I>::min()),
                     double(std::numeric_limits<I>::max())})
    for (F x : {F(lim), std::nextafter(F(lim), F(0)), F(lim + 0.5),
                F(lim - 0.5), std::nextafter(F(lim), F(lim * 2))})
      check(x);
  for (double x : {0.0, -0.0, double(NAN), double(INFINITY), -double(INFINITY),
                   0.99, -0.99})
    check(F(x));
}

TEST(Numerics, FloatToIntSaturates) {
  checkTruncate<int8_t, float>(), checkTruncate<int8_t, double>();
  checkTruncate<uint8_t, float>(), checkTruncate<uint8_t, double>();
  checkTruncate<int16_t, float>(), checkTruncate<uint16_t, float>();
  checkTruncate<int32_t, float>(), checkTruncate<int32_t, double>();
  checkTruncate<uint32_t, float>(), checkTruncate<uint32_t, double>();
  checkTruncate<int64_t, float>(), checkTruncate<int64_t, double>();
  checkTruncate<uint64_t, float>(), checkTruncate<uint64_t, double>();
}

TEST(Numerics, Quantization) {
  EXPECT_EQ(quantize(2.5f, 1, 0, -128, 127), 2);
  EXPECT_EQ(quantize(3.5f, 1, 0, -128, 127), 4);
  EXPECT_EQ(quantize(1e30f, 1, -5, -128, 127), 127);
  EXPECT_EQ(quantize(NAN, 1, -5, -128, 127), -5);
  // A saturated int32 meets the zero point in int64: no wrap.
  EXPECT_EQ(quantize(1e30f, 1, 100, INT32_MIN, INT32_MAX), INT32_MAX);
  EXPECT_EQ(quantize(-1e30f, 1, -100, INT32_MIN, INT32_MAX), INT32_MIN);
  EXPECT_EQ(requantize(INT32_MAX, 1, 0, INT32_MIN, INT32_MAX), INT32_MAX);
  EXPECT_EQ(requantize(5, 0.5f, 3, -128, 127), 5);
  EXPECT_EQ(requantize(7, 0.5f, 3, -128, 127), 7);
  EXPECT_EQ(dequantize(-128, 127, 0.5f), -127.5f);
}

TEST(Numerics, IntegersNeverTrap) {
  EXPECT_EQ(divide<int32_t>(INT32_MIN, -1), INT32_MIN);
  EXPECT_EQ(remainder<int32_t>(INT32_MIN, -1), 0);
  EXPECT_EQ(divide<int8_t>(5, 0), -1);
  EXPECT_EQ(divide<uint8_t>(5, 0), 255);
  EXPECT_EQ(remainder<int64_t>(5, 0), 5);
  EXPECT_EQ(divide<int8_t>(-128, -1), -128);
  EXPECT_EQ(shiftLeft<int8_t>(1, 8), 0);
  EXPECT_EQ(shiftLeft<int8_t>(1, 7), -128);
  EXPECT_EQ(shiftLeft<int32_t>(1, -1), 0);
  EXPECT_EQ(shiftRightLogical<int8_t>(-128, 7), 1);
  EXPECT_EQ(shiftRightArithmetic<int8_t>(-128, 100), -1);
  EXPECT_EQ(shiftRightArithmetic<uint8_t>(128, 1), 0xc0);
}

TEST(Numerics, MinimumAndMaximum) {
  EXPECT_TRUE(std::isnan(minimum(1.0f, NAN)));
  EXPECT_TRUE(std::isnan(maximum(float(NAN), 1.0f)));
  EXPECT_EQ(minNum(1.0f, NAN), 1.0f);
  EXPECT_EQ(maxNum(double(NAN), 1.0), 1.0);
  for (auto [a, b] : {std::pair(0.0, -0.0), std::pair(-0.0, 0.0)}) {
    EXPECT_TRUE(std::signbit(minimum(a, b)));
    EXPECT_FALSE(std::signbit(maximum(a, b)));
    EXPECT_TRUE(std::signbit(minNum(a, b)));
    EXPECT_FALSE(std::signbit(maxNum(a, b)));
  }
}

TEST(Numerics, BlockFloatingPoint) {
  std::mt19937_64 random(10);
  for (int bits : {8, 12, 16})
    for (int trial = 0; trial < 400; ++trial) {
      std::vector<float> x(1 + random() % 64);
      for (float &v : x) {
        v = std::bit_cast<float>(uint32_t(random()));
        if (trial % 4 == 0)
          v = std::ldexp(float(int(random() % 2001) - 1000), -140);
        if (trial % 4 == 1)
          v = float(int(random() % 2001) - 1000);
      }
      std::vector<int16_t> q(x.size());
      int e = bfpBlock(x.data(), 1, int64_t(x.size()), bits, q.data());
      int want = -126;
      for (float v : x)
        if (!std::isnan(v) && v != 0)
          want = std::max(want, std::isinf(v) ? 127 : std::ilogb(v));
      ASSERT_EQ(e, want);
      long double limit = (1 << (bits - 1)) - 1;
      for (size_t i = 0; i < x.size(); ++i) {
        long double v = std::isnan(x[i]) ? 0 : x[i];
        if (std::isinf(x[i]))
          v = std::copysign(std::numeric_limits<float>::max(), x[i]);
        long double s = std::nearbyint(std::ldexp(v, bits - 2 - e));
        s = std::min(std::max(s, -limit), limit);
        ASSERT_EQ(q[i], int(s)) << x[i] << " exponent " << e;
      }
    }
  // One rounding, subnormal results included.
  EXPECT_EQ(bfpValue(3, -126, -10, 12), std::ldexp(3.0f, -156));
  EXPECT_EQ(bfpValue(0x1000003, -120, -2, 12), float(0x1000003 * 0x1p-142));
  EXPECT_EQ(bfpValue(1 << 20, 127, 127, 12), INFINITY);
}

} // namespace
