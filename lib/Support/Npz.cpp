// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The ZIP container around .npy members, with ZIP64.
#include "cim/Support/Npz.h"

#include <algorithm>
#include <cstring>
#include <zlib.h>

#include "absl/strings/escaping.h"
#include "cim/Support/File.h"
#include "cim/Support/Status.h"

namespace cim {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50,
                   kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kEnd64Locator = 0x07064b50;
constexpr size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22,
                 kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr uint32_t kNone32 = 0xffffffff;
/// Deflate cannot expand further than this.
constexpr uint64_t kMaxRatio = 1032;

/// Reads a little-endian integer; the caller has checked the bounds.
template <typename T>
T get(std::string_view bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <typename T>
void put(std::string &bytes, T value) {
  bytes.append(reinterpret_cast<const char *>(&value), sizeof(T));
}

uint32_t crc(std::string_view bytes) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef *>(bytes.data()), bytes.size()));
}

/// Inflates raw deflate data that must give exactly `size` bytes. The output
/// grows with what is really there, not with what the directory claims.
bool inflateTo(std::string_view packed, uint64_t size, std::string &out) {
  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    return false;
  constexpr size_t chunk = size_t(1) << 30; // avail_* are 32 bits wide.
  size_t in = 0, done = 0;
  int code = Z_OK;
  while (code == Z_OK) {
    size_t inChunk = std::min(chunk, packed.size() - in);
    if (done == out.size() && done < size)
      out.resize(std::min<uint64_t>(size, 2 * done + (size_t(1) << 20)));
    size_t outChunk = std::min(chunk, out.size() - done);
    char spare; // Lets an empty output still reach the end marker.
    stream.next_in =
        reinterpret_cast<Bytef *>(const_cast<char *>(packed.data() + in));
    stream.avail_in = static_cast<uInt>(inChunk);
    stream.next_out =
        reinterpret_cast<Bytef *>(outChunk ? out.data() + done : &spare);
    stream.avail_out = static_cast<uInt>(outChunk ? outChunk : 1);
    uInt before = stream.avail_out;
    code = ::inflate(&stream, Z_NO_FLUSH);
    size_t consumed = inChunk - stream.avail_in;
    size_t produced = before - stream.avail_out;
    if (produced > outChunk)
      code = Z_DATA_ERROR; // More data than announced.
    in += consumed;
    done += std::min(produced, outChunk);
    if (code == Z_OK && consumed == 0 && produced == 0)
      code = Z_BUF_ERROR;
  }
  inflateEnd(&stream);
  out.resize(done);
  return code == Z_STREAM_END && done == size && in == packed.size();
}

/// Where the central directory lies.
struct Directory {
  uint64_t offset = 0, size = 0, entries = 0;
};

absl::Status findDirectory(std::string_view bytes, Directory &directory) {
  if (bytes.size() < kEndBytes)
    return invalidArgument("not an .npz archive; save it with numpy.savez");
  // The end record is followed by a comment of at most 65535 bytes.
  size_t first =
      bytes.size() - std::min<size_t>(bytes.size(), kEndBytes + 65535);
  size_t end = bytes.size() - kEndBytes;
  while (get<uint32_t>(bytes, end) != kEnd ||
         get<uint16_t>(bytes, end + 20) != bytes.size() - end - kEndBytes) {
    if (end == first)
      return invalidArgument("not an .npz archive, or truncated; save it with "
                             "numpy.savez");
    --end;
  }
  directory.entries = get<uint16_t>(bytes, end + 10);
  directory.size = get<uint32_t>(bytes, end + 12);
  directory.offset = get<uint32_t>(bytes, end + 16);
  if (end >= kLocatorBytes &&
      get<uint32_t>(bytes, end - kLocatorBytes) == kEnd64Locator) {
    uint64_t at = get<uint64_t>(bytes, end - kLocatorBytes + 8);
    if (at > bytes.size() || bytes.size() - at < kEnd64Bytes ||
        get<uint32_t>(bytes, at) != kEnd64)
      return invalidArgument("damaged ZIP64 record; save it again");
    directory.entries = get<uint64_t>(bytes, at + 32);
    directory.size = get<uint64_t>(bytes, at + 40);
    directory.offset = get<uint64_t>(bytes, at + 48);
  }
  if (directory.offset > bytes.size() ||
      directory.size > bytes.size() - directory.offset ||
      directory.entries > directory.size / kCentralBytes)
    return invalidArgument("directory outside of the file; it is damaged");
  return absl::OkStatus();
}

/// 64-bit values replace saturated 32-bit ones, in this order.
bool readZip64(std::string_view extra, std::vector<uint64_t *> fields) {
  while (extra.size() >= 4) {
    uint16_t id = get<uint16_t>(extra, 0), size = get<uint16_t>(extra, 2);
    extra.remove_prefix(4);
    if (size > extra.size())
      return false;
    if (id == 1) {
      std::string_view values = extra.substr(0, size);
      for (uint64_t *field : fields) {
        if (values.size() < 8)
          return false;
        *field = get<uint64_t>(values, 0);
        values.remove_prefix(8);
      }
      return true;
    }
    extra.remove_prefix(size);
  }
  return fields.empty();
}

} // namespace

absl::Status NpzFile::addMember(std::string_view entry, std::string_view name,
                                std::string_view extra) {
  std::string key(name);
  std::string shown = absl::CHexEscape(key);
  if (name.size() > 4 && name.substr(name.size() - 4) == ".npy")
    key.resize(key.size() - 4);
  else
    return invalidArgument("member \"", shown,
                           "\" is not an array; save it with numpy.savez");
  Member member;
  uint16_t flags = get<uint16_t>(entry, 8), method = get<uint16_t>(entry, 10);
  if ((flags & 1) || (method != 0 && method != 8))
    return invalidArgument("member \"", shown,
                           "\" is encrypted or packed with method ", method,
                           "; save it with numpy.savez");
  member.deflated = method == 8;
  member.crc = get<uint32_t>(entry, 16);
  member.packed = get<uint32_t>(entry, 20);
  member.unpacked = get<uint32_t>(entry, 24);
  uint64_t header = get<uint32_t>(entry, 42);
  std::vector<uint64_t *> wide;
  for (uint64_t *field : {&member.unpacked, &member.packed, &header})
    if (*field == kNone32)
      wide.push_back(field);
  bool ok = readZip64(extra, wide) && header <= bytes.size() &&
            bytes.size() - header >= kLocalBytes &&
            get<uint32_t>(bytes, header) == kLocalHeader;
  if (ok) {
    member.offset = header + kLocalBytes + get<uint16_t>(bytes, header + 26) +
                    get<uint16_t>(bytes, header + 28);
    ok = member.offset <= bytes.size() &&
         member.packed <= bytes.size() - member.offset &&
         (member.deflated ? member.unpacked / kMaxRatio <= member.packed + 1
                          : member.unpacked == member.packed);
  }
  if (!ok)
    return invalidArgument("member \"", shown,
                           "\" has impossible sizes; the file is damaged");
  if (!members.emplace(key, member).second)
    return invalidArgument("two members \"", shown, "\"; rename one");
  order.push_back(key);
  return absl::OkStatus();
}

absl::Status NpzFile::readDirectory() {
  Directory directory;
  CIM_RETURN_IF_ERROR(findDirectory(bytes, directory));
  std::string_view left = bytes.substr(directory.offset, directory.size);
  for (uint64_t i = 0; i < directory.entries; ++i) {
    if (left.size() < kCentralBytes || get<uint32_t>(left, 0) != kCentralHeader)
      return invalidArgument("damaged directory entry ", i, "; save it again");
    size_t nameBytes = get<uint16_t>(left, 28);
    size_t extraBytes = get<uint16_t>(left, 30);
    size_t total =
        kCentralBytes + nameBytes + extraBytes + get<uint16_t>(left, 32);
    if (total > left.size())
      return invalidArgument("damaged directory entry ", i, "; save it again");
    CIM_RETURN_IF_ERROR(addMember(
        left.substr(0, kCentralBytes), left.substr(kCentralBytes, nameBytes),
        left.substr(kCentralBytes + nameBytes, extraBytes)));
    left.remove_prefix(total);
  }
  return absl::OkStatus();
}

absl::StatusOr<NpzFile> NpzFile::parse(std::string_view bytes,
                                       std::shared_ptr<const void> keepAlive,
                                       std::string_view origin) {
  NpzFile file;
  file.origin = origin;
  file.bytes = bytes;
  file.keepAlive = std::move(keepAlive);
  if (bytes.substr(0, 6) == std::string_view("\x93NUMPY", 6)) {
    file.order = {"arr_0"};
    file.members["arr_0"] = {0, bytes.size(), bytes.size(), crc(bytes), false};
    return file;
  }
  CIM_RETURN_IF_ERROR(withContext(file.readDirectory(), origin));
  return file;
}

absl::StatusOr<NpzFile> NpzFile::open(const std::string &path) {
  CIM_ASSIGN_OR_RETURN(auto mapped, MappedFile::open(path));
  std::string_view bytes = mapped->bytes();
  return parse(bytes, std::move(mapped), path);
}

absl::StatusOr<NpyArray> NpzFile::read(const std::string &name) const {
  std::string what = absl::StrCat(origin, ": array ", absl::CHexEscape(name));
  auto found = members.find(name);
  if (found == members.end())
    return absl::NotFoundError(what + ": not in the file; check its name");
  const Member &member = found->second;
  std::string_view content = bytes.substr(member.offset, member.packed);
  std::shared_ptr<const void> keep = keepAlive;
  if (member.deflated) {
    auto unpacked = std::make_shared<std::string>();
    if (!inflateTo(content, member.unpacked, *unpacked))
      return invalidArgument(what, ": damaged compressed data; save it again");
    content = *unpacked;
    keep = std::move(unpacked);
  }
  if (crc(content) != member.crc)
    return invalidArgument(what, ": checksum does not match; save it again");
  return parseNpy(content, std::move(keep), what);
}

//===----------------------------------------------------------------------===//
// Writing.
//===----------------------------------------------------------------------===//

namespace {

/// What the central directory repeats of a member.
struct Written {
  std::string name;
  uint64_t offset, size;
  uint32_t crc;
};

uint32_t clamp32(uint64_t x) {
  return x >= kNone32 ? kNone32 : static_cast<uint32_t>(x);
}

/// Fields that local and central headers share: version needed .. name length.
void putCommon(std::string &out, const Written &member, size_t extraBytes) {
  put<uint16_t>(out, 45); // ZIP64
  put<uint16_t>(out, 0);
  put<uint16_t>(out, 0); // stored
  put<uint16_t>(out, 0);
  put<uint16_t>(out, 0x21); // 1980-01-01, for equal bytes
  put<uint32_t>(out, member.crc);
  put<uint32_t>(out, clamp32(member.size));
  put<uint32_t>(out, clamp32(member.size));
  put<uint16_t>(out, static_cast<uint16_t>(member.name.size()));
  put<uint16_t>(out, static_cast<uint16_t>(extraBytes));
}

std::string localHeader(const Written &member) {
  std::string extra;
  if (member.size >= kNone32) {
    put<uint16_t>(extra, 1);
    put<uint16_t>(extra, 16);
    put<uint64_t>(extra, member.size);
    put<uint64_t>(extra, member.size);
  }
  std::string out;
  put<uint32_t>(out, kLocalHeader);
  putCommon(out, member, extra.size());
  return out + member.name + extra;
}

std::string centralHeader(const Written &member) {
  std::string values;
  if (member.size >= kNone32) {
    put<uint64_t>(values, member.size);
    put<uint64_t>(values, member.size);
  }
  if (member.offset >= kNone32)
    put<uint64_t>(values, member.offset);
  std::string extra;
  if (!values.empty()) {
    put<uint16_t>(extra, 1);
    put<uint16_t>(extra, static_cast<uint16_t>(values.size()));
    extra += values;
  }
  std::string out;
  put<uint32_t>(out, kCentralHeader);
  put<uint16_t>(out, 45);
  putCommon(out, member, extra.size());
  put<uint16_t>(out, 0); // comment
  put<uint16_t>(out, 0); // disk
  put<uint16_t>(out, 0);
  put<uint32_t>(out, 0);
  put<uint32_t>(out, clamp32(member.offset));
  return out + member.name + extra;
}

std::string endRecords(uint64_t offset, uint64_t size, uint64_t entries) {
  std::string out;
  if (offset >= kNone32 || size >= kNone32 || entries >= 0xffff) {
    put<uint32_t>(out, kEnd64);
    put<uint64_t>(out, kEnd64Bytes - 12);
    put<uint16_t>(out, 45);
    put<uint16_t>(out, 45);
    put<uint32_t>(out, 0);
    put<uint32_t>(out, 0);
    put<uint64_t>(out, entries);
    put<uint64_t>(out, entries);
    put<uint64_t>(out, size);
    put<uint64_t>(out, offset);
    put<uint32_t>(out, kEnd64Locator);
    put<uint32_t>(out, 0);
    put<uint64_t>(out, offset + size);
    put<uint32_t>(out, 1);
  }
  put<uint32_t>(out, kEnd);
  put<uint16_t>(out, 0);
  put<uint16_t>(out, 0);
  put<uint16_t>(out,
                static_cast<uint16_t>(std::min<uint64_t>(entries, 0xffff)));
  put<uint16_t>(out,
                static_cast<uint16_t>(std::min<uint64_t>(entries, 0xffff)));
  put<uint32_t>(out, clamp32(size));
  put<uint32_t>(out, clamp32(offset));
  put<uint16_t>(out, 0);
  return out;
}

/// Headers, owned, interleaved with the arrays' bytes, not copied.
struct Archive {
  std::vector<std::string> owned;
  std::vector<std::string_view> parts;
};

absl::Status
buildArchive(const std::vector<std::pair<std::string, NpyArray>> &arrays,
             Archive &archive) {
  archive.owned.reserve(2 * arrays.size() + 1);
  std::string central;
  uint64_t at = 0;
  auto add = [&](std::string_view part) {
    archive.parts.push_back(part);
    at += part.size();
  };
  for (const auto &[name, array] : arrays) {
    if (name.size() > 60000)
      return invalidArgument("array name of ", name.size(),
                             " characters; at most 60000; shorten it");
    archive.owned.push_back(npyHeader(array));
    const std::string &header = archive.owned.back();
    uLong sum = crc(header);
    if (!array.bytes.empty()) // A null pointer would reset the sum.
      sum = crc32_z(sum, reinterpret_cast<const Bytef *>(array.bytes.data()),
                    array.bytes.size());
    Written member{name + ".npy", at, header.size() + array.bytes.size(),
                   static_cast<uint32_t>(sum)};
    archive.owned.push_back(localHeader(member));
    add(archive.owned.back());
    add(header);
    add(array.bytes);
    central += centralHeader(member);
  }
  std::string end = endRecords(at, central.size(), arrays.size());
  archive.owned.push_back(central + end);
  add(archive.owned.back());
  return absl::OkStatus();
}

} // namespace

absl::Status
writeNpz(const std::string &path,
         const std::vector<std::pair<std::string, NpyArray>> &arrays) {
  Archive archive;
  CIM_RETURN_IF_ERROR(withContext(buildArchive(arrays, archive), path));
  return writeFileAtomic(path, archive.parts);
}

absl::StatusOr<std::string>
serializeNpz(const std::vector<std::pair<std::string, NpyArray>> &arrays) {
  Archive archive;
  CIM_RETURN_IF_ERROR(buildArchive(arrays, archive));
  std::string bytes;
  for (std::string_view part : archive.parts)
    bytes.append(part);
  return bytes;
}

} // namespace cim
