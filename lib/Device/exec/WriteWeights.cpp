// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// device.md D3.1 to D3.5: writing a weight tile.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "State.h"
#include "Strided.h"
#include "cim/Support/Numerics.h"
#include "cim/Support/Simd.h"

namespace cim::exec {

namespace loops {

CIM_SIMD void widen8(const int8_t *src, int16_t *dst, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    dst[i] = src[i];
}
CIM_SIMD void halfToFloat(const uint16_t *src, float *dst, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    dst[i] = numerics::halfToFloat(src[i]);
}
/// Largest exponent per column so far (B1).
CIM_SIMD void maxExponents(const float *x, int32_t *e, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    int32_t v = numerics::bfpExponent(numerics::bfpOperand(x[i]));
    e[i] = v > e[i] ? v : e[i];
  }
}
CIM_SIMD void mantissas(const float *x, const int32_t *e, int32_t bits,
                        int16_t *q, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    q[i] = int16_t(numerics::bfpMantissa(x[i], e[i], bits));
}
/// Low `bits` bits, sign-extended.
CIM_SIMD void signExtend(int16_t *x, int bits, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    x[i] = int16_t(int32_t(uint32_t(x[i]) << (32 - bits)) >> (32 - bits));
}

} // namespace loops

namespace {

using Data = std::shared_ptr<WeightData>;

/// D3.1: positions of all copies, or a fault.
MaybeFault place(const Context &context, const WriteWeights &op,
                 std::vector<Tile::Rect> &rects) {
  const TargetSpec &t = context.state.target;
  auto at = [&] {
    return absl::StrCat("weights of set ", int(op.set), " row ", op.row0,
                        " column ", op.col0, ": ");
  };
  if (op.set >= t.weightSets)
    return fault(FaultCode::BadTile, at(), "no such set; the array has ",
                 t.weightSets, " sets; use a lower set");
  if (op.rows < 1 || op.cols < 1 || op.copies < 1 || op.copyCols < 1)
    return fault(FaultCode::BadTile, at(), op.rows, " x ", op.cols, " in ",
                 op.copies, " copies, ", op.copyCols,
                 " side by side; each must be at least 1");
  for (unsigned c = 0; c < op.copies; ++c) {
    uint64_t row = op.row0 + uint64_t(c / op.copyCols) * op.copyRowPitch;
    uint64_t col = op.col0 + uint64_t(c % op.copyCols) * op.copyColPitch;
    if (row % t.macroRows || col % t.macroCols)
      return fault(FaultCode::Unaligned, at(), "copy ", c, " starts at row ",
                   row, " column ", col, "; macros are ", t.macroRows, " x ",
                   t.macroCols, "; start at multiples of them");
    if (row + op.rows > t.arrayRows() || col + op.cols > t.arrayCols())
      return fault(FaultCode::BadTile, at(), "copy ", c, " of ", op.rows, " x ",
                   op.cols, " leaves the array of ", t.arrayRows(), " x ",
                   t.arrayCols(), "; write a smaller tile");
    Tile::Rect r{uint32_t(row / t.macroRows), uint32_t(col / t.macroCols),
                 uint32_t((row + op.rows + t.macroRows - 1) / t.macroRows),
                 uint32_t((col + op.cols + t.macroCols - 1) / t.macroCols)};
    for (const Tile::Rect &o : rects)
      if (r.row0 < o.row1 && o.row0 < r.row1 && r.col0 < o.col1 &&
          o.col0 < r.col1)
        return fault(FaultCode::BadTile, at(), "copy ", c,
                     " shares a macro with another copy; enlarge the pitches");
    rects.push_back(r);
  }
  return std::nullopt;
}

/// The bytes the write reads.
Access sourceOf(const WriteWeights &op) {
  Access src{"weight source", op.src, 1, {}};
  int64_t rows = op.rows, cols = op.cols;
  switch (op.format) {
  case WeightFormat::Planes:
    src.dims = {{op.planes * rows * ((cols + 7) / 8), 1}};
    break;
  case WeightFormat::Bfp: {
    int64_t blocks = (rows + op.blockRows - 1) / op.blockRows;
    src.dims = {{blocks * cols + rows * cols * 2, 1}};
    break;
  }
  case WeightFormat::Int8:
  case WeightFormat::F16:
  case WeightFormat::F32:
    src.elemBytes = op.format == WeightFormat::Int8  ? 1
                    : op.format == WeightFormat::F16 ? 2
                                                     : 4;
    src.dims = {{rows, op.rowStride}, {cols, op.colStride}};
    break;
  }
  return src;
}

/// rows x cols elements of the strided source, dense.
template <typename T>
std::vector<T> dense(const WriteWeights &op, const uint8_t *src) {
  std::vector<T> out(size_t(op.rows) * op.cols);
  int64_t size = sizeof(T);
  Nest nest{{op.rows, op.cols},
            {{op.rowStride, op.colStride}, {op.cols * size, size}}};
  copyStrided(nest, sizeof(T), src, reinterpret_cast<uint8_t *>(out.data()));
  return out;
}

/// Integer tile; row(k, out) gives the values of row k.
template <typename Row>
Data integerTile(const WriteWeights &op, bool sanitize, Row row) {
  auto data = std::make_shared<WeightData>();
  int64_t rows = op.rows, cols = op.cols;
  data->rows = rows;
  data->cols = cols;
  data->bits = op.planes;
  bool keepBytes = op.planes <= 8 && hasExactGemm8();
  if (keepBytes)
    data->bytes.resize(size_t(rows) * cols);
  std::vector<int32_t> sums(keepBytes ? cols : 0, 0);
  std::vector<int64_t> magnitudes(sanitize ? cols : 0, 0);
  Packer packer(rows, cols);
  for (int64_t k = 0; k < rows; ++k) {
    int16_t *line = k % 2 ? packer.odd() : packer.even();
    row(k, line);
    for (size_t n = 0; n < sums.size(); ++n) {
      data->bytes[k * cols + n] = int8_t(line[n]);
      sums[n] += line[n];
    }
    for (size_t n = 0; n < magnitudes.size(); ++n)
      magnitudes[n] += std::abs(int(line[n]));
    if (k % 2 || k + 1 == rows)
      packer.next();
  }
  data->panels = packer.finish();
  data->sums = std::move(sums);
  for (int64_t m : magnitudes)
    data->largestColumn = std::max(data->largestColumn, m);
  return data;
}

/// Bfp tile from exponents (unbiased, per block and column) and mantissas.
Data bfpTile(const WriteWeights &op, const std::vector<int16_t> &exponents,
             const std::vector<int16_t> &mantissas) {
  auto data = std::make_shared<WeightData>();
  int64_t rows = op.rows, cols = op.cols, blockRows = op.blockRows;
  data->bfp = true;
  data->rows = rows;
  data->cols = cols;
  data->bits = op.planes;
  data->blockRows = blockRows;
  // |sum| <= rows * 2^(2 bits - 2) must stay below 2^31.
  data->split = (std::min(blockRows, rows) << (2 * op.planes - 2)) >> 31 != 0;
  for (int64_t k0 = 0; k0 < rows; k0 += blockRows) {
    WeightData::Block block;
    block.rows = std::min(blockRows, rows - k0);
    auto e = exponents.begin() + k0 / blockRows * cols;
    block.exponents.assign(e, e + cols);
    auto packRows = [&](auto part) {
      Packer packer(block.rows, cols);
      for (int64_t k = 0; k < block.rows; ++k) {
        int16_t *line = k % 2 ? packer.odd() : packer.even();
        const int16_t *from = mantissas.data() + (k0 + k) * cols;
        for (int64_t n = 0; n < cols; ++n)
          line[n] = part(from[n]);
        if (k % 2 || k + 1 == block.rows)
          packer.next();
      }
      return packer.finish();
    };
    if (data->split) {
      block.low = packRows([](int16_t q) { return int16_t(int8_t(q)); });
      block.high =
          packRows([](int16_t q) { return int16_t((q - int8_t(q)) / 256); });
    } else {
      block.low = packRows([](int16_t q) { return q; });
    }
    data->blocks.push_back(std::move(block));
  }
  return data;
}

Data fromPlanes(const Context &context, const WriteWeights &op,
                const uint8_t *src) {
  PlaneReader reader(src, op.rows, op.cols, op.planes, op.planeMasks,
                     context.state.target.planeSkipColumns);
  // The reader writes whole groups of 8 columns; lines are padded to 16.
  return integerTile(op, context.state.sanitize,
                     [&](int64_t k, int16_t *out) { reader.row(k, out); });
}

Data fromInt8(const Context &context, const WriteWeights &op,
              const uint8_t *src) {
  std::vector<int8_t> values = dense<int8_t>(op, src);
  int64_t group = context.state.target.planeSkipColumns;
  bool plain = op.planes >= 8 && op.planeMasks.empty();
  return integerTile(op, context.state.sanitize, [&](int64_t k, int16_t *out) {
    loops::widen8(values.data() + k * op.cols, out, op.cols);
    if (plain)
      return;
    // The planes that exist and are issued, as for packed planes.
    for (int64_t n = 0; n < op.cols; ++n)
      if (size_t(n / group) < op.planeMasks.size())
        out[n] &= int16_t(op.planeMasks[n / group]);
    loops::signExtend(out, std::min<int>(op.planes, 8), op.cols);
  });
}

Data fromBfp(const WriteWeights &op, const uint8_t *src) {
  int64_t rows = op.rows, cols = op.cols;
  int64_t blocks = (rows + op.blockRows - 1) / op.blockRows;
  std::vector<int16_t> exponents(size_t(blocks * cols));
  for (size_t i = 0; i < exponents.size(); ++i) // Bias, D3.4; clamped as B1.
    exponents[i] = int16_t(std::clamp(int(src[i]) - 127, -126, 127));
  std::vector<int16_t> mantissas(size_t(rows * cols));
  std::memcpy(mantissas.data(), src + exponents.size(), mantissas.size() * 2);
  loops::signExtend(mantissas.data(), op.planes, rows * cols);
  return bfpTile(op, exponents, mantissas);
}

/// D3.5, numerics B1.
Data fromFloats(const WriteWeights &op, const std::vector<float> &values) {
  int64_t rows = op.rows, cols = op.cols;
  std::vector<int16_t> exponents, mantissas(size_t(rows * cols));
  std::vector<int32_t> e(cols);
  for (int64_t k0 = 0; k0 < rows; k0 += op.blockRows) {
    int64_t k1 = std::min<int64_t>(rows, k0 + op.blockRows);
    std::fill(e.begin(), e.end(), -126);
    for (int64_t k = k0; k < k1; ++k)
      loops::maxExponents(values.data() + k * cols, e.data(), cols);
    for (int64_t k = k0; k < k1; ++k)
      loops::mantissas(values.data() + k * cols, e.data(), op.planes,
                       mantissas.data() + k * cols, cols);
    exponents.insert(exponents.end(), e.begin(), e.end());
  }
  return bfpTile(op, exponents, mantissas);
}

Data convert(const Context &context, const WriteWeights &op,
             const uint8_t *src) {
  switch (op.format) {
  case WeightFormat::Planes:
    return fromPlanes(context, op, src);
  case WeightFormat::Int8:
    return fromInt8(context, op, src);
  case WeightFormat::Bfp:
    return fromBfp(op, src);
  case WeightFormat::F32:
    return fromFloats(op, dense<float>(op, src));
  case WeightFormat::F16: {
    std::vector<uint16_t> halves = dense<uint16_t>(op, src);
    std::vector<float> values(halves.size());
    loops::halfToFloat(halves.data(), values.data(), int64_t(halves.size()));
    return fromFloats(op, values);
  }
  }
  return nullptr;
}

} // namespace

MaybeFault executeWriteWeights(const Context &context, const WriteWeights &op) {
  std::vector<Tile::Rect> rects;
  CIM_FAULT_IF(place(context, op, rects));
  bool bfp = op.format == WeightFormat::Bfp || op.format == WeightFormat::F32 ||
             op.format == WeightFormat::F16;
  if (op.planes < (bfp ? 2 : 1) || op.planes > 16 || (bfp && !op.blockRows))
    return fault(FaultCode::IllegalInstruction, "weights of set ", int(op.set),
                 ": ", int(op.planes), " bits in blocks of ", int(op.blockRows),
                 " rows; widths are ", bfp ? 2 : 1,
                 " to 16 and blocks at least 1 row; correct the write");
  Access source = sourceOf(op);
  const uint8_t *src;
  CIM_FAULT_IF(context.read(source, src));

  // What lies in a segment never changes: convert it once.
  std::shared_ptr<const WeightData> data;
  WeightCache::Key key;
  Memory *memory = context.state.memory(op.src, context.chip, context.core);
  Range range;
  bool constant =
      boundsOf(source, memory->size(), range) && memory->segmentAround(range);
  if (constant) {
    key = {op.src.chip, op.src.offset, op};
    key.op.set = 0;
    key.op.row0 = key.op.col0 = 0;
    key.op.copies = key.op.copyCols = 1;
    key.op.copyRowPitch = key.op.copyColPitch = 0;
    data = context.state.weights.find(key);
  }
  if (!data) {
    data = convert(context, op, src);
    if (constant)
      context.state.weights.insert(key, data);
  }

  std::vector<Tile> &set = context.self().sets[op.set];
  std::erase_if(set, [&](const Tile &tile) { // D3.1
    for (const Tile::Rect &a : tile.rects)
      for (const Tile::Rect &b : rects)
        if (a.row0 < b.row1 && b.row0 < a.row1 && a.col0 < b.col1 &&
            b.col0 < a.col1)
          return true;
    return false;
  });
  set.push_back({op.row0, op.col0, op.rows, op.cols, op.copies,
                 std::move(rects), std::move(data)});
  return std::nullopt;
}

} // namespace cim::exec
