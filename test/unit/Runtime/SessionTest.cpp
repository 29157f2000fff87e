// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Runtime/Session.h"

#include <cstring>

#include "CopyProgram.h"
#include "FakeDevice.h"
#include "cim/Program/ProgramIO.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cim {
namespace {

using ::testing::HasSubstr;

Array bytes(std::vector<int64_t> shape, std::string data) {
  return {DType::I8, std::move(shape), Blob(std::move(data))};
}
Array floats(std::vector<float> values) {
  std::string data(values.size() * 4, '\0');
  std::memcpy(data.data(), values.data(), data.size());
  return {DType::F32, {static_cast<int64_t>(values.size())}, Blob(data)};
}
std::string text(const Array &array) {
  return {array.data.data(), array.data.size()};
}

class SessionTest : public ::testing::Test {
protected:
  std::unique_ptr<Session> make(Mode mode = Mode::Full, int failAt = -1) {
    RunOptions options;
    options.mode = mode;
    auto session = Session::create(std::make_shared<Program>(fakeProgram()),
                                   options, fakeDevice(failAt));
    EXPECT_TRUE(session.ok());
    return *std::move(session);
  }
  std::string errorOf(const NamedArrays &inputs, Mode mode = Mode::Full) {
    auto result = make(mode)->run(inputs);
    EXPECT_FALSE(result.ok());
    return std::string(result.status().message());
  }
  Array k = floats({7, 8, 9});
};

TEST_F(SessionTest, OneRun) {
  auto session = make();
  auto outputs = session->run({{"x", bytes({2, 3}, "abcdef")}, {"k", k}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ(text(outputs->at("y")), "abcdef");
  EXPECT_EQ(outputs->at("y").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_TRUE(outputs->at("s").shape.empty());
  EXPECT_EQ(session->profile().load.cycles, 1000u);
  EXPECT_EQ(session->profile().runs, 1u);
}

TEST_F(SessionTest, BatchIsLoopedAndConcatenated) {
  auto session = make();
  std::vector<uint64_t> seen;
  auto outputs =
      session->run({{"x", bytes({6, 3}, "abcdefghijklmnopqr")}, {"k", k}},
                   [&](uint64_t done, uint64_t total) {
                     EXPECT_EQ(total, 3u);
                     seen.push_back(done);
                   });
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ(text(outputs->at("y")), "abcdefghijklmnopqr");
  EXPECT_EQ(outputs->at("y").shape, (std::vector<int64_t>{6, 3}));
  EXPECT_EQ(outputs->at("s").shape, (std::vector<int64_t>{3}));
  EXPECT_EQ(seen, (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(session->profile().runs, 3u);
  EXPECT_EQ(session->profile().first.cycles, 100u);
  EXPECT_EQ(session->profile().last.cycles, 102u);
  EXPECT_EQ(session->profile().runCycles, 303u);
}

std::unique_ptr<Session> lengthSession(uint32_t dim) {
  return *Session::create(std::make_shared<Program>(lengthProgram(dim)), {});
}
Array integers(std::vector<int64_t> values) {
  std::string data(values.size() * 8, '\0');
  std::memcpy(data.data(), values.data(), data.size());
  return {DType::I64, {}, Blob(data)};
}

TEST_F(SessionTest, OutputsAreCutToTheirRunTimeLength) {
  Array x = bytes({4, 3}, "abcdefghijkl");
  auto rows = lengthSession(0)->run({{"x", x}, {"n", integers({2})}});
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 1u); // The hidden one is not there.
  EXPECT_EQ(rows->at("y").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(text(rows->at("y")), "abcdef");
  auto columns = lengthSession(1)->run({{"x", x}, {"n", integers({2})}});
  ASSERT_TRUE(columns.ok()) << columns.status();
  EXPECT_EQ(columns->at("y").shape, (std::vector<int64_t>{4, 2}));
  EXPECT_EQ(text(columns->at("y")), "abdeghjk");
  auto none = lengthSession(1)->run({{"x", x}, {"n", integers({0})}});
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->at("y").shape, (std::vector<int64_t>{4, 0}));
  EXPECT_EQ(text(none->at("y")), "");
}

TEST_F(SessionTest, RunTimeLengthsOfSeveralRuns) {
  Array x = bytes({8, 3}, "abcdefghijklmnopqrstuvwx");
  auto rows = lengthSession(0)->run({{"x", x}, {"n", integers({1})}});
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->at("y").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(text(rows->at("y")), "abcmno");
}

TEST_F(SessionTest, RunTimeLengthsBeyondTheShapeAreErrors) {
  Array x = bytes({4, 3}, "abcdefghijkl");
  for (int64_t n : {int64_t(-1), int64_t(5)}) {
    auto result = lengthSession(0)->run({{"x", x}, {"n", integers({n})}});
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(std::string(result.status().message()),
                HasSubstr("output y: run-time length"));
  }
}

TEST_F(SessionTest, BothInputsBatched) {
  auto outputs = make()->run({{"x", bytes({4, 3}, "abcdefghijkl")},
                              {"k", floats({1, 2, 3, 4, 5, 6})}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  float s[2];
  std::memcpy(s, outputs->at("s").data.data(), sizeof(s));
  EXPECT_EQ(s[0], 1);
  EXPECT_EQ(s[1], 4);
}

TEST_F(SessionTest, MistakesAreNamed) {
  Array x = bytes({2, 3}, "abcdef");
  EXPECT_THAT(errorOf({{"x", x}}),
              HasSubstr("input k: not given; the program takes float32[3]"));
  EXPECT_THAT(errorOf({{"x", x}, {"k", k}, {"z", x}}),
              HasSubstr("input z: the program has no such input; it has x, k"));
  EXPECT_THAT(errorOf({{"x", k}, {"k", k}}),
              HasSubstr("input x: float32[3]; the program takes int8[2,3]; "
                        "convert it"));
  EXPECT_THAT(errorOf({{"x", bytes({3, 2}, "abcdef")}, {"k", k}}),
              HasSubstr("a multiple of its first dimension"));
  EXPECT_THAT(errorOf({{"x", bytes({3, 3}, "abcdefghi")}, {"k", k}}),
              HasSubstr("a multiple of its first dimension"));
  EXPECT_THAT(errorOf({{"x", bytes({0, 3}, "")}, {"k", k}}),
              HasSubstr("a multiple of its first dimension"));
  EXPECT_THAT(errorOf({{"x", bytes({6}, "abcdef")}, {"k", k}}),
              HasSubstr("give that shape"));
  EXPECT_THAT(errorOf({{"x", bytes({2, 3}, "abc")}, {"k", k}}),
              HasSubstr("it has 3 bytes instead of 6"));
  EXPECT_THAT(errorOf({{"x", bytes({4, 3}, "abcdefghijkl")},
                       {"k", floats({1, 2, 3, 4, 5, 6, 7, 8, 9})}}),
              HasSubstr("it is for 3 runs, another input for 2"));
}

TEST_F(SessionTest, TimingNeedsNoData) {
  auto session = make(Mode::Timing);
  auto outputs = session->run({});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_TRUE(outputs->empty());
  EXPECT_EQ(session->profile().runs, 1u);
  EXPECT_THAT(errorOf({{"x", bytes({1}, "a")}}, Mode::Timing),
              HasSubstr("input x"));
}

TEST_F(SessionTest, FaultsComeThrough) {
  auto session = make(Mode::Full, 1);
  auto outputs = session->run({{"x", bytes({4, 3}, "abcdefghijkl")}, {"k", k}});
  EXPECT_EQ(outputs.status().message(), "Conv_1: a race");
  ASSERT_TRUE(session->fault());
  EXPECT_EQ(session->fault()->code, FaultCode::Race);
}

TEST(RandomInputs, SeededAndInRange) {
  Program program = fakeProgram();
  program.inputs.push_back({"h", DType::F16, {400}, {}, {}});
  program.inputs.push_back({"i", DType::I64, {50}, {}, {}});
  program.inputs.push_back({"b", DType::I1, {50}, {}, {}});
  NamedArrays a = randomInputs(program, 1), b = randomInputs(program, 1),
              c = randomInputs(program, 2);
  for (const auto &[name, array] : a) {
    EXPECT_EQ(text(array), text(b.at(name)));
    EXPECT_NE(text(array), text(c.at(name))) << name;
  }
  float x;
  std::memcpy(&x, a.at("k").data.data(), 4);
  EXPECT_GE(x, -1);
  EXPECT_LT(x, 1);
  EXPECT_EQ(x * 128, static_cast<int>(x * 128));
  for (size_t i = 0; i < 50; ++i) {
    int64_t index;
    std::memcpy(&index, a.at("i").data.data() + 8 * i, 8);
    EXPECT_TRUE(index == 0 || index == 1);
    EXPECT_LE(a.at("b").data.data()[i], 1);
  }
  for (size_t i = 0; i < 400; ++i) {
    uint16_t half; // |value| <= 1: exponent at most 15.
    std::memcpy(&half, a.at("h").data.data() + 2 * i, 2);
    EXPECT_LE(half & 0x7fff, 0x3c00);
  }
}

/// The real device behind the same interface.
TEST(DeviceSession, CopiesThroughL1) {
  Program program = copyProgram();
  ASSERT_TRUE(validateProgram(program).ok()) << validateProgram(program);
  for (Mode mode : {Mode::Full, Mode::Functional}) {
    RunOptions options;
    options.mode = mode;
    options.sanitize = true;
    auto session = Session::create(std::make_shared<Program>(program), options);
    ASSERT_TRUE(session.ok()) << session.status();
    auto outputs = (*session)->run({{"x", bytes({4, 4}, "the quick brown ")}});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    EXPECT_EQ(text(outputs->at("y")), "the quick brown ");
    if (mode == Mode::Full)
      EXPECT_GT((*session)->profile().last.cycles, 0u);
  }
}

} // namespace
} // namespace cim
