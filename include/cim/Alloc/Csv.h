// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Allocation problems as CSV, in the columns MiniMalloc uses.
#ifndef CIM_ALLOC_CSV_H
#define CIM_ALLOC_CSV_H

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cim/Alloc/Problem.h"

namespace cim::alloc {

struct CsvProblem {
  std::vector<Buffer> buffers;
  std::vector<std::string> ids; ///< parallel to `buffers`
  std::vector<int> lines;       ///< line of each buffer, from 1
  /// The header and the rows, verbatim but for line ends: output keeps them.
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};

/// Reads CSV text (RFC 4180 quoting, LF or CRLF line ends, a header line).
/// Columns, by name, in any order:
///
///   id (also buffer, buffer_id)  unique, not empty
///   lower, upper                 half-open live range
///   start (begin), end           the same with an inclusive end
///   size                         >= 1
///   alignment                    optional, >= 1
///   hint                         optional, -1 or empty for none
///   offset                       optional, fixed; -1 or empty for none
///   gaps                         optional, "a-b c-d": not held in [a, b), [c,
///   d)
///                                (with `end`: in a .. b)
///
/// Other columns are refused. Errors (InvalidArgument):
/// "<file>:<line>: <what>; <value>; <what to do>".
absl::StatusOr<CsvProblem> parseCsv(std::string_view text,
                                    std::string_view file);

/// The rows of `problem` with an `offset` column (replaced or appended).
std::string formatCsv(const CsvProblem &problem,
                      const std::vector<int64_t> &offsets);

/// An error of check() or solve(), "buffer <index>: ...", with the file and the
/// line of the buffer instead; other statuses get the file's name.
absl::Status locate(const absl::Status &status, const CsvProblem &problem,
                    std::string_view file);

} // namespace cim::alloc

#endif // CIM_ALLOC_CSV_H
