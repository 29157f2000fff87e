// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Support/Npz.h"

#include <cstring>
#include <filesystem>
#include <random>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cim {
namespace {

using ::testing::HasSubstr;

/// numpy.savez_compressed of the arrays checked in ReadsNumpysFiles.
constexpr char kNumpyArchive[] =
    "UEsDBC0AAAAIAAAAIQBP6QAq//////////8FABQAeC5ucHkBABAAmAAAAAAAAABVAAAAAA"
    "AAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoX"
    "ZyQWpAL5GkY6CsaaOgq1CmQDLgYwaLAHEg5ABMQNQLzAAQBQSwMELQAAAAgAAAAhAGjGGA"
    "///////////wUAFABmLm5weQEAEACMAAAAAAAAAFEAAAAAAAAAm+wX6hsQychQxlCtnpJa"
    "nFykbqWgbpNppK6joJ6WX1RSlJgXn1+UkgoSDykqTQUKF2ckFqQCuRpGOgrGmjoKtQrkAy"
    "4GBmYGRgYWBiYGVgYAUEsDBC0AAAAIAAAAIQDuGbtd//////////8FABQAYi5ucHkBABAA"
    "ggAAAAAAAABGAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loF6TZKiuo6Cell9UUpSYF5"
    "9flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAC5GBgBQSwMELQAAAAgAAAAhABfAdMn/"
    "/////////wcAFABiaWcubnB5AQAQAIwAAAAAAAAASgAAAAAAAACb7BfqGxDJyFDGUK2ekl"
    "qcXKRupaBul2mirqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOpo6CrUKFAAu"
    "BghgBGImAFBLAwQtAAAACAAAACEANbQ6k///////////BQAUAHMubnB5AQAQAIgAAAAAAA"
    "AARwAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2ahrqOgnpZfVFKUmBefX5SSChJ3"
    "S8wpTgWKF2ckFqQC+RqaOgq1ChQBLgYwYHEAAFBLAwQtAAAACAAAACEAs8GCDP////////"
    "//BQAUAGgubnB5AQAQAIQAAAAAAAAASAAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBu"
    "k2akrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RpGOpo6CrUKFAAuBjuGAwBQSw"
    "MELQAAAAgAAAAhAPQHx0L//////////wUAFABlLm5weQEAEACAAAAAAAAAAEYAAAAAAAAA"
    "m+wX6hsQychQxlCtnpJanFykbqWgXpNpqK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJB"
    "akAvkaBjoKJpo6CrUKZAMuAFBLAQItAy0AAAAIAAAAIQBP6QAqVQAAAJgAAAAFAAAAAAAA"
    "AAAAAACAAQAAAAB4Lm5weVBLAQItAy0AAAAIAAAAIQBoxhgPUQAAAIwAAAAFAAAAAAAAAA"
    "AAAACAAYwAAABmLm5weVBLAQItAy0AAAAIAAAAIQDuGbtdRgAAAIIAAAAFAAAAAAAAAAAA"
    "AACAARQBAABiLm5weVBLAQItAy0AAAAIAAAAIQAXwHTJSgAAAIwAAAAHAAAAAAAAAAAAAA"
    "CAAZEBAABiaWcubnB5UEsBAi0DLQAAAAgAAAAhADW0OpNHAAAAiAAAAAUAAAAAAAAAAAAA"
    "AIABFAIAAHMubnB5UEsBAi0DLQAAAAgAAAAhALPBggxIAAAAhAAAAAUAAAAAAAAAAAAAAI"
    "ABkgIAAGgubnB5UEsBAi0DLQAAAAgAAAAhAPQHx0JGAAAAgAAAAAUAAAAAAAAAAAAAAIAB"
    "EQMAAGUubnB5UEsFBgAAAAAHAAcAZwEAAI4DAAAAAA==";

std::string numpyArchive() {
  std::string bytes;
  EXPECT_TRUE(absl::Base64Unescape(kNumpyArchive, &bytes));
  return bytes;
}

template <typename T>
std::vector<T> values(const NpyArray &array) {
  std::vector<T> list(array.bytes.size() / sizeof(T));
  std::memcpy(list.data(), array.bytes.data(), list.size() * sizeof(T));
  return list;
}

template <typename T>
NpyArray make(const char *dtype, std::vector<int64_t> shape,
              std::vector<T> data) {
  auto owned = std::make_shared<std::vector<T>>(std::move(data));
  std::string_view bytes(reinterpret_cast<const char *>(owned->data()),
                         owned->size() * sizeof(T));
  return {dtype, std::move(shape), bytes, owned};
}

NpyArray read(const NpzFile &file, const char *name) {
  absl::StatusOr<NpyArray> array = file.read(name);
  EXPECT_TRUE(array.ok()) << array.status();
  return array.ok() ? *array : NpyArray();
}

TEST(Npz, ReadsNumpysFiles) {
  std::string bytes = numpyArchive();
  auto file = NpzFile::parse(bytes, nullptr, "a.npz");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(file->names(),
              ::testing::ElementsAre("x", "f", "b", "big", "s", "h", "e"));
  NpyArray x = read(*file, "x");
  EXPECT_EQ(x.dtype, "f4");
  EXPECT_EQ(x.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(values<float>(x), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  NpyArray f = read(*file, "f"); // Fortran order in the file.
  EXPECT_EQ(f.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(values<int16_t>(f), (std::vector<int16_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(read(*file, "b").dtype, "b1");
  NpyArray big = read(*file, "big"); // Big-endian in the file.
  EXPECT_EQ(big.dtype, "i4");
  EXPECT_EQ(values<int32_t>(big), (std::vector<int32_t>{0, 1, 2}));
  NpyArray s = read(*file, "s");
  EXPECT_TRUE(s.shape.empty());
  EXPECT_EQ(values<double>(s), std::vector<double>{2.5});
  EXPECT_EQ(values<uint16_t>(read(*file, "h")),
            (std::vector<uint16_t>{0x3e00, 0xc000}));
  EXPECT_EQ(read(*file, "e").shape, (std::vector<int64_t>{0, 4}));
  EXPECT_EQ(file->read("none").status().code(), absl::StatusCode::kNotFound);
}

TEST(Npz, WriteAndReadBack) {
  std::vector<std::pair<std::string, NpyArray>> arrays = {
      {"logits", make<float>("f4", {2, 2}, {1, 2, 3, 4})},
      {"scalar", make<int8_t>("i1", {}, {-7})},
      {"empty", make<int64_t>("i8", {3, 0}, {})},
      {"vector", make<uint16_t>("u2", {3}, {7, 8, 9})}};
  std::string path = ::testing::TempDir() + "/cim_npz_test.npz";
  ASSERT_TRUE(writeNpz(path, arrays).ok());
  auto file = NpzFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->names().size(), arrays.size());
  for (const auto &[name, array] : arrays) {
    NpyArray back = read(*file, name.c_str());
    EXPECT_EQ(back.dtype, array.dtype);
    EXPECT_EQ(back.shape, array.shape);
    EXPECT_EQ(back.bytes, array.bytes);
  }
  EXPECT_EQ(*serializeNpz(arrays), *serializeNpz(arrays));
  std::filesystem::remove(path);
}

/// Stored members are views, not copies.
TEST(Npz, StoredArraysAreNotCopied) {
  std::string bytes = *serializeNpz({{"x", make<float>("f4", {1}, {3})}});
  auto file = NpzFile::parse(bytes, nullptr, "a");
  ASSERT_TRUE(file.ok());
  NpyArray x = read(*file, "x");
  EXPECT_GE(x.bytes.data(), bytes.data());
  EXPECT_LT(x.bytes.data(), bytes.data() + bytes.size());
}

TEST(Npz, SingleArrayFile) {
  NpyArray array = make<int32_t>("i4", {2}, {5, 6});
  std::string bytes = npyHeader(array) + std::string(array.bytes);
  EXPECT_EQ(npyHeader(array).size() % 64, 0u);
  auto file = NpzFile::parse(bytes, nullptr, "a.npy");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(values<int32_t>(read(*file, "arr_0")),
            (std::vector<int32_t>{5, 6}));
}

std::string headerError(std::string dictionary, const std::string &data = "") {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(dictionary.size() & 0xff);
  bytes += static_cast<char>(dictionary.size() >> 8);
  auto array = parseNpy(bytes + dictionary + data, nullptr, "a.npy");
  EXPECT_FALSE(array.ok()) << dictionary;
  return std::string(array.status().message());
}

TEST(Npy, HostileHeaders) {
  EXPECT_THAT(headerError(""), HasSubstr("no dictionary"));
  EXPECT_THAT(headerError("{'descr': '|O', 'fortran_order': False, "
                          "'shape': (1,), }"),
              HasSubstr("dtype \"|O\" is not supported"));
  EXPECT_THAT(headerError("{'descr': [('a', '<f4')], 'shape': (1,), }"),
              HasSubstr("structured dtypes"));
  EXPECT_THAT(headerError("{'descr': '<f4', 'shape': (1,), }"),
              HasSubstr("incomplete"));
  EXPECT_THAT(headerError("{'descr': '<f4', 'fortran_order': False, "
                          "'shape': (4294967296, 4294967296), }"),
              HasSubstr("2^48"));
  EXPECT_THAT(headerError("{'descr': '<f4', 'fortran_order': False, "
                          "'shape': (99999999999999999999,), }"),
              HasSubstr("\"shape\""));
  EXPECT_THAT(headerError("{'descr': '<f4', 'fortran_order': False, "
                          "'shape': (-1,), }"),
              HasSubstr("\"shape\""));
  EXPECT_THAT(headerError("{'descr': '<f4', 'fortran_order': False, "
                          "'shape': (2,), }",
                          "1234567"),
              HasSubstr("needs 8 bytes of data; the file has 7"));
  EXPECT_FALSE(parseNpy("\x93NUMPY", nullptr, "a").ok());
  EXPECT_FALSE(
      parseNpy(std::string("\x93NUMPY\x01\x00\xff\xff", 10), nullptr, "a")
          .ok());
}

/// Reads everything that can be read of damaged archives.
void readAll(const std::string &bytes) {
  auto file = NpzFile::parse(bytes, nullptr, "a.npz");
  if (!file.ok())
    return;
  for (const std::string &name : file->names()) {
    absl::StatusOr<NpyArray> array = file->read(name);
    if (array.ok())
      EXPECT_LT(array->bytes.size(), bytes.size() * 1040);
  }
}

TEST(Npz, DamagedFilesNeverCrash) {
  std::vector<std::string> originals = {
      numpyArchive(),
      *serializeNpz({{"x", make<float>("f4", {2, 2}, {1, 2, 3, 4})},
                     {"y", make<int8_t>("i1", {3}, {1, 2, 3})}})};
  std::mt19937 random(3);
  for (const std::string &good : originals) {
    for (size_t length = 0; length < good.size(); ++length) {
      EXPECT_FALSE(
          NpzFile::parse(good.substr(0, length), nullptr, "a.npz").ok());
    }
    for (int i = 0; i < 20000; ++i) {
      std::string bytes = good;
      for (unsigned flips = 1 + random() % 3; flips > 0; --flips)
        bytes[random() % bytes.size()] =
            static_cast<char>(i % 3 ? random() : 0xff);
      readAll(bytes);
    }
  }
}

TEST(Npz, EveryDataFlipIsCaught) {
  NpyArray array = make<int8_t>("i1", {64}, std::vector<int8_t>(64, 9));
  std::string good = *serializeNpz({{"x", array}});
  size_t data = good.find(std::string(64, 9));
  ASSERT_NE(data, std::string::npos);
  for (size_t i = 0; i < 64; ++i) {
    std::string bytes = good;
    bytes[data + i] ^= 4;
    auto file = NpzFile::parse(bytes, nullptr, "a.npz");
    ASSERT_TRUE(file.ok());
    EXPECT_THAT(std::string(file->read("x").status().message()),
                HasSubstr("checksum"));
  }
}

} // namespace
} // namespace cim
