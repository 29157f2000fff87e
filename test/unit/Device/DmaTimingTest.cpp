// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// D4.1: cycles of DmaCopy and DmaFill alone.
#include <gtest/gtest.h>

#include "Builder.h"

namespace cim::test {
namespace {

uint64_t copyCycles(DmaCopy copy, TargetSpec target = roundTarget()) {
  return cyclesOf(std::move(copy), Engine::Dma, std::move(target));
}

TEST(DmaTiming, ChannelBound) {
  // 10 startup + 100 DRAM latency + 6400 / 32.
  EXPECT_EQ(copyCycles(copyBytes(dram(0), l1(0), 6400)), 310u);
}

TEST(DmaTiming, LatencyIsTheLargerSide) {
  EXPECT_EQ(copyCycles(copyBytes(dram(0), l2(0), 3200)), 10u + 100 + 100);
  EXPECT_EQ(copyCycles(copyBytes(l2(0), l1(0), 3200)), 10u + 30 + 100);
  EXPECT_EQ(copyCycles(copyBytes(l1(0), l1(4096), 3200)), 10u + 100);
}

TEST(DmaTiming, BothSidesOfOneMemoryAdd) {
  // 80 bytes per cycle on the channel: L1 moves 640 in and 640 out at 64.
  TargetSpec target = roundTarget();
  target.dmaBytesPerCycle = 80;
  EXPECT_EQ(copyCycles(copyBytes(l1(0), l1(4096), 640), target), 10u + 20);
}

TEST(DmaTiming, EndRoundsUp) {
  EXPECT_EQ(copyCycles(copyBytes(l2(0), l1(0), 33)), 10u + 30 + 2);
}

TEST(DmaTiming, ShortRunsInDramCostBursts) {
  DmaCopy copy;
  copy.src = dram(0);
  copy.dst = l1(0);
  copy.elemBytes = 4;
  copy.sizes = {100};
  copy.srcStrides = {256};
  copy.dstStrides = {4};
  // 100 bursts of 64 bytes at 40 per cycle.
  EXPECT_EQ(copyCycles(copy), 10u + 100 + 160);
}

TEST(DmaTiming, ShortRunsInL1CostAccesses) {
  DmaCopy copy;
  copy.src = l2(0);
  copy.dst = l1(0);
  copy.elemBytes = 4;
  copy.sizes = {10, 10};
  copy.srcStrides = {40, 4};
  copy.dstStrides = {4, 40};
  // 100 accesses of 32 bytes at 64 per cycle; the channel needs 12.5.
  EXPECT_EQ(copyCycles(copy), 10u + 30 + 50);
}

TEST(DmaTiming, BetweenChipsTheLinkCounts) {
  TargetSpec target = roundTarget();
  target.chips = 2;
  // Latencies of memory and link add; 640 bytes over the link at 10 per cycle.
  EXPECT_EQ(copyCycles(copyBytes(dram(0, 0), dram(0, 1), 640), target),
            10u + 100 + 1000 + 64);
  EXPECT_EQ(copyCycles(copyBytes(l1(0), l2(0, 1), 640), target),
            10u + 30 + 1000 + 64);
  EXPECT_EQ(copyCycles(copyBytes(l1(0), l2(0, 0), 640), target), 10u + 30 + 20);
}

TEST(DmaTiming, Fill) {
  EXPECT_EQ(cyclesOf(fillBytes(l1(0), 320), Engine::Dma), 10u + 10);
  EXPECT_EQ(cyclesOf(fillBytes(acc(0), 3200), Engine::Dma), 10u + 100);
  // 3200 bytes at 40 per cycle is less than the channel's 100 cycles.
  EXPECT_EQ(cyclesOf(fillBytes(dram(0), 3200), Engine::Dma), 10u + 100 + 100);
  DmaFill rows;
  rows.dst = dram(0);
  rows.elemBytes = 8;
  rows.dims = {{50, 4096}, {2, 8}};
  EXPECT_EQ(cyclesOf(rows, Engine::Dma), 10u + 100 + 50 * 64 / 40);
}

} // namespace
} // namespace cim::test
