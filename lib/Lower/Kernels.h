// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builds cim.kernel ops from the bodies of linalg.generic ops. Equal kernels
// are emitted once.
#ifndef CIM_LIB_LOWER_KERNELS_H
#define CIM_LIB_LOWER_KERNELS_H

#include "View.h"

#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace cim {

/// Names and deduplicates kernels of one module.
class KernelTable {
public:
  explicit KernelTable(mlir::ModuleOp module) : module(module) {}
  mlir::ModuleOp module;

  /// Adopts a finished kernel: returns the symbol of an equal one if there is.
  mlir::FlatSymbolRefAttr intern(ir::KernelOp kernel, llvm::StringRef hint);

private:
  llvm::StringMap<mlir::FlatSymbolRefAttr> byText;
  llvm::StringSet<> names;
};

/// Assembles one kernel. Inputs are added while the body grows.
class KernelBuilder {
public:
  KernelBuilder(KernelTable &table, mlir::Location loc);

  /// A new kernel input holding elements of `type` (quantized types: storage).
  mlir::Value addInput(mlir::Type type);
  unsigned numInputs() const { return inputs.size(); }

  /// What the body of a generic needs from its surroundings.
  struct Hooks {
    /// Loop number in the kernel's nest of the generic's loop.
    std::function<int64_t(int64_t)> loopOf;
    /// Kernel input standing for what a tensor.extract reads; `computed` gets
    /// the dimensions whose indices the kernel has to give.
    std::function<unsigned(mlir::tensor::ExtractOp,
                           llvm::SmallVectorImpl<int64_t> &computed)>
        gatherInput;
    /// Type of gathered elements; null: as the generic says.
    mlir::Type gatherType;
    /// Scalar for a value defined outside of the generic.
    std::function<mlir::Value(mlir::Value)> captured;
  };
  /// Clones the body of `generic` with its block arguments standing for
  /// `arguments`; returns the yielded scalars, quantized ones as storage.
  mlir::FailureOr<llvm::SmallVector<mlir::Value>>
  inlineBody(mlir::linalg::GenericOp generic,
             llvm::ArrayRef<mlir::Value> arguments, const Hooks &hooks);

  /// Ends the kernel with `outputs`; `oldValues[i]`, if not null, is a
  /// placeholder made by addOldValue(i). With `indices` the only output is
  /// stored there instead of at the iteration's place.
  mlir::FlatSymbolRefAttr finish(llvm::ArrayRef<mlir::Value> outputs,
                                 llvm::StringRef hint,
                                 llvm::ArrayRef<mlir::Value> indices = {});
  /// The old value of output `index`, of type `type`.
  mlir::Value addOldValue(unsigned index, mlir::Type type);

  mlir::OpBuilder &opBuilder() { return builder; }
  mlir::Location loc;
  /// Why inlineBody failed, for the diagnostic.
  std::string reason;

private:
  mlir::FailureOr<mlir::Value>
  convert(mlir::Operation &op, mlir::IRMapping &map, const Hooks &hooks);

  KernelTable &table;
  mlir::OpBuilder builder;
  ir::KernelOp kernel;
  mlir::Block *block;
  std::vector<mlir::Type> inputs;
  std::vector<std::pair<unsigned, mlir::Value>> oldValues;
};

} // namespace cim

#endif // CIM_LIB_LOWER_KERNELS_H
