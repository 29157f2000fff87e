// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the solver's techniques work on: a connected part of a problem with time
// reduced to sections. Internal to the library.
#ifndef CIM_LIB_ALLOC_INSTANCE_H
#define CIM_LIB_ALLOC_INSTANCE_H

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "cim/Alloc/Problem.h"

namespace cim::alloc {

inline constexpr int64_t kNone = -1; ///< no fixed offset, not placed yet
inline constexpr int64_t kInfinity = std::numeric_limits<int64_t>::max() / 2;

inline int64_t alignUp(int64_t value, int64_t alignment) {
  if (alignment == 1)
    return value;
  int64_t remainder = value % alignment;
  return remainder == 0 ? value : value + (alignment - remainder);
}

/// Sorts indices by key(index), equal ones by themselves.
template <typename Index, typename Key>
void sortByKey(std::vector<Index> &indices, Key key) {
  std::sort(indices.begin(), indices.end(), [&](Index a, Index b) {
    auto left = key(a), right = key(b);
    return left != right ? left < right : a < b;
  });
}

/// Sections [lower, upper) in which a buffer is held.
struct Run {
  int32_t lower = 0;
  int32_t upper = 0;
  friend bool operator==(const Run &, const Run &) = default;
};

/// Lists of T in one array: list i is values[begin[i] .. begin[i + 1]).
template <typename T>
struct Lists {
  std::vector<int64_t> begin{0};
  std::vector<T> values;
  std::span<const T> operator[](int64_t i) const {
    return {values.data() + begin[i], values.data() + begin[i + 1]};
  }
  int64_t size() const { return static_cast<int64_t>(begin.size()) - 1; }
};

/// Lists larger than this are not built, and what needs them is skipped:
/// bounds the memory an adversarial problem can ask for.
inline constexpr int64_t kMaxListValues = 16'000'000;

/// The buffers of one part, with their runs of sections. Sections are the
/// maximal live sets: one whose live set a neighbour's contains says nothing
/// new and is dropped.
struct Instance {
  struct Item {
    int64_t size = 0;
    int64_t alignment = 1;
    int64_t fixed = kNone;
    int64_t hint = kNone;
    /// Addresses the buffer keeps others from using: the size rounded up to
    /// the alignment all buffers share.
    int64_t padded = 0;
    int64_t lower = 0; ///< first time held
    int64_t upper = 0; ///< past the last time held
    int64_t area = 0;  ///< size * time held, saturated
    Run hull;          ///< first to last section
  };
  std::vector<Item> items;
  std::vector<int> source; ///< index of each item in the problem
  Lists<Run> runs;         ///< of each item, in order

  struct Section {
    Interval time;
    int64_t live = 0;       ///< sum of sizes
    int64_t liveBound = 0;  ///< no layout of the section is lower
    int64_t maxPadding = 0; ///< of a buffer held in it
  };
  std::vector<Section> sections;
  int64_t lowerBound = 0;
  int peakSection = 0;
  /// Every offset and height that bottom-up layouts produce is a multiple.
  int64_t granule = 1;
  /// Sum over items of their sections, and over pairs of overlapping items, or
  /// more than kMaxListValues.
  int64_t footprint = 0;
  int64_t overlapCount = 0;

  int count() const { return static_cast<int>(items.size()); }
  /// Items held in each section. Needs footprint <= kMaxListValues.
  Lists<int32_t> itemsBySection() const;
  /// Items held at some time together with each item. Needs overlapCount <=
  /// kMaxListValues.
  Lists<int32_t> overlaps() const;
};

/// The parts of a problem that passed check(): connected by shared times, in
/// order of time.
std::vector<Instance> splitIntoInstances(const Problem &problem);

/// The highest address of a layout.
int64_t heightOf(const Instance &instance, const std::vector<int64_t> &offsets);

} // namespace cim::alloc

#endif // CIM_LIB_ALLOC_INSTANCE_H
