// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Instance.h"

#include <algorithm>
#include <numeric>

namespace cim::alloc {
namespace {

/// The times a buffer is held: its live range without its gaps; what touches is
/// one interval.
void appendHeld(const Buffer &buffer, std::vector<Interval> &held) {
  int64_t lower = buffer.lower;
  for (const Interval &gap : buffer.gaps) {
    if (gap.lower > lower)
      held.push_back({lower, gap.lower});
    lower = gap.upper;
  }
  if (lower < buffer.upper)
    held.push_back({lower, buffer.upper});
}

/// size * time, saturated: only ever compared.
int64_t saturatedProduct(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product)
             ? std::numeric_limits<int64_t>::max()
             : product;
}

/// Builds one instance from the buffers `members` of the problem.
class Builder {
public:
  Builder(const Problem &problem, std::span<const int> members) {
    instance.source.assign(members.begin(), members.end());
    heldBegin.push_back(0);
    for (int index : members) {
      const Buffer &buffer = problem.buffers[index];
      appendHeld(buffer, held);
      heldBegin.push_back(held.size());
      instance.items.push_back(makeItem(buffer));
    }
  }

  Instance build() {
    computePadding();
    computeSections();
    computeRuns();
    computeBounds();
    countOverlaps();
    return std::move(instance);
  }

private:
  Instance::Item makeItem(const Buffer &buffer) const {
    Instance::Item item;
    item.size = item.padded = buffer.size;
    item.alignment = buffer.alignment;
    item.fixed = buffer.fixedOffset.value_or(kNone);
    item.hint = buffer.fixedOffset ? kNone : buffer.hint.value_or(kNone);
    item.lower = held[heldBegin[heldBegin.size() - 2]].lower;
    item.upper = held.back().upper;
    int64_t time = 0;
    for (size_t i = heldBegin[heldBegin.size() - 2]; i < held.size(); ++i)
      time += held[i].upper - held[i].lower;
    item.area = saturatedProduct(item.size, time);
    return item;
  }

  void computePadding() {
    int64_t common = 0, granule = 0;
    for (const Instance::Item &item : instance.items) {
      common = std::gcd(common, item.alignment);
      granule = std::gcd(granule, item.size);
      if (item.fixed != kNone)
        granule = std::gcd(granule, item.fixed);
    }
    // Rounding multiples of the granule up to an alignment that divides it does
    // nothing; any other alignment makes the granule finer.
    bool divides = true;
    for (Instance::Item &item : instance.items) {
      item.padded = alignUp(item.size, common);
      divides = divides && granule % item.alignment == 0;
    }
    if (!divides)
      for (const Instance::Item &item : instance.items)
        granule = std::gcd(granule, item.alignment);
    instance.granule = granule;
  }

  /// Keeps the stretches between neighbouring event times that begin with a
  /// start and end with an end: all others are contained in a neighbour.
  void computeSections() {
    for (const Interval &interval : held) {
      times.push_back(interval.lower);
      times.push_back(interval.upper);
    }
    std::sort(times.begin(), times.end());
    times.erase(std::unique(times.begin(), times.end()), times.end());
    std::vector<char> starts(times.size()), ends(times.size());
    for (const Interval &interval : held) {
      starts[timeIndex(interval.lower)] = 1;
      ends[timeIndex(interval.upper)] = 1;
    }
    keptBefore.assign(times.size(), 0);
    for (size_t i = 0; i + 1 < times.size(); ++i) {
      bool kept = starts[i] && ends[i + 1];
      keptBefore[i + 1] = keptBefore[i] + (kept ? 1 : 0);
      if (kept)
        instance.sections.push_back({.time = {times[i], times[i + 1]}});
    }
  }

  int64_t timeIndex(int64_t time) const {
    return std::lower_bound(times.begin(), times.end(), time) - times.begin();
  }

  void computeRuns() {
    Lists<Run> &runs = instance.runs;
    for (int i = 0; i < instance.count(); ++i) {
      for (size_t h = heldBegin[i]; h < heldBegin[i + 1]; ++h) {
        Run run{keptBefore[timeIndex(held[h].lower)],
                keptBefore[timeIndex(held[h].upper)]};
        // Dropped sections can make two runs touch.
        bool first = h == heldBegin[i];
        if (!first && runs.values.back().upper == run.lower)
          runs.values.back().upper = run.upper;
        else
          runs.values.push_back(run);
      }
      Run &hull = instance.items[i].hull;
      hull.lower = runs.values[runs.begin.back()].lower;
      hull.upper = runs.values.back().upper;
      runs.begin.push_back(static_cast<int64_t>(runs.values.size()));
    }
  }

  /// Live sums from differences at the ends of runs. A section of buffers that
  /// all have padding still saves the padding of the topmost one.
  void computeBounds() {
    size_t count = instance.sections.size();
    std::vector<int64_t> live(count + 1), padded(count + 1);
    int64_t padding = 0;
    for (int i = 0; i < instance.count(); ++i) {
      const Instance::Item &item = instance.items[i];
      padding = std::max(padding, item.padded - item.size);
      if (item.fixed != kNone)
        instance.lowerBound =
            std::max(instance.lowerBound, item.fixed + item.size);
      for (const Run &run : instance.runs[i]) {
        instance.footprint += run.upper - run.lower;
        live[run.lower] += item.size;
        live[run.upper] -= item.size;
        padded[run.lower] += item.padded;
        padded[run.upper] -= item.padded;
      }
    }
    int64_t liveSum = 0, paddedSum = 0, peak = -1;
    if (padding > 0)
      computeMaxPadding();
    for (size_t s = 0; s < count; ++s) {
      Instance::Section &section = instance.sections[s];
      section.live = liveSum += live[s];
      paddedSum += padded[s];
      section.liveBound = paddedSum - section.maxPadding;
      if (section.liveBound > peak) {
        peak = section.liveBound;
        instance.peakSection = static_cast<int>(s);
      }
    }
    instance.lowerBound = std::max(instance.lowerBound, peak);
  }

  /// The largest padding in each section: visits items by falling padding and
  /// gives it to the sections no item before reached.
  void computeMaxPadding() {
    std::vector<int> order(instance.count());
    std::iota(order.begin(), order.end(), 0);
    auto padding = [&](int i) {
      return instance.items[i].padded - instance.items[i].size;
    };
    sortByKey(order, [&](int i) { return -padding(i); });
    // next[s]: the first section >= s not reached yet (path halving).
    std::vector<int32_t> next(instance.sections.size() + 1);
    std::iota(next.begin(), next.end(), 0);
    auto find = [&](int32_t s) {
      while (next[s] != s)
        s = next[s] = next[next[s]];
      return s;
    };
    for (int i : order) {
      for (const Run &run : instance.runs[i]) {
        for (int32_t s = find(run.lower); s < run.upper; s = find(s)) {
          instance.sections[s].maxPadding = padding(i);
          next[s] = s + 1;
        }
      }
    }
  }

  /// Counts (run, run) overlaps: those of equal items once per shared run, an
  /// upper bound that is exact without gaps.
  void countOverlaps() {
    size_t count = instance.sections.size();
    std::vector<int64_t> starts(count + 1), ends(count + 1);
    for (const Run &run : instance.runs.values) {
      ++starts[run.lower];
      ++ends[run.upper];
    }
    int64_t active = 0, pairs = 0;
    for (size_t s = 0; s < count; ++s) {
      active -= ends[s];
      pairs += active * starts[s] + starts[s] * (starts[s] - 1) / 2;
      active += starts[s];
    }
    instance.overlapCount = 2 * pairs;
  }

  Instance instance;
  std::vector<Interval> held; ///< of member i: heldBegin[i] .. heldBegin[i+1]
  std::vector<size_t> heldBegin;
  std::vector<int64_t> times;
  std::vector<int32_t> keptBefore; ///< kept sections before each time
};

} // namespace

Lists<int32_t> Instance::itemsBySection() const {
  Lists<int32_t> lists;
  std::vector<int64_t> &begin = lists.begin;
  begin.assign(sections.size() + 2, 0);
  for (const Run &run : runs.values)
    for (int32_t s = run.lower; s < run.upper; ++s)
      ++begin[s + 2];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  lists.values.resize(begin.back());
  for (int i = 0; i < count(); ++i)
    for (const Run &run : runs[i])
      for (int32_t s = run.lower; s < run.upper; ++s)
        lists.values[begin[s + 1]++] = i;
  begin.pop_back();
  return lists;
}

Lists<int32_t> Instance::overlaps() const {
  struct Event {
    int32_t section;
    int32_t item;
  };
  std::vector<Event> starts, ends;
  for (int i = 0; i < count(); ++i) {
    for (const Run &run : runs[i]) {
      starts.push_back({run.lower, i});
      ends.push_back({run.upper, i});
    }
  }
  auto bySection = [](const Event &a, const Event &b) {
    return a.section != b.section ? a.section < b.section : a.item < b.item;
  };
  std::sort(starts.begin(), starts.end(), bySection);
  std::sort(ends.begin(), ends.end(), bySection);

  std::vector<std::pair<int32_t, int32_t>> pairs;
  pairs.reserve(overlapCount / 2);
  std::vector<int32_t> active, position(count());
  size_t end = 0;
  for (const Event &start : starts) {
    for (; end < ends.size() && ends[end].section <= start.section; ++end) {
      int32_t slot = position[ends[end].item];
      active[slot] = active.back();
      position[active[slot]] = slot;
      active.pop_back();
    }
    for (int32_t other : active)
      pairs.emplace_back(start.item, other);
    position[start.item] = static_cast<int32_t>(active.size());
    active.push_back(start.item);
  }
  Lists<int32_t> lists;
  lists.begin.assign(count() + 2, 0);
  for (auto [a, b] : pairs) {
    ++lists.begin[a + 2];
    ++lists.begin[b + 2];
  }
  std::partial_sum(lists.begin.begin(), lists.begin.end(), lists.begin.begin());
  lists.values.resize(lists.begin.back());
  for (auto [a, b] : pairs) {
    lists.values[lists.begin[a + 1]++] = b;
    lists.values[lists.begin[b + 1]++] = a;
  }
  lists.begin.pop_back();
  return lists;
}

std::vector<Instance> splitIntoInstances(const Problem &problem) {
  std::vector<int> order(problem.buffers.size());
  std::iota(order.begin(), order.end(), 0);
  sortByKey(order, [&](int i) { return problem.buffers[i].lower; });
  std::vector<Instance> instances;
  size_t first = 0;
  int64_t upper = 0;
  for (size_t i = 0; i <= order.size(); ++i) {
    bool last = i == order.size();
    if (i > first && (last || problem.buffers[order[i]].lower >= upper)) {
      std::span<const int> members(order.data() + first, i - first);
      instances.push_back(Builder(problem, members).build());
      first = i;
    }
    if (last)
      break;
    int64_t end = problem.buffers[order[i]].upper;
    upper = i == first ? end : std::max(upper, end);
  }
  return instances;
}

int64_t heightOf(const Instance &instance,
                 const std::vector<int64_t> &offsets) {
  int64_t height = 0;
  for (int i = 0; i < instance.count(); ++i)
    height = std::max(height, offsets[i] + instance.items[i].size);
  return height;
}

} // namespace cim::alloc
