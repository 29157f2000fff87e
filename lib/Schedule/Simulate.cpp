// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plays the loops of a region (lib/Lower/LowerMac.h) on the four queues of the
// busiest core: which operation waits for which, who is slowed down by a shared
// memory. What a formula cannot say well (startup of short operations,
// pipelines that fill and drain) comes out by itself. Cores are alike, so that
// one has its share of L2 and DRAM.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "Costs.h"
#include "Tiling.h"
#include "cim/Schedule/SlotCache.h"
#include "cim/Schedule/Solver.h"

namespace cim::schedule {
namespace {

enum QueueId { Write, Array, Load, Vector, NumQueues };
enum Resource { L2, Dram, L1, Acc, NumResources };

/// Waits for the first `count` operations of a queue.
struct After {
  uint32_t count[NumQueues] = {};
  void on(QueueId queue, uint32_t completed) {
    count[queue] = std::max(count[queue], completed);
  }
};

struct Operation {
  float startup = 0, work = 0;   ///< Cycles, uncontended.
  float rate[NumResources] = {}; ///< Bytes per cycle while working.
  uint32_t after[NumQueues] = {};
};

/// A part of a dimension of output rows.
struct Piece {
  int64_t rows = 0;      ///< Output positions.
  int64_t positions = 0; ///< Input positions it needs.
  int64_t fresh = 0;     ///< Those no piece before it needed.
};

class RegionSimulation {
public:
  RegionSimulation(const MacProblem &p, const MacSchedule &s,
                   const TargetSpec &t)
      : p(p), s(s), t(t), g(p, s, t),
        capacity{t.l2BytesPerCycle / double(g.cores),
                 t.dramEffectiveBytesPerCycle() / double(g.cores),
                 t.l1BytesPerCycle, t.accBytesPerCycle} {}
  std::optional<double> run(uint64_t &budget);

private:
  struct MTile {
    double rows = 1, positions = 1, fresh = 1;
  };
  struct KTile {
    double rows = 1, fetch = 0;
    int64_t channel = 0; ///< First one.
  };
  void cut();
  void emit(int instance);
  void emitBlock(int instance, int64_t sub, int64_t n, size_t begin,
                 size_t end);
  Operation make(double startup, double engine,
                 std::array<double, NumResources> bytes) const;
  uint32_t push(QueueId queue, Operation op, const After &after);
  struct Loaded {
    size_t slot;
    uint32_t count; ///< Loads until it is there.
  };
  Loaded loadPatch(int instance, int64_t sub, size_t tile, size_t k);
  double play(std::array<uint32_t, NumQueues> &upTo, double &firstEnd) const;

  const MacProblem &p;
  const MacSchedule &s;
  const TargetSpec &t;
  Tiling g;
  double capacity[NumResources];
  std::vector<MTile> mTiles;
  std::vector<double> nTiles;
  std::vector<KTile> kTiles;
  std::vector<Operation> ops[NumQueues];
  // State of the loops.
  SlotCache<std::array<int64_t, 4>> sets{1}, patches{1};
  std::vector<uint32_t> setWritten, setRead;     ///< Per set: counts.
  std::vector<uint32_t> patchRead;               ///< Per slot: MACs.
  std::vector<std::vector<uint32_t>> patchParts; ///< Loads, per slot and part.
  std::vector<uint32_t> accFree;                 ///< Per buffer: epilogues.
  size_t nextAcc = 0;
  bool halo = false;                          ///< Rows need rows beside them.
  std::vector<uint32_t> rowsDone, rowsBefore; ///< Epilogues per m tile.
};

Operation RegionSimulation::make(double startup, double engine,
                                 std::array<double, NumResources> bytes) const {
  Operation op;
  op.startup = static_cast<float>(startup);
  double work = std::max(engine, 1e-3);
  for (int r = 0; r < NumResources; ++r)
    work = std::max(work,
                    bytes[r] / capacity[r] / (r < L1 ? double(g.cores) : 1.0));
  op.work = static_cast<float>(work);
  for (int r = 0; r < NumResources; ++r)
    op.rate[r] = static_cast<float>(bytes[r] / work);
  return op;
}

uint32_t RegionSimulation::push(QueueId queue, Operation op,
                                const After &after) {
  std::copy(after.count, after.count + NumQueues, op.after);
  ops[queue].push_back(op);
  return static_cast<uint32_t>(ops[queue].size());
}

/// Tiles of the busiest core, as lib/Lower cuts them.
void RegionSimulation::cut() {
  mTiles.assign(1, {});
  for (size_t i = 0; i < p.m.size(); ++i) {
    const MDim &dim = p.m[i];
    int64_t size = dim.size;
    if (s.split == Split::M && i == splitDim(p))
      size = (size + g.cores - 1) / g.cores;
    std::vector<Piece> pieces;
    int64_t covered = 0;
    for (int64_t begin = 0; begin < size; begin += s.m[i]) {
      int64_t rows = std::min(s.m[i], size - begin);
      int64_t first = dim.kernel == 1 ? begin : begin * dim.step;
      int64_t need = windowExtent(dim, rows, dim.kernel);
      int64_t fresh = first + need - std::max(first, covered);
      covered = first + need;
      pieces.push_back({rows, need, fresh});
    }
    std::vector<MTile> next;
    for (const MTile &tile : mTiles)
      for (const Piece &piece : pieces)
        next.push_back({tile.rows * piece.rows,
                        tile.positions * piece.positions,
                        tile.fresh * piece.fresh});
    mTiles = std::move(next);
  }
  for (int64_t n = 0; n < g.nPerCore; n += s.n)
    nTiles.push_back(std::min(s.n, g.nPerCore - n));
  kTiles.assign(1, {});
  int64_t outer = 1, inner = 1;
  std::vector<int64_t> parts{1};
  for (size_t i = 0; i < p.m.size(); ++i) {
    bool last = i + 1 == p.m.size();
    int64_t tile = std::min(s.kKernel[i], p.m[i].kernel);
    (last ? inner : outer) *= tile;
    std::vector<int64_t> next;
    for (int64_t part : parts)
      for (int64_t q = 0; q < p.m[i].kernel; q += tile)
        next.push_back(part * std::min(tile, p.m[i].kernel - q));
    parts = std::move(next);
  }
  kTiles.clear();
  for (int64_t c = 0; c < g.chunkChannels; c += s.kChannels)
    for (int64_t part : parts) {
      int64_t channels = std::min(s.kChannels, g.chunkChannels - c);
      kTiles.push_back({double(channels * part),
                        fetchBytes(p, t, channels, inner, outer), c});
    }
}

RegionSimulation::Loaded RegionSimulation::loadPatch(int instance, int64_t sub,
                                                     size_t tile, size_t k) {
  int64_t channel = kTiles[k].channel;
  int64_t chunk = g.patchPerKernel ? int64_t(k)
                  : g.patchPerK    ? channel / s.kChannels
                                   : 0;
  auto [slot, present] = patches.lookup(
      {instance, sub, g.sharedPatch ? -1 : int64_t(tile), chunk});
  std::vector<uint32_t> &parts = patchParts[slot];
  if (!present)
    parts.clear();
  int64_t loads = (g.patchChannels + g.loadChannels - 1) / g.loadChannels;
  int64_t load = g.patchPerK ? 0 : channel / g.loadChannels;
  size_t part = (g.sharedPatch ? int64_t(tile) * loads : 0) + load;
  if (parts.size() <= part)
    parts.resize(part + 1, 0);
  if (!parts[part]) {
    After after;
    if (!present)
      after.on(Array, patchRead[slot]);
    // The layer before has written these rows, and those after them that a
    // kernel needs.
    size_t need = std::min(mTiles.size() - 1, tile + (halo ? 1 : 0));
    if (instance && !rowsBefore.empty())
      after.on(Vector, rowsBefore[need]);
    int64_t channels =
        std::min(g.loadChannels, g.patchChannels - load * g.loadChannels);
    double positions = g.sharedPatch      ? mTiles[tile].fresh
                       : g.patchPerKernel ? g.patchPositions
                                          : mTiles[tile].positions;
    double bytes = positions * double(channels) * p.actBytes;
    parts[part] = push(Load,
                       make(t.dmaStartupCycles + t.l2LatencyCycles,
                            bytes / t.dmaBytesPerCycle, {bytes, 0, bytes, 0}),
                       after);
  }
  return {slot, parts[part]};
}

void RegionSimulation::emitBlock(int instance, int64_t sub, int64_t n,
                                 size_t begin, size_t end) {
  double cols = nTiles[n];
  std::vector<size_t> acc;
  for (size_t i = begin; i < end; ++i) {
    acc.push_back(nextAcc);
    nextAcc = (nextAcc + 1) % accFree.size();
  }
  std::vector<uint32_t> lastMac(end - begin, 0);
  for (size_t k = 0; k < kTiles.size(); ++k) {
    auto [set, present] = sets.lookup(
        {instance, p.computedWeights ? sub : sub % g.chunks, n, int64_t(k)});
    if (!present) {
      After after;
      after.on(Array, setRead[set]);
      double bytes = weightTileBytes(p, t, kTiles[k].rows, cols);
      bool dram = s.weights == Home::Dram;
      setWritten[set] =
          push(Write,
               make(t.writeStartupCycles +
                        (dram ? t.dramLatencyCycles : t.l2LatencyCycles),
                    bytes / t.weightWriteBytesPerCycle,
                    {dram ? 0 : bytes, dram ? bytes : 0, 0, 0}),
               after);
    }
    for (size_t i = begin; i < end; ++i) {
      Loaded patch = loadPatch(instance, sub, i, k);
      After after;
      after.on(Write, setWritten[set]);
      after.on(Load, patch.count);
      if (k == 0)
        after.on(Vector, accFree[acc[i - begin]]);
      double rows = mTiles[i].rows;
      lastMac[i - begin] = push(
          Array,
          make(t.macStartupCycles,
               std::ceil(rows / double(s.copies)) * arrayCyclesPerRow(p, t),
               {0, 0, rows * kTiles[k].fetch, rows * cols * 4 * (k ? 2 : 1)}),
          after);
      setRead[set] = patchRead[patch.slot] = lastMac[i - begin];
    }
  }
  for (size_t i = begin; i < end; ++i) {
    After after;
    after.on(Array, lastMac[i - begin]);
    double elements = mTiles[i].rows * cols;
    EpilogueBytes bytes = epilogueBytes(p);
    accFree[acc[i - begin]] = rowsDone[i] =
        push(Vector,
             make(epilogueStartup(p, t), epilogueCycles(p, t, elements),
                  {elements * bytes.l2, elements * bytes.dram, 0,
                   elements * (p.bfp ? 4 : 8)}),
             after);
  }
}

void RegionSimulation::emit(int instance) {
  rowsBefore = rowsDone;
  // Two layers have patches of their own.
  patches = SlotCache<std::array<int64_t, 4>>(g.patchSlots);
  patchRead.assign(g.patchSlots, 0);
  patchParts.assign(g.patchSlots, {});
  // Sub-problems repeat each other: a few stand for all.
  int64_t subs = std::min<int64_t>(g.subPerCore, 4);
  for (int64_t sub = 0; sub < subs; ++sub)
    for (size_t n = 0; n < nTiles.size(); ++n)
      for (size_t begin = 0; begin < mTiles.size(); begin += s.accBlock)
        emitBlock(instance, sub, int64_t(n), begin,
                  std::min<size_t>(mTiles.size(), begin + s.accBlock));
}

/// Completion of the last operation; `firstEnd` is when the vector queue has
/// done its first `upTo[Vector]`.
double RegionSimulation::play(std::array<uint32_t, NumQueues> &upTo,
                              double &firstEnd) const {
  double now = 0;
  uint32_t done[NumQueues] = {};
  bool busy[NumQueues] = {};
  double startup[NumQueues] = {}, left[NumQueues] = {};
  while (true) {
    for (int q = 0; q < NumQueues; ++q) {
      if (busy[q] || done[q] >= ops[q].size())
        continue;
      if (!t.dualPort &&
          ((q == Write && busy[Array]) || (q == Array && busy[Write])))
        continue;
      const Operation &op = ops[q][done[q]];
      bool ready = true;
      for (int other = 0; other < NumQueues; ++other)
        ready &= done[other] >= op.after[other];
      if (!ready)
        continue;
      busy[q] = true;
      startup[q] = op.startup;
      left[q] = op.work;
    }
    double wanted[NumResources] = {};
    bool any = false;
    for (int q = 0; q < NumQueues; ++q) {
      if (!busy[q])
        continue;
      any = true;
      if (startup[q] <= 0)
        for (int r = 0; r < NumResources; ++r)
          wanted[r] += ops[q][done[q]].rate[r];
    }
    if (!any)
      return now;
    double step = std::numeric_limits<double>::max(), speed[NumQueues];
    for (int q = 0; q < NumQueues; ++q) {
      if (!busy[q])
        continue;
      speed[q] = 1;
      if (startup[q] <= 0)
        for (int r = 0; r < NumResources; ++r)
          if (ops[q][done[q]].rate[r] > 0 && wanted[r] > capacity[r])
            speed[q] = std::min(speed[q], capacity[r] / wanted[r]);
      step = std::min(step, startup[q] > 0 ? startup[q] : left[q] / speed[q]);
    }
    now += step;
    for (int q = 0; q < NumQueues; ++q) {
      if (!busy[q])
        continue;
      if (startup[q] > 0) {
        startup[q] -= step;
        continue;
      }
      left[q] -= step * speed[q];
      if (left[q] > 1e-6)
        continue;
      busy[q] = false;
      if (++done[q] == upTo[q] && q == Vector)
        firstEnd = now;
    }
  }
}

std::optional<double> RegionSimulation::run(uint64_t &budget) {
  int64_t subs = std::min<int64_t>(g.subPerCore, 4);
  double count = 2.0 * double(subs) * double(g.nTilesPerCore) *
                 double(g.mTilesPerCore) * double(g.kTiles);
  if (count > double(budget))
    return std::nullopt;
  budget -= static_cast<uint64_t>(count);
  cut();
  sets = SlotCache<std::array<int64_t, 4>>(s.sets);
  setWritten.assign(s.sets, 0);
  setRead.assign(s.sets, 0);
  halo = std::any_of(p.m.begin(), p.m.end(),
                     [](const MDim &dim) { return dim.kernel > 1; });
  int64_t room = static_cast<int64_t>(t.accBytes) - accMultiplierBytes(p, t);
  accFree.assign(
      std::clamp<int64_t>(room / std::max<int64_t>(1, g.accTileBytes), 1,
                          2 * s.accBlock),
      0);
  rowsDone.assign(mTiles.size(), 0);
  emit(0);
  std::array<uint32_t, NumQueues> first = {};
  for (int q = 0; q < NumQueues; ++q)
    first[q] = static_cast<uint32_t>(ops[q].size());
  emit(1);
  double firstEnd = 0;
  double end = play(first, firstEnd);
  return (end - firstEnd) * double(g.subPerCore) / double(subs);
}

} // namespace

std::optional<double> simulate(const MacProblem &problem,
                               const MacSchedule &schedule,
                               const TargetSpec &target, uint64_t &budget) {
  return RegionSimulation(problem, schedule, target).run(budget);
}

} // namespace cim::schedule
