// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One memory of the device: bytes that cost nothing until touched, read-only
// segments that stay where the program holds them, and, for the sanitizer, one
// bit per byte that says whether it was written (device.md D1.3, D1.4).
#ifndef CIM_LIB_DEVICE_EXEC_MEMORY_H
#define CIM_LIB_DEVICE_EXEC_MEMORY_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cim/Program/Program.h"

namespace cim::exec {

/// Anonymous zero pages, reserved but not committed.
class Pages {
public:
  Pages() = default;
  Pages(Pages &&other) noexcept;
  Pages &operator=(Pages &&other) noexcept;
  ~Pages();
  /// Fails when the host has no address space or memory for `size` bytes.
  static absl::Status reserve(uint64_t size, Pages &out);
  uint8_t *data() const { return ptr; }

private:
  uint8_t *ptr = nullptr;
  uint64_t size = 0;
};

/// Bytes [lo, hi).
struct Range {
  uint64_t lo = 0, hi = 0;
};

class Memory {
public:
  /// `name` appears in messages ("L2 of chip 0").
  absl::Status create(std::string name, uint64_t size, bool sanitize);
  /// Makes [offset, offset + size) read-only, with `data` as its content
  /// (owned by the caller, not copied). Fails on overlap and out of range.
  absl::Status addSegment(const Segment &segment);

  const std::string &name() const { return label; }
  uint64_t size() const { return bytes; }

  /// A pointer p such that p[i] is byte range.lo + i. The range must be inside
  /// the memory. Valid until the next addSegment.
  const uint8_t *read(Range range);
  /// The same for writing; bytes of segments must not be written.
  uint8_t *write(Range range) { return pages.data() + range.lo; }

  /// The segment with a byte in the range, or null.
  const Segment *segmentIn(Range range) const;
  /// The segment that holds the whole range, or null.
  const Segment *segmentAround(Range range) const;

  /// Sanitizer: whether all bytes were written; else the first that was not.
  bool initialized(Range range, uint64_t &missing) const;
  void markInitialized(Range range);

private:
  struct Entry {
    Range range;
    const Segment *segment;
    bool copied; ///< Also present in `pages`.
  };
  /// Entries that intersect the range: [first, last).
  std::pair<size_t, size_t> entriesIn(Range range) const;

  std::string label;
  uint64_t bytes = 0;
  Pages pages;
  Pages written; ///< One bit per byte, sanitizer only.
  bool tracked = false;
  std::vector<Entry> entries; ///< Sorted by address.
};

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_MEMORY_H
