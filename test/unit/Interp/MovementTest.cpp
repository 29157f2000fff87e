// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Fixture.h"

namespace cim {
namespace {

using MovementTest = InterpTest;
using Ints = std::vector<int32_t>;

const char kPrefix[] = "func.func @main(%x: tensor<2x3xi32>) -> ";
const Ints kX{1, 2, 3, 4, 5, 6};

TEST_F(MovementTest, Transpose) {
  EXPECT_EQ(one<int32_t>(std::string(kPrefix) + R"(tensor<3x2xi32> {
    %e = tensor.empty() : tensor<3x2xi32>
    %r = linalg.transpose ins(%x : tensor<2x3xi32>) outs(%e : tensor<3x2xi32>)
         permutation = [1, 0]
    return %r : tensor<3x2xi32>
  })",
                         {toBytes(kX)}),
            (Ints{1, 4, 2, 5, 3, 6}));
}

TEST_F(MovementTest, TransposeOfHigherRank) {
  std::vector<int16_t> x(2 * 3 * 4 * 5), want;
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<int16_t>(i * 7);
  for (int a = 0; a < 4; ++a)
    for (int b = 0; b < 2; ++b)
      for (int c = 0; c < 5; ++c)
        for (int d = 0; d < 3; ++d)
          want.push_back(x[((b * 3 + d) * 4 + a) * 5 + c]);
  EXPECT_EQ(one<int16_t>(R"(
    func.func @main(%x: tensor<2x3x4x5xi16>) -> tensor<4x2x5x3xi16> {
      %e = tensor.empty() : tensor<4x2x5x3xi16>
      %r = linalg.transpose ins(%x : tensor<2x3x4x5xi16>)
           outs(%e : tensor<4x2x5x3xi16>) permutation = [2, 0, 3, 1]
      return %r : tensor<4x2x5x3xi16>
    })",
                         {toBytes(x)}),
            want);
}

TEST_F(MovementTest, Slices) {
  EXPECT_EQ(one<int32_t>(std::string(kPrefix) + R"(tensor<2x2xi32> {
    %r = tensor.extract_slice %x[0, 0] [2, 2] [1, 2]
         : tensor<2x3xi32> to tensor<2x2xi32>
    return %r : tensor<2x2xi32>
  })",
                         {toBytes(kX)}),
            (Ints{1, 3, 4, 6}));
  // Rank-reducing.
  EXPECT_EQ(one<int32_t>(std::string(kPrefix) + R"(tensor<3xi32> {
    %r = tensor.extract_slice %x[1, 0] [1, 3] [1, 1]
         : tensor<2x3xi32> to tensor<3xi32>
    return %r : tensor<3xi32>
  })",
                         {toBytes(kX)}),
            (Ints{4, 5, 6}));
}

/// Inserting writes in place only when nobody else reads the destination.
TEST_F(MovementTest, InsertLeavesOtherReadersAlone) {
  std::vector<TensorValue> results = run(R"(
    func.func @main(%x: tensor<2x3xi32>, %y: tensor<2xi32>)
        -> (tensor<2x3xi32>, tensor<2x3xi32>, tensor<2x3xi32>) {
      %a = tensor.insert_slice %y into %x[0, 1] [2, 1] [1, 1]
           : tensor<2xi32> into tensor<2x3xi32>
      %b = tensor.insert_slice %y into %a[0, 0] [1, 2] [1, 2]
           : tensor<2xi32> into tensor<2x3xi32>
      return %x, %a, %b : tensor<2x3xi32>, tensor<2x3xi32>, tensor<2x3xi32>
    })",
                                         {toBytes(kX), toBytes(Ints{8, 9})});
  ASSERT_EQ(results.size(), 3u) << error;
  EXPECT_EQ(elements<int32_t>(results[0]), kX);
  EXPECT_EQ(elements<int32_t>(results[1]), (Ints{1, 8, 3, 4, 9, 6}));
  EXPECT_EQ(elements<int32_t>(results[2]), (Ints{8, 8, 9, 4, 9, 6}));
}

/// A reshape shares its source's memory; writing must not show through it.
TEST_F(MovementTest, InsertAfterReshape) {
  std::vector<TensorValue> results = run(R"(
    func.func @main(%x: tensor<2x3xi32>, %y: tensor<1xi32>)
        -> (tensor<2x3xi32>, tensor<6xi32>) {
      %z = tensor.empty() : tensor<2x3xi32>
      %c = linalg.transpose ins(%x : tensor<2x3xi32>) outs(%z : tensor<2x3xi32>)
           permutation = [0, 1]
      %f = tensor.collapse_shape %c [[0, 1]]
           : tensor<2x3xi32> into tensor<6xi32>
      %a = tensor.insert_slice %y into %f[5] [1] [1]
           : tensor<1xi32> into tensor<6xi32>
      return %c, %a : tensor<2x3xi32>, tensor<6xi32>
    })",
                                         {toBytes(kX), toBytes(Ints{9})});
  ASSERT_EQ(results.size(), 2u) << error;
  EXPECT_EQ(elements<int32_t>(results[0]), kX);
  EXPECT_EQ(elements<int32_t>(results[1]), (Ints{1, 2, 3, 4, 5, 9}));
}

TEST_F(MovementTest, Pad) {
  EXPECT_EQ(one<int32_t>(std::string(kPrefix) + R"(tensor<3x5xi32> {
    %c = arith.constant 9 : i32
    %r = tensor.pad %x low[1, 0] high[0, 2] {
    ^bb0(%i: index, %j: index):
      tensor.yield %c : i32
    } : tensor<2x3xi32> to tensor<3x5xi32>
    return %r : tensor<3x5xi32>
  })",
                         {toBytes(kX)}),
            (Ints{9, 9, 9, 9, 9, 1, 2, 3, 9, 9, 4, 5, 6, 9, 9}));
}

TEST_F(MovementTest, PadOfQuantizedTensor) {
  using Q = std::vector<uint8_t>;
  EXPECT_EQ(one<uint8_t>(R"(
    !q = !quant.uniform<u8:f32, 0.5:130>
    func.func @main(%x: tensor<2x!q>) -> tensor<4x!q> {
      %c = arith.constant -1.0 : f32
      %r = tensor.pad %x low[1] high[1] {
      ^bb0(%i: index):
        %p = quant.qcast %c : f32 to !q
        tensor.yield %p : !q
      } : tensor<2x!q> to tensor<4x!q>
      return %r : tensor<4x!q>
    })",
                         {toBytes(Q{1, 200})}),
            (Q{128, 1, 200, 128}));
}

TEST_F(MovementTest, Concat) {
  EXPECT_EQ(one<int32_t>(std::string(kPrefix) + R"(tensor<2x5xi32> {
    %y = arith.constant dense<[[7, 8], [9, 10]]> : tensor<2x2xi32>
    %r = tensor.concat dim(1) %y, %x
         : (tensor<2x2xi32>, tensor<2x3xi32>) -> tensor<2x5xi32>
    return %r : tensor<2x5xi32>
  })",
                         {toBytes(kX)}),
            (Ints{7, 8, 1, 2, 3, 9, 10, 4, 5, 6}));
}

TEST_F(MovementTest, Reshapes) {
  EXPECT_EQ(one<int32_t>(std::string(kPrefix) + R"(tensor<3x1x2xi32> {
    %f = tensor.collapse_shape %x [[0, 1]] : tensor<2x3xi32> into tensor<6xi32>
    %r = tensor.expand_shape %f [[0, 1, 2]] output_shape [3, 1, 2]
         : tensor<6xi32> into tensor<3x1x2xi32>
    return %r : tensor<3x1x2xi32>
  })",
                         {toBytes(kX)}),
            kX);
}

TEST_F(MovementTest, Fill) {
  EXPECT_EQ(one<uint16_t>(R"(
    func.func @main() -> tensor<3xf16> {
      %c = arith.constant -2.0 : f16
      %e = tensor.empty() : tensor<3xf16>
      %r = linalg.fill ins(%c : f16) outs(%e : tensor<3xf16>) -> tensor<3xf16>
      return %r : tensor<3xf16>
    })"),
            (std::vector<uint16_t>(3, 0xc000)));
}

TEST_F(MovementTest, NarrowIntegersAreSignExtended) {
  EXPECT_EQ(one<int8_t>(R"(
    func.func @main() -> tensor<3xi5> {
      %r = arith.constant dense<[-16, 15, -1]> : tensor<3xi5>
      return %r : tensor<3xi5>
    })"),
            (std::vector<int8_t>{-16, 15, -1}));
}

TEST_F(MovementTest, EmptyTensors) {
  EXPECT_EQ(one<int32_t>(std::string(kPrefix) + R"(tensor<2x3xi32> {
    %n = tensor.extract_slice %x[0, 0] [2, 0] [1, 1]
         : tensor<2x3xi32> to tensor<2x0xi32>
    %r = tensor.concat dim(1) %n, %x
         : (tensor<2x0xi32>, tensor<2x3xi32>) -> tensor<2x3xi32>
    return %r : tensor<2x3xi32>
  })",
                         {toBytes(kX)}),
            kX);
}

TEST_F(MovementTest, RegionsAndObserver) {
  std::vector<std::string> seen;
  InterpretOptions options;
  options.observer = [&](mlir::Value value, const TensorValue &tensor) {
    EXPECT_EQ(value.getType(), tensor.type);
    seen.push_back(value.getDefiningOp()->getName().getStringRef().str());
  };
  EXPECT_EQ(one<int32_t>(std::string(kPrefix) + R"(tensor<6xi32> {
    %r = cim.region "flat" (%x) : (tensor<2x3xi32>) -> tensor<6xi32> {
    ^bb0(%a: tensor<2x3xi32>):
      %f = tensor.collapse_shape %a [[0, 1]]
           : tensor<2x3xi32> into tensor<6xi32>
      cim.yield %f : tensor<6xi32>
    }
    return %r : tensor<6xi32>
  })",
                         {toBytes(kX)}, options),
            kX);
  EXPECT_EQ(seen,
            (std::vector<std::string>{"tensor.collapse_shape", "cim.region"}));
}

TEST_F(MovementTest, OnlyWhatIsWantedRuns) {
  std::vector<std::string> seen;
  InterpretOptions options;
  options.observer = [&](mlir::Value value, const TensorValue &) {
    seen.push_back(value.getDefiningOp()->getName().getStringRef().str());
  };
  options.wanted = [](mlir::Value value) {
    return value.getDefiningOp<mlir::tensor::ExtractSliceOp>() != nullptr;
  };
  // The slice needs the first reshape; the second one nobody wants.
  EXPECT_TRUE(run(std::string(kPrefix) + R"(tensor<6xi32> {
    %f = tensor.collapse_shape %x [[0, 1]] : tensor<2x3xi32> into tensor<6xi32>
    %s = tensor.extract_slice %f[1] [2] [1] : tensor<6xi32> to tensor<2xi32>
    %g = tensor.expand_shape %f [[0, 1]] output_shape [3, 2]
         : tensor<6xi32> into tensor<3x2xi32>
    %h = tensor.collapse_shape %g [[0, 1]] : tensor<3x2xi32> into tensor<6xi32>
    return %h : tensor<6xi32>
  })",
                  {toBytes(kX)}, options)
                  .empty());
  EXPECT_EQ(error, "");
  EXPECT_EQ(seen, (std::vector<std::string>{"tensor.collapse_shape",
                                            "tensor.extract_slice"}));
}

TEST_F(MovementTest, InputTypesAreChecked) {
  parse("func.func @main(%x: tensor<2xi32>) { return }");
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) {
    error = d.str();
    return mlir::success();
  });
  EXPECT_TRUE(failed(interpret(main(), {})));
  EXPECT_EQ(error, "the function takes 1 inputs, 0 are given");
  TensorValue value;
  value.type =
      mlir::RankedTensorType::get({3}, mlir::IntegerType::get(&context, 32));
  EXPECT_TRUE(failed(interpret(main(), {value})));
  EXPECT_NE(error.find("tensor<3xi32>"), std::string::npos);
}

} // namespace
} // namespace cim
