// Divisions by constants become multiplications where nobody can tell.
// RUN: cim-opt %s --cim-replace-divisions --split-input-file | FileCheck %s

// Powers of two are exact, whatever follows.
// CHECK-LABEL: @exact
// CHECK: %[[EIGHTH:.*]] = arith.constant 1.250000e-01 : f32
// CHECK: %[[Q:.*]] = arith.mulf %{{.*}}, %[[EIGHTH]]
// CHECK-NOT: arith.divf
// CHECK: math.floor %[[Q]]
#map = affine_map<(i) -> (i)>
func.func @exact(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.constant 8.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %a = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel"]}
      ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) {
  ^bb0(%p: f32, %o: f32):
    %q = arith.divf %p, %c : f32
    %r = math.floor %q : f32
    linalg.yield %r : f32
  } -> tensor<4xf32>
  return %a : tensor<4xf32>
}

// -----

// Other constants: through elementary functions and other generics, yes.
// CHECK-LABEL: @smooth
// CHECK: arith.constant 0.333333343 : f32
// CHECK: arith.mulf
// CHECK: math.erf
// CHECK-NOT: arith.divf
#map = affine_map<(i) -> (i)>
func.func @smooth(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.constant 3.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %a = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel"]}
      ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) {
  ^bb0(%p: f32, %o: f32):
    %q = arith.divf %p, %c : f32
    linalg.yield %q : f32
  } -> tensor<4xf32>
  %b = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel"]}
      ins(%a : tensor<4xf32>) outs(%e : tensor<4xf32>) {
  ^bb0(%p: f32, %o: f32):
    %q = math.erf %p : f32
    linalg.yield %q : f32
  } -> tensor<4xf32>
  return %b : tensor<4xf32>
}

// -----

// 9 / 3 is 3 and its floor too; 9 * (1 / 3) might fall short of it. Neither
// does a comparison survive, nor a divisor whose reciprocal is subnormal.
// CHECK-LABEL: @rounded
// CHECK: arith.divf
// CHECK: math.floor
// CHECK-LABEL: @compared
// CHECK: arith.divf
// CHECK: arith.cmpf
// CHECK-LABEL: @huge
// CHECK: arith.divf
#map = affine_map<(i) -> (i)>
func.func @rounded(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.constant 3.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %a = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel"]}
      ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) {
  ^bb0(%p: f32, %o: f32):
    %q = arith.divf %p, %c : f32
    %r = math.floor %q : f32
    linalg.yield %r : f32
  } -> tensor<4xf32>
  return %a : tensor<4xf32>
}

func.func @compared(%x: tensor<4xf32>) -> tensor<4xi1> {
  %c = arith.constant 3.0 : f32
  %e = tensor.empty() : tensor<4xi1>
  %a = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel"]}
      ins(%x : tensor<4xf32>) outs(%e : tensor<4xi1>) {
  ^bb0(%p: f32, %o: i1):
    %q = arith.divf %p, %c : f32
    %r = arith.cmpf oge, %q, %c : f32
    linalg.yield %r : i1
  } -> tensor<4xi1>
  return %a : tensor<4xi1>
}

func.func @huge(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.constant 3.0e38 : f32
  %e = tensor.empty() : tensor<4xf32>
  %a = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel"]}
      ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) {
  ^bb0(%p: f32, %o: f32):
    %q = arith.divf %p, %c : f32
    linalg.yield %q : f32
  } -> tensor<4xf32>
  return %a : tensor<4xf32>
}
