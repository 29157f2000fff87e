// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Schedule/Problem.h"

#include <algorithm>

namespace cim::schedule {

int64_t groupsPerTile(const MacProblem &problem, int64_t arrayRows,
                      int64_t arrayCols) {
  if (problem.groups == 1 || problem.bfp)
    return 1;
  int64_t kernel = 1;
  for (const MDim &dim : problem.m)
    kernel *= dim.kernel;
  int64_t rows = problem.channels * kernel;
  int64_t fit = std::min(arrayRows / std::max<int64_t>(1, rows),
                         arrayCols / std::max<int64_t>(1, problem.n));
  fit = std::clamp<int64_t>(fit, 1, problem.groups);
  while (problem.groups % fit)
    --fit;
  return fit;
}

} // namespace cim::schedule
