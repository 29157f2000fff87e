// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Weights.h"

#include <algorithm>
#include <cstring>

#include "absl/hash/hash.h"
#include "cim/Support/Simd.h"

namespace cim::exec {

size_t WeightData::bytesHeld() const {
  size_t total = panels.data.size() + bytes.size() + sums.size() * 4;
  for (const Block &b : blocks)
    total += b.low.data.size() + b.high.data.size() + b.exponents.size() * 2;
  return total;
}

size_t WeightCache::Hash::operator()(const Key &key) const {
  return absl::HashOf(key.chip, key.offset, key.op.rows, key.op.cols,
                      int(key.op.format), key.op.planes);
}

std::shared_ptr<const WeightData> WeightCache::find(const Key &key) const {
  auto it = entries.find(key);
  return it == entries.end() ? nullptr : it->second;
}

void WeightCache::insert(const Key &key,
                         std::shared_ptr<const WeightData> data) {
  size_t size = data->bytesHeld() + sizeof(Key);
  if (held + size > capacity)
    return;
  if (entries.emplace(key, std::move(data)).second)
    held += size;
}

//===----------------------------------------------------------------------===//
// Bit planes.
//===----------------------------------------------------------------------===//

PlaneReader::PlaneReader(const uint8_t *src, int64_t rows, int64_t cols,
                         int planes, const std::vector<uint16_t> &masks,
                         int64_t groupColumns)
    : src(src), rows(rows), cols(cols), rowBytes((cols + 7) / 8),
      planes(planes), allowed(size_t(planes) * rowBytes, 0) {
  for (int64_t c = 0; c < cols; ++c) {
    int64_t group = c / groupColumns;
    unsigned mask = size_t(group) < masks.size() ? masks[group] : 0xffffu;
    for (int p = 0; p < planes; ++p)
      if (mask >> p & 1)
        allowed[p * rowBytes + c / 8] |= uint8_t(1 << (c % 8));
  }
}

namespace loops {

/// Up to 8 planes of one row, the plane p `pitch` bytes after plane p - 1: the
/// 8 x 8 bits of a byte column are transposed within a 64-bit word.
CIM_SIMD void unpackRow8(const uint8_t *src, int64_t pitch, int planes,
                         const uint8_t *allowed, int64_t rowBytes,
                         int16_t *out) {
  constexpr int64_t chunk = 64;
  for (int64_t first = 0; first < rowBytes; first += chunk) {
    int64_t n = rowBytes - first < chunk ? rowBytes - first : chunk;
    uint64_t word[chunk] = {};
    for (int p = 0; p < 8; ++p) {
      // The sign plane repeats above itself: two's complement.
      int q = p < planes ? p : planes - 1;
      const uint8_t *s = src + q * pitch + first;
      const uint8_t *a = allowed + q * rowBytes + first;
      for (int64_t i = 0; i < n; ++i)
        word[i] |= uint64_t(uint8_t(s[i] & a[i])) << (8 * p);
    }
    for (int64_t i = 0; i < n; ++i) {
      uint64_t x = word[i], t;
      t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aaull;
      x ^= t ^ (t << 7);
      t = (x ^ (x >> 14)) & 0x0000cccc0000ccccull;
      x ^= t ^ (t << 14);
      t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0ull;
      word[i] = x ^ t ^ (t << 28);
    }
    int8_t bytes[chunk * 8];
    std::memcpy(bytes, word, size_t(n) * 8);
    int16_t *o = out + first * 8;
    for (int64_t i = 0; i < n * 8; ++i)
      o[i] = bytes[i];
  }
}

} // namespace loops

void PlaneReader::row(int64_t k, int16_t *out) const {
  int64_t pitch = rows * rowBytes;
  const uint8_t *from = src + k * rowBytes;
  if (planes <= 8)
    return loops::unpackRow8(from, pitch, planes, allowed.data(), rowBytes,
                             out);
  for (int64_t c = 0; c < cols; ++c) {
    uint32_t value = 0;
    for (int p = 0; p < planes; ++p) {
      uint8_t byte = from[p * pitch + c / 8] & allowed[p * rowBytes + c / 8];
      value |= uint32_t(byte >> (c % 8) & 1) << p;
    }
    out[c] = int16_t(int32_t(value << (32 - planes)) >> (32 - planes));
  }
}

} // namespace cim::exec
