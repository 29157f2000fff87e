// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Structures the ops of the dialect hold beside those of cim/Program/Program.h.
#ifndef DIALECTS_CIMISA_IR_STRUCTS_H
#define DIALECTS_CIMISA_IR_STRUCTS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cim/Program/Program.h"

namespace cim::isa {

/// What every instruction has besides its operation.
struct Issue {
  std::vector<Wait> waits;
  uint16_t signal = kNoSemaphore;
  std::vector<Step> steps;
  bool operator==(const Issue &) const = default;
};

/// Scalars of a program.
struct ProgramFacts {
  uint16_t semaphores = 0;
  uint64_t dramBytes = 0;
  uint64_t predictedCycles = 0;
  uint64_t lowerBoundCycles = 0;
  uint64_t predictedLoadCycles = 0;
  bool operator==(const ProgramFacts &) const = default;
};

/// A kernel without its body.
struct KernelFacts {
  std::string name;     ///< Only when it differs from the symbol.
  bool renamed = false; ///< `name` is meant, even if empty.
  std::vector<DType> inputs, outputs;
  uint16_t registers = 0;
  bool operator==(const KernelFacts &) const = default;
};

/// A micro-instruction without the registers it reads.
struct MicroFields {
  cim::MicroOp op = cim::MicroOp::Const;
  DType type = DType::F32, srcType = DType::F32;
  uint16_t reg = 0; ///< Number of the register written.
  uint64_t imm = 0;
  bool operator==(const MicroFields &) const = default;
};

/// A queue without its instructions.
struct QueueFacts {
  uint8_t chip = 0, core = 0;
  Engine engine = Engine::Ctrl;
  uint8_t index = 0;
  bool operator==(const QueueFacts &) const = default;
};

/// The location table, in order.
struct LocationTable {
  std::vector<cim::Location> entries;
  bool operator==(const LocationTable &) const = default;
};

} // namespace cim::isa

#endif // DIALECTS_CIMISA_IR_STRUCTS_H
