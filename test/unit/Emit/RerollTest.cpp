// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cim/Emit/Reroll.h"

#include <ctime>
#include <random>

#include "gtest/gtest.h"

namespace cim {
namespace {

Instruction copyOf(uint64_t src, uint64_t dst, uint32_t loc = 1) {
  DmaCopy copy;
  copy.src = {Space::DRAM, 0, src};
  copy.dst = {Space::L1, 0, dst};
  copy.sizes = {16};
  copy.srcStrides = copy.dstStrides = {1};
  Instruction instruction;
  instruction.op = copy;
  instruction.loc = loc;
  return instruction;
}

Instruction macOf(uint8_t set, uint64_t act, uint64_t acc) {
  Mac mac;
  mac.set = set;
  mac.act = {Space::L1, 0, act};
  mac.acc = {Space::ACC, 0, acc};
  mac.m = {{8, 64}};
  mac.k = {{64, 1}};
  mac.rows = 64;
  mac.cols = 32;
  mac.accStride = 128;
  Instruction instruction;
  instruction.op = mac;
  instruction.loc = 2;
  return instruction;
}

Program programOf(std::vector<Instruction> instructions) {
  Program program;
  program.run.queues.emplace_back().instructions = std::move(instructions);
  return program;
}
std::vector<Instruction> &queueOf(Program &program) {
  return program.run.queues.front().instructions;
}

/// Rerolls, and checks that the loops are well formed and mean the original.
Program checked(const Program &original, const RerollOptions &options = {}) {
  Program rolled = original;
  RerollStats stats = reroll(rolled, options);
  Program flat = original, again = rolled;
  unroll(flat);
  unroll(again);
  EXPECT_EQ(queueOf(flat), queueOf(again));
  EXPECT_EQ(stats.before, original.run.queues.front().instructions.size());
  EXPECT_EQ(stats.after, queueOf(rolled).size());
  EXPECT_LE(stats.after, stats.before);
  unsigned depth = 0;
  for (const Instruction &instruction : queueOf(rolled)) {
    for (const Step &step : instruction.steps)
      EXPECT_LT(step.loop, depth);
    if (std::holds_alternative<LoopEnd>(instruction.op)) {
      EXPECT_GT(depth, 0u);
      --depth;
    }
    depth += std::holds_alternative<LoopBegin>(instruction.op);
    EXPECT_LE(depth, 4u);
  }
  EXPECT_EQ(depth, 0u);
  return rolled;
}

TEST(Unroll, AppliesStepsOfAllLoops) {
  Instruction copy = copyOf(100, 0);
  copy.waits = {{3, 5}};
  copy.steps = {{StepField::Src, 0, 0, 1000},
                {StepField::Src, 0, 1, -10},
                {StepField::WaitValue, 0, 1, 2}};
  Program program = programOf({{.op = LoopBegin{2}},
                               {.op = LoopBegin{3}},
                               copy,
                               {.op = LoopEnd{}},
                               {.op = LoopEnd{}}});
  unroll(program);
  ASSERT_EQ(queueOf(program).size(), 6u);
  const Instruction &last = queueOf(program).back();
  EXPECT_EQ(std::get<DmaCopy>(last.op).src.offset, 100u + 1000 - 20);
  EXPECT_EQ(last.waits[0].value, 9u);
  EXPECT_TRUE(last.steps.empty());
}

TEST(Reroll, OneLoop) {
  std::vector<Instruction> stream;
  for (int i = 0; i < 50; ++i)
    stream.push_back(copyOf(64 * i, 4096 - 16 * i));
  Program rolled = checked(programOf(stream));
  ASSERT_EQ(queueOf(rolled).size(), 3u);
  EXPECT_EQ(std::get<LoopBegin>(queueOf(rolled)[0].op).count, 50u);
  std::vector<Step> expected = {{StepField::Src, 0, 0, 64},
                                {StepField::Dst, 0, 0, -16}};
  EXPECT_EQ(queueOf(rolled)[1].steps, expected);
}

TEST(Reroll, FourLevels) {
  std::vector<Instruction> stream;
  for (int a = 0; a < 5; ++a)
    for (int b = 0; b < 5; ++b)
      for (int c = 0; c < 5; ++c)
        for (int d = 0; d < 5; ++d)
          stream.push_back(copyOf(10000 * a + 1300 * b + 111 * c + 7 * d, 0));
  Program rolled = checked(programOf(stream));
  EXPECT_EQ(queueOf(rolled).size(), 9u);
}

TEST(Reroll, FiveLevelsUseFour) {
  std::vector<Instruction> stream;
  for (int a = 0; a < 4; ++a)
    for (int b = 0; b < 4; ++b)
      for (int c = 0; c < 4; ++c)
        for (int d = 0; d < 4; ++d)
          for (int e = 0; e < 4; ++e)
            stream.push_back(
                copyOf(90000 * a + 10000 * b + 1300 * c + 111 * d + 7 * e, 0));
  Program rolled = checked(programOf(stream));
  EXPECT_LE(queueOf(rolled).size(), 4u * 9u);
}

TEST(Reroll, RotatingSetsAndWaits) {
  std::vector<Instruction> stream;
  for (int i = 0; i < 40; ++i) {
    Instruction mac = macOf(i % 4, 512 * i, i % 2 * 1024);
    mac.waits = {{1, uint64_t(i + 1)}, {2, uint64_t(3 * i + 7)}};
    mac.signal = 5;
    stream.push_back(mac);
  }
  Program rolled = checked(programOf(stream));
  EXPECT_LE(queueOf(rolled).size(), 6u);
}

TEST(Reroll, LocationsSeparate) {
  std::vector<Instruction> stream;
  for (int i = 0; i < 60; ++i)
    stream.push_back(copyOf(64 * i, 0, i < 30 ? 1 : 2));
  Program rolled = checked(programOf(stream));
  EXPECT_EQ(queueOf(rolled).size(), 6u);
}

TEST(Reroll, SemaphoresSeparate) {
  std::vector<Instruction> stream;
  for (int i = 0; i < 6; ++i) {
    stream.push_back(copyOf(64 * i, 0));
    stream.back().signal = i;
  }
  Program rolled = checked(programOf(stream));
  EXPECT_EQ(queueOf(rolled), stream);
}

TEST(Reroll, NoGainNoLoop) {
  std::vector<Instruction> stream = {copyOf(0, 0), copyOf(64, 0),
                                     copyOf(128, 0)};
  Program rolled = checked(programOf(stream));
  EXPECT_EQ(queueOf(rolled), stream);
}

TEST(Reroll, Disabled) {
  std::vector<Instruction> stream(100, copyOf(0, 0));
  Program rolled = checked(programOf(stream), {.enabled = false});
  EXPECT_EQ(queueOf(rolled), stream);
}

TEST(Reroll, ExistingLoopsAreTokens) {
  std::vector<Instruction> stream;
  for (int i = 0; i < 20; ++i) {
    stream.push_back({.op = LoopBegin{8}, .loc = 3});
    Instruction copy = copyOf(1000 * i, 0);
    copy.steps = {{StepField::Src, 0, 0, 16}};
    stream.push_back(copy);
    stream.push_back({.op = LoopEnd{}, .loc = 4});
  }
  Program rolled = checked(programOf(stream));
  EXPECT_EQ(queueOf(rolled).size(), 5u);
  EXPECT_EQ(queueOf(rolled)[1].loc, 3u);
  EXPECT_EQ(queueOf(rolled)[3].loc, 4u);
}

TEST(Reroll, BodiesOfExistingLoops) {
  std::vector<Instruction> stream = {{.op = LoopBegin{8}}};
  for (int i = 0; i < 20; ++i) {
    Instruction copy = copyOf(100 * i, 0);
    // The second half advances differently with the outer loop.
    copy.steps = {{StepField::Src, 0, 0, i < 10 ? 4000 : 5000}};
    stream.push_back(copy);
  }
  stream.push_back({.op = LoopEnd{}});
  Program rolled = checked(programOf(stream));
  EXPECT_EQ(queueOf(rolled).size(), 8u);
}

TEST(Reroll, BoundariesThatWaitAndSignal) {
  std::vector<Instruction> stream;
  for (int i = 0; i < 20; ++i) {
    stream.push_back({.op = LoopBegin{8}, .waits = {{1, 3}}});
    stream.push_back(copyOf(1000 * i, 0));
    stream.push_back({.op = LoopEnd{}, .signal = 4});
  }
  Program rolled = checked(programOf(stream));
  EXPECT_EQ(queueOf(rolled).size(), 5u);
  // A wait that advances with the loop it ends stays where it is.
  for (size_t i = 2; i < stream.size(); i += 3) {
    stream[i].waits = {{2, 1}};
    stream[i].steps = {{StepField::WaitValue, 0, 0, 1}};
  }
  rolled = checked(programOf(stream));
  EXPECT_EQ(queueOf(rolled), stream);
}

TEST(Reroll, LongBodies) {
  // A body of 400 instructions that repeat nowhere within it.
  std::mt19937 rng(7);
  std::vector<std::pair<int, int>> body(400);
  for (auto &[src, dst] : body)
    src = rng() % 100000, dst = rng() % 100000;
  std::vector<Instruction> stream;
  for (int i = 0; i < 30; ++i)
    for (size_t k = 0; k < body.size(); ++k) {
      Instruction copy = copyOf(body[k].first + 64 * i, body[k].second);
      std::get<DmaCopy>(copy.op).sizes = {int64_t(1 + k % 37 + k / 50)};
      stream.push_back(copy);
    }
  Program rolled = checked(programOf(stream));
  EXPECT_LE(queueOf(rolled).size(), 402u);
}

TEST(Reroll, UnmatchedLoopsAreLeftAlone) {
  std::vector<Instruction> stream(20, copyOf(0, 0));
  stream.push_back({.op = LoopEnd{}});
  Program program = programOf(stream);
  reroll(program);
  EXPECT_EQ(queueOf(program), stream);
}

//===----------------------------------------------------------------------===//
// Random structured streams
//===----------------------------------------------------------------------===//

class RandomStream {
public:
  explicit RandomStream(uint64_t seed) : rng(seed) {}

  std::vector<Instruction> make() {
    std::vector<Instruction> out;
    for (int i = 0, n = 1 + pick(4); i < n; ++i)
      addItem(out, 0);
    return out;
  }

private:
  int pick(int below) { return int(rng() % uint64_t(below)); }

  void addItem(std::vector<Instruction> &out, unsigned depth) {
    if (depth < 4 && pick(3) != 0) {
      out.push_back({.op = LoopBegin{uint64_t(1 + pick(6))}});
      for (int i = 0, n = 1 + pick(4); i < n; ++i)
        addItem(out, depth + 1);
      out.push_back({.op = LoopEnd{}});
      return;
    }
    out.push_back(makeInstruction(depth));
  }

  Instruction makeInstruction(unsigned depth) {
    Instruction instruction;
    switch (pick(4)) {
    case 0:
      instruction = copyOf(1000000 + pick(4) * 64, 1000000, pick(2));
      break;
    case 1:
      instruction = macOf(100 + pick(2), 1000000, 1000000);
      break;
    case 2: {
      Vec vec;
      vec.kernel = pick(2);
      vec.sizes = {4, 4};
      vec.indexBase = {100000, 100000};
      for (int i = 0; i < 3; ++i)
        vec.operands.push_back({{Space::L1, 0, 1000000}, {16, 4}, {}});
      instruction.op = vec;
      break;
    }
    default:
      break;
    }
    for (int i = 0, n = pick(3); i < n; ++i)
      instruction.waits.push_back({uint16_t(pick(3)), 1000000});
    if (pick(2))
      instruction.signal = pick(2);
    for (unsigned loop = 0; loop < depth; ++loop)
      addSteps(instruction, loop);
    return instruction;
  }

  void addSteps(Instruction &instruction, unsigned loop) {
    auto add = [&](StepField field, uint8_t index, int scale) {
      if (pick(2))
        instruction.steps.push_back(
            {field, index, uint8_t(loop), int64_t(pick(7) - 3) * scale});
    };
    bool isMac = std::holds_alternative<Mac>(instruction.op);
    if (isMac || std::holds_alternative<DmaCopy>(instruction.op)) {
      add(StepField::Src, 0, 64);
      add(StepField::Dst, 0, 16);
    }
    if (isMac)
      add(StepField::Set, 0, 1);
    if (std::holds_alternative<Vec>(instruction.op)) {
      add(StepField::Operand, pick(3), 4);
      add(StepField::IndexBase, pick(2), 1);
    }
    for (size_t i = 0; i < instruction.waits.size(); ++i)
      add(StepField::WaitValue, uint8_t(i), 1);
  }

  std::mt19937_64 rng;
};

TEST(Reroll, RandomStreamsKeepTheirMeaning) {
  uint64_t before = 0, after = 0;
  for (uint64_t seed = 0; seed < 120; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::vector<Instruction> looped = RandomStream(seed).make();
    // As it is, with its loops, and flattened.
    checked(programOf(looped));
    Program flat = programOf(looped);
    unroll(flat);
    if (queueOf(flat).size() > 4000)
      continue;
    Program rolled = checked(flat);
    before += queueOf(flat).size();
    after += queueOf(rolled).size();
    for (unsigned depth : {0u, 1u, 2u})
      checked(flat, {.maxDepth = depth});
    if (HasFailure())
      return;
  }
  EXPECT_LT(after * 4, before);
}

TEST(Reroll, Deterministic) {
  Program flat = programOf(RandomStream(3).make());
  unroll(flat);
  Program a = flat, b = flat;
  reroll(a), reroll(b);
  EXPECT_EQ(queueOf(a), queueOf(b));
}

/// Processor time: independent of what else the machine does.
double secondsToReroll(Program program) {
  std::clock_t start = std::clock();
  reroll(program);
  return double(std::clock() - start) / CLOCKS_PER_SEC;
}

TEST(Reroll, HundredThousandInstructionsAreFast) {
  std::mt19937_64 rng(11);
  std::vector<Instruction> regular, random, sizes;
  for (int i = 0; i < 100000; ++i) {
    regular.push_back(copyOf(64 * i, 16 * (i % 10)));
    random.push_back(copyOf(rng() % 1000000, rng() % 1000000));
    sizes.push_back(copyOf(rng() % 1000000, 0));
    std::get<DmaCopy>(sizes.back().op).sizes = {int64_t(1 + rng() % 8)};
  }
  EXPECT_LT(secondsToReroll(programOf(regular)), 1);
  EXPECT_LT(secondsToReroll(programOf(random)), 1);
  EXPECT_LT(secondsToReroll(programOf(sizes)), 1);
}

} // namespace
} // namespace cim
