// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Statistics of a stage: counted as integers per layer and queue while it runs,
// turned into energy (D5.2) at the end.
#ifndef CIM_LIB_DEVICE_TIMING_STATISTICS_H
#define CIM_LIB_DEVICE_TIMING_STATISTICS_H

#include <array>
#include <cstdint>
#include <vector>

#include "cim/Device/Device.h"
#include "stream/Stream.h"
#include "timing/Cost.h"

namespace cim::device {

/// What one execution of an instruction adds.
struct Events {
  std::array<MemoryStats, 5> memories; ///< By ResourceMap::Kind.
  uint64_t bitMacs = 0, macs = 0, laneOps = 0, writtenWeightBytes = 0;

  Events() = default;
  Events(const InstructionCost &cost, const ResourceMap &resources);
  void operator+=(const Events &other);
};

class Statistics {
public:
  Statistics(const Program &program, const StageStreams &streams);

  /// Instruction `index` of `queue` ran during [start, end); alone it would
  /// have taken `solo` cycles.
  void add(uint32_t queue, uint32_t index, uint64_t start, uint64_t end,
           uint64_t solo, const Events &events);
  StageStats finish(uint64_t cycles) const;
  /// Index of an instruction's layer, -1 for none.
  int32_t layerOf(const Instruction &instruction) const {
    return instruction.loc < layerOfLocation.size()
               ? layerOfLocation[instruction.loc]
               : -1;
  }

private:
  /// Energy of events in joules: array, memories, vector unit.
  struct Energy {
    double mac, memory, vector;
    double sum() const { return mac + memory + vector; }
  };
  Energy energy(const Events &events) const;

  const Program &program;
  const StageStreams &streams;
  std::vector<int32_t> layerOfLocation; ///< -1: no layer.
  StageStats stats;
  std::vector<Events> layerEvents;
  Events otherEvents; ///< Of instructions without a layer.
};

} // namespace cim::device

#endif // CIM_LIB_DEVICE_TIMING_STATISTICS_H
