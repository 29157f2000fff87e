// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// D4.1: strides on both sides; here a transposition on the way through L1.
// RUN: %python %S/Inputs/run.py %s %t "x=arange(24, dtype=int32).reshape(4, 6) * 1000003" "y==x.T"

cimisa.program "dma-copy" target "tiny" semaphores 1 dram 4096 {
  cimisa.input "x" i32 [4, 6] dram[0x0]
  cimisa.output "y" i32 [6, 4] dram[0x100]
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      cimisa.dma_copy dram[0x0] -> l1[0x0] elem 4 sizes [24] strides [4] -> [4]
      cimisa.dma_copy l1[0x0] -> dram[0x100] elem 4 sizes [6, 4] strides [4, 24] -> [16, 4]
    }
  }
}
