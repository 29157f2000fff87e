// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Chains of generics over rows (softmax, normalization) and generics that read
// their operands again and again (pooling), one block of rows after the other:
//
//   for each block of rows, divided among the cores
//     operands that vary with the rows: L2 or DRAM to ACC   (DMA, two buffers)
//     every generic of the chain on the block, in ACC       (vector unit)
//     results: ACC to L2                                    (DMA, two buffers)
//
// Rows are the leading parallel loops. ACC has the bandwidth that the vector
// unit can use (device.md section 5), so that L2 sees every operand and result
// once, while the unit computes.
#include "Lowering.h"

#include "cim/IR/RowGroup.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Quant/IR/Quant.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

namespace {

/// A tensor, or part of one, that is in ACC while a block is computed.
struct Stage {
  Value value;
  AffineMap map; ///< From the loops of the generic that names it.
  View view;     ///< The whole tensor; no buffer for what stays inside.
  bool isRow;    ///< Varies with the row loops.
  bool isInside; ///< Computed by the region.
  bool isResult; ///< Written back.
  int64_t slots; ///< Buffers in rotation.
  int64_t elemBytes;
  SmallVector<int64_t> loops; ///< Sizes of the generic's loops.
  SmallVector<int64_t> low;   ///< Unwritten padding before `view`.
};

} // namespace

class RowLowering {
public:
  RowLowering(Lowering &lowering, RegionOp region)
      : lowering(lowering), tiles(lowering.tiles), region(region),
        block(region.getBody().front()) {}

  bool plan();
  LogicalResult run();

private:
  struct Box {
    SmallVector<int64_t> begin, size;
  };
  using Range = std::pair<int64_t, int64_t>; ///< begin, size

  void addStages(linalg::GenericOp op);
  Stage *find(Value value, AffineMap map);
  Box boxOf(const Stage &stage, ArrayRef<Range> rows) const;
  Box clipped(const Stage &stage, Box box) const;
  bool isWorthwhile() const;
  int64_t bytesOf(const Stage &stage, ArrayRef<int64_t> rows) const;
  int64_t bytesFor(ArrayRef<int64_t> rows) const;
  void planCores();
  void planBlocks();
  void allocateStages(unsigned core);
  View local(size_t stage, unsigned core, const Box &box, int64_t turn) const;
  LogicalResult emitBlock(unsigned core, ArrayRef<Range> rows, int64_t turn);
  LogicalResult emitOp(Operation &op, unsigned core, ArrayRef<Range> rows,
                       int64_t turn);
  std::vector<SmallVector<Range>> blocksOf(unsigned core) const;
  static std::optional<LoopNest> pieceOf(const LoopNest &nest,
                                         ArrayRef<WindowPart> piece,
                                         ArrayRef<Range> rows);

  Lowering &lowering;
  TileBuilder &tiles;
  RegionOp region;
  Block &block;
  SmallVector<linalg::GenericOp> ops;
  SmallVector<int64_t> rowSizes; ///< Of the common loops.
  SmallVector<int64_t> extent;   ///< Of a block.
  size_t splitDim = 0;
  int64_t cores = 1;
  std::vector<Stage> stages;
  /// Per core: buffers of every stage.
  std::vector<std::vector<SmallVector<Value>>> buffers;
};

Stage *RowLowering::find(Value value, AffineMap map) {
  for (Stage &stage : stages)
    if (stage.value == value && (stage.map == map || stage.isInside))
      return &stage;
  return nullptr;
}

/// Operands and results of `op`. What the region computes is named by its
/// producer; its readers index it by the same leading loops.
void RowLowering::addStages(linalg::GenericOp op) {
  auto rowLoops = static_cast<int64_t>(rowSizes.size());
  auto add = [&](Value value, AffineMap map, bool isResult, bool isRead) {
    auto type = cast<RankedTensorType>(value.getType());
    Stage stage{value, map, {}, isResult, isResult, isResult, 1, 1, {}, {}};
    stage.low.assign(type.getRank(), 0);
    stage.elemBytes = storedBytes(type.getElementType());
    stage.loops = op.getStaticLoopRanges();
    for (int64_t loop = 0; loop < rowLoops; ++loop)
      stage.isRow |= map.isFunctionOfDim(loop);
    if (isResult) {
      stage.isResult =
          llvm::is_contained(block.getTerminator()->getOperands(), value);
      // Start values are filled in ahead by DMA.
      stage.slots = stage.isResult || isRead ? 2 : 1;
    } else {
      Value source = value;
      if (auto pad = value.getDefiningOp<tensor::PadOp>()) {
        source = pad.getSource();
        stage.low.assign(pad.getStaticLow().begin(), pad.getStaticLow().end());
      }
      stage.view = lowering.viewOf(source);
      stage.slots = stage.isRow ? 2 : 1;
    }
    stages.push_back(std::move(stage));
  };
  for (OpOperand *input : op.getDpsInputOperands()) {
    AffineMap map = op.getMatchingIndexingMap(input);
    if (!op.getMatchingBlockArgument(input).use_empty() &&
        !find(input->get(), map))
      add(input->get(), map, false, true);
  }
  for (auto [i, init] : llvm::enumerate(op.getDpsInitsMutable()))
    add(op.getResult(i), op.getMatchingIndexingMap(&init), true,
        !op.getMatchingBlockArgument(&init).use_empty());
}

/// The part of a stage's tensor that the block `rows` touches.
RowLowering::Box RowLowering::boxOf(const Stage &stage,
                                    ArrayRef<Range> rows) const {
  // Linear maps: the first and the last iteration have the extreme indices.
  SmallVector<int64_t> first(stage.loops.size(), 0), last;
  for (auto [i, size] : llvm::enumerate(stage.loops)) {
    first[i] = i < rows.size() ? rows[i].first : 0;
    last.push_back(first[i] + (i < rows.size() ? rows[i].second : size) - 1);
  }
  Box box;
  box.begin = stage.map.compose(first);
  box.size = stage.map.compose(last);
  for (auto [begin, size] : llvm::zip_equal(box.begin, box.size))
    size = size - begin + 1;
  return box;
}

/// The box without the padding, in indices of the tensor behind it; sizes are
/// zero where nothing is left.
RowLowering::Box RowLowering::clipped(const Stage &stage, Box box) const {
  if (stage.isInside)
    return box;
  for (size_t i = 0; i < box.begin.size(); ++i) {
    int64_t begin = box.begin[i] - stage.low[i], end = begin + box.size[i];
    box.begin[i] = std::max<int64_t>(0, begin);
    box.size[i] =
        std::max<int64_t>(0, std::min(end, stage.view.shape[i]) - box.begin[i]);
  }
  return box;
}

int64_t RowLowering::bytesOf(const Stage &stage, ArrayRef<int64_t> rows) const {
  SmallVector<Range> ranges;
  for (int64_t size : rows)
    ranges.push_back({0, size});
  int64_t bytes = stage.elemBytes;
  for (int64_t size : boxOf(stage, ranges).size)
    bytes *= size;
  return llvm::alignTo(bytes, 64);
}

int64_t RowLowering::bytesFor(ArrayRef<int64_t> rows) const {
  int64_t bytes = 0;
  for (const Stage &stage : stages)
    bytes += stage.slots * bytesOf(stage, rows);
  return bytes;
}

/// Cores divide the first common loop that is long enough.
void RowLowering::planCores() {
  int64_t most = 0;
  for (linalg::GenericOp op : ops) {
    int64_t iterations = 1;
    for (int64_t size : op.getStaticLoopRanges())
      iterations *= size;
    most = std::max(most, iterations);
  }
  cores = lowering.totalCores();
  constexpr int64_t minIterationsPerCore = 2048;
  splitDim = rowSizes.size();
  for (size_t i = rowSizes.size(); i-- > 0;)
    if (rowSizes[i] >= cores)
      splitDim = i;
  if (splitDim == rowSizes.size() || most < cores * minIterationsPerCore) {
    splitDim = 0;
    cores = 1;
  }
}

/// Blocks as large as 5/8 of ACC allow (the MAC regions before and after
/// need room too), at least a few per core so that transfers overlap.
void RowLowering::planBlocks() {
  int64_t budget = static_cast<int64_t>(tiles.target.accBytes) * 5 / 8;
  extent = rowSizes;
  extent[splitDim] = llvm::divideCeil(rowSizes[splitDim], cores);
  auto halve = [&] {
    for (int64_t &size : extent)
      if (size > 1) {
        size = llvm::divideCeil(size, 2);
        return true;
      }
    return false;
  };
  // The outermost loops shrink first.
  for (int64_t &size : extent) {
    if (bytesFor(extent) <= budget)
      break;
    int64_t low = 1, high = size;
    while (low < high) {
      size = low + (high - low + 1) / 2;
      if (bytesFor(extent) <= budget)
        low = size;
      else
        high = size - 1;
    }
    size = low;
  }
  if (bytesFor(extent) > budget) {
    extent.clear();
    return;
  }
  constexpr int64_t minBlockBytes = 64 * 1024, minBlocks = 6;
  auto blocks = [&] {
    int64_t count = 1;
    for (size_t i = 0; i < rowSizes.size(); ++i)
      count *= llvm::divideCeil(
          i == splitDim ? llvm::divideCeil(rowSizes[i], cores) : rowSizes[i],
          extent[i]);
    return count;
  };
  while (blocks() < minBlocks && bytesFor(extent) >= 2 * minBlockBytes &&
         halve()) {
  }
}

/// Chains pay; one generic does when its operands are fetched more than once.
bool RowLowering::isWorthwhile() const {
  if (ops.size() != 1)
    return !ops.empty();
  int64_t fetched = 0, present = 0;
  for (const Stage &stage : stages) {
    int64_t bytes = stage.elemBytes, used = stage.loops.size();
    while (used && !stage.map.isFunctionOfDim(used - 1))
      --used;
    for (int64_t loop = 0; loop < used; ++loop)
      bytes *= stage.loops[loop];
    fetched += bytes;
    present += bytesOf(stage, rowSizes);
  }
  constexpr int64_t minBytes = 64 * 1024; // Else starting transfers costs more.
  return present >= minBytes && 2 * fetched >= 3 * present;
}

bool RowLowering::plan() {
  for (Operation &op : block.without_terminator()) {
    if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      if (!canJoinRows(generic))
        return false;
      ops.push_back(generic);
    } else if (auto fill = dyn_cast<linalg::FillOp>(op)) {
      if (!constantScalarBits(fill.getInputs()[0]))
        return false;
    } else if (isa<tensor::PadOp>(op)) {
      auto reader = dyn_cast<linalg::GenericOp>(*op.getUsers().begin());
      if (!op.hasOneUse() || !reader || !clippedWindows(reader))
        return false;
    } else if (!isa<arith::ConstantOp, tensor::EmptyOp, quant::QuantizeCastOp>(
                   op)) {
      return false;
    }
  }
  if (ops.empty())
    return false;
  int64_t loops = commonRowLoops(ops);
  if (loops == 0)
    return false;
  rowSizes = ops.front().getStaticLoopRanges();
  rowSizes.resize(loops);
  // Results that every iteration of the rows writes cannot be divided.
  for (linalg::GenericOp op : ops)
    for (OpOperand &init : op.getDpsInitsMutable())
      for (int64_t loop = 0; loop < loops; ++loop)
        if (!op.getMatchingIndexingMap(&init).isFunctionOfDim(loop))
          return false;
  for (linalg::GenericOp op : ops)
    addStages(op);
  if (!isWorthwhile())
    return false;
  planCores();
  planBlocks();
  return !extent.empty();
}

void RowLowering::allocateStages(unsigned core) {
  SmallVector<Range> ranges;
  for (int64_t size : extent)
    ranges.push_back({0, size});
  buffers[core].resize(stages.size());
  for (auto [i, stage] : llvm::enumerate(stages)) {
    SmallVector<int64_t> shape = boxOf(stage, ranges).size;
    if (shape.empty())
      shape.push_back(1);
    Type type = storedType(
        cast<RankedTensorType>(stage.value.getType()).getElementType());
    for (int64_t slot = 0; slot < stage.slots; ++slot)
      buffers[core][i].push_back(tiles.buffer(BufferKind::temp,
                                              lowering.layer + ".rows", shape,
                                              type, MemorySpace::acc, core));
  }
}

/// The stage in ACC during block number `turn`, indexed from `box.begin`.
View RowLowering::local(size_t stage, unsigned core, const Box &box,
                        int64_t turn) const {
  const Stage &s = stages[stage];
  View view;
  view.buffer = buffers[core][stage][turn % s.slots];
  view.elemBytes = s.elemBytes;
  Box inside = clipped(s, box);
  view.shape = inside.size;
  // The order of the whole tensor: transfers run along its contiguous bytes.
  SmallVector<int64_t> order = rowMajorOrder(inside.size.size());
  if (s.view)
    llvm::sort(order, [&](int64_t a, int64_t b) {
      return std::pair(-s.view.strides[a], a) <
             std::pair(-s.view.strides[b], b);
    });
  view.strides = denseStrides(inside.size, order, view.elemBytes);
  if (!s.isInside)
    for (size_t i = 0; i < order.size(); ++i)
      view.offset +=
          (box.begin[i] - s.low[i] - inside.begin[i]) * view.strides[i];
  return view;
}

/// The part of a block's nest that is in `piece`, if any.
std::optional<LoopNest> RowLowering::pieceOf(const LoopNest &nest,
                                             ArrayRef<WindowPart> piece,
                                             ArrayRef<Range> rows) {
  LoopNest part = nest;
  for (const WindowPart &range : piece) {
    int64_t first = range.out < static_cast<int64_t>(rows.size())
                        ? rows[range.out].first
                        : 0;
    int64_t begin = std::max(first, range.begin);
    int64_t end =
        std::min(first + nest.sizes[range.out], range.begin + range.size);
    if (end <= begin)
      return std::nullopt;
    part.sizes[range.out] = end - begin;
    part.sizes[range.kernel] = range.kernelSize;
    for (LoopNest::Operand &operand : part.operands)
      operand.view.offset += (begin - first) * operand.strides[range.out] +
                             range.kernelBegin * operand.strides[range.kernel];
  }
  return part;
}

LogicalResult RowLowering::emitOp(Operation &op, unsigned core,
                                  ArrayRef<Range> rows, int64_t turn) {
  lowering.setLocation(op.getLoc());
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic)
    return success(); // Fills precede their readers below.
  // A generic's operands differ by map, not only by value: views are set for
  // the nest and corrected after it is built.
  auto stageOf = [&](Value value, AffineMap map) {
    return static_cast<size_t>(find(value, map) - stages.data());
  };
  auto at = [&](Value value, AffineMap map) {
    size_t index = stageOf(value, map);
    return local(index, core, boxOf(stages[index], rows), turn);
  };
  for (OpOperand *input : generic.getDpsInputOperands())
    if (!generic.getMatchingBlockArgument(input).use_empty())
      lowering.setView(input->get(),
                       at(input->get(), generic.getMatchingIndexingMap(input)));
  for (auto [i, init] : llvm::enumerate(generic.getDpsInitsMutable())) {
    AffineMap map = generic.getMatchingIndexingMap(&init);
    View view = at(generic.getResult(i), map);
    lowering.setView(generic.getResult(i), view);
    auto fill = init.get().getDefiningOp<linalg::FillOp>();
    if (!fill || generic.getMatchingBlockArgument(&init).use_empty())
      continue;
    lowering.fillOn(core, view, *constantScalarBits(fill.getInputs()[0]));
  }
  FailureOr<BuiltNest> built = lowering.buildNest(generic);
  if (failed(built))
    return failure();
  LoopNest &nest = built->nest;
  for (size_t loop = 0; loop < rows.size(); ++loop)
    nest.sizes[loop] = rows[loop].second;
  for (auto [operand, source] :
       llvm::zip_equal(nest.operands, built->sources)) {
    // Loops start at the block's first iteration, views at the box's corner.
    operand.view = at(source.value, source.map);
    int64_t ignored = 0;
    operand.strides = *loopStrides(source.map, operand.view, ignored);
    operand.strides.resize(nest.sizes.size(), 0);
  }
  auto pieces = clippedWindows(generic);
  if (!pieces) {
    lowering.emitTile(std::move(nest), built->kernel, core);
    return success();
  }
  for (const std::vector<WindowPart> &piece : *pieces)
    if (std::optional<LoopNest> part = pieceOf(nest, piece, rows))
      lowering.emitTile(std::move(*part), built->kernel, core);
  return success();
}

LogicalResult RowLowering::emitBlock(unsigned core, ArrayRef<Range> rows,
                                     int64_t turn) {
  auto transfer = [&](size_t i, bool isStore) {
    const Stage &stage = stages[i];
    Box box = boxOf(stage, rows), inside = clipped(stage, box);
    SmallVector<int64_t> ones(box.size.size(), 1);
    View whole = sliceView(stage.view, inside.begin, inside.size, ones);
    View here = local(i, core, box, turn);
    here.offset = 0; // What is transferred starts the buffer.
    lowering.copyOn(core, isStore ? DmaRole::Out : DmaRole::Load,
                    isStore ? here : whole, isStore ? whole : here);
  };
  lowering.setLocation(region.getLoc());
  for (auto [i, stage] : llvm::enumerate(stages))
    if (!stage.isInside && (stage.isRow || turn == 0))
      transfer(i, false);
  for (Operation &op : block.without_terminator())
    if (failed(emitOp(op, core, rows, turn)))
      return failure();
  lowering.setLocation(region.getLoc());
  for (auto [i, stage] : llvm::enumerate(stages))
    if (stage.isResult)
      transfer(i, true);
  return success();
}

std::vector<SmallVector<RowLowering::Range>>
RowLowering::blocksOf(unsigned core) const {
  std::vector<SmallVector<Range>> list(1);
  for (size_t i = 0; i < rowSizes.size(); ++i) {
    int64_t begin = 0, end = rowSizes[i];
    if (i == splitDim) {
      begin = rowSizes[i] * core / cores;
      end = rowSizes[i] * (core + 1) / cores;
    }
    // Equal pieces instead of a small last one.
    int64_t pieces = llvm::divideCeil(end - begin, extent[i]);
    std::vector<SmallVector<Range>> next;
    for (const SmallVector<Range> &rows : list)
      for (int64_t p = 0; p < pieces; ++p) {
        int64_t from = begin + (end - begin) * p / pieces;
        int64_t to = begin + (end - begin) * (p + 1) / pieces;
        next.push_back(rows);
        next.back().push_back({from, to - from});
      }
    list = std::move(next);
  }
  return list;
}

LogicalResult RowLowering::run() {
  Operation *yield = block.getTerminator();
  // Results of the region lie in L2, in the layout their readers want.
  for (auto [value, result] :
       llvm::zip_equal(yield->getOperands(), region.getResults())) {
    View view = lowering.allocate(result, lowering.layer);
    lowering.setView(result, view);
    for (Stage &stage : stages)
      if (stage.value == value)
        stage.view = view;
  }
  buffers.resize(cores);
  std::vector<std::vector<SmallVector<Range>>> blocks;
  size_t most = 0;
  for (int64_t core = 0; core < cores; ++core) {
    allocateStages(core);
    blocks.push_back(blocksOf(core));
    most = std::max(most, blocks.back().size());
  }
  for (size_t turn = 0; turn < most; ++turn)
    for (int64_t core = 0; core < cores; ++core)
      if (turn < blocks[core].size() &&
          failed(emitBlock(core, blocks[core][turn], turn)))
        return failure();
  return success();
}

FailureOr<bool> Lowering::lowerRows(RegionOp region) {
  RowLowering rows(*this, region);
  if (!rows.plan())
    return false;
  if (failed(rows.run()))
    return failure();
  return true;
}

} // namespace cim
