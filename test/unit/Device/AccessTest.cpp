// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Accesses of random instructions against element-by-element enumeration.
#include "access/Access.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <set>

#include "Builder.h"

namespace cim::test {
namespace {

using device::Access;
using device::MemoryMap;
using device::TileTable;

/// (memory, write) -> bytes.
using Bytes = std::map<std::pair<uint32_t, bool>, std::set<int64_t>>;

class AccessTest : public testing::Test {
protected:
  AccessTest() : random(17) {
    builder.program.target.planeSkipColumns = 16;
    builder.program.kernels = {copyKernel(DType::F32)};
  }

  int64_t pick(int64_t low, int64_t high) {
    return low + int64_t(random() % uint64_t(high - low + 1));
  }
  std::vector<Dim> dims(int most) {
    std::vector<Dim> list;
    for (int64_t rank = pick(0, most); rank > 0; --rank)
      list.push_back({pick(1, 4), pick(-9, 40)});
    return list;
  }

  Bytes enumerate(const Operation &op) {
    std::vector<Access> accesses;
    enumerateAccesses(builder.program, memories, tiles, 0, 0, make(op),
                      accesses);
    Bytes bytes;
    for (const Access &access : accesses) {
      // The boxes themselves are tested in BoxTest.
      std::function<void(size_t, int64_t)> visit = [&](size_t j, int64_t at) {
        if (j == access.box.dims().size()) {
          for (int64_t x = 0; x < access.box.length(); ++x)
            bytes[{access.memory, access.write}].insert(at + x);
          return;
        }
        for (int64_t i = 0; i < access.box.dims()[j].size; ++i)
          visit(j + 1, at + i * access.box.dims()[j].stride);
      };
      visit(0, access.box.begin());
    }
    return bytes;
  }

  static void touch(Bytes &bytes, uint32_t memory, bool write, int64_t at,
                    int64_t length) {
    for (int64_t x = 0; x < length; ++x)
      bytes[{memory, write}].insert(at + x);
  }

  /// Calls f(element index) over a nest.
  static void nest(const std::vector<int64_t> &sizes,
                   const std::function<void(const std::vector<int64_t> &)> &f) {
    std::vector<int64_t> index(sizes.size());
    std::function<void(size_t)> visit = [&](size_t j) {
      if (j == sizes.size())
        return f(index);
      for (index[j] = 0; index[j] < sizes[j]; ++index[j])
        visit(j + 1);
    };
    visit(0);
  }

  std::mt19937 random;
  ProgramBuilder builder;
  MemoryMap memories{builder.program.target};
  TileTable tiles{builder.program.target};
};

TEST_F(AccessTest, DmaCopyAndFill) {
  for (int trial = 0; trial < 200; ++trial) {
    DmaCopy copy;
    copy.src = dram(1000);
    copy.dst = l1(2000);
    copy.elemBytes = uint8_t(1 << pick(0, 3));
    for (const Dim &dim : dims(4)) {
      copy.sizes.push_back(dim.size);
      copy.srcStrides.push_back(dim.stride);
      copy.dstStrides.push_back(pick(-9, 40));
    }
    Bytes expected;
    nest(copy.sizes, [&](const std::vector<int64_t> &index) {
      int64_t src = 1000, dst = 2000;
      for (size_t j = 0; j < index.size(); ++j) {
        src += index[j] * copy.srcStrides[j];
        dst += index[j] * copy.dstStrides[j];
      }
      touch(expected, memories.dram(0), false, src, copy.elemBytes);
      touch(expected, memories.l1(0), true, dst, copy.elemBytes);
    });
    ASSERT_EQ(enumerate(copy), expected);

    DmaFill fill;
    fill.dst = acc(500);
    fill.elemBytes = copy.elemBytes;
    for (size_t j = 0; j < copy.sizes.size(); ++j)
      fill.dims.push_back({copy.sizes[j], copy.srcStrides[j]});
    Bytes filled;
    for (int64_t byte : expected[{memories.dram(0), false}])
      filled[{memories.acc(0), true}].insert(byte - 500);
    ASSERT_EQ(enumerate(fill), filled);
  }
}

TEST_F(AccessTest, PackedPlanes) {
  for (int trial = 0; trial < 200; ++trial) {
    WriteWeights write = writeTile(uint8_t(pick(0, 3)), uint16_t(pick(1, 40)),
                                   uint16_t(pick(1, 64)), l2(300));
    write.planes = uint8_t(pick(1, 8));
    if (trial % 4)
      for (int g = 0; g < (write.cols + 15) / 16; ++g)
        write.planeMasks.push_back(uint16_t(random()));
    Bytes expected;
    int64_t rowBytes = (write.cols + 7) / 8;
    for (int64_t p = 0; p < write.planes; ++p)
      for (int64_t k = 0; k < write.rows; ++k)
        for (int64_t n = 0; n < write.cols; ++n)
          if (write.planeMasks.empty() || write.planeMasks[n / 16] >> p & 1)
            touch(expected, memories.l2(0), false,
                  300 + (p * write.rows + k) * rowBytes + n / 8, 1);
    for (int64_t k = 0; k < write.rows; ++k)
      for (int64_t n = 0; n < write.cols; ++n)
        touch(expected, memories.weights(0), true,
              write.set * 16 + k / 16 * 4 + n / 16, 1);
    ASSERT_EQ(enumerate(write), expected);
  }
}

TEST_F(AccessTest, StridedAndBlockWeights) {
  WriteWeights write = writeTile(1, 20, 10, l1(64));
  write.row0 = 16;
  write.col0 = 32;
  write.rowStride = 4;
  write.colStride = 100;
  for (auto [format, bytes] :
       {std::pair{WeightFormat::Int8, 1}, std::pair{WeightFormat::F16, 2},
        std::pair{WeightFormat::F32, 4}}) {
    write.format = format;
    Bytes expected;
    for (int64_t k = 0; k < 20; ++k)
      for (int64_t n = 0; n < 10; ++n)
        touch(expected, memories.l1(0), false, 64 + k * 4 + n * 100, bytes);
    touch(expected, memories.weights(0), true, 16 + 4 + 2, 1);
    touch(expected, memories.weights(0), true, 16 + 8 + 2, 1);
    ASSERT_EQ(enumerate(write), expected);
  }
  write.format = WeightFormat::Bfp;
  write.blockRows = 8; // blocks of 8, 8 and 4 rows
  Bytes packed = enumerate(write);
  std::set<int64_t> &source = packed[{memories.l1(0), false}];
  EXPECT_EQ(source.size(), 3u * 10 + 20 * 10 * 2);
  EXPECT_EQ(*source.begin(), 64);
  EXPECT_EQ(*source.rbegin(), 64 + 30 + 400 - 1);
}

TEST_F(AccessTest, MacWithCopies) {
  WriteWeights write = writeTile(2, 10, 10, l1(0));
  write.copies = 3;
  write.copyCols = 2;
  write.copyRowPitch = 32;
  write.copyColPitch = 16;
  tiles.write(write);
  for (int trial = 0; trial < 100; ++trial) {
    Mac mac = macTile(2, 1, 10, 10, l1(1000), acc(2000));
    mac.copies = 3;
    mac.actType = trial % 2 ? DType::I16 : DType::U8;
    mac.m = dims(3);
    mac.k = {{2, pick(-30, 30)}, {5, pick(-30, 30)}};
    mac.accStride = pick(40, 60);
    mac.init = static_cast<AccInit>(trial % 3);
    mac.bias = l1(5000);
    Bytes expected;
    std::vector<int64_t> sizes;
    std::vector<Dim> all = mac.m;
    all.insert(all.end(), mac.k.begin(), mac.k.end());
    int64_t rows = 1;
    for (const Dim &dim : all)
      sizes.push_back(dim.size);
    for (const Dim &dim : mac.m)
      rows *= dim.size;
    nest(sizes, [&](const std::vector<int64_t> &index) {
      int64_t at = 1000;
      for (size_t j = 0; j < index.size(); ++j)
        at += index[j] * all[j].stride;
      touch(expected, memories.l1(0), false, at, trial % 2 ? 2 : 1);
    });
    for (int64_t m = 0; m < rows; ++m)
      touch(expected, memories.acc(0), true, 2000 + m * mac.accStride, 40);
    if (mac.init == AccInit::Bias)
      touch(expected, memories.l1(0), false, 5000, 40);
    // Copies at macros (0, 0), (0, 1) and (2, 0).
    for (int64_t macro : {0, 1, 8})
      touch(expected, memories.weights(0), false, 2 * 16 + macro, 1);
    ASSERT_EQ(enumerate(mac), expected) << "trial " << trial;
  }
}

TEST_F(AccessTest, VecOperands) {
  builder.program.kernels.push_back(
      {"gather",
       {DType::I64, DType::F32},
       {DType::I8},
       2,
       {{MicroOp::Load, DType::I64, DType::I64, 0, {}, 0},
        {MicroOp::Gather, DType::F32, DType::F32, 1, {0}, 1},
        {MicroOp::Store, DType::I8, DType::I8, 0, {1}, 2}}});
  Vec vec;
  vec.kernel = 1;
  vec.sizes = {3, 5};
  vec.operands = {{l1(0), {40, 8}, {}},
                  {dram(4096), {100, 0}, {{7, 12}}},
                  {acc(64), {5, 1}, {}}};
  Bytes expected;
  touch(expected, memories.l1(0), false, 0, 120);
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t g = 0; g < 7; ++g)
      touch(expected, memories.dram(0), false, 4096 + i * 100 + g * 12, 4);
  touch(expected, memories.acc(0), true, 64, 15);
  EXPECT_EQ(enumerate(vec), expected);
}

TEST_F(AccessTest, MemoriesOfSeveralChipsAndCores) {
  TargetSpec target = roundTarget();
  target.chips = 2;
  target.coresPerChip = 3;
  MemoryMap map(target);
  EXPECT_EQ(map.size(), 2u * 2 + 6 * 3);
  std::set<uint32_t> seen;
  for (uint32_t chip = 0; chip < 2; ++chip) {
    seen.insert(map.dram(chip));
    seen.insert(map.l2(chip));
    for (uint32_t core = 0; core < 3; ++core) {
      seen.insert(map.l1(map.core(chip, core)));
      seen.insert(map.acc(map.core(chip, core)));
      seen.insert(map.weights(map.core(chip, core)));
    }
  }
  EXPECT_EQ(seen.size(), map.size());
  EXPECT_EQ(map.describe(map.of(l1(0), map.core(1, 2))), "L1 of chip 1 core 2");
  EXPECT_EQ(map.describe(map.of(dram(0, 1), 0)), "DRAM of chip 1");
}

} // namespace
} // namespace cim::test
