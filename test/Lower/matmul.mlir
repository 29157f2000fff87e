// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt %s --cim-lower=target=tiny | FileCheck %s
// RUN: not cim-opt %s --cim-lower=target=m50 2>&1 | FileCheck %s --check-prefix=M50

// A schedule belongs to its target: this one would sum in another order there.
// M50: schedule cannot be executed: k tile of 16 channels cuts a block of 64 (numerics B2)

// The schedule is applied as written: two row tiles and two k tiles that rotate
// through two sets on one core.

// CHECK: module attributes {cim.phase = "lower"}

// The epilogue: no work, an accumulator is stored.
// CHECK: cim.kernel @fc_epilogue inputs 1 outputs [f32]
// CHECK: cim.kernel_yield %arg0 : f32

// CHECK-DAG: %[[X:.*]] = cim.buffer input "x"{{.*}} : memref<16x32xf32, #cim.mem<dram>>
// Packed: 2 k tiles of one block, 8 exponents and 16 x 8 mantissas each, aligned.
// CHECK-DAG: %[[W:.*]] = cim.buffer constant "fc.weights" value {{.*}} : memref<640xi8, #cim.mem<dram>>
// CHECK-DAG: %[[WL2:.*]] = cim.buffer resident "fc.weights" : memref<640xi8, #cim.mem<l2>>
// CHECK-DAG: %[[Y:.*]] = cim.buffer output "y"{{.*}} : memref<16x8xf32, #cim.mem<dram>>

// Resident weights are brought to L2 once.
// CHECK: cim.stage load {
// CHECK-NEXT: cim.dma_copy {{.*}} %[[W]][0] {{.*}} -> %[[WL2]][0] {{.*}} sizes [640] x 1
// CHECK-NEXT: }

// CHECK: cim.stage run {
// Rows 0 to 7. MACs wait for their tile and their activations, and the second
// one only for what is new.
// CHECK-DAG: %[[W0:.*]] = cim.write_weights core 0 bfp %[[WL2]][0] {{.*}} -> set 0 at [0, 0] shape [16, 8] {{.*}} planes 12 block 16
// CHECK-DAG: %[[L0:.*]] = cim.dma_copy core 0 channel 0 %[[X]][0] {{.*}} -> %[[A0:[0-9a-z]+]][0] strides [4] sizes [256] x 4 :
// CHECK: %[[M0:.*]] = cim.mac core 0 %[[A0]][0] m [8] strides [128] k [16] strides [4] set 0 at [0, 0] shape [16, 8] copies 1 -> zero %[[ACC0:[0-9a-z]+]][0] stride 32 bias_offset 0 after({{(%.*, )?}}%[[W0]]{{[),]}}
// CHECK: %[[W1:.*]] = cim.write_weights core 0 bfp %[[WL2]][320] {{.*}} -> set 1
// CHECK: %[[M1:.*]] = cim.mac core 0 %[[A0]][64] {{.*}} set 1 {{.*}} -> accumulate %[[ACC0]][0] stride 32 bias_offset 0 after(%[[W1]]) :
// CHECK: %[[V0:.*]] = cim.vector core 0 @fc_epilogue(%[[ACC0]], %[[Y]]) {{.*}} after(%[[M1]]) :
// Rows 8 to 15: the tiles are in their sets already, another accumulator.
// CHECK-NOT: cim.write_weights
// CHECK: %[[L1:.*]] = cim.dma_copy core 0 channel 0 %[[X]][1024] {{.*}} sizes [256] x 4 :
// CHECK: cim.mac core 0 {{.*}} set 0 {{.*}} -> zero %[[ACC1:[0-9a-z]+]][0] {{.*}} after(%[[L1]]) :
// CHECK: %[[M3:.*]] = cim.mac core 0 {{.*}} set 1 {{.*}} -> accumulate %[[ACC1]][0]
// CHECK: %[[V1:.*]] = cim.vector core 0 @fc_epilogue(%[[ACC1]], %[[Y]]) {{.*}} after(%[[M3]]) :
// Nobody else reads the result: the epilogue wrote it where it belongs.
// CHECK-NEXT: }
func.func @main(%x: tensor<16x32xf32> {cim.name = "x"}) -> (tensor<16x8xf32> {cim.name = "y"}) {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  %r = cim.region "fc" (%x, %w) schedule <m = [8], n = 8, k = [16, 1], weights = l2, sets = 2> : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> loc("fc")
    cim.yield %y : tensor<16x8xf32>
  } loc("fc")
  return %r : tensor<16x8xf32>
}
