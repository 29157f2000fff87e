// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sliding windows of convolutions and pools.
#ifndef CIM_LIB_IMPORT_ONNX_WINDOW_H
#define CIM_LIB_IMPORT_ONNX_WINDOW_H

#include "Binder.h"

namespace cim::onnx {

/// Window attributes, one entry per spatial dimension, and what follows from
/// them. Pads may be negative only where ONNX says so (never).
struct Window {
  Shape input; ///< Spatial sizes.
  Shape kernel, strides, dilations, padBegin, padEnd;
  Shape output; ///< Spatial sizes of the result.

  int64_t rank() const { return input.size(); }
  /// dilation * (kernel - 1) + 1
  int64_t extent(size_t d) const { return dilations[d] * (kernel[d] - 1) + 1; }
};

/// Reads strides, dilations, pads, auto_pad and ceil_mode of a node whose
/// input 0 is N x C x spatial.
mlir::FailureOr<Window>
readWindow(NodeBinder &n, llvm::ArrayRef<int64_t> kernel, bool ceilMode);

/// The attribute as one entry per spatial dimension, or `orElse` everywhere.
mlir::FailureOr<Shape> windowAttr(NodeBinder &n, llvm::StringRef name,
                                  size_t count, int64_t orElse,
                                  int64_t minimum);

/// The input padded so that every position of the window exists.
mlir::Value padForWindow(NodeBinder &n, mlir::Value input, const Window &window,
                         mlir::TypedAttr fill);

/// Map of the windowed input over loops (batch.., out.., kernel..): the first
/// `leading` dimensions as they are, then out * stride + k * dilation.
mlir::AffineMap windowMap(mlir::OpBuilder &b, const Window &window,
                          int64_t leading);

} // namespace cim::onnx

#endif // CIM_LIB_IMPORT_ONNX_WINDOW_H
