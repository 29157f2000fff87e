// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "cim/Support/Progress.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace cim {

Progress::Progress(std::string label, uint64_t total)
    : label(std::move(label)), total(total),
      enabled(total > 1 && ::isatty(STDERR_FILENO)),
      next(std::chrono::steady_clock::now() + std::chrono::milliseconds(300)) {}

Progress::~Progress() {
  if (drawn)
    std::fprintf(stderr, "\r\033[K");
}

void Progress::update(uint64_t done) {
  if (!enabled)
    return;
  auto now = std::chrono::steady_clock::now();
  if (now < next)
    return;
  next = now + std::chrono::milliseconds(100);
  constexpr uint64_t width = 30;
  uint64_t filled = std::min(width, done * width / total);
  std::string bar(filled, '#');
  bar.append(width - filled, '.');
  std::fprintf(stderr, "\r%s [%s] %llu/%llu\033[K", label.c_str(), bar.c_str(),
               static_cast<unsigned long long>(done),
               static_cast<unsigned long long>(total));
  std::fflush(stderr);
  drawn = true;
}

} // namespace cim
