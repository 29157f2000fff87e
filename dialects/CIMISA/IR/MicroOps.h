// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the assembly knows about the micro-operations of vector kernels.
#ifndef DIALECTS_CIMISA_IR_MICROOPS_H
#define DIALECTS_CIMISA_IR_MICROOPS_H

#include <optional>

#include "cim/Program/Program.h"
#include "llvm/ADT/StringRef.h"

namespace cim::isa {

/// Meaning of MicroInst::imm.
enum class MicroImm : uint8_t {
  None,
  Operand,
  Loop,
  Value,
  IntPredicate,
  FloatPredicate
};

struct MicroOpInfo {
  llvm::StringRef name; ///< Snake case.
  int8_t minArgs;       ///< Registers read; gather and scatter take any
                        ///< number of indices more.
  bool variadic;
  bool usesSrcType;
  bool hasResult;
  MicroImm imm;
};

const MicroOpInfo &info(cim::MicroOp op);
std::optional<cim::MicroOp> parseMicroOp(llvm::StringRef name);

/// Type of the register the operation writes.
DType resultType(cim::MicroOp op, DType type);
/// Type of the register argument `index` implied by the operation.
DType argType(cim::MicroOp op, DType type, DType srcType, size_t index);

llvm::StringRef name(CmpIntPredicate predicate);
llvm::StringRef name(CmpFloatPredicate predicate);
std::optional<uint64_t> parsePredicate(MicroImm kind, llvm::StringRef name);

std::optional<DType> parseDType(llvm::StringRef name);
/// Same text as cim::name(DType).
llvm::StringRef dtypeName(DType type);

} // namespace cim::isa

#endif // DIALECTS_CIMISA_IR_MICROOPS_H
