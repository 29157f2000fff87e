// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// State shared by the parts of the lower phase: where every tensor value lies,
// and the builders of tiles and kernels.
#ifndef CIM_LIB_LOWER_LOWERING_H
#define CIM_LIB_LOWER_LOWERING_H

#include "Kernels.h"
#include "TileBuilder.h"
#include "View.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace cim {

/// A loop nest over strided operands before it becomes vector ops.
struct LoopNest {
  struct Operand {
    View view;                          ///< Base; its strides are unused.
    llvm::SmallVector<int64_t> strides; ///< Bytes, one per loop.
    llvm::SmallVector<int64_t> gather;  ///< extent, stride, ...
    bool isOutput = false, readsOld = false;
  };
  llvm::SmallVector<int64_t> sizes;
  /// The generic's loop that each one is; -1 when merged. Empty: not asked.
  llvm::SmallVector<int64_t> origin;
  llvm::SmallVector<bool> reduction;
  llvm::SmallVector<bool> indexed; ///< The kernel reads the loop's index.
  llvm::SmallVector<int64_t> indexBase;
  std::vector<Operand> operands;
};

class Lowering {
public:
  Lowering(mlir::func::FuncOp func, const TargetSpec &target,
           mlir::OpBuilder builder, KernelTable &kernels)
      : func(func), target(target), tiles(builder, target), kernels(kernels) {}

  /// Lowers the whole function; on failure an error has been emitted.
  mlir::LogicalResult run();

private:
  // Values and memory (LowerMove.cpp).
  void chooseLayouts();
  /// The view of a value, materializing constants on first use.
  View viewOf(mlir::Value value);
  void setView(mlir::Value value, const View &view) { views[value] = view; }
  /// A new buffer for `value`'s tensor in its chosen layout.
  View allocate(mlir::Value value, llvm::StringRef name);
  View allocate(mlir::RankedTensorType type, llvm::ArrayRef<int64_t> order,
                llvm::StringRef name);
  View constantView(mlir::ElementsAttr value, mlir::RankedTensorType type,
                    llvm::StringRef name);
  /// Moves a constant buffer's bytes to a resident L2 buffer in the load stage.
  mlir::Value makeResident(mlir::Value constant, llvm::StringRef name);
  void copy(const View &from, const View &to) {
    copyOn(0, DmaRole::Move, from, to);
  }
  void copyOn(unsigned core, DmaRole role, const View &from, const View &to);
  void fill(const View &to, uint64_t value);
  mlir::LogicalResult lowerMove(mlir::Operation *op);

  // Vector work (LowerVector.cpp).
  mlir::LogicalResult lowerGeneric(mlir::linalg::GenericOp op);
  mlir::LogicalResult lowerFill(mlir::linalg::FillOp op);
  View resultView(mlir::linalg::GenericOp op, int64_t i, bool readsOld);

  // Work whose order depends on data (LowerSelect.cpp).
  mlir::LogicalResult lowerSelect(mlir::Operation *op);
  void lowerTopK(ir::TopKOp op);
  void lowerNonZero(ir::NonZeroOp op);
  void lowerLexSort(ir::LexSortOp op);
  void lowerNms(ir::NmsOp op);
  void lowerScatter(ir::ScatterOp op);
  TileBuilder::CtrlOperand ctrlOperand(const View &view);
  View result(mlir::Value value);
  /// Emits vector ops for a nest, divided among the cores.
  /// The nest's loops are in order (orderLoops).
  void emitNest(const LoopNest &nest, mlir::FlatSymbolRefAttr kernel,
                int64_t cores);
  /// Emits a nest on one core after putting its loops in order.
  void emitTile(LoopNest nest, mlir::FlatSymbolRefAttr kernel, unsigned core);
  void emitOnCore(const LoopNest &nest, mlir::FlatSymbolRefAttr kernel,
                  unsigned core);

  // MAC work (LowerMac.cpp).
  mlir::LogicalResult lowerMac(ir::RegionOp region, mlir::Operation *mac);

  View portBuffer(ir::BufferKind kind, mlir::RankedTensorType type,
                  mlir::DictionaryAttr attributes, llvm::StringRef fallback);
  void setLocation(mlir::Location loc);
  mlir::LogicalResult lowerRegion(ir::RegionOp region);
  mlir::LogicalResult lowerResults(mlir::Operation *terminator);
  mlir::LogicalResult lowerOp(mlir::Operation *op);
  unsigned totalCores() const { return target.coresPerChip; }

  friend class MacLowering;
  mlir::func::FuncOp func;
  const TargetSpec &target;
  TileBuilder tiles;
  KernelTable &kernels;
  llvm::DenseMap<mlir::Value, View> views;
  llvm::DenseSet<mlir::Value> channelsLast;
  llvm::DenseMap<mlir::Attribute, View> constants;
  llvm::DenseMap<mlir::Value, mlir::Value> residents;
  int64_t residentBytes = 0;
  std::string layer; ///< Name of the region being lowered.
};

/// Strides of a view along loops: result i of `map` is linear in the loops.
/// Adds constant terms to `offset`. Fails for non-linear maps.
mlir::FailureOr<llvm::SmallVector<int64_t>>
loopStrides(mlir::AffineMap map, const View &view, int64_t &offset);

} // namespace cim

#endif // CIM_LIB_LOWER_LOWERING_H
