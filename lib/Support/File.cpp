// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "cim/Support/File.h"

#include <cerrno>
#include <cstdlib>
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

/// Writes everything and closes: some file systems report a full disk only
/// then.
static absl::Status writeParts(Descriptor &file, const std::string &path,
                               const std::vector<std::string_view> &parts) {
  for (std::string_view part : parts)
    CIM_RETURN_IF_ERROR(writeAll(file.fd, part, path));
  int fd = file.fd;
  file.fd = -1;
  if (::close(fd) != 0)
    return systemError(path, "cannot write", errno);
  return absl::OkStatus();
}

/// A device or a pipe.
static absl::Status writeSpecial(const std::string &path,
                                 const std::vector<std::string_view> &parts) {
  Descriptor file;
  file.fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file.fd < 0)
    return systemError(path, "cannot open", errno);
  return writeParts(file, path, parts);
}

absl::Status writeFileAtomic(const std::string &path,
                             const std::vector<std::string_view> &parts) {
  struct stat info;
  std::string target = path;
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode))
      return invalidArgument(path, ": is a folder; give the name of a file");
    if (!S_ISREG(info.st_mode))
      return writeSpecial(path, parts);
    if (char *resolved = ::realpath(path.c_str(), nullptr)) {
      target = resolved;
      std::free(resolved);
    }
  }
  std::string temporary = target + ".tmpXXXXXX";
  Descriptor file;
  file.fd = ::mkstemp(temporary.data());
  if (file.fd < 0)
    return systemError(path, "cannot create", errno);
  // mkstemp makes private files; give the usual permissions.
  mode_t mask = ::umask(0);
  ::umask(mask);
  absl::Status status;
  if (::fchmod(file.fd, 0666 & ~mask) != 0)
    status = systemError(path, "cannot set permissions", errno);
  if (status.ok())
    status = writeParts(file, path, parts);
  if (status.ok() && ::rename(temporary.c_str(), target.c_str()) != 0)
    status = systemError(path, "cannot rename into place", errno);
  if (!status.ok())
    ::unlink(temporary.c_str());
  return status;
}

absl::Status writeFileAtomic(const std::string &path, std::string_view bytes) {
  return writeFileAtomic(path, std::vector<std::string_view>{bytes});
}

} // namespace cim
