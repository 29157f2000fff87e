// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt %s --cim-expand-float-macs | FileCheck %s

// fp32 MACs without a mantissa are loops of the vector unit, with the reduction
// order of conv_c6; the others stay.

// CHECK-DAG: #[[IN:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d2 * 2 + d5, d3 + d6 * 2)>
// CHECK-DAG: #[[W:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d1, d4, d5, d6)>
// CHECK-DAG: #[[OUT:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d1, d2, d3)>
// CHECK-LABEL: func.func @conv
// CHECK: %[[ZERO:.*]] = arith.constant 0.0
// CHECK: %[[P:.*]] = tensor.pad %arg0 low[0, 0, 1, 0] high[0, 0, 0, 2]
// CHECK: tensor.yield %[[ZERO]] : f32
// CHECK: %[[B:.*]] = linalg.generic {{.*}} ins(%arg2 : tensor<4xf32>)
// CHECK: linalg.generic {indexing_maps = [#[[IN]], #[[W]], #[[OUT]]], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]} ins(%[[P]], %arg1 : {{.*}}) outs(%[[B]]
// CHECK: %[[M:.*]] = arith.mulf
// CHECK: arith.addf %{{.*}}, %[[M]]
// CHECK-NOT: cim.conv
func.func @conv(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>, %b: tensor<4xf32>) -> tensor<1x4x4x6xf32> {
  %y = cim.conv %x, %w bias %b strides [2, 1] pads [1, 0, 0, 2] dilations [1, 2] : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>, tensor<4xf32>) -> tensor<1x4x4x6xf32>
  return %y : tensor<1x4x4x6xf32>
}

// Groups are a loop of their own.
// CHECK-LABEL: func.func @grouped
// CHECK-NOT: tensor.pad
// CHECK: tensor.expand_shape %arg0 {{\[}}[0], [1, 2], [3]] {{.*}} into tensor<1x2x3x5xf32>
// CHECK: tensor.expand_shape %arg1 {{\[}}[0, 1], [2], [3]] {{.*}} into tensor<2x2x3x3xf32>
// CHECK: linalg.fill
// CHECK: iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]
// CHECK: tensor.collapse_shape %{{.*}} {{\[}}[0], [1, 2], [3]] : tensor<1x2x2x3xf32> into tensor<1x4x3xf32>
func.func @grouped(%x: tensor<1x6x5xf32>, %w: tensor<4x3x3xf32>) -> tensor<1x4x3xf32> {
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] groups 2 : (tensor<1x6x5xf32>, tensor<4x3x3xf32>) -> tensor<1x4x3xf32>
  return %y : tensor<1x4x3xf32>
}

// f16 operands are widened, summed in fp32 and rounded once at the end.
// CHECK-LABEL: func.func @matmul_f16
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "reduction"]
// CHECK-COUNT-2: arith.extf
// CHECK: arith.mulf {{.*}} : f32
// CHECK: arith.addf {{.*}} : f32
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel"]
// CHECK: arith.truncf %{{.*}} : f32 to f16
func.func @matmul_f16(%a: tensor<2x4x8xf16>, %b: tensor<2x8x3xf16>) -> tensor<2x4x3xf16> {
  %y = cim.matmul %a, %b : (tensor<2x4x8xf16>, tensor<2x8x3xf16>) -> tensor<2x4x3xf16>
  return %y : tensor<2x4x3xf16>
}

// CHECK-LABEL: func.func @others
// CHECK: cim.matmul {{.*}} mantissa 12
// CHECK: cim.matmul {{.*}} requantize
func.func @others(%a: tensor<4x8xf32>, %b: tensor<8x3xf32>, %q: tensor<4x8x!quant.uniform<i8:f32, 0.5>>, %w: tensor<8x3xi8>, %m: tensor<3xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  %y = cim.matmul %a, %b mantissa 12 : (tensor<4x8xf32>, tensor<8x3xf32>) -> tensor<4x3xf32>
  %z = cim.matmul %q, %w requantize %m : (tensor<4x8x!quant.uniform<i8:f32, 0.5>>, tensor<8x3xi8>, tensor<3xf32>) -> tensor<4x3xf32>
  return %y, %z : tensor<4x3xf32>, tensor<4x3xf32>
}
