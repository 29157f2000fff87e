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

Cost predict(const MacProblem &p, const MacSchedule &s, const TargetSpec &t) {
  Tiling g(p, s, t);
  Cost cost;
  double share = g.subPerCore * 1.0;
  double nTiles = g.nTilesPerCore, kTiles = g.kTiles, mTiles = g.mTilesPerCore;
  // Averages over full and partial tiles keep the totals exact in the large.
  double rowsPerTile = double(g.rowsPerCore) / mTiles;
  double colsPerTile = double(g.nPerCore) / nTiles;
  double kRows = double(g.kRowsTotal) / kTiles;
  double macs = share * nTiles * kTiles * mTiles;

  int64_t kernelInner = s.kKernel.empty() ? 1 : s.kKernel.back();
  int64_t kernelOuter = 1;
  for (size_t i = 0; i + 1 < s.kKernel.size(); ++i)
    kernelOuter *= s.kKernel[i];
  double fetch = fetchBytes(p, t, std::min(s.kChannels, g.chunkChannels),
                            kernelInner, kernelOuter);
  double compute = ceilDiv(rowsPerTile, s.copies) * arrayCyclesPerRow(p, t);
  double accBytes = rowsPerTile * colsPerTile * 4 * (kTiles > 1 ? 2 : 1);
  double oneMac = t.macStartupCycles +
                  std::max({compute, rowsPerTile * fetch / t.l1BytesPerCycle,
                            accBytes / t.accBytesPerCycle});
  cost.mac = macs * oneMac;

  // Weight tiles are written once when their sets hold them, else per m block.
  double mBlocks = ceilDiv(mTiles, s.accBlock);
  bool allFit = kTiles * (p.computedWeights ? 1 : nTiles) <= s.sets;
  double rewrites = kTiles <= s.sets || allFit ? 1 : mBlocks;
  double writes = share * nTiles * kTiles * rewrites;
  if (!p.computedWeights && p.batch > 1 && allFit)
    writes /= p.batch;
  double bytes = weightTileBytes(p, t, kRows, colsPerTile);
  double sourceRate = s.weights == Home::Dram
                          ? t.dramEffectiveBytesPerCycle() / g.cores
                          : t.l2BytesPerCycle / g.cores;
  double sourceLatency =
      s.weights == Home::Dram ? t.dramLatencyCycles : t.l2LatencyCycles;
  double oneWrite =
      t.writeStartupCycles + sourceLatency +
      bytes / std::min<double>(t.weightWriteBytesPerCycle, sourceRate);
  cost.write = writes * oneWrite;

  // Epilogue per (m tile, n tile).
  double elements = rowsPerTile * colsPerTile;
  double slots = epilogueCycles(p, t, elements);
  EpilogueBytes moved = epilogueBytes(p);
  double vecMemory = elements * g.cores *
                     std::max(moved.l2 / t.l2BytesPerCycle,
                              moved.dram / t.dramEffectiveBytesPerCycle());
  double oneVec = epilogueStartup(p, t) +
                  std::max({slots, vecMemory,
                            elements * (p.bfp ? 4 : 8) / t.accBytesPerCycle});
  cost.vector = share * nTiles * mTiles * oneVec;

  // Activations: once per (n pass, m tile) unless L1 keeps them.
  double patchBytes = g.patchPositions * double(g.loadChannels) * p.actBytes;
  // Where L1 does not hold all patches: once per pass over n; where it does not
  // even hold those of a block, once per weight tile (least recently used
  // replacement keeps nothing of a longer cycle).
  double loads =
      share * mTiles *
      (g.patchPerK ? kTiles : ceilDiv(g.patchChannels, g.loadChannels));
  if (!g.patchesStay) {
    loads *= nTiles;
    bool blockFits = std::min<double>(s.accBlock, mTiles) <= g.patchSlots;
    if (!g.patchPerK && !blockFits)
      loads *= kTiles;
  }
  double dmaRate =
      std::min<double>(t.dmaBytesPerCycle, t.l2BytesPerCycle / g.cores);
  double loadBytes = patchBytes;
  // Rows that are narrow in memory cost whole L1 words on the way in.
  double oneLoad = t.dmaStartupCycles + t.l2LatencyCycles + loadBytes / dmaRate;
  cost.load = loads * oneLoad;

  double cores = g.cores;
  double weightTraffic = writes * bytes * cores;
  cost.l2 = (loads * patchBytes * cores +
             share * nTiles * mTiles * elements * moved.l2 * cores +
             (s.weights == Home::Dram ? 0 : weightTraffic)) /
            t.l2BytesPerCycle;
  cost.dram = ((s.weights == Home::Dram ? weightTraffic : 0) +
               share * nTiles * mTiles * elements * moved.dram * cores) /
              t.dramEffectiveBytesPerCycle();
  cost.l1 =
      (macs * rowsPerTile * fetch + loads * patchBytes) / t.l1BytesPerCycle;

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
  cost.fill =
      std::max(oneWrite, oneLoad) + oneVec + oneMac / std::max(1.0, kTiles);
  cost.total = steady + cost.fill;
  return cost;
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
