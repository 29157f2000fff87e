// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Creates tile-level ops and orders them: each op's accesses are declared to
// the hazard tracker, which yields the tokens it waits for.
#ifndef CIM_LIB_LOWER_TILEBUILDER_H
#define CIM_LIB_LOWER_TILEBUILDER_H

#include "Hazards.h"
#include "View.h"

#include "cim/Target/TargetSpec.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"

namespace cim {

/// Engines of a core, one queue each (DMA: one per channel).
enum class QueueKind : uint8_t { WeightWrite, Mac, Vec, Ctrl, Dma };

struct QueueId {
  unsigned core = 0;
  QueueKind kind = QueueKind::Mac;
  unsigned channel = 0; ///< DMA.
  auto operator<=>(const QueueId &) const = default;
};
/// The queue a tile-level op runs on.
QueueId queueOf(mlir::Operation *op);

/// Numbering of a target's queues: per core weight write, MAC, vector, control,
/// then the DMA channels.
struct QueueMap {
  unsigned channels;
  explicit QueueMap(const TargetSpec &target) : channels(target.dmaChannels) {}
  unsigned perCore() const { return 4 + channels; }
  unsigned id(const QueueId &queue) const {
    return queue.core * perCore() + static_cast<unsigned>(queue.kind) +
           queue.channel;
  }
};

/// Roles of the DMA channels: activations in, parameters in, copies between
/// tensors, what needs no input (fills) or leaves L1. Folded onto fewer
/// channels where a target has less.
enum class DmaRole : unsigned { Load = 0, Const = 1, Move = 2, Out = 3 };

/// One side of a strided transfer.
struct Strided {
  mlir::Value buffer;
  int64_t offset = 0;
  llvm::SmallVector<int64_t> strides;
};

/// Operand of a vector op.
struct VectorOperand {
  mlir::Value buffer;
  int64_t offset = 0;
  llvm::SmallVector<int64_t> strides; ///< One per loop.
  int64_t elemBytes = 1;
  llvm::SmallVector<int64_t> gather; ///< extent, stride, ...; empty: none.
  bool isOutput = false;
  bool readsOld = false; ///< An output whose old value is read.
};

/// Position and shape of a weight tile in a core's array.
struct TilePlace {
  int64_t set = 0, row0 = 0, col0 = 0, rows = 0, cols = 0;
  int64_t copies = 1, copyCols = 1, copyRowPitch = 0, copyColPitch = 0;
};

class TileBuilder {
public:
  TileBuilder(mlir::OpBuilder builder, const TargetSpec &target);

  /// Operations go to this stage's block from now on; each stage has its own
  /// order (the load stage completes before the run stage starts).
  void enterStage(ir::StageKind kind);

  /// Declares a buffer of `shape` (physical dimensions) before the stages.
  mlir::Value buffer(ir::BufferKind kind, llvm::StringRef name,
                     llvm::ArrayRef<int64_t> shape, mlir::Type elementType,
                     ir::MemorySpace space, unsigned core = 0,
                     mlir::ElementsAttr value = {});

  void dmaCopy(unsigned core, DmaRole role, const Strided &src,
               const Strided &dst, llvm::ArrayRef<int64_t> sizes,
               int64_t elemBytes);
  void dmaFill(unsigned core, DmaRole role, const Strided &dst,
               llvm::ArrayRef<int64_t> sizes, int64_t elemBytes, int64_t value);
  struct WeightSource {
    Strided at;
    ir::WeightFormat format = ir::WeightFormat::planes;
    int64_t planes = 8, blockRows = 64;
    int64_t bytes = 0; ///< Bytes touched, for packed formats.
    llvm::SmallVector<int64_t> planeMasks;
  };
  void writeWeights(unsigned core, const WeightSource &source,
                    const TilePlace &place);
  struct MacAccess {
    mlir::Value act, acc, bias;
    int64_t actOffset = 0, accOffset = 0, accStride = 0, biasOffset = 0;
    llvm::SmallVector<int64_t> mSizes, mStrides, kSizes, kStrides;
    ir::AccInit init = ir::AccInit::zero;
  };
  void mac(unsigned core, const MacAccess &access, const TilePlace &place);
  void vector(unsigned core, mlir::FlatSymbolRefAttr kernel,
              llvm::ArrayRef<VectorOperand> operands,
              llvm::ArrayRef<int64_t> sizes, llvm::ArrayRef<int64_t> reductions,
              llvm::ArrayRef<int64_t> indexBase);
  /// Operand of a firmware kernel: accesses `sizes` elements of `elemBytes`.
  struct CtrlOperand {
    Strided at;
    llvm::SmallVector<int64_t> sizes;
    int64_t elemBytes = 8;
  };
  /// The first `inputs` operands are read, the others written.
  void ctrl(unsigned core, ir::CtrlKernel kernel,
            llvm::ArrayRef<int64_t> params,
            llvm::ArrayRef<CtrlOperand> operands, size_t inputs);

  mlir::Location loc;
  const TargetSpec &target;
  mlir::OpBuilder &opBuilder() { return builder; }
  mlir::Block *bufferBlock() { return buffers; }

private:
  uint64_t objectOf(mlir::Value buffer);
  void access(mlir::Value buffer, const ByteBox &box, bool write);
  llvm::SmallVector<mlir::Value> finish();
  unsigned channel(DmaRole role) const;

  mlir::OpBuilder builder;
  mlir::Block *buffers; ///< Where buffers and stages live.
  mlir::Operation *firstStage = nullptr;
  QueueMap queues;
  llvm::DenseMap<mlir::Value, uint64_t> objects;
  struct StageState {
    ir::StageOp op;
    HazardTracker tracker;
    std::vector<mlir::Value> tokens;
  };
  std::vector<StageState> stages;
  StageState *stage = nullptr;
};

} // namespace cim

#endif // CIM_LIB_LOWER_TILEBUILDER_H
