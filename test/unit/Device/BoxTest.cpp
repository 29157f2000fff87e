// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Boxes against naive enumeration.
#include "access/Box.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace cim::device {
namespace {

std::set<int64_t> bytesOf(int64_t base, int64_t length, const Box::Dims &dims) {
  std::set<int64_t> bases{base};
  for (const Dim &dim : dims) {
    std::set<int64_t> next;
    for (int64_t b : bases)
      for (int64_t i = 0; i < dim.size; ++i)
        next.insert(b + i * dim.stride);
    bases = std::move(next);
  }
  std::set<int64_t> bytes;
  for (int64_t b : bases)
    for (int64_t x = 0; x < length; ++x)
      bytes.insert(b + x);
  return bytes;
}
std::set<int64_t> bytesOf(const Box &box) {
  return bytesOf(box.begin(), box.length(), box.dims());
}

struct RandomBox {
  int64_t base, length;
  Box::Dims dims;
};
RandomBox randomBox(std::mt19937 &random) {
  auto pick = [&](int64_t low, int64_t high) {
    return low + int64_t(random() % uint64_t(high - low + 1));
  };
  RandomBox result{pick(0, 60), pick(1, 4), {}};
  for (int64_t rank = pick(0, 4); rank > 0; --rank)
    result.dims.push_back({pick(1, 4), pick(-20, 20)});
  return result;
}

TEST(Box, DenseRunsMerge) {
  Box box(100, 4, {{3, 32}, {8, 4}});
  EXPECT_EQ(box.begin(), 100);
  EXPECT_EQ(box.length(), 32 * 3);
  EXPECT_TRUE(box.dense());
}

TEST(Box, NegativeStrideStartsAtItsLowestByte) {
  Box box(100, 2, {{5, -10}});
  EXPECT_EQ(box.begin(), 60);
  EXPECT_EQ(box.end(), 102);
  EXPECT_EQ(box.dims().size(), 1u);
}

TEST(Box, SlidingWindowBecomesOneLoop) {
  // 3 kernel rows at stride 64, 10 output rows two kernel rows apart.
  Box box(0, 8, {{10, 128}, {3, 64}});
  ASSERT_EQ(box.dims().size(), 1u);
  EXPECT_EQ(box.dims()[0], (Dim{21, 64}));
}

TEST(Box, InterleavedBoxesDoNotOverlap) {
  Box even(0, 4, {{100, 8}}), odd(4, 4, {{100, 8}});
  EXPECT_FALSE(even.overlaps(odd));
  EXPECT_TRUE(even.overlaps(Box(3, 2)));
  EXPECT_FALSE(even.overlaps(Box(4, 4)));
  // Columns of a matrix, split between two engines.
  Box left(0, 16, {{1000, 64}}), right(16, 16, {{1000, 64}});
  EXPECT_FALSE(left.overlaps(right));
  EXPECT_TRUE(left.overlaps(Box(64 * 999 + 15, 1)));
}

TEST(Box, CanonicalFormKeepsTheSet) {
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    RandomBox r = randomBox(random);
    Box box(r.base, r.length, r.dims);
    std::set<int64_t> expected = bytesOf(r.base, r.length, r.dims);
    ASSERT_EQ(bytesOf(box), expected) << "case " << i;
    ASSERT_EQ(box.begin(), *expected.begin());
    ASSERT_EQ(box.end(), *expected.rbegin() + 1);
  }
}

TEST(Box, OverlapIsExact) {
  std::mt19937 random(2);
  int overlapping = 0;
  for (int i = 0; i < 6000; ++i) {
    RandomBox a = randomBox(random), b = randomBox(random);
    Box boxA(a.base, a.length, a.dims), boxB(b.base, b.length, b.dims);
    std::set<int64_t> setA = bytesOf(boxA), common;
    for (int64_t byte : bytesOf(boxB))
      if (setA.count(byte))
        common.insert(byte);
    ASSERT_EQ(boxA.overlaps(boxB), !common.empty()) << "case " << i;
    ASSERT_EQ(boxB.overlaps(boxA), !common.empty()) << "case " << i;
    if (!common.empty()) {
      ++overlapping;
      ASSERT_TRUE(common.count(boxA.commonByte(boxB))) << "case " << i;
    }
  }
  EXPECT_GT(overlapping, 1000);
  EXPECT_LT(overlapping, 5900);
}

TEST(Box, CoverIsNeverWronglyTrue) {
  std::mt19937 random(3);
  int covered = 0, found = 0;
  for (int i = 0; i < 20000; ++i) {
    RandomBox a = randomBox(random), b = randomBox(random);
    if (i % 2) // a part of a: fewer iterations of the same loops
      b = {a.base, 1 + int64_t(random() % uint64_t(a.length)), a.dims};
    if (i % 2)
      for (Dim &dim : b.dims)
        dim.size = 1 + int64_t(random() % uint64_t(dim.size));
    Box boxA(a.base, a.length, a.dims), boxB(b.base, b.length, b.dims);
    std::set<int64_t> setA = bytesOf(boxA);
    bool truth = true;
    for (int64_t byte : bytesOf(boxB))
      truth &= setA.count(byte) > 0;
    bool answer = boxA.covers(boxB);
    ASSERT_TRUE(truth || !answer) << "case " << i;
    covered += truth;
    found += answer;
  }
  // Useful: most true covers are recognized.
  EXPECT_GT(found * 10, covered * 8);
}

} // namespace
} // namespace cim::device
