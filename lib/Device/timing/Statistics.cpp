// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Counting and energy.
#include "timing/Statistics.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string_view>

namespace cim::device {

Events::Events(const InstructionCost &cost, const ResourceMap &resources)
    : bitMacs(cost.bitMacs), macs(cost.macs), laneOps(cost.laneOps),
      writtenWeightBytes(cost.writtenWeightBytes) {
  for (const Demand &demand : cost.demands) {
    MemoryStats &memory =
        memories[static_cast<size_t>(resources.kind(demand.resource))];
    memory.readBytes += demand.readBytes;
    memory.writeBytes += demand.writeBytes;
  }
}

void Events::operator+=(const Events &other) {
  for (size_t i = 0; i < memories.size(); ++i) {
    memories[i].readBytes += other.memories[i].readBytes;
    memories[i].writeBytes += other.memories[i].writeBytes;
  }
  bitMacs += other.bitMacs;
  macs += other.macs;
  laneOps += other.laneOps;
  writtenWeightBytes += other.writtenWeightBytes;
}

Statistics::Statistics(const Program &program, const StageStreams &streams)
    : program(program), streams(streams),
      layerOfLocation(program.locations.size(), -1),
      layerEvents(program.layers.size()) {
  std::map<std::string_view, int32_t> layers;
  for (size_t i = 0; i < program.layers.size(); ++i)
    layers.emplace(program.layers[i].name, static_cast<int32_t>(i));
  for (size_t i = 0; i < program.locations.size(); ++i) {
    auto at = layers.find(program.locations[i].layer);
    if (at != layers.end())
      layerOfLocation[i] = at->second;
  }
  stats.queues.resize(streams.size());
  stats.layers.resize(program.layers.size());
  for (LayerStats &layer : stats.layers)
    layer.firstCycle = std::numeric_limits<uint64_t>::max();
}

void Statistics::add(uint32_t queue, uint32_t index, uint64_t start,
                     uint64_t end, uint64_t solo, const Events &events) {
  const Queue &source = streams.streams[queue].queue();
  auto count = [&](EngineStats &engine) {
    ++engine.instructions;
    engine.busyCycles += end - start;
    engine.computeCycles += solo;
  };
  count(stats.queues[queue]);
  int32_t id = layerOf(source.instructions[index]);
  if (id < 0) {
    otherEvents += events;
    return;
  }
  LayerStats &layer = stats.layers[id];
  layer.firstCycle = std::min(layer.firstCycle, start);
  layer.lastCycle = std::max(layer.lastCycle, end);
  count(layer.engine[static_cast<size_t>(source.engine)]);
  layerEvents[id] += events;
}

Statistics::Energy Statistics::energy(const Events &events) const {
  const TargetSpec &target = program.target;
  auto bytes = [&](ResourceMap::Kind kind) {
    const MemoryStats &memory = events.memories[static_cast<size_t>(kind)];
    return static_cast<double>(memory.readBytes + memory.writeBytes);
  };
  using Kind = ResourceMap::Kind;
  double mac = events.bitMacs * target.bitMacFj * 1e-15 +
               events.writtenWeightBytes * target.weightWritePjPerByte * 1e-12;
  double memory = (bytes(Kind::DRAM) * target.dramPjPerByte +
                   bytes(Kind::L2) * target.l2PjPerByte +
                   bytes(Kind::L1) * target.l1PjPerByte +
                   bytes(Kind::ACC) * target.accPjPerByte +
                   bytes(Kind::Link) * target.linkPjPerByte) *
                  1e-12;
  return {mac, memory, events.laneOps * target.vecPjPerOp * 1e-12};
}

StageStats Statistics::finish(uint64_t cycles) const {
  StageStats result = stats;
  result.cycles = cycles;
  Events total = otherEvents;
  for (size_t i = 0; i < result.layers.size(); ++i) {
    LayerStats &layer = result.layers[i];
    const Events &events = layerEvents[i];
    total += events;
    if (layer.firstCycle > layer.lastCycle)
      layer.firstCycle = layer.lastCycle; // never ran
    layer.bitMacs = events.bitMacs;
    layer.macs = events.macs;
    auto bytes = [&](ResourceMap::Kind kind) {
      const MemoryStats &memory = events.memories[static_cast<size_t>(kind)];
      return memory.readBytes + memory.writeBytes;
    };
    layer.dramBytes = bytes(ResourceMap::Kind::DRAM);
    layer.l2Bytes = bytes(ResourceMap::Kind::L2);
    layer.energyJ = energy(events).sum();
  }
  result.macs = total.macs;
  result.bitMacs = total.bitMacs;
  using Kind = ResourceMap::Kind;
  result.dram = total.memories[static_cast<size_t>(Kind::DRAM)];
  result.l2 = total.memories[static_cast<size_t>(Kind::L2)];
  result.l1 = total.memories[static_cast<size_t>(Kind::L1)];
  result.acc = total.memories[static_cast<size_t>(Kind::ACC)];
  result.link = total.memories[static_cast<size_t>(Kind::Link)];
  Energy parts = energy(total);
  result.macEnergyJ = parts.mac;
  result.memoryEnergyJ = parts.memory;
  result.vectorEnergyJ = parts.vector;
  const TargetSpec &target = program.target;
  result.idleEnergyJ =
      target.clockMhz > 0
          ? target.idleWatts * target.chips * cycles / (target.clockMhz * 1e6)
          : 0;
  result.energyJ = parts.sum() + result.idleEnergyJ;
  return result;
}

} // namespace cim::device
