// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which instructions are ordered in every execution (device.md D2.3), exactly
// and for any pattern of signals and waits.
//
// Signals only count up, so starting an instruction never disables another:
// the set of instructions that can run with queue q stopped before its i-th
// instruction is unique, whatever the order. An instruction outside that set
// needs the i-th to complete first, one inside does not: that is the definition
// of D2.3. Running the stage once with q at the lowest priority visits the sets
// for all i, so one untimed run per queue answers every question.
#ifndef CIM_LIB_DEVICE_SANITIZER_ORDERING_H
#define CIM_LIB_DEVICE_SANITIZER_ORDERING_H

#include <cstdint>
#include <memory>
#include <vector>

#include "stream/Stream.h"

namespace cim::device {

class Ordering {
public:
  /// Borrows `streams`.
  explicit Ordering(const StageStreams &streams) : streams(streams) {
    histories.resize(streams.size());
  }

  /// Whether instruction `i` (Cursor::dynamicIndex) of queue `q` completes
  /// before instruction `j` of queue `w` starts, in every execution. For one
  /// pair of queues, `j` must not decrease from call to call. True if the queue
  /// has no instruction `j`, false if `j` can never start (deadlock).
  bool before(uint32_t q, uint64_t i, uint32_t w, uint64_t j) {
    return q == w ? i < j
                  : j >= streams.streams[w].length() || required(q, w, j) > i;
  }

private:
  /// From instruction `from` of a queue on, `completed` instructions of the
  /// delayed queue must have completed.
  struct Requirement {
    uint64_t from, completed;
  };
  struct History {
    std::vector<Requirement> list;
    size_t head = 0;
  };
  /// The run in which one queue is delayed as long as possible.
  struct DelayedRun {
    explicit DelayedRun(const StageStreams &streams) : progress(streams) {}
    Progress progress;
    std::vector<uint32_t> runnable;
    std::vector<History> queues;
    bool awake = true; ///< The delayed queue is not asleep.
    bool stuck = false;
  };

  uint64_t required(uint32_t q, uint32_t w, uint64_t j);
  void advance(uint32_t q, DelayedRun &run);

  const StageStreams &streams;
  std::vector<std::unique_ptr<DelayedRun>> histories;
};

} // namespace cim::device

#endif // CIM_LIB_DEVICE_SANITIZER_ORDERING_H
