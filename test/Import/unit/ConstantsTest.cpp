// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cim/IR/Constants.h: values survive every storage form.

#include "cim/IR/Constants.h"

#include <cmath>
#include <cstring>

#include "cim/Import/ONNX.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/MLIRContext.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace cim::ir;
using mlir::RankedTensorType;
using testing::ElementsAre;
using testing::SizeIs;

namespace {

class ConstantsTest : public testing::Test {
protected:
  ConstantsTest() : builder(&context) { cim::loadImportDialects(context); }
  mlir::MLIRContext context;
  mlir::Builder builder;
};

TEST_F(ConstantsTest, SmallOnesAreInline) {
  auto type = RankedTensorType::get({3}, builder.getI32Type());
  auto attr = makeConstant(type, llvm::ArrayRef<int64_t>{1, -2, 3}, "x");
  EXPECT_TRUE(llvm::isa<mlir::DenseElementsAttr>(attr));
  EXPECT_THAT(values<int64_t>(attr), ElementsAre(1, -2, 3));
}

TEST_F(ConstantsTest, BigOnesAreResourcesNamedAfterTheirTensor) {
  auto type = RankedTensorType::get({10, 10}, builder.getF32Type());
  std::vector<double> elements;
  for (int i = 0; i < 100; ++i)
    elements.push_back(i * 0.5);
  auto attr = makeConstant(type, llvm::ArrayRef<double>(elements), "w/0:1");
  auto resource = llvm::dyn_cast<mlir::DenseResourceElementsAttr>(attr);
  ASSERT_TRUE(resource);
  EXPECT_EQ(resource.getRawHandle().getKey(), "w_0_1");
  EXPECT_EQ(values<double>(attr), elements);
}

TEST_F(ConstantsTest, EqualElementsAreSplats) {
  auto type = RankedTensorType::get({1000}, builder.getF32Type());
  std::vector<double> elements(1000, -0.25);
  auto attr = makeConstant(type, llvm::ArrayRef<double>(elements), "w");
  EXPECT_TRUE(isSplat(attr));
  EXPECT_THAT(rawBytes(attr), SizeIs(4));
  EXPECT_THAT(expandedBytes(attr), SizeIs(4000));
  EXPECT_EQ(values<double>(attr), elements);
}

TEST_F(ConstantsTest, SubByteIntegersTakeOneByte) {
  for (int64_t count : {4, 80}) {
    auto type = RankedTensorType::get({count}, builder.getIntegerType(4));
    std::vector<int64_t> elements;
    for (int64_t i = 0; i < count; ++i)
      elements.push_back(i % 16 - 8);
    auto attr = makeConstant(type, llvm::ArrayRef<int64_t>(elements), "q");
    EXPECT_EQ(values<int64_t>(attr), elements);
    EXPECT_THAT(expandedBytes(attr), SizeIs(count));
    EXPECT_EQ(values<int64_t>(attr, /*isUnsigned=*/true)[0], 8);
  }
}

TEST_F(ConstantsTest, Booleans) {
  for (int64_t count : {5, 100}) {
    auto type = RankedTensorType::get({count}, builder.getI1Type());
    std::vector<int64_t> elements;
    for (int64_t i = 0; i < count; ++i)
      elements.push_back(i % 3 == 0);
    auto attr = makeConstant(type, llvm::ArrayRef<int64_t>(elements), "b");
    EXPECT_EQ(values<int64_t>(attr), elements);
    std::vector<char> bytes = expandedBytes(attr);
    EXPECT_EQ(std::vector<int64_t>(bytes.begin(), bytes.end()), elements);
  }
}

TEST_F(ConstantsTest, FloatsAreRoundedToTheirType) {
  auto type = RankedTensorType::get({2}, builder.getF16Type());
  auto attr = makeConstant(
      type, llvm::ArrayRef<double>{1.0009765625 + 0.0001, 65520.0}, "h");
  EXPECT_THAT(values<double>(attr), ElementsAre(1.0009765625, INFINITY));
  EXPECT_EQ(roundToType(0.1, builder.getF32Type()), double(0.1f));
}

TEST_F(ConstantsTest, EmptyTensors) {
  auto type = RankedTensorType::get({0, 3}, builder.getI64Type());
  auto attr = makeConstant(type, llvm::ArrayRef<int64_t>{}, "none");
  EXPECT_TRUE(hasData(attr));
  EXPECT_THAT(values<int64_t>(attr), SizeIs(0));
  EXPECT_EQ(constantBytes(type), 0);
}

TEST_F(ConstantsTest, OwnerLivesUntilTheBlobIsReleased) {
  auto type = RankedTensorType::get({100}, builder.getI8Type());
  auto owner = std::make_shared<std::vector<char>>(100);
  for (int i = 0; i < 100; ++i)
    (*owner)[i] = static_cast<char>(i);
  llvm::ArrayRef<char> bytes(owner->data(), owner->size());
  std::weak_ptr<std::vector<char>> alive = owner;
  auto attr = makeConstant(type, bytes, "w", std::move(owner));
  EXPECT_FALSE(alive.expired());
  EXPECT_EQ(rawBytes(attr).data(), bytes.data());
  releaseBlob(attr);
  EXPECT_TRUE(alive.expired());
  EXPECT_FALSE(hasData(attr));
  EXPECT_THAT(values<int64_t>(attr), SizeIs(0));
}

} // namespace
