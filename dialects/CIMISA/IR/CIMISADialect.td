// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef CIMISA_DIALECT_TD
#define CIMISA_DIALECT_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/Properties.td"

def CIMISA_Dialect : Dialect {
  let name = "cimisa";
  let cppNamespace = "::cim::isa";
  let summary = "Device programs, one op per device instruction";
  let description = [{
    The assembly language of the device: `cim::Program` (include/cim/Program/Program.h)
    as IR. An op holds the program structure it stands for as a property (`DmaCopyOp` a
    `cim::DmaCopy`, ...), so that building 100,000 instructions uniques
    nothing and nothing is lost on the way. What an instruction means and what
    it costs is said once, in docs/device.md; the rule is cited with each op.

    Notation common to all instructions:

    - An address is `dram[0x40]`, `l2 chip 1 [0x0]`, `l1[0x1200]`, `acc[0x400]`:
      bytes; `chip` when it is not 0 (device.md D1.2).
    - A dimension is `size:stride`, the stride in bytes: `m [14:256, 14:16]`,
      outermost first.
    - `wait [s3 >= 4, s5 >= 2]` holds the instruction back until the semaphores
      have reached the values; `signal s5` adds one at completion (D2.2).
    - `step [src loop 0 + 512, operand 1 loop 1 - 64]` adds `delta * iteration`
      of an enclosing loop, 0 being the outermost, to a field (D2.4). Fields:
      `src`, `dst`, `bias`, `set`, `wait N` (value of the N-th wait),
      `operand N` (base address), `index N` (start of the N-th loop's index).
    - `node "Conv_3" layer "conv3_relu"` says where the instruction came from. It is
      the op's MLIR location, printed whether or not debug info is printed:
      `NameLoc` for the node, inside a `FusedLoc` whose metadata is the layer.

    Clauses appear in the order of this list, each optional. Rationale:
    `dialects/CIMISA/Rationale.md`.
  }];
  let useDefaultTypePrinterParser = 1;
  let hasConstantMaterializer = 0;
}

def CIMISA_RegType : TypeDef<CIMISA_Dialect, "Reg"> {
  let mnemonic = "reg";
  let summary = "A register of a vector kernel";
  let description = [{
    Holds one element of a `cim::DType`: `!cimisa.reg<f32>`, `!cimisa.reg<u8>`.
    Written once (device.md D4.5), hence an SSA value.
  }];
  let parameters = (ins "::cim::DType":$dtype);
  let hasCustomAssemblyFormat = 1;
}

/// A plain structure of include/cim/Program/Program.h as a property. In
/// generic form and bytecode it is a dictionary of its fields (Fields.h).
class CIMISA_Struct<string type> : Property<type, "", "const " # type # " &"> {
  let convertToAttribute = [{
    return ::cim::isa::toAttribute($_ctxt, $_storage);
  }];
  let convertFromAttribute = [{
    return ::cim::isa::fromAttribute($_attr, $_storage, $_diag);
  }];
  let hashProperty = "::cim::isa::hashFields($_storage)";
  let writeToMlirBytecode = [{
    $_writer.writeAttribute(::cim::isa::toAttribute($_ctxt, $_storage));
  }];
  let readFromMlirBytecode = [{
    ::mlir::Attribute attr;
    if (::mlir::failed($_reader.readAttribute(attr)))
      return ::mlir::failure();
    if (::mlir::failed(::cim::isa::fromAttribute(
            attr, $_storage, [&] { return $_reader.emitError(); })))
      return ::mlir::failure();
  }];
}

class CIMISA_Op<string mnemonic, list<Trait> traits = []>
    : Op<CIMISA_Dialect, mnemonic, traits> {
  let hasCustomAssemblyFormat = 1;
}

#endif // CIMISA_DIALECT_TD
