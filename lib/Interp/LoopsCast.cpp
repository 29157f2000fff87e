// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Conversions on registers (numerics C1 to C4, Q1, Q2), iteration numbers and
// gathers.

#include <cmath>
#include <cstring>
#include <type_traits>

#include "Body.h"
#include "cim/Support/Numerics.h"
#include "cim/Support/Simd.h"

namespace cim::interp {
namespace {

//===----------------------------------------------------------------------===//
// Casts
//===----------------------------------------------------------------------===//

/// i1 in template arguments.
struct Bit {};
template <typename T>
using Stored = std::conditional_t<std::is_same_v<T, Bit>, uint8_t, T>;

template <typename From, typename To>
void cast(const Step &s, Lanes &lanes, int64_t n) {
  const Stored<From> *a = lanes.in<Stored<From>>(s.a);
  Stored<To> *d = lanes.out<Stored<To>>(s.dst);
  for (int64_t i = 0; i < n; ++i) {
    Stored<From> x = a[i];
    if constexpr (std::is_same_v<To, Bit>) {
      if constexpr (std::is_floating_point_v<From>)
        d[i] = numerics::truncateToInt<bool>(x); // C3
      else
        d[i] = x & 1; // C1
    } else if constexpr (std::is_floating_point_v<Stored<From>> &&
                         std::is_integral_v<To>) {
      d[i] = numerics::truncateToInt<To>(x); // C3
    } else {
      d[i] = static_cast<To>(x); // C1, C2, C4
    }
  }
}
/// i1 read as signed: 1 is -1.
template <typename To>
void castSignedBit(const Step &s, Lanes &lanes, int64_t n) {
  const uint8_t *a = lanes.in<uint8_t>(s.a);
  To *d = lanes.out<To>(s.dst);
  for (int64_t i = 0; i < n; ++i)
    d[i] = static_cast<To>(-static_cast<int>(a[i]));
}

template <typename From>
Loop castTo(Kind to, bool toUnsigned) {
  switch (to) {
  case Kind::I1:
    return cast<From, Bit>;
  case Kind::I8:
    return toUnsigned ? cast<From, uint8_t> : cast<From, int8_t>;
  case Kind::I16:
    return toUnsigned ? cast<From, uint16_t> : cast<From, int16_t>;
  case Kind::I32:
    return toUnsigned ? cast<From, uint32_t> : cast<From, int32_t>;
  case Kind::I64:
    return toUnsigned ? cast<From, uint64_t> : cast<From, int64_t>;
  case Kind::F32:
    return cast<From, float>;
  case Kind::F64:
    return cast<From, double>;
  }
  return nullptr;
}

Loop castSignedBitTo(Kind to) {
  switch (to) {
  case Kind::I1:
    return cast<Bit, Bit>;
  case Kind::I8:
    return castSignedBit<int8_t>;
  case Kind::I16:
    return castSignedBit<int16_t>;
  case Kind::I32:
    return castSignedBit<int32_t>;
  case Kind::I64:
    return castSignedBit<int64_t>;
  case Kind::F32:
    return castSignedBit<float>;
  case Kind::F64:
    return castSignedBit<double>;
  }
  return nullptr;
}

/// A 64-bit integer as a binary64 that rounds to fewer than 50 bits as the
/// integer itself does: what does not fit is gathered in the last bit.
template <typename T>
double roundToOdd(T v) {
  if constexpr (std::is_floating_point_v<T> || sizeof(T) < 8) {
    return static_cast<double>(v);
  } else {
    bool negative = std::is_signed_v<T> && static_cast<int64_t>(v) < 0;
    uint64_t u = negative ? 0 - static_cast<uint64_t>(v) : uint64_t(v);
    if (u >> 53) {
      uint64_t low = u & 0xfff;
      u = (u & ~uint64_t(0xfff)) | (low ? 0x800 : 0);
    }
    double x = static_cast<double>(u);
    return negative ? -x : x;
  }
}

template <typename From>
void narrow(const Step &s, Lanes &lanes, int64_t n) {
  const From *a = lanes.in<From>(s.a);
  float *d = lanes.out<float>(s.dst);
  auto format = static_cast<Narrow>(s.imm);
  for (int64_t i = 0; i < n; ++i)
    d[i] = roundTo(format, roundToOdd(a[i]));
}

void bitsOfHalf(const Step &s, Lanes &lanes, int64_t n) {
  const float *a = lanes.in<float>(s.a);
  bool bf16 = static_cast<Narrow>(s.imm) == Narrow::BF16;
  for (int64_t i = 0; i < n; ++i)
    lanes.out<uint16_t>(s.dst)[i] =
        bf16 ? numerics::floatToBfloat(a[i]) : numerics::floatToHalf(a[i]);
}
void halfOfBits(const Step &s, Lanes &lanes, int64_t n) {
  const uint16_t *a = lanes.in<uint16_t>(s.a);
  bool bf16 = static_cast<Narrow>(s.imm) == Narrow::BF16;
  for (int64_t i = 0; i < n; ++i)
    lanes.out<float>(s.dst)[i] =
        bf16 ? numerics::bfloatToFloat(a[i]) : numerics::halfToFloat(a[i]);
}

template <unsigned size>
void copy(const Step &s, Lanes &lanes, int64_t n) {
  std::memcpy(lanes.own[s.dst], lanes.at[s.a], size_t(n) * size);
}

template <bool isSigned>
void extend(const Step &s, Lanes &lanes, int64_t n) {
  const uint8_t *a = lanes.in<uint8_t>(s.a);
  uint8_t *d = lanes.out<uint8_t>(s.dst);
  int shift = 8 - static_cast<int>(s.imm);
  for (int64_t i = 0; i < n; ++i) {
    auto top = static_cast<uint8_t>(a[i] << shift);
    d[i] = isSigned ? static_cast<uint8_t>(static_cast<int8_t>(top) >> shift)
                    : static_cast<uint8_t>(top >> shift);
  }
}

//===----------------------------------------------------------------------===//
// Quantization
//===----------------------------------------------------------------------===//

// Outside of templates: several versions of each are compiled.
#define CIM_QUANTIZE(T)                                                        \
  CIM_SIMD void quantize_##T(const Step &s, Lanes &lanes, int64_t n) {         \
    const float *x = lanes.in<float>(s.a);                                     \
    T *d = lanes.out<T>(s.dst);                                                \
    for (int64_t i = 0; i < n; ++i)                                            \
      d[i] = static_cast<T>(numerics::quantize(                                \
          x[i], s.scale, static_cast<int32_t>(s.imm), s.low, s.high));         \
  }
CIM_QUANTIZE(int8_t)
CIM_QUANTIZE(int16_t)
CIM_QUANTIZE(int32_t)
#undef CIM_QUANTIZE

#define CIM_DEQUANTIZE(T)                                                      \
  CIM_SIMD void dequantize_##T(const Step &s, Lanes &lanes, int64_t n) {       \
    const T *q = lanes.in<T>(s.a);                                             \
    float *d = lanes.out<float>(s.dst);                                        \
    for (int64_t i = 0; i < n; ++i)                                            \
      d[i] = numerics::dequantize(static_cast<int32_t>(q[i]),                  \
                                  static_cast<int32_t>(s.imm), s.scale);       \
  }
CIM_DEQUANTIZE(int8_t)
CIM_DEQUANTIZE(uint8_t)
CIM_DEQUANTIZE(int16_t)
CIM_DEQUANTIZE(uint16_t)
CIM_DEQUANTIZE(int32_t)
CIM_DEQUANTIZE(uint32_t)
#undef CIM_DEQUANTIZE

//===----------------------------------------------------------------------===//
// Indices and gathers
//===----------------------------------------------------------------------===//

void iteration(const Step &s, Lanes &lanes, int64_t n) {
  int64_t *d = lanes.out<int64_t>(s.dst);
  int64_t first = lanes.index[s.imm], step = s.imm == lanes.vectorLoop;
  for (int64_t i = 0; i < n; ++i)
    d[i] = first + i * step;
}

void gather(const Step &s, Lanes &lanes, int64_t n) {
  const Gather &g = (*lanes.gathers)[s.imm];
  int64_t offsets[maxLanes] = {};
  for (size_t d = 0; d < g.shape.size(); ++d) {
    const int64_t *index = lanes.in<int64_t>(g.indices[d]);
    for (int64_t i = 0; i < n; ++i) {
      bool inside = index[i] >= 0 && index[i] < g.shape[d];
      lanes.outOfBounds |= !inside;
      offsets[i] += inside ? index[i] * g.strides[d] : 0;
    }
  }
  if (lanes.outOfBounds)
    return;
  Decode decode = decodeOf(g.element);
  unsigned size = bytesOf(g.element.kind);
  for (int64_t i = 0; i < n; ++i)
    decode(g.data + offsets[i], 0, lanes.own[s.dst] + i * size, 1);
}

} // namespace

Loop castLoop(Kind from, bool fromUnsigned, Kind to, bool toUnsigned) {
  switch (from) {
  case Kind::I1:
    return fromUnsigned ? castTo<Bit>(to, toUnsigned) : castSignedBitTo(to);
  case Kind::I8:
    return fromUnsigned ? castTo<uint8_t>(to, toUnsigned)
                        : castTo<int8_t>(to, toUnsigned);
  case Kind::I16:
    return fromUnsigned ? castTo<uint16_t>(to, toUnsigned)
                        : castTo<int16_t>(to, toUnsigned);
  case Kind::I32:
    return fromUnsigned ? castTo<uint32_t>(to, toUnsigned)
                        : castTo<int32_t>(to, toUnsigned);
  case Kind::I64:
    return fromUnsigned ? castTo<uint64_t>(to, toUnsigned)
                        : castTo<int64_t>(to, toUnsigned);
  case Kind::F32:
    return castTo<float>(to, toUnsigned);
  case Kind::F64:
    return castTo<double>(to, toUnsigned);
  }
  return nullptr;
}

Loop narrowLoop(Kind from, bool fromUnsigned) {
  switch (from) {
  case Kind::I1: // signed i1 goes through I8
  case Kind::I8:
    return fromUnsigned ? narrow<uint8_t> : narrow<int8_t>;
  case Kind::I16:
    return fromUnsigned ? narrow<uint16_t> : narrow<int16_t>;
  case Kind::I32:
    return fromUnsigned ? narrow<uint32_t> : narrow<int32_t>;
  case Kind::I64:
    return fromUnsigned ? narrow<uint64_t> : narrow<int64_t>;
  case Kind::F32:
    return narrow<float>;
  case Kind::F64:
    return narrow<double>;
  }
  return nullptr;
}

Loop bitsOfHalfLoop() { return bitsOfHalf; }
Loop halfOfBitsLoop() { return halfOfBits; }

Loop copyLoop(Kind kind) {
  switch (bytesOf(kind)) {
  case 1:
    return copy<1>;
  case 2:
    return copy<2>;
  case 4:
    return copy<4>;
  default:
    return copy<8>;
  }
}

Loop extendLoop(bool isSigned) {
  return isSigned ? extend<true> : extend<false>;
}

Loop quantizeLoop(Kind to) {
  switch (to) {
  case Kind::I8:
    return quantize_int8_t;
  case Kind::I16:
    return quantize_int16_t;
  case Kind::I32:
    return quantize_int32_t;
  default:
    return nullptr;
  }
}
Loop dequantizeLoop(Kind from, bool isUnsigned) {
  switch (from) {
  case Kind::I8:
    return isUnsigned ? dequantize_uint8_t : dequantize_int8_t;
  case Kind::I16:
    return isUnsigned ? dequantize_uint16_t : dequantize_int16_t;
  case Kind::I32:
    return isUnsigned ? dequantize_uint32_t : dequantize_int32_t;
  default:
    return nullptr;
  }
}

Loop indexLoop() { return iteration; }
Loop gatherLoop() { return gather; }

} // namespace cim::interp
