// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Movement.h"

#include <cstring>

using namespace mlir;

namespace cim::interp {
namespace {

using Strides = SmallVector<int64_t>;

Strides byteStrides(RankedTensorType type, int64_t bytes) {
  Strides strides(type.getRank());
  for (int64_t d = type.getRank() - 1; d >= 0; --d) {
    strides[d] = bytes;
    bytes *= type.getDimSize(d);
  }
  return strides;
}

template <typename T>
void copyRow(const char *from, int64_t fromStride, char *to, int64_t toStride,
             int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<T *>(to + i * toStride) =
        *reinterpret_cast<const T *>(from + i * fromStride);
}

/// A box of elements between two strided tensors.
struct BoxCopy {
  SmallVector<int64_t> sizes;
  Strides from, to;
  int64_t bytes; ///< Of an element.

  void run(const char *source, char *target) {
    if (llvm::is_contained(sizes, 0))
      return;
    joinDimensions();
    copy(source, target, 0);
  }

private:
  /// Drops dimensions of size 1 and joins those both sides walk as one.
  void joinDimensions() {
    for (size_t d = 0; d < sizes.size();) {
      bool last = d + 1 == sizes.size();
      if (!last && from[d] == from[d + 1] * sizes[d + 1] &&
          to[d] == to[d + 1] * sizes[d + 1])
        sizes[d + 1] *= sizes[d];
      else if (sizes[d] != 1) {
        ++d;
        continue;
      }
      sizes.erase(sizes.begin() + d);
      from.erase(from.begin() + d);
      to.erase(to.begin() + d);
    }
  }
  void copy(const char *source, char *target, size_t d) {
    if (d + 1 < sizes.size()) {
      for (int64_t i = 0; i < sizes[d]; ++i)
        copy(source + i * from[d], target + i * to[d], d + 1);
      return;
    }
    int64_t n = sizes.empty() ? 1 : sizes[d];
    int64_t fromStride = sizes.empty() ? bytes : from[d];
    int64_t toStride = sizes.empty() ? bytes : to[d];
    if (fromStride == bytes && toStride == bytes) {
      std::memcpy(target, source, static_cast<size_t>(n * bytes));
      return;
    }
    switch (bytes) {
    case 1:
      return copyRow<uint8_t>(source, fromStride, target, toStride, n);
    case 2:
      return copyRow<uint16_t>(source, fromStride, target, toStride, n);
    case 4:
      return copyRow<uint32_t>(source, fromStride, target, toStride, n);
    default:
      return copyRow<uint64_t>(source, fromStride, target, toStride, n);
    }
  }
};

int64_t bytesOfElement(RankedTensorType type) {
  return elementOf(type.getElementType())->bytes;
}

/// Fails with an error unless offsets, sizes and strides are constants.
LogicalResult needStatic(OffsetSizeAndStrideOpInterface slice) {
  auto isStatic = [](ArrayRef<int64_t> values) {
    return llvm::none_of(values, ShapedType::isDynamic);
  };
  if (isStatic(slice.getStaticOffsets()) && isStatic(slice.getStaticSizes()) &&
      isStatic(slice.getStaticStrides()))
    return success();
  return slice->emitError("a slice with computed bounds cannot be interpreted");
}

/// The box a slice describes in a tensor of type `whole`; `part` is the dense
/// other side.
struct SliceBox {
  SmallVector<int64_t> sizes;
  Strides whole, part;
  int64_t offset = 0;
};
FailureOr<SliceBox> sliceBox(OffsetSizeAndStrideOpInterface slice,
                             RankedTensorType whole, int64_t bytes) {
  if (failed(needStatic(slice)))
    return failure();
  SliceBox box;
  box.sizes.assign(slice.getStaticSizes().begin(),
                   slice.getStaticSizes().end());
  Strides strides = byteStrides(whole, bytes);
  int64_t partStride = bytes;
  box.part.resize(box.sizes.size());
  for (size_t d = box.sizes.size(); d-- > 0;) {
    box.part[d] = partStride;
    partStride *= box.sizes[d];
  }
  for (size_t d = 0; d < box.sizes.size(); ++d) {
    int64_t offset = slice.getStaticOffsets()[d];
    int64_t step = slice.getStaticStrides()[d];
    int64_t last = offset + (box.sizes[d] - 1) * step;
    if (box.sizes[d] > 0 &&
        (offset < 0 || last < 0 || offset >= whole.getDimSize(d) ||
         last >= whole.getDimSize(d)))
      return slice->emitError("slice leaves dimension ")
             << d << " of " << whole;
    box.whole.push_back(strides[d] * step);
    box.offset += offset * strides[d];
  }
  return box;
}

/// Sets all elements to the low bytes of `bits`.
void fillWith(TensorValue &value, uint64_t bits, int64_t bytes) {
  char *data = writable(value);
  int64_t n = value.elements();
  switch (bytes) {
  case 1:
    std::memset(data, static_cast<int>(bits & 0xff), static_cast<size_t>(n));
    return;
  case 2:
    std::fill_n(reinterpret_cast<uint16_t *>(data), n, uint16_t(bits));
    return;
  case 4:
    std::fill_n(reinterpret_cast<uint32_t *>(data), n, uint32_t(bits));
    return;
  default:
    std::fill_n(reinterpret_cast<uint64_t *>(data), n, bits);
  }
}

} // namespace

FailureOr<TensorValue> toWritable(TensorValue value, Location loc) {
  if (value.bytes && value.bytes.use_count() == 1)
    return value;
  FailureOr<TensorValue> copy = allocate(value.type, loc);
  if (succeeded(copy) && !copy->bytes->empty())
    std::memcpy(writable(*copy), value.data, copy->bytes->size());
  return copy;
}

FailureOr<TensorValue> fill(linalg::FillOp op) {
  std::optional<uint64_t> bits = constantScalar(op.getInputs()[0]);
  if (!bits)
    return op.emitError("the fill value is not constant");
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  FailureOr<TensorValue> result = allocate(type, op.getLoc());
  if (succeeded(result))
    fillWith(*result, *bits, bytesOfElement(type));
  return result;
}

FailureOr<TensorValue> transpose(linalg::TransposeOp op,
                                 const TensorValue &input) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  FailureOr<TensorValue> result = allocate(type, op.getLoc());
  if (failed(result))
    return failure();
  int64_t bytes = bytesOfElement(type);
  Strides from = byteStrides(input.type, bytes);
  BoxCopy box{SmallVector<int64_t>(type.getShape()),
              {},
              byteStrides(type, bytes),
              bytes};
  for (int64_t p : op.getPermutation())
    box.from.push_back(from[p]);
  box.run(input.data, writable(*result));
  return result;
}

FailureOr<TensorValue> extractSlice(tensor::ExtractSliceOp op,
                                    const TensorValue &source) {
  FailureOr<TensorValue> result = allocate(op.getType(), op.getLoc());
  if (failed(result))
    return failure();
  int64_t bytes = bytesOfElement(op.getType());
  FailureOr<SliceBox> slice = sliceBox(op, source.type, bytes);
  if (failed(slice))
    return failure();
  BoxCopy{slice->sizes, slice->whole, slice->part, bytes}.run(
      source.data + slice->offset, writable(*result));
  return result;
}

FailureOr<TensorValue> insertSlice(tensor::InsertSliceOp op,
                                   const TensorValue &source,
                                   TensorValue dest) {
  FailureOr<TensorValue> result = toWritable(std::move(dest), op.getLoc());
  if (failed(result))
    return failure();
  int64_t bytes = bytesOfElement(result->type);
  FailureOr<SliceBox> slice = sliceBox(op, result->type, bytes);
  if (failed(slice))
    return failure();
  BoxCopy{slice->sizes, slice->part, slice->whole, bytes}.run(
      source.data, writable(*result) + slice->offset);
  return result;
}

/// The padding value: a constant, or a quantized constant.
static std::optional<uint64_t> paddingBits(tensor::PadOp op) {
  auto yield = cast<tensor::YieldOp>(op.getRegion().front().getTerminator());
  return constantScalar(yield.getValue());
}

FailureOr<TensorValue> pad(tensor::PadOp op, const TensorValue &source) {
  RankedTensorType type = op.getResultType();
  std::optional<uint64_t> bits = paddingBits(op);
  if (!bits)
    return op.emitError("the padding value is not constant");
  if (!op.getLow().empty() || !op.getHigh().empty() ||
      llvm::any_of(op.getStaticLow(), [](int64_t v) { return v < 0; }) ||
      llvm::any_of(op.getStaticHigh(), [](int64_t v) { return v < 0; }))
    return op.emitError("computed or negative padding cannot be interpreted");
  FailureOr<TensorValue> result = allocate(type, op.getLoc());
  if (failed(result))
    return failure();
  int64_t bytes = bytesOfElement(type);
  fillWith(*result, *bits, bytes);
  Strides to = byteStrides(type, bytes);
  int64_t offset = 0;
  for (auto [low, stride] : llvm::zip_equal(op.getStaticLow(), to))
    offset += low * stride;
  BoxCopy{SmallVector<int64_t>(source.type.getShape()),
          byteStrides(source.type, bytes), to, bytes}
      .run(source.data, writable(*result) + offset);
  return result;
}

FailureOr<TensorValue> concat(tensor::ConcatOp op,
                              ArrayRef<TensorValue> parts) {
  auto type = cast<RankedTensorType>(op.getType());
  FailureOr<TensorValue> result = allocate(type, op.getLoc());
  if (failed(result))
    return failure();
  int64_t bytes = bytesOfElement(type);
  Strides to = byteStrides(type, bytes);
  int64_t dim = static_cast<int64_t>(op.getDim()), offset = 0;
  for (const TensorValue &part : parts) {
    BoxCopy{SmallVector<int64_t>(part.type.getShape()),
            byteStrides(part.type, bytes), to, bytes}
        .run(part.data, writable(*result) + offset);
    offset += part.type.getDimSize(dim) * to[dim];
  }
  return result;
}

} // namespace cim::interp
