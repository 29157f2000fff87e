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
#include "cim/Schedule/SlotCache.h"

namespace cim {

/// A range of one dimension.
struct Range {
  int64_t begin = 0, size = 0;
  bool operator==(const Range &) const = default;
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
    llvm::SmallVector<Range> rows; ///< Output rows of this core.
    /// Neighbouring cores walk the dimension they share in opposite directions:
    /// each starts with rows that need none of the other's last ones.
    std::optional<size_t> reversedDim;
    bool reversed(size_t dim) const { return reversedDim == dim; }
    SlotCache<std::array<int64_t, 3>> sets; ///< sub-problem, n, k
    int64_t firstSet = 0;                   ///< Of the array: slot 0.
    int64_t setsWritten = 0;
    SlotCache<std::array<int64_t, 3>> patches; ///< sub-problem, m tile, k chunk
    bool sharedPatch = false;                  ///< One patch for all m tiles.
    llvm::SmallVector<Range> patchRows;        ///< Of a shared patch.
    int64_t patchChannels = 1;
    bool patchPerTile = false; ///< A patch holds what one k tile reads.
    int64_t patchBytes = 0;    ///< Of all slots.
    int64_t loadChannels = 1;  ///< That one transfer brings.
    std::vector<std::vector<bool>> loaded; ///< Per slot: m tile, channels.
    std::vector<bool> padded;              ///< Per slot.
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
  std::vector<MTile> tileRows(const Core &core) const;

  void subProblem(Core &core, int64_t sub, Range n, llvm::ArrayRef<MTile> rows,
                  int64_t firstTile);
  TilePlace placeWeights(Core &core, int64_t sub, Range n, const KTile &k);

  // Activations (MacActivations.cpp).
  struct Patch {
    mlir::Value buffer;
    int64_t offset = 0;                 ///< Of the tile's first position.
    llvm::SmallVector<int64_t> strides; ///< m dimensions, channels; bytes.
  };
  void planPatches(Core &core, int64_t subsOfCore);
  llvm::SmallVector<int64_t> planTilePatch(Core &core,
                                           llvm::ArrayRef<int64_t> extents,
                                           int64_t positions,
                                           int64_t &distinct);
  /// Kernel positions of dimension `dim` that a patch of `k` is for.
  Range window(const Core &core, const KTile &k, size_t dim) const;
  /// The m dimensions as a patch of `k` sees them.
  llvm::SmallVector<schedule::MDim> windowed(const Core &core,
                                             const KTile &k) const;
  Range fresh(const Core &core, size_t dim, Range piece) const;
  Patch loadPatch(Core &core, int64_t sub, const MTile &tile, int64_t tileIndex,
                  const KTile &k);
  /// Fills what of a patch lies outside the input.
  void padPatch(Core &core, const Patch &patch,
                llvm::ArrayRef<schedule::MDim> dims, llvm::ArrayRef<Range> box,
                int64_t channels);
  /// Loads patch coordinates `load` and `channels` of a patch that covers `box`
  /// and channels from `firstChannel`.
  void fetch(Core &core, const Patch &patch, int64_t sub,
             llvm::ArrayRef<schedule::MDim> dims, llvm::ArrayRef<Range> box,
             llvm::ArrayRef<Range> load, int64_t firstChannel, Range channels);

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
  int64_t kChunks = 1; ///< Channel ranges.
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
