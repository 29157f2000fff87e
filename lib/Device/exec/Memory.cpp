// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cim::exec {

Pages::Pages(Pages &&other) noexcept
    : ptr(std::exchange(other.ptr, nullptr)),
      size(std::exchange(other.size, 0)) {}

Pages &Pages::operator=(Pages &&other) noexcept {
  std::swap(ptr, other.ptr);
  std::swap(size, other.size);
  return *this;
}

Pages::~Pages() {
  if (ptr)
    munmap(ptr, size);
}

absl::Status Pages::reserve(uint64_t size, Pages &out) {
  // One page more, so that an empty memory is valid too.
  size += 4096;
  void *p = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED)
    return absl::ResourceExhaustedError(std::strerror(errno));
  Pages pages;
  pages.ptr = static_cast<uint8_t *>(p);
  pages.size = size;
  out = std::move(pages);
  return absl::OkStatus();
}

absl::Status Memory::create(std::string name, uint64_t size, bool sanitize) {
  label = std::move(name);
  bytes = size;
  tracked = sanitize;
  absl::Status status = Pages::reserve(size, pages);
  if (status.ok() && sanitize)
    status = Pages::reserve(size / 8 + 8, written);
  if (!status.ok())
    return absl::ResourceExhaustedError(absl::StrCat(
        label, ": the host cannot reserve ", size, " bytes (", status.message(),
        "); use a smaller target or Mode::Timing"));
  return absl::OkStatus();
}

absl::Status Memory::addSegment(const Segment &segment) {
  Range range{segment.address.offset,
              segment.address.offset + segment.data.size()};
  if (segment.data.size() == 0)
    return absl::OkStatus();
  if (range.hi < range.lo || range.hi > bytes)
    return absl::InvalidArgumentError(
        absl::StrCat("segment ", segment.name, ": bytes [", range.lo, ", ",
                     range.hi, ") do not fit ", label, " of ", bytes,
                     " bytes; use a target with more memory"));
  if (const Segment *other = segmentIn(range))
    return absl::InvalidArgumentError(absl::StrCat(
        "segment ", segment.name, ": overlaps segment ", other->name, " in ",
        label, "; give every segment its own addresses"));
  auto at = std::upper_bound(
      entries.begin(), entries.end(), range.lo,
      [](uint64_t lo, const Entry &e) { return lo < e.range.lo; });
  entries.insert(at, {range, &segment, false});
  if (tracked)
    markInitialized(range);
  return absl::OkStatus();
}

std::pair<size_t, size_t> Memory::entriesIn(Range range) const {
  auto first =
      std::partition_point(entries.begin(), entries.end(), [&](const Entry &e) {
        return e.range.hi <= range.lo;
      });
  auto last = std::partition_point(first, entries.end(), [&](const Entry &e) {
    return e.range.lo < range.hi;
  });
  return {first - entries.begin(), last - entries.begin()};
}

const uint8_t *Memory::read(Range range) {
  if (entries.empty())
    return pages.data() + range.lo;
  auto [first, last] = entriesIn(range);
  if (last - first == 1) {
    const Entry &e = entries[first];
    if (e.range.lo <= range.lo && range.hi <= e.range.hi)
      return reinterpret_cast<const uint8_t *>(e.segment->data.data()) +
             (range.lo - e.range.lo);
  }
  // The range straddles a segment's border: give it one contiguous image.
  for (size_t i = first; i < last; ++i) {
    Entry &e = entries[i];
    if (!e.copied)
      std::memcpy(pages.data() + e.range.lo, e.segment->data.data(),
                  e.segment->data.size());
    e.copied = true;
  }
  return pages.data() + range.lo;
}

const Segment *Memory::segmentIn(Range range) const {
  if (entries.empty())
    return nullptr;
  auto [first, last] = entriesIn(range);
  return first < last ? entries[first].segment : nullptr;
}

const Segment *Memory::segmentAround(Range range) const {
  if (entries.empty())
    return nullptr;
  auto [first, last] = entriesIn(range);
  if (last - first != 1)
    return nullptr;
  const Entry &e = entries[first];
  bool inside = e.range.lo <= range.lo && range.hi <= e.range.hi;
  return inside ? e.segment : nullptr;
}

namespace {

/// Calls f(byte of the bitmap, mask) for the bits [lo, hi); whole bytes go
/// through `whole` (first, last). Stops when either returns false.
template <typename F, typename W>
bool forBits(uint64_t lo, uint64_t hi, F f, W whole) {
  uint64_t first = lo / 8, last = hi / 8;
  if (first == last)
    return f(first, uint8_t((0xff << (lo % 8)) & ~(0xff << (hi % 8))));
  if (lo % 8) {
    if (!f(first, uint8_t(0xff << (lo % 8))))
      return false;
    ++first;
  }
  if (first < last && !whole(first, last))
    return false;
  return hi % 8 == 0 || f(last, uint8_t(~(0xff << (hi % 8))));
}

} // namespace

bool Memory::initialized(Range range, uint64_t &missing) const {
  const uint8_t *map = written.data();
  auto partial = [&](uint64_t i, uint8_t mask) {
    uint8_t absent = uint8_t(~map[i] & mask);
    if (absent)
      missing = i * 8 + uint64_t(std::countr_zero(absent));
    return absent == 0;
  };
  auto whole = [&](uint64_t first, uint64_t last) {
    for (; first < last && map[first] == 0xff; ++first)
      ;
    return first == last || partial(first, 0xff);
  };
  return range.lo >= range.hi || forBits(range.lo, range.hi, partial, whole);
}

void Memory::markInitialized(Range range) {
  uint8_t *map = written.data();
  if (range.lo < range.hi)
    forBits(
        range.lo, range.hi,
        [&](uint64_t i, uint8_t mask) {
          map[i] |= mask;
          return true;
        },
        [&](uint64_t first, uint64_t last) {
          std::memset(map + first, 0xff, last - first);
          return true;
        });
}

} // namespace cim::exec
