// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef CIM_DIALECT_TD
#define CIM_DIALECT_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def CIM_Dialect : Dialect {
  let name = "cim";
  let cppNamespace = "::cim::ir";
  let summary = "Work for a compute-in-memory NPU that upstream dialects cannot say";
  let description = [{
    Two levels live here. The *tensor level* holds multiply-accumulate work
    (`cim.conv`, `cim.matmul`) with its number formats, and regions of ops that
    are executed tile by tile (`cim.region`) with their schedules. The *tile
    level* holds buffers in memory spaces and the engines' operations on them,
    ordered by tokens. Everything else is upstream: `linalg.generic`, `tensor`,
    `arith`, `math`, `quant`. Rationale: `dialects/CIM/Rationale.md`.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 0;
}

def CIM_Token : TypeDef<CIM_Dialect, "Token"> {
  let mnemonic = "token";
  let summary = "Completion of an engine operation";
  let description = [{
    An operation that takes a token starts after the operation that produced it
    has completed (docs/device.md D2.2).
  }];
}

def CIM_SpaceEnum : I32EnumAttr<"MemorySpace", "device memories", [
    I32EnumAttrCase<"dram", 0>, I32EnumAttrCase<"l2", 1>,
    I32EnumAttrCase<"l1", 2>, I32EnumAttrCase<"acc", 3>]> {
  let cppNamespace = "::cim::ir";
}

def CIM_MemAttr : AttrDef<CIM_Dialect, "Mem"> {
  let mnemonic = "mem";
  let summary = "A memory of the device";
  let description = [{
    Memory space of a buffer: `#cim.mem<dram>`, `#cim.mem<l2>`,
    `#cim.mem<l1 core 1>`, `#cim.mem<acc core 0>`; `chip N` when not chip 0.
    The core matters for l1 and acc only.
  }];
  let parameters = (ins "::cim::ir::MemorySpace":$space,
                        DefaultValuedParameter<"unsigned", "0">:$chip,
                        DefaultValuedParameter<"unsigned", "0">:$core);
  let hasCustomAssemblyFormat = 1;
}

def CIM_SplitAxisEnum : I32EnumAttr<"SplitAxis", "what cores divide among them", [
    I32EnumAttrCase<"none", 0>, I32EnumAttrCase<"m", 1>,
    I32EnumAttrCase<"n", 2>, I32EnumAttrCase<"batch", 3>]> {
  let cppNamespace = "::cim::ir";
}
def CIM_WeightHomeEnum : I32EnumAttr<"WeightHome", "where weights stay between runs", [
    I32EnumAttrCase<"dram", 0>, I32EnumAttrCase<"l2", 1>,
    I32EnumAttrCase<"computed", 2>]> {
  let cppNamespace = "::cim::ir";
}

def CIM_ScheduleAttr : AttrDef<CIM_Dialect, "Schedule"> {
  let mnemonic = "schedule";
  let summary = "How a region is executed";
  let description = [{
    The decision of the schedule phase for one region; applied by the lower
    phase, never inferred again. For a region around a MAC op: `m` tiles its
    output rows (one entry per dimension: batch and spatial dimensions of a
    convolution, rows of a matmul), `n` the output channels a pass
    computes, `k` the reduction (channels, then kernel dimensions).
    `split` says what the `cores` divide, `weights` where they stay between
    runs, `sets` how many weight sets a core rotates through (1: no overlap of
    writes and MACs), `copies` how many copies of a tile share the rows, and
    `acc_block` how many m tiles are accumulated before weights move on. For a
    vector region `m` tiles the parallel loops of its root.

    ```mlir
    #cim.schedule<m = [1, 14, 14], n = 64, k = [64, 3, 3], split = m, cores = 2, weights = l2, sets = 2>
    ```
  }];
  let parameters = (ins
    ArrayRefParameter<"int64_t">:$m,
    DefaultValuedParameter<"int64_t", "0">:$n,
    ArrayRefParameter<"int64_t">:$k,
    DefaultValuedParameter<"::cim::ir::SplitAxis", "::cim::ir::SplitAxis::none">:$split,
    DefaultValuedParameter<"int64_t", "1">:$cores,
    DefaultValuedParameter<"::cim::ir::WeightHome", "::cim::ir::WeightHome::dram">:$weights,
    DefaultValuedParameter<"int64_t", "1">:$sets,
    DefaultValuedParameter<"int64_t", "1">:$copies,
    DefaultValuedParameter<"int64_t", "1">:$accBlock,
    DefaultValuedParameter<"int64_t", "0">:$cycles,
    DefaultValuedParameter<"int64_t", "0">:$bound);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 0;
}

class CIM_Op<string mnemonic, list<Trait> traits = []> :
    Op<CIM_Dialect, mnemonic, traits>;

#endif // CIM_DIALECT_TD
