// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cim/Alloc/Solver.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include "Greedy.h"
#include "Instance.h"
#include "LocalSearch.h"
#include "Search.h"
#include "absl/time/clock.h"

namespace cim::alloc {
namespace {

/// ceil(total / share) for any budget, the unlimited one included.
uint64_t shareOf(uint64_t total, uint64_t share) {
  return total / share + (total % share != 0);
}

/// One connected part of the problem, its best layout and proven bound.
struct Part {
  Instance instance;
  Layout layout;
  int64_t lowerBound = 0;
  std::unique_ptr<Lists<int32_t>> overlaps; ///< kept while it may be needed
};

class Solver {
public:
  Solver(const Problem &problem, const SolverOptions &options)
      : problem(problem), options(options) {
    budget.nodes = options.maxNodes;
    budget.work = options.maxWork;
    if (options.timeout != absl::InfiniteDuration())
      budget.deadline = absl::Now() + options.timeout;
  }

  Solution solve() {
    for (Instance &instance : splitIntoInstances(problem)) {
      Part &part = parts.emplace_back();
      part.instance = std::move(instance);
      part.lowerBound = part.instance.lowerBound;
      floor = std::max(floor, part.lowerBound);
    }
    bool fit = options.goal == Goal::fit;
    for (Part &part : parts)
      layOutGreedily(part, fit ? problem.capacity : floor);
    if (fit)
      fitParts();
    else
      minimizeParts();
    return assemble();
  }

private:
  void layOutGreedily(Part &part, int64_t goal) {
    goal = std::max(goal, part.lowerBound);
    if (part.instance.overlapCount <= kMaxListValues)
      part.overlaps =
          std::make_unique<Lists<int32_t>>(part.instance.overlaps());
    part.layout =
        greedyLayout(part.instance, part.overlaps.get(), goal, options.greedy);
    if (part.layout.height <= goal)
      part.overlaps.reset();
  }

  bool searchable(const Part &part) const {
    return options.exact && part.overlaps &&
           part.instance.footprint <= kMaxListValues;
  }

  /// Searches for a layout within `height` and keeps what comes out.
  Outcome search(Search &search, Part &part, int64_t height) {
    Outcome outcome = search.run(height, budget);
    const Instance &instance = part.instance;
    if (outcome == Outcome::found) {
      part.layout.offsets = search.offsets();
      part.layout.height = heightOf(instance, part.layout.offsets);
    } else if (outcome == Outcome::impossible) {
      int64_t next = height - height % instance.granule + instance.granule;
      part.lowerBound = std::max(part.lowerBound, next);
    }
    return outcome;
  }

  void improve(Part &part, int64_t goal) {
    if (options.localSearch && part.overlaps && !budget.expired)
      improveLayout(part.instance, *part.overlaps,
                    std::max(goal, part.lowerBound), localWork(), options.seed,
                    budget.deadline, part.layout);
  }

  /// Parts share the local search's steps as they do the exact search's.
  uint64_t localWork() const { return options.maxLocalWork / parts.size(); }

  void fitParts() {
    int64_t capacity = problem.capacity;
    for (Part &part : parts)
      if (part.lowerBound > capacity)
        return;
    for (Part &part : parts) {
      if (part.layout.height <= capacity)
        continue;
      if (searchable(part) && !budget.exhausted()) {
        Search exact(part.instance, *part.overlaps, options);
        if (search(exact, part, capacity) == Outcome::impossible)
          return;
      }
      if (part.layout.height > capacity)
        improve(part, capacity);
      part.overlaps.reset();
    }
  }

  /// The highest part decides the height, so parts are taken from the highest
  /// on, and none is made lower than what another needs anyway.
  void minimizeParts() {
    std::vector<size_t> order(parts.size());
    std::iota(order.begin(), order.end(), size_t{0});
    sortByKey(order, [&](size_t i) { return -parts[i].layout.height; });
    for (size_t index : order) {
      Part &part = parts[index];
      if (part.layout.height > floor && searchable(part))
        minimizeExactly(part);
      if (part.layout.height > std::max(floor, part.lowerBound))
        improve(part, floor);
      floor = std::max(floor, part.layout.height);
      part.overlaps.reset();
    }
  }

  /// Tries the bound first, as it is reached more often than not, and then
  /// halves the interval. A search that is stopped counts as a failure, without
  /// a proof; each may spend a part of what is left.
  void minimizeExactly(Part &part) {
    Search exact(part.instance, *part.overlaps, options);
    int64_t low = std::max(floor, part.lowerBound);
    int64_t height = low;
    uint64_t share = 2;
    while (low < part.layout.height && !budget.exhausted()) {
      uint64_t reserved = budget.nodes - shareOf(budget.nodes, share);
      uint64_t reservedWork = budget.work - shareOf(budget.work, share);
      budget.nodes -= reserved;
      budget.work -= reservedWork;
      Outcome outcome = search(exact, part, height);
      budget.nodes += reserved;
      budget.work += reservedWork;
      if (outcome != Outcome::found)
        low = std::max(height + 1, outcome == Outcome::impossible
                                       ? part.lowerBound
                                       : height + part.instance.granule);
      height = low + (part.layout.height - low) / 2;
      share = 4;
    }
  }

  Solution assemble() const {
    Solution solution;
    solution.offsets.assign(problem.buffers.size(), 0);
    int64_t peak = -1;
    for (const Part &part : parts) {
      const Instance &instance = part.instance;
      for (int i = 0; i < instance.count(); ++i)
        solution.offsets[instance.source[i]] = part.layout.offsets[i];
      solution.height = std::max(solution.height, part.layout.height);
      solution.lowerBound = std::max(solution.lowerBound, part.lowerBound);
      const Instance::Section &section =
          instance.sections[instance.peakSection];
      if (section.liveBound > peak) {
        peak = section.liveBound;
        solution.peak = section.time;
        solution.peakLive = section.liveBound;
      }
    }
    solution.nodes = budget.visited;
    if (solution.height <= problem.capacity)
      solution.status = solution.height == solution.lowerBound
                            ? Status::optimal
                            : Status::feasible;
    else
      solution.status = solution.lowerBound > problem.capacity
                            ? Status::infeasible
                            : Status::unknown;
    return solution;
  }

  const Problem &problem;
  const SolverOptions &options;
  Budget budget;
  std::vector<Part> parts;
  int64_t floor = 0; ///< some part is proven or settled to need this much
};

} // namespace

absl::StatusOr<Solution> solve(const Problem &problem,
                               const SolverOptions &options) {
  if (absl::Status status = check(problem); !status.ok())
    return status;
  return Solver(problem, options).solve();
}

} // namespace cim::alloc
