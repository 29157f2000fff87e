// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt %s --cim-lower=target=tiny --split-input-file --verify-diagnostics

// Schedules may be edited: one that cannot be executed is an error that names
// the rule, never a crash.

func.func @main(%x: tensor<16x32xf32>) -> tensor<16x8xf32> {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  // expected-error@+1 {{has no schedule of 1 m dimensions; run the schedule phase}}
  %r = cim.region "fc" (%x, %w) : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32>
    cim.yield %y : tensor<16x8xf32>
  }
  return %r : tensor<16x8xf32>
}

// -----

func.func @main(%x: tensor<16x32xf32>) -> tensor<16x8xf32> {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  // expected-error@+1 {{has no schedule of 1 m dimensions}}
  %r = cim.region "fc" (%x, %w) schedule <m = [8, 1], n = 8, k = [16, 1]> : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32>
    cim.yield %y : tensor<16x8xf32>
  }
  return %r : tensor<16x8xf32>
}

// -----

func.func @main(%x: tensor<16x32xf32>) -> tensor<16x8xf32> {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  // expected-error@+1 {{has no schedule of 1 m dimensions}}
  %r = cim.region "fc" (%x, %w) schedule <m = [8], n = 8, k = [16]> : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32>
    cim.yield %y : tensor<16x8xf32>
  }
  return %r : tensor<16x8xf32>
}

// -----

func.func @main(%x: tensor<16x32xf32>) -> tensor<16x8xf32> {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  // expected-error@+1 {{schedule cannot be executed: n = 33; the array has 32 columns; correct it or run the schedule phase}}
  %r = cim.region "fc" (%x, %w) schedule <m = [8], n = 33, k = [16, 1]> : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32>
    cim.yield %y : tensor<16x8xf32>
  }
  return %r : tensor<16x8xf32>
}

// -----

func.func @main(%x: tensor<16x32xf32>) -> tensor<16x8xf32> {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  // expected-error@+1 {{schedule cannot be executed: tile of dimension 0 is not positive}}
  %r = cim.region "fc" (%x, %w) schedule <m = [0], n = 8, k = [16, 1]> : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32>
    cim.yield %y : tensor<16x8xf32>
  }
  return %r : tensor<16x8xf32>
}

// -----

func.func @main(%x: tensor<16x32xf32>) -> tensor<16x8xf32> {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  // expected-error@+1 {{schedule cannot be executed: tile of dimension 0 is not positive}}
  %r = cim.region "fc" (%x, %w) schedule <m = [-8], n = 8, k = [16, 1]> : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32>
    cim.yield %y : tensor<16x8xf32>
  }
  return %r : tensor<16x8xf32>
}

// -----

func.func @main(%x: tensor<16x32xf32>) -> tensor<16x8xf32> {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  // expected-error@+1 {{schedule cannot be executed: k tile has 64 channels; the array has 32 rows}}
  %r = cim.region "fc" (%x, %w) schedule <m = [8], n = 8, k = [64, 1]> : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32>
    cim.yield %y : tensor<16x8xf32>
  }
  return %r : tensor<16x8xf32>
}

// -----

func.func @main(%x: tensor<16x32xf32>) -> tensor<16x8xf32> {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  // expected-error@+1 {{schedule cannot be executed: k tile of 8 channels cuts a block of 16}}
  %r = cim.region "fc" (%x, %w) schedule <m = [8], n = 8, k = [8, 1]> : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32>
    cim.yield %y : tensor<16x8xf32>
  }
  return %r : tensor<16x8xf32>
}

// -----

func.func @main(%x: tensor<16x32xf32>) -> tensor<16x8xf32> {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  // expected-error@+1 {{schedule cannot be executed: sets = 3; a core has 2}}
  %r = cim.region "fc" (%x, %w) schedule <m = [8], n = 8, k = [16, 1], sets = 3> : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32>
    cim.yield %y : tensor<16x8xf32>
  }
  return %r : tensor<16x8xf32>
}

// -----

func.func @main(%x: tensor<16x32xf32>) -> tensor<16x8xf32> {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  // expected-error@+1 {{schedule cannot be executed: cores = 9; a chip has 2}}
  %r = cim.region "fc" (%x, %w) schedule <m = [8], n = 8, k = [16, 1], split = m, cores = 9> : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32>
    cim.yield %y : tensor<16x8xf32>
  }
  return %r : tensor<16x8xf32>
}

// -----

func.func @main(%x: tensor<16x32xf32>) -> tensor<16x8xf32> {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  // expected-error@+1 {{schedule cannot be executed: copies = 5; the array has room for 4}}
  %r = cim.region "fc" (%x, %w) schedule <m = [8], n = 8, k = [16, 1], copies = 5> : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32>
    cim.yield %y : tensor<16x8xf32>
  }
  return %r : tensor<16x8xf32>
}

// -----

func.func @main(%x: tensor<16x32xf32>) -> tensor<16x8xf32> {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  // expected-error@+1 {{schedule cannot be executed: acc_block = 0 is not positive}}
  %r = cim.region "fc" (%x, %w) schedule <m = [8], n = 8, k = [16, 1], acc_block = 0> : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32>
    cim.yield %y : tensor<16x8xf32>
  }
  return %r : tensor<16x8xf32>
}

// -----

func.func @main(%x: tensor<16x32xf32>) -> tensor<16x8xf32> {
  %w = arith.constant dense<1.0> : tensor<32x8xf32>
  // expected-error@+1 {{schedule cannot be executed: weights = computed is for products of two computed operands}}
  %r = cim.region "fc" (%x, %w) schedule <m = [8], n = 8, k = [16, 1], weights = computed> : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32> {
  ^bb0(%a: tensor<16x32xf32>, %b: tensor<32x8xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<16x32xf32>, tensor<32x8xf32>) -> tensor<16x8xf32>
    cim.yield %y : tensor<16x8xf32>
  }
  return %r : tensor<16x8xf32>
}

// -----

// expected-error@+1 {{has no function @main}}
module {
  func.func private @other()
}
