// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A progress bar for long work: on a terminal only, nothing in a pipe.
#ifndef CIM_SUPPORT_PROGRESS_H
#define CIM_SUPPORT_PROGRESS_H

#include <chrono>
#include <cstdint>
#include <string>

namespace cim {

/// Draws "label [#####.....] 12/40" on stderr, at most ten times a second, and
/// clears the line at the end.
class Progress {
public:
  Progress(std::string label, uint64_t total);
  ~Progress();
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  /// `done` of the total are finished.
  void update(uint64_t done);

private:
  std::string label;
  uint64_t total;
  bool enabled, drawn = false;
  std::chrono::steady_clock::time_point next;
};

} // namespace cim

#endif // CIM_SUPPORT_PROGRESS_H
