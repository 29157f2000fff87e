// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Greedy layouts. Internal to the library.
#ifndef CIM_LIB_ALLOC_GREEDY_H
#define CIM_LIB_ALLOC_GREEDY_H

#include <cstdint>
#include <utility>
#include <vector>

#include "Instance.h"

namespace cim::alloc {

struct Layout {
  std::vector<int64_t> offsets; ///< one per item
  int64_t height = kInfinity;
};

/// Places items one after the other at the lowest free offset; fixed items
/// first.
class FirstFit {
public:
  FirstFit(const Instance &instance, const Lists<int32_t> &overlaps);

  /// Lays out all items in `order` (a permutation). Stops when the height
  /// reaches `limit` and then returns kInfinity.
  int64_t place(const std::vector<int> &order, std::vector<int64_t> &offsets,
                int64_t limit = kInfinity);

  /// Elementary steps so far.
  uint64_t work() const { return steps; }

private:
  int64_t lowestFree(int item, const std::vector<int64_t> &offsets);

  const Instance &instance;
  const Lists<int32_t> &overlaps;
  std::vector<std::pair<int64_t, int64_t>> taken; ///< scratch
  uint64_t steps = 0;
};

/// The item order for one of kGreedyOrders rules: falling area, size, time,
/// peak of the sections covered, ...; the hinted offsets, if there are any.
inline constexpr int kGreedyOrders = 6;
std::vector<int> greedyOrder(const Instance &instance, int rule);

/// The best of the greedy layouts; stops at one of height <= goal. With
/// `several` off it makes one. `overlaps` may be null (too large): then
/// buffers get blocks from a list of free ones as time passes, which takes
/// n log n steps.
Layout greedyLayout(const Instance &instance, const Lists<int32_t> *overlaps,
                    int64_t goal, bool several);

} // namespace cim::alloc

#endif // CIM_LIB_ALLOC_GREEDY_H
