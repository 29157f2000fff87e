// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "Container.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "SampleProgram.h"
#include "cim/Program/ProgramIO.h"
#include "cim/Support/File.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cim {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string serialize(const Program &program) {
  absl::StatusOr<std::string> bytes = serializeProgram(program);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.ok() ? *bytes : "";
}

std::string parseError(const std::string &bytes, ReadOptions options = {}) {
  auto program = parseProgram(bytes, nullptr, "p.cimb", options);
  EXPECT_FALSE(program.ok());
  return std::string(program.status().message());
}

/// Field by field; segments by content.
void expectEqual(const Program &a, const Program &b) {
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.producer, b.producer);
  EXPECT_EQ(a.target, b.target);
  EXPECT_EQ(a.inputs, b.inputs);
  EXPECT_EQ(a.outputs, b.outputs);
  EXPECT_EQ(a.kernels, b.kernels);
  EXPECT_EQ(a.locations, b.locations);
  EXPECT_EQ(a.layers, b.layers);
  EXPECT_EQ(a.buffers, b.buffers);
  EXPECT_EQ(a.semaphores, b.semaphores);
  EXPECT_EQ(a.dramBytes, b.dramBytes);
  EXPECT_EQ(a.load, b.load);
  EXPECT_EQ(a.run, b.run);
  EXPECT_EQ(a.predictedCycles, b.predictedCycles);
  EXPECT_EQ(a.lowerBoundCycles, b.lowerBoundCycles);
  EXPECT_EQ(a.predictedLoadCycles, b.predictedLoadCycles);
  EXPECT_EQ(a.reportJson, b.reportJson);
  ASSERT_EQ(a.segments.size(), b.segments.size());
  for (size_t i = 0; i < a.segments.size(); ++i) {
    EXPECT_EQ(a.segments[i].name, b.segments[i].name);
    EXPECT_EQ(a.segments[i].address, b.segments[i].address);
    EXPECT_EQ(
        std::string_view(a.segments[i].data.data(), a.segments[i].data.size()),
        std::string_view(b.segments[i].data.data(), b.segments[i].data.size()));
  }
}

TEST(Container, RoundTrip) {
  Program program = sampleProgram();
  std::string bytes = serialize(program);
  auto parsed = parseProgram(bytes, nullptr, "p.cimb");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  expectEqual(program, **parsed);
  EXPECT_EQ(serialize(**parsed), bytes);
  EXPECT_EQ(serialize(program), bytes);
}

TEST(Container, UnalignedBytesAreFine) {
  std::string bytes = "x" + serialize(sampleProgram());
  auto parsed = parseProgram(std::string_view(bytes).substr(1), nullptr, "p");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  expectEqual(sampleProgram(), **parsed);
}

TEST(Container, SmallestProgram) {
  Program program;
  std::string bytes = serialize(program);
  auto parsed = parseProgram(bytes, nullptr, "p.cimb");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  expectEqual(program, **parsed);
  EXPECT_EQ(serialize(**parsed), bytes);
}

TEST(Container, SegmentsAreAlignedViews) {
  std::string bytes = serialize(sampleProgram());
  auto keep = std::make_shared<std::string>(bytes);
  auto parsed = parseProgram(*keep, keep, "p.cimb");
  ASSERT_TRUE(parsed.ok());
  for (const Segment &segment : (*parsed)->segments) {
    EXPECT_GE(segment.data.data(), keep->data());
    EXPECT_LE(segment.data.data() + segment.data.size(),
              keep->data() + keep->size());
    EXPECT_EQ((segment.data.data() - keep->data()) % 64, 0);
  }
  EXPECT_GT(keep.use_count(), 1);
  keep.reset(); // The program keeps its bytes.
  EXPECT_EQ((*parsed)->segments[2].data.data()[69], '\x11');
}

TEST(Container, FileRoundTrip) {
  std::string path = ::testing::TempDir() + "/sample.cimb";
  ASSERT_TRUE(writeProgram(sampleProgram(), path).ok());
  auto read = readProgram(path);
  ASSERT_TRUE(read.ok()) << read.status();
  expectEqual(sampleProgram(), **read);
  auto raw = readFile(path, 1 << 20);
  ASSERT_TRUE(raw.ok());
  EXPECT_EQ(*raw, serialize(sampleProgram()));
  // Nothing is left beside the file.
  for (auto &entry : std::filesystem::directory_iterator(::testing::TempDir()))
    EXPECT_THAT(entry.path().string(), ::testing::Not(HasSubstr(".cimb.tmp")));
  std::filesystem::remove(path);
  EXPECT_EQ(readProgram(path).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(readProgram(::testing::TempDir()).ok());
  EXPECT_FALSE(writeProgram(sampleProgram(), "/nowhere/x.cimb").ok());
}

TEST(Container, DamageIsNamed) {
  std::string good = serialize(sampleProgram());
  EXPECT_THAT(parseError(""), HasSubstr("not a .cimb program"));
  EXPECT_THAT(parseError(std::string(100, 'a')), HasSubstr("magic"));
  EXPECT_THAT(parseError(good.substr(0, good.size() - 1)),
              HasSubstr("truncated"));
  EXPECT_THAT(parseError(good + "x"), HasSubstr("should have"));
  auto tampered = [&](size_t offset, char value) {
    std::string bytes = good;
    bytes[offset] = value;
    return bytes;
  };
  EXPECT_THAT(parseError(tampered(4, 9)), HasSubstr("program format 9.1"));
  EXPECT_THAT(parseError(tampered(11, 1)), HasSubstr("needs runtime"));
  EXPECT_THAT(parseError(tampered(16, 3)), HasSubstr("unknown features 0x2"));
  EXPECT_THAT(parseError(tampered(72, 1)), HasSubstr("content hash"));
  FileHeader header;
  std::memcpy(&header, good.data(), sizeof(header));
  SectionEntry meta, data;
  std::memcpy(&meta, good.data() + header.tableOffset, sizeof(meta));
  std::memcpy(&data, good.data() + header.tableOffset + 2 * sizeof(data),
              sizeof(data));
  EXPECT_THAT(parseError(tampered(meta.offset + 9, good[meta.offset + 9] + 1)),
              HasSubstr("hash of section 0"));
  // Weights are checked too, unless the reader declines.
  std::string weights = tampered(data.offset + 3, good[data.offset + 3] + 1);
  EXPECT_THAT(parseError(weights), HasSubstr("hash of the data section"));
  EXPECT_TRUE(parseProgram(weights, nullptr, "p", {.verifyData = false}).ok());
}

/// A minor version adds sections that older readers skip.
TEST(Container, UnknownSectionsAreSkippedUnlessRequired) {
  std::string bytes = serialize(sampleProgram());
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  SectionEntry report;
  char *at = bytes.data() + header.tableOffset + sizeof(report);
  std::memcpy(&report, at, sizeof(report));
  report.type = 77;
  std::memcpy(at, &report, sizeof(report));
  header.minor = 4;
  std::memcpy(bytes.data(), &header, sizeof(header));
  ASSERT_TRUE(resealContainer(bytes));
  auto parsed = parseProgram(bytes, nullptr, "p");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)->reportJson, "");
  report.flags = kSectionRequired;
  std::memcpy(bytes.data() + header.tableOffset + sizeof(report), &report,
              sizeof(report));
  ASSERT_TRUE(resealContainer(bytes));
  EXPECT_THAT(parseError(bytes), HasSubstr("unknown type 77 is required"));
}

/// Files of released formats stay loadable; the current one re-serialises to
/// the same bytes. CIM_UPDATE_GOLDEN=1 writes the current one.
TEST(Container, GoldenFiles) {
  std::string current = std::string(CIM_GOLDEN_DIR) + "/v1/sample.cimb";
  if (std::getenv("CIM_UPDATE_GOLDEN"))
    ASSERT_TRUE(writeProgram(sampleProgram(), current).ok());
  size_t files = 0;
  for (auto &entry :
       std::filesystem::recursive_directory_iterator(CIM_GOLDEN_DIR)) {
    if (entry.path().extension() != ".cimb")
      continue;
    ++files;
    auto program = readProgram(entry.path());
    EXPECT_TRUE(program.ok()) << program.status();
  }
  EXPECT_GE(files, 1u);
  auto bytes = readFile(current, 1 << 20);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  auto program = parseProgram(*bytes, nullptr, "golden");
  ASSERT_TRUE(program.ok()) << program.status();
  expectEqual(sampleProgram(), **program);
  EXPECT_EQ(serialize(**program), *bytes);
}

/// Unrolled streams stay compact: near 10 bytes for an instruction that differs
/// from the one before in two addresses and a wait.
TEST(Container, StreamsAreCompact) {
  Program program = sampleProgram();
  size_t before = serialize(program).size();
  Instruction mac = program.run.queues[1].instructions[1];
  mac.steps.clear();
  const size_t count = 20000;
  for (size_t i = 0; i < count; ++i) {
    std::get<Mac>(mac.op).act.offset = i * 32 % 8192;
    std::get<Mac>(mac.op).acc.offset = i * 96 % 4096;
    mac.waits[0].value = i;
    program.run.queues[1].instructions.push_back(mac);
  }
  size_t perInstruction = (serialize(program).size() - before) / count;
  EXPECT_LE(perInstruction, 14u);
}

} // namespace
} // namespace cim
