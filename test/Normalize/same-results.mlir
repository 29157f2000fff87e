// The phase changes no result here: all values are small integers, so that no
// rounding hides a difference. A grouped convolution with scales on both sides
// and dequantized weights; a product with transposed weights and a bias.
// RUN: cim-interp %s --print > %t.import
// RUN: cim-opt %s --cim-normalize -o %t.mlir
// RUN: cim-interp %t.mlir --print > %t.normalize
// RUN: diff %t.import %t.normalize
// RUN: FileCheck %s --input-file=%t.mlir
// RUN: FileCheck %s --input-file=%t.import --check-prefix=VALUES

// u[0] = -2 -1 0 1 2, u[1] = -11 -12 ...: h[0, i] = u[0, i + 1] + u[1, i] = -12.
// VALUES: y = dense<{{\[\[\[}}-4.400000e+01, -4.400000e+01, -4.400000e+01], [
// z[0] = -44 * (1 + 2 + 3) + 7, -44 * (-1 + 4) - 7
// VALUES: z = dense<{{\[\[\[}}-2.570000e+02, -1.390000e+02], [
// CHECK: cim.phase = "normalize"
// CHECK: linalg.generic
// CHECK: linalg.index
// CHECK-NOT: linalg.generic
// CHECK: cim.conv {{.*}} bias {{.*}} groups 2
// CHECK-NOT: linalg.generic
// CHECK-NOT: linalg.transpose
// CHECK: cim.matmul {{.*}} bias
// CHECK-NOT: linalg.generic
// CHECK: return
#map = affine_map<(n, c, i) -> (n, c, i)>
#channel = affine_map<(n, c, i) -> (c)>
#first = affine_map<(n, c, i) -> (n, 0, 0)>
#last = affine_map<(n, c, i) -> (i)>
module attributes {cim.phase = "import"} {
func.func @main(%x: tensor<1x4x5xf32> {cim.name = "x"})
    -> (tensor<1x4x3xf32> {cim.name = "y"},
        tensor<1x4x2xf32> {cim.name = "z"}) {
  // v[c, i] = x + 10 c + i
  %ten = arith.constant 10 : index
  %ev = tensor.empty() : tensor<1x4x5xf32>
  %v = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<1x4x5xf32>) outs(%ev : tensor<1x4x5xf32>) {
  ^bb0(%a: f32, %o: f32):
    %c = linalg.index 1 : index
    %i = linalg.index 2 : index
    %p = arith.muli %c, %ten : index
    %q = arith.addi %p, %i : index
    %k = arith.index_cast %q : index to i64
    %f = arith.sitofp %k : i64 to f32
    %r = arith.addf %a, %f : f32
    linalg.yield %r : f32
  } -> tensor<1x4x5xf32>
  // u = v * s[c] - t[c]
  %s = arith.constant dense<[1.0, -1.0, 2.0, 3.0]> : tensor<4xf32>
  %t = arith.constant dense<[2.0, 1.0, 5.0, -4.0]> : tensor<4xf32>
  %u = linalg.generic {indexing_maps = [#map, #channel, #channel, #map],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%v, %s, %t : tensor<1x4x5xf32>, tensor<4xf32>, tensor<4xf32>)
      outs(%ev : tensor<1x4x5xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.subf %p, %c : f32
    linalg.yield %r : f32
  } -> tensor<1x4x5xf32>
  // w[o, c, k] = (q - 1) * scale[o]
  %q = arith.constant dense<[[[1, 2, 1], [2, 1, 1]], [[1, 1, 3], [0, 1, 1]],
                             [[2, 2, 2], [1, 1, 0]], [[5, 1, 1], [1, 1, 1]]]>
      : tensor<4x2x3xi8>
  %scale = arith.constant dense<[[[1.0]], [[2.0]], [[4.0]], [[1.0]]]>
      : tensor<4x1x1xf32>
  %ew = tensor.empty() : tensor<4x2x3xf32>
  %w = linalg.generic {indexing_maps = [#map, #first, #map],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%q, %scale : tensor<4x2x3xi8>, tensor<4x1x1xf32>)
      outs(%ew : tensor<4x2x3xf32>) {
  ^bb0(%a: i8, %b: f32, %o: f32):
    %one = arith.constant 1 : i32
    %e = arith.extsi %a : i8 to i32
    %d = arith.subi %e, %one : i32
    %f = arith.sitofp %d : i32 to f32
    %r = arith.mulf %f, %b : f32
    linalg.yield %r : f32
  } -> tensor<4x2x3xf32>
  %h = cim.conv %u, %w strides [1] pads [0, 0] dilations [1] groups 2
      : (tensor<1x4x5xf32>, tensor<4x2x3xf32>) -> tensor<1x4x3xf32>
  // y = 2 h - 20
  %twenty = arith.constant 20.0 : f32
  %ey = tensor.empty() : tensor<1x4x3xf32>
  %y = linalg.generic {indexing_maps = [#map, #map],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%h : tensor<1x4x3xf32>) outs(%ey : tensor<1x4x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %d = arith.addf %a, %a : f32
    %r = arith.subf %d, %twenty : f32
    linalg.yield %r : f32
  } -> tensor<1x4x3xf32>
  // z = y * m^T + b
  %m = arith.constant dense<[[1.0, 2.0, 3.0], [-1.0, 0.0, 4.0]]>
      : tensor<2x3xf32>
  %em = tensor.empty() : tensor<3x2xf32>
  %mt = linalg.transpose ins(%m : tensor<2x3xf32>) outs(%em : tensor<3x2xf32>)
      permutation = [1, 0]
  %g = cim.matmul %y, %mt
      : (tensor<1x4x3xf32>, tensor<3x2xf32>) -> tensor<1x4x2xf32>
  %b = arith.constant dense<[7.0, -7.0]> : tensor<2xf32>
  %ez = tensor.empty() : tensor<1x4x2xf32>
  %z = linalg.generic {indexing_maps = [#map, #last, #map],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%g, %b : tensor<1x4x2xf32>, tensor<2xf32>)
      outs(%ez : tensor<1x4x2xf32>) {
  ^bb0(%a: f32, %c: f32, %o: f32):
    %r = arith.addf %a, %c : f32
    linalg.yield %r : f32
  } -> tensor<1x4x2xf32>
  return %y, %z : tensor<1x4x3xf32>, tensor<1x4x2xf32>
}
}
