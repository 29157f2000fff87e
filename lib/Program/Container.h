// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The outer layer of a .cimb file: header, section table, hashes. Specified in
// docs/program-format.md; everything here is private to the library and tests.
#ifndef CIM_LIB_PROGRAM_CONTAINER_H
#define CIM_LIB_PROGRAM_CONTAINER_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace cim {

constexpr char kMagic[4] = {'C', 'I', 'M', 'B'};
constexpr uint16_t kFormatMajor = 1, kFormatMinor = 1;
/// Oldest runtime (0.1.0) that understands what this writer produces.
constexpr uint32_t kMinRuntime = 0 << 16 | 1 << 8 | 0;
/// Outputs with run-time lengths: a reader that ignores them gives wrong
/// arrays.
constexpr uint64_t kFeatureLengths = 1;
constexpr uint64_t kKnownFeatures = kFeatureLengths;
constexpr uint64_t kAlignment = 64;
constexpr uint32_t kMaxSections = 256;
constexpr uint64_t kMaxMetadataBytes = (uint64_t(1) << 31) - 1;

enum class SectionType : uint32_t { Metadata = 1, Data = 2, Report = 3 };
constexpr uint32_t kSectionRequired = 1; ///< Unknown to a reader: refuse.

/// Fixed-size header at offset 0.
struct FileHeader {
  char magic[4];
  uint16_t major, minor;
  uint32_t minRuntime;
  uint32_t sectionCount;
  uint64_t features;
  uint64_t fileBytes;
  uint64_t tableOffset;
  uint64_t contentHash; ///< Of the 40 bytes before it and the section table.
  uint8_t reserved[16];
};
static_assert(sizeof(FileHeader) == 64);

/// Entry of the section table.
struct SectionEntry {
  uint32_t type;
  uint32_t flags;
  uint64_t offset, size;
  uint64_t hash; ///< Of the section's bytes; Data: of its segments' hashes.
};
static_assert(sizeof(SectionEntry) == 32);

/// A parsed container; views into the file.
struct Container {
  std::string_view metadata, data, report;
  uint64_t dataHash = 0;
};

/// Header and section table for sections of these types, sizes and hashes,
/// laid out one after the other at multiples of kAlignment. Fills the offsets.
std::string makeHeader(std::vector<SectionEntry> &sections, uint64_t features);

/// Checks everything but the Data section's hash.
absl::Status parseContainer(std::string_view bytes, Container &container);

/// Recomputes the hashes of a container that tests have tampered with. Returns
/// false when the section table is not inside the file.
bool resealContainer(std::string &bytes);

} // namespace cim

#endif // CIM_LIB_PROGRAM_CONTAINER_H
