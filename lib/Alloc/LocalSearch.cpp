// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "LocalSearch.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "absl/time/clock.h"

namespace cim::alloc {
namespace {

/// One walk over orders: swaps an item at the top with one it overlaps, and
/// accepts what is not much higher (threshold accepting: integer arithmetic
/// only, so every machine walks alike).
class Walk {
public:
  Walk(const Instance &instance, const Lists<int32_t> &overlaps, uint64_t seed)
      : instance(instance), overlaps(overlaps), firstFit(instance, overlaps),
        random(seed) {}

  void start(const Layout &layout) {
    order.resize(instance.count());
    std::iota(order.begin(), order.end(), 0);
    sortByKey(order, [&](int i) { return layout.offsets[i]; });
    position.resize(order.size());
    for (size_t i = 0; i < order.size(); ++i)
      position[order[i]] = static_cast<int>(i);
    height = firstFit.place(order, offsets);
  }

  /// Tries one swap; true if it was accepted.
  bool step(int64_t threshold) {
    int item = pickItem();
    if (overlaps[item].empty())
      return false;
    int other = overlaps[item][random() % overlaps[item].size()];
    swap(item, other);
    int64_t limit = height + threshold + 1;
    int64_t next = firstFit.place(order, trial, limit);
    if (next >= limit) {
      swap(item, other);
      return false;
    }
    height = next;
    offsets.swap(trial);
    return true;
  }

  uint64_t work() const { return firstFit.work(); }
  int64_t currentHeight() const { return height; }
  const std::vector<int64_t> &currentOffsets() const { return offsets; }

private:
  /// Mostly one of the highest; sometimes any.
  int pickItem() {
    int any = static_cast<int>(random() % order.size());
    if (random() % 4 == 0)
      return any;
    int picked = any;
    uint64_t seen = 0;
    for (int i = 0; i < instance.count(); ++i)
      if (offsets[i] + instance.items[i].size == height &&
          random() % ++seen == 0)
        picked = i;
    return picked;
  }

  void swap(int a, int b) {
    std::swap(position[a], position[b]);
    order[position[a]] = a;
    order[position[b]] = b;
  }

  const Instance &instance;
  const Lists<int32_t> &overlaps;
  FirstFit firstFit;
  std::mt19937_64 random;
  std::vector<int> order, position;
  std::vector<int64_t> offsets, trial;
  int64_t height = kInfinity;
};

} // namespace

void improveLayout(const Instance &instance, const Lists<int32_t> &overlaps,
                   int64_t goal, uint64_t maxWork, uint64_t seed,
                   absl::Time deadline, Layout &layout) {
  if (layout.height <= goal || instance.count() < 2)
    return;
  Walk walk(instance, overlaps, seed);
  walk.start(layout);
  while (walk.work() < maxWork && layout.height > goal) {
    if (deadline != absl::InfiniteFuture() && absl::Now() > deadline)
      return;
    // The threshold falls from 1/64 of the height to nothing.
    int64_t left = 1024 - static_cast<int64_t>(walk.work() * 1024 / maxWork);
    walk.step(layout.height / 64 * left / 1024);
    if (walk.currentHeight() < layout.height) {
      layout.height = walk.currentHeight();
      layout.offsets = walk.currentOffsets();
    }
  }
}

} // namespace cim::alloc
