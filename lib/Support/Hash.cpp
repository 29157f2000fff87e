// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Written from the published description of XXH64.
#include "cim/Support/Hash.h"

#include <bit>
#include <cstddef>
#include <cstring>

namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4F;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5;

template <typename T>
uint64_t load(const char *p) {
  static_assert(std::endian::native == std::endian::little);
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

uint64_t round(uint64_t acc, uint64_t lane) {
  return std::rotl(acc + lane * kPrime2, 31) * kPrime1;
}

} // namespace

uint64_t cim::hash64(std::string_view bytes, uint64_t seed) {
  const char *p = bytes.data();
  size_t left = bytes.size();
  uint64_t h = seed + kPrime5;
  if (left >= 32) {
    uint64_t lane[4] = {seed + kPrime1 + kPrime2, seed + kPrime2, seed,
                        seed - kPrime1};
    for (; left >= 32; p += 32, left -= 32)
      for (int i = 0; i < 4; ++i)
        lane[i] = round(lane[i], load<uint64_t>(p + 8 * i));
    h = std::rotl(lane[0], 1) + std::rotl(lane[1], 7) + std::rotl(lane[2], 12) +
        std::rotl(lane[3], 18);
    for (uint64_t l : lane)
      h = (h ^ round(0, l)) * kPrime1 + kPrime4;
  }
  h += bytes.size();
  for (; left >= 8; p += 8, left -= 8)
    h = std::rotl(h ^ round(0, load<uint64_t>(p)), 27) * kPrime1 + kPrime4;
  if (left >= 4) {
    h = std::rotl(h ^ load<uint32_t>(p) * kPrime1, 23) * kPrime2 + kPrime3;
    p += 4, left -= 4;
  }
  for (; left > 0; ++p, --left)
    h = std::rotl(h ^ load<uint8_t>(p) * kPrime5, 11) * kPrime1;
  h = (h ^ (h >> 33)) * kPrime2;
  h = (h ^ (h >> 29)) * kPrime3;
  return h ^ (h >> 32);
}
