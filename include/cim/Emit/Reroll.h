// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Straight-line instruction streams compressed into loops, and back. No IR.
#ifndef CIM_EMIT_REROLL_H
#define CIM_EMIT_REROLL_H

#include <cstdint>

#include "cim/Program/Program.h"

namespace cim {

struct RerollOptions {
  bool enabled = true;
  /// Loops nest at most this deep, those already in the program included; at
  /// most 4 (device.md D2.4).
  unsigned maxDepth = 4;
  /// Longest loop body searched for exhaustively, in instructions or loops;
  /// longer ones are found when they repeat often.
  unsigned maxPeriod = 96;
};

struct RerollStats {
  uint64_t before = 0, after = 0; ///< Instructions, loop boundaries included.
  uint64_t loops = 0;             ///< Loops made.
};

/// Replaces, in every queue, runs of instructions that differ only by a
/// constant from repetition to repetition in fields a step can change
/// (StepField) by loops, where that makes the queue shorter. Innermost
/// repetitions first; loops of loops are found the same way. Instructions
/// of different locations are different. Executing the result is, instruction
/// by instruction, executing the original. Deterministic; about O(instructions
/// * maxPeriod) comparisons of numbers.
RerollStats reroll(Program &program, const RerollOptions &options = {});

/// Executes all loops: queues without loops and steps that run the same
/// instructions in the same order. The queue must be valid (matched loops).
/// Grows with the product of the loop counts.
void unroll(Program &program);

} // namespace cim

#endif // CIM_EMIT_REROLL_H
