// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Lower/ToProgram.h"

#include <map>

#include "MicroProgram.h"
#include "TileBuilder.h"
#include "cim/IR/Constants.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringExtras.h"

namespace cim {
namespace {

using mlir::failed;
using mlir::failure;
using mlir::LogicalResult;
using mlir::success;
using mlir::Value;
using MlirOp = mlir::Operation;

std::vector<int64_t> list(llvm::ArrayRef<int64_t> values) {
  return {values.begin(), values.end()};
}

std::vector<Dim> dims(llvm::ArrayRef<int64_t> sizes,
                      llvm::ArrayRef<int64_t> strides) {
  std::vector<Dim> result;
  for (auto [size, stride] : llvm::zip_equal(sizes, strides))
    result.push_back({size, stride});
  return result;
}

class ProgramBuilder {
public:
  ProgramBuilder(mlir::ModuleOp module, Program &program)
      : module(module), program(program) {}
  LogicalResult run();

private:
  LogicalResult buffers();
  LogicalResult kernels();
  LogicalResult stage(ir::StageOp op, Stage &out);
  Address address(Value buffer, int64_t offset);
  std::vector<Wait> waits(mlir::OperandRange after);
  uint32_t location(MlirOp *op);
  Operation convert(ir::DmaCopyOp op);
  Operation convert(ir::DmaFillOp op);
  Operation convert(ir::WriteWeightsOp op);
  Operation convert(ir::MacOp op);
  Operation convert(ir::VectorOp op);
  Operation convert(ir::CtrlOp op);

  mlir::ModuleOp module;
  Program &program;
  llvm::DenseMap<mlir::Attribute, uint32_t> kernelIndex;
  llvm::DenseMap<mlir::Attribute, uint32_t> locationIndex;
  llvm::DenseMap<mlir::Attribute, uint32_t> layerIndex;
  std::vector<std::vector<std::string>> layerNodes;
  llvm::DenseMap<MlirOp *, uint32_t> bufferIndex;
  /// Semaphore and count that mean "this operation has completed".
  llvm::DenseMap<MlirOp *, Wait> completion;
};

Address ProgramBuilder::address(Value buffer, int64_t offset) {
  auto op = mlir::cast<ir::BufferOp>(buffer.getDefiningOp());
  ir::MemAttr mem = op.getMem();
  Address address;
  address.space = static_cast<Space>(mem.getSpace());
  address.chip = static_cast<uint8_t>(mem.getChip());
  address.offset = *op.getOffset() + offset;
  return address;
}

/// The source nodes a location names, each once, in order.
void collectNames(mlir::Location loc, std::vector<std::string> &names) {
  if (auto name = mlir::dyn_cast<mlir::NameLoc>(loc)) {
    std::string text = name.getName().str();
    if (!llvm::is_contained(names, text))
      names.push_back(text);
    return;
  }
  if (auto fused = mlir::dyn_cast<mlir::FusedLoc>(loc))
    for (mlir::Location inner : fused.getLocations())
      collectNames(inner, names);
}

uint32_t ProgramBuilder::location(MlirOp *op) {
  auto [entry, isNew] = locationIndex.try_emplace(op->getLoc(), 0);
  if (!isNew)
    return entry->second;
  Location result;
  std::vector<std::string> names;
  collectNames(op->getLoc(), names);
  result.node = llvm::join(names, ", ");
  if (auto fused = mlir::dyn_cast<mlir::FusedLoc>(op->getLoc()))
    if (auto layer =
            mlir::dyn_cast_or_null<mlir::StringAttr>(fused.getMetadata())) {
      result.layer = layer.getValue().str();
      uint32_t index =
          layerIndex.try_emplace(layer, layerIndex.size()).first->second;
      layerNodes.resize(layerIndex.size());
      for (std::string &name : names)
        if (!llvm::is_contained(layerNodes[index], name))
          layerNodes[index].push_back(name);
    }
  entry->second = program.locations.size();
  program.locations.push_back(result);
  return entry->second;
}

LogicalResult ProgramBuilder::buffers() {
  uint64_t dramEnd = 0;
  for (ir::BufferOp op : module.getOps<ir::BufferOp>()) {
    auto type = mlir::cast<mlir::MemRefType>(op.getType());
    if (!op.getOffset())
      return op.emitError("has no address; run the allocate phase first");
    std::optional<DType> dtype = dtypeOf(type.getElementType());
    if (!dtype)
      return op.emitError("element type ")
             << type.getElementType() << " is not a device type";
    Address at = address(op.getResult(), 0);
    uint64_t size = op.getByteSize();
    if (at.space == Space::DRAM)
      dramEnd = std::max(dramEnd, at.offset + size);
    TensorInfo info;
    info.name = op.getName().str();
    info.type = *dtype;
    info.shape = list(type.getShape());
    info.address = at;
    if (auto shape = op->getAttrOfType<mlir::DenseI64ArrayAttr>("cim.shape"))
      info.shape = list(shape);
    if (op->hasAttr("cim.unsigned"))
      info.type = asUnsigned(info.type);
    info.hidden = op->hasAttr("cim.hidden");
    if (auto pairs = op->getAttrOfType<mlir::DenseI64ArrayAttr>("cim.lengths"))
      for (int64_t i = 0; i + 1 < pairs.size(); i += 2)
        info.lengths.push_back({static_cast<uint32_t>(pairs[i]),
                                static_cast<uint32_t>(pairs[i + 1])});
    switch (op.getKind()) {
    case ir::BufferKind::input:
      program.inputs.push_back(info);
      break;
    case ir::BufferKind::output:
      program.outputs.push_back(info);
      break;
    case ir::BufferKind::constant: {
      auto value = mlir::cast<mlir::ElementsAttr>(*op.getValue());
      llvm::ArrayRef<char> bytes = ir::rawBytes(value);
      Segment segment{op.getName().str(), at, {}};
      if (bytes.size() == size && !ir::isSplat(value)) {
        segment.data = Blob(bytes.data(), bytes.size(), nullptr);
      } else {
        std::vector<char> expanded = ir::expandedBytes(value);
        segment.data = Blob(std::string(expanded.begin(), expanded.end()));
      }
      if (segment.data.size() != size)
        return op.emitError("constant data are missing");
      program.segments.push_back(std::move(segment));
      break;
    }
    default:
      break;
    }
    BufferInfo buffer{op.getName().str(),
                      at,
                      static_cast<uint8_t>(op.getMem().getCore()),
                      size,
                      0,
                      0};
    bufferIndex[op] = program.buffers.size();
    program.buffers.push_back(buffer);
  }
  program.dramBytes = llvm::alignTo(dramEnd, 4096);
  return success();
}

LogicalResult ProgramBuilder::kernels() {
  for (ir::KernelOp op : module.getOps<ir::KernelOp>()) {
    mlir::FailureOr<Kernel> kernel = toMicroProgram(op);
    if (failed(kernel))
      return failure();
    kernelIndex[mlir::FlatSymbolRefAttr::get(op.getSymNameAttr())] =
        program.kernels.size();
    program.kernels.push_back(std::move(*kernel));
  }
  return success();
}

std::vector<Wait> ProgramBuilder::waits(mlir::OperandRange after) {
  std::vector<Wait> result;
  for (Value token : after)
    result.push_back(completion.lookup(token.getDefiningOp()));
  std::sort(result.begin(), result.end(), [](const Wait &a, const Wait &b) {
    return std::pair(a.id, a.value) < std::pair(b.id, b.value);
  });
  return result;
}

Operation ProgramBuilder::convert(ir::DmaCopyOp op) {
  DmaCopy copy;
  copy.src = address(op.getSrc(), op.getSrcOffset());
  copy.dst = address(op.getDst(), op.getDstOffset());
  copy.elemBytes = static_cast<uint8_t>(op.getElemBytes());
  copy.sizes = list(op.getSizes());
  copy.srcStrides = list(op.getSrcStrides());
  copy.dstStrides = list(op.getDstStrides());
  return copy;
}

Operation ProgramBuilder::convert(ir::DmaFillOp op) {
  DmaFill fill;
  fill.dst = address(op.getDst(), op.getDstOffset());
  fill.elemBytes = static_cast<uint8_t>(op.getElemBytes());
  fill.value = static_cast<uint64_t>(op.getValue());
  if (fill.elemBytes < 8)
    fill.value &= (uint64_t(1) << (8 * fill.elemBytes)) - 1;
  fill.dims = dims(op.getSizes(), op.getDstStrides());
  return fill;
}

Operation ProgramBuilder::convert(ir::WriteWeightsOp op) {
  WriteWeights write;
  write.set = static_cast<uint8_t>(op.getSet());
  write.row0 = static_cast<uint16_t>(op.getPosition()[0]);
  write.col0 = static_cast<uint16_t>(op.getPosition()[1]);
  write.rows = static_cast<uint16_t>(op.getShape()[0]);
  write.cols = static_cast<uint16_t>(op.getShape()[1]);
  write.copies = static_cast<uint16_t>(op.getCopies()[0]);
  write.copyCols = static_cast<uint16_t>(op.getCopies()[1]);
  write.copyRowPitch = static_cast<uint16_t>(op.getCopies()[2]);
  write.copyColPitch = static_cast<uint16_t>(op.getCopies()[3]);
  write.format = static_cast<WeightFormat>(op.getFormat());
  write.planes = static_cast<uint8_t>(op.getPlanes());
  write.blockRows = static_cast<uint8_t>(op.getBlockRows());
  write.src = address(op.getSrc(), op.getSrcOffset());
  write.rowStride = op.getStrides()[0];
  write.colStride = op.getStrides()[1];
  for (int64_t mask : op.getPlaneMasks())
    write.planeMasks.push_back(static_cast<uint16_t>(mask));
  return write;
}

Operation ProgramBuilder::convert(ir::MacOp op) {
  Mac mac;
  mac.set = static_cast<uint8_t>(op.getSet());
  mac.row0 = static_cast<uint16_t>(op.getPosition()[0]);
  mac.col0 = static_cast<uint16_t>(op.getPosition()[1]);
  mac.rows = static_cast<uint16_t>(op.getShape()[0]);
  mac.cols = static_cast<uint16_t>(op.getShape()[1]);
  mac.copies = static_cast<uint16_t>(op.getCopies());
  mac.actType = *dtypeOf(
      mlir::cast<mlir::MemRefType>(op.getAct().getType()).getElementType());
  mac.act = address(op.getAct(), op.getActOffset());
  mac.m = dims(op.getMSizes(), op.getMStrides());
  mac.k = dims(op.getKSizes(), op.getKStrides());
  mac.acc = address(op.getAcc(), op.getAccOffset());
  mac.accStride = op.getAccStride();
  mac.init = static_cast<AccInit>(op.getInit());
  if (op.getBias())
    mac.bias = address(op.getBias(), op.getBiasOffset());
  return mac;
}

Operation ProgramBuilder::convert(ir::VectorOp op) {
  Vec vec;
  vec.kernel = kernelIndex.lookup(op.getKernelAttr());
  vec.sizes = list(op.getSizes());
  for (int64_t loop : op.getReductions())
    vec.reductionMask |= uint8_t(1) << loop;
  vec.indexBase = list(op.getIndexBase());
  for (auto [i, buffer] : llvm::enumerate(op.getBuffers())) {
    VecOperand operand;
    operand.base = address(buffer, op.getOffsets()[i]);
    operand.strides =
        list(mlir::cast<mlir::DenseI64ArrayAttr>(op.getStrides()[i]));
    auto gather = mlir::cast<mlir::DenseI64ArrayAttr>(op.getGathers()[i]);
    for (int64_t j = 0; j + 1 < gather.size(); j += 2)
      operand.gather.push_back({gather[j], gather[j + 1]});
    vec.operands.push_back(std::move(operand));
  }
  return vec;
}

Operation ProgramBuilder::convert(ir::CtrlOp op) {
  Ctrl ctrl;
  ctrl.kernel = static_cast<uint16_t>(op.getKernel());
  ctrl.params = list(op.getParams());
  for (auto [i, buffer] : llvm::enumerate(op.getBuffers()))
    ctrl.operands.push_back(
        {address(buffer, op.getOffsets()[i]),
         list(mlir::cast<mlir::DenseI64ArrayAttr>(op.getStrides()[i])),
         {}});
  return ctrl;
}

Engine engineOf(QueueKind kind) {
  switch (kind) {
  case QueueKind::WeightWrite:
    return Engine::WeightWrite;
  case QueueKind::Mac:
    return Engine::Mac;
  case QueueKind::Vec:
    return Engine::Vec;
  case QueueKind::Ctrl:
    return Engine::Ctrl;
  case QueueKind::Dma:
    return Engine::Dma;
  }
  return Engine::Ctrl;
}

LogicalResult ProgramBuilder::stage(ir::StageOp op, Stage &out) {
  std::map<QueueId, Queue> queues;
  // Which operations anyone waits for: only they signal.
  llvm::DenseSet<MlirOp *> awaited;
  for (MlirOp &inner : op.getBody().front())
    for (Value operand : inner.getOperands())
      if (mlir::isa<ir::TokenType>(operand.getType()))
        awaited.insert(operand.getDefiningOp());
  std::map<QueueId, uint16_t> semaphore;
  for (MlirOp &inner : op.getBody().front()) {
    QueueId id = queueOf(&inner);
    if (semaphore.try_emplace(id, semaphore.size()).second) {
      queues[id].core = static_cast<uint8_t>(id.core);
      queues[id].engine = engineOf(id.kind);
      queues[id].index = static_cast<uint8_t>(id.channel);
    }
  }
  program.semaphores = std::max<uint16_t>(program.semaphores, semaphore.size());
  std::map<QueueId, uint64_t> signals;
  for (MlirOp &inner : op.getBody().front()) {
    QueueId id = queueOf(&inner);
    Instruction instruction;
    instruction.loc = location(&inner);
    llvm::TypeSwitch<MlirOp *>(&inner)
        .Case<ir::DmaCopyOp, ir::DmaFillOp, ir::WriteWeightsOp, ir::MacOp,
              ir::VectorOp, ir::CtrlOp>([&](auto typed) {
          instruction.op = convert(typed);
          instruction.waits = waits(typed.getAfter());
        });
    if (awaited.contains(&inner)) {
      instruction.signal = semaphore[id];
      completion[&inner] = {semaphore[id], ++signals[id]};
    }
    for (Value operand : inner.getOperands())
      if (auto buffer = operand.getDefiningOp<ir::BufferOp>()) {
        BufferInfo &info = program.buffers[bufferIndex[buffer]];
        auto fused = mlir::dyn_cast<mlir::FusedLoc>(inner.getLoc());
        uint32_t layer = fused ? layerIndex.lookup(fused.getMetadata()) : 0;
        info.lastLayer = std::max(info.lastLayer, layer);
      }
    queues[id].instructions.push_back(std::move(instruction));
  }
  for (auto &[id, queue] : queues)
    out.queues.push_back(std::move(queue));
  return success();
}

LogicalResult ProgramBuilder::run() {
  program.locations.push_back({"unknown", ""});
  if (failed(buffers()) || failed(kernels()))
    return failure();
  for (ir::StageOp op : module.getOps<ir::StageOp>())
    if (failed(stage(op, op.getKind() == ir::StageKind::load ? program.load
                                                             : program.run)))
      return failure();
  std::vector<LayerInfo> layers(layerIndex.size());
  for (auto [attr, index] : layerIndex)
    layers[index].name = mlir::cast<mlir::StringAttr>(attr).getValue().str();
  for (auto [layer, nodes] : llvm::zip_equal(layers, layerNodes))
    layer.nodes = nodes;
  program.layers = std::move(layers);
  return success();
}

} // namespace

mlir::FailureOr<Program> buildProgram(mlir::ModuleOp module,
                                      const TargetSpec &target) {
  Program program;
  program.target = target;
  if (auto name = module->getAttrOfType<mlir::StringAttr>("cim.model"))
    program.model = name.getValue().str();
  if (failed(ProgramBuilder(module, program).run()))
    return failure();
  return program;
}

} // namespace cim
