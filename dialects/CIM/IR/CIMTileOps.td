// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef CIM_TILE_OPS_TD
#define CIM_TILE_OPS_TD

include "dialects/CIM/IR/CIMDialect.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===----------------------------------------------------------------------===//
// Tile level. One op is one engine operation of one core; buffers stand for
// addresses and tokens for semaphores until the allocate phase.
//===----------------------------------------------------------------------===//

def CIM_BufferKindEnum : I32EnumAttr<"BufferKind", "what a buffer holds", [
    I32EnumAttrCase<"temp", 0>, I32EnumAttrCase<"input", 1>,
    I32EnumAttrCase<"output", 2>, I32EnumAttrCase<"constant", 3>,
    I32EnumAttrCase<"resident", 4>]> {
  let cppNamespace = "::cim::ir";
}

def CIM_BufferOp : CIM_Op<"buffer"> {
  let summary = "A piece of device memory";
  let description = [{
    Declares `size` bytes in the memory of the result type (a `memref` whose
    memory space is `#cim.mem`; its shape lists the physical dimensions,
    outermost first). `temp` buffers live from their first to their last use;
    `input`, `output` and `constant` ones (in DRAM) and `resident` ones (filled by
    the load stage) for the whole program. `value` holds a constant's bytes.

    Constraints:
    - buffer_c1: the memref has static shape, identity layout and a `#cim.mem` memory space.
    - buffer_c2: `value` is present exactly for constants and has the memref's byte size.
    - buffer_c3: input, output and constant buffers are in DRAM.
    - buffer_c4: `offset`, set by the allocate phase, is a multiple of 64.

    ```mlir
    %a = cim.buffer temp "conv3.act" : memref<6x58x64xi8, #cim.mem<l1 core 0>>
    %b = cim.buffer temp "conv3.act" at 4096 : memref<6x58x64xi8, #cim.mem<l1 core 0>>
    ```
  }];
  let arguments = (ins CIM_BufferKindEnum:$kind, StrAttr:$name,
                       OptionalAttr<I64Attr>:$offset,
                       OptionalAttr<ElementsAttr>:$value);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = [{
    $kind $name (`at` $offset^)? (`value` $value^)? attr-dict `:` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MemAttr getMem();
    /// Bytes of the buffer.
    int64_t getByteSize();
  }];
}

def CIM_DmaCopyOp : CIM_Op<"dma_copy"> {
  let summary = "Strided copy between memories (device.md D4.1)";
  let description = [{
    Copies element (i0..ik) of the source to the same index of the
    destination; strides in bytes, offsets in bytes from the buffer's start.

    Constraints:
    - dma_c1: 1 to 6 dimensions, the same number of sizes and strides, sizes positive.
    - dma_c2: element size 1, 2, 4 or 8; every access inside its buffer.
  }];
  let arguments = (ins AnyMemRef:$src, AnyMemRef:$dst,
                       I64Attr:$src_offset, I64Attr:$dst_offset,
                       DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$src_strides,
                       DenseI64ArrayAttr:$dst_strides, I64Attr:$elem_bytes,
                       I64Attr:$core, I64Attr:$channel,
                       Variadic<CIM_Token>:$after);
  let results = (outs CIM_Token:$token);
  let assemblyFormat = [{
    `core` $core `channel` $channel $src `[` $src_offset `]` `strides` $src_strides `->`
    $dst `[` $dst_offset `]` `strides` $dst_strides `sizes` $sizes `x` $elem_bytes
    (`after` `(` $after^ `)`)? attr-dict `:` type($src) `->` type($dst)
  }];
  let hasVerifier = 1;
}

def CIM_DmaFillOp : CIM_Op<"dma_fill"> {
  let summary = "Strided fill (device.md D4.1)";
  let description = [{
    Writes the low `elem_bytes` bytes of `value` to every element. Constraints dma_c1, dma_c2.
  }];
  let arguments = (ins AnyMemRef:$dst, I64Attr:$dst_offset,
                       DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$dst_strides,
                       I64Attr:$elem_bytes, I64Attr:$value, I64Attr:$core,
                       I64Attr:$channel, Variadic<CIM_Token>:$after);
  let results = (outs CIM_Token:$token);
  let assemblyFormat = [{
    `core` $core `channel` $channel $value `->` $dst `[` $dst_offset `]` `strides` $dst_strides
    `sizes` $sizes `x` $elem_bytes (`after` `(` $after^ `)`)? attr-dict `:` type($dst)
  }];
  let hasVerifier = 1;
}

def CIM_WeightFormatEnum : I32EnumAttr<"WeightFormat", "encodings of weight sources", [
    I32EnumAttrCase<"planes", 0>, I32EnumAttrCase<"int8", 1>,
    I32EnumAttrCase<"bfp", 2>, I32EnumAttrCase<"f32", 3>,
    I32EnumAttrCase<"f16", 4>]> {
  let cppNamespace = "::cim::ir";
}

def CIM_WriteWeightsOp : CIM_Op<"write_weights"> {
  let summary = "Writes a weight tile into a set of the array (device.md D4.2)";
  let description = [{
    Uses the array's write port, which on a dual-port target works beside a MAC
    on another set. `position` is [row0, col0], `shape` [rows, cols], `copies`
    [count, per row, row pitch, column pitch]; `strides` [row, column] bytes matter
    for the strided formats.

    Constraints:
    - write_c1: position, shape and strides have two entries, copies four; the shape
      is positive.
    - write_c2: planes is 1 to 8 for planes, 8 for int8, 2 to 16 otherwise.
  }];
  let arguments = (ins AnyMemRef:$src, I64Attr:$src_offset,
                       CIM_WeightFormatEnum:$format, I64Attr:$planes,
                       I64Attr:$block_rows, I64Attr:$set,
                       DenseI64ArrayAttr:$position, DenseI64ArrayAttr:$shape,
                       DenseI64ArrayAttr:$copies, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$plane_masks, I64Attr:$core,
                       Variadic<CIM_Token>:$after);
  let results = (outs CIM_Token:$token);
  let assemblyFormat = [{
    `core` $core $format $src `[` $src_offset `]` `strides` $strides `->` `set` $set
    `at` $position `shape` $shape `copies` $copies `planes` $planes
    `block` $block_rows `masks` $plane_masks
    (`after` `(` $after^ `)`)? attr-dict `:` type($src)
  }];
  let hasVerifier = 1;
}

def CIM_AccInitEnum : I32EnumAttr<"AccInit", "where accumulators start", [
    I32EnumAttrCase<"zero", 0>, I32EnumAttrCase<"bias", 1>,
    I32EnumAttrCase<"accumulate", 2>]> {
  let cppNamespace = "::cim::ir";
}

def CIM_MacOp : CIM_Op<"mac", [AttrSizedOperandSegments]> {
  let summary = "Multiplies activations with a weight tile (device.md D4.3)";
  let description = [{
    `acc[m][n] (+)= sum_k act[m][k] * tile[k][n]`; the activation of (m, k) is at
    `act_offset` plus the strides of the m loops and k loops: an affine fetch, no
    im2col copy. The element type of the activation buffer gives the activation type.

    Constraints:
    - mac_c1: 1 to 4 m loops and 1 to 4 k loops of positive size, each with a stride;
      the product of the k sizes is the tile's rows; every access inside its buffer.
    - mac_c2: `bias` is present exactly when init is bias.
  }];
  let arguments = (ins AnyMemRef:$act, AnyMemRef:$acc, Optional<AnyMemRef>:$bias,
                       I64Attr:$act_offset, DenseI64ArrayAttr:$m_sizes,
                       DenseI64ArrayAttr:$m_strides, DenseI64ArrayAttr:$k_sizes,
                       DenseI64ArrayAttr:$k_strides, I64Attr:$acc_offset,
                       I64Attr:$acc_stride, CIM_AccInitEnum:$init,
                       I64Attr:$bias_offset, I64Attr:$set,
                       DenseI64ArrayAttr:$position, DenseI64ArrayAttr:$shape,
                       I64Attr:$copies, I64Attr:$core,
                       Variadic<CIM_Token>:$after);
  let results = (outs CIM_Token:$token);
  let assemblyFormat = [{
    `core` $core $act `[` $act_offset `]` `m` $m_sizes `strides` $m_strides
    `k` $k_sizes `strides` $k_strides `set` $set `at` $position `shape` $shape `copies` $copies `->`
    $init $acc `[` $acc_offset `]` `stride` $acc_stride
    (`bias` $bias^)? `bias_offset` $bias_offset
    (`after` `(` $after^ `)`)? attr-dict `:` type($act) `,` type($acc) (`,` type($bias)^)?
  }];
  let hasVerifier = 1;
}

def CIM_VectorOp : CIM_Op<"vector", [AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs a vector kernel over a loop nest (device.md D4.5)";
  let description = [{
    Operand j of the kernel is `operands[j]` at `offsets[j]` with `strides[j]` (one byte
    stride per loop). `reductions` lists the loops whose order matters;
    `gathers` gives for an operand accessed at computed indices its extents and strides
    as [extent, stride, extent, stride, ...], else [].

    Constraints:
    - vector_c1: 1 to 6 loops of positive size; one offset, stride list and gather list per operand.
    - vector_c2: `kernel` names a `cim.kernel` of the module with as many operands
      (inputs and outputs).
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyMemRef>:$buffers,
                       DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$reductions,
                       DenseI64ArrayAttr:$index_base, DenseI64ArrayAttr:$offsets,
                       ArrayAttr:$strides, ArrayAttr:$gathers, I64Attr:$core,
                       Variadic<CIM_Token>:$after);
  let results = (outs CIM_Token:$token);
  let assemblyFormat = [{
    `core` $core $kernel `(` $buffers `)` `loops` $sizes `reductions` $reductions
    `index_base` $index_base `offsets` $offsets `strides` $strides `gathers` $gathers
    (`after` `(` $after^ `)`)? attr-dict `:` `(` type($buffers) `)`
  }];
  let hasVerifier = 1;
}

def CIM_CtrlKernelEnum : I32EnumAttr<"CtrlKernel", "firmware kernels", [
    I32EnumAttrCase<"topk", 0>, I32EnumAttrCase<"nonzero", 1>,
    I32EnumAttrCase<"nms", 2>, I32EnumAttrCase<"lexsort", 3>]> {
  let cppNamespace = "::cim::ir";
}

def CIM_CtrlOp : CIM_Op<"ctrl", [AttrSizedOperandSegments]> {
  let summary = "Runs a firmware kernel of the control processor (device.md D4.6)";
  let description = [{
    Operand j of the kernel is `buffers[j]` at `offsets[j]` with byte strides
    `strides[j]` for its sizes, which follow from `params`. The first `inputs` operands
    are read, the others written.

    Constraints:
    - ctrl_c1: one offset and stride list per operand; inputs is at most their number.

    ```mlir
    %t = cim.ctrl core 0 topk(%x, %v, %i) inputs 1 params [11, 2, 10, 5, 1, 1] offsets [0, 0, 0]
      strides [array<i64: 40, 4>, array<i64: 20, 4>, array<i64: 40, 8>] : (memref<2x10xf32, #cim.mem<l2>>, ...)
    ```
  }];
  let arguments = (ins CIM_CtrlKernelEnum:$kernel, Variadic<AnyMemRef>:$buffers,
                       I64Attr:$inputs, DenseI64ArrayAttr:$params,
                       DenseI64ArrayAttr:$offsets, ArrayAttr:$strides,
                       I64Attr:$core, Variadic<CIM_Token>:$after);
  let results = (outs CIM_Token:$token);
  let assemblyFormat = [{
    `core` $core $kernel `(` $buffers `)` `inputs` $inputs `params` $params
    `offsets` $offsets `strides` $strides
    (`after` `(` $after^ `)`)? attr-dict `:` `(` type($buffers) `)`
  }];
  let hasVerifier = 1;
}

def CIM_KernelOp : CIM_Op<"kernel", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "Micro-program of the vector unit";
  let description = [{
    A straight-line program run once per iteration. Block arguments are the
    operands' elements: first the inputs, then the old values of all outputs
    (for reductions and partial updates); `cim.kernel_yield` stores the outputs.

    Constraints:
    - kernel_c1: one block argument per input, then one of each output's type.
    - kernel_c2: body ops are scalar `arith` and `math` ops without regions,
      `cim.kernel_quantize`, `cim.kernel_dequantize`, `cim.kernel_index` and
      `cim.kernel_gather`.
    - kernel_c3: the body ends with a `cim.kernel_yield` of the output types.

    ```mlir
    cim.kernel @scale inputs 2 outputs [f32] {
    ^bb0(%acc: i32, %m: f32, %old: f32):
      %x = arith.sitofp %acc : i32 to f32
      %y = arith.mulf %x, %m : f32
      cim.kernel_yield %y : f32
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$num_inputs,
                       TypeArrayAttr:$output_types);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{ $sym_name `inputs` $num_inputs `outputs` $output_types attr-dict-with-keyword $body }];
  let hasRegionVerifier = 1;
}

def CIM_KernelIndexOp : CIM_Op<"kernel_index", [Pure, HasParent<"KernelOp">]> {
  let summary = "Index of a loop of the kernel's nest";
  let description = [{
    The iteration number of loop `loop` plus the op's index base.

    Constraints:
    - kernel_index_c1: `loop` is 0 to 5.

    ```mlir
    %i = cim.kernel_index 0
    ```
  }];
  let arguments = (ins I64Attr:$loop);
  let results = (outs Index:$result);
  let assemblyFormat = "$loop attr-dict";
  let hasVerifier = 1;
}

def CIM_KernelGatherOp : CIM_Op<"kernel_gather", [Pure, HasParent<"KernelOp">]> {
  let summary = "Element of an operand at computed indices";
  let description = [{
    Loads element (indices) of kernel operand `operand` (inputs, then outputs as they
    are at that moment); an index outside the operand's extents is a fault (device.md
    section 6).

    Constraints:
    - kernel_gather_c1: `operand` is an operand of the kernel, of the result's type.

    ```mlir
    %x = cim.kernel_gather 1 [%i] : f32
    ```
  }];
  let arguments = (ins I64Attr:$operand, Variadic<Index>:$indices);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$operand `[` $indices `]` attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def CIM_KernelYieldOp : CIM_Op<"kernel_yield", [Pure, Terminator,
    AttrSizedOperandSegments, HasParent<"KernelOp">]> {
  let summary = "Stores the outputs of a kernel";
  let description = [{
    Operand types equal the kernel's output types (kernel_c3). With `at` the only
    output is stored at these indices of its operand instead of the iteration's place;
    an index outside of the extents is a fault.

    Constraints:
    - kernel_yield_c1: a kernel whose output is stored at indices has one output.
  }];
  let arguments = (ins Variadic<AnyType>:$values, Variadic<Index>:$indices);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $values (`at` `[` $indices^ `]`)? `:` type($values) attr-dict
  }];
}

def CIM_KernelQuantizeOp : CIM_Op<"kernel_quantize", [Pure, HasParent<"KernelOp">]> {
  let summary = "Quantizes a float (numerics Q1)";
  let description = [{
    `clamp(rne(x / scale) + zero, low, high)`; with scale 1 the second half of a
    requantization (Q3).

    Constraints:
    - kernel_quantize_c1: low <= high; scale is positive.

    ```mlir
    %q = cim.kernel_quantize %x scale 5.000000e-01 zero -3 range [-128, 127] : i8
    ```
  }];
  let arguments = (ins F32:$input, F32Attr:$scale, I64Attr:$zero, I64Attr:$low,
                       I64Attr:$high);
  let results = (outs AnyInteger:$result);
  let assemblyFormat = [{
    $input `scale` $scale `zero` $zero `range` `[` $low `,` $high `]` attr-dict
    `:` type($result)
  }];
  let hasVerifier = 1;
}

def CIM_KernelDequantizeOp : CIM_Op<"kernel_dequantize", [Pure, HasParent<"KernelOp">]> {
  let summary = "Dequantizes an integer (numerics Q2)";
  let description = [{
    `f32(x - zero) * scale`.

    Constraints:
    - kernel_dequantize_c1: scale is positive.

    ```mlir
    %x = cim.kernel_dequantize %q scale 5.000000e-01 zero -3 : i8
    ```
  }];
  let arguments = (ins AnyInteger:$input, F32Attr:$scale, I64Attr:$zero);
  let results = (outs F32:$result);
  let assemblyFormat = [{
    $input `scale` $scale `zero` $zero attr-dict `:` type($input)
  }];
  let hasVerifier = 1;
}

def CIM_StageEnum : I32EnumAttr<"StageKind", "when a stage runs", [
    I32EnumAttrCase<"load", 0>, I32EnumAttrCase<"run", 1>]> {
  let cppNamespace = "::cim::ir";
}

def CIM_StageOp : CIM_Op<"stage", [SingleBlock, NoTerminator, NoRegionArguments]> {
  let summary = "Engine operations that run together";
  let description = [{
    `load` runs once after loading and makes weights resident; `run` runs for
    every inference (device.md D1.5).
  }];
  let arguments = (ins CIM_StageEnum:$kind);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$kind attr-dict-with-keyword $body";
}

#endif // CIM_TILE_OPS_TD
