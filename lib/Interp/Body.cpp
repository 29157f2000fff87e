// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Body.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Dialect/Quant/IR/QuantTypes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace cim::interp {
namespace {

class Compiler {
public:
  explicit Compiler(linalg::GenericOp op) : op(op) {}
  FailureOr<Body> run();

private:
  LogicalResult compile(Operation *inner);
  LogicalResult compileArithmetic(Operation *inner);
  LogicalResult compileCast(Operation *inner);
  LogicalResult compileQuantize(quant::QuantizeCastOp cast);
  LogicalResult compileDequantize(quant::DequantizeCastOp cast);
  LogicalResult compileExtract(tensor::ExtractOp extract);
  LogicalResult unsupported(Operation *inner) {
    return inner->emitError("'")
           << inner->getName() << "' cannot be interpreted on these types";
  }

  uint16_t newRegister(Kind kind) {
    body.registers.push_back(kind);
    return static_cast<uint16_t>(body.registers.size() - 1);
  }
  FailureOr<uint16_t> reg(Value value);
  Element element(Value value) { return *elementOf(value.getType()); }
  Step &emit(Loop loop, uint16_t dst, ArrayRef<uint16_t> args = {}) {
    Step step;
    step.loop = loop;
    step.dst = dst;
    step.args = static_cast<uint8_t>(args.size());
    uint16_t *slots[] = {&step.a, &step.b, &step.c};
    for (auto [i, arg] : llvm::enumerate(args))
      *slots[i] = arg;
    body.steps.push_back(step);
    return body.steps.back();
  }
  /// Registers of the operands; checks that every type has a form.
  LogicalResult operands(Operation *inner, SmallVectorImpl<uint16_t> &regs);
  /// Defines the op's result by a register of its kind, wrapped or rounded to
  /// the result type.
  void define(Operation *inner, uint16_t value);
  uint16_t extended(uint16_t value, const Element &from, bool isSigned);
  /// An I8 register limited to the range of a partial type.
  uint16_t clamped(uint16_t value, const Element &to, bool isUnsigned);

  linalg::GenericOp op;
  Body body;
  llvm::DenseMap<Value, uint16_t> regs;
};

FailureOr<uint16_t> Compiler::reg(Value value) {
  auto known = regs.find(value);
  if (known != regs.end())
    return known->second;
  // Only constants from outside are left.
  std::optional<Element> type = elementOf(value.getType());
  std::optional<uint64_t> bits = constantScalar(value);
  if (!type || !bits)
    return op.emitError("the body uses a scalar of type ")
           << value.getType() << " from outside that is not constant";
  uint16_t result = newRegister(type->kind);
  body.constants.push_back({result, *bits});
  if (type->narrow != Narrow::No) {
    // Constants are kept in memory form; decode here.
    uint64_t memory = *bits;
    float wide = 0;
    decodeOf (*type)(reinterpret_cast<const char *>(&memory), 0,
                     reinterpret_cast<char *>(&wide), 1);
    body.constants.back().second = std::bit_cast<uint32_t>(wide);
  }
  return regs[value] = result;
}

LogicalResult Compiler::operands(Operation *inner,
                                 SmallVectorImpl<uint16_t> &result) {
  for (Value operand : inner->getOperands()) {
    if (!elementOf(operand.getType()))
      return unsupported(inner);
    FailureOr<uint16_t> r = reg(operand);
    if (failed(r))
      return failure();
    result.push_back(*r);
  }
  return success();
}

void Compiler::define(Operation *inner, uint16_t value) {
  Value result = inner->getResult(0);
  Element to = element(result);
  if (to.narrow != Narrow::No) {
    uint16_t rounded = newRegister(Kind::F32);
    emit(narrowLoop(Kind::F32, false), rounded, value).imm =
        static_cast<int64_t>(to.narrow);
    value = rounded;
  } else if (to.isPartial()) {
    value = extended(value, to, /*isSigned=*/true);
  }
  regs[result] = value;
}

uint16_t Compiler::extended(uint16_t value, const Element &from,
                            bool isSigned) {
  uint16_t result = newRegister(Kind::I8);
  emit(extendLoop(isSigned), result, value).imm = from.width;
  return result;
}

uint16_t Compiler::clamped(uint16_t value, const Element &to, bool isUnsigned) {
  int64_t high = isUnsigned ? (1 << to.width) - 1 : (1 << (to.width - 1)) - 1;
  int64_t low = isUnsigned ? 0 : -high - 1;
  auto limit = [&](StringRef name, int64_t bound) {
    uint16_t constant = newRegister(Kind::I8), result = newRegister(Kind::I8);
    body.constants.push_back({constant, static_cast<uint64_t>(bound)});
    emit(arithmeticLoop(name, Kind::I8), result, {value, constant});
    value = result;
  };
  limit(isUnsigned ? "arith.minui" : "arith.minsi", high);
  limit(isUnsigned ? "arith.maxui" : "arith.maxsi", low);
  return value;
}

LogicalResult Compiler::compileArithmetic(Operation *inner) {
  SmallVector<uint16_t> args;
  if (failed(operands(inner, args)))
    return failure();
  Element type = element(inner->getOperand(0));
  StringRef name = inner->getName().getStringRef();
  Loop loop = arithmeticLoop(name, type.kind);
  if (!loop || args.empty())
    return unsupported(inner);
  if (type.isPartial() && readsUnsigned(name))
    for (uint16_t &arg : args)
      arg = extended(arg, type, /*isSigned=*/false);
  while (args.size() < 3)
    args.push_back(args[0]);
  uint16_t result = newRegister(type.kind);
  emit(loop, result, args);
  define(inner, result);
  return success();
}

LogicalResult Compiler::compileCast(Operation *inner) {
  SmallVector<uint16_t> args;
  if (failed(operands(inner, args)))
    return failure();
  std::optional<Element> wanted = elementOf(inner->getResult(0).getType());
  if (!wanted)
    return unsupported(inner);
  Element from = element(inner->getOperand(0)), to = *wanted;
  uint16_t value = args[0], result = newRegister(to.kind);
  if (isa<arith::BitcastOp>(inner)) {
    bool fromHalf = from.narrow != Narrow::No, toHalf = to.narrow != Narrow::No;
    if (from.bytes != to.bytes || from.isPartial() != to.isPartial() ||
        ((fromHalf || toHalf) && from.bytes != 2))
      return unsupported(inner);
    uint16_t bits = value;
    if (fromHalf) {
      bits = newRegister(Kind::I16);
      emit(bitsOfHalfLoop(), bits, value).imm = int64_t(from.narrow);
    }
    if (toHalf)
      emit(halfOfBitsLoop(), result, bits).imm = int64_t(to.narrow);
    else
      emit(copyLoop(to.kind), result, bits);
    regs[inner->getResult(0)] = result;
    return success();
  }
  bool fromUnsigned =
      isa<arith::ExtUIOp, arith::UIToFPOp, arith::IndexCastUIOp>(inner);
  bool toUnsigned = isa<arith::FPToUIOp>(inner);
  if (from.isPartial() && fromUnsigned)
    value = extended(value, from, /*isSigned=*/false);
  if (to.narrow != Narrow::No && !fromUnsigned && from.kind == Kind::I1) {
    uint16_t wide = newRegister(Kind::I8);
    emit(castLoop(Kind::I1, false, Kind::I8, false), wide, value);
    value = wide;
    from.kind = Kind::I8;
  }
  if (to.narrow != Narrow::No)
    emit(narrowLoop(from.kind, fromUnsigned), result, value).imm =
        static_cast<int64_t>(to.narrow);
  else
    emit(castLoop(from.kind, fromUnsigned, to.kind, toUnsigned), result, value);
  if (to.isPartial() && isFloat(from.kind)) // C3 saturates at i<n>'s own range.
    result = clamped(result, to, toUnsigned);
  if (to.isPartial())
    result = extended(result, to, /*isSigned=*/true);
  regs[inner->getResult(0)] = result;
  return success();
}

LogicalResult Compiler::compileQuantize(quant::QuantizeCastOp cast) {
  auto type = dyn_cast<quant::UniformQuantizedType>(cast.getType());
  std::optional<Element> from = elementOf(cast.getInput().getType());
  std::optional<Element> to = elementOf(cast.getType());
  SmallVector<uint16_t> args;
  if (!type || !from || !to || failed(operands(cast, args)))
    return unsupported(cast);
  uint16_t value = args[0];
  if (from->kind == Kind::F64) {
    value = newRegister(Kind::F32);
    emit(castLoop(Kind::F64, false, Kind::F32, false), value, args[0]);
  } else if (from->kind != Kind::F32) {
    return unsupported(cast);
  }
  Loop loop = quantizeLoop(to->kind);
  if (!loop)
    return unsupported(cast);
  uint16_t result = newRegister(to->kind);
  Step &step = emit(loop, result, value);
  step.scale = static_cast<float>(type.getScale());
  step.imm = type.getZeroPoint();
  step.low = type.getStorageTypeMin();
  step.high = type.getStorageTypeMax();
  regs[cast.getResult()] = result;
  return success();
}

LogicalResult Compiler::compileDequantize(quant::DequantizeCastOp cast) {
  auto type = dyn_cast<quant::UniformQuantizedType>(cast.getInput().getType());
  std::optional<Element> to = elementOf(cast.getType());
  SmallVector<uint16_t> args;
  if (!type || !to || failed(operands(cast, args)))
    return unsupported(cast);
  Element from = element(cast.getInput());
  Loop loop = dequantizeLoop(from.kind, !type.isSigned());
  if (!loop || to->kind != Kind::F32)
    return unsupported(cast);
  uint16_t result = newRegister(Kind::F32);
  Step &step = emit(loop, result, args[0]);
  step.scale = static_cast<float>(type.getScale());
  step.imm = type.getZeroPoint();
  define(cast, result);
  return success();
}

LogicalResult Compiler::compileExtract(tensor::ExtractOp extract) {
  auto type = cast<RankedTensorType>(extract.getTensor().getType());
  std::optional<Element> from = elementOf(type.getElementType());
  if (!from || !type.hasStaticShape())
    return unsupported(extract);
  Gather gather;
  gather.tensor = extract.getTensor();
  gather.element = *from;
  gather.shape.assign(type.getShape().begin(), type.getShape().end());
  gather.strides.resize(gather.shape.size());
  int64_t stride = from->bytes;
  for (size_t d = gather.shape.size(); d-- > 0;) {
    gather.strides[d] = stride;
    stride *= gather.shape[d];
  }
  for (Value index : extract.getIndices()) {
    FailureOr<uint16_t> r = reg(index);
    if (failed(r))
      return failure();
    gather.indices.push_back(*r);
  }
  uint16_t result = newRegister(from->kind);
  emit(gatherLoop(), result).imm = static_cast<int64_t>(body.gathers.size());
  body.gathers.push_back(std::move(gather));
  regs[extract.getResult()] = result;
  return success();
}

LogicalResult Compiler::compile(Operation *inner) {
  if (inner->getNumResults() != 1 || inner->getNumRegions() != 0)
    return unsupported(inner);
  if (isa<arith::ConstantOp>(inner)) // on first use
    return success();
  if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
    uint16_t result = newRegister(Kind::I64);
    emit(indexLoop(), result).imm = static_cast<int64_t>(index.getDim());
    body.usesIndex[index.getDim()] = true;
    regs[index.getResult()] = result;
    return success();
  }
  if (auto extract = dyn_cast<tensor::ExtractOp>(inner))
    return compileExtract(extract);
  if (auto quantize = dyn_cast<quant::QuantizeCastOp>(inner)) {
    if (constantScalar(quantize))
      return success();
    return compileQuantize(quantize);
  }
  if (auto dequantize = dyn_cast<quant::DequantizeCastOp>(inner))
    return compileDequantize(dequantize);
  if (auto cast = dyn_cast<quant::StorageCastOp>(inner)) {
    std::optional<Element> from = elementOf(cast.getInput().getType());
    std::optional<Element> to = elementOf(cast.getType());
    SmallVector<uint16_t> args;
    if (!from || !to || from->kind != to->kind || failed(operands(cast, args)))
      return unsupported(inner);
    regs[cast.getResult()] = args[0]; // The same bits.
    return success();
  }
  if (isa<arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp, arith::ExtFOp,
          arith::TruncFOp, arith::SIToFPOp, arith::UIToFPOp, arith::FPToSIOp,
          arith::FPToUIOp, arith::IndexCastOp, arith::IndexCastUIOp,
          arith::BitcastOp>(inner))
    return compileCast(inner);
  SmallVector<uint16_t> args;
  if (failed(operands(inner, args)))
    return failure();
  StringRef name = inner->getName().getStringRef();
  Loop loop = nullptr;
  if (auto cmp = dyn_cast<arith::CmpIOp>(inner))
    loop = compareIntLoop(static_cast<uint64_t>(cmp.getPredicate()),
                          element(cmp.getLhs()).kind);
  else if (auto cmp = dyn_cast<arith::CmpFOp>(inner))
    loop = compareFloatLoop(static_cast<uint64_t>(cmp.getPredicate()),
                            element(cmp.getLhs()).kind);
  else if (isa<arith::SelectOp>(inner))
    loop = selectLoop(element(inner->getResult(0)).kind);
  else if (!args.empty())
    loop = classifyLoop(name, element(inner->getOperand(0)).kind);
  if (!loop)
    return compileArithmetic(inner);
  args.resize(3, args[0]);
  std::optional<Element> type = elementOf(inner->getResult(0).getType());
  uint16_t result = newRegister(type->kind);
  emit(loop, result, args);
  regs[inner->getResult(0)] = result;
  return success();
}

FailureOr<Body> Compiler::run() {
  Block &block = *op.getBody();
  body.usesIndex.assign(op.getNumLoops(), false);
  for (BlockArgument argument : block.getArguments()) {
    if (argument.use_empty()) {
      body.arguments.push_back(-1);
      continue;
    }
    std::optional<Element> type = elementOf(argument.getType());
    if (!type)
      return op.emitError("element type ")
             << argument.getType() << " cannot be interpreted";
    uint16_t result = newRegister(type->kind);
    body.arguments.push_back(result);
    regs[argument] = result;
  }
  for (Operation &inner : block.without_terminator())
    if (failed(compile(&inner)))
      return failure();
  for (Value value : block.getTerminator()->getOperands()) {
    FailureOr<uint16_t> r = reg(value);
    if (failed(r))
      return failure();
    body.yields.push_back(*r);
  }
  if (body.registers.size() > UINT16_MAX)
    return op.emitError("the body has ")
           << body.registers.size() << " values; at most 65535 are supported";
  return std::move(body);
}

} // namespace

FailureOr<Body> compileBody(linalg::GenericOp op) { return Compiler(op).run(); }

} // namespace cim::interp
