// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writes the copying program to the file named by the argument.
#include <cstdio>

#include "CopyProgram.h"
#include "cim/Program/ProgramIO.h"
#include "cim/Support/Status.h"

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  absl::Status status = cim::writeProgram(cim::copyProgram(), argv[1]);
  if (!status.ok())
    std::fprintf(stderr, "%s\n", cim::errorLine(status).c_str());
  return status.ok() ? 0 : 1;
}
