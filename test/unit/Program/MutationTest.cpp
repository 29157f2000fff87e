// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Damaged and hostile files: an error or a valid program, never a crash. The
// libFuzzer target in test/fuzz does the same without a bound.
#include <random>

#include "Container.h"
#include "SampleProgram.h"
#include "cim/Program/ProgramIO.h"
#include "gtest/gtest.h"

namespace cim {
namespace {

/// Whatever parses must be valid and serialise to something that parses.
void checkOne(const std::string &bytes) {
  auto program = parseProgram(bytes, nullptr, "p");
  if (!program.ok()) {
    EXPECT_FALSE(program.status().message().empty());
    return;
  }
  EXPECT_TRUE(validateProgram(**program).ok());
  auto again = serializeProgram(**program);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(parseProgram(*again, nullptr, "again").ok());
}

class Mutation : public ::testing::Test {
protected:
  std::string good = *serializeProgram(sampleProgram());
  std::mt19937 random{42};
};

TEST_F(Mutation, EveryTruncationFails) {
  for (size_t length = 0; length < good.size(); ++length) {
    std::string bytes = good.substr(0, length);
    EXPECT_FALSE(parseProgram(bytes, nullptr, "p").ok()) << length;
    // Past the length check and the hashes.
    if (resealContainer(bytes))
      checkOne(bytes);
  }
}

TEST_F(Mutation, EverySingleByteChangeIsCaughtOrHarmless) {
  size_t accepted = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bytes = good;
    bytes[i] ^= static_cast<char>(1 + random() % 255);
    accepted += parseProgram(bytes, nullptr, "p").ok();
    checkOne(bytes);
  }
  // Only padding between sections and the reserved header bytes are free.
  EXPECT_LE(accepted, 16 + 4 * kAlignment);
}

TEST_F(Mutation, ResealedFlips) {
  size_t accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = good;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
      size_t at = random() % bytes.size();
      switch (random() % 4) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] ^= static_cast<char>(1 << random() % 8);
        break;
      case 2:
        bytes[at] = static_cast<char>(random() % 2 ? 0xff : 0);
        break;
      case 3: // Copy a piece over another.
        for (size_t n = random() % 16, j = 0; j < n; ++j)
          bytes[(at + j) % bytes.size()] = bytes[(at * 31 + j) % bytes.size()];
        break;
      }
    }
    if (!resealContainer(bytes))
      continue;
    accepted += parseProgram(bytes, nullptr, "p").ok();
    checkOne(bytes);
  }
  // Names, notes and sizes may change freely, most of the rest may not.
  EXPECT_GT(accepted, 100u);
  EXPECT_LT(accepted, 16000u);
}

} // namespace
} // namespace cim
