// The interpreter as a tool: text in, values out.
// RUN: split-file %s %t
// RUN: cim-interp %t/zeros.mlir --print | FileCheck %s --check-prefix=ZEROS
// RUN: cim-interp %t/quantized.mlir --print | FileCheck %s --check-prefix=QUANT
// RUN: cim-opt %t/quantized.mlir --emit-bytecode -o %t/quantized.mlirbc
// RUN: cim-interp %t/quantized.mlirbc --print | FileCheck %s --check-prefix=QUANT
// RUN: cim-interp %t/region.mlir --print | FileCheck %s --check-prefix=REGION
// RUN: cim-interp %t/zeros.mlir --output %t/out.npz
// RUN: cim-interp %t/back.mlir --input %t/out.npz --print \
// RUN:   | FileCheck %s --check-prefix=BACK

//--- zeros.mlir
// Without --input everything is zero; several outputs, names from attributes.
// ZEROS: sum = dense<[1.000000e+00, 2.500000e+00]> : tensor<2xf32>
// ZEROS-NEXT: output1 = dense<[true, false]> : tensor<2xi1>
func.func @main(%x: tensor<2xf32> {cim.name = "x"})
    -> (tensor<2xf32> {cim.name = "sum"}, tensor<2xi1>) {
  %c = arith.constant dense<[1.0, 2.5]> : tensor<2xf32>
  %e = tensor.empty() : tensor<2xf32>
  %f = tensor.empty() : tensor<2xi1>
  %two = arith.constant 2.0 : f32
  %r:2 = linalg.generic {
      indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>,
                       affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}
      ins(%x, %c : tensor<2xf32>, tensor<2xf32>)
      outs(%e, %f : tensor<2xf32>, tensor<2xi1>) {
  ^bb0(%a: f32, %b: f32, %o: f32, %p: i1):
    %s = arith.addf %a, %b : f32
    %t = arith.cmpf olt, %s, %two : f32
    linalg.yield %s, %t : f32, i1
  } -> (tensor<2xf32>, tensor<2xi1>)
  return %r#0, %r#1 : tensor<2xf32>, tensor<2xi1>
}

//--- quantized.mlir
// QUANT: y = dense<{{\[\[}}-5, 12]]> : tensor<1x2xi8>
// QUANT-NEXT: u = dense<[128, 255, 0]> : tensor<3xui8>
!q = !quant.uniform<i8:f32, 0.5:3>
!u = !quant.uniform<u8:f32, 0.5:128>
func.func @main() -> (tensor<1x2x!q> {cim.name = "y"},
                      tensor<3x!u> {cim.name = "u"}) {
  %x = arith.constant dense<[[1.0, -1.0, 2.0]]> : tensor<1x3xf32>
  %e = tensor.empty() : tensor<1x3x!q>
  %q = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<1x3xf32>) outs(%e : tensor<1x3x!q>) {
  ^bb0(%a: f32, %o: !q):
    %z = quant.qcast %a : f32 to !q
    linalg.yield %z : !q
  } -> tensor<1x3x!q>
  // q - 3 = [2, -2, 4]: sums 2*1 - 2*3 + 4*(-3) + 0 and 2*2 + 2 + 4*3.
  %w = arith.constant dense<[[1, 2], [3, -1], [-3, 3]]> : tensor<3x2xi4>
  %m = arith.constant dense<0.5> : tensor<2xf32>
  %y = cim.matmul %q, %w requantize %m
      : (tensor<1x3x!q>, tensor<3x2xi4>, tensor<2xf32>) -> tensor<1x2x!q>
  %v = arith.constant dense<[0.2, 1000.0, -1000.0]> : tensor<3xf32>
  %f = tensor.empty() : tensor<3x!u>
  %u = linalg.generic {
      indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}
      ins(%v : tensor<3xf32>) outs(%f : tensor<3x!u>) {
  ^bb0(%a: f32, %o: !u):
    %z = quant.qcast %a : f32 to !u
    linalg.yield %z : !u
  } -> tensor<3x!u>
  return %y, %u : tensor<1x2x!q>, tensor<3x!u>
}

//--- region.mlir
// REGION: output0 = dense<3.000000e+00> : tensor<1x1xf32>
func.func @main() -> tensor<1x1xf32> {
  %x = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %w = arith.constant dense<1.0> : tensor<2x1xf32>
  %r = cim.region "sum" (%x, %w)
      : (tensor<1x2xf32>, tensor<2x1xf32>) -> tensor<1x1xf32> {
  ^bb0(%a: tensor<1x2xf32>, %b: tensor<2x1xf32>):
    %y = cim.matmul %a, %b
        : (tensor<1x2xf32>, tensor<2x1xf32>) -> tensor<1x1xf32>
    cim.yield %y : tensor<1x1xf32>
  }
  return %r : tensor<1x1xf32>
}

//--- back.mlir
// The array holds two runs of this program.
// BACK: output0 = dense<2.000000e+00> : tensor<1xf32>
// BACK-NEXT: output0 = dense<5.000000e+00> : tensor<1xf32>
func.func @main(%x: tensor<1xf32> {cim.name = "sum"}) -> tensor<1xf32> {
  %e = tensor.empty() : tensor<1xf32>
  %r = linalg.generic {
      indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}
      ins(%x : tensor<1xf32>) outs(%e : tensor<1xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.addf %a, %a : f32
    linalg.yield %s : f32
  } -> tensor<1xf32>
  return %r : tensor<1xf32>
}
