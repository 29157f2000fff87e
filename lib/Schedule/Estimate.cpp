// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Schedule/Estimate.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <queue>

#include "InstructionCost.h"

namespace cim::schedule {
namespace {

/// Array cycles per row of every tile, as written.
class PlaneTable {
public:
  explicit PlaneTable(const TargetSpec &t) : t(t) {}
  void write(const Queue &queue, const WriteWeights &op) {
    double cycles = op.planes;
    if (op.format == WeightFormat::Planes && !op.planeMasks.empty()) {
      int most = 1;
      for (uint16_t mask : op.planeMasks)
        most = std::max(most, std::popcount(mask));
      cycles = most;
    } else if (op.format != WeightFormat::Planes &&
               op.format != WeightFormat::Int8) {
      cycles = op.planes + t.bfpAlignCycles;
    }
    tiles[key(queue, op.set, op.row0, op.col0)] = cycles;
  }
  double perRow(const Queue &queue, const Mac &op) const {
    auto it = tiles.find(key(queue, op.set, op.row0, op.col0));
    double cycles = it == tiles.end() ? t.weightBits : it->second;
    return op.actType == DType::I16 ? 2 * cycles : cycles;
  }

private:
  static uint64_t key(const Queue &queue, uint64_t set, uint64_t row,
                      uint64_t col) {
    return (uint64_t(queue.chip) << 56) | (uint64_t(queue.core) << 48) |
           (set << 40) | (row << 20) | col;
  }
  const TargetSpec &t;
  std::map<uint64_t, double> tiles;
};

/// A memory several instructions use at once.
class SharedMemory {
public:
  explicit SharedMemory(double rate) : rate(rate) {}
  /// Factor by which a transfer of `bytes` over `duration` from `start` is
  /// slower.
  double slowdown(double start, double bytes, double duration) {
    if (bytes <= 0 || duration <= 0)
      return 1;
    std::erase_if(active, [&](const Transfer &x) { return x.end <= start; });
    double wanted = bytes / duration;
    for (const Transfer &x : active)
      wanted += x.rate;
    return std::max(1.0, wanted / rate);
  }
  void add(double start, double bytes, double end) {
    if (bytes > 0 && end > start)
      active.push_back({end, bytes / (end - start)});
  }

private:
  struct Transfer {
    double end, rate;
  };
  double rate;
  std::vector<Transfer> active;
};

class Simulation {
public:
  Simulation(const Program &program, const Stage &stage)
      : program(program), stage(stage), t(program.target), planes(t),
        dram(t.dramEffectiveBytesPerCycle()), l2(t.l2BytesPerCycle) {}
  Estimate run();

private:
  struct Head {
    double ready;
    size_t queue;
    bool operator>(const Head &other) const {
      return std::tie(ready, queue) > std::tie(other.ready, other.queue);
    }
  };
  /// Earliest start of the queue's next instruction, or nothing if a wait is
  /// still open.
  bool readyAt(size_t queue, double &time) const;
  double execute(size_t queue, double start);

  const Program &program;
  const Stage &stage;
  const TargetSpec &t;
  PlaneTable planes;
  SharedMemory dram, l2;
  std::map<std::pair<unsigned, unsigned>, SharedMemory> l1, acc;
  std::vector<size_t> next;
  std::vector<double> freeAt;
  std::vector<std::vector<double>> signals; ///< Completion times, sorted.
  std::map<std::string, std::pair<double, double>> spans;
};

bool Simulation::readyAt(size_t queue, double &time) const {
  const Instruction &inst = stage.queues[queue].instructions[next[queue]];
  time = freeAt[queue];
  for (const Wait &wait : inst.waits) {
    const std::vector<double> &times = signals[wait.id];
    if (wait.value > times.size())
      return false;
    if (wait.value)
      time = std::max(time, times[wait.value - 1]);
  }
  return true;
}

double Simulation::execute(size_t index, double start) {
  const Queue &queue = stage.queues[index];
  const Instruction &inst = queue.instructions[next[index]];
  InstructionCost cost = costOf(program, inst);
  if (auto *write = std::get_if<WriteWeights>(&inst.op))
    planes.write(queue, *write);
  if (auto *mac = std::get_if<Mac>(&inst.op))
    cost.engine *= planes.perRow(queue, *mac);
  double duration =
      std::max({cost.engine, cost.dram / t.dramEffectiveBytesPerCycle(),
                cost.l2 / t.l2BytesPerCycle, cost.l1 / t.l1BytesPerCycle,
                cost.acc / t.accBytesPerCycle});
  double begin = start + cost.startup;
  auto core = std::pair<unsigned, unsigned>(queue.chip, queue.core);
  SharedMemory &coreL1 =
      l1.try_emplace(core, SharedMemory(t.l1BytesPerCycle)).first->second;
  SharedMemory &coreAcc =
      acc.try_emplace(core, SharedMemory(t.accBytesPerCycle)).first->second;
  double factor = std::max({dram.slowdown(begin, cost.dram, duration),
                            l2.slowdown(begin, cost.l2, duration),
                            coreL1.slowdown(begin, cost.l1, duration),
                            coreAcc.slowdown(begin, cost.acc, duration)});
  double end = std::ceil(begin + duration * factor);
  dram.add(begin, cost.dram, end);
  l2.add(begin, cost.l2, end);
  coreL1.add(begin, cost.l1, end);
  coreAcc.add(begin, cost.acc, end);
  return end;
}

Estimate Simulation::run() {
  size_t count = stage.queues.size();
  next.assign(count, 0);
  freeAt.assign(count, 0);
  signals.resize(program.semaphores);
  double last = 0;
  // Single-port arrays: writes and MACs of a core exclude each other.
  std::map<std::pair<unsigned, unsigned>, double> portFree;
  while (true) {
    size_t best = count;
    double bestTime = 0;
    for (size_t q = 0; q < count; ++q) {
      double time;
      if (next[q] >= stage.queues[q].instructions.size() || !readyAt(q, time))
        continue;
      Engine engine = stage.queues[q].engine;
      if (!t.dualPort &&
          (engine == Engine::Mac || engine == Engine::WeightWrite))
        time = std::max(time,
                        portFree[{stage.queues[q].chip, stage.queues[q].core}]);
      if (best == count || time < bestTime) {
        best = q;
        bestTime = time;
      }
    }
    if (best == count)
      break;
    double end = execute(best, bestTime);
    const Queue &queue = stage.queues[best];
    const Instruction &inst = queue.instructions[next[best]];
    if (queue.engine == Engine::Mac || queue.engine == Engine::WeightWrite)
      portFree[{queue.chip, queue.core}] = end;
    freeAt[best] = end;
    last = std::max(last, end);
    if (inst.signal != kNoSemaphore) {
      std::vector<double> &times = signals[inst.signal];
      times.insert(std::upper_bound(times.begin(), times.end(), end), end);
    }
    const std::string &layer = program.locations[inst.loc].layer;
    auto [span, isNew] = spans.try_emplace(layer, bestTime, end);
    if (!isNew) {
      span->second.first = std::min(span->second.first, bestTime);
      span->second.second = std::max(span->second.second, end);
    }
    ++next[best];
  }
  Estimate result;
  result.cycles = static_cast<uint64_t>(last);
  for (const LayerInfo &layer : program.layers) {
    auto it = spans.find(layer.name);
    result.layerCycles.push_back(
        it == spans.end()
            ? 0
            : static_cast<uint64_t>(it->second.second - it->second.first));
  }
  return result;
}

} // namespace

Estimate estimate(const Program &program, const Stage &stage) {
  return Simulation(program, stage).run();
}

uint64_t stageLowerBound(const Program &program, const Stage &stage) {
  const TargetSpec &t = program.target;
  double array = 0, vector = 0, dram = 0, l2 = 0;
  PlaneTable planes(t);
  for (int pass = 0; pass < 2; ++pass)
    for (const Queue &queue : stage.queues)
      for (const Instruction &inst : queue.instructions) {
        if (auto *write = std::get_if<WriteWeights>(&inst.op)) {
          if (!pass)
            planes.write(queue, *write);
        }
        if (!pass)
          continue;
        InstructionCost cost = costOf(program, inst);
        dram += cost.dram;
        l2 += cost.l2;
        if (queue.engine == Engine::Vec)
          vector += cost.engine;
        if (auto *mac = std::get_if<Mac>(&inst.op)) {
          double rows = 1;
          for (const Dim &dim : mac->m)
            rows *= static_cast<double>(dim.size);
          array += rows * planes.perRow(queue, *mac) * mac->rows * mac->cols /
                   (double(t.arrayRows()) * t.arrayCols());
        }
      }
  double cores = double(t.coresPerChip) * t.chips;
  return static_cast<uint64_t>(
      std::max({array / cores, vector / cores,
                dram / (t.dramEffectiveBytesPerCycle() * t.chips),
                l2 / (t.l2BytesPerCycle * t.chips)}));
}

} // namespace cim::schedule
