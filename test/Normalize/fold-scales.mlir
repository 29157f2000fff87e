// Per-channel affine functions around MAC ops become weights and bias. Values
// are small integers: folding is exact and the interpreter sees no difference.
// RUN: split-file %s %t
// RUN: cim-opt %t/after.mlir --canonicalize --cim-fold-scales --canonicalize \
// RUN:   | FileCheck %s --check-prefix=AFTER
// RUN: cim-opt %t/before.mlir --cim-fold-scales --canonicalize \
// RUN:   | FileCheck %s --check-prefix=BEFORE
// RUN: cim-opt %t/kept.mlir --cim-fold-scales --canonicalize \
// RUN:   | FileCheck %s --check-prefix=KEPT
// RUN: cim-opt %t/after.mlir --mlir-print-debuginfo --mlir-print-local-scope \
// RUN:   --cim-fold-scales | FileCheck %s --check-prefix=LOC

//--- after.mlir
// (y * s[c] + t[c]) - 1, then / 2: weights 1, 2 times s / 2; bias
// (b * s + t - 1) / 2.
// AFTER-LABEL: @conv
// AFTER-DAG: %[[W:.*]] = arith.constant dense<{{\[\[\[}}2.000000e+00]], {{\[\[}}8.000000e+00]]]> : tensor<2x1x1xf32>
// AFTER-DAG: %[[B:.*]] = arith.constant dense<[3.000000e+00, 6.000000e+00]> : tensor<2xf32>
// AFTER: %[[Y:.*]] = cim.conv %{{.*}}, %[[W]] bias %[[B]]
// AFTER-NEXT: return %[[Y]]
// LOC: cim.conv {{.*}} loc(fused["conv", "norm", "half"])
#map = affine_map<(n, c, i) -> (n, c, i)>
#channel = affine_map<(n, c, i) -> (c)>
#row = affine_map<(n, c, i) -> (0, c, 0)>
func.func @conv(%x: tensor<1x1x5xf32>) -> tensor<1x2x5xf32> {
  %w = arith.constant dense<[[[1.0]], [[2.0]]]> : tensor<2x1x1xf32>
  %b = arith.constant dense<[1.0, 1.0]> : tensor<2xf32>
  %s = arith.constant dense<[4.0, 8.0]> : tensor<2xf32>
  %t = arith.constant dense<[[[3.0], [5.0]]]> : tensor<1x2x1xf32>
  %e = tensor.empty() : tensor<1x2x5xf32>
  %y = cim.conv %x, %w bias %b strides [1] pads [0, 0] dilations [1]
      : (tensor<1x1x5xf32>, tensor<2x1x1xf32>, tensor<2xf32>)
      -> tensor<1x2x5xf32> loc("conv")
  %z = linalg.generic {indexing_maps = [#channel, #map, #row, #map],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%s, %y, %t : tensor<2xf32>, tensor<1x2x5xf32>, tensor<1x2x1xf32>)
      outs(%e : tensor<1x2x5xf32>) {
  ^bb0(%sc: f32, %a: f32, %tc: f32, %o: f32):
    %one = arith.constant 1.0 : f32
    %p = arith.mulf %sc, %a : f32
    %q = arith.addf %p, %tc : f32
    %r = arith.subf %q, %one : f32
    linalg.yield %r : f32
  } -> tensor<1x2x5xf32> loc("norm")
  %two = arith.constant 2.0 : f32
  %h = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%z : tensor<1x2x5xf32>) outs(%e : tensor<1x2x5xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.divf %a, %two : f32
    linalg.yield %r : f32
  } -> tensor<1x2x5xf32> loc("half")
  return %h : tensor<1x2x5xf32>
}

//--- before.mlir
// Two steps in front of a matrix product: 2 * (x - k) moves into it.
// BEFORE-LABEL: @matmul
// BEFORE-DAG: %[[W:.*]] = arith.constant dense<{{\[\[}}2.000000e+00, 4.000000e+00], [6.000000e+00, 8.000000e+00]]> : tensor<2x2xf32>
// BEFORE-DAG: %[[B:.*]] = arith.constant dense<[-3.200000e+01, -4.400000e+01]> : tensor<2xf32>
// BEFORE: cim.matmul %arg0, %[[W]] bias %[[B]]
// BEFORE-NEXT: return
#map = affine_map<(i, j) -> (i, j)>
#last = affine_map<(i, j) -> (j)>
func.func @matmul(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %k = arith.constant dense<[1.0, 5.0]> : tensor<2xf32>
  %w = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %e = tensor.empty() : tensor<3x2xf32>
  %c = linalg.generic {indexing_maps = [#map, #last, #map],
                       iterator_types = ["parallel", "parallel"]}
      ins(%x, %k : tensor<3x2xf32>, tensor<2xf32>) outs(%e : tensor<3x2xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.subf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<3x2xf32>
  %d = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel", "parallel"]}
      ins(%c : tensor<3x2xf32>) outs(%e : tensor<3x2xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %a, %a : f32
    linalg.yield %r : f32
  } -> tensor<3x2xf32>
  %y = cim.matmul %d, %w
      : (tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

//--- kept.mlir
// An offset cannot pass zero padding; a scale can.
// KEPT-LABEL: @padded
// KEPT: linalg.generic
// KEPT: arith.addf
// KEPT: cim.conv
// KEPT-LABEL: @padded_scale
// KEPT-NOT: linalg.generic
// KEPT: cim.conv
// KEPT-LABEL: @square
// KEPT: cim.conv
// KEPT: arith.mulf
// KEPT-LABEL: @shared
// KEPT: cim.conv
// KEPT: arith.addf
// KEPT-LABEL: @per_position
// KEPT: cim.conv
// KEPT: arith.addf
#map = affine_map<(n, c, i) -> (n, c, i)>
#place = affine_map<(n, c, i) -> (i)>
func.func @padded(%x: tensor<1x1x5xf32>) -> tensor<1x1x5xf32> {
  %w = arith.constant dense<1.0> : tensor<1x1x3xf32>
  %e = tensor.empty() : tensor<1x1x5xf32>
  %k = arith.constant 1.0 : f32
  %s = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<1x1x5xf32>) outs(%e : tensor<1x1x5xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %a, %k : f32
    linalg.yield %r : f32
  } -> tensor<1x1x5xf32>
  %y = cim.conv %s, %w strides [1] pads [1, 1] dilations [1]
      : (tensor<1x1x5xf32>, tensor<1x1x3xf32>) -> tensor<1x1x5xf32>
  return %y : tensor<1x1x5xf32>
}
func.func @padded_scale(%x: tensor<1x1x5xf32>) -> tensor<1x1x5xf32> {
  %w = arith.constant dense<1.0> : tensor<1x1x3xf32>
  %e = tensor.empty() : tensor<1x1x5xf32>
  %k = arith.constant 3.0 : f32
  %s = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<1x1x5xf32>) outs(%e : tensor<1x1x5xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.mulf %a, %k : f32
    linalg.yield %r : f32
  } -> tensor<1x1x5xf32>
  %y = cim.conv %s, %w strides [1] pads [1, 1] dilations [1]
      : (tensor<1x1x5xf32>, tensor<1x1x3xf32>) -> tensor<1x1x5xf32>
  return %y : tensor<1x1x5xf32>
}
func.func @square(%x: tensor<1x1x5xf32>) -> tensor<1x1x5xf32> {
  %w = arith.constant dense<1.0> : tensor<1x1x1xf32>
  %e = tensor.empty() : tensor<1x1x5xf32>
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1]
      : (tensor<1x1x5xf32>, tensor<1x1x1xf32>) -> tensor<1x1x5xf32>
  %s = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%y : tensor<1x1x5xf32>) outs(%e : tensor<1x1x5xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.mulf %a, %a : f32
    linalg.yield %r : f32
  } -> tensor<1x1x5xf32>
  return %s : tensor<1x1x5xf32>
}
func.func @shared(%x: tensor<1x1x5xf32>)
    -> (tensor<1x1x5xf32>, tensor<1x1x5xf32>) {
  %w = arith.constant dense<1.0> : tensor<1x1x1xf32>
  %e = tensor.empty() : tensor<1x1x5xf32>
  %k = arith.constant 1.0 : f32
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1]
      : (tensor<1x1x5xf32>, tensor<1x1x1xf32>) -> tensor<1x1x5xf32>
  %s = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%y : tensor<1x1x5xf32>) outs(%e : tensor<1x1x5xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %a, %k : f32
    linalg.yield %r : f32
  } -> tensor<1x1x5xf32>
  return %y, %s : tensor<1x1x5xf32>, tensor<1x1x5xf32>
}
func.func @per_position(%x: tensor<1x1x5xf32>) -> tensor<1x1x5xf32> {
  %w = arith.constant dense<1.0> : tensor<1x1x1xf32>
  %p = arith.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0]> : tensor<5xf32>
  %e = tensor.empty() : tensor<1x1x5xf32>
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1]
      : (tensor<1x1x5xf32>, tensor<1x1x1xf32>) -> tensor<1x1x5xf32>
  %s = linalg.generic {indexing_maps = [#map, #place, #map],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%y, %p : tensor<1x1x5xf32>, tensor<5xf32>)
      outs(%e : tensor<1x1x5xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.addf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<1x1x5xf32>
  return %s : tensor<1x1x5xf32>
}
