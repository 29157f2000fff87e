// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a MAC region needs before its loops: tiles, packed weights, bias with
// folded zero points, the epilogue's kernel, buffers.
#include "LowerMac.h"
#include "WeightPacking.h"

#include "cim/IR/Constants.h"
#include "cim/Schedule/Solver.h"
#include "mlir/Dialect/Quant/IR/QuantTypes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Threading.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

MacLowering::MacLowering(Lowering &lowering, RegionOp region, Operation *mac)
    : lowering(lowering), tiles(lowering.tiles), region(region), mac(mac),
      geometry(macGeometry(mac)) {}

static Value macInput(Operation *mac) { return mac->getOperand(0); }
static Value macWeights(Operation *mac) { return mac->getOperand(1); }
static Value macBias(Operation *mac) {
  if (auto conv = dyn_cast<ConvOp>(mac))
    return conv.getBias();
  return cast<MatmulOp>(mac).getBias();
}
static Value macMultiplier(Operation *mac) {
  if (auto conv = dyn_cast<ConvOp>(mac))
    return conv.getMultiplier();
  return cast<MatmulOp>(mac).getMultiplier();
}

/// The attribute, which may have been edited, as the validator reads it.
static schedule::MacSchedule toSchedule(ScheduleAttr attr) {
  schedule::MacSchedule s;
  s.m.assign(attr.getM().begin(), attr.getM().end());
  s.n = attr.getN();
  s.kChannels = attr.getK().front();
  s.kKernel.assign(attr.getK().begin() + 1, attr.getK().end());
  s.split = static_cast<schedule::Split>(attr.getSplit());
  s.cores = attr.getCores();
  s.weights = static_cast<schedule::Home>(attr.getWeights());
  s.sets = attr.getSets();
  s.copies = attr.getCopies();
  s.accBlock = attr.getAccBlock();
  return s;
}

LogicalResult MacLowering::prepare() {
  schedule = region.getScheduleAttr();
  size_t mDims = geometry.problem.m.size();
  if (!schedule || schedule.getM().size() != mDims ||
      schedule.getK().size() != mDims + 1 || schedule.getN() < 1)
    return region.emitError("has no schedule of ")
           << mDims << " m dimensions; run the schedule phase";
  absl::Status legal =
      schedule::validate(geometry.problem, toSchedule(schedule), tiles.target);
  if (!legal.ok())
    return region.emitError("schedule cannot be executed: ")
           << std::string(legal.message())
           << "; correct it or run the schedule phase";
  act = lowering.viewOf(outerValue(macInput(mac)));
  int64_t channelStride = act.strides[geometry.actChannelDim];
  geometry.problem.channelsInner =
      channelStride == act.elemBytes ||
      llvm::none_of(geometry.actDim, [&](int64_t dim) {
        return act.strides[dim] == act.elemBytes && act.shape[dim] > 1;
      });
  groupsInChunk = schedule::groupsPerTile(geometry.problem, tiles.target);
  chunks = geometry.problem.groups / groupsInChunk;
  chunkChannels = geometry.problem.channels * groupsInChunk;
  chunkN = geometry.problem.n * groupsInChunk;
  subProblems = geometry.problem.batch * chunks;
  nTiles = llvm::divideCeil(chunkN, schedule.getN());
  planTiles();
  if (failed(prepareWeights()) || failed(prepareParameters()))
    return failure();
  return buildEpilogue();
}

void MacLowering::planTiles() {
  const auto &m = geometry.problem.m;
  int64_t cTile = schedule.getK()[0];
  kChunks = llvm::divideCeil(chunkChannels, cTile);
  for (int64_t c = 0; c < chunkChannels; c += cTile) {
    std::vector<KTile> partial(1);
    partial[0].channels = {c, std::min(cTile, chunkChannels - c)};
    partial[0].rows = partial[0].channels.size;
    for (size_t i = 0; i < m.size(); ++i) {
      std::vector<KTile> next;
      int64_t step = schedule.getK()[1 + i];
      for (const KTile &tile : partial)
        for (int64_t q = 0; q < m[i].kernel; q += step) {
          next.push_back(tile);
          Range range{q, std::min(step, m[i].kernel - q)};
          next.back().kernel.push_back(range);
          next.back().rows *= range.size;
        }
      partial = std::move(next);
    }
    for (KTile &tile : partial) {
      tile.index = kTiles.size();
      kTiles.push_back(tile);
    }
  }
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

namespace {
/// Reads element (channel, kernel position, column) of a constant weight tile,
/// zero where a block-diagonal tile has none.
template <typename T>
struct WeightReader {
  const MacGeometry &g;
  ArrayRef<T> data;
  int64_t groupsInChunk;

  void tile(int64_t chunk, Range channels, ArrayRef<Range> kernel, Range n,
            std::vector<T> &out) const {
    const auto &p = g.problem;
    out.clear();
    int64_t first = chunk * groupsInChunk;
    std::function<void(size_t, int64_t)> visit = [&](size_t dim,
                                                     int64_t offset) {
      if (dim < kernel.size()) {
        for (int64_t q = 0; q < kernel[dim].size; ++q)
          visit(dim + 1,
                offset + (kernel[dim].begin + q) * g.weightKernelStride[dim]);
        return;
      }
      for (int64_t c = channels.begin; c < channels.begin + channels.size; ++c)
        for (int64_t o = n.begin; o < n.begin + n.size; ++o) {
          int64_t group = c / p.channels;
          bool same = p.groups == 1 || group == o / p.n;
          int64_t column = first * p.n + o;
          out.push_back(
              same ? data[offset + (c % p.channels) * g.weightChannelStride +
                          column * g.weightOutStride]
                   : T(0));
        }
    };
    visit(0, 0);
  }
};
} // namespace

LogicalResult MacLowering::prepareWeights() {
  Value source = outerValue(macWeights(mac));
  if (geometry.problem.computedWeights) {
    weightView = lowering.viewOf(source);
    return success();
  }
  ElementsAttr data = constantOf(source);
  if (!data || !hasData(data))
    return region.emitError("weights are not a constant with data");
  auto [known, isNew] = lowering.packedWeights.try_emplace(
      {data, schedule, geometry.problem.groups, geometry.problem.planes});
  if (isNew) {
    packWeights(data);
    known->second = {packed, tileOffsets, masks};
  } else {
    packed = known->second.buffer;
    tileOffsets = known->second.tileOffsets;
    masks = known->second.masks;
  }
  return success();
}

void MacLowering::packWeights(ElementsAttr data) {
  bool bfp = geometry.problem.bfp;
  int64_t planes = geometry.problem.planes;
  struct Tile {
    int64_t chunk;
    Range n;
    const KTile *k;
  };
  std::vector<Tile> list;
  tileOffsets.clear();
  int64_t total = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk)
    for (int64_t n = 0; n < chunkN; n += schedule.getN())
      for (const KTile &k : kTiles) {
        Range range{n, std::min(schedule.getN(), chunkN - n)};
        list.push_back({chunk, range, &k});
        tileOffsets.push_back(total);
        int64_t block =
            std::min(schedule::bfpBlock(tiles.target), k.channels.size);
        int64_t bytes = bfp ? packedBfpBytes(k.rows, range.size, block)
                            : packedPlaneBytes(k.rows, range.size, planes);
        total += llvm::alignTo(bytes, 64);
      }
  tileOffsets.push_back(total);
  masks.resize(list.size());
  auto bytes = std::make_shared<std::vector<char>>(total, 0);
  auto pack = [&](auto reader) {
    using T = std::decay_t<decltype(reader.data[0])>;
    parallelFor(region.getContext(), 0, list.size(), [&](size_t i) {
      const Tile &tile = list[i];
      std::vector<T> values;
      reader.tile(tile.chunk, tile.k->channels, tile.k->kernel, tile.n, values);
      char *out = bytes->data() + tileOffsets[i];
      if constexpr (std::is_same_v<T, float>) {
        packBfp(
            values.data(), tile.k->rows, tile.n.size,
            std::min(schedule::bfpBlock(tiles.target), tile.k->channels.size),
            planes, out);
      } else {
        packPlanes(values.data(), tile.k->rows, tile.n.size, planes, out);
        masks[i] = planeMasks(values.data(), tile.k->rows, tile.n.size, planes,
                              tiles.target.planeSkipColumns);
      }
    });
  };
  if (bfp) {
    std::vector<float> floats = values<float>(data);
    pack(WeightReader<float>{geometry, floats, groupsInChunk});
  } else {
    std::vector<char> raw;
    ArrayRef<char> view = rawBytes(data);
    if (isSplat(data) || view.empty()) {
      raw = expandedBytes(data);
      view = raw;
    }
    ArrayRef<int8_t> ints(reinterpret_cast<const int8_t *>(view.data()),
                          view.size());
    pack(WeightReader<int8_t>{geometry, ints, groupsInChunk});
  }
  std::string name = region.getName().str() + ".weights";
  auto type = RankedTensorType::get({std::max<int64_t>(1, total)},
                                    IntegerType::get(region.getContext(), 8));
  ElementsAttr attr = makeConstant(
      type, ArrayRef<char>(bytes->data(), bytes->size()), name, bytes);
  packed = tiles.buffer(BufferKind::constant, name, type.getShape(),
                        type.getElementType(), MemorySpace::dram, 0, attr);
  if (schedule.getWeights() == WeightHome::l2)
    packed = lowering.makeResident(packed, name);
}

//===----------------------------------------------------------------------===//
// Bias and multiplier
//===----------------------------------------------------------------------===//

LogicalResult MacLowering::prepareParameters() {
  int64_t count = geometry.problem.n * geometry.problem.groups;
  Value bias = macBias(mac), multiplier = macMultiplier(mac);
  auto constantData = [&](Value value, StringRef what,
                          ElementsAttr &data) -> LogicalResult {
    data = constantOf(outerValue(value));
    if (!data || !hasData(data))
      return region.emitError(what) << " is not a constant with data";
    return success();
  };
  if (multiplier &&
      failed(constantData(multiplier, "multiplier", multiplierData)))
    return failure();
  ElementsAttr biasSource;
  if (bias && failed(constantData(bias, "bias", biasSource)))
    return failure();
  bool integer = static_cast<bool>(multiplier);
  auto vectorType = [&](Type type) {
    return RankedTensorType::get({count}, type);
  };
  Builder builder(region.getContext());
  if (!integer) {
    if (biasSource)
      biasData = makeConstant(vectorType(builder.getF32Type()),
                              ArrayRef<double>(values<double>(biasSource)),
                              region.getName().str() + ".bias");
    return success();
  }
  ElementsAttr weights = constantOf(outerValue(macWeights(mac)));
  ElementsAttr &known =
      lowering.foldedBias[{weights, biasSource, geometry.actZero}];
  if (known) {
    biasData = known;
    return success();
  }
  std::vector<int64_t> folded(count, 0);
  if (biasSource)
    folded = values<int64_t>(biasSource);
  if (geometry.actZero) {
    // Sum over x - zero is the sum over x minus zero times the column sums.
    if (!weights)
      return region.emitError("computed weights need activations with zero "
                              "point 0 (numerics Q6)");
    std::vector<char> raw;
    ArrayRef<char> view = rawBytes(weights);
    if (isSplat(weights) || view.empty()) {
      raw = expandedBytes(weights);
      view = raw;
    }
    std::vector<int64_t> sums(count, 0);
    bool conv = isa<ConvOp>(mac);
    int64_t perRow = static_cast<int64_t>(view.size()) / count;
    for (int64_t i = 0, e = view.size(); i < e; ++i)
      sums[conv ? i / perRow : i % count] += static_cast<int8_t>(view[i]);
    for (int64_t i = 0; i < count; ++i)
      folded[i] -= geometry.actZero * sums[i];
  }
  for (int64_t value : folded)
    if (value < INT32_MIN || value > INT32_MAX)
      return region.emitError("bias with folded zero point is ")
             << value
             << ", beyond int32 (numerics Q5); quantize this op with "
                "symmetric activations or leave it in float";
  if (bias || geometry.actZero)
    known = biasData = makeConstant(vectorType(builder.getI32Type()),
                                    ArrayRef<int64_t>(folded),
                                    region.getName().str() + ".bias");
  return success();
}

/// Bias and multiplier in L1 beside `taken` bytes of patches: whole where that
/// is little, else the part of an n tile at a time. The vector unit reads a
/// multiplier with every accumulator: few of them lie beside those; it can read
/// them at their home; a bias the MAC reads from L1 only.
void MacLowering::planParameters(Core &core, int64_t taken) {
  auto l1Bytes = static_cast<int64_t>(tiles.target.l1Bytes);
  auto plan = [&](ElementsAttr data, StringRef what, Parameter &parameter,
                  bool needed, MemorySpace space) {
    if (!data)
      return;
    auto type = cast<RankedTensorType>(data.getType());
    std::string name = (region.getName() + what).str();
    parameter.home = lowering.constantView(data, type, name);
    int64_t count = type.getDimSize(0), slots = 1;
    int64_t room = l1Bytes - taken, bytes = schedule::alignedBytes(count * 4);
    parameter.whole =
        space == MemorySpace::acc || bytes <= std::min(room, l1Bytes / 16);
    if (!parameter.whole) {
      count = std::min(schedule.getN(), chunkN);
      bytes = schedule::alignedBytes(count * 4);
      slots = std::clamp<int64_t>(std::min(room, l1Bytes / 32) / bytes, 1, 8);
      if (bytes > room && !needed)
        return;
    }
    if (space == MemorySpace::l1)
      taken += slots * bytes;
    parameter.slots = SlotCache<int64_t>(slots);
    for (int64_t i = 0; i < slots; ++i)
      parameter.l1.push_back(tiles.buffer(BufferKind::temp, name, {count},
                                          type.getElementType(), space,
                                          core.id));
    if (parameter.whole)
      parameterAt(core, parameter, 0, count);
  };
  plan(biasData, ".bias", core.bias, true, MemorySpace::l1);
  plan(multiplierData, ".scale", core.multiplier, false,
       schedule::accMultiplierBytes(geometry.problem, tiles.target)
           ? MemorySpace::acc
           : MemorySpace::l1);
}

std::pair<Value, int64_t> MacLowering::parameterAt(Core &core,
                                                   Parameter &parameter,
                                                   int64_t first,
                                                   int64_t count) {
  int64_t stride = parameter.home.strides[0];
  if (parameter.l1.empty())
    return {parameter.home.buffer, parameter.home.offset + first * stride};
  int64_t begin = parameter.whole ? 0 : first;
  auto [slot, present] = parameter.slots.lookup(begin);
  Value buffer = parameter.l1[slot];
  if (!present) {
    View from = parameter.home;
    from.offset += begin * stride;
    from.shape = {parameter.whole ? parameter.home.shape[0] : count};
    View to{buffer, 0, {4}, from.shape, 4};
    lowering.copyOn(core.id, DmaRole::Const, from, to);
  }
  return {buffer, (first - begin) * 4};
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

void MacLowering::planBuffers(Core &core) {
  const auto &m = geometry.problem.m;
  const TargetSpec &target = tiles.target;
  int64_t rows = 1;
  for (size_t i = 0; i < m.size(); ++i)
    rows *= std::min(schedule.getM()[i], m[i].size);
  int64_t sets = std::clamp<int64_t>(schedule.getSets(), 1, target.weightSets);
  core.sets = SlotCache<std::array<int64_t, 3>>(sets);
  // Go on behind the sets of the region before: weights are written while it
  // still computes. With fewer sets than there are, always the same ones.
  core.firstSet = sets == target.weightSets ? lowering.nextSet[core.id] : 0;
  int64_t accBytes =
      schedule::alignedBytes(rows * std::min(schedule.getN(), chunkN) * 4);
  int64_t room = static_cast<int64_t>(target.accBytes) -
                 schedule::accMultiplierBytes(geometry.problem, target);
  int64_t accSlots = std::clamp<int64_t>(room / std::max<int64_t>(1, accBytes),
                                         1, 2 * schedule.getAccBlock());
  Builder builder(region.getContext());
  Type accType =
      geometry.problem.bfp ? builder.getF32Type() : Type(builder.getI32Type());
  for (int64_t i = 0; i < accSlots; ++i)
    core.accBuffers.push_back(
        tiles.buffer(BufferKind::temp, (region.getName() + ".acc").str(),
                     {rows, std::min(schedule.getN(), chunkN)}, accType,
                     MemorySpace::acc, core.id));
  planParameters(core, core.patchBytes);
}

//===----------------------------------------------------------------------===//
// Epilogue
//===----------------------------------------------------------------------===//

/// Accumulator to the MAC op's result (numerics Q3, Q4).
static Value macResult(KernelBuilder &kernel, Value acc, Value multiplier,
                       Type resultType) {
  OpBuilder &b = kernel.opBuilder();
  Location loc = kernel.loc;
  Value value = acc;
  if (multiplier) {
    value = arith::SIToFPOp::create(b, loc, b.getF32Type(), acc);
    value = arith::MulFOp::create(b, loc, value, multiplier);
  }
  if (auto quantized = dyn_cast<quant::UniformQuantizedType>(resultType))
    return KernelQuantizeOp::create(
        b, loc, storedType(quantized), value, b.getF32FloatAttr(1.0f),
        b.getI64IntegerAttr(quantized.getZeroPoint()),
        b.getI64IntegerAttr(quantized.getStorageTypeMin()),
        b.getI64IntegerAttr(quantized.getStorageTypeMax()));
  if (resultType.isF16())
    return arith::TruncFOp::create(b, loc, resultType, value);
  return value;
}

LogicalResult MacLowering::buildEpilogue() {
  KernelBuilder builder(lowering.kernels, region.getLoc());
  auto resultType = cast<RankedTensorType>(mac->getResult(0).getType());
  Type accType = geometry.problem.bfp
                     ? Type(Float32Type::get(region.getContext()))
                     : Type(IntegerType::get(region.getContext(), 32));
  Value acc = builder.addInput(accType);
  epilogueOperands.push_back({{}, {}, false, false, /*isAcc=*/true});
  Value multiplier;
  if (multiplierData) {
    multiplier = builder.addInput(Float32Type::get(region.getContext()));
    epilogueOperands.push_back({{}, {}, false, /*isMultiplier=*/true, false});
  }
  DenseMap<Value, Value> scalars;
  scalars[mac->getResult(0)] =
      macResult(builder, acc, multiplier, resultType.getElementType());
  KernelBuilder::Hooks hooks;
  hooks.loopOf = [](int64_t) -> int64_t { return 0; };
  hooks.gatherInput = [](tensor::ExtractOp,
                         SmallVectorImpl<int64_t> &) -> unsigned { return 0; };
  hooks.captured = [&](Value value) {
    return builder.opBuilder().clone(*value.getDefiningOp())->getResult(0);
  };
  for (Operation &op : region.getBody().front().without_terminator()) {
    auto generic = dyn_cast<linalg::GenericOp>(op);
    if (!generic)
      continue;
    SmallVector<Value> arguments;
    for (OpOperand *input : generic.getDpsInputOperands()) {
      AffineMap map = generic.getMatchingIndexingMap(input);
      auto known = scalars.find(input->get());
      if (known != scalars.end() && map.isIdentity()) {
        arguments.push_back(known->second);
        continue;
      }
      if (known != scalars.end())
        return op.emitError("cannot be fused: it reads the MAC result through ")
               << AffineMapAttr::get(map);
      BlockArgument argument = generic.getMatchingBlockArgument(input);
      arguments.push_back(builder.addInput(argument.getType()));
      View view = lowering.viewOf(outerValue(input->get()));
      int64_t offset = 0;
      if (failed(loopStrides(map, view, offset)))
        return op.emitError("cannot be fused: operand map ")
               << AffineMapAttr::get(map) << " is not linear";
      epilogueOperands.push_back({view, map, false, false, false});
    }
    for (size_t i = 0; i < generic.getDpsInits().size(); ++i)
      arguments.push_back({});
    FailureOr<SmallVector<Value>> results =
        builder.inlineBody(generic, arguments, hooks);
    if (failed(results))
      return op.emitError(builder.reason);
    for (auto [result, value] : llvm::zip_equal(generic.getResults(), *results))
      scalars[result] = value;
  }
  SmallVector<Value> outputs;
  Operation *yield = region.getBody().front().getTerminator();
  for (auto [value, result] :
       llvm::zip_equal(yield->getOperands(), region.getResults())) {
    auto known = scalars.find(value);
    if (known == scalars.end())
      return region.emitError("yields a value that is not computed from its "
                              "MAC op");
    View view = lowering.allocate(result, lowering.layer);
    lowering.setView(result, view);
    outputs.push_back(known->second);
    epilogueOperands.push_back({view,
                                AffineMap::getMultiDimIdentityMap(
                                    resultType.getRank(), region.getContext()),
                                true, false, false});
  }
  kernel = builder.finish(outputs, region.getName().str() + "_epilogue");
  return success();
}

} // namespace cim
