// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Executes a region around a MAC op tile by tile, as its schedule says:
//
//   for each sub-problem (batch entry, chunk of groups) of this core
//     for each n tile
//       for each block of m tiles
//         for each k tile
//           make sure its weights are in a set       (weight-write port)
//           for each m tile of the block
//             make sure its activations are in L1    (DMA)
//             accumulate                             (MAC)
//         for each m tile of the block
//           epilogue: accumulators to the result     (vector unit)
//
// "Make sure" is a cache with least-recently-used replacement, so loads happen
// once where there is room and again where there is none; overlap of weight
// writes, DMA, MACs and the vector unit follows from the queues' independence.
#ifndef CIM_LIB_LOWER_LOWERMAC_H
#define CIM_LIB_LOWER_LOWERMAC_H

#include "Lowering.h"
#include "cim/IR/MacGeometry.h"

namespace cim {

/// A range of one dimension.
struct Range {
  int64_t begin = 0, size = 0;
  bool operator==(const Range &) const = default;
};

/// Keys to slots, least recently used slot replaced.
template <typename Key>
class SlotCache {
public:
  explicit SlotCache(size_t slots = 1) : entries(slots) {}
  /// The slot of `key` and whether it was there.
  std::pair<size_t, bool> lookup(const Key &key) {
    size_t oldest = 0;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].used && entries[i].key == key) {
        entries[i].stamp = ++clock;
        return {i, true};
      }
      if (entries[i].stamp < entries[oldest].stamp)
        oldest = i;
    }
    entries[oldest] = {key, ++clock, true};
    return {oldest, false};
  }

private:
  struct Entry {
    Key key{};
    uint64_t stamp = 0;
    bool used = false;
  };
  std::vector<Entry> entries;
  uint64_t clock = 0;
};

class MacLowering {
public:
  MacLowering(Lowering &lowering, ir::RegionOp region, mlir::Operation *mac);
  mlir::LogicalResult run();

private:
  struct MTile {
    llvm::SmallVector<Range> range; ///< Per m dimension.
    int64_t rows = 0;
  };
  struct KTile {
    Range channels;                  ///< Within the chunk.
    llvm::SmallVector<Range> kernel; ///< Per m dimension.
    int64_t rows = 0;
    int64_t index = 0;
    int64_t weightOffset = 0; ///< Of the packed tile of n tile 0.
  };
  /// One value per output channel.
  struct Parameter {
    View home;
    bool whole = false;                ///< One slot holds all channels.
    llvm::SmallVector<mlir::Value> l1; ///< Slots; none: used at home.
    SlotCache<int64_t> slots;          ///< By first channel.
    explicit operator bool() const { return static_cast<bool>(home); }
  };
  struct Core {
    unsigned id = 0;
    SlotCache<std::array<int64_t, 3>> sets;    ///< sub-problem, n, k
    SlotCache<std::array<int64_t, 3>> patches; ///< sub-problem, m tile, k chunk
    llvm::SmallVector<mlir::Value> patchBuffers, accBuffers;
    Parameter bias, multiplier;
    size_t nextAcc = 0;
  };

  mlir::LogicalResult prepare();
  mlir::LogicalResult prepareParameters();
  mlir::LogicalResult prepareWeights();
  void packWeights(mlir::ElementsAttr data);
  mlir::LogicalResult buildEpilogue();
  void planTiles();
  void planBuffers(Core &core);
  void planParameters(Core &core, int64_t taken);
  /// Buffer and offset of `count` values from channel `first` on.
  std::pair<mlir::Value, int64_t> parameterAt(Core &core, Parameter &parameter,
                                              int64_t first, int64_t count);
  /// Kernel positions of dimension `dim` that a patch of `k` is for.
  Range window(const KTile &k, size_t dim) const;
  std::vector<MTile> tileRows(Range split) const;

  void subProblem(Core &core, int64_t sub, Range n, llvm::ArrayRef<MTile> rows,
                  int64_t firstTile);
  TilePlace placeWeights(Core &core, int64_t sub, Range n, const KTile &k);
  mlir::Value loadPatch(Core &core, int64_t sub, const MTile &tile,
                        int64_t tileIndex, const KTile &k,
                        llvm::SmallVector<int64_t> &strides);
  void accumulate(Core &core, int64_t sub, const MTile &tile, int64_t tileIndex,
                  Range n, const KTile &k, const TilePlace &place,
                  mlir::Value acc);
  void epilogue(Core &core, int64_t sub, const MTile &tile, Range n,
                mlir::Value acc);
  /// Tensor offsets of a sub-problem: batch entries, first group.
  llvm::SmallVector<int64_t> batchIndex(int64_t sub) const;

  Lowering &lowering;
  TileBuilder &tiles;
  ir::RegionOp region;
  mlir::Operation *mac;
  MacGeometry geometry;
  ir::ScheduleAttr schedule;

  int64_t groupsInChunk = 1, chunks = 1, subProblems = 1;
  int64_t chunkChannels = 1, chunkN = 1;
  std::vector<KTile> kTiles;
  int64_t kChunks = 1;                    ///< Channel ranges.
  llvm::SmallVector<int64_t> patchExtent; ///< Per m dimension.
  int64_t patchChannels = 1;
  bool patchPerTile = false; ///< A patch holds what one k tile reads.
  View act, weightView;
  mlir::Value packed; ///< Packed weights of all sub-problems and tiles.
  std::vector<int64_t> tileOffsets;        ///< (chunk, n tile, k tile)
  std::vector<std::vector<int64_t>> masks; ///< Likewise.
  int64_t nTiles = 1;
  mlir::ElementsAttr biasData, multiplierData;

  mlir::FlatSymbolRefAttr kernel;
  struct EpilogueOperand {
    View view;
    mlir::AffineMap map; ///< From result dimensions.
    bool isOutput = false;
    bool isMultiplier = false;
    bool isAcc = false;
  };
  std::vector<EpilogueOperand> epilogueOperands;
};

} // namespace cim

#endif // CIM_LIB_LOWER_LOWERMAC_H
