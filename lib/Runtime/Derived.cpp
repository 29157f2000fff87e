// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Figures derived from counters; docs/report.md has the definitions.
#include <algorithm>
#include <numeric>

#include "cim/Runtime/Report.h"

namespace cim {
namespace {

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

} // namespace

Derived derive(const Program &program, const StageStats &stats) {
  const TargetSpec &target = program.target;
  Derived d;
  d.seconds = static_cast<double>(stats.cycles) / (target.clockMhz * 1e6);
  double ops = 2.0 * static_cast<double>(stats.macs);
  d.tops = ratio(ops * 1e-12, d.seconds);
  d.topsPerWatt = ratio(ops * 1e-12, stats.energyJ);
  double slots = static_cast<double>(target.arrayRows()) * target.arrayCols() *
                 target.coresPerChip * target.chips *
                 static_cast<double>(stats.cycles);
  d.utilization = ratio(static_cast<double>(stats.bitMacs), slots);
  d.boundRatio = ratio(static_cast<double>(program.lowerBoundCycles),
                       static_cast<double>(stats.cycles));
  return d;
}

std::vector<uint64_t> layerCycles(const StageStats &stats) {
  std::vector<size_t> order(stats.layers.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(stats.layers[a].lastCycle, a) <
           std::pair(stats.layers[b].lastCycle, b);
  });
  std::vector<uint64_t> cycles(stats.layers.size(), 0);
  uint64_t end = 0;
  for (size_t i : order) {
    cycles[i] = stats.layers[i].lastCycle - end;
    end = stats.layers[i].lastCycle;
  }
  return cycles;
}

LayerLimit layerLimit(const Program &program, const LayerStats &layer) {
  const TargetSpec &target = program.target;
  double cycles = static_cast<double>(layer.lastCycle - layer.firstCycle);
  unsigned queues[5] = {};
  for (const Queue &queue : program.run.queues)
    ++queues[static_cast<size_t>(queue.engine)];
  LayerLimit limit;
  auto consider = [&](const char *what, double share) {
    if (share > limit.share)
      limit = {what, std::min(share, 1.0)};
  };
  for (size_t i = 0; i < 5; ++i)
    consider(name(static_cast<Engine>(i)),
             ratio(static_cast<double>(layer.engine[i].busyCycles),
                   cycles * queues[i]));
  // An engine that waits for a memory looks busy: the memory goes first.
  double dram =
      ratio(static_cast<double>(layer.dramBytes),
            cycles * target.chips * target.dramEffectiveBytesPerCycle());
  double l2 = ratio(static_cast<double>(layer.l2Bytes),
                    cycles * target.chips * target.l2BytesPerCycle);
  if (std::max(dram, l2) > 0.9)
    return {dram >= l2 ? "dram" : "l2", std::min(1.0, std::max(dram, l2))};
  consider("dram", dram);
  consider("l2", l2);
  return limit;
}

} // namespace cim
