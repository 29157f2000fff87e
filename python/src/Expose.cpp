// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values inside of a tensor-level module as results and arguments of its
// function, so that what lies between them can be run by itself.
#include <algorithm>

#include "Compile.h"
#include "cim/IR/StoredType.h"
#include "cim/Pipeline/Compiler.h"
#include "cim/Support/Status.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;

namespace cim::python {
namespace {

/// A module and the values of its function that have a number.
class Body {
public:
  Body()
      : context(MLIRContext::Threading::DISABLED),
        handler(&context, [this](Diagnostic &d) {
          if (error.empty() && d.getSeverity() == DiagnosticSeverity::Error)
            error = d.str();
        }) {
    prepareContext(context);
  }

  absl::Status parse(std::string_view text);
  absl::StatusOr<Value> value(int64_t id) const;
  absl::Status addResult(int64_t id);
  absl::Status cut(int64_t id, const llvm::DenseSet<mlir::Value> &cutValues);
  absl::StatusOr<std::string> print();

  std::vector<Value> values; ///< By number.

private:
  DictionaryAttr named(int64_t id) {
    Builder builder(&context);
    return builder.getDictionaryAttr(builder.getNamedAttr(
        "cim.name", builder.getStringAttr("#" + std::to_string(id))));
  }

  MLIRContext context;
  std::string error;
  ScopedDiagnosticHandler handler;
  OwningOpRef<ModuleOp> module;
  func::FuncOp function;
};

absl::Status Body::parse(std::string_view text) {
  module = parseSourceString<ModuleOp>({text.data(), text.size()}, &context);
  if (!module)
    return invalidArgument(error.empty() ? "the text cannot be read as MLIR"
                                         : error);
  function = module->lookupSymbol<func::FuncOp>("main");
  if (!function || !llvm::hasSingleElement(function.getBody()))
    return invalidArgument("the module has no function @main of one block; "
                           "give the text of a phase up to schedule");
  auto add = [&](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (type && type.hasStaticShape() && dtypeOf(type.getElementType()))
      values.push_back(value);
  };
  for (BlockArgument argument : function.getArguments())
    add(argument);
  for (mlir::Operation &op : function.front())
    if (!isa<arith::ConstantOp, tensor::EmptyOp, linalg::FillOp>(op))
      llvm::for_each(op.getResults(), add);
  return absl::OkStatus();
}

absl::StatusOr<Value> Body::value(int64_t id) const {
  if (id < 0 || id >= static_cast<int64_t>(values.size()))
    return invalidArgument("value ", id, ": the text has ", values.size(),
                           " values; give one of those");
  return values[id];
}

absl::Status Body::addResult(int64_t id) {
  CIM_ASSIGN_OR_RETURN(Value result, value(id));
  if (failed(function.insertResult(function.getNumResults(), result.getType(),
                                   named(id))))
    return invalidArgument("value ", id, ": cannot be a result");
  mlir::Operation *end = function.front().getTerminator();
  end->insertOperands(end->getNumOperands(), result);
  return absl::OkStatus();
}

/// True for an op that does nothing but quantize its only operand.
bool onlyQuantizes(mlir::Operation *op) {
  auto generic = dyn_cast_or_null<linalg::GenericOp>(op);
  if (!generic || generic.getNumDpsInputs() != 1 ||
      generic.getNumDpsInits() != 1)
    return false;
  Block &body = *generic.getBlock();
  auto cast = dyn_cast<quant::QuantizeCastOp>(&body.front());
  return cast && std::next(body.begin(), 2) == body.end() &&
         cast.getOperand() == body.getArgument(0);
}

absl::Status Body::cut(int64_t id,
                       const llvm::DenseSet<mlir::Value> &cutValues) {
  CIM_ASSIGN_OR_RETURN(Value from, value(id));
  if (isa<BlockArgument>(from))
    return invalidArgument("value ", id, ": is an argument already");
  unsigned index = function.getNumArguments();
  if (failed(function.insertArgument(index, from.getType(), named(id),
                                     from.getLoc())))
    return invalidArgument("value ", id, ": cannot be an argument");
  from.replaceUsesWithIf(function.getArgument(index), [&](OpOperand &use) {
    mlir::Operation *user = use.getOwner();
    return !(onlyQuantizes(user) && cutValues.contains(user->getResult(0)));
  });
  return absl::OkStatus();
}

absl::StatusOr<std::string> Body::print() {
  if (failed(verify(*module)))
    return invalidArgument(error);
  std::string text;
  llvm::raw_string_ostream stream(text);
  OpPrintingFlags flags;
  flags.enableDebugInfo(true, /*prettyForm=*/false);
  (*module)->print(stream, flags);
  stream << "\n";
  return text;
}

void addNodes(mlir::Location loc, std::vector<std::string> &nodes) {
  if (auto name = dyn_cast<NameLoc>(loc)) {
    nodes.push_back(name.getName().str());
  } else if (auto fused = dyn_cast<FusedLoc>(loc)) {
    for (mlir::Location inner : fused.getLocations())
      addNodes(inner, nodes);
  }
}

std::string macFormat(mlir::Operation *mac) {
  if (auto mantissa = mac->getAttrOfType<IntegerAttr>("mantissa"))
    return mantissa.getInt() == 16 ? "fp16" : "bfp16";
  auto stored = [&](int operand) {
    return storedType(getElementTypeOrSelf(mac->getOperand(operand)));
  };
  auto bits = [](Type type) {
    return std::to_string(type.getIntOrFloatBitWidth());
  };
  if (!stored(1).isInteger())
    return "f" + bits(stored(1));
  return "w" + bits(stored(1)) + "a" + bits(stored(0));
}

bool onlyMoves(mlir::Operation *op) {
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return llvm::hasSingleElement(*generic.getBlock()) &&
           isa<BlockArgument>(
               generic.getBlock()->getTerminator()->getOperand(0));
  return isa<tensor::TensorDialect>(op->getDialect()) ||
         isa<linalg::TransposeOp, linalg::BroadcastOp, linalg::CopyOp>(op);
}

void describeOp(mlir::Operation *op, ValueFacts &facts) {
  facts.op = onlyQuantizes(op) ? "quantize"
             : onlyMoves(op)   ? "move"
                               : op->getName().stripDialect().str();
  // A MAC, or the MAC of a region.
  op->walk([&](mlir::Operation *inner) {
    if (!isa<ir::ConvOp, ir::MatmulOp>(inner))
      return;
    facts.op = inner->getName().stripDialect().str();
    facts.format = macFormat(inner);
  });
}

ValueFacts describe(Value value, int64_t id) {
  ValueFacts facts;
  facts.id = id;
  addNodes(value.getLoc(), facts.nodes);
  facts.op = "input";
  if (mlir::Operation *op = value.getDefiningOp())
    describeOp(op, facts);
  auto type = cast<RankedTensorType>(value.getType());
  Type element = type.getElementType();
  llvm::raw_string_ostream(facts.type) << element;
  facts.shape = type.getShape().vec();
  facts.isFloat =
      isa<FloatType>(element) && element.getIntOrFloatBitWidth() > 8;
  if (auto quantized = dyn_cast<quant::UniformQuantizedType>(element)) {
    facts.scale = quantized.getScale();
    facts.zero = quantized.getZeroPoint();
    facts.low = quantized.getStorageTypeMin();
    facts.high = quantized.getStorageTypeMax();
  }
  return facts;
}

} // namespace

absl::StatusOr<std::vector<ValueFacts>> values(std::string_view text) {
  Body body;
  CIM_RETURN_IF_ERROR(body.parse(text));
  std::vector<ValueFacts> list;
  for (auto [id, value] : llvm::enumerate(body.values))
    list.push_back(describe(value, id));
  return list;
}

absl::StatusOr<std::string> expose(std::string_view text,
                                   const std::vector<int64_t> &results,
                                   const std::vector<int64_t> &cuts) {
  Body body;
  CIM_RETURN_IF_ERROR(body.parse(text));
  llvm::DenseSet<mlir::Value> cutValues;
  for (int64_t id : cuts) {
    CIM_ASSIGN_OR_RETURN(Value value, body.value(id));
    cutValues.insert(value);
  }
  // Cuts first: a result is what was computed, not what replaces it.
  for (int64_t id : cuts)
    CIM_RETURN_IF_ERROR(body.cut(id, cutValues));
  for (int64_t id : results)
    CIM_RETURN_IF_ERROR(body.addResult(id));
  return body.print();
}

} // namespace cim::python
