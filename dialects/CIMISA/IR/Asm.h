// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Assembly syntax of the structures ops hold: one print and one parse function
// each, inverse of each other.
#ifndef DIALECTS_CIMISA_IR_ASM_H
#define DIALECTS_CIMISA_IR_ASM_H

#include <limits>

#include "dialects/CIMISA/IR/CIMISA.h"
#include "llvm/ADT/STLExtras.h"

namespace cim::isa::text {

using mlir::OpAsmParser;
using mlir::OpAsmPrinter;
using mlir::ParseResult;

/// Integer of `T`'s range, decimal or hexadecimal.
template <typename T>
ParseResult parseNumber(OpAsmParser &parser, T &value) {
  llvm::SMLoc loc = parser.getCurrentLocation();
  llvm::APInt number;
  mlir::OptionalParseResult found = parser.parseOptionalInteger(number);
  if (!found.has_value())
    return parser.emitError(loc, "expected an integer");
  if (mlir::failed(*found))
    return mlir::failure();
  bool fits;
  if constexpr (std::is_signed_v<T>) {
    fits = number.isSignedIntN(8 * sizeof(T));
    if (fits)
      value = static_cast<T>(number.getSExtValue());
  } else {
    fits = !number.isNegative() && number.isIntN(8 * sizeof(T));
    if (fits)
      value = static_cast<T>(number.getZExtValue());
  }
  if (!fits)
    return parser.emitError(loc, "integer out of range: ")
           << int64_t(std::numeric_limits<T>::min()) << " to "
           << uint64_t(std::numeric_limits<T>::max());
  return mlir::success();
}
/// `keyword N`, if the keyword is there.
template <typename T>
ParseResult parseOptionalNumber(OpAsmParser &parser, llvm::StringRef keyword,
                                T &value) {
  if (mlir::failed(parser.parseOptionalKeyword(keyword)))
    return mlir::success();
  return parseNumber(parser, value);
}
template <typename T>
ParseResult parseNumber(OpAsmParser &parser, llvm::StringRef keyword,
                        T &value) {
  return mlir::failure(parser.parseKeyword(keyword) ||
                       parseNumber(parser, value));
}

/// `[a, b, c]`.
template <typename T>
ParseResult parseNumbers(OpAsmParser &parser, std::vector<T> &values) {
  values.clear();
  return parser.parseCommaSeparatedList(
      OpAsmParser::Delimiter::Square, [&]() -> ParseResult {
        return parseNumber(parser, values.emplace_back());
      });
}
template <typename T>
void printNumbers(OpAsmPrinter &p, const std::vector<T> &values) {
  p << '[';
  llvm::interleaveComma(values, p, [&](T value) {
    if constexpr (std::is_signed_v<T>)
      p << int64_t(value);
    else
      p << uint64_t(value);
  });
  p << ']';
}

/// "0x1f".
std::string hex(uint64_t value);

ParseResult parse(OpAsmParser &parser, Address &address);
void print(OpAsmPrinter &p, const Address &address);

/// `[16:64, 8:1]`, size:stride.
ParseResult parse(OpAsmParser &parser, std::vector<Dim> &dims);
void print(OpAsmPrinter &p, const std::vector<Dim> &dims);

/// `(addr strides [..] gather [..], ...)`; one per line when more than two.
ParseResult parse(OpAsmParser &parser, std::vector<VecOperand> &operands);
void print(OpAsmPrinter &p, const std::vector<VecOperand> &operands);

ParseResult parse(OpAsmParser &parser, DType &type);
ParseResult parse(OpAsmParser &parser, std::vector<DType> &types);
void print(OpAsmPrinter &p, const std::vector<DType> &types);

/// Issue clauses and the location clause, which sets the op's location.
ParseResult parseIssue(OpAsmParser &parser, Issue &issue,
                       mlir::OperationState &result);
void printIssue(OpAsmPrinter &p, const Issue &issue, mlir::Location location);

/// `node "x" layer "y" entry 3`; true if anything was there.
mlir::FailureOr<bool> parseSource(OpAsmParser &parser, SourceRef &source);
/// The location clause of an op, if there; sets the op's location.
ParseResult parseLocation(OpAsmParser &parser, mlir::OperationState &result);
void printSource(OpAsmPrinter &p, const SourceRef &source);

/// A quoted and escaped string.
void printString(OpAsmPrinter &p, llvm::StringRef text);

/// `{` ops `}` without block arguments.
ParseResult parseBody(OpAsmParser &parser, mlir::OperationState &result);

/// A float with as few digits as reproduce it; false, and nothing printed, if
/// it has no such literal (NaN, infinities).
bool printFloat(OpAsmPrinter &p, const llvm::APFloat &value);
const llvm::fltSemantics &semantics(DType type);

} // namespace cim::isa::text

#endif // DIALECTS_CIMISA_IR_ASM_H
