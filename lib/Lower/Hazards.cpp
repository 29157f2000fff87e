// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Hazards.h"

#include <algorithm>
#include <numeric>

namespace cim {

ByteBox makeBox(int64_t offset, const std::vector<int64_t> &sizes,
                const std::vector<int64_t> &strides, int64_t elemBytes) {
  std::vector<std::pair<int64_t, int64_t>> dims; // |stride|, size
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 1 || strides[i] == 0)
      continue;
    if (strides[i] < 0)
      offset += strides[i] * (sizes[i] - 1);
    dims.push_back({std::abs(strides[i]), sizes[i]});
  }
  std::sort(dims.begin(), dims.end());
  ByteBox box{offset, offset + elemBytes, elemBytes, 0};
  for (auto [stride, size] : dims) {
    box.end += stride * (size - 1);
    // Strides up to the run's length continue it (overlapping windows too).
    if (box.period == 0 && stride <= box.run)
      box.run += stride * (size - 1);
    else
      box.period = std::gcd(box.period, stride);
  }
  if (box.period && box.period < box.run) {
    box.run = box.end - box.base;
    box.period = 0;
  }
  return box;
}

bool mayOverlap(const ByteBox &a, const ByteBox &b) {
  if (a.end <= b.base || b.end <= a.base)
    return false;
  if (!a.period && !b.period)
    return true;
  // Runs repeat at multiples of the common period: compare residues.
  int64_t period = std::gcd(a.period, b.period);
  if (a.run + b.run > period)
    return true;
  int64_t distance = (b.base - a.base) % period;
  if (distance < 0)
    distance += period;
  return distance < a.run || distance + b.run > period;
}

void HazardTracker::begin(unsigned queue) {
  if (queueLast.empty()) {
    queueLast.assign(numQueues, kNoOp);
    queueLength.assign(numQueues, 0);
  }
  queueOf.push_back(queue);
  positionOf.push_back(queueLength[queue]++);
  OpIndex previous = queueLast[queue];
  if (previous == kNoOp) {
    clocks.emplace_back(numQueues, 0);
  } else {
    clocks.push_back(std::vector<uint32_t>(clocks[previous]));
    clocks.back()[queue] = positionOf[previous] + 1;
  }
  wanted.assign(numQueues, kNoOp);
  pending.clear();
}

void HazardTracker::depend(OpIndex op) {
  OpIndex &entry = wanted[queueOf[op]];
  if (entry == kNoOp || positionOf[op] > positionOf[entry])
    entry = op;
}

void HazardTracker::after(OpIndex op) { depend(op); }

void HazardTracker::access(uint64_t object, const ByteBox &box, bool write) {
  Object &state = objects[object];
  for (const Access &other : state.writes)
    if (mayOverlap(other.box, box))
      depend(other.op);
  if (write)
    for (const Access &other : state.reads)
      if (mayOverlap(other.box, box))
        depend(other.op);
  pending.push_back({object, box, write});
}

/// Keeps lists short: beyond the limit, one entry per queue covers everything.
void HazardTracker::compact(std::vector<Access> &list) {
  constexpr size_t limit = 1024;
  if (list.size() < limit)
    return;
  std::vector<Access> merged;
  for (const Access &access : list) {
    auto same = std::find_if(merged.begin(), merged.end(), [&](Access &other) {
      return queueOf[other.op] == queueOf[access.op];
    });
    if (same == merged.end()) {
      merged.push_back(access);
      continue;
    }
    same->box.base = std::min(same->box.base, access.box.base);
    same->box.end = std::max(same->box.end, access.box.end);
    same->box.run = same->box.end - same->box.base;
    same->box.period = 0;
    if (positionOf[access.op] > positionOf[same->op])
      same->op = access.op;
  }
  list = std::move(merged);
}

std::vector<OpIndex> HazardTracker::finish() {
  OpIndex op = current();
  std::vector<uint32_t> &clock = clocks[op];
  // Latest first: a wait for it may imply the others.
  std::vector<OpIndex> candidates;
  for (OpIndex other : wanted)
    if (other != kNoOp && queueOf[other] != queueOf[op])
      candidates.push_back(other);
  std::sort(candidates.begin(), candidates.end(), std::greater<>());
  std::vector<OpIndex> waits;
  for (OpIndex other : candidates) {
    if (clock[queueOf[other]] > positionOf[other])
      continue;
    waits.push_back(other);
    for (unsigned q = 0; q < numQueues; ++q)
      clock[q] = std::max(clock[q], clocks[other][q]);
    clock[queueOf[other]] =
        std::max(clock[queueOf[other]], positionOf[other] + 1);
  }
  for (const Pending &entry : pending) {
    Object &state = objects[entry.object];
    if (state.last.empty())
      state.last.assign(numQueues, kNoOp);
    state.last[queueOf[op]] = op;
    std::vector<Access> &list = entry.write ? state.writes : state.reads;
    if (entry.write) {
      // A write that covers an earlier access replaces it: whoever conflicts
      // with the earlier one conflicts with this one, which follows it.
      auto covered = [&](const Access &other) {
        return !entry.box.period && entry.box.base <= other.box.base &&
               entry.box.end >= other.box.end;
      };
      std::erase_if(state.writes, covered);
      std::erase_if(state.reads, covered);
    } else {
      std::erase_if(list, [&](const Access &other) {
        return other.box == entry.box && queueOf[other.op] == queueOf[op];
      });
    }
    list.push_back({entry.box, op});
    compact(list);
  }
  queueLast[queueOf[op]] = op;
  return waits;
}

std::vector<OpIndex> HazardTracker::lastAccesses(uint64_t object) const {
  auto it = objects.find(object);
  std::vector<OpIndex> result;
  if (it != objects.end())
    for (OpIndex op : it->second.last)
      if (op != kNoOp)
        result.push_back(op);
  return result;
}

} // namespace cim
