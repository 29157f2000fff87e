// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// D4.5: a map with a comparison, an ordered reduction, a gather.
// RUN: %python %S/Inputs/run.py %s %t "x=(arange(12, dtype=float32) - 6).reshape(3, 4)" "i=array([2, 0, 1, 2], dtype=int64)" "relu==maximum(x, float32(0))" "sum==x.sum(axis=1, dtype=float32)" "rows==x[i]"

cimisa.program "vec" target "tiny" semaphores 2 dram 4096 {
  cimisa.input "x" f32 [3, 4] dram[0x0]
  cimisa.input "i" i64 [4] dram[0x40]
  cimisa.output "relu" f32 [3, 4] dram[0x100]
  cimisa.output "sum" f32 [3] dram[0x140]
  cimisa.output "rows" f32 [4, 4] dram[0x180]
  cimisa.kernel @relu inputs [f32] outputs [f32] {
    %x = cimisa.micro load.f32 0
    %zero = cimisa.micro const.f32 0.0
    %positive = cimisa.micro cmp_float.f32 ogt, %x, %zero
    %y = cimisa.micro select.f32 %positive, %x, %zero
    cimisa.micro store.f32 1, %y
  }
  cimisa.kernel @zero inputs [] outputs [f32] {
    %zero = cimisa.micro const.f32 0.0
    cimisa.micro store.f32 0, %zero
  }
  cimisa.kernel @add inputs [f32] outputs [f32] {
    %x = cimisa.micro load.f32 0
    %sum = cimisa.micro load.f32 1
    %next = cimisa.micro add.f32 %sum, %x
    cimisa.micro store.f32 1, %next
  }
  cimisa.kernel @row inputs [i64, f32] outputs [f32] {
    %row = cimisa.micro load.i64 0
    %column = cimisa.micro index.i64 1
    %x = cimisa.micro gather.f32 1, %row, %column
    cimisa.micro store.f32 2, %x
  }
  cimisa.stage run {
    cimisa.queue chip 0 core 0 vec 0 {
      cimisa.vec @relu loops [3, 4] (dram[0x0] strides [16, 4], dram[0x100] strides [16, 4])
      cimisa.vec @zero loops [3] (dram[0x140] strides [4])
      cimisa.vec @add loops [3, 4] reduce [1] (dram[0x0] strides [16, 4], dram[0x140] strides [4, 0])
      cimisa.vec @row loops [4, 4] (
        dram[0x40] strides [8, 0],
        dram[0x0] strides [0, 0] gather [3:16, 4:4],
        dram[0x180] strides [16, 4])
    }
  }
}
