// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Section 2: queues, semaphores, loops, ports, deadlock, trace.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "Builder.h"
#include "sanitizer/Ordering.h"

namespace cim::test {
namespace {

using testing::HasSubstr;

const DmaCopy move320 = copyBytes(l1(0), l1(4096), 320); // 10 + 10 cycles

TEST(Simulator, EmptyProgramTakesNoTime) {
  EXPECT_EQ(ProgramBuilder().cycles(), 0u);
}

TEST(Simulator, QueuesAreInOrderAndIndependent) {
  ProgramBuilder builder;
  builder.queue(Engine::Dma, {make(move320), make(move320)}, 0);
  EXPECT_EQ(builder.cycles(), 40u);
  // Two channels of 32 bytes in and out of L1 want 128 of its 64 bytes: the
  // second doubles every transfer.
  builder.queue(Engine::Dma, {make(move320), make(move320)}, 1);
  EXPECT_EQ(builder.cycles(), 60u);
}

TEST(Simulator, NopAndLoopsTakeNoTime) {
  ProgramBuilder builder;
  builder.queue(Engine::Ctrl,
                {make(LoopBegin{1000}), make(Nop{}, {}, 0), make(LoopEnd{})});
  builder.queue(Engine::Dma, {make(move320, {{0, 1000}})});
  EXPECT_EQ(builder.cycles(), 20u);
}

TEST(Simulator, WaitsHoldAtTheValue) {
  ProgramBuilder builder;
  builder.queue(Engine::Dma, {make(move320, {}, 3), make(move320, {}, 3)}, 0);
  builder.queue(Engine::Dma, {make(fillBytes(acc(0), 320), {{3, 1}})}, 1);
  auto result = builder.simulate(true);
  ASSERT_TRUE(std::holds_alternative<StageStats>(result));
  EXPECT_EQ(std::get<StageStats>(result).trace[1].start, 20u);
  builder.program.run.queues[1].instructions[0].waits[0].value = 2;
  EXPECT_EQ(builder.cycles(), 60u);
}

TEST(Simulator, AllWaitsMustHold) {
  ProgramBuilder builder;
  builder.queue(Engine::Dma, {make(move320, {}, 0)}, 0);
  builder.queue(Engine::Dma, {make(fillBytes(acc(0), 32 * 90), {}, 1)}, 1);
  builder.queue(Engine::Dma,
                {make(fillBytes(acc(8192), 320), {{0, 1}, {1, 1}})}, 2);
  EXPECT_EQ(builder.cycles(), 120u);
}

TEST(Simulator, LoopsEqualUnrolledCode) {
  auto body = [&](uint64_t i, uint64_t j) {
    return copyBytes(l1(i * 640 + j * 64), acc(j * 64), 64);
  };
  ProgramBuilder looped, unrolled;
  looped.queue(Engine::Dma, {make(LoopBegin{5}), make(LoopBegin{3}),
                             make(body(0, 0), {{0, 1}}, 1,
                                  {{StepField::Src, 0, 0, 640},
                                   {StepField::Src, 0, 1, 64},
                                   {StepField::Dst, 0, 1, 64},
                                   {StepField::WaitValue, 0, 0, 1}}),
                             make(LoopEnd{}), make(move320), make(LoopEnd{})});
  std::vector<Instruction> flat;
  for (uint64_t i = 0; i < 5; ++i) {
    for (uint64_t j = 0; j < 3; ++j)
      flat.push_back(make(body(i, j), {{0, 1 + i}}, 1));
    flat.push_back(make(move320));
  }
  unrolled.queue(Engine::Dma, flat);
  std::vector<Instruction> producer;
  for (int i = 0; i < 5; ++i)
    producer.push_back(make(fillBytes(acc(65536), 32 * 70), {}, 0));
  for (ProgramBuilder *builder : {&looped, &unrolled})
    builder->queue(Engine::Dma, producer, 1);
  auto a = looped.simulate(true), b = unrolled.simulate(true);
  ASSERT_TRUE(std::holds_alternative<StageStats>(a));
  ASSERT_TRUE(std::holds_alternative<StageStats>(b));
  const StageStats &statsA = std::get<StageStats>(a);
  const StageStats &statsB = std::get<StageStats>(b);
  EXPECT_EQ(statsA.cycles, statsB.cycles);
  ASSERT_EQ(statsA.trace.size(), statsB.trace.size());
  for (size_t i = 0; i < statsA.trace.size(); ++i) {
    EXPECT_EQ(statsA.trace[i].start, statsB.trace[i].start);
    EXPECT_EQ(statsA.trace[i].end, statsB.trace[i].end);
  }
  EXPECT_EQ(statsA.acc.writeBytes, statsB.acc.writeBytes);
}

/// A write of set 1 beside a MAC on set 0.
uint64_t overlapCycles(bool dualPort) {
  TargetSpec target = roundTarget();
  target.dualPort = dualPort;
  ProgramBuilder builder(target);
  builder.queue(Engine::WeightWrite,
                {make(writeTile(0, 16, 16, l1(0)), {}, 0),
                 make(writeTile(1, 64, 64, l1(0)), {{0, 1}})});
  builder.queue(Engine::Mac,
                {make(macTile(0, 10, 16, 16, l1(8192), acc(0)), {{0, 1}})});
  return builder.cycles();
}

TEST(Simulator, DualPortOverlapsWritesWithMacs) {
  // Write 18, then a write of 4096 bytes (5 + 204.8) beside a MAC (7 + 80).
  EXPECT_EQ(overlapCycles(true), 18u + 210);
}

TEST(Simulator, SinglePortExcludesThem) {
  EXPECT_EQ(overlapCycles(false), 18u + 210 + 87);
}

TEST(Simulator, SinglePortIsPerCore) {
  TargetSpec target = roundTarget();
  target.dualPort = false;
  target.coresPerChip = 2;
  ProgramBuilder builder(target);
  builder.queue(Engine::WeightWrite, {make(writeTile(0, 16, 16, l1(0)))}, 0, 0);
  builder.queue(Engine::WeightWrite, {make(writeTile(0, 16, 16, l1(0)))}, 0, 1);
  EXPECT_EQ(builder.cycles(), 18u);
}

TEST(Simulator, SinglePortGoesToWhoCameFirst) {
  // Three writes in a row would starve the MAC if the port were retaken by the
  // queue that gives it back.
  TargetSpec target = roundTarget();
  target.dualPort = false;
  ProgramBuilder builder(target);
  builder.queue(Engine::WeightWrite, {make(writeTile(0, 16, 16, l1(0)), {}, 0),
                                      make(writeTile(1, 16, 16, l1(0))),
                                      make(writeTile(2, 16, 16, l1(0)))});
  builder.queue(Engine::Mac,
                {make(macTile(0, 10, 16, 16, l1(8192), acc(0)), {{0, 1}})});
  auto result = builder.simulate(true);
  ASSERT_TRUE(std::holds_alternative<StageStats>(result));
  std::vector<uint32_t> order;
  for (const TraceEvent &event : std::get<StageStats>(result).trace)
    order.push_back(event.queue);
  EXPECT_EQ(order, std::vector<uint32_t>({0, 0, 1, 0}));
}

TEST(Simulator, DeadlockNamesEveryStuckQueue) {
  ProgramBuilder builder;
  uint32_t convA = builder.location("conv_a"),
           convB = builder.location("conv_b");
  Instruction a = make(move320, {{5, 1}}, 6), b = make(move320, {{6, 2}}, 5);
  a.loc = convA;
  b.loc = convB;
  builder.queue(Engine::Dma, {a}, 0);
  builder.queue(Engine::Dma,
                {make(LoopBegin{2}), make(move320, {}, 6), make(LoopEnd{}),
                 make(Nop{}), b},
                1);
  builder.program.run.queues[1].instructions.back().waits[0].value = 4;
  auto result = builder.simulate();
  ASSERT_TRUE(std::holds_alternative<Fault>(result));
  const Fault &fault = std::get<Fault>(result);
  EXPECT_EQ(fault.code, FaultCode::Deadlock);
  EXPECT_EQ(fault.at.queue, 0u);
  EXPECT_THAT(fault.message, HasSubstr("chip 0 core 0 dma 0, instruction 0, "
                                       "conv_a waits for semaphore 5 >= 1, "
                                       "count is 0 of 1 signals"));
  EXPECT_THAT(fault.message, HasSubstr("chip 0 core 0 dma 1, instruction 4, "
                                       "conv_b waits for semaphore 6 >= 4, "
                                       "count is 2 of 3 signals"));
  EXPECT_EQ(fault.message.find('\n'), std::string::npos);
}

TEST(Simulator, TraceIsSortedByStart) {
  ProgramBuilder builder;
  builder.queue(Engine::Dma,
                {make(copyBytes(dram(0), l1(0), 6400)), make(move320)}, 0);
  builder.queue(Engine::Dma, {make(move320), make(move320), make(move320)}, 1);
  auto result = builder.simulate(true);
  ASSERT_TRUE(std::holds_alternative<StageStats>(result));
  const std::vector<TraceEvent> &trace = std::get<StageStats>(result).trace;
  ASSERT_EQ(trace.size(), 5u);
  uint64_t before = 0;
  for (const TraceEvent &event : trace) {
    EXPECT_GE(event.start, before);
    EXPECT_GT(event.end, event.start);
    before = event.start;
  }
  EXPECT_TRUE(std::get<StageStats>(builder.simulate(false)).trace.empty());
}

TEST(Simulator, DeterministicOverRepetitions) {
  ProgramBuilder builder;
  for (uint8_t q = 0; q < 4; ++q) {
    std::vector<Instruction> list;
    for (int i = 0; i < 50; ++i)
      list.push_back(make(copyBytes(dram(i * 64), l1(q * 4096), 33 + 71 * i),
                          {{uint16_t(q), uint64_t(q ? i / 2 : 0)}},
                          (q + 1) % 4));
    builder.queue(Engine::Dma, list, q);
  }
  auto first = builder.simulate(true);
  ASSERT_TRUE(std::holds_alternative<StageStats>(first));
  for (int i = 0; i < 3; ++i) {
    auto again = builder.simulate(true);
    const StageStats &a = std::get<StageStats>(first);
    const StageStats &b = std::get<StageStats>(again);
    EXPECT_EQ(a.cycles, b.cycles);
    EXPECT_EQ(a.energyJ, b.energyJ);
    ASSERT_EQ(a.trace.size(), b.trace.size());
    for (size_t e = 0; e < a.trace.size(); ++e)
      EXPECT_EQ(a.trace[e].end, b.trace[e].end);
  }
}

TEST(Simulator, TimelinesRespectQueuesWaitsAndOrder) {
  std::mt19937 random(31);
  int simulated = 0, pairs = 0;
  for (int trial = 0; trial < 300; ++trial) {
    ProgramBuilder builder;
    for (uint8_t q = 0, n = uint8_t(2 + random() % 3); q < n; ++q) {
      std::vector<Instruction> list;
      for (int i = 1 + random() % 8; i > 0; --i) {
        std::vector<Wait> waits;
        while (random() % 3 == 0)
          waits.push_back({uint16_t(random() % 3), random() % 4});
        Address from = random() % 2 ? dram(0) : l2(0);
        list.push_back(make(copyBytes(from, l1(4096), 1 + random() % 3000),
                            waits, int(random() % 4) - 1));
      }
      builder.queue(Engine::Dma, list, q);
    }
    auto result = builder.simulate(true);
    if (std::holds_alternative<Fault>(result))
      continue; // deadlock
    ++simulated;
    const std::vector<TraceEvent> &trace = std::get<StageStats>(result).trace;
    auto streams = *device::StageStreams::create(builder.program.run, "run");
    device::Ordering ordering(streams);
    for (const TraceEvent &event : trace) {
      const Instruction &inst = builder.program.run.queues[event.queue]
                                    .instructions[event.instruction];
      for (const Wait &wait : inst.waits) {
        uint64_t count = 0;
        for (const TraceEvent &other : trace)
          count += other.end <= event.start &&
                   builder.program.run.queues[other.queue]
                           .instructions[other.instruction]
                           .signal == wait.id;
        ASSERT_GE(count, wait.value) << "trial " << trial;
      }
      // `before` wants ascending instructions: the trace is by start.
      for (const TraceEvent &other : trace)
        if (ordering.before(other.queue, other.instruction, event.queue,
                            event.instruction)) {
          ++pairs;
          ASSERT_LE(other.end, event.start) << "trial " << trial;
        }
    }
  }
  EXPECT_GT(simulated, 50);
  EXPECT_GT(pairs, 1000);
}

TEST(Simulator, LoopsMustBalance) {
  for (std::vector<Instruction> bad :
       {std::vector<Instruction>{make(LoopBegin{2}), make(Nop{})},
        std::vector<Instruction>{make(Nop{}), make(LoopEnd{})},
        std::vector<Instruction>{make(LoopBegin{}), make(LoopBegin{}),
                                 make(LoopBegin{}), make(LoopBegin{}),
                                 make(LoopBegin{}), make(LoopEnd{}),
                                 make(LoopEnd{}), make(LoopEnd{}),
                                 make(LoopEnd{}), make(LoopEnd{})}}) {
    ProgramBuilder builder;
    builder.queue(Engine::Ctrl, bad);
    auto result = builder.simulate();
    ASSERT_TRUE(std::holds_alternative<Fault>(result));
    EXPECT_THAT(std::get<Fault>(result).message, HasSubstr("D2.4"));
  }
}

} // namespace
} // namespace cim::test
