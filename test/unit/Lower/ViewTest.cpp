// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Views against index arithmetic: the byte of every element before and after.
#include "lib/Lower/View.h"

#include <random>

#include "gtest/gtest.h"

namespace {

using cim::View;
using llvm::ArrayRef;
using llvm::SmallVector;
using Groups = SmallVector<SmallVector<int64_t, 2>>;

/// Bytes of all elements, in row-major order of the view's shape.
std::vector<int64_t> bytesOf(const View &view) {
  std::vector<int64_t> bytes = {view.offset};
  for (size_t d = 0; d < view.shape.size(); ++d) {
    std::vector<int64_t> next;
    for (int64_t start : bytes)
      for (int64_t i = 0; i < view.shape[d]; ++i)
        next.push_back(start + i * view.strides[d]);
    bytes = std::move(next);
  }
  return bytes;
}

View randomView(std::mt19937 &random, size_t rank) {
  View view;
  view.elemBytes = int64_t(1) << random() % 4;
  view.offset = random() % 100;
  for (size_t d = 0; d < rank; ++d)
    view.shape.push_back(1 + random() % 4);
  // Dense in a random order, sometimes with gaps.
  SmallVector<int64_t> order = cim::rowMajorOrder(rank);
  if (random() % 2)
    std::shuffle(order.begin(), order.end(), random);
  view.strides = cim::denseStrides(view.shape, order, view.elemBytes);
  if (rank && random() % 3 == 0)
    view.strides[random() % rank] *= 3;
  return view;
}

/// Cuts 0..rank-1 into runs.
Groups randomGroups(std::mt19937 &random, size_t rank) {
  Groups groups;
  for (size_t d = 0; d < rank; ++d) {
    if (groups.empty() || random() % 2)
      groups.emplace_back();
    groups.back().push_back(d);
  }
  return groups;
}

TEST(ViewTest, DenseStrides) {
  EXPECT_EQ(cim::denseStrides({2, 3, 4}, {0, 1, 2}, 4),
            (SmallVector<int64_t>{48, 16, 4}));
  EXPECT_EQ(cim::denseStrides({2, 3, 4, 5}, cim::channelsLastOrder(4), 1),
            (SmallVector<int64_t>{60, 1, 15, 3}));
  EXPECT_EQ(cim::channelsLastOrder(2), cim::rowMajorOrder(2));
  EXPECT_EQ(cim::channelsLastOrder(5), (SmallVector<int64_t>{0, 2, 3, 4, 1}));
  EXPECT_TRUE(cim::denseStrides({}, {}, 4).empty());
}

/// True when a view of `groups`' product shape can have these bytes.
bool canCollapse(const View &view, const Groups &groups) {
  for (const auto &group : groups) {
    View part = view;
    part.shape.clear();
    part.strides.clear();
    for (int64_t dim : group) {
      part.shape.push_back(view.shape[dim]);
      part.strides.push_back(view.strides[dim]);
    }
    std::vector<int64_t> bytes = bytesOf(part);
    for (size_t i = 2; i < bytes.size(); ++i)
      if (bytes[i] - bytes[i - 1] != bytes[1] - bytes[0])
        return false;
  }
  return true;
}

TEST(ViewTest, CollapseKeepsEveryElementOrRefuses) {
  std::mt19937 random(3);
  int done = 0, refused = 0;
  for (int i = 0; i < 5000; ++i) {
    size_t rank = random() % 6;
    View view = randomView(random, rank);
    Groups groups = randomGroups(random, rank);
    std::optional<View> result = cim::collapseView(view, groups);
    // Refuses exactly what strides cannot say.
    ASSERT_EQ(result.has_value(), canCollapse(view, groups)) << "case " << i;
    if (!result) {
      ++refused;
      continue;
    }
    ++done;
    ASSERT_EQ(result->shape.size(), groups.size());
    ASSERT_EQ(bytesOf(*result), bytesOf(view)) << "case " << i;
    ASSERT_EQ(result->elemBytes, view.elemBytes);
  }
  EXPECT_GT(done, 500);
  EXPECT_GT(refused, 500);
}

TEST(ViewTest, ExpandKeepsEveryElement) {
  std::mt19937 random(4);
  for (int i = 0; i < 5000; ++i) {
    size_t rank = random() % 6;
    SmallVector<int64_t> shape;
    for (size_t d = 0; d < rank; ++d)
      shape.push_back(1 + random() % 4);
    Groups groups = randomGroups(random, rank);
    View view = randomView(random, groups.size());
    for (size_t g = 0; g < groups.size(); ++g) {
      view.shape[g] = 1;
      for (int64_t dim : groups[g])
        view.shape[g] *= shape[dim];
    }
    View result = cim::expandView(view, shape, groups);
    ASSERT_EQ(ArrayRef<int64_t>(result.shape), ArrayRef<int64_t>(shape));
    ASSERT_EQ(bytesOf(result), bytesOf(view)) << "case " << i;
    // And back again.
    std::optional<View> back = cim::collapseView(result, groups);
    ASSERT_TRUE(back) << "case " << i;
    ASSERT_EQ(bytesOf(*back), bytesOf(view)) << "case " << i;
  }
}

TEST(ViewTest, ScalarsExpandToOnes) {
  View scalar;
  scalar.elemBytes = 4;
  scalar.offset = 12;
  View result = cim::expandView(scalar, {1, 1}, {});
  EXPECT_EQ(bytesOf(result), std::vector<int64_t>{12});
  std::optional<View> back = cim::collapseView(result, {});
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->shape.empty());
}

TEST(ViewTest, TransposeAndSlice) {
  std::mt19937 random(5);
  for (int i = 0; i < 2000; ++i) {
    size_t rank = 1 + random() % 5;
    View view = randomView(random, rank);
    SmallVector<int64_t> permutation = cim::rowMajorOrder(rank), offsets, sizes,
                         strides;
    std::shuffle(permutation.begin(), permutation.end(), random);
    View turned = cim::transposeView(view, permutation);
    for (size_t d = 0; d < rank; ++d) {
      ASSERT_EQ(turned.shape[d], view.shape[permutation[d]]);
      offsets.push_back(random() % view.shape[d]);
      strides.push_back(1 + random() % 3);
      sizes.push_back(
          1 + random() % ((view.shape[d] - offsets[d] - 1) / strides[d] + 1));
    }
    View slice = cim::sliceView(view, offsets, sizes, strides);
    ASSERT_EQ(ArrayRef<int64_t>(slice.shape), ArrayRef<int64_t>(sizes));
    // Walk the slice; the same element by the original view's strides.
    SmallVector<int64_t> at(rank, 0);
    for (int64_t byte : bytesOf(slice)) {
      int64_t wanted = view.offset, same = turned.offset;
      for (size_t d = 0; d < rank; ++d) {
        wanted += (offsets[d] + at[d] * strides[d]) * view.strides[d];
        int64_t index = offsets[permutation[d]] +
                        at[permutation[d]] * strides[permutation[d]];
        same += index * turned.strides[d];
      }
      ASSERT_EQ(byte, wanted) << "case " << i;
      ASSERT_EQ(byte, same) << "case " << i;
      for (size_t d = rank; d-- > 0 && ++at[d] == sizes[d];)
        at[d] = 0;
    }
  }
}

} // namespace
