// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Packed weights read back bit by bit, by the layouts of device.md D3.3, D3.4.
#include "lib/Lower/WeightPacking.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "gtest/gtest.h"

namespace {

std::vector<int8_t> randomWeights(std::mt19937 &random, int64_t count,
                                  int64_t bits) {
  std::vector<int8_t> weights(count);
  for (int8_t &w : weights)
    w = static_cast<int8_t>(static_cast<int64_t>(random() % (1u << bits)) -
                            (int64_t(1) << (bits - 1)));
  return weights;
}

/// The weight at (row, col) by its planes; the top one weighs -2^(planes-1).
int unpack(const std::vector<char> &packed, int64_t rows, int64_t cols,
           int64_t planes, int64_t row, int64_t col) {
  int64_t rowBytes = (cols + 7) / 8;
  int value = 0;
  for (int64_t p = 0; p < planes; ++p) {
    int64_t byte = p * rows * rowBytes + row * rowBytes + col / 8;
    int bit = (static_cast<uint8_t>(packed[byte]) >> (col % 8)) & 1;
    value += bit * (p == planes - 1 ? -(1 << p) : 1 << p);
  }
  return value;
}

TEST(WeightPackingTest, PlanesHoldEveryBit) {
  std::mt19937 random(11);
  for (int i = 0; i < 300; ++i) {
    int64_t rows = 1 + random() % 20, cols = 1 + random() % 40;
    int64_t planes = 4 + random() % 5;
    std::vector<int8_t> weights = randomWeights(random, rows * cols, planes);
    int64_t bytes = cim::packedPlaneBytes(rows, cols, planes);
    ASSERT_EQ(bytes, planes * rows * ((cols + 7) / 8));
    // A guard behind the end, and rubbish inside.
    std::vector<char> packed(bytes + 8, char(0x5a));
    cim::packPlanes(weights.data(), rows, cols, planes, packed.data());
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t col = 0; col < cols; ++col)
        ASSERT_EQ(unpack(packed, rows, cols, planes, row, col),
                  weights[row * cols + col])
            << "case " << i << " at " << row << ", " << col;
    // Bits of columns that do not exist are zero.
    if (cols % 8)
      for (int64_t at = cols / 8; at < bytes; at += (cols + 7) / 8)
        ASSERT_EQ(static_cast<uint8_t>(packed[at]) >> (cols % 8), 0);
    for (int64_t at = bytes; at < bytes + 8; ++at)
      ASSERT_EQ(packed[at], char(0x5a)) << "written past the end";
  }
}

TEST(WeightPackingTest, MasksNameThePlanesInUse) {
  std::mt19937 random(12);
  for (int i = 0; i < 500; ++i) {
    int64_t rows = 1 + random() % 10, cols = 1 + random() % 40;
    int64_t planes = 4 + random() % 5, group = 1 + random() % 20;
    std::vector<int8_t> weights = randomWeights(random, rows * cols, planes);
    // Few bits, so that planes are really empty.
    uint8_t keep = random();
    for (int8_t &w : weights)
      w &= keep & (random() % 4 ? 0x0f : 0xff);
    std::vector<int64_t> masks =
        cim::planeMasks(weights.data(), rows, cols, planes, group);
    ASSERT_EQ(static_cast<int64_t>(masks.size()), (cols + group - 1) / group);
    for (size_t g = 0; g < masks.size(); ++g) {
      int64_t wanted = 0;
      for (int64_t p = 0; p < planes; ++p)
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t col = 0; col < cols; ++col)
            if (col / group == static_cast<int64_t>(g) &&
                (weights[row * cols + col] >> p) & 1)
              wanted |= int64_t(1) << p;
      // An empty group still issues one plane.
      ASSERT_EQ(masks[g], wanted ? wanted : 1) << "case " << i;
    }
  }
}

TEST(WeightPackingTest, SignedWeightsUseTheSignPlane) {
  int8_t weights[] = {-1, 0, 1, 0};
  EXPECT_EQ(cim::planeMasks(weights, 1, 4, 5, 1),
            (std::vector<int64_t>{0b11111, 1, 1, 1}));
  EXPECT_EQ(cim::planeMasks(weights, 1, 4, 8, 4), (std::vector<int64_t>{0xff}));
}

/// numerics B1, written with the host's library.
struct Block {
  int exponent = -126;
  std::vector<int> mantissas;

  Block(const std::vector<float> &values, int bits) {
    auto operand = [](float x) {
      if (std::isnan(x))
        return 0.0f;
      float top = std::numeric_limits<float>::max();
      return std::isinf(x) ? std::copysign(top, x) : x;
    };
    for (float x : values)
      if (operand(x) != 0)
        exponent = std::max(exponent, std::ilogb(operand(x)));
    int limit = (1 << (bits - 1)) - 1;
    for (float x : values) {
      double q =
          std::nearbyint(std::ldexp(double(operand(x)), bits - 2 - exponent));
      mantissas.push_back(std::clamp<double>(q, -limit, limit));
    }
  }
};

TEST(WeightPackingTest, BfpBlocksFollowTheNumerics) {
  std::mt19937 random(13);
  const float special[] = {0.0f,
                           -0.0f,
                           1e-45f,
                           -1e-40f,
                           std::numeric_limits<float>::max(),
                           std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity(),
                           std::numeric_limits<float>::quiet_NaN()};
  for (int i = 0; i < 300; ++i) {
    int64_t rows = 1 + random() % 40, cols = 1 + random() % 6;
    int64_t blockRows = 1 + random() % 20;
    int bits = i % 2 ? 12 : 16;
    std::vector<float> weights(rows * cols);
    for (float &w : weights)
      w = random() % 8 == 0 && i % 3 == 0
              ? special[random() % 8]
              : std::ldexp(float(int32_t(random()) / 2147483648.0),
                           int(random() % 20) - 10);
    int64_t blocks = (rows + blockRows - 1) / blockRows;
    int64_t bytes = cim::packedBfpBytes(rows, cols, blockRows);
    ASSERT_EQ(bytes, blocks * cols + rows * cols * 2);
    std::vector<char> packed(bytes + 8, char(0x5a));
    cim::packBfp(weights.data(), rows, cols, blockRows, bits, packed.data());
    for (int64_t col = 0; col < cols; ++col)
      for (int64_t block = 0; block < blocks; ++block) {
        std::vector<float> values;
        int64_t begin = block * blockRows;
        int64_t end = std::min(rows, begin + blockRows);
        for (int64_t row = begin; row < end; ++row)
          values.push_back(weights[row * cols + col]);
        Block wanted(values, bits);
        ASSERT_EQ(static_cast<uint8_t>(packed[block * cols + col]),
                  wanted.exponent + 127)
            << "case " << i;
        for (int64_t row = begin; row < end; ++row) {
          int16_t mantissa;
          std::memcpy(&mantissa,
                      &packed[blocks * cols + (row * cols + col) * 2], 2);
          ASSERT_EQ(mantissa, wanted.mantissas[row - begin])
              << "case " << i << ", row " << row;
        }
      }
    for (int64_t at = bytes; at < bytes + 8; ++at)
      ASSERT_EQ(packed[at], char(0x5a)) << "written past the end";
  }
}

} // namespace
