// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// CIM_CHECK: invariants of our own code. What a user can get wrong is an
// absl::Status, never a check.
#ifndef CIM_SUPPORT_CHECK_H
#define CIM_SUPPORT_CHECK_H

namespace cim {

/// Prints "file:line: internal error: message (condition)" and aborts.
[[noreturn]] void checkFailed(const char *file, int line, const char *condition,
                              const char *message);

} // namespace cim

/// Aborts when `condition` is false, in every build type. For bugs only.
#define CIM_CHECK(condition, message)                                          \
  do {                                                                         \
    if (!(condition)) [[unlikely]]                                             \
      ::cim::checkFailed(__FILE__, __LINE__, #condition, message);             \
  } while (false)

#endif // CIM_SUPPORT_CHECK_H
