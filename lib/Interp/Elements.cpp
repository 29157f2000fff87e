// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Elements.h"

#include <cstring>

#include "cim/IR/Constants.h"
#include "cim/IR/StoredType.h"
#include "cim/Support/Numerics.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Dialect/Quant/IR/QuantTypes.h"

using namespace mlir;

namespace cim::interp {

unsigned bytesOf(Kind kind) {
  switch (kind) {
  case Kind::I1:
  case Kind::I8:
    return 1;
  case Kind::I16:
    return 2;
  case Kind::I32:
  case Kind::F32:
    return 4;
  case Kind::I64:
  case Kind::F64:
    return 8;
  }
  return 0;
}

static std::optional<Element> floatElement(Type type) {
  if (type.isF32())
    return Element{Kind::F32, Narrow::No, 32, 4};
  if (type.isF64())
    return Element{Kind::F64, Narrow::No, 64, 8};
  if (type.isF16())
    return Element{Kind::F32, Narrow::F16, 16, 2};
  if (type.isBF16())
    return Element{Kind::F32, Narrow::BF16, 16, 2};
  if (isa<Float8E4M3FNType>(type))
    return Element{Kind::F32, Narrow::E4M3FN, 8, 1};
  if (isa<Float8E5M2Type>(type))
    return Element{Kind::F32, Narrow::E5M2, 8, 1};
  if (isa<Float8E4M3FNUZType>(type))
    return Element{Kind::F32, Narrow::E4M3FNUZ, 8, 1};
  if (isa<Float8E5M2FNUZType>(type))
    return Element{Kind::F32, Narrow::E5M2FNUZ, 8, 1};
  return std::nullopt;
}

std::optional<Element> elementOf(Type type) {
  type = storedType(type);
  if (isa<FloatType>(type))
    return floatElement(type);
  if (type.isIndex())
    return Element{Kind::I64, Narrow::No, 64, 8};
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return std::nullopt;
  unsigned width = integer.getWidth();
  if (width == 1)
    return Element{Kind::I1, Narrow::No, 1, 1};
  if (width >= 2 && width <= 8)
    return Element{Kind::I8, Narrow::No, width, 1};
  if (width == 16)
    return Element{Kind::I16, Narrow::No, 16, 2};
  if (width == 32)
    return Element{Kind::I32, Narrow::No, 32, 4};
  if (width == 64)
    return Element{Kind::I64, Narrow::No, 64, 8};
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Memory and registers
//===----------------------------------------------------------------------===//

namespace {

template <typename T>
void decodeAsIs(const char *memory, int64_t stride, char *reg, int64_t n) {
  T *out = reinterpret_cast<T *>(reg);
  if (stride == 0) {
    std::fill_n(out, n, *reinterpret_cast<const T *>(memory));
    return;
  }
  if (stride == int64_t(sizeof(T))) {
    std::memcpy(reg, memory, size_t(n) * sizeof(T));
    return;
  }
  for (int64_t i = 0; i < n; ++i)
    out[i] = *reinterpret_cast<const T *>(memory + i * stride);
}
template <typename T>
void encodeAsIs(const char *reg, char *memory, int64_t stride, int64_t n) {
  const T *in = reinterpret_cast<const T *>(reg);
  if (stride == int64_t(sizeof(T))) {
    std::memcpy(memory, reg, size_t(n) * sizeof(T));
    return;
  }
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<T *>(memory + i * stride) = in[i];
}

/// I3: any non-zero byte reads as 1.
void decodeBool(const char *memory, int64_t stride, char *reg, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    reg[i] = memory[i * stride] != 0;
}

template <numerics::Format f, typename Code>
void decodeNarrow(const char *memory, int64_t stride, char *reg, int64_t n) {
  float *out = reinterpret_cast<float *>(reg);
  for (int64_t i = 0; i < n; ++i)
    out[i] = numerics::decode<f>(
        *reinterpret_cast<const Code *>(memory + i * stride));
}
template <numerics::Format f, typename Code>
void encodeNarrow(const char *reg, char *memory, int64_t stride, int64_t n) {
  const float *in = reinterpret_cast<const float *>(reg);
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<Code *>(memory + i * stride) =
        static_cast<Code>(numerics::encode<f>(in[i]));
}

/// One pair of functions per form.
struct Codec {
  Decode decode;
  Encode encode;
};
template <numerics::Format f, typename Code>
constexpr Codec narrowCodec{decodeNarrow<f, Code>, encodeNarrow<f, Code>};
template <typename T>
constexpr Codec plainCodec{decodeAsIs<T>, encodeAsIs<T>};

Codec codecOf(const Element &element) {
  switch (element.narrow) {
  case Narrow::No:
    break;
  case Narrow::F16:
    return narrowCodec<numerics::kF16, uint16_t>;
  case Narrow::BF16:
    return narrowCodec<numerics::kBF16, uint16_t>;
  case Narrow::E4M3FN:
    return narrowCodec<numerics::kF8E4M3FN, uint8_t>;
  case Narrow::E5M2:
    return narrowCodec<numerics::kF8E5M2, uint8_t>;
  case Narrow::E4M3FNUZ:
    return narrowCodec<numerics::kF8E4M3FNUZ, uint8_t>;
  case Narrow::E5M2FNUZ:
    return narrowCodec<numerics::kF8E5M2FNUZ, uint8_t>;
  }
  switch (element.kind) {
  case Kind::I1:
    return {decodeBool, encodeAsIs<int8_t>};
  case Kind::I8:
    return plainCodec<int8_t>;
  case Kind::I16:
    return plainCodec<int16_t>;
  case Kind::I32:
    return plainCodec<int32_t>;
  case Kind::F32:
    return plainCodec<float>;
  case Kind::I64:
    return plainCodec<int64_t>;
  case Kind::F64:
    return plainCodec<double>;
  }
  return plainCodec<float>;
}

} // namespace

Decode decodeOf(const Element &element) { return codecOf(element).decode; }
Encode encodeOf(const Element &element) { return codecOf(element).encode; }

float roundTo(Narrow narrow, double x) {
  using namespace numerics;
  switch (narrow) {
  case Narrow::No:
    return static_cast<float>(x);
  case Narrow::F16:
    return decode<kF16>(encode<kF16>(x));
  case Narrow::BF16:
    return decode<kBF16>(encode<kBF16>(x));
  case Narrow::E4M3FN:
    return decode<kF8E4M3FN>(encode<kF8E4M3FN>(x));
  case Narrow::E5M2:
    return decode<kF8E5M2>(encode<kF8E5M2>(x));
  case Narrow::E4M3FNUZ:
    return decode<kF8E4M3FNUZ>(encode<kF8E4M3FNUZ>(x));
  case Narrow::E5M2FNUZ:
    return decode<kF8E5M2FNUZ>(encode<kF8E5M2FNUZ>(x));
  }
  return 0;
}

//===----------------------------------------------------------------------===//
// Tensors and scalars
//===----------------------------------------------------------------------===//

FailureOr<TensorValue> allocate(RankedTensorType type, Location loc) {
  constexpr int64_t limit = int64_t(1) << 38;
  std::optional<Element> element = elementOf(type.getElementType());
  if (!element)
    return emitError(loc) << "element type " << type.getElementType()
                          << " cannot be interpreted";
  int64_t bytes = element->bytes;
  for (int64_t dim : type.getShape())
    if (ShapedType::isDynamic(dim) ||
        __builtin_mul_overflow(bytes, dim, &bytes) || bytes > limit)
      return emitError(loc) << "a tensor of type " << type
                            << " is too big; 2^38 bytes are the limit";
  TensorValue value;
  value.type = type;
  value.bytes = std::make_shared<std::vector<char>>(bytes);
  value.data = value.bytes->data();
  return value;
}

std::optional<uint64_t> scalarBits(Attribute attr) {
  if (auto real = dyn_cast<FloatAttr>(attr))
    return real.getValue().bitcastToAPInt().getZExtValue();
  auto integer = dyn_cast<IntegerAttr>(attr);
  if (!integer || integer.getValue().getBitWidth() > 64)
    return std::nullopt;
  const APInt &value = integer.getValue();
  return value.getBitWidth() == 1 ? value.getZExtValue()
                                  : static_cast<uint64_t>(value.getSExtValue());
}

/// Q1 on a constant.
static std::optional<uint64_t> quantizedConstant(quant::QuantizeCastOp cast) {
  auto type = dyn_cast<quant::UniformQuantizedType>(cast.getType());
  auto constant = cast.getInput().getDefiningOp<arith::ConstantOp>();
  auto real = constant ? dyn_cast<FloatAttr>(constant.getValue()) : FloatAttr();
  if (!type || !real)
    return std::nullopt;
  APFloat value = real.getValue();
  bool losesInfo;
  value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven,
                &losesInfo);
  return static_cast<uint64_t>(numerics::quantize(
      value.convertToFloat(), static_cast<float>(type.getScale()),
      static_cast<int32_t>(type.getZeroPoint()), type.getStorageTypeMin(),
      type.getStorageTypeMax()));
}

std::optional<uint64_t> constantScalar(Value value) {
  if (auto constant = value.getDefiningOp<arith::ConstantOp>())
    return scalarBits(constant.getValue());
  if (auto cast = value.getDefiningOp<quant::QuantizeCastOp>())
    return quantizedConstant(cast);
  return std::nullopt;
}

} // namespace cim::interp
