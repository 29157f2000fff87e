// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// D4.1: a fill makes the border, a copy the inside; both of one queue, so ordered.
// RUN: %python %S/Inputs/run.py %s %t "x=arange(6, dtype=int16).reshape(2, 3)" "y==pad(x, 1, constant_values=-3)"

cimisa.program "dma-fill" target "tiny" dram 4096 {
  cimisa.input "x" i16 [2, 3] dram[0x0]
  cimisa.output "y" i16 [4, 5] dram[0x100]
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      cimisa.dma_fill 0xfffd -> dram[0x100] elem 2 dims [4:10, 5:2]
      cimisa.dma_copy dram[0x0] -> dram[0x10c] elem 2 sizes [2, 3] strides [6, 2] -> [10, 2]
    }
  }
}
