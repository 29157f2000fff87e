// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A set of 64-bit keys that forgets when it is full. Internal to the library.
#ifndef CIM_LIB_ALLOC_MEMORY_H
#define CIM_LIB_ALLOC_MEMORY_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cim::alloc {

/// Mixes the bits of `value` (an invertible function).
inline uint64_t mixBits(uint64_t value) {
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

/// Keys are well-mixed hashes. Buckets of four; the table grows to 2^22 keys
/// (32 MiB) and then replaces within a bucket.
class Memory {
public:
  Memory() { clear(); }

  void clear() {
    slots.assign(size_t{1} << 12, 0);
    used = 0;
  }

  bool contains(uint64_t key) const {
    size_t bucket = bucketOf(key);
    for (size_t i = 0; i < 4; ++i)
      if (slots[bucket + i] == key)
        return true;
    return false;
  }

  void insert(uint64_t key) {
    if (used * 2 > slots.size() && slots.size() < kMaxSlots)
      grow();
    put(key);
  }

private:
  static constexpr size_t kMaxSlots = size_t{1} << 22;

  size_t bucketOf(uint64_t key) const { return key & (slots.size() - 4); }

  void put(uint64_t key) {
    size_t bucket = bucketOf(key);
    for (size_t i = 0; i < 4; ++i) {
      if (slots[bucket + i] == key)
        return;
      if (slots[bucket + i] == 0) {
        slots[bucket + i] = key;
        ++used;
        return;
      }
    }
    slots[bucket + (key >> 62)] = key;
  }

  void grow() {
    std::vector<uint64_t> old(slots.size() * 4, 0);
    old.swap(slots);
    used = 0;
    for (uint64_t key : old)
      if (key != 0)
        put(key);
  }

  std::vector<uint64_t> slots; ///< 0 is empty
  size_t used = 0;
};

} // namespace cim::alloc

#endif // CIM_LIB_ALLOC_MEMORY_H
