// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds unordered accesses to the same bytes or macros (device.md D2.3).
#ifndef CIM_LIB_DEVICE_SANITIZER_RACEDETECTOR_H
#define CIM_LIB_DEVICE_SANITIZER_RACEDETECTOR_H

#include <cstdint>
#include <optional>
#include <vector>

#include "access/Access.h"
#include "sanitizer/Ordering.h"

namespace cim::device {

/// One execution of an instruction.
struct Execution {
  uint32_t queue = 0;
  uint32_t instruction = 0;  ///< Index in the queue.
  uint64_t dynamicIndex = 0; ///< Cursor::dynamicIndex.
};

struct Race {
  Execution first;
  Access firstAccess, secondAccess;
};

/// Sees the accesses of a stage in one valid order of execution; whether two
/// conflict does not depend on which. Keeps only accesses that a later one
/// could still race with and that no later ordered access makes redundant.
class RaceDetector {
public:
  RaceDetector(const Program &program, const MemoryMap &memories,
               const StageStreams &streams);

  /// Checks one access of `at` and remembers it.
  std::optional<Race> add(const Execution &at, const Access &access);
  /// The queue executes nothing more.
  void retire(uint32_t queue) { next[queue] = UINT64_MAX; }
  /// The segment that `access` writes, or null.
  const Segment *writtenSegment(const Access &access) const;

private:
  struct Entry {
    Access access;
    Execution at;
    uint64_t stamp = 0;
    uint32_t references = 0; ///< Buckets that hold it.
    bool dead = false;
  };
  struct Bucket {
    std::vector<uint32_t> entries;
    size_t sweepAt = 64;
  };
  struct Memory {
    std::vector<Bucket> buckets;
    unsigned shift = 0;
    /// Sorted by begin; of DRAM only.
    std::vector<const Segment *> segments;
  };

  bool ordered(const Entry &entry, const Execution &at) {
    return ordering.before(entry.at.queue, entry.at.dynamicIndex, at.queue,
                           at.dynamicIndex);
  }
  bool insideSegment(const Memory &memory, const Box &box) const;
  void sweep(Bucket &bucket);
  void release(uint32_t id);
  uint32_t allocate();
  std::optional<Race> scan(Bucket &bucket, const Execution &at,
                           const Access &access);

  Ordering ordering;
  std::vector<Memory> memories;
  std::vector<Entry> entries;
  std::vector<uint32_t> freeEntries;
  /// Instruction each queue is at.
  std::vector<uint64_t> next;
  uint64_t stamp = 0;
};

} // namespace cim::device

#endif // CIM_LIB_DEVICE_SANITIZER_RACEDETECTOR_H
