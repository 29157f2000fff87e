// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Computing small constants at compile time: the value of a tensor whose whole
// producing expression is tensor-level IR (linalg.generic, tensor reshapes,
// slices, concatenations, ...) over constants. It exists for shape arithmetic
// and other small tables; results are those of docs/numerics.md (I1, F1..F5),
// so folding never changes a bit.
#ifndef CIM_IR_EVALUATE_H
#define CIM_IR_EVALUATE_H

#include <cstdint>
#include <optional>
#include <vector>

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringRef.h"

namespace cim::ir {

/// One element: integers sign-extended (i1: 0 or 1), floats as double (exact
/// for every narrower type).
union Scalar {
  int64_t i;
  double f;
};

/// A tensor value known at compile time, row-major.
struct Literal {
  mlir::RankedTensorType type;
  std::vector<Scalar> elements;
};

/// How much work an evaluation may do.
struct EvaluateLimits {
  int64_t elements = 65536;    ///< Of any intermediate or constant operand.
  int64_t iterations = 262144; ///< Of any loop nest.
  unsigned depth = 64;         ///< Of the expression.
};

/// Evaluates values; remembers what it has computed as long as it lives.
/// Operations must not be changed or erased meanwhile.
class Evaluator {
public:
  explicit Evaluator(EvaluateLimits limits = {}) : limits(limits) {}

  /// The value's elements, or null when it depends on something that is not
  /// constant, or needs more than the limits allow. Valid until the next call.
  const Literal *evaluate(mlir::Value value) { return evaluate(value, 0); }

private:
  friend class GenericEvaluation;
  const Literal *evaluate(mlir::Value value, unsigned depth);
  std::optional<Literal> compute(mlir::Value value, unsigned depth);
  std::optional<Literal> computeGeneric(mlir::Value value, unsigned depth);
  std::optional<Literal> computeMovement(mlir::Value value, unsigned depth);

  EvaluateLimits limits;
  llvm::DenseMap<mlir::Value, std::optional<Literal>> known;
};

/// The literal as a constant attribute; `name` is the resource key's hint.
mlir::ElementsAttr toAttribute(const Literal &literal, llvm::StringRef name);

} // namespace cim::ir

#endif // CIM_IR_EVALUATE_H
