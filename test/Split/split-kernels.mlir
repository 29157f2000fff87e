// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt --cim-split-kernels %s | FileCheck %s
//
// 80 operations need more than 64 registers: two loops, one value between them.
// Constants and loop numbers are made again.

#map = affine_map<(d0) -> (d0)>

// CHECK-LABEL: func.func @main
// CHECK: %[[FIRST:.*]] = linalg.generic {{.*}} ins(%{{.*}} : tensor<8xf32>) outs(%{{.*}} : tensor<8xf32>)
// CHECK: linalg.yield %{{.*}} : f32
// CHECK: %[[SECOND:.*]] = linalg.generic {{.*}} ins(%{{.*}}, %[[FIRST]] : tensor<8xf32>, tensor<8xf32>)
// CHECK: linalg.index 0
// CHECK: linalg.yield
// CHECK-NOT: linalg.generic
// CHECK: return %[[SECOND]]
func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {
  %a = arith.constant 1.5 : f32
  %e = tensor.empty() : tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %i = linalg.index 0 : index
    %j = arith.index_cast %i : index to i64
    %0 = arith.sitofp %j : i64 to f32
    %1 = arith.addf %0, %a : f32
    %2 = arith.mulf %1, %in : f32
    %3 = arith.addf %2, %a : f32
    %4 = arith.mulf %3, %in : f32
    %5 = arith.addf %4, %a : f32
    %6 = arith.mulf %5, %in : f32
    %7 = arith.addf %6, %a : f32
    %8 = arith.mulf %7, %in : f32
    %9 = arith.addf %8, %a : f32
    %10 = arith.mulf %9, %in : f32
    %11 = arith.addf %10, %a : f32
    %12 = arith.mulf %11, %in : f32
    %13 = arith.addf %12, %a : f32
    %14 = arith.mulf %13, %in : f32
    %15 = arith.addf %14, %a : f32
    %16 = arith.mulf %15, %in : f32
    %17 = arith.addf %16, %a : f32
    %18 = arith.mulf %17, %in : f32
    %19 = arith.addf %18, %a : f32
    %20 = arith.mulf %19, %in : f32
    %21 = arith.addf %20, %a : f32
    %22 = arith.mulf %21, %in : f32
    %23 = arith.addf %22, %a : f32
    %24 = arith.mulf %23, %in : f32
    %25 = arith.addf %24, %a : f32
    %26 = arith.mulf %25, %in : f32
    %27 = arith.addf %26, %a : f32
    %28 = arith.mulf %27, %in : f32
    %29 = arith.addf %28, %a : f32
    %30 = arith.mulf %29, %in : f32
    %31 = arith.addf %30, %a : f32
    %32 = arith.mulf %31, %in : f32
    %33 = arith.addf %32, %a : f32
    %34 = arith.mulf %33, %in : f32
    %35 = arith.addf %34, %a : f32
    %36 = arith.mulf %35, %in : f32
    %37 = arith.addf %36, %a : f32
    %38 = arith.mulf %37, %in : f32
    %39 = arith.addf %38, %a : f32
    %40 = arith.mulf %39, %in : f32
    %41 = arith.addf %40, %a : f32
    %42 = arith.mulf %41, %in : f32
    %43 = arith.addf %42, %a : f32
    %44 = arith.mulf %43, %in : f32
    %45 = arith.addf %44, %a : f32
    %46 = arith.mulf %45, %in : f32
    %47 = arith.addf %46, %a : f32
    %48 = arith.mulf %47, %in : f32
    %49 = arith.addf %48, %a : f32
    %50 = arith.mulf %49, %in : f32
    %51 = arith.addf %50, %a : f32
    %52 = arith.mulf %51, %in : f32
    %53 = arith.addf %52, %a : f32
    %54 = arith.mulf %53, %in : f32
    %55 = arith.addf %54, %a : f32
    %56 = arith.mulf %55, %in : f32
    %57 = arith.addf %56, %a : f32
    %58 = arith.mulf %57, %in : f32
    %59 = arith.addf %58, %a : f32
    %60 = arith.mulf %59, %in : f32
    %61 = arith.addf %60, %a : f32
    %62 = arith.mulf %61, %in : f32
    %63 = arith.addf %62, %a : f32
    %64 = arith.mulf %63, %in : f32
    %65 = arith.addf %64, %a : f32
    %66 = arith.mulf %65, %in : f32
    %67 = arith.addf %66, %a : f32
    %68 = arith.mulf %67, %in : f32
    %69 = arith.addf %68, %a : f32
    %70 = arith.mulf %69, %in : f32
    %71 = arith.addf %70, %a : f32
    %72 = arith.mulf %71, %in : f32
    %73 = arith.addf %72, %a : f32
    %74 = arith.mulf %73, %in : f32
    %75 = arith.addf %74, %a : f32
    %76 = arith.mulf %75, %in : f32
    %77 = arith.addf %76, %a : f32
    %78 = arith.mulf %77, %in : f32
    %79 = arith.addf %78, %a : f32
    %k = linalg.index 0 : index
    %l = arith.index_cast %k : index to i32
    %m = arith.sitofp %l : i32 to f32
    %z = arith.addf %79, %m : f32
    linalg.yield %z : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}
