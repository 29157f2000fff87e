// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cim/Alloc/Solver.h"

#include <limits>
#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "RandomProblems.h"
#include "cim/Alloc/Validator.h"

namespace cim::alloc {
namespace {

using test::Features;
using test::lowestHeight;
using test::smallProblem;
using test::tightProblem;
using ::testing::HasSubstr;

constexpr int kSwitches = 10;

SolverOptions withSwitches(unsigned bits) {
  SolverOptions options;
  options.greedy = bits & 1;
  options.exact = bits & 2;
  options.localSearch = bits & 4;
  options.sectionBound = bits & 8;
  options.fewestFirst = bits & 16;
  options.decompose = bits & 32;
  options.remember = bits & 64;
  options.dominance = bits & 128;
  options.restarts = bits & 256;
  options.inference = bits & 512;
  options.maxLocalWork = 2000;
  return options;
}

/// Solves, validates, and returns; height 0 on failure.
Solution solved(const Problem &problem, const SolverOptions &options) {
  absl::StatusOr<Solution> solution = solve(problem, options);
  EXPECT_TRUE(solution.ok()) << solution.status();
  if (!solution.ok())
    return {};
  absl::Status valid = validate(problem, *solution);
  EXPECT_TRUE(valid.ok()) << valid;
  return *solution;
}

/// Compares all three verdicts with the enumerated optimum.
void compareWithOptimum(Problem problem, SolverOptions options) {
  std::optional<int64_t> optimum = lowestHeight(problem);
  ASSERT_TRUE(optimum.has_value()); // fixed buffers do not overlap
  problem.capacity = std::numeric_limits<int64_t>::max();
  options.goal = Goal::minimize;
  Solution lowest = solved(problem, options);
  EXPECT_GE(lowest.height, *optimum);
  EXPECT_LE(lowest.lowerBound, *optimum);
  if (options.exact) {
    EXPECT_EQ(lowest.height, *optimum);
    EXPECT_EQ(lowest.status, Status::optimal);
  }
  options.goal = Goal::fit;
  problem.capacity = *optimum;
  Solution fitting = solved(problem, options);
  EXPECT_NE(fitting.status, Status::infeasible);
  EXPECT_LE(fitting.lowerBound, *optimum);
  if (options.exact) {
    EXPECT_TRUE(fitting.fits());
  }
  problem.capacity = *optimum - 1;
  Solution tooHigh = solved(problem, options);
  EXPECT_FALSE(tooHigh.fits());
  if (options.exact) {
    EXPECT_EQ(tooHigh.status, Status::infeasible);
    EXPECT_EQ(tooHigh.lowerBound, *optimum);
  }
}

TEST(SolverTest, EveryCombinationOfSwitchesFindsTheOptimum) {
  for (unsigned bits = 0; bits < 1u << kSwitches; ++bits) {
    for (uint64_t seed = 0; seed < 8; ++seed) {
      SCOPED_TRACE("bits " + std::to_string(bits) + " seed " +
                   std::to_string(seed));
      Features features{.alignment = (seed & 1) != 0,
                        .fixed = (seed & 2) != 0,
                        .gaps = (seed & 4) != 0};
      compareWithOptimum(smallProblem(seed * 1000 + bits, 5, features),
                         withSwitches(bits));
      if (HasFailure())
        return;
    }
  }
}

TEST(SolverTest, DefaultsFindTheOptimumOfManyProblems) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Features features{.alignment = (seed & 1) != 0,
                      .fixed = (seed & 2) != 0,
                      .gaps = (seed & 4) != 0};
    compareWithOptimum(smallProblem(seed, 7, features), {});
    if (HasFailure())
      return;
  }
}

/// The weakest greedy start, so that the exact search has work to do.
TEST(SolverTest, SearchAloneFindsTheOptimumOfManyProblems) {
  SolverOptions options;
  options.greedy = options.localSearch = false;
  for (uint64_t seed = 1000; seed < 1400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Features features{.alignment = (seed & 1) != 0,
                      .fixed = (seed & 2) != 0,
                      .gaps = (seed & 4) != 0};
    compareWithOptimum(smallProblem(seed, 7, features), options);
    if (HasFailure())
      return;
  }
}

TEST(SolverTest, SolvesTightProblems) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Problem problem = tightProblem(seed, 120, 4096, seed % 2 == 0 ? 0 : 5);
    Solution solution = solved(problem, {});
    EXPECT_TRUE(solution.fits()) << name(solution.status);
    EXPECT_LE(solution.height, 4096);
  }
}

TEST(SolverTest, ProvesATightProblemInfeasible) {
  // Each pair of neighbours in time needs 4, and so does a layout; but the
  // chain of overlaps forces 5: 2+2 at the ends, 3 crossing them.
  Problem problem;
  problem.capacity = 5;
  problem.buffers = {{0, 2, 2}, {0, 1, 3}, {1, 3, 1}, {1, 2, 2},
                     {2, 3, 2}, {2, 4, 2}, {3, 4, 3}};
  std::optional<int64_t> optimum = lowestHeight(problem);
  ASSERT_TRUE(optimum.has_value());
  problem.capacity = *optimum - 1;
  Solution solution = solved(problem, {});
  EXPECT_EQ(solution.status, Status::infeasible);
  EXPECT_EQ(solution.lowerBound, *optimum);
}

TEST(SolverTest, InfeasibleNamesThePeak) {
  Problem problem;
  problem.capacity = 10;
  problem.buffers = {{0, 4, 6}, {2, 8, 7}, {7, 9, 2}};
  Solution solution = solved(problem, {});
  EXPECT_EQ(solution.status, Status::infeasible);
  EXPECT_EQ(solution.peakLive, 13);
  EXPECT_EQ(solution.peak, (Interval{2, 4}));
  EXPECT_EQ(solution.lowerBound, 13);
  EXPECT_EQ(solution.height, 13); // the layout is returned all the same
}

TEST(SolverTest, BoundCountsAlignmentPadding) {
  Problem problem;
  problem.capacity = 1000;
  // Three live at once: two are padded from 33 to 64, the topmost is not.
  problem.buffers = {{0, 1, 33, 32}, {0, 1, 33, 32}, {0, 1, 33, 32}};
  SolverOptions options;
  options.goal = Goal::minimize;
  Solution solution = solved(problem, options);
  EXPECT_EQ(solution.status, Status::optimal);
  EXPECT_EQ(solution.lowerBound, 161);
  EXPECT_EQ(solution.height, 161);
  EXPECT_EQ(solution.nodes, 0u);
}

TEST(SolverTest, EmptyProblem) {
  Solution solution = solved({}, {});
  EXPECT_EQ(solution.status, Status::optimal);
  EXPECT_EQ(solution.height, 0);
}

TEST(SolverTest, UnknownWhenTheBudgetIsNothing) {
  Problem problem = tightProblem(3, 150, 4096, 0);
  SolverOptions options;
  options.maxNodes = 0;
  options.maxLocalWork = 0;
  Solution solution = solved(problem, options);
  EXPECT_EQ(solution.status, Status::unknown);
  EXPECT_GT(solution.height, 4096);
  EXPECT_EQ(solution.lowerBound, 4096);
  EXPECT_EQ(solution.nodes, 0u);
}

TEST(SolverTest, BudgetIsKept) {
  Problem problem = tightProblem(3, 150, 4095, 0);
  --problem.capacity; // no layout; the bound tells so at once
  EXPECT_EQ(solved(problem, {}).nodes, 0u);
  problem = tightProblem(4, 400, 1 << 20, 3);
  SolverOptions options;
  options.maxNodes = 100;
  options.maxLocalWork = 100000;
  EXPECT_LE(solved(problem, options).nodes, 100u);
  options.goal = Goal::minimize;
  EXPECT_LE(solved(problem, options).nodes, 100u);
}

TEST(SolverTest, MinimizingWithUnlimitedBudgetsSearches) {
  SolverOptions options;
  options.goal = Goal::minimize;
  options.localSearch = options.greedy = false;
  options.maxNodes = options.maxWork = std::numeric_limits<uint64_t>::max();
  Solution solution = solved(tightProblem(5, 40, 4096, 0), options);
  EXPECT_EQ(solution.status, Status::optimal);
  EXPECT_EQ(solution.height, 4096);
  EXPECT_GT(solution.nodes, 0u);
}

TEST(SolverTest, LocalSearchImproves) {
  Problem problem = tightProblem(5, 200, 1 << 20, 3);
  SolverOptions options;
  options.goal = Goal::minimize;
  options.exact = options.localSearch = false;
  int64_t greedy = solved(problem, options).height;
  options.localSearch = true;
  options.maxLocalWork = 20'000'000;
  EXPECT_LT(solved(problem, options).height, greedy);
}

TEST(SolverTest, SameArgumentsSameResult) {
  for (Goal goal : {Goal::fit, Goal::minimize}) {
    Problem problem = tightProblem(8, 200, 1 << 20, 5);
    SolverOptions options;
    options.goal = goal;
    options.maxNodes = 3000;
    options.maxLocalWork = 1'000'000;
    Solution first = solved(problem, options);
    Solution second = solved(problem, options);
    EXPECT_EQ(first.offsets, second.offsets);
    EXPECT_EQ(first.nodes, second.nodes);
    EXPECT_EQ(first.height, second.height);
  }
}

TEST(SolverTest, HintsGiveBackAKnownLayout) {
  Problem problem = tightProblem(9, 300, 1 << 20, 0);
  SolverOptions options;
  options.maxNodes = 2'000'000;
  Solution known = solved(problem, options);
  ASSERT_TRUE(known.fits());
  for (size_t i = 0; i < problem.buffers.size(); ++i)
    problem.buffers[i].hint = known.offsets[i];
  options.exact = false;
  options.greedy = false;
  Solution again = solved(problem, options);
  EXPECT_TRUE(again.fits());
}

TEST(SolverTest, ManyBuffers) {
  // A chain of many small live ranges with some long ones across them.
  std::mt19937_64 random(11);
  Problem problem;
  for (int i = 0; i < 20000; ++i) {
    Buffer buffer;
    buffer.lower = random() % 20000;
    buffer.upper = buffer.lower + 1 + random() % (i % 50 == 0 ? 2000 : 40);
    buffer.size = 64 * (1 + random() % 64) - random() % 64;
    buffer.alignment = 64;
    problem.buffers.push_back(buffer);
  }
  problem.capacity = std::numeric_limits<int64_t>::max();
  Solution fit = solved(problem, {});
  EXPECT_TRUE(fit.fits());
  problem.capacity = fit.lowerBound + fit.lowerBound / 5;
  EXPECT_TRUE(solved(problem, {}).fits());
}

TEST(SolverTest, AllLiveAtOnce) {
  // More overlapping pairs than lists may hold: the sweep's layout is optimal.
  Problem problem;
  problem.capacity = 1 << 30;
  for (int i = 0; i < 6000; ++i)
    problem.buffers.push_back({0, 10 + i, 1 + i % 7});
  SolverOptions options;
  options.goal = Goal::minimize;
  EXPECT_EQ(solved(problem, options).status, Status::optimal);
  // Fixed buffers and gaps take the careful path.
  problem.buffers[7].fixedOffset = 100000;
  problem.buffers[9].gaps = {{2, 5}};
  EXPECT_TRUE(solved(problem, options).fits());
}

TEST(SolverTest, WrongProblems) {
  struct Case {
    Buffer buffer;
    const char *message;
  };
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  const Case cases[] = {
      {{3, 3, 1}, "buffer 0: empty live range [3, 3)"},
      {{4, 3, 1}, "empty live range"},
      {{kMin, kMax, 1}, "outside -2^61 .. 2^61"},
      {{0, 1, 0}, "size 0"},
      {{0, 1, -5}, "size -5"},
      {{0, 1, kMax}, "the limit is 2^61"},
      {{0, 1, 1, 0}, "alignment 0"},
      {{0, 1, 1, kMax}, "the limit is 2^61"},
      {{0, 1, 1, 4, 6}, "no multiple of the alignment 4"},
      {{0, 1, 1, 1, -1}, "fixed offset -1"},
      {{0, 1, 1, 1, kMax}, "fixed offset 9223372036854775807"},
      {{0, 4, 1, 1, {}, {}, {{1, 1}}}, "empty gap"},
      {{0, 4, 1, 1, {}, {}, {{3, 5}}}, "out of order or outside"},
      {{0, 4, 1, 1, {}, {}, {{2, 3}, {1, 2}}}, "out of order or outside"},
      {{0, 4, 1, 1, {}, {}, {{0, 4}}}, "cover its whole live range"},
  };
  for (const Case &wrong : cases) {
    Problem problem;
    problem.capacity = 100;
    problem.buffers = {wrong.buffer};
    absl::Status status = solve(problem).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(wrong.message));
  }
  Problem problem;
  problem.capacity = -1;
  EXPECT_THAT(std::string(solve(problem).status().message()),
              HasSubstr("capacity -1"));
}

TEST(SolverTest, SumsThatOverflow) {
  Problem problem;
  problem.capacity = std::numeric_limits<int64_t>::max();
  for (int i = 0; i < 20; ++i)
    problem.buffers.push_back({0, 1, int64_t{1} << 60});
  EXPECT_THAT(std::string(solve(problem).status().message()),
              HasSubstr("the limit is 2^61"));
  problem.buffers.resize(2);
  EXPECT_EQ(solved(problem, {}).height, int64_t{1} << 61);
}

TEST(SolverTest, FixedBuffersThatOverlap) {
  Problem problem;
  problem.capacity = 100;
  problem.buffers = {{0, 4, 8, 1, 16}, {5, 9, 8, 1, 16}, {3, 6, 4, 1, 23}};
  EXPECT_THAT(std::string(solve(problem).status().message()),
              HasSubstr("buffer 2: fixed offset 23 overlaps buffer 0"));
  problem.buffers[2].gaps = {{3, 4}, {5, 6}};
  EXPECT_THAT(std::string(solve(problem).status().message()), "");
}

} // namespace
} // namespace cim::alloc
