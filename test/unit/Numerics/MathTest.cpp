// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementary functions (numerics F4) against the host's 80-bit libm, and array
// forms against scalar ones.
#include "cim/Support/Math.h"

#include <cfloat>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace {

using namespace cim;
using math::Unary;
using Wide = long double;
static_assert(LDBL_MANT_DIG >= 64, "the oracle must be wider than binary64");

struct Function {
  const char *name;
  Unary id;
  float (*f32)(float);
  double (*f64)(double);
  Wide (*oracle)(Wide);
  double lo, hi; ///< Interval random arguments concentrate on.
};

Wide rsqrtOracle(Wide x) { return 1 / std::sqrt(x); }

#define CIM_FUNCTION(id, name, lo, hi)                                         \
  {#name,                                                                      \
   Unary::id,                                                                  \
   [](float x) { return math::name(x); },                                      \
   [](double x) { return math::name(x); },                                     \
   [](Wide x) { return Wide(std::name(x)); },                                  \
   lo,                                                                         \
   hi}

const Function functions[] = {
    CIM_FUNCTION(Exp, exp, -745, 709),
    CIM_FUNCTION(Exp2, exp2, -1070, 1024),
    CIM_FUNCTION(Expm1, expm1, -40, 40),
    CIM_FUNCTION(Log, log, 0.5, 2),
    CIM_FUNCTION(Log2, log2, 0.5, 2),
    CIM_FUNCTION(Log10, log10, 0.5, 2),
    CIM_FUNCTION(Log1p, log1p, -1, 1),
    CIM_FUNCTION(Tanh, tanh, -3, 3),
    CIM_FUNCTION(Erf, erf, -6.5, 6.5),
    CIM_FUNCTION(Sin, sin, -100, 100),
    CIM_FUNCTION(Cos, cos, -100, 100),
    CIM_FUNCTION(Tan, tan, -100, 100),
    CIM_FUNCTION(Asin, asin, -1, 1),
    CIM_FUNCTION(Acos, acos, -1, 1),
    CIM_FUNCTION(Atan, atan, -10, 10),
    CIM_FUNCTION(Sinh, sinh, -720, 720),
    CIM_FUNCTION(Cosh, cosh, -720, 720),
    CIM_FUNCTION(Asinh, asinh, -10, 10),
    CIM_FUNCTION(Acosh, acosh, 1, 10),
    CIM_FUNCTION(Atanh, atanh, -1, 1),
    {"rsqrt", Unary::Rsqrt, [](float x) { return math::rsqrt(x); },
     [](double x) { return math::rsqrt(x); }, rsqrtOracle, 0, 10},
};

const double specials[] = {
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, INFINITY, -INFINITY, NAN,
    DBL_MAX, -DBL_MAX, DBL_MIN, -DBL_MIN, 4.9e-324, -4.9e-324, 0x1p-30,
    -0x1p-30, 0x1p20, 0x1p52, 0x1p53, 0x1p1000, 710.0, -746.0, 1024.0, -1075.0,
    22.0, 40.0, 6.0, 0x1p500, 1.0 + 0x1p-52, 1.0 - 0x1p-53,
    // The binary64 closest to a multiple of pi/2.
    6381956970095103.0 * 0x1p797};

/// Error of `got` in units of the last place of `want` rounded to binary32;
/// equal infinities and NaNs have none.
double ulps32(float got, Wide want) {
  if (std::isnan(want))
    return std::isnan(got) ? 0 : INFINITY;
  // What rounds to infinity must be infinite.
  if (std::fabs(want) >= 0x1.ffffffp127L)
    return std::isinf(got) && std::signbit(got) == std::signbit(want)
               ? 0
               : INFINITY;
  if (std::isinf(got))
    return INFINITY;
  int e = want == 0 ? -126 : std::max(std::ilogb(want), -126);
  return double(std::fabs(Wide(got) - want) / std::ldexp(1.0L, e - 23));
}

/// Relative error of a binary64 result; 0 when nothing finite and normal is
/// expected and the class agrees.
double relative64(double got, Wide want) {
  if (std::isnan(want))
    return std::isnan(got) ? 0 : INFINITY;
  if (std::fabs(want) >= 0x1.fffffffffffff8p1023L)
    return std::isinf(got) && std::signbit(got) == std::signbit(want)
               ? 0
               : INFINITY;
  if (std::fabs(want) < DBL_MIN)
    return std::fabs(Wide(got) - want) <= 0x1p-1073L ? 0 : INFINITY;
  return double(std::fabs((Wide(got) - want) / want));
}

TEST(Math, Float32WithinBound) {
  for (const Function &f : functions) {
    double worst = 0;
    float at = 0;
    auto check = [&](float x) {
      double e = ulps32(f.f32(x), f.oracle(x));
      if (!(e <= worst))
        worst = e, at = x;
    };
    // A prime stride visits all exponents and signs.
    for (uint64_t b = 0; b < (1ull << 32); b += 99991)
      check(std::bit_cast<float>(uint32_t(b)));
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> uniform(f.lo, f.hi);
    for (int i = 0; i < 30000; ++i)
      check(float(uniform(random)));
    for (double x : specials)
      check(float(x));
    EXPECT_LT(worst, 0.5001) << f.name << " at " << at;
  }
}

TEST(Math, Float64WithinBound) {
  for (const Function &f : functions) {
    double worst = 0, at = 0;
    auto check = [&](double x) {
      double e = relative64(f.f64(x), f.oracle(x));
      if (!(e <= worst))
        worst = e, at = x;
    };
    std::mt19937_64 random(2);
    std::uniform_real_distribution<double> uniform(f.lo, f.hi);
    for (int i = 0; i < 30000; ++i)
      check(uniform(random));
    for (int i = 0; i < 30000; ++i)
      check(std::bit_cast<double>(uint64_t(random())));
    // Small magnitudes, where naive formulas cancel.
    std::uniform_real_distribution<double> exponent(-60, 5);
    for (int i = 0; i < 20000; ++i) {
      double x = std::exp2(exponent(random));
      check(i & 1 ? x : -x);
    }
    for (double x : specials)
      check(x);
    EXPECT_LT(worst, 0x1p-50) << f.name << " at " << at;
    if (std::getenv("CIM_PRINT_ERRORS"))
      printf("%-6s 2^%.2f at %a\n", f.name, std::log2(worst), at);
  }
}

TEST(Math, OddFunctionsKeepTheSignOfZero) {
  for (const Function &f : functions) {
    if (f.oracle(0.0L) != 0)
      continue;
    EXPECT_EQ(std::signbit(f.f64(-0.0)), std::signbit(f.oracle(-0.0L)))
        << f.name;
    EXPECT_EQ(std::signbit(f.f64(0.0)), std::signbit(f.oracle(0.0L))) << f.name;
  }
}

std::vector<double> pairsOf(std::mt19937_64 &random, int n) {
  std::vector<double> v(std::begin(specials), std::end(specials));
  for (double y : {3.0, -3.0, 1e300, -1e300, 0x1p52 + 1, 0x1p53 - 1, 0.1, 7.5})
    v.push_back(y);
  for (int i = 0; i < n; ++i)
    v.push_back(std::bit_cast<double>(uint64_t(random())));
  return v;
}

TEST(Math, PowWithinBound) {
  std::mt19937_64 random(3);
  double worst = 0, worst32 = 0, ax = 0, ay = 0;
  auto check = [&](double x, double y) {
    double e = relative64(math::pow(x, y), std::pow(Wide(x), Wide(y)));
    if (!(e <= worst))
      worst = e, ax = x, ay = y;
    worst32 =
        std::max(worst32, ulps32(math::pow(float(x), float(y)),
                                 std::pow(Wide(float(x)), Wide(float(y)))));
  };
  std::vector<double> v = pairsOf(random, 150);
  for (double x : v)
    for (double y : v)
      check(x, y);
  std::uniform_real_distribution<double> base(0, 4), power(-500, 500);
  for (int i = 0; i < 50000; ++i)
    check(base(random), power(random));
  std::uniform_real_distribution<double> nearOne(0.999, 1.001);
  for (int i = 0; i < 20000; ++i)
    check(nearOne(random), power(random) * 1000);
  EXPECT_LT(worst, 0x1p-50) << ax << " ^ " << ay;
  EXPECT_LT(worst32, 0.5001);
}

TEST(Math, Atan2WithinBound) {
  std::mt19937_64 random(4);
  double worst = 0, worst32 = 0, ax = 0, ay = 0;
  auto check = [&](double y, double x) {
    Wide want = std::atan2(Wide(y), Wide(x));
    double e = relative64(math::atan2(y, x), want);
    if (want == 0 && std::signbit(math::atan2(y, x)) != std::signbit(want))
      e = INFINITY;
    if (!(e <= worst))
      worst = e, ax = x, ay = y;
    worst32 =
        std::max(worst32, ulps32(math::atan2(float(y), float(x)),
                                 std::atan2(Wide(float(y)), Wide(float(x)))));
  };
  std::vector<double> v = pairsOf(random, 150);
  for (double x : v)
    for (double y : v)
      check(y, x);
  std::uniform_real_distribution<double> uniform(-3, 3);
  for (int i = 0; i < 50000; ++i)
    check(uniform(random), uniform(random));
  EXPECT_LT(worst, 0x1p-50) << ay << ", " << ax;
  EXPECT_LT(worst32, 0.5001);
}

template <typename T>
bool sameBits(T a, T b) {
  return (a != a && b != b) || (a == b && std::signbit(a) == std::signbit(b));
}

TEST(Math, ArraysEqualScalars) {
  std::mt19937_64 random(5);
  std::vector<float> x32;
  std::vector<double> x64;
  for (const Function &f : functions) {
    std::uniform_real_distribution<double> uniform(f.lo, f.hi);
    x32.clear(), x64.clear();
    for (double s : specials)
      x64.push_back(s), x32.push_back(float(s));
    for (int i = 0; i < 1500; ++i) {
      x64.push_back(uniform(random));
      x64.push_back(std::bit_cast<double>(uint64_t(random())));
      x32.push_back(float(uniform(random)));
      x32.push_back(std::bit_cast<float>(uint32_t(random())));
    }
    std::vector<float> y32(x32.size());
    std::vector<double> y64 = x64; // In place.
    math::map(f.id, x32.data(), y32.data(), x32.size());
    math::map(f.id, y64.data(), y64.data(), x64.size());
    for (size_t i = 0; i < x32.size(); ++i)
      ASSERT_TRUE(sameBits(y32[i], f.f32(x32[i]))) << f.name << " " << x32[i];
    for (size_t i = 0; i < x64.size(); ++i)
      ASSERT_TRUE(sameBits(y64[i], f.f64(x64[i]))) << f.name << " " << x64[i];
  }
  std::vector<double> a = pairsOf(random, 1000), b(a.rbegin(), a.rend()),
                      y(a.size());
  math::map(math::Binary::Pow, a.data(), b.data(), y.data(), a.size());
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_TRUE(sameBits(y[i], math::pow(a[i], b[i])));
  math::map(math::Binary::Atan2, a.data(), b.data(), y.data(), a.size());
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_TRUE(sameBits(y[i], math::atan2(a[i], b[i])));
}

} // namespace
