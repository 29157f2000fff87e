// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Results as their users see them: cut to run-time lengths.
#include "cim/Interp/Interpreter.h"

#include <cstring>

#include "cim/IR/StoredType.h"

using namespace mlir;

namespace cim {

bool isHiddenResult(func::FuncOp func, unsigned index) {
  return static_cast<bool>(func.getResultAttr(index, "cim.hidden"));
}

/// The first `length` slices of `value` along `dim`.
static TensorValue cut(const TensorValue &value, int64_t dim, int64_t length) {
  SmallVector<int64_t> shape(value.type.getShape());
  int64_t outer = 1, inner = storedBytes(value.type.getElementType());
  for (int64_t d = 0; d < dim; ++d)
    outer *= shape[d];
  for (size_t d = dim + 1; d < shape.size(); ++d)
    inner *= shape[d];
  int64_t from = shape[dim] * inner, to = length * inner;
  TensorValue result;
  shape[dim] = length;
  result.type = RankedTensorType::get(shape, value.type.getElementType());
  result.bytes = std::make_shared<std::vector<char>>(outer * to);
  for (int64_t i = 0; to && i < outer; ++i)
    std::memcpy(result.bytes->data() + i * to, value.data + i * from, to);
  result.data = result.bytes->data();
  return result;
}

FailureOr<std::vector<TensorValue>>
visibleResults(func::FuncOp func, std::vector<TensorValue> results) {
  std::vector<TensorValue> visible;
  for (size_t i = 0; i < results.size(); ++i) {
    if (isHiddenResult(func, i))
      continue;
    TensorValue value = results[i];
    auto lengths =
        func.getResultAttrOfType<DenseI64ArrayAttr>(i, "cim.lengths");
    ArrayRef<int64_t> pairs =
        lengths ? lengths.asArrayRef() : ArrayRef<int64_t>();
    for (size_t j = 0; j + 1 < pairs.size(); j += 2) {
      int64_t dim = pairs[j], index = pairs[j + 1];
      bool fits = dim >= 0 && dim < value.type.getRank() && index >= 0 &&
                  index < static_cast<int64_t>(results.size()) &&
                  results[index].type.getRank() == 0 &&
                  results[index].type.getElementType().isInteger(64);
      if (!fits)
        return func.emitError("result ")
               << i << " has cim.lengths that name no dimension or no i64 of "
               << "rank 0";
      int64_t length;
      std::memcpy(&length, results[index].data, sizeof(length));
      if (length < 0 || length > value.type.getDimSize(dim))
        return func.emitError("result ")
               << i << " has run-time length " << length << " in dimension "
               << dim << "; it is 0 to " << value.type.getDimSize(dim);
      value = cut(value, dim, length);
    }
    visible.push_back(std::move(value));
  }
  return visible;
}

bool appendRun(const TensorValue &value, bool isFirst,
               std::vector<int64_t> &shape, std::string &bytes) {
  ArrayRef<int64_t> own = value.type.getShape();
  int64_t size = storedBytes(value.type.getElementType());
  for (int64_t dim : own)
    size *= dim;
  bytes.append(value.data, size);
  if (isFirst) {
    shape.assign(own.begin(), own.end());
    return true;
  }
  if (own.empty()) {
    shape.resize(1, 1);
    ++shape[0];
    return true;
  }
  shape[0] += own[0];
  return own.drop_front() == ArrayRef<int64_t>(shape).drop_front();
}

} // namespace cim
