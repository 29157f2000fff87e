// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Queue, layer, memory and energy statistics (D5.2).
#include <gtest/gtest.h>

#include "Builder.h"

namespace cim::test {
namespace {

TargetSpec energyTarget() {
  TargetSpec target = roundTarget();
  target.bitMacFj = 2;
  target.weightWritePjPerByte = 3;
  target.l1PjPerByte = 5;
  target.l2PjPerByte = 7;
  target.accPjPerByte = 11;
  target.dramPjPerByte = 13;
  target.linkPjPerByte = 17;
  target.vecPjPerOp = 19;
  target.idleWatts = 4;
  return target;
}

StageStats run(const ProgramBuilder &builder) {
  auto result = builder.simulate();
  if (Fault *fault = std::get_if<Fault>(&result)) {
    ADD_FAILURE() << fault->message;
    return {};
  }
  return std::get<StageStats>(result);
}

TEST(Statistics, DmaCountsMovedBytes) {
  ProgramBuilder builder(energyTarget());
  builder.queue(Engine::Dma, {make(copyBytes(dram(0), l1(0), 100)),
                              make(copyBytes(l2(0), acc(0), 100))});
  StageStats stats = run(builder);
  EXPECT_EQ(stats.dram.readBytes, 128u); // bursts of 64
  EXPECT_EQ(stats.dram.writeBytes, 0u);
  EXPECT_EQ(stats.l1.writeBytes, 128u); // accesses of 32
  EXPECT_EQ(stats.l2.readBytes, 100u);
  EXPECT_EQ(stats.acc.writeBytes, 100u);
  EXPECT_DOUBLE_EQ(stats.memoryEnergyJ,
                   (128 * 13 + 128 * 5 + 100 * 7 + 100 * 11) * 1e-12);
  EXPECT_DOUBLE_EQ(stats.idleEnergyJ, 4.0 * stats.cycles / 1e9);
  EXPECT_DOUBLE_EQ(stats.energyJ, stats.memoryEnergyJ + stats.idleEnergyJ);
  EXPECT_EQ(stats.queues[0].instructions, 2u);
  EXPECT_EQ(stats.queues[0].busyCycles, stats.cycles);
}

uint64_t critical(const StageStats &stats, size_t layer, Engine engine,
                  PathCause cause) {
  return stats.layers[layer].critical[size_t(engine)][size_t(cause)];
}

uint64_t criticalSum(const StageStats &stats) {
  uint64_t sum = 0;
  for (const LayerStats &layer : stats.layers)
    for (const auto &causes : layer.critical)
      for (uint64_t cycles : causes)
        sum += cycles;
  return sum;
}

/// Instructions of two layers by their locations.
ProgramBuilder twoLayers() {
  ProgramBuilder builder;
  builder.program.layers.resize(2);
  builder.program.layers[0].name = "a";
  builder.program.layers[1].name = "b";
  builder.program.locations = {{"", "a"}, {"", "b"}};
  return builder;
}

TEST(CriticalPath, FollowsWaitsAndSplitsCauses) {
  ProgramBuilder builder = twoLayers();
  // 10 startup + 10 on the channel; beside it something shorter.
  builder.queue(Engine::Dma, {make(copyBytes(l1(0), l1(4096), 320), {}, 0)}, 0);
  builder.queue(Engine::Dma, {make(fillBytes(acc(0), 32), {}, 1)}, 1);
  // Waits for both; 32 bytes: 10 startup + 1.
  Instruction last = make(fillBytes(acc(64), 32), {{0, 1}, {1, 1}});
  last.loc = 1;
  builder.queue(Engine::Dma, {last}, 2);
  StageStats stats = run(builder);
  EXPECT_EQ(stats.cycles, 31u);
  EXPECT_EQ(critical(stats, 0, Engine::Dma, PathCause::Startup), 10u);
  EXPECT_EQ(critical(stats, 0, Engine::Dma, PathCause::Work), 10u);
  EXPECT_EQ(critical(stats, 1, Engine::Dma, PathCause::Startup), 10u);
  EXPECT_EQ(critical(stats, 1, Engine::Dma, PathCause::Work), 1u);
  EXPECT_EQ(criticalSum(stats), stats.cycles);
}

TEST(CriticalPath, SharingCountsForTheMemory) {
  ProgramBuilder builder = twoLayers();
  // Alone 10 + 10; together they want twice what L1 has.
  for (uint8_t channel : {0, 1})
    builder.queue(Engine::Dma, {make(copyBytes(l1(0), l1(4096), 320))},
                  channel);
  StageStats stats = run(builder);
  EXPECT_EQ(stats.cycles, 30u);
  EXPECT_EQ(critical(stats, 0, Engine::Dma, PathCause::Startup), 10u);
  EXPECT_EQ(critical(stats, 0, Engine::Dma, PathCause::Work), 10u);
  EXPECT_EQ(critical(stats, 0, Engine::Dma, PathCause::Local), 10u);
}

TEST(CriticalPath, AddsUpOverLongChainsAndPorts) {
  // Layers alternate, queues wait for each other in turn, and on one port
  // writes and MACs exclude each other.
  for (bool dualPort : {true, false}) {
    ProgramBuilder builder = twoLayers();
    builder.program.target.dualPort = dualPort;
    std::vector<Instruction> writes, macs;
    for (uint64_t i = 0; i < 500; ++i) {
      Instruction write =
          make(writeTile(i % 2, 16, 16, l1(0)), {{1, i < 2 ? 0 : i - 1}}, 0);
      write.loc = i % 2;
      writes.push_back(write);
      Instruction mac =
          make(macTile(i % 2, 1 + int64_t(i % 7), 16, 16, l1(0), acc(0)),
               {{0, i + 1}}, 1);
      mac.loc = i / 3 % 2;
      macs.push_back(mac);
    }
    builder.queue(Engine::WeightWrite, writes);
    builder.queue(Engine::Mac, macs);
    StageStats stats = run(builder);
    EXPECT_GT(critical(stats, 1, Engine::Mac, PathCause::Work), 0u);
    EXPECT_EQ(criticalSum(stats), stats.cycles);
  }
}

TEST(Statistics, LinkBytes) {
  TargetSpec target = energyTarget();
  target.chips = 2;
  ProgramBuilder builder(target);
  builder.queue(Engine::Dma, {make(copyBytes(l2(0, 0), l2(0, 1), 100))});
  StageStats stats = run(builder);
  EXPECT_EQ(stats.link.readBytes + stats.link.writeBytes, 100u);
  EXPECT_DOUBLE_EQ(stats.memoryEnergyJ, (100 * 17 + 200 * 7) * 1e-12);
  EXPECT_DOUBLE_EQ(stats.idleEnergyJ, 2 * 4.0 * stats.cycles / 1e9);
}

TEST(Statistics, ArrayEnergyFollowsIssuedPlanes) {
  ProgramBuilder builder(energyTarget());
  WriteWeights write = writeTile(0, 16, 32, l1(0));
  write.planeMasks = {0x03, 0xff}; // (2 + 8) * 16 * 2 = 320 bytes
  write.copies = write.copyCols = 2;
  write.copyColPitch = 32;
  Mac mac = macTile(0, 10, 16, 32, l1(8192), acc(0));
  mac.copies = 2;
  mac.init = AccInit::Accumulate;
  builder.queue(Engine::WeightWrite, {make(write, {}, 0)});
  builder.queue(Engine::Mac, {make(mac, {{0, 1}})});
  StageStats stats = run(builder);
  EXPECT_EQ(stats.macs, 10u * 16 * 32);
  EXPECT_EQ(stats.bitMacs, 10u * 16 * (16 * 2 + 16 * 8));
  EXPECT_DOUBLE_EQ(stats.macEnergyJ, stats.bitMacs * 2e-15 + 2 * 320 * 3e-12);
  EXPECT_EQ(stats.acc.readBytes, 10u * 128);
  EXPECT_EQ(stats.acc.writeBytes, 10u * 128);
  EXPECT_EQ(stats.l1.readBytes, 320u + 10 * 32);
}

TEST(Statistics, VectorLaneOperations) {
  ProgramBuilder builder(energyTarget());
  DType f32 = DType::F32;
  builder.program.kernels = {{"square",
                              {f32},
                              {f32},
                              3,
                              {{MicroOp::Load, f32, f32, 0, {}, 0},
                               {MicroOp::Mul, f32, f32, 1, {0, 0}, 0},
                               {MicroOp::Exp, f32, f32, 2, {1}, 0},
                               {MicroOp::Store, f32, f32, 0, {2}, 1}}}};
  builder.queue(Engine::Vec, {make(vecCopy(0, l1(0), l1(4096), 50, 4))});
  EXPECT_DOUBLE_EQ(run(builder).vectorEnergyJ, 2 * 50 * 19e-12);
}

TEST(Statistics, PerLayer) {
  ProgramBuilder builder(energyTarget());
  builder.program.layers = {{"first"}, {"second"}, {"never"}};
  Instruction a = make(copyBytes(dram(0), l1(0), 320));
  Instruction b = make(copyBytes(l2(0), l1(0), 320));
  Instruction c = make(copyBytes(l1(0), l1(4096), 320));
  a.loc = builder.location("n1", "first");
  b.loc = builder.location("n2", "second");
  c.loc = builder.location("n3", "first");
  builder.queue(Engine::Dma, {a, b, c, make(copyBytes(l1(0), l1(4096), 320))});
  StageStats stats = run(builder);
  ASSERT_EQ(stats.layers.size(), 3u);
  const EngineStats &dma = stats.layers[0].engine[int(Engine::Dma)];
  EXPECT_EQ(dma.instructions, 2u);
  EXPECT_EQ(dma.busyCycles, 120u + 20);
  EXPECT_EQ(stats.layers[0].firstCycle, 0u);
  EXPECT_EQ(stats.layers[0].lastCycle, 120u + 50 + 20);
  EXPECT_EQ(stats.layers[0].dramBytes, 320u);
  EXPECT_EQ(stats.layers[1].l2Bytes, 320u);
  EXPECT_EQ(stats.layers[1].firstCycle, 120u);
  EXPECT_EQ(stats.layers[1].lastCycle, 170u);
  EXPECT_EQ(stats.layers[2].lastCycle, 0u);
  EXPECT_EQ(stats.layers[2].firstCycle, 0u);
  // The instruction without a layer counts in the total only.
  EXPECT_DOUBLE_EQ(stats.layers[0].energyJ + stats.layers[1].energyJ +
                       640 * 5e-12,
                   stats.memoryEnergyJ);
}

} // namespace
} // namespace cim::test
