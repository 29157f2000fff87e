// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Tiling.h"
#include "cim/Schedule/Solver.h"

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

int64_t accMultiplierBytes(const MacProblem &p, const TargetSpec &t) {
  int64_t bytes = p.bfp ? 0 : alignedBytes(p.n * p.groups * 4);
  return bytes <= static_cast<int64_t>(t.accBytes) / 16 ? bytes : 0;
}

int64_t channelsPerLoad(int64_t positions, int64_t kChannels,
                        int64_t chunkChannels, int64_t actBytes) {
  constexpr int64_t enough = 32768;
  int64_t bytes = std::max<int64_t>(1, positions * kChannels * actBytes);
  return std::min(chunkChannels, ceilDiv(enough, bytes) * kChannels);
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
  double allPositions = 1;
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
    allPositions *= windowExtent(m, size, m.kernel);
    partPositions *= windowExtent(m, tile, std::min(s.kKernel[i], m.kernel));
  }
  int64_t distinct = mTilesPerCore;
  int64_t whole =
      static_cast<int64_t>(patchPositions) * chunkChannels * p.actBytes;
  int64_t budget = l1Budget(t);
  double allBytes = allPositions * double(chunkChannels) * p.actBytes;
  sharedPatch = allBytes * std::min<int64_t>(2, subPerCore) <= budget;
  int64_t kChunks = ceilDiv(chunkChannels, s.kChannels);
  patchPerK = !sharedPatch && whole * 2 > budget && kChunks > 1;
  int64_t kTileChannels = std::min(s.kChannels, chunkChannels);
  patchChannels = patchPerK ? kTileChannels : chunkChannels;
  double channelBytes = double(patchChannels) * p.actBytes;
  patchPerKernel = !sharedPatch && patchPositions * channelBytes > budget;
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
  if (sharedPatch)
    patchBytes = alignedBytes(static_cast<int64_t>(allBytes));
  int64_t slots = std::min<int64_t>(maxPatchSlots,
                                    budget / std::max<int64_t>(1, patchBytes));
  patchSlots = std::clamp<int64_t>((sharedPatch ? 1 : distinct) * subPerCore, 1,
                                   std::max<int64_t>(1, slots));
  auto tilePositions = static_cast<int64_t>(patchPositions);
  patchesStay = sharedPatch || distinct <= slots;
  if (sharedPatch) // every position once, in as many parts as there are tiles
    patchPositions = allPositions / mTilesPerCore;
  loadChannels = sharedPatch ? channelsPerLoad(tilePositions, s.kChannels,
                                               chunkChannels, p.actBytes)
                             : patchChannels;
  accTileBytes = alignedBytes(maxTileRows * std::min(s.n, chunkN) * 4);
  accSlots = (static_cast<int64_t>(t.accBytes) - accMultiplierBytes(p, t)) /
             std::max<int64_t>(1, accTileBytes);
  accSlots = std::min<int64_t>(accSlots / std::max<int64_t>(1, s.accBlock), 2);
}

} // namespace cim::schedule
