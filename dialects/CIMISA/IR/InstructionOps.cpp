// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Assembly of the instructions.

#include "dialects/CIMISA/IR/Asm.h"

using namespace mlir;
using namespace cim;
using namespace cim::isa;
using namespace cim::isa::text;

/// The properties of the op being parsed.
template <typename Op>
static typename Op::Properties &propertiesOf(OperationState &result) {
  return result.getOrAddProperties<typename Op::Properties>();
}

/// The end of every instruction's text.
template <typename Op>
static void printTail(OpAsmPrinter &p, Op op) {
  printIssue(p, op.getIssue(), op.getLoc());
  p.printOptionalAttrDictWithKeyword(
      op->getDiscardableAttrDictionary().getValue());
}

//===----------------------------------------------------------------------===//
// nop, dma_copy, dma_fill
//===----------------------------------------------------------------------===//

ParseResult NopOp::parse(OpAsmParser &parser, OperationState &result) {
  return parseIssue(parser, propertiesOf<NopOp>(result).issue, result);
}

void NopOp::print(OpAsmPrinter &p) { printTail(p, *this); }

ParseResult DmaCopyOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &props = propertiesOf<DmaCopyOp>(result);
  DmaCopy &inst = props.inst;
  return failure(
      text::parse(parser, inst.src) || parser.parseArrow() ||
      text::parse(parser, inst.dst) ||
      parseNumber(parser, "elem", inst.elemBytes) ||
      parser.parseKeyword("sizes") || parseNumbers(parser, inst.sizes) ||
      parser.parseKeyword("strides") || parseNumbers(parser, inst.srcStrides) ||
      parser.parseArrow() || parseNumbers(parser, inst.dstStrides) ||
      parseIssue(parser, props.issue, result));
}

void DmaCopyOp::print(OpAsmPrinter &p) {
  const DmaCopy &inst = getInst();
  p << ' ';
  text::print(p, inst.src);
  p << " -> ";
  text::print(p, inst.dst);
  p << " elem " << unsigned(inst.elemBytes) << " sizes ";
  printNumbers(p, inst.sizes);
  p << " strides ";
  printNumbers(p, inst.srcStrides);
  p << " -> ";
  printNumbers(p, inst.dstStrides);
  printTail(p, *this);
}

ParseResult DmaFillOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &props = propertiesOf<DmaFillOp>(result);
  DmaFill &inst = props.inst;
  return failure(parseNumber(parser, inst.value) || parser.parseArrow() ||
                 text::parse(parser, inst.dst) ||
                 parseNumber(parser, "elem", inst.elemBytes) ||
                 parser.parseKeyword("dims") ||
                 text::parse(parser, inst.dims) ||
                 parseIssue(parser, props.issue, result));
}

void DmaFillOp::print(OpAsmPrinter &p) {
  const DmaFill &inst = getInst();
  p << ' ' << hex(inst.value) << " -> ";
  text::print(p, inst.dst);
  p << " elem " << unsigned(inst.elemBytes) << " dims ";
  text::print(p, inst.dims);
  printTail(p, *this);
}

//===----------------------------------------------------------------------===//
// write_weights, mac
//===----------------------------------------------------------------------===//

static constexpr StringRef kFormats[] = {"planes", "int8", "bfp", "f32", "f16"};

/// `set 1 tile [0, 128] rows 144 cols 32 copies 2`.
template <typename Inst>
static ParseResult parseTile(OpAsmParser &parser, Inst &inst) {
  return failure(parseNumber(parser, "set", inst.set) ||
                 parser.parseKeyword("tile") || parser.parseLSquare() ||
                 parseNumber(parser, inst.row0) || parser.parseComma() ||
                 parseNumber(parser, inst.col0) || parser.parseRSquare() ||
                 parseNumber(parser, "rows", inst.rows) ||
                 parseNumber(parser, "cols", inst.cols) ||
                 parseOptionalNumber(parser, "copies", inst.copies));
}

template <typename Inst>
static void printTile(OpAsmPrinter &p, const Inst &inst) {
  p << "set " << unsigned(inst.set) << " tile [" << inst.row0 << ", "
    << inst.col0 << "] rows " << inst.rows << " cols " << inst.cols;
  if (inst.copies != 1)
    p << " copies " << inst.copies;
}

ParseResult WriteWeightsOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &props = propertiesOf<WriteWeightsOp>(result);
  WriteWeights &inst = props.inst;
  SMLoc loc = parser.getCurrentLocation();
  StringRef format;
  if (parser.parseKeyword(&format))
    return failure();
  const auto *it = llvm::find(kFormats, format);
  if (it == std::end(kFormats))
    return parser.emitError(loc, "unknown weight format '")
           << format << "': planes, int8, bfp, f32 or f16";
  inst.format = WeightFormat(it - std::begin(kFormats));
  if (parseNumber(parser, inst.planes) || text::parse(parser, inst.src))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("stride")) &&
      (parser.parseLSquare() || parseNumber(parser, inst.rowStride) ||
       parser.parseComma() || parseNumber(parser, inst.colStride) ||
       parser.parseRSquare()))
    return failure();
  if (parser.parseArrow() || parseTile(parser, inst) ||
      parseOptionalNumber(parser, "across", inst.copyCols))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("pitch")) &&
      (parser.parseLSquare() || parseNumber(parser, inst.copyRowPitch) ||
       parser.parseComma() || parseNumber(parser, inst.copyColPitch) ||
       parser.parseRSquare()))
    return failure();
  if (parseOptionalNumber(parser, "block", inst.blockRows))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("masks")) &&
      parseNumbers(parser, inst.planeMasks))
    return failure();
  return parseIssue(parser, props.issue, result);
}

void WriteWeightsOp::print(OpAsmPrinter &p) {
  const WriteWeights &inst = getInst();
  const WriteWeights defaults;
  p << ' ' << kFormats[size_t(inst.format)] << ' ' << unsigned(inst.planes)
    << ' ';
  text::print(p, inst.src);
  if (inst.rowStride != 0 || inst.colStride != 0)
    p << " stride [" << inst.rowStride << ", " << inst.colStride << ']';
  p << " -> ";
  printTile(p, inst);
  if (inst.copyCols != defaults.copyCols)
    p << " across " << inst.copyCols;
  if (inst.copyRowPitch != 0 || inst.copyColPitch != 0)
    p << " pitch [" << inst.copyRowPitch << ", " << inst.copyColPitch << ']';
  if (inst.blockRows != defaults.blockRows)
    p << " block " << unsigned(inst.blockRows);
  if (!inst.planeMasks.empty()) {
    p << " masks [";
    llvm::interleaveComma(inst.planeMasks, p,
                          [&](uint16_t mask) { p << hex(mask); });
    p << ']';
  }
  printTail(p, *this);
}

ParseResult MacOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &props = propertiesOf<MacOp>(result);
  Mac &inst = props.inst;
  if (text::parse(parser, inst.actType) || text::parse(parser, inst.act) ||
      parser.parseKeyword("m") || text::parse(parser, inst.m) ||
      parser.parseKeyword("k") || text::parse(parser, inst.k) ||
      parser.parseStar() || parseTile(parser, inst) || parser.parseArrow() ||
      text::parse(parser, inst.acc) ||
      parseNumber(parser, "stride", inst.accStride))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("accumulate")))
    inst.init = AccInit::Accumulate;
  if (succeeded(parser.parseOptionalKeyword("bias"))) {
    inst.init = AccInit::Bias;
    if (text::parse(parser, inst.bias))
      return failure();
  } else if (succeeded(parser.parseOptionalKeyword("unused_bias"))) {
    if (text::parse(parser, inst.bias))
      return failure();
  }
  return parseIssue(parser, props.issue, result);
}

void MacOp::print(OpAsmPrinter &p) {
  const Mac &inst = getInst();
  p << ' ' << dtypeName(inst.actType) << ' ';
  text::print(p, inst.act);
  p << " m ";
  text::print(p, inst.m);
  p << " k ";
  text::print(p, inst.k);
  p << " * ";
  printTile(p, inst);
  p << " -> ";
  text::print(p, inst.acc);
  p << " stride " << inst.accStride;
  if (inst.init == AccInit::Accumulate)
    p << " accumulate";
  if (inst.init == AccInit::Bias || inst.bias != Address{}) {
    p << (inst.init == AccInit::Bias ? " bias " : " unused_bias ");
    text::print(p, inst.bias);
  }
  printTail(p, *this);
}

//===----------------------------------------------------------------------===//
// vec, ctrl
//===----------------------------------------------------------------------===//

ParseResult VecOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &props = propertiesOf<VecOp>(result);
  Vec &inst = props.inst;
  StringAttr kernel;
  if (parser.parseSymbolName(kernel) || parser.parseKeyword("loops") ||
      parseNumbers(parser, inst.sizes))
    return failure();
  props.kernel = FlatSymbolRefAttr::get(kernel);
  if (succeeded(parser.parseOptionalKeyword("reduce"))) {
    SMLoc loc = parser.getCurrentLocation();
    std::vector<uint8_t> loops;
    if (parseNumbers(parser, loops))
      return failure();
    for (uint8_t loop : loops) {
      if (loop > 7)
        return parser.emitError(loc, "loop ")
               << unsigned(loop) << " to reduce does not exist; at most 5";
      inst.reductionMask |= 1u << loop;
    }
  }
  if (succeeded(parser.parseOptionalKeyword("base")) &&
      parseNumbers(parser, inst.indexBase))
    return failure();
  return failure(text::parse(parser, inst.operands) ||
                 parseIssue(parser, props.issue, result));
}

void VecOp::print(OpAsmPrinter &p) {
  const Vec &inst = getInst();
  p << ' ';
  p.printSymbolName(getKernel());
  p << " loops ";
  printNumbers(p, inst.sizes);
  if (inst.reductionMask != 0) {
    SmallVector<unsigned> loops;
    for (unsigned loop = 0; loop < 8; ++loop)
      if (inst.reductionMask >> loop & 1)
        loops.push_back(loop);
    p << " reduce [";
    llvm::interleaveComma(loops, p);
    p << ']';
  }
  if (!inst.indexBase.empty()) {
    p << " base ";
    printNumbers(p, inst.indexBase);
  }
  p << ' ';
  text::print(p, inst.operands);
  printTail(p, *this);
}

ParseResult CtrlOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &props = propertiesOf<CtrlOp>(result);
  Ctrl &inst = props.inst;
  return failure(
      parseNumber(parser, inst.kernel) || parser.parseKeyword("params") ||
      parseNumbers(parser, inst.params) || text::parse(parser, inst.operands) ||
      parseIssue(parser, props.issue, result));
}

void CtrlOp::print(OpAsmPrinter &p) {
  const Ctrl &inst = getInst();
  p << ' ' << inst.kernel << " params ";
  printNumbers(p, inst.params);
  p << ' ';
  text::print(p, inst.operands);
  printTail(p, *this);
}

//===----------------------------------------------------------------------===//
// loop, loop_end
//===----------------------------------------------------------------------===//

ParseResult LoopOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &props = propertiesOf<LoopOp>(result);
  if (parseNumber(parser, props.inst.count) ||
      parseIssue(parser, props.issue, result) || parseBody(parser, result))
    return failure();
  ensureTerminator(*result.regions.front(), parser.getBuilder(),
                   result.location);
  return success();
}

void LoopOp::print(OpAsmPrinter &p) {
  p << ' ' << getInst().count;
  printTail(p, *this);
  p << ' ';
  // An end that says nothing is implied.
  auto end = dyn_cast<LoopEndOp>(&getBody().front().back());
  bool implied = end && end.getIssue() == Issue{} &&
                 end->getDiscardableAttrDictionary().empty() &&
                 fromMLIR(end.getLoc()) == fromMLIR(getLoc());
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false,
                /*printBlockTerminators=*/!implied);
}

ParseResult LoopEndOp::parse(OpAsmParser &parser, OperationState &result) {
  return parseIssue(parser, propertiesOf<LoopEndOp>(result).issue, result);
}

void LoopEndOp::print(OpAsmPrinter &p) { printTail(p, *this); }
