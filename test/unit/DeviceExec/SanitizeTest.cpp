// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the sanitizer alone reports (device.md D1.3, D3.6, D4.1).
#include "Fixture.h"

namespace {

using namespace cim;
using namespace cim::test;

DmaCopy copy(Address from, Address to, int64_t n) {
  return {from, to, 1, {n}, {1}, {1}};
}

TEST(Sanitize, UnwrittenBytes) {
  Box box(true);
  box.program.segments.push_back(
      {"w", at(Space::DRAM, 512), Blob(std::string(64, 'x'))});
  box.program.kernels.push_back(
      {"copy",
       {DType::U8},
       {DType::U8},
       1,
       {{MicroOp::Load, DType::U8, DType::U8, 0, {}, 0},
        {MicroOp::Store, DType::U8, DType::U8, 0, {0}, 1}}});
  box.start();
  box.ok(copy(at(Space::DRAM, 512), at(Space::L1, 0), 64));
  box.faults(copy(at(Space::DRAM, 512), at(Space::L1, 0), 65),
             FaultCode::UninitializedRead, "DRAM chip 0[0x240]");
  box.faults(copy(at(Space::L1, 60), at(Space::L2, 0), 10),
             FaultCode::UninitializedRead, "L1[0x40]");
  // Every second byte is written: strided reads of those are fine.
  box.ok(DmaFill{at(Space::L1, 1001), 1, 7, {{50, 2}}});
  box.ok(DmaCopy{at(Space::L1, 1001), at(Space::L2, 0), 1, {50}, {2}, {1}});
  box.faults(copy(at(Space::L1, 1001), at(Space::L2, 100), 3),
             FaultCode::UninitializedRead, "0x3ea");
  Vec op;
  op.sizes = {10};
  op.operands = {{at(Space::L2, 45), {1}, {}}, {at(Space::L1, 5000), {1}, {}}};
  box.faults(op, FaultCode::UninitializedRead, "kernel copy operand 0");
  op.operands[0].base.offset = 40;
  box.ok(op);
  box.ok(copy(at(Space::L1, 5000), at(Space::L2, 100), 10));
  // The host's bytes count as written; other cores' and chips' do not mix.
  box.put(at(Space::L2, 400), std::vector<uint8_t>(8, 1));
  box.ok(copy(at(Space::L2, 400), at(Space::L1, 6000), 8));
  box.faults(copy(at(Space::L2, 400, 1), at(Space::L1, 6000), 8),
             FaultCode::UninitializedRead, "chip 1");
  Instruction other;
  other.op = copy(at(Space::L1, 0), at(Space::L2, 1000), 4);
  EXPECT_TRUE(box.machine->execute(0, 1, other));
}

TEST(Sanitize, GatherChecksTouchedElementsOnly) {
  Box box(true);
  box.program.kernels.push_back(
      {"gather",
       {DType::I32, DType::I32},
       {DType::I32},
       2,
       {{MicroOp::Load, DType::I32, DType::I32, 0, {}, 1},
        {MicroOp::Gather, DType::I32, DType::I32, 1, {0}, 0},
        {MicroOp::Scatter, DType::I32, DType::I32, 0, {1, 0}, 2}}});
  box.start();
  box.put(at(Space::L1, 8), std::vector<int32_t>{42});
  box.put(at(Space::L1, 100), std::vector<int32_t>{2, 3});
  Vec op;
  op.sizes = {1};
  op.operands = {{at(Space::L1, 0), {0}, {{10, 4}}},
                 {at(Space::L1, 100), {4}, {}},
                 {at(Space::L1, 200), {0}, {{10, 4}}}};
  box.ok(op);
  EXPECT_EQ(box.get<int32_t>(at(Space::L1, 208), 1)[0], 42);
  box.ok(copy(at(Space::L1, 208), at(Space::L2, 0), 4));
  box.faults(copy(at(Space::L1, 200), at(Space::L2, 0), 4),
             FaultCode::UninitializedRead, "0xc8");
  op.operands[1].base.offset = 104;
  box.faults(op, FaultCode::UninitializedRead, "gathers byte 0xc");
}

TEST(Sanitize, OverlappingCopies) {
  Box box(true);
  box.start();
  box.put(at(Space::L1, 0), std::vector<uint8_t>(1000, 1));
  box.faults(copy(at(Space::L1, 0), at(Space::L1, 63), 64),
             FaultCode::IllegalInstruction, "overlap at byte 0x3f");
  box.ok(copy(at(Space::L1, 0), at(Space::L1, 64), 64));
  // Interleaved columns do not overlap although their bounds do.
  box.ok(
      DmaCopy{at(Space::L1, 0), at(Space::L1, 4), 4, {20, 1}, {8, 4}, {8, 4}});
  box.faults(
      DmaCopy{at(Space::L1, 0), at(Space::L1, 3), 4, {20, 1}, {8, 4}, {8, 4}},
      FaultCode::IllegalInstruction, "overlap");
}

TEST(Sanitize, AccumulatorOverflow) {
  Box box(true);
  box.start();
  const int rows = 64;
  WriteWeights w;
  w.rows = rows, w.cols = 2;
  w.format = WeightFormat::Int8;
  w.src = at(Space::DRAM, 0);
  w.rowStride = 2, w.colStride = 1;
  std::vector<int8_t> weights(rows * 2, 100);
  for (int k = 0; k < rows; ++k)
    weights[k * 2 + 1] = -100;
  box.put(at(Space::DRAM, 0), weights);
  box.ok(w);
  Mac mac;
  mac.rows = rows, mac.cols = 2;
  mac.actType = DType::I16;
  mac.act = at(Space::L1, 0), mac.acc = at(Space::ACC, 0);
  mac.m = {{1, 0}}, mac.k = {{rows, 2}};
  mac.accStride = 8;
  mac.init = AccInit::Bias;
  mac.bias = at(Space::L1, 1000);
  // 64 * 100 * 32767 = 209708800.
  box.put(at(Space::L1, 0), std::vector<int16_t>(rows, 32767));
  box.put(at(Space::L1, 1000),
          std::vector<int32_t>{INT32_MAX - 209708800, INT32_MIN + 209708800});
  box.ok(mac);
  EXPECT_EQ(box.get<int32_t>(at(Space::ACC, 0), 2),
            (std::vector<int32_t>{INT32_MAX, INT32_MIN}));
  box.put(at(Space::L1, 1000), std::vector<int32_t>{0, INT32_MIN + 209708799});
  box.faults(mac, FaultCode::Overflow, "row 0 column 1 is -2147483649");
  mac.init = AccInit::Accumulate;
  box.put(at(Space::ACC, 0), std::vector<int32_t>{INT32_MAX - 209708799, 0});
  box.faults(mac, FaultCode::Overflow, "column 0 is 2147483648");
  // Without the sanitizer it wraps.
  Box plain;
  plain.start();
  plain.put(at(Space::DRAM, 0), weights);
  plain.ok(w);
  plain.put(at(Space::L1, 0), std::vector<int16_t>(rows, 32767));
  plain.put(at(Space::ACC, 0), std::vector<int32_t>{INT32_MAX, 0});
  plain.ok(mac);
  EXPECT_EQ(plain.get<int32_t>(at(Space::ACC, 0), 1)[0],
            int32_t(uint32_t(INT32_MAX) + 209708800u));
}

} // namespace
