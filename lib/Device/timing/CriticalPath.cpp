// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Chains of completions, shared and reference counted.
#include "timing/CriticalPath.h"

#include <algorithm>

namespace cim::device {

static PathCause causeOf(ResourceMap::Kind kind) {
  switch (kind) {
  case ResourceMap::Kind::DRAM:
    return PathCause::Dram;
  case ResourceMap::Kind::L2:
    return PathCause::L2;
  case ResourceMap::Kind::L1:
  case ResourceMap::Kind::ACC:
    return PathCause::Local;
  case ResourceMap::Kind::Link:
    return PathCause::Link;
  }
  return PathCause::Work;
}

Binding::Binding(const InstructionCost &cost, const ResourceMap &resources) {
  double most = 0;
  for (const Demand &demand : cost.demands) {
    double cycles =
        static_cast<double>(demand.bytes()) / resources.rate(demand.resource);
    if (cycles <= most)
      continue;
    most = cycles;
    shared = causeOf(resources.kind(demand.resource));
  }
  if (most > cost.engineCycles)
    alone = shared;
}

void CriticalPath::drop(uint32_t node) {
  while (node != kNone && --nodes[node].references == 0) {
    unused.push_back(node);
    node = nodes[node].stretch.before;
  }
}

void CriticalPath::assign(Stretch &to, const Stretch &from) {
  if (from.before != kNone)
    ++nodes[from.before].references;
  drop(to.before);
  to = from;
}

/// Takes over the stretch's reference to the one before it.
uint32_t CriticalPath::store(const Stretch &stretch) {
  uint32_t index;
  if (unused.empty()) {
    index = static_cast<uint32_t>(nodes.size());
    nodes.emplace_back();
  } else {
    index = unused.back();
    unused.pop_back();
  }
  nodes[index] = {stretch, 1};
  return index;
}

void CriticalPath::release(uint32_t queue, uint32_t by) {
  assign(next[queue].stretch, done[by]);
  next[queue].set = true;
}

void CriticalPath::complete(uint32_t queue, int32_t layer, Engine engine,
                            uint64_t cycles, const InstructionCost &cost,
                            const Binding &binding) {
  Stretch &path = done[queue];
  if (next[queue].set) {
    assign(path, next[queue].stretch);
    next[queue].set = false;
  }
  if (cycles == 0)
    return;
  last = queue;
  if (path.layer != layer) {
    path.before = store(path);
    path.layer = layer;
    path.cycles = {};
  }
  auto &parts = path.cycles[static_cast<size_t>(engine)];
  uint64_t startup = std::min(cost.startup, cycles);
  uint64_t alone = std::min(cost.soloDuration, cycles) - startup;
  parts[static_cast<size_t>(PathCause::Startup)] += startup;
  parts[static_cast<size_t>(binding.alone)] += alone;
  parts[static_cast<size_t>(binding.shared)] += cycles - startup - alone;
}

void CriticalPath::finish(std::vector<LayerStats> &layers) const {
  if (last == kNone)
    return;
  const Stretch *at = &done[last];
  while (true) {
    if (at->layer >= 0)
      for (size_t engine = 0; engine < at->cycles.size(); ++engine)
        for (size_t cause = 0; cause < at->cycles[engine].size(); ++cause)
          layers[at->layer].critical[engine][cause] +=
              at->cycles[engine][cause];
    if (at->before == kNone)
      return;
    at = &nodes[at->before].stretch;
  }
}

} // namespace cim::device
