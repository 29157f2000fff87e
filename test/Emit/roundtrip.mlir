// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Text to bytes, to text, to the same bytes.
// RUN: cim-translate --assemble %s -o %t.cimb
// RUN: cim-translate --disassemble %t.cimb -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: cim-translate --emit-program %t.mlir -o %t.again.cimb
// RUN: cmp %t.cimb %t.again.cimb
// What the optimizer driver does to text changes no bytes either.
// RUN: cim-opt --canonicalize --cse %t.mlir | cim-translate --assemble -o %t.opt.cimb
// RUN: cmp %t.cimb %t.opt.cimb
// RUN: cim-opt --emit-bytecode %t.mlir | cim-translate --assemble -o %t.bc.cimb
// RUN: cmp %t.cimb %t.bc.cimb

// CHECK: cimisa.program "roundtrip" target "m50" producer "test" semaphores 6 dram 65536 predicted 10 bound 9 load 8 {
// The table is not in order of first use: it is kept.
// CHECK: cimisa.locations [node "unknown", node "B" layer "second", node "A" layer "first", node "unused"]
// CHECK: cimisa.segment "w" dram[0x1000] = dense_resource<w> : tensor<16xi8>
// CHECK: cimisa.segment "s" dram[0x2000] = dense_resource<s> : tensor<8xi8>
// CHECK: cimisa.segment "splat" dram[0x3000] = dense_resource<splat> : tensor<12xi8>
// CHECK: cimisa.segment "none" dram[0x4000] = dense<> : tensor<0xi8>
// CHECK: cimisa.kernel @double
// CHECK: %r0 = cimisa.micro load.f32 0
// CHECK: cimisa.kernel @double_0 name "double" inputs [] outputs []
// CHECK: cimisa.stage load
// CHECK: cimisa.write_weights {{.*}} node "A" layer "first"
// CHECK: cimisa.stage run
// CHECK: cimisa.loop 4 node "A" layer "first" {
// CHECK: cimisa.dma_copy {{.*}} node "B" layer "second"
// CHECK-NOT: cimisa.loop_end
// CHECK: cimisa.loop 2 {
// CHECK: cimisa.loop_end node "B" layer "second"
// CHECK: cimisa.vec @double loops [4]
// CHECK: cimisa.report "{}"
// CHECK: s: "0x010000000000003F0000803E"
// CHECK: splat: "0x01000000070000000700000007000000"
cimisa.program "roundtrip" target "m50" producer "test" semaphores 6 dram 65536 predicted 10 bound 9 load 8 {
  cimisa.locations [node "unknown", node "B" layer "second", node "A" layer "first", node "unused"]
  cimisa.layer "first" op "conv" format "w8a8" nodes ["A"] macs 12 cycles 4
  cimisa.layer "second"
  cimisa.buffer_info "b" l1[0x40] core 1 size 64 live 0 to 1
  cimisa.input "x" i8 [4, 4] dram[0x0] quant 0.05 : 7
  cimisa.output "y" f32 [4] dram[0x40]
  cimisa.segment "w" dram[0x1000] = dense_resource<w> : tensor<16xi8>
  cimisa.segment "s" dram[0x2000] = dense<[0.5, 0.25]> : tensor<2xf32>
  cimisa.segment "splat" dram[0x3000] = dense<7> : tensor<3xi32>
  cimisa.segment "none" dram[0x4000] = dense<> : tensor<0xi8>
  cimisa.kernel @double inputs [f32] outputs [f32] {
    %x = cimisa.micro load.f32 0
    %y = cimisa.micro add.f32 %x, %x
    cimisa.micro store.f32 1, %y
  }
  cimisa.kernel @other name "double" inputs [] outputs [] { }
  cimisa.stage load {
    cimisa.queue chip 0 core 0 write 0 {
      cimisa.write_weights planes 1 dram[0x1000] -> set 0 tile [0, 0] rows 8 cols 8 node "A" layer "first"
    }
  }
  cimisa.stage run {
    cimisa.queue chip 0 core 1 dma 3 {
      cimisa.loop 4 node "A" layer "first" {
        cimisa.dma_copy dram[0x0] -> l1[0x0] elem 1 sizes [4] strides [1] -> [1] signal s5 step [src loop 0 + 4, dst loop 0 + 4] node "B" layer "second"
      }
      cimisa.loop 2 {
        cimisa.nop
        cimisa.loop_end node "B" layer "second"
      }
    }
    cimisa.queue chip 0 core 1 vec 0 {
      cimisa.vec @double loops [4] (l1[0x0] strides [4], l1[0x80] strides [4]) wait [s5 >= 4]
    }
  }
  cimisa.report "{}"
}
{-# dialect_resources: { builtin: { w: "0x01000000000102030405060708090a0b0c0d0e0f" } } #-}
