// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Firmware kernels (device.md D4.6).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "Fixture.h"
#include "exec/CtrlKernels.h"

namespace {

using namespace cim;
using namespace cim::test;
using exec::CtrlKernel;

Ctrl topK(DType type, int64_t outer, int64_t n, int64_t k, bool largest,
          bool sorted) {
  Ctrl op;
  op.kernel = uint16_t(CtrlKernel::TopK);
  op.params = {int64_t(type), outer, n, k, largest, sorted};
  int64_t e = byteSize(type);
  op.operands = {{at(Space::L1, 0), {n * e, e}, {}},
                 {at(Space::L1, 65536), {k * e, e}, {}},
                 {at(Space::L1, 131072), {k * 8, 8}, {}}};
  return op;
}

TEST(TopK, AgreesWithSort) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    Box box(seed % 2);
    box.start();
    int64_t outer = random.range(1, 5), n = random.range(1, 60);
    int64_t k = random.range(1, n);
    bool largest = random.chance(50), sorted = random.chance(70);
    auto x = random.integers<int8_t>(size_t(outer * n), -10, 10);
    box.put(at(Space::L1, 0), x);
    box.ok(topK(DType::I8, outer, n, k, largest, sorted));
    auto values = box.get<int8_t>(at(Space::L1, 65536), size_t(outer * k));
    auto indices = box.get<int64_t>(at(Space::L1, 131072), size_t(outer * k));
    for (int64_t o = 0; o < outer; ++o) {
      std::vector<int64_t> order(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i)
        order[i] = i;
      std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        int8_t u = x[o * n + a], v = x[o * n + b];
        return u == v ? a < b : largest ? u > v : u < v;
      });
      order.resize(size_t(k));
      if (!sorted)
        std::sort(order.begin(), order.end());
      for (int64_t j = 0; j < k; ++j) {
        ASSERT_EQ(indices[o * k + j], order[j]) << "seed " << seed;
        ASSERT_EQ(values[o * k + j], x[o * n + order[j]]);
      }
    }
  }
}

TEST(TopK, NanIsLargestAndZerosAreEqual) {
  Box box;
  box.start();
  std::vector<float> x = {0.0f, -0.0f, 1, NAN, INFINITY, NAN, -1};
  box.put(at(Space::L1, 0), x);
  box.ok(topK(DType::F32, 1, 7, 7, true, true));
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 131072), 7),
            (std::vector<int64_t>{3, 5, 4, 2, 0, 1, 6}));
  box.ok(topK(DType::F32, 1, 7, 3, false, true));
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 131072), 3),
            (std::vector<int64_t>{6, 0, 1}));
  std::vector<uint64_t> u = {1, ~uint64_t(0), 5};
  box.put(at(Space::L1, 0), u);
  box.ok(topK(DType::U64, 1, 3, 1, true, true));
  EXPECT_EQ(box.get<uint64_t>(at(Space::L1, 65536), 1)[0], ~uint64_t(0));
}

TEST(NonZero, RowMajorIndices) {
  Box box(true);
  box.start();
  std::vector<float> x = {0, 1, -0.0f, NAN, 0, 2};
  box.put(at(Space::L1, 0), x);
  Ctrl op;
  op.kernel = uint16_t(CtrlKernel::NonZero);
  op.params = {int64_t(DType::F32), 4, 2, 3};
  op.operands = {{at(Space::L1, 0), {12, 4}, {}},
                 {at(Space::L1, 1024), {32, 8}, {}},
                 {at(Space::L1, 2048), {}, {}}};
  box.ok(op);
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 1024), 8),
            (std::vector<int64_t>{0, 1, 1, 0, 1, 0, 2, 0}));
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 2048), 1)[0], 3);
  op.params[1] = 2; // Fewer places than elements: the count tells.
  box.ok(op);
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 2048), 1)[0], 3);
}

TEST(LexSort, RowsInStableOrder) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    Random random(seed);
    Box box(seed % 2);
    box.start();
    int64_t rows = random.range(1, 40), columns = random.range(1, 4);
    auto x = random.integers<uint8_t>(size_t(rows * columns), 0, 3);
    for (uint8_t &v : x) // As signed numbers these would come first.
      v = v == 2 ? 200 : v;
    box.put(at(Space::L1, 0), x);
    Ctrl op;
    op.kernel = uint16_t(CtrlKernel::LexSort);
    op.params = {int64_t(DType::U8), rows, columns};
    op.operands = {{at(Space::L1, 0), {columns, 1}, {}},
                   {at(Space::L1, 65536), {8}, {}}};
    box.ok(op);
    auto order = box.get<int64_t>(at(Space::L1, 65536), size_t(rows));
    auto row = [&](int64_t r) {
      auto begin = x.begin() + order[size_t(r)] * columns;
      return std::vector<uint8_t>(begin, begin + columns);
    };
    for (int64_t r = 1; r < rows; ++r) {
      ASSERT_LE(row(r - 1), row(r)) << "seed " << seed;
      if (row(r - 1) == row(r))
        ASSERT_LT(order[size_t(r - 1)], order[size_t(r)]);
    }
    std::sort(order.begin(), order.end());
    for (int64_t r = 0; r < rows; ++r)
      ASSERT_EQ(order[size_t(r)], r); // A permutation.
  }
}

TEST(LexSort, NanIsLast) {
  Box box;
  box.start();
  std::vector<float> x = {NAN, 1, -0.0f, INFINITY, 0.0f, NAN};
  box.put(at(Space::L1, 0), x);
  Ctrl op;
  op.kernel = uint16_t(CtrlKernel::LexSort);
  op.params = {int64_t(DType::F32), 6, 1};
  op.operands = {{at(Space::L1, 0), {4, 4}, {}},
                 {at(Space::L1, 1024), {8}, {}}};
  box.ok(op);
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 1024), 6),
            (std::vector<int64_t>{2, 4, 1, 3, 0, 5}));
}

/// Boxes at L1 0, scores at 4096, max_boxes at 8192, thresholds at 8200 and
/// 8204, results at 16384 and 32768.
Ctrl nms(int64_t boxes, int64_t classes, int64_t limit, bool center,
         bool filtered) {
  Ctrl op;
  op.kernel = uint16_t(CtrlKernel::Nms);
  op.params = {1, boxes, classes, limit, center, filtered};
  op.operands = {{at(Space::L1, 0), {boxes * 16, 16, 4}, {}},
                 {at(Space::L1, 4096), {classes * boxes * 4, boxes * 4, 4}, {}},
                 {at(Space::L1, 8192), {}, {}},
                 {at(Space::L1, 8200), {}, {}}};
  if (filtered)
    op.operands.push_back({at(Space::L1, 8204), {}, {}});
  op.operands.push_back({at(Space::L1, 16384), {24, 8}, {}});
  op.operands.push_back({at(Space::L1, 32768), {}, {}});
  return op;
}

TEST(Nms, SelectsByScoreAndOverlap) {
  Box box(true);
  box.start();
  // Three pairs of boxes that overlap by more than half; the second has its
  // corners the other way round. Class 1 likes other boxes.
  std::vector<float> boxes = {0, 0,     1, 1,     0, 0.1f, 1, 1.1f,
                              1, 0.9f,  0, -0.1f, 0, 10,   1, 11,
                              0, 10.1f, 1, 11.1f, 0, 100,  1, 101};
  std::vector<float> scores = {0.9f, 0.75f, 0.6f, 0.95f, 0.5f, 0.3f,
                               0.1f, 0.2f,  NAN,  0.2f,  0.2f, 0.2f};
  box.put(at(Space::L1, 0), boxes);
  box.put(at(Space::L1, 4096), scores);
  box.put(at(Space::L1, 8192), std::vector<int64_t>{3});
  box.put(at(Space::L1, 8200), std::vector<float>{0.5f, 0.4f});
  box.ok(nms(6, 2, 4, false, false));
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 32768), 1)[0], 6);
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 16384), 24),
            (std::vector<int64_t>{0, 0, 3, 0, 0, 0, 0, 0, 5, 0, 1, 1, //
                                  0, 1, 3, 0, 1, 5, 0, 0, 0, 0, 0, 0}));
  // Only scores above 0.4; the last box is out.
  box.ok(nms(6, 2, 4, false, true));
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 32768), 1)[0], 2);
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 16384), 6),
            (std::vector<int64_t>{0, 0, 3, 0, 0, 0}));
}

TEST(Nms, CenteredBoxesAndLimits) {
  Box box(true);
  box.start();
  std::vector<float> boxes = {0.5f, 0.5f, 1, 1, 0.6f, 0.5f, 1, 1,
                              9,    9,    1, 1, 0.5f, 0.5f, 0, 0};
  box.put(at(Space::L1, 0), boxes);
  box.put(at(Space::L1, 4096), std::vector<float>{0.5f, 0.9f, 0.1f, 0.8f});
  box.put(at(Space::L1, 8192), std::vector<int64_t>{9});
  box.put(at(Space::L1, 8200), std::vector<float>{0.5f});
  // A box without area overlaps nothing.
  box.ok(nms(4, 1, 4, true, false));
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 32768), 1)[0], 3);
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 16384), 9),
            (std::vector<int64_t>{0, 0, 1, 0, 0, 3, 0, 0, 2}));
  box.ok(nms(4, 1, 2, true, false)); // The limit is less than max_boxes.
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 32768), 1)[0], 2);
  box.put(at(Space::L1, 8192), std::vector<int64_t>{-3});
  box.ok(nms(4, 1, 4, true, false));
  EXPECT_EQ(box.get<int64_t>(at(Space::L1, 32768), 1)[0], 0);
  auto shape = exec::ctrlShape(nms(4, 1, 2, true, false));
  ASSERT_TRUE(shape.ok());
  EXPECT_EQ(shape->elements, 8u);
  box.faults(nms(4, 1, 5, true, false), FaultCode::IllegalInstruction,
             "parameter 3 is 5");
}

TEST(Ctrl, FaultsNameWhatIsWrong) {
  Box box;
  box.start();
  Ctrl op = topK(DType::I8, 2, 8, 9, true, true);
  box.faults(op, FaultCode::IllegalInstruction, "parameter 3 is 9");
  op = topK(DType::I8, 2, 8, 3, true, true);
  op.kernel = 99;
  box.faults(op, FaultCode::IllegalInstruction, "no such kernel");
  op = topK(DType::I8, 2, 8, 3, true, true);
  op.operands.pop_back();
  box.faults(op, FaultCode::IllegalInstruction, "2 operands");
  op = topK(DType::I8, 2, 8, 3, true, true);
  op.operands[1].strides = {1};
  box.faults(op, FaultCode::IllegalInstruction, "1 strides");
  op = topK(DType::I8, 2, 8, 3, true, true);
  op.operands[2].base.offset = (1 << 18) - 8;
  box.faults(op, FaultCode::OutOfRange, "operand 2");
  auto shape = exec::ctrlShape(topK(DType::F16, 2, 8, 3, true, true));
  ASSERT_TRUE(shape.ok());
  EXPECT_EQ(shape->elements, 16u);
  EXPECT_EQ(shape->accesses.size(), 3u);
}

} // namespace
