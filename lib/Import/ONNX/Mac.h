// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Convolutions and matrix products for every element type: cim.conv and
// cim.matmul for f32 and f16 (bf16 through f32), generics for the others.
#ifndef CIM_LIB_IMPORT_ONNX_MAC_H
#define CIM_LIB_IMPORT_ONNX_MAC_H

#include "Binder.h"
#include "Window.h"

namespace cim::onnx {

/// input N x C x spatial, weights O x C/groups x kernel, bias O or null; the
/// accumulator and result type is the input's, or `result` when given (integer
/// operands are extended to it by their sign).
struct ConvOperands {
  mlir::Value input, weights, bias;
  int64_t groups = 1;
  bool inputUnsigned = false, weightsUnsigned = false;
  mlir::Type result;
};
mlir::FailureOr<mlir::Value> emitConv(NodeBinder &n, const ConvOperands &c,
                                      const Window &window);

/// NumPy matmul of operands of rank >= 2 with broadcast batch dimensions; bias
/// of the last dimension or null. Integers accumulate in `result`.
struct MatMulOperands {
  mlir::Value lhs, rhs, bias;
  bool lhsUnsigned = false, rhsUnsigned = false;
  mlir::Type result;
};
mlir::FailureOr<mlir::Value> emitMatMul(NodeBinder &n, const MatMulOperands &m);

/// matmul with the rank-1 conventions of NumPy.
mlir::FailureOr<mlir::Value> emitNumpyMatMul(NodeBinder &n, MatMulOperands m);

/// x - zero point as i32 (a null zero point is 0; scalar or along `axis`).
mlir::FailureOr<mlir::Value> subtractZeroPoint(NodeBinder &n, size_t input,
                                               size_t zeroPoint, int64_t axis);

/// (x - zp) * scale and the inverse, per tensor or along `axis`.
struct QuantOperands {
  mlir::Value value, scale, zeroPoint; ///< zeroPoint may be null.
  bool valueUnsigned = false;
  int64_t axis = 1;
  int64_t block = 0; ///< 0: not blocked.
};
mlir::FailureOr<mlir::Value>
emitDequantize(NodeBinder &n, const QuantOperands &q, mlir::Type result);
mlir::FailureOr<mlir::Value> emitQuantize(NodeBinder &n, const QuantOperands &q,
                                          DType to);

} // namespace cim::onnx

#endif // CIM_LIB_IMPORT_ONNX_MAC_H
