// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// External data: mapped in place, never outside the model's folder.

#include <filesystem>
#include <fstream>

#include "Models.h"
#include "cim/IR/Constants.h"
#include "cim/Import/ONNX.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/MLIRContext.h"
#include "gmock/gmock.h"

using testing::HasSubstr;

namespace {

class ExternalDataTest : public testing::Test {
protected:
  void SetUp() override {
    folder =
        std::filesystem::path(testing::TempDir()) /
        ("external-" +
         std::string(
             testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::create_directories(folder / "sub");
    std::vector<float> weights;
    for (int i = 0; i < 100; ++i)
      weights.push_back(0.5f * i);
    std::ofstream file(folder / "sub" / "weights.bin", std::ios::binary);
    file << "headpad!";
    file.write(reinterpret_cast<char *>(weights.data()), 400);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  /// Writes a model whose weights are where the keys say, and imports it.
  bool import(const std::string &location, const std::string &offset,
              const std::string &length) {
    auto model = cim::test::parseModel(R"(
      <ir_version: 8, opset_import: ["" : 17]>
      agraph (float[100] x) => (float[100] y) { y = Add(x, w) })");
    auto *tensor = model.mutable_graph()->add_initializer();
    tensor->set_name("w");
    tensor->set_data_type(1);
    tensor->add_dims(100);
    tensor->set_data_location(cim_onnx::TensorProto::EXTERNAL);
    auto add = [&](const char *key, const std::string &value) {
      auto *entry = tensor->add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    };
    add("location", location);
    add("offset", offset);
    add("length", length);
    std::string path = (folder / "model.onnx").string();
    std::ofstream(path, std::ios::binary) << model.SerializeAsString();
    auto result = cim::importOnnxFile(path, {}, context, error);
    if (failed(result))
      return false;
    module = std::move(*result);
    return true;
  }

  std::filesystem::path folder;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string error;
};

TEST_F(ExternalDataTest, IsMapped) {
  ASSERT_TRUE(import("sub/weights.bin", "8", "400")) << error;
  std::vector<double> seen;
  module->walk([&](mlir::arith::ConstantOp op) {
    if (auto attr = llvm::dyn_cast<mlir::ElementsAttr>(op.getValue()))
      seen = cim::ir::values<double>(attr);
  });
  ASSERT_EQ(seen.size(), 100u);
  EXPECT_EQ(seen[99], 49.5);
}

TEST_F(ExternalDataTest, StaysInTheFolder) {
  EXPECT_FALSE(import("../weights.bin", "8", "400"));
  EXPECT_THAT(error, HasSubstr("w: external data location '../weights.bin' is "
                               "refused; it must be a relative path"));
  EXPECT_FALSE(import("/etc/passwd", "0", "400"));
  EXPECT_THAT(error, HasSubstr("'/etc/passwd' is refused"));
  EXPECT_FALSE(import("", "0", "400"));
  EXPECT_THAT(error, HasSubstr("is refused"));
  std::filesystem::create_symlink("/etc/passwd", folder / "link.bin");
  EXPECT_FALSE(import("link.bin", "0", "400"));
  EXPECT_THAT(error, HasSubstr("leaves the model's folder"));
}

TEST_F(ExternalDataTest, BadRanges) {
  EXPECT_FALSE(import("sub/weights.bin", "16", "400"));
  EXPECT_THAT(error, HasSubstr("external data end beyond 'sub/weights.bin'; "
                               "the file has 408 bytes"));
  EXPECT_FALSE(import("sub/weights.bin", "8", "396"));
  EXPECT_THAT(error, HasSubstr("tensor data are too short; 400 bytes wanted, "
                               "396 found"));
  EXPECT_FALSE(import("sub/weights.bin", "-8", "400"));
  EXPECT_THAT(error, HasSubstr("bad offset"));
  EXPECT_FALSE(import("sub/missing.bin", "8", "400"));
  EXPECT_THAT(error, HasSubstr("is not found"));
}

TEST_F(ExternalDataTest, IsRefusedForBytes) {
  import("sub/weights.bin", "8", "400");
  std::ifstream file(folder / "model.onnx", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  EXPECT_TRUE(failed(cim::importOnnxBytes(bytes, {}, context, error)));
  EXPECT_THAT(error, HasSubstr("import the model from its file"));
}

} // namespace
