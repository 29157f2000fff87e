// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "dialects/CIMISA/IR/CIMISA.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace cim::isa;

#include "dialects/CIMISA/IR/CIMISADialect.cpp.inc"
#include "dialects/CIMISA/IR/CIMISAInterfaces.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/CIMISA/IR/CIMISATypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/CIMISA/IR/CIMISAOps.cpp.inc"

void CIMISADialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/CIMISA/IR/CIMISATypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/CIMISA/IR/CIMISAOps.cpp.inc"
      >();
}

Type RegType::parse(AsmParser &parser) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseKeyword(&keyword))
    return {};
  std::optional<cim::DType> type = parseDType(keyword);
  if (!type) {
    parser.emitError(loc, "unknown element type '") << keyword << "'";
    return {};
  }
  if (parser.parseGreater())
    return {};
  return RegType::get(parser.getContext(), *type);
}

void RegType::print(AsmPrinter &printer) const {
  printer << '<' << dtypeName(getDtype()) << '>';
}
