// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Overlap of two boxes is a bounded linear Diophantine question: is there a
// sum of stride * index terms, of both boxes, inside a window? Depth-first over
// descending strides with bounds and gcd pruning decides it; strides of real
// programs nest, so that at most two indices per level are tried.
#include "access/Box.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace cim::device {
namespace {

bool byStrideAscending(const Dim &a, const Dim &b) {
  return a.stride < b.stride || (a.stride == b.stride && a.size < b.size);
}

/// Adds `dim` to `dims`, fusing { a*i + m*a*j } into { a*i' } when that is the
/// same set.
void addFused(Box::Dims &dims, Dim dim) {
  for (Dim &a : dims) {
    if (dim.stride % a.stride == 0 && dim.stride / a.stride <= a.size) {
      a.size += (dim.size - 1) * (dim.stride / a.stride);
      return;
    }
  }
  dims.push_back(dim);
}

int64_t floorDiv(int64_t a, int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
int64_t ceilDiv(int64_t a, int64_t b) { return -floorDiv(-a, b); }

/// Is sum c_j * t_j in [low, high] for some 0 <= t_j < n_j?
class WindowSearch {
public:
  /// `terms` ascending by stride.
  explicit WindowSearch(const Box::Dims &terms)
      : dims(terms), reach(terms.size() + 1), gcds(terms.size() + 1) {
    for (size_t j = 0; j < dims.size(); ++j) {
      reach[j + 1] = reach[j] + dims[j].stride * (dims[j].size - 1);
      gcds[j + 1] = std::gcd(gcds[j], dims[j].stride);
    }
  }

  bool find(int64_t low, int64_t high) { return find(dims.size(), low, high); }

private:
  bool find(size_t level, int64_t low, int64_t high) {
    low = std::max<int64_t>(low, 0);
    high = std::min(high, reach[level]);
    if (low > high)
      return false;
    if (low == 0 || high == reach[level])
      return true; // all indices zero, or all at their last value
    // Sums are multiples of the gcd: is there one in the window?
    if (floorDiv(high, gcds[level]) < ceilDiv(low, gcds[level]))
      return false;
    const Dim &dim = dims[level - 1];
    if (level == 1)
      return true;
    int64_t from =
        std::max<int64_t>(0, ceilDiv(low - reach[level - 1], dim.stride));
    int64_t to = std::min(dim.size - 1, floorDiv(high, dim.stride));
    // Hostile strides could make this exponential; past the budget the answer
    // is the safe one.
    for (int64_t t = from; t <= to; ++t) {
      if (budget-- <= 0)
        return true;
      if (find(level - 1, low - t * dim.stride, high - t * dim.stride))
        return true;
    }
    return false;
  }

  const Box::Dims &dims;
  absl::InlinedVector<int64_t, 16> reach, gcds;
  int64_t budget = int64_t(1) << 22;
};

} // namespace

Box::Box(int64_t base, int64_t length, Dims dims) : first(base), run(length) {
  Dims kept;
  for (Dim dim : dims) {
    if (dim.size <= 1 || dim.stride == 0)
      continue;
    if (dim.stride < 0) {
      first += dim.stride * (dim.size - 1);
      dim.stride = -dim.stride;
    }
    kept.push_back(dim);
  }
  std::sort(kept.begin(), kept.end(), byStrideAscending);
  for (const Dim &dim : kept) {
    if (loops.empty() && dim.stride <= run)
      run += dim.stride * (dim.size - 1);
    else
      addFused(loops, dim);
  }
  std::reverse(loops.begin(), loops.end());
  last = first + run;
  for (const Dim &dim : loops)
    last += dim.stride * (dim.size - 1);
}

bool Box::overlaps(const Box &other) const {
  if (first >= other.last || other.first >= last)
    return false;
  if (dense() && other.dense())
    return true;
  // Bytes a + x and b + y meet when (index terms of this) + (mirrored index
  // terms of the other) lies in a window of run + other.run - 1 values.
  int64_t target = other.first - first + (other.last - other.first - other.run);
  int64_t low = target - (run - 1), high = target + (other.run - 1);
  Dims terms;
  Dims both = loops;
  both.insert(both.end(), other.loops.begin(), other.loops.end());
  std::sort(both.begin(), both.end(), byStrideAscending);
  for (const Dim &dim : both) {
    if (terms.empty() && dim.stride <= high - low + 1)
      low -= dim.stride * (dim.size - 1);
    else
      addFused(terms, dim);
  }
  return WindowSearch(terms).find(low, high);
}

int64_t Box::commonByte(const Box &other) const {
  // Bisect: restrict this box to halves of its loops until one run is left.
  Box box = *this;
  while (!box.loops.empty()) {
    Dims half = box.loops;
    half[0].size /= 2;
    Box low(box.first, box.run, half);
    if (low.overlaps(other)) {
      box = low;
      continue;
    }
    int64_t skip = half[0].size * half[0].stride;
    half[0].size = box.loops[0].size - half[0].size;
    box = Box(box.first + skip, box.run, half);
  }
  while (box.run > 1) {
    Box low(box.first, box.run / 2);
    box =
        low.overlaps(other) ? low : Box(box.first + low.run, box.run - low.run);
  }
  return box.first;
}

bool Box::covers(const Box &other) const {
  if (other.first < first || other.last > last)
    return false;
  if (dense() || *this == other)
    return true;
  // Loops of equal stride are matched one to one; whatever else the other box
  // has must fit into this box's innermost run.
  int64_t offset = other.first - first;
  int64_t rest = other.run;
  size_t j = 0;
  for (const Dim &dim : loops) {
    int64_t size = 1;
    while (j < other.loops.size() && other.loops[j].stride > dim.stride)
      rest += other.loops[j].stride * (other.loops[j].size - 1), ++j;
    if (j < other.loops.size() && other.loops[j].stride == dim.stride)
      size = other.loops[j++].size;
    int64_t at = std::min(offset / dim.stride, dim.size - 1);
    if (at + size > dim.size)
      return false;
    offset -= at * dim.stride;
  }
  for (; j < other.loops.size(); ++j)
    rest += other.loops[j].stride * (other.loops[j].size - 1);
  return offset + rest <= run;
}

} // namespace cim::device
