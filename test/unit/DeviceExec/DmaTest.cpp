// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// DmaCopy and DmaFill (device.md D4.1) against element-wise loops.
#include <cstring>

#include "Fixture.h"

namespace {

using namespace cim;
using namespace cim::test;

/// Random strides that do not overlap: a permuted dense layout with gaps.
std::vector<int64_t> layout(Random &random, const std::vector<int64_t> &sizes,
                            int64_t elem, int64_t &extent, bool reverse) {
  std::vector<size_t> order(sizes.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  for (size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[size_t(random.range(0, int64_t(i) - 1))]);
  std::vector<int64_t> strides(sizes.size());
  int64_t step = elem;
  bool plain = random.chance(40);
  for (size_t i = sizes.size(); i-- > 0;) {
    size_t d = plain ? i : order[i];
    strides[d] = step;
    step *= sizes[d];
    if (random.chance(30))
      step += elem * random.range(0, 3);
  }
  extent = step;
  if (reverse && !sizes.empty() && random.chance(30))
    strides[0] = -strides[0];
  return strides;
}

int64_t lowest(const std::vector<int64_t> &sizes,
               const std::vector<int64_t> &strides) {
  int64_t low = 0;
  for (size_t d = 0; d < sizes.size(); ++d)
    low += std::min<int64_t>(0, (sizes[d] - 1) * strides[d]);
  return low;
}

TEST(DmaCopy, EqualsElementLoops) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    Box box;
    box.start();
    int64_t elem = int64_t(1) << random.range(0, 3);
    std::vector<int64_t> sizes;
    for (int64_t rank = random.range(0, 6); rank > 0; --rank)
      sizes.push_back(random.range(1, rank > 3 ? 4 : 9));
    int64_t srcExtent, dstExtent;
    auto src = layout(random, sizes, elem, srcExtent, true);
    auto dst = layout(random, sizes, elem, dstExtent, true);
    ASSERT_LT(std::max(srcExtent, dstExtent), 1 << 18);
    Space spaces[] = {Space::DRAM, Space::L2, Space::L1, Space::ACC};
    Space from = spaces[random.range(0, 3)], to = spaces[random.range(0, 3)];
    if (from == to)
      to = from == Space::L1 ? Space::L2 : Space::L1;
    auto input = random.bytes(size_t(srcExtent) + 8);
    auto before = random.bytes(size_t(dstExtent) + 8);
    uint64_t base = uint64_t(random.range(0, 64));
    box.put(at(from, base), input);
    box.put(at(to, base), before);
    uint64_t srcAt = uint64_t(-lowest(sizes, src));
    uint64_t dstAt = uint64_t(-lowest(sizes, dst));
    box.ok(DmaCopy{at(from, base + srcAt), at(to, base + dstAt), uint8_t(elem),
                   sizes, src, dst});

    std::vector<int64_t> index(sizes.size(), 0);
    for (bool more = true; more;) {
      int64_t s = int64_t(srcAt), d = int64_t(dstAt);
      for (size_t i = 0; i < sizes.size(); ++i)
        s += index[i] * src[i], d += index[i] * dst[i];
      std::memcpy(&before[d], &input[s], size_t(elem));
      more = false;
      for (size_t i = sizes.size(); i-- > 0 && !more;)
        if (!(more = ++index[i] < sizes[i]))
          index[i] = 0;
    }
    ASSERT_EQ(box.get<uint8_t>(at(to, base), before.size()), before)
        << "seed " << seed;
  }
}

TEST(DmaCopy, BetweenChips) {
  Box box;
  box.start();
  std::vector<int32_t> data = {1, 2, 3, 4};
  box.put(at(Space::DRAM, 64), data);
  box.ok(
      DmaCopy{at(Space::DRAM, 64, 0), at(Space::L2, 128, 1), 4, {4}, {4}, {4}});
  EXPECT_EQ(box.get<int32_t>(at(Space::L2, 128, 1), 4), data);
  EXPECT_EQ(box.get<int32_t>(at(Space::L2, 128, 0), 4),
            std::vector<int32_t>(4, 0)); // D1.3
}

TEST(DmaCopy, ReadsSegmentsAndAcrossTheirBorders) {
  Box box;
  std::string bytes;
  for (int i = 0; i < 100; ++i)
    bytes.push_back(char(i));
  box.program.segments.push_back({"w", at(Space::DRAM, 1000), Blob(bytes)});
  box.start();
  box.put(at(Space::DRAM, 990), std::vector<uint8_t>(10, 200));
  for (uint64_t from : {1000, 990, 1050}) { // Inside, across both, the end.
    box.ok(
        DmaCopy{at(Space::DRAM, from), at(Space::L1, 0), 1, {120}, {1}, {1}});
    auto got = box.get<uint8_t>(at(Space::L1, 0), 120);
    for (uint64_t i = 0; i < 120; ++i) {
      uint64_t a = from + i;
      ASSERT_EQ(got[i], a < 1000 ? 200 : a < 1100 ? a - 1000 : 0) << a;
    }
  }
}

TEST(DmaFill, EqualsElementLoops) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    Box box;
    box.start();
    int64_t elem = int64_t(1) << random.range(0, 3);
    std::vector<int64_t> sizes;
    for (int64_t rank = random.range(0, 4); rank > 0; --rank)
      sizes.push_back(random.range(1, 9));
    int64_t extent;
    auto strides = layout(random, sizes, elem, extent, false);
    auto want = random.bytes(size_t(extent) + 8);
    box.put(at(Space::L1, 8), want);
    uint64_t value = random.chance(30) ? 0 : random.bits();
    std::vector<Dim> dims;
    for (size_t d = 0; d < sizes.size(); ++d)
      dims.push_back({sizes[d], strides[d]});
    box.ok(DmaFill{at(Space::L1, 8), uint8_t(elem), value, dims});
    std::vector<int64_t> index(sizes.size(), 0);
    for (bool more = true; more;) {
      int64_t d = 0;
      for (size_t i = 0; i < sizes.size(); ++i)
        d += index[i] * strides[i];
      std::memcpy(&want[d], &value, size_t(elem));
      more = false;
      for (size_t i = sizes.size(); i-- > 0 && !more;)
        if (!(more = ++index[i] < sizes[i]))
          index[i] = 0;
    }
    ASSERT_EQ(box.get<uint8_t>(at(Space::L1, 8), want.size()), want) << seed;
  }
}

TEST(Dma, FaultsNameWhatIsWrong) {
  Box box;
  box.program.segments.push_back(
      {"weights", at(Space::DRAM, 4096), Blob(std::string(64, 'x'))});
  box.start();
  uint64_t l1 = box.program.target.l1Bytes;
  box.faults(DmaFill{at(Space::L1, l1 - 4), 1, 0, {{5, 1}}},
             FaultCode::OutOfRange, "L1 of chip 0 core 0");
  box.faults(DmaFill{at(Space::L1, 4), 1, 0, {{3, -4}}}, FaultCode::OutOfRange,
             "leaves the memory");
  box.faults(DmaFill{at(Space::L1, 0),
                     8,
                     0,
                     {{int64_t(1) << 62, int64_t(1) << 62},
                      {int64_t(1) << 62, int64_t(1) << 62}}},
             FaultCode::OutOfRange, "leaves the memory");
  box.faults(DmaFill{at(Space::L2, 0, 7), 1, 0, {{5, 1}}},
             FaultCode::OutOfRange, "2 chips");
  box.faults(DmaFill{at(Space::L1, 0), 1, 0, {{0, 1}}},
             FaultCode::IllegalInstruction, "at least 1");
  box.faults(DmaFill{at(Space::DRAM, 4000), 1, 0, {{97, 1}}},
             FaultCode::ReadOnlyWrite, "segment weights");
  // Around a segment with gaps is fine.
  box.ok(DmaFill{at(Space::DRAM, 4000), 1, 0, {{2, 200}, {90, 1}}});
  EXPECT_FALSE(box.machine->write(at(Space::DRAM, 4100), 0, "y", 1).ok());
  EXPECT_FALSE(box.machine->write(at(Space::L1, l1), 0, "y", 1).ok());
  EXPECT_FALSE(box.machine->write(at(Space::L1, 0), 9, "y", 1).ok());
}

TEST(Machine, RefusesBadSegments) {
  Box box;
  box.program.segments.push_back(
      {"a", at(Space::DRAM, 0), Blob(std::string(64, 'x'))});
  box.program.segments.push_back(
      {"b", at(Space::DRAM, 63), Blob(std::string(64, 'x'))});
  EXPECT_FALSE(exec::Machine::create(box.program, false, 1).ok());
  box.program.segments[1].address = at(Space::DRAM, (1 << 20) - 63);
  EXPECT_FALSE(exec::Machine::create(box.program, false, 1).ok());
  box.program.segments[1].address = at(Space::L2, 0);
  EXPECT_FALSE(exec::Machine::create(box.program, false, 1).ok());
  box.program.segments[1].address = at(Space::DRAM, 64);
  EXPECT_TRUE(exec::Machine::create(box.program, false, 1).ok());
}

} // namespace
