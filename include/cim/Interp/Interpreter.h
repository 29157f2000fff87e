// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The reference interpreter: the meaning of tensor-level IR (docs/numerics.md),
// written to be read. All later phases keep its results bit for bit.
#ifndef CIM_INTERP_INTERPRETER_H
#define CIM_INTERP_INTERPRETER_H

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinTypes.h"

namespace cim {

/// A dense row-major tensor; elements stored as cim/IR/StoredType.h says.
struct TensorValue {
  mlir::RankedTensorType type;
  std::shared_ptr<std::vector<char>> bytes; ///< Null for constants (view only).
  const char *data = nullptr;
  int64_t elements() const { return type.getNumElements(); }
};

struct InterpretOptions {
  /// Called for every tensor an op of the function's body produces.
  std::function<void(mlir::Value, const TensorValue &)> observer;
  /// If set, only ops that a result it accepts depends on are executed, and no
  /// results are returned: an observer needs no more.
  std::function<bool(mlir::Value)> wanted;
  /// Float convolutions and products through oneDNN: not bit-exact, for
  /// calibration only.
  bool fastFloat = false;
  /// Host threads for fastFloat.
  int threads = 0;
};

/// Runs the function on inputs of its argument types; values are freed after
/// their last use. On failure an error has been emitted on the op.
mlir::FailureOr<std::vector<TensorValue>>
interpret(mlir::func::FuncOp func, std::vector<TensorValue> inputs,
          const InterpretOptions &options = {});

/// True for results that only say how long others are (attribute
/// `cim.hidden`).
bool isHiddenResult(mlir::func::FuncOp func, unsigned index);

/// What a user sees of `results`, which `interpret` returned: without hidden
/// ones, each cut to its run-time lengths (attribute `cim.lengths` of the
/// function's result: pairs of a dimension and the number of the result, an i64
/// of rank 0, that says its length). Fails with an error on the function for
/// attributes that do not fit and lengths outside of the shape.
mlir::FailureOr<std::vector<TensorValue>>
visibleResults(mlir::func::FuncOp func, std::vector<TensorValue> results);

/// Appends one run's value to those of earlier runs, along the first dimension;
/// vectors come of scalars. `shape` is empty before the first. False when the
/// other dimensions differ.
bool appendRun(const TensorValue &value, bool isFirst,
               std::vector<int64_t> &shape, std::string &bytes);

} // namespace cim

#endif // CIM_INTERP_INTERPRETER_H
