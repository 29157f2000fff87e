// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "cim/Support/Version.h"

#define CIM_STRING_IMPL(x) #x
#define CIM_STRING(x) CIM_STRING_IMPL(x)

const char *cim::versionString() {
  return CIM_STRING(CIM_VERSION_MAJOR) "." CIM_STRING(
      CIM_VERSION_MINOR) "." CIM_STRING(CIM_VERSION_PATCH);
}

uint32_t cim::versionNumber() {
  return CIM_VERSION_MAJOR << 16 | CIM_VERSION_MINOR << 8 | CIM_VERSION_PATCH;
}
