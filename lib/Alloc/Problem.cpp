// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cim/Alloc/Problem.h"

#include <algorithm>
#include <map>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace cim::alloc {
namespace {

/// Sums of sizes stay below this, so that no address computation overflows.
constexpr int64_t kMaxAddress = int64_t{1} << 61;
constexpr int64_t kMaxTime = int64_t{1} << 61;

template <typename... Args>
absl::Status bufferError(size_t index, const Args &...args) {
  return absl::InvalidArgumentError(
      absl::StrCat("buffer ", index, ": ", args...));
}

absl::Status checkGaps(size_t index, const Buffer &buffer) {
  int64_t previous = buffer.lower;
  int64_t left = buffer.upper - buffer.lower;
  for (const Interval &gap : buffer.gaps) {
    if (gap.lower >= gap.upper)
      return bufferError(index, "empty gap [", gap.lower, ", ", gap.upper,
                         "); leave it out");
    if (gap.lower < previous || gap.upper > buffer.upper)
      return bufferError(index, "gap [", gap.lower, ", ", gap.upper,
                         ") is out of order or outside the live range [",
                         buffer.lower, ", ", buffer.upper,
                         "); sort the gaps and keep them inside");
    previous = gap.upper;
    left -= gap.upper - gap.lower;
  }
  if (left == 0)
    return bufferError(index, "its gaps cover its whole live range; leave the "
                              "buffer out");
  return absl::OkStatus();
}

absl::Status checkBuffer(size_t index, const Buffer &buffer) {
  if (buffer.lower >= buffer.upper)
    return bufferError(index, "empty live range [", buffer.lower, ", ",
                       buffer.upper, "); lower must be less than upper");
  if (buffer.lower < -kMaxTime || buffer.upper > kMaxTime)
    return bufferError(index, "live range [", buffer.lower, ", ", buffer.upper,
                       ") outside -2^61 .. 2^61; use smaller times");
  if (buffer.size < 1)
    return bufferError(index, "size ", buffer.size,
                       "; sizes start at 1, leave an empty buffer out");
  if (buffer.alignment < 1)
    return bufferError(index, "alignment ", buffer.alignment,
                       "; alignments start at 1");
  if (buffer.size > kMaxAddress || buffer.alignment > kMaxAddress)
    return bufferError(index, "size ", buffer.size, ", alignment ",
                       buffer.alignment, "; the limit is 2^61");
  if (buffer.fixedOffset) {
    int64_t offset = *buffer.fixedOffset;
    if (offset < 0 || offset > kMaxAddress)
      return bufferError(index, "fixed offset ", offset,
                         "; offsets are 0 .. 2^61");
    if (offset % buffer.alignment != 0)
      return bufferError(index, "fixed offset ", offset,
                         " is no multiple of the alignment ", buffer.alignment,
                         "; change one of them");
  }
  return checkGaps(index, buffer);
}

/// Finds two fixed buffers that are held together and share an address, by a
/// sweep over time with the addresses in use, sorted.
absl::Status checkFixed(const Problem &problem) {
  struct Event {
    int64_t time;
    bool start;
    size_t buffer;
  };
  std::vector<Event> events;
  for (size_t i = 0; i < problem.buffers.size(); ++i) {
    const Buffer &buffer = problem.buffers[i];
    if (!buffer.fixedOffset)
      continue;
    int64_t lower = buffer.lower;
    auto add = [&](int64_t upper) {
      if (lower < upper) {
        events.push_back({lower, true, i});
        events.push_back({upper, false, i});
      }
    };
    for (const Interval &gap : buffer.gaps) {
      add(gap.lower);
      lower = gap.upper;
    }
    add(buffer.upper);
  }
  std::sort(events.begin(), events.end(), [](const Event &a, const Event &b) {
    if (a.time != b.time)
      return a.time < b.time;
    return a.start != b.start ? !a.start : a.buffer < b.buffer;
  });
  std::map<int64_t, size_t> used; // by offset
  for (const Event &event : events) {
    const Buffer &buffer = problem.buffers[event.buffer];
    int64_t offset = *buffer.fixedOffset;
    if (!event.start) {
      used.erase(offset);
      continue;
    }
    auto above = used.lower_bound(offset);
    size_t other = event.buffer;
    if (above != used.end() && above->first < offset + buffer.size)
      other = above->second;
    else if (above != used.begin()) {
      size_t below = std::prev(above)->second;
      const Buffer &lower = problem.buffers[below];
      if (*lower.fixedOffset + lower.size > offset)
        other = below;
    }
    if (other != event.buffer)
      return bufferError(event.buffer, "fixed offset ", offset,
                         " overlaps buffer ", other, " fixed at ",
                         *problem.buffers[other].fixedOffset,
                         " while both are live; move one of them");
    used.emplace(offset, event.buffer);
  }
  return absl::OkStatus();
}

} // namespace

const char *name(Status status) {
  switch (status) {
  case Status::optimal:
    return "optimal";
  case Status::feasible:
    return "feasible";
  case Status::infeasible:
    return "infeasible";
  case Status::unknown:
    return "unknown";
  }
  return "unknown";
}

absl::Status check(const Problem &problem) {
  if (problem.capacity < 0)
    return absl::InvalidArgumentError(
        absl::StrCat("capacity ", problem.capacity, "; it must be at least 0"));
  if (problem.buffers.size() > size_t{1} << 30)
    return absl::InvalidArgumentError(
        absl::StrCat(problem.buffers.size(), " buffers; the limit is 2^30"));
  int64_t sum = 0;
  int64_t highest = 0;
  for (size_t i = 0; i < problem.buffers.size(); ++i) {
    const Buffer &buffer = problem.buffers[i];
    if (absl::Status status = checkBuffer(i, buffer); !status.ok())
      return status;
    // A layout without holes beyond alignment is never higher than this.
    sum += buffer.size;
    if (buffer.alignment > 1)
      sum += buffer.alignment;
    highest = std::max(highest, buffer.fixedOffset.value_or(0));
    if (sum > kMaxAddress - highest)
      return bufferError(i, "the sizes and alignments up to here sum to ", sum,
                         "; the limit is 2^61, use a larger unit");
  }
  return checkFixed(problem);
}

} // namespace cim::alloc
