// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Both ops are products of matrices: result = left * right. A convolution has
// the weights on the left (a row per output channel) and on the right a column
// per output position; a matrix product has its own operands. Right sides are
// made a panel of columns at a time.

#include "Mac.h"

#include <algorithm>
#include <cstring>

#include "Gemm.h"
#include "cim/Support/Numerics.h"
#include "mlir/Dialect/Quant/IR/QuantTypes.h"

using namespace mlir;

namespace cim::interp {
namespace {

using ir::ConvOp;
using ir::MatmulOp;

/// Elements of a MAC operand as numbers: floats as fp32, integers minus their
/// zero point.
template <typename T>
std::vector<T> toNumbers(const TensorValue &value) {
  Type type = value.type.getElementType();
  Element element = *elementOf(type);
  auto quantized = dyn_cast<quant::UniformQuantizedType>(type);
  int64_t zero = quantized ? quantized.getZeroPoint() : 0;
  bool isUnsigned = quantized && !quantized.isSigned();
  int64_t n = value.elements();
  std::vector<T> result(n);
  if constexpr (std::is_floating_point_v<T>) {
    decodeOf(element)(value.data, element.bytes,
                      reinterpret_cast<char *>(result.data()), n);
  } else if (isUnsigned) {
    auto *data = reinterpret_cast<const uint8_t *>(value.data);
    for (int64_t i = 0; i < n; ++i)
      result[i] = static_cast<T>(int64_t(data[i]) - zero);
  } else {
    auto *data = reinterpret_cast<const int8_t *>(value.data);
    for (int64_t i = 0; i < n; ++i)
      result[i] = static_cast<T>(int64_t(data[i]) - zero);
  }
  return result;
}

/// What both ops have in common.
struct Problem {
  bool conv = false;
  int64_t batches = 1, groups = 1;
  int64_t rows = 0, columns = 0, depth = 0; ///< Of one group of one batch.
  bool sharedRight = false; ///< Matrix product with one right side for all.
  // Convolution: depth = channels * kernel positions, channels outermost.
  int64_t channels = 0, kernel = 1;
  SmallVector<int64_t> in, out, size, strides, dilations, pads;
  /// Input elements of a channel.
  int64_t area = 1;

  int64_t channelOf(int64_t group, int64_t row, int64_t column) const {
    return conv ? group * rows + row : column;
  }
};

Problem describe(ConvOp op) {
  Problem p;
  auto x = cast<RankedTensorType>(op.getInput().getType());
  auto w = cast<RankedTensorType>(op.getWeights().getType());
  auto y = cast<RankedTensorType>(op.getType());
  p.conv = true;
  p.batches = x.getDimSize(0);
  p.groups = static_cast<int64_t>(op.getGroups());
  p.rows = w.getDimSize(0) / p.groups;
  p.channels = w.getDimSize(1);
  p.in.assign(x.getShape().begin() + 2, x.getShape().end());
  p.out.assign(y.getShape().begin() + 2, y.getShape().end());
  p.size.assign(w.getShape().begin() + 2, w.getShape().end());
  p.strides.assign(op.getStrides().begin(), op.getStrides().end());
  p.dilations.assign(op.getDilations().begin(), op.getDilations().end());
  p.pads.assign(op.getPads().begin(), op.getPads().end());
  p.columns = 1;
  for (size_t d = 0; d < p.in.size(); ++d) {
    p.area *= p.in[d];
    p.columns *= p.out[d];
    p.kernel *= p.size[d];
  }
  p.depth = p.channels * p.kernel;
  return p;
}

Problem describe(MatmulOp op) {
  Problem p;
  auto a = cast<RankedTensorType>(op.getLhs().getType());
  auto b = cast<RankedTensorType>(op.getRhs().getType());
  int64_t rank = a.getRank();
  for (int64_t d = 0; d + 2 < rank; ++d)
    p.batches *= a.getDimSize(d);
  p.rows = a.getDimSize(rank - 2);
  p.depth = a.getDimSize(rank - 1);
  p.columns = b.getDimSize(b.getRank() - 1);
  p.sharedRight = b.getRank() == 2;
  if (p.sharedRight) { // one tall product
    p.rows *= p.batches;
    p.batches = 1;
  }
  return p;
}

/// Where the input elements of a panel's columns are, for one kernel position:
/// offsets in a channel, -1 for padding.
class Window {
public:
  explicit Window(const Problem &p) : p(p) {}

  void place(int64_t position, int64_t column, int64_t n) {
    size_t rank = p.in.size();
    SmallVector<int64_t> k(rank), at(rank);
    for (size_t d = rank; d-- > 0;) {
      k[d] = position % p.size[d];
      position /= p.size[d];
    }
    int64_t rest = column;
    for (size_t d = rank; d-- > 0;) {
      at[d] = rest % p.out[d];
      rest /= p.out[d];
    }
    offsets.resize(n);
    for (int64_t i = 0; i < n; ++i) {
      int64_t offset = 0;
      bool inside = true;
      for (size_t d = 0; d < rank; ++d) {
        int64_t x = at[d] * p.strides[d] + k[d] * p.dilations[d] - p.pads[d];
        inside &= x >= 0 && x < p.in[d];
        offset = offset * p.in[d] + x;
      }
      offsets[i] = inside ? offset : -1;
      for (size_t d = rank; d-- > 0 && ++at[d] == p.out[d];)
        at[d] = 0;
    }
  }
  template <typename T>
  void gather(const T *channel, T padding, T *to) const {
    for (size_t i = 0; i < offsets.size(); ++i)
      to[i] = offsets[i] < 0 ? padding : channel[offsets[i]];
  }

private:
  const Problem &p;
  std::vector<int64_t> offsets;
};

/// Columns of a panel: it should stay in a cache.
int64_t panelColumns(int64_t columns, int64_t depth, int64_t bytes) {
  int64_t fit = (int64_t(1) << 18) / std::max<int64_t>(1, depth * bytes);
  fit = std::clamp<int64_t>(fit, 1, 1024);
  int64_t wanted = std::min(fit, columns);
  return (wanted + gemmColumns - 1) / gemmColumns * gemmColumns;
}

/// One panel: `n` columns of the right side, from `first`, rows `pitch` apart.
struct Panel {
  int64_t first, n, pitch;
};

/// Makes panels of a right side and of padded results.
template <typename T>
class Operands {
public:
  Operands(const Problem &p, const MacValues &values)
      : p(p), window(p),
        left(toNumbers<T>(p.conv ? values.weights : values.input)),
        right(toNumbers<T>(p.conv ? values.input : values.weights)) {}

  const T *leftOf(int64_t batch, int64_t group) const {
    return left.data() + (p.conv ? group : batch) * p.rows * p.depth;
  }
  /// The panel's columns, rows in the order of conv_c6.
  void fill(int64_t batch, int64_t group, const Panel &panel, T *to) {
    if (!p.conv) {
      const T *from = right.data() + batch * p.depth * p.columns;
      for (int64_t k = 0; k < p.depth; ++k)
        std::memcpy(to + k * panel.pitch, from + k * p.columns + panel.first,
                    static_cast<size_t>(panel.n) * sizeof(T));
      return;
    }
    const T *image =
        right.data() + (batch * p.groups + group) * p.channels * p.area;
    for (int64_t k = 0; k < p.kernel; ++k) {
      window.place(k, panel.first, panel.n);
      for (int64_t c = 0; c < p.channels; ++c)
        window.gather(image + c * p.area, T(0),
                      to + (c * p.kernel + k) * panel.pitch);
    }
  }

private:
  const Problem &p;
  Window window;
  std::vector<T> left, right;
};

/// Writes accumulators as elements of the result.
class Epilogue {
public:
  Epilogue(const Problem &p, const MacValues &values, TensorValue &result)
      : p(p), result(result), quantized(dyn_cast<quant::UniformQuantizedType>(
                                  result.type.getElementType())),
        element(*elementOf(result.type.getElementType())) {
    if (values.bias &&
        isFloat(elementOf(values.bias->type.getElementType())->kind))
      floatBias = toNumbers<float>(*values.bias);
    else if (values.bias)
      intBias = reinterpret_cast<const int32_t *>(values.bias->data);
    if (values.multiplier)
      multiplier = reinterpret_cast<const float *>(values.multiplier->data);
  }

  template <typename T>
  T bias(int64_t channel) const {
    if (!floatBias.empty())
      return static_cast<T>(floatBias[channel]);
    return intBias ? static_cast<T>(intBias[channel]) : T(0);
  }
  /// Q3 or Q4.
  void store(int64_t batch, int64_t group, const Panel &panel,
             const uint32_t *sums) {
    forRows(batch, group, panel, [&](int64_t row, int64_t at) {
      const uint32_t *acc = sums + row * panel.pitch;
      for (int64_t i = 0; i < panel.n; ++i)
        storeInteger(static_cast<int32_t>(acc[i]),
                     p.channelOf(group, row, panel.first + i), at + i);
    });
  }
  void store(int64_t batch, int64_t group, const Panel &panel,
             const float *sums) {
    forRows(batch, group, panel, [&](int64_t row, int64_t at) {
      encodeOf(element)(
          reinterpret_cast<const char *>(sums + row * panel.pitch),
          writable(result) + at * element.bytes, element.bytes, panel.n);
    });
  }

private:
  template <typename F>
  void forRows(int64_t batch, int64_t group, const Panel &panel, F f) {
    for (int64_t r = 0; r < p.rows; ++r)
      f(r, ((batch * p.groups + group) * p.rows + r) * p.columns + panel.first);
  }
  void storeInteger(int32_t acc, int64_t channel, int64_t at) {
    char *to = writable(result) + at * element.bytes;
    if (!quantized) {
      float y = static_cast<float>(acc) * multiplier[channel];
      std::memcpy(to, &y, sizeof(y));
      return;
    }
    int64_t y = numerics::requantize(
        acc, multiplier[channel],
        static_cast<int32_t>(quantized.getZeroPoint()),
        quantized.getStorageTypeMin(), quantized.getStorageTypeMax());
    std::memcpy(to, &y, element.bytes); // little-endian
  }

  const Problem &p;
  TensorValue &result;
  quant::UniformQuantizedType quantized;
  Element element;
  std::vector<float> floatBias;
  const int32_t *intBias = nullptr;
  const float *multiplier = nullptr;
};

/// Accumulators of a panel, started with the bias.
template <typename T>
void startSums(const Problem &p, const Epilogue &epilogue, int64_t group,
               const Panel &panel, std::vector<T> &sums) {
  for (int64_t r = 0; r < p.rows; ++r)
    for (int64_t i = 0; i < panel.pitch; ++i)
      sums[r * panel.pitch + i] =
          i < panel.n ? epilogue.bias<T>(p.channelOf(group, r, panel.first + i))
                      : T(0);
}

template <typename F>
void forPanels(const Problem &p, int64_t depth, int64_t bytes, F f) {
  int64_t pitch = panelColumns(p.columns, depth, bytes);
  for (int64_t b = 0; b < p.batches; ++b)
    for (int64_t g = 0; g < p.groups; ++g)
      for (int64_t c = 0; c < p.columns; c += pitch)
        f(b, g, Panel{c, std::min(pitch, p.columns - c), pitch});
}

/// Sequential sums over k: fp32 (conv_c6) or modulo 2^32 (Q5, Q6).
template <typename T>
void runExact(const Problem &p, const MacValues &values, TensorValue &result) {
  Operands<T> operands(p, values);
  Epilogue epilogue(p, values, result);
  int64_t pitch = panelColumns(p.columns, p.depth, sizeof(T));
  std::vector<T> panelData(p.depth * pitch), sums(p.rows * pitch);
  forPanels(p, p.depth, sizeof(T), [&](int64_t b, int64_t g, Panel panel) {
    operands.fill(b, g, panel, panelData.data());
    startSums(p, epilogue, g, panel, sums);
    gemm(operands.leftOf(b, g), p.depth, panelData.data(), panel.pitch,
         sums.data(), panel.pitch, p.rows, panel.pitch, p.depth);
    epilogue.store(b, g, panel, sums.data());
  });
}

/// fp32 in any order of additions.
bool runFast(const Problem &p, const MacValues &values, TensorValue &result,
             int threads) {
  Operands<float> operands(p, values);
  Epilogue epilogue(p, values, result);
  // Wider panels than the exact loops like: the library blocks by itself.
  int64_t pitch = std::clamp<int64_t>(
      (int64_t(1) << 22) / std::max<int64_t>(1, p.depth), 1, p.columns);
  std::vector<float> panelData(p.depth * pitch), sums(p.rows * pitch);
  bool ok = true;
  for (int64_t b = 0; b < p.batches; ++b)
    for (int64_t g = 0; g < p.groups; ++g)
      for (int64_t c = 0; c < p.columns; c += pitch) {
        int64_t n = std::min(pitch, p.columns - c);
        Panel panel{c, n, n};
        operands.fill(b, g, panel, panelData.data());
        startSums(p, epilogue, g, panel, sums);
        ok &= fastGemm(operands.leftOf(b, g), panelData.data(), sums.data(),
                       p.rows, n, p.depth, /*accumulate=*/true, threads);
        epilogue.store(b, g, panel, sums.data());
      }
  return ok;
}

//===----------------------------------------------------------------------===//
// Block floating point
//===----------------------------------------------------------------------===//

/// Blocks of the K order of B2: a block of channels at one kernel position.
struct KBlock {
  int64_t channelBlock, channel, channels, position;
};

class BfpMac {
public:
  BfpMac(const Problem &p, const MacValues &values, int bits, int64_t blockRows)
      : p(p), bits(bits), blockRows(blockRows), window(p),
        channels(p.conv ? p.channels : p.depth),
        channelBlocks((channels + blockRows - 1) / blockRows) {
    convertLeft(toNumbers<float>(p.conv ? values.weights : values.input));
    convertRight(toNumbers<float>(p.conv ? values.input : values.weights));
  }

  void run(const MacValues &values, TensorValue &result) {
    Epilogue epilogue(p, values, result);
    int64_t pitch = panelColumns(p.columns, blockRows, sizeof(double));
    std::vector<double> panelData(blockRows * pitch), partial(p.rows * pitch);
    std::vector<float> sums(p.rows * pitch);
    std::vector<int32_t> exponents(pitch);
    forPanels(p, blockRows, sizeof(double),
              [&](int64_t b, int64_t g, Panel panel) {
                startSums(p, epilogue, g, panel, sums);
                for (size_t k = 0; k < blocks.size(); ++k) {
                  fill(b, g, blocks[k], panel, panelData, exponents);
                  addBlock(p.conv ? g : b, k, panel, panelData, exponents,
                           partial, sums);
                }
                epilogue.store(b, g, panel, sums.data());
              });
  }

private:
  /// Mantissas of n values, `stride` apart, to `to`, `toStride` apart.
  int32_t convert(const float *x, int64_t stride, int64_t n, double *to,
                  int64_t toStride) {
    scratch.resize(n);
    int32_t exponent = numerics::bfpBlock(x, stride, n, bits, scratch.data());
    for (int64_t i = 0; i < n; ++i)
      to[i * toStride] = scratch[i];
    return exponent;
  }

  /// Rows in the order of B2, an exponent per row and block.
  void convertLeft(const std::vector<float> &x) {
    int64_t rows =
        static_cast<int64_t>(x.size()) / std::max<int64_t>(1, p.depth);
    left.resize(x.size());
    for (int64_t c = 0; c < channelBlocks; ++c)
      for (int64_t k = 0; k < p.kernel; ++k)
        blocks.push_back({c, c * blockRows,
                          std::min(blockRows, channels - c * blockRows), k});
    leftExponents.resize(rows * blocks.size());
    for (int64_t r = 0; r < rows; ++r) {
      double *to = left.data() + r * p.depth;
      for (size_t k = 0; k < blocks.size(); ++k) {
        const KBlock &block = blocks[k];
        leftExponents[r * blocks.size() + k] = convert(
            x.data() + r * p.depth + block.channel * p.kernel + block.position,
            p.kernel, block.channels, to, 1);
        to += block.channels;
      }
    }
  }

  /// The right side is [outer][channel][place]: images or matrices. Mantissas
  /// stay in place; an exponent per outer, channel block and place.
  void convertRight(const std::vector<float> &x) {
    places = p.conv ? p.area : p.columns;
    int64_t size = channels * places;
    int64_t outer = size ? static_cast<int64_t>(x.size()) / size : 0;
    right.resize(x.size());
    rightExponents.resize(outer * channelBlocks * places);
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t c = 0; c < channelBlocks; ++c) {
        int64_t at = o * size + c * blockRows * places;
        int64_t n = std::min(blockRows, channels - c * blockRows);
        for (int64_t i = 0; i < places; ++i)
          rightExponents[(o * channelBlocks + c) * places + i] = convert(
              x.data() + at + i, places, n, right.data() + at + i, places);
      }
  }

  void fill(int64_t batch, int64_t group, const KBlock &block,
            const Panel &panel, std::vector<double> &to,
            std::vector<int32_t> &exponents) {
    int64_t outer = p.conv ? batch * p.groups + group : batch;
    const double *from =
        right.data() + (outer * channels + block.channel) * places;
    const int32_t *e = rightExponents.data() +
                       (outer * channelBlocks + block.channelBlock) * places;
    if (p.conv) {
      window.place(block.position, panel.first, panel.n);
      window.gather(e, -126, exponents.data()); // a block of padding: B1
    } else {
      std::copy_n(e + panel.first, panel.n, exponents.data());
    }
    for (int64_t c = 0; c < block.channels; ++c) {
      double *row = to.data() + c * panel.pitch;
      if (p.conv)
        window.gather(from + c * places, 0.0, row);
      else
        std::copy_n(from + c * places + panel.first, panel.n, row);
    }
  }

  /// B3 and B4. Sums of products of mantissas are exact in binary64.
  void addBlock(int64_t outer, size_t k, const Panel &panel,
                const std::vector<double> &panelData,
                const std::vector<int32_t> &exponents,
                std::vector<double> &partial, std::vector<float> &sums) {
    const KBlock &block = blocks[k];
    int64_t start = block.channel * p.kernel + block.position * block.channels;
    std::fill(partial.begin(), partial.end(), 0.0);
    gemm(left.data() + outer * p.rows * p.depth + start, p.depth,
         panelData.data(), panel.pitch, partial.data(), panel.pitch, p.rows,
         panel.pitch, block.channels);
    for (int64_t r = 0; r < p.rows; ++r) {
      int32_t e = leftExponents[(outer * p.rows + r) * blocks.size() + k];
      for (int64_t i = 0; i < panel.n; ++i)
        sums[r * panel.pitch + i] += numerics::bfpValue(
            partial[r * panel.pitch + i], exponents[i], e, bits);
    }
  }

  const Problem &p;
  int bits;
  int64_t blockRows;
  Window window;
  int64_t channels, channelBlocks, places = 0;
  std::vector<KBlock> blocks;
  std::vector<double> left, right;
  std::vector<int32_t> leftExponents, rightExponents;
  std::vector<int16_t> scratch;
};

/// B2: rows of a block, 64 unless the module says what its target has.
int64_t bfpBlockRows(Operation *op) {
  auto module = op->getParentOfType<ModuleOp>();
  auto attr = module ? module->getAttrOfType<IntegerAttr>("cim.bfp_block_rows")
                     : IntegerAttr();
  return attr ? std::max<int64_t>(1, attr.getInt()) : 64;
}

} // namespace

FailureOr<TensorValue> runMac(Operation *op, const MacValues &values,
                              const InterpretOptions &options) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  FailureOr<TensorValue> result = allocate(type, op->getLoc());
  if (failed(result))
    return failure();
  auto conv = dyn_cast<ConvOp>(op);
  auto matmul = dyn_cast<MatmulOp>(op);
  Problem p = conv ? describe(conv) : describe(matmul);
  std::optional<uint64_t> mantissa =
      conv ? conv.getMantissa() : matmul.getMantissa();
  if (result->bytes->empty())
    return result;
  if (conv ? conv.isInteger() : matmul.isInteger()) {
    runExact<uint32_t>(p, values, *result);
  } else if (mantissa) {
    BfpMac(p, values, static_cast<int>(*mantissa), bfpBlockRows(op))
        .run(values, *result);
  } else if (options.fastFloat && p.rows >= 4) {
    if (!runFast(p, values, *result, options.threads))
      return op->emitError("oneDNN does not multiply matrices of this size");
  } else {
    runExact<float>(p, values, *result);
  }
  return result;
}

} // namespace cim::interp
