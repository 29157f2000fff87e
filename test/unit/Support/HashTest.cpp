// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Support/Hash.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace cim {
namespace {

/// Published values of XXH64.
TEST(Hash, KnownValues) {
  EXPECT_EQ(hash64(""), 0xEF46DB3751D8E999u);
  EXPECT_EQ(hash64("a"), 0xD24EC4F1A98C6E5Bu);
  EXPECT_EQ(hash64("abc"), 0x44BC2CF5AD770999u);
  EXPECT_EQ(hash64("Nobody inspects the spammish repetition"),
            0xFBCEA83C8A378BF1u);
}

TEST(Hash, EveryLengthDiffers) {
  std::set<uint64_t> seen;
  for (size_t length = 0; length < 200; ++length)
    EXPECT_TRUE(seen.insert(hash64(std::string(length, 'x'))).second);
}

} // namespace
} // namespace cim
