// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt %s --cim-schedule=target=tiny | FileCheck %s
// RUN: cim-opt %s --cim-schedule=target=m50 | FileCheck %s --check-prefix=CHECK
// RUN: cim-opt %s --cim-schedule="target=m50 split-cores=false overlap=false copies=false resident-weights=false" | FileCheck %s --check-prefix=OFF
// RUN: cim-opt %s --cim-schedule="target=tiny opt-level=0" | FileCheck %s --check-prefix=CHECK
// RUN: cim-opt %s --cim-schedule="target=tiny opt-level=1" | FileCheck %s --check-prefix=ONE
// RUN: not cim-opt %s --cim-schedule=target=nosuch 2>&1 | FileCheck %s --check-prefix=TARGET

// TARGET: nosuch

// The phase is on the module; every MAC region gets a schedule within its target.
// CHECK: module attributes {cim.phase = "schedule"}
// CHECK-LABEL: func.func @main
// CHECK: cim.region "a"({{.*}}) schedule <m = [{{[0-9]+}}], n = [[N:[0-9]+]], k = [{{[0-9]+}}, 1], split = {{[a-z]+}}, cores = {{[12]}}, weights = {{[a-z0-9]+}}, sets = {{[1-4]}}, copies = {{[0-9]+}}, acc_block = {{[0-9]+}}, cycles = {{[1-9][0-9]*}}, bound = {{[1-9][0-9]*}}>
// What is switched off is not used.
// OFF: cim.region "a"({{.*}}) schedule <{{.*}}, split = none, cores = 1, weights = dram, sets = 1, copies = 1,
// ONE: cim.region "a"({{.*}}) schedule <{{.*}}, split = none, cores = 1,

// The same problem has the same schedule, found once.
// CHECK: cim.region "b"({{.*}}) schedule <m = [{{[0-9]+}}], n = [[N]],

// A schedule that is already there is kept.
// CHECK: cim.region "given"({{.*}}) schedule <m = [3], n = 5, k = [16, 1], split = none, cores = 1, weights = dram, sets = 1, copies = 1, acc_block = 1, cycles = 0, bound = 0>

// Nothing to decide about vector regions.
// CHECK: cim.region "vector"(%{{[^)]*}}) : (
func.func @main(%x: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %w = arith.constant dense<1.0> : tensor<64x64xf32>
  %1 = cim.region "a" (%x, %w) : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32> {
  ^bb0(%a: tensor<64x64xf32>, %b: tensor<64x64xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
    cim.yield %y : tensor<64x64xf32>
  }
  %2 = cim.region "b" (%1, %w) : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32> {
  ^bb0(%a: tensor<64x64xf32>, %b: tensor<64x64xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
    cim.yield %y : tensor<64x64xf32>
  }
  %3 = cim.region "given" (%2, %w) schedule <m = [3], n = 5, k = [16, 1]> : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32> {
  ^bb0(%a: tensor<64x64xf32>, %b: tensor<64x64xf32>):
    %y = cim.matmul %a, %b mantissa 12 : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
    cim.yield %y : tensor<64x64xf32>
  }
  %4 = cim.region "vector" (%3) : (tensor<64x64xf32>) -> tensor<64x64xf32> {
  ^bb0(%a: tensor<64x64xf32>):
    %e = tensor.empty() : tensor<64x64xf32>
    %y = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<64x64xf32>) outs(%e : tensor<64x64xf32>) {
    ^bb1(%v: f32, %o: f32):
      %s = arith.negf %v : f32
      linalg.yield %s : f32
    } -> tensor<64x64xf32>
    cim.yield %y : tensor<64x64xf32>
  }
  return %4 : tensor<64x64xf32>
}
