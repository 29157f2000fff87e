// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How a MAC region's activations come to L1. A patch is the part of the input
// that output rows need, dense, channels innermost or outermost like its
// source. Where L1 has room, a core keeps one patch for all its rows and every
// m tile brings only what no tile before it brought; else every tile has its
// own.
//
// Patch coordinates of a row dimension: input coordinate + pad where a kernel
// covers several positions; the output position where it covers one (then rows
// that a stride skips are not loaded).
#include "LowerMac.h"

#include "cim/Schedule/Solver.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

/// What output positions `out` need, in patch coordinates.
static Range needs(const schedule::MDim &dim, Range out) {
  return {dim.kernel == 1 ? out.begin : out.begin * dim.step,
          schedule::windowExtent(dim, out.size, dim.kernel)};
}

/// The patch coordinates that lie inside the input.
static Range inside(const schedule::MDim &dim) {
  if (dim.kernel != 1)
    return {dim.pad, dim.inSize};
  int64_t first = dim.pad > 0 ? llvm::divideCeil(dim.pad, dim.step) : 0;
  int64_t end = dim.inSize - 1 + dim.pad;
  int64_t last = end < 0 ? -1 : end / dim.step;
  return {first, std::max<int64_t>(0, last - first + 1)};
}

static Range intersect(Range a, Range b) {
  int64_t begin = std::max(a.begin, b.begin);
  int64_t end = std::min(a.begin + a.size, b.begin + b.size);
  return {begin, std::max<int64_t>(0, end - begin)};
}

void MacLowering::planPatches(Core &core, int64_t subsOfCore) {
  const auto &m = geometry.problem.m;
  ArrayRef<Range> rows = core.rows;
  int64_t budget = schedule::l1Budget(tiles.target);
  int64_t positions = 1, distinct = 1, all = 1;
  SmallVector<int64_t> tileExtents, allExtents;
  for (size_t i = 0; i < m.size(); ++i) {
    int64_t tile = std::min(schedule.getM()[i], rows[i].size);
    tileExtents.push_back(needs(m[i], {0, tile}).size);
    allExtents.push_back(needs(m[i], rows[i]).size);
    positions *= tileExtents.back();
    all *= allExtents.back();
    distinct *= llvm::divideCeil(rows[i].size, tile);
  }
  int64_t slotsOfAll =
      budget / std::max<int64_t>(1, schedule::alignedBytes(all * chunkChannels *
                                                           act.elemBytes));
  core.sharedPatch = slotsOfAll >= std::min<int64_t>(2, subsOfCore);
  int64_t slots, bytes;
  SmallVector<int64_t> shape;
  if (core.sharedPatch) {
    core.patchChannels = chunkChannels;
    core.loadChannels = schedule::channelsPerLoad(positions, schedule.getK()[0],
                                                  chunkChannels, act.elemBytes);
    slots = std::min(slotsOfAll, subsOfCore);
    bytes = schedule::alignedBytes(all * chunkChannels * act.elemBytes);
    shape = allExtents;
    for (size_t i = 0; i < m.size(); ++i)
      core.patchRows.push_back(needs(m[i], rows[i]));
  } else {
    shape = planTilePatch(core, tileExtents, positions, distinct);
    bytes = core.patchChannels * act.elemBytes;
    for (int64_t extent : shape)
      bytes *= extent;
    bytes = schedule::alignedBytes(bytes);
    slots = std::clamp<int64_t>(budget / std::max<int64_t>(1, bytes), 1,
                                distinct * subsOfCore);
  }
  slots = std::min<int64_t>(slots, schedule::maxPatchSlots);
  core.patchBytes = slots * bytes;
  core.patches = SlotCache<std::array<int64_t, 3>>(slots);
  core.loaded.resize(slots);
  core.padded.resize(slots);
  shape.insert(geometry.problem.channelsInner ? shape.end() : shape.begin(),
               core.patchChannels);
  Type type = cast<MemRefType>(act.buffer.getType()).getElementType();
  for (int64_t i = 0; i < slots; ++i)
    core.patchBuffers.push_back(
        tiles.buffer(BufferKind::temp, (region.getName() + ".act").str(), shape,
                     type, MemorySpace::l1, core.id));
}

/// A patch of one m tile: all channels where two of them fit, else those of a k
/// tile, else only what its kernel positions read. Returns its extents;
/// `distinct` grows to the number of patches of a sub-problem.
SmallVector<int64_t> MacLowering::planTilePatch(Core &core,
                                                ArrayRef<int64_t> extents,
                                                int64_t positions,
                                                int64_t &distinct) {
  const auto &m = geometry.problem.m;
  int64_t budget = schedule::l1Budget(tiles.target);
  int64_t tileChannels = std::min(schedule.getK()[0], chunkChannels);
  int64_t whole = positions * chunkChannels * act.elemBytes;
  core.patchChannels =
      whole * 2 <= budget || kChunks == 1 ? chunkChannels : tileChannels;
  core.patchPerTile = positions * core.patchChannels * act.elemBytes > budget;
  SmallVector<int64_t> shape(extents);
  if (core.patchPerTile) {
    core.patchChannels = tileChannels;
    for (size_t i = 0; i < m.size(); ++i)
      shape[i] = schedule::windowExtent(
          m[i], std::min(schedule.getM()[i], core.rows[i].size),
          std::min(schedule.getK()[1 + i], m[i].kernel));
    distinct *= kTiles.size();
  } else if (core.patchChannels != chunkChannels) {
    distinct *= kChunks;
  }
  core.loadChannels = core.patchChannels;
  return shape;
}

Range MacLowering::window(const Core &core, const KTile &k, size_t dim) const {
  return core.patchPerTile ? k.kernel[dim]
                           : Range{0, geometry.problem.m[dim].kernel};
}

SmallVector<schedule::MDim> MacLowering::windowed(const Core &core,
                                                  const KTile &k) const {
  const auto &m = geometry.problem.m;
  SmallVector<schedule::MDim> dims(m.begin(), m.end());
  for (size_t i = 0; i < dims.size(); ++i) {
    Range kernel = window(core, k, i);
    dims[i].pad -= kernel.begin * dims[i].dilation;
    dims[i].kernel = kernel.size;
  }
  return dims;
}

/// Patch coordinates of dimension `dim` that tiles before `piece` did not need.
Range MacLowering::fresh(const Core &core, size_t dim, Range piece) const {
  const schedule::MDim &m = geometry.problem.m[dim];
  Range mine = needs(m, piece);
  int64_t tile = schedule.getM()[dim], end = mine.begin + mine.size;
  Range rows = core.rows[dim];
  if (core.reversed(dim)) {
    int64_t next = piece.begin + piece.size;
    if (next < rows.begin + rows.size)
      end = std::min(end, needs(m, {next, 1}).begin);
    return {mine.begin, end - mine.begin};
  }
  if (piece.begin > rows.begin) {
    Range previous = needs(m, {piece.begin - tile, tile});
    mine.begin = std::max(mine.begin, previous.begin + previous.size);
  }
  return {mine.begin, end - mine.begin};
}

MacLowering::Patch MacLowering::loadPatch(Core &core, int64_t sub,
                                          const MTile &tile, int64_t tileIndex,
                                          const KTile &k) {
  SmallVector<schedule::MDim> m = windowed(core, k);
  // Channels of the patch: all of the chunk, or those of the k tile.
  bool allChannels = core.patchChannels == chunkChannels && !core.patchPerTile;
  Range channels = allChannels ? Range{0, chunkChannels} : k.channels;
  SmallVector<Range> mine, box, load;
  for (size_t i = 0; i < m.size(); ++i) {
    mine.push_back(needs(m[i], tile.range[i]));
    box.push_back(core.sharedPatch ? core.patchRows[i] : mine[i]);
    load.push_back(mine[i]);
    if (core.sharedPatch)
      load[i] = fresh(core, i, tile.range[i]);
  }
  Patch patch;
  patch.strides.assign(m.size() + 1, 0);
  int64_t stride = act.elemBytes;
  bool inner = geometry.problem.channelsInner;
  if (inner) {
    patch.strides.back() = stride;
    stride *= channels.size;
  }
  for (size_t i = m.size(); i-- > 0;) {
    patch.strides[i] = stride;
    stride *= box[i].size;
  }
  if (!inner)
    patch.strides.back() = stride;
  for (size_t i = 0; i < m.size(); ++i)
    patch.offset += (mine[i].begin - box[i].begin) * patch.strides[i];

  int64_t tileKey = core.sharedPatch ? 0 : tileIndex;
  int64_t part = core.patchPerTile ? k.index
                 : allChannels     ? 0
                                   : k.channels.begin;
  auto [slot, present] = core.patches.lookup({sub, tileKey, part});
  patch.buffer = core.patchBuffers[slot];
  std::vector<bool> &loaded = core.loaded[slot];
  if (!present)
    loaded.clear();
  // Of these channels, the transfer that brings the k tile's.
  int64_t perTile = llvm::divideCeil(core.patchChannels, core.loadChannels);
  int64_t piece = allChannels ? k.channels.begin / core.loadChannels : 0;
  size_t transfer = (core.sharedPatch ? tileIndex * perTile : 0) + piece;
  if (loaded.size() <= transfer)
    loaded.resize(transfer + 1);
  if (loaded[transfer])
    return patch;
  loaded[transfer] = true;
  // The border of a shared patch is that of every sub-problem.
  if (!core.sharedPatch || !core.padded[slot])
    padPatch(core, patch, m, box, channels.size);
  core.padded[slot] = true;
  Range wanted{channels.begin + piece * core.loadChannels, 0};
  wanted.size = std::min(core.loadChannels,
                         channels.begin + channels.size - wanted.begin);
  fetch(core, patch, sub, m, box, load, channels.begin, wanted);
  return patch;
}

void MacLowering::padPatch(Core &core, const Patch &patch,
                           ArrayRef<schedule::MDim> m, ArrayRef<Range> box,
                           int64_t channels) {
  // Disjoint slabs: before and after the input in dimension i, inside it in the
  // dimensions before, everything in those after.
  SmallVector<Range> slab(box);
  auto fillSlab = [&] {
    Strided dst{patch.buffer, 0, patch.strides};
    SmallVector<int64_t> sizes;
    for (size_t i = 0; i < m.size(); ++i) {
      if (slab[i].size <= 0)
        return;
      dst.offset += (slab[i].begin - box[i].begin) * patch.strides[i];
      sizes.push_back(slab[i].size);
    }
    sizes.push_back(channels);
    tiles.dmaFill(core.id, DmaRole::Out, dst, sizes, act.elemBytes,
                  geometry.actZero);
  };
  for (size_t i = 0; i < m.size(); ++i) {
    Range valid = intersect(box[i], inside(m[i]));
    if (!valid.size)
      valid = {box[i].begin, 0};
    slab[i] = {box[i].begin, valid.begin - box[i].begin};
    fillSlab();
    int64_t end = valid.begin + valid.size;
    slab[i] = {end, box[i].begin + box[i].size - end};
    fillSlab();
    slab[i] = valid;
    if (!valid.size)
      return;
  }
}

void MacLowering::fetch(Core &core, const Patch &patch, int64_t sub,
                        ArrayRef<schedule::MDim> m, ArrayRef<Range> box,
                        ArrayRef<Range> load, int64_t firstChannel,
                        Range channels) {
  View from{act.buffer, act.offset, {}, {}, act.elemBytes};
  View to{patch.buffer, 0, {}, {}, act.elemBytes};
  for (size_t i = 0; i < m.size(); ++i) {
    Range range = intersect(load[i], inside(m[i]));
    if (range.size <= 0)
      return;
    int64_t step = m[i].kernel == 1 ? m[i].step : 1;
    int64_t stride = act.strides[geometry.actDim[i]];
    from.offset += (range.begin * step - m[i].pad) * stride;
    from.strides.push_back(stride * step);
    to.offset += (range.begin - box[i].begin) * patch.strides[i];
    to.strides.push_back(patch.strides[i]);
    to.shape.push_back(range.size);
  }
  SmallVector<int64_t> batch = batchIndex(sub);
  for (auto [i, dim] : llvm::enumerate(geometry.batchDims))
    from.offset += batch[i] * act.strides[dim];
  int64_t channelStride = act.strides[geometry.actChannelDim];
  from.offset +=
      ((sub % chunks) * chunkChannels + channels.begin) * channelStride;
  from.strides.push_back(channelStride);
  to.offset += (channels.begin - firstChannel) * patch.strides.back();
  to.strides.push_back(patch.strides.back());
  to.shape.push_back(channels.size);
  from.shape = to.shape;
  lowering.copyOn(core.id, DmaRole::Load, from, to);
}

} // namespace cim
