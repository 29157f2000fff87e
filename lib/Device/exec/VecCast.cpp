// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Conversions of the vector unit (numerics C1 to C4, Q1 to Q3, F3).
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "VecOps.h"
#include "cim/Support/Numerics.h"
#include "cim/Support/Simd.h"

namespace cim::exec {

unsigned registerBytes(DType type) {
  return type == DType::F16 || type == DType::BF16 ? 4 : byteSize(type);
}

bool sameForm(DType type) {
  return type != DType::F16 && type != DType::BF16 && type != DType::I1;
}

namespace {

/// i1 registers among bytes.
struct Bit {};

template <typename T>
using Held = std::conditional_t<std::is_same_v<T, Bit>, uint8_t, T>;

template <typename To, typename From>
CIM_INLINE void convert(const From *a, Held<To> *d, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<To, Bit>) {
      if constexpr (std::is_floating_point_v<From>)
        d[i] = numerics::truncateToInt<bool>(a[i]); // C3
      else
        d[i] = uint8_t(a[i] & 1); // C1
    } else if constexpr (std::is_floating_point_v<From> &&
                         std::is_integral_v<To>) {
      d[i] = numerics::truncateToInt<To>(a[i]); // C3
    } else {
      d[i] = To(a[i]); // C1, C2, C4
    }
  }
}

template <typename From>
CIM_INLINE void convertTo(DType to, const From *a, void *d, int64_t n) {
  switch (to) {
  case DType::I1:
    return convert<Bit>(a, static_cast<uint8_t *>(d), n);
  case DType::I8:
    return convert<int8_t>(a, static_cast<int8_t *>(d), n);
  case DType::U8:
    return convert<uint8_t>(a, static_cast<uint8_t *>(d), n);
  case DType::I16:
    return convert<int16_t>(a, static_cast<int16_t *>(d), n);
  case DType::U16:
    return convert<uint16_t>(a, static_cast<uint16_t *>(d), n);
  case DType::I32:
    return convert<int32_t>(a, static_cast<int32_t *>(d), n);
  case DType::U32:
    return convert<uint32_t>(a, static_cast<uint32_t *>(d), n);
  case DType::I64:
    return convert<int64_t>(a, static_cast<int64_t *>(d), n);
  case DType::U64:
    return convert<uint64_t>(a, static_cast<uint64_t *>(d), n);
  case DType::F64:
    return convert<double>(a, static_cast<double *>(d), n);
  default:
    return convert<float>(a, static_cast<float *>(d), n);
  }
}

/// A value of at most 64 bits as a binary64 that rounds to any type of at most
/// 50 significant bits as the value itself does: bits that do not fit are
/// gathered in the last one that does.
template <typename From>
CIM_INLINE double sticky(From v) {
  if constexpr (sizeof(From) < 8 || std::is_floating_point_v<From>) {
    return double(v);
  } else {
    bool negative = v < From(0);
    uint64_t u = negative ? 0 - uint64_t(v) : uint64_t(v);
    uint64_t low = u & 0xfff;
    uint64_t kept = (u & ~uint64_t(0xfff)) | (low ? 0x800 : 0);
    double x = double(u < (uint64_t(1) << 53) ? u : kept);
    return negative ? -x : x;
  }
}

/// To f16 or bf16 with one rounding (C4).
template <typename From>
CIM_INLINE void convertNarrow(DType to, const From *a, float *d, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    double x = sticky(a[i]);
    d[i] = to == DType::F16
               ? numerics::halfToFloat(numerics::doubleToHalf(x))
               : numerics::bfloatToFloat(numerics::doubleToBfloat(x));
  }
}

/// Q1 and Q3 after the division or multiplication: any zero point, any type.
template <typename To>
CIM_INLINE void finishExact(const float *scaled, const int32_t *zero, To *d,
                            int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    constexpr bool wide = std::is_same_v<To, uint64_t>;
    int64_t lo = wide ? 0 : int64_t(std::numeric_limits<To>::min());
    int64_t hi = wide ? INT64_MAX : int64_t(std::numeric_limits<To>::max());
    d[i] = To(numerics::roundAndClamp(scaled[i], zero[i], lo, hi));
  }
}

/// The same for types of at most 16 bits and |zero| < 2^20: clamping to
/// integers commutes with rounding, and small numbers round by an addition.
template <typename To>
CIM_INLINE void finishFast(const float *scaled, const int32_t *zero, To *d,
                           int64_t n) {
  constexpr int32_t lo = std::numeric_limits<To>::min();
  constexpr int32_t hi = std::numeric_limits<To>::max();
  constexpr float magic = 0x1.8p23f, bound = 0x1p21f;
  for (int64_t i = 0; i < n; ++i) {
    float x = scaled[i];
    x = x != x ? 0.0f : x;
    x = x > bound ? bound : x;
    x = x < -bound ? -bound : x;
    int32_t y = std::bit_cast<int32_t>(x + magic) -
                std::bit_cast<int32_t>(magic) + zero[i];
    y = y < lo ? lo : y;
    d[i] = To(y > hi ? hi : y);
  }
}

template <typename To>
CIM_INLINE void finish(const float *scaled, const int32_t *zero, To *d,
                       int64_t n) {
  if constexpr (sizeof(To) <= 2) {
    uint32_t wide = 0;
    for (int64_t i = 0; i < n; ++i) // Bits beyond the sign: |zero| < 2^20.
      wide |= uint32_t(zero[i] ^ (zero[i] >> 31));
    if (wide < (1u << 20))
      return finishFast(scaled, zero, d, n);
  }
  finishExact(scaled, zero, d, n);
}

CIM_INLINE void finishTo(DType to, const float *scaled, const int32_t *zero,
                         void *d, int64_t n) {
  switch (to) {
  case DType::I8:
    return finish(scaled, zero, static_cast<int8_t *>(d), n);
  case DType::U8:
    return finish(scaled, zero, static_cast<uint8_t *>(d), n);
  case DType::I16:
    return finish(scaled, zero, static_cast<int16_t *>(d), n);
  case DType::U16:
    return finish(scaled, zero, static_cast<uint16_t *>(d), n);
  case DType::I32:
    return finish(scaled, zero, static_cast<int32_t *>(d), n);
  case DType::U32:
    return finish(scaled, zero, static_cast<uint32_t *>(d), n);
  case DType::I64:
    return finish(scaled, zero, static_cast<int64_t *>(d), n);
  default:
    return finish(scaled, zero, static_cast<uint64_t *>(d), n);
  }
}

constexpr int64_t kPiece = 256; ///< Elements of the scaled intermediate.

} // namespace

#define CIM_INTEGERS(X)                                                        \
  X(I8, int8_t)                                                                \
  X(U8, uint8_t)                                                               \
  X(I16, int16_t)                                                              \
  X(U16, uint16_t)                                                             \
  X(I32, int32_t)                                                              \
  X(U32, uint32_t)                                                             \
  X(I64, int64_t)                                                              \
  X(U64, uint64_t)

namespace loops {

#define CIM_CONVERT(name, T)                                                   \
  CIM_SIMD void convert##name(DType to, const T *a, void *d, int64_t n) {      \
    convertTo<T>(to, a, d, n);                                                 \
  }                                                                            \
  CIM_SIMD void narrow##name(DType to, const T *a, float *d, int64_t n) {      \
    convertNarrow<T>(to, a, d, n);                                             \
  }
CIM_INTEGERS(CIM_CONVERT)
CIM_CONVERT(F32, float)
CIM_CONVERT(F64, double)
#undef CIM_CONVERT

CIM_SIMD void quantize(DType to, const float *x, const float *scale,
                       const int32_t *zero, void *d, int64_t n) {
  float scaled[kPiece];
  for (int64_t i = 0; i < n; ++i)
    scaled[i] = x[i] / scale[i];
  finishTo(to, scaled, zero, d, n);
}
CIM_SIMD void requantize(DType to, const int32_t *x, const float *m,
                         const int32_t *zero, void *d, int64_t n) {
  float scaled[kPiece];
  for (int64_t i = 0; i < n; ++i)
    scaled[i] = float(x[i]) * m[i];
  finishTo(to, scaled, zero, d, n);
}
#define CIM_DEQUANTIZE(name, T)                                                \
  CIM_SIMD void dequantize##name(const T *x, const float *scale,               \
                                 const int32_t *zero, float *d, int64_t n) {   \
    for (int64_t i = 0; i < n; ++i)                                            \
      d[i] = numerics::dequantize(int32_t(x[i]), zero[i], scale[i]);           \
  }
CIM_INTEGERS(CIM_DEQUANTIZE)
#undef CIM_DEQUANTIZE

CIM_SIMD void decodeHalf(const uint16_t *m, float *r, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    r[i] = numerics::halfToFloat(m[i]);
}
CIM_SIMD void decodeBfloat(const uint16_t *m, float *r, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    r[i] = numerics::bfloatToFloat(m[i]);
}
CIM_SIMD void encodeHalf(const float *r, uint16_t *m, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    m[i] = numerics::floatToHalf(r[i]);
}
CIM_SIMD void encodeBfloat(const float *r, uint16_t *m, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    m[i] = numerics::floatToBfloat(r[i]);
}
CIM_SIMD void decodeBool(const uint8_t *m, uint8_t *r, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    r[i] = m[i] != 0;
}

} // namespace loops

void castOp(DType from, DType to, const void *a, void *dst, int64_t n) {
  bool narrow = to == DType::F16 || to == DType::BF16;
  switch (from) {
#define CIM_CASE(name, T)                                                      \
  case DType::name:                                                            \
    return narrow                                                              \
               ? loops::narrow##name(to, static_cast<const T *>(a),            \
                                     static_cast<float *>(dst), n)             \
               : loops::convert##name(to, static_cast<const T *>(a), dst, n);
    CIM_INTEGERS(CIM_CASE)
    CIM_CASE(F64, double)
#undef CIM_CASE
  case DType::I1: // 0 or 1.
    return castOp(DType::U8, to, a, dst, n);
  case DType::F16:
  case DType::BF16:
  case DType::F32:
    if (isFloat(to) && to != DType::F64) {
      std::memmove(dst, a, size_t(n) * 4);
      return from == to ? void()
                        : roundToType(to, static_cast<float *>(dst), n);
    }
    return loops::convertF32(to, static_cast<const float *>(a), dst, n);
  }
}

void quantizeOp(DType from, DType to, const void *x, const float *scale,
                const int32_t *zero, void *dst, int64_t n) {
  unsigned size = registerBytes(to);
  float narrow[kPiece];
  for (int64_t i = 0; i < n; i += kPiece) {
    int64_t len = std::min(kPiece, n - i);
    auto *values = static_cast<const float *>(x) + i;
    if (from == DType::F64) {
      castOp(from, DType::F32, static_cast<const double *>(x) + i, narrow, len);
      values = narrow;
    }
    loops::quantize(to, values, scale + i, zero + i,
                    static_cast<char *>(dst) + i * size, len);
  }
}

void requantizeOp(DType to, const int32_t *x, const float *multiplier,
                  const int32_t *zero, void *dst, int64_t n) {
  unsigned size = registerBytes(to);
  for (int64_t i = 0; i < n; i += kPiece)
    loops::requantize(to, x + i, multiplier + i, zero + i,
                      static_cast<char *>(dst) + i * size,
                      std::min(kPiece, n - i));
}

void dequantizeOp(DType from, const void *x, const float *scale,
                  const int32_t *zero, float *dst, int64_t n) {
  switch (from) {
#define CIM_CASE(name, T)                                                      \
  case DType::name:                                                            \
    return loops::dequantize##name(static_cast<const T *>(x), scale, zero,     \
                                   dst, n);
    CIM_INTEGERS(CIM_CASE)
#undef CIM_CASE
  default: // i1
    return loops::dequantizeU8(static_cast<const uint8_t *>(x), scale, zero,
                               dst, n);
  }
}

void decodeElements(DType type, const void *memory, void *reg, int64_t n) {
  switch (type) {
  case DType::F16:
    return loops::decodeHalf(static_cast<const uint16_t *>(memory),
                             static_cast<float *>(reg), n);
  case DType::BF16:
    return loops::decodeBfloat(static_cast<const uint16_t *>(memory),
                               static_cast<float *>(reg), n);
  case DType::I1:
    return loops::decodeBool(static_cast<const uint8_t *>(memory),
                             static_cast<uint8_t *>(reg), n);
  default:
    std::memmove(reg, memory, size_t(n) * byteSize(type));
  }
}

void encodeElements(DType type, const void *reg, void *memory, int64_t n) {
  switch (type) {
  case DType::F16:
    return loops::encodeHalf(static_cast<const float *>(reg),
                             static_cast<uint16_t *>(memory), n);
  case DType::BF16:
    return loops::encodeBfloat(static_cast<const float *>(reg),
                               static_cast<uint16_t *>(memory), n);
  default:
    std::memmove(memory, reg, size_t(n) * byteSize(type));
  }
}

} // namespace cim::exec
