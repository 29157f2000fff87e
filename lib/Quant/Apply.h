// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef CIM_LIB_QUANT_APPLY_H
#define CIM_LIB_QUANT_APPLY_H

#include "Plan.h"
#include "mlir/Dialect/Quant/IR/QuantTypes.h"

namespace cim {

/// Rewrites the function: quantized values, integer and bfp MAC ops. `types` is
/// the element type of every scale class.
mlir::LogicalResult
applyPlan(mlir::func::FuncOp func, const QuantPlan &plan,
          const QuantizeOptions &options,
          llvm::ArrayRef<mlir::quant::UniformQuantizedType> types);

} // namespace cim

#endif // CIM_LIB_QUANT_APPLY_H
