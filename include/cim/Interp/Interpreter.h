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

} // namespace cim

#endif // CIM_INTERP_INTERPRETER_H
