// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Schedule/Estimate.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

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

/// Shared memories; L1 and ACC are counted per core.
enum Resource { Dram, L2, L1, Acc, NumResources };

/// An instruction that runs: first its startup, then its work, slowed down by
/// the most oversubscribed memory it uses.
struct Active {
  size_t queue = 0;
  unsigned core = 0;
  double startup = 0, remaining = 0; ///< Cycles at full speed.
  double rate[NumResources] = {};    ///< Bytes per cycle at full speed.
  double speed = 1;
};

class Simulation {
public:
  Simulation(const Program &program, const Stage &stage)
      : program(program), stage(stage), t(program.target), planes(t),
        capacity{t.dramEffectiveBytesPerCycle() * t.chips,
                 t.l2BytesPerCycle * t.chips, t.l1BytesPerCycle,
                 t.accBytesPerCycle} {}
  Estimate run();

private:
  bool ready(size_t queue) const;
  void start(size_t queue);
  void setSpeeds();
  void complete(const Active &done);
  unsigned coreOf(const Queue &queue) const {
    return queue.chip * t.coresPerChip + queue.core;
  }

  const Program &program;
  const Stage &stage;
  const TargetSpec &t;
  PlaneTable planes;
  double capacity[NumResources];
  double now = 0;
  std::vector<size_t> next;
  std::vector<bool> busy;
  std::vector<uint64_t> counts; ///< Of semaphores.
  std::vector<Active> active;
  std::map<std::string, double> spans; ///< End of every layer.
};

bool Simulation::ready(size_t index) const {
  const Queue &queue = stage.queues[index];
  if (busy[index] || next[index] >= queue.instructions.size())
    return false;
  for (const Wait &wait : queue.instructions[next[index]].waits)
    if (counts[wait.id] < wait.value)
      return false;
  // Single-port arrays: writes and MACs of a core exclude each other.
  bool array =
      queue.engine == Engine::Mac || queue.engine == Engine::WeightWrite;
  if (!t.dualPort && array)
    for (const Active &other : active) {
      Engine engine = stage.queues[other.queue].engine;
      if (other.core == coreOf(queue) &&
          (engine == Engine::Mac || engine == Engine::WeightWrite))
        return false;
    }
  return true;
}

void Simulation::start(size_t index) {
  const Queue &queue = stage.queues[index];
  const Instruction &inst = queue.instructions[next[index]];
  InstructionCost cost = costOf(program, inst);
  if (auto *write = std::get_if<WriteWeights>(&inst.op))
    planes.write(queue, *write);
  if (auto *mac = std::get_if<Mac>(&inst.op))
    cost.engine *= planes.perRow(queue, *mac);
  Active entry;
  entry.queue = index;
  entry.core = coreOf(queue);
  entry.startup = cost.startup;
  double bytes[NumResources] = {cost.dram, cost.l2, cost.l1, cost.acc};
  entry.remaining = cost.engine;
  for (int r = 0; r < NumResources; ++r)
    entry.remaining = std::max(entry.remaining, bytes[r] / capacity[r]);
  for (int r = 0; r < NumResources; ++r)
    entry.rate[r] = entry.remaining > 0 ? bytes[r] / entry.remaining : 0;
  busy[index] = true;
  active.push_back(entry);
}

/// Everyone slows down by the oversubscription of its scarcest memory.
void Simulation::setSpeeds() {
  double shared[2] = {};
  std::map<unsigned, std::pair<double, double>> perCore;
  for (const Active &a : active) {
    if (a.startup > 0)
      continue;
    shared[0] += a.rate[Dram];
    shared[1] += a.rate[L2];
    perCore[a.core].first += a.rate[L1];
    perCore[a.core].second += a.rate[Acc];
  }
  for (Active &a : active) {
    double wanted[NumResources] = {shared[0], shared[1], perCore[a.core].first,
                                   perCore[a.core].second};
    a.speed = 1;
    for (int r = 0; r < NumResources; ++r)
      if (a.rate[r] > 0)
        a.speed = std::min(a.speed, capacity[r] / wanted[r]);
  }
}

void Simulation::complete(const Active &done) {
  const Instruction &inst =
      stage.queues[done.queue].instructions[next[done.queue]++];
  busy[done.queue] = false;
  if (inst.signal != kNoSemaphore)
    ++counts[inst.signal];
  double &end = spans[program.locations[inst.loc].layer];
  end = std::max(end, now);
}

Estimate Simulation::run() {
  size_t queues = stage.queues.size();
  next.assign(queues, 0);
  busy.assign(queues, false);
  counts.assign(program.semaphores, 0);
  while (true) {
    for (size_t q = 0; q < queues; ++q)
      if (ready(q))
        start(q);
    if (active.empty())
      break;
    setSpeeds();
    double step = std::numeric_limits<double>::max();
    for (const Active &a : active)
      step = std::min(step, a.startup > 0 ? a.startup : a.remaining / a.speed);
    now += step;
    std::vector<Active> still;
    std::vector<Active> done;
    for (Active &a : active) {
      if (a.startup > 0) {
        a.startup = a.startup - step < 1e-6 ? 0 : a.startup - step;
        if (a.startup == 0 && a.remaining <= 0) {
          done.push_back(a);
          continue;
        }
      } else {
        a.remaining -= step * a.speed;
        if (a.remaining < 1e-6) {
          done.push_back(a);
          continue;
        }
      }
      still.push_back(a);
    }
    active = std::move(still);
    for (const Active &a : done)
      complete(a);
  }
  Estimate result;
  result.cycles = static_cast<uint64_t>(std::ceil(now));
  // What every layer adds: from the end of the layer before to its own.
  std::vector<double> ends;
  for (const LayerInfo &layer : program.layers) {
    auto it = spans.find(layer.name);
    ends.push_back(it == spans.end() ? 0 : it->second);
  }
  std::vector<size_t> order(ends.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(ends[a], a) < std::pair(ends[b], b);
  });
  result.layerCycles.resize(ends.size());
  double last = 0;
  for (size_t i : order) {
    result.layerCycles[i] =
        static_cast<uint64_t>(std::max(0.0, ends[i] - last));
    last = std::max(last, ends[i]);
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
