// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels of the vector unit and their micro-operations.

#include "dialects/CIMISA/IR/Asm.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace cim;
using namespace cim::isa;
using namespace cim::isa::text;

/// "Number follows from the order", between parsing a micro-operation and
/// parsing the end of its kernel.
constexpr uint16_t kUnnumbered = 0xffff;

//===----------------------------------------------------------------------===//
// kernel
//===----------------------------------------------------------------------===//

/// Numbers the registers the text left to their order and returns how many
/// registers the body needs.
static unsigned numberRegisters(Region &body) {
  unsigned next = 0, needed = 0;
  for (auto inst : body.getOps<MicroInstOp>()) {
    uint16_t &reg = inst.getProperties().fields.reg;
    bool hasResult = inst->getNumResults() != 0;
    if (reg == kUnnumbered)
      reg = hasResult ? next : 0;
    if (!hasResult)
      continue;
    next = reg + 1u;
    needed = std::max(needed, next);
  }
  return needed;
}

static unsigned neededRegisters(KernelOp kernel) {
  unsigned needed = 0;
  for (auto inst : kernel.getBody().getOps<MicroInstOp>())
    if (inst->getNumResults() != 0)
      needed = std::max(needed, inst.getFields().reg + 1u);
  return needed;
}

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &props = result.getOrAddProperties<Properties>();
  KernelFacts &facts = props.facts;
  if (parser.parseSymbolName(props.sym_name))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("name"))) {
    facts.renamed = true;
    if (parser.parseString(&facts.name))
      return failure();
  }
  if (parser.parseKeyword("inputs") || text::parse(parser, facts.inputs) ||
      parser.parseKeyword("outputs") || text::parse(parser, facts.outputs))
    return failure();
  std::optional<uint16_t> registers;
  if (succeeded(parser.parseOptionalKeyword("registers")) &&
      parseNumber(parser, registers.emplace()))
    return failure();
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
      parseBody(parser, result))
    return failure();
  facts.registers =
      registers.value_or(numberRegisters(*result.regions.front()));
  if (registers)
    numberRegisters(*result.regions.front());
  return success();
}

void KernelOp::print(OpAsmPrinter &p) {
  const KernelFacts &facts = getFacts();
  p << ' ';
  p.printSymbolName(getSymName());
  if (facts.renamed) {
    p << " name ";
    printString(p, facts.name);
  }
  p << " inputs ";
  text::print(p, facts.inputs);
  p << " outputs ";
  text::print(p, facts.outputs);
  if (facts.registers != neededRegisters(*this))
    p << " registers " << facts.registers;
  p.printOptionalAttrDictWithKeyword(
      (*this)->getDiscardableAttrDictionary().getValue());
  p << ' ';
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult KernelOp::verify() {
  const KernelFacts &facts = getFacts();
  if (facts.inputs.size() + facts.outputs.size() > 16) // kernel_c1
    return emitOpError("has ") << facts.inputs.size() + facts.outputs.size()
                               << " operands; at most 16";
  if (facts.registers > 64) // kernel_c1
    return emitOpError("has ") << facts.registers << " registers; at most 64";
  llvm::SmallBitVector written(facts.registers);
  for (mlir::Operation &op : getBody().front()) {
    auto inst = dyn_cast<MicroInstOp>(op);
    if (!inst)
      return op.emitOpError("is not a micro-operation; a kernel's body holds "
                            "cimisa.micro only");
    if (inst->getNumResults() == 0)
      continue;
    unsigned reg = inst.getFields().reg;
    if (reg >= facts.registers) // kernel_c1
      return inst.emitOpError("writes register ")
             << reg << " but the kernel has " << facts.registers;
    if (written.test(reg)) // kernel_c2
      return inst.emitOpError("writes register ")
             << reg << " a second time; registers are written once";
    written.set(reg);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// micro
//===----------------------------------------------------------------------===//

/// The literal of a constant of `type`.
static ParseResult parseConstant(OpAsmParser &parser, DType type,
                                 uint64_t &bits) {
  if (succeeded(parser.parseOptionalKeyword("bits")))
    return parseNumber(parser, bits);
  if (isFloat(type)) {
    llvm::APFloat value(semantics(type));
    if (parser.parseFloat(semantics(type), value))
      return failure();
    bits = value.bitcastToAPInt().getZExtValue();
    return success();
  }
  SMLoc loc = parser.getCurrentLocation();
  llvm::APInt value;
  OptionalParseResult found = parser.parseOptionalInteger(value);
  if (!found.has_value())
    return parser.emitError(loc, "expected an integer");
  if (failed(*found))
    return failure();
  if (!value.isSignedIntN(64) && (value.isNegative() || !value.isIntN(64)))
    return parser.emitError(loc, "constant does not fit 64 bits");
  bits = value.sextOrTrunc(64).getZExtValue();
  return success();
}

static void printConstant(OpAsmPrinter &p, DType type, uint64_t bits) {
  unsigned width = 8 * byteSize(type);
  if (!isFloat(type)) {
    if (isSigned(type))
      p << int64_t(bits);
    else
      p << bits;
    return;
  }
  if (llvm::isUIntN(width, bits) &&
      printFloat(p, llvm::APFloat(semantics(type), llvm::APInt(width, bits))))
    return;
  p << "bits " << hex(bits);
}

static ParseResult parseImmediate(OpAsmParser &parser, MicroFields &fields) {
  MicroImm kind = info(fields.op).imm;
  switch (kind) {
  case MicroImm::None:
    return success();
  case MicroImm::Operand:
  case MicroImm::Loop:
    return parseNumber(parser, fields.imm);
  case MicroImm::Value:
    return parseConstant(parser, fields.type, fields.imm);
  case MicroImm::IntPredicate:
  case MicroImm::FloatPredicate:
    break;
  }
  SMLoc loc = parser.getCurrentLocation();
  StringRef predicate;
  if (parser.parseKeyword(&predicate))
    return failure();
  std::optional<uint64_t> found = parsePredicate(kind, predicate);
  if (!found)
    return parser.emitError(loc, "unknown predicate '") << predicate << "'";
  fields.imm = *found;
  return success();
}

static void printImmediate(OpAsmPrinter &p, const MicroFields &fields) {
  switch (info(fields.op).imm) {
  case MicroImm::None:
    return;
  case MicroImm::Operand:
  case MicroImm::Loop:
    p << ' ' << fields.imm;
    return;
  case MicroImm::Value:
    p << ' ';
    printConstant(p, fields.type, fields.imm);
    return;
  case MicroImm::IntPredicate:
    p << ' ' << name(CmpIntPredicate(fields.imm));
    return;
  case MicroImm::FloatPredicate:
    p << ' ' << name(CmpFloatPredicate(fields.imm));
    return;
  }
}

/// `add.f32`, `cast.f32.i32`.
static ParseResult parseMnemonic(OpAsmParser &parser, MicroFields &fields) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef mnemonic;
  if (parser.parseOptionalKeyword(&mnemonic))
    return parser.emitError(loc, "expected a micro-operation, e.g. add.f32");
  SmallVector<StringRef, 3> parts;
  mnemonic.split(parts, '.');
  std::optional<cim::MicroOp> op = parseMicroOp(parts[0]);
  if (!op)
    return parser.emitError(loc, "unknown micro-operation '")
           << parts[0] << "'";
  fields.op = *op;
  size_t types = info(*op).usesSrcType ? 2 : 1;
  if (parts.size() != types + 1)
    return parser.emitError(loc, "'")
           << parts[0] << "' needs " << types << " type suffix"
           << (types == 2 ? "es (result, source), e.g. cast.f32.i32"
                          : ", e.g. add.f32");
  for (size_t i = 1; i < parts.size(); ++i) {
    std::optional<DType> type = parseDType(parts[i]);
    if (!type)
      return parser.emitError(loc, "unknown element type '") << parts[i] << "'";
    (i == 1 ? fields.type : fields.srcType) = *type;
  }
  return success();
}

/// Clauses for what an operation has but does not mean.
static ParseResult parseOddFields(OpAsmParser &parser, MicroFields &fields) {
  if (parseOptionalNumber(parser, "reg", fields.reg) ||
      parseOptionalNumber(parser, "imm", fields.imm))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("src")))
    return text::parse(parser, fields.srcType);
  return success();
}

ParseResult MicroInstOp::parse(OpAsmParser &parser, OperationState &result) {
  MicroFields &fields = result.getOrAddProperties<Properties>().fields;
  fields.reg = kUnnumbered;
  if (parseMnemonic(parser, fields) || parseImmediate(parser, fields))
    return failure();
  const MicroOpInfo &op = info(fields.op);
  SmallVector<OpAsmParser::UnresolvedOperand> args;
  bool first = op.imm == MicroImm::None;
  if ((first || succeeded(parser.parseOptionalComma())) &&
      parser.parseOperandList(args))
    return failure();
  std::vector<DType> types;
  for (size_t i = 0; i < args.size(); ++i)
    types.push_back(argType(fields.op, fields.type, fields.srcType, i));
  SMLoc loc = parser.getCurrentLocation();
  if (succeeded(parser.parseOptionalColon())) {
    if (text::parse(parser, types))
      return failure();
    if (types.size() != args.size())
      return parser.emitError(loc, "expected a type per register read");
  }
  if (parseOddFields(parser, fields) ||
      parser.parseOptionalAttrDict(result.attributes))
    return failure();
  MLIRContext *ctx = parser.getContext();
  for (auto [arg, type] : llvm::zip(args, types))
    if (parser.resolveOperand(arg, RegType::get(ctx, type), result.operands))
      return failure();
  if (op.hasResult)
    result.addTypes(RegType::get(ctx, resultType(fields.op, fields.type)));
  return success();
}

void MicroInstOp::print(OpAsmPrinter &p) {
  const MicroFields &fields = getFields();
  const MicroOpInfo &op = info(fields.op);
  p << ' ' << op.name << '.' << dtypeName(fields.type);
  if (op.usesSrcType)
    p << '.' << dtypeName(fields.srcType);
  printImmediate(p, fields);
  if (!getArgs().empty())
    p << (op.imm == MicroImm::None ? " " : ", ") << getArgs();
  auto implied = [&](auto arg) {
    return cast<RegType>(arg.value().getType()).getDtype() ==
           argType(fields.op, fields.type, fields.srcType, arg.index());
  };
  if (!llvm::all_of(llvm::enumerate(getArgs()), implied)) {
    p << " : [";
    llvm::interleaveComma(getArgs().getTypes(), p, [&](Type type) {
      p << dtypeName(cast<RegType>(type).getDtype());
    });
    p << ']';
  }
  unsigned expected = 0;
  if (op.hasResult)
    for (mlir::Operation *prev = (*this)->getPrevNode(); prev;
         prev = prev->getPrevNode())
      if (auto inst = dyn_cast<MicroInstOp>(prev);
          inst && inst->getNumResults() != 0) {
        expected = inst.getFields().reg + 1u;
        break;
      }
  if (fields.reg != expected)
    p << " reg " << fields.reg;
  if (op.imm == MicroImm::None && fields.imm != 0)
    p << " imm " << fields.imm;
  if (!op.usesSrcType && fields.srcType != DType::F32)
    p << " src " << dtypeName(fields.srcType);
  p.printOptionalAttrDict((*this)->getDiscardableAttrDictionary().getValue());
}

void MicroInstOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  if (getResult())
    setName(getResult(), "r" + std::to_string(getFields().reg));
}

/// micro_c3.
static LogicalResult verifyOperandNumber(MicroInstOp inst) {
  const MicroFields &fields = inst.getFields();
  const KernelFacts &kernel = cast<KernelOp>(inst->getParentOp()).getFacts();
  size_t inputs = kernel.inputs.size();
  size_t total = inputs + kernel.outputs.size();
  if (fields.imm >= total)
    return inst.emitOpError("names operand ")
           << fields.imm << " of a kernel with " << total;
  bool writes = !info(fields.op).hasResult;
  if (writes && fields.imm < inputs)
    return inst.emitOpError("writes operand ")
           << fields.imm << ", which is an input; outputs start at " << inputs;
  DType type = fields.imm < inputs ? kernel.inputs[fields.imm]
                                   : kernel.outputs[fields.imm - inputs];
  if (fields.type != type)
    return inst.emitOpError("is of type ")
           << dtypeName(fields.type) << " but operand " << fields.imm << " is "
           << dtypeName(type) << "; use a cast";
  return success();
}

/// micro_c3, micro_c4.
static LogicalResult verifyImmediate(MicroInstOp inst) {
  const MicroFields &fields = inst.getFields();
  switch (info(fields.op).imm) {
  case MicroImm::None:
    return success();
  case MicroImm::Operand:
    return verifyOperandNumber(inst);
  case MicroImm::Loop:
    if (fields.imm > 5)
      return inst.emitOpError("reads the index of loop ")
             << fields.imm << "; loops are 0 to 5";
    return success();
  case MicroImm::Value: {
    unsigned width = fields.type == DType::I1 ? 1 : 8 * byteSize(fields.type);
    if (!llvm::isUIntN(width, fields.imm) &&
        (isFloat(fields.type) || !llvm::isIntN(width, int64_t(fields.imm))))
      return inst.emitOpError("constant 0x")
             << llvm::utohexstr(fields.imm, true) << " does not fit "
             << dtypeName(fields.type);
    return success();
  }
  case MicroImm::IntPredicate:
    if (fields.imm > uint64_t(CmpIntPredicate::UGE))
      return inst.emitOpError("has unknown predicate ") << fields.imm;
    return success();
  case MicroImm::FloatPredicate:
    if (fields.imm > uint64_t(CmpFloatPredicate::True))
      return inst.emitOpError("has unknown predicate ") << fields.imm;
    return success();
  }
  return success();
}

LogicalResult MicroInstOp::verify() {
  const MicroFields &fields = getFields();
  const MicroOpInfo &op = info(fields.op);
  size_t args = getArgs().size(), least = op.minArgs;
  if (op.variadic ? args < least : args != least) // micro_c1
    return emitOpError() << op.name << " reads "
                         << (op.variadic ? "at least " : "") << least
                         << " registers, not " << args;
  if ((getResult() != nullptr) != op.hasResult) // micro_c2
    return emitOpError() << op.name
                         << (op.hasResult ? " has a result" : " has no result");
  if (getResult()) { // micro_c2
    DType type = resultType(fields.op, fields.type);
    if (getResult().getType().getDtype() != type)
      return emitOpError() << op.name << " yields " << dtypeName(type)
                           << ", not " << getResult().getType();
  }
  return verifyImmediate(*this);
}
