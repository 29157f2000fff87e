// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt %s --cim-allocate=target=tiny | FileCheck %s
// RUN: cim-opt %s --cim-allocate=target=tiny | cim-opt | FileCheck %s

// CHECK: module attributes {cim.phase = "allocate"}

cim.kernel @copy inputs 1 outputs [i8] {
^bb0(%x: i8, %old: i8):
  cim.kernel_yield %x : i8
}

// Inputs, outputs and constants keep their own bytes, 64-byte aligned.
// CHECK-DAG: cim.buffer input "x" at [[X:[0-9]+]] : memref<100xi8, #cim.mem<dram>>
// CHECK-DAG: cim.buffer output "y" at [[Y:[0-9]+]] : memref<9000xi8, #cim.mem<dram>>
%x = cim.buffer input "x" : memref<100xi8, #cim.mem<dram>>
%y = cim.buffer output "y" : memref<9000xi8, #cim.mem<dram>>

// Two of these fill the 16 KiB of L1 that "tiny" has: the third reuses the first
// one's bytes, on one core only.
// CHECK-DAG: %[[A:.*]] = cim.buffer temp "a" at [[ATA:[0-9]+]] : memref<8192xi8, #cim.mem<l1 core 0>>
// CHECK-DAG: %[[B:.*]] = cim.buffer temp "b" at [[ATB:[0-9]+]] : memref<8192xi8, #cim.mem<l1 core 0>>
// CHECK-DAG: %[[C:.*]] = cim.buffer temp "c" at [[ATA]] : memref<8192xi8, #cim.mem<l1 core 0>>
// CHECK-DAG: cim.buffer temp "other" at 0 : memref<8192xi8, #cim.mem<l1 core 1>>
%a = cim.buffer temp "a" : memref<8192xi8, #cim.mem<l1 core 0>>
%b = cim.buffer temp "b" : memref<8192xi8, #cim.mem<l1 core 0>>
%c = cim.buffer temp "c" : memref<8192xi8, #cim.mem<l1 core 0>>
%other = cim.buffer temp "other" : memref<8192xi8, #cim.mem<l1 core 1>>

// What L2 has no room for lies in DRAM.
// CHECK-DAG: cim.buffer temp "large" at {{[0-9]+}} : memref<100000xi8, #cim.mem<dram>>
%large = cim.buffer temp "large" : memref<100000xi8, #cim.mem<l2>>

// Never used: gone.
// CHECK-NOT: "unused"
%unused = cim.buffer temp "unused" : memref<64xi8, #cim.mem<l2>>

cim.stage load {
}
// CHECK: cim.stage run {
cim.stage run {
  // CHECK: %[[T0:.*]] = cim.dma_fill core 0 channel 0 1 -> %[[A]]
  %0 = cim.dma_fill core 0 channel 0 1 -> %a [0] strides [1] sizes [8192] x 1 : memref<8192xi8, #cim.mem<l1 core 0>>
  // CHECK: %[[T1:.*]] = cim.vector core 0 @copy(%[[A]], %[[B]]) {{.*}} after(%[[T0]])
  %1 = cim.vector core 0 @copy(%a, %b) loops [8192] reductions [] index_base [] offsets [0, 0] strides [array<i64: 1>, array<i64: 1>] gathers [array<i64>, array<i64>] after (%0)
    : (memref<8192xi8, #cim.mem<l1 core 0>>, memref<8192xi8, #cim.mem<l1 core 0>>)
  // The IR orders this fill after nothing; the bytes it reuses are read before.
  // CHECK: %[[T2:.*]] = cim.dma_fill core 0 channel 1 2 -> %[[C]]{{.*}} after(%[[T1]])
  %2 = cim.dma_fill core 0 channel 1 2 -> %c [0] strides [1] sizes [8192] x 1 : memref<8192xi8, #cim.mem<l1 core 0>>
  // CHECK: cim.vector core 0 @copy(%[[B]], %[[C]]) {{.*}} after(%[[T2]])
  %3 = cim.vector core 0 @copy(%b, %c) loops [8192] reductions [] index_base [] offsets [0, 0] strides [array<i64: 1>, array<i64: 1>] gathers [array<i64>, array<i64>] after (%2)
    : (memref<8192xi8, #cim.mem<l1 core 0>>, memref<8192xi8, #cim.mem<l1 core 0>>)
  // Another core's L1 is another memory: nothing to wait for.
  // CHECK: cim.dma_fill core 1 channel 0 3 -> %{{[^ ]*}}[0] strides [1] sizes [8192] x 1 :
  %4 = cim.dma_fill core 1 channel 0 3 -> %other [0] strides [1] sizes [8192] x 1 : memref<8192xi8, #cim.mem<l1 core 1>>
  %5 = cim.dma_fill core 0 channel 0 0 -> %large [0] strides [1] sizes [100000] x 1 : memref<100000xi8, #cim.mem<l2>>
  %6 = cim.dma_copy core 0 channel 0 %x [0] strides [1] -> %large [0] strides [1] sizes [100] x 1 after (%5) : memref<100xi8, #cim.mem<dram>> -> memref<100000xi8, #cim.mem<l2>>
  %7 = cim.dma_copy core 0 channel 0 %large [0] strides [1] -> %y [0] strides [1] sizes [9000] x 1 after (%6) : memref<100000xi8, #cim.mem<l2>> -> memref<9000xi8, #cim.mem<dram>>
}
