// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weight tiles as the array holds them, in a form the host multiplies fast.
#ifndef CIM_LIB_DEVICE_EXEC_WEIGHTS_H
#define CIM_LIB_DEVICE_EXEC_WEIGHTS_H

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "Gemm.h"
#include "cim/Program/Program.h"

namespace cim::exec {

/// The values of a tile. Immutable once written, so tiles can share them.
struct WeightData {
  bool bfp = false;
  int64_t rows = 0, cols = 0;
  int bits = 8; ///< Width of integers, or of mantissas.

  // Integer tiles.
  Panels panels;             ///< For gemm16.
  std::vector<int8_t> bytes; ///< rows x cols, for gemm8 hosts; else empty.
  std::vector<int32_t> sums; ///< Per column: sum over rows, with `bytes`.
  int64_t largestColumn = 0; ///< Largest sum of |w| over the rows of a column.

  // Bfp tiles: per block of rows its panels and exponents (unbiased).
  int64_t blockRows = 0;
  /// Mantissa products of a block may leave int32: `panels` hold their low
  /// bytes (signed) and `high` the rest; value = high * 256 + low.
  bool split = false;
  struct Block {
    int64_t rows = 0;
    Panels low, high;
    std::vector<int16_t> exponents; ///< One per column.
  };
  std::vector<Block> blocks;

  size_t bytesHeld() const;
};

/// A live tile of a weight set (device.md D3.1).
struct Tile {
  uint16_t row0 = 0, col0 = 0, rows = 0, cols = 0, copies = 1;
  /// Macro rectangles of all copies: rows and columns in macros, half open.
  struct Rect {
    uint32_t row0, col0, row1, col1;
  };
  std::vector<Rect> rects;
  std::shared_ptr<const WeightData> data;
};

/// Tiles whose source bytes cannot change (segments), by what determines them.
class WeightCache {
public:
  struct Key {
    uint64_t chip, offset;
    WriteWeights op; ///< Position and copies cleared.
    bool operator==(const Key &) const = default;
  };
  std::shared_ptr<const WeightData> find(const Key &key) const;
  /// Keeps the data unless the cache is full.
  void insert(const Key &key, std::shared_ptr<const WeightData> data);

private:
  struct Hash {
    size_t operator()(const Key &key) const;
  };
  static constexpr size_t capacity = size_t(512) << 20;
  size_t held = 0;
  std::unordered_map<Key, std::shared_ptr<const WeightData>, Hash> entries;
};

/// Unpacks bit planes (device.md D3.3).
class PlaneReader {
public:
  /// `src` holds `planes` (1 to 16) planes of rows x ceil(cols / 8) bytes.
  /// Column c belongs to group c / groupColumns; planes whose bit in the
  /// group's mask is clear count as zero. No masks: all planes.
  PlaneReader(const uint8_t *src, int64_t rows, int64_t cols, int planes,
              const std::vector<uint16_t> &masks, int64_t groupColumns);
  /// Values of row k; `out` has room for cols rounded up to 8.
  void row(int64_t k, int16_t *out) const;

private:
  const uint8_t *src;
  int64_t rows, cols, rowBytes;
  int planes;
  std::vector<uint8_t> allowed; ///< [plane][byte of a row], masks as bits.
};

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_WEIGHTS_H
