// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random search beyond the enumerated mapspace: changes one or two decisions of
// the best schedule, asks validator and cost model, plays what looks good.
#include "Explore.h"

#include <algorithm>
#include <random>

#include "Tiling.h"

namespace cim::schedule {
namespace {

class Explorer {
public:
  Explorer(const MacProblem &p, const TargetSpec &t, const SearchOptions &o,
           SearchResult &result)
      : p(p), t(t), o(o), result(result), random(o.seed) {}
  void run();

private:
  /// Uniform in [low, high]; the same on every platform.
  int64_t pick(int64_t low, int64_t high) {
    return high <= low ? low
                       : low + static_cast<int64_t>(random() %
                                                    uint64_t(high - low + 1));
  }
  void change(MacSchedule &s);
  void changeSplit(MacSchedule &s);

  const MacProblem &p;
  const TargetSpec &t;
  const SearchOptions &o;
  SearchResult &result;
  std::mt19937_64 random;
};

void Explorer::changeSplit(MacSchedule &s) {
  s.split = static_cast<Split>(pick(0, 3));
  s.cores = s.split == Split::None ? 1 : t.coresPerChip;
}

void Explorer::change(MacSchedule &s) {
  switch (pick(0, 6)) {
  case 0:
  case 1: {
    size_t i = pick(0, int64_t(p.m.size()) - 1);
    int64_t size = p.m[i].size;
    // A number of equal pieces, or any size.
    s.m[i] =
        pick(0, 1) ? (size + pick(1, 16) - 1) / pick(1, 16) : pick(1, size);
    s.m[i] = std::clamp<int64_t>(s.m[i], 1, size);
    break;
  }
  case 2: {
    int64_t unit = pick(0, 1) ? t.macroCols : 16;
    s.n = std::clamp<int64_t>(pick(1, t.arrayCols() / unit) * unit, 1,
                              p.n * groupsPerTile(p, t));
    break;
  }
  case 3: {
    int64_t unit = pick(0, 1) ? t.macroRows : 16;
    s.kChannels = std::clamp<int64_t>(pick(1, t.arrayRows() / unit) * unit, 1,
                                      p.channels * groupsPerTile(p, t));
    break;
  }
  case 4: {
    size_t i = pick(0, int64_t(p.m.size()) - 1);
    s.kKernel[i] = pick(1, p.m[i].kernel);
    break;
  }
  case 5:
    s.accBlock = pick(1, 32);
    break;
  default:
    if (o.splitCores && t.coresPerChip > 1)
      changeSplit(s);
    break;
  }
}

void Explorer::run() {
  uint64_t budget = o.exploration;
  // Most changes are refused; so many in a row mean there is nothing left.
  constexpr int patience = 2000;
  for (int idle = 0; idle < patience; ++idle) {
    MacSchedule s = result.best;
    for (int64_t changes = pick(1, 3); changes > 0; --changes)
      change(s);
    int64_t rows = std::min(s.kChannels, p.channels * groupsPerTile(p, t));
    for (int64_t kernel : s.kKernel)
      rows *= kernel;
    if (rows > t.arrayRows())
      continue;
    int64_t down = (rows + t.macroRows - 1) / t.macroRows;
    int64_t across = (s.n + t.macroCols - 1) / t.macroCols;
    s.copies = o.copies ? (t.macrosDown / down) * (t.macrosAcross / across) : 1;
    if (s.copies < 1 || s == result.best || !validate(p, s, t).ok()) {
      ++result.pruned;
      continue;
    }
    ++result.evaluated;
    Cost cost = predict(p, s, t);
    if (cost.total > 1.5 * result.cost.total)
      continue;
    std::optional<double> cycles = simulate(p, s, t, budget);
    if (!cycles)
      return;
    ++result.simulated;
    if (*cycles >= result.cost.total)
      continue;
    idle = 0;
    result.best = s;
    result.cost = cost;
    result.cost.total = *cycles;
  }
}

} // namespace

void explore(const MacProblem &problem, const TargetSpec &target,
             const SearchOptions &options, SearchResult &result) {
  Explorer(problem, target, options, result).run();
}

} // namespace cim::schedule
