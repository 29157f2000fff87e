// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt %s | cim-opt | FileCheck %s
// RUN: cim-opt %s --mlir-print-op-generic | cim-opt | FileCheck %s
// RUN: cim-opt %s --emit-bytecode | cim-opt | FileCheck %s

!x = !quant.uniform<i8:f32, 0.021:-3>
!y = !quant.uniform<i8:f32, 0.034:-128>
!p = !quant.uniform<u8:f32, 0.004>
!s = !quant.uniform<i8:f32, 0.05>

//===----------------------------------------------------------------------===//
// Tensor level
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func.func @conv_float
func.func @conv_float(%x: tensor<1x16x9xf32>, %w: tensor<8x16x3xf32>) -> tensor<1x8x7xf32> {
  // CHECK: cim.conv %{{.*}}, %{{.*}} strides [1] pads [0, 0] dilations [1] : (tensor<1x16x9xf32>, tensor<8x16x3xf32>) -> tensor<1x8x7xf32>
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1]
    : (tensor<1x16x9xf32>, tensor<8x16x3xf32>) -> tensor<1x8x7xf32>
  return %y : tensor<1x8x7xf32>
}

// CHECK-LABEL: func.func @conv_bfp
func.func @conv_bfp(%x: tensor<2x4x5x6x7xf16>, %w: tensor<4x1x3x3x3xf16>, %b: tensor<4xf32>) -> tensor<2x4x3x2x3xf16> {
  // CHECK: cim.conv %{{.*}}, %{{.*}} bias %{{.*}} strides [1, 2, 2] pads [0, 0, 0, 0, 0, 0] dilations [1, 1, 1] groups 4 mantissa 16
  %y = cim.conv %x, %w bias %b strides [1, 2, 2] pads [0, 0, 0, 0, 0, 0] dilations [1, 1, 1] groups 4 mantissa 16
    : (tensor<2x4x5x6x7xf16>, tensor<4x1x3x3x3xf16>, tensor<4xf32>) -> tensor<2x4x3x2x3xf16>
  return %y : tensor<2x4x3x2x3xf16>
}

// CHECK-LABEL: func.func @conv_integer
func.func @conv_integer(%x: tensor<1x16x28x28x!x>, %w: tensor<32x16x3x3xi5>, %b: tensor<32xi32>, %m: tensor<32xf32>) -> tensor<1x32x14x14x!y> {
  // CHECK: cim.conv %{{.*}}, %{{.*}} bias %{{.*}} requantize %{{.*}} strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] : (tensor<1x16x28x28x!quant.uniform<i8:f32, {{.*}}:-3>>, tensor<32x16x3x3xi5>, tensor<32xi32>, tensor<32xf32>)
  %y = cim.conv %x, %w bias %b requantize %m strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] groups 1
    : (tensor<1x16x28x28x!x>, tensor<32x16x3x3xi5>, tensor<32xi32>, tensor<32xf32>) -> tensor<1x32x14x14x!y>
  return %y : tensor<1x32x14x14x!y>
}

// The kernel reaches beyond the padded input: no position fits.
// CHECK-LABEL: func.func @conv_empty
func.func @conv_empty(%x: tensor<1x1x2xf32>, %w: tensor<1x1x5xf32>) -> tensor<1x1x0xf32> {
  // CHECK: cim.conv
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] : (tensor<1x1x2xf32>, tensor<1x1x5xf32>) -> tensor<1x1x0xf32>
  return %y : tensor<1x1x0xf32>
}

// CHECK-LABEL: func.func @matmul_shared
func.func @matmul_shared(%a: tensor<1x128x768xf32>, %w: tensor<768x64xf32>, %b: tensor<64xf32>) -> tensor<1x128x64xf32> {
  // CHECK: cim.matmul %{{.*}}, %{{.*}} bias %{{.*}} mantissa 12 : (tensor<1x128x768xf32>, tensor<768x64xf32>, tensor<64xf32>) -> tensor<1x128x64xf32>
  %y = cim.matmul %a, %w bias %b mantissa 12 : (tensor<1x128x768xf32>, tensor<768x64xf32>, tensor<64xf32>) -> tensor<1x128x64xf32>
  return %y : tensor<1x128x64xf32>
}

// CHECK-LABEL: func.func @matmul_computed
func.func @matmul_computed(%a: tensor<2x4x8x!p>, %b: tensor<2x8x3x!s>, %m: tensor<3xf32>) -> tensor<2x4x3xf32> {
  // CHECK: cim.matmul %{{.*}}, %{{.*}} requantize %{{.*}} : (tensor<2x4x8x!quant.uniform<u8:f32, {{.*}}>>, tensor<2x8x3x!quant.uniform<i8:f32, {{.*}}>>, tensor<3xf32>) -> tensor<2x4x3xf32>
  %y = cim.matmul %a, %b requantize %m : (tensor<2x4x8x!p>, tensor<2x8x3x!s>, tensor<3xf32>) -> tensor<2x4x3xf32>
  return %y : tensor<2x4x3xf32>
}

// CHECK-LABEL: func.func @region
func.func @region(%x: tensor<4x8xf32>, %w: tensor<8x2xf32>) -> (tensor<4x2xf32>, tensor<4x8xf32>) {
  // CHECK: cim.region "fc"(%{{.*}}, %{{.*}}) schedule <m = [4], n = 2, k = [8], split = batch, cores = 2, weights = l2, sets = 4, copies = 3, acc_block = 2, cycles = 70, bound = 7> : (tensor<4x8xf32>, tensor<8x2xf32>) -> (tensor<4x2xf32>, tensor<4x8xf32>)
  // CHECK: ^bb0
  // CHECK: cim.yield %{{.*}}, %{{.*}} : tensor<4x2xf32>, tensor<4x8xf32>
  %r:2 = cim.region "fc" (%x, %w) schedule <m = [4], n = 2, k = [8], split = batch, cores = 2, weights = l2, sets = 4, copies = 3, acc_block = 2, cycles = 70, bound = 7>
    : (tensor<4x8xf32>, tensor<8x2xf32>) -> (tensor<4x2xf32>, tensor<4x8xf32>) {
  ^bb0(%a: tensor<4x8xf32>, %b: tensor<8x2xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<4x8xf32>, tensor<8x2xf32>) -> tensor<4x2xf32>
    cim.yield %y, %a : tensor<4x2xf32>, tensor<4x8xf32>
  }
  return %r#0, %r#1 : tensor<4x2xf32>, tensor<4x8xf32>
}

// Absent fields keep their defaults; a vector region tiles its loops only.
// CHECK-LABEL: func.func @schedules
// CHECK-SAME: a = #cim.schedule<m = [1, 14], n = 64, k = [64, 3], split = none, cores = 1, weights = dram, sets = 1, copies = 1, acc_block = 1, cycles = 0, bound = 0>
// CHECK-SAME: b = #cim.schedule<m = [8, 32], split = m, cores = 2, cycles = 0, bound = 0>
// CHECK-SAME: c = #cim.schedule<m = [1], n = 1, k = [1], split = n, cores = 1, weights = computed
// CHECK-SAME: d = #cim.schedule<m = [1], n = 1, k = [1], split = none, cores = 1, weights = computed
func.func @schedules() attributes {
    a = #cim.schedule<m = [1, 14], n = 64, k = [64, 3]>,
    b = #cim.schedule<m = [8, 32], split = m, cores = 2>,
    c = #cim.schedule<m = [1], n = 1, k = [1], split = n, weights = computed>,
    d = #cim.schedule<k = [1], n = 1, m = [1], weights = computed>} {
  return
}

// CHECK-LABEL: func.func @select
func.func @select(%x: tensor<2x10xf32>, %i: tensor<2x10xi8>) {
  // CHECK: cim.topk %{{.*}} k 5 largest sorted : (tensor<2x10xf32>) -> (tensor<2x5xf32>, tensor<2x5xi64>)
  %v, %p = cim.topk %x k 5 largest sorted : (tensor<2x10xf32>) -> (tensor<2x5xf32>, tensor<2x5xi64>)
  // CHECK: cim.topk %{{.*}} k 10 unsigned :
  %v1, %p1 = cim.topk %i k 10 unsigned : (tensor<2x10xi8>) -> (tensor<2x10xi8>, tensor<2x10xi64>)
  // CHECK: cim.nonzero %{{.*}} : (tensor<2x10xi8>) -> (tensor<2x20xi64>, tensor<i64>)
  %n, %c = cim.nonzero %i : (tensor<2x10xi8>) -> (tensor<2x20xi64>, tensor<i64>)
  // CHECK: cim.lexsort %{{.*}} unsigned : (tensor<2x10xi8>) -> tensor<2xi64>
  %o = cim.lexsort %i unsigned : (tensor<2x10xi8>) -> tensor<2xi64>
  return
}

// CHECK-LABEL: func.func @nms
func.func @nms(%b: tensor<1x6x4xf32>, %s: tensor<1x2x6xf32>, %n: tensor<i64>, %t: tensor<f32>) {
  // CHECK: cim.nms %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} score %{{.*}} limit 3 center :
  %r, %c = cim.nms %b, %s, %n, %t score %t limit 3 center
    : (tensor<1x6x4xf32>, tensor<1x2x6xf32>, tensor<i64>, tensor<f32>, tensor<f32>) -> (tensor<6x3xi64>, tensor<i64>)
  // CHECK: cim.nms %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} limit 6 :
  %r1, %c1 = cim.nms %b, %s, %n, %t limit 6
    : (tensor<1x6x4xf32>, tensor<1x2x6xf32>, tensor<i64>, tensor<f32>) -> (tensor<12x3xi64>, tensor<i64>)
  return
}

// CHECK-LABEL: func.func @scatter
func.func @scatter(%u: tensor<3x4xi32>, %i: tensor<3xi64>, %d: tensor<9x4xi32>) {
  // CHECK: cim.scatter max %{{.*}}, %{{.*}} into %{{.*}} unsigned : (tensor<3x4xi32>, tensor<3xi64>, tensor<9x4xi32>) -> tensor<9x4xi32>
  %y = cim.scatter max %u, %i into %d unsigned : (tensor<3x4xi32>, tensor<3xi64>, tensor<9x4xi32>) -> tensor<9x4xi32>
  // CHECK: cim.scatter replace %{{.*}}, %{{.*}} into %{{.*}} :
  %z = cim.scatter replace %u, %i into %d : (tensor<3x4xi32>, tensor<3xi64>, tensor<9x4xi32>) -> tensor<9x4xi32>
  return
}

//===----------------------------------------------------------------------===//
// Tile level
//===----------------------------------------------------------------------===//

// CHECK: cim.buffer input "x" : memref<4x8xi8, #cim.mem<dram>>
%x = cim.buffer input "x" : memref<4x8xi8, #cim.mem<dram>>
// CHECK: cim.buffer output "y" at 128 : memref<4x16xf32, #cim.mem<dram chip 1>>
%y = cim.buffer output "y" at 128 : memref<4x16xf32, #cim.mem<dram chip 1>>
// CHECK: cim.buffer constant "w" value dense<{{.*}}> : tensor<16x8xi8> : memref<128xi8, #cim.mem<dram>>
%w = cim.buffer constant "w" value dense<1> : tensor<16x8xi8> : memref<128xi8, #cim.mem<dram>>
// CHECK: cim.buffer resident "w.l2" : memref<128xi8, #cim.mem<l2>>
%wl2 = cim.buffer resident "w.l2" : memref<128xi8, #cim.mem<l2>>
// CHECK: cim.buffer temp "act" : memref<4x8xi8, #cim.mem<l1 core 1>>
%act = cim.buffer temp "act" : memref<4x8xi8, #cim.mem<l1 core 1>>
// CHECK: cim.buffer temp "acc" : memref<4x16xi32, #cim.mem<acc chip 1 core 0>>
%acc = cim.buffer temp "acc" : memref<4x16xi32, #cim.mem<acc chip 1 core 0>>
// CHECK: cim.buffer temp "bias" : memref<16xi32, #cim.mem<l1 core 1>>
%bias = cim.buffer temp "bias" : memref<16xi32, #cim.mem<l1 core 1>>

// CHECK: cim.kernel @scale inputs 2 outputs [f32] {
// CHECK-NEXT: ^bb0(%{{.*}}: i32, %{{.*}}: f32, %{{.*}}: f32):
cim.kernel @scale inputs 2 outputs [f32] {
^bb0(%a: i32, %m: f32, %old: f32):
  %f = arith.sitofp %a : i32 to f32
  // CHECK: cim.kernel_index 1
  %i = cim.kernel_index 1
  // CHECK: cim.kernel_gather 1[%{{.*}}] : f32
  %g = cim.kernel_gather 1 [%i] : f32
  %h = arith.mulf %f, %g : f32
  // CHECK: cim.kernel_quantize %{{.*}} scale 5.000000e-01 zero -3 range[-128, 127] : i8
  %q = cim.kernel_quantize %h scale 0.5 zero -3 range [-128, 127] : i8
  // CHECK: cim.kernel_dequantize %{{.*}} scale 5.000000e-01 zero -3 : i8
  %d = cim.kernel_dequantize %q scale 0.5 zero -3 : i8
  %e = math.exp %d : f32
  // CHECK: cim.kernel_yield %{{.*}} : f32
  cim.kernel_yield %e : f32
}

// The output is read and stored at a computed place.
// CHECK: cim.kernel @place inputs 1 outputs [f32] {
cim.kernel @place inputs 1 outputs [f32] {
^bb0(%a: f32, %old: f32):
  %i = cim.kernel_index 0
  // CHECK: cim.kernel_gather 1[%{{.*}}] : f32
  %g = cim.kernel_gather 1 [%i] : f32
  %s = arith.addf %g, %a : f32
  // CHECK: cim.kernel_yield %{{.*}} at[%{{.*}}] : f32
  cim.kernel_yield %s at [%i] : f32
}

// CHECK: cim.stage load {
cim.stage load {
  // CHECK: cim.dma_copy core 0 channel 1 %{{.*}}[0] strides [1] -> %{{.*}}[0] strides [1] sizes [128] x 1 : memref<128xi8, #cim.mem<dram>> -> memref<128xi8, #cim.mem<l2>>
  %0 = cim.dma_copy core 0 channel 1 %w [0] strides [1] -> %wl2 [0] strides [1] sizes [128] x 1
    : memref<128xi8, #cim.mem<dram>> -> memref<128xi8, #cim.mem<l2>>
}

// CHECK: cim.stage run {
cim.stage run {
  // CHECK: %[[FILL:.*]] = cim.dma_fill core 1 channel 0 -3 -> %{{.*}}[0] strides [8, 1] sizes [4, 8] x 1 : memref<4x8xi8, #cim.mem<l1 core 1>>
  %0 = cim.dma_fill core 1 channel 0 -3 -> %act [0] strides [8, 1] sizes [4, 8] x 1 : memref<4x8xi8, #cim.mem<l1 core 1>>
  // A negative stride reads backwards from the offset.
  // CHECK: %[[COPY:.*]] = cim.dma_copy core 1 channel 0 %{{.*}}[24] strides [-8, 1] -> %{{.*}}[0] strides [8, 1] sizes [4, 8] x 1 after(%[[FILL]])
  %1 = cim.dma_copy core 1 channel 0 %x [24] strides [-8, 1] -> %act [0] strides [8, 1] sizes [4, 8] x 1 after (%0)
    : memref<4x8xi8, #cim.mem<dram>> -> memref<4x8xi8, #cim.mem<l1 core 1>>
  // CHECK: %[[WRITE:.*]] = cim.write_weights core 1 planes %{{.*}}[0] strides [0, 0] -> set 2 at [0, 16] shape [8, 16] copies [1, 1, 0, 0] planes 8 block 0 masks [255] : memref<128xi8, #cim.mem<l2>>
  %2 = cim.write_weights core 1 planes %wl2 [0] strides [0, 0] -> set 2 at [0, 16] shape [8, 16] copies [1, 1, 0, 0] planes 8 block 0 masks [255]
    : memref<128xi8, #cim.mem<l2>>
  // CHECK: %[[MAC:.*]] = cim.mac core 1 %{{.*}}[0] m [4] strides [8] k [8] strides [1] set 2 at [0, 16] shape [8, 16] copies 1 -> bias %{{.*}}[0] stride 64 bias %{{.*}} bias_offset 0 after(%[[COPY]], %[[WRITE]]) : memref<4x8xi8, #cim.mem<l1 core 1>>, memref<4x16xi32, #cim.mem<acc chip 1 core 0>>, memref<16xi32, #cim.mem<l1 core 1>>
  %3 = cim.mac core 1 %act [0] m [4] strides [8] k [8] strides [1] set 2 at [0, 16] shape [8, 16] copies 1 -> bias %acc [0] stride 64 bias %bias bias_offset 0 after (%1, %2)
    : memref<4x8xi8, #cim.mem<l1 core 1>>, memref<4x16xi32, #cim.mem<acc chip 1 core 0>>, memref<16xi32, #cim.mem<l1 core 1>>
  // CHECK: cim.mac {{.*}} -> accumulate %{{.*}}[0] stride 64 bias_offset 0 after(%[[MAC]])
  %4 = cim.mac core 1 %act [0] m [4] strides [8] k [2, 4] strides [4, 1] set 2 at [0, 16] shape [8, 16] copies 1 -> accumulate %acc [0] stride 64 bias_offset 0 after (%3)
    : memref<4x8xi8, #cim.mem<l1 core 1>>, memref<4x16xi32, #cim.mem<acc chip 1 core 0>>
  // CHECK: cim.vector core 1 @scale(%{{.*}}, %{{.*}}, %{{.*}}) loops [4, 16] reductions [] index_base [0, 0] offsets [0, 0, 0] strides [array<i64: 64, 4>, array<i64: 0, 4>, array<i64: 64, 4>] gathers [array<i64>, array<i64: 16, 4>, array<i64>] after(%{{.*}})
  %5 = cim.vector core 1 @scale(%acc, %bias, %y) loops [4, 16] reductions [] index_base [0, 0] offsets [0, 0, 0]
    strides [array<i64: 64, 4>, array<i64: 0, 4>, array<i64: 64, 4>] gathers [array<i64>, array<i64: 16, 4>, array<i64>] after (%4)
    : (memref<4x16xi32, #cim.mem<acc chip 1 core 0>>, memref<16xi32, #cim.mem<l1 core 1>>, memref<4x16xf32, #cim.mem<dram chip 1>>)
  // CHECK: cim.ctrl core 1 lexsort(%{{.*}}, %{{.*}}) inputs 1 params [1, 4, 8] offsets [0, 64] strides [array<i64: 8, 1>, array<i64: 8>] after(%{{.*}}) : (memref<4x8xi8, #cim.mem<l1 core 1>>, memref<4x16xf32, #cim.mem<dram chip 1>>)
  %6 = cim.ctrl core 1 lexsort(%act, %y) inputs 1 params [1, 4, 8] offsets [0, 64] strides [array<i64: 8, 1>, array<i64: 8>] after (%5)
    : (memref<4x8xi8, #cim.mem<l1 core 1>>, memref<4x16xf32, #cim.mem<dram chip 1>>)
}

// CHECK: func.func private @token(!cim.token)
func.func private @token(!cim.token)
