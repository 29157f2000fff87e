// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "View.h"

using namespace mlir;

namespace cim {

bool samePlace(const View &a, const View &b) {
  if (a.buffer != b.buffer || a.offset != b.offset || a.shape != b.shape)
    return false;
  for (size_t i = 0; i < a.shape.size(); ++i)
    if (a.shape[i] != 1 && a.strides[i] != b.strides[i])
      return false;
  return true;
}

SmallVector<int64_t> denseStrides(ArrayRef<int64_t> shape,
                                  ArrayRef<int64_t> order, int64_t elemBytes) {
  SmallVector<int64_t> strides(shape.size());
  int64_t stride = elemBytes;
  for (int64_t dim : llvm::reverse(order)) {
    strides[dim] = stride;
    stride *= shape[dim];
  }
  return strides;
}

SmallVector<int64_t> rowMajorOrder(int64_t rank) {
  return llvm::to_vector(llvm::seq<int64_t>(0, rank));
}

SmallVector<int64_t> channelsLastOrder(int64_t rank) {
  SmallVector<int64_t> order = rowMajorOrder(rank);
  if (rank >= 3) {
    order.erase(order.begin() + 1);
    order.push_back(1);
  }
  return order;
}

std::optional<View> collapseView(const View &view,
                                 ArrayRef<SmallVector<int64_t, 2>> groups) {
  View result = view;
  result.strides.clear();
  result.shape.clear();
  for (const auto &group : groups) {
    int64_t size = 1, stride = 0;
    bool first = true;
    for (int64_t dim : llvm::reverse(group)) {
      if (view.shape[dim] == 1)
        continue;
      if (first)
        stride = view.strides[dim];
      else if (view.strides[dim] != stride * size)
        return std::nullopt;
      first = false;
      size *= view.shape[dim];
    }
    result.strides.push_back(first ? view.elemBytes : stride);
    result.shape.push_back(size);
  }
  return result;
}

View expandView(const View &view, ArrayRef<int64_t> shape,
                ArrayRef<SmallVector<int64_t, 2>> groups) {
  View result = view;
  result.shape.assign(shape.begin(), shape.end());
  result.strides.assign(shape.size(), view.elemBytes);
  for (auto [source, group] : llvm::enumerate(groups)) {
    int64_t stride = view.strides[source];
    for (int64_t dim : llvm::reverse(group)) {
      result.strides[dim] = stride;
      stride *= shape[dim];
    }
  }
  return result;
}

View transposeView(const View &view, ArrayRef<int64_t> permutation) {
  View result = view;
  for (auto [i, dim] : llvm::enumerate(permutation)) {
    result.strides[i] = view.strides[dim];
    result.shape[i] = view.shape[dim];
  }
  return result;
}

View sliceView(const View &view, ArrayRef<int64_t> offsets,
               ArrayRef<int64_t> sizes, ArrayRef<int64_t> strides) {
  View result = view;
  for (size_t i = 0; i < offsets.size(); ++i) {
    result.offset += offsets[i] * view.strides[i];
    result.strides[i] = view.strides[i] * strides[i];
    result.shape[i] = sizes[i];
  }
  return result;
}

} // namespace cim
