// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Helpers for absl::Status. Messages are one line of the form
// "<node or file>: <what>; <limit and value>; <what to do>".
#ifndef CIM_SUPPORT_STATUS_H
#define CIM_SUPPORT_STATUS_H

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace cim {

/// Packaged abseil has a string_view of its own.
inline absl::string_view toAbsl(std::string_view text) {
  return {text.data(), text.size()};
}

namespace detail {
template <typename T>
const T &piece(const T &value) {
  return value;
}
inline absl::string_view piece(const std::string_view &text) {
  return toAbsl(text);
}
} // namespace detail

/// The user's mistake, or a file's: StrCat of the arguments.
template <typename... Args>
absl::Status invalidArgument(const Args &...args) {
  return absl::InvalidArgumentError(absl::StrCat(detail::piece(args)...));
}

/// `status` with "prefix: " in front of its message; OK stays OK.
absl::Status withContext(const absl::Status &status, std::string_view prefix);

/// "error: message" on one line (line breaks become spaces).
std::string errorLine(const absl::Status &status);

} // namespace cim

#define CIM_STATUS_CONCAT_IMPL(a, b) a##b
#define CIM_STATUS_CONCAT(a, b) CIM_STATUS_CONCAT_IMPL(a, b)

/// Returns the status of `expression` from the function unless it is OK.
#define CIM_RETURN_IF_ERROR(expression)                                        \
  do {                                                                         \
    if (absl::Status cimStatus = (expression); !cimStatus.ok())                \
      return cimStatus;                                                        \
  } while (false)

/// Assigns the value of a StatusOr expression, or returns its status.
#define CIM_ASSIGN_OR_RETURN(target, expression)                               \
  CIM_ASSIGN_OR_RETURN_IMPL(CIM_STATUS_CONCAT(cimStatusOr, __LINE__), target,  \
                            expression)
#define CIM_ASSIGN_OR_RETURN_IMPL(temporary, target, expression)               \
  auto temporary = (expression);                                               \
  if (!temporary.ok())                                                         \
    return std::move(temporary).status();                                      \
  target = *std::move(temporary)

#endif // CIM_SUPPORT_STATUS_H
