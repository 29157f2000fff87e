// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Selecting elements by their values, and tensors with run-time lengths.
#ifndef CIM_LIB_IMPORT_ONNX_SELECT_H
#define CIM_LIB_IMPORT_ONNX_SELECT_H

#include "Binder.h"
#include "Reduce.h"

namespace cim::onnx {

/// x with `fill` for the elements beyond the lengths.
mlir::Value maskBeyond(NodeBinder &n, mlir::Value x,
                       llvm::ArrayRef<Length> lengths, mlir::TypedAttr fill);

/// Before the handler of a node with run-time lengths: reductions of dimensions
/// with lengths get neutral elements beyond them, where there are such.
mlir::LogicalResult prepareLengths(NodeBinder &n);

/// The slices `indices` (a vector, non-negative) of data along `dim`.
mlir::Value gatherDim(Emitter &e, mlir::Value data, int64_t dim,
                      mlir::Value indices);

/// Positions (rank x elements, i64) and number (i64) of what is not zero.
struct Found {
  mlir::Value indices, count;
};
Found emitNonZero(Emitter &e, mlir::Value x);

/// A tensor of one element as one of rank 0 and the given type.
mlir::Value scalarTensor(NodeBinder &n, mlir::Value x, mlir::Type type);

/// Rows `updates` (T x S) put into `dest` (D x S) at `indices` (T, i64;
/// negative ones are skipped), in order.
mlir::Value emitScatter(Emitter &e, mlir::Value updates, mlir::Value indices,
                        mlir::Value dest);

/// Sums of x[0] to x[i] of an integer vector, in log2(size) steps.
mlir::Value emitPrefixSum(Emitter &e, mlir::Value x);

mlir::LogicalResult unique(NodeBinder &n);

} // namespace cim::onnx

#endif // CIM_LIB_IMPORT_ONNX_SELECT_H
