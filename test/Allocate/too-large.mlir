// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: not cim-opt %s --cim-allocate=target=tiny 2>&1 | FileCheck %s

// What cannot move to DRAM and does not fit is one error with both numbers.
// CHECK: error: l1 of core 0 is too small: 20032 bytes are needed at once, the target has 16384; choose smaller tiles or another target
module {
  %a = cim.buffer temp "a" : memref<20000xi8, #cim.mem<l1 core 0>>
  cim.stage load {
  }
  cim.stage run {
    %0 = cim.dma_fill core 0 channel 0 1 -> %a [0] strides [1] sizes [20000] x 1 : memref<20000xi8, #cim.mem<l1 core 0>>
  }
}
