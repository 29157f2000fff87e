// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// D2.3: the vector unit does not wait for the copy that writes what it reads.
// RUN: cim-translate --assemble %s -o %t.cimb
// RUN: not cim-run --sanitize %t.cimb 2>&1 | FileCheck %s
// CHECK: error: {{.*}}race
// CHECK-SAME: reader

cimisa.program "race" target "tiny" semaphores 1 dram 4096 {
  cimisa.input "x" i32 [16] dram[0x0]
  cimisa.output "y" i32 [16] dram[0x40]
  cimisa.kernel @move inputs [i32] outputs [i32] {
    %v = cimisa.micro load.i32 0
    cimisa.micro store.i32 1, %v
  }
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      cimisa.dma_copy dram[0x0] -> l1[0x0] elem 4 sizes [16] strides [4] -> [4] signal s0 node "writer"
    }
    cimisa.queue chip 0 core 0 vec 0 {
      cimisa.vec @move loops [16] (l1[0x0] strides [4], dram[0x40] strides [4]) node "reader"
    }
  }
}
