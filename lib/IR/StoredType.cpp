// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/IR/StoredType.h"

#include "cim/Program/Program.h"
#include "mlir/Dialect/Quant/IR/QuantTypes.h"

using namespace mlir;

namespace cim {

Type storedType(Type elementType) {
  if (auto quantized = dyn_cast<quant::QuantizedType>(elementType))
    return quantized.isSigned()
               ? quantized.getStorageType()
               : IntegerType::get(elementType.getContext(),
                                  quantized.getStorageTypeIntegralWidth(),
                                  IntegerType::Unsigned);
  return elementType;
}

int64_t storedBytes(Type elementType) {
  Type type = storedType(elementType);
  if (type.isIndex())
    return 8;
  return std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8);
}

std::optional<DType> dtypeOf(Type elementType) {
  Type type = storedType(elementType);
  if (type.isIndex())
    return DType::I64;
  if (type.isF16())
    return DType::F16;
  if (type.isBF16())
    return DType::BF16;
  if (type.isF32())
    return DType::F32;
  if (type.isF64())
    return DType::F64;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return std::nullopt;
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1:
    return DType::I1;
  case 64:
    return isUnsigned ? DType::U64 : DType::I64;
  case 32:
    return isUnsigned ? DType::U32 : DType::I32;
  case 16:
    return isUnsigned ? DType::U16 : DType::I16;
  default:
    if (integer.getWidth() > 8)
      return std::nullopt;
    return isUnsigned ? DType::U8 : DType::I8;
  }
}

DType asUnsigned(DType type) {
  switch (type) {
  case DType::I8:
    return DType::U8;
  case DType::I16:
    return DType::U16;
  case DType::I32:
    return DType::U32;
  case DType::I64:
    return DType::U64;
  default:
    return type;
  }
}

} // namespace cim
