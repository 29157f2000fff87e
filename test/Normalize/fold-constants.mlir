// What depends on constants only is computed, unless the result would be much
// bigger than its sources; what cannot be computed is left to fail when it runs.
// RUN: cim-opt %s --cim-fold-constants --canonicalize --split-input-file \
// RUN:   | FileCheck %s

// CHECK-LABEL: @chain
// CHECK-NEXT: %[[C:.*]] = arith.constant dense<{{\[\[}}2.100000e+01, 2.400000e+01, 2.700000e+01]]> : tensor<1x3xf32>
// CHECK-NEXT: return %[[C]]
func.func @chain() -> tensor<1x3xf32> {
  %x = arith.constant dense<[[1, 2], [3, 4], [5, 6]]> : tensor<3x2xi32>
  %e = tensor.empty() : tensor<2x3xi32>
  %t = linalg.transpose ins(%x : tensor<3x2xi32>) outs(%e : tensor<2x3xi32>)
      permutation = [1, 0]
  %zero = arith.constant 10.0 : f32
  %f = tensor.empty() : tensor<3xf32>
  %i = linalg.fill ins(%zero : f32) outs(%f : tensor<3xf32>) -> tensor<3xf32>
  %s = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i)>],
      iterator_types = ["parallel", "reduction"]}
      ins(%t : tensor<2x3xi32>) outs(%i : tensor<3xf32>) {
  ^bb0(%a: i32, %o: f32):
    %b = arith.sitofp %a : i32 to f32
    %c = arith.addf %o, %b : f32
    linalg.yield %c : f32
  } -> tensor<3xf32>
  %c = arith.constant dense<[8.0, 7.0, 6.0]> : tensor<3xf32>
  %u = linalg.generic {
      indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>,
                       affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}
      ins(%s, %c : tensor<3xf32>, tensor<3xf32>) outs(%f : tensor<3xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.addf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<3xf32>
  %r = tensor.expand_shape %u [[0, 1]] output_shape [1, 3]
      : tensor<3xf32> into tensor<1x3xf32>
  return %r : tensor<1x3xf32>
}

// -----

// CHECK-LABEL: @indices
// CHECK: arith.constant dense<[0, 1, 2, 3]> : tensor<4xi64>
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @indices() -> tensor<4xi64> {
  %e = tensor.empty() : tensor<4xi64>
  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>],
                       iterator_types = ["parallel"]} outs(%e : tensor<4xi64>) {
  ^bb0(%o: i64):
    %i = linalg.index 0 : index
    %k = arith.index_cast %i : index to i64
    linalg.yield %k : i64
  } -> tensor<4xi64>
  return %r : tensor<4xi64>
}

// -----

// A row broadcast to megabytes stays an op.
// CHECK-LABEL: @broadcast
// CHECK: linalg.generic
func.func @broadcast() -> tensor<1000x1000xf32> {
  %x = arith.constant dense<2.0> : tensor<1000xf32>
  %e = tensor.empty() : tensor<1000x1000xf32>
  %r = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<1000xf32>) outs(%e : tensor<1000x1000xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %a, %a : f32
    linalg.yield %r : f32
  } -> tensor<1000x1000xf32>
  return %r : tensor<1000x1000xf32>
}

// -----

// CHECK-LABEL: @outside
// CHECK: tensor.extract
func.func @outside() -> tensor<2xf32> {
  %x = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %i = arith.constant dense<[0, 2]> : tensor<2xindex>
  %e = tensor.empty() : tensor<2xf32>
  %r = linalg.generic {
      indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}
      ins(%i : tensor<2xindex>) outs(%e : tensor<2xf32>) {
  ^bb0(%a: index, %o: f32):
    %v = tensor.extract %x[%a] : tensor<2xf32>
    linalg.yield %v : f32
  } -> tensor<2xf32>
  return %r : tensor<2xf32>
}
