// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reductions and what is built from them.
#ifndef CIM_LIB_IMPORT_ONNX_REDUCE_H
#define CIM_LIB_IMPORT_ONNX_REDUCE_H

#include "Binder.h"

namespace cim::onnx {

/// Sum over `dims` of body(x), accumulated in computeType of the element (or in
/// `accumulator`); the result keeps that type and drops the dimensions.
mlir::Value
emitSum(Emitter &e, mlir::Value x, llvm::ArrayRef<int64_t> dims,
        std::function<mlir::Value(Scalars &, mlir::Value)> body = {},
        mlir::Type accumulator = {});

/// Maximum (minimum) over `dims`, which are dropped; of no elements the
/// type's lowest (highest) value.
mlir::Value emitMax(Emitter &e, mlir::Value x, llvm::ArrayRef<int64_t> dims,
                    bool isUnsigned = false);
mlir::Value emitMin(Emitter &e, mlir::Value x, llvm::ArrayRef<int64_t> dims,
                    bool isUnsigned = false);

/// Elementwise over x and tensors without `dims` (results of reductions).
mlir::Value emitWithReduced(Emitter &e, mlir::Value x, mlir::ValueRange reduced,
                            llvm::ArrayRef<int64_t> dims, mlir::Type element,
                            Emitter::Body body);

/// Index along `dim` (dropped) of the first or last maximum (minimum), i64.
mlir::Value emitArg(Emitter &e, mlir::Value x, int64_t dim, bool isMax,
                    bool isLast, bool isUnsigned);

/// Number of elements of the reduced dimensions.
int64_t countOf(mlir::Value x, llvm::ArrayRef<int64_t> dims);

/// The reduced dimensions put back with size 1.
mlir::Value keepDims(Emitter &e, mlir::Value reduced,
                     llvm::ArrayRef<int64_t> full,
                     llvm::ArrayRef<int64_t> dims);

/// Lowest and highest values as attributes (infinities for floats).
mlir::TypedAttr lowest(mlir::OpBuilder &b, mlir::Type type, bool isUnsigned);
mlir::TypedAttr highest(mlir::OpBuilder &b, mlir::Type type, bool isUnsigned);

} // namespace cim::onnx

#endif // CIM_LIB_IMPORT_ONNX_REDUCE_H
