// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Schedule/Problem.h"

#include <algorithm>

#include "cim/Target/TargetSpec.h"

namespace cim::schedule {

int64_t bfpBlock(const TargetSpec &target) {
  return std::min(target.bfpBlockRows, target.arrayRows());
}

int64_t l1Budget(const TargetSpec &target) {
  // A little under a half: parameters and epilogue buffers need room as well.
  return static_cast<int64_t>(target.l1Bytes) * 7 / 16;
}

int64_t groupsPerTile(const MacProblem &problem, const TargetSpec &target) {
  if (problem.groups == 1 || problem.bfp)
    return 1;
  int64_t kernel = 1, window = 1;
  for (const MDim &dim : problem.m) {
    kernel *= dim.kernel;
    window *= windowExtent(dim, 1, dim.kernel);
  }
  int64_t rows = problem.channels * kernel;
  int64_t bytes = problem.channels * window * problem.actBytes;
  int64_t fit = std::min({target.arrayRows() / std::max<int64_t>(1, rows),
                          target.arrayCols() / std::max<int64_t>(1, problem.n),
                          l1Budget(target) / std::max<int64_t>(1, bytes)});
  fit = std::clamp<int64_t>(fit, 1, problem.groups);
  while (problem.groups % fit)
    --fit;
  return fit;
}

} // namespace cim::schedule
