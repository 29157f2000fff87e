// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Walking the queues of a stage (device.md section 2): loops without unrolling,
// steps, semaphores. Shared by the functional engine, the timing simulator and
// the order analysis, so that all three mean the same program.
#ifndef CIM_LIB_DEVICE_STREAM_STREAM_H
#define CIM_LIB_DEVICE_STREAM_STREAM_H

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cim/Device/Device.h"
#include "cim/Program/Program.h"

namespace cim::device {

constexpr unsigned kMaxLoopDepth = 4; ///< D2.4
/// Instructions a queue may execute in one stage. Hours of simulation: more is
/// a damaged loop count, and would look like a hang.
constexpr uint64_t kMaxExecuted = uint64_t(1) << 36;

/// A queue with its loops matched. Borrows the queue.
class Stream {
public:
  struct Entry {
    const Instruction *instruction;
    uint32_t match = 0; ///< Of a loop bound: its partner's index.
    enum Kind : uint8_t { Plain, Begin, End } kind = Plain;
    bool yields = true; ///< False: a loop bound without waits and signal.
    bool steps = false; ///< Has steps.
    bool waitSteps = false;
    bool emptyBody = false; ///< Begin: nothing in the loop yields.
  };

  /// Fails when loops are unbalanced or nest deeper than kMaxLoopDepth, or
  /// when more than kMaxExecuted instructions would be executed.
  static absl::StatusOr<Stream> create(const Queue &queue);

  const Queue &queue() const { return *source; }
  const std::vector<Entry> &entries() const { return table; }
  /// Instructions a cursor yields in all (saturating).
  uint64_t length() const { return yielded; }

private:
  void countYielded();

  const Queue *source = nullptr;
  uint64_t yielded = 0;
  std::vector<Entry> table;
};

/// All queues of a stage.
struct StageStreams {
  std::vector<Stream> streams;
  uint32_t semaphores = 0; ///< One more than the highest semaphore named.

  /// Errors name the queue ("run stage, chip 0 core 1 mac: ...").
  static absl::StatusOr<StageStreams> create(const Stage &stage,
                                             const std::string &stageName);
  size_t size() const { return streams.size(); }
  /// Signals of each semaphore in the whole stage (saturating).
  std::vector<uint64_t> totalSignals() const;
};

/// Calls visit(entry, executions) for each entry of a stream, in order.
template <typename Visit>
void forEachWithCount(const Stream &stream, Visit visit) {
  std::vector<uint64_t> times{1}; // one per enclosing loop
  for (const Stream::Entry &entry : stream.entries()) {
    visit(entry, times.back());
    if (entry.kind == Stream::Entry::Begin) {
      uint64_t product;
      times.push_back(__builtin_mul_overflow(
                          times.back(),
                          std::get<LoopBegin>(entry.instruction->op).count,
                          &product)
                          ? UINT64_MAX
                          : product);
    } else if (entry.kind == Stream::Entry::End) {
      times.pop_back();
    }
  }
}

/// A position in a stream. Yields every instruction that is not a bare loop
/// bound, once per iteration.
class Cursor {
public:
  explicit Cursor(const Stream &stream) : entries(&stream.entries()) {
    settle();
  }

  bool done() const { return pc >= entries->size(); }
  uint32_t index() const { return pc; }
  const Stream::Entry &entry() const { return (*entries)[pc]; }
  const Instruction &instruction() const { return *entry().instruction; }
  /// Instructions yielded before this one.
  uint64_t dynamicIndex() const { return count; }
  /// Iteration of each enclosing loop, outermost first.
  unsigned depth() const { return levels; }
  uint64_t iteration(unsigned level) const { return loops[level]; }
  std::vector<uint64_t> iterations() const {
    return {loops.begin(), loops.begin() + levels};
  }

  /// Value of wait `i` of the current instruction with its steps.
  uint64_t waitValue(size_t i) const {
    const Stream::Entry &at = entry();
    uint64_t value = at.instruction->waits[i].value;
    return at.waitSteps ? steppedWait(i, value) : value;
  }

  void advance() {
    ++count;
    step();
    settle();
  }

private:
  /// Past the current entry, entering or leaving its loop.
  void step();
  /// Over entries that yield nothing.
  void settle() {
    while (pc < entries->size() && !(*entries)[pc].yields)
      step();
  }
  uint64_t steppedWait(size_t i, uint64_t value) const;

  const std::vector<Stream::Entry> *entries;
  uint32_t pc = 0;
  unsigned levels = 0;
  std::array<uint64_t, kMaxLoopDepth> loops{};
  uint64_t count = 0;
};

/// Applies steps: an instruction with the fields of its iteration. Keeps one
/// copy per stepped instruction, so that resolving costs only the steps.
class Resolver {
public:
  explicit Resolver(const Stream &stream) : copies(stream.entries().size()) {}
  /// Valid until the next call for the same instruction.
  const Instruction &resolve(const Cursor &cursor);

private:
  std::vector<std::unique_ptr<Instruction>> copies;
};

/// Semaphores and cursors of a stage while it runs, without time. A blocked
/// queue is woken by the signal that satisfies the wait it sleeps on.
class Progress {
public:
  explicit Progress(const StageStreams &streams);

  const Cursor &cursor(uint32_t queue) const { return cursors[queue]; }
  uint64_t semaphore(uint32_t id) const { return counts[id]; }
  size_t size() const { return cursors.size(); }

  /// Whether the queue's next instruction may start. If not (and the queue is
  /// not done) the queue sleeps: it will be handed to `wake` by a signal.
  bool ready(uint32_t queue);
  /// Completes the queue's current instruction; calls wake(queue) for every
  /// sleeping queue whose wait now holds.
  template <typename Wake>
  void complete(uint32_t queue, Wake wake) {
    uint16_t signal = cursors[queue].instruction().signal;
    cursors[queue].advance();
    if (signal == kNoSemaphore)
      return;
    uint64_t count = ++counts[signal];
    std::vector<Sleeper> &list = sleepers[signal];
    size_t kept = 0;
    for (size_t i = 0; i < list.size(); ++i) {
      if (list[i].value <= count)
        wake(list[i].queue);
      else
        list[kept++] = list[i];
    }
    list.resize(kept);
  }
  bool finished() const;

  /// One line per stuck queue, joined by "; ": the queue, its instruction, the
  /// semaphore, value wanted and count reached, the source node.
  std::string describeStuck(const Program &program) const;
  /// First queue that is not done.
  uint32_t firstStuck() const;

private:
  struct Sleeper {
    uint32_t queue;
    uint64_t value;
  };
  const StageStreams *streams;
  std::vector<Cursor> cursors;
  std::vector<uint64_t> counts;
  std::vector<std::vector<Sleeper>> sleepers; ///< Per semaphore.
};

/// "chip 0 core 1 dma 2".
std::string describeQueue(const Queue &queue);
/// "chip 0 core 1 mac, instruction 12 (iteration 3, 0), Conv_3".
std::string describeInstruction(const Program &program, const Queue &queue,
                                const InstructionRef &at);
InstructionRef referTo(uint32_t queue, const Cursor &cursor);

} // namespace cim::device

#endif // CIM_LIB_DEVICE_STREAM_STREAM_H
