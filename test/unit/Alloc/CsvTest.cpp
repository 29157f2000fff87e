// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cim/Alloc/Csv.h"

#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cim/Alloc/Solver.h"

namespace cim::alloc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

CsvProblem parsed(std::string_view text) {
  absl::StatusOr<CsvProblem> problem = parseCsv(text, "p.csv");
  EXPECT_TRUE(problem.ok()) << problem.status();
  return problem.ok() ? *problem : CsvProblem();
}

std::string errorOf(std::string_view text) {
  absl::Status status = parseCsv(text, "p.csv").status();
  EXPECT_NE(status.code(), absl::StatusCode::kOk);
  return std::string(status.message());
}

TEST(CsvTest, HalfOpen) {
  CsvProblem problem = parsed("id,lower,upper,size\nb1,0,3,4\nb2,3,9,5\n");
  ASSERT_EQ(problem.buffers.size(), 2u);
  EXPECT_THAT(problem.ids, ElementsAre("b1", "b2"));
  EXPECT_EQ(problem.buffers[1].lower, 3);
  EXPECT_EQ(problem.buffers[1].upper, 9);
  EXPECT_EQ(problem.buffers[1].size, 5);
  EXPECT_EQ(problem.buffers[1].alignment, 1);
  EXPECT_EQ(formatCsv(problem, {5, 0}),
            "id,lower,upper,size,offset\nb1,0,3,4,5\nb2,3,9,5,0\n");
}

TEST(CsvTest, InclusiveEnd) {
  CsvProblem problem = parsed("size,buffer_id,start,end,gaps\n4,b1,0,2,1-1\n");
  ASSERT_EQ(problem.buffers.size(), 1u);
  EXPECT_EQ(problem.buffers[0].upper, 3);
  EXPECT_THAT(problem.buffers[0].gaps, ElementsAre(Interval{1, 2}));
  // What was read is written, not what was made of it.
  EXPECT_EQ(formatCsv(problem, {7}),
            "size,buffer_id,start,end,gaps,offset\n4,b1,0,2,1-1,7\n");
}

TEST(CsvTest, OptionalColumns) {
  CsvProblem problem = parsed("id,lower,upper,size,alignment,hint,offset,gaps\n"
                              "a,0,30,4,8,16,-1,2-4 10-12\n"
                              "b,-5,3,4,,-1,8,\n");
  ASSERT_EQ(problem.buffers.size(), 2u);
  const Buffer &a = problem.buffers[0], &b = problem.buffers[1];
  EXPECT_EQ(a.alignment, 8);
  EXPECT_EQ(a.hint, 16);
  EXPECT_FALSE(a.fixedOffset);
  EXPECT_THAT(a.gaps, ElementsAre(Interval{2, 4}, Interval{10, 12}));
  EXPECT_EQ(b.lower, -5);
  EXPECT_EQ(b.alignment, 1);
  EXPECT_FALSE(b.hint);
  EXPECT_EQ(b.fixedOffset, 8);
  // The offset column is replaced, not doubled.
  EXPECT_THAT(formatCsv(problem, {3, 8}), HasSubstr("a,0,30,4,8,16,3,2-4"));
}

TEST(CsvTest, LineEndsQuotesAndBlanks) {
  CsvProblem problem = parsed("\xef\xbb\xbfid, lower ,upper,size\r\n"
                              "\"a,\"\"b\"\"\n\",0, 3 ,\"4\"\r\n"
                              "\r\n"
                              "c,1,2,3");
  ASSERT_EQ(problem.buffers.size(), 2u);
  EXPECT_EQ(problem.ids[0], "a,\"b\"\n");
  EXPECT_EQ(problem.buffers[0].size, 4);
  EXPECT_THAT(problem.lines, ElementsAre(2, 5));
  CsvProblem again = parsed(formatCsv(problem, {0, 0}));
  EXPECT_EQ(again.ids, problem.ids);
}

TEST(CsvTest, HeaderOnly) {
  EXPECT_TRUE(parsed("id,lower,upper,size\n").buffers.empty());
}

TEST(CsvTest, Errors) {
  const std::string header = "id,lower,upper,size\n";
  const std::pair<std::string, const char *> cases[] = {
      {"", "p.csv:1: no header line"},
      {"\n\n", "p.csv:3: no header line"},
      {"id,lower,upper\n", "p.csv:1: no column 'size'; add it"},
      {"id,lower,upper,size,colour\n", "p.csv:1: unknown column 'colour'"},
      {"id,lower,start,upper,size\n", "column 'start' is given twice"},
      {header + "a,0,1\n", "p.csv:2: 3 fields; the header has 4"},
      {header + "a,0,1,2,3\n", "5 fields"},
      {header + "a,0,x,2\n", "p.csv:2: upper is 'x'"},
      {header + "a,0,1,NaN\n", "size is 'NaN'"},
      {header + "a,0,1,1e3\n", "size is '1e3'"},
      {header + "a,0,1,1.5\n", "size is '1.5'"},
      {header + "a,0,1,\n", "size is ''"},
      {header + "a,0,1,99999999999999999999\n", "of at most 64 bits"},
      {header + "a,0,1,1\n\na,0,1,1\n",
       "p.csv:4: id 'a' is used in line 2 already"},
      {header + ",0,1,1\n", "empty id"},
      {header + "\"a,0,1,1\n", "p.csv:2: a quoted field is not closed"},
      {header + "\"a\"b,0,1,1\n", "text beside a quoted field"},
      {header + "a\"b,0,1,1\n", "text beside a quoted field"},
      {header + std::string("a\0,0,1,1\n", 9), "a zero byte"},
      {"id,start,end,size\na,0,9223372036854775807,1\n", "the limit is 2^61"},
      {"id,lower,upper,size,gaps\na,0,9,1,1-2@0:3\n", "keeps a part"},
      {"id,lower,upper,size,gaps\na,0,9,1,1:2\n", "write gaps as a-b"},
      {"id,lower,upper,size,gaps\na,0,9,1,1-\n", "write gaps as a-b"},
      {"id,lower,upper,size,alignment\na,0,9,1,two\n", "alignment is 'two'"},
  };
  for (const auto &[text, message] : cases) {
    std::string error = errorOf(text);
    EXPECT_THAT(error, HasSubstr(message)) << text;
    EXPECT_THAT(error, StartsWith("p.csv:")) << text;
    EXPECT_EQ(error.find('\n'), error.npos) << error;
  }
}

TEST(CsvTest, ErrorsOfTheProblemGetTheLine) {
  CsvProblem csv = parsed("id,lower,upper,size\na,0,1,1\n\nb,5,2,1\n");
  Problem problem;
  problem.buffers = csv.buffers;
  absl::Status status = locate(solve(problem).status(), csv, "p.csv");
  EXPECT_THAT(std::string(status.message()),
              StartsWith("p.csv:4: empty live range [5, 2)"));
}

/// Random damage to a file ends in a problem or an error, nothing else.
TEST(CsvTest, DamagedFiles) {
  const std::string text = "id,lower,upper,size,alignment,gaps\r\n"
                           "a,0,30,4,8,2-4 10-12\n\"b\",-5,3,4,1,\n";
  const std::string bytes("\0\",\n\r-@ 9\xff", 10);
  std::mt19937_64 random(3);
  for (int i = 0; i < 5000; ++i) {
    std::string damaged = text;
    for (uint64_t n = random() % 4 + 1; n > 0; --n) {
      size_t at = random() % damaged.size();
      if (random() % 3 == 0)
        damaged.erase(at, 1);
      else
        damaged[at] = bytes[random() % bytes.size()];
    }
    absl::StatusOr<CsvProblem> csv = parseCsv(damaged, "p.csv");
    if (!csv.ok())
      continue;
    Problem problem;
    problem.capacity = 100;
    problem.buffers = csv->buffers;
    EXPECT_TRUE(solve(problem).ok() || !check(problem).ok());
  }
}

} // namespace
} // namespace cim::alloc
