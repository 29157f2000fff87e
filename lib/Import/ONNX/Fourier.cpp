// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// DFT, STFT, MelWeightMatrix. A transform of constant length is a product with
// a constant matrix, which is what the MAC array is for; a constant window is
// part of that matrix.

#include <cmath>
#include <numbers>
#include <utility>

#include "Mac.h"
#include "cim/IR/Constants.h"

using namespace mlir;

namespace cim::onnx {
namespace {

/// Elements of the largest transform matrix.
constexpr int64_t maxMatrixElements = int64_t(1) << 26;

struct Transform {
  int64_t length = 0;                      ///< N of the definition.
  int64_t rows = 0, bins = 0;              ///< Input and output positions.
  int64_t inputParts = 1, outputParts = 2; ///< 1: real, 2: complex.
  bool inverse = false;
  bool halfSpectrum = false;  ///< The input is bins 0 to N/2 of a real signal.
  std::vector<double> window; ///< Factors of the rows, or empty.
};

/// cos and sin of 2 pi i / n, 0 <= i < n, with all symmetries of the circle:
/// computed in the first eighth of it.
std::pair<double, double> unitRoot(int64_t i, int64_t n) {
  int64_t quarter = 4 * i / n, rest = 4 * i % n;
  bool isMirrored = 2 * rest > n;
  double angle = std::numbers::pi / 2 *
                 static_cast<double>(isMirrored ? n - rest : rest) /
                 static_cast<double>(n);
  double x = std::cos(angle), y = std::sin(angle);
  if (isMirrored)
    std::swap(x, y);
  for (; quarter > 0; --quarter)
    x = std::exchange(y, x) * -1.0;
  return {x, y};
}

/// The transform as a matrix (rows * inputParts) x (bins * outputParts), real
/// and imaginary parts alternating.
FailureOr<Value> transformMatrix(NodeBinder &n, const Transform &t,
                                 Type element) {
  int64_t rows = t.rows * t.inputParts, columns = t.bins * t.outputParts;
  if (rows > maxMatrixElements / columns)
    return n.fail("the transform is too long",
                  "at most 2^26 matrix elements, " + Twine(rows) + "x" +
                      Twine(columns),
                  "transform shorter frames");
  std::vector<std::pair<double, double>> period;
  for (int64_t i = 0; i < t.length; ++i)
    period.push_back(unitRoot(i, t.length));
  std::vector<double> matrix(rows * columns);
  for (int64_t i = 0; i < t.rows; ++i) {
    double factor = t.inverse ? 1.0 / static_cast<double>(t.length) : 1.0;
    if (!t.window.empty())
      factor *= t.window[i];
    // A bin of a half spectrum stands for its mirror image too.
    if (t.halfSpectrum && i != 0 && 2 * i != t.length)
      factor *= 2;
    for (int64_t k = 0; k < t.bins; ++k) {
      auto [real, imaginary] = period[i * k % t.length];
      if (!t.inverse)
        imaginary = -imaginary;
      double parts[2][2] = {{real, imaginary}, {-imaginary, real}};
      for (int64_t p = 0; p < t.inputParts; ++p)
        for (int64_t q = 0; q < t.outputParts; ++q)
          matrix[(i * t.inputParts + p) * columns + k * t.outputParts + q] =
              factor * parts[p][q] + 0.0; // Not -0.
    }
  }
  auto type = RankedTensorType::get({rows, columns}, element);
  return n.e.constant(ir::makeConstant(type, matrix, "dft"));
}

/// signal [.., rows, inputParts] to [.., bins, outputParts]; more rows than
/// the transform has are cut off, fewer are as if followed by zeros.
FailureOr<Value> emitTransform(NodeBinder &n, Value signal, Transform t) {
  int64_t rank = rankOf(signal);
  int64_t most = t.halfSpectrum ? t.length / 2 + 1 : t.length;
  t.rows = std::min(shapeOf(signal)[rank - 2], most);
  signal = n.e.sliceDim(signal, rank - 2, 0, t.rows);
  Shape outer(shapeOf(signal).drop_back(2));
  FailureOr<Value> matrix = transformMatrix(n, t, elementOf(signal));
  if (failed(matrix))
    return failure();
  Value flat = n.e.reshape(signal, {product(outer), t.rows * t.inputParts});
  FailureOr<Value> y = emitMatMul(n, {flat, *matrix, {}, false, false, {}});
  if (failed(y))
    return failure();
  outer.append({t.bins, t.outputParts});
  return n.e.reshape(*y, outer);
}

/// A known positive scalar operand; what is far beyond any matrix is refused.
FailureOr<int64_t> positive(NodeBinder &n, size_t i, StringRef what) {
  FailureOr<Shape> value = n.constantInts(i, what);
  if (failed(value))
    return failure();
  if (value->size() != 1 || value->front() < 1 ||
      value->front() > maxMatrixElements)
    return n.fail(what + " is not one number from 1 to 2^26",
                  "shape " + toText(n.shape(i)) +
                      (value->empty()
                           ? std::string()
                           : ", value " + std::to_string(value->front())));
  return value->front();
}

LogicalResult needSignal(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  if (!isFloating(n.type(0)))
    return n.fail("operand is not floating point",
                  StringRef("type ") + name(n.type(0)));
  if (n.rank(0) < 2 || (n.shape(0).back() != 1 && n.shape(0).back() != 2) ||
      llvm::is_contained(n.shape(0), 0))
    return n.fail("the last dimension is not a real or complex number",
                  "1 or 2, shape " + toText(n.shape(0)));
  return success();
}

LogicalResult dft(NodeBinder &n, int64_t axis) {
  if (failed(needSignal(n)))
    return failure();
  int64_t rank = n.rank(0);
  FailureOr<int64_t> fixed = n.axis(axis, rank);
  if (failed(fixed))
    return failure();
  if (*fixed == rank - 1)
    return n.fail("the axis is that of real and imaginary part",
                  "axis " + Twine(axis) + ", rank " + Twine(rank));
  Transform t;
  t.inputParts = n.shape(0).back();
  t.inverse = n.intAttr("inverse", 0) != 0;
  bool isOneSided = n.intAttr("onesided", 0) != 0;
  t.halfSpectrum = isOneSided && t.inverse;
  int64_t size = n.shape(0)[*fixed];
  t.length = t.halfSpectrum ? std::max<int64_t>(2 * (size - 1), 1) : size;
  if (n.hasInput(1)) {
    FailureOr<int64_t> length = positive(n, 1, "dft_length");
    if (failed(length))
      return failure();
    t.length = *length;
  }
  t.bins = isOneSided && !t.inverse ? t.length / 2 + 1 : t.length;
  t.outputParts = t.halfSpectrum ? 1 : 2;
  // The axis goes where it can be multiplied.
  Shape perm, back;
  for (int64_t d = 0; d < rank - 1; ++d)
    if (d != *fixed)
      perm.push_back(d);
  perm.append({*fixed, rank - 1});
  back.resize(rank);
  for (int64_t d = 0; d < rank; ++d)
    back[perm[d]] = d;
  FailureOr<Value> y = emitTransform(n, n.e.transpose(n.input(0), perm), t);
  if (failed(y))
    return failure();
  n.setOutput(0, n.e.transpose(*y, back), n.type(0));
  return success();
}

LogicalResult dft17(NodeBinder &n) { return dft(n, n.intAttr("axis", 1)); }

LogicalResult dft20(NodeBinder &n) {
  if (!n.hasInput(2))
    return dft(n, -2);
  FailureOr<Shape> axis = n.constantInts(2, "the axis");
  if (failed(axis))
    return failure();
  if (axis->size() != 1)
    return n.fail("the axis is not one number", "shape " + toText(n.shape(2)));
  return dft(n, axis->front());
}

/// [batch, length, parts] to overlapping [batch, frames, size, parts], times a
/// window of `size` elements if there is one.
Value cutFrames(NodeBinder &n, Value signal, Value window, int64_t frames,
                int64_t size, int64_t step) {
  OpBuilder &b = n.b;
  ArrayRef<int64_t> from = shapeOf(signal);
  auto dim = [&](unsigned d) { return b.getAffineDimExpr(d); };
  SmallVector<Value> inputs{signal};
  SmallVector<AffineMap> maps{AffineMap::get(
      4, 0, {dim(0), dim(1) * step + dim(2), dim(3)}, b.getContext())};
  if (window) {
    inputs.push_back(window);
    maps.push_back(n.e.oneDim(4, 2));
  }
  return n.e.mapWith(inputs, maps, Shape{from[0], frames, size, from[2]},
                     elementOf(signal), [](Scalars &s, ValueRange args) {
                       return args.size() == 2 ? s.mul(args[0], args[1])
                                               : args[0];
                     });
}

LogicalResult stft(NodeBinder &n) {
  if (failed(needSignal(n)) || failed(n.needInputs(2)))
    return failure();
  if (n.rank(0) != 3)
    return n.fail("the signal does not have three dimensions",
                  "shape " + toText(n.shape(0)));
  FailureOr<int64_t> step = positive(n, 1, "frame_step");
  if (failed(step) || failed(n.needTypeOfFirst({2})))
    return failure();
  int64_t length = n.shape(0)[1], size = length;
  if (n.hasInput(2)) {
    if (n.rank(2) != 1)
      return n.fail("the window is not a vector",
                    "shape " + toText(n.shape(2)));
    size = n.shape(2)[0];
  }
  if (n.hasInput(3)) {
    FailureOr<int64_t> given = positive(n, 3, "frame_length");
    if (failed(given))
      return failure();
    if (n.hasInput(2) && *given != size)
      return n.fail("the window does not have frame_length elements",
                    Twine(size) + " and " + Twine(*given));
    size = *given;
  }
  if (size < 1 || size > length)
    return n.fail("a frame does not fit the signal",
                  Twine(size) + " of " + Twine(length) + " samples");
  Transform t;
  t.length = size;
  t.inputParts = n.shape(0)[2];
  t.bins = n.intAttr("onesided", 1) != 0 ? size / 2 + 1 : size;
  Value window = n.hasInput(2) ? n.input(2) : Value();
  if (std::optional<ir::Literal> literal =
          window ? n.known(window) : std::nullopt) {
    for (ir::Scalar factor : literal->elements)
      t.window.push_back(factor.f);
    window = {};
  }
  int64_t frames = (length - size) / *step + 1;
  if (failed(n.checkShape(Shape{n.shape(0)[0], frames, size, t.inputParts})))
    return failure();
  FailureOr<Value> y = emitTransform(
      n, cutFrames(n, n.input(0), window, frames, size, *step), t);
  if (failed(y))
    return failure();
  n.setOutput(0, *y, n.type(0));
  return success();
}

/// Triangles of height 1 over the bins of a one-sided spectrum, their edges
/// equally spaced on the mel scale.
LogicalResult melWeightMatrix(NodeBinder &n) {
  if (failed(n.needInputs(5)))
    return failure();
  FailureOr<int64_t> bands = positive(n, 0, "num_mel_bins");
  FailureOr<int64_t> length = positive(n, 1, "dft_length");
  FailureOr<int64_t> rate = positive(n, 2, "sample_rate");
  auto low = n.constantFloats(3, "lower_edge_hertz");
  auto high = n.constantFloats(4, "upper_edge_hertz");
  if (failed(bands) || failed(length) || failed(rate) || failed(low) ||
      failed(high))
    return failure();
  int64_t bins = *length / 2 + 1;
  if (low->size() != 1 || high->size() != 1 || !(low->front() >= 0) ||
      !(high->front() > low->front()) || bins > maxMatrixElements / *bands)
    return n.fail("the matrix does not exist",
                  Twine(bins) + "x" + Twine(*bands) +
                      " elements, at most 2^26; edges 0 <= lower < upper");
  auto type = static_cast<DType>(
      n.intAttr("output_datatype", static_cast<int64_t>(DType::Float)));
  Type element = toElementType(n.b.getContext(), type);
  if (!element)
    return n.fail("output_datatype is not supported",
                  StringRef("type ") + name(type));
  constexpr double perLog = 2595.0 / std::numbers::ln10;
  auto toMel = [](double hertz) { return perLog * std::log1p(hertz / 700.0); };
  double first = toMel(low->front());
  double step =
      (toMel(high->front()) - first) / static_cast<double>(*bands + 2);
  SmallVector<int64_t> edges;
  for (int64_t i = 0; i < *bands + 2; ++i) {
    double mel = first + step * static_cast<double>(i);
    double hertz = 700.0 * std::expm1(mel / perLog);
    auto bin = static_cast<int64_t>(std::floor(
        static_cast<double>(*length + 1) * hertz / static_cast<double>(*rate)));
    if (bin < 0 || bin >= bins)
      return n.fail("an edge lies beyond the spectrum",
                    "bin " + Twine(bin) + " of " + Twine(bins),
                    "lower upper_edge_hertz to half the sample rate");
    edges.push_back(bin);
  }
  std::vector<double> matrix(bins * *bands, 0.0);
  for (int64_t band = 0; band < *bands; ++band) {
    int64_t left = edges[band], peak = edges[band + 1], right = edges[band + 2];
    auto at = [&](int64_t bin) -> double & {
      return matrix[bin * *bands + band];
    };
    for (int64_t bin = left; bin < peak; ++bin)
      at(bin) =
          static_cast<double>(bin - left) / static_cast<double>(peak - left);
    at(peak) = 1;
    for (int64_t bin = peak + 1; bin < right; ++bin)
      at(bin) =
          static_cast<double>(right - bin) / static_cast<double>(right - peak);
  }
  n.setOutput(
      0,
      n.e.constant(ir::makeConstant(
          RankedTensorType::get({bins, *bands}, element), matrix, "mel")),
      type);
  return success();
}

} // namespace

void registerFourier(Registry &registry) {
  registry.add(
      "",
      {{"DFT", 17, dft17, "product with a matrix; constant length"},
       {"DFT", 20, dft20, "product with a matrix; constant length and axis"},
       {"MelWeightMatrix", 17, melWeightMatrix, "constant operands"},
       {"STFT", 17, stft,
        "product with a matrix; constant step and frame length"}});
}

} // namespace cim::onnx
