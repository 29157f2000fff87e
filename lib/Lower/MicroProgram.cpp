// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "MicroProgram.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace cim {

using mlir::failed;
using mlir::failure;
using mlir::FailureOr;
using mlir::isa;
using mlir::LogicalResult;
using mlir::success;
using mlir::Type;
using mlir::Value;
using MlirOp = mlir::Operation;
using namespace cim::ir;

/// Operations whose operands and result have one type.
static std::optional<MicroOp> simpleOp(MlirOp *op) {
  static const llvm::StringMap<MicroOp> table = {
      {"arith.addi", MicroOp::Add},
      {"arith.addf", MicroOp::Add},
      {"arith.subi", MicroOp::Sub},
      {"arith.subf", MicroOp::Sub},
      {"arith.muli", MicroOp::Mul},
      {"arith.mulf", MicroOp::Mul},
      {"arith.divsi", MicroOp::Div},
      {"arith.divf", MicroOp::Div},
      {"arith.divui", MicroOp::DivU},
      {"arith.remsi", MicroOp::Rem},
      {"arith.remf", MicroOp::Rem},
      {"arith.remui", MicroOp::RemU},
      {"arith.minsi", MicroOp::Min},
      {"arith.maxsi", MicroOp::Max},
      {"arith.minui", MicroOp::MinU},
      {"arith.maxui", MicroOp::MaxU},
      {"arith.minimumf", MicroOp::Min},
      {"arith.maximumf", MicroOp::Max},
      {"arith.minnumf", MicroOp::MinNum},
      {"arith.maxnumf", MicroOp::MaxNum},
      {"arith.negf", MicroOp::Neg},
      {"arith.andi", MicroOp::And},
      {"arith.ori", MicroOp::Or},
      {"arith.xori", MicroOp::Xor},
      {"arith.shli", MicroOp::Shl},
      {"arith.shrui", MicroOp::ShrU},
      {"arith.shrsi", MicroOp::ShrS},
      {"math.absf", MicroOp::Abs},
      {"math.absi", MicroOp::Abs},
      {"math.fma", MicroOp::Fma},
      {"math.exp", MicroOp::Exp},
      {"math.exp2", MicroOp::Exp2},
      {"math.expm1", MicroOp::Expm1},
      {"math.log", MicroOp::Log},
      {"math.log2", MicroOp::Log2},
      {"math.log10", MicroOp::Log10},
      {"math.log1p", MicroOp::Log1p},
      {"math.sqrt", MicroOp::Sqrt},
      {"math.rsqrt", MicroOp::Rsqrt},
      {"math.tanh", MicroOp::Tanh},
      {"math.erf", MicroOp::Erf},
      {"math.sin", MicroOp::Sin},
      {"math.cos", MicroOp::Cos},
      {"math.tan", MicroOp::Tan},
      {"math.asin", MicroOp::Asin},
      {"math.acos", MicroOp::Acos},
      {"math.atan", MicroOp::Atan},
      {"math.sinh", MicroOp::Sinh},
      {"math.cosh", MicroOp::Cosh},
      {"math.asinh", MicroOp::Asinh},
      {"math.acosh", MicroOp::Acosh},
      {"math.atanh", MicroOp::Atanh},
      {"math.atan2", MicroOp::Atan2},
      {"math.powf", MicroOp::Pow},
      {"math.ceil", MicroOp::Ceil},
      {"math.floor", MicroOp::Floor},
      {"math.trunc", MicroOp::Trunc},
      {"math.round", MicroOp::Round},
      {"math.roundeven", MicroOp::RoundEven},
      {"math.copysign", MicroOp::CopySign},
      {"math.isnan", MicroOp::IsNan},
      {"math.isinf", MicroOp::IsInf}};
  auto it = table.find(op->getName().getStringRef());
  return it == table.end() ? std::nullopt : std::optional(it->second);
}

bool hasMicroOp(MlirOp *op) {
  if (simpleOp(op))
    return true;
  return isa<mlir::arith::ConstantOp, mlir::arith::CmpIOp, mlir::arith::CmpFOp,
             mlir::arith::SelectOp, mlir::arith::ExtSIOp, mlir::arith::ExtUIOp,
             mlir::arith::TruncIOp, mlir::arith::ExtFOp, mlir::arith::TruncFOp,
             mlir::arith::SIToFPOp, mlir::arith::UIToFPOp,
             mlir::arith::FPToSIOp, mlir::arith::FPToUIOp,
             mlir::arith::IndexCastOp, mlir::arith::IndexCastUIOp,
             mlir::arith::BitcastOp>(op);
}

namespace {
class Translator {
public:
  explicit Translator(KernelOp op) : op(op) {}
  FailureOr<Kernel> run();

private:
  uint16_t emit(MicroOp micro, DType type, llvm::ArrayRef<uint16_t> args = {},
                uint64_t imm = 0, DType srcType = DType::F32) {
    MicroInst inst;
    inst.op = micro;
    inst.type = type;
    inst.srcType = srcType;
    inst.args.assign(args.begin(), args.end());
    inst.imm = imm;
    bool stores = micro == MicroOp::Store || micro == MicroOp::Scatter;
    if (!stores)
      inst.dst = next++;
    kernel.body.push_back(inst);
    return inst.dst;
  }
  uint16_t constant(DType type, uint64_t bits) {
    return emit(MicroOp::Const, type, {}, bits);
  }
  uint16_t f32(float value) {
    return constant(DType::F32, std::bit_cast<uint32_t>(value));
  }
  uint16_t i32(int64_t value) {
    return constant(DType::I32, static_cast<uint32_t>(value));
  }
  DType type(Value value) { return *dtypeOf(value.getType()); }
  /// The register of a value; block arguments are loaded on first use.
  uint16_t reg(Value value);
  uint16_t cast(uint16_t arg, DType from, DType to) {
    return emit(MicroOp::Cast, to, {arg}, 0, from);
  }
  uint16_t bitcast(uint16_t arg, DType from, DType to) {
    return from == to ? arg : emit(MicroOp::Bitcast, to, {arg}, 0, from);
  }
  LogicalResult translate(MlirOp *inner);
  uint16_t translateCast(MlirOp *inner);
  uint16_t quantize(KernelQuantizeOp quantize);
  bool isFoldedRequantization(MlirOp *inner);

  KernelOp op;
  Kernel kernel;
  uint16_t next = 0;
  llvm::DenseMap<Value, uint16_t> regs;
};
} // namespace

uint16_t Translator::reg(Value value) {
  auto it = regs.find(value);
  if (it != regs.end())
    return it->second;
  auto argument = mlir::cast<mlir::BlockArgument>(value);
  uint16_t loaded =
      emit(MicroOp::Load, type(value), {}, argument.getArgNumber());
  return regs[value] = loaded;
}

/// Matches sitofp(i32) * m, quantized with scale 1: a requantization (Q3).
static mlir::arith::MulFOp requantizedProduct(KernelQuantizeOp quantize,
                                              Value &acc, Value &multiplier) {
  if (quantize.getScale().convertToFloat() != 1.0f)
    return {};
  auto product = quantize.getInput().getDefiningOp<mlir::arith::MulFOp>();
  if (!product || !product->hasOneUse())
    return {};
  for (int side : {0, 1}) {
    auto convert =
        product->getOperand(side).getDefiningOp<mlir::arith::SIToFPOp>();
    if (!convert || !convert->hasOneUse() ||
        !convert.getIn().getType().isInteger(32))
      continue;
    acc = convert.getIn();
    multiplier = product->getOperand(1 - side);
    return product;
  }
  return {};
}

/// True for the two ops a later requantization absorbs.
bool Translator::isFoldedRequantization(MlirOp *inner) {
  if (!inner->hasOneUse())
    return false;
  MlirOp *user = *inner->getUsers().begin();
  if (isa<mlir::arith::SIToFPOp>(inner) && isa<mlir::arith::MulFOp>(user) &&
      user->hasOneUse())
    user = *user->getUsers().begin();
  auto quantize = mlir::dyn_cast<KernelQuantizeOp>(user);
  Value acc, multiplier;
  if (!quantize)
    return false;
  mlir::arith::MulFOp product = requantizedProduct(quantize, acc, multiplier);
  return product &&
         (product == inner ||
          acc == (isa<mlir::arith::SIToFPOp>(inner) ? inner->getOperand(0)
                                                    : Value()));
}

uint16_t Translator::quantize(KernelQuantizeOp quantize) {
  DType to = type(quantize.getResult());
  Value acc, multiplier;
  uint16_t value;
  if (requantizedProduct(quantize, acc, multiplier))
    value = emit(MicroOp::Requantize, to,
                 {reg(acc), reg(multiplier), i32(quantize.getZero())}, 0,
                 DType::I32);
  else
    value = emit(MicroOp::Quantize, to,
                 {reg(quantize.getInput()),
                  f32(quantize.getScale().convertToFloat()),
                  i32(quantize.getZero())},
                 0, DType::F32);
  // Narrow storage ranges are clamped again; the type's own range is implied.
  bool isUnsigned = to == DType::U8;
  int64_t low = isUnsigned ? 0 : -128, high = isUnsigned ? 255 : 127;
  if (to == DType::I16) {
    low = INT16_MIN;
    high = INT16_MAX;
  }
  if (static_cast<int64_t>(quantize.getLow()) > low)
    value = emit(isUnsigned ? MicroOp::MaxU : MicroOp::Max, to,
                 {value, constant(to, quantize.getLow())});
  if (static_cast<int64_t>(quantize.getHigh()) < high)
    value = emit(isUnsigned ? MicroOp::MinU : MicroOp::Min, to,
                 {value, constant(to, quantize.getHigh())});
  return value;
}

uint16_t Translator::translateCast(MlirOp *inner) {
  Value in = inner->getOperand(0);
  DType from = type(in), to = type(inner->getResult(0));
  uint16_t value = reg(in);
  if (isa<mlir::arith::BitcastOp>(inner))
    return bitcast(value, from, to);
  bool fromUnsigned = isa<mlir::arith::ExtUIOp, mlir::arith::UIToFPOp,
                          mlir::arith::IndexCastUIOp>(inner);
  bool toUnsigned = isa<mlir::arith::FPToUIOp>(inner);
  // Sign extension of i1 makes -1: i1 registers hold 0 or 1.
  if (from == DType::I1 &&
      isa<mlir::arith::ExtSIOp, mlir::arith::SIToFPOp>(inner)) {
    uint16_t wide = cast(value, from, to);
    return emit(MicroOp::Neg, to, {wide});
  }
  if (isa<mlir::arith::TruncIOp>(inner) && to == DType::I1) {
    // The lowest bit, not "is non-zero".
    uint16_t bit = emit(MicroOp::And, from, {value, constant(from, 1)});
    return emit(MicroOp::CmpInt, from, {bit, constant(from, 0)},
                static_cast<uint64_t>(CmpIntPredicate::NE));
  }
  if (fromUnsigned) {
    value = bitcast(value, from, asUnsigned(from));
    from = asUnsigned(from);
  }
  if (from == to)
    return value;
  uint16_t result = cast(value, from, toUnsigned ? asUnsigned(to) : to);
  return toUnsigned ? bitcast(result, asUnsigned(to), to) : result;
}

LogicalResult Translator::translate(MlirOp *inner) {
  if (isFoldedRequantization(inner))
    return success();
  auto result = [&](uint16_t value) {
    regs[inner->getResult(0)] = value;
    return success();
  };
  for (Value operand : inner->getOperands())
    if (!dtypeOf(operand.getType()))
      return inner->emitError("type ")
             << operand.getType() << " has no vector register";
  if (inner->getNumResults() && !dtypeOf(inner->getResult(0).getType()))
    return inner->emitError("type ")
           << inner->getResult(0).getType() << " has no vector register";
  if (auto constantOp = mlir::dyn_cast<mlir::arith::ConstantOp>(inner)) {
    uint64_t bits = 0;
    if (auto integer = mlir::dyn_cast<mlir::IntegerAttr>(constantOp.getValue()))
      bits = inner->getResult(0).getType().isInteger(1)
                 ? integer.getValue().getZExtValue()
                 : static_cast<uint64_t>(integer.getValue().getSExtValue());
    else if (auto real = mlir::dyn_cast<mlir::FloatAttr>(constantOp.getValue()))
      bits = real.getValue().bitcastToAPInt().getZExtValue();
    unsigned width = byteSize(type(inner->getResult(0))) * 8;
    if (width < 64)
      bits &= (uint64_t(1) << width) - 1;
    return result(constant(type(inner->getResult(0)), bits));
  }
  if (auto index = mlir::dyn_cast<KernelIndexOp>(inner))
    return result(emit(MicroOp::Index, DType::I64, {}, index.getLoop()));
  if (auto gather = mlir::dyn_cast<KernelGatherOp>(inner)) {
    llvm::SmallVector<uint16_t> args;
    for (Value value : gather.getIndices())
      args.push_back(reg(value));
    return result(emit(args.empty() ? MicroOp::Load : MicroOp::Gather,
                       type(gather.getResult()), args, gather.getOperand()));
  }
  if (auto quantizeOp = mlir::dyn_cast<KernelQuantizeOp>(inner))
    return result(quantize(quantizeOp));
  if (auto dequantize = mlir::dyn_cast<KernelDequantizeOp>(inner))
    return result(emit(MicroOp::Dequantize, DType::F32,
                       {reg(dequantize.getInput()),
                        f32(dequantize.getScale().convertToFloat()),
                        i32(dequantize.getZero())},
                       0, type(dequantize.getInput())));
  if (auto cmp = mlir::dyn_cast<mlir::arith::CmpIOp>(inner))
    return result(emit(MicroOp::CmpInt, type(cmp.getLhs()),
                       {reg(cmp.getLhs()), reg(cmp.getRhs())},
                       static_cast<uint64_t>(cmp.getPredicate())));
  if (auto cmp = mlir::dyn_cast<mlir::arith::CmpFOp>(inner))
    return result(emit(MicroOp::CmpFloat, type(cmp.getLhs()),
                       {reg(cmp.getLhs()), reg(cmp.getRhs())},
                       static_cast<uint64_t>(cmp.getPredicate())));
  llvm::SmallVector<uint16_t> args;
  if (auto simple = simpleOp(inner)) {
    for (Value operand : inner->getOperands())
      args.push_back(reg(operand));
    return result(emit(*simple, type(inner->getOperand(0)), args));
  }
  if (isa<mlir::arith::SelectOp>(inner)) {
    for (Value operand : inner->getOperands())
      args.push_back(reg(operand));
    return result(emit(MicroOp::Select, type(inner->getResult(0)), args));
  }
  if (hasMicroOp(inner))
    return result(translateCast(inner));
  return inner->emitError("the vector unit has no '")
         << inner->getName() << "'";
}

FailureOr<Kernel> Translator::run() {
  kernel.name = op.getSymName().str();
  mlir::Block &block = op.getBody().front();
  for (mlir::BlockArgument argument : block.getArguments()) {
    std::optional<DType> dtype = dtypeOf(argument.getType());
    if (!dtype)
      return op.emitError("operand type ")
             << argument.getType() << " is not a device type";
    (argument.getArgNumber() < op.getNumInputs() ? kernel.inputs
                                                 : kernel.outputs)
        .push_back(*dtype);
  }
  for (MlirOp &inner : block.without_terminator())
    if (failed(translate(&inner)))
      return failure();
  auto yield = mlir::cast<KernelYieldOp>(block.getTerminator());
  for (auto [i, value] : llvm::enumerate(yield.getValues())) {
    llvm::SmallVector<uint16_t> args{reg(value)};
    for (Value index : yield.getIndices())
      args.push_back(reg(index));
    emit(args.size() > 1 ? MicroOp::Scatter : MicroOp::Store, kernel.outputs[i],
         args, kernel.inputs.size() + i);
  }
  kernel.registers = next;
  return kernel;
}

FailureOr<Kernel> toMicroProgram(KernelOp kernel) {
  return Translator(kernel).run();
}

} // namespace cim
