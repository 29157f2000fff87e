// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// NumPy's .npy and .npz files. The reader takes bytes from anywhere: every
// size is checked before it is used, arrays are unpacked only when asked for,
// and stored (uncompressed) arrays are views into the mapped file.
#ifndef CIM_SUPPORT_NPZ_H
#define CIM_SUPPORT_NPZ_H

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cim {

/// A dense row-major little-endian array.
struct NpyArray {
  /// NumPy's kind and item size: "b1", "i1" ... "i8", "u1" ... "u8", "f2",
  /// "f4", "f8"; "V2" is how bfloat16 arrays are stored.
  std::string dtype;
  std::vector<int64_t> shape; ///< Empty for a scalar.
  std::string_view bytes;     ///< Owned by `keepAlive`; any alignment.
  std::shared_ptr<const void> keepAlive;

  /// Bytes of one element (the digits of `dtype`).
  unsigned itemBytes() const;
};

/// Parses one .npy image. Big-endian and Fortran-order arrays are rearranged.
absl::StatusOr<NpyArray> parseNpy(std::string_view bytes,
                                  std::shared_ptr<const void> keepAlive,
                                  std::string_view origin);

/// An open .npz archive, or a single .npy whose only array is named "arr_0".
class NpzFile {
public:
  static absl::StatusOr<NpzFile> open(const std::string &path);
  static absl::StatusOr<NpzFile> parse(std::string_view bytes,
                                       std::shared_ptr<const void> keepAlive,
                                       std::string_view origin);

  /// Names of the arrays, in the order of the archive.
  const std::vector<std::string> &names() const { return order; }
  bool contains(const std::string &name) const { return members.count(name); }
  /// Unpacks one array and checks its CRC.
  absl::StatusOr<NpyArray> read(const std::string &name) const;

private:
  struct Member {
    uint64_t offset = 0;   ///< Of the packed bytes.
    uint64_t packed = 0;   ///< Bytes in the file.
    uint64_t unpacked = 0; ///< Bytes after inflating.
    uint32_t crc = 0;
    bool deflated = false;
  };
  absl::Status readDirectory();
  absl::Status addMember(std::string_view entry, std::string_view name,
                         std::string_view extra);

  std::string origin;
  std::string_view bytes;
  std::shared_ptr<const void> keepAlive;
  std::vector<std::string> order;
  std::map<std::string, Member> members;
};

/// The .npy image of `array`; its data start at a multiple of 64 bytes.
std::string npyHeader(const NpyArray &array);
/// Writes an uncompressed archive atomically; same arrays, same bytes.
absl::Status
writeNpz(const std::string &path,
         const std::vector<std::pair<std::string, NpyArray>> &arrays);
/// The archive in memory.
absl::StatusOr<std::string>
serializeNpz(const std::vector<std::pair<std::string, NpyArray>> &arrays);

} // namespace cim

#endif // CIM_SUPPORT_NPZ_H
