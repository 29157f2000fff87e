// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef CIMISA_INTERFACES_TD
#define CIMISA_INTERFACES_TD

include "mlir/IR/OpBase.td"

def CIMISA_InstructionInterface : OpInterface<"InstructionOpInterface"> {
  let cppNamespace = "::cim::isa";
  let description = [{
    What all instructions share: waits, signal and steps. An instruction's
    verifier checks, besides its own constraints:

    - issue_c1: no wait names the reserved semaphore 65535.
    - issue_c2: a step's loop encloses the instruction; its field exists in the
      instruction and its index is in range (device.md D2.4).
  }];
  let methods = [
    InterfaceMethod<"Waits, signal and steps.", "const ::cim::isa::Issue &", "getIssue">,
    InterfaceMethod<"Replaces waits, signal and steps.", "void", "setIssue",
                    (ins "const ::cim::isa::Issue &":$issue)>];
}

#endif // CIMISA_INTERFACES_TD
