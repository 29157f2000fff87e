// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>

#include "Costs.h"
#include "Tiling.h"
#include "cim/Schedule/Solver.h"

namespace cim::schedule {

const char *Cost::bound() const {
  struct Named {
    const char *name;
    double value;
  };
  const Named all[] = {{"mac", mac},   {"weights", write}, {"vector", vector},
                       {"load", load}, {"l2", l2},         {"dram", dram},
                       {"l1", l1}};
  return std::max_element(
             std::begin(all), std::end(all),
             [](const Named &a, const Named &b) { return a.value < b.value; })
      ->name;
}

static double ceilDiv(double a, double b) { return std::ceil(a / b); }

double weightTileBytes(const MacProblem &p, const TargetSpec &t, double rows,
                       double cols) {
  if (p.computedWeights)
    return rows * cols * p.actBytes;
  if (p.bfp)
    return rows * cols * 2 + ceilDiv(rows, bfpBlock(t)) * cols;
  return rows * std::ceil(cols / 8) * p.planes;
}

double arrayCyclesPerRow(const MacProblem &p, const TargetSpec &t) {
  return p.bfp ? p.planes + t.bfpAlignCycles
               : p.planes * (p.actBytes == 2 ? 2 : 1);
}

double fetchBytes(const MacProblem &p, const TargetSpec &t, int64_t channels,
                  int64_t kernelInner, int64_t kernelOuter) {
  double run =
      p.channelsInner ? channels * p.actBytes : kernelInner * p.actBytes;
  double runs =
      p.channelsInner ? kernelInner * kernelOuter : channels * kernelOuter;
  return runs * ceilDiv(run, t.l1AccessBytes) * t.l1AccessBytes;
}

double epilogueCycles(const MacProblem &p, const TargetSpec &t,
                      double elements) {
  double lanes = t.vecBytesPerCycle / 4.0;
  return std::ceil(ceilDiv(elements, lanes) * p.vectorSlots /
                   t.vecOpsPerCycle) +
         ceilDiv(elements, t.vecSfuLanes) * p.sfuSlots;
}

namespace {

/// Equal operations of one queue.
struct Work {
  double count = 0; ///< How many, of the busiest core.
  double each = 0;  ///< Cycles.
  double bytes = 0; ///< Of each, in the memory it is about.
  double cycles() const { return count * each; }
  double moved() const { return count * bytes; }
};

/// The four queues of a region. Averages over full and partial tiles keep the
/// totals exact in the large.
class RegionCost {
public:
  RegionCost(const MacProblem &p, const MacSchedule &s, const TargetSpec &t)
      : p(p), s(s), t(t), g(p, s, t), share(double(g.subPerCore)),
        nTiles(double(g.nTilesPerCore)), kTiles(double(g.kTiles)),
        mTiles(double(g.mTilesPerCore)),
        rowsPerTile(double(g.rowsPerCore) / mTiles),
        colsPerTile(double(g.nPerCore) / nTiles) {}
  Cost total() const;

private:
  Work macs() const;   ///< Bytes: activations fetched from L1.
  Work writes() const; ///< Bytes: weights.
  Work epilogues() const;
  Work loads() const; ///< Bytes: activations.

  const MacProblem &p;
  const MacSchedule &s;
  const TargetSpec &t;
  Tiling g;
  double share, nTiles, kTiles, mTiles, rowsPerTile, colsPerTile;
};

Work RegionCost::macs() const {
  int64_t kernelInner = s.kKernel.empty() ? 1 : s.kKernel.back();
  int64_t kernelOuter = 1;
  for (size_t i = 0; i + 1 < s.kKernel.size(); ++i)
    kernelOuter *= s.kKernel[i];
  double fetch =
      rowsPerTile * fetchBytes(p, t, std::min(s.kChannels, g.chunkChannels),
                               kernelInner, kernelOuter);
  double compute = ceilDiv(rowsPerTile, s.copies) * arrayCyclesPerRow(p, t);
  double accBytes = rowsPerTile * colsPerTile * 4 * (kTiles > 1 ? 2 : 1);
  double each =
      t.macStartupCycles + std::max({compute, fetch / t.l1BytesPerCycle,
                                     accBytes / t.accBytesPerCycle});
  return {share * nTiles * kTiles * mTiles, each, fetch};
}

/// Weight tiles are written once when their sets hold them, else per m block.
Work RegionCost::writes() const {
  double mBlocks = ceilDiv(mTiles, s.accBlock);
  bool allFit = kTiles * (p.computedWeights ? 1 : nTiles) <= s.sets;
  double rewrites = kTiles <= s.sets || allFit ? 1 : mBlocks;
  double count = share * nTiles * kTiles * rewrites;
  if (!p.computedWeights && p.batch > 1 && allFit)
    count /= p.batch;
  double bytes =
      weightTileBytes(p, t, double(g.kRowsTotal) / kTiles, colsPerTile);
  bool dram = s.weights == Home::Dram;
  double rate =
      (dram ? t.dramEffectiveBytesPerCycle() : t.l2BytesPerCycle) / g.cores;
  double each = t.writeStartupCycles +
                (dram ? t.dramLatencyCycles : t.l2LatencyCycles) +
                bytes / std::min<double>(t.weightWriteBytesPerCycle, rate);
  return {count, each, bytes};
}

/// Per (m tile, n tile).
Work RegionCost::epilogues() const {
  double elements = rowsPerTile * colsPerTile;
  EpilogueBytes moved = epilogueBytes(p);
  double memory = elements * g.cores *
                  std::max(moved.l2 / t.l2BytesPerCycle,
                           moved.dram / t.dramEffectiveBytesPerCycle());
  double each = epilogueStartup(p, t) +
                std::max({epilogueCycles(p, t, elements), memory,
                          elements * (p.bfp ? 4 : 8) / t.accBytesPerCycle});
  return {share * nTiles * mTiles, each, elements};
}

/// Once per (n pass, m tile) unless L1 keeps them. Where L1 does not hold all
/// patches: once per pass over n; where it does not even hold those of a block,
/// once per weight tile (least recently used replacement keeps nothing of a
/// longer cycle).
Work RegionCost::loads() const {
  double bytes = g.patchPositions * double(g.loadChannels) * p.actBytes;
  double count =
      share * mTiles *
      (g.patchPerK ? kTiles : ceilDiv(g.patchChannels, g.loadChannels));
  if (!g.patchesStay) {
    count *= nTiles;
    bool blockFits = std::min<double>(s.accBlock, mTiles) <= g.patchSlots;
    if (!g.patchPerK && !blockFits)
      count *= kTiles;
  }
  double rate =
      std::min<double>(t.dmaBytesPerCycle, t.l2BytesPerCycle / g.cores);
  return {count, t.dmaStartupCycles + t.l2LatencyCycles + bytes / rate, bytes};
}

Cost RegionCost::total() const {
  Work mac = macs(), write = writes(), vector = epilogues(), load = loads();
  Cost cost;
  cost.mac = mac.cycles();
  cost.write = write.cycles();
  cost.vector = vector.cycles();
  cost.load = load.cycles();
  EpilogueBytes out = epilogueBytes(p);
  double l2 = load.moved() + vector.moved() * out.l2;
  double dram = vector.moved() * out.dram;
  (s.weights == Home::Dram ? dram : l2) += write.moved();
  cost.l2 = l2 * g.cores / t.l2BytesPerCycle;
  cost.dram = dram * g.cores / t.dramEffectiveBytesPerCycle();
  cost.l1 = (mac.moved() + load.moved()) / t.l1BytesPerCycle;

  bool overlap = t.dualPort && s.sets > 1;
  double array =
      overlap ? std::max(cost.mac, cost.write) : cost.mac + cost.write;
  // Engines and memories never overlap perfectly: what is close to the largest
  // costs something too. A high norm is the maximum with that softened.
  double steady = 0;
  for (double x : {array, cost.vector, cost.load, cost.l2, cost.dram, cost.l1})
    steady += x * x * x * x;
  steady = std::sqrt(std::sqrt(steady));
  // With one accumulator tile MACs wait for the epilogue and the reverse.
  if (g.accSlots < 2)
    steady = std::max(steady, array + cost.vector);
  cost.fill = std::max(write.each, load.each) + vector.each +
              mac.each / std::max(1.0, kTiles);
  cost.total = steady + cost.fill;
  return cost;
}

} // namespace

Cost predict(const MacProblem &p, const MacSchedule &s, const TargetSpec &t) {
  return RegionCost(p, s, t).total();
}

double lowerBound(const MacProblem &p, const TargetSpec &t, Home home) {
  double rows = p.batch, k = p.channels;
  for (const MDim &dim : p.m) {
    rows *= dim.size;
    k *= dim.kernel;
  }
  double macs = rows * k * p.n * p.groups;
  double cores = t.coresPerChip;
  double cells = double(t.arrayRows()) * t.arrayCols() * cores;
  double mac = macs / cells * arrayCyclesPerRow(p, t);
  double outputs = rows * p.n * p.groups;
  double vector =
      outputs *
      (p.vectorSlots / (t.vecBytesPerCycle / 4.0) / t.vecOpsPerCycle +
       p.sfuSlots / double(t.vecSfuLanes)) /
      cores;
  double weights = p.computedWeights ? k * p.n * p.batch * p.actBytes
                                     : k * p.n * p.groups * p.planes / 8.0;
  double port = weights / (t.weightWriteBytesPerCycle * cores);
  double memory = home == Home::Dram ? weights / t.dramEffectiveBytesPerCycle()
                                     : weights / t.l2BytesPerCycle;
  EpilogueBytes moved = epilogueBytes(p);
  double l2 = outputs * moved.l2 / t.l2BytesPerCycle;
  double dram = outputs * moved.dram / t.dramEffectiveBytesPerCycle();
  // Without weights at home in the array they are written at least once.
  return std::max({mac, vector, port, memory, l2, dram});
}

} // namespace cim::schedule
