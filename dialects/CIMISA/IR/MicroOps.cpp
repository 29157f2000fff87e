// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "dialects/CIMISA/IR/MicroOps.h"

#include "llvm/ADT/STLExtras.h"

namespace cim::isa {
namespace {

constexpr MicroOpInfo plain(llvm::StringRef name, int8_t args) {
  return {name, args, false, false, true, MicroImm::None};
}
constexpr MicroOpInfo convert(llvm::StringRef name, int8_t args) {
  return {name, args, false, true, true, MicroImm::None};
}

/// In the order of cim::MicroOp.
constexpr MicroOpInfo kInfo[] = {
    {"load", 0, false, false, true, MicroImm::Operand},
    {"gather", 1, true, false, true, MicroImm::Operand},
    {"const", 0, false, false, true, MicroImm::Value},
    {"index", 0, false, false, true, MicroImm::Loop},
    {"store", 1, false, false, false, MicroImm::Operand},
    {"scatter", 2, true, false, false, MicroImm::Operand},
    convert("cast", 1),
    convert("bitcast", 1),
    convert("quantize", 3),
    convert("requantize", 3),
    convert("dequantize", 3),
    plain("add", 2),
    plain("sub", 2),
    plain("mul", 2),
    plain("div", 2),
    plain("rem", 2),
    plain("min", 2),
    plain("max", 2),
    plain("min_num", 2),
    plain("max_num", 2),
    plain("neg", 1),
    plain("abs", 1),
    plain("fma", 3),
    plain("and", 2),
    plain("or", 2),
    plain("xor", 2),
    plain("shl", 2),
    plain("shr_u", 2),
    plain("shr_s", 2),
    plain("div_u", 2),
    plain("rem_u", 2),
    plain("min_u", 2),
    plain("max_u", 2),
    {"cmp_int", 2, false, false, true, MicroImm::IntPredicate},
    {"cmp_float", 2, false, false, true, MicroImm::FloatPredicate},
    plain("select", 3),
    plain("exp", 1),
    plain("exp2", 1),
    plain("expm1", 1),
    plain("log", 1),
    plain("log2", 1),
    plain("log10", 1),
    plain("log1p", 1),
    plain("sqrt", 1),
    plain("rsqrt", 1),
    plain("tanh", 1),
    plain("erf", 1),
    plain("sin", 1),
    plain("cos", 1),
    plain("tan", 1),
    plain("asin", 1),
    plain("acos", 1),
    plain("atan", 1),
    plain("sinh", 1),
    plain("cosh", 1),
    plain("asinh", 1),
    plain("acosh", 1),
    plain("atanh", 1),
    plain("atan2", 2),
    plain("pow", 2),
    plain("ceil", 1),
    plain("floor", 1),
    plain("trunc", 1),
    plain("round", 1),
    plain("round_even", 1),
    plain("copy_sign", 2),
    plain("is_nan", 1),
    plain("is_inf", 1),
};
static_assert(std::size(kInfo) == size_t(cim::MicroOp::IsInf) + 1,
              "one entry per micro-operation");

constexpr llvm::StringRef kIntPredicates[] = {
    "eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"};
constexpr llvm::StringRef kFloatPredicates[] = {
    "false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord",
    "ueq",   "ugt", "uge", "ult", "ule", "une", "uno", "true"};
constexpr llvm::StringRef kDTypes[] = {"i1",   "i8",  "u8",  "i16", "u16",
                                       "i32",  "u32", "i64", "u64", "f16",
                                       "bf16", "f32", "f64"};

template <typename Table>
std::optional<uint64_t> find(const Table &table, llvm::StringRef name) {
  const auto *it = llvm::find(table, name);
  if (it == std::end(table))
    return std::nullopt;
  return it - std::begin(table);
}

} // namespace

const MicroOpInfo &info(cim::MicroOp op) { return kInfo[size_t(op)]; }

std::optional<cim::MicroOp> parseMicroOp(llvm::StringRef name) {
  for (size_t i = 0; i < std::size(kInfo); ++i)
    if (kInfo[i].name == name)
      return cim::MicroOp(i);
  return std::nullopt;
}

DType resultType(cim::MicroOp op, DType type) {
  switch (op) {
  case cim::MicroOp::CmpInt:
  case cim::MicroOp::CmpFloat:
  case cim::MicroOp::IsNan:
  case cim::MicroOp::IsInf:
    return DType::I1;
  case cim::MicroOp::Index:
    return DType::I64;
  default:
    return type;
  }
}

DType argType(cim::MicroOp op, DType type, DType srcType, size_t index) {
  switch (op) {
  case cim::MicroOp::Gather:
    return DType::I64;
  case cim::MicroOp::Scatter:
    return index == 0 ? type : DType::I64;
  case cim::MicroOp::Cast:
  case cim::MicroOp::Bitcast:
    return srcType;
  case cim::MicroOp::Quantize:
  case cim::MicroOp::Requantize:
  case cim::MicroOp::Dequantize:
    return index == 0 ? srcType : index == 1 ? DType::F32 : DType::I32;
  case cim::MicroOp::Select:
    return index == 0 ? DType::I1 : type;
  default:
    return type;
  }
}

llvm::StringRef name(CmpIntPredicate predicate) {
  return kIntPredicates[size_t(predicate)];
}
llvm::StringRef name(CmpFloatPredicate predicate) {
  return kFloatPredicates[size_t(predicate)];
}

std::optional<uint64_t> parsePredicate(MicroImm kind, llvm::StringRef name) {
  return kind == MicroImm::IntPredicate ? find(kIntPredicates, name)
                                        : find(kFloatPredicates, name);
}

std::optional<DType> parseDType(llvm::StringRef name) {
  if (auto index = find(kDTypes, name))
    return DType(*index);
  return std::nullopt;
}

llvm::StringRef dtypeName(DType type) { return kDTypes[size_t(type)]; }

} // namespace cim::isa
