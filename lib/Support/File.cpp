// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "cim/Support/File.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cim/Support/Status.h"

namespace cim {
namespace {

/// Closes a descriptor at the end of its scope.
struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0)
      ::close(fd);
  }
};

absl::Status systemError(const std::string &path, const char *what, int error) {
  std::string message =
      absl::StrCat(path, ": ", what, ": ", std::strerror(error));
  if (error == ENOENT)
    return absl::NotFoundError(message);
  return absl::UnavailableError(message);
}

/// Opens a regular file and says how long it is.
absl::Status openRegular(const std::string &path, Descriptor &file,
                         size_t &length) {
  file.fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file.fd < 0)
    return systemError(path, "cannot open", errno);
  struct stat info;
  if (::fstat(file.fd, &info) != 0)
    return systemError(path, "cannot read", errno);
  if (!S_ISREG(info.st_mode))
    return invalidArgument(path, ": not a regular file; give a file");
  length = static_cast<size_t>(info.st_size);
  return absl::OkStatus();
}

absl::Status writeAll(int fd, std::string_view bytes, const std::string &path) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return systemError(path, "cannot write", errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<std::shared_ptr<const MappedFile>>
MappedFile::open(const std::string &path) {
  Descriptor file;
  size_t length = 0;
  CIM_RETURN_IF_ERROR(openRegular(path, file, length));
  void *base = nullptr;
  if (length > 0) {
    base = ::mmap(nullptr, length, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (base == MAP_FAILED)
      return systemError(path, "cannot map", errno);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(base, length));
}

MappedFile::~MappedFile() {
  if (base)
    ::munmap(base, length);
}

absl::StatusOr<std::string> readFile(const std::string &path,
                                     uint64_t maxBytes) {
  Descriptor file;
  size_t length = 0;
  CIM_RETURN_IF_ERROR(openRegular(path, file, length));
  if (length > maxBytes)
    return invalidArgument(path, ": file too long; ", length,
                           " bytes, at most ", maxBytes,
                           "; check that it is the right file");
  std::string bytes(length, '\0');
  size_t done = 0;
  while (done < length) {
    ssize_t n = ::read(file.fd, bytes.data() + done, length - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return systemError(path, "cannot read", errno);
    if (n == 0)
      break;
    done += static_cast<size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

absl::Status writeFileAtomic(const std::string &path,
                             const std::vector<std::string_view> &parts) {
  std::string temporary = path + ".tmpXXXXXX";
  Descriptor file;
  file.fd = ::mkstemp(temporary.data());
  if (file.fd < 0)
    return systemError(path, "cannot create", errno);
  absl::Status status;
  for (std::string_view part : parts) {
    status = writeAll(file.fd, part, path);
    if (!status.ok())
      break;
  }
  // mkstemp makes private files; give the usual permissions.
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (status.ok() && ::fchmod(file.fd, 0666 & ~mask) != 0)
    status = systemError(path, "cannot set permissions", errno);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0)
    status = systemError(path, "cannot rename into place", errno);
  if (!status.ok())
    ::unlink(temporary.c_str());
  return status;
}

absl::Status writeFileAtomic(const std::string &path, std::string_view bytes) {
  return writeFileAtomic(path, std::vector<std::string_view>{bytes});
}

} // namespace cim
