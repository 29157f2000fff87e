// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "cim/Support/Check.h"

#include <cstdio>
#include <cstdlib>

void cim::checkFailed(const char *file, int line, const char *condition,
                      const char *message) {
  std::fprintf(stderr, "%s:%d: internal error: %s (%s)\n", file, line, message,
               condition);
  std::abort();
}
