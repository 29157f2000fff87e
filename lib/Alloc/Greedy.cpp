// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Greedy.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <set>

namespace cim::alloc {
namespace {

/// Overlap visits all greedy orders together may make (about 10 ns each); the
/// first order always runs.
constexpr int64_t kMaxVisits = 40'000'000;

/// A list of free blocks: best fit, merging neighbours. The topmost block has
/// no end.
class FreeList {
public:
  explicit FreeList(const std::vector<std::pair<int64_t, int64_t>> &reserved) {
    int64_t offset = 0;
    for (auto [lower, upper] : reserved) {
      if (lower > offset)
        insert(offset, lower);
      offset = std::max(offset, upper);
    }
    insert(offset, kInfinity);
  }

  int64_t take(int64_t size, int64_t alignment) {
    auto block = bySize.lower_bound({size, 0});
    // Alignment can spoil a block; after a few, ask for one it cannot.
    for (int tries = 0; !holds(*block, size, alignment); ++tries) {
      if (tries < 16)
        ++block;
      else
        block = bySize.lower_bound({size + alignment, 0});
    }
    auto [length, lower] = *block;
    int64_t upper = lower + length;
    erase(lower, upper);
    int64_t offset = alignUp(lower, alignment);
    if (lower < offset)
      insert(lower, offset);
    if (offset + size < upper)
      insert(offset + size, upper);
    return offset;
  }

  void give(int64_t lower, int64_t upper) {
    auto next = byOffset.lower_bound(lower);
    if (next != byOffset.begin()) {
      auto previous = std::prev(next);
      if (previous->second == lower) {
        lower = previous->first;
        erase(previous->first, previous->second);
      }
    }
    next = byOffset.lower_bound(upper);
    if (next != byOffset.end() && next->first == upper) {
      int64_t end = next->second;
      erase(upper, end);
      upper = end;
    }
    insert(lower, upper);
  }

private:
  using Block = std::pair<int64_t, int64_t>; ///< length, offset

  static bool holds(Block block, int64_t size, int64_t alignment) {
    int64_t waste = alignUp(block.second, alignment) - block.second;
    return block.first - waste >= size;
  }
  void insert(int64_t lower, int64_t upper) {
    byOffset.emplace(lower, upper);
    bySize.emplace(upper - lower, lower);
  }
  void erase(int64_t lower, int64_t upper) {
    byOffset.erase(lower);
    bySize.erase({upper - lower, lower});
  }

  std::map<int64_t, int64_t> byOffset; ///< lower -> upper
  std::set<Block> bySize;
};

/// Allocates and frees as time passes, forwards or backwards. Holds buffers
/// through their gaps and keeps fixed buffers' addresses free at all times.
Layout sweepLayout(const Instance &instance, bool backwards) {
  std::vector<std::pair<int64_t, int64_t>> reserved;
  struct Event {
    int64_t time;
    bool start;
    int64_t size;
    int item;
  };
  std::vector<Event> events;
  Layout layout;
  layout.offsets.assign(instance.count(), kNone);
  for (int i = 0; i < instance.count(); ++i) {
    const Instance::Item &item = instance.items[i];
    if (item.fixed != kNone) {
      layout.offsets[i] = item.fixed;
      reserved.emplace_back(item.fixed, item.fixed + item.size);
      continue;
    }
    int64_t first = backwards ? -item.upper : item.lower;
    int64_t last = backwards ? -item.lower : item.upper;
    events.push_back({first, true, item.size, i});
    events.push_back({last, false, item.size, i});
  }
  std::sort(events.begin(), events.end(), [](const Event &a, const Event &b) {
    if (a.time != b.time)
      return a.time < b.time;
    if (a.start != b.start)
      return !a.start;
    return a.size != b.size ? a.size > b.size : a.item < b.item;
  });
  std::sort(reserved.begin(), reserved.end());
  FreeList free(reserved);
  for (const Event &event : events) {
    int64_t &offset = layout.offsets[event.item];
    if (event.start)
      offset = free.take(event.size, instance.items[event.item].alignment);
    else
      free.give(offset, offset + event.size);
  }
  layout.height = heightOf(instance, layout.offsets);
  return layout;
}

} // namespace

FirstFit::FirstFit(const Instance &instance, const Lists<int32_t> &overlaps)
    : instance(instance), overlaps(overlaps) {}

int64_t FirstFit::lowestFree(int item, const std::vector<int64_t> &offsets) {
  taken.clear();
  for (int32_t other : overlaps[item])
    if (offsets[other] != kNone)
      taken.emplace_back(offsets[other],
                         offsets[other] + instance.items[other].size);
  std::sort(taken.begin(), taken.end());
  steps += 1 + overlaps[item].size() + 3 * taken.size();
  int64_t size = instance.items[item].size;
  int64_t alignment = instance.items[item].alignment;
  int64_t offset = 0;
  for (auto [lower, upper] : taken) {
    if (lower >= offset + size)
      break;
    if (upper > offset)
      offset = alignUp(upper, alignment);
  }
  return offset;
}

int64_t FirstFit::place(const std::vector<int> &order,
                        std::vector<int64_t> &offsets, int64_t limit) {
  int64_t height = 0;
  offsets.resize(instance.count());
  for (int i = 0; i < instance.count(); ++i) {
    offsets[i] = instance.items[i].fixed;
    if (offsets[i] != kNone)
      height = std::max(height, offsets[i] + instance.items[i].size);
  }
  for (int i : order) {
    if (offsets[i] != kNone)
      continue;
    offsets[i] = lowestFree(i, offsets);
    height = std::max(height, offsets[i] + instance.items[i].size);
    if (height >= limit)
      return kInfinity;
  }
  return height;
}

std::vector<int> greedyOrder(const Instance &instance, int rule) {
  int count = instance.count();
  std::vector<int64_t> peak(count);
  if (rule == 2 || rule == 4) {
    // Sections above a run are scanned once per run: only where that is cheap.
    bool cheap = instance.footprint <= kMaxListValues;
    for (int i = 0; cheap && i < count; ++i)
      for (const Run &run : instance.runs[i])
        for (int32_t s = run.lower; s < run.upper; ++s)
          peak[i] = std::max(peak[i], instance.sections[s].live);
  }
  // Falling keys, compared one after the other.
  std::vector<std::array<int64_t, 3>> keys(count);
  for (int i = 0; i < count; ++i) {
    const Instance::Item &item = instance.items[i];
    int64_t time = item.upper - item.lower;
    switch (rule) {
    case 0:
      keys[i] = {item.size, time, 0};
      break;
    case 1:
      keys[i] = {item.area, time, 0};
      break;
    case 2:
      keys[i] = {peak[i], item.area, time};
      break;
    case 3:
      keys[i] = {time, item.size, 0};
      break;
    case 4:
      keys[i] = {peak[i], item.size, time};
      break;
    default:
      keys[i] = {-item.lower, item.size, 0};
      break;
    }
  }
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) {
    return keys[a] != keys[b] ? keys[a] > keys[b] : a < b;
  });
  return order;
}

/// Items by their hinted offsets, those without a hint last; empty if there is
/// no hint.
static std::vector<int> hintOrder(const Instance &instance) {
  std::vector<int> order(instance.count());
  std::iota(order.begin(), order.end(), 0);
  auto key = [&](int i) {
    int64_t hint = instance.items[i].hint;
    return hint == kNone ? kInfinity : hint;
  };
  if (std::all_of(order.begin(), order.end(),
                  [&](int i) { return key(i) == kInfinity; }))
    return {};
  sortByKey(order, key);
  return order;
}

Layout greedyLayout(const Instance &instance, const Lists<int32_t> *overlaps,
                    int64_t goal, bool several) {
  Layout best;
  auto offer = [&](Layout layout) {
    if (layout.height < best.height)
      best = std::move(layout);
    return best.height <= goal || !several;
  };
  if (!overlaps) {
    if (!offer(sweepLayout(instance, false)))
      offer(sweepLayout(instance, true));
    return best;
  }
  FirstFit firstFit(instance, *overlaps);
  auto tryOrder = [&](const std::vector<int> &order) {
    Layout layout;
    layout.height = firstFit.place(order, layout.offsets, best.height);
    return offer(std::move(layout));
  };
  if (std::vector<int> order = hintOrder(instance);
      !order.empty() && tryOrder(order))
    return best;
  for (int rule = 0; rule < kGreedyOrders; ++rule) {
    if (best.height<kInfinity &&static_cast<int64_t>(firstFit.work()) +
                    instance.overlapCount>
            kMaxVisits)
      break;
    if (tryOrder(greedyOrder(instance, rule)))
      return best;
  }
  if (!offer(sweepLayout(instance, false)))
    offer(sweepLayout(instance, true));
  return best;
}

} // namespace cim::alloc
