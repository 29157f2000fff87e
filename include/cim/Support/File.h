// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Files: mapping, bounded reading, atomic writing.
#ifndef CIM_SUPPORT_FILE_H
#define CIM_SUPPORT_FILE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cim {

/// A file mapped read-only for as long as the object lives.
class MappedFile {
public:
  /// Errors: not found, not a regular file, not mappable. An empty file maps
  /// to an empty view.
  static absl::StatusOr<std::shared_ptr<const MappedFile>>
  open(const std::string &path);
  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  std::string_view bytes() const { return {static_cast<char *>(base), length}; }

private:
  MappedFile(void *base, size_t length) : base(base), length(length) {}
  void *base;
  size_t length;
};

/// Reads a whole regular file of at most `maxBytes`.
absl::StatusOr<std::string> readFile(const std::string &path,
                                     uint64_t maxBytes);

/// Writes `parts` one after the other to a temporary file beside `path` and
/// renames it, so that readers see the old file or the new one. Behind a
/// symbolic link it is the file that is replaced; a device or a pipe is written
/// as it is and never replaced. Errors name `path`.
absl::Status writeFileAtomic(const std::string &path,
                             const std::vector<std::string_view> &parts);
absl::Status writeFileAtomic(const std::string &path, std::string_view bytes);

} // namespace cim

#endif // CIM_SUPPORT_FILE_H
