// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where an operation can run, in what precision and why not elsewhere. The one
// place that says so: the quantize phase asks it before it gives a MAC op a
// format, the plan and its conditions (cim/Pipeline/Plan.h) print it.
#ifndef CIM_IR_LEGALITY_H
#define CIM_IR_LEGALITY_H

#include <optional>
#include <string>

#include "mlir/IR/Operation.h"

namespace cim {

/// In order of precedence: what a node of several operations is said to run on.
enum class OpEngine : uint8_t {
  None,    ///< Nothing is executed: views, constants.
  Dma,     ///< Elements are moved.
  Vector,  ///< A kernel of the vector unit.
  Control, ///< A kernel of the control processor.
  Array,   ///< The compute-in-memory array.
};
/// "none", "dma", "vector", "control", "array".
const char *name(OpEngine engine);
std::optional<OpEngine> parseOpEngine(llvm::StringRef text);

struct Legality {
  OpEngine engine = OpEngine::None;
  /// "w8a8", "bfp16", "fp16" on the array; else the type computed in or moved
  /// ("f32", "i8", ...), quantized types as they are stored.
  std::string precision;
  /// Why it does not run on the array; empty if it does.
  std::string reason;
};

/// Where a tensor-level operation runs as it stands.
Legality legalityOf(mlir::Operation *op);

/// True for a loop that is a product of matrices but no cim.matmul.
bool isProductLoop(mlir::Operation *op);

/// What stands in the way of a cim.conv or cim.matmul of fp32 on the array in
/// integers of `weightBits` (numerics Q5), or for 0 in blocks; empty: nothing.
std::string whyNotOnArray(mlir::Operation *mac, int weightBits);

/// "w8a8", "bfp16" or "fp16" of a MAC op on the array.
std::string macFormat(mlir::Operation *mac);

} // namespace cim

#endif // CIM_IR_LEGALITY_H
