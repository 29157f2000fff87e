// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each memory is cut into buckets; an access is remembered in every bucket its
// extent touches and compared with what it finds there.
#include "sanitizer/RaceDetector.h"

#include <algorithm>

namespace cim::device {
namespace {
constexpr uint64_t kBuckets = 512;
} // namespace

RaceDetector::RaceDetector(const Program &program, const MemoryMap &map,
                           const StageStreams &streams)
    : ordering(streams), memories(map.size()), next(streams.size()) {
  const TargetSpec &target = program.target;
  for (uint32_t m = 0; m < map.size(); ++m) {
    uint64_t size = 0;
    switch (map.kind(m)) {
    case MemoryMap::Kind::DRAM:
      size = program.dramBytes ? program.dramBytes : target.dramBytes;
      break;
    case MemoryMap::Kind::L2:
      size = target.l2Bytes;
      break;
    case MemoryMap::Kind::L1:
      size = target.l1Bytes;
      break;
    case MemoryMap::Kind::ACC:
      size = target.accBytes;
      break;
    case MemoryMap::Kind::Weights:
      size =
          uint64_t(target.weightSets) * target.macrosDown * target.macrosAcross;
      break;
    }
    while ((size >> memories[m].shift) > kBuckets)
      ++memories[m].shift;
    memories[m].buckets.resize((size >> memories[m].shift) + 1);
  }
  for (const Segment &segment : program.segments)
    if (segment.data.size() > 0)
      memories[map.of(segment.address, 0)].segments.push_back(&segment);
  for (Memory &memory : memories)
    std::sort(memory.segments.begin(), memory.segments.end(),
              [](const Segment *a, const Segment *b) {
                return a->address.offset < b->address.offset;
              });
}

bool RaceDetector::insideSegment(const Memory &memory, const Box &box) const {
  // The last segment that begins at or before the box.
  auto at = std::upper_bound(memory.segments.begin(), memory.segments.end(),
                             box.begin(), [](int64_t begin, const Segment *s) {
                               return begin < int64_t(s->address.offset);
                             });
  if (at == memory.segments.begin())
    return false;
  const Segment *segment = *--at;
  return box.end() <= int64_t(segment->address.offset + segment->data.size());
}

const Segment *RaceDetector::writtenSegment(const Access &access) const {
  if (!access.write)
    return nullptr;
  const Memory &memory = memories[access.memory];
  // Segments do not overlap: their ends are sorted as well.
  auto at = std::upper_bound(
      memory.segments.begin(), memory.segments.end(), access.box.begin(),
      [](int64_t begin, const Segment *s) {
        return begin < int64_t(s->address.offset + s->data.size());
      });
  for (; at != memory.segments.end(); ++at) {
    const Segment *segment = *at;
    if (int64_t(segment->address.offset) >= access.box.end())
      break;
    if (access.box.overlaps(
            makeBox(segment->address, int64_t(segment->data.size()))))
      return segment;
  }
  return nullptr;
}

uint32_t RaceDetector::allocate() {
  if (freeEntries.empty()) {
    entries.emplace_back();
    return static_cast<uint32_t>(entries.size() - 1);
  }
  uint32_t id = freeEntries.back();
  freeEntries.pop_back();
  return id;
}

/// A bucket forgets a dead entry.
void RaceDetector::release(uint32_t id) {
  if (--entries[id].references == 0)
    freeEntries.push_back(id);
}

/// Drops entries that every instruction still to come is ordered after.
void RaceDetector::sweep(Bucket &bucket) {
  size_t kept = 0;
  for (uint32_t id : bucket.entries) {
    Entry &entry = entries[id];
    for (uint32_t q = 0; q < next.size() && !entry.dead; ++q) {
      if (!ordering.before(entry.at.queue, entry.at.dynamicIndex, q, next[q]))
        break;
      entry.dead = q + 1 == next.size();
    }
    if (entry.dead)
      release(id);
    else
      bucket.entries[kept++] = id;
  }
  bucket.entries.resize(kept);
  bucket.sweepAt = std::max<size_t>(64, kept * 2);
}

std::optional<Race> RaceDetector::scan(Bucket &bucket, const Execution &at,
                                       const Access &access) {
  size_t kept = 0;
  std::optional<Race> race;
  for (uint32_t id : bucket.entries) {
    Entry &entry = entries[id];
    if (entry.dead) {
      release(id);
      continue;
    }
    bucket.entries[kept++] = id;
    if (entry.stamp == stamp || race)
      continue;
    entry.stamp = stamp;
    const Access &old = entry.access;
    if (old.box.begin() >= access.box.end() ||
        access.box.begin() >= old.box.end())
      continue;
    bool sameQueue = entry.at.queue == at.queue;
    bool conflict = access.write || old.write;
    if (!sameQueue) {
      if (!conflict || !old.box.overlaps(access.box))
        continue;
      if (!ordered(entry, at)) {
        race = Race{entry.at, old, access};
        continue;
      }
    }
    // Whatever could race with the old access would race with this one.
    if ((access.write || !old.write) && access.box.covers(old.box)) {
      entry.dead = true;
      release(id);
      --kept;
    }
  }
  bucket.entries.resize(kept);
  return race;
}

std::optional<Race> RaceDetector::add(const Execution &at,
                                      const Access &access) {
  next[at.queue] = at.dynamicIndex;
  Memory &memory = memories[access.memory];
  if (!access.write && insideSegment(memory, access.box))
    return std::nullopt;
  ++stamp;
  size_t last = memory.buckets.size() - 1;
  auto bucketOf = [&](int64_t byte) {
    return byte < 0 ? 0
                    : std::min<size_t>(uint64_t(byte) >> memory.shift, last);
  };
  size_t from = bucketOf(access.box.begin());
  size_t to = bucketOf(access.box.end() - 1);
  for (size_t b = from; b <= to; ++b)
    if (std::optional<Race> race = scan(memory.buckets[b], at, access))
      return race;
  uint32_t id = allocate();
  entries[id] = Entry{access, at, stamp, uint32_t(to - from + 1), false};
  for (size_t b = from; b <= to; ++b) {
    memory.buckets[b].entries.push_back(id);
    if (memory.buckets[b].entries.size() > memory.buckets[b].sweepAt)
      sweep(memory.buckets[b]);
  }
  return std::nullopt;
}

} // namespace cim::device
