// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt %s --cim-lower=target=tiny | FileCheck %s
// RUN: cim-opt %s --cim-lower=target=m50 | FileCheck %s

// A quantized convolution with 5-bit weights: affine activation fetch, no
// im2col buffer; plane masks; the zero point of the input in the bias.

!q = !quant.uniform<i8:f32, 0.5:-3>

// CHECK: cim.kernel @conv_epilogue inputs 2 outputs [i8]
// CHECK-NEXT: ^bb0(%[[ACC:.*]]: i32, %[[M:.*]]: f32, %{{.*}}: i8):
// CHECK-NEXT: %[[F:.*]] = arith.sitofp %[[ACC]] : i32 to f32
// CHECK-NEXT: %[[P:.*]] = arith.mulf %[[F]], %[[M]] : f32
// CHECK-NEXT: %[[Q:.*]] = cim.kernel_quantize %[[P]] scale 1.000000e+00 zero -3 range[-128, 127] : i8
// CHECK-NEXT: cim.kernel_yield %[[Q]] : i8

// 9 kernel positions of a tile of 16 rows, 16 columns and 5 planes.
// CHECK: cim.buffer constant "conv.weights" value {{.*}} : memref<{{[0-9]+}}xi8, #cim.mem<dram>>
// bias + 3 * (3 * 16 * 9): every channel has the same, one value is kept.
// CHECK: %[[BIAS:.*]] = cim.buffer constant "conv.bias" value dense<1303> : tensor<1xi32>
// CHECK: %[[BIASL2:.*]] = cim.buffer resident "conv.bias" : memref<1xi32, #cim.mem<l2>>

// Weights at home in DRAM are not copied by the load stage.
// CHECK: cim.stage load {
// CHECK-NOT: conv.weights
// CHECK: cim.stage run {
// Broadcast by a stride of zero.
// CHECK: %[[B:.*]] = cim.dma_copy core 0 {{.*}} %[[BIASL2]][0] strides [0] -> %[[BL1:[0-9a-z]+]][0] strides [4] sizes [16] x 4
// CHECK: cim.write_weights core 0 planes %{{.*}}[0] {{.*}} shape [16, 16] {{.*}} planes 5 block {{[0-9]+}} masks [3]
// CHECK: cim.mac core 0 %{{.*}}[0] m [4, 4] strides [{{[0-9]+}}, [[STEP:[0-9]+]]] k [16] strides [{{[0-9]+}}] set 0 {{.*}} -> bias %[[ACC0:[0-9a-z]+]][0] stride 64 bias %[[BL1]] bias_offset 0 after({{.*}}%[[B]]
// The next kernel position: one pixel on in the same patch, accumulated.
// CHECK: cim.mac core 0 %{{.*}}{{\[}}[[STEP]]] m [4, 4] {{.*}} -> accumulate %[[ACC0]][0] stride 64
// CHECK-COUNT-7: cim.mac core 0 {{.*}} -> accumulate %[[ACC0]][0]
// The epilogue writes the output where it belongs, channels-first again.
// CHECK: cim.vector core 0 @conv_epilogue(%[[ACC0]], {{.*}} memref<1x16x4x4xi8, #cim.mem<dram>>
// CHECK-NEXT: }
func.func @main(%x: tensor<1x16x6x6x!q> {cim.name = "x"}) -> (tensor<1x16x4x4x!q> {cim.name = "y"}) {
  %w = arith.constant dense<3> : tensor<16x16x3x3xi5>
  %b = arith.constant dense<7> : tensor<16xi32>
  %m = arith.constant dense<0.01> : tensor<16xf32>
  %r = cim.region "conv" (%x, %w, %b, %m) schedule <m = [1, 4, 4], n = 16, k = [16, 1, 1, 1], weights = dram, sets = 2>
      : (tensor<1x16x6x6x!q>, tensor<16x16x3x3xi5>, tensor<16xi32>, tensor<16xf32>) -> tensor<1x16x4x4x!q> {
  ^bb0(%a: tensor<1x16x6x6x!q>, %v: tensor<16x16x3x3xi5>, %c: tensor<16xi32>, %d: tensor<16xf32>):
    %y = cim.conv %a, %v bias %c requantize %d strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1]
      : (tensor<1x16x6x6x!q>, tensor<16x16x3x3xi5>, tensor<16xi32>, tensor<16xf32>) -> tensor<1x16x4x4x!q> loc("conv")
    cim.yield %y : tensor<1x16x4x4x!q>
  } loc("conv")
  return %r : tensor<1x16x4x4x!q>
}
