// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Program to CIMISA.

#include <map>
#include <set>
#include <tuple>

#include "cim/Emit/ISA.h"
#include "dialects/CIMISA/IR/CIMISA.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using mlir::OpBuilder;

namespace cim {
namespace {

using LocationKey = std::pair<std::string_view, std::string_view>;

LocationKey keyOf(const Location &location) {
  return {location.node, location.layer};
}

class Builder {
public:
  Builder(const Program &program, mlir::MLIRContext *context)
      : program(program), context(context), builder(context),
        unknown(mlir::UnknownLoc::get(context)) {}

  mlir::OwningOpRef<mlir::ModuleOp> run();

private:
  void prepareLocations();
  bool tableIsImplied() const;
  mlir::StringAttr string(llvm::StringRef text) {
    return builder.getStringAttr(text);
  }
  std::string targetText() const;
  mlir::Location at(uint32_t loc) const {
    return loc < locations.size() ? locations[loc] : unknown;
  }

  void addTables();
  void addSegment(const Segment &segment);
  void nameKernels();
  bool addKernel(const Kernel &kernel, mlir::StringAttr symbol);
  bool addMicro(const Kernel &kernel, const MicroInst &inst,
                std::vector<mlir::Value> &registers);
  bool addStage(const Stage &stage, bool load);
  bool addQueue(const Queue &queue, const char *stageName);
  void addInstruction(const Instruction &instruction);

  /// Moves the insertion point into the new block of `op`'s region.
  template <typename Op>
  void enter(Op op) {
    builder.setInsertionPointToStart(&op.getBody().emplaceBlock());
  }

  const Program &program;
  mlir::MLIRContext *context;
  OpBuilder builder;
  mlir::Location unknown;
  std::vector<mlir::Location> locations; ///< Same index as Program::locations.
  std::vector<mlir::StringAttr> kernels; ///< Symbols, by kernel number.
};

//===----------------------------------------------------------------------===//
// Locations
//===----------------------------------------------------------------------===//

void Builder::prepareLocations() {
  std::map<LocationKey, uint32_t> first;
  for (uint32_t i = 0; i < program.locations.size(); ++i) {
    const Location &location = program.locations[i];
    isa::SourceRef source{location, std::nullopt};
    bool isNew = first.emplace(keyOf(location), i).second;
    if (i == 0)
      source.location = {}; // Ops without a location.
    else if (!isNew || (location.node.empty() && location.layer.empty()))
      source.entry = i;
    locations.push_back(isa::toMLIR(source, unknown));
  }
}

/// Whether exporting makes this very table without being told.
bool Builder::tableIsImplied() const {
  if (program.locations.empty() ||
      program.locations.front() != Location{"unknown", ""})
    return false;
  uint32_t next = 1;
  for (const Stage *stage : {&program.load, &program.run})
    for (const Queue &queue : stage->queues)
      for (const Instruction &instruction : queue.instructions) {
        if (instruction.loc > next)
          return false;
        if (instruction.loc == next)
          ++next;
      }
  if (next != program.locations.size())
    return false;
  std::set<LocationKey> seen;
  for (const Location &location : program.locations)
    if (!seen.insert(keyOf(location)).second ||
        (location.node.empty() && location.layer.empty()))
      return false;
  return true;
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

/// The preset's name if the target is exactly that preset.
std::string Builder::targetText() const {
  std::vector<std::string> presets = TargetSpec::presets();
  if (std::find(presets.begin(), presets.end(), program.target.name) !=
      presets.end()) {
    absl::StatusOr<TargetSpec> preset = TargetSpec::load(program.target.name);
    if (preset.ok() && *preset == program.target)
      return program.target.name;
  }
  std::string text = program.target.toYaml();
  if (text.empty() || text.back() != '\n')
    text += '\n';
  return text;
}

void Builder::addSegment(const Segment &segment) {
  size_t size = segment.data.size();
  auto type =
      mlir::RankedTensorType::get({int64_t(size)}, builder.getIntegerType(8));
  mlir::ElementsAttr data;
  if (size == 0) {
    data = mlir::DenseElementsAttr::get(type, llvm::ArrayRef<int8_t>());
  } else {
    // The deleter's copy of the blob keeps the bytes alive.
    mlir::AsmResourceBlob blob(
        {segment.data.data(), size}, /*dataAlignment=*/1,
        [keep = segment.data](void *, size_t, size_t) {},
        /*dataIsMutable=*/false);
    data = mlir::DenseResourceElementsAttr::get(
        type, segment.name.empty() ? "segment" : segment.name, std::move(blob));
  }
  isa::SegmentOp::create(builder, unknown, string(segment.name),
                         segment.address, data);
}

void Builder::addTables() {
  if (!tableIsImplied())
    isa::LocationsOp::create(builder, unknown,
                             isa::LocationTable{program.locations});
  for (const LayerInfo &layer : program.layers)
    isa::LayerOp::create(builder, unknown, layer);
  for (const BufferInfo &buffer : program.buffers)
    isa::BufferInfoOp::create(builder, unknown, buffer);
  for (const TensorInfo &tensor : program.inputs)
    isa::InputOp::create(builder, unknown, tensor);
  for (const TensorInfo &tensor : program.outputs)
    isa::OutputOp::create(builder, unknown, tensor);
  for (const Segment &segment : program.segments)
    addSegment(segment);
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// A symbol for every kernel: its name, made unique.
void Builder::nameKernels() {
  std::set<std::string> used;
  for (const Kernel &kernel : program.kernels)
    used.insert(kernel.name);
  std::set<std::string> taken;
  for (const Kernel &kernel : program.kernels) {
    std::string symbol = kernel.name;
    for (unsigned suffix = 0; symbol.empty() || taken.count(symbol) ||
                              (suffix > 0 && used.count(symbol));)
      symbol = (kernel.name.empty() ? "kernel" : kernel.name) + "_" +
               std::to_string(suffix++);
    taken.insert(symbol);
    kernels.push_back(string(symbol));
  }
}

bool Builder::addMicro(const Kernel &kernel, const MicroInst &inst,
                       std::vector<mlir::Value> &registers) {
  llvm::SmallVector<mlir::Value> args;
  for (uint16_t arg : inst.args) {
    if (arg >= registers.size() || !registers[arg]) {
      mlir::emitError(unknown) << "kernel " << kernel.name << ": register "
                               << arg << " is read before it is written";
      return false;
    }
    args.push_back(registers[arg]);
  }
  isa::MicroFields fields{inst.op, inst.type, inst.srcType, inst.dst, inst.imm};
  mlir::Type result;
  if (isa::info(inst.op).hasResult)
    result = isa::RegType::get(context, isa::resultType(inst.op, inst.type));
  auto op = isa::MicroInstOp::create(builder, unknown, result, args, fields);
  if (!result)
    return true;
  if (registers.size() <= inst.dst)
    registers.resize(inst.dst + size_t(1));
  registers[inst.dst] = op.getResult();
  return true;
}

bool Builder::addKernel(const Kernel &kernel, mlir::StringAttr symbol) {
  OpBuilder::InsertionGuard guard(builder);
  isa::KernelFacts facts;
  facts.renamed = symbol.getValue() != kernel.name;
  if (facts.renamed)
    facts.name = kernel.name;
  facts.inputs = kernel.inputs;
  facts.outputs = kernel.outputs;
  facts.registers = kernel.registers;
  enter(isa::KernelOp::create(builder, unknown, symbol, facts));
  std::vector<mlir::Value> registers;
  for (const MicroInst &inst : kernel.body)
    if (!addMicro(kernel, inst, registers))
      return false;
  return true;
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

isa::Issue issueOf(const Instruction &instruction) {
  return {instruction.waits, instruction.signal, instruction.steps};
}

void Builder::addInstruction(const Instruction &instruction) {
  mlir::Location loc = at(instruction.loc);
  isa::Issue issue = issueOf(instruction);
  if (std::holds_alternative<Nop>(instruction.op)) {
    isa::NopOp::create(builder, loc, issue);
  } else if (auto *op = std::get_if<DmaCopy>(&instruction.op)) {
    isa::DmaCopyOp::create(builder, loc, *op, issue);
  } else if (auto *op = std::get_if<DmaFill>(&instruction.op)) {
    isa::DmaFillOp::create(builder, loc, *op, issue);
  } else if (auto *op = std::get_if<WriteWeights>(&instruction.op)) {
    isa::WriteWeightsOp::create(builder, loc, *op, issue);
  } else if (auto *op = std::get_if<Mac>(&instruction.op)) {
    isa::MacOp::create(builder, loc, *op, issue);
  } else if (auto *op = std::get_if<Vec>(&instruction.op)) {
    // The symbol replaces the number.
    Vec vec = *op;
    vec.kernel = 0;
    mlir::StringAttr kernel =
        op->kernel < kernels.size() ? kernels[op->kernel] : string("missing");
    isa::VecOp::create(builder, loc, mlir::FlatSymbolRefAttr::get(kernel), vec,
                       issue);
  } else if (auto *op = std::get_if<Ctrl>(&instruction.op)) {
    isa::CtrlOp::create(builder, loc, *op, issue);
  }
}

bool Builder::addQueue(const Queue &queue, const char *stageName) {
  OpBuilder::InsertionGuard guard(builder);
  enter(isa::QueueOp::create(
      builder, unknown,
      isa::QueueFacts{queue.chip, queue.core, queue.engine, queue.index}));
  llvm::SmallVector<isa::LoopOp> loops;
  bool matched = true;
  for (const Instruction &instruction : queue.instructions) {
    if (auto *begin = std::get_if<LoopBegin>(&instruction.op)) {
      loops.push_back(isa::LoopOp::create(builder, at(instruction.loc), *begin,
                                          issueOf(instruction)));
      enter(loops.back());
    } else if (!std::holds_alternative<LoopEnd>(instruction.op)) {
      addInstruction(instruction);
    } else {
      matched = !loops.empty();
      if (!matched)
        break;
      isa::LoopEndOp::create(builder, at(instruction.loc),
                             issueOf(instruction));
      builder.setInsertionPointAfter(loops.pop_back_val());
    }
  }
  if (matched && loops.empty())
    return true;
  mlir::emitError(unknown) << stageName << " stage, chip "
                           << unsigned(queue.chip) << " core "
                           << unsigned(queue.core) << " " << name(queue.engine)
                           << ": loop begins and ends do not match";
  return false;
}

bool Builder::addStage(const Stage &stage, bool load) {
  if (stage.queues.empty())
    return true;
  OpBuilder::InsertionGuard guard(builder);
  enter(isa::StageOp::create(builder, unknown, load));
  for (const Queue &queue : stage.queues)
    if (!addQueue(queue, load ? "load" : "run"))
      return false;
  return true;
}

mlir::OwningOpRef<mlir::ModuleOp> Builder::run() {
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(unknown);
  builder.setInsertionPointToStart(module->getBody());
  isa::ProgramFacts facts;
  facts.semaphores = program.semaphores;
  facts.dramBytes = program.dramBytes;
  facts.predictedCycles = program.predictedCycles;
  facts.lowerBoundCycles = program.lowerBoundCycles;
  facts.predictedLoadCycles = program.predictedLoadCycles;
  enter(isa::ProgramOp::create(builder, unknown, string(program.model),
                               string(targetText()), string(program.producer),
                               facts));
  prepareLocations();
  addTables();
  nameKernels();
  for (size_t i = 0; i < program.kernels.size(); ++i)
    if (!addKernel(program.kernels[i], kernels[i]))
      return nullptr;
  if (!addStage(program.load, /*load=*/true) ||
      !addStage(program.run, /*load=*/false))
    return nullptr;
  if (!program.reportJson.empty())
    isa::ReportOp::create(builder, unknown, string(program.reportJson));
  return module;
}

} // namespace

mlir::OwningOpRef<mlir::ModuleOp> buildISA(const Program &program,
                                           mlir::MLIRContext *context) {
  context->loadDialect<isa::CIMISADialect>();
  return Builder(program, context).run();
}

} // namespace cim
