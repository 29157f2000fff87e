// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Support/File.h"

#include <cstdio>
#include <filesystem>
#include <sys/stat.h>

#include "cim/Support/Check.h"
#include "cim/Support/Status.h"
#include "cim/Support/Version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cim {
namespace {

using ::testing::HasSubstr;

TEST(File, WriteMapRead) {
  std::string path = ::testing::TempDir() + "/cim_file_test";
  std::string_view old = "old content";
  ASSERT_TRUE(writeFileAtomic(path, old).ok());
  auto mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  ASSERT_TRUE(writeFileAtomic(path, {"new", "", " content, longer"}).ok());
  // The old mapping is untouched by the replacement.
  EXPECT_EQ((*mapped)->bytes(), old);
  EXPECT_EQ(*readFile(path, 100), "new content, longer");
  EXPECT_THAT(std::string(readFile(path, 5).status().message()),
              HasSubstr("19 bytes, at most 5"));
  struct stat info;
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0600, 0600u);
  ASSERT_TRUE(writeFileAtomic(path, "").ok());
  EXPECT_EQ((*MappedFile::open(path))->bytes(), "");
  std::filesystem::remove(path);
}

TEST(File, Errors) {
  EXPECT_EQ(MappedFile::open("/no/such/file").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(MappedFile::open("/").status().message()),
              HasSubstr("not a regular file"));
  EXPECT_FALSE(readFile("/dev/null", 10).ok());
  EXPECT_FALSE(writeFileAtomic("/no/such/dir/file", "x").ok());
}

TEST(Status, Helpers) {
  EXPECT_EQ(errorLine(invalidArgument("a", 1, std::string_view("b"), "\nc")),
            "error: a1b c");
  EXPECT_TRUE(withContext(absl::OkStatus(), "x").ok());
  absl::Status status = withContext(absl::NotFoundError("y"), "x");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "x: y");
}

TEST(Check, AbortsWithPlaceAndReason) {
  CIM_CHECK(1 + 1 == 2, "arithmetic works");
  EXPECT_DEATH(CIM_CHECK(1 + 1 == 3, "counted wrong"),
               "FileTest.cpp:[0-9]+: internal error: counted wrong");
}

TEST(Version, NumberAndTextAgree) {
  uint32_t v = versionNumber();
  char text[32];
  std::snprintf(text, sizeof(text), "%u.%u.%u", v >> 16, v >> 8 & 0xff,
                v & 0xff);
  EXPECT_STREQ(text, versionString());
}

} // namespace
} // namespace cim
