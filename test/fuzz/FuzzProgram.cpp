// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// .cimb bytes. Hashes are recomputed first, so that mutations get past them.
#include <cstdlib>

#include "Container.h"
#include "cim/Program/ProgramIO.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string bytes(reinterpret_cast<const char *>(data), size);
  (void)cim::parseProgram(bytes, nullptr, "fuzz");
  if (!cim::resealContainer(bytes))
    return 0;
  auto program = cim::parseProgram(bytes, nullptr, "fuzz");
  if (!program.ok())
    return 0;
  // What parses can be written, and read again.
  auto again = cim::serializeProgram(**program);
  if (!again.ok() || !cim::parseProgram(*again, nullptr, "again").ok())
    std::abort();
  return 0;
}
