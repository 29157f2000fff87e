// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// CIMISA to Program.

#include <map>

#include "cim/Emit/ISA.h"
#include "cim/Program/ProgramIO.h"
#include "dialects/CIMISA/IR/CIMISA.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"

namespace cim {
namespace {

llvm::StringRef toRef(absl::string_view text) {
  return {text.data(), text.size()};
}

class Exporter {
public:
  Exporter(isa::ProgramOp op, const ExportOptions &options)
      : op(op), options(options) {}

  mlir::FailureOr<Program> run();

private:
  llvm::LogicalResult addHeader();
  llvm::LogicalResult addTable(mlir::Operation &entry);
  void addSegment(isa::SegmentOp segment);
  void addKernel(isa::KernelOp kernel);
  llvm::LogicalResult addStage(isa::StageOp stage);
  llvm::LogicalResult addBlock(mlir::Block &block, Queue &queue);
  llvm::LogicalResult addInstruction(mlir::Operation &inst, Queue &queue);
  /// Index of the op's location in the table.
  mlir::FailureOr<uint32_t> locationOf(mlir::Operation &inst);

  isa::ProgramOp op;
  const ExportOptions &options;
  Program program;
  std::map<std::pair<std::string, std::string>, uint32_t> known;
  llvm::DenseMap<mlir::Location, uint32_t> cache; ///< Looked up only.
  llvm::DenseMap<mlir::StringAttr, uint32_t> kernels;
};

llvm::LogicalResult Exporter::addHeader() {
  absl::StatusOr<TargetSpec> target = op.loadTarget();
  if (!target.ok())
    return mlir::emitError(op.getLoc(), "target is unusable: ")
           << toRef(target.status().message());
  program.model = op.getModel().str();
  program.producer = op.getProducer().str();
  program.target = *std::move(target);
  const isa::ProgramFacts &facts = op.getFacts();
  program.semaphores = facts.semaphores;
  program.dramBytes = facts.dramBytes;
  program.predictedCycles = facts.predictedCycles;
  program.lowerBoundCycles = facts.lowerBoundCycles;
  program.predictedLoadCycles = facts.predictedLoadCycles;
  program.locations = {{"unknown", ""}};
  for (auto table : op.getBody().getOps<isa::LocationsOp>())
    program.locations = table.getTable().entries;
  for (auto [i, location] : llvm::enumerate(program.locations))
    known.try_emplace({location.node, location.layer}, i);
  return mlir::success();
}

mlir::FailureOr<uint32_t> Exporter::locationOf(mlir::Operation &inst) {
  mlir::Location loc = inst.getLoc();
  if (auto it = cache.find(loc); it != cache.end())
    return it->second;
  isa::SourceRef source = isa::fromMLIR(loc);
  uint32_t index = 0;
  if (source.entry) {
    index = *source.entry;
    if (index >= program.locations.size())
      return inst.emitOpError("names location ")
             << index << "; the table has " << program.locations.size();
  } else if (!source.location.node.empty() || !source.location.layer.empty()) {
    auto [it, isNew] =
        known.try_emplace({source.location.node, source.location.layer},
                          program.locations.size());
    if (isNew)
      program.locations.push_back(source.location);
    index = it->second;
  }
  cache.try_emplace(loc, index);
  return index;
}

void Exporter::addSegment(isa::SegmentOp segment) {
  Segment &out = program.segments.emplace_back();
  out.name = segment.getName().str();
  out.address = segment.getAddress();
  if (auto resource =
          llvm::dyn_cast<mlir::DenseResourceElementsAttr>(segment.getData())) {
    llvm::ArrayRef<char> bytes = resource.getRawHandle().getBlob()->getData();
    out.data = options.copySegments
                   ? Blob(std::string(bytes.data(), bytes.size()))
                   : Blob(bytes.data(), bytes.size(), nullptr);
    return;
  }
  auto dense = llvm::cast<mlir::DenseElementsAttr>(segment.getData());
  llvm::ArrayRef<char> raw = dense.getRawData();
  std::string bytes(raw.data(), raw.size());
  if (dense.isSplat()) {
    bytes.clear();
    for (int64_t i = 0; i < dense.getNumElements(); ++i)
      bytes.append(raw.data(), raw.size());
  }
  out.data = Blob(std::move(bytes));
}

void Exporter::addKernel(isa::KernelOp kernel) {
  const isa::KernelFacts &facts = kernel.getFacts();
  kernels.try_emplace(kernel.getSymNameAttr(), program.kernels.size());
  Kernel &out = program.kernels.emplace_back();
  out.name = facts.renamed ? facts.name : kernel.getSymName().str();
  out.inputs = facts.inputs;
  out.outputs = facts.outputs;
  out.registers = facts.registers;
  for (auto inst : kernel.getBody().getOps<isa::MicroInstOp>()) {
    const isa::MicroFields &fields = inst.getFields();
    MicroInst &micro = out.body.emplace_back();
    micro.op = fields.op;
    micro.type = fields.type;
    micro.srcType = fields.srcType;
    micro.dst = fields.reg;
    micro.imm = fields.imm;
    for (mlir::Value arg : inst.getArgs())
      micro.args.push_back(
          arg.getDefiningOp<isa::MicroInstOp>().getFields().reg);
  }
}

llvm::LogicalResult Exporter::addInstruction(mlir::Operation &inst,
                                             Queue &queue) {
  mlir::FailureOr<uint32_t> loc = locationOf(inst);
  if (failed(loc))
    return mlir::failure();
  Instruction &out = queue.instructions.emplace_back();
  out.loc = *loc;
  llvm::TypeSwitch<mlir::Operation *>(&inst)
      .Case<isa::DmaCopyOp, isa::DmaFillOp, isa::WriteWeightsOp, isa::MacOp,
            isa::CtrlOp, isa::LoopOp>(
          [&](auto typed) { out.op = typed.getInst(); })
      .Case<isa::VecOp>([&](isa::VecOp vec) {
        out.op = vec.getInst();
        std::get<Vec>(out.op).kernel =
            kernels.lookup(vec.getKernelAttr().getAttr());
      })
      .Case<isa::LoopEndOp>([&](auto) { out.op = LoopEnd{}; });
  if (auto typed = llvm::dyn_cast<isa::InstructionOpInterface>(inst)) {
    const isa::Issue &issue = typed.getIssue();
    out.waits = issue.waits;
    out.signal = issue.signal;
    out.steps = issue.steps;
  }
  return mlir::success();
}

/// Depth is bounded by the verifier (loop_c2).
llvm::LogicalResult Exporter::addBlock(mlir::Block &block, Queue &queue) {
  for (mlir::Operation &inst : block) {
    if (failed(addInstruction(inst, queue)))
      return mlir::failure();
    if (auto loop = llvm::dyn_cast<isa::LoopOp>(inst))
      if (failed(addBlock(loop.getBody().front(), queue)))
        return mlir::failure();
  }
  return mlir::success();
}

llvm::LogicalResult Exporter::addStage(isa::StageOp stage) {
  Stage &out = stage.getLoad() ? program.load : program.run;
  for (auto queue : stage.getBody().getOps<isa::QueueOp>()) {
    const isa::QueueFacts &facts = queue.getFacts();
    Queue &target = out.queues.emplace_back();
    target.chip = facts.chip;
    target.core = facts.core;
    target.engine = facts.engine;
    target.index = facts.index;
    if (failed(addBlock(queue.getBody().front(), target)))
      return mlir::failure();
  }
  return mlir::success();
}

llvm::LogicalResult Exporter::addTable(mlir::Operation &entry) {
  if (auto segment = llvm::dyn_cast<isa::SegmentOp>(entry)) {
    auto resource =
        llvm::dyn_cast<mlir::DenseResourceElementsAttr>(segment.getData());
    if (resource && !resource.getRawHandle().getBlob())
      return segment.emitOpError("resource '")
             << resource.getRawHandle().getKey()
             << "' has no data; was it elided when printing?";
    addSegment(segment);
    return mlir::success();
  }
  llvm::TypeSwitch<mlir::Operation *>(&entry)
      .Case<isa::LayerOp>(
          [&](auto layer) { program.layers.push_back(layer.getInfo()); })
      .Case<isa::BufferInfoOp>(
          [&](auto buffer) { program.buffers.push_back(buffer.getInfo()); })
      .Case<isa::InputOp>(
          [&](auto tensor) { program.inputs.push_back(tensor.getInfo()); })
      .Case<isa::OutputOp>(
          [&](auto tensor) { program.outputs.push_back(tensor.getInfo()); })
      .Case<isa::KernelOp>([&](auto kernel) { addKernel(kernel); })
      .Case<isa::ReportOp>(
          [&](auto report) { program.reportJson = report.getJson().str(); });
  return mlir::success();
}

mlir::FailureOr<Program> Exporter::run() {
  if (failed(addHeader()))
    return mlir::failure();
  // Kernels first: instructions refer to them by number. The load stage first:
  // it decides the order of the locations.
  for (mlir::Operation &entry : op.getBody().front())
    if (failed(addTable(entry)))
      return mlir::failure();
  for (bool load : {true, false})
    for (auto stage : op.getBody().getOps<isa::StageOp>())
      if (stage.getLoad() == load && failed(addStage(stage)))
        return mlir::failure();
  if (!options.validate)
    return std::move(program);
  if (absl::Status status = validateProgram(program); !status.ok())
    return mlir::emitError(op.getLoc(), toRef(status.message()));
  return std::move(program);
}

} // namespace

mlir::FailureOr<Program> exportProgram(mlir::ModuleOp module,
                                       const ExportOptions &options) {
  auto programs = module.getOps<isa::ProgramOp>();
  auto count = std::distance(programs.begin(), programs.end());
  if (count != 1)
    return mlir::emitError(module.getLoc(), "module holds ")
           << count << " cimisa.program ops; exactly one is needed";
  return Exporter(*programs.begin(), options).run();
}

} // namespace cim
