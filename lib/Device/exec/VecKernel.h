// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A vector kernel prepared for execution on chunks of elements.
#ifndef CIM_LIB_DEVICE_EXEC_VECKERNEL_H
#define CIM_LIB_DEVICE_EXEC_VECKERNEL_H

#include <cstdint>
#include <vector>

#include "cim/Program/Program.h"

namespace cim::exec {

/// Elements processed at a time.
constexpr int64_t kChunk = 512;
/// Bytes of a register slot.
constexpr int64_t kSlotBytes = kChunk * 8;

class CompiledKernel {
public:
  /// `kernel` must be valid and outlive this.
  explicit CompiledKernel(const Kernel &kernel);

  struct Inst {
    const MicroInst *source;
    MicroOp op;
    DType type; ///< Of the arguments for comparisons, else of the result.
    DType from; ///< Casts and quantizations: of the first argument.
    /// Load: may keep its value while address and shape stay the same; the
    /// slot is its own. Const: filled once.
    bool own = false;
    /// Load: last use before anything is stored, so that the register may be
    /// the memory itself even when the kernel overwrites it.
    bool beforeStores = false;
  };
  struct OperandUse {
    DType type;
    bool loaded = false, stored = false, gathered = false, scattered = false;
  };

  const Kernel &kernel;
  std::vector<Inst> body;
  std::vector<OperandUse> operands;
  std::vector<DType> types;   ///< Per register.
  std::vector<uint16_t> slot; ///< Per register; shared when lives are disjoint.
  uint16_t slots = 0;

private:
  void analyse();
  void assignSlots();
};

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_VECKERNEL_H
