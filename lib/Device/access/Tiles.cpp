// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weight tiles: positions and issued planes.
#include "access/Tiles.h"

#include <algorithm>
#include <bit>

namespace cim::device {

bool isBfp(WeightFormat format) {
  return format == WeightFormat::Bfp || format == WeightFormat::F32 ||
         format == WeightFormat::F16;
}

IssuedPlanes issuedPlanes(const WriteWeights &write, uint32_t groupColumns) {
  IssuedPlanes issued;
  uint32_t all = write.format == WeightFormat::Int8 ? 8 : write.planes;
  // Only packed planes can be masked (D3.3).
  if (write.format != WeightFormat::Planes || write.planeMasks.empty()) {
    issued.most = all;
    issued.columns = uint64_t(write.cols) * all;
    issued.bytes = uint64_t(all) * write.rows * ((write.cols + 7) / 8);
    return issued;
  }
  uint32_t valid = (1u << std::min<uint32_t>(all, 16)) - 1;
  uint32_t group = std::max(1u, groupColumns);
  for (uint32_t g = 0, col = 0; col < write.cols; ++g, col += group) {
    uint32_t to = std::min<uint32_t>(write.cols, col + group);
    uint32_t mask = g < write.planeMasks.size() ? write.planeMasks[g] : valid;
    uint32_t count = std::popcount(mask & valid);
    issued.most = std::max(issued.most, count);
    issued.columns += uint64_t(to - col) * count;
    issued.bytes +=
        uint64_t(count) * write.rows * ((to + 7) / 8 - (col + 7) / 8);
  }
  return issued;
}

TileTable::TileTable(const TargetSpec &target)
    : macroRows(std::max(1u, target.macroRows)),
      macroCols(std::max(1u, target.macroCols)), down(target.macrosDown),
      across(target.macrosAcross), sets(target.weightSets),
      groupColumns(target.planeSkipColumns),
      slots(size_t(down) * across * sets, -1), corners(slots) {}

MacroRect TileTable::macros(uint32_t row, uint32_t col, uint32_t rows,
                            uint32_t cols) const {
  uint32_t r0 = row / macroRows, c0 = col / macroCols;
  uint32_t r1 = std::min(down, (row + rows + macroRows - 1) / macroRows);
  uint32_t c1 = std::min(across, (col + cols + macroCols - 1) / macroCols);
  if (r0 >= r1 || c0 >= c1)
    return {};
  return {r0, c0, r1 - r0, c1 - c0};
}

void TileTable::write(const WriteWeights &write) {
  if (write.set >= sets)
    return;
  size_t id = 0;
  while (id < tiles.size() && tiles[id].live)
    ++id;
  if (id == tiles.size())
    tiles.emplace_back();
  int32_t *set = slots.data() + size_t(write.set) * macrosPerSet();
  int32_t *corner = corners.data() + size_t(write.set) * macrosPerSet();
  for (uint32_t c = 0; c < write.copies; ++c) {
    MacroRect rect = macros(write, c);
    for (uint32_t r = rect.row; r < rect.row + rect.rows; ++r) {
      for (uint32_t k = rect.col; k < rect.col + rect.cols; ++k) {
        int32_t &slot = set[r * across + k];
        if (slot >= 0 && size_t(slot) != id) {
          // The whole tile is destroyed, wherever else it lies.
          tiles[slot].live = false;
          int32_t dead = slot;
          std::replace(set, set + macrosPerSet(), dead, -1);
          std::replace(corner, corner + macrosPerSet(), dead, -1);
        }
        slot = static_cast<int32_t>(id);
      }
    }
  }
  MacroRect first = macros(write, 0);
  if (first.rows == 0)
    return;
  corner[first.row * across + first.col] = static_cast<int32_t>(id);
  IssuedPlanes issued = issuedPlanes(write, groupColumns);
  tiles[id] = {
      write.row0,   write.col0,     write.rows,         write.cols,
      write.copies, write.copyCols, write.copyRowPitch, write.copyColPitch,
      write.format, true,           issued.most,        issued.columns};
}

const Tile *TileTable::find(const Mac &mac) const {
  MacroRect rect = macros(mac.row0, mac.col0, mac.rows, mac.cols);
  if (mac.set >= sets || rect.rows == 0)
    return nullptr;
  int32_t id =
      corners[size_t(mac.set) * macrosPerSet() + rect.row * across + rect.col];
  if (id < 0)
    return nullptr;
  const Tile &tile = tiles[id];
  bool same = tile.live && tile.row0 == mac.row0 && tile.col0 == mac.col0 &&
              tile.rows == mac.rows && tile.cols == mac.cols &&
              tile.copies == mac.copies;
  return same ? &tile : nullptr;
}

} // namespace cim::device
