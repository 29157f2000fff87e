// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt %s | FileCheck %s
// RUN: cim-opt --verify-roundtrip %s -o /dev/null
// RUN: cim-opt --mlir-print-op-generic --mlir-print-debuginfo %s | cim-opt | FileCheck %s
// RUN: cim-opt --emit-bytecode %s | cim-opt | FileCheck %s

// CHECK-LABEL: cimisa.program "ops" target "m50" producer "by hand" semaphores 8 dram 65536 predicted 812 bound 700 load 90 {
cimisa.program "ops" target "m50" producer "by hand" semaphores 8 dram 65536 predicted 812 bound 700 load 90 {
  // CHECK: cimisa.locations [node "unknown", node "Conv_3" layer "conv3_relu", node "" layer "l"]
  cimisa.locations [node "unknown", node "Conv_3" layer "conv3_relu", layer "l"]
  // CHECK: cimisa.layer "conv3_relu" op "conv" format "w8a8" nodes ["Conv_3", "Relu_4"] macs 903168 cycles 4410 schedule "s" note "bound by \22DRAM\22"
  cimisa.layer "conv3_relu" op "conv" format "w8a8" nodes ["Conv_3", "Relu_4"] macs 903168 cycles 4410 schedule "s" note "bound by \22DRAM\22"
  // CHECK: cimisa.layer "bare"{{$}}
  cimisa.layer "bare"
  // CHECK: cimisa.buffer_info "conv3.out" l1[0x4000] core 1 size 6272 live 0 to 1
  cimisa.buffer_info "conv3.out" l1[0x4000] core 1 size 6272 live 0 to 1
  // CHECK: cimisa.input "x" i8 [1, 28, 28] dram[0x0] quant 0.021 : -3
  cimisa.input "x" i8 [1, 28, 28] dram[0x0] quant 0.021 : -3
  // CHECK: cimisa.output "y" f32 [] dram[0x400]{{$}}
  cimisa.output "y" f32 [] dram[0x400]
  // CHECK: cimisa.output "found" i8 [10, 4] dram[0x440] quant 0.5 : 1 lengths [0:2, 1:2]{{$}}
  cimisa.output "found" i8 [10, 4] dram[0x440] quant 0.5 : 1 lengths [0:2, 1:2]
  // CHECK: cimisa.output "count" i64 [] dram[0x480] hidden{{$}}
  cimisa.output "count" i64 [] dram[0x480] hidden
  // CHECK: cimisa.segment "w" dram[0x1000] = dense_resource<w> : tensor<16xi8>
  cimisa.segment "w" dram[0x1000] = dense_resource<w> : tensor<16xi8>
  // CHECK: cimisa.segment "s" dram[0x2000] = dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>
  cimisa.segment "s" dram[0x2000] = dense<[0.5, 0.25]> : tensor<2xf32>

  // CHECK: cimisa.kernel @micro inputs [i32, f32] outputs [f32, i8] {
  cimisa.kernel @micro inputs [i32, f32] outputs [f32, i8] {
    // CHECK: %r0 = cimisa.micro load.i32 0
    %a = cimisa.micro load.i32 0
    // CHECK: %r1 = cimisa.micro load.f32 1
    %b = cimisa.micro load.f32 1
    // CHECK: %r2 = cimisa.micro cast.f32.i32 %r0
    %c = cimisa.micro cast.f32.i32 %a
    // CHECK: %r3 = cimisa.micro mul.f32 %r2, %r1
    %d = cimisa.micro mul.f32 %c, %b
    // CHECK: %r4 = cimisa.micro const.f32 -1.5
    %e = cimisa.micro const.f32 -1.5
    // CHECK: %r5 = cimisa.micro const.f32 bits 0x7fc00000
    %f = cimisa.micro const.f32 bits 0x7fc00000
    // CHECK: %r6 = cimisa.micro const.i32 -3
    %g = cimisa.micro const.i32 -3
    // CHECK: %r7 = cimisa.micro const.f32 0.1
    %h = cimisa.micro const.f32 0.1
    // CHECK: %r8 = cimisa.micro cmp_float.f32 ogt, %r3, %r4
    %i = cimisa.micro cmp_float.f32 ogt, %d, %e
    // CHECK: %r9 = cimisa.micro cmp_int.i32 slt, %r0, %r6
    %j = cimisa.micro cmp_int.i32 slt, %a, %g
    // CHECK: %r10 = cimisa.micro and.i1 %r8, %r9
    %k = cimisa.micro and.i1 %i, %j
    // CHECK: %r11 = cimisa.micro select.f32 %r10, %r3, %r5
    %l = cimisa.micro select.f32 %k, %d, %f
    // CHECK: %r12 = cimisa.micro quantize.i8.f32 %r11, %r7, %r6
    %m = cimisa.micro quantize.i8.f32 %l, %h, %g
    // CHECK: %r13 = cimisa.micro index.i64 0
    %n = cimisa.micro index.i64 0
    // CHECK: %r14 = cimisa.micro gather.f32 1, %r13
    %o = cimisa.micro gather.f32 1, %n
    // CHECK: %r15 = cimisa.micro gather.f32 1, %r6 : [i32]
    %p = cimisa.micro gather.f32 1, %g : [i32]
    // CHECK: %r16 = cimisa.micro is_nan.f32 %r15
    %q = cimisa.micro is_nan.f32 %p
    // CHECK: %r17 = cimisa.micro const.f64 1.0E+300
    %r = cimisa.micro const.f64 1.0e300
    // CHECK: cimisa.micro store.f32 2, %r11
    cimisa.micro store.f32 2, %l
    // CHECK: cimisa.micro scatter.i8 3, %r12, %r13
    cimisa.micro scatter.i8 3, %m, %n
  }
  // Registers out of order, more than are written, unused fields.
  // CHECK: cimisa.kernel @odd name "1 \22name\22" inputs [] outputs [u8] registers 9 {
  cimisa.kernel @odd name "1 \22name\22" inputs [] outputs [u8] registers 9 {
    // CHECK: %r4 = cimisa.micro const.u8 200 reg 4
    %0 = cimisa.micro const.u8 200 reg 4
    // CHECK: %r5 = cimisa.micro neg.u8 %r4 imm 7 src i16
    %1 = cimisa.micro neg.u8 %0 imm 7 src i16
    // CHECK: cimisa.micro store.u8 0, %r5 reg 3
    cimisa.micro store.u8 0, %1 reg 3
  }

  // CHECK: cimisa.stage load {
  cimisa.stage load {
    // CHECK: cimisa.queue chip 0 core 0 write 0 {
    cimisa.queue chip 0 core 0 write 0 {
      // CHECK: cimisa.write_weights planes 5 dram[0x800] -> set 1 tile [0, 128] rows 144 cols 32 copies 4 across 2 pitch [256, 128] masks [0x1f] wait [s3 >= 1] signal s4
      cimisa.write_weights planes 5 dram[0x800] -> set 1 tile [0, 128] rows 144 cols 32 copies 4 across 2 pitch [256, 128] masks [0x1f] wait [s3 >= 1] signal s4
      // CHECK: cimisa.write_weights f32 12 l1[0x0] stride [256, 4] -> set 0 tile [0, 0] rows 64 cols 64 block 32{{$}}
      cimisa.write_weights f32 12 l1[0] stride [256, 4] -> set 0 tile [0, 0] rows 64 cols 64 block 32
    }
  }
  // CHECK: cimisa.stage run {
  cimisa.stage run {
    // CHECK: cimisa.queue chip 0 core 0 dma 1 {
    cimisa.queue chip 0 core 0 dma 1 {
      // CHECK: cimisa.loop 16 wait [s1 >= 1] layer "l" {
      cimisa.loop 16 wait [s1 >= 1] layer "l" {
        // CHECK: cimisa.loop 2 node "inner" {
        cimisa.loop 2 node "inner" {
          // CHECK: cimisa.dma_copy dram[0x0] -> l1[0x40] elem 1 sizes [64] strides [1] -> [2] wait [s3 >= 4, s5 >= 2] signal s5 step [src loop 0 + 64, dst loop 1 - 128, wait 1 loop 0 + 1] node "Conv_3" layer "conv3_relu"
          cimisa.dma_copy dram[0x0] -> l1[0x40] elem 1 sizes [64] strides [1] -> [2] wait [s3 >= 4, s5 >= 2] signal s5 step [src loop 0 + 64, dst loop 1 - 128, wait 1 loop 0 + 1] node "Conv_3" layer "conv3_relu"
        // CHECK-NEXT: }
        }
        // CHECK-NEXT: cimisa.loop_end signal s2 node "x" entry 1
        cimisa.loop_end signal s2 node "x" entry 1
      }
      // CHECK: cimisa.dma_fill 0xfd -> l2[0x200] elem 1 dims [30:32, 2:1]
      cimisa.dma_fill 253 -> l2 chip 0 [0x200] elem 1 dims [30:32, 2:1]
      // CHECK: cimisa.nop wait [s0 >= 2] signal s1
      cimisa.nop wait [s0 >= 2] signal s1
    }
    // CHECK: cimisa.queue chip 0 core 1 mac 0 {
    cimisa.queue chip 0 core 1 mac 0 {
      // CHECK: cimisa.mac i8 l1[0x1200] m [14:256, 14:16] k [3:480, 3:16, 16:1] * set 1 tile [0, 128] rows 144 cols 32 -> acc[0x400] stride 128 bias l1[0x80]
      cimisa.mac i8 l1[0x1200] m [14:256, 14:16] k [3:480, 3:16, 16:1] * set 1 tile [0, 128] rows 144 cols 32 -> acc[0x400] stride 128 bias l1[0x80]
      // CHECK: cimisa.mac f16 l1[0x0] m [1:0] k [4:2] * set 0 tile [0, 0] rows 4 cols 32 copies 2 -> acc[0x0] stride -128 accumulate unused_bias acc[0x4]
      cimisa.mac f16 l1[0x0] m [1:0] k [4:2] * set 0 tile [0, 0] rows 4 cols 32 copies 2 -> acc[0x0] stride -128 accumulate unused_bias acc[0x4]
    }
    cimisa.queue chip 0 core 1 vec 0 {
      // CHECK: cimisa.vec @micro loops [8, 64] reduce [1] base [0, 2] (
      // CHECK-NEXT: l1[0x0] strides [256, 4],
      // CHECK-NEXT: l1[0x800] strides [4, 0] gather [10:4],
      // CHECK-NEXT: l1[0x0] strides [256, 4],
      // CHECK-NEXT: acc[0x800] strides [4, 0] gather [2:1]) signal s0
      cimisa.vec @micro loops [8, 64] reduce [1] base [0, 2] (l1[0x0] strides [256, 4], l1[0x800] strides [4, 0] gather [10:4], l1[0x0] strides [256, 4], acc[0x800] strides [4, 0] gather [2:1]) signal s0
      // CHECK: cimisa.vec @odd loops [] (l1[0x0] strides [])
      cimisa.vec @odd loops [] (l1[0x0] strides [])
    }
    cimisa.queue chip 0 core 1 ctrl 0 {
      // CHECK: cimisa.ctrl 2 params [1000, -5] (l1[0x0] strides [4], l1[0x1000] strides [8]) node "TopK"
      cimisa.ctrl 2 params [1000, -5] (l1[0x0] strides [4], l1[0x1000] strides [8]) node "TopK"
    }
  }
  // CHECK: cimisa.report "{\22options\22: {}}"
  cimisa.report "{\22options\22: {}}"
}
{-# dialect_resources: { builtin: { w: "0x01000000000102030405060708090a0b0c0d0e0f" } } #-}
