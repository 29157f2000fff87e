// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "cim/Support/Status.h"

#include <string>

absl::Status cim::withContext(const absl::Status &status,
                              std::string_view prefix) {
  if (status.ok())
    return status;
  return absl::Status(status.code(),
                      absl::StrCat(toAbsl(prefix), ": ", status.message()));
}

std::string cim::errorLine(const absl::Status &status) {
  std::string line = absl::StrCat("error: ", status.message());
  for (char &c : line)
    if (c == '\n' || c == '\r')
      c = ' ';
  return line;
}
