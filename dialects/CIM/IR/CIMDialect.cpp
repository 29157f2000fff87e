// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The dialect object, its types and attributes.
#include "dialects/CIM/IR/CIM.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace cim::ir;

#include "dialects/CIM/IR/CIMDialect.cpp.inc"
#include "dialects/CIM/IR/CIMEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/CIM/IR/CIMAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/CIM/IR/CIMTypes.cpp.inc"

void CIMDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/CIM/IR/CIMTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/CIM/IR/CIMAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/CIM/IR/CIMOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// #cim.mem
//===----------------------------------------------------------------------===//

template <typename Enum>
static FailureOr<Enum> parseEnum(AsmParser &parser,
                                 std::optional<Enum> (*symbolize)(StringRef)) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  if (std::optional<Enum> value = symbolize(keyword))
    return *value;
  return parser.emitError(loc, "unknown keyword '") << keyword << "'",
         failure();
}

Attribute MemAttr::parse(AsmParser &parser, Type) {
  if (parser.parseLess())
    return {};
  FailureOr<MemorySpace> space =
      parseEnum<MemorySpace>(parser, symbolizeMemorySpace);
  if (failed(space))
    return {};
  unsigned chip = 0, core = 0;
  if (succeeded(parser.parseOptionalKeyword("chip")) &&
      parser.parseInteger(chip))
    return {};
  if (succeeded(parser.parseOptionalKeyword("core")) &&
      parser.parseInteger(core))
    return {};
  if (parser.parseGreater())
    return {};
  return MemAttr::get(parser.getContext(), *space, chip, core);
}

void MemAttr::print(AsmPrinter &printer) const {
  printer << "<" << stringifyMemorySpace(getSpace());
  if (getChip())
    printer << " chip " << getChip();
  if (getSpace() == MemorySpace::l1 || getSpace() == MemorySpace::acc)
    printer << " core " << getCore();
  printer << ">";
}

//===----------------------------------------------------------------------===//
// #cim.schedule
//===----------------------------------------------------------------------===//

static ParseResult parseList(AsmParser &parser,
                             SmallVectorImpl<int64_t> &list) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&]() {
    return parser.parseInteger(list.emplace_back());
  });
}

Attribute ScheduleAttr::parse(AsmParser &parser, Type) {
  SmallVector<int64_t> m, k;
  int64_t n = 0, cores = 1, sets = 1, copies = 1, accBlock = 1, cycles = 0,
          bound = 0;
  SplitAxis split = SplitAxis::none;
  WeightHome weights = WeightHome::dram;
  auto parseField = [&]() -> ParseResult {
    StringRef key;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&key) || parser.parseEqual())
      return failure();
    if (key == "m")
      return parseList(parser, m);
    if (key == "k")
      return parseList(parser, k);
    if (key == "split") {
      FailureOr<SplitAxis> value =
          parseEnum<SplitAxis>(parser, symbolizeSplitAxis);
      if (succeeded(value))
        split = *value;
      return success(succeeded(value));
    }
    if (key == "weights") {
      FailureOr<WeightHome> value =
          parseEnum<WeightHome>(parser, symbolizeWeightHome);
      if (succeeded(value))
        weights = *value;
      return success(succeeded(value));
    }
    int64_t *field = llvm::StringSwitch<int64_t *>(key)
                         .Case("n", &n)
                         .Case("cores", &cores)
                         .Case("sets", &sets)
                         .Case("copies", &copies)
                         .Case("acc_block", &accBlock)
                         .Case("cycles", &cycles)
                         .Case("bound", &bound)
                         .Default(nullptr);
    if (!field)
      return parser.emitError(loc, "unknown schedule field '") << key << "'";
    return parser.parseInteger(*field);
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater,
                                     parseField))
    return {};
  return ScheduleAttr::get(parser.getContext(), m, n, k, split, cores, weights,
                           sets, copies, accBlock, cycles, bound);
}

void ScheduleAttr::print(AsmPrinter &printer) const {
  printer << "<m = [";
  llvm::interleaveComma(getM(), printer);
  printer << "]";
  if (getN())
    printer << ", n = " << getN();
  if (!getK().empty()) {
    printer << ", k = [";
    llvm::interleaveComma(getK(), printer);
    printer << "]";
  }
  printer << ", split = " << stringifySplitAxis(getSplit())
          << ", cores = " << getCores();
  if (!getK().empty())
    printer << ", weights = " << stringifyWeightHome(getWeights())
            << ", sets = " << getSets() << ", copies = " << getCopies()
            << ", acc_block = " << getAccBlock();
  printer << ", cycles = " << getCycles() << ", bound = " << getBound() << ">";
}
