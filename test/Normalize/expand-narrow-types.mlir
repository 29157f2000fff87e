// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt --cim-expand-narrow-types %s | FileCheck %s
//
// What the arithmetic computes: test/python/test_narrow_types.py.

#map = affine_map<(d0) -> (d0)>

// Codes of floats are bytes without sign.
// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[X:.*]]: tensor<4xi8> {cim.name = "x", cim.unsigned}
// CHECK-SAME: -> (tensor<4xf32>, tensor<2xi8> {cim.unsigned})
// CHECK-NOT: f8E4M3FN
func.func @main(%x: tensor<4xf8E4M3FN> {cim.name = "x"})
    -> (tensor<4xf32>, tensor<2xf8E4M3FN>) {
  // CHECK: linalg.generic {{.*}} ins(%[[X]] : tensor<4xi8>)
  // CHECK: arith.extui %{{.*}} : i8 to i32
  // CHECK: arith.bitcast %{{.*}} : i32 to f32
  %e = tensor.empty() : tensor<4xf32>
  %y = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%x : tensor<4xf8E4M3FN>) outs(%e : tensor<4xf32>) {
  ^bb0(%in: f8E4M3FN, %out: f32):
    %0 = arith.extf %in : f8E4M3FN to f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  // CHECK: tensor.extract_slice %[[X]][1] [2] [1] : tensor<4xi8> to tensor<2xi8>
  %s = tensor.extract_slice %x[1] [2] [1] : tensor<4xf8E4M3FN> to tensor<2xf8E4M3FN>
  return %y, %s : tensor<4xf32>, tensor<2xf8E4M3FN>
}

// Values are wrapped where they are read and made; unsigned results are 0 to 15.
// CHECK-LABEL: func.func @integers
// CHECK-SAME: -> (tensor<4xi8> {cim.unsigned})
// CHECK: arith.constant dense<{{.*}}> : tensor<4xi8>
// CHECK: arith.addi %{{.*}}, %{{.*}} : i8
// CHECK: %[[S:.*]] = arith.shli %{{.*}}, %{{.*}} : i8
// CHECK: arith.shrsi %[[S]], %{{.*}} : i8
// CHECK: linalg.generic
// CHECK: arith.andi %{{.*}}, %{{.*}} : i8
func.func @integers() -> (tensor<4xi4> {cim.unsigned}) {
  %x = arith.constant dense<[-8, -1, 0, 7]> : tensor<4xi4>
  %e = tensor.empty() : tensor<4xi4>
  %y = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%x : tensor<4xi4>) outs(%e : tensor<4xi4>) {
  ^bb0(%in: i4, %out: i4):
    %0 = arith.addi %in, %in : i4
    linalg.yield %0 : i4
  } -> tensor<4xi4>
  return %y : tensor<4xi4>
}
