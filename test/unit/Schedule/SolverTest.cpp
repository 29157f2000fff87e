// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Properties of the search on random problems and targets: legal, above its
// bound, better with every freedom than without.
#include "cim/Schedule/Solver.h"

#include <random>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace {

using namespace cim::schedule;
using cim::TargetSpec;

int64_t below(std::mt19937 &random, int64_t n) {
  return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
}
int64_t pick(std::mt19937 &random, std::initializer_list<int64_t> values) {
  return values.begin()[below(random, static_cast<int64_t>(values.size()))];
}

MacProblem randomProblem(std::mt19937 &random) {
  MacProblem p;
  bool conv = below(random, 2);
  size_t rank = conv ? 2 + below(random, 3) : 1 + below(random, 2);
  for (size_t i = 0; i < rank; ++i) {
    MDim dim;
    if (conv && i > 0) { // the first dimension is the batch
      dim.kernel = pick(random, {1, 1, 2, 3, 3, 5});
      dim.step = pick(random, {1, 1, 2});
      dim.dilation = pick(random, {1, 1, 2});
      dim.pad = below(random, dim.kernel);
      dim.inSize = (dim.kernel - 1) * dim.dilation + 1 + below(random, 30);
      dim.size = (dim.inSize - (dim.kernel - 1) * dim.dilation - 1) / dim.step;
      dim.size += 1;
    } else {
      dim.size = dim.inSize = pick(random, {1, 1, 2, 7, 64, 197});
    }
    p.m.push_back(dim);
  }
  p.channels = pick(random, {1, 3, 5, 16, 64, 100, 768});
  p.n = pick(random, {1, 4, 10, 17, 64, 300});
  p.bfp = below(random, 3) == 0;
  p.planes = p.bfp ? 12 : static_cast<int>(4 + below(random, 5));
  p.actBytes = p.bfp ? pick(random, {2, 4}) : 1;
  if (conv && below(random, 3) == 0) {
    p.groups = pick(random, {2, 8, 30});
    if (below(random, 2)) { // depthwise
      p.channels = 1;
      p.n = pick(random, {1, 2});
    }
  } else if (!conv && below(random, 3) == 0) {
    p.batch = pick(random, {2, 12});
    p.computedWeights = true;
  }
  p.vectorSlots = static_cast<int>(1 + below(random, 12));
  p.sfuSlots = static_cast<int>(below(random, 3));
  p.outBytes = pick(random, {1, 2, 4});
  p.inBytes = pick(random, {0, 0, 1, 4});
  return p;
}

TargetSpec randomTarget(std::mt19937 &random) {
  TargetSpec t = *TargetSpec::load(below(random, 3) ? "tiny" : "m50");
  t.coresPerChip = static_cast<uint32_t>(pick(random, {1, 2, 3, 4}));
  t.weightSets = static_cast<uint32_t>(pick(random, {1, 2, 4}));
  t.dualPort = below(random, 4) != 0;
  if (below(random, 2))
    t.macroRows = t.macroCols = t.planeSkipColumns =
        static_cast<uint32_t>(pick(random, {8, 16, 32, 64}));
  t.macrosDown = static_cast<uint32_t>(pick(random, {1, 2, 4}));
  t.macrosAcross = static_cast<uint32_t>(pick(random, {1, 2, 4}));
  t.bfpBlockRows = static_cast<uint32_t>(
      std::min<int64_t>(t.macroRows, pick(random, {8, 16, 64})));
  return t;
}

SearchOptions randomOptions(std::mt19937 &random) {
  SearchOptions o;
  o.weights = below(random, 2) ? Home::L2 : Home::Dram;
  o.splitCores = below(random, 2);
  o.overlap = below(random, 2);
  o.copies = below(random, 2);
  o.exhaustive = below(random, 4) != 0;
  return o;
}

class SolverTest : public testing::TestWithParam<uint32_t> {
protected:
  SolverTest() : random(GetParam()) {}
  std::mt19937 random;
};

TEST_P(SolverTest, SchedulesAreLegalAndAboveTheBound) {
  for (int i = 0; i < 4; ++i) {
    MacProblem p = randomProblem(random);
    TargetSpec t = randomTarget(random);
    ASSERT_TRUE(t.validate().ok()) << t.validate();
    SearchOptions o = randomOptions(random);
    absl::StatusOr<SearchResult> result = solve(p, t, o);
    ASSERT_TRUE(result.ok()) << result.status();
    const MacSchedule &best = result->best;
    EXPECT_TRUE(validate(p, best, t).ok()) << validate(p, best, t);
    EXPECT_GT(result->evaluated, 0u);
    // What it promises is what the simulation says, or else the cost model.
    uint64_t budget = UINT64_MAX;
    double bound = lowerBound(p, t, best.weights);
    double promised = result->simulated
                          ? std::max(bound, *simulate(p, best, t, budget))
                          : predict(p, best, t).total;
    EXPECT_EQ(promised, result->cost.total);
    EXPECT_EQ(best.cycles, static_cast<int64_t>(promised));
    EXPECT_GE(promised, bound);
    EXPECT_LE(best.bound, best.cycles);
    EXPECT_GT(bound, 0);
    // Switched off means off.
    if (!o.splitCores)
      EXPECT_EQ(best.cores, 1);
    if (!o.overlap)
      EXPECT_EQ(best.sets, 1);
    if (!o.copies)
      EXPECT_EQ(best.copies, 1);
    EXPECT_EQ(best.weights, p.computedWeights ? Home::Computed : o.weights);
  }
}

/// The random search never loses, and is the same for the same seed.
TEST_P(SolverTest, ExplorationOnlyImproves) {
  MacProblem p = randomProblem(random);
  TargetSpec t = randomTarget(random);
  SearchOptions o = randomOptions(random);
  o.exhaustive = true;
  absl::StatusOr<SearchResult> plain = solve(p, t, o);
  ASSERT_TRUE(plain.ok()) << plain.status();
  o.exploration = 5000;
  o.seed = 7;
  absl::StatusOr<SearchResult> first = solve(p, t, o);
  absl::StatusOr<SearchResult> second = solve(p, t, o);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_LE(first->cost.total, plain->cost.total);
  EXPECT_EQ(first->best, second->best);
  EXPECT_TRUE(validate(p, first->best, t).ok());
  if (!o.splitCores)
    EXPECT_EQ(first->best.cores, 1);
  if (!o.overlap)
    EXPECT_EQ(first->best.sets, 1);
  if (!o.copies)
    EXPECT_EQ(first->best.copies, 1);
}

/// Every combination of the switches, each never better than with all on.
TEST_P(SolverTest, FreedomNeverCostsCycles) {
  MacProblem p = randomProblem(random);
  TargetSpec t = randomTarget(random);
  // By the cost model alone: what is simulated depends on its ranking.
  SearchOptions all;
  all.simulation = 0;
  absl::StatusOr<SearchResult> best = solve(p, t, all);
  ASSERT_TRUE(best.ok()) << best.status();
  for (unsigned bits = 0; bits < 16; ++bits) {
    SearchOptions o;
    o.simulation = 0;
    o.splitCores = bits & 1;
    o.exhaustive = bits & 8;
    o.overlap = bits & 2;
    o.copies = bits & 4;
    absl::StatusOr<SearchResult> result = solve(p, t, o);
    ASSERT_TRUE(result.ok()) << "switches " << bits << ": " << result.status();
    EXPECT_TRUE(validate(p, result->best, t).ok());
    // The same freedom, searched to the end.
    SearchOptions full = o;
    full.exhaustive = true;
    absl::StatusOr<SearchResult> exhaustive = solve(p, t, full);
    ASSERT_TRUE(exhaustive.ok());
    EXPECT_LE(exhaustive->cost.total, result->cost.total)
        << "switches " << bits;
    // One core is in the mapspace of several.
    if (o.overlap && o.copies)
      EXPECT_LE(best->cost.total, result->cost.total) << "switches " << bits;
  }
}

TEST_P(SolverTest, SameProblemSameAnswer) {
  MacProblem p = randomProblem(random);
  TargetSpec t = randomTarget(random);
  SearchOptions o = randomOptions(random);
  absl::StatusOr<SearchResult> a = solve(p, t, o), b = solve(p, t, o);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->best, b->best);
  EXPECT_EQ(a->evaluated, b->evaluated);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SolverTest,
                         testing::Range(uint32_t(0), uint32_t(100)));

/// 64 rows, 32 x 32 weights: fits "tiny" without any split.
MacProblem smallProblem() {
  MacProblem p;
  p.m = {MDim{.size = 16, .inSize = 16}};
  p.channels = p.n = 32;
  return p;
}
MacSchedule smallSchedule() {
  MacSchedule s;
  s.m = {16};
  s.n = 32;
  s.kChannels = 32;
  s.kKernel = {1};
  return s;
}

struct Broken {
  const char *why;
  void (*change)(MacProblem &, MacSchedule &);
};

class ValidatorTest : public testing::TestWithParam<Broken> {};

TEST_P(ValidatorTest, NamesTheRule) {
  TargetSpec t = *TargetSpec::load("tiny");
  t.bfpBlockRows = 8;
  MacProblem p = smallProblem();
  MacSchedule s = smallSchedule();
  ASSERT_TRUE(validate(p, s, t).ok()) << validate(p, s, t);
  GetParam().change(p, s);
  absl::Status status = validate(p, s, t);
  ASSERT_FALSE(status.ok());
  EXPECT_TRUE(absl::StrContains(status.message(), GetParam().why))
      << status.message();
}

const Broken broken[] = {
    {"row tiles", [](MacProblem &, MacSchedule &s) { s.m.push_back(1); }},
    {"kernel tiles", [](MacProblem &, MacSchedule &s) { s.kKernel.clear(); }},
    {"not positive", [](MacProblem &, MacSchedule &s) { s.m[0] = 0; }},
    {"not positive", [](MacProblem &, MacSchedule &s) { s.kKernel[0] = 0; }},
    {"n = 33", [](MacProblem &, MacSchedule &s) { s.n = 33; }},
    {"n = 0", [](MacProblem &, MacSchedule &s) { s.n = 0; }},
    {"k tile has 33 channels",
     [](MacProblem &p, MacSchedule &s) { p.channels = s.kChannels = 33; }},
    {"k tile has", [](MacProblem &, MacSchedule &s) { s.kChannels = 0; }},
    {"k tile has 96 rows",
     [](MacProblem &p, MacSchedule &s) { p.m[0].kernel = s.kKernel[0] = 3; }},
    {"must not be reordered",
     [](MacProblem &p, MacSchedule &s) {
       p.bfp = true; // blocks of 8 channels; 2 of 4 kernel positions
       p.m[0].kernel = 4;
       s.kKernel[0] = 2;
       p.channels = 24;
       s.kChannels = 12;
     }},
    {"cuts a block",
     [](MacProblem &p, MacSchedule &s) {
       p.bfp = true;
       p.channels = 64;
       s.kChannels = 20;
     }},
    {"2 groups of 16 channels share a tile",
     [](MacProblem &p, MacSchedule &s) {
       p.groups = 2;
       p.channels = p.n = s.kChannels = 16;
     }},
    {"weights = computed",
     [](MacProblem &, MacSchedule &s) { s.weights = Home::Computed; }},
    {"weights = computed",
     [](MacProblem &p, MacSchedule &) { p.computedWeights = true; }},
    {"accumulators and multipliers take",
     [](MacProblem &, MacSchedule &s) { s.accBlock = INT64_MAX; }},
    {"k tile has",
     [](MacProblem &, MacSchedule &s) { s.kChannels = INT64_MAX; }},
    {"sets = 3", [](MacProblem &, MacSchedule &s) { s.sets = 3; }},
    {"cores = 3", [](MacProblem &, MacSchedule &s) { s.cores = 3; }},
    {"cores = 0", [](MacProblem &, MacSchedule &s) { s.cores = 0; }},
    {"copies = 2", [](MacProblem &, MacSchedule &s) { s.copies = 2; }},
    {"accumulators and multipliers take",
     [](MacProblem &, MacSchedule &s) { s.accBlock = 5; }},
    {"acc_block = 0", [](MacProblem &, MacSchedule &s) { s.accBlock = 0; }},
    {"an activation tile takes",
     [](MacProblem &p, MacSchedule &s) {
       p.m[0].size = s.m[0] = 8;
       p.m[0].step = 300;
       p.m[0].kernel = s.kKernel[0] = 2;
       s.kChannels = 8;
     }},
    {"not all of those inside",
     [](MacProblem &p, MacSchedule &s) {
       p.bfp = true;
       p.channels = s.kChannels = 8;
       p.m.push_back(MDim{.size = 1, .kernel = 2, .inSize = 2});
       p.m[0].kernel = 2;
       s.m = {1, 1};
       s.kKernel = {2, 1};
     }},
};
INSTANTIATE_TEST_SUITE_P(Rules, ValidatorTest, testing::ValuesIn(broken));

TEST(SolverErrorTest, TooSmallTargetsAreNamed) {
  TargetSpec t = *TargetSpec::load("tiny");
  MacProblem p = smallProblem();
  p.channels = 1 << 20;
  p.n = 16;
  t.l1Bytes = 16;
  absl::StatusOr<SearchResult> result = solve(p, t, {});
  ASSERT_FALSE(result.ok());
  EXPECT_TRUE(
      absl::StrContains(result.status().message(), "no tile fits the target"));
  EXPECT_TRUE(absl::StrContains(result.status().message(), "L1"));
}

/// Every product has a schedule on every target that can hold one row of a
/// block and one column.
TEST(SolverErrorTest, SmallTargetsAreLargeEnough) {
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    MacProblem p = randomProblem(random);
    if (below(random, 4) == 0) // windows that L1 cannot hold
      p.m.back().kernel = p.m.back().inSize = pick(random, {40, 700});
    TargetSpec t = *TargetSpec::load("tiny");
    t.macroRows = static_cast<uint32_t>(pick(random, {1, 3, 16}));
    t.macroCols = static_cast<uint32_t>(pick(random, {1, 8, 25}));
    t.macrosDown = static_cast<uint32_t>(pick(random, {1, 4}));
    t.macrosAcross = static_cast<uint32_t>(pick(random, {1, 3}));
    t.planeSkipColumns = 1;
    t.accBytes =
        static_cast<uint32_t>(std::max<int64_t>(64, 4 * t.arrayCols()));
    t.l1Bytes = 1024;
    ASSERT_TRUE(t.validate().ok()) << t.validate();
    SearchOptions o = randomOptions(random);
    absl::StatusOr<SearchResult> result = solve(p, t, o);
    ASSERT_TRUE(result.ok()) << i << ": " << result.status();
    EXPECT_TRUE(validate(p, result->best, t).ok());
  }
}

TargetSpec arrayOf(uint32_t rows, uint32_t cols) {
  TargetSpec t = *TargetSpec::load("tiny");
  t.macroRows = rows;
  t.macroCols = cols;
  t.macrosDown = t.macrosAcross = 1;
  return t;
}

TEST(BlockTest, FitsTheArray) {
  TargetSpec t = arrayOf(64, 64);
  t.bfpBlockRows = 64;
  EXPECT_EQ(bfpBlock(t), 64);
  t.macroRows = 20;
  EXPECT_EQ(bfpBlock(t), 20);
}

TEST(GroupsPerTileTest, FillsTheArrayWithWholeGroups) {
  MacProblem p;
  p.m = {MDim{.size = 8, .kernel = 3, .inSize = 10}};
  p.groups = 12;
  p.channels = p.n = 1;
  // 3 rows and 1 column a group; 12 groups in 36 rows.
  EXPECT_EQ(groupsPerTile(p, arrayOf(64, 64)), 12);
  EXPECT_EQ(groupsPerTile(p, arrayOf(32, 32)), 6); // 10 fit, 6 divides 12
  EXPECT_EQ(groupsPerTile(p, arrayOf(64, 5)), 4);
  EXPECT_EQ(groupsPerTile(p, arrayOf(2, 64)), 1); // a group that must be split
  TargetSpec little = arrayOf(64, 64);
  little.l1Bytes = 50; // 21 bytes are a region's, a group's window takes 3
  EXPECT_EQ(groupsPerTile(p, little), 6);
  p.bfp = true; // blocks must not hold other groups' zeros
  EXPECT_EQ(groupsPerTile(p, arrayOf(64, 64)), 1);
  p.bfp = false;
  p.groups = 1;
  EXPECT_EQ(groupsPerTile(p, arrayOf(64, 64)), 1);
}

} // namespace
