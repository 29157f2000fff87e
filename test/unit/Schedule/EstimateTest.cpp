// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Predicted cycles beside the device model's, on programs built by hand.
#include "cim/Schedule/Estimate.h"

#include <random>

#include "../Device/Builder.h"
#include "gtest/gtest.h"

namespace cim::test {
namespace {

uint64_t predicted(const ProgramBuilder &builder) {
  return schedule::estimate(builder.program, builder.program.run).cycles;
}
uint64_t bound(const ProgramBuilder &builder) {
  return schedule::stageLowerBound(builder.program, builder.program.run);
}

/// Nothing competes: both implementations of device.md section 4 agree.
void expectExact(Operation op, Engine engine) {
  ProgramBuilder builder;
  builder.program.kernels = {copyKernel(DType::F32)};
  builder.queue(engine, {make(std::move(op))});
  ASSERT_NE(builder.cycles(), UINT64_MAX);
  EXPECT_EQ(predicted(builder), builder.cycles());
  EXPECT_LE(bound(builder), builder.cycles());
}

TEST(EstimateTest, OneInstructionAlone) {
  expectExact(copyBytes(dram(0), l1(0), 6400), Engine::Dma);
  expectExact(copyBytes(l2(0), l1(0), 3200), Engine::Dma);
  expectExact(fillBytes(l1(0), 6400), Engine::Dma);
  expectExact(writeTile(0, 64, 64, dram(0)), Engine::WeightWrite);
  expectExact(writeTile(0, 64, 64, l1(0)), Engine::WeightWrite);
  expectExact(vecCopy(0, l1(0), l1(65536), 1000, 4), Engine::Vec);
  expectExact(vecCopy(0, l2(0), l2(65536), 1000, 4), Engine::Vec);
}

TEST(EstimateTest, MacsWaitForTheirTile) {
  ProgramBuilder builder;
  builder.queue(Engine::WeightWrite,
                {make(writeTile(0, 64, 64, l1(0)), {}, 0)});
  builder.queue(Engine::Mac,
                {make(macTile(0, 100, 64, 64, l1(8192), acc(0)), {{0, 1}})});
  ASSERT_NE(builder.cycles(), UINT64_MAX);
  EXPECT_EQ(predicted(builder), builder.cycles());
  // 100 rows of 8 planes, the whole array: 800 cycles of work.
  EXPECT_EQ(bound(builder), 800u);
}

TEST(EstimateTest, EmptyPlanesCostNothing) {
  auto build = [](uint16_t mask) {
    ProgramBuilder builder;
    WriteWeights write = writeTile(0, 64, 64, l1(0));
    write.planeMasks = {mask, mask, mask, mask};
    builder.queue(Engine::WeightWrite, {make(write, {}, 0)});
    builder.queue(Engine::Mac,
                  {make(macTile(0, 100, 64, 64, l1(8192), acc(0)), {{0, 1}})});
    return builder;
  };
  ProgramBuilder all = build(0xff), half = build(0x0f);
  EXPECT_EQ(bound(all), 800u);
  EXPECT_EQ(bound(half), 400u);
  // MACs and the write both take less.
  EXPECT_GT(predicted(all) - predicted(half), 400u);
  EXPECT_EQ(predicted(all), all.cycles());
  EXPECT_EQ(predicted(half), half.cycles());
}

TEST(EstimateTest, QueuesOverlapUnlessTheyWait) {
  Instruction copy = make(copyBytes(l2(0), l1(0), 3200), {}, 0);
  Instruction vec = make(vecCopy(0, l1(65536), l1(131072), 100, 4));
  auto build = [&](bool wait) {
    ProgramBuilder builder;
    builder.program.kernels = {copyKernel(DType::F32)};
    builder.queue(Engine::Dma, {copy});
    Instruction second = vec;
    if (wait)
      second.waits = {{0, 1}};
    builder.queue(Engine::Vec, {second});
    return predicted(builder);
  };
  ProgramBuilder alone;
  alone.queue(Engine::Dma, {copy});
  EXPECT_EQ(build(false), predicted(alone));
  EXPECT_GT(build(true), predicted(alone));
}

TEST(EstimateTest, LayersSpanTheirInstructions) {
  ProgramBuilder builder;
  builder.program.layers = {
      {.name = "first"}, {.name = "second"}, {.name = "absent"}};
  uint32_t first = builder.location("a", "first");
  uint32_t second = builder.location("b", "second");
  std::vector<Instruction> copies(3, make(copyBytes(l2(0), l1(0), 3200)));
  copies[0].loc = copies[1].loc = first;
  copies[2].loc = second;
  builder.queue(Engine::Dma, copies);
  schedule::Estimate result =
      schedule::estimate(builder.program, builder.program.run);
  ASSERT_EQ(result.layerCycles.size(), 3u);
  EXPECT_EQ(result.layerCycles[0], 2 * result.layerCycles[1]);
  EXPECT_EQ(result.layerCycles[0] + result.layerCycles[1], result.cycles);
  EXPECT_EQ(result.layerCycles[2], 0u);
}

TEST(EstimateTest, AWaitThatNeverHoldsEnds) {
  ProgramBuilder builder;
  builder.queue(Engine::Dma, {make(copyBytes(l2(0), l1(0), 64)),
                              make(copyBytes(l2(0), l1(0), 64), {{5, 1}})});
  EXPECT_GT(predicted(builder), 0u);
  EXPECT_EQ(predicted(ProgramBuilder()), 0u);
}

/// Random traffic on all channels: close to the device model, and no execution
/// beats the bound.
TEST(EstimateTest, ContendedCopiesComeClose) {
  std::mt19937 random(21);
  double error = 0;
  constexpr int cases = 100;
  for (int i = 0; i < cases; ++i) {
    ProgramBuilder builder;
    size_t channels = 1 + random() % 4;
    for (size_t channel = 0; channel < channels; ++channel) {
      std::vector<Instruction> copies;
      for (size_t n = 1 + random() % 12; n; --n) {
        int64_t bytes = 64 * (1 + random() % 100);
        int64_t at = static_cast<int64_t>(channel) * 65536;
        copies.push_back(make(random() % 2 ? copyBytes(dram(at), l1(at), bytes)
                                           : copyBytes(l2(at), l1(at), bytes)));
      }
      builder.queue(Engine::Dma, copies, static_cast<uint8_t>(channel));
    }
    uint64_t simulated = builder.cycles();
    ASSERT_NE(simulated, UINT64_MAX);
    ASSERT_LE(bound(builder), simulated) << "case " << i;
    ASSERT_LE(bound(builder), predicted(builder) + 1) << "case " << i;
    double ratio = double(predicted(builder)) / double(simulated);
    EXPECT_GT(ratio, 0.7) << "case " << i;
    EXPECT_LT(ratio, 1.4) << "case " << i;
    error += std::abs(ratio - 1);
  }
  EXPECT_LT(error / cases, 0.1);
}

} // namespace
} // namespace cim::test
