// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which values are quantized, before any number is known. A value is quantized
// when a MAC op reads it, directly or through ops that only move or select
// elements (reshape, transpose, slice, pad, concat, max-pool); values so linked
// form a class that shares one scale.
#ifndef CIM_LIB_QUANT_PLAN_H
#define CIM_LIB_QUANT_PLAN_H

#include <vector>

#include "cim/Quant/Quantize.h"
#include "dialects/CIM/IR/CIM.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"

namespace cim {

/// Format a MAC op will have.
struct MacPlan {
  mlir::Operation *op = nullptr;
  QuantMode mode = QuantMode::None;
  int weightBits = 8;
  bool computedWeights = false;
  std::string reason;   ///< Why it stays in float; empty if it does not.
  bool refused = false; ///< A format was asked and cannot be had.
};

/// Values that share a scale.
struct ScaleClass {
  bool symmetric = false; ///< Zero point 0 (operands of computed products).
  bool mustBeSigned = false;
  std::vector<mlir::Value> members;
};

struct QuantPlan {
  llvm::MapVector<mlir::Operation *, MacPlan> macs;
  /// Values to quantize, in program order, with their class.
  llvm::MapVector<mlir::Value, unsigned> classOf;
  std::vector<ScaleClass> classes;
};

/// True for ops that move or select elements without computing new ones;
/// quantized elements pass through them.
bool movesElements(mlir::Operation *op);
/// True for a window maximum (max-pool).
bool isMaxPool(mlir::Operation *op);

/// Decides formats and classes for the function.
QuantPlan makePlan(mlir::func::FuncOp func, const QuantizeOptions &options);

} // namespace cim

#endif // CIM_LIB_QUANT_PLAN_H
