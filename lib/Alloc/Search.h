// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The exact search: depth-first, bottom-up, over the valleys of the floors.
// cim/Alloc/Solver.h tells the idea, docs/allocator.md the proofs. Internal to
// the library.
#ifndef CIM_LIB_ALLOC_SEARCH_H
#define CIM_LIB_ALLOC_SEARCH_H

#include <cstdint>
#include <vector>

#include "Instance.h"
#include "Memory.h"
#include "absl/time/time.h"
#include "cim/Alloc/Solver.h"

namespace cim::alloc {

/// What the searches of one solve() may still spend.
struct Budget {
  uint64_t nodes = 0;
  uint64_t work = 0;
  absl::Time deadline = absl::InfiniteFuture();
  uint64_t visited = 0; ///< nodes spent
  uint64_t ticks = 0;   ///< of the deadline check
  bool expired = false; ///< the deadline has passed

  bool exhausted() const { return expired || nodes == 0 || work == 0; }
  /// Reads the clock every few calls.
  void poll();
};

enum class Outcome { found, impossible, stopped };

class Search {
public:
  /// Needs instance.footprint and overlapCount <= kMaxListValues.
  Search(const Instance &instance, const Lists<int32_t> &overlaps,
         const SolverOptions &options);

  /// Looks for a layout of height <= `height`. `impossible` is a proof.
  Outcome run(int64_t height, Budget &budget);

  /// The layout, after `found`.
  const std::vector<int64_t> &offsets() const { return placed; }

private:
  /// State of one section; saved as a whole before the first change in a node.
  struct Section {
    int64_t floor = 0;     ///< no buffer to come lies lower
    int64_t top = 0;       ///< of the highest buffer placed
    int64_t rest = 0;      ///< padded sizes of the unplaced buffers
    int64_t second = 0;    ///< second-lowest distinct low of the unplaced ones
    uint64_t mark = 0;     ///< hash of floor and of the unplaced buffers
    uint64_t items = 0;    ///< hash of the unplaced buffers beginning here
    int32_t pinned = 0;    ///< unplaced buffers whose low is their high
    int32_t live = 0;      ///< unplaced buffers
    int32_t across = 0;    ///< unplaced buffers also held in the next section
    uint32_t branches = 0; ///< alternatives; kClosed without buffers
  };
  static constexpr uint32_t kClosed = ~uint32_t{0};

  /// Frames of the explicit stack: a part to search, or a list of parts that
  /// all must succeed.
  struct Frame {
    bool isParts = false;
    Run range;
    uint32_t poolBegin = 0; ///< candidates, or parts, in the pool
    uint32_t poolEnd = 0;
    uint32_t next = 0;
    int32_t section = 0;
    int64_t wasteTo = kInfinity; ///< floor of the waste branch
    size_t sectionTrail = 0;
    size_t lowTrail = 0;
    uint64_t key = 0;
    bool keep = false; ///< remember a failure
  };

  void reset(int64_t height);
  void computeRanks(int attempt);
  Outcome attempt(uint64_t nodeLimit, Budget &budget);
  /// Runs one step of the top frame; pushes or pops. `result` is the outcome of
  /// the frame popped last, if any.
  void step(Outcome &result, bool &returned);
  bool openPart(Frame &frame);
  void openParts(Run range);
  int32_t chooseSection(Run range);
  void collectCandidates(Frame &frame);
  int64_t wasteLevel(const Frame &frame);

  bool place(int item);
  bool waste(int32_t section, int64_t floor);
  bool raiseLow(int item, int64_t low);
  bool inferFull(int32_t index, int32_t lowestCount);
  bool pin(int item);
  void countPinned(int item);
  bool fillsBelowPins(int32_t index);
  bool refresh();
  bool refreshSection(int32_t index);
  void touch(int32_t section);
  void undo(size_t sectionTrail, size_t lowTrail);

  bool flat(int item);
  bool supported(int item);
  bool interchangeable(int a, int b) const;
  int64_t slack(int32_t index) const;

  const Instance &instance;
  const Lists<int32_t> &overlaps;
  Lists<int32_t> bySection;
  SolverOptions options;
  int64_t height = 0;
  int64_t smallest = 0;
  uint64_t steps = 0;
  int tieRule = 0;

  std::vector<Section> sections;
  std::vector<int64_t> low;  ///< lowest offset left to each unplaced item
  std::vector<int64_t> high; ///< highest offset left; pinned at it if == low
  std::vector<int64_t> placed;
  std::vector<int32_t> rank; ///< value order
  std::vector<uint64_t> itemHash;

  struct SavedSection {
    int32_t index;
    Section section;
  };
  std::vector<SavedSection> sectionTrail;
  std::vector<std::pair<int32_t, int64_t>> lowTrail; ///< ~item: its high
  std::vector<uint64_t> savedIn; ///< stamp of the node that saved a section
  uint64_t stamp = 1;
  std::vector<int32_t> dirty;
  std::vector<char> isDirty;

  std::vector<Frame> frames;
  std::vector<int32_t> pool;
  Memory memory;
};

} // namespace cim::alloc

#endif // CIM_LIB_ALLOC_SEARCH_H
