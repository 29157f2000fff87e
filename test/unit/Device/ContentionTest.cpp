// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// D5.1: running instructions share resources max-min fairly.
#include <gtest/gtest.h>

#include <random>

#include "Builder.h"
#include "timing/Cost.h"
#include "timing/Sharing.h"

namespace cim::test {
namespace {

/// The DMA channel asks for as much as DRAM gives.
TargetSpec fastDma() {
  TargetSpec target = roundTarget();
  target.dmaBytesPerCycle = 40;
  return target;
}

std::vector<uint64_t> ends(const ProgramBuilder &builder) {
  auto result = builder.simulate(/*trace=*/true);
  std::vector<uint64_t> ends(builder.program.run.queues.size());
  if (Fault *fault = std::get_if<Fault>(&result)) {
    ADD_FAILURE() << fault->message;
    return ends;
  }
  for (const TraceEvent &event : std::get<StageStats>(result).trace)
    ends[event.queue] = std::max(ends[event.queue], event.end);
  return ends;
}

TEST(Contention, TwoEqualTransfersTakeTwiceAsLong) {
  ProgramBuilder builder(fastDma());
  builder.queue(Engine::Dma, {make(copyBytes(dram(0), l1(0), 6400))}, 0);
  EXPECT_EQ(ends(builder), std::vector<uint64_t>({110 + 160}));
  builder.queue(Engine::Dma, {make(copyBytes(dram(8192), l1(8192), 6400))}, 1);
  EXPECT_EQ(ends(builder), std::vector<uint64_t>({110 + 320, 110 + 320}));
}

TEST(Contention, TheShorterEndsAndTheLongerSpeedsUp) {
  ProgramBuilder builder(fastDma());
  builder.queue(Engine::Dma, {make(copyBytes(dram(0), l1(0), 6400))}, 0);
  builder.queue(Engine::Dma, {make(copyBytes(dram(8192), l1(8192), 3200))}, 1);
  // Half speed until the shorter ends after 160 cycles, then full speed.
  EXPECT_EQ(ends(builder), std::vector<uint64_t>({110 + 240, 110 + 160}));
}

TEST(Contention, SharesAreInProportionToDemand) {
  // A strided read asks 64 bytes of DRAM for 4 delivered: DRAM alone binds it.
  // 40 + 40 bytes per cycle are asked of 40.
  ProgramBuilder builder(fastDma());
  DmaCopy strided;
  strided.src = dram(1 << 20);
  strided.dst = l1(0);
  strided.elemBytes = 4;
  strided.sizes = {100};
  strided.srcStrides = {256};
  strided.dstStrides = {4};
  builder.queue(Engine::Dma, {make(strided)}, 0);
  builder.queue(Engine::Dma, {make(copyBytes(dram(0), l1(8192), 6400))}, 1);
  EXPECT_EQ(ends(builder), std::vector<uint64_t>({110 + 320, 110 + 320}));
  // With a channel of 20 bytes per cycle the dense copy asks for half of DRAM:
  // speeds 40 / 60, and the strided one (160 alone) ends first.
  builder.program.target.dmaBytesPerCycle = 20;
  // 240 cycles for the strided one; the dense one has done 160 of 320 then.
  EXPECT_EQ(ends(builder), std::vector<uint64_t>({110 + 240, 110 + 400}));
}

TEST(Contention, NoContentionWhenDemandsFit) {
  TargetSpec target = roundTarget();
  target.dmaBytesPerCycle = 20;
  ProgramBuilder builder(target);
  builder.queue(Engine::Dma, {make(copyBytes(dram(0), l1(0), 1920))}, 0);
  builder.queue(Engine::Dma, {make(copyBytes(dram(8192), l1(8192), 1920))}, 1);
  EXPECT_EQ(ends(builder), std::vector<uint64_t>({206, 206}));
}

TEST(Contention, ThreeWayMaxMin) {
  TargetSpec target = fastDma();
  target.l1BytesPerCycle = 50;
  ProgramBuilder builder(target);
  // DRAM is shared by the first two, L1 by the last two.
  builder.queue(Engine::Dma, {make(copyBytes(dram(0), l2(0), 6400))}, 0);
  builder.queue(Engine::Dma, {make(copyBytes(dram(8192), l1(0), 6400))}, 1);
  builder.queue(Engine::Dma, {make(copyBytes(l2(8192), l1(8192), 6400))}, 2);
  // The third runs alone from 40 to 110 (70 of 160 done). Then DRAM gives the
  // first two half speed: 20 of L1's 50 bytes; the third asks for 40 and gets
  // 30: speed 3/4, 120 more cycles.
  EXPECT_EQ(ends(builder), std::vector<uint64_t>({430, 430, 230}));
}

TEST(Contention, MacSlowsWithDma) {
  // A fetch-bound MAC and a DMA both want all of L1.
  ProgramBuilder builder;
  builder.program.target.dmaBytesPerCycle = 64;
  WriteWeights write = writeTile(0, 16, 16, l1(0));
  write.planeMasks = {0x01};
  Mac mac = macTile(0, 100, 16, 16, l1(4096), acc(0));
  mac.k = {{4, 512}, {4, 1}}; // 200 cycles of L1
  builder.queue(Engine::WeightWrite, {make(write, {}, 0)});
  builder.queue(Engine::Mac, {make(mac, {{0, 1}})});
  builder.queue(Engine::Dma,
                {make(copyBytes(acc(65536), l1(65536), 64 * 100), {{0, 1}})});
  auto result = builder.simulate(true);
  ASSERT_TRUE(std::holds_alternative<StageStats>(result));
  const StageStats &stats = std::get<StageStats>(result);
  // MAC transfers from 7, DMA from 10: 3 done; both at half speed until the
  // DMA has moved its 100: 200 cycles, to 210; the MAC has done 103 of 200.
  EXPECT_EQ(stats.queues[2].busyCycles, 10u + 200);
  EXPECT_EQ(stats.queues[1].busyCycles, 210u + 97);
  EXPECT_EQ(stats.queues[1].computeCycles, 7u + 200);
}

TEST(Contention, LinkDirectionsAreSeparate) {
  TargetSpec target = roundTarget();
  target.chips = 2;
  ProgramBuilder builder(target);
  builder.queue(Engine::Dma, {make(copyBytes(l2(0, 0), l2(0, 1), 1000))}, 0);
  builder.queue(Engine::Dma, {make(copyBytes(l2(4096, 1), l2(4096, 0), 1000))},
                0, 0, 1);
  EXPECT_EQ(builder.cycles(), 10u + 30 + 1000 + 100);
  builder.queue(Engine::Dma, {make(copyBytes(l2(8192, 0), l2(8192, 1), 1000))},
                1);
  EXPECT_EQ(builder.cycles(), 10u + 30 + 1000 + 200);
}

/// Progressive filling in small steps, on all transfers and resources.
std::vector<double>
naiveSpeeds(const device::ResourceMap &resources,
            const std::vector<device::InstructionCost> &all) {
  std::vector<double> speeds(all.size());
  std::vector<bool> stopped(all.size());
  const double step = 1e-4;
  for (double level = step; level <= 1 + step / 2; level += step) {
    for (size_t i = 0; i < all.size(); ++i)
      if (!stopped[i])
        speeds[i] = level;
    for (uint32_t r = 0; r < resources.size(); ++r) {
      double load = 0;
      for (size_t i = 0; i < all.size(); ++i)
        for (const device::Demand &demand : all[i].demands)
          if (demand.resource == r)
            load += speeds[i] * demand.bytes() / all[i].soloCycles;
      if (load < resources.rate(r))
        continue;
      for (size_t i = 0; i < all.size(); ++i)
        for (const device::Demand &demand : all[i].demands)
          if (demand.resource == r)
            stopped[i] = true;
    }
  }
  return speeds;
}

TEST(Contention, SpeedsMatchProgressiveFilling) {
  TargetSpec target = roundTarget();
  target.coresPerChip = 2;
  target.chips = 2;
  device::ResourceMap resources(target);
  std::mt19937 random(11);
  for (int trial = 0; trial < 40; ++trial) {
    std::vector<device::InstructionCost> costs(2 + random() % 6);
    device::Sharing sharing(resources, costs.size());
    for (uint32_t i = 0; i < costs.size(); ++i) {
      device::InstructionCost &cost = costs[i];
      for (uint32_t r = 0; r < resources.size(); ++r)
        if (random() % 4 == 0)
          cost.demands.push_back({r, 100 + random() % 4000, 0});
      cost.engineCycles = cost.soloCycles = 10 + random() % 50;
      for (const device::Demand &demand : cost.demands)
        cost.soloCycles = std::max(
            cost.soloCycles, demand.bytes() / resources.rate(demand.resource));
      // One by one, so that the incremental solution is what is tested.
      sharing.start(i, cost, 0);
      sharing.settle(0, [](uint32_t, uint64_t) {});
    }
    std::vector<double> expected = naiveSpeeds(resources, costs);
    for (uint32_t i = 0; i < costs.size(); ++i)
      ASSERT_NEAR(sharing.speed(i), expected[i], 4e-4) << "trial " << trial;
    // The first leaves: the rest must rise as if it had never been.
    sharing.finish(0);
    sharing.settle(0, [](uint32_t, uint64_t) {});
    std::vector<device::InstructionCost> rest(costs.begin() + 1, costs.end());
    expected = naiveSpeeds(resources, rest);
    for (uint32_t i = 0; i < rest.size(); ++i)
      ASSERT_NEAR(sharing.speed(i + 1), expected[i], 4e-4) << "trial " << trial;
  }
}

} // namespace
} // namespace cim::test
