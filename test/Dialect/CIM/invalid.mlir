// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: cim-opt %s --split-input-file --verify-diagnostics

// One case per way to break a constraint; ids are those of the op docs.

func.func @conv_c1_low(%x: tensor<1x4xf32>, %w: tensor<8x4xf32>) {
  // expected-error@+1 {{conv_c1: input, weights and result have equal ranks of 3 to 5, found 2, 2 and 2}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] : (tensor<1x4xf32>, tensor<8x4xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @conv_c1_differ(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error@+1 {{conv_c1: input, weights and result have equal ranks of 3 to 5, found 3, 4 and 3}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5xf32>, tensor<8x4x3x3xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c1_dynamic(%x: tensor<1x4x?xf32>, %w: tensor<8x4x3xf32>) {
  // expected-error@+1 {{conv_c1: shapes are static}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] : (tensor<1x4x?xf32>, tensor<8x4x3xf32>) -> tensor<1x8x?xf32>
  return
}

// -----

func.func @conv_c2_channels(%x: tensor<1x4x5xf32>, %w: tensor<8x3x3xf32>) {
  // expected-error@+1 {{conv_c2: 4 input channels}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5xf32>, tensor<8x3x3xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c2_groups(%x: tensor<1x4x5xf32>, %w: tensor<8x1x3xf32>) {
  // expected-error@+1 {{and 3 groups do not fit}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] groups 3 : (tensor<1x4x5xf32>, tensor<8x1x3xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c2_zero_groups(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xf32>) {
  // expected-error@+1 {{conv_c2}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] groups 0 : (tensor<1x4x5xf32>, tensor<8x4x3xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c3_stride(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xf32>) {
  // expected-error@+1 {{conv_c3: 1 positive strides and dilations and 2 non-negative pads are needed}}
  %y = cim.conv %x, %w strides [0] pads [0, 0] dilations [1] : (tensor<1x4x5xf32>, tensor<8x4x3xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c3_count(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xf32>) {
  // expected-error@+1 {{conv_c3}}
  %y = cim.conv %x, %w strides [1, 1] pads [0, 0] dilations [1] : (tensor<1x4x5xf32>, tensor<8x4x3xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c3_pads(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xf32>) {
  // expected-error@+1 {{conv_c3}}
  %y = cim.conv %x, %w strides [1] pads [0] dilations [1] : (tensor<1x4x5xf32>, tensor<8x4x3xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c3_negative(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xf32>) {
  // expected-error@+1 {{conv_c3}}
  %y = cim.conv %x, %w strides [1] pads [-1, 0] dilations [1] : (tensor<1x4x5xf32>, tensor<8x4x3xf32>) -> tensor<1x8x2xf32>
  return
}

// -----

func.func @conv_c3_dilation(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xf32>) {
  // expected-error@+1 {{conv_c3}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [0] : (tensor<1x4x5xf32>, tensor<8x4x3xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c4_spatial(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xf32>) {
  // expected-error@+1 {{conv_c4: result dimension 2 is 4, expected 3}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5xf32>, tensor<8x4x3xf32>) -> tensor<1x8x4xf32>
  return
}

// -----

func.func @conv_c4_channels(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xf32>) {
  // expected-error@+1 {{conv_c4: result}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5xf32>, tensor<8x4x3xf32>) -> tensor<1x7x3xf32>
  return
}

// -----

func.func @conv_c4_batch(%x: tensor<2x4x5xf32>, %w: tensor<8x4x3xf32>) {
  // expected-error@+1 {{has wrong batch or channels}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] : (tensor<2x4x5xf32>, tensor<8x4x3xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c4_bias(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xf32>, %b: tensor<7xf32>) {
  // expected-error@+1 {{conv_c4: bias has shape of}}
  %y = cim.conv %x, %w bias %b strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5xf32>, tensor<8x4x3xf32>, tensor<7xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c4_multiplier(%x: tensor<1x4x5x!quant.uniform<i8:f32, 0.5:-3>>, %w: tensor<8x4x3xi8>, %m: tensor<8x1xf32>) {
  // expected-error@+1 {{conv_c4: multiplier has shape of}}
  %y = cim.conv %x, %w requantize %m strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5x!quant.uniform<i8:f32, 0.5:-3>>, tensor<8x4x3xi8>, tensor<8x1xf32>) -> tensor<1x8x3x!quant.uniform<i8:f32, 0.5:-3>>
  return
}

// -----

func.func @conv_c5_float_weights(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xi8>) {
  // expected-error@+1 {{conv_c5: float input}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5xf32>, tensor<8x4x3xi8>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c5_float_bias(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xf32>, %b: tensor<8xi32>) {
  // expected-error@+1 {{conv_c5: float input}}
  %y = cim.conv %x, %w bias %b strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5xf32>, tensor<8x4x3xf32>, tensor<8xi32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c5_float_multiplier(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xf32>, %m: tensor<8xf32>) {
  // expected-error@+1 {{no multiplier}}
  %y = cim.conv %x, %w requantize %m strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5xf32>, tensor<8x4x3xf32>, tensor<8xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c5_float_result(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xf32>) {
  // expected-error@+1 {{conv_c5: float input}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5xf32>, tensor<8x4x3xf32>) -> tensor<1x8x3x!quant.uniform<i8:f32, 0.5:-3>>
  return
}

// -----

func.func @conv_c5_input(%x: tensor<1x4x5xi8>, %w: tensor<8x4x3xi8>, %m: tensor<8xf32>) {
  // expected-error@+1 {{is neither f32, f16 nor 8-bit !quant.uniform}}
  %y = cim.conv %x, %w requantize %m strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5xi8>, tensor<8x4x3xi8>, tensor<8xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c5_input_bits(%x: tensor<1x4x5x!quant.uniform<i16:f32, 0.5>>, %w: tensor<8x4x3xi8>, %m: tensor<8xf32>) {
  // expected-error@+1 {{conv_c5: input element type}}
  %y = cim.conv %x, %w requantize %m strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5x!quant.uniform<i16:f32, 0.5>>, tensor<8x4x3xi8>, tensor<8xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c5_weight_bits(%x: tensor<1x4x5x!quant.uniform<i8:f32, 0.5:-3>>, %w: tensor<8x4x3xi3>, %m: tensor<8xf32>) {
  // expected-error@+1 {{is not i4 to i8}}
  %y = cim.conv %x, %w requantize %m strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5x!quant.uniform<i8:f32, 0.5:-3>>, tensor<8x4x3xi3>, tensor<8xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c5_weight_computed(%x: tensor<1x4x5x!quant.uniform<i8:f32, 0.5>>, %w: tensor<8x4x3x!quant.uniform<i8:f32, 0.5>>, %m: tensor<8xf32>) {
  // expected-error@+1 {{is not i4 to i8}}
  %y = cim.conv %x, %w requantize %m strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5x!quant.uniform<i8:f32, 0.5>>, tensor<8x4x3x!quant.uniform<i8:f32, 0.5>>, tensor<8xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c5_bias(%x: tensor<1x4x5x!quant.uniform<i8:f32, 0.5:-3>>, %w: tensor<8x4x3xi8>, %b: tensor<8xf32>, %m: tensor<8xf32>) {
  // expected-error@+1 {{conv_c5: bias is i32}}
  %y = cim.conv %x, %w bias %b requantize %m strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5x!quant.uniform<i8:f32, 0.5:-3>>, tensor<8x4x3xi8>, tensor<8xf32>, tensor<8xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c5_multiplier(%x: tensor<1x4x5x!quant.uniform<i8:f32, 0.5:-3>>, %w: tensor<8x4x3xi8>) {
  // expected-error@+1 {{conv_c5: an integer MAC has an f32 multiplier}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5x!quant.uniform<i8:f32, 0.5:-3>>, tensor<8x4x3xi8>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c5_result(%x: tensor<1x4x5x!quant.uniform<i8:f32, 0.5:-3>>, %w: tensor<8x4x3xi8>, %m: tensor<8xf32>) {
  // expected-error@+1 {{conv_c5: result is !quant.uniform or f32}}
  %y = cim.conv %x, %w requantize %m strides [1] pads [0, 0] dilations [1] : (tensor<1x4x5x!quant.uniform<i8:f32, 0.5:-3>>, tensor<8x4x3xi8>, tensor<8xf32>) -> tensor<1x8x3xi32>
  return
}

// -----

func.func @conv_c6_value(%x: tensor<1x4x5xf32>, %w: tensor<8x4x3xf32>) {
  // expected-error@+1 {{conv_c6: mantissa is 12 or 16, found 10}}
  %y = cim.conv %x, %w strides [1] pads [0, 0] dilations [1] mantissa 10 : (tensor<1x4x5xf32>, tensor<8x4x3xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @conv_c6_integer(%x: tensor<1x4x5x!quant.uniform<i8:f32, 0.5:-3>>, %w: tensor<8x4x3xi8>, %m: tensor<8xf32>) {
  // expected-error@+1 {{conv_c6: mantissa needs float operands}}
  %y = cim.conv %x, %w requantize %m strides [1] pads [0, 0] dilations [1] mantissa 12 : (tensor<1x4x5x!quant.uniform<i8:f32, 0.5:-3>>, tensor<8x4x3xi8>, tensor<8xf32>) -> tensor<1x8x3xf32>
  return
}

// -----

func.func @matmul_c1_low(%a: tensor<4xf32>, %w: tensor<4x3xf32>) {
  // expected-error@+1 {{matmul_c1: left rank 1 and right rank 2 do not fit}}
  %y = cim.matmul %a, %w : (tensor<4xf32>, tensor<4x3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @matmul_c1_differ(%a: tensor<1x2x4x8xf32>, %w: tensor<2x8x3xf32>) {
  // expected-error@+1 {{matmul_c1: left rank 4 and right rank 3 do not fit}}
  %y = cim.matmul %a, %w : (tensor<1x2x4x8xf32>, tensor<2x8x3xf32>) -> tensor<1x2x4x3xf32>
  return
}

// -----

func.func @matmul_c1_dynamic(%a: tensor<?x8xf32>, %w: tensor<8x3xf32>) {
  // expected-error@+1 {{matmul_c1: shapes are static}}
  %y = cim.matmul %a, %w : (tensor<?x8xf32>, tensor<8x3xf32>) -> tensor<?x3xf32>
  return
}

// -----

func.func @matmul_c2_k(%a: tensor<4x8xf32>, %w: tensor<7x3xf32>) {
  // expected-error@+1 {{matmul_c2: shapes of}}
  %y = cim.matmul %a, %w : (tensor<4x8xf32>, tensor<7x3xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @matmul_c2_batch(%a: tensor<2x4x8xf32>, %w: tensor<3x8x3xf32>) {
  // expected-error@+1 {{matmul_c2: shapes of}}
  %y = cim.matmul %a, %w : (tensor<2x4x8xf32>, tensor<3x8x3xf32>) -> tensor<2x4x3xf32>
  return
}

// -----

func.func @matmul_c2_result(%a: tensor<4x8xf32>, %w: tensor<8x3xf32>) {
  // expected-error@+1 {{matmul_c2: shapes of}}
  %y = cim.matmul %a, %w : (tensor<4x8xf32>, tensor<8x3xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @matmul_c2_result_rank(%a: tensor<4x8xf32>, %w: tensor<8x3xf32>) {
  // expected-error@+1 {{matmul_c2: shapes of}}
  %y = cim.matmul %a, %w : (tensor<4x8xf32>, tensor<8x3xf32>) -> tensor<1x4x3xf32>
  return
}

// -----

func.func @matmul_c2_bias(%a: tensor<4x8xf32>, %w: tensor<8x3xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{matmul_c2: bias has shape of}}
  %y = cim.matmul %a, %w bias %b : (tensor<4x8xf32>, tensor<8x3xf32>, tensor<4xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @matmul_c2_multiplier(%a: tensor<4x8x!quant.uniform<i8:f32, 0.5:-3>>, %w: tensor<8x3xi8>, %m: tensor<1xf32>) {
  // expected-error@+1 {{matmul_c2: multiplier has shape of}}
  %y = cim.matmul %a, %w requantize %m : (tensor<4x8x!quant.uniform<i8:f32, 0.5:-3>>, tensor<8x3xi8>, tensor<1xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @matmul_c3_float(%a: tensor<4x8xf16>, %w: tensor<8x3xi8>) {
  // expected-error@+1 {{matmul_c3: float input}}
  %y = cim.matmul %a, %w : (tensor<4x8xf16>, tensor<8x3xi8>) -> tensor<4x3xf32>
  return
}

// -----

func.func @matmul_c3_zero_point(%a: tensor<4x8x!quant.uniform<i8:f32, 0.5:-3>>, %w: tensor<8x3x!quant.uniform<i8:f32, 0.5>>, %m: tensor<3xf32>) {
  // expected-error@+1 {{or symmetric !quant.uniform}}
  %y = cim.matmul %a, %w requantize %m : (tensor<4x8x!quant.uniform<i8:f32, 0.5:-3>>, tensor<8x3x!quant.uniform<i8:f32, 0.5>>, tensor<3xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @matmul_c3_weight_zero_point(%a: tensor<4x8x!quant.uniform<i8:f32, 0.5>>, %w: tensor<8x3x!quant.uniform<i8:f32, 0.5:-3>>, %m: tensor<3xf32>) {
  // expected-error@+1 {{matmul_c3: weight element type}}
  %y = cim.matmul %a, %w requantize %m : (tensor<4x8x!quant.uniform<i8:f32, 0.5>>, tensor<8x3x!quant.uniform<i8:f32, 0.5:-3>>, tensor<3xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @matmul_c3_unsigned(%a: tensor<4x8x!quant.uniform<i8:f32, 0.5>>, %w: tensor<8x3x!quant.uniform<u8:f32, 0.5>>, %m: tensor<3xf32>) {
  // expected-error@+1 {{matmul_c3: weight element type}}
  %y = cim.matmul %a, %w requantize %m : (tensor<4x8x!quant.uniform<i8:f32, 0.5>>, tensor<8x3x!quant.uniform<u8:f32, 0.5>>, tensor<3xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @matmul_c3_multiplier(%a: tensor<4x8x!quant.uniform<i8:f32, 0.5>>, %w: tensor<8x3x!quant.uniform<i8:f32, 0.5>>) {
  // expected-error@+1 {{matmul_c3: an integer MAC has an f32 multiplier}}
  %y = cim.matmul %a, %w : (tensor<4x8x!quant.uniform<i8:f32, 0.5>>, tensor<8x3x!quant.uniform<i8:f32, 0.5>>) -> tensor<4x3xf32>
  return
}

// -----

func.func @matmul_c4_value(%a: tensor<4x8xf32>, %w: tensor<8x3xf32>) {
  // expected-error@+1 {{matmul_c4: mantissa is 12 or 16, found 8}}
  %y = cim.matmul %a, %w mantissa 8 : (tensor<4x8xf32>, tensor<8x3xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @matmul_c4_integer(%a: tensor<4x8x!quant.uniform<i8:f32, 0.5:-3>>, %w: tensor<8x3xi8>, %m: tensor<3xf32>) {
  // expected-error@+1 {{matmul_c4: mantissa needs float operands}}
  %y = cim.matmul %a, %w requantize %m mantissa 12 : (tensor<4x8x!quant.uniform<i8:f32, 0.5:-3>>, tensor<8x3xi8>, tensor<3xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @region_c1_arguments(%x: tensor<4xf32>) {
  // expected-error@+1 {{region_c1: block arguments do not match the operands}}
  %r = cim.region "r" (%x) : (tensor<4xf32>) -> tensor<5xf32> {
  ^bb0(%a: tensor<5xf32>):
    cim.yield %a : tensor<5xf32>
  }
  return
}

// -----

func.func @region_c1_results(%x: tensor<4xf32>) {
  // expected-error@+1 {{region_c1: yielded types do not match the results}}
  %r = cim.region "r" (%x) : (tensor<4xf32>) -> tensor<5xf32> {
  ^bb0(%a: tensor<4xf32>):
    cim.yield %a : tensor<4xf32>
  }
  return
}

// -----

func.func @region_c2(%x: tensor<4x4xf32>, %w: tensor<4x4xf32>) {
  // expected-error@+1 {{region_c2: at most one MAC op, found 2}}
  %r = cim.region "r" (%x, %w) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32> {
  ^bb0(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>):
    %c = cim.matmul %a, %b : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    %d = cim.matmul %c, %b : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    cim.yield %d : tensor<4x4xf32>
  }
  return
}

// -----

func.func @region_isolated(%x: tensor<4xf32>) {
  // expected-note@+1 {{required by region isolation constraints}}
  %r = cim.region "r" () : () -> tensor<4xf32> {
    // expected-error@+1 {{using value defined outside the region}}
    cim.yield %x : tensor<4xf32>
  }
  return
}

// -----

func.func @yield_parent(%x: tensor<4xf32>) {
  // expected-error@+1 {{expects parent op 'cim.region'}}
  cim.yield %x : tensor<4xf32>
}

// -----

// expected-error@+1 {{unknown schedule field 'tile'}}
func.func private @f() attributes {s = #cim.schedule<m = [1], k = [1], tile = 3>}

// -----

// expected-error@+1 {{unknown keyword 'rows'}}
func.func private @f() attributes {s = #cim.schedule<m = [1], k = [1], split = rows>}

// -----

// expected-error@+1 {{unknown keyword 'l3'}}
func.func private @f() attributes {s = #cim.mem<l3>}

// -----

// expected-error@+1 {{buffer_c1: the type must be a static memref with identity layout and a #cim.mem memory space}}
%b = cim.buffer temp "b" : memref<4xi8>

// -----

// expected-error@+1 {{buffer_c1}}
%b = cim.buffer temp "b" : memref<?xi8, #cim.mem<dram>>

// -----

// expected-error@+1 {{buffer_c1}}
%b = cim.buffer temp "b" : memref<4x4xi8, strided<[8, 1]>, #cim.mem<dram>>

// -----

// expected-error@+1 {{buffer_c2: a value is present exactly for constants}}
%b = cim.buffer constant "b" : memref<4xi8, #cim.mem<dram>>

// -----

// expected-error@+1 {{buffer_c2: a value is present exactly for constants}}
%b = cim.buffer temp "b" value dense<0> : tensor<4xi8> : memref<4xi8, #cim.mem<dram>>

// -----

// expected-error@+1 {{buffer_c2: value has 8 bytes, the buffer 4}}
%b = cim.buffer constant "b" value dense<0> : tensor<4xi16> : memref<4xi8, #cim.mem<dram>>

// -----

// expected-error@+1 {{buffer_c3: input buffers are in dram, found l2}}
%b = cim.buffer input "b" : memref<4xi8, #cim.mem<l2>>

// -----

// expected-error@+1 {{buffer_c3: output buffers are in dram, found l2}}
%b = cim.buffer output "b" : memref<4xi8, #cim.mem<l2>>

// -----

// expected-error@+1 {{buffer_c3: constant buffers are in dram, found l1}}
%b = cim.buffer constant "b" value dense<0> : tensor<4xi8> : memref<4xi8, #cim.mem<l1 core 0>>

// -----

// expected-error@+1 {{buffer_c4: offset 96 is not a multiple of 64}}
%b = cim.buffer temp "b" at 96 : memref<4xi8, #cim.mem<dram>>

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{dma_c1: 1 to 6 dimensions, found 0}}
%t = cim.dma_copy core 0 channel 0 %a [0] strides [] -> %b [0] strides [] sizes [] x 1 : memref<4x8xi8, #cim.mem<dram>> -> memref<4x8xi8, #cim.mem<l2>>

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{dma_c1: 1 to 6 dimensions, found 7}}
%t = cim.dma_copy core 0 channel 0 %a [0] strides [0, 0, 0, 0, 0, 0, 1] -> %b [0] strides [0, 0, 0, 0, 0, 0, 1] sizes [1, 1, 1, 1, 1, 1, 8] x 1 : memref<4x8xi8, #cim.mem<dram>> -> memref<4x8xi8, #cim.mem<l2>>

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{2 sizes but 1 strides}}
%t = cim.dma_copy core 0 channel 0 %a [0] strides [1] -> %b [0] strides [8, 1] sizes [4, 8] x 1 : memref<4x8xi8, #cim.mem<dram>> -> memref<4x8xi8, #cim.mem<l2>>

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{2 sizes but 3 strides}}
%t = cim.dma_copy core 0 channel 0 %a [0] strides [8, 1] -> %b [0] strides [8, 1, 1] sizes [4, 8] x 1 : memref<4x8xi8, #cim.mem<dram>> -> memref<4x8xi8, #cim.mem<l2>>

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{size 0 is not positive}}
%t = cim.dma_copy core 0 channel 0 %a [0] strides [8, 1] -> %b [0] strides [8, 1] sizes [4, 0] x 1 : memref<4x8xi8, #cim.mem<dram>> -> memref<4x8xi8, #cim.mem<l2>>

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{dma_c2: element size is 1, 2, 4 or 8 bytes, found 3}}
%t = cim.dma_copy core 0 channel 0 %a [0] strides [3] -> %b [0] strides [3] sizes [4] x 3 : memref<4x8xi8, #cim.mem<dram>> -> memref<4x8xi8, #cim.mem<l2>>

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{dma_c2: access to bytes [1, 33) leaves the buffer of 32 bytes}}
%t = cim.dma_copy core 0 channel 0 %a [1] strides [8, 1] -> %b [0] strides [8, 1] sizes [4, 8] x 1 : memref<4x8xi8, #cim.mem<dram>> -> memref<4x8xi8, #cim.mem<l2>>

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{dma_c2: access to bytes [-24, 8) leaves the buffer}}
%t = cim.dma_copy core 0 channel 0 %a [0] strides [-8, 1] -> %b [0] strides [8, 1] sizes [4, 8] x 1 : memref<4x8xi8, #cim.mem<dram>> -> memref<4x8xi8, #cim.mem<l2>>

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{dma_c2: access to bytes [0, 56) leaves the buffer}}
%t = cim.dma_copy core 0 channel 0 %a [0] strides [8, 1] -> %b [0] strides [16, 1] sizes [4, 8] x 1 : memref<4x8xi8, #cim.mem<dram>> -> memref<4x8xi8, #cim.mem<l2>>

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
// expected-error@+1 {{dma_c1: 1 to 6 dimensions, found 0}}
%t = cim.dma_fill core 0 channel 0 0 -> %a [0] strides [] sizes [] x 1 : memref<4x8xi8, #cim.mem<dram>>

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
// expected-error@+1 {{dma_c2: element size is 1, 2, 4 or 8 bytes, found 16}}
%t = cim.dma_fill core 0 channel 0 0 -> %a [0] strides [1] sizes [4] x 16 : memref<4x8xi8, #cim.mem<dram>>

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
// expected-error@+1 {{dma_c2: access to bytes [0, 40) leaves the buffer}}
%t = cim.dma_fill core 0 channel 0 0 -> %a [0] strides [8, 1] sizes [5, 8] x 1 : memref<4x8xi8, #cim.mem<dram>>

// -----

%w = cim.buffer temp "w" : memref<128xi8, #cim.mem<l2>>
// expected-error@+1 {{write_c1: position, shape and strides have two entries, copies four}}
%t = cim.write_weights core 0 planes %w [0] strides [0, 0] -> set 0 at [0] shape [8, 16] copies [1, 1, 0, 0] planes 8 block 0 masks [] : memref<128xi8, #cim.mem<l2>>

// -----

%w = cim.buffer temp "w" : memref<128xi8, #cim.mem<l2>>
// expected-error@+1 {{write_c1: position}}
%t = cim.write_weights core 0 planes %w [0] strides [0, 0] -> set 0 at [0, 0] shape [8, 16, 1] copies [1, 1, 0, 0] planes 8 block 0 masks [] : memref<128xi8, #cim.mem<l2>>

// -----

%w = cim.buffer temp "w" : memref<128xi8, #cim.mem<l2>>
// expected-error@+1 {{write_c1: position}}
%t = cim.write_weights core 0 planes %w [0] strides [] -> set 0 at [0, 0] shape [8, 16] copies [1, 1, 0, 0] planes 8 block 0 masks [] : memref<128xi8, #cim.mem<l2>>

// -----

%w = cim.buffer temp "w" : memref<128xi8, #cim.mem<l2>>
// expected-error@+1 {{write_c1: position}}
%t = cim.write_weights core 0 planes %w [0] strides [0, 0] -> set 0 at [0, 0] shape [8, 16] copies [1, 1] planes 8 block 0 masks [] : memref<128xi8, #cim.mem<l2>>

// -----

%w = cim.buffer temp "w" : memref<128xi8, #cim.mem<l2>>
// expected-error@+1 {{write_c1: shape 8 x 0 is not positive}}
%t = cim.write_weights core 0 planes %w [0] strides [0, 0] -> set 0 at [0, 0] shape [8, 0] copies [1, 1, 0, 0] planes 8 block 0 masks [] : memref<128xi8, #cim.mem<l2>>

// -----

%w = cim.buffer temp "w" : memref<128xi8, #cim.mem<l2>>
// expected-error@+1 {{write_c2: 9 planes do not fit format planes}}
%t = cim.write_weights core 0 planes %w [0] strides [0, 0] -> set 0 at [0, 0] shape [8, 16] copies [1, 1, 0, 0] planes 9 block 0 masks [] : memref<128xi8, #cim.mem<l2>>

// -----

%w = cim.buffer temp "w" : memref<128xi8, #cim.mem<l2>>
// expected-error@+1 {{write_c2: 0 planes do not fit format planes}}
%t = cim.write_weights core 0 planes %w [0] strides [0, 0] -> set 0 at [0, 0] shape [8, 16] copies [1, 1, 0, 0] planes 0 block 0 masks [] : memref<128xi8, #cim.mem<l2>>

// -----

%w = cim.buffer temp "w" : memref<128xi8, #cim.mem<l2>>
// expected-error@+1 {{write_c2: 7 planes do not fit format int8}}
%t = cim.write_weights core 0 int8 %w [0] strides [0, 0] -> set 0 at [0, 0] shape [8, 16] copies [1, 1, 0, 0] planes 7 block 0 masks [] : memref<128xi8, #cim.mem<l2>>

// -----

%w = cim.buffer temp "w" : memref<128xi8, #cim.mem<l2>>
// expected-error@+1 {{write_c2: 17 planes do not fit format bfp}}
%t = cim.write_weights core 0 bfp %w [0] strides [0, 0] -> set 0 at [0, 0] shape [8, 16] copies [1, 1, 0, 0] planes 17 block 0 masks [] : memref<128xi8, #cim.mem<l2>>

// -----

%w = cim.buffer temp "w" : memref<128xi8, #cim.mem<l2>>
// expected-error@+1 {{write_c2: 1 planes do not fit format f32}}
%t = cim.write_weights core 0 f32 %w [0] strides [0, 0] -> set 0 at [0, 0] shape [8, 16] copies [1, 1, 0, 0] planes 1 block 0 masks [] : memref<128xi8, #cim.mem<l2>>

// -----

%act = cim.buffer temp "act" : memref<4x8xi8, #cim.mem<l1 core 0>>
%acc = cim.buffer temp "acc" : memref<4x16xi32, #cim.mem<acc core 0>>
%bias = cim.buffer temp "bias" : memref<16xi32, #cim.mem<l1 core 0>>
// expected-error@+1 {{mac_c1: 1 to 4 m loops, 1 to 4 k loops, two entries in position and shape}}
%t = cim.mac core 0 %act [0] m [] strides [] k [8] strides [1] set 0 at [0, 0] shape [8, 16] copies 1 -> zero %acc [0] stride 64 bias_offset 0 : memref<4x8xi8, #cim.mem<l1 core 0>>, memref<4x16xi32, #cim.mem<acc core 0>>

// -----

%act = cim.buffer temp "act" : memref<4x8xi8, #cim.mem<l1 core 0>>
%acc = cim.buffer temp "acc" : memref<4x16xi32, #cim.mem<acc core 0>>
%bias = cim.buffer temp "bias" : memref<16xi32, #cim.mem<l1 core 0>>
// expected-error@+1 {{mac_c1: 1 to 4 m loops}}
%t = cim.mac core 0 %act [0] m [1, 1, 1, 1, 1] strides [0, 0, 0, 0, 0] k [8] strides [1] set 0 at [0, 0] shape [8, 16] copies 1 -> zero %acc [0] stride 64 bias_offset 0 : memref<4x8xi8, #cim.mem<l1 core 0>>, memref<4x16xi32, #cim.mem<acc core 0>>

// -----

%act = cim.buffer temp "act" : memref<4x8xi8, #cim.mem<l1 core 0>>
%acc = cim.buffer temp "acc" : memref<4x16xi32, #cim.mem<acc core 0>>
%bias = cim.buffer temp "bias" : memref<16xi32, #cim.mem<l1 core 0>>
// expected-error@+1 {{mac_c1: 1 to 4 m loops}}
%t = cim.mac core 0 %act [0] m [4] strides [8] k [1, 1, 1, 1, 1] strides [0, 0, 0, 0, 0] set 0 at [0, 0] shape [8, 16] copies 1 -> zero %acc [0] stride 64 bias_offset 0 : memref<4x8xi8, #cim.mem<l1 core 0>>, memref<4x16xi32, #cim.mem<acc core 0>>

// -----

%act = cim.buffer temp "act" : memref<4x8xi8, #cim.mem<l1 core 0>>
%acc = cim.buffer temp "acc" : memref<4x16xi32, #cim.mem<acc core 0>>
%bias = cim.buffer temp "bias" : memref<16xi32, #cim.mem<l1 core 0>>
// expected-error@+1 {{mac_c1: 1 to 4 m loops}}
%t = cim.mac core 0 %act [0] m [4] strides [8] k [8] strides [1] set 0 at [0] shape [8, 16] copies 1 -> zero %acc [0] stride 64 bias_offset 0 : memref<4x8xi8, #cim.mem<l1 core 0>>, memref<4x16xi32, #cim.mem<acc core 0>>

// -----

%act = cim.buffer temp "act" : memref<4x8xi8, #cim.mem<l1 core 0>>
%acc = cim.buffer temp "acc" : memref<4x16xi32, #cim.mem<acc core 0>>
%bias = cim.buffer temp "bias" : memref<16xi32, #cim.mem<l1 core 0>>
// expected-error@+1 {{mac_c1: 1 m and 1 k loops have 2 and 0 strides}}
%t = cim.mac core 0 %act [0] m [4] strides [8, 1] k [8] strides [] set 0 at [0, 0] shape [8, 16] copies 1 -> zero %acc [0] stride 64 bias_offset 0 : memref<4x8xi8, #cim.mem<l1 core 0>>, memref<4x16xi32, #cim.mem<acc core 0>>

// -----

%act = cim.buffer temp "act" : memref<4x8xi8, #cim.mem<l1 core 0>>
%acc = cim.buffer temp "acc" : memref<4x16xi32, #cim.mem<acc core 0>>
%bias = cim.buffer temp "bias" : memref<16xi32, #cim.mem<l1 core 0>>
// expected-error@+1 {{mac_c1: the k loops cover 8 rows, the tile has 9}}
%t = cim.mac core 0 %act [0] m [4] strides [8] k [8] strides [1] set 0 at [0, 0] shape [9, 16] copies 1 -> zero %acc [0] stride 64 bias_offset 0 : memref<4x8xi8, #cim.mem<l1 core 0>>, memref<4x16xi32, #cim.mem<acc core 0>>

// -----

%act = cim.buffer temp "act" : memref<4x8xi8, #cim.mem<l1 core 0>>
%acc = cim.buffer temp "acc" : memref<4x16xi32, #cim.mem<acc core 0>>
%bias = cim.buffer temp "bias" : memref<16xi32, #cim.mem<l1 core 0>>
// expected-error@+1 {{mac_c1: size 0 is not positive}}
%t = cim.mac core 0 %act [0] m [0] strides [8] k [8] strides [1] set 0 at [0, 0] shape [8, 16] copies 1 -> zero %acc [0] stride 64 bias_offset 0 : memref<4x8xi8, #cim.mem<l1 core 0>>, memref<4x16xi32, #cim.mem<acc core 0>>

// -----

%act = cim.buffer temp "act" : memref<4x8xi8, #cim.mem<l1 core 0>>
%acc = cim.buffer temp "acc" : memref<4x16xi32, #cim.mem<acc core 0>>
%bias = cim.buffer temp "bias" : memref<16xi32, #cim.mem<l1 core 0>>
// expected-error@+1 {{mac_c1: access to bytes [8, 40) leaves the buffer of 32 bytes}}
%t = cim.mac core 0 %act [8] m [4] strides [8] k [8] strides [1] set 0 at [0, 0] shape [8, 16] copies 1 -> zero %acc [0] stride 64 bias_offset 0 : memref<4x8xi8, #cim.mem<l1 core 0>>, memref<4x16xi32, #cim.mem<acc core 0>>

// -----

%act = cim.buffer temp "act" : memref<4x8xi8, #cim.mem<l1 core 0>>
%acc = cim.buffer temp "acc" : memref<4x16xi32, #cim.mem<acc core 0>>
%bias = cim.buffer temp "bias" : memref<16xi32, #cim.mem<l1 core 0>>
// expected-error@+1 {{mac_c2: a bias operand is present exactly when init is bias}}
%t = cim.mac core 0 %act [0] m [4] strides [8] k [8] strides [1] set 0 at [0, 0] shape [8, 16] copies 1 -> bias %acc [0] stride 64 bias_offset 0 : memref<4x8xi8, #cim.mem<l1 core 0>>, memref<4x16xi32, #cim.mem<acc core 0>>

// -----

%act = cim.buffer temp "act" : memref<4x8xi8, #cim.mem<l1 core 0>>
%acc = cim.buffer temp "acc" : memref<4x16xi32, #cim.mem<acc core 0>>
%bias = cim.buffer temp "bias" : memref<16xi32, #cim.mem<l1 core 0>>
// expected-error@+1 {{mac_c2: a bias operand is present exactly when init is bias}}
%t = cim.mac core 0 %act [0] m [4] strides [8] k [8] strides [1] set 0 at [0, 0] shape [8, 16] copies 1 -> accumulate %acc [0] stride 64 bias %bias bias_offset 0 : memref<4x8xi8, #cim.mem<l1 core 0>>, memref<4x16xi32, #cim.mem<acc core 0>>, memref<16xi32, #cim.mem<l1 core 0>>

// -----

cim.kernel @copy inputs 1 outputs [i8] {
^bb0(%x: i8, %old: i8):
  cim.kernel_yield %x : i8
}
%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{vector_c1: 1 to 6 loops, found 0}}
%t = cim.vector core 0 @copy(%a, %b) loops [] reductions [] index_base [0] offsets [0, 0] strides [array<i64: 1>, array<i64: 1>] gathers [array<i64>, array<i64>] : (memref<4x8xi8, #cim.mem<dram>>, memref<4x8xi8, #cim.mem<l2>>)

// -----

cim.kernel @copy inputs 1 outputs [i8] {
^bb0(%x: i8, %old: i8):
  cim.kernel_yield %x : i8
}
%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{vector_c1: 1 to 6 loops, found 7}}
%t = cim.vector core 0 @copy(%a, %b) loops [1, 1, 1, 1, 1, 1, 1] reductions [] index_base [0] offsets [0, 0] strides [array<i64: 1>, array<i64: 1>] gathers [array<i64>, array<i64>] : (memref<4x8xi8, #cim.mem<dram>>, memref<4x8xi8, #cim.mem<l2>>)

// -----

cim.kernel @copy inputs 1 outputs [i8] {
^bb0(%x: i8, %old: i8):
  cim.kernel_yield %x : i8
}
%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{vector_c1: loop size 0 is not positive}}
%t = cim.vector core 0 @copy(%a, %b) loops [0] reductions [] index_base [0] offsets [0, 0] strides [array<i64: 1>, array<i64: 1>] gathers [array<i64>, array<i64>] : (memref<4x8xi8, #cim.mem<dram>>, memref<4x8xi8, #cim.mem<l2>>)

// -----

cim.kernel @copy inputs 1 outputs [i8] {
^bb0(%x: i8, %old: i8):
  cim.kernel_yield %x : i8
}
%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{vector_c1: 2 operands need as many offsets, strides and gathers}}
%t = cim.vector core 0 @copy(%a, %b) loops [32] reductions [] index_base [0] offsets [0] strides [array<i64: 1>, array<i64: 1>] gathers [array<i64>, array<i64>] : (memref<4x8xi8, #cim.mem<dram>>, memref<4x8xi8, #cim.mem<l2>>)

// -----

cim.kernel @copy inputs 1 outputs [i8] {
^bb0(%x: i8, %old: i8):
  cim.kernel_yield %x : i8
}
%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{vector_c1: 2 operands need as many offsets, strides and gathers}}
%t = cim.vector core 0 @copy(%a, %b) loops [32] reductions [] index_base [0] offsets [0, 0] strides [array<i64: 1>, array<i64: 1>] gathers [array<i64>] : (memref<4x8xi8, #cim.mem<dram>>, memref<4x8xi8, #cim.mem<l2>>)

// -----

cim.kernel @copy inputs 1 outputs [i8] {
^bb0(%x: i8, %old: i8):
  cim.kernel_yield %x : i8
}
%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{vector_c1: one stride per loop and operand}}
%t = cim.vector core 0 @copy(%a, %b) loops [32] reductions [] index_base [0] offsets [0, 0] strides [array<i64: 1>, array<i64: 1, 1>] gathers [array<i64>, array<i64>] : (memref<4x8xi8, #cim.mem<dram>>, memref<4x8xi8, #cim.mem<l2>>)

// -----

cim.kernel @copy inputs 1 outputs [i8] {
^bb0(%x: i8, %old: i8):
  cim.kernel_yield %x : i8
}
%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{vector_c1: one stride per loop and operand}}
%t = cim.vector core 0 @copy(%a, %b) loops [32] reductions [] index_base [0] offsets [0, 0] strides [1, array<i64: 1>] gathers [array<i64>, array<i64>] : (memref<4x8xi8, #cim.mem<dram>>, memref<4x8xi8, #cim.mem<l2>>)

// -----

cim.kernel @copy inputs 1 outputs [i8] {
^bb0(%x: i8, %old: i8):
  cim.kernel_yield %x : i8
}
%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{vector_c1: a gather list holds pairs of extent and stride}}
%t = cim.vector core 0 @copy(%a, %b) loops [32] reductions [] index_base [0] offsets [0, 0] strides [array<i64: 1>, array<i64: 1>] gathers [array<i64: 32>, array<i64>] : (memref<4x8xi8, #cim.mem<dram>>, memref<4x8xi8, #cim.mem<l2>>)

// -----

cim.kernel @copy inputs 1 outputs [i8] {
^bb0(%x: i8, %old: i8):
  cim.kernel_yield %x : i8
}
%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{vector_c2: @paste is not a cim.kernel of the module}}
%t = cim.vector core 0 @paste(%a, %b) loops [32] reductions [] index_base [0] offsets [0, 0] strides [array<i64: 1>, array<i64: 1>] gathers [array<i64>, array<i64>] : (memref<4x8xi8, #cim.mem<dram>>, memref<4x8xi8, #cim.mem<l2>>)

// -----

cim.kernel @copy inputs 1 outputs [i8] {
^bb0(%x: i8, %old: i8):
  cim.kernel_yield %x : i8
}
%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<dram>>
%b = cim.buffer temp "b" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{vector_c2: @copy has 2 operands, found 1}}
%t = cim.vector core 0 @copy(%a) loops [32] reductions [] index_base [0] offsets [0] strides [array<i64: 1>] gathers [array<i64>] : (memref<4x8xi8, #cim.mem<dram>>)

// -----

func.func private @f()
%a = cim.buffer temp "a" : memref<32xi8, #cim.mem<l2>>
// expected-error@+1 {{vector_c2: @f is not a cim.kernel of the module}}
%t = cim.vector core 0 @f(%a) loops [32] reductions [] index_base [0] offsets [0] strides [array<i64: 1>] gathers [array<i64>] : (memref<32xi8, #cim.mem<l2>>)

// -----

// expected-error@+1 {{kernel_c1: 1 inputs and 1 outputs, but 1 block arguments}}
cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32):
  cim.kernel_yield %x : f32
}

// -----

// expected-error@+1 {{kernel_c1: -1 inputs}}
cim.kernel @k inputs -1 outputs [f32] {
^bb0(%x: f32):
  cim.kernel_yield %x : f32
}

// -----

// expected-error@+1 {{kernel_c1: the old value of output 0 has type}}
cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32, %o: i8):
  cim.kernel_yield %x : f32
}

// -----

cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32, %o: f32):
  // expected-error@+1 {{kernel_c2: the vector unit runs scalar arith, math and cim.kernel_* ops only}}
  %t = tensor.empty() : tensor<4xf32>
  cim.kernel_yield %x : f32
}

// -----

cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32, %o: f32):
  // expected-error@+1 {{kernel_c2: the vector unit runs scalar}}
  %t = arith.constant dense<0.0> : tensor<4xf32>
  cim.kernel_yield %x : f32
}

// -----

cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32, %o: f32):
  // expected-error@+1 {{block with no terminator}}
  %y = arith.negf %x : f32
}

// -----

cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: i32, %o: f32):
  // expected-error@+1 {{kernel_c3: operand types are not the kernel's output types}}
  cim.kernel_yield %x : i32
}

// -----

cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32, %o: f32):
  // expected-error@+1 {{kernel_c3: operand types are not the kernel's output types}}
  cim.kernel_yield %x, %x : f32, f32
}

// -----

cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32, %o: f32):
  // expected-error@+1 {{kernel_index_c1: loop is 0 to 5, found 6}}
  %i = cim.kernel_index 6
  cim.kernel_yield %x : f32
}

// -----

cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32, %o: f32):
  // expected-error@+1 {{kernel_index_c1: loop is 0 to 5, found -1}}
  %i = cim.kernel_index -1
  cim.kernel_yield %x : f32
}

// -----

cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32, %o: f32):
  %i = cim.kernel_index 0
  // expected-error@+1 {{kernel_gather_c1: the kernel has 2 operands, found operand 2}}
  %g = cim.kernel_gather 2 [%i] : f32
  cim.kernel_yield %x : f32
}

// -----

cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32, %o: f32):
  %i = cim.kernel_index 0
  // expected-error@+1 {{kernel_gather_c1: operand 0 has elements of type}}
  %g = cim.kernel_gather 0 [%i] : i8
  cim.kernel_yield %x : f32
}

// -----

cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32, %o: f32):
  // expected-error@+1 {{kernel_quantize_c1: range [5, 4] is empty}}
  %q = cim.kernel_quantize %x scale 1.0 zero 0 range [5, 4] : i8
  cim.kernel_yield %x : f32
}

// -----

cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32, %o: f32):
  // expected-error@+1 {{kernel_quantize_c1: scale 0.000000e+00 : f32 is not positive}}
  %q = cim.kernel_quantize %x scale 0.0 zero 0 range [-8, 7] : i8
  cim.kernel_yield %x : f32
}

// -----

cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32, %o: f32):
  // expected-error@+1 {{kernel_quantize_c1: scale 0x7F800000 : f32 is not positive}}
  %q = cim.kernel_quantize %x scale 0x7F800000 zero 0 range [-8, 7] : i8
  cim.kernel_yield %x : f32
}

// -----

cim.kernel @k inputs 1 outputs [f32] {
^bb0(%x: f32, %o: f32):
  %q = cim.kernel_quantize %x scale 1.0 zero 0 range [-8, 7] : i8
  // expected-error@+1 {{kernel_dequantize_c1: scale -1.000000e+00 : f32 is not positive}}
  %d = cim.kernel_dequantize %q scale -1.0 zero 0 : i8
  cim.kernel_yield %x : f32
}

// -----

func.func @kernel_parent() {
  // expected-error@+1 {{expects parent op 'cim.kernel'}}
  %i = cim.kernel_index 0
  return
}

// -----

// expected-error@+1 {{buffer_c4: offset -64 is not a multiple of 64}}
%b = cim.buffer temp "b" at -64 : memref<4xi8, #cim.mem<dram>>

// -----

func.func @topk_c1_rank(%x: tensor<f32>) {
  // expected-error@+1 {{topk_c1: a tensor of numbers of rank 1 or more}}
  %v, %i = cim.topk %x k 1 : (tensor<f32>) -> (tensor<f32>, tensor<i64>)
  return
}

// -----

func.func @topk_c1_empty(%x: tensor<0x3xf32>) {
  // expected-error@+1 {{topk_c1: a tensor of numbers of rank 1 or more with static sizes of at least 1 is needed}}
  %v, %i = cim.topk %x k 1 : (tensor<0x3xf32>) -> (tensor<0x1xf32>, tensor<0x1xi64>)
  return
}

// -----

func.func @topk_c2(%x: tensor<2x10xf32>) {
  // expected-error@+1 {{topk_c2: k is 1 to 10, found 11}}
  %v, %i = cim.topk %x k 11 : (tensor<2x10xf32>) -> (tensor<2x11xf32>, tensor<2x11xi64>)
  return
}

// -----

func.func @topk_c3_values(%x: tensor<2x10xf32>) {
  // expected-error@+1 {{topk_c3: the type of values is 'tensor<2x3xf32>'}}
  %v, %i = cim.topk %x k 3 : (tensor<2x10xf32>) -> (tensor<2x3xf16>, tensor<2x3xi64>)
  return
}

// -----

func.func @topk_c3_indices(%x: tensor<2x10xf32>) {
  // expected-error@+1 {{topk_c3: the type of indices is 'tensor<2x3xi64>'}}
  %v, %i = cim.topk %x k 3 : (tensor<2x10xf32>) -> (tensor<2x3xf32>, tensor<2x3xi32>)
  return
}

// -----

func.func @nonzero_c1(%x: tensor<f32>) {
  // expected-error@+1 {{nonzero_c1: a tensor of numbers}}
  %i, %n = cim.nonzero %x : (tensor<f32>) -> (tensor<0x1xi64>, tensor<i64>)
  return
}

// -----

func.func @nonzero_c2_indices(%x: tensor<2x10xf32>) {
  // expected-error@+1 {{nonzero_c2: the type of indices is 'tensor<2x20xi64>'}}
  %i, %n = cim.nonzero %x : (tensor<2x10xf32>) -> (tensor<2x10xi64>, tensor<i64>)
  return
}

// -----

func.func @nonzero_c2_count(%x: tensor<2x10xf32>) {
  // expected-error@+1 {{nonzero_c2: the type of count is 'tensor<i64>'}}
  %i, %n = cim.nonzero %x : (tensor<2x10xf32>) -> (tensor<2x20xi64>, tensor<1xi64>)
  return
}

// -----

func.func @lexsort_c1(%x: tensor<4xf32>) {
  // expected-error@+1 {{lexsort_c1: a tensor of numbers of rank 2 with}}
  %o = cim.lexsort %x : (tensor<4xf32>) -> tensor<4xi64>
  return
}

// -----

func.func @lexsort_c2(%x: tensor<2x10xf32>) {
  // expected-error@+1 {{lexsort_c2: the type of the result is 'tensor<2xi64>'}}
  %o = cim.lexsort %x : (tensor<2x10xf32>) -> tensor<10xi64>
  return
}

// -----

func.func @nms_c1_boxes(%b: tensor<1x6x5xf32>, %s: tensor<1x2x6xf32>, %n: tensor<i64>, %t: tensor<f32>) {
  // expected-error@+1 {{nms_c1: the type of boxes is 'tensor<1x6x4xf32>'}}
  %r, %c = cim.nms %b, %s, %n, %t limit 1 : (tensor<1x6x5xf32>, tensor<1x2x6xf32>, tensor<i64>, tensor<f32>) -> (tensor<2x3xi64>, tensor<i64>)
  return
}

// -----

func.func @nms_c1_scores(%b: tensor<1x6x4xf32>, %s: tensor<1x2x7xf32>, %n: tensor<i64>, %t: tensor<f32>) {
  // expected-error@+1 {{nms_c1: the type of scores is 'tensor<1x2x6xf32>'}}
  %r, %c = cim.nms %b, %s, %n, %t limit 1 : (tensor<1x6x4xf32>, tensor<1x2x7xf32>, tensor<i64>, tensor<f32>) -> (tensor<2x3xi64>, tensor<i64>)
  return
}

// -----

func.func @nms_c2_max(%b: tensor<1x6x4xf32>, %s: tensor<1x2x6xf32>, %n: tensor<i32>, %t: tensor<f32>) {
  // expected-error@+1 {{nms_c2: the type of max_boxes is 'tensor<i64>'}}
  %r, %c = cim.nms %b, %s, %n, %t limit 1 : (tensor<1x6x4xf32>, tensor<1x2x6xf32>, tensor<i32>, tensor<f32>) -> (tensor<2x3xi64>, tensor<i64>)
  return
}

// -----

func.func @nms_c2_score(%b: tensor<1x6x4xf32>, %s: tensor<1x2x6xf32>, %n: tensor<i64>, %t: tensor<f32>) {
  // expected-error@+1 {{nms_c2: the type of min_score is 'tensor<f32>'}}
  %r, %c = cim.nms %b, %s, %n, %t score %n limit 1 : (tensor<1x6x4xf32>, tensor<1x2x6xf32>, tensor<i64>, tensor<f32>, tensor<i64>) -> (tensor<2x3xi64>, tensor<i64>)
  return
}

// -----

func.func @nms_c3_limit(%b: tensor<1x6x4xf32>, %s: tensor<1x2x6xf32>, %n: tensor<i64>, %t: tensor<f32>) {
  // expected-error@+1 {{nms_c3: limit is 1 to 6, found 7}}
  %r, %c = cim.nms %b, %s, %n, %t limit 7 : (tensor<1x6x4xf32>, tensor<1x2x6xf32>, tensor<i64>, tensor<f32>) -> (tensor<14x3xi64>, tensor<i64>)
  return
}

// -----

func.func @nms_c3_selected(%b: tensor<1x6x4xf32>, %s: tensor<1x2x6xf32>, %n: tensor<i64>, %t: tensor<f32>) {
  // expected-error@+1 {{nms_c3: the type of selected is 'tensor<4x3xi64>'}}
  %r, %c = cim.nms %b, %s, %n, %t limit 2 : (tensor<1x6x4xf32>, tensor<1x2x6xf32>, tensor<i64>, tensor<f32>) -> (tensor<2x3xi64>, tensor<i64>)
  return
}

// -----

func.func @scatter_c1_updates(%u: tensor<3x5xf32>, %i: tensor<3xi64>, %d: tensor<9x4xf32>) {
  // expected-error@+1 {{scatter_c1: the type of updates is 'tensor<3x4xf32>'}}
  %y = cim.scatter add %u, %i into %d : (tensor<3x5xf32>, tensor<3xi64>, tensor<9x4xf32>) -> tensor<9x4xf32>
  return
}

// -----

func.func @scatter_c1_indices(%u: tensor<3x4xf32>, %i: tensor<3xi32>, %d: tensor<9x4xf32>) {
  // expected-error@+1 {{scatter_c1: the type of indices is 'tensor<3xi64>'}}
  %y = cim.scatter add %u, %i into %d : (tensor<3x4xf32>, tensor<3xi32>, tensor<9x4xf32>) -> tensor<9x4xf32>
  return
}

// -----

func.func @scatter_c2(%u: tensor<3x4xf32>, %i: tensor<3xi64>, %d: tensor<9x4xf32>) {
  // expected-error@+1 {{scatter_c2: the type of the result is 'tensor<9x4xf32>'}}
  %y = cim.scatter add %u, %i into %d : (tensor<3x4xf32>, tensor<3xi64>, tensor<9x4xf32>) -> tensor<8x4xf32>
  return
}

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{ctrl_c1: 1 operands need as many offsets and stride lists}}
%t = cim.ctrl core 0 topk(%a) inputs 1 params [] offsets [0, 0] strides [array<i64: 1>] : (memref<4x8xi8, #cim.mem<l2>>)

// -----

%a = cim.buffer temp "a" : memref<4x8xi8, #cim.mem<l2>>
// expected-error@+1 {{ctrl_c1: 2 inputs of 1 operands}}
%t = cim.ctrl core 0 topk(%a) inputs 2 params [] offsets [0] strides [array<i64: 1>] : (memref<4x8xi8, #cim.mem<l2>>)

// -----

cim.kernel @k inputs 1 outputs [f32, f32] {
^bb0(%x: f32, %o: f32, %p: f32):
  %i = cim.kernel_index 0
  // expected-error@+1 {{kernel_yield_c1: 2 outputs; one can be stored at indices}}
  cim.kernel_yield %x, %x at [%i] : f32, f32
}
