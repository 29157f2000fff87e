// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef CIM_SELECT_OPS_TD
#define CIM_SELECT_OPS_TD

include "dialects/CIM/IR/CIMDialect.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===----------------------------------------------------------------------===//
// Tensor level: work whose order depends on data. No loop nest of independent
// or accumulating iterations says these; all but scatter are firmware kernels of
// the control processor (docs/device.md D4.6).
//===----------------------------------------------------------------------===//

def CIM_TopKOp : CIM_Op<"topk", [Pure]> {
  let summary = "The k largest or smallest elements along the last dimension";
  let description = [{
    Of every row of the last dimension the k largest (with `largest`) or smallest
    elements and their positions in the row. Of equal elements those of lower
    position are kept. NaN is above +infinity and equal to NaN; -0 equals +0. With
    `sorted` best first, equal ones by position; else by position. With
    `unsigned` integers are compared as such.

    Constraints:
    - topk_c1: the input has rank 1 or more, static sizes of at least 1 and integer
      or float elements.
    - topk_c2: 1 <= k <= size of the last dimension.
    - topk_c3: values and indices have the input's shape with k as last size;
      values have its element type, indices i64.

    ```mlir
    %v, %i = cim.topk %x k 5 largest sorted : (tensor<2x10xf32>) -> (tensor<2x5xf32>, tensor<2x5xi64>)
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$k, UnitAttr:$largest,
                       UnitAttr:$sorted, UnitAttr:$is_unsigned);
  let results = (outs AnyRankedTensor:$values, AnyRankedTensor:$indices);
  let assemblyFormat = [{
    $input `k` $k (`largest` $largest^)? (`sorted` $sorted^)?
    (`unsigned` $is_unsigned^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def CIM_NonZeroOp : CIM_Op<"nonzero", [Pure]> {
  let summary = "Positions of the elements other than zero";
  let description = [{
    Column j of `indices` is the position of the j-th element other than zero (NaN is
    other) in row-major order; columns beyond the last such element are zero.
    `count` is their number.

    Constraints:
    - nonzero_c1: the input has rank 1 to 8, static sizes of at least 1 and integer or
      float elements.
    - nonzero_c2: indices is a tensor of i64 of the input's rank times its number of
      elements, count a tensor of one i64 of rank 0.

    ```mlir
    %i, %n = cim.nonzero %x : (tensor<2x3xf32>) -> (tensor<2x6xi64>, tensor<i64>)
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$indices, AnyRankedTensor:$count);
  let assemblyFormat = [{
    $input attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def CIM_LexSortOp : CIM_Op<"lexsort", [Pure]> {
  let summary = "The order that sorts rows";
  let description = [{
    Element j of the result is the number of the row that comes j-th when rows are
    sorted ascending, compared element by element; equal rows stay in order. NaN, -0
    and `unsigned` as in `cim.topk`.

    Constraints:
    - lexsort_c1: the input has rank 2, static sizes of at least 1 and integer or
      float elements.
    - lexsort_c2: the result is a vector of i64 with one element per row.

    ```mlir
    %order = cim.lexsort %x : (tensor<6x2xf32>) -> tensor<6xi64>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, UnitAttr:$is_unsigned);
  let results = (outs AnyRankedTensor:$order);
  let assemblyFormat = [{
    $input (`unsigned` $is_unsigned^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def CIM_NmsOp : CIM_Op<"nms", [Pure]> {
  let summary = "Non-maximum suppression";
  let description = [{
    For each batch and class, of the boxes whose score is above `min_score` (all
    boxes without it), the best not yet looked at is selected unless its overlap with a box
    already selected for the batch and class is above `max_overlap`; at most min(`max_boxes`, `limit`) are
    selected. Best means the higher score, of equal ones the lower number; boxes whose
    score is NaN are left out. Overlap, each step one fp32 op: corners are (y1, x1, y2, x2), put in
    order by Min and Max, or with `center` (x, y, width, height) with corners x - width / 2, x + width / 2 and
    so on; with intersection I = (min of upper - max of lower x) * (same in y), 0
    unless both factors are positive, areas A = (x2 - x1) * (y2 - y1), overlap is
    I / (A + B - I), or 0 unless I, A, B and the divisor are positive.

    Row j of `selected` is (batch, class, box) of the j-th selected box, by batch,
    class and time of selection; rows beyond the last are zero. `count` is their
    number.

    Constraints:
    - nms_c1: boxes is `B x N x 4`, scores `B x C x N`, both f32, static and not empty.
    - nms_c2: max_boxes is a scalar tensor of i64, max_overlap and min_score of f32.
    - nms_c3: 1 <= limit <= N; selected is `B*C*limit x 3`, count a scalar, of i64.

    ```mlir
    %s, %n = cim.nms %boxes, %scores, %max, %iou score %min limit 3
      : (tensor<1x6x4xf32>, tensor<1x1x6xf32>, tensor<i64>, tensor<f32>, tensor<f32>) -> (tensor<3x3xi64>, tensor<i64>)
    ```
  }];
  let arguments = (ins AnyRankedTensor:$boxes, AnyRankedTensor:$scores,
                       AnyRankedTensor:$max_boxes, AnyRankedTensor:$max_overlap,
                       Optional<AnyRankedTensor>:$min_score, I64Attr:$limit,
                       UnitAttr:$center);
  let results = (outs AnyRankedTensor:$selected, AnyRankedTensor:$count);
  let assemblyFormat = [{
    $boxes `,` $scores `,` $max_boxes `,` $max_overlap (`score` $min_score^)?
    `limit` $limit (`center` $center^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def CIM_ScatterKindEnum : I32EnumAttr<"ScatterKind", "what a scatter does with the old element", [
    I32EnumAttrCase<"replace", 0>, I32EnumAttrCase<"add", 1>,
    I32EnumAttrCase<"mul", 2>, I32EnumAttrCase<"max", 3>,
    I32EnumAttrCase<"min", 4>]> {
  let cppNamespace = "::cim::ir";
}

def CIM_ScatterOp : CIM_Op<"scatter", [Pure]> {
  let summary = "Rows written to computed places";
  let description = [{
    The result is `dest` after row t of `updates` has been combined into its row
    `indices[t]`, for each t in order. A negative index skips its row; an index of D or
    more is a fault. Combining is one op of the element type (numerics I1, F1, F2) with the
    old element on the left; with `unsigned` max and min compare integers as such.

    Constraints:
    - scatter_c1: dest is `D x S`, updates `T x S` of the same element type (integer
      or float), indices a vector of T i64; static sizes of at least 1.
    - scatter_c2: the result has dest's type.

    ```mlir
    %y = cim.scatter add %updates, %indices into %dest : (tensor<3x4xf32>, tensor<3xi64>, tensor<9x4xf32>) -> tensor<9x4xf32>
    ```
  }];
  let arguments = (ins CIM_ScatterKindEnum:$kind, AnyRankedTensor:$updates,
                       AnyRankedTensor:$indices, AnyRankedTensor:$dest,
                       UnitAttr:$is_unsigned);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $kind $updates `,` $indices `into` $dest (`unsigned` $is_unsigned^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

#endif // CIM_SELECT_OPS_TD
