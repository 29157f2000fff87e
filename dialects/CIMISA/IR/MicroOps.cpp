// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "dialects/CIMISA/IR/MicroOps.h"

#include "llvm/ADT/STLExtras.h"

namespace cim::isa {
namespace {

constexpr bool isOneOf(cim::MicroOp op,
                       std::initializer_list<cim::MicroOp> list) {
  for (cim::MicroOp each : list)
    if (op == each)
      return true;
  return false;
}

constexpr MicroImm immOf(cim::MicroOp op) {
  using cim::MicroOp;
  switch (op) {
  case MicroOp::Load:
  case MicroOp::Gather:
  case MicroOp::Store:
  case MicroOp::Scatter:
    return MicroImm::Operand;
  case MicroOp::Const:
    return MicroImm::Value;
  case MicroOp::Index:
    return MicroImm::Loop;
  case MicroOp::CmpInt:
    return MicroImm::IntPredicate;
  case MicroOp::CmpFloat:
    return MicroImm::FloatPredicate;
  default:
    return MicroImm::None;
  }
}

constexpr MicroOpInfo makeInfo(cim::MicroOp op, llvm::StringRef name,
                               int8_t args) {
  using cim::MicroOp;
  bool variadic = isOneOf(op, {MicroOp::Gather, MicroOp::Scatter});
  bool usesSrcType =
      isOneOf(op, {MicroOp::Cast, MicroOp::Bitcast, MicroOp::Quantize,
                   MicroOp::Requantize, MicroOp::Dequantize});
  bool stores = isOneOf(op, {MicroOp::Store, MicroOp::Scatter});
  return {name, args, variadic, usesSrcType, !stores, immOf(op)};
}

constexpr MicroOpInfo kInfo[] = {
#define CIM_MICRO_OP(Name, text, args) makeInfo(cim::MicroOp::Name, text, args),
#include "cim/Program/MicroOps.def"
};

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
