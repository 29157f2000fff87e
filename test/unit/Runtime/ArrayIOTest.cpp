// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Runtime/ArrayIO.h"

#include <cstring>
#include <filesystem>

#include "FakeDevice.h"
#include "cim/Support/Npz.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cim {
namespace {

using ::testing::HasSubstr;

class ArrayIO : public ::testing::Test {
protected:
  std::string path = ::testing::TempDir() + "/cim_array_io_test.npz";
  void TearDown() override { std::filesystem::remove(path); }
  void write(std::vector<std::pair<std::string, NpyArray>> arrays) {
    ASSERT_TRUE(writeNpz(path, arrays).ok());
  }
  NpyArray npy(const char *dtype, std::vector<int64_t> shape,
               std::string_view bytes) {
    return {dtype, std::move(shape), bytes, nullptr};
  }
};

TEST_F(ArrayIO, InputsByName) {
  write({{"k", npy("f4", {3}, "0123456789ab")},
         {"other", npy("f8", {1}, "01234567")},
         {"x", npy("i1", {2, 3}, "abcdef")}});
  auto inputs = readInputs(path, fakeProgram());
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  EXPECT_EQ(inputs->size(), 2u);
  EXPECT_EQ(inputs->at("x").type, DType::I8);
  EXPECT_EQ(inputs->at("k").type, DType::F32);
  EXPECT_EQ(std::string(inputs->at("x").data.data(), 6), "abcdef");
}

TEST_F(ArrayIO, MissingInputIsNamed) {
  write({{"k", npy("f4", {3}, "0123456789ab")}});
  EXPECT_THAT(std::string(readInputs(path, fakeProgram()).status().message()),
              HasSubstr("no array x; the file has k; add int8[2,3]"));
}

TEST_F(ArrayIO, OnlyArrayOfAnyName) {
  Program program = fakeProgram();
  program.inputs.resize(1);
  write({{"images", npy("i1", {2, 3}, "abcdef")}});
  auto inputs = readInputs(path, program);
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  EXPECT_EQ(inputs->count("x"), 1u);
}

TEST_F(ArrayIO, OutputsRoundTripAndBfloat16Widens) {
  Program program = fakeProgram();
  program.outputs = {{"y", DType::BF16, {2}, {}, {}},
                     {"z", DType::U16, {1}, {}, {}}};
  std::string bf("\x80\x3f\x00\xc0", 4); // 1.0, -2.0
  NamedArrays outputs = {{"z", {DType::U16, {1}, Blob("ab")}},
                         {"y", {DType::BF16, {2}, Blob(bf)}}};
  ASSERT_TRUE(writeOutputs(path, program, outputs).ok());
  auto file = NpzFile::open(path);
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(file->names(), ::testing::ElementsAre("y", "z"));
  NpyArray y = *file->read("y");
  EXPECT_EQ(y.dtype, "f4");
  float values[2];
  std::memcpy(values, y.bytes.data(), sizeof(values));
  EXPECT_EQ(values[0], 1);
  EXPECT_EQ(values[1], -2);
  EXPECT_EQ(file->read("z")->dtype, "u2");
}

TEST_F(ArrayIO, Labels) {
  write({{"labels", npy("u1", {3}, std::string_view("\x01\x00\x02", 3))}});
  EXPECT_EQ(*readLabels(path), (std::vector<int64_t>{1, 0, 2}));
  write({{"labels", npy("f4", {1}, "abcd")}});
  EXPECT_THAT(std::string(readLabels(path).status().message()),
              HasSubstr("integer class numbers"));
}

TEST(Top1, CountsHits) {
  std::vector<int64_t> labels = {2, 0, 1};
  Array scores{DType::I8,
               {3, 3},
               Blob(std::string("\x01\x02\x03"
                                "\x05\x05\x05"
                                "\x01\xff\xfe",
                                9))};
  auto hits = countTop1(scores, labels);
  ASSERT_TRUE(hits.ok()) << hits.status();
  EXPECT_EQ(*hits, 2u); // Equal scores: the first; -1 is not above 1.
  // The same as float16: 1.0 < 2.0, NaN never wins.
  Array halves{DType::F16,
               {1, 3},
               Blob(std::string("\x00\x3c\x00\x40"
                                "\x00\x7e",
                                6))};
  EXPECT_EQ(*countTop1(halves, {1}), 1u);
  EXPECT_FALSE(countTop1(scores, {1, 2}).ok());
  EXPECT_FALSE(countTop1({DType::F32, {}, Blob("abcd")}, {1}).ok());
}

} // namespace
} // namespace cim
