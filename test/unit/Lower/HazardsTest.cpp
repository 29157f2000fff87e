// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Byte boxes against the bytes they stand for, and the waits of the tracker
// against the transitive closure of what they order.
#include "lib/Lower/Hazards.h"

#include <algorithm>
#include <random>
#include <set>

#include "gtest/gtest.h"

namespace {

using cim::ByteBox;
using cim::HazardTracker;
using cim::kNoOp;
using cim::makeBox;
using cim::mayOverlap;
using cim::OpIndex;

struct Access {
  int64_t offset;
  std::vector<int64_t> sizes, strides;
  int64_t elemBytes;

  std::set<int64_t> bytes() const {
    std::set<int64_t> starts = {offset};
    for (size_t d = 0; d < sizes.size(); ++d) {
      std::set<int64_t> next;
      for (int64_t start : starts)
        for (int64_t i = 0; i < sizes[d]; ++i)
          next.insert(start + i * strides[d]);
      starts = std::move(next);
    }
    std::set<int64_t> all;
    for (int64_t start : starts)
      for (int64_t i = 0; i < elemBytes; ++i)
        all.insert(start + i);
    return all;
  }
  ByteBox box() const { return makeBox(offset, sizes, strides, elemBytes); }
};

bool contains(const ByteBox &box, int64_t byte) {
  if (byte < box.base || byte >= box.end)
    return false;
  int64_t at = byte - box.base;
  return (box.period ? at % box.period : at) < box.run;
}

bool intersect(const std::set<int64_t> &a, const std::set<int64_t> &b) {
  return std::any_of(a.begin(), a.end(),
                     [&](int64_t byte) { return b.count(byte) != 0; });
}

/// A tensor access, or (one in four) any strides at all.
Access randomAccess(std::mt19937 &random) {
  auto below = [&](int64_t n) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
  };
  Access a;
  a.elemBytes = int64_t(1) << below(3);
  size_t rank = below(5);
  a.offset = below(200);
  bool wild = below(4) == 0;
  int64_t stride = a.elemBytes;
  for (size_t d = 0; d < rank; ++d) {
    int64_t size = 1 + below(4);
    a.sizes.push_back(size);
    a.strides.push_back(wild ? below(41) - 20 : stride);
    stride *= size + (below(2) ? below(4) : 0);
  }
  std::vector<size_t> order(rank);
  for (size_t d = 0; d < rank; ++d)
    order[d] = d;
  std::shuffle(order.begin(), order.end(), random);
  Access shuffled = a;
  for (size_t d = 0; d < rank; ++d) {
    shuffled.sizes[d] = a.sizes[order[d]];
    shuffled.strides[d] = a.strides[order[d]];
    if (below(8) == 0)
      shuffled.strides[d] = -shuffled.strides[d];
  }
  return shuffled;
}

TEST(ByteBoxTest, HoldsEveryByteOfTheAccess) {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    Access a = randomAccess(random);
    ByteBox box = a.box();
    std::set<int64_t> bytes = a.bytes();
    ASSERT_EQ(box.base, *bytes.begin());
    ASSERT_EQ(box.end, *bytes.rbegin() + 1);
    for (int64_t byte : bytes)
      ASSERT_TRUE(contains(box, byte)) << "case " << i << ", byte " << byte;
  }
}

TEST(ByteBoxTest, DenseAccessesAreOneRun) {
  EXPECT_EQ(makeBox(64, {3, 4, 5}, {80, 20, 4}, 4),
            (ByteBox{64, 64 + 240, 240, 0}));
  // Any order of the loops, sliding windows, and broadcasts.
  EXPECT_EQ(makeBox(64, {5, 3, 4}, {4, 80, 20}, 4),
            (ByteBox{64, 64 + 240, 240, 0}));
  EXPECT_EQ(makeBox(0, {6, 3}, {1, 1}, 1), (ByteBox{0, 8, 8, 0}));
  EXPECT_EQ(makeBox(0, {7, 6}, {0, 1}, 1), (ByteBox{0, 6, 6, 0}));
  EXPECT_EQ(makeBox(0, {}, {}, 8), (ByteBox{0, 8, 8, 0}));
  // Backwards: the same bytes as forwards.
  EXPECT_EQ(makeBox(12, {4}, {-4}, 4), makeBox(0, {4}, {4}, 4));
}

TEST(ByteBoxTest, OverlapIsNeverMissed) {
  std::mt19937 random(2);
  int overlapping = 0, apart = 0, proven = 0;
  for (int i = 0; i < 20000; ++i) {
    Access a = randomAccess(random), b = randomAccess(random);
    bool real = intersect(a.bytes(), b.bytes());
    bool answer = mayOverlap(a.box(), b.box());
    ASSERT_EQ(answer, mayOverlap(b.box(), a.box())) << "case " << i;
    ASSERT_TRUE(answer || !real) << "case " << i;
    overlapping += real;
    apart += !real;
    proven += !answer;
  }
  EXPECT_GT(overlapping, 1000);
  // Most pairs that share nothing are seen to.
  EXPECT_GT(proven * 2, apart);
}

TEST(ByteBoxTest, ColumnsOfOneMatrixAreApart) {
  // 8 rows of 64 bytes; columns [0, 16) and [16, 32).
  ByteBox left = makeBox(0, {8, 16}, {64, 1}, 1);
  ByteBox right = makeBox(16, {8, 16}, {64, 1}, 1);
  ByteBox wide = makeBox(8, {8, 16}, {64, 1}, 1);
  EXPECT_FALSE(mayOverlap(left, right));
  EXPECT_TRUE(mayOverlap(left, wide));
  EXPECT_TRUE(mayOverlap(right, wide));
  // The same for the last columns and the first ones of the next row.
  ByteBox last = makeBox(48, {8, 16}, {64, 1}, 1);
  EXPECT_FALSE(mayOverlap(last, left));
  // Every second row, with a run that wraps into the odd ones.
  ByteBox even = makeBox(0, {4, 64}, {128, 1}, 1);
  ByteBox odd = makeBox(64, {4, 64}, {128, 1}, 1);
  EXPECT_FALSE(mayOverlap(even, odd));
  EXPECT_TRUE(mayOverlap(makeBox(0, {4, 65}, {128, 1}, 1), odd));
}

/// A random run of the tracker, remembered for checking.
struct Trace {
  struct Use {
    uint64_t object;
    Access access;
    std::set<int64_t> bytes;
    bool write;
  };
  struct Op {
    unsigned queue;
    std::vector<Use> uses;
    std::vector<OpIndex> after, waits;
  };
  std::vector<Op> ops;
  /// ordered[i][j]: j is complete before i starts.
  std::vector<std::vector<bool>> ordered;

  void close() {
    std::vector<OpIndex> last(16, kNoOp);
    ordered.assign(ops.size(), std::vector<bool>(ops.size(), false));
    for (OpIndex i = 0; i < ops.size(); ++i) {
      std::vector<OpIndex> edges = ops[i].waits;
      if (last[ops[i].queue] != kNoOp)
        edges.push_back(last[ops[i].queue]);
      for (OpIndex edge : edges) {
        ordered[i][edge] = true;
        for (OpIndex j = 0; j < edge; ++j)
          if (ordered[edge][j])
            ordered[i][j] = true;
      }
      last[ops[i].queue] = i;
    }
  }
  static bool conflict(const Op &a, const Op &b) {
    for (const Use &x : a.uses)
      for (const Use &y : b.uses)
        if ((x.write || y.write) && x.object == y.object &&
            intersect(x.bytes, y.bytes))
          return true;
    return false;
  }
};

Trace randomTrace(uint32_t seed, unsigned queues, size_t count,
                  unsigned objects) {
  std::mt19937 random(seed);
  HazardTracker tracker(queues);
  Trace trace;
  for (size_t i = 0; i < count; ++i) {
    Trace::Op op;
    op.queue = random() % queues;
    tracker.begin(op.queue);
    EXPECT_EQ(tracker.current(), i);
    for (unsigned n = random() % 4; n; --n) {
      Trace::Use use{
          random() % objects, randomAccess(random), {}, random() % 3 == 0};
      use.bytes = use.access.bytes();
      tracker.access(use.object, use.access.box(), use.write);
      op.uses.push_back(std::move(use));
    }
    if (i && random() % 8 == 0) {
      op.after.push_back(random() % i);
      tracker.after(op.after.back());
    }
    op.waits = tracker.finish();
    trace.ops.push_back(std::move(op));
  }
  trace.close();
  return trace;
}

class HazardTrackerTest : public testing::TestWithParam<uint32_t> {};

TEST_P(HazardTrackerTest, WaitsOrderEveryConflict) {
  unsigned queues = 1 + GetParam() % 7;
  Trace trace = randomTrace(GetParam(), queues, 250, 1 + GetParam() % 5);
  for (OpIndex i = 0; i < trace.ops.size(); ++i) {
    for (OpIndex after : trace.ops[i].after)
      EXPECT_TRUE(trace.ordered[i][after]) << after << " then " << i;
    for (OpIndex j = 0; j < i; ++j)
      if (!trace.ordered[i][j])
        ASSERT_FALSE(Trace::conflict(trace.ops[j], trace.ops[i]))
            << "operations " << j << " and " << i << " are not ordered";
  }
}

TEST_P(HazardTrackerTest, WaitsAreFew) {
  unsigned queues = 1 + GetParam() % 7;
  Trace trace = randomTrace(GetParam(), queues, 250, 1 + GetParam() % 5);
  std::vector<OpIndex> last(queues, kNoOp);
  for (OpIndex i = 0; i < trace.ops.size(); ++i) {
    const Trace::Op &op = trace.ops[i];
    std::set<unsigned> seen;
    for (OpIndex wait : op.waits) {
      ASSERT_LT(wait, i);
      EXPECT_NE(trace.ops[wait].queue, op.queue);
      EXPECT_TRUE(seen.insert(trace.ops[wait].queue).second)
          << "two waits for one queue";
      // Not implied by queue order or another wait.
      OpIndex previous = last[op.queue];
      EXPECT_FALSE(previous != kNoOp && trace.ordered[previous][wait]);
      for (OpIndex other : op.waits)
        EXPECT_FALSE(trace.ordered[other][wait]) << other << " has " << wait;
    }
    last[op.queue] = i;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, HazardTrackerTest,
                         testing::Range(uint32_t(0), uint32_t(40)));

TEST(HazardTrackerTest, ReadsDoNotWaitForReads) {
  HazardTracker tracker(3);
  ByteBox box = makeBox(0, {64}, {1}, 1);
  tracker.begin(0);
  tracker.access(7, box, true);
  EXPECT_TRUE(tracker.finish().empty());
  tracker.begin(1);
  tracker.access(7, box, false);
  EXPECT_EQ(tracker.finish(), std::vector<OpIndex>{0});
  tracker.begin(2);
  tracker.access(7, box, false);
  EXPECT_EQ(tracker.finish(), std::vector<OpIndex>{0});
  // The writer waits for both readers; the first write is implied.
  tracker.begin(0);
  tracker.access(7, box, true);
  EXPECT_EQ(tracker.finish(), (std::vector<OpIndex>{2, 1}));
  EXPECT_EQ(tracker.lastAccesses(7), (std::vector<OpIndex>{3, 1, 2}));
  EXPECT_TRUE(tracker.lastAccesses(8).empty());
  EXPECT_EQ(tracker.queue(2), 2u);
  EXPECT_EQ(tracker.position(3), 1u);
}

/// More accesses than the tracker keeps apart: still ordered.
TEST(HazardTrackerTest, LongHistoriesStaySufficient) {
  constexpr unsigned count = 3000;
  HazardTracker tracker(3);
  for (unsigned i = 0; i < count; ++i) {
    tracker.begin(i % 2);
    tracker.access(1, makeBox(i * 8, {4}, {1}, 1), i % 3 == 0);
    EXPECT_TRUE(tracker.finish().empty());
  }
  // The byte the very first operation wrote, from the third queue.
  tracker.begin(2);
  tracker.access(1, makeBox(0, {1}, {1}, 1), true);
  std::vector<OpIndex> waits = tracker.finish();
  ASSERT_FALSE(waits.empty());
  EXPECT_TRUE(std::any_of(waits.begin(), waits.end(),
                          [](OpIndex op) { return op % 2 == 0; }));
}

} // namespace
