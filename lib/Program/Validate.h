// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pieces of validateProgram.
#ifndef CIM_LIB_PROGRAM_VALIDATE_H
#define CIM_LIB_PROGRAM_VALIDATE_H

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cim/Program/Program.h"

namespace cim {

/// Wide enough for any sum of the bounded products below.
using Wide = __int128;

/// Bounds that keep address arithmetic far from overflow.
constexpr int64_t kMaxExtent = int64_t(1) << 48; ///< Strides and sizes.
constexpr uint64_t kMaxIterations = uint64_t(1) << 40;
constexpr unsigned kMaxLoopDepth = 4, kMaxDmaDims = 6, kMaxMacDims = 4,
                   kMaxVecLoops = 6, kMaxVecOperands = 16, kMaxRegisters = 64,
                   kMaxKernelLength = 65536;

/// What instructions that use a kernel need to know of it.
struct KernelSummary {
  /// Loops the kernel asks the index of: 1 + highest, or 0.
  unsigned indexLoops = 0;
  /// Per operand: number of gathered dimensions, or -1 if only accessed at the
  /// current index.
  std::vector<int> gatherDims;
};

/// Types, registers and operands of a vector kernel.
absl::Status validateKernel(const Kernel &kernel, KernelSummary &summary);

/// Counts of the loops around an instruction, outermost first.
using LoopStack = std::vector<uint64_t>;

/// Everything about one instruction but loop matching. The message names
/// neither queue nor instruction; the caller does.
absl::Status validateInstruction(const Program &program,
                                 const std::vector<KernelSummary> &kernels,
                                 const LoopStack &loops,
                                 const Instruction &instruction);

/// Bytes of `space` that the program may use.
uint64_t capacity(const Program &program, Space space);

/// "dma_copy", "mac", ... of an operation.
const char *operationName(const Operation &op);

} // namespace cim

#endif // CIM_LIB_PROGRAM_VALIDATE_H
