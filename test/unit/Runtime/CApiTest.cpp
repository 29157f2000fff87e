// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim-c/cim.h"

#include <cstring>
#include <string>

#include "CopyProgram.h"
#include "cim/Program/ProgramIO.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

extern "C" size_t cimTestInputRank(const cim_program *program);

namespace {

using ::testing::HasSubstr;

class CApi : public ::testing::Test {
protected:
  void SetUp() override {
    auto bytes = cim::serializeProgram(cim::copyProgram());
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    ASSERT_EQ(cim_program_load_memory(bytes->data(), bytes->size(), &program),
              CIM_OK)
        << cim_last_error();
  }
  void TearDown() override {
    cim_session_release(session);
    cim_program_release(program);
  }
  cim_array input(const char *data, const int64_t *shape) {
    cim_array array = {};
    array.struct_size = sizeof(array);
    array.dtype = CIM_INT8;
    array.rank = 2;
    array.shape = shape;
    array.data = data;
    array.bytes = static_cast<size_t>(shape[0] * shape[1]);
    return array;
  }
  cim_program *program = nullptr;
  cim_session *session = nullptr;
};

TEST_F(CApi, Describe) {
  EXPECT_STREQ(cim_program_model(program), "copy");
  EXPECT_STREQ(cim_program_target(program), "m50");
  EXPECT_EQ(cim_program_input_count(program), 1u);
  EXPECT_EQ(cimTestInputRank(program), 2u);
  cim_tensor_info info = {};
  info.struct_size = sizeof(info);
  ASSERT_EQ(cim_program_output(program, 0, &info), CIM_OK);
  EXPECT_STREQ(info.name, "y");
  EXPECT_EQ(info.dtype, CIM_INT8);
  EXPECT_EQ(info.shape[1], 4);
  EXPECT_EQ(cim_program_output(program, 1, &info), CIM_INVALID_ARGUMENT);
  EXPECT_THAT(cim_last_error(), HasSubstr("index: 1; the program has 1"));
  EXPECT_NE(std::string(cim_version()), "");
}

TEST_F(CApi, RunTimeLengths) {
  auto bytes = cim::serializeProgram(cim::lengthProgram(1));
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  cim_program_release(program);
  ASSERT_EQ(cim_program_load_memory(bytes->data(), bytes->size(), &program),
            CIM_OK)
      << cim_last_error();
  // The hidden output does not count.
  ASSERT_EQ(cim_program_output_count(program), 1u);
  cim_tensor_info info = {};
  info.struct_size = sizeof(info);
  ASSERT_EQ(cim_program_output(program, 0, &info), CIM_OK);
  EXPECT_STREQ(info.name, "y");
  EXPECT_EQ(info.shape[1], 3);
  ASSERT_EQ(cim_session_create(program, nullptr, &session), CIM_OK);
  int64_t shape[] = {4, 3}, length = 2;
  cim_array inputs[] = {input("abcdefghijkl", shape), {}};
  inputs[1].struct_size = sizeof(cim_array);
  inputs[1].dtype = CIM_INT64;
  inputs[1].data = &length;
  inputs[1].bytes = sizeof(length);
  ASSERT_EQ(cim_session_run(session, inputs, 2), CIM_OK) << cim_last_error();
  cim_array y = {};
  y.struct_size = sizeof(y);
  ASSERT_EQ(cim_session_output(session, 0, &y), CIM_OK);
  EXPECT_EQ(y.shape[0], 4);
  EXPECT_EQ(y.shape[1], 2);
  EXPECT_EQ(std::string(static_cast<const char *>(y.data), y.bytes),
            "abdeghjk");
  length = 4;
  EXPECT_EQ(cim_session_run(session, inputs, 2), CIM_INVALID_ARGUMENT);
  EXPECT_THAT(cim_last_error(), HasSubstr("run-time length 4 of dimension 1"));
}

TEST_F(CApi, RunBatch) {
  cim_session_options options = {};
  options.struct_size = sizeof(options);
  options.sanitize = 1;
  options.trace = 1;
  ASSERT_EQ(cim_session_create(program, &options, &session), CIM_OK)
      << cim_last_error();
  cim_program_release(program); // The session keeps what it needs.
  program = nullptr;
  int64_t shape[] = {4, 4};
  cim_array x = input("0123456789abcdef", shape);
  ASSERT_EQ(cim_session_run(session, &x, 1), CIM_OK) << cim_last_error();
  cim_array y = {};
  y.struct_size = sizeof(y);
  ASSERT_EQ(cim_session_output(session, 0, &y), CIM_OK);
  EXPECT_EQ(y.shape[0], 4);
  EXPECT_EQ(std::string(static_cast<const char *>(y.data), y.bytes),
            "0123456789abcdef");
  cim_profile profile = {};
  profile.struct_size = sizeof(profile);
  ASSERT_EQ(cim_session_profile(session, &profile), CIM_OK);
  EXPECT_EQ(profile.runs, 2u);
  EXPECT_GT(profile.steady_cycles, 0u);
  EXPECT_EQ(profile.bound_cycles, 100u);
  const char *json = nullptr;
  ASSERT_EQ(cim_session_report(session, &json), CIM_OK);
  EXPECT_THAT(json, HasSubstr("\"model\": \"copy\""));
  ASSERT_EQ(cim_session_trace(session, &json), CIM_OK);
  EXPECT_THAT(json, HasSubstr("Identity_0"));
}

TEST_F(CApi, OlderAndNewerStructures) {
  // A caller that knows only the first two fields gets only those.
  struct {
    size_t size;
    uint64_t runs;
    uint64_t sentinel;
  } old = {2 * sizeof(size_t), 9, 77};
  ASSERT_EQ(cim_session_create(program, nullptr, &session), CIM_OK);
  ASSERT_EQ(cim_session_profile(session, reinterpret_cast<cim_profile *>(&old)),
            CIM_OK);
  EXPECT_EQ(old.runs, 0u);
  EXPECT_EQ(old.sentinel, 77u);
  // One that knows more keeps its own extra fields.
  struct {
    cim_profile profile;
    uint64_t later;
  } newer = {};
  newer.profile.struct_size = sizeof(newer);
  newer.later = 5;
  ASSERT_EQ(cim_session_profile(session, &newer.profile), CIM_OK);
  EXPECT_EQ(newer.profile.predicted_cycles, 300u);
  EXPECT_EQ(newer.later, 5u);
}

TEST_F(CApi, MistakesAreReported) {
  cim_program *none = nullptr;
  EXPECT_EQ(cim_program_load("/no/such.cimb", &none), CIM_NOT_FOUND);
  EXPECT_THAT(cim_last_error(), HasSubstr("/no/such.cimb"));
  EXPECT_EQ(cim_program_load_memory("garbage", 7, &none), CIM_INVALID_ARGUMENT);
  EXPECT_EQ(cim_program_load(nullptr, &none), CIM_INVALID_ARGUMENT);
  EXPECT_EQ(cim_session_create(nullptr, nullptr, &session),
            CIM_INVALID_ARGUMENT);
  cim_session_options options = {};
  EXPECT_EQ(cim_session_create(program, &options, &session),
            CIM_INVALID_ARGUMENT);
  EXPECT_THAT(cim_last_error(), HasSubstr("struct_size"));
  options.struct_size = sizeof(options);
  options.mode = static_cast<cim_mode>(9);
  EXPECT_EQ(cim_session_create(program, &options, &session),
            CIM_INVALID_ARGUMENT);
  ASSERT_EQ(cim_session_create(program, nullptr, &session), CIM_OK);
  cim_array y = {};
  y.struct_size = sizeof(y);
  EXPECT_EQ(cim_session_output(session, 0, &y), CIM_INVALID_ARGUMENT);
  EXPECT_THAT(cim_last_error(), HasSubstr("run first"));
  EXPECT_EQ(cim_session_run(session, nullptr, 0), CIM_INVALID_ARGUMENT);
  EXPECT_EQ(cim_session_run(session, nullptr, 1), CIM_INVALID_ARGUMENT);
  int64_t shape[] = {3, 4};
  cim_array x = input("0123456789ab", shape);
  EXPECT_EQ(cim_session_run(session, &x, 1), CIM_INVALID_ARGUMENT);
  EXPECT_THAT(cim_last_error(), HasSubstr("int8[3,4]"));
  shape[0] = -1;
  EXPECT_EQ(cim_session_run(session, &x, 1), CIM_INVALID_ARGUMENT);
  x.data = nullptr;
  EXPECT_EQ(cim_session_run(session, &x, 1), CIM_INVALID_ARGUMENT);
  const char *json = nullptr;
  EXPECT_EQ(cim_session_trace(session, &json), CIM_INVALID_ARGUMENT);
  cim_session_release(nullptr);
  cim_program_release(nullptr);
}

} // namespace
