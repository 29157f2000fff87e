// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "TileBuilder.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

QueueId queueOf(Operation *op) {
  auto integer = [&](StringRef name) {
    return static_cast<unsigned>(op->getAttrOfType<IntegerAttr>(name).getInt());
  };
  QueueKind kind = isa<WriteWeightsOp>(op) ? QueueKind::WeightWrite
                   : isa<MacOp>(op)        ? QueueKind::Mac
                   : isa<VectorOp>(op)     ? QueueKind::Vec
                   : isa<CtrlOp>(op)       ? QueueKind::Ctrl
                                           : QueueKind::Dma;
  return {integer("core"), kind,
          kind == QueueKind::Dma ? integer("channel") : 0};
}

TileBuilder::TileBuilder(OpBuilder builder, const TargetSpec &target)
    : loc(builder.getUnknownLoc()), target(target), builder(builder),
      buffers(builder.getInsertionBlock()), queues(target) {
  unsigned numQueues = queues.perCore() * target.coresPerChip * target.chips;
  stages.reserve(2);
  for (StageKind kind : {StageKind::load, StageKind::run}) {
    auto op =
        StageOp::create(this->builder, this->builder.getUnknownLoc(), kind);
    op.getBody().emplaceBlock();
    if (!firstStage)
      firstStage = op;
    stages.push_back({op, HazardTracker(numQueues), {}});
  }
}

void TileBuilder::enterStage(StageKind kind) {
  stage = &stages[kind == StageKind::load ? 0 : 1];
}

Value TileBuilder::buffer(BufferKind kind, StringRef name,
                          ArrayRef<int64_t> shape, Type elementType,
                          MemorySpace space, unsigned core,
                          ElementsAttr value) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(firstStage);
  auto mem = MemAttr::get(builder.getContext(), space, /*chip=*/0, core);
  auto type =
      MemRefType::get(shape, elementType, MemRefLayoutAttrInterface{}, mem);
  return BufferOp::create(builder, loc, type, kind, builder.getStringAttr(name),
                          IntegerAttr{}, value);
}

uint64_t TileBuilder::objectOf(Value buffer) {
  return objects.try_emplace(buffer, objects.size() + 0x10000).first->second;
}

void TileBuilder::access(Value buffer, const ByteBox &box, bool write) {
  // Constants and inputs are never written while a stage runs.
  stage->tracker.access(objectOf(buffer), box, write);
}

SmallVector<Value> TileBuilder::finish() {
  SmallVector<Value> after;
  for (OpIndex op : stage->tracker.finish())
    after.push_back(stage->tokens[op]);
  builder.setInsertionPointToEnd(&stage->op.getBody().front());
  return after;
}

unsigned TileBuilder::channel(DmaRole role) const {
  return static_cast<unsigned>(role) % std::max(1u, target.dmaChannels);
}

static std::vector<int64_t> vec(ArrayRef<int64_t> values) {
  return std::vector<int64_t>(values.begin(), values.end());
}

void TileBuilder::dmaCopy(unsigned core, DmaRole role, const Strided &src,
                          const Strided &dst, ArrayRef<int64_t> sizes,
                          int64_t elemBytes) {
  stage->tracker.begin(queues.id({core, QueueKind::Dma, channel(role)}));
  access(src.buffer,
         makeBox(src.offset, vec(sizes), vec(src.strides), elemBytes), false);
  access(dst.buffer,
         makeBox(dst.offset, vec(sizes), vec(dst.strides), elemBytes), true);
  SmallVector<Value> after = finish();
  stage->tokens.push_back(
      DmaCopyOp::create(builder, loc, builder.getType<TokenType>(), src.buffer,
                        dst.buffer, src.offset, dst.offset, sizes, src.strides,
                        dst.strides, elemBytes, core, channel(role), after));
}

void TileBuilder::dmaFill(unsigned core, DmaRole role, const Strided &dst,
                          ArrayRef<int64_t> sizes, int64_t elemBytes,
                          int64_t value) {
  stage->tracker.begin(queues.id({core, QueueKind::Dma, channel(role)}));
  access(dst.buffer,
         makeBox(dst.offset, vec(sizes), vec(dst.strides), elemBytes), true);
  SmallVector<Value> after = finish();
  stage->tokens.push_back(DmaFillOp::create(
      builder, loc, builder.getType<TokenType>(), dst.buffer, dst.offset, sizes,
      dst.strides, elemBytes, value, core, channel(role), after));
}

/// Storage object of a weight set.
static uint64_t setObject(unsigned core, int64_t set) {
  return core * 256 + set;
}

void TileBuilder::writeWeights(unsigned core, const WeightSource &source,
                               const TilePlace &place) {
  stage->tracker.begin(queues.id({core, QueueKind::WeightWrite}));
  bool packed = source.format == WeightFormat::planes ||
                source.format == WeightFormat::bfp;
  int64_t elem = source.format == WeightFormat::f32   ? 4
                 : source.format == WeightFormat::f16 ? 2
                                                      : 1;
  ByteBox box = packed
                    ? ByteBox{source.at.offset, source.at.offset + source.bytes,
                              source.bytes, 0}
                    : makeBox(source.at.offset, {place.rows, place.cols},
                              vec(source.at.strides), elem);
  access(source.at.buffer, box, false);
  stage->tracker.access(setObject(core, place.set), {0, 1, 1, 0}, true);
  SmallVector<Value> after = finish();
  SmallVector<int64_t> strides =
      packed ? SmallVector<int64_t>{0, 0} : source.at.strides;
  stage->tokens.push_back(WriteWeightsOp::create(
      builder, loc, builder.getType<TokenType>(), source.at.buffer,
      source.at.offset, source.format, source.planes, source.blockRows,
      place.set, ArrayRef<int64_t>{place.row0, place.col0},
      ArrayRef<int64_t>{place.rows, place.cols},
      ArrayRef<int64_t>{place.copies, place.copyCols, place.copyRowPitch,
                        place.copyColPitch},
      strides, source.planeMasks, core, after));
}

void TileBuilder::mac(unsigned core, const MacAccess &a,
                      const TilePlace &place) {
  stage->tracker.begin(queues.id({core, QueueKind::Mac}));
  auto actType = cast<MemRefType>(a.act.getType()).getElementType();
  SmallVector<int64_t> sizes(a.mSizes), strides(a.mStrides);
  llvm::append_range(sizes, a.kSizes);
  llvm::append_range(strides, a.kStrides);
  access(a.act,
         makeBox(a.actOffset, vec(sizes), vec(strides), storedBytes(actType)),
         false);
  int64_t rows = 1;
  for (int64_t size : a.mSizes)
    rows *= size;
  access(a.acc, makeBox(a.accOffset, {rows, place.cols}, {a.accStride, 4}, 4),
         true);
  if (a.bias)
    access(a.bias, makeBox(a.biasOffset, {place.cols}, {4}, 4), false);
  stage->tracker.access(setObject(core, place.set), {0, 1, 1, 0}, false);
  SmallVector<Value> after = finish();
  stage->tokens.push_back(MacOp::create(
      builder, loc, builder.getType<TokenType>(), a.act, a.acc, a.bias,
      a.actOffset, a.mSizes, a.mStrides, a.kSizes, a.kStrides, a.accOffset,
      a.accStride, a.init, a.biasOffset, place.set,
      ArrayRef<int64_t>{place.row0, place.col0},
      ArrayRef<int64_t>{place.rows, place.cols}, place.copies, core, after));
}

void TileBuilder::vector(unsigned core, FlatSymbolRefAttr kernel,
                         ArrayRef<VectorOperand> operands,
                         ArrayRef<int64_t> sizes, ArrayRef<int64_t> reductions,
                         ArrayRef<int64_t> indexBase) {
  stage->tracker.begin(queues.id({core, QueueKind::Vec}));
  SmallVector<Value> values;
  SmallVector<int64_t> offsets;
  SmallVector<Attribute> strides, gathers;
  for (const VectorOperand &operand : operands) {
    values.push_back(operand.buffer);
    offsets.push_back(operand.offset);
    strides.push_back(builder.getDenseI64ArrayAttr(operand.strides));
    gathers.push_back(builder.getDenseI64ArrayAttr(operand.gather));
    std::vector<int64_t> boxSizes = vec(sizes),
                         boxStrides = vec(operand.strides);
    for (size_t i = 0; i + 1 < operand.gather.size(); i += 2) {
      boxSizes.push_back(operand.gather[i]);
      boxStrides.push_back(operand.gather[i + 1]);
    }
    ByteBox box =
        makeBox(operand.offset, boxSizes, boxStrides, operand.elemBytes);
    access(operand.buffer, box, operand.isOutput);
    if (operand.readsOld)
      access(operand.buffer, box, false);
  }
  SmallVector<Value> after = finish();
  stage->tokens.push_back(VectorOp::create(
      builder, loc, builder.getType<TokenType>(), kernel, values,
      builder.getDenseI64ArrayAttr(sizes),
      builder.getDenseI64ArrayAttr(reductions),
      builder.getDenseI64ArrayAttr(indexBase),
      builder.getDenseI64ArrayAttr(offsets), builder.getArrayAttr(strides),
      builder.getArrayAttr(gathers), builder.getI64IntegerAttr(core), after));
}

void TileBuilder::ctrl(unsigned core, CtrlKernel kernel,
                       ArrayRef<int64_t> params, ArrayRef<CtrlOperand> operands,
                       size_t inputs) {
  stage->tracker.begin(queues.id({core, QueueKind::Ctrl, 0}));
  SmallVector<Value> values;
  SmallVector<int64_t> offsets;
  SmallVector<Attribute> strides;
  for (auto [i, operand] : llvm::enumerate(operands)) {
    values.push_back(operand.at.buffer);
    offsets.push_back(operand.at.offset);
    strides.push_back(builder.getDenseI64ArrayAttr(operand.at.strides));
    access(operand.at.buffer,
           makeBox(operand.at.offset, vec(operand.sizes),
                   vec(operand.at.strides), operand.elemBytes),
           i >= inputs);
  }
  SmallVector<Value> after = finish();
  stage->tokens.push_back(
      CtrlOp::create(builder, loc, builder.getType<TokenType>(), kernel, values,
                     static_cast<int64_t>(inputs), params, offsets,
                     builder.getArrayAttr(strides), core, after));
}

} // namespace cim
