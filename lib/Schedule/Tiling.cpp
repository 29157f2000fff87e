// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Tiling.h"

#include <algorithm>

namespace cim::schedule {

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

size_t splitDim(const MacProblem &p) {
  size_t best = 0;
  for (size_t i = 1; i < p.m.size(); ++i)
    if (p.m[best].size == 1 && p.m[i].size > 1)
      best = i;
  return best;
}

Tiling::Tiling(const MacProblem &p, const MacSchedule &s, const TargetSpec &t) {
  int64_t perTile = groupsPerTile(p, t);
  chunks = p.groups / perTile;
  chunkChannels = p.channels * perTile;
  chunkN = p.n * perTile;
  cores = s.split == Split::None ? 1 : std::max<int64_t>(1, s.cores);
  subPerCore = p.batch * chunks;
  nPerCore = chunkN;
  size_t dim = splitDim(p);
  int64_t rowsOfDim = p.m[dim].size;
  if (s.split == Split::M)
    rowsOfDim = ceilDiv(rowsOfDim, cores);
  else if (s.split == Split::N)
    nPerCore = std::min(chunkN, ceilDiv(ceilDiv(chunkN, s.n), cores) * s.n);
  else if (s.split == Split::Batch)
    subPerCore = ceilDiv(subPerCore, cores);
  nTilesPerCore = ceilDiv(nPerCore, s.n);

  kRowsTotal = chunkChannels;
  kTiles = ceilDiv(chunkChannels, s.kChannels);
  kTileRows = std::min(s.kChannels, chunkChannels);
  int64_t distinct = 1;
  double partPositions = 1; // one k tile's
  for (size_t i = 0; i < p.m.size(); ++i) {
    const MDim &m = p.m[i];
    kRowsTotal *= m.kernel;
    kTiles *= ceilDiv(m.kernel, s.kKernel[i]);
    kTileRows *= std::min(s.kKernel[i], m.kernel);
    int64_t size = i == dim ? rowsOfDim : m.size;
    int64_t tile = std::min(s.m[i], size);
    rowsPerCore *= size;
    mTilesPerCore *= ceilDiv(size, tile);
    maxTileRows *= tile;
    patchPositions *= windowExtent(m, tile, m.kernel);
    partPositions *= windowExtent(m, tile, std::min(s.kKernel[i], m.kernel));
  }
  distinct = mTilesPerCore;
  int64_t whole =
      static_cast<int64_t>(patchPositions) * chunkChannels * p.actBytes;
  int64_t budget = l1Budget(t);
  int64_t kChunks = ceilDiv(chunkChannels, s.kChannels);
  patchPerK = whole * 2 > budget && kChunks > 1;
  int64_t kTileChannels = std::min(s.kChannels, chunkChannels);
  patchChannels = patchPerK ? kTileChannels : chunkChannels;
  double channelBytes = double(patchChannels) * p.actBytes;
  patchPerKernel = patchPositions * channelBytes > budget;
  if (patchPerKernel) {
    patchPerK = true;
    patchPositions = partPositions;
    patchChannels = kTileChannels;
    distinct *= kTiles;
  } else if (patchPerK) {
    distinct *= kChunks;
  }
  patchBytes = alignedBytes(static_cast<int64_t>(patchPositions) *
                            patchChannels * p.actBytes);
  int64_t slots =
      std::min<int64_t>(64, budget / std::max<int64_t>(1, patchBytes));
  patchSlots = std::max<int64_t>(1, std::min(slots, distinct * subPerCore));
  patchesStay = distinct <= slots;
  accTileBytes = alignedBytes(maxTileRows * std::min(s.n, chunkN) * 4);
  accSlots =
      static_cast<int64_t>(t.accBytes) / std::max<int64_t>(1, accTileBytes);
  accSlots = std::min<int64_t>(accSlots / std::max<int64_t>(1, s.accBlock), 2);
}

} // namespace cim::schedule
