// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt %s --cim-split | FileCheck %s --implicit-check-not=cim.region
// RUN: cim-opt %s --cim-split=fuse=false | FileCheck %s --check-prefix=NOFUSE

// What becomes one region, and what must not.

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>
#turned = affine_map<(d0, d1) -> (d1, d0)>
#first = affine_map<(d0, d1) -> (d0)>

// A MAC op, a residual, an activation: one region named after the MAC's node.
// CHECK: module attributes {cim.phase = "split"}
// CHECK-LABEL: func.func @fused
// CHECK: %[[R:.*]] = cim.region "fc"(%{{.*}}, %{{.*}}, %{{.*}}) : (tensor<16x32xf32>, tensor<32x8xf32>, tensor<16x8xf32>) -> tensor<16x8xf32> {
// CHECK: cim.matmul
// CHECK: arith.addf
// CHECK: arith.maximumf
// CHECK: cim.yield %{{.*}} : tensor<16x8xf32>
// CHECK: return %[[R]]
// NOFUSE-LABEL: func.func @fused
// NOFUSE-COUNT-3: cim.region
// NOFUSE: return
func.func @fused(%x: tensor<16x32xf32>, %w: tensor<32x8xf32>, %r: tensor<16x8xf32>) -> tensor<16x8xf32> {
  %y = cim.matmul %x, %w mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> loc("fc")
  %e = tensor.empty() : tensor<16x8xf32>
  %z = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%y, %r : tensor<16x8xf32>, tensor<16x8xf32>) outs(%e : tensor<16x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<16x8xf32>
  %zero = arith.constant 0.0 : f32
  %z2 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%z : tensor<16x8xf32>) outs(%e : tensor<16x8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.maximumf %a, %zero : f32
    linalg.yield %s : f32
  } -> tensor<16x8xf32>
  return %z2 : tensor<16x8xf32>
}

// A second user keeps the value: the epilogue has a region of its own.
// CHECK-LABEL: func.func @two_users
// CHECK: %[[Y:.*]] = cim.region "fc"
// CHECK: cim.matmul
// CHECK-NEXT: cim.yield
// CHECK: %[[Z:.*]] = cim.region "relu"(%[[Y]])
// CHECK: return %[[Y]], %[[Z]]
func.func @two_users(%x: tensor<16x32xf32>, %w: tensor<32x8xf32>) -> (tensor<16x8xf32>, tensor<16x8xf32>) {
  %y = cim.matmul %x, %w mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> loc("fc")
  %e = tensor.empty() : tensor<16x8xf32>
  %z = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%y : tensor<16x8xf32>) outs(%e : tensor<16x8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.maximumf %a, %a : f32
    linalg.yield %s : f32
  } -> tensor<16x8xf32> loc("relu")
  return %y, %z : tensor<16x8xf32>, tensor<16x8xf32>
}

// Reading the MAC's result in another order is not elementwise.
// CHECK-LABEL: func.func @transposed
// CHECK: cim.region "fc"
// CHECK: cim.matmul
// CHECK-NEXT: cim.yield
// CHECK: cim.region "turn"
func.func @transposed(%x: tensor<8x32xf32>, %w: tensor<32x8xf32>) -> tensor<8x8xf32> {
  %y = cim.matmul %x, %w mantissa 12 : (tensor<8x32xf32>, tensor<32x8xf32>) -> tensor<8x8xf32> loc("fc")
  %e = tensor.empty() : tensor<8x8xf32>
  %z = linalg.generic {indexing_maps = [#turned, #id], iterator_types = ["parallel", "parallel"]} ins(%y : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.negf %a : f32
    linalg.yield %s : f32
  } -> tensor<8x8xf32> loc("turn")
  return %z : tensor<8x8xf32>
}

// A reduction needs whole rows; its start value goes with it, once per user.
// CHECK-LABEL: func.func @reductions
// CHECK: cim.region "fc"
// CHECK: cim.matmul
// CHECK-NEXT: cim.yield
// CHECK: cim.region "sum"
// CHECK: linalg.fill
// CHECK: linalg.generic
// CHECK: cim.region "sum#1"
// CHECK: linalg.fill
// CHECK: linalg.generic
func.func @reductions(%x: tensor<16x32xf32>, %w: tensor<32x8xf32>) -> (tensor<16xf32>, tensor<16xf32>) {
  %y = cim.matmul %x, %w mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> loc("fc")
  %e = tensor.empty() : tensor<16xf32>
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<16xf32>) -> tensor<16xf32> loc("sum")
  %a = linalg.generic {indexing_maps = [#id, #first], iterator_types = ["parallel", "reduction"]} ins(%y : tensor<16x8xf32>) outs(%f : tensor<16xf32>) {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %o, %v : f32
    linalg.yield %s : f32
  } -> tensor<16xf32> loc("sum")
  %b = linalg.generic {indexing_maps = [#id, #first], iterator_types = ["parallel", "reduction"]} ins(%y : tensor<16x8xf32>) outs(%f : tensor<16xf32>) {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %v, %o : f32
    linalg.yield %s : f32
  } -> tensor<16xf32> loc("sum")
  return %a, %b : tensor<16xf32>, tensor<16xf32>
}

// Indices of the whole tensor are not those of a tile.
// CHECK-LABEL: func.func @index
// CHECK: cim.region "fc"
// CHECK: cim.matmul
// CHECK-NEXT: cim.yield
// CHECK: cim.region "mask"
// CHECK: linalg.index
func.func @index(%x: tensor<16x32xf32>, %w: tensor<32x8xf32>) -> tensor<16x8xf32> {
  %y = cim.matmul %x, %w mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> loc("fc")
  %e = tensor.empty() : tensor<16x8xf32>
  %z = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%y : tensor<16x8xf32>) outs(%e : tensor<16x8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %c = arith.cmpi sge, %i, %j : index
    %s = arith.select %c, %a, %o : f32
    linalg.yield %s : f32
  } -> tensor<16x8xf32> loc("mask")
  return %z : tensor<16x8xf32>
}

// Two MAC ops are two regions, of different names; what only renames stays
// outside.
// CHECK-LABEL: func.func @two_macs
// CHECK: %[[A:.*]] = cim.region "fc"
// CHECK: %[[C:.*]] = tensor.collapse_shape %[[A]]
// CHECK: %[[E:.*]] = tensor.expand_shape %[[C]]
// CHECK: cim.region "fc#1"(%[[E]]
func.func @two_macs(%x: tensor<16x32xf32>, %w: tensor<32x32xf32>) -> tensor<16x32xf32> {
  %y = cim.matmul %x, %w mantissa 12 : (tensor<16x32xf32>, tensor<32x32xf32>) -> tensor<16x32xf32> loc("fc")
  %c = tensor.collapse_shape %y [[0, 1]] : tensor<16x32xf32> into tensor<512xf32>
  %e = tensor.expand_shape %c [[0, 1]] output_shape [16, 32] : tensor<512xf32> into tensor<16x32xf32>
  %z = cim.matmul %e, %w mantissa 12 : (tensor<16x32xf32>, tensor<32x32xf32>) -> tensor<16x32xf32> loc("fc")
  return %z : tensor<16x32xf32>
}

// Moves of data are work too.
// CHECK-LABEL: func.func @moves
// CHECK: cim.region "pad"
// CHECK: tensor.pad
// CHECK: cim.region "concat"
// CHECK: tensor.concat
func.func @moves(%x: tensor<4x4xf32>, %y: tensor<6x4xf32>) -> tensor<12x4xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %x low[1, 0] high[1, 0] {
  ^bb0(%i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<4x4xf32> to tensor<6x4xf32>
  %c = tensor.concat dim(0) %p, %y : (tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<12x4xf32>
  return %c : tensor<12x4xf32>
}

// A chain over rows, from a shared start value, is one region under the name of
// its first op; it yields what others read.
// CHECK-LABEL: func.func @rows
// CHECK: %[[R:.*]]:2 = cim.region "sum"(%{{.*}}) : (tensor<16x32xf32>) -> (tensor<16xf32>, tensor<16x32xf32>) {
// CHECK: linalg.fill
// CHECK: arith.addf
// CHECK: arith.subf
// CHECK: cim.yield
// CHECK: return %[[R]]#0, %[[R]]#1
// NOFUSE-LABEL: func.func @rows
// NOFUSE-COUNT-2: cim.region
// NOFUSE: return
func.func @rows(%x: tensor<16x32xf32>) -> (tensor<16xf32>, tensor<16x32xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<16xf32>) -> tensor<16xf32> loc("elsewhere")
  %s = linalg.generic {indexing_maps = [#id, #first], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<16x32xf32>) outs(%f : tensor<16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %t = arith.addf %o, %a : f32
    linalg.yield %t : f32
  } -> tensor<16xf32> loc("sum")
  %e2 = tensor.empty() : tensor<16x32xf32>
  %d = linalg.generic {indexing_maps = [#id, #first, #id], iterator_types = ["parallel", "parallel"]} ins(%x, %s : tensor<16x32xf32>, tensor<16xf32>) outs(%e2 : tensor<16x32xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = arith.subf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<16x32xf32> loc("difference")
  return %s, %d : tensor<16xf32>, tensor<16x32xf32>
}

// Columns of one op are not rows of the next; and what is computed in between
// keeps a chain apart.
// CHECK-LABEL: func.func @columns
// CHECK: cim.region "sum"
// CHECK: cim.region "difference"
// CHECK: return
func.func @columns(%x: tensor<16x16xf32>) -> tensor<16x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<16xf32>) -> tensor<16xf32>
  %s = linalg.generic {indexing_maps = [#id, #first], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<16x16xf32>) outs(%f : tensor<16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %t = arith.addf %o, %a : f32
    linalg.yield %t : f32
  } -> tensor<16xf32> loc("sum")
  %e2 = tensor.empty() : tensor<16x16xf32>
  %d = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]} ins(%x, %s : tensor<16x16xf32>, tensor<16xf32>) outs(%e2 : tensor<16x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = arith.subf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<16x16xf32> loc("difference")
  return %d : tensor<16x16xf32>
}

// CHECK-LABEL: func.func @between
// CHECK: cim.region "sum"
// CHECK: cim.region "fc"
// CHECK: cim.region "difference"
// CHECK: return
func.func @between(%x: tensor<16x32xf32>, %w: tensor<32x32xf32>) -> tensor<16x32xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<16xf32>) -> tensor<16xf32>
  %s = linalg.generic {indexing_maps = [#id, #first], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<16x32xf32>) outs(%f : tensor<16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %t = arith.addf %o, %a : f32
    linalg.yield %t : f32
  } -> tensor<16xf32> loc("sum")
  %y = cim.matmul %x, %w mantissa 12 : (tensor<16x32xf32>, tensor<32x32xf32>) -> tensor<16x32xf32> loc("fc")
  %t0 = tensor.empty() : tensor<32x16xf32>
  %p = linalg.transpose ins(%y : tensor<16x32xf32>) outs(%t0 : tensor<32x16xf32>) permutation = [1, 0]
  %e2 = tensor.empty() : tensor<16x32xf32>
  %d = linalg.generic {indexing_maps = [#turned, #first, #id], iterator_types = ["parallel", "parallel"]} ins(%p, %s : tensor<32x16xf32>, tensor<16xf32>) outs(%e2 : tensor<16x32xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = arith.subf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<16x32xf32> loc("difference")
  return %d : tensor<16x32xf32>
}
