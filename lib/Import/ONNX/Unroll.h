// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the operators share that repeat something a known number of times (Loop,
// Scan, the recurrent cells): the device runs straight programs, so each
// repetition is emitted. Repetitions of equal shape are equal text.
#ifndef CIM_LIB_IMPORT_ONNX_UNROLL_H
#define CIM_LIB_IMPORT_ONNX_UNROLL_H

#include "Binder.h"

namespace cim::onnx {

/// Operations one node may become.
constexpr int64_t maxUnrolledOps = 100000;

/// Counts what a node's repetitions emit and refuses too much.
class UnrollBudget {
public:
  explicit UnrollBudget(NodeBinder &n);
  /// After each repetition; `all` is their number where it is known. Fails
  /// when they come to more than maxUnrolledOps, if possible before emitting
  /// them all; `advice` says what to do then.
  mlir::LogicalResult
  repeated(std::optional<int64_t> all,
           llvm::StringRef advice = "repeat less often, or split the model");

private:
  NodeBinder &n;
  mlir::Operation *last; ///< Of what is counted; null: nothing was there.
  int64_t operations = 0, repetitions = 0;
};

/// Tensors of one shape along a new dimension `axis` of the result; `what`
/// names them in messages. `values` is not empty.
mlir::FailureOr<mlir::Value> stack(NodeBinder &n,
                                   llvm::ArrayRef<mlir::Value> values,
                                   int64_t axis, const llvm::Twine &what);

/// `condition ? onTrue : onFalse`, the condition a boolean of one element.
/// Fails when the two differ in type or shape; `what` names them.
mlir::FailureOr<TypedValue> selectValue(NodeBinder &n, mlir::Value condition,
                                        const TypedValue &onTrue,
                                        const TypedValue &onFalse,
                                        const llvm::Twine &what);

/// Fails when a declared input or output of the graph is not a tensor.
/// Fails when a result of the subgraph has a run-time length.
mlir::LogicalResult needWhole(NodeBinder &n, const TypedValue &output);
mlir::LogicalResult needTensors(NodeBinder &n, const Graph &graph);

} // namespace cim::onnx

#endif // CIM_LIB_IMPORT_ONNX_UNROLL_H
