// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// device.md D4.1: strided fill.
#include <cstring>

#include "State.h"

namespace cim::exec {

MaybeFault executeDmaFill(const Context &context, const DmaFill &op) {
  Access dst{"destination", op.dst, op.elemBytes, op.dims};
  uint8_t *to;
  CIM_FAULT_IF(context.write(dst, to));
  uint64_t value = op.value;
  unsigned width = op.elemBytes;
  // All bytes alike, as zero is: runs of memset whatever the element.
  bool uniform = true;
  for (unsigned i = 1; i < width; ++i)
    uniform &= uint8_t(value >> (8 * i)) == uint8_t(value);
  forEachRun(dst, [&](int64_t offset, int64_t length) {
    uint8_t *p = to + offset;
    if (uniform) {
      std::memset(p, uint8_t(value), size_t(length));
      return;
    }
    for (int64_t i = 0; i < length; i += width)
      std::memcpy(p + i, &value, width); // Little-endian, D1.2.
  });
  return std::nullopt;
}

} // namespace cim::exec
