// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Run counts against naive enumeration.
#include "access/Runs.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace cim::device {
namespace {

/// Element addresses in access order, cut where the next is not adjacent.
/// The innermost `merged` loops may merge, as the rule goes loop by loop.
uint64_t naiveRounded(const std::vector<Dim> &dims, int64_t elem,
                      int64_t granule) {
  // The rule: inner loops merge while the stride continues the run.
  int64_t run = elem;
  size_t depth = dims.size();
  for (; depth > 0; --depth) {
    const Dim &dim = dims[depth - 1];
    std::vector<int64_t> starts;
    for (int64_t i = 0; i < dim.size; ++i)
      starts.push_back(i * dim.stride);
    bool adjacent = true;
    for (size_t i = 1; i < starts.size(); ++i)
      adjacent &= starts[i] == starts[i - 1] + run;
    if (!adjacent)
      break;
    run *= dim.size;
  }
  uint64_t total = (run + granule - 1) / granule * granule;
  for (size_t j = 0; j < depth; ++j)
    total *= dims[j].size;
  return total;
}

TEST(Runs, InnermostContiguous) {
  std::vector<Dim> dims{{3, 100}, {8, 4}};
  Runs runs = contiguousRuns(dims, 4);
  EXPECT_EQ(runs.count, 3u);
  EXPECT_EQ(runs.bytes, 32u);
  EXPECT_EQ(runs.rounded(64), 3u * 64);
  EXPECT_EQ(runs.rounded(1), 96u);
}

TEST(Runs, TransposedReadsOneElementPerRun) {
  std::vector<Dim> dims{{8, 4}, {16, 32}};
  Runs runs = contiguousRuns(dims, 4);
  EXPECT_EQ(runs.count, 128u);
  EXPECT_EQ(runs.bytes, 4u);
}

TEST(Runs, LoopsOfOneIterationAndRepeats) {
  // A broadcast (stride 0) fetches again; a loop of one iteration is nothing.
  std::vector<Dim> dims{{5, 0}, {1, 999}, {4, 8}, {1, -3}, {8, 1}};
  Runs runs = contiguousRuns(dims, 1);
  EXPECT_EQ(runs.count, 5u);
  EXPECT_EQ(runs.bytes, 32u);
}

TEST(Runs, MatchesNaiveEnumeration) {
  std::mt19937 random(7);
  for (int i = 0; i < 5000; ++i) {
    int64_t elem = int64_t(1) << random() % 4, run = elem;
    std::vector<Dim> dims;
    for (int rank = random() % 5; rank > 0; --rank) {
      int64_t size = 1 + random() % 5;
      // Half of the time continue the run built so far.
      int64_t stride = random() % 2 ? run : int64_t(random() % 40) - 10;
      dims.insert(dims.begin(), {size, stride});
      run *= size;
    }
    int64_t granule = int64_t(1) << random() % 7;
    ASSERT_EQ(contiguousRuns(dims, elem).rounded(granule),
              naiveRounded(dims, elem, granule))
        << "case " << i;
  }
}

} // namespace
} // namespace cim::device
