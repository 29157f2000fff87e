// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cim/Alloc/Validator.h"

#include <limits>
#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "RandomProblems.h"
#include "cim/Alloc/Solver.h"

namespace cim::alloc {
namespace {

using ::testing::HasSubstr;

struct Layout {
  Problem problem;
  Solution solution;
};

/// Two buffers stacked, a third beside them in time.
Layout small() {
  Layout layout;
  layout.problem.capacity = 12;
  layout.problem.buffers = {{0, 4, 8, 4}, {2, 6, 4, 4}, {4, 8, 8, 1}};
  layout.solution.offsets = {0, 8, 0};
  layout.solution.height = 12;
  layout.solution.lowerBound = 12;
  layout.solution.status = Status::optimal;
  return layout;
}

std::string verdict(const Layout &layout) {
  return std::string(validate(layout.problem, layout.solution).message());
}

TEST(ValidatorTest, AcceptsALayout) { EXPECT_EQ(verdict(small()), ""); }

TEST(ValidatorTest, NumberOfOffsets) {
  Layout layout = small();
  layout.solution.offsets.pop_back();
  EXPECT_EQ(verdict(layout), "2 offsets for 3 buffers");
}

TEST(ValidatorTest, SharedAddresses) {
  Layout layout = small();
  layout.solution.offsets[1] = 4;
  EXPECT_THAT(verdict(layout),
              HasSubstr("buffers 0 and 1 share addresses at time 2"));
  layout.solution.offsets[1] = 0;
  EXPECT_THAT(verdict(layout), HasSubstr("buffers 0 and 1 share addresses"));
}

TEST(ValidatorTest, TouchingIsNotSharing) {
  Layout layout = small();
  layout.solution.offsets = {4, 0, 4};
  EXPECT_EQ(verdict(layout), "");
}

TEST(ValidatorTest, SharedAcrossAGap) {
  Layout layout = small();
  layout.problem.buffers[0].gaps = {{2, 4}};
  layout.solution.offsets = {0, 0, 4};
  EXPECT_EQ(verdict(layout), ""); // 0 does not hold its addresses from 2 on
  layout.problem.buffers[0].gaps = {{2, 3}};
  EXPECT_THAT(verdict(layout),
              HasSubstr("buffers 0 and 1 share addresses at time 3"));
}

TEST(ValidatorTest, NegativeMisalignedAndOverflowingOffsets) {
  Layout layout = small();
  layout.solution.offsets[0] = -4;
  EXPECT_THAT(verdict(layout), HasSubstr("buffer 0: offset -4 is negative"));
  layout.solution.offsets[0] = 2;
  EXPECT_THAT(verdict(layout), HasSubstr("no multiple of its alignment 4"));
  layout.solution.offsets[0] = std::numeric_limits<int64_t>::max() - 3;
  EXPECT_THAT(verdict(layout), HasSubstr("overflows"));
}

TEST(ValidatorTest, FixedOffset) {
  Layout layout = small();
  layout.problem.buffers[2].fixedOffset = 4;
  EXPECT_THAT(verdict(layout), HasSubstr("differs from its fixed offset 4"));
}

TEST(ValidatorTest, Height) {
  Layout layout = small();
  layout.solution.height = 11;
  EXPECT_EQ(verdict(layout), "height 11 stated, 12 used");
}

TEST(ValidatorTest, Capacity) {
  Layout layout = small();
  layout.problem.capacity = 11;
  EXPECT_THAT(verdict(layout), HasSubstr("exceeds the capacity 11"));
  layout.solution.status = Status::infeasible;
  EXPECT_EQ(verdict(layout), "");
}

TEST(ValidatorTest, LowerBound) {
  Layout layout = small();
  layout.solution.lowerBound = 13;
  EXPECT_THAT(verdict(layout), HasSubstr("lower bound 13 exceeds"));
}

/// In a layout without any free address, every move of a buffer is a fault.
TEST(ValidatorTest, CatchesEveryMoveInAFullLayout) {
  Problem problem = test::tightProblem(2, 60, 1024, 0);
  absl::StatusOr<Solution> solution = solve(problem);
  ASSERT_TRUE(solution.ok() && solution->fits());
  ASSERT_TRUE(validate(problem, *solution).ok());
  std::mt19937_64 random(1);
  for (size_t i = 0; i < problem.buffers.size(); ++i) {
    for (int64_t by : {int64_t{-1}, int64_t{1}, int64_t(random() % 1024 + 1)}) {
      Solution moved = *solution;
      moved.offsets[i] += by;
      EXPECT_FALSE(validate(problem, moved).ok()) << i << " by " << by;
    }
  }
}

} // namespace
} // namespace cim::alloc
