// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Select.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "Movement.h"

using namespace mlir;

namespace cim::interp {
namespace {

using Results = FailureOr<std::vector<TensorValue>>;

/// Elements as numbers that compare like them; fp64 holds every float.
struct Keys {
  bool isFloat = false;
  std::vector<double> reals;
  std::vector<int64_t> integers;

  /// Less-than with NaN above everything and equal to itself.
  bool less(int64_t a, int64_t b) const {
    if (!isFloat)
      return integers[a] < integers[b];
    double x = reals[a], y = reals[b];
    if (std::isnan(x))
      return false;
    return std::isnan(y) || x < y;
  }
  /// -1, 0 or 1.
  int compare(int64_t a, int64_t b) const { return less(b, a) - less(a, b); }
  bool isZero(int64_t i) const {
    return isFloat ? reals[i] == 0 : integers[i] == 0;
  }
};

template <typename From, typename To>
void convert(const std::vector<char> &reg, std::vector<To> &to) {
  for (size_t i = 0; i < to.size(); ++i) {
    From value;
    std::memcpy(&value, reg.data() + i * sizeof(From), sizeof(From));
    to[i] = static_cast<To>(value);
  }
}

Keys keysOf(const TensorValue &value, bool isUnsigned) {
  Element element = *elementOf(value.type.getElementType());
  int64_t n = value.elements();
  std::vector<char> reg(n * bytesOf(element.kind));
  decodeOf(element)(value.data, element.bytes, reg.data(), n);
  Keys keys;
  keys.isFloat = isFloat(element.kind);
  (keys.isFloat ? keys.reals.resize(n) : keys.integers.resize(n));
  switch (element.kind) {
  case Kind::I1:
    convert<uint8_t>(reg, keys.integers);
    return keys;
  case Kind::I8:
    convert<int8_t>(reg, keys.integers);
    break;
  case Kind::I16:
    convert<int16_t>(reg, keys.integers);
    break;
  case Kind::I32:
    convert<int32_t>(reg, keys.integers);
    break;
  case Kind::I64:
    convert<int64_t>(reg, keys.integers);
    break;
  case Kind::F32:
    convert<float>(reg, keys.reals);
    break;
  case Kind::F64:
    convert<double>(reg, keys.reals);
    break;
  }
  // Unsigned ones: the bits as they are, or 64 of them in the same order.
  if (isUnsigned)
    for (int64_t &key : keys.integers)
      key = element.width < 64 ? key & ((int64_t(1) << element.width) - 1)
                               : key ^ INT64_MIN;
  return keys;
}

template <typename T>
T *dataOf(TensorValue &value) {
  return reinterpret_cast<T *>(writable(value));
}

/// Zero-filled tensors for the results.
Results makeResults(Operation *op) {
  std::vector<TensorValue> results;
  for (Type type : op->getResultTypes()) {
    FailureOr<TensorValue> value =
        allocate(cast<RankedTensorType>(type), op->getLoc());
    if (failed(value))
      return failure();
    results.push_back(std::move(*value));
  }
  return results;
}

void topK(ir::TopKOp op, const TensorValue &input,
          std::vector<TensorValue> &results) {
  Keys keys = keysOf(input, op.getIsUnsigned());
  int64_t n = input.type.getShape().back(), k = op.getK();
  int64_t width = elementOf(input.type.getElementType())->bytes;
  std::vector<int64_t> order(n);
  for (int64_t row = 0; row < input.elements() / n; ++row) {
    std::iota(order.begin(), order.end(), row * n);
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      int sign = keys.compare(a, b) * (op.getLargest() ? -1 : 1);
      return sign < 0 || (sign == 0 && a < b);
    });
    if (!op.getSorted())
      std::sort(order.begin(), order.begin() + k);
    for (int64_t j = 0; j < k; ++j) {
      std::memcpy(writable(results[0]) + (row * k + j) * width,
                  input.data + order[j] * width, width);
      dataOf<int64_t>(results[1])[row * k + j] = order[j] - row * n;
    }
  }
}

void nonZero(const TensorValue &input, std::vector<TensorValue> &results) {
  Keys keys = keysOf(input, false);
  int64_t n = input.elements(), count = 0;
  int64_t *indices = dataOf<int64_t>(results[0]);
  ArrayRef<int64_t> shape = input.type.getShape();
  for (int64_t i = 0; i < n; ++i) {
    if (keys.isZero(i))
      continue;
    int64_t rest = i;
    for (int64_t d = shape.size() - 1; d >= 0; rest /= shape[d--])
      indices[d * n + count] = rest % shape[d];
    ++count;
  }
  *dataOf<int64_t>(results[1]) = count;
}

void lexSort(ir::LexSortOp op, const TensorValue &input,
             std::vector<TensorValue> &results) {
  Keys keys = keysOf(input, op.getIsUnsigned());
  int64_t rows = input.type.getDimSize(0), columns = input.type.getDimSize(1);
  int64_t *order = dataOf<int64_t>(results[0]);
  std::iota(order, order + rows, 0);
  std::sort(order, order + rows, [&](int64_t a, int64_t b) {
    int sign = 0;
    for (int64_t c = 0; c < columns && !sign; ++c)
      sign = keys.compare(a * columns + c, b * columns + c);
    return sign < 0 || (sign == 0 && a < b);
  });
}

//===----------------------------------------------------------------------===//
// Non-maximum suppression
//===----------------------------------------------------------------------===//

/// Numerics F2, up to the sign of zero.
float minimum(float a, float b) {
  return std::isnan(a) || std::isnan(b) ? a + b : std::min(a, b);
}
float maximum(float a, float b) {
  return std::isnan(a) || std::isnan(b) ? a + b : std::max(a, b);
}

struct Corners {
  float y1, x1, y2, x2;
};

Corners cornersOf(const float *box, bool center) {
  float a = box[0], b = box[1], c = box[2], d = box[3];
  if (center) {
    float halfWidth = c / 2, halfHeight = d / 2;
    c = a + halfWidth;
    a = a - halfWidth;
    d = b + halfHeight;
    b = b - halfHeight;
  }
  return {minimum(a, c), minimum(b, d), maximum(a, c), maximum(b, d)};
}

float overlap(const Corners &p, const Corners &q) {
  float height = minimum(p.y2, q.y2) - maximum(p.y1, q.y1);
  float width = minimum(p.x2, q.x2) - maximum(p.x1, q.x1);
  if (!(height > 0) || !(width > 0))
    return 0;
  float shared = height * width;
  float areaP = (p.y2 - p.y1) * (p.x2 - p.x1);
  float areaQ = (q.y2 - q.y1) * (q.x2 - q.x1);
  float sum = areaP + areaQ;
  float divisor = sum - shared;
  if (!(shared > 0) || !(areaP > 0) || !(areaQ > 0) || !(divisor > 0))
    return 0;
  return shared / divisor;
}

void nms(ir::NmsOp op, ArrayRef<TensorValue> operands,
         std::vector<TensorValue> &results) {
  auto floats = [&](size_t i) {
    return reinterpret_cast<const float *>(operands[i].data);
  };
  ArrayRef<int64_t> shape = operands[1].type.getShape();
  int64_t classes = shape[1], n = shape[2];
  int64_t most = std::min<int64_t>(
      op.getLimit(), *reinterpret_cast<const int64_t *>(operands[2].data));
  int64_t *selected = dataOf<int64_t>(results[0]);
  int64_t &count = *dataOf<int64_t>(results[1]);
  for (int64_t pair = 0; pair < shape[0] * classes; ++pair) {
    const float *boxes = floats(0) + pair / classes * n * 4;
    const float *scores = floats(1) + pair * n;
    std::vector<int64_t> candidates;
    for (int64_t i = 0; i < n; ++i)
      if (op.getMinScore() ? scores[i] > *floats(4) : !std::isnan(scores[i]))
        candidates.push_back(i);
    std::sort(candidates.begin(), candidates.end(), [&](int64_t a, int64_t b) {
      return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
    });
    int64_t first = count;
    for (int64_t i : candidates) {
      if (count - first >= most)
        break;
      Corners own = cornersOf(boxes + 4 * i, op.getCenter());
      bool suppressed = false;
      for (int64_t j = first; j < count && !suppressed; ++j)
        suppressed = overlap(own, cornersOf(boxes + 4 * selected[3 * j + 2],
                                            op.getCenter())) > *floats(3);
      if (suppressed)
        continue;
      selected[3 * count] = pair / classes;
      selected[3 * count + 1] = pair % classes;
      selected[3 * count + 2] = i;
      ++count;
    }
  }
}

//===----------------------------------------------------------------------===//
// Scatter
//===----------------------------------------------------------------------===//

template <typename T>
T combineFloat(ir::ScatterKind kind, T a, T b) {
  switch (kind) {
  case ir::ScatterKind::replace:
    return b;
  case ir::ScatterKind::add:
    return a + b;
  case ir::ScatterKind::mul:
    return a * b;
  case ir::ScatterKind::max:
  case ir::ScatterKind::min:
    break;
  }
  if (std::isnan(a) || std::isnan(b))
    return a + b;
  // -0 is below +0.
  bool below = a < b || (a == b && std::signbit(a));
  return below == (kind == ir::ScatterKind::min) ? a : b;
}

int64_t combineInt(ir::ScatterKind kind, int64_t a, int64_t b, bool isUnsigned,
                   unsigned width) {
  uint64_t x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
  uint64_t mask = width < 64 ? (uint64_t(1) << width) - 1 : ~uint64_t(0);
  bool below = isUnsigned ? (x & mask) < (y & mask) : a < b;
  switch (kind) {
  case ir::ScatterKind::replace:
    return b;
  case ir::ScatterKind::add:
    return static_cast<int64_t>(x + y);
  case ir::ScatterKind::mul:
    return static_cast<int64_t>(x * y);
  case ir::ScatterKind::max:
    return below ? b : a;
  case ir::ScatterKind::min:
    return below ? a : b;
  }
  return b;
}

/// One element in register form, with room for the widest.
struct Register {
  alignas(8) char bytes[8] = {};
  template <typename T>
  T get() const {
    T value;
    std::memcpy(&value, bytes, sizeof(T));
    return value;
  }
  template <typename T>
  void set(T value) {
    std::memcpy(bytes, &value, sizeof(T));
  }
};

/// a = a combined with b.
void combine(ir::ScatterOp op, const Element &element, Register &a,
             const Register &b) {
  ir::ScatterKind kind = op.getKind();
  auto integer = [&](auto type) {
    using T = decltype(type);
    bool isUnsigned = op.getIsUnsigned() || element.kind == Kind::I1;
    int64_t value =
        combineInt(kind, a.get<T>(), b.get<T>(), isUnsigned, element.width);
    if (element.width < 8 * sizeof(T)) { // wraps (I1)
      unsigned shift = 64 - element.width;
      value =
          element.kind == Kind::I1
              ? value & 1
              : static_cast<int64_t>(static_cast<uint64_t>(value) << shift) >>
                    shift;
    }
    a.set<T>(static_cast<T>(value));
  };
  switch (element.kind) {
  case Kind::I1:
  case Kind::I8:
    return integer(int8_t());
  case Kind::I16:
    return integer(int16_t());
  case Kind::I32:
    return integer(int32_t());
  case Kind::I64:
    return integer(int64_t());
  case Kind::F32: {
    float value = combineFloat(kind, a.get<float>(), b.get<float>());
    if (element.narrow != Narrow::No)
      value = roundTo(element.narrow, value);
    return a.set(value);
  }
  case Kind::F64:
    return a.set(combineFloat(kind, a.get<double>(), b.get<double>()));
  }
}

LogicalResult scatter(ir::ScatterOp op, ArrayRef<TensorValue> operands,
                      std::vector<TensorValue> &results) {
  const TensorValue &updates = operands[0], &dest = operands[2];
  std::memcpy(writable(results[0]), dest.data, results[0].bytes->size());
  Element element = *elementOf(dest.type.getElementType());
  Decode decode = decodeOf(element);
  Encode encode = encodeOf(element);
  int64_t rows = dest.type.getDimSize(0), columns = dest.type.getDimSize(1);
  auto *indices = reinterpret_cast<const int64_t *>(operands[1].data);
  for (int64_t t = 0; t < operands[1].elements(); ++t) {
    if (indices[t] < 0)
      continue;
    if (indices[t] >= rows)
      return op.emitError("an index computed from data leaves its tensor");
    char *to = writable(results[0]) + indices[t] * columns * element.bytes;
    const char *from = updates.data + t * columns * element.bytes;
    if (op.getKind() == ir::ScatterKind::replace) {
      std::memcpy(to, from, columns * element.bytes);
      continue;
    }
    for (int64_t s = 0; s < columns; ++s) {
      Register a, b;
      decode(to + s * element.bytes, element.bytes, a.bytes, 1);
      decode(from + s * element.bytes, element.bytes, b.bytes, 1);
      combine(op, element, a, b);
      encode(a.bytes, to + s * element.bytes, element.bytes, 1);
    }
  }
  return success();
}

} // namespace

bool isSelect(Operation *op) {
  return isa<ir::TopKOp, ir::NonZeroOp, ir::LexSortOp, ir::NmsOp,
             ir::ScatterOp>(op);
}

Results runSelect(Operation *op, ArrayRef<TensorValue> operands) {
  Results results = makeResults(op);
  if (failed(results))
    return failure();
  if (auto typed = dyn_cast<ir::TopKOp>(op))
    topK(typed, operands[0], *results);
  else if (isa<ir::NonZeroOp>(op))
    nonZero(operands[0], *results);
  else if (auto typed = dyn_cast<ir::LexSortOp>(op))
    lexSort(typed, operands[0], *results);
  else if (auto typed = dyn_cast<ir::NmsOp>(op))
    nms(typed, operands, *results);
  else if (failed(scatter(cast<ir::ScatterOp>(op), operands, *results)))
    return failure();
  return results;
}

} // namespace cim::interp
