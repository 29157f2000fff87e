// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt %s --split-input-file --verify-diagnostics --cim-lower=target=tiny

// expected-error@+1 {{result 0 has cim.lengths that name no dimension or no result}}
func.func @main(%x: tensor<8xi8>) -> (tensor<8xi8> {cim.lengths = array<i64: 1, 0>}) {
  return %x : tensor<8xi8>
}

// -----

// expected-error@+1 {{result 0 has cim.lengths that name no dimension or no result}}
func.func @main(%x: tensor<8xi8>) -> (tensor<8xi8> {cim.lengths = array<i64: 0, 1>}) {
  return %x : tensor<8xi8>
}
