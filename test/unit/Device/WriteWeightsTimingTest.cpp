// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// D4.2: cycles of WriteWeights alone.
#include <gtest/gtest.h>

#include "Builder.h"

namespace cim::test {
namespace {

uint64_t writeCycles(WriteWeights write) {
  return cyclesOf(std::move(write), Engine::WeightWrite);
}

TEST(WriteWeightsTiming, AllPlanes) {
  // 8 planes * 16 rows * 2 bytes = 256 bytes at 20 per cycle.
  EXPECT_EQ(writeCycles(writeTile(0, 16, 16, l1(0))), 5u + 13);
}

TEST(WriteWeightsTiming, SourceLatency) {
  EXPECT_EQ(writeCycles(writeTile(0, 16, 16, l2(0))), 5u + 30 + 13);
  EXPECT_EQ(writeCycles(writeTile(0, 16, 16, dram(0))), 5u + 100 + 13);
}

TEST(WriteWeightsTiming, MaskedPlanesAreNotTransferred) {
  WriteWeights write = writeTile(0, 16, 32, l1(0));
  EXPECT_EQ(writeCycles(write), 5u + 26); // 512 bytes
  write.planeMasks = {0x0f, 0xff};        // (4 + 8) * 16 * 2 = 384 bytes
  EXPECT_EQ(writeCycles(write), 5u + 20);
  write.planes = 6;
  write.planeMasks = {0xff, 0xff}; // bits beyond the width do not exist
  EXPECT_EQ(writeCycles(write), 5u + 20);
}

TEST(WriteWeightsTiming, LastGroupMayBeNarrow) {
  WriteWeights write = writeTile(0, 16, 20, l1(0));
  // 8 planes * 16 rows * 3 bytes = 384.
  EXPECT_EQ(writeCycles(write), 5u + 20);
  // Group 0 whole: 8 * 16 * 2; group 1, columns 16 to 19: 1 plane * 16 * 1.
  write.planeMasks = {0xff, 0x01}; // 272 bytes
  EXPECT_EQ(writeCycles(write), 5u + 14);
}

TEST(WriteWeightsTiming, Formats) {
  WriteWeights write = writeTile(0, 16, 16, l1(0));
  write.format = WeightFormat::Int8; // 256 bytes
  write.rowStride = 16;
  write.colStride = 1;
  EXPECT_EQ(writeCycles(write), 5u + 13);
  write.format = WeightFormat::F16; // 512 bytes
  EXPECT_EQ(writeCycles(write), 5u + 26);
  write.format = WeightFormat::F32; // 1024 bytes
  EXPECT_EQ(writeCycles(write), 5u + 52);
  write.format = WeightFormat::Bfp; // 2 blocks * 16 + 512 bytes
  write.blockRows = 8;
  EXPECT_EQ(writeCycles(write), 5u + 28);
}

TEST(WriteWeightsTiming, CopiesAreWrittenAtOnce) {
  WriteWeights write = writeTile(0, 16, 16, l1(0));
  write.copies = write.copyCols = 4;
  write.copyColPitch = 16;
  EXPECT_EQ(writeCycles(write), 5u + 13);
}

TEST(WriteWeightsTiming, SlowSourceBinds) {
  WriteWeights write = writeTile(0, 16, 16, dram(0));
  TargetSpec target = roundTarget();
  target.dramBytesPerCycle = 16; // 8 effective: 256 bytes take 32 cycles
  EXPECT_EQ(cyclesOf(write, Engine::WeightWrite, target), 5u + 100 + 32);
}

} // namespace
} // namespace cim::test
