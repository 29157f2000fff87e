// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reading images between their pixels: each coordinate becomes a few taps, a
// pixel and a weight each, and a sample is the sum over all combinations.
#ifndef CIM_LIB_IMPORT_ONNX_SAMPLE_H
#define CIM_LIB_IMPORT_ONNX_SAMPLE_H

#include "Binder.h"

namespace cim::onnx {

/// Taps of one spatial dimension. The last dimension of both tensors numbers
/// them, the others are the lead loops `loops` of the sampled result.
struct Taps {
  mlir::Value index;  ///< i64; -1: outside, contributes nothing.
  mlir::Value weight; ///< Compute type of the image.
  llvm::SmallVector<int64_t> loops;
};

/// y[lead] = sum (or maximum) over taps t1, t2, ... of the product of their
/// weights times x[lead[0], lead[1], index1, index2, ...]; with `batch` (i64, a
/// vector) x[batch[lead[0]], ...]. In the compute type of x.
mlir::Value sampleTaps(NodeBinder &n, mlir::Value x, llvm::ArrayRef<Taps> taps,
                       llvm::ArrayRef<int64_t> lead, mlir::Value batch = {},
                       bool isMax = false);

mlir::LogicalResult gridSample(NodeBinder &n);
mlir::LogicalResult roiAlign(NodeBinder &n);
mlir::LogicalResult maxRoiPool(NodeBinder &n);

} // namespace cim::onnx

#endif // CIM_LIB_IMPORT_ONNX_SAMPLE_H
