// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// D3.6, D2.1: the k loop in two parts on two weight sets; the second tile is
// written while the first computes (two ports), its MAC accumulates.
// RUN: %python %S/Inputs/run.py %s %t "x=(arange(32) * 7 % 255 - 128).astype(int8).reshape(2, 16)" "w=(arange(64) * 11 % 255 - 128).astype(int8).reshape(16, 4)" "y==x.astype(int32) @ w.astype(int32)"

cimisa.program "mac-accumulate" target "tiny" semaphores 4 dram 4096 {
  cimisa.input "x" i8 [2, 16] dram[0x0]
  cimisa.input "w" i8 [16, 4] dram[0x40]
  cimisa.output "y" i32 [2, 4] dram[0x100]
  cimisa.kernel @move inputs [i32] outputs [i32] {
    %v = cimisa.micro load.i32 0
    cimisa.micro store.i32 1, %v
  }
  cimisa.stage run {
    cimisa.queue chip 0 core 0 write 0 {
      cimisa.loop 2 {
        cimisa.write_weights int8 8 dram[0x40] stride [4, 1] -> set 0 tile [0, 0] rows 8 cols 4 signal s0 step [src loop 0 + 32, set loop 0 + 1]
      }
    }
    cimisa.queue chip 0 core 0 dma 0 {
      cimisa.dma_copy dram[0x0] -> l1[0x0] elem 1 sizes [32] strides [1] -> [1] signal s1
    }
    cimisa.queue chip 0 core 0 mac 0 {
      cimisa.mac i8 l1[0x0] m [2:16] k [8:1] * set 0 tile [0, 0] rows 8 cols 4 -> acc[0x0] stride 16 wait [s0 >= 1, s1 >= 1]
      cimisa.mac i8 l1[0x8] m [2:16] k [8:1] * set 1 tile [0, 0] rows 8 cols 4 -> acc[0x0] stride 16 accumulate wait [s0 >= 2] signal s2
    }
    cimisa.queue chip 0 core 0 vec 0 {
      cimisa.vec @move loops [8] (acc[0x0] strides [4], dram[0x100] strides [4]) wait [s2 >= 1]
    }
  }
}
