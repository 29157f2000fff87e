// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef CIM_SCHEDULE_SLOTCACHE_H
#define CIM_SCHEDULE_SLOTCACHE_H

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace cim {

/// Keys to slots, least recently used slot replaced: which weight tile is in
/// which set, which activations are in which patch of L1.
template <typename Key>
class SlotCache {
public:
  explicit SlotCache(size_t slots = 1) : entries(slots) {}
  /// The slot of `key` and whether it was there.
  std::pair<size_t, bool> lookup(const Key &key) {
    size_t oldest = 0;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].used && entries[i].key == key) {
        entries[i].stamp = ++clock;
        return {i, true};
      }
      if (entries[i].stamp < entries[oldest].stamp)
        oldest = i;
    }
    entries[oldest] = {key, ++clock, true};
    return {oldest, false};
  }

private:
  struct Entry {
    Key key{};
    uint64_t stamp = 0;
    bool used = false;
  };
  std::vector<Entry> entries;
  uint64_t clock = 0;
};

} // namespace cim

#endif // CIM_SCHEDULE_SLOTCACHE_H
