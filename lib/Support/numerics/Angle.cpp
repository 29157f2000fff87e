// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Argument reduction of the trigonometric functions for huge arguments: the
// product with 2/pi in integer arithmetic, as Payne and Hanek described it.
#include "cim/Support/Math.h"

namespace cim::math::detail {
namespace {

/// The first 1280 bits of 2/pi, most significant first.
constexpr uint64_t twoOverPi[20] = {
    0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041,
    0xfe5163abdebbc561, 0xb7246e3a424dd2e0, 0x06492eea09d1921c,
    0xfe1deb1cb129a73e, 0xe88235f52ebb4484, 0xe99c7026b45f7e41,
    0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08,
    0x56033046fc7b6bab, 0xf0cfbc209af4361d};

/// 64 bits of 2/pi from the one of weight 2^-first on; bits of weight 1 and
/// above are zero.
uint64_t window(int first) {
  int start = first - 1; // Bit index into the table.
  auto word = [](int i) { return i < 0 || i >= 20 ? 0 : twoOverPi[i]; };
  int index = start >= 0 ? start / 64 : -((63 - start) / 64);
  int shift = start - index * 64;
  uint64_t high = word(index) << shift;
  return shift ? high | (word(index + 1) >> (64 - shift)) : high;
}

/// hi * 2^-64 + lo * 2^-128 as an unevaluated sum; hi's top bit is set.
Double2 toDouble2(uint64_t hi, uint64_t lo) {
  double a = double(hi >> 11) * 0x1p-53;
  uint64_t rest = (hi << 53) | (lo >> 11);
  double b = double(rest >> 11) * 0x1p-106;
  return fastSum(a, b);
}

} // namespace

Angle reduceLarge(double x) {
  uint64_t b = bits(x);
  int e = int((b >> 52) & 0x7ff) - 1075;
  uint64_t m = (b & ((1ull << 52) - 1)) | (1ull << 52);
  // |x| = m * 2^e. Bits of 2/pi of weight above 2^(1 - e) give multiples of
  // four quarters; the next 192 are a fixed-point number with two integer bits.
  int first = e - 1;
  uint64_t w0 = window(first), w1 = window(first + 64),
           w2 = window(first + 128);
  using Wide = unsigned __int128;
  Wide p2 = Wide(m) * w2;
  Wide p1 = Wide(m) * w1 + uint64_t(p2 >> 64);
  uint64_t f0 = m * w0 + uint64_t(p1 >> 64);
  uint64_t f1 = uint64_t(p1), f2 = uint64_t(p2);

  uint64_t q = f0 >> 62;
  f0 = (f0 << 2) | (f1 >> 62);
  f1 = (f1 << 2) | (f2 >> 62);
  f2 <<= 2;
  bool negative = f0 >> 63; // Nearest quarter: the fraction is in [-1/2, 1/2).
  if (negative) {
    ++q;
    f2 = ~f2, f1 = ~f1, f0 = ~f0;
    if (++f2 == 0 && ++f1 == 0)
      ++f0;
  }
  int zeros = 0;
  if (f0 == 0) {
    f0 = f1, f1 = f2, f2 = 0;
    zeros = 64;
  }
  if (f0 == 0)
    return {0, 0, q}; // No binary64 value comes this close; keep shifts valid.
  int lead = std::countl_zero(f0);
  if (lead) {
    f0 = (f0 << lead) | (f1 >> (64 - lead));
    f1 = (f1 << lead) | (f2 >> (64 - lead));
  }
  zeros += lead;
  Double2 r = multiply(toDouble2(f0, f1), {halfPi, halfPiLo});
  double down = pow2(-zeros);
  bool flip = negative != bool(b >> 63);
  double s = flip ? -down : down;
  return {r.hi * s, r.lo * s, (b >> 63) ? 0 - q : q};
}

} // namespace cim::math::detail
