// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Exhaustive enumeration of a mapspace of imperfect tile sizes aligned to the
// macro array. Loop orders need no enumeration: the lower phase's caches make
// weights and activations stay where there is room.
#include "cim/Schedule/Solver.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "Explore.h"
#include "Tiling.h"
#include "absl/strings/str_cat.h"

namespace cim::schedule {
namespace {

class Search {
public:
  Search(const MacProblem &p, const TargetSpec &t, const SearchOptions &o)
      : p(p), t(t), o(o) {}
  absl::StatusOr<SearchResult> run();

private:
  struct KTile {
    int64_t channels;
    std::vector<int64_t> kernel;
    int64_t rows;
  };
  std::vector<KTile> kTiles() const;
  std::vector<int64_t> nTiles() const;
  std::vector<std::vector<int64_t>> mTiles() const;
  void consider(MacSchedule s);
  void decide();
  void enumerate();

  const MacProblem &p;
  const TargetSpec &t;
  const SearchOptions &o;
  SearchResult result;
  std::vector<Candidate> candidates;
  bool found = false;
  bool small = false; ///< Halve tiles down to one row, channel, column.
};

int64_t roundDown(int64_t value, int64_t unit) {
  return value < unit ? value : value / unit * unit;
}

/// Numbers of cores to try: all of few, eighths apart of many, all together.
std::vector<int64_t> coreCounts(int64_t cores) {
  std::vector<int64_t> counts;
  constexpr int64_t few = 16;
  for (int64_t n = 1; n < cores; n += n < few ? 1 : n / 8)
    counts.push_back(n);
  counts.push_back(cores);
  return counts;
}

/// Part sizes of a kernel dimension: all of a small one, else halves.
std::vector<int64_t> kernelParts(int64_t kernel) {
  std::vector<int64_t> sizes;
  constexpr int64_t small = 16;
  for (int64_t size = 2; size < std::min(kernel, small); ++size)
    sizes.push_back(size);
  for (int64_t size = (kernel + 1) / 2; size >= small; size = (size + 1) / 2)
    sizes.push_back(size);
  return sizes;
}

/// Kernel parts: all positions, one row of them, one position; for each the
/// most channels that fit, and macro-aligned smaller counts.
std::vector<Search::KTile> Search::kTiles() const {
  int64_t channels = p.channels * groupsPerTile(p, t);
  bool grouped = channels != p.channels;
  std::vector<std::vector<int64_t>> kernels;
  std::vector<int64_t> whole, ones(p.m.size(), 1);
  for (const MDim &dim : p.m)
    whole.push_back(dim.kernel);
  kernels.push_back(whole);
  for (size_t cut = 0; cut < p.m.size(); ++cut) {
    std::vector<int64_t> part = whole;
    for (size_t i = 0; i <= cut; ++i)
      part[i] = 1;
    kernels.push_back(part);
    // Several rows of the kernel.
    if (cut + 1 == p.m.size())
      continue;
    for (int64_t rows : kernelParts(p.m[cut + 1].kernel)) {
      part[cut + 1] = rows;
      kernels.push_back(part);
    }
  }
  kernels.push_back(ones);
  int64_t kernelSize = 1;
  for (int64_t size : whole)
    kernelSize *= size;
  std::vector<KTile> tiles;
  std::set<std::pair<int64_t, std::vector<int64_t>>> seen;
  for (const auto &kernel : kernels) {
    int64_t positions = 1;
    for (int64_t size : kernel)
      positions *= size;
    int64_t most = t.arrayRows() / positions;
    if (most < 1 || (grouped && most < channels))
      continue;
    std::vector<int64_t> counts;
    if (most >= channels)
      counts.push_back(channels);
    if (!grouped) {
      counts.push_back(roundDown(std::min(most, channels), 64));
      counts.push_back(roundDown(std::min(most, channels), 16));
      counts.push_back(std::min(most, channels));
      // Equal tiles instead of a small last one.
      int64_t pieces = (channels + most - 1) / most;
      counts.push_back((channels + pieces - 1) / pieces);
      for (int64_t macros = 1; macros <= t.macrosDown; ++macros)
        counts.push_back(
            std::clamp<int64_t>(macros * t.macroRows / positions, 1, channels));
      for (int64_t few = std::min(most, channels) / 2; small && few; few /= 2)
        counts.push_back(few);
    }
    for (int64_t count : counts) {
      // numerics B2: blocks come channel block by channel block, each over all
      // kernel positions.
      if (p.bfp && kernelSize > 1)
        count = std::min<int64_t>(count, bfpBlock(t));
      else if (p.bfp && count < channels)
        count = roundDown(count, bfpBlock(t));
      if (seen.insert({count, kernel}).second)
        tiles.push_back({count, kernel, count * positions});
    }
  }
  return tiles;
}

std::vector<int64_t> Search::nTiles() const {
  int64_t n = p.n * groupsPerTile(p, t);
  std::set<int64_t> sizes;
  for (int64_t macros = 1; macros <= t.macrosAcross; ++macros)
    sizes.insert(std::min<int64_t>(n, macros * t.macroCols));
  // Equal shares for the cores, aligned to macros where possible.
  for (int64_t cores : coreCounts(t.coresPerChip)) {
    int64_t share = (n + cores - 1) / cores;
    if (share <= t.arrayCols())
      sizes.insert(share);
    int64_t pieces = (share + t.arrayCols() - 1) / t.arrayCols();
    sizes.insert(
        std::min<int64_t>(t.arrayCols(), (share + pieces - 1) / pieces));
  }
  for (int64_t few = t.arrayCols() / 2; small && few; few /= 2)
    sizes.insert(std::min(n, few));
  return {sizes.rbegin(), sizes.rend()};
}

/// Row tiles: whole inner dimensions first, then parts of one dimension.
std::vector<std::vector<int64_t>> Search::mTiles() const {
  std::set<std::vector<int64_t>> tiles;
  constexpr int64_t targets[] = {8,   16,  32,  64,  128,  196,
                                 256, 392, 512, 784, 1024, 2048};
  // Equal parts of all rows, and of a core's share of them.
  std::set<int64_t> shares = {1};
  if (o.splitCores)
    shares.insert(t.coresPerChip);
  for (int64_t cores : shares)
    for (int64_t target : targets) {
      std::vector<int64_t> tile(p.m.size(), 1);
      int64_t rows = 1;
      for (size_t i = p.m.size(); i-- > 0;) {
        int64_t size = p.m[i].size;
        if (i == splitDim(p))
          size = (size + cores - 1) / cores;
        int64_t room = std::max<int64_t>(1, target / rows);
        int64_t pieces = (size + room - 1) / room;
        tile[i] = (size + pieces - 1) / pieces;
        rows *= tile[i];
      }
      tiles.insert(tile);
    }
  tiles.insert(std::vector<int64_t>(p.m.size(), 1));
  return {tiles.begin(), tiles.end()};
}

void Search::consider(MacSchedule s) {
  // A patch that leaves the next region no room is legal, but a last resort.
  if (!validate(p, s, t).ok() ||
      (!small && Tiling(p, s, t).patchBytes > l1Budget(t))) {
    ++result.pruned;
    return;
  }
  ++result.evaluated;
  candidates.push_back({s, predict(p, s, t)});
  found = true;
}

/// The cost model's ranking; what the simulation says of its best.
void Search::decide() {
  // Equal ones in the order of enumeration: the answer depends on nothing else.
  std::vector<size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(candidates[a].cost.total, a) <
           std::pair(candidates[b].cost.total, b);
  });
  const Candidate &first = candidates[order.front()];
  result.best = first.schedule;
  result.cost = first.cost;
  uint64_t budget = o.simulation;
  bool simulated = false;
  for (size_t i : order) {
    const Candidate &candidate = candidates[i];
    if (candidate.cost.total > 2 * first.cost.total)
      break;
    std::optional<double> cycles = simulate(p, candidate.schedule, t, budget);
    if (!cycles) {
      if (!simulated)
        break;
      continue;
    }
    if (!simulated || *cycles < result.cost.total) {
      result.best = candidate.schedule;
      result.cost = candidate.cost;
      result.cost.total = *cycles;
    }
    simulated = true;
    ++result.simulated;
  }
  if (simulated && o.exploration)
    explore(p, t, o, result);
  // A layer in the middle of others may seem to beat what it must move itself.
  result.cost.total =
      std::max(result.cost.total, lowerBound(p, t, result.best.weights));
  result.best.cycles = static_cast<int64_t>(result.cost.total);
}

void Search::enumerate() {
  int64_t subs = p.batch * p.groups / groupsPerTile(p, t);
  std::vector<std::pair<Split, int64_t>> splits = {{Split::None, 1}};
  if (o.splitCores)
    for (int64_t cores : coreCounts(t.coresPerChip)) {
      if (cores == 1)
        continue;
      if (p.m[splitDim(p)].size >= cores)
        splits.push_back({Split::M, cores});
      splits.push_back({Split::N, cores});
      if (subs >= cores)
        splits.push_back({Split::Batch, cores});
    }
  auto ks = kTiles();
  auto ns = nTiles();
  auto ms = mTiles();
  for (const KTile &k : ks)
    for (int64_t n : ns) {
      int64_t down = (k.rows + t.macroRows - 1) / t.macroRows;
      int64_t across = (n + t.macroCols - 1) / t.macroCols;
      if (down > t.macrosDown || across > t.macrosAcross)
        continue;
      int64_t room = (t.macrosDown / down) * (t.macrosAcross / across);
      for (const auto &m : ms) {
        MacSchedule s;
        s.m = m;
        s.n = n;
        s.kChannels = k.channels;
        s.kKernel = k.kernel;
        s.weights = p.computedWeights ? Home::Computed : o.weights;
        s.sets = o.overlap ? t.weightSets : 1;
        s.copies = o.copies ? room : 1;
        for (auto [split, cores] : splits) {
          s.split = split;
          s.cores = cores;
          for (int64_t block : {1, 2, 4, 8, 16}) {
            s.accBlock = block;
            consider(s);
            if (found && !o.exhaustive)
              break;
          }
        }
      }
    }
}

absl::StatusOr<SearchResult> Search::run() {
  enumerate();
  if (!found) {
    small = true;
    enumerate();
  }
  if (!found) {
    int64_t least = p.bfp ? std::min(p.channels, bfpBlock(t)) : 1;
    return absl::ResourceExhaustedError(absl::StrCat(
        "no tile fits the target: one row of ", least, " channels takes ",
        alignedBytes(least * p.actBytes), " bytes of L1, one bias ",
        alignedBytes(4), "; L1 has ", t.l1Bytes, ", ACC ", t.accBytes,
        "; choose a target with larger memories",
        p.bfp ? " or a smaller bfp_block_rows" : ""));
  }
  decide();
  result.best.bound = static_cast<int64_t>(
      lowerBound(p, t, p.computedWeights ? Home::L2 : o.weights));
  return result;
}

} // namespace

absl::StatusOr<SearchResult> solve(const MacProblem &problem,
                                   const TargetSpec &target,
                                   const SearchOptions &options) {
  return Search(problem, target, options).run();
}

} // namespace cim::schedule
