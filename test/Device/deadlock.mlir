// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// D2.4: each queue waits for the other's signal, which comes after its own wait.
// RUN: cim-translate --assemble %s -o %t.cimb
// RUN: not cim-run %t.cimb 2>&1 | FileCheck %s
// CHECK: error: {{.*}}deadlock

cimisa.program "deadlock" target "tiny" semaphores 2 dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      cimisa.nop wait [s0 >= 1] signal s1 node "a"
    }
    cimisa.queue chip 0 core 0 dma 1 {
      cimisa.nop wait [s1 >= 1] signal s0 node "b"
    }
  }
}
