// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: split-file %s %t
// RUN: not cim-translate --assemble %t/range.mlir 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: not cim-translate --assemble %t/two.mlir 2>&1 | FileCheck %s --check-prefix=TWO
// RUN: not cim-translate --assemble %t/elided.mlir 2>&1 | FileCheck %s --check-prefix=ELIDED
// RUN: not cim-translate --assemble %t/entry.mlir 2>&1 | FileCheck %s --check-prefix=ENTRY
// RUN: not cim-translate --disassemble %t/range.mlir 2>&1 | FileCheck %s --check-prefix=BYTES

// What only the whole program shows is found when assembling.
// RANGE: range.mlir:1:1: error: run stage{{.*}}dma_copy, node A{{.*}}source accesses dram bytes 4000 to 4127; dram has 4096 bytes
// TWO: error: module holds 2 cimisa.program ops; exactly one is needed
// ELIDED: error: 'cimisa.segment' op resource 'w' has no data; was it elided when printing?
// ENTRY: error: 'cimisa.nop' op names location 3; the table has 1
// BYTES: error: {{.*}}range.mlir

//--- range.mlir
cimisa.program "range" target "tiny" dram 4096 {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 {
      cimisa.dma_copy dram[4000] -> l1[0x0] elem 1 sizes [128] strides [1] -> [1] node "A"
    }
  }
}
//--- two.mlir
cimisa.program "one" target "tiny" { }
cimisa.program "two" target "tiny" { }
//--- elided.mlir
cimisa.program "elided" target "tiny" dram 64 {
  cimisa.segment "w" dram[0x0] = dense_resource<w> : tensor<16xi8>
}
//--- entry.mlir
cimisa.program "entry" target "tiny" {
  cimisa.stage run {
    cimisa.queue chip 0 core 0 dma 0 { cimisa.nop entry 3 }
  }
}
