// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "RandomProblems.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace cim::alloc::test {
namespace {

bool heldAt(const Buffer &buffer, int64_t time) {
  if (time < buffer.lower || time >= buffer.upper)
    return false;
  for (const Interval &gap : buffer.gaps)
    if (gap.lower <= time && time < gap.upper)
      return false;
  return true;
}

/// Times here are small: looks at each.
bool heldTogether(const Buffer &a, const Buffer &b) {
  for (int64_t t = std::max(a.lower, b.lower); t < std::min(a.upper, b.upper);
       ++t)
    if (heldAt(a, t) && heldAt(b, t))
      return true;
  return false;
}

} // namespace

Problem smallProblem(uint64_t seed, int buffers, Features features) {
  std::mt19937_64 random(seed);
  auto below = [&](int64_t limit) -> int64_t { return random() % limit; };
  Problem problem;
  while (static_cast<int>(problem.buffers.size()) < buffers) {
    Buffer buffer;
    buffer.lower = below(10) - 3;
    buffer.upper = buffer.lower + 1 + below(7);
    buffer.size = 1 + below(9);
    if (features.alignment && below(2) == 0)
      buffer.alignment = 1 + below(5);
    if (features.fixed && below(4) == 0)
      buffer.fixedOffset = below(5) * buffer.alignment;
    if (features.gaps && buffer.upper - buffer.lower >= 2 && below(2) == 0) {
      int64_t lower = buffer.lower + below(buffer.upper - buffer.lower - 1);
      int64_t upper = std::min(lower + 1 + below(3), buffer.upper);
      if (upper - lower < buffer.upper - buffer.lower)
        buffer.gaps.push_back({lower, upper});
    }
    problem.buffers.push_back(buffer);
    if (!check(problem).ok())
      problem.buffers.pop_back();
  }
  return problem;
}

Problem tightProblem(uint64_t seed, int buffers, int64_t capacity,
                     int dropPercent) {
  struct Rectangle {
    int64_t lower, upper, bottom, top;
  };
  std::mt19937_64 random(seed);
  std::vector<Rectangle> rectangles = {{0, 1000, 0, capacity}};
  while (static_cast<int>(rectangles.size()) < buffers) {
    // The largest of three, so that no buffer stays huge.
    auto area = [](const Rectangle &r) {
      return (r.upper - r.lower) * (r.top - r.bottom);
    };
    size_t index = random() % rectangles.size();
    for (int i = 0; i < 2; ++i) {
      size_t other = random() % rectangles.size();
      if (area(rectangles[other]) > area(rectangles[index]))
        index = other;
    }
    Rectangle &r = rectangles[index];
    Rectangle rest = r;
    bool horizontal = random() % 2 == 0;
    int64_t length = horizontal ? r.top - r.bottom : r.upper - r.lower;
    if (length < 2)
      continue;
    int64_t at = 1 + static_cast<int64_t>(random() % (length - 1));
    if (horizontal)
      rest.bottom = r.top = r.bottom + at;
    else
      rest.lower = r.upper = r.lower + at;
    rectangles.push_back(rest);
  }
  Problem problem;
  problem.capacity = capacity;
  for (const Rectangle &r : rectangles)
    if (static_cast<int>(random() % 100) >= dropPercent)
      problem.buffers.push_back({r.lower, r.upper, r.top - r.bottom});
  return problem;
}

std::optional<int64_t> lowestHeight(const Problem &problem) {
  const std::vector<Buffer> &buffers = problem.buffers;
  size_t count = buffers.size();
  std::vector<std::vector<char>> together(count, std::vector<char>(count));
  for (size_t i = 0; i < count; ++i)
    for (size_t j = 0; j < count; ++j)
      together[i][j] = heldTogether(buffers[i], buffers[j]);
  // Sorted by offset, every layout can be packed down to a stack in its order.
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::optional<int64_t> lowest;
  std::vector<int64_t> top(count);
  do {
    int64_t height = 0;
    bool legal = true;
    for (size_t i = 0; i < count && legal; ++i) {
      const Buffer &buffer = buffers[order[i]];
      int64_t offset = 0;
      for (size_t j = 0; j < i; ++j)
        if (together[order[i]][order[j]])
          offset = std::max(offset, top[order[j]]);
      if (buffer.fixedOffset) {
        legal = offset <= *buffer.fixedOffset;
        offset = *buffer.fixedOffset;
      }
      offset =
          (offset + buffer.alignment - 1) / buffer.alignment * buffer.alignment;
      top[order[i]] = offset + buffer.size;
      height = std::max(height, top[order[i]]);
    }
    if (legal && (!lowest || height < *lowest))
      lowest = height;
  } while (std::next_permutation(order.begin(), order.end()));
  return lowest;
}

} // namespace cim::alloc::test
