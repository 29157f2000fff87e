// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Figures derived from counters; docs/report.md has the definitions.
#include <algorithm>
#include <map>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
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

namespace {

/// What a cycle of the critical path is called. An engine's own speed has a
/// name of its own; of a memory it matters who wants it.
std::string partName(Engine engine, PathCause cause) {
  static constexpr const char *work[] = {"weight writes", "array", "vector",
                                         "dma", "control"};
  switch (cause) {
  case PathCause::Startup:
    return "latency";
  case PathCause::Work:
    return work[static_cast<size_t>(engine)];
  case PathCause::Local:
    return engine == Engine::Mac ? "activation fetch"
                                 : absl::StrCat("l1 (", name(engine), ")");
  default:
    return absl::StrCat(name(cause), " (", name(engine), ")");
  }
}

/// Bits of an integer format's weights ("w5a8": 5); 0 for other formats.
int weightBits(const std::string &format) {
  return format.size() >= 2 && format[0] == 'w' && format[1] >= '1' &&
                 format[1] <= '9'
             ? format[1] - '0'
             : 0;
}

} // namespace

std::string layerNote(const LayerInfo &info, const LayerStats &layer) {
  std::map<std::string, uint64_t> parts;
  uint64_t total = 0, shortened = 0;
  for (size_t e = 0; e < layer.critical.size(); ++e)
    for (size_t c = 0; c < kPathCauses; ++c) {
      auto engine = static_cast<Engine>(e);
      auto cause = static_cast<PathCause>(c);
      uint64_t cycles = layer.critical[e][c];
      if (cycles == 0)
        continue;
      parts[partName(engine, cause)] += cycles;
      total += cycles;
      // Planes are what the array steps through and what is written.
      bool steps = engine == Engine::Mac && cause == PathCause::Work;
      bool writes =
          engine == Engine::WeightWrite && cause != PathCause::Startup;
      if (steps || writes)
        shortened += cycles;
    }
  uint64_t span = layer.lastCycle - layer.firstCycle;
  if (total == 0)
    return span == 0 ? "" : "hidden behind other layers";
  auto percent = [&](uint64_t cycles) {
    return absl::StrFormat("%.0f %%", 100 * ratio(static_cast<double>(cycles),
                                                  static_cast<double>(total)));
  };
  std::vector<std::pair<std::string, uint64_t>> order(parts.begin(),
                                                      parts.end());
  std::sort(order.begin(), order.end(), [](const auto &a, const auto &b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::string note;
  for (size_t i = 0; i < order.size() && i < 3; ++i)
    if (i == 0 || order[i].second * 10 >= total)
      absl::StrAppend(&note, i ? ", " : "", order[i].first, " ",
                      percent(order[i].second));
  int bits = weightBits(info.format);
  if (bits > 0 && bits < 8)
    absl::StrAppend(&note, "; ", bits, " bits shorten ",
                    shortened * 2 >= total ? "" : "only ",
                    "array and weight writes, ", percent(shortened));
  return note;
}

} // namespace cim
