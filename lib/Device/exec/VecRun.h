// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One execution of a vector kernel (device.md D4.5): the plan of its loop nest
// and the interpreter of its body.
//
// Parallel loops are independent, so all of them together are the vector
// dimension: they are cut into chunks, and each chunk runs the body once per
// iteration of the reduction loops, in their order (numerics F5).
#ifndef CIM_LIB_DEVICE_EXEC_VECRUN_H
#define CIM_LIB_DEVICE_EXEC_VECRUN_H

#include <cstdint>
#include <vector>

#include "Blocks.h"
#include "Gemm.h"
#include "State.h"
#include "VecKernel.h"

namespace cim::exec {

/// An operand with its checked memory.
struct BoundOperand {
  const VecOperand *source = nullptr;
  DType type = DType::I8;
  Memory *memory = nullptr;
  uint8_t *p = nullptr; ///< Byte of the base address; read-only if not stored.
  Range range;
  bool viewable = false; ///< No store of the kernel touches its bytes.
};

/// Loop nest and shapes of one instruction, shared by all its chunks.
class VecPlan {
public:
  VecPlan(const CompiledKernel &kernel, const Vec &op,
          std::vector<BoundOperand> operands);

  int64_t chunks() const { return chunkCount; }

  const CompiledKernel &kernel;
  const Vec &op;
  std::vector<BoundOperand> operands;

  /// Strides of what varies with the loops: operands, then one pseudo operand
  /// per loop whose value is the iteration number (MicroOp::Index).
  Nest parallel, reduction;
  /// Chunks: dim `cut` advances by `step`, those after it are whole.
  size_t cut = 0;
  int64_t step = 1;
  int64_t chunkCount = 1;
  /// Per variation and chunk length (whole, last along `cut`): the block, and
  /// for gathers, scatters and indices the offset of each element.
  struct Shape {
    int64_t length = 0;
    std::vector<Block> blocks;
    std::vector<std::vector<int64_t>> offsets;
  };
  Shape whole, last;

  struct Position {
    const Shape *shape;
    std::vector<int64_t> offsets; ///< Of the chunk's first element.
  };
  void locate(int64_t chunk, Position &position) const;

private:
  void order(std::vector<size_t> &loops) const;
  Shape shapeFor(int64_t steps) const;
  bool needsOffsets(size_t variation) const;
};

/// Registers of one thread.
class VecWorker {
public:
  VecWorker(const Context &context, const VecPlan &plan);
  /// Runs one chunk with all its reduction iterations.
  MaybeFault run(int64_t chunk);

private:
  MaybeFault body();
  void load(size_t inst);
  void store(const MicroInst &inst);
  MaybeFault gather(const MicroInst &inst);
  MaybeFault scatter(const MicroInst &inst);
  MaybeFault addresses(const MicroInst &inst, size_t firstArg);
  void index(const MicroInst &inst);
  void fill(const MicroInst &inst);
  void compute(const CompiledKernel::Inst &inst);

  uint8_t *slot(uint16_t reg) {
    return slots.as<uint8_t>() + plan.kernel.slot[reg] * kSlotBytes;
  }

  const Context &context;
  const VecPlan &plan;
  AlignedBuffer slots;
  std::vector<const uint8_t *> reg; ///< Where each register's value lies.
  VecPlan::Position at;
  std::vector<int64_t> offsets; ///< Of the current iteration, per variation.
  struct Loaded {
    const uint8_t *from = nullptr;
    const VecPlan::Shape *shape = nullptr;
  };
  std::vector<Loaded> loaded;   ///< Per instruction.
  std::vector<int64_t> element; ///< Addresses of a gather or scatter.
  AlignedBuffer packed;         ///< Memory form of a chunk.
};

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_VECRUN_H
