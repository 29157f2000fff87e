// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "Container.h"

#include <bit>
#include <cstddef>
#include <cstring>

#include "cim/Support/Hash.h"
#include "cim/Support/Status.h"
#include "cim/Support/Version.h"

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian and read in place");

namespace cim {
namespace {

uint64_t alignUp(uint64_t x) { return (x + kAlignment - 1) & -kAlignment; }

uint64_t contentHash(const FileHeader &header, std::string_view table) {
  std::string hashed(reinterpret_cast<const char *>(&header),
                     offsetof(FileHeader, contentHash));
  hashed.append(table);
  return hash64(hashed);
}

std::string versionText(uint32_t version) {
  return absl::StrCat(version >> 16, ".", version >> 8 & 0xff, ".",
                      version & 0xff);
}

absl::Status checkHeader(const FileHeader &h, uint64_t fileBytes) {
  if (std::memcmp(h.magic, kMagic, sizeof(kMagic)) != 0)
    return invalidArgument("not a .cimb program (wrong magic); give a file "
                           "written by cimc");
  if (h.major != kFormatMajor)
    return invalidArgument("program format ", h.major, ".", h.minor,
                           "; this runtime reads ", kFormatMajor,
                           ".x; recompile the model");
  if (h.minRuntime > versionNumber())
    return invalidArgument("needs runtime ", versionText(h.minRuntime),
                           "; this is ", versionString(),
                           "; update the runtime");
  if (h.features & ~kKnownFeatures)
    return invalidArgument("uses unknown features 0x",
                           absl::Hex(h.features & ~kKnownFeatures),
                           "; update the runtime");
  if (h.fileBytes != fileBytes)
    return invalidArgument("the file should have ", h.fileBytes,
                           " bytes; it has ", fileBytes,
                           "; it is truncated or damaged");
  return absl::OkStatus();
}

} // namespace

std::string makeHeader(std::vector<SectionEntry> &sections, uint64_t features) {
  FileHeader header = {};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.major = kFormatMajor;
  header.minor = kFormatMinor;
  header.minRuntime = kMinRuntime;
  header.features = features;
  header.sectionCount = static_cast<uint32_t>(sections.size());
  header.tableOffset = sizeof(FileHeader);
  size_t tableBytes = sections.size() * sizeof(SectionEntry);
  uint64_t end = sizeof(FileHeader) + tableBytes;
  for (SectionEntry &section : sections) {
    section.offset = alignUp(end);
    end = section.offset + section.size;
  }
  header.fileBytes = end;
  std::string_view table(reinterpret_cast<const char *>(sections.data()),
                         tableBytes);
  header.contentHash = contentHash(header, table);
  std::string bytes(reinterpret_cast<const char *>(&header), sizeof(header));
  bytes.append(table);
  return bytes;
}

absl::Status parseContainer(std::string_view bytes, Container &container) {
  FileHeader header;
  if (bytes.size() < sizeof(header))
    return invalidArgument("not a .cimb program (", bytes.size(),
                           " bytes); give a file written by cimc");
  std::memcpy(&header, bytes.data(), sizeof(header));
  CIM_RETURN_IF_ERROR(checkHeader(header, bytes.size()));
  uint64_t tableBytes = uint64_t(header.sectionCount) * sizeof(SectionEntry);
  if (header.sectionCount > kMaxSections || header.tableOffset > bytes.size() ||
      tableBytes > bytes.size() - header.tableOffset)
    return invalidArgument("section table outside of the file; the file is "
                           "damaged");
  std::string_view table = bytes.substr(header.tableOffset, tableBytes);
  if (contentHash(header, table) != header.contentHash)
    return invalidArgument("content hash does not match; the file is damaged");
  bool found[4] = {};
  for (uint32_t i = 0; i < header.sectionCount; ++i) {
    SectionEntry entry;
    std::memcpy(&entry, table.data() + i * sizeof(entry), sizeof(entry));
    if (entry.offset % kAlignment != 0 || entry.offset > bytes.size() ||
        entry.size > bytes.size() - entry.offset)
      return invalidArgument("section ", i,
                             " lies outside of the file; the "
                             "file is damaged");
    if (entry.type < 1 || entry.type > 3) {
      if (entry.flags & kSectionRequired)
        return invalidArgument("section of unknown type ", entry.type,
                               " is required; update the runtime");
      continue;
    }
    if (std::exchange(found[entry.type], true))
      return invalidArgument("two sections of type ", entry.type,
                             "; the file is damaged");
    std::string_view content = bytes.substr(entry.offset, entry.size);
    bool isData = entry.type == uint32_t(SectionType::Data);
    if (!isData && hash64(content) != entry.hash)
      return invalidArgument("hash of section ", i,
                             " does not match; the file is damaged");
    if (isData)
      container.data = content, container.dataHash = entry.hash;
    else if (entry.type == uint32_t(SectionType::Metadata))
      container.metadata = content;
    else
      container.report = content;
  }
  if (!found[uint32_t(SectionType::Metadata)])
    return invalidArgument("no metadata section; the file is damaged");
  return absl::OkStatus();
}

bool resealContainer(std::string &bytes) {
  FileHeader header;
  if (bytes.size() < sizeof(header))
    return false;
  std::memcpy(&header, bytes.data(), sizeof(header));
  header.fileBytes = bytes.size();
  uint64_t tableBytes = uint64_t(header.sectionCount) * sizeof(SectionEntry);
  if (header.sectionCount > kMaxSections || header.tableOffset > bytes.size() ||
      tableBytes > bytes.size() - header.tableOffset)
    return false;
  for (uint32_t i = 0; i < header.sectionCount; ++i) {
    char *at = bytes.data() + header.tableOffset + i * sizeof(SectionEntry);
    SectionEntry entry;
    std::memcpy(&entry, at, sizeof(entry));
    if (entry.offset > bytes.size() || entry.size > bytes.size() - entry.offset)
      continue;
    if (entry.type != uint32_t(SectionType::Data))
      entry.hash =
          hash64(std::string_view(bytes).substr(entry.offset, entry.size));
    std::memcpy(at, &entry, sizeof(entry));
  }
  header.contentHash = contentHash(
      header, std::string_view(bytes).substr(header.tableOffset, tableBytes));
  std::memcpy(bytes.data(), &header, sizeof(header));
  return true;
}

} // namespace cim
