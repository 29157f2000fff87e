// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "Validate.h"

#include "cim/Support/Status.h"

namespace cim {
namespace {

bool isInt(DType type) { return !isFloat(type); }

class KernelChecker {
public:
  KernelChecker(const Kernel &kernel, KernelSummary &summary)
      : kernel(kernel), summary(summary) {}

  absl::Status run();

private:
  absl::Status check(const MicroInst &inst);
  absl::Status checkMemory(const MicroInst &inst);
  absl::Status checkCast(const MicroInst &inst);
  absl::Status checkQuantization(const MicroInst &inst);
  absl::Status checkArithmetic(const MicroInst &inst);

  absl::Status count(const MicroInst &inst, size_t n) {
    if (inst.args.size() == n)
      return absl::OkStatus();
    return invalidArgument(inst.args.size(), " arguments; ", n, " are needed");
  }
  absl::Status argIs(const MicroInst &inst, size_t i, DType type) {
    if (types[inst.args[i]] == type)
      return absl::OkStatus();
    return invalidArgument("argument ", i, " is ", name(types[inst.args[i]]),
                           "; ", name(type), " is needed");
  }
  /// `n` arguments of the instruction's own type.
  absl::Status uniform(const MicroInst &inst, size_t n) {
    CIM_RETURN_IF_ERROR(count(inst, n));
    for (size_t i = 0; i < n; ++i)
      CIM_RETURN_IF_ERROR(argIs(inst, i, inst.type));
    return absl::OkStatus();
  }
  absl::Status require(bool ok, const MicroInst &inst, const char *kind) {
    if (ok)
      return absl::OkStatus();
    return invalidArgument("type ", name(inst.type), "; ", kind, " is needed");
  }
  absl::Status define(const MicroInst &inst, DType type) {
    if (inst.dst >= kernel.registers)
      return invalidArgument("writes register ", inst.dst, "; the kernel has ",
                             kernel.registers);
    if (defined[inst.dst])
      return invalidArgument("writes register ", inst.dst, " a second time");
    defined[inst.dst] = true;
    types[inst.dst] = type;
    return absl::OkStatus();
  }

  const Kernel &kernel;
  KernelSummary &summary;
  bool defined[kMaxRegisters] = {};
  DType types[kMaxRegisters] = {};
};

absl::Status KernelChecker::checkMemory(const MicroInst &inst) {
  size_t inputs = kernel.inputs.size();
  size_t operands = inputs + kernel.outputs.size();
  if (inst.imm >= operands)
    return invalidArgument("names operand ", inst.imm, "; the kernel has ",
                           operands);
  bool stores = inst.op == MicroOp::Store || inst.op == MicroOp::Scatter;
  bool indexed = inst.op == MicroOp::Gather || inst.op == MicroOp::Scatter;
  if (stores && inst.imm < inputs)
    return invalidArgument("stores to operand ", inst.imm, ", an input");
  DType type = inst.imm < inputs ? kernel.inputs[inst.imm]
                                 : kernel.outputs[inst.imm - inputs];
  if (inst.type != type)
    return invalidArgument("type ", name(inst.type), "; operand ", inst.imm,
                           " is ", name(type));
  size_t first = stores ? 1 : 0;
  if (indexed
          ? inst.args.size() <= first || inst.args.size() > first + kMaxVecLoops
          : inst.args.size() != first)
    return invalidArgument("has ", inst.args.size(), " arguments");
  if (stores)
    CIM_RETURN_IF_ERROR(argIs(inst, 0, inst.type));
  for (size_t i = first; i < inst.args.size(); ++i)
    if (isFloat(types[inst.args[i]]))
      return invalidArgument("index ", i - first, " is ",
                             name(types[inst.args[i]]),
                             "; an integer is needed");
  if (indexed) {
    int dims = static_cast<int>(inst.args.size() - first);
    int &known = summary.gatherDims[inst.imm];
    if (known >= 0 && known != dims)
      return invalidArgument("operand ", inst.imm, " is indexed with ", known,
                             " and with ", dims, " dimensions");
    known = dims;
  }
  return stores ? absl::OkStatus() : define(inst, type);
}

absl::Status KernelChecker::checkCast(const MicroInst &inst) {
  CIM_RETURN_IF_ERROR(count(inst, 1));
  CIM_RETURN_IF_ERROR(argIs(inst, 0, inst.srcType));
  if (inst.op == MicroOp::Bitcast &&
      (byteSize(inst.type) != byteSize(inst.srcType) ||
       (inst.type == DType::I1) != (inst.srcType == DType::I1)))
    return invalidArgument("from ", name(inst.srcType), " to ", name(inst.type),
                           ", of another size");
  return define(inst, inst.type);
}

absl::Status KernelChecker::checkQuantization(const MicroInst &inst) {
  CIM_RETURN_IF_ERROR(count(inst, 3));
  CIM_RETURN_IF_ERROR(argIs(inst, 0, inst.srcType));
  CIM_RETURN_IF_ERROR(argIs(inst, 1, DType::F32));
  CIM_RETURN_IF_ERROR(argIs(inst, 2, DType::I32));
  bool toFloat = inst.op == MicroOp::Dequantize;
  bool fromFloat = inst.op == MicroOp::Quantize;
  if (isFloat(inst.srcType) != fromFloat ||
      (inst.op == MicroOp::Requantize && inst.srcType != DType::I32))
    return invalidArgument("from ", name(inst.srcType));
  CIM_RETURN_IF_ERROR(toFloat
                          ? require(inst.type == DType::F32, inst, "f32")
                          : require(isInt(inst.type) && inst.type != DType::I1,
                                    inst, "an integer"));
  return define(inst, inst.type);
}

absl::Status KernelChecker::checkArithmetic(const MicroInst &inst) {
  switch (inst.op) {
  case MicroOp::Add:
  case MicroOp::Sub:
  case MicroOp::Mul:
  case MicroOp::Div:
  case MicroOp::Rem:
  case MicroOp::Min:
  case MicroOp::Max:
    CIM_RETURN_IF_ERROR(uniform(inst, 2));
    return define(inst, inst.type);
  case MicroOp::Neg:
  case MicroOp::Abs:
    CIM_RETURN_IF_ERROR(uniform(inst, 1));
    return define(inst, inst.type);
  case MicroOp::Fma:
    CIM_RETURN_IF_ERROR(require(isFloat(inst.type), inst, "a float"));
    CIM_RETURN_IF_ERROR(uniform(inst, 3));
    return define(inst, inst.type);
  case MicroOp::And:
  case MicroOp::Or:
  case MicroOp::Xor:
  case MicroOp::Shl:
  case MicroOp::ShrU:
  case MicroOp::ShrS:
  case MicroOp::DivU:
  case MicroOp::RemU:
  case MicroOp::MinU:
  case MicroOp::MaxU:
    CIM_RETURN_IF_ERROR(require(isInt(inst.type), inst, "an integer"));
    CIM_RETURN_IF_ERROR(uniform(inst, 2));
    return define(inst, inst.type);
  case MicroOp::CmpInt:
  case MicroOp::CmpFloat: {
    bool integer = inst.op == MicroOp::CmpInt;
    CIM_RETURN_IF_ERROR(require(isInt(inst.type) == integer, inst,
                                integer ? "an integer" : "a float"));
    uint64_t last = integer ? uint64_t(CmpIntPredicate::UGE)
                            : uint64_t(CmpFloatPredicate::True);
    if (inst.imm > last)
      return invalidArgument("unknown predicate ", inst.imm);
    CIM_RETURN_IF_ERROR(uniform(inst, 2));
    return define(inst, DType::I1);
  }
  case MicroOp::Select:
    CIM_RETURN_IF_ERROR(count(inst, 3));
    CIM_RETURN_IF_ERROR(argIs(inst, 0, DType::I1));
    CIM_RETURN_IF_ERROR(argIs(inst, 1, inst.type));
    CIM_RETURN_IF_ERROR(argIs(inst, 2, inst.type));
    return define(inst, inst.type);
  case MicroOp::MinNum:
  case MicroOp::MaxNum:
  case MicroOp::Atan2:
  case MicroOp::Pow:
  case MicroOp::CopySign:
    CIM_RETURN_IF_ERROR(require(isFloat(inst.type), inst, "a float"));
    CIM_RETURN_IF_ERROR(uniform(inst, 2));
    return define(inst, inst.type);
  default: // Elementary functions of one argument, IsNan, IsInf.
    CIM_RETURN_IF_ERROR(require(isFloat(inst.type), inst, "a float"));
    CIM_RETURN_IF_ERROR(uniform(inst, 1));
    bool test = inst.op == MicroOp::IsNan || inst.op == MicroOp::IsInf;
    return define(inst, test ? DType::I1 : inst.type);
  }
}

absl::Status KernelChecker::check(const MicroInst &inst) {
  if (inst.op > MicroOp::IsInf || inst.type > DType::F64 ||
      inst.srcType > DType::F64)
    return invalidArgument("unknown operation or type");
  for (uint16_t arg : inst.args)
    if (arg >= kernel.registers || !defined[arg])
      return invalidArgument("reads register ", arg, " before it is written");
  switch (inst.op) {
  case MicroOp::Load:
  case MicroOp::Gather:
  case MicroOp::Store:
  case MicroOp::Scatter:
    return checkMemory(inst);
  case MicroOp::Const:
    CIM_RETURN_IF_ERROR(count(inst, 0));
    return define(inst, inst.type);
  case MicroOp::Index:
    CIM_RETURN_IF_ERROR(count(inst, 0));
    CIM_RETURN_IF_ERROR(require(inst.type == DType::I64, inst, "i64"));
    if (inst.imm >= kMaxVecLoops)
      return invalidArgument("index of loop ", inst.imm, "; at most ",
                             kMaxVecLoops, " loops");
    summary.indexLoops =
        std::max(summary.indexLoops, static_cast<unsigned>(inst.imm) + 1);
    return define(inst, DType::I64);
  case MicroOp::Cast:
  case MicroOp::Bitcast:
    return checkCast(inst);
  case MicroOp::Quantize:
  case MicroOp::Requantize:
  case MicroOp::Dequantize:
    return checkQuantization(inst);
  default:
    return checkArithmetic(inst);
  }
}

absl::Status KernelChecker::run() {
  size_t operands = kernel.inputs.size() + kernel.outputs.size();
  if (operands > kMaxVecOperands)
    return invalidArgument(operands, " operands; at most ", kMaxVecOperands,
                           "; split the kernel");
  if (kernel.registers > kMaxRegisters)
    return invalidArgument(kernel.registers, " registers; at most ",
                           kMaxRegisters, "; split the kernel");
  if (kernel.body.size() > kMaxKernelLength)
    return invalidArgument(kernel.body.size(), " instructions; at most ",
                           kMaxKernelLength, "; split the kernel");
  for (const std::vector<DType> *types : {&kernel.inputs, &kernel.outputs})
    for (DType type : *types)
      if (type > DType::F64)
        return invalidArgument("unknown operand type ", int(type));
  summary.gatherDims.assign(operands, -1);
  for (size_t i = 0; i < kernel.body.size(); ++i)
    CIM_RETURN_IF_ERROR(withContext(
        check(kernel.body[i]),
        absl::StrCat("instruction ", i, " (", name(kernel.body[i].op), ")")));
  return absl::OkStatus();
}

} // namespace

absl::Status validateKernel(const Kernel &kernel, KernelSummary &summary) {
  return KernelChecker(kernel, summary).run();
}

} // namespace cim
