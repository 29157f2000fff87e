// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Block floating point MACs (device.md D3.6, numerics B1 to B4).
#ifndef CIM_LIB_DEVICE_EXEC_BFPMAC_H
#define CIM_LIB_DEVICE_EXEC_BFPMAC_H

#include "Activations.h"
#include "State.h"

namespace cim::exec {

/// `acc` and `bias` (null unless op.init is Bias) are checked pointers.
void bfpMac(const Context &context, const Mac &op, uint8_t *acc,
            const uint8_t *bias, const Activations &acts, const WeightData &w);

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_BFPMAC_H
