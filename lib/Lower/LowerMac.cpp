// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The loops of a MAC region; what they need beforehand is in MacPrepare.cpp.
#include "LowerMac.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

/// Cuts [0, size) of `range` into pieces of `tile`.
static SmallVector<Range> cut(Range range, int64_t tile) {
  SmallVector<Range> pieces;
  for (int64_t i = 0; i < range.size; i += tile)
    pieces.push_back({range.begin + i, std::min(tile, range.size - i)});
  return pieces;
}

/// The m tiles of the rows whose outermost splittable dimension is in `split`
/// (the dimension with the most tiles, see splitDim).
static size_t splitDim(const MacGeometry &g) {
  size_t best = 0;
  for (size_t i = 1; i < g.problem.m.size(); ++i)
    if (g.problem.m[best].size == 1 && g.problem.m[i].size > 1)
      best = i;
  return best;
}

std::vector<MacLowering::MTile> MacLowering::tileRows(const Core &core) const {
  std::vector<MTile> tiles(1);
  tiles[0].rows = 1;
  for (size_t i = 0; i < geometry.problem.m.size(); ++i) {
    SmallVector<Range> pieces = cut(core.rows[i], schedule.getM()[i]);
    if (core.reversed(i))
      std::reverse(pieces.begin(), pieces.end());
    std::vector<MTile> next;
    for (const MTile &tile : tiles)
      for (Range piece : pieces) {
        next.push_back(tile);
        next.back().range.push_back(piece);
        next.back().rows *= piece.size;
      }
    tiles = std::move(next);
  }
  return tiles;
}

SmallVector<int64_t> MacLowering::batchIndex(int64_t sub) const {
  int64_t entry = sub / chunks;
  SmallVector<int64_t> index(geometry.batchSizes.size());
  for (size_t i = index.size(); i-- > 0;) {
    index[i] = entry % geometry.batchSizes[i];
    entry /= geometry.batchSizes[i];
  }
  return index;
}

TilePlace MacLowering::placeWeights(Core &core, int64_t sub, Range n,
                                    const KTile &k) {
  int64_t nIndex = n.begin / schedule.getN();
  // Entries of a batch share constant weights.
  int64_t weightsOf = weightView ? sub : sub % chunks;
  auto [set, present] = core.sets.lookup({weightsOf, nIndex, k.index});
  const TargetSpec &target = tiles.target;
  TilePlace place;
  place.set = (core.firstSet + static_cast<int64_t>(set)) % target.weightSets;
  core.setsWritten += !present;
  place.rows = k.rows;
  place.cols = n.size;
  int64_t down = llvm::divideCeil(k.rows, target.macroRows);
  int64_t across = llvm::divideCeil(n.size, target.macroCols);
  place.copyCols =
      std::min<int64_t>(schedule.getCopies(), target.macrosAcross / across);
  place.copies = std::min<int64_t>(schedule.getCopies(),
                                   place.copyCols * (target.macrosDown / down));
  place.copyColPitch = across * target.macroCols;
  place.copyRowPitch = down * target.macroRows;
  if (place.copies <= 1) {
    place.copies = place.copyCols = 1;
    place.copyColPitch = place.copyRowPitch = 0;
  }
  if (present)
    return place;
  TileBuilder::WeightSource source;
  if (packed) {
    int64_t tile =
        (weightsOf * nTiles + nIndex) * static_cast<int64_t>(kTiles.size()) +
        k.index;
    source.at = {packed, tileOffsets[tile], {}};
    source.bytes = tileOffsets[tile + 1] - tileOffsets[tile];
    source.planes = geometry.problem.planes;
    source.planeMasks.assign(masks[tile].begin(), masks[tile].end());
    if (geometry.problem.bfp) {
      source.format = WeightFormat::bfp;
      source.blockRows = std::min(schedule::bfpBlock(target), k.channels.size);
    }
  } else {
    source.at.buffer = weightView.buffer;
    source.at.offset = weightView.offset;
    size_t rank = weightView.shape.size();
    SmallVector<int64_t> batch = batchIndex(sub);
    if (rank > 2)
      for (auto [i, dim] : llvm::enumerate(geometry.batchDims))
        source.at.offset += batch[i] * weightView.strides[dim];
    source.at.strides = {weightView.strides[rank - 2],
                         weightView.strides[rank - 1]};
    source.at.offset += k.channels.begin * source.at.strides[0] +
                        n.begin * source.at.strides[1];
    source.format = weightView.elemBytes == 1   ? WeightFormat::int8
                    : weightView.elemBytes == 2 ? WeightFormat::f16
                                                : WeightFormat::f32;
    source.planes = geometry.problem.bfp ? geometry.problem.planes : 8;
    source.blockRows = std::min(schedule::bfpBlock(target), k.channels.size);
  }
  tiles.writeWeights(core.id, source, place);
  return place;
}

void MacLowering::accumulate(Core &core, int64_t sub, const MTile &tile,
                             int64_t tileIndex, Range n, const KTile &k,
                             const TilePlace &place, Value acc) {
  Patch patch = loadPatch(core, sub, tile, tileIndex, k);
  ArrayRef<int64_t> strides = patch.strides;
  TileBuilder::MacAccess access;
  access.act = patch.buffer;
  access.actOffset = patch.offset;
  access.acc = acc;
  access.accStride = n.size * 4;
  const auto &m = geometry.problem.m;
  for (size_t i = 0; i < m.size(); ++i) {
    int64_t step = window(core, k, i).size == 1 ? 1 : m[i].step;
    if (tile.range[i].size == 1)
      continue;
    access.mSizes.push_back(tile.range[i].size);
    access.mStrides.push_back(step * strides[i]);
  }
  for (size_t i = 0; i < m.size(); ++i) {
    access.actOffset += (k.kernel[i].begin - window(core, k, i).begin) *
                        m[i].dilation * strides[i];
    if (k.kernel[i].size == 1)
      continue;
    access.kSizes.push_back(k.kernel[i].size);
    access.kStrides.push_back(m[i].dilation * strides[i]);
  }
  if (core.patchChannels == chunkChannels && !core.patchPerTile)
    access.actOffset += k.channels.begin * strides.back();
  access.kSizes.push_back(k.channels.size);
  access.kStrides.push_back(strides.back());
  if (access.mSizes.empty()) {
    access.mSizes.push_back(1);
    access.mStrides.push_back(0);
  }
  access.init = k.index     ? AccInit::accumulate
                : core.bias ? AccInit::bias
                            : AccInit::zero;
  if (access.init == AccInit::bias) {
    std::tie(access.bias, access.biasOffset) =
        parameterAt(core, core.bias, (sub % chunks) * chunkN + n.begin, n.size);
  }
  tiles.mac(core.id, access, place);
}

void MacLowering::epilogue(Core &core, int64_t sub, const MTile &tile, Range n,
                           Value acc) {
  // Start and extent of the tile in every result dimension.
  auto type = cast<RankedTensorType>(mac->getResult(0).getType());
  SmallVector<Range> box(type.getRank(), Range{0, 1});
  SmallVector<int64_t> batch = batchIndex(sub);
  for (auto [i, dim] : llvm::enumerate(geometry.batchDims))
    box[dim] = {batch[i], 1};
  for (auto [i, dim] : llvm::enumerate(geometry.outDim))
    box[dim] = tile.range[i];
  int64_t firstChannel = (sub % chunks) * chunkN + n.begin;
  box[geometry.outChannelDim] = {firstChannel, n.size};

  LoopNest nest;
  SmallVector<int64_t> loopDims(geometry.outDim);
  loopDims.push_back(geometry.outChannelDim);
  for (int64_t dim : loopDims)
    nest.sizes.push_back(box[dim].size);
  nest.reduction.assign(nest.sizes.size(), false);
  nest.indexed.assign(nest.sizes.size(), false);
  nest.indexBase.assign(nest.sizes.size(), 0);
  for (const EpilogueOperand &operand : epilogueOperands) {
    LoopNest::Operand out;
    out.isOutput = operand.isOutput;
    out.strides.assign(loopDims.size(), 0);
    if (operand.isAcc) {
      out.view.buffer = acc;
      out.view.elemBytes = 4;
      int64_t stride = 4;
      for (size_t i = loopDims.size(); i-- > 0;) {
        out.strides[i] = stride;
        stride *= nest.sizes[i];
      }
    } else if (operand.isMultiplier) {
      std::tie(out.view.buffer, out.view.offset) =
          parameterAt(core, core.multiplier, firstChannel, n.size);
      out.view.elemBytes = 4;
      // A splat at home has one element for all channels.
      out.strides.back() =
          core.multiplier.l1.empty() ? core.multiplier.home.strides[0] : 4;
    } else {
      out.view = operand.view;
      // Linear maps were checked when the epilogue was built.
      SmallVector<int64_t> perDim =
          *loopStrides(operand.map, out.view, out.view.offset);
      for (size_t dim = 0; dim < box.size(); ++dim)
        out.view.offset += box[dim].begin * perDim[dim];
      for (auto [i, dim] : llvm::enumerate(loopDims))
        out.strides[i] = perDim[dim];
    }
    nest.operands.push_back(std::move(out));
  }
  lowering.emitTile(std::move(nest), kernel, core.id);
}

void MacLowering::subProblem(Core &core, int64_t sub, Range n,
                             ArrayRef<MTile> rows, int64_t firstTile) {
  for (Range piece : cut(n, schedule.getN())) {
    for (size_t begin = 0; begin < rows.size();
         begin += schedule.getAccBlock()) {
      size_t end =
          std::min<size_t>(rows.size(), begin + schedule.getAccBlock());
      SmallVector<Value> acc;
      for (size_t i = begin; i < end; ++i) {
        acc.push_back(core.accBuffers[core.nextAcc]);
        core.nextAcc = (core.nextAcc + 1) % core.accBuffers.size();
      }
      for (const KTile &k : kTiles) {
        TilePlace place = placeWeights(core, sub, piece, k);
        for (size_t i = begin; i < end; ++i)
          accumulate(core, sub, rows[i], firstTile + i, piece, k, place,
                     acc[i - begin]);
      }
      for (size_t i = begin; i < end; ++i)
        epilogue(core, sub, rows[i], piece, acc[i - begin]);
    }
  }
}

LogicalResult MacLowering::run() {
  if (failed(prepare()))
    return failure();
  int64_t cores = schedule.getCores();
  SplitAxis split = cores > 1 ? schedule.getSplit() : SplitAxis::none;
  auto share = [&](int64_t total, int64_t grain, int64_t core) {
    int64_t units = llvm::divideCeil(total, grain);
    int64_t begin = std::min(total, units * core / cores * grain);
    int64_t end = std::min(total, units * (core + 1) / cores * grain);
    return Range{begin, end - begin};
  };
  // Work is emitted round-robin over the cores so that program order, which
  // decides who waits for whom, is close to the order of execution.
  struct Work {
    int64_t sub;
    Range n;
  };
  for (int64_t id = 0; id < (split == SplitAxis::none ? 1 : cores); ++id) {
    Range rows{0, geometry.problem.m[splitDim(geometry)].size};
    Range n{0, chunkN}, subs{0, subProblems};
    if (split == SplitAxis::m)
      rows = share(rows.size, 1, id);
    else if (split == SplitAxis::n)
      n = share(chunkN, schedule.getN(), id);
    else if (split == SplitAxis::batch)
      subs = share(subProblems, 1, id);
    if (!rows.size || !n.size || !subs.size)
      continue;
    Core core;
    core.id = id;
    for (const schedule::MDim &dim : geometry.problem.m)
      core.rows.push_back({0, dim.size});
    core.rows[splitDim(geometry)] = rows;
    if (split == SplitAxis::m && id % 2)
      core.reversedDim = splitDim(geometry);
    planPatches(core, subs.size);
    planBuffers(core);
    std::vector<MTile> mTiles = tileRows(core);
    for (int64_t sub = subs.begin; sub < subs.begin + subs.size; ++sub)
      subProblem(core, sub, n, mTiles, 0);
    int64_t &next = lowering.nextSet[core.id];
    next = (core.firstSet + core.setsWritten) % tiles.target.weightSets;
  }
  return success();
}

LogicalResult Lowering::lowerMac(RegionOp region, Operation *mac) {
  return MacLowering(*this, region, mac).run();
}

} // namespace cim
