// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The containers: program, tensors, segments, kernels, records, stages, queues.

#ifndef CIMISA_PROGRAM_TD
#define CIMISA_PROGRAM_TD

include "dialects/CIMISA/IR/CIMISADialect.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def CIMISA_ProgramOp : CIMISA_Op<"program", [
    IsolatedFromAbove, NoRegionArguments, NoTerminator, SingleBlock,
    SymbolTable]> {
  let summary = "A device program";
  let description = [{
    Everything a `.cimb` file holds. The body's ops may stand in any order; the
    order among ops of one kind is the order of their tables (kernel numbers,
    queue numbers, ...).

    `target` is a preset's name, or the text of a target description as one
    string per line. `semaphores` is how many the program uses; `dram` the bytes
    it needs in the DRAM of each chip. `predicted` cycles of the run stage, a
    `bound` no schedule beats, and predicted cycles of the `load` stage are
    the compiler's figures and may be left out.

    Constraints:
    - program_c1: the target exists and is valid.
    - program_c2: at most one load stage, one run stage, one report and one
      location table.
    - program_c3: `semaphores` is at most the target's; waits and signals name
      semaphores below it (device.md D2.2).
    - program_c4: queues name chips, cores and DMA channels of the target (D1.1,
      D2.1); addresses name its chips.

    Memory sizes, tile positions and all else that needs more than one
    instruction or a loop's iterations is checked by `cim::validateProgram`
    when the program is assembled.

    ```mlir
    cimisa.program "copy" target "m50" semaphores 1 dram 4096 predicted 812 {
      cimisa.input "x" f32 [1, 16] dram[0x0]
      cimisa.output "y" f32 [1, 16] dram[0x40]
      cimisa.stage run {
        cimisa.queue chip 0 core 0 dma 0 {
          cimisa.dma_copy dram[0x0] -> dram[0x40] elem 4 sizes [16] strides [4] -> [4]
        }
      }
    }
    ```
  }];
  let arguments = (ins StrAttr:$model, StrAttr:$target, StrAttr:$producer,
                       CIMISA_Struct<"::cim::isa::ProgramFacts">:$facts);
  let regions = (region SizedRegion<1>:$body);
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// The target the program is for (program_c1).
    absl::StatusOr<::cim::TargetSpec> loadTarget();
  }];
}

def CIMISA_InputOp : CIMISA_Op<"input", [HasParent<"ProgramOp">]> {
  let summary = "A program input";
  let description = [{
    A dense row-major tensor at a DRAM address; the runtime copies the user's array
    there before a run. `quant scale zero_point` when it holds quantized values.

    Constraints:
    - tensor_c1: the address is in DRAM.
    - tensor_c2: no dimension is negative and the size in bytes fits 63 bits.

    ```mlir
    cimisa.input "x" i8 [1, 28, 28] dram[0x0] quant 2.100000e-02 : -3
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::TensorInfo">:$info);
  let hasVerifier = 1;
}

def CIMISA_OutputOp : CIMISA_Op<"output", [HasParent<"ProgramOp">]> {
  let summary = "A program output";
  let description = [{
    As `cimisa.input`, copied to the user after a run. `lengths [d:o]`: dimension d is
    as long as output number o says after a run; the shape says the most it can be.
    A `hidden` output is for the runtime only. Constraints: tensor_c1, tensor_c2.

    ```mlir
    cimisa.output "logits" f32 [1, 10] dram[0x400]
    cimisa.output "boxes" f32 [100, 4] dram[0x440] lengths [0:2]
    cimisa.output "boxes.count" i64 [] dram[0xa80] hidden
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::TensorInfo">:$info);
  let hasVerifier = 1;
}

def CIMISA_SegmentOp : CIMISA_Op<"segment", [HasParent<"ProgramOp">]> {
  let summary = "Constant bytes preloaded into DRAM";
  let description = [{
    The bytes of `data`, in memory order, are at the address before the load stage
    starts and are read-only (device.md D1.3, D1.4). Disassembled segments are
    resources (`dense_resource`, views into the program's memory); by hand any dense
    elements of whole-byte integers or floats will do.

    Constraints:
    - segment_c1: the address is in DRAM.
    - segment_c2: elements are integers or floats of 8, 16, 32 or 64 bits.

    ```mlir
    cimisa.segment "weights" dram[0x1000] = dense_resource<weights> : tensor<4608xi8>
    cimisa.segment "scale" dram[0x2200] = dense<[0.5, 0.25]> : tensor<2xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, CIMISA_Struct<"::cim::Address">:$address,
                       ElementsAttr:$data);
  let hasVerifier = 1;
}

def CIMISA_KernelOp : CIMISA_Op<"kernel", [
    HasParent<"ProgramOp">, IsolatedFromAbove, NoRegionArguments, NoTerminator,
    SingleBlock, Symbol]> {
  let summary = "A kernel of the vector unit";
  let description = [{
    The straight-line program `cimisa.vec` runs once per iteration (device.md
    D4.5). Operands are numbered inputs first, then outputs; their memory types
    are listed. `name` when the kernel's own name cannot be its symbol,
    `registers` when more are reserved than the body writes.

    Constraints:
    - kernel_c1: at most 16 operands and 64 registers (D4.7).
    - kernel_c2: no register is written twice.

    ```mlir
    cimisa.kernel @scale inputs [i32, f32] outputs [f32] {
      %r0 = cimisa.micro load.i32 0
      %r1 = cimisa.micro load.f32 1
      %r2 = cimisa.micro cast.f32.i32 %r0
      %r3 = cimisa.micro mul.f32 %r2, %r1
      cimisa.micro store.f32 2, %r3
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       CIMISA_Struct<"::cim::isa::KernelFacts">:$facts);
  let regions = (region SizedRegion<1>:$body);
  let hasVerifier = 1;
}

def CIMISA_MicroInstOp : CIMISA_Op<"micro", [
    HasParent<"KernelOp">, DeclareOpInterfaceMethods<OpAsmOpInterface,
                                          ["getAsmResultNames"]>]> {
  let summary = "One operation of a vector kernel";
  let description = [{
    `op.type` or, where a source type matters, `op.type.source`, with the
    operations of `cim::MicroOp` in snake case; meanings in Program.h and
    docs/numerics.md. First the immediate of those that have one (operand
    number of load, store, gather and scatter; loop number of index; value of const;
    predicate of cmp_int and cmp_float), then the registers read.

    Registers are numbered in the order they are written; `reg N` says otherwise.
    Register operands have the types their operation implies; others are listed
    at the end, `: (i32, i64)`. `imm N` and `src T` keep fields that the operation
    does not use.

    Constraints:
    - micro_c1: the number of registers read is the operation's.
    - micro_c2: the result register has the operation's result type (i1 for
      comparisons, is_nan and is_inf; i64 for index; else `type`); store and
      scatter have none.
    - micro_c3: load, store, gather and scatter name an operand of the kernel of
      type `type`, store and scatter an output.
    - micro_c4: an immediate is in its range: predicates exist, a constant fits
      its type.

    ```mlir
    %r4 = cimisa.micro cmp_float.f32 ogt, %r2, %r3
    %r5 = cimisa.micro quantize.i8.f32 %r3, %r0, %r1
    %r6 = cimisa.micro gather.f32 1, %r7, %r8
    cimisa.micro store.i8 3, %r5
    ```
  }];
  let arguments = (ins Variadic<CIMISA_RegType>:$args,
                       CIMISA_Struct<"::cim::isa::MicroFields">:$fields);
  let results = (outs Optional<CIMISA_RegType>:$result);
  let hasVerifier = 1;
}

def CIMISA_LocationsOp : CIMISA_Op<"locations", [HasParent<"ProgramOp">]> {
  let summary = "Explicit location table";
  let description = [{
    Fixes the order of the program's location table. Without it the table is
    "unknown" and then the instructions' locations in order of first use, load
    stage before run stage. Locations not in the list are added after it.

    ```mlir
    cimisa.locations [node "unknown", node "Conv_3" layer "conv3_relu"]
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::isa::LocationTable">:$table);
}

def CIMISA_LayerOp : CIMISA_Op<"layer", [HasParent<"ProgramOp">]> {
  let summary = "Facts about a layer that the report joins with measurements";
  let description = [{
    The name is the one in the instructions' `layer` clauses.

    ```mlir
    cimisa.layer "conv3_relu" op "conv" format "w8a8" nodes ["Conv_3", "Relu_4"]
      macs 903168 cycles 4410 schedule "#cim.schedule<...>" note "bound by DRAM"
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::LayerInfo">:$info);
}

def CIMISA_BufferInfoOp : CIMISA_Op<"buffer_info", [HasParent<"ProgramOp">]> {
  let summary = "A named interval of the memory map";
  let description = [{
    `live A to B`: first and last layer, as indices into the layer records.

    ```mlir
    cimisa.buffer_info "conv3.out" l1[0x4000] core 1 size 6272 live 2 to 3
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::BufferInfo">:$info);
}

def CIMISA_ReportOp : CIMISA_Op<"report", [HasParent<"ProgramOp">]> {
  let summary = "The compile report carried by the program, JSON text";
  let description = [{
    ```mlir
    cimisa.report "{\22options\22: {}}"
    ```
  }];
  let arguments = (ins StrAttr:$json);
  let hasCustomAssemblyFormat = 0;
  let assemblyFormat = "$json attr-dict";
}

def CIMISA_StageOp : CIMISA_Op<"stage", [
    HasParent<"ProgramOp">, NoRegionArguments, NoTerminator, SingleBlock]> {
  let summary = "Queues that run together";
  let description = [{
    `load` runs once, `run` for every inference; semaphores are zero when a
    stage starts (device.md D1.5). A stage that is absent has no queues.

    Constraints:
    - stage_c1: no two queues of a stage are the same engine and index of one
      core.

    ```mlir
    cimisa.stage run { cimisa.queue chip 0 core 0 ctrl 0 { } }
    ```
  }];
  let arguments = (ins UnitProp:$load);
  let regions = (region SizedRegion<1>:$body);
  let hasVerifier = 1;
}

def CIMISA_QueueOp : CIMISA_Op<"queue", [
    HasParent<"StageOp">, NoRegionArguments, NoTerminator, SingleBlock]> {
  let summary = "The in-order instruction queue of one engine";
  let description = [{
    Engines: `write`, `mac`, `vec`, `dma`, `ctrl` (device.md D2.1); the
    number is the DMA channel and 0 for the others.

    Constraints:
    - queue_c1: every instruction is one its engine executes; `cimisa.nop` and
      `cimisa.loop` are of all engines.

    ```mlir
    cimisa.queue chip 0 core 1 dma 2 { cimisa.nop signal s0 }
    ```
  }];
  let arguments = (ins CIMISA_Struct<"::cim::isa::QueueFacts">:$facts);
  let regions = (region SizedRegion<1>:$body);
  let hasRegionVerifier = 1;
}

#endif // CIMISA_PROGRAM_TD
