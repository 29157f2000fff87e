// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weight tiles of one stage as seen by order and timing: which tile a MAC
// names, how many planes of it are issued, which macros it occupies (D3.1 to
// D3.3, D4.3, D4.4). No data.
#ifndef CIM_LIB_DEVICE_ACCESS_TILES_H
#define CIM_LIB_DEVICE_ACCESS_TILES_H

#include <cstdint>
#include <vector>

#include "cim/Program/Program.h"

namespace cim::device {

/// Planes a weight write stores, summed over its column groups.
struct IssuedPlanes {
  uint64_t columns = 0; ///< Sum over groups of columns * issued planes.
  uint64_t bytes = 0;   ///< Bytes transferred (format Planes).
  uint32_t most = 0;    ///< Largest number of planes issued by a group.
};
/// D3.3, D4.4: `groupColumns` is the target's plane_skip_columns.
IssuedPlanes issuedPlanes(const WriteWeights &write, uint32_t groupColumns);

/// What a MAC needs to know of the tile it names.
struct Tile {
  uint16_t row0 = 0, col0 = 0, rows = 0, cols = 0;
  uint16_t copies = 1, copyCols = 1, copyRowPitch = 0, copyColPitch = 0;
  WeightFormat format = WeightFormat::Planes;
  bool live = false;
  uint32_t planes = 0;       ///< Most planes issued by a group, or bfp bits.
  uint64_t planeColumns = 0; ///< IssuedPlanes::columns.
};
bool isBfp(WeightFormat format);

/// A rectangle of macros of one set.
struct MacroRect {
  uint32_t row = 0, col = 0, rows = 0, cols = 0;
};

/// The weight sets of one core.
class TileTable {
public:
  explicit TileTable(const TargetSpec &target);

  /// Records a write; tiles it overlaps are gone (D3.1). Positions outside
  /// the array are ignored (the functional half reports them).
  void write(const WriteWeights &write);
  /// The tile a MAC names, or null when there is none that matches (D3.2).
  const Tile *find(const Mac &mac) const;

  /// Macros of copy `c` of a tile, cut to the array.
  template <typename TileOrWrite>
  MacroRect macros(const TileOrWrite &tile, uint32_t c) const {
    return macros(tile.row0 + (c / copyColumns(tile)) * tile.copyRowPitch,
                  tile.col0 + (c % copyColumns(tile)) * tile.copyColPitch,
                  tile.rows, tile.cols);
  }
  uint32_t macrosAcross() const { return across; }
  uint32_t macrosPerSet() const { return down * across; }

private:
  template <typename TileOrWrite>
  static uint32_t copyColumns(const TileOrWrite &tile) {
    return tile.copyCols ? tile.copyCols : 1;
  }
  MacroRect macros(uint32_t row, uint32_t col, uint32_t rows,
                   uint32_t cols) const;

  uint32_t macroRows, macroCols, down, across, sets, groupColumns;
  std::vector<Tile> tiles;      ///< Dead ones are reused.
  std::vector<int32_t> slots;   ///< Tile of each macro of each set, or -1.
  std::vector<int32_t> corners; ///< Same, only at a tile's first macro.
};

} // namespace cim::device

#endif // CIM_LIB_DEVICE_ACCESS_TILES_H
