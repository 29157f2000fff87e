// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/IR/StoredType.h"

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

} // namespace cim
