// Mistakes end with one line and status 1.
// RUN: split-file %s %t
// RUN: cim-interp %t/one.mlir --output %t/one.npz
// RUN: not cim-interp %t/three.mlir --input %t/one.npz 2>&1 \
// RUN:   | FileCheck %s --check-prefix=SHAPE
// RUN: not cim-interp %t/two.mlir --input %t/one.npz 2>&1 \
// RUN:   | FileCheck %s --check-prefix=NAME
// RUN: not cim-interp %t/ints.mlir --input %t/one.npz 2>&1 \
// RUN:   | FileCheck %s --check-prefix=TYPE
// RUN: not cim-interp %t/one.mlir --input %t/none.npz 2>&1 \
// RUN:   | FileCheck %s --check-prefix=FILE
// RUN: not cim-interp %t/op.mlir 2>&1 | FileCheck %s --check-prefix=OP
// RUN: not cim-interp %t/gather.mlir 2>&1 | FileCheck %s --check-prefix=GATHER
// RUN: not cim-interp %t/elided.mlir 2>&1 | FileCheck %s --check-prefix=ELIDED
// RUN: not cim-interp %t/nomain.mlir 2>&1 | FileCheck %s --check-prefix=MAIN
// RUN: not cim-interp %t/declared.mlir 2>&1 \
// RUN:   | FileCheck %s --check-prefix=DECLARED
// RUN: not cim-interp %t/broken.mlir 2>&1 | FileCheck %s --check-prefix=PARSE

//--- one.mlir
// FILE: error: {{.*}}none.npz
func.func @main(%x: tensor<2xf32> {cim.name = "x"})
    -> (tensor<2xf32> {cim.name = "y"}) {
  return %x : tensor<2xf32>
}

//--- three.mlir
// SHAPE: error: y: the array is f4 (2); f4 (3) is needed, or a multiple of its first dimension; convert it
func.func @main(%x: tensor<3xf32> {cim.name = "y"}) { return }

//--- two.mlir
// NAME: error: {{.*}}one.npz: no array z; every input needs one; add it
func.func @main(%x: tensor<2xf32> {cim.name = "y"},
                %z: tensor<2xf32> {cim.name = "z"}) { return }

//--- ints.mlir
// TYPE: error: y: the array is f4 (2); i4 (2) is needed
func.func @main(%x: tensor<2xi32> {cim.name = "y"}) { return }

//--- op.mlir
// OP: error: {{.*}}op.mlir:4:8: 'tensor.reshape' is not an op of tensor-level IR
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %s = arith.constant dense<2> : tensor<1xi64>
  %r = tensor.reshape %x(%s) : (tensor<2xf32>, tensor<1xi64>) -> tensor<2xf32>
  return %r : tensor<2xf32>
}

//--- gather.mlir
// GATHER: error: embedding: an index computed from data leaves its tensor
func.func @main(%i: tensor<3xi64>) -> tensor<3xf32> {
  %x = arith.constant dense<[]> : tensor<0xf32>
  %e = tensor.empty() : tensor<3xf32>
  %r = linalg.generic {
      indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}
      ins(%i : tensor<3xi64>) outs(%e : tensor<3xf32>) {
  ^bb0(%a: i64, %o: f32):
    %p = arith.index_cast %a : i64 to index
    %v = tensor.extract %x[%p] : tensor<0xf32>
    linalg.yield %v : f32
  } -> tensor<3xf32> loc("embedding")
  return %r : tensor<3xf32>
}

//--- elided.mlir
// ELIDED: error: {{.*}}elided.mlir:3:8: the constant has no data
func.func @main() -> tensor<100xf32> {
  %x = arith.constant dense_resource<__elided__> : tensor<100xf32>
  return %x : tensor<100xf32>
}

//--- nomain.mlir
// MAIN: nomain.mlir: no function @main
func.func @other() { return }

//--- broken.mlir
// PARSE: error: {{.*}}broken.mlir:2:{{[0-9]+}}: expected
func.func @main( { return }

//--- declared.mlir
// DECLARED: error: {{.*}}declared.mlir:2:1: a function without a body
func.func private @main()
