// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The version of this build.
#ifndef CIM_SUPPORT_VERSION_H
#define CIM_SUPPORT_VERSION_H

#include <cstdint>

namespace cim {

/// "major.minor.patch".
const char *versionString();
/// major << 16 | minor << 8 | patch; ordered like the versions.
uint32_t versionNumber();

} // namespace cim

#endif // CIM_SUPPORT_VERSION_H
