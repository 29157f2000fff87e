// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// D3.3, D3.6: two bit planes per weight, diagonal bit 0 (value 1), first column
// bit 1 (value -2); a bias; results leave through the vector unit.
// RUN: %python %S/Inputs/run.py %s %t "x=(arange(32, dtype=int8) - 16).reshape(4, 8)" "y==(x.astype(int32) @ (eye(8, dtype=int32) - 2 * (arange(8) == 0)) + 10 * arange(8)).astype(int32)"

cimisa.program "mac" target "tiny" semaphores 4 dram 4096 {
  cimisa.input "x" i8 [4, 8] dram[0x0]
  cimisa.output "y" i32 [4, 8] dram[0x100]
  cimisa.segment "weights" dram[0x200] = dense<[1, 2, 4, 8, 16, 32, 64, -128, 1, 1, 1, 1, 1, 1, 1, 1]> : tensor<16xi8>
  cimisa.segment "bias" dram[0x240] = dense<[0, 10, 20, 30, 40, 50, 60, 70]> : tensor<8xi32>
  cimisa.kernel @move inputs [i32] outputs [i32] {
    %v = cimisa.micro load.i32 0
    cimisa.micro store.i32 1, %v
  }
  cimisa.stage load {
    cimisa.queue chip 0 core 0 write 0 {
      cimisa.write_weights planes 2 dram[0x200] -> set 0 tile [0, 0] rows 8 cols 8
    }
  }
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      cimisa.dma_copy dram[0x0] -> l1[0x0] elem 1 sizes [32] strides [1] -> [1]
      cimisa.dma_copy dram[0x240] -> l1[0x40] elem 1 sizes [32] strides [1] -> [1] signal s0
      cimisa.dma_copy l1[0x80] -> dram[0x100] elem 4 sizes [32] strides [4] -> [4] wait [s2 >= 1]
    }
    cimisa.queue chip 0 core 0 mac 0 {
      cimisa.mac i8 l1[0x0] m [4:8] k [8:1] * set 0 tile [0, 0] rows 8 cols 8 -> acc[0x0] stride 32 bias l1[0x40] wait [s0 >= 1] signal s1
    }
    cimisa.queue chip 0 core 0 vec 0 {
      cimisa.vec @move loops [4, 8] (acc[0x0] strides [32, 4], l1[0x80] strides [32, 4]) wait [s1 >= 1] signal s2
    }
  }
}
