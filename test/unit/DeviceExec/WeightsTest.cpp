// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weight sets: positions, copies, overwriting (device.md D3.1, D3.2), sharing.
#include "Fixture.h"

namespace {

using namespace cim;
using namespace cim::test;

WriteWeights tile(int set, int row0, int col0, int rows, int cols) {
  WriteWeights w;
  w.set = uint8_t(set);
  w.row0 = uint16_t(row0), w.col0 = uint16_t(col0);
  w.rows = uint16_t(rows), w.cols = uint16_t(cols);
  w.format = WeightFormat::Int8;
  w.src = at(Space::DRAM, 0);
  w.rowStride = cols, w.colStride = 1;
  return w;
}

Mac use(const WriteWeights &w) {
  Mac m;
  m.set = w.set;
  m.row0 = w.row0, m.col0 = w.col0, m.rows = w.rows, m.cols = w.cols;
  m.copies = w.copies;
  m.act = at(Space::L1, 0), m.acc = at(Space::ACC, 0);
  m.m = {{2, w.rows}}, m.k = {{w.rows, 1}};
  m.accStride = w.cols * 4;
  return m;
}

TEST(WriteWeights, OverwritingDestroysWholeMacros) {
  Box box;
  box.start();
  auto a = tile(0, 0, 0, 33, 17), b = tile(0, 64, 0, 10, 10),
       c = tile(0, 0, 32, 10, 10), d = tile(1, 0, 0, 8, 8);
  for (auto &w : {a, b, c, d})
    box.ok(w);
  for (auto &w : {a, b, c, d})
    box.ok(use(w));
  // Row 32 lies in the second macro row of `a` (33 rows, rounded up to 64).
  box.ok(tile(0, 32, 16, 4, 4));
  box.faults(use(a), FaultCode::BadTile, "no tile");
  for (auto &w : {b, c, d})
    box.ok(use(w));
  box.ok(tile(0, 64, 0, 20, 10));
  box.faults(use(b), FaultCode::BadTile, "20 x 10");
}

TEST(WriteWeights, CopiesOccupyTheirMacros) {
  Box box;
  box.start();
  auto a = tile(0, 0, 0, 32, 16);
  a.copies = 4, a.copyCols = 2, a.copyRowPitch = 32, a.copyColPitch = 16;
  box.ok(a);
  box.ok(use(a));
  box.ok(tile(0, 32, 16, 1, 1)); // On copy 3.
  box.faults(use(a), FaultCode::BadTile, "no tile");
  a.copyColPitch = 8;
  box.faults(a, FaultCode::Unaligned, "macros are 32 x 16");
  a.copyColPitch = 0;
  box.faults(a, FaultCode::BadTile, "another copy");
  a.copyColPitch = 16, a.copyRowPitch = 256;
  box.faults(a, FaultCode::BadTile, "leaves the array");
}

TEST(WriteWeights, FaultsNameWhatIsWrong) {
  Box box;
  box.start();
  box.faults(tile(2, 0, 0, 4, 4), FaultCode::BadTile, "2 sets");
  box.faults(tile(0, 16, 0, 4, 4), FaultCode::Unaligned, "row 16");
  box.faults(tile(0, 0, 0, 257, 4), FaultCode::BadTile, "256 x 128");
  auto w = tile(0, 0, 0, 4, 4);
  w.planes = 17;
  box.faults(w, FaultCode::IllegalInstruction, "17 bits");
  w = tile(0, 0, 0, 4, 4);
  w.format = WeightFormat::Bfp, w.blockRows = 0;
  box.faults(w, FaultCode::IllegalInstruction, "blocks");
  w = tile(0, 0, 0, 4, 4);
  w.src = at(Space::DRAM, (1 << 20) - 15);
  box.faults(w, FaultCode::OutOfRange, "weight source");
}

TEST(WriteWeights, ConstantsAndVariablesAreToldApart) {
  // The same write from a segment and from changing memory.
  Box box;
  std::string ones(64, char(1));
  box.program.segments.push_back({"w", at(Space::DRAM, 4096), Blob(ones)});
  box.start();
  box.put(at(Space::L1, 0), std::vector<int8_t>(16, 1));
  auto sum = [&](uint64_t from) {
    auto w = tile(0, 0, 0, 8, 8);
    w.src = at(Space::DRAM, from);
    box.ok(w);
    box.ok(use(w));
    return box.get<int32_t>(at(Space::ACC, 0), 1)[0];
  };
  EXPECT_EQ(sum(4096), 8);
  EXPECT_EQ(sum(4096), 8);
  box.put(at(Space::DRAM, 0), std::vector<int8_t>(64, 2));
  EXPECT_EQ(sum(0), 16);
  box.put(at(Space::DRAM, 0), std::vector<int8_t>(64, 3));
  EXPECT_EQ(sum(0), 24);
  EXPECT_EQ(sum(4096), 8);
  // Another shape at the same constant address.
  auto w = tile(0, 0, 0, 4, 16);
  w.src = at(Space::DRAM, 4096);
  w.planeMasks = {0};
  box.ok(w);
  box.ok(use(w));
  EXPECT_EQ(box.get<int32_t>(at(Space::ACC, 0), 1)[0], 0);
}

} // namespace
