// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// D2.3: order against its definition, computed by brute force.
#include "sanitizer/Ordering.h"

#include <gtest/gtest.h>

#include <random>

#include "Builder.h"

namespace cim::test {
namespace {

using device::Ordering;
using device::StageStreams;

/// Instructions of each queue that can complete when instruction `stop` of
/// queue `stopped` never does.
std::vector<uint64_t>
reachable(const std::vector<std::vector<Instruction>> &all, size_t stopped,
          size_t stop) {
  std::vector<uint64_t> done(all.size()), counts(64);
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t q = 0; q < all.size(); ++q) {
      if (done[q] == all[q].size() || (q == stopped && done[q] == stop))
        continue;
      const Instruction &inst = all[q][done[q]];
      bool holds = true;
      for (const Wait &wait : inst.waits)
        holds &= counts[wait.id] >= wait.value;
      if (!holds)
        continue;
      ++done[q];
      if (inst.signal != kNoSemaphore)
        ++counts[inst.signal];
      moved = true;
    }
  }
  return done;
}

/// Checks every pair of instructions of straight-line queues.
void checkAll(const std::vector<std::vector<Instruction>> &all,
              int *orderedPairs = nullptr) {
  Stage stage;
  for (const std::vector<Instruction> &list : all) {
    stage.queues.emplace_back();
    stage.queues.back().instructions = list;
  }
  StageStreams streams = *StageStreams::create(stage, "run");
  // An instruction that never starts is of no interest.
  std::vector<uint64_t> starts = reachable(all, all.size(), 0);
  for (size_t q = 0; q < all.size(); ++q) {
    for (size_t i = 0; i < starts[q]; ++i) {
      Ordering ordering(streams);
      std::vector<uint64_t> without = reachable(all, q, i);
      for (size_t w = 0; w < all.size(); ++w) {
        for (size_t j = 0; j < starts[w]; ++j) {
          bool expected = w == q ? i < j : j >= without[w];
          ASSERT_EQ(ordering.before(q, i, w, j), expected)
              << "queue " << q << " instruction " << i << " and queue " << w
              << " instruction " << j;
          if (orderedPairs && q != w)
            *orderedPairs += expected;
        }
      }
    }
  }
}

Instruction nop(std::vector<Wait> waits = {}, int signal = -1) {
  return make(Nop{}, std::move(waits), signal);
}

TEST(Ordering, WaitForFirstSignals) {
  std::vector<std::vector<Instruction>> all{
      {nop({}, 0), nop({}, 0), nop({}, 0)}, {nop({{0, 2}}), nop()}};
  checkAll(all);
  Stage stage;
  stage.queues.resize(2);
  stage.queues[0].instructions = all[0];
  stage.queues[1].instructions = all[1];
  StageStreams streams = *StageStreams::create(stage, "run");
  Ordering ordering(streams);
  EXPECT_TRUE(ordering.before(0, 0, 1, 0));
  EXPECT_TRUE(ordering.before(0, 1, 1, 0));
  EXPECT_FALSE(ordering.before(0, 2, 1, 0));
  EXPECT_FALSE(ordering.before(1, 0, 0, 2));
}

TEST(Ordering, SeveralSignallers) {
  // Either signal satisfies the first wait, only both the second.
  checkAll({{nop({}, 0)}, {nop({}, 0)}, {nop({{0, 1}}), nop({{0, 2}})}});
  // Each of two queues signals twice; three of four orders the first of each.
  checkAll(
      {{nop({}, 0), nop({}, 0)}, {nop({}, 0), nop({}, 0)}, {nop({{0, 3}})}});
}

TEST(Ordering, TwoProducersPacedByTheConsumer) {
  // Producers fill halves of a buffer and share a semaphore; the consumer
  // gives the buffer back. Totals alone would prove nothing for round 1.
  std::vector<std::vector<Instruction>> all(3);
  for (uint64_t round = 0; round < 4; ++round) {
    all[0].push_back(nop({{1, round}}, 0));
    all[1].push_back(nop({{1, round}}, 0));
    all[2].push_back(nop({{0, 2 * (round + 1)}}, 1));
  }
  checkAll(all);
}

TEST(Ordering, BarrierWithOneSemaphore) {
  std::vector<std::vector<Instruction>> all(4);
  for (uint64_t phase = 0; phase < 3; ++phase)
    for (std::vector<Instruction> &queue : all) {
      queue.push_back(nop({}, 0));
      queue.push_back(nop({{0, 4 * (phase + 1)}}));
    }
  checkAll(all);
}

TEST(Ordering, SignalThatDependsOnAnother) {
  // The second signaller follows the first, so either value implies it.
  checkAll({{nop({}, 0), nop()},
            {nop({{0, 1}}, 1)},
            {nop({}, 1)},
            {nop({{1, 1}}), nop({{1, 2}})}});
}

TEST(Ordering, RandomPrograms) {
  std::mt19937 random(5);
  int ordered = 0;
  for (int trial = 0; trial < 400; ++trial) {
    std::vector<std::vector<Instruction>> all(2 + random() % 4);
    for (std::vector<Instruction> &queue : all)
      for (int n = 1 + random() % 7; n > 0; --n) {
        std::vector<Wait> waits;
        while (random() % 3 == 0)
          waits.push_back({uint16_t(random() % 4), random() % 5});
        queue.push_back(nop(waits, int(random() % 6) - 2));
      }
    checkAll(all, &ordered);
    if (HasFatalFailure())
      FAIL() << "trial " << trial;
  }
  EXPECT_GT(ordered, 1500);
}

TEST(Ordering, Loops) {
  // Double buffering over 1000 rounds: the consumer of round r is ordered
  // after the producer of round r, and the producer of r + 2 after it.
  Stage stage;
  stage.queues.resize(2);
  stage.queues[0].instructions = {
      make(LoopBegin{2}),
      nop({}, 0),
      make(LoopEnd{}),
      make(LoopBegin{998}),
      make(Nop{}, {{1, 1}}, 0, {{StepField::WaitValue, 0, 0, 1}}),
      make(LoopEnd{})};
  stage.queues[1].instructions = {
      make(LoopBegin{1000}),
      make(Nop{}, {{0, 1}}, 1, {{StepField::WaitValue, 0, 0, 1}}),
      make(LoopEnd{})};
  StageStreams streams = *StageStreams::create(stage, "run");
  Ordering ordering(streams);
  for (uint64_t r = 0; r < 1000; ++r) {
    ASSERT_TRUE(ordering.before(0, r, 1, r));
    ASSERT_FALSE(ordering.before(0, r + 1, 1, r));
    if (r >= 2) {
      ASSERT_TRUE(ordering.before(1, r - 2, 0, r));
      ASSERT_FALSE(ordering.before(1, r - 1, 0, r));
    }
  }
}

} // namespace
} // namespace cim::test
