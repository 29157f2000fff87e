// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loop nests: which elements a body sees and in which order, whatever way the
// interpreter chooses to run them.

#include <algorithm>
#include <cmath>

#include "Fixture.h"
#include "llvm/Support/FormatVariadic.h"

namespace cim {
namespace {

using GenericTest = InterpTest;
using Floats = std::vector<float>;

TEST_F(GenericTest, BroadcastsAndPermutations) {
  // 3 x 300 x 5: chunks of lanes end in the middle of a row.
  Floats x = randomFloats(3 * 300 * 5), c = randomFloats(300),
         t = randomFloats(5 * 3), want;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 300; ++j)
      for (int k = 0; k < 5; ++k)
        want.push_back(x[(i * 300 + j) * 5 + k] * c[j] + t[k * 3 + i]);
  EXPECT_EQ(one<float>(R"(
    func.func @main(%x: tensor<3x300x5xf32>, %c: tensor<300xf32>,
                    %t: tensor<5x3xf32>) -> tensor<3x300x5xf32> {
      %e = tensor.empty() : tensor<3x300x5xf32>
      %r = linalg.generic {
        indexing_maps = [affine_map<(i, j, k) -> (i, j, k)>,
                         affine_map<(i, j, k) -> (j)>,
                         affine_map<(i, j, k) -> (k, i)>,
                         affine_map<(i, j, k) -> (i, j, k)>],
        iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%x, %c, %t : tensor<3x300x5xf32>, tensor<300xf32>, tensor<5x3xf32>)
        outs(%e : tensor<3x300x5xf32>) {
      ^bb0(%a: f32, %b: f32, %d: f32, %o: f32):
        %m = arith.mulf %a, %b : f32
        %s = arith.addf %m, %d : f32
        linalg.yield %s : f32
      } -> tensor<3x300x5xf32>
      return %r : tensor<3x300x5xf32>
    })",
                       {toBytes(x), toBytes(c), toBytes(t)}),
            want);
}

TEST_F(GenericTest, TransposedResult) {
  Floats x = randomFloats(4 * 700), want(x.size());
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 700; ++j)
      want[j * 4 + i] = -x[i * 700 + j];
  EXPECT_EQ(one<float>(R"(
    func.func @main(%x: tensor<4x700xf32>) -> tensor<700x4xf32> {
      %e = tensor.empty() : tensor<700x4xf32>
      %r = linalg.generic {
        indexing_maps = [affine_map<(i, j) -> (i, j)>,
                         affine_map<(i, j) -> (j, i)>],
        iterator_types = ["parallel", "parallel"]}
        ins(%x : tensor<4x700xf32>) outs(%e : tensor<700x4xf32>) {
      ^bb0(%a: f32, %o: f32):
        %n = arith.negf %a : f32
        linalg.yield %n : f32
      } -> tensor<700x4xf32>
      return %r : tensor<700x4xf32>
    })",
                       {toBytes(x)}),
            want);
}

/// A window with strides, dilation, an offset and a shape-only operand.
TEST_F(GenericTest, Windows) {
  Floats x = randomFloats(3 * 20), want;
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < 6; ++i) {
      float m = -INFINITY;
      for (int k = 0; k < 3; ++k)
        m = std::max(m, x[c * 20 + 2 * i + 3 * k + 1]);
      want.push_back(m);
    }
  EXPECT_EQ(one<float>(R"(
    func.func @main(%x: tensor<3x20xf32>) -> tensor<3x6xf32> {
      %c = arith.constant 0xFF800000 : f32
      %e = tensor.empty() : tensor<3x6xf32>
      %w = tensor.empty() : tensor<3xf32>
      %i = linalg.fill ins(%c : f32) outs(%e : tensor<3x6xf32>)
           -> tensor<3x6xf32>
      %r = linalg.generic {
        indexing_maps = [affine_map<(c, i, k) -> (c, i * 2 + k * 3 + 1)>,
                         affine_map<(c, i, k) -> (k)>,
                         affine_map<(c, i, k) -> (c, i)>],
        iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%x, %w : tensor<3x20xf32>, tensor<3xf32>)
        outs(%i : tensor<3x6xf32>) {
      ^bb0(%a: f32, %s: f32, %o: f32):
        %m = arith.maximumf %a, %o : f32
        linalg.yield %m : f32
      } -> tensor<3x6xf32>
      return %r : tensor<3x6xf32>
    })",
                       {toBytes(x)}),
            want);
}

/// sum over j and k of x[i, j, k] * x[i, j, k], from 1, in fp32.
std::string sumOfSquares(int i, int j, int k) {
  return llvm::formatv(R"(
    func.func @main(%x: tensor<{0}x{1}x{2}xf32>) -> tensor<{0}xf32> {{
      %c = arith.constant 1.0 : f32
      %e = tensor.empty() : tensor<{0}xf32>
      %i = linalg.fill ins(%c : f32) outs(%e : tensor<{0}xf32>)
           -> tensor<{0}xf32>
      %r = linalg.generic {{
        indexing_maps = [affine_map<(j, i, k) -> (i, j, k)>,
                         affine_map<(j, i, k) -> (i)>],
        iterator_types = ["reduction", "parallel", "reduction"]}
        ins(%x : tensor<{0}x{1}x{2}xf32>) outs(%i : tensor<{0}xf32>) {{
      ^bb0(%a: f32, %o: f32):
        %m = arith.mulf %a, %a : f32
        %s = arith.addf %o, %m : f32
        linalg.yield %s : f32
      } -> tensor<{0}xf32>
      return %r : tensor<{0}xf32>
    })",
                       i, j, k);
}

/// F5: fp32 sums show every change of order. The sizes make the interpreter
/// run lanes along rows, or along the reduction, or in several chunks.
TEST_F(GenericTest, ReductionsAreSequential) {
  for (auto [rows, outer, inner] : {std::array{300, 3, 5},
                                    {1, 1, 1000},
                                    {2, 3, 700},
                                    {1, 7, 1},
                                    {8, 1, 64},
                                    {7, 2, 16},
                                    {600, 1, 2}}) {
    Floats x = randomFloats(rows * outer * inner), want;
    for (int i = 0; i < rows; ++i) {
      float sum = 1;
      for (int j = 0; j < outer; ++j)
        for (int k = 0; k < inner; ++k) {
          float value = x[(i * outer + j) * inner + k];
          sum = sum + value * value;
        }
      want.push_back(sum);
    }
    EXPECT_EQ(one<float>(sumOfSquares(rows, outer, inner), {toBytes(x)}), want)
        << rows << " " << outer << " " << inner;
  }
}

/// Index of the largest element (first of equals): two accumulators, of which
/// each step reads both.
std::string argMax(int rows, int columns) {
  return llvm::formatv(R"(
    func.func @main(%x: tensor<{0}x{1}xf32>)
        -> (tensor<{0}xf32>, tensor<{0}xi64>) {{
      %c = arith.constant 0xFF800000 : f32
      %z = arith.constant -1 : i64
      %e = tensor.empty() : tensor<{0}xf32>
      %f = tensor.empty() : tensor<{0}xi64>
      %i = linalg.fill ins(%c : f32) outs(%e : tensor<{0}xf32>)
           -> tensor<{0}xf32>
      %j = linalg.fill ins(%z : i64) outs(%f : tensor<{0}xi64>)
           -> tensor<{0}xi64>
      %r:2 = linalg.generic {{
        indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>,
                         affine_map<(i, j) -> (i)>],
        iterator_types = ["parallel", "reduction"]}
        ins(%x : tensor<{0}x{1}xf32>)
        outs(%i, %j : tensor<{0}xf32>, tensor<{0}xi64>) {{
      ^bb0(%a: f32, %o: f32, %p: i64):
        %k = linalg.index 1 : index
        %l = arith.index_cast %k : index to i64
        %g = arith.cmpf ogt, %a, %o : f32
        %m = arith.select %g, %a, %o : f32
        %n = arith.select %g, %l, %p : i64
        linalg.yield %m, %n : f32, i64
      } -> (tensor<{0}xf32>, tensor<{0}xi64>)
      return %r#0, %r#1 : tensor<{0}xf32>, tensor<{0}xi64>
    })",
                       rows, columns);
}

TEST_F(GenericTest, SeveralAccumulators) {
  for (auto [rows, columns] : {std::pair{300, 9}, {1, 500}, {3, 20}, {5, 3}}) {
    Floats x = randomFloats(rows * columns);
    for (float &value : x) // many equal values
      value = std::round(value * 3);
    std::vector<TensorValue> results = run(argMax(rows, columns), {toBytes(x)});
    ASSERT_EQ(results.size(), 2u) << error;
    for (int i = 0; i < rows; ++i) {
      auto row = x.begin() + i * columns;
      auto best = std::max_element(row, row + columns);
      EXPECT_EQ(elements<float>(results[0])[i], *best);
      EXPECT_EQ(elements<int64_t>(results[1])[i], best - row);
    }
  }
}

/// Accumulators that exchange their values, and one that takes the element.
TEST_F(GenericTest, ExchangedAccumulators) {
  for (int columns : {1, 2, 17, 300}) {
    std::string text = llvm::formatv(R"(
    func.func @main(%x: tensor<{0}xi32>, %i: tensor<i32>, %j: tensor<i32>)
        -> (tensor<i32>, tensor<i32>) {{
      %r:2 = linalg.generic {{
        indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> ()>,
                         affine_map<(i) -> ()>],
        iterator_types = ["reduction"]}
        ins(%x : tensor<{0}xi32>) outs(%i, %j : tensor<i32>, tensor<i32>) {{
      ^bb0(%a: i32, %o: i32, %p: i32):
        %s = arith.addi %o, %a : i32
        linalg.yield %p, %s : i32, i32
      } -> (tensor<i32>, tensor<i32>)
      return %r#0, %r#1 : tensor<i32>, tensor<i32>
    })",
                                     columns);
    std::vector<int32_t> x = randomInts<int32_t>(columns, -99, 99);
    int32_t a = 5, b = 6;
    for (int32_t value : x) {
      int32_t next = a + value;
      a = b;
      b = next;
    }
    std::vector<TensorValue> results =
        run(text, {toBytes(x), toBytes<int32_t>({5}), toBytes<int32_t>({6})});
    ASSERT_EQ(results.size(), 2u) << error;
    EXPECT_EQ(elements<int32_t>(results[0]), std::vector<int32_t>{a});
    EXPECT_EQ(elements<int32_t>(results[1]), std::vector<int32_t>{b});
  }
}

/// A result that a reduction loop indexes too: a running sum.
TEST_F(GenericTest, ReductionIntoPlaces) {
  std::vector<int32_t> x{1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(one<int32_t>(R"(
    func.func @main(%x: tensor<2x4xi32>, %i: tensor<4xi32>) -> tensor<4xi32> {
      %r = linalg.generic {
        indexing_maps = [affine_map<(i, j) -> (i, j)>,
                         affine_map<(i, j) -> (j)>],
        iterator_types = ["reduction", "parallel"]}
        ins(%x : tensor<2x4xi32>) outs(%i : tensor<4xi32>) {
      ^bb0(%a: i32, %o: i32):
        %s = arith.addi %o, %a : i32
        linalg.yield %s : i32
      } -> tensor<4xi32>
      return %r : tensor<4xi32>
    })",
                         {toBytes(x), toBytes<int32_t>({10, 20, 30, 40})}),
            (std::vector<int32_t>{16, 28, 40, 52}));
}

/// The init value of a reduction is not changed for its other readers.
TEST_F(GenericTest, InitIsNotOverwritten) {
  std::vector<TensorValue> results = run(
      R"(
    func.func @main(%x: tensor<2x4xi32>, %i: tensor<2xi32>)
        -> (tensor<2xi32>, tensor<2xi32>) {
      %r = linalg.generic {
        indexing_maps = [affine_map<(i, j) -> (i, j)>,
                         affine_map<(i, j) -> (i)>],
        iterator_types = ["parallel", "reduction"]}
        ins(%x : tensor<2x4xi32>) outs(%i : tensor<2xi32>) {
      ^bb0(%a: i32, %o: i32):
        %s = arith.addi %o, %a : i32
        linalg.yield %s : i32
      } -> tensor<2xi32>
      return %i, %r : tensor<2xi32>, tensor<2xi32>
    })",
      {toBytes<int32_t>({1, 2, 3, 4, 5, 6, 7, 8}), toBytes<int32_t>({1, 2})});
  ASSERT_EQ(results.size(), 2u) << error;
  EXPECT_EQ(elements<int32_t>(results[0]), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(elements<int32_t>(results[1]), (std::vector<int32_t>{11, 28}));
}

const char kGather[] = R"(
    func.func @main(%x: tensor<5x7xf16>, %i: tensor<400xi32>)
        -> tensor<400x7xf16> {
      %e = tensor.empty() : tensor<400x7xf16>
      %r = linalg.generic {
        indexing_maps = [affine_map<(i, j) -> (i)>,
                         affine_map<(i, j) -> (i, j)>],
        iterator_types = ["parallel", "parallel"]}
        ins(%i : tensor<400xi32>) outs(%e : tensor<400x7xf16>) {
      ^bb0(%a: i32, %o: f16):
        %p = arith.index_cast %a : i32 to index
        %j = linalg.index 1 : index
        %c = arith.constant 6 : index
        %q = arith.subi %c, %j : index
        %v = tensor.extract %x[%p, %q] : tensor<5x7xf16>
        linalg.yield %v : f16
      } -> tensor<400x7xf16>
      return %r : tensor<400x7xf16>
    })";

TEST_F(GenericTest, Gathers) {
  std::vector<uint16_t> x(35), want; // halves 1.0 to 1.03
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<uint16_t>(0x3c00 + i);
  std::vector<int32_t> rows = randomInts<int32_t>(400, 0, 4);
  for (int32_t row : rows)
    for (int j = 0; j < 7; ++j)
      want.push_back(x[row * 7 + 6 - j]);
  EXPECT_EQ(one<uint16_t>(kGather, {toBytes(x), toBytes(rows)}), want);
}

TEST_F(GenericTest, GatherOutsideIsAnError) {
  std::vector<uint16_t> x(35);
  for (int32_t bad : {-1, 5}) {
    std::vector<int32_t> rows(400, 2);
    rows[399] = bad;
    EXPECT_TRUE(run(kGather, {toBytes(x), toBytes(rows)}).empty());
    EXPECT_EQ(error, "an index computed from data leaves its tensor");
  }
}

TEST_F(GenericTest, IndicesOfAllLoops) {
  std::vector<int64_t> want;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 1; ++j)
      for (int k = 0; k < 300; ++k)
        want.push_back(i * 10000 + j * 1000 + k);
  EXPECT_EQ(one<int64_t>(R"(
    func.func @main() -> tensor<3x1x300xindex> {
      %e = tensor.empty() : tensor<3x1x300xindex>
      %big = arith.constant 10000 : index
      %mid = arith.constant 1000 : index
      %r = linalg.generic {
        indexing_maps = [affine_map<(i, j, k) -> (i, j, k)>],
        iterator_types = ["parallel", "parallel", "parallel"]}
        outs(%e : tensor<3x1x300xindex>) {
      ^bb0(%o: index):
        %i = linalg.index 0 : index
        %j = linalg.index 1 : index
        %k = linalg.index 2 : index
        %a = arith.muli %i, %big : index
        %b = arith.muli %j, %mid : index
        %s = arith.addi %a, %b : index
        %t = arith.addi %s, %k : index
        linalg.yield %t : index
      } -> tensor<3x1x300xindex>
      return %r : tensor<3x1x300xindex>
    })"),
            want);
}

TEST_F(GenericTest, NoIterationsLeaveTheInit) {
  EXPECT_EQ(one<float>(R"(
    func.func @main(%x: tensor<2x0xf32>) -> tensor<2xf32> {
      %c = arith.constant 3.0 : f32
      %e = tensor.empty() : tensor<2xf32>
      %i = linalg.fill ins(%c : f32) outs(%e : tensor<2xf32>) -> tensor<2xf32>
      %r = linalg.generic {
        indexing_maps = [affine_map<(i, j) -> (i, j)>,
                         affine_map<(i, j) -> (i)>],
        iterator_types = ["parallel", "reduction"]}
        ins(%x : tensor<2x0xf32>) outs(%i : tensor<2xf32>) {
      ^bb0(%a: f32, %o: f32):
        %s = arith.addf %o, %a : f32
        linalg.yield %s : f32
      } -> tensor<2xf32>
      return %r : tensor<2xf32>
    })",
                       {Bytes()}),
            (Floats{3, 3}));
}

TEST_F(GenericTest, HalfPrecisionRoundsEveryOperation) {
  // 2048 + 1 = 2048 in f16 at every step: the sum stays.
  std::vector<uint16_t> x(20, 0x3c00);
  EXPECT_EQ(one<uint16_t>(R"(
    func.func @main(%x: tensor<20xf16>) -> tensor<f16> {
      %c = arith.constant 2048.0 : f16
      %e = tensor.empty() : tensor<f16>
      %i = linalg.fill ins(%c : f16) outs(%e : tensor<f16>) -> tensor<f16>
      %r = linalg.generic {
        indexing_maps = [affine_map<(j) -> (j)>, affine_map<(j) -> ()>],
        iterator_types = ["reduction"]}
        ins(%x : tensor<20xf16>) outs(%i : tensor<f16>) {
      ^bb0(%a: f16, %o: f16):
        %s = arith.addf %o, %a : f16
        linalg.yield %s : f16
      } -> tensor<f16>
      return %r : tensor<f16>
    })",
                          {toBytes(x)}),
            (std::vector<uint16_t>{0x6800}));
}

TEST_F(GenericTest, NonLinearMapsAreErrors) {
  EXPECT_TRUE(run(R"(
    func.func @main(%x: tensor<4xf32>) -> tensor<8xf32> {
      %e = tensor.empty() : tensor<8xf32>
      %r = linalg.generic {
        indexing_maps = [affine_map<(i) -> (i floordiv 2)>,
                         affine_map<(i) -> (i)>],
        iterator_types = ["parallel"]}
        ins(%x : tensor<4xf32>) outs(%e : tensor<8xf32>) {
      ^bb0(%a: f32, %o: f32):
        linalg.yield %a : f32
      } -> tensor<8xf32>
      return %r : tensor<8xf32>
    })",
                  {Bytes(16)})
                  .empty());
  EXPECT_NE(error.find("is not linear"), std::string::npos) << error;
}

} // namespace
} // namespace cim
