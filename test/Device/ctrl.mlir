// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// D4.6, kernel 0 (top-k): type f32 (11), 2 rows of 4, the 2 largest, sorted.
// RUN: %python %S/Inputs/run.py %s %t "x=array([[3, 9, -1, 9], [0, 5, 7, 6]], dtype=float32)" "v==array([[9, 9], [7, 6]], dtype=float32)" "i==array([[1, 3], [2, 3]], dtype=int64)"

cimisa.program "ctrl" target "tiny" dram 4096 {
  cimisa.input "x" f32 [2, 4] dram[0x0]
  cimisa.output "v" f32 [2, 2] dram[0x100]
  cimisa.output "i" i64 [2, 2] dram[0x140]
  cimisa.stage run {
    cimisa.queue chip 0 core 0 ctrl 0 {
      cimisa.ctrl 0 params [11, 2, 4, 2, 1, 1] (
        dram[0x0] strides [16, 4],
        dram[0x100] strides [8, 4],
        dram[0x140] strides [16, 8])
    }
  }
}
