// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>

#include "absl/strings/str_cat.h"

#include "cim/Schedule/Solver.h"

namespace cim::schedule {

template <typename... Args>
static absl::Status broken(const Args &...args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

absl::Status validate(const MacProblem &p, const MacSchedule &s,
                      const TargetSpec &t) {
  if (s.m.size() != p.m.size() || s.kKernel.size() != p.m.size())
    return broken("schedule has ", s.m.size(), " row tiles and ",
                  s.kKernel.size(), " kernel tiles; the region has ",
                  p.m.size(), " row dimensions");
  // Attributes may be edited by hand: no product below may overflow.
  int64_t rows = 1, arrayRows = std::min<int64_t>(s.kChannels, t.arrayRows()),
          positions = 1, window = 1, part = 1;
  for (size_t i = 0; i < s.m.size(); ++i) {
    if (s.m[i] < 1 || s.kKernel[i] < 1)
      return broken("tile of dimension ", i, " is not positive");
    int64_t tile = std::min(s.m[i], p.m[i].size);
    rows *= tile;
    int64_t kernel = std::min(s.kKernel[i], p.m[i].kernel);
    positions *= kernel;
    window *= windowExtent(p.m[i], tile, p.m[i].kernel);
    part *= windowExtent(p.m[i], tile, kernel);
  }
  arrayRows *= positions;
  if (s.n < 1 || s.n > t.arrayCols())
    return broken("n = ", s.n, "; the array has ", t.arrayCols(), " columns");
  if (s.kChannels < 1 || s.kChannels > t.arrayRows())
    return broken("k tile has ", s.kChannels, " channels; the array has ",
                  t.arrayRows(), " rows");
  if (arrayRows > t.arrayRows())
    return broken("k tile has ", arrayRows, " rows; the array has ",
                  t.arrayRows());
  int64_t kernelSize = 1;
  for (const MDim &dim : p.m)
    kernelSize *= dim.kernel;
  if (p.bfp && kernelSize > 1 && s.kChannels > bfpBlock(t))
    return broken("k tile of ", s.kChannels, " channels over ", kernelSize,
                  " kernel positions; blocks of ", bfpBlock(t),
                  " channels must not be reordered (numerics B2)");
  if (p.bfp && s.kChannels % bfpBlock(t) && s.kChannels < p.channels)
    return broken("k tile of ", s.kChannels, " channels cuts a block of ",
                  bfpBlock(t), " (numerics B2)");
  // Kernel positions come row by row: single ones of the outer dimensions, a
  // part of one, all of the inner ones.
  bool inPart = false;
  for (size_t i = p.m.size(); p.bfp && i-- > 0;) {
    if (inPart && s.kKernel[i] > 1 && p.m[i].kernel > 1)
      return broken("k tile takes ", s.kKernel[i],
                    " kernel positions of dimension ", i,
                    " but not all of those inside; blocks must not be "
                    "reordered (numerics B2)");
    inPart |= s.kKernel[i] < p.m[i].kernel;
  }
  int64_t perTile = groupsPerTile(p, t);
  if (perTile > 1 && s.kChannels < p.channels * perTile)
    return broken("k tile of ", s.kChannels, " channels; ", perTile,
                  " groups of ", p.channels, " channels share a tile");
  if ((s.weights == Home::Computed) != p.computedWeights)
    return broken("weights = computed is for products of two computed "
                  "operands, and for all of those");
  if (s.sets < 1 || s.sets > t.weightSets)
    return broken("sets = ", s.sets, "; a core has ", t.weightSets);
  if (s.cores < 1 || s.cores > t.coresPerChip)
    return broken("cores = ", s.cores, "; a chip has ", t.coresPerChip);
  int64_t down = (arrayRows + t.macroRows - 1) / t.macroRows;
  int64_t across = (s.n + t.macroCols - 1) / t.macroCols;
  int64_t room = (t.macrosDown / down) * (t.macrosAcross / across);
  if (s.copies < 1 || s.copies > room)
    return broken("copies = ", s.copies, "; the array has room for ", room);
  if (s.accBlock < 1)
    return broken("acc_block = ", s.accBlock, " is not positive");
  int64_t n = std::min(s.n, p.n * perTile);
  int64_t acc =
      alignedBytes(rows * n * 4) * std::min<int64_t>(s.accBlock, t.accBytes) +
      accMultiplierBytes(p, t);
  if (acc > static_cast<int64_t>(t.accBytes))
    return broken("accumulators and multipliers take ", acc, " bytes; ACC has ",
                  t.accBytes);
  // A patch is the whole window of a k tile's channels, or, where that is too
  // much, what the k tile's kernel positions read; beside it lies the bias.
  int64_t channelBytes =
      std::min(s.kChannels, p.channels * perTile) * p.actBytes;
  int64_t patch = alignedBytes(window * channelBytes);
  if (patch > l1Budget(t))
    patch = alignedBytes(part * channelBytes);
  int64_t bias = alignedBytes(n * 4);
  if (patch + bias > static_cast<int64_t>(t.l1Bytes))
    return broken("an activation tile takes ", patch, " bytes and its bias ",
                  bias, "; L1 has ", t.l1Bytes);
  return absl::OkStatus();
}

} // namespace cim::schedule
