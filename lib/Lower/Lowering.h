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
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace cim {

/// Constant weights as the array takes them.
struct PackedWeights {
  mlir::Value buffer;
  std::vector<int64_t> tileOffsets;        ///< (chunk, n tile, k tile)
  std::vector<std::vector<int64_t>> masks; ///< Likewise.
};

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

/// The tensor an operand of a nest stands for, and how its loops index it
/// (null for a gathered tensor).
struct NestSource {
  mlir::Value value;
  mlir::AffineMap map;
};

/// A tensor read by tensor.extract: which loop's index each dimension has, -1
/// for one that the kernel computes.
struct GatheredInput {
  mlir::Value tensor;
  llvm::SmallVector<int64_t> loops;
  bool operator==(const GatheredInput &other) const {
    return tensor == other.tensor && loops == other.loops;
  }
};

/// A generic as a nest over the current views of its operands and results.
struct BuiltNest {
  LoopNest nest;
  bool isOrdered = false; ///< Else its loops are the generic's.
  mlir::FlatSymbolRefAttr kernel;
  std::vector<NestSource> sources; ///< One per operand.
  llvm::SmallVector<GatheredInput> gathered;
  unsigned gatherBase = 0; ///< Operand of the first gathered tensor.
  int64_t together = 1;    ///< Elements per gathered fetch.
};

/// A range of an output loop whose windows keep [kernelBegin, +kernelSize) of
/// the kernel loop: the rest lies in the padding.
struct WindowPart {
  int64_t out = 0, begin = 0, size = 0;
  int64_t kernel = 0, kernelBegin = 0, kernelSize = 0;
};

/// If `op` is a pooling of a padded tensor whose padding has no effect on the
/// result: the pieces of its loop nest without it, each one part per padded
/// dimension. Outputs that see nothing but padding are in no piece.
std::optional<std::vector<std::vector<WindowPart>>>
clippedWindows(mlir::linalg::GenericOp op);

/// The bits, as stored in memory, of a scalar that is a constant or a constant
/// quantized (numerics Q1).
std::optional<uint64_t> constantScalarBits(mlir::Value value);

/// First source node named by a location, `otherwise` if there is none.
std::string nodeName(mlir::Location loc, llvm::StringRef otherwise);

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
  void planConcats();
  void placeInto(mlir::Value value, View view);
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
  void fill(const View &to, uint64_t value) { fillOn(0, to, value); }
  void fillOn(unsigned core, const View &to, uint64_t value);
  mlir::LogicalResult lowerMove(mlir::Operation *op);

  // Padding (Padding.cpp).
  mlir::LogicalResult lowerPad(mlir::tensor::PadOp pad);
  void fillBorder(const View &whole, llvm::ArrayRef<int64_t> low,
                  llvm::ArrayRef<int64_t> inner, uint64_t value);

  // Vector work (LowerVector.cpp).
  mlir::LogicalResult lowerGeneric(mlir::linalg::GenericOp op);
  mlir::LogicalResult lowerFill(mlir::linalg::FillOp op);
  void placeResult(mlir::linalg::GenericOp op, int64_t i, bool readsOld);
  mlir::FailureOr<BuiltNest> buildNest(mlir::linalg::GenericOp op);
  mlir::LogicalResult addOperands(mlir::linalg::GenericOp op,
                                  KernelBuilder &kernel, BuiltNest &built,
                                  llvm::SmallVector<mlir::Value> &arguments);

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

  // Chains over rows (LowerRows.cpp).
  /// True when the region was executed block of rows by block of rows; false
  /// when nothing has been emitted.
  mlir::FailureOr<bool> lowerRows(ir::RegionOp region);

  // MAC work (LowerMac.cpp).
  mlir::LogicalResult lowerMac(ir::RegionOp region, mlir::Operation *mac);

  View portBuffer(ir::BufferKind kind, mlir::RankedTensorType type,
                  mlir::DictionaryAttr attributes, llvm::StringRef fallback);
  void setLocation(mlir::Location loc);
  void placeResults();
  mlir::LogicalResult lowerRegion(ir::RegionOp region);
  mlir::LogicalResult lowerResults(mlir::Operation *terminator);
  mlir::LogicalResult lowerOp(mlir::Operation *op);
  unsigned totalCores() const { return target.coresPerChip; }

  friend class MacLowering;
  friend class RowLowering;
  mlir::func::FuncOp func;
  const TargetSpec &target;
  TileBuilder tiles;
  KernelTable &kernels;
  llvm::DenseMap<mlir::Value, View> views;
  llvm::SmallVector<View> results;                ///< Of the function.
  llvm::DenseMap<mlir::Value, View> destinations; ///< Where to write.
  llvm::DenseSet<mlir::Value> channelsLast;
  llvm::DenseMap<mlir::Attribute, View> constants;
  llvm::DenseMap<mlir::Value, mlir::Value> residents;
  llvm::DenseMap<unsigned, int64_t>
      nextSet; ///< Of a core: least recently used.
  int64_t residentBytes = 0;
  /// Packed weights by constant, schedule (which has the tiles), groups and
  /// planes: layers that are applied again and again pack them once.
  llvm::DenseMap<std::tuple<mlir::Attribute, mlir::Attribute, int64_t, int64_t>,
                 PackedWeights>
      packedWeights;
  /// Bias with the zero point folded in, by weights, bias and zero point.
  llvm::DenseMap<std::tuple<mlir::Attribute, mlir::Attribute, int64_t>,
                 mlir::ElementsAttr>
      foldedBias;
  std::string layer; ///< Name of the region being lowered.
};

/// Sizes of a dense buffer for a tensor: at least one element, and one
/// dimension, so that empty tensors and scalars have an address.
llvm::SmallVector<int64_t> physicalShape(llvm::ArrayRef<int64_t> shape);

/// Strides of a view along loops: result i of `map` is linear in the loops.
/// Adds constant terms to `offset`. Fails for non-linear maps.
mlir::FailureOr<llvm::SmallVector<int64_t>>
loopStrides(mlir::AffineMap map, const View &view, int64_t &offset);

} // namespace cim

#endif // CIM_LIB_LOWER_LOWERING_H
