// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: split-file %s %t
// RUN: cim-interp %t/select.mlir --print | FileCheck %s
// RUN: cim-interp %t/scatter.mlir --print | FileCheck %s --check-prefix=SCATTER
// RUN: not cim-interp %t/outside.mlir 2>&1 | FileCheck %s --check-prefix=OUTSIDE
// RUN: not cim-interp %t/lengths.mlir 2>&1 | FileCheck %s --check-prefix=LENGTHS

// Ops whose order depends on data, by their descriptions.

//--- select.mlir

// Of equal elements those of lower position; NaN is the largest.
// CHECK: top = dense<[0x7FC00000, 3.000000e+00, 2.000000e+00]> : tensor<3xf32>
// CHECK: at = dense<[2, 1, 0]> : tensor<3xi64>
// CHECK: low = dense<[2, 3]> : tensor<2xi64>
// Cut to the number of what was found.
// CHECK: found = dense<{{\[}}[0, 1, 1], [1, 0, 2]]> : tensor<2x3xi64>
// CHECK-NOT: hidden
// CHECK: order = dense<[2, 0, 3, 1]> : tensor<4xi64>
func.func @main() -> (tensor<3xf32> {cim.name = "top"}, tensor<3xi64> {cim.name = "at"}, tensor<2xi64> {cim.name = "low"}, tensor<2x6xi64> {cim.name = "found", cim.lengths = array<i64: 1, 4>}, tensor<i64> {cim.name = "hidden", cim.hidden}, tensor<4xi64> {cim.name = "order"}) {
  %x = arith.constant dense<[2.0, 3.0, 0x7FC00000, 2.0]> : tensor<4xf32>
  %v, %i = cim.topk %x k 3 largest sorted : (tensor<4xf32>) -> (tensor<3xf32>, tensor<3xi64>)
  // As unsigned numbers 7 and 5 are the smallest; not sorted: by position.
  %y = arith.constant dense<[-1, -2, 7, 5]> : tensor<4xi8>
  %v1, %i1 = cim.topk %y k 2 unsigned : (tensor<4xi8>) -> (tensor<2xi8>, tensor<2xi64>)
  %z = arith.constant dense<[[0.0, 1.0, -0.0], [0x7FC00000, 0.0, 2.0]]> : tensor<2x3xf32>
  %f, %n = cim.nonzero %z : (tensor<2x3xf32>) -> (tensor<2x6xi64>, tensor<i64>)
  %r = arith.constant dense<[[1, 2], [3, 0], [1, 1], [1, 2]]> : tensor<4x2xi32>
  %o = cim.lexsort %r : (tensor<4x2xi32>) -> tensor<4xi64>
  return %v, %i, %i1, %f, %n, %o : tensor<3xf32>, tensor<3xi64>, tensor<2xi64>, tensor<2x6xi64>, tensor<i64>, tensor<4xi64>
}

//--- scatter.mlir

// In order; negative indices are skipped; additions wrap.
// SCATTER: replaced = dense<{{\[}}[0, 0], [5, 6], [0, 0]]> : tensor<3x2xi8>
// SCATTER: added = dense<{{\[}}[100, 100], [106, -48], [100, 100]]> : tensor<3x2xi8>
func.func @main() -> (tensor<3x2xi8> {cim.name = "replaced"}, tensor<3x2xi8> {cim.name = "added"}) {
  %u = arith.constant dense<[[1, 102], [9, 9], [5, 6]]> : tensor<3x2xi8>
  %i = arith.constant dense<[1, -7, 1]> : tensor<3xi64>
  %d = arith.constant dense<0> : tensor<3x2xi8>
  %e = arith.constant dense<100> : tensor<3x2xi8>
  %y = cim.scatter replace %u, %i into %d : (tensor<3x2xi8>, tensor<3xi64>, tensor<3x2xi8>) -> tensor<3x2xi8>
  %z = cim.scatter add %u, %i into %e : (tensor<3x2xi8>, tensor<3xi64>, tensor<3x2xi8>) -> tensor<3x2xi8>
  return %y, %z : tensor<3x2xi8>, tensor<3x2xi8>
}

//--- outside.mlir

// OUTSIDE: error: {{.*}}an index computed from data leaves its tensor
func.func @main() -> tensor<3x2xi8> {
  %u = arith.constant dense<1> : tensor<1x2xi8>
  %i = arith.constant dense<3> : tensor<1xi64>
  %d = arith.constant dense<0> : tensor<3x2xi8>
  %y = cim.scatter replace %u, %i into %d : (tensor<1x2xi8>, tensor<1xi64>, tensor<3x2xi8>) -> tensor<3x2xi8>
  return %y : tensor<3x2xi8>
}

//--- lengths.mlir

// LENGTHS: error: {{.*}}result 0 has run-time length 9 in dimension 0; it is 0 to 3
func.func @main() -> (tensor<3xi8> {cim.lengths = array<i64: 0, 1>}, tensor<i64> {cim.hidden}) {
  %d = arith.constant dense<0> : tensor<3xi8>
  %n = arith.constant dense<9> : tensor<i64>
  return %d, %n : tensor<3xi8>, tensor<i64>
}
