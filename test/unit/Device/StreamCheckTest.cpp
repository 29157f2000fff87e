// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// checkStreams: everything but races, and its speed.
#include "cim/Device/StreamCheck.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "Builder.h"
#include "access/Access.h"

namespace cim::test {
namespace {

using testing::HasSubstr;

TEST(StreamCheck, EmptyProgramIsFine) {
  EXPECT_TRUE(checkStreams(ProgramBuilder().program).ok());
}

TEST(StreamCheck, Deadlock) {
  ProgramBuilder builder;
  builder.queue(Engine::Dma, {make(fillBytes(l1(0), 64), {{2, 3}}, 2)});
  absl::Status status = checkStreams(builder.program);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("run stage: deadlock: "));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("waits for semaphore 2 >= 3, count is 0 of 1 signals"));
}

TEST(StreamCheck, SegmentsAreReadOnly) {
  ProgramBuilder builder;
  builder.program.segments.push_back(
      {"weights", dram(1024), Blob(std::string(256, 'x'))});
  builder.program.segments.push_back(
      {"bias", dram(4096), Blob(std::string(16, 'x'))});
  DmaFill fill = fillBytes(dram(0), 1);
  fill.dims = {{4, 300}, {8, 1}}; // 0, 300, 600, 900
  builder.queue(Engine::Dma, {make(fill)}, 0);
  EXPECT_TRUE(checkStreams(builder.program).ok());
  builder.queue(Engine::Dma, {make(copyBytes(dram(1024), l1(0), 256))}, 1);
  EXPECT_TRUE(checkStreams(builder.program).ok());
  fill.dims = {{5, 300}, {8, 1}}; // 1200 is inside
  builder.program.run.queues[0].instructions[0].op = fill;
  std::optional<StreamFault> found = findStreamFault(builder.program);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->fault.code, FaultCode::ReadOnlyWrite);
  EXPECT_THAT(found->fault.message, HasSubstr("segment weights"));
}

TEST(StreamCheck, TilesMustHoldWhenRunAgain) {
  ProgramBuilder builder;
  builder.queue(Engine::WeightWrite, {make(writeTile(0, 16, 16, l1(0)))});
  builder.program.load = builder.program.run;
  builder.program.run = {};
  Mac mac = macTile(0, 4, 16, 16, l1(0), acc(0));
  builder.queue(Engine::Mac, {make(mac, {}, 1)});
  EXPECT_TRUE(checkStreams(builder.program).ok());
  // The first run destroys what the second needs.
  builder.queue(Engine::WeightWrite,
                {make(writeTile(0, 32, 32, l1(0)), {{1, 1}})});
  absl::Status status = checkStreams(builder.program);
  EXPECT_THAT(std::string(status.message()), HasSubstr("bad_tile"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("when run again"));
}

TEST(StreamCheck, MalformedLoops) {
  ProgramBuilder builder;
  builder.queue(Engine::Dma, {make(LoopBegin{2})});
  EXPECT_THAT(std::string(checkStreams(builder.program).message()),
              HasSubstr("LoopBegin without LoopEnd"));
}

/// Random programs against all pairs of instructions and the definition of
/// order by exhaustive stopping: the detector must find a race exactly when
/// there is one.
class RandomPrograms {
public:
  explicit RandomPrograms(uint32_t seed) : random(seed) {}

  ProgramBuilder make() {
    ProgramBuilder builder;
    for (uint8_t q = 0, n = uint8_t(2 + random() % 3); q < n; ++q) {
      std::vector<Instruction> list;
      for (int i = 1 + random() % 6; i > 0; --i) {
        std::vector<Wait> waits;
        while (random() % 2 == 0)
          waits.push_back({uint16_t(random() % 3), random() % 4});
        Operation op = Nop{};
        if (random() % 4) {
          DmaFill fill = fillBytes(l1(random() % 40), 1 + random() % 3);
          if (random() % 2)
            fill.dims.insert(fill.dims.begin(),
                             Dim{1 + int64_t(random() % 3), 7});
          if (random() % 2) {
            DmaCopy read = copyBytes(fill.dst, acc(q * 64), 1);
            read.sizes = {fill.dims.back().size};
            op = read;
          } else {
            op = fill;
          }
        }
        list.push_back(test::make(op, waits, int(random() % 4) - 1));
      }
      builder.queue(Engine::Dma, list, q);
    }
    return builder;
  }

private:
  std::mt19937 random;
};

std::vector<uint64_t> reachable(const Stage &stage, size_t stopped,
                                size_t stop) {
  std::vector<uint64_t> done(stage.queues.size()), counts(64);
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t q = 0; q < done.size(); ++q) {
      const std::vector<Instruction> &list = stage.queues[q].instructions;
      if (done[q] == list.size() || (q == stopped && done[q] == stop))
        continue;
      bool holds = true;
      for (const Wait &wait : list[done[q]].waits)
        holds &= counts[wait.id] >= wait.value;
      if (!holds)
        continue;
      if (list[done[q]].signal != kNoSemaphore)
        ++counts[list[done[q]].signal];
      ++done[q];
      moved = true;
    }
  }
  return done;
}

TEST(StreamCheck, RacesExactlyWhenTheDefinitionSays) {
  RandomPrograms programs(23);
  device::MemoryMap memories(roundTarget());
  device::TileTable tiles(roundTarget());
  int racy = 0, clean = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    ProgramBuilder builder = programs.make();
    const Stage &stage = builder.program.run;
    std::vector<uint64_t> all = reachable(stage, SIZE_MAX, 0);
    bool deadlock = false;
    for (size_t q = 0; q < all.size(); ++q)
      deadlock |= all[q] < stage.queues[q].instructions.size();
    bool race = false;
    auto accesses = [&](size_t q, size_t i) {
      std::vector<device::Access> list;
      device::enumerateAccesses(builder.program, memories, tiles, 0, 0,
                                stage.queues[q].instructions[i], list);
      return list;
    };
    for (size_t q = 0; q < all.size(); ++q)
      for (size_t i = 0; i < all[q]; ++i) {
        std::vector<uint64_t> without = reachable(stage, q, i);
        for (size_t w = q + 1; w < all.size(); ++w)
          for (size_t j = 0; j < all[w]; ++j) {
            if (j >= without[w] || i >= reachable(stage, w, j)[q])
              continue;
            for (const device::Access &a : accesses(q, i))
              for (const device::Access &b : accesses(w, j))
                race |= a.memory == b.memory && (a.write || b.write) &&
                        a.box.overlaps(b.box);
          }
      }
    std::optional<StreamFault> found = findStreamFault(builder.program);
    bool foundRace = found && found->fault.code == FaultCode::Race;
    ASSERT_EQ(foundRace, race) << "trial " << trial;
    ASSERT_EQ(found.has_value(), race || deadlock) << "trial " << trial;
    racy += race;
    clean += !race && !deadlock;
  }
  EXPECT_GT(racy, 300);
  EXPECT_GT(clean, 100);
}

/// A tiled pipeline over many layers: DMA in, weight writes, MACs, vector,
/// DMA out, double buffered, `cores` cores.
Program pipeline(uint64_t tiles, uint8_t cores) {
  TargetSpec target = roundTarget();
  target.coresPerChip = cores;
  target.semaphores = 64;
  ProgramBuilder builder(target);
  builder.program.kernels = {copyKernel(DType::F32)};
  for (uint8_t core = 0; core < cores; ++core) {
    uint16_t s = core * 8;
    uint16_t in = s, weights = s + 1, sums = s + 2, out = s + 3, stored = s + 4;
    std::vector<Instruction> load, write, mac, vec, store;
    for (uint64_t t = 0; t < tiles; ++t) {
      uint64_t slot = t % 2;
      auto after = [&](uint16_t id, uint64_t lag) {
        return t >= lag ? std::vector<Wait>{{id, t - lag + 1}}
                        : std::vector<Wait>{};
      };
      uint64_t home = (uint64_t(core) << 21) + t % 512 * 1024;
      load.push_back(make(copyBytes(dram(home), l1(slot * 1024), 1024),
                          after(sums, 2), in));
      write.push_back(make(writeTile(uint8_t(slot), 16, 16, l1(65536)),
                           after(sums, 2), weights));
      std::vector<Wait> waits{{in, t + 1}, {weights, t + 1}};
      if (t >= 2)
        waits.push_back({out, t - 1});
      mac.push_back(make(
          macTile(uint8_t(slot), 64, 16, 16, l1(slot * 1024), acc(slot * 4096)),
          waits, sums));
      waits = {{sums, t + 1}};
      if (t >= 2)
        waits.push_back({stored, t - 1});
      vec.push_back(
          make(vecCopy(0, acc(slot * 4096), l1(131072 + slot * 4096), 1024, 4),
               waits, out));
      store.push_back(make(
          copyBytes(l1(131072 + slot * 4096),
                    dram((1 << 23) + (uint64_t(core) << 21) + t % 256 * 4096),
                    4096),
          {{out, t + 1}}, stored));
    }
    builder.queue(Engine::Dma, load, 0, core);
    builder.queue(Engine::WeightWrite, write, 0, core);
    builder.queue(Engine::Mac, mac, 0, core);
    builder.queue(Engine::Vec, vec, 0, core);
    builder.queue(Engine::Dma, store, 1, core);
  }
  return builder.program;
}

TEST(StreamCheck, PipelineIsCleanAndABrokenWaitIsFound) {
  Program program = pipeline(200, 2);
  EXPECT_TRUE(checkStreams(program).ok()) << checkStreams(program);
  // Any MAC that does not wait for its activations races with the load.
  program.run.queues[2].instructions[150].waits[0].value = 150;
  std::optional<StreamFault> found = findStreamFault(program);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->fault.code, FaultCode::Race);
}

TEST(StreamCheck, HundredThousandInstructionsInWellUnderTwoSeconds) {
  Program program = pipeline(10000, 2);
  auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(checkStreams(program).ok());
  std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  RecordProperty("milliseconds", int(seconds.count() * 1000));
  EXPECT_LT(seconds.count(), 2.0);
}

} // namespace
} // namespace cim::test
