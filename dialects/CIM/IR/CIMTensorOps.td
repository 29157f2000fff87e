// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef CIM_TENSOR_OPS_TD
#define CIM_TENSOR_OPS_TD

include "dialects/CIM/IR/CIMDialect.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def CIM_ConvOp : CIM_Op<"conv", [Pure, AttrSizedOperandSegments]> {
  let summary = "Grouped N-dimensional convolution for the MAC array";
  let description = [{
    `y[b, o, p...] = epilogue(bias[o] + sum over c, r... of
    x[b, g*C/G + c, p*stride + r*dilation - pad ...] * w[o, c, r...])` with g the
    group of output channel o; positions outside x contribute real zero (for a
    quantized x: its zero point). Logical shapes are always channels-first; the
    memory layout is decided when lowering.

    Shapes: input `N x C x D1..Dr` (r = 1, 2 or 3), weights `O x C/groups x
    K1..Kr`, bias `O`, multiplier `O`, result `N x O x P1..Pr` with
    `P = floor((D + padBegin + padEnd - dilation*(K-1) - 1) / stride) + 1`.

    Constraints:
    - conv_c1: ranks of input, weights and result are equal, 3 to 5.
    - conv_c2: C and O are divisible by groups; weights have C/groups channels.
    - conv_c3: strides, dilations have r positive entries, pads 2*r
      non-negative ones (all begins, then all ends).
    - conv_c4: result shape as given above.
    - conv_c5: number formats are one of
      (a) float: x f32/f16, w f32/f16, bias of type f32, result float, no multiplier;
      (b) integer: x `!quant.uniform<i8..>`, w i8/i7/i6/i5/i4, bias i32,
      multiplier f32; result `!quant.uniform` (numerics Q3, Q5) or f32 (Q4).
    - conv_c6: `mantissa` is present only in (a) and is 12 or 16: the MACs are block
      floating point (numerics B1..B4); absent: fp32 on the vector unit (F5 with k order
      channel, kernel positions).

    ```mlir
    %y = cim.conv %x, %w bias %b requantize %m strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] groups 1
      : (tensor<1x16x28x28x!quant.uniform<i8:f32, 0.021:-3>>, tensor<32x16x3x3xi5>, tensor<32xi32>, tensor<32xf32>)
      -> tensor<1x32x14x14x!quant.uniform<i8:f32, 0.034:-128>>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$weights,
                       Optional<AnyRankedTensor>:$bias,
                       Optional<AnyRankedTensor>:$multiplier,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                       DenseI64ArrayAttr:$dilations,
                       DefaultValuedAttr<I64Attr, "1">:$groups,
                       OptionalAttr<I64Attr>:$mantissa);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `,` $weights (`bias` $bias^)? (`requantize` $multiplier^)?
    `strides` $strides `pads` $pads `dilations` $dilations
    (`groups` $groups^)? (`mantissa` $mantissa^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Number of spatial dimensions.
    int64_t getSpatialRank();
    /// True in number formats (b).
    bool isInteger();
  }];
}

def CIM_MatmulOp : CIM_Op<"matmul", [Pure, AttrSizedOperandSegments]> {
  let summary = "Batched matrix product for the MAC array";
  let description = [{
    `y[b.., m, n] = epilogue(bias[n] + sum over k of a[b.., m, k] * w[b.., k, n])`.

    Shapes: a `B1..Bj x M x K`, b `B1..Bj x K x N` or `K x N` (shared by all
    batches), bias `N`, multiplier `N`, result `B1..Bj x M x N`.

    Constraints:
    - matmul_c1: a has rank >= 2; b has a's rank or rank 2.
    - matmul_c2: batch dimensions and K agree; the result shape is as above.
    - matmul_c3: number formats as conv_c5, and also (c) both operands
      8-bit `!quant.uniform` (signed or unsigned) with zero points 0 and b signed: the
      second operand is computed (numerics Q6).
    - matmul_c4: `mantissa` as conv_c6.

    ```mlir
    %y = cim.matmul %a, %w bias %b : (tensor<1x128x768xf32>, tensor<768x64xf32>, tensor<64xf32>) -> tensor<1x128x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs,
                       Optional<AnyRankedTensor>:$bias,
                       Optional<AnyRankedTensor>:$multiplier,
                       OptionalAttr<I64Attr>:$mantissa);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs (`bias` $bias^)? (`requantize` $multiplier^)?
    (`mantissa` $mantissa^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// True in number formats (b) and (c).
    bool isInteger();
  }];
}

def CIM_RegionOp : CIM_Op<"region", [Pure, IsolatedFromAbove,
    SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "Ops executed together, tile by tile";
  let description = [{
    Unit of splitting and scheduling. The body holds tensor-level ops: at most
    one MAC op (`cim.conv`, `cim.matmul`) and the linalg/tensor ops fused with
    it. Executing the body op by op is its meaning; the schedule says
    how it is executed and changes no bit of the results.

    Constraints:
    - region_c1: block arguments match the operands, yielded values the results.
    - region_c2: at most one MAC op.

    ```mlir
    %r = cim.region "conv3" (%x, %w) schedule #cim.schedule<m = [1, 14, 14], n = 32, k = [16, 3, 3]>
      : (tensor<1x16x28x28xi8>, tensor<32x16x3x3xi8>) -> tensor<1x32x14x14xi8> {
    ^bb0(%a: tensor<1x16x28x28xi8>, %b: tensor<32x16x3x3xi8>):
      ...
      cim.yield %y : tensor<1x32x14x14xi8>
    }
    ```
  }];
  let arguments = (ins StrAttr:$name, Variadic<AnyType>:$inputs,
                       OptionalAttr<CIM_ScheduleAttr>:$schedule);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $name `(` $inputs `)` (`schedule` $schedule^)? attr-dict
    `:` functional-type($inputs, $results) $body
  }];
  let hasVerifier = 1;
}

def CIM_YieldOp : CIM_Op<"yield", [Pure, ReturnLike, Terminator,
                                   ParentOneOf<["RegionOp"]>]> {
  let summary = "Ends a region and names its results";
  let description = [{ Operand types equal the region's result types (region_c1). }];
  let arguments = (ins Variadic<AnyType>:$values);
  let builders = [OpBuilder<(ins), [{}]>];
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif // CIM_TENSOR_OPS_TD
