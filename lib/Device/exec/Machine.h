// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The functional half of the device model: memories, weight sets and what one
// instruction does to them (docs/device.md, docs/numerics.md). Knows nothing of
// time or order; the caller decides which instruction runs next.
#ifndef CIM_LIB_DEVICE_EXEC_MACHINE_H
#define CIM_LIB_DEVICE_EXEC_MACHINE_H

#include <cstddef>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cim/Device/Device.h"
#include "cim/Program/Program.h"

namespace cim::exec {

struct State;

/// Memories and arrays of all chips of a program's target. Not thread-safe:
/// one execute/read/write at a time.
class Machine {
public:
  /// Reserves the memories (pages are allocated when first touched) and maps
  /// the program's segments without copying them. `program` must be validated
  /// and outlive the machine. With `sanitize` the machine tracks which bytes
  /// were written and checks D1.3, D3.6 and D4.1 on every access. `threads`
  /// host threads (at least 1) share the work of one instruction; results do
  /// not depend on it. Fails when the host cannot reserve the memories.
  static absl::StatusOr<std::unique_ptr<Machine>>
  create(const Program &program, bool sanitize, int threads);
  ~Machine();
  Machine(const Machine &) = delete;
  Machine &operator=(const Machine &) = delete;

  /// Executes one instruction of core `core` (index in its chip) of chip
  /// `chip`. Steps must have been applied already; waits, signals and loops
  /// are ignored (LoopBegin, LoopEnd and Nop do nothing). Returns the fault
  /// with `at` left empty; memory contents the instruction would have written
  /// are then unspecified.
  std::optional<Fault> execute(unsigned chip, unsigned core,
                               const Instruction &instruction);

  /// Host access. `address.chip` names the chip for every space; `core` is the
  /// core of that chip and only matters for L1 and ACC. Written bytes count as
  /// initialized. Writing a segment is an error, reading an unwritten byte
  /// gives zero.
  absl::Status write(const Address &address, unsigned core, const void *data,
                     size_t size);
  absl::Status read(const Address &address, unsigned core, void *data,
                    size_t size) const;

private:
  explicit Machine(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_MACHINE_H
