// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One op per device instruction.

#ifndef CIMISA_INSTRUCTIONS_TD
#define CIMISA_INSTRUCTIONS_TD

include "dialects/CIMISA/IR/CIMISADialect.td"
include "dialects/CIMISA/IR/CIMISAInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"

def CIMISA_NopOp : CIMISA_Op<"nop", [ParentOneOf<["QueueOp", "LoopOp"]>,
    CIMISA_InstructionInterface]> {
  let summary = "Waits and signals, nothing else";
  let description = [{
    Takes no time of its own (device.md section 4). Any queue.

    ```mlir
    cimisa.nop wait [s0 >= 2] signal s1
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::isa::Issue">:$issue);
  let hasVerifier = 1;
}

def CIMISA_DmaCopyOp : CIMISA_Op<"dma_copy", [ParentOneOf<["QueueOp", "LoopOp"]>,
    CIMISA_InstructionInterface]> {
  let summary = "Strided copy";
  let description = [{
    Copies element (i0, ..., ik) of the source to the same index of the
    destination, for all indices below `sizes`; one stride in bytes per dimension and
    side. Source and destination do not overlap (device.md D4.1). Queue: dma.

    Constraints:
    - dma_copy_c1: at most 6 dimensions (D4.7); as many strides on both sides.
    - dma_copy_c2: `elem` is 1, 2, 4 or 8 bytes; every size is at least 1.
    - steppable: src, dst.

    ```mlir
    cimisa.dma_copy dram[0x40] -> l1[0x0] elem 1 sizes [16, 64] strides [64, 1] -> [128, 1]
      signal s5 step [src loop 0 + 1024] node "Conv_3" layer "conv3_relu"
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::DmaCopy">:$inst,
                       CIMISA_Struct<"::cim::isa::Issue">:$issue);
  let hasVerifier = 1;
}

def CIMISA_DmaFillOp : CIMISA_Op<"dma_fill", [ParentOneOf<["QueueOp", "LoopOp"]>,
    CIMISA_InstructionInterface]> {
  let summary = "Strided fill";
  let description = [{
    Stores the low `elem` bytes of the value at every index (device.md D4.1).
    Queue: dma.

    Constraints:
    - dma_fill_c1: at most 6 dimensions (D4.7), sizes at least 1.
    - dma_fill_c2: `elem` is 1, 2, 4 or 8 bytes.
    - steppable: dst.

    ```mlir
    cimisa.dma_fill 0xfd -> l1[0x200] elem 1 dims [30:32, 2:1]
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::DmaFill">:$inst,
                       CIMISA_Struct<"::cim::isa::Issue">:$issue);
  let hasVerifier = 1;
}

def CIMISA_WriteWeightsOp : CIMISA_Op<"write_weights", [
    ParentOneOf<["QueueOp", "LoopOp"]>, CIMISA_InstructionInterface]> {
  let summary = "Writes a weight tile into the array";
  let description = [{
    Writes `rows` x `cols` weights to `tile [row0, col0]` of `set`, and with
    `copies C across A pitch [R, S]` C copies of it, A side by side, R rows and S
    columns apart (device.md D3.1, D3.7). Formats: `planes` P bit planes (D3.3), `int8`,
    `bfp` with P-bit mantissas (D3.4), `f32` and `f16` with `stride [row, col]` in bytes
    (D3.5). `block` is the number of rows that share an exponent; `masks` holds one
    plane mask per group of columns (D3.3, D4.4). Queue: write.

    Constraints:
    - write_weights_c1: rows, cols, copies, `across` and, for bfp, f32 and f16,
      block are at least 1; planes is 1 to 16.
    - write_weights_c2: masks only with format `planes`, and each below 2^planes.
    - steppable: src, set.

    ```mlir
    cimisa.write_weights planes 5 l1[0x800] -> set 1 tile [0, 128] rows 144 cols 32
      masks [0x1f] wait [s3 >= 1] signal s4
    cimisa.write_weights f32 12 l1[0x0] stride [256, 4] -> set 0 tile [0, 0] rows 64 cols 64 block 64
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::WriteWeights">:$inst,
                       CIMISA_Struct<"::cim::isa::Issue">:$issue);
  let hasVerifier = 1;
}

def CIMISA_MacOp : CIMISA_Op<"mac", [ParentOneOf<["QueueOp", "LoopOp"]>,
    CIMISA_InstructionInterface]> {
  let summary = "Multiplies activations with a weight tile";
  let description = [{
    acc[m][n] = init + sum over k of act[m][k] * weight[k][n] (device.md D3.6).
    The activation of (m, k) is at the address plus the strides of the `m` and
    `k` loops; row m of the accumulators is `stride` bytes after row m-1, columns are 4
    bytes apart. Starts at zero, or at `bias` (one word per column), or with
    `accumulate` at what is there. Queue: mac.

    Constraints:
    - mac_c1: at most 4 m loops and 4 k loops, sizes at least 1 (D4.7).
    - mac_c2: the product of the k sizes is `rows`.
    - mac_c3: activations are i8, u8, i16, f16 or f32, in l1; accumulators in
      acc; a bias in l1.
    - mac_c4: rows, cols, copies are at least 1.
    - steppable: src (activations), dst (accumulators), bias, set.

    ```mlir
    cimisa.mac i8 l1[0x1200] m [14:256, 14:16] k [3:480, 3:16, 16:1]
      * set 1 tile [0, 128] rows 144 cols 32 -> acc[0x400] stride 128 bias l1[0x80]
      wait [s4 >= 1] signal s5 step [src loop 0 + 3584] node "Conv_3"
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::Mac">:$inst,
                       CIMISA_Struct<"::cim::isa::Issue">:$issue);
  let hasVerifier = 1;
}

def CIMISA_VecOp : CIMISA_Op<"vec", [ParentOneOf<["QueueOp", "LoopOp"]>,
    CIMISA_InstructionInterface, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs a vector kernel over a loop nest";
  let description = [{
    Executes the kernel for every index of `loops`, outermost first, in
    lexicographic order (device.md D4.5). `reduce` lists the loops whose order matters;
    `base` the first index value of each loop. Operands are the kernel's inputs,
    then its outputs: address, stride in bytes per loop, and the
    `size:stride` of dimensions that gather and scatter index. Queue: vec.

    Constraints:
    - vec_c1: at most 6 loops of size at least 1, 16 operands (D4.7).
    - vec_c2: the kernel exists; there is an operand per input and output of it.
    - vec_c3: every operand has a stride per loop; `base` is empty or has a value
      per loop; `reduce` names loops.
    - steppable: operand N, index N.

    ```mlir
    cimisa.vec @relu loops [128, 32] (acc[0x400] strides [128, 4], l1[0x0] strides [32, 1])
    cimisa.vec @sum loops [8, 64] reduce [1] (l1[0x0] strides [256, 4], l1[0x800] strides [4, 0])
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel,
                       CIMISA_Struct<"::cim::Vec">:$inst,
                       CIMISA_Struct<"::cim::isa::Issue">:$issue);
  let hasVerifier = 1;
}

def CIMISA_CtrlOp : CIMISA_Op<"ctrl", [ParentOneOf<["QueueOp", "LoopOp"]>,
    CIMISA_InstructionInterface]> {
  let summary = "Runs a firmware kernel on the control processor";
  let description = [{
    Firmware kernel `kernel` with integer parameters and operands as of
    `cimisa.vec` (device.md D4.6). Queue: ctrl.

    Constraints:
    - ctrl_c1: at most 16 operands.
    - steppable: operand N.

    ```mlir
    cimisa.ctrl 2 params [1000, 5] (l1[0x0] strides [4], l1[0x1000] strides [8])
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::Ctrl">:$inst,
                       CIMISA_Struct<"::cim::isa::Issue">:$issue);
  let hasVerifier = 1;
}

def CIMISA_LoopOp : CIMISA_Op<"loop", [ParentOneOf<["QueueOp", "LoopOp"]>,
    CIMISA_InstructionInterface, NoRegionArguments,
    SingleBlockImplicitTerminator<"LoopEndOp">]> {
  let summary = "Repeats instructions";
  let description = [{
    Stands for `LoopBegin`, the instructions of its body and `LoopEnd`. Costs no
    cycles; its waits and signal happen once per entry (device.md D2.4). Any queue.

    Constraints:
    - loop_c1: the count is at least 1.
    - loop_c2: loops nest at most 4 deep.

    ```mlir
    cimisa.loop 16 {
      cimisa.dma_copy dram[0x0] -> l1[0x0] elem 1 sizes [64] strides [1] -> [1]
        step [src loop 0 + 64, dst loop 0 + 64]
    }
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::LoopBegin">:$inst,
                       CIMISA_Struct<"::cim::isa::Issue">:$issue);
  let regions = (region SizedRegion<1>:$body);
  let hasVerifier = 1;
}

def CIMISA_LoopEndOp : CIMISA_Op<"loop_end", [HasParent<"LoopOp">, Terminator,
    CIMISA_InstructionInterface]> {
  let summary = "Ends the body of a loop";
  let description = [{
    Implied at the end of `cimisa.loop`'s body; written only to keep a location other
    than the loop's, or waits and a signal, which happen once per iteration (device.md
    D2.4).

    ```mlir
    cimisa.loop_end node "Conv_4"
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::isa::Issue">:$issue);
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, Issue()); }]>];
  let hasVerifier = 1;
}

#endif // CIMISA_INSTRUCTIONS_TD
