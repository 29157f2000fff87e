// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Strided copies between host pointers.
#ifndef CIM_LIB_DEVICE_EXEC_STRIDED_H
#define CIM_LIB_DEVICE_EXEC_STRIDED_H

#include <cstdint>

#include "State.h"

namespace cim::exec {

/// Copies elements of `width` (1, 2, 4, 8) bytes over the nest, whose stride
/// lists are source and destination. Contiguous runs become block copies.
void copyStrided(Nest nest, unsigned width, const uint8_t *src, uint8_t *dst);

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_STRIDED_H
