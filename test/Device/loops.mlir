// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// D2.2 to D2.4: a double buffer in L1. Channel 0 fills half b in round r once the
// vector unit has emptied it (write after read), the vector unit waits for the fill
// (read after write), channel 1 takes the results away. Wait values step with the loop.
// RUN: %python %S/Inputs/run.py %s %t "x=arange(64, dtype=int32)" "y==x * 3"

cimisa.program "loops" target "tiny" semaphores 4 dram 4096 {
  cimisa.input "x" i32 [64] dram[0x0]
  cimisa.output "y" i32 [64] dram[0x100]
  cimisa.kernel @triple inputs [i32] outputs [i32] {
    %x = cimisa.micro load.i32 0
    %three = cimisa.micro const.i32 3
    %y = cimisa.micro mul.i32 %x, %three
    cimisa.micro store.i32 1, %y
  }
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      // The first round finds both halves free.
      cimisa.loop 2 {
        cimisa.dma_copy dram[0x0] -> l1[0x0] elem 4 sizes [8] strides [4] -> [4] signal s0 step [src loop 0 + 32, dst loop 0 + 32]
      }
      cimisa.loop 3 {
        cimisa.loop 2 {
          cimisa.dma_copy dram[0x40] -> l1[0x0] elem 4 sizes [8] strides [4] -> [4] wait [s1 >= 1] signal s0 step [src loop 0 + 64, src loop 1 + 32, dst loop 1 + 32, wait 0 loop 0 + 2, wait 0 loop 1 + 1]
        }
      }
    }
    cimisa.queue chip 0 core 0 vec 0 {
      cimisa.loop 4 {
        cimisa.loop 2 {
          cimisa.vec @triple loops [8] (l1[0x0] strides [4], l1[0x100] strides [4]) wait [s0 >= 1] signal s1 step [operand 0 loop 1 + 32, operand 1 loop 0 + 64, operand 1 loop 1 + 32, wait 0 loop 0 + 2, wait 0 loop 1 + 1]
        }
      }
    }
    cimisa.queue chip 0 core 0 dma 1 {
      cimisa.loop 8 {
        cimisa.dma_copy l1[0x100] -> dram[0x100] elem 4 sizes [8] strides [4] -> [4] wait [s1 >= 1] step [src loop 0 + 32, dst loop 0 + 32, wait 0 loop 0 + 1]
      }
    }
  }
}
