// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a resolved instruction reads and writes (docs/device.md sections 3, 4):
// byte boxes in memories and macro rectangles in weight sets.
#ifndef CIM_LIB_DEVICE_ACCESS_ACCESS_H
#define CIM_LIB_DEVICE_ACCESS_ACCESS_H

#include <cstdint>
#include <string>
#include <vector>

#include "access/Box.h"
#include "access/Tiles.h"
#include "cim/Program/Program.h"

namespace cim::device {

/// Numbers the separate memories of a system: per chip DRAM and L2, per core
/// L1, ACC and the weight sets, whose "bytes" are macros
/// (set * macros per set + row * macros across + column).
class MemoryMap {
public:
  enum class Kind : uint8_t { DRAM, L2, L1, ACC, Weights };

  explicit MemoryMap(const TargetSpec &target)
      : chips(target.chips), coresPerChip(target.coresPerChip) {}

  uint32_t size() const { return chips * 2 + chips * coresPerChip * 3; }
  uint32_t core(uint32_t chip, uint32_t core) const {
    return chip * coresPerChip + core;
  }
  uint32_t dram(uint32_t chip) const { return chip * 2; }
  uint32_t l2(uint32_t chip) const { return chip * 2 + 1; }
  uint32_t l1(uint32_t core) const { return chips * 2 + core * 3; }
  uint32_t acc(uint32_t core) const { return chips * 2 + core * 3 + 1; }
  uint32_t weights(uint32_t core) const { return chips * 2 + core * 3 + 2; }
  /// Memory of an address named by core `core` (system-wide number).
  uint32_t of(const Address &address, uint32_t core) const;
  Kind kind(uint32_t memory) const;
  /// "DRAM of chip 0", "L1 of chip 1 core 0", ...
  std::string describe(uint32_t memory) const;

private:
  uint32_t chips, coresPerChip;
};

struct Access {
  uint32_t memory = 0;
  bool write = false;
  Box box;
};

/// Appends the accesses of `instruction`, executed by core `core` of chip
/// `chip`; steps applied already, fields valid. `tiles` are the core's weight
/// sets at that moment: a MAC occupies every copy of its tile. Gathered and
/// scattered operands count as their whole extent.
void enumerateAccesses(const Program &program, const MemoryMap &memories,
                       const TileTable &tiles, uint32_t chip, uint32_t core,
                       const Instruction &instruction,
                       std::vector<Access> &accesses);

/// Bit i set: `kernel` writes operand i. Outputs, and whatever it stores to.
uint32_t writtenOperands(const Kernel &kernel);
/// Element type of operand `index` of `kernel`.
DType operandType(const Kernel &kernel, size_t index);

} // namespace cim::device

#endif // CIM_LIB_DEVICE_ACCESS_ACCESS_H
