// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops that move elements and compute nothing.
#ifndef CIM_LIB_INTERP_MOVEMENT_H
#define CIM_LIB_INTERP_MOVEMENT_H

#include "Elements.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace cim::interp {

mlir::FailureOr<TensorValue> fill(mlir::linalg::FillOp op);
mlir::FailureOr<TensorValue> transpose(mlir::linalg::TransposeOp op,
                                       const TensorValue &input);
mlir::FailureOr<TensorValue> extractSlice(mlir::tensor::ExtractSliceOp op,
                                          const TensorValue &source);
/// `dest` is written when nothing else refers to its bytes, else copied.
mlir::FailureOr<TensorValue> insertSlice(mlir::tensor::InsertSliceOp op,
                                         const TensorValue &source,
                                         TensorValue dest);
mlir::FailureOr<TensorValue> pad(mlir::tensor::PadOp op,
                                 const TensorValue &source);
mlir::FailureOr<TensorValue> concat(mlir::tensor::ConcatOp op,
                                    llvm::ArrayRef<TensorValue> parts);

/// A tensor of these contents that may be written: `value` itself when nothing
/// else refers to its bytes, else a copy.
mlir::FailureOr<TensorValue> toWritable(TensorValue value, mlir::Location loc);

} // namespace cim::interp

#endif // CIM_LIB_INTERP_MOVEMENT_H
