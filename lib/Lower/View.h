// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where a tensor value lies in device memory. The logical shape of a tensor
// never says how it is stored: a view maps logical indices to bytes of a buffer
// by strides, so transposes, slices and reshapes cost nothing where strides can
// express them, and a convolution's activations are channels-last in memory
// while the IR speaks of channels-first tensors.
#ifndef CIM_LIB_LOWER_VIEW_H
#define CIM_LIB_LOWER_VIEW_H

#include <cstdint>
#include <optional>

#include "cim/IR/StoredType.h"
#include "dialects/CIM/IR/CIM.h"
#include "llvm/ADT/SmallVector.h"

namespace cim {

/// Element (i0..ir) of a tensor is at byte `offset + sum i_j * strides[j]` of
/// `buffer`.
struct View {
  mlir::Value buffer; ///< Result of a cim.buffer.
  int64_t offset = 0;
  llvm::SmallVector<int64_t> strides; ///< Bytes, one per logical dimension.
  llvm::SmallVector<int64_t> shape;
  int64_t elemBytes = 1;

  explicit operator bool() const { return static_cast<bool>(buffer); }
};

/// True when both name the same bytes, element by element.
bool samePlace(const View &a, const View &b);

/// Dense strides in bytes for `shape` stored with dimension order `order`
/// (outermost first).
llvm::SmallVector<int64_t> denseStrides(llvm::ArrayRef<int64_t> shape,
                                        llvm::ArrayRef<int64_t> order,
                                        int64_t elemBytes);

/// Dimension order of channels-last storage for a channels-first tensor.
llvm::SmallVector<int64_t> channelsLastOrder(int64_t rank);
/// 0, 1, .. rank-1.
llvm::SmallVector<int64_t> rowMajorOrder(int64_t rank);

/// The view after collapsing dimensions by `groups`, when strides can say it.
std::optional<View>
collapseView(const View &view,
             llvm::ArrayRef<llvm::SmallVector<int64_t, 2>> groups);
/// The view after splitting dimensions by `groups` into `shape`.
View expandView(const View &view, llvm::ArrayRef<int64_t> shape,
                llvm::ArrayRef<llvm::SmallVector<int64_t, 2>> groups);
/// The view whose dimension i is dimension permutation[i].
View transposeView(const View &view, llvm::ArrayRef<int64_t> permutation);
/// The view of a slice.
View sliceView(const View &view, llvm::ArrayRef<int64_t> offsets,
               llvm::ArrayRef<int64_t> sizes, llvm::ArrayRef<int64_t> strides);

} // namespace cim

#endif // CIM_LIB_LOWER_VIEW_H
