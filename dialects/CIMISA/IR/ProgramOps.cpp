// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The program, its tables and its stages.

#include "dialects/CIMISA/IR/Asm.h"
#include "llvm/ADT/SmallSet.h"

using namespace mlir;
using namespace cim;
using namespace cim::isa;
using namespace cim::isa::text;

/// An error without the op's text, which may be thousands of instructions.
static InFlightDiagnostic errorAt(mlir::Operation *op, const Twine &message) {
  return emitError(op->getLoc()) << "'" << op->getName() << "' op " << message;
}

template <typename Op>
static void printExtra(OpAsmPrinter &p, Op op) {
  p.printOptionalAttrDict(op->getDiscardableAttrDictionary().getValue());
}
template <typename Op>
static void printExtraAndBody(OpAsmPrinter &p, Op op) {
  p.printOptionalAttrDictWithKeyword(
      op->getDiscardableAttrDictionary().getValue());
  p << ' ';
  p.printRegion(op.getBody(), /*printEntryBlockArgs=*/false);
}
static ParseResult parseExtraAndBody(OpAsmParser &parser,
                                     OperationState &result) {
  return failure(parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
                 parseBody(parser, result));
}

//===----------------------------------------------------------------------===//
// program
//===----------------------------------------------------------------------===//

/// A preset's name, or the lines of a description (each ends with a newline).
static ParseResult parseTarget(OpAsmParser &parser, StringAttr &target) {
  std::string text;
  if (succeeded(parser.parseOptionalString(&text))) {
    target = parser.getBuilder().getStringAttr(text);
    return success();
  }
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Square,
                                     [&]() -> ParseResult {
                                       std::string line;
                                       if (parser.parseString(&line))
                                         return failure();
                                       text += line + "\n";
                                       return success();
                                     }))
    return failure();
  target = parser.getBuilder().getStringAttr(text);
  return success();
}

static void printTarget(OpAsmPrinter &p, StringRef target) {
  if (!target.consume_back("\n"))
    return printString(p, target);
  p << '[';
  p.increaseIndent();
  SmallVector<StringRef> lines;
  target.split(lines, '\n');
  for (auto [i, line] : llvm::enumerate(lines)) {
    if (i != 0)
      p << ',';
    p.printNewline();
    printString(p, line);
  }
  p.decreaseIndent();
  p.printNewline();
  p << ']';
}

ParseResult ProgramOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &props = result.getOrAddProperties<Properties>();
  std::string model, producer;
  ProgramFacts &facts = props.facts;
  if (parser.parseString(&model) || parser.parseKeyword("target") ||
      parseTarget(parser, props.target))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("producer")) &&
      parser.parseString(&producer))
    return failure();
  if (parseOptionalNumber(parser, "semaphores", facts.semaphores) ||
      parseOptionalNumber(parser, "dram", facts.dramBytes) ||
      parseOptionalNumber(parser, "predicted", facts.predictedCycles) ||
      parseOptionalNumber(parser, "bound", facts.lowerBoundCycles) ||
      parseOptionalNumber(parser, "load", facts.predictedLoadCycles))
    return failure();
  props.model = parser.getBuilder().getStringAttr(model);
  props.producer = parser.getBuilder().getStringAttr(producer);
  return parseExtraAndBody(parser, result);
}

void ProgramOp::print(OpAsmPrinter &p) {
  const ProgramFacts &facts = getFacts();
  p << ' ';
  printString(p, getModel());
  p << " target ";
  printTarget(p, getTarget());
  if (!getProducer().empty()) {
    p << " producer ";
    printString(p, getProducer());
  }
  auto number = [&](StringRef keyword, uint64_t value) {
    if (value != 0)
      p << ' ' << keyword << ' ' << value;
  };
  number("semaphores", facts.semaphores);
  number("dram", facts.dramBytes);
  number("predicted", facts.predictedCycles);
  number("bound", facts.lowerBoundCycles);
  number("load", facts.predictedLoadCycles);
  printExtraAndBody(p, *this);
}

absl::StatusOr<TargetSpec> ProgramOp::loadTarget() {
  StringRef target = getTarget();
  if (target.contains('\n'))
    return TargetSpec::fromYaml(std::string_view(target.data(), target.size()),
                                "target of the program");
  return TargetSpec::load(target.str());
}

LogicalResult ProgramOp::verify() {
  absl::StatusOr<TargetSpec> target = loadTarget(); // program_c1
  if (!target.ok())
    return errorAt(*this, "target is unusable: ")
           << StringRef(target.status().message().data(),
                        target.status().message().size());
  return success();
}

/// Every address an instruction holds.
static void forEachAddress(mlir::Operation *op,
                           llvm::function_ref<void(const Address &)> fn) {
  auto operands = [&](const std::vector<VecOperand> &list) {
    for (const VecOperand &operand : list)
      fn(operand.base);
  };
  if (auto copy = dyn_cast<DmaCopyOp>(op)) {
    fn(copy.getInst().src);
    fn(copy.getInst().dst);
  } else if (auto fill = dyn_cast<DmaFillOp>(op)) {
    fn(fill.getInst().dst);
  } else if (auto write = dyn_cast<WriteWeightsOp>(op)) {
    fn(write.getInst().src);
  } else if (auto mac = dyn_cast<MacOp>(op)) {
    fn(mac.getInst().act);
    fn(mac.getInst().acc);
    fn(mac.getInst().bias);
  } else if (auto vec = dyn_cast<VecOp>(op)) {
    operands(vec.getInst().operands);
  } else if (auto ctrl = dyn_cast<CtrlOp>(op)) {
    operands(ctrl.getInst().operands);
  }
}

/// program_c3 and the addresses' half of program_c4.
static LogicalResult verifyInstruction(InstructionOpInterface inst,
                                       unsigned semaphores,
                                       const TargetSpec &target) {
  const Issue &issue = inst.getIssue();
  for (const Wait &wait : issue.waits)
    if (wait.id >= semaphores)
      return inst->emitOpError("waits for semaphore ")
             << wait.id << " of " << semaphores << " the program declares";
  if (issue.signal != kNoSemaphore && issue.signal >= semaphores)
    return inst->emitOpError("signals semaphore ")
           << issue.signal << " of " << semaphores << " the program declares";
  const Address *bad = nullptr;
  forEachAddress(inst, [&](const Address &address) {
    if (address.chip >= target.chips)
      bad = &address;
  });
  if (bad)
    return inst->emitOpError("names chip ")
           << unsigned(bad->chip) << " of a target with " << target.chips;
  return success();
}

/// program_c4 for a queue.
static LogicalResult verifyPlace(QueueOp queue, const TargetSpec &target) {
  const QueueFacts &facts = queue.getFacts();
  if (facts.chip >= target.chips || facts.core >= target.coresPerChip)
    return errorAt(queue, "is of chip ")
           << unsigned(facts.chip) << " core " << unsigned(facts.core)
           << "; the target has " << target.chips << " chips of "
           << target.coresPerChip << " cores";
  unsigned engines = facts.engine == Engine::Dma ? target.dmaChannels : 1;
  if (facts.index >= engines)
    return errorAt(queue, "is ")
           << cim::name(facts.engine) << " " << unsigned(facts.index)
           << "; a core of the target has " << engines;
  return success();
}

LogicalResult ProgramOp::verifyRegions() {
  unsigned stages[2] = {0, 0}, reports = 0, tables = 0;
  for (mlir::Operation &op : getBody().front()) {
    if (auto stage = dyn_cast<StageOp>(op))
      ++stages[stage.getLoad()];
    reports += llvm::isa<ReportOp>(op);
    tables += llvm::isa<LocationsOp>(op);
    if (stages[0] > 1 || stages[1] > 1 || reports > 1 || tables > 1)
      return errorAt(&op, "is there a second time; a program has one"); // c2
    if (!llvm::isa<CIMISADialect>(op.getDialect()) || llvm::isa<ProgramOp>(op))
      return errorAt(&op, "does not belong into a program");
  }
  absl::StatusOr<TargetSpec> target = loadTarget();
  if (!target.ok())
    return failure();
  unsigned semaphores = getFacts().semaphores;
  if (semaphores > target->semaphores) // program_c3
    return errorAt(*this, "uses ")
           << semaphores << " semaphores; the target has "
           << target->semaphores;
  WalkResult result = getBody().walk([&](mlir::Operation *op) {
    if (auto inst = dyn_cast<InstructionOpInterface>(op)) {
      if (failed(verifyInstruction(inst, semaphores, *target)))
        return WalkResult::interrupt();
    } else if (auto queue = dyn_cast<QueueOp>(op)) {
      if (failed(verifyPlace(queue, *target)))
        return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

//===----------------------------------------------------------------------===//
// input, output, segment
//===----------------------------------------------------------------------===//

static ParseResult parseQuant(OpAsmParser &parser, TensorInfo &info) {
  if (failed(parser.parseOptionalKeyword("quant")))
    return success();
  if (succeeded(parser.parseOptionalKeyword("bits"))) {
    uint32_t bits;
    if (parseNumber(parser, bits))
      return failure();
    info.quant.scale = llvm::bit_cast<float>(bits);
  } else {
    llvm::APFloat scale(llvm::APFloat::IEEEsingle());
    if (parser.parseFloat(llvm::APFloat::IEEEsingle(), scale))
      return failure();
    info.quant.scale = scale.convertToFloat();
  }
  return failure(parser.parseColon() ||
                 parseNumber(parser, info.quant.zeroPoint));
}

static ParseResult parseTensor(OpAsmParser &parser, TensorInfo &info) {
  if (parser.parseString(&info.name) || text::parse(parser, info.type) ||
      parseNumbers(parser, info.shape) || text::parse(parser, info.address) ||
      parseQuant(parser, info))
    return failure();
  auto parseLength = [&]() -> ParseResult {
    OutputLength &length = info.lengths.emplace_back();
    return failure(parseNumber(parser, length.dim) || parser.parseColon() ||
                   parseNumber(parser, length.output));
  };
  if (succeeded(parser.parseOptionalKeyword("lengths")) &&
      parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Square,
                                     parseLength))
    return failure();
  info.hidden = succeeded(parser.parseOptionalKeyword("hidden"));
  return success();
}

static void printQuant(OpAsmPrinter &p, const TensorInfo &info) {
  uint32_t bits = llvm::bit_cast<uint32_t>(info.quant.scale);
  if (bits == 0 && info.quant.zeroPoint == 0)
    return;
  p << " quant ";
  if (!printFloat(p, llvm::APFloat(info.quant.scale)))
    p << "bits " << hex(bits);
  p << " : " << info.quant.zeroPoint;
}

static void printTensor(OpAsmPrinter &p, const TensorInfo &info) {
  p << ' ';
  printString(p, info.name);
  p << ' ' << dtypeName(info.type) << ' ';
  printNumbers(p, info.shape);
  p << ' ';
  text::print(p, info.address);
  printQuant(p, info);
  if (!info.lengths.empty()) {
    p << " lengths [";
    llvm::interleaveComma(info.lengths, p, [&](const OutputLength &length) {
      p << length.dim << ':' << length.output;
    });
    p << ']';
  }
  if (info.hidden)
    p << " hidden";
}

static LogicalResult verifyTensor(mlir::Operation *op, const TensorInfo &info) {
  if (info.address.space != Space::DRAM) // tensor_c1
    return op->emitOpError("is in ")
           << cim::name(info.address.space) << "; must be in dram";
  int64_t bytes = byteSize(info.type);
  for (int64_t size : info.shape) // tensor_c2
    if (size < 0 || llvm::MulOverflow(bytes, size, bytes))
      return op->emitOpError("has an impossible shape: dimension ") << size;
  return success();
}

ParseResult InputOp::parse(OpAsmParser &parser, OperationState &result) {
  return failure(
      parseTensor(parser, result.getOrAddProperties<Properties>().info) ||
      parser.parseOptionalAttrDict(result.attributes));
}
void InputOp::print(OpAsmPrinter &p) {
  printTensor(p, getInfo());
  printExtra(p, *this);
}
LogicalResult InputOp::verify() { return verifyTensor(*this, getInfo()); }

ParseResult OutputOp::parse(OpAsmParser &parser, OperationState &result) {
  return failure(
      parseTensor(parser, result.getOrAddProperties<Properties>().info) ||
      parser.parseOptionalAttrDict(result.attributes));
}
void OutputOp::print(OpAsmPrinter &p) {
  printTensor(p, getInfo());
  printExtra(p, *this);
}
LogicalResult OutputOp::verify() { return verifyTensor(*this, getInfo()); }

ParseResult SegmentOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &props = result.getOrAddProperties<Properties>();
  std::string name;
  if (parser.parseString(&name) || text::parse(parser, props.address) ||
      parser.parseEqual() || parser.parseAttribute(props.data) ||
      parser.parseOptionalAttrDict(result.attributes))
    return failure();
  props.name = parser.getBuilder().getStringAttr(name);
  return success();
}

void SegmentOp::print(OpAsmPrinter &p) {
  p << ' ';
  printString(p, getName());
  p << ' ';
  text::print(p, getAddress());
  p << " = " << getData();
  printExtra(p, *this);
}

LogicalResult SegmentOp::verify() {
  if (getAddress().space != Space::DRAM) // segment_c1
    return emitOpError("is in ")
           << cim::name(getAddress().space) << "; must be in dram";
  if (!llvm::isa<DenseElementsAttr, DenseResourceElementsAttr>(getData()))
    return emitOpError("data are neither dense nor a dense resource");
  Type element = getData().getElementType();
  unsigned width = element.isIntOrFloat() ? element.getIntOrFloatBitWidth() : 0;
  if (width != 8 && width != 16 && width != 32 && width != 64) // segment_c2
    return emitOpError("elements are ")
           << element << "; integers or floats of 8, 16, 32 or 64 bits";
  auto resource = dyn_cast<DenseResourceElementsAttr>(getData());
  if (!resource)
    return success();
  AsmResourceBlob *blob = resource.getRawHandle().getBlob();
  int64_t bytes = getData().getNumElements() * (width / 8);
  if (blob && int64_t(blob->getData().size()) != bytes)
    return emitOpError("resource holds ")
           << blob->getData().size() << " bytes but its type says " << bytes;
  return success();
}

//===----------------------------------------------------------------------===//
// locations, layer, buffer_info
//===----------------------------------------------------------------------===//

ParseResult LocationsOp::parse(OpAsmParser &parser, OperationState &result) {
  LocationTable &table = result.getOrAddProperties<Properties>().table;
  if (parser.parseCommaSeparatedList(
          OpAsmParser::Delimiter::Square, [&]() -> ParseResult {
            SourceRef source;
            FailureOr<bool> found = parseSource(parser, source);
            if (failed(found))
              return failure();
            if (!*found || source.entry)
              return parser.emitError(parser.getCurrentLocation(),
                                      "expected node or layer");
            table.entries.push_back(source.location);
            return success();
          }))
    return failure();
  return parser.parseOptionalAttrDict(result.attributes);
}

void LocationsOp::print(OpAsmPrinter &p) {
  p << " [";
  llvm::interleaveComma(getTable().entries, p, [&](const cim::Location &entry) {
    // An entry without a node still has to be there.
    p << "node ";
    printString(p, entry.node);
    if (!entry.layer.empty()) {
      p << " layer ";
      printString(p, entry.layer);
    }
  });
  p << ']';
  printExtra(p, *this);
}

ParseResult LayerOp::parse(OpAsmParser &parser, OperationState &result) {
  LayerInfo &info = result.getOrAddProperties<Properties>().info;
  auto optionalString = [&](StringRef keyword, std::string &text) {
    return failed(parser.parseOptionalKeyword(keyword)) ||
           succeeded(parser.parseString(&text));
  };
  if (parser.parseString(&info.name) || !optionalString("op", info.op) ||
      !optionalString("format", info.format))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("nodes")) &&
      parser.parseCommaSeparatedList(
          OpAsmParser::Delimiter::Square, [&]() -> ParseResult {
            return parser.parseString(&info.nodes.emplace_back());
          }))
    return failure();
  return failure(parseOptionalNumber(parser, "macs", info.macs) ||
                 parseOptionalNumber(parser, "cycles", info.predictedCycles) ||
                 !optionalString("schedule", info.schedule) ||
                 !optionalString("note", info.note) ||
                 parser.parseOptionalAttrDict(result.attributes));
}

void LayerOp::print(OpAsmPrinter &p) {
  const LayerInfo &info = getInfo();
  auto optionalString = [&](StringRef keyword, StringRef text) {
    if (text.empty())
      return;
    p << ' ' << keyword << ' ';
    printString(p, text);
  };
  p << ' ';
  printString(p, info.name);
  optionalString("op", info.op);
  optionalString("format", info.format);
  if (!info.nodes.empty()) {
    p << " nodes [";
    llvm::interleaveComma(info.nodes, p,
                          [&](const auto &node) { printString(p, node); });
    p << ']';
  }
  if (info.macs != 0)
    p << " macs " << info.macs;
  if (info.predictedCycles != 0)
    p << " cycles " << info.predictedCycles;
  optionalString("schedule", info.schedule);
  optionalString("note", info.note);
  printExtra(p, *this);
}

ParseResult BufferInfoOp::parse(OpAsmParser &parser, OperationState &result) {
  BufferInfo &info = result.getOrAddProperties<Properties>().info;
  return failure(parser.parseString(&info.name) ||
                 text::parse(parser, info.address) ||
                 parseNumber(parser, "core", info.core) ||
                 parseNumber(parser, "size", info.size) ||
                 parseNumber(parser, "live", info.firstLayer) ||
                 parseNumber(parser, "to", info.lastLayer) ||
                 parser.parseOptionalAttrDict(result.attributes));
}

void BufferInfoOp::print(OpAsmPrinter &p) {
  const BufferInfo &info = getInfo();
  p << ' ';
  printString(p, info.name);
  p << ' ';
  text::print(p, info.address);
  p << " core " << unsigned(info.core) << " size " << info.size << " live "
    << info.firstLayer << " to " << info.lastLayer;
  printExtra(p, *this);
}

//===----------------------------------------------------------------------===//
// stage, queue
//===----------------------------------------------------------------------===//

ParseResult StageOp::parse(OpAsmParser &parser, OperationState &result) {
  bool &load = result.getOrAddProperties<Properties>().load;
  if (succeeded(parser.parseOptionalKeyword("load")))
    load = true;
  else if (parser.parseKeyword("run", ": a stage is load or run"))
    return failure();
  return parseExtraAndBody(parser, result);
}

void StageOp::print(OpAsmPrinter &p) {
  p << (getLoad() ? " load" : " run");
  printExtraAndBody(p, *this);
}

LogicalResult StageOp::verify() {
  llvm::SmallSet<std::tuple<unsigned, unsigned, unsigned, unsigned>, 16> seen;
  for (mlir::Operation &op : getBody().front()) {
    auto queue = dyn_cast<QueueOp>(op);
    if (!queue)
      return errorAt(&op, "is in a stage; a stage holds queues only");
    const QueueFacts &facts = queue.getFacts();
    if (!seen.insert(
                 {facts.chip, facts.core, unsigned(facts.engine), facts.index})
             .second) // stage_c1
      return errorAt(queue, "is there a second time; append the "
                            "instructions to the first");
  }
  return success();
}

ParseResult QueueOp::parse(OpAsmParser &parser, OperationState &result) {
  QueueFacts &facts = result.getOrAddProperties<Properties>().facts;
  if (parseNumber(parser, "chip", facts.chip) ||
      parseNumber(parser, "core", facts.core))
    return failure();
  SMLoc loc = parser.getCurrentLocation();
  StringRef engine;
  if (parser.parseKeyword(&engine))
    return failure();
  bool found = false;
  for (unsigned i = 0; i <= unsigned(Engine::Ctrl); ++i)
    if (engine == cim::name(Engine(i))) {
      facts.engine = Engine(i);
      found = true;
    }
  if (!found)
    return parser.emitError(loc, "unknown engine '")
           << engine << "': write, mac, vec, dma or ctrl";
  return failure(parseNumber(parser, facts.index) ||
                 parseExtraAndBody(parser, result));
}

void QueueOp::print(OpAsmPrinter &p) {
  const QueueFacts &facts = getFacts();
  p << " chip " << unsigned(facts.chip) << " core " << unsigned(facts.core)
    << ' ' << cim::name(facts.engine) << ' ' << unsigned(facts.index);
  printExtraAndBody(p, *this);
}

LogicalResult QueueOp::verifyRegions() {
  Engine engine = getFacts().engine;
  auto executes = [&](mlir::Operation *op) {
    if (llvm::isa<NopOp, LoopOp, LoopEndOp>(op))
      return true;
    switch (engine) {
    case Engine::WeightWrite:
      return llvm::isa<WriteWeightsOp>(op);
    case Engine::Mac:
      return llvm::isa<MacOp>(op);
    case Engine::Vec:
      return llvm::isa<VecOp>(op);
    case Engine::Dma:
      return llvm::isa<DmaCopyOp, DmaFillOp>(op);
    case Engine::Ctrl:
      return llvm::isa<CtrlOp>(op);
    }
    return false;
  };
  WalkResult result = getBody().walk([&](mlir::Operation *op) {
    if (executes(op))
      return WalkResult::advance();
    op->emitOpError("is not an instruction of the ")
        << cim::name(engine) << " queue"; // queue_c1
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}
