// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The normative cost of one instruction (docs/device.md section 4): what it
// would take alone and what it asks of every resource. Addresses, sets and
// iterations do not matter, so one instruction of a loop has one cost; a MAC's
// also depends on the tile it meets (D4.4).
#ifndef CIM_LIB_DEVICE_TIMING_COST_H
#define CIM_LIB_DEVICE_TIMING_COST_H

#include <cstdint>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "access/Access.h"
#include "access/Tiles.h"
#include "cim/Program/Program.h"

namespace cim::device {

/// Numbers the shared resources (D5.1): DRAM, L2 per chip, L1, ACC per core,
/// and one link per ordered pair of chips.
class ResourceMap {
public:
  explicit ResourceMap(const TargetSpec &target);
  uint32_t size() const { return static_cast<uint32_t>(rates.size()); }
  /// Bytes per cycle.
  double rate(uint32_t resource) const { return rates[resource]; }
  uint32_t of(const Address &address, uint32_t core) const {
    return memories.of(address, core);
  }
  uint32_t acc(uint32_t core) const { return memories.acc(core); }
  uint32_t l1(uint32_t core) const { return memories.l1(core); }
  uint32_t link(uint32_t from, uint32_t to) const {
    return memories.size() + from * chips + to;
  }
  enum class Kind : uint8_t { DRAM, L2, L1, ACC, Link };
  Kind kind(uint32_t resource) const;

private:
  MemoryMap memories; ///< Memories come first, under their own numbers.
  uint32_t chips;
  std::vector<double> rates;
};

/// Bytes an instruction moves through one shared resource.
struct Demand {
  uint32_t resource = 0;
  uint64_t readBytes = 0, writeBytes = 0;
  uint64_t bytes() const { return readBytes + writeBytes; }
};

struct InstructionCost {
  uint64_t startup = 0; ///< Cycles before anything is transferred.
  /// Cycles of the engine's own work: compute, DMA channel, write port.
  double engineCycles = 0;
  /// Demands on shared resources, by resource number, one each.
  absl::InlinedVector<Demand, 3> demands;

  /// Cycles after startup when nothing else runs: the largest of engineCycles
  /// and bytes / rate of every demand.
  double soloCycles = 0;
  /// startup + soloCycles rounded up.
  uint64_t soloDuration = 0;

  // Events that cost energy (D5.2).
  uint64_t bitMacs = 0;            ///< 8-bit x 1-bit products.
  uint64_t macs = 0;               ///< Whole products.
  uint64_t laneOps = 0;            ///< Vector lane operations.
  uint64_t writtenWeightBytes = 0; ///< Cells written, copies counted.
};

/// Cost of `instruction` of `program` (valid) on core `core` of chip `chip`.
/// `target` is the program's, `resources` made from it. `tile` is the tile a
/// MAC names (null: every plane of the target's weight width is issued);
/// ignored by others.
InstructionCost cost(const TargetSpec &target, const ResourceMap &resources,
                     const Instruction &instruction, const Program &program,
                     uint32_t chip, uint32_t core, const Tile *tile = nullptr);
/// Rounds a duration up to whole cycles; forgives what summing fractions adds.
uint64_t ceilCycles(double cycles);

/// D4.5: slots of a vector kernel for n iterations.
struct KernelIssue {
  uint64_t cycles = 0;
  uint64_t laneOps = 0; ///< n per slot.
};
KernelIssue issueCycles(const TargetSpec &target, const Kernel &kernel,
                        uint64_t iterations);

} // namespace cim::device

#endif // CIM_LIB_DEVICE_TIMING_COST_H
