// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// D2.3: races between engines are found, ordered programs are silent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "Builder.h"
#include "cim/Device/StreamCheck.h"

namespace cim::test {
namespace {

using testing::HasSubstr;

/// One instruction that reads or writes L1 [0, 256) or ACC [0, 256).
struct Side {
  const char *label;
  Engine engine;
  uint8_t index;
  bool writes;
  Space space;
  Operation op;
};

std::vector<Side> sides() {
  WriteWeights weights = writeTile(0, 16, 16, l1(0)); // 256 bytes
  Mac reads = macTile(1, 16, 16, 16, l1(0), acc(65536));
  Mac writes = macTile(1, 4, 16, 16, l1(65536), acc(0));
  return {
      {"dma reads L1", Engine::Dma, 0, false, Space::L1,
       copyBytes(l1(0), dram(0), 256)},
      {"dma writes L1", Engine::Dma, 1, true, Space::L1,
       copyBytes(dram(4096), l1(0), 256)},
      {"dma fills L1", Engine::Dma, 2, true, Space::L1, fillBytes(l1(0), 256)},
      {"weight write reads L1", Engine::WeightWrite, 0, false, Space::L1,
       weights},
      {"mac reads L1", Engine::Mac, 0, false, Space::L1, reads},
      {"vec reads L1", Engine::Vec, 0, false, Space::L1,
       vecCopy(0, l1(0), l1(131072), 64, 4)},
      {"vec writes L1", Engine::Vec, 0, true, Space::L1,
       vecCopy(0, l1(196608), l1(0), 64, 4)},
      {"mac writes ACC", Engine::Mac, 0, true, Space::ACC, writes},
      {"vec reads ACC", Engine::Vec, 0, false, Space::ACC,
       vecCopy(0, acc(0), l1(131072), 64, 4)},
      {"dma reads ACC", Engine::Dma, 3, false, Space::ACC,
       copyBytes(acc(0), dram(8192), 256)},
      {"dma writes ACC", Engine::Dma, 1, true, Space::ACC,
       copyBytes(dram(4096), acc(0), 256)},
  };
}

/// The tile of set 1 that the MACs use comes from the load stage.
ProgramBuilder withTile() {
  ProgramBuilder builder;
  builder.program.kernels = {copyKernel(DType::F32)};
  builder.queue(Engine::WeightWrite, {make(writeTile(1, 16, 16, l1(262144)))});
  builder.program.load = std::move(builder.program.run);
  builder.program.run = {};
  return builder;
}

TEST(Race, EveryPairOfEngines) {
  int conflicts = 0, harmless = 0;
  std::vector<Side> all = sides();
  for (const Side &a : all) {
    for (const Side &b : all) {
      if (a.space != b.space || (a.engine == b.engine && a.index == b.index))
        continue;
      SCOPED_TRACE(std::string(a.label) + ", " + b.label);
      // Unordered.
      ProgramBuilder unordered = withTile();
      Instruction first = make(a.op), second = make(b.op);
      first.loc = unordered.location("node_a");
      second.loc = unordered.location("node_b");
      unordered.queue(a.engine, {first}, a.index);
      unordered.queue(b.engine, {second}, b.index);
      std::optional<StreamFault> found = findStreamFault(unordered.program);
      bool conflict = a.writes || b.writes;
      ASSERT_EQ(found.has_value(), conflict)
          << (found ? found->fault.message : "");
      if (conflict) {
        ++conflicts;
        EXPECT_FALSE(found->loadStage);
        EXPECT_EQ(found->fault.code, FaultCode::Race);
        ASSERT_TRUE(found->fault.other.has_value());
        EXPECT_NE(found->fault.at.queue, found->fault.other->queue);
        EXPECT_THAT(found->fault.message, HasSubstr("node_a"));
        EXPECT_THAT(found->fault.message, HasSubstr("node_b"));
        EXPECT_THAT(found->fault.message,
                    HasSubstr(a.space == Space::L1 ? "L1 of chip 0 core 0"
                                                   : "ACC of chip 0 core 0"));
      } else {
        ++harmless;
      }
      // One waits for the other.
      ProgramBuilder ordered = withTile();
      ordered.queue(a.engine, {make(a.op, {}, 7)}, a.index);
      ordered.queue(b.engine, {make(b.op, {{7, 1}})}, b.index);
      found = findStreamFault(ordered.program);
      EXPECT_FALSE(found.has_value()) << found->fault.message;
      // A wait for zero orders nothing.
      ordered.program.run.queues[1].instructions[0].waits[0].value = 0;
      EXPECT_EQ(findStreamFault(ordered.program).has_value(), conflict);
    }
  }
  EXPECT_GT(conflicts, 30);
  EXPECT_GT(harmless, 10);
}

/// First byte of b moved by `shift` relative to a [0, 256) write.
bool races(Operation a, Operation b) {
  ProgramBuilder builder;
  builder.queue(Engine::Dma, {make(std::move(a))}, 0);
  builder.queue(Engine::Dma, {make(std::move(b))}, 1);
  return findStreamFault(builder.program).has_value();
}

TEST(Race, OnlyOnSharedBytes) {
  EXPECT_TRUE(races(fillBytes(l1(0), 256), fillBytes(l1(255), 256)));
  EXPECT_FALSE(races(fillBytes(l1(0), 256), fillBytes(l1(256), 256)));
  EXPECT_FALSE(races(fillBytes(l1(0), 256), fillBytes(acc(0), 256)));
  EXPECT_FALSE(races(fillBytes(l1(0), 256), fillBytes(l2(0), 256)));
  // Interleaved columns.
  DmaFill even = fillBytes(l1(0), 1), odd = fillBytes(l1(16), 1);
  even.dims = odd.dims = {{1000, 32}, {16, 1}};
  EXPECT_FALSE(races(even, odd));
  odd.dims = {{1000, 32}, {17, 1}};
  EXPECT_TRUE(races(even, odd));
}

TEST(Race, MessageNamesAByteOfBoth) {
  ProgramBuilder builder;
  DmaFill rows = fillBytes(l1(0), 1);
  rows.dims = {{100, 64}, {8, 1}};
  builder.queue(Engine::Dma, {make(rows)}, 0);
  builder.queue(Engine::Dma, {make(fillBytes(l1(64 * 50 + 7), 3))}, 1);
  std::optional<StreamFault> found = findStreamFault(builder.program);
  ASSERT_TRUE(found.has_value());
  EXPECT_THAT(found->fault.message, HasSubstr("byte 3207 of L1"));
  EXPECT_EQ(found->fault.message.find('\n'), std::string::npos);
}

TEST(Race, CoresHaveTheirOwnL1) {
  TargetSpec target = roundTarget();
  target.coresPerChip = 2;
  target.chips = 2;
  for (Space space : {Space::L1, Space::ACC, Space::L2, Space::DRAM}) {
    ProgramBuilder builder(target);
    Address address{space, 0, 0};
    builder.queue(Engine::Dma, {make(fillBytes(address, 64))}, 0, 0);
    builder.queue(Engine::Dma, {make(fillBytes(address, 64))}, 0, 1);
    bool shared = space == Space::L2 || space == Space::DRAM;
    EXPECT_EQ(findStreamFault(builder.program).has_value(), shared);
    address.chip = 1;
    std::get<DmaFill>(builder.program.run.queues[1].instructions[0].op).dst =
        address;
    EXPECT_FALSE(findStreamFault(builder.program).has_value());
  }
}

TEST(Race, WeightSets) {
  auto program = [](uint8_t set, uint16_t row0, uint16_t rows,
                    std::vector<Wait> waits) {
    ProgramBuilder builder = withTile();
    WriteWeights write = writeTile(set, rows, 16, l1(524288));
    write.row0 = row0;
    builder.queue(Engine::WeightWrite, {make(write, std::move(waits))});
    builder.queue(Engine::Mac,
                  {make(macTile(1, 4, 16, 16, l1(0), acc(0)), {}, 3)});
    return builder;
  };
  // Another set, or other macros of the set, may be written meanwhile.
  EXPECT_FALSE(findStreamFault(program(0, 0, 16, {}).program).has_value());
  EXPECT_FALSE(findStreamFault(program(1, 16, 16, {}).program).has_value());
  std::optional<StreamFault> found =
      findStreamFault(program(1, 0, 16, {}).program);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->fault.code, FaultCode::Race);
  EXPECT_THAT(found->fault.message,
              HasSubstr("macro 0 of set 1 of weight sets of chip 0 core 0"));
  EXPECT_FALSE(findStreamFault(program(1, 0, 16, {{3, 1}}).program));
}

TEST(Race, EveryCopyOfATileIsInUse) {
  ProgramBuilder builder;
  WriteWeights write = writeTile(0, 16, 16, l1(0));
  write.copies = write.copyCols = 2;
  write.copyColPitch = 32;
  WriteWeights other = writeTile(0, 16, 16, l1(4096));
  other.col0 = 32; // where the second copy lies
  Mac mac = macTile(0, 4, 16, 16, l1(8192), acc(0));
  mac.copies = 2;
  builder.queue(Engine::WeightWrite, {make(write, {}, 0), make(other)});
  builder.queue(Engine::Mac, {make(mac, {{0, 1}})});
  std::optional<StreamFault> found = findStreamFault(builder.program);
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->fault.code == FaultCode::Race ||
              found->fault.code == FaultCode::BadTile)
      << found->fault.message;
}

/// Producer fills slot r % 2 of L1 and the consumer reads it; `ahead` is how
/// many rounds the producer may run ahead.
ProgramBuilder doubleBuffer(uint64_t rounds, uint64_t ahead) {
  ProgramBuilder builder;
  std::vector<Instruction> produce, consume;
  for (uint64_t slot = 0; slot < ahead; ++slot)
    produce.push_back(
        make(copyBytes(dram(0), l1(slot % 2 * 4096), 4096), {}, 0));
  produce.push_back(make(LoopBegin{(rounds - ahead) / 2}));
  for (uint64_t slot = 0; slot < 2; ++slot)
    produce.push_back(
        make(copyBytes(dram(0), l1((slot + ahead) % 2 * 4096), 4096),
             {{1, slot + 1}}, 0, {{StepField::WaitValue, 0, 0, 2}}));
  produce.push_back(make(LoopEnd{}));
  consume.push_back(make(LoopBegin{rounds / 2}));
  for (uint64_t slot = 0; slot < 2; ++slot)
    consume.push_back(make(copyBytes(l1(slot * 4096), acc(0), 4096),
                           {{0, slot + 1}}, 1,
                           {{StepField::WaitValue, 0, 0, 2}}));
  consume.push_back(make(LoopEnd{}));
  builder.queue(Engine::Dma, produce, 0);
  builder.queue(Engine::Dma, consume, 1);
  return builder;
}

TEST(Race, DoubleBufferingInLoops) {
  std::optional<StreamFault> found =
      findStreamFault(doubleBuffer(100, 2).program);
  EXPECT_FALSE(found.has_value()) << found->fault.message;
  // One round too far ahead: overwrites a slot that may still be read.
  found = findStreamFault(doubleBuffer(101, 3).program);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->fault.code, FaultCode::Race);
}

/// One slot refilled in every round, ordered by boundaries of loops (D2.4): the
/// begin of the reader's loop waits once for another queue, its end signals
/// every iteration, and the end of the writer's loop waits for that.
ProgramBuilder orderedByBoundaries() {
  ProgramBuilder builder;
  builder.queue(
      Engine::Dma,
      {make(LoopBegin{10}), make(copyBytes(dram(0), l1(0), 64), {}, 0),
       make(LoopEnd{}, {{1, 1}}, -1, {{StepField::WaitValue, 0, 0, 1}})},
      0);
  builder.queue(Engine::Dma,
                {make(LoopBegin{10}, {{2, 1}}),
                 make(copyBytes(l1(0), acc(0), 64), {{0, 1}}, -1,
                      {{StepField::WaitValue, 0, 0, 1}}),
                 make(LoopEnd{}, {}, 1)},
                1);
  builder.queue(Engine::Dma, {make(fillBytes(acc(0), 64), {}, 2)}, 2);
  return builder;
}

TEST(Race, LoopBoundariesOrder) {
  ProgramBuilder builder = orderedByBoundaries();
  std::optional<StreamFault> found = findStreamFault(builder.program);
  EXPECT_FALSE(found.has_value()) << found->fault.message;
  // Without the wait of either boundary there is a race.
  builder.program.run.queues[0].instructions[2] = make(LoopEnd{});
  found = findStreamFault(builder.program);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->fault.code, FaultCode::Race);
  builder = orderedByBoundaries();
  builder.program.run.queues[1].instructions[0].waits.clear();
  found = findStreamFault(builder.program);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->fault.code, FaultCode::Race);
}

TEST(Race, IterationsAreReported) {
  // The tenth iteration reaches bytes that the other queue writes.
  ProgramBuilder builder;
  builder.queue(Engine::Dma, {make(fillBytes(l1(9 * 64), 64))}, 0);
  builder.queue(
      Engine::Dma,
      {make(LoopBegin{4}), make(LoopBegin{3}),
       make(fillBytes(l1(0), 64), {}, -1,
            {{StepField::Dst, 0, 0, 192}, {StepField::Dst, 0, 1, 64}}),
       make(LoopEnd{}), make(LoopEnd{})},
      1);
  std::optional<StreamFault> found = findStreamFault(builder.program);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->fault.at.queue, 1u);
  EXPECT_EQ(found->fault.at.instruction, 2u);
  EXPECT_EQ(found->fault.at.iterations, (std::vector<uint64_t>{3, 0}));
  ASSERT_TRUE(found->fault.other.has_value());
  EXPECT_EQ(found->fault.other->queue, 0u);
  EXPECT_THAT(found->fault.message, HasSubstr("(iteration 3, 0)"));
}

TEST(Race, StagesAreOrdered) {
  ProgramBuilder builder;
  builder.queue(Engine::Dma, {make(fillBytes(l1(0), 64))}, 0);
  builder.program.load = builder.program.run;
  builder.program.run.queues[0].index = 1;
  EXPECT_FALSE(findStreamFault(builder.program).has_value());
}

TEST(Race, TransitiveOrder) {
  // 0 before 1 before 2; 0 and 2 share bytes.
  ProgramBuilder builder;
  builder.queue(Engine::Dma, {make(fillBytes(l1(0), 64), {}, 0)}, 0);
  builder.queue(Engine::Dma, {make(Nop{}, {{0, 1}}, 1)}, 1);
  builder.queue(Engine::Dma, {make(fillBytes(l1(0), 64), {{1, 1}})}, 2);
  EXPECT_FALSE(findStreamFault(builder.program).has_value());
  builder.program.run.queues[1].instructions[0].waits.clear();
  EXPECT_TRUE(findStreamFault(builder.program).has_value());
}

TEST(Race, SeveralSignallersOfOneSemaphore) {
  // Two channels fill the halves of a buffer, one semaphore says both are in.
  auto program = [](uint64_t value) {
    ProgramBuilder builder;
    builder.queue(Engine::Dma, {make(fillBytes(l1(0), 64), {}, 0)}, 0);
    builder.queue(Engine::Dma, {make(fillBytes(l1(64), 64), {}, 0)}, 1);
    builder.queue(Engine::Dma,
                  {make(copyBytes(l1(0), acc(0), 128), {{0, value}})}, 2);
    return builder.program;
  };
  EXPECT_FALSE(findStreamFault(program(2)).has_value());
  EXPECT_TRUE(findStreamFault(program(1)).has_value());
}

} // namespace
} // namespace cim::test
