// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cim/Alloc/Validator.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"

namespace cim::alloc {
namespace {

template <typename... Args>
absl::Status violation(const Args &...args) {
  return absl::FailedPreconditionError(absl::StrCat(args...));
}

/// A buffer begins or ends to hold its addresses.
struct Change {
  int64_t time;
  bool begins;
  size_t buffer;
  /// What ends at a time ends before anything begins.
  bool operator<(const Change &other) const {
    if (time != other.time)
      return time < other.time;
    if (begins != other.begins)
      return other.begins;
    return buffer < other.buffer;
  }
};

void appendChanges(const Buffer &buffer, size_t index,
                   std::vector<Change> &changes) {
  // A gap may begin or end where the buffer does, or touch the next gap.
  auto append = [&](int64_t lower, int64_t upper) {
    if (lower == upper)
      return;
    changes.push_back({lower, true, index});
    changes.push_back({upper, false, index});
  };
  int64_t lower = buffer.lower;
  for (const Interval &gap : buffer.gaps) {
    append(lower, gap.lower);
    lower = gap.upper;
  }
  append(lower, buffer.upper);
}

absl::Status checkOffset(const Buffer &buffer, size_t index, int64_t offset) {
  if (offset < 0)
    return violation("buffer ", index, ": offset ", offset, " is negative");
  if (offset % buffer.alignment != 0)
    return violation("buffer ", index, ": offset ", offset,
                     " is no multiple of its alignment ", buffer.alignment);
  if (buffer.fixedOffset && *buffer.fixedOffset != offset)
    return violation("buffer ", index, ": offset ", offset,
                     " differs from its fixed offset ", *buffer.fixedOffset);
  int64_t end;
  if (__builtin_add_overflow(offset, buffer.size, &end))
    return violation("buffer ", index, ": offset ", offset, " + size ",
                     buffer.size, " overflows");
  return absl::OkStatus();
}

} // namespace

absl::Status validate(const Problem &problem, const Solution &solution) {
  const std::vector<Buffer> &buffers = problem.buffers;
  const std::vector<int64_t> &offsets = solution.offsets;
  if (offsets.size() != buffers.size())
    return violation(offsets.size(), " offsets for ", buffers.size(),
                     " buffers");
  std::vector<Change> changes;
  int64_t height = 0;
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (absl::Status status = checkOffset(buffers[i], i, offsets[i]);
        !status.ok())
      return status;
    height = std::max(height, offsets[i] + buffers[i].size);
    appendChanges(buffers[i], i, changes);
  }
  std::sort(changes.begin(), changes.end());

  // Addresses in use at the time of the sweep: lower end -> buffer. They never
  // overlap, so a newcomer only has to be compared with its neighbours.
  std::map<int64_t, size_t> inUse;
  auto clash = [&](size_t a, size_t b, int64_t time) {
    return violation("buffers ", std::min(a, b), " and ", std::max(a, b),
                     " share addresses at time ", time, ": [", offsets[a], ", ",
                     offsets[a] + buffers[a].size, ") and [", offsets[b], ", ",
                     offsets[b] + buffers[b].size, ")");
  };
  for (const Change &change : changes) {
    size_t index = change.buffer;
    if (!change.begins) {
      inUse.erase(offsets[index]);
      continue;
    }
    auto [it, inserted] = inUse.emplace(offsets[index], index);
    if (!inserted)
      return clash(it->second, index, change.time);
    auto next = std::next(it);
    if (next != inUse.end() &&
        next->first < offsets[index] + buffers[index].size)
      return clash(next->second, index, change.time);
    if (it != inUse.begin()) {
      size_t below = std::prev(it)->second;
      if (offsets[below] + buffers[below].size > offsets[index])
        return clash(below, index, change.time);
    }
  }
  if (height != solution.height)
    return violation("height ", solution.height, " stated, ", height, " used");
  if (solution.fits() && height > problem.capacity)
    return violation("height ", height, " exceeds the capacity ",
                     problem.capacity, " of a layout said to fit");
  if (solution.lowerBound > height)
    return violation("lower bound ", solution.lowerBound,
                     " exceeds the height ", height, " of the layout");
  return absl::OkStatus();
}

} // namespace cim::alloc
