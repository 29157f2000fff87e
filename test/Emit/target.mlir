// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A target that is no preset travels as text, complete.
// RUN: cim-translate --assemble %s -o %t.cimb
// RUN: cim-translate --disassemble %t.cimb -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: cim-translate --assemble %t.mlir -o %t.again.cimb
// RUN: cmp %t.cimb %t.again.cimb

// CHECK: cimisa.program "own" target [
// CHECK-NEXT: "name: \22mine\22",
// CHECK: "clock_mhz: {value: 812.5, provenance: measured, note: \22ours\22}",
// CHECK: "weight_sets:
// CHECK: ] dram 4096 {
cimisa.program "own" target [
  "name: mine",
  "clock_mhz: {value: 812.5, provenance: measured, note: \"ours\"}",
  "dram_bytes: 1048576", "dram_bytes_per_cycle: 32",
  "l2_bytes: 65536", "l2_bytes_per_cycle: 64",
  "l1_bytes: 65536", "l1_bytes_per_cycle: 64",
  "acc_bytes: 16384", "acc_bytes_per_cycle: 128"
] dram 4096 { }
