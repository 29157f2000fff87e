// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// D4.3, D4.4: cycles of a MAC alone, after its tile has been written.
#include <gtest/gtest.h>

#include "Builder.h"

namespace cim::test {
namespace {

uint64_t macCycles(const WriteWeights &write, const Mac &mac,
                   TargetSpec target = roundTarget()) {
  ProgramBuilder builder(std::move(target));
  builder.queue(Engine::WeightWrite, {make(write, {}, 0)});
  builder.queue(Engine::Mac, {make(mac, {{0, 1}})});
  auto result = builder.simulate();
  if (Fault *fault = std::get_if<Fault>(&result)) {
    ADD_FAILURE() << fault->message;
    return 0;
  }
  return std::get<StageStats>(result).queues[1].busyCycles;
}

const WriteWeights tile = writeTile(0, 16, 16, l1(0));
const Mac mac100 = macTile(0, 100, 16, 16, l1(4096), acc(0));

TEST(MacTiming, RowsTimesPlanes) {
  EXPECT_EQ(macCycles(tile, mac100), 7u + 100 * 8);
}

TEST(MacTiming, MaskedPlanesAreNotIssued) {
  WriteWeights write = tile;
  write.planeMasks = {0x8b};
  EXPECT_EQ(macCycles(write, mac100), 7u + 100 * 4);
  write.planeMasks = {0};
  EXPECT_EQ(macCycles(write, mac100), 7u + 100); // C is at least 1
  write.planes = 5;
  write.planeMasks = {};
  EXPECT_EQ(macCycles(write, mac100), 7u + 100 * 5);
}

TEST(MacTiming, TheSlowestColumnGroupCounts) {
  WriteWeights write = writeTile(0, 16, 32, l1(0));
  write.planeMasks = {0x01, 0x3f};
  EXPECT_EQ(macCycles(write, macTile(0, 100, 16, 32, l1(4096), acc(0))),
            7u + 100 * 6);
}

TEST(MacTiming, SixteenBitActivationsTakeTwoPasses) {
  Mac mac = mac100;
  mac.actType = DType::I16;
  mac.m = {{100, 32}};
  mac.k = {{16, 2}};
  EXPECT_EQ(macCycles(tile, mac), 7u + 100 * 16);
}

TEST(MacTiming, CopiesShareTheRows) {
  WriteWeights write = tile;
  Mac mac = mac100;
  write.copies = write.copyCols = mac.copies = 3;
  write.copyColPitch = 16;
  EXPECT_EQ(macCycles(write, mac), 7u + 34 * 8);
}

TEST(MacTiming, BlockFloatingPoint) {
  WriteWeights write = tile;
  write.format = WeightFormat::Bfp;
  write.planes = 12;
  Mac mac = mac100;
  mac.actType = DType::F32;
  mac.m = {{100, 64}};
  mac.k = {{16, 4}};
  EXPECT_EQ(macCycles(write, mac), 7u + 100 * 13);
  write.planes = 16;
  EXPECT_EQ(macCycles(write, mac), 7u + 100 * 17);
}

TEST(MacTiming, ActivationFetchBinds) {
  WriteWeights write = tile;
  write.planeMasks = {0x01};
  Mac mac = mac100;
  mac.k = {{4, 512}, {4, 1}}; // 4 runs of 4 bytes, 32 each, at 64 per cycle
  EXPECT_EQ(macCycles(write, mac), 7u + 100 * 2);
  mac.k = {{4, 4}, {4, 1}}; // one run of 16 bytes
  EXPECT_EQ(macCycles(write, mac), 7u + 100);
}

TEST(MacTiming, AccumulatingDoublesAccTraffic) {
  TargetSpec target = roundTarget();
  target.accBytesPerCycle = 32;
  WriteWeights write = tile;
  write.planeMasks = {0x01};
  Mac mac = mac100;
  EXPECT_EQ(macCycles(write, mac, target), 7u + 100 * 64 / 32);
  mac.init = AccInit::Accumulate;
  EXPECT_EQ(macCycles(write, mac, target), 7u + 2 * 100 * 64 / 32);
}

TEST(MacTiming, StepsSwitchBetweenTilesOfDifferentPlanes) {
  ProgramBuilder builder;
  WriteWeights second = writeTile(1, 16, 16, l1(0));
  second.planeMasks = {0x03};
  builder.queue(Engine::WeightWrite, {make(tile), make(second, {}, 0)});
  builder.queue(Engine::Mac,
                {make(LoopBegin{3}), make(LoopBegin{2}),
                 make(mac100, {{0, 1}}, -1, {{StepField::Set, 0, 1, 1}}),
                 make(LoopEnd{}), make(LoopEnd{})});
  auto result = builder.simulate();
  ASSERT_TRUE(std::holds_alternative<StageStats>(result));
  const StageStats &stats = std::get<StageStats>(result);
  EXPECT_EQ(stats.queues[1].busyCycles, 3u * (7 + 800 + 7 + 200));
  EXPECT_EQ(stats.bitMacs, 3u * 100 * 16 * 16 * (8 + 2));
  EXPECT_EQ(stats.macs, 6u * 100 * 16 * 16);
}

TEST(MacTiming, TileMustMatchTheWrite) {
  for (auto change :
       {+[](Mac &mac) { mac.set = 1; }, +[](Mac &mac) { mac.row0 = 16; },
        +[](Mac &mac) { mac.cols = 8; }, +[](Mac &mac) { mac.copies = 2; }}) {
    ProgramBuilder builder;
    Mac mac = mac100;
    change(mac);
    builder.queue(Engine::WeightWrite, {make(tile, {}, 0)});
    builder.queue(Engine::Mac, {make(mac, {{0, 1}})});
    auto result = builder.simulate();
    ASSERT_TRUE(std::holds_alternative<Fault>(result));
    EXPECT_EQ(std::get<Fault>(result).code, FaultCode::BadTile);
    EXPECT_EQ(std::get<Fault>(result).at.queue, 1u);
  }
}

TEST(MacTiming, OverlappingWriteDestroysTheTile) {
  ProgramBuilder builder;
  WriteWeights big = writeTile(0, 32, 32, l1(0)); // covers macro (0, 0) too
  builder.queue(Engine::WeightWrite, {make(tile), make(big, {}, 0)});
  builder.queue(Engine::Mac, {make(mac100, {{0, 1}})});
  ASSERT_TRUE(std::holds_alternative<Fault>(builder.simulate()));
  // Elsewhere in the set it does not matter.
  builder.program.run.queues[0].instructions[1].op = [&] {
    WriteWeights other = tile;
    other.row0 = 16;
    return other;
  }();
  EXPECT_TRUE(std::holds_alternative<StageStats>(builder.simulate()));
}

} // namespace
} // namespace cim::test
