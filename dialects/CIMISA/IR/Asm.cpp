// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "dialects/CIMISA/IR/Asm.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace cim::isa::text {

static constexpr StringRef kSpaces[] = {"dram", "l2", "l1", "acc"};

std::string hex(uint64_t value) {
  return "0x" + llvm::utohexstr(value, /*LowerCase=*/true);
}

void printString(OpAsmPrinter &p, StringRef text) {
  p << '"';
  llvm::printEscapedString(text, p.getStream());
  p << '"';
}

//===----------------------------------------------------------------------===//
// Addresses, dimensions, operands
//===----------------------------------------------------------------------===//

ParseResult parse(OpAsmParser &parser, Address &address) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef space;
  if (parser.parseOptionalKeyword(&space))
    return parser.emitError(loc, "expected an address, e.g. l1[0x40]");
  const auto *it = llvm::find(kSpaces, space);
  if (it == std::end(kSpaces))
    return parser.emitError(loc, "unknown memory '")
           << space << "': dram, l2, l1 or acc";
  address.space = Space(it - std::begin(kSpaces));
  return failure(parseOptionalNumber(parser, "chip", address.chip) ||
                 parser.parseLSquare() || parseNumber(parser, address.offset) ||
                 parser.parseRSquare());
}

void print(OpAsmPrinter &p, const Address &address) {
  p << kSpaces[size_t(address.space)];
  if (address.chip != 0)
    p << " chip " << unsigned(address.chip) << ' ';
  p << '[' << hex(address.offset) << ']';
}

ParseResult parse(OpAsmParser &parser, std::vector<Dim> &dims) {
  dims.clear();
  return parser.parseCommaSeparatedList(
      OpAsmParser::Delimiter::Square, [&]() -> ParseResult {
        Dim &dim = dims.emplace_back();
        return failure(parseNumber(parser, dim.size) || parser.parseColon() ||
                       parseNumber(parser, dim.stride));
      });
}

void print(OpAsmPrinter &p, const std::vector<Dim> &dims) {
  p << '[';
  llvm::interleaveComma(
      dims, p, [&](const Dim &dim) { p << dim.size << ':' << dim.stride; });
  p << ']';
}

ParseResult parse(OpAsmParser &parser, std::vector<VecOperand> &operands) {
  operands.clear();
  return parser.parseCommaSeparatedList(
      OpAsmParser::Delimiter::Paren, [&]() -> ParseResult {
        VecOperand &operand = operands.emplace_back();
        if (parse(parser, operand.base) || parser.parseKeyword("strides") ||
            parseNumbers(parser, operand.strides))
          return failure();
        if (succeeded(parser.parseOptionalKeyword("gather")))
          return parse(parser, operand.gather);
        return success();
      });
}

void print(OpAsmPrinter &p, const std::vector<VecOperand> &operands) {
  bool lines = operands.size() > 2;
  p << '(';
  if (lines)
    p.increaseIndent();
  for (size_t i = 0; i < operands.size(); ++i) {
    if (i != 0)
      p << (lines ? "," : ", ");
    if (lines)
      p.printNewline();
    print(p, operands[i].base);
    p << " strides ";
    printNumbers(p, operands[i].strides);
    if (!operands[i].gather.empty()) {
      p << " gather ";
      print(p, operands[i].gather);
    }
  }
  p << ')';
  if (lines)
    p.decreaseIndent();
}

//===----------------------------------------------------------------------===//
// Types and floats
//===----------------------------------------------------------------------===//

ParseResult parse(OpAsmParser &parser, DType &type) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef keyword;
  if (parser.parseOptionalKeyword(&keyword))
    return parser.emitError(loc, "expected an element type, e.g. i8");
  std::optional<DType> found = parseDType(keyword);
  if (!found)
    return parser.emitError(loc, "unknown element type '") << keyword << "'";
  type = *found;
  return success();
}

ParseResult parse(OpAsmParser &parser, std::vector<DType> &types) {
  types.clear();
  return parser.parseCommaSeparatedList(
      OpAsmParser::Delimiter::Square,
      [&]() -> ParseResult { return parse(parser, types.emplace_back()); });
}

void print(OpAsmPrinter &p, const std::vector<DType> &types) {
  p << '[';
  llvm::interleaveComma(types, p, [&](DType type) { p << dtypeName(type); });
  p << ']';
}

const llvm::fltSemantics &semantics(DType type) {
  switch (type) {
  case DType::F16:
    return llvm::APFloat::IEEEhalf();
  case DType::BF16:
    return llvm::APFloat::BFloat();
  case DType::F64:
    return llvm::APFloat::IEEEdouble();
  default:
    return llvm::APFloat::IEEEsingle();
  }
}

bool printFloat(OpAsmPrinter &p, const llvm::APFloat &value) {
  if (!value.isFinite())
    return false;
  // 17 digits identify any fp64 value.
  for (unsigned digits : {6, 9, 17}) {
    SmallString<32> text;
    value.toString(text, digits);
    if (!StringRef(text).contains('.')) { // A literal needs a point.
      size_t exponent = std::min(StringRef(text).find('E'), text.size());
      text.insert(text.begin() + exponent, {'.', '0'});
    }
    if (llvm::APFloat(value.getSemantics(), text).bitwiseIsEqual(value)) {
      p << text;
      return true;
    }
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Waits, signals, steps
//===----------------------------------------------------------------------===//

/// Keywords of step fields; whether an index follows.
static constexpr std::pair<StringRef, bool> kStepFields[] = {
    {"src", false}, {"dst", false},    {"bias", false}, {"set", false},
    {"wait", true}, {"operand", true}, {"index", true}};

/// `s5`.
static ParseResult parseSemaphore(OpAsmParser &parser, uint16_t &id) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef name;
  if (parser.parseOptionalKeyword(&name) || !name.consume_front("s") ||
      name.getAsInteger(10, id) || id == kNoSemaphore)
    return parser.emitError(loc, "expected a semaphore, s0 to s65534");
  return success();
}

static ParseResult parseStep(OpAsmParser &parser, Step &step) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef name;
  if (parser.parseOptionalKeyword(&name))
    return parser.emitError(loc, "expected a field to step");
  const auto *it = llvm::find_if(
      kStepFields, [&](const auto &field) { return field.first == name; });
  if (it == std::end(kStepFields))
    return parser.emitError(loc, "unknown field '")
           << name << "': src, dst, bias, set, wait, operand or index";
  step.field = StepField(it - std::begin(kStepFields));
  if (it->second && parseNumber(parser, step.index))
    return failure();
  // Fields without an index may carry one that means nothing.
  if (!it->second && parseOptionalNumber(parser, "index", step.index))
    return failure();
  if (parseNumber(parser, "loop", step.loop))
    return failure();
  (void)parser.parseOptionalPlus();
  return parseNumber(parser, step.delta);
}

ParseResult parseIssue(OpAsmParser &parser, Issue &issue,
                       OperationState &result) {
  if (succeeded(parser.parseOptionalKeyword("wait")) &&
      parser.parseCommaSeparatedList(
          OpAsmParser::Delimiter::Square, [&]() -> ParseResult {
            Wait &wait = issue.waits.emplace_back();
            return failure(parseSemaphore(parser, wait.id) ||
                           parser.parseGreater() || parser.parseEqual() ||
                           parseNumber(parser, wait.value));
          }))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("signal")) &&
      parseSemaphore(parser, issue.signal))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("step")) &&
      parser.parseCommaSeparatedList(
          OpAsmParser::Delimiter::Square, [&]() -> ParseResult {
            return parseStep(parser, issue.steps.emplace_back());
          }))
    return failure();
  // With a keyword: after a loop, a brace begins its body.
  return failure(parseLocation(parser, result) ||
                 parser.parseOptionalAttrDictWithKeyword(result.attributes));
}

void printIssue(OpAsmPrinter &p, const Issue &issue, mlir::Location location) {
  if (!issue.waits.empty()) {
    p << " wait [";
    llvm::interleaveComma(issue.waits, p, [&](const Wait &wait) {
      p << 's' << wait.id << " >= " << wait.value;
    });
    p << ']';
  }
  if (issue.signal != kNoSemaphore)
    p << " signal s" << issue.signal;
  if (!issue.steps.empty()) {
    p << " step [";
    llvm::interleaveComma(issue.steps, p, [&](const Step &step) {
      auto [name, indexed] = kStepFields[size_t(step.field)];
      p << name;
      if (indexed)
        p << ' ' << unsigned(step.index);
      else if (step.index != 0)
        p << " index " << unsigned(step.index);
      p << " loop " << unsigned(step.loop);
      if (step.delta < 0)
        p << " - " << (uint64_t(0) - uint64_t(step.delta));
      else
        p << " + " << step.delta;
    });
    p << ']';
  }
  printSource(p, fromMLIR(location));
}

//===----------------------------------------------------------------------===//
// Locations, bodies
//===----------------------------------------------------------------------===//

FailureOr<bool> parseSource(OpAsmParser &parser, SourceRef &source) {
  bool found = false;
  if (succeeded(parser.parseOptionalKeyword("node"))) {
    found = true;
    if (parser.parseString(&source.location.node))
      return failure();
  }
  if (succeeded(parser.parseOptionalKeyword("layer"))) {
    found = true;
    if (parser.parseString(&source.location.layer))
      return failure();
  }
  if (succeeded(parser.parseOptionalKeyword("entry"))) {
    found = true;
    uint32_t entry;
    if (parseNumber(parser, entry))
      return failure();
    source.entry = entry;
  }
  return found;
}

ParseResult parseLocation(OpAsmParser &parser, OperationState &result) {
  SourceRef source;
  FailureOr<bool> found = parseSource(parser, source);
  if (failed(found))
    return failure();
  if (*found)
    result.location = toMLIR(source, result.location);
  return success();
}

void printSource(OpAsmPrinter &p, const SourceRef &source) {
  if (!source.location.node.empty()) {
    p << " node ";
    printString(p, source.location.node);
  }
  if (!source.location.layer.empty()) {
    p << " layer ";
    printString(p, source.location.layer);
  }
  if (source.entry)
    p << " entry " << *source.entry;
}

ParseResult parseBody(OpAsmParser &parser, OperationState &result) {
  Region *body = result.addRegion();
  if (parser.parseRegion(*body, /*arguments=*/{}))
    return failure();
  if (body->empty())
    body->emplaceBlock();
  return success();
}

} // namespace cim::isa::text
