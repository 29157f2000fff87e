// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cim/IR/Constants.h"

#include <cstring>

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace cim::ir {

unsigned elementBytes(Type elementType) {
  if (isa<IndexType>(elementType))
    return 8;
  unsigned bits = elementType.getIntOrFloatBitWidth();
  return bits <= 8 ? 1 : (bits + 7) / 8;
}

std::optional<int64_t> constantBytes(ShapedType type) {
  int64_t product = elementBytes(type.getElementType());
  for (int64_t dim : type.getShape())
    if (dim == 0)
      return 0;
  for (int64_t dim : type.getShape())
    if (dim < 0 || __builtin_mul_overflow(product, dim, &product) ||
        product > (int64_t(1) << 62))
      return std::nullopt;
  return product;
}

bool isSplat(ElementsAttr attr) {
  auto dense = dyn_cast<DenseElementsAttr>(attr);
  return dense && dense.isSplat();
}

ArrayRef<char> rawBytes(ElementsAttr attr) {
  if (auto dense = dyn_cast<DenseElementsAttr>(attr)) {
    if (dense.getElementType().isInteger(1))
      return {};
    return dense.getRawData();
  }
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr))
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
      return blob->getData();
  return {};
}

bool hasData(ElementsAttr attr) {
  if (isa<DenseElementsAttr>(attr))
    return true;
  if (!isa<DenseResourceElementsAttr>(attr))
    return false;
  std::optional<int64_t> wanted = constantBytes(attr.getShapedType());
  return wanted && static_cast<int64_t>(rawBytes(attr).size()) == *wanted;
}

static const llvm::fltSemantics &semantics(Type type) {
  return cast<FloatType>(type).getFloatSemantics();
}

/// Value of one stored element as int64_t or double.
template <typename T>
static T readElement(const char *bytes, Type type, bool isUnsigned) {
  if (type.isF32()) {
    float value;
    std::memcpy(&value, bytes, sizeof(value));
    return static_cast<T>(value);
  }
  if (type.isF64()) {
    double value;
    std::memcpy(&value, bytes, sizeof(value));
    return static_cast<T>(value);
  }
  unsigned size = elementBytes(type);
  uint64_t bits = 0;
  std::memcpy(&bits, bytes, size);
  if (isa<FloatType>(type)) {
    unsigned width = type.getIntOrFloatBitWidth();
    APFloat value(semantics(type), APInt(width, bits, false, true));
    bool losesInfo;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
    return static_cast<T>(value.convertToDouble());
  }
  unsigned width = isa<IndexType>(type) ? 64 : type.getIntOrFloatBitWidth();
  if (width < 64) {
    bits &= (uint64_t(1) << width) - 1;
    bool negative = !isUnsigned && width > 1 && (bits >> (width - 1)) != 0;
    if (negative)
      bits |= ~uint64_t(0) << width;
  }
  return isUnsigned ? static_cast<T>(bits)
                    : static_cast<T>(static_cast<int64_t>(bits));
}

template <typename T>
std::vector<T> values(ElementsAttr attr, bool isUnsigned) {
  if (!hasData(attr))
    return {};
  Type type = attr.getShapedType().getElementType();
  int64_t count = attr.getShapedType().getNumElements();
  std::vector<T> result;
  result.reserve(count);
  if (type.isInteger(1) && isa<DenseElementsAttr>(attr)) {
    for (bool value : cast<DenseElementsAttr>(attr).getValues<bool>())
      result.push_back(value);
    return result;
  }
  ArrayRef<char> bytes = rawBytes(attr);
  unsigned size = elementBytes(type);
  if (isSplat(attr)) {
    result.assign(count, readElement<T>(bytes.data(), type, isUnsigned));
    return result;
  }
  for (int64_t i = 0; i < count; ++i)
    result.push_back(readElement<T>(bytes.data() + i * size, type, isUnsigned));
  return result;
}
template std::vector<int64_t> values<int64_t>(ElementsAttr, bool);
template std::vector<float> values<float>(ElementsAttr, bool);
template std::vector<double> values<double>(ElementsAttr, bool);

std::vector<char> expandedBytes(ElementsAttr attr) {
  if (!hasData(attr))
    return {};
  Type type = attr.getShapedType().getElementType();
  if (type.isInteger(1) && isa<DenseElementsAttr>(attr)) {
    std::vector<int64_t> elements = values<int64_t>(attr, true);
    return std::vector<char>(elements.begin(), elements.end());
  }
  ArrayRef<char> bytes = rawBytes(attr);
  if (!isSplat(attr))
    return std::vector<char>(bytes.begin(), bytes.end());
  unsigned size = elementBytes(type);
  std::vector<char> result(attr.getShapedType().getNumElements() * size);
  for (size_t i = 0; i < result.size(); i += size)
    std::memcpy(result.data() + i, bytes.data(), size);
  return result;
}

/// Characters a resource key can carry without quoting.
static std::string sanitizeKey(StringRef name) {
  std::string key;
  for (char c : name)
    key += llvm::isAlnum(c) || c == '_' || c == '.' || c == '$' ? c : '_';
  if (key.empty() || !(llvm::isAlpha(key[0]) || key[0] == '_'))
    key.insert(0, "_");
  return key;
}

/// A `dense<...>` attribute from bytes in the storage convention.
static DenseElementsAttr makeDense(ShapedType type, ArrayRef<char> bytes) {
  if (bytes.empty())
    return DenseElementsAttr::get(type, ArrayRef<Attribute>());
  if (type.getElementType().isInteger(1)) {
    SmallVector<bool> bools;
    for (char byte : bytes)
      bools.push_back(byte != 0);
    return DenseElementsAttr::get(type, bools);
  }
  return DenseElementsAttr::getFromRawBuffer(type, bytes);
}

static bool allEqual(ArrayRef<char> bytes, unsigned size) {
  for (size_t i = size; i < bytes.size(); i += size)
    if (std::memcmp(bytes.data(), bytes.data() + i, size) != 0)
      return false;
  return !bytes.empty();
}

ElementsAttr makeConstant(ShapedType type, ArrayRef<char> bytes, StringRef name,
                          std::shared_ptr<const void> owner) {
  int64_t count = type.getNumElements();
  unsigned size = elementBytes(type.getElementType());
  if (count <= maxInlineElements)
    return makeDense(type, bytes);
  if (allEqual(bytes, size)) {
    bool isBool = type.getElementType().isInteger(1);
    return isBool ? DenseElementsAttr::get(type, bytes[0] != 0)
                  : DenseElementsAttr::getFromRawBuffer(type,
                                                        bytes.take_front(size));
  }
  size_t align =
      reinterpret_cast<uintptr_t>(bytes.data()) % size == 0 ? size : 1;
  // The deleter's capture is what keeps the owner alive.
  AsmResourceBlob blob = UnmanagedAsmResourceBlob::allocateWithAlign(
      bytes, align, [owner = std::move(owner)](void *, size_t, size_t) mutable {
        owner.reset();
      });
  return DenseResourceElementsAttr::get(type, sanitizeKey(name),
                                        std::move(blob));
}

ElementsAttr makeConstant(ShapedType type, ArrayRef<char> bytes,
                          StringRef name) {
  if (type.getNumElements() <= maxInlineElements)
    return makeDense(type, bytes);
  auto copy = std::make_shared<std::vector<char>>(bytes.begin(), bytes.end());
  ArrayRef<char> view(copy->data(), copy->size());
  return makeConstant(type, view, name, std::move(copy));
}

/// Stores `value` as an element of `type`.
static void writeElement(char *bytes, Type type, int64_t value) {
  if (isa<FloatType>(type)) {
    APFloat number(semantics(type));
    number.convertFromAPInt(APInt(64, value, true), true,
                            APFloat::rmNearestTiesToEven);
    uint64_t bits = number.bitcastToAPInt().getZExtValue();
    std::memcpy(bytes, &bits, elementBytes(type));
    return;
  }
  if (type.isInteger(1))
    value = value != 0;
  std::memcpy(bytes, &value, elementBytes(type));
}
static void writeElement(char *bytes, Type type, double value) {
  if (isa<FloatType>(type)) {
    APFloat number(value);
    bool losesInfo;
    number.convert(semantics(type), APFloat::rmNearestTiesToEven, &losesInfo);
    uint64_t bits = number.bitcastToAPInt().getZExtValue();
    std::memcpy(bytes, &bits, elementBytes(type));
    return;
  }
  // Saturating, NaN becomes 0 (numerics F3).
  int64_t integer = 0;
  if (value >= 0x1p63)
    integer = INT64_MAX;
  else if (value < -0x1p63)
    integer = INT64_MIN;
  else if (value == value)
    integer = static_cast<int64_t>(value);
  writeElement(bytes, type, integer);
}

template <typename T>
static ElementsAttr makeFromElements(ShapedType type, ArrayRef<T> elements,
                                     StringRef name) {
  unsigned size = elementBytes(type.getElementType());
  std::vector<char> bytes(elements.size() * size);
  for (auto [i, element] : llvm::enumerate(elements))
    writeElement(bytes.data() + i * size, type.getElementType(), element);
  return makeConstant(type, bytes, name);
}

ElementsAttr makeConstant(ShapedType type, ArrayRef<int64_t> elements,
                          StringRef name) {
  return makeFromElements(type, elements, name);
}
ElementsAttr makeConstant(ShapedType type, ArrayRef<double> elements,
                          StringRef name) {
  return makeFromElements(type, elements, name);
}

ElementsAttr makeSplat(ShapedType type, Attribute value) {
  return DenseElementsAttr::get(type, value);
}

void releaseBlob(ElementsAttr attr) {
  auto resource = dyn_cast<DenseResourceElementsAttr>(attr);
  if (!resource || !resource.getRawHandle().getBlob())
    return;
  resource.getRawHandle().getResource()->setBlob(AsmResourceBlob());
}

ElementsAttr constantOf(Value value) {
  ElementsAttr attr;
  if (auto constant = value.getDefiningOp<arith::ConstantOp>())
    attr = dyn_cast<ElementsAttr>(constant.getValue());
  return attr;
}

double roundToType(double value, FloatType type) {
  if (type.isF64())
    return value;
  if (type.isF32())
    return static_cast<float>(value);
  APFloat number(value);
  bool losesInfo;
  number.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  return number.convertToDouble();
}

} // namespace cim::ir
