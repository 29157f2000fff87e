// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Support/File.h"

#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include "cim/Support/Check.h"
#include "cim/Support/Status.h"
#include "cim/Support/Version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cim {
namespace {

using ::testing::AllOf;
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

/// What is no file must not become one: as root, renaming would replace the
/// device itself.
TEST(File, DevicesAndPipesAreWrittenAsTheyAre) {
  namespace fs = std::filesystem;
  std::string pipe = ::testing::TempDir() + "/cim_file_test_pipe";
  fs::remove(pipe);
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  absl::Status status = writeFileAtomic(pipe, {"through", " ", "it"});
  EXPECT_TRUE(status.ok()) << status;
  char text[32] = {};
  EXPECT_EQ(::read(reader, text, sizeof(text)), 10);
  EXPECT_STREQ(text, "through it");
  ::close(reader);
  EXPECT_TRUE(fs::is_fifo(pipe));
  fs::remove(pipe);
  // Through a link, so that a mistake here destroys the link alone.
  std::string link = ::testing::TempDir() + "/cim_file_test_full";
  fs::remove(link);
  fs::create_symlink("/dev/full", link);
  status = writeFileAtomic(link, "x");
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(link), HasSubstr("No space left")));
  EXPECT_TRUE(fs::is_symlink(link));
  fs::remove(link);
}

TEST(File, LinksStayLinks) {
  namespace fs = std::filesystem;
  std::string file = ::testing::TempDir() + "/cim_file_test_linked";
  std::string link = ::testing::TempDir() + "/cim_file_test_link";
  fs::remove(link);
  ASSERT_TRUE(writeFileAtomic(file, "old").ok());
  fs::create_symlink(file, link);
  ASSERT_TRUE(writeFileAtomic(link, "new").ok());
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(*readFile(file, 100), "new");
  fs::remove(link);
  // A link to nothing is replaced.
  fs::remove(file);
  fs::create_symlink(file, link);
  EXPECT_TRUE(writeFileAtomic(link, "new").ok());
  EXPECT_EQ(*readFile(link, 100), "new");
  fs::remove(link);
}

TEST(File, Errors) {
  EXPECT_EQ(MappedFile::open("/no/such/file").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(MappedFile::open("/").status().message()),
              HasSubstr("not a regular file"));
  EXPECT_FALSE(readFile("/dev/null", 10).ok());
  EXPECT_FALSE(writeFileAtomic("/no/such/dir/file", "x").ok());
  std::string folder = ::testing::TempDir() + "/cim_file_test_folder";
  std::filesystem::create_directory(folder);
  EXPECT_THAT(std::string(writeFileAtomic(folder, "x").message()),
              HasSubstr("is a folder"));
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove(folder);
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
