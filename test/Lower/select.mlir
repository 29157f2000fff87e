// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt %s --split-input-file --cim-lower=target=m50 | FileCheck %s

// Rows are divided among the cores; the outputs are copied when all are done.

// CHECK: %[[X:.*]] = cim.buffer input "x"{{.*}} : memref<64x100xf32, #cim.mem<dram>>
// CHECK: cim.ctrl core 0 topk(%[[X]], %[[V:.*]], %[[I:.*]]) inputs 1 params [11, 32, 100, 3, 1, 1] offsets [0, 0, 0] strides [array<i64: 400, 4>, array<i64: 12, 4>, array<i64: 24, 8>] :
// CHECK: cim.ctrl core 1 topk(%[[X]], %[[V]], %[[I]]) inputs 1 params [11, 32, 100, 3, 1, 1] offsets [12800, 384, 768]
// CHECK: cim.dma_copy {{.*}} after(%{{.*}}, %{{.*}}) :
func.func @main(%x: tensor<64x100xf32> {cim.name = "x"}) -> (tensor<64x3xf32>, tensor<64x3xi64>) {
  %v, %i = cim.topk %x k 3 largest sorted : (tensor<64x100xf32>) -> (tensor<64x3xf32>, tensor<64x3xi64>)
  return %v, %i : tensor<64x3xf32>, tensor<64x3xi64>
}

// -----

// The length of a result is another one.

// CHECK: cim.buffer output "y" {cim.lengths = array<i64: 1, 1>, cim.shape = array<i64: 1, 8>}
// CHECK: cim.buffer output "n" {cim.hidden, cim.shape = array<i64>}
// CHECK: cim.ctrl core 0 nonzero(%{{.*}}, %{{.*}}, %{{.*}}) inputs 1 params [1, 8, 8] offsets [0, 0, 0] strides [array<i64: 1>, array<i64: 64, 8>, array<i64>]
func.func @main(%x: tensor<8xi8>) -> (tensor<1x8xi64> {cim.name = "y", cim.lengths = array<i64: 1, 1>}, tensor<i64> {cim.name = "n", cim.hidden}) {
  %i, %n = cim.nonzero %x : (tensor<8xi8>) -> (tensor<1x8xi64>, tensor<i64>)
  return %i, %n : tensor<1x8xi64>, tensor<i64>
}

// -----

// Rows one after the other: the loop over them is ordered. A skipped row stores
// the old value of row 0.

// CHECK: cim.kernel @{{.*}} inputs 2 outputs [f32] {
// CHECK-NEXT: ^bb0(%[[U:.*]]: f32, %[[I:.*]]: i64, %{{.*}}: f32):
// CHECK: %[[SKIP:.*]] = arith.cmpi slt, %[[I]], %{{.*}} : i64
// CHECK: %[[OLD:.*]] = cim.kernel_gather 2[%{{.*}}] : f32
// CHECK: %[[NEW:.*]] = arith.addf %[[OLD]], %[[U]] : f32
// CHECK: %[[Y:.*]] = arith.select %[[SKIP]], %[[OLD]], %[[NEW]] : f32
// CHECK: cim.kernel_yield %[[Y]] at[%{{.*}}] : f32
// CHECK: %[[D:.*]] = cim.buffer input "arg2"
// CHECK: %[[COPY:.*]] = cim.dma_copy {{.*}} %[[D]]{{.*}} -> %[[R:.*]][0]
// CHECK: cim.vector core 0 @{{.*}}(%{{.*}}, %{{.*}}, %[[R]]) loops [4, 3] reductions [1] {{.*}} strides [array<i64: 4, 16>, array<i64: 0, 8>, array<i64: 4, 0>] gathers [array<i64>, array<i64>, array<i64: 9, 16>] after({{.*}}%[[COPY]]
func.func @main(%u: tensor<3x4xf32>, %i: tensor<3xi64>, %d: tensor<9x4xf32>) -> tensor<9x4xf32> {
  %y = cim.scatter add %u, %i into %d : (tensor<3x4xf32>, tensor<3xi64>, tensor<9x4xf32>) -> tensor<9x4xf32>
  return %y : tensor<9x4xf32>
}
