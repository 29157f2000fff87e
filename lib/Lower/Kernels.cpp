// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Kernels.h"

#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Dialect/Quant/IR/QuantTypes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

FlatSymbolRefAttr KernelTable::intern(KernelOp kernel, StringRef hint) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  // Local scope and no verification: printing must not look at the module.
  kernel.print(stream, OpPrintingFlags()
                           .enableDebugInfo(false)
                           .useLocalScope()
                           .assumeVerified());
  auto [entry, isNew] = byText.try_emplace(text);
  if (!isNew) {
    kernel.erase();
    return entry->second;
  }
  std::string base;
  for (char c : hint)
    base.push_back(llvm::isAlnum(c) ? c : '_');
  std::string name = base;
  for (unsigned i = 1; !names.insert(name).second; ++i)
    name = base + "_" + std::to_string(i);
  kernel.setSymName(name);
  return entry->second = FlatSymbolRefAttr::get(kernel.getSymNameAttr());
}

KernelBuilder::KernelBuilder(KernelTable &table, Location loc)
    : loc(loc), table(table), builder(table.module.getContext()) {
  builder.setInsertionPointToStart(table.module.getBody());
  kernel =
      KernelOp::create(builder, loc, builder.getStringAttr(""),
                       builder.getI64IntegerAttr(0), builder.getArrayAttr({}));
  block = &kernel.getBody().emplaceBlock();
  builder.setInsertionPointToEnd(block);
}

Value KernelBuilder::addInput(Type type) {
  inputs.push_back(storedType(type));
  return block->insertArgument(inputs.size() - 1, inputs.back(), loc);
}

Value KernelBuilder::addOldValue(unsigned index, Type type) {
  Value value = block->addArgument(storedType(type), loc);
  oldValues.push_back({index, value});
  return value;
}

static std::pair<int64_t, int64_t> storageRange(quant::QuantizedType type) {
  return {type.getStorageTypeMin(), type.getStorageTypeMax()};
}

FailureOr<Value> KernelBuilder::convert(Operation &op, IRMapping &map,
                                        const Hooks &hooks) {
  auto lookup = [&](Value value) {
    if (Value mapped = map.lookupOrNull(value))
      return mapped;
    Value mapped = hooks.captured(value);
    map.map(value, mapped);
    return mapped;
  };
  if (auto index = dyn_cast<linalg::IndexOp>(op)) {
    int64_t loop = hooks.loopOf(index.getDim());
    if (loop < 0) // read by no computation, see gatherInput
      return Value();
    return KernelIndexOp::create(builder, loc, builder.getIndexType(), loop)
        .getResult();
  }
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    SmallVector<int64_t> computed;
    unsigned input = hooks.gatherInput(extract, computed);
    SmallVector<Value> indices;
    for (int64_t dim : computed)
      indices.push_back(lookup(extract.getIndices()[dim]));
    Type type = hooks.gatherType ? hooks.gatherType : extract.getType();
    return KernelGatherOp::create(builder, loc, storedType(type), input,
                                  indices)
        .getResult();
  }
  if (auto cast = dyn_cast<quant::QuantizeCastOp>(op)) {
    auto type = dyn_cast<quant::UniformQuantizedType>(cast.getType());
    if (!type) {
      reason = "only per-tensor quantized types can be computed";
      return failure();
    }
    auto [low, high] = storageRange(type);
    return KernelQuantizeOp::create(
               builder, loc, storedType(type), lookup(cast.getInput()),
               builder.getF32FloatAttr(type.getScale()),
               builder.getI64IntegerAttr(type.getZeroPoint()),
               builder.getI64IntegerAttr(low), builder.getI64IntegerAttr(high))
        .getResult();
  }
  if (auto cast = dyn_cast<quant::DequantizeCastOp>(op)) {
    auto type =
        dyn_cast<quant::UniformQuantizedType>(cast.getInput().getType());
    if (!type) {
      reason = "only per-tensor quantized types can be computed";
      return failure();
    }
    return KernelDequantizeOp::create(
               builder, loc, builder.getF32Type(), lookup(cast.getInput()),
               builder.getF32FloatAttr(type.getScale()),
               builder.getI64IntegerAttr(type.getZeroPoint()))
        .getResult();
  }
  if (auto cast = dyn_cast<quant::StorageCastOp>(op))
    return lookup(cast.getInput()); // The same bits.
  StringRef ns = op.getName().getDialectNamespace();
  if ((ns != "arith" && ns != "math") || op.getNumRegions() ||
      op.getNumResults() != 1) {
    reason =
        ("the vector unit has no '" + op.getName().getStringRef() + "'").str();
    return failure();
  }
  for (Value operand : op.getOperands())
    lookup(operand);
  Operation *clone = builder.clone(op, map);
  clone->setLoc(loc);
  return clone->getResult(0);
}

FailureOr<SmallVector<Value>>
KernelBuilder::inlineBody(linalg::GenericOp generic, ArrayRef<Value> arguments,
                          const Hooks &hooks) {
  builder.setInsertionPointToEnd(block);
  IRMapping map;
  for (auto [from, to] :
       llvm::zip_equal(generic.getBody()->getArguments(), arguments))
    if (to)
      map.map(from, to);
  for (Operation &op : generic.getBody()->without_terminator()) {
    FailureOr<Value> value = convert(op, map, hooks);
    if (failed(value))
      return failure();
    if (*value)
      map.map(op.getResult(0), *value);
  }
  SmallVector<Value> results;
  for (Value value : generic.getBody()->getTerminator()->getOperands()) {
    Value mapped = map.lookupOrNull(value);
    if (!mapped) {
      mapped = hooks.captured(value);
      map.map(value, mapped);
    }
    results.push_back(mapped);
  }
  return results;
}

FlatSymbolRefAttr KernelBuilder::finish(ArrayRef<Value> outputs, StringRef hint,
                                        ArrayRef<Value> indices) {
  builder.setInsertionPointToEnd(block);
  SmallVector<Type> types(
      llvm::map_range(outputs, [](Value v) { return v.getType(); }));
  KernelYieldOp::create(builder, loc, outputs, indices);
  // Old values follow the inputs, one per output, in output order.
  SmallVector<Value> old(outputs.size());
  for (auto [index, value] : oldValues)
    old[index] = value;
  for (auto [index, value] : llvm::enumerate(old)) {
    Value argument = block->addArgument(types[index], loc);
    if (value)
      value.replaceAllUsesWith(argument);
  }
  if (!oldValues.empty())
    block->eraseArguments(inputs.size(), oldValues.size());
  kernel.setNumInputs(inputs.size());
  SmallVector<Attribute> typeAttrs(llvm::map_range(
      types, [](Type type) -> Attribute { return TypeAttr::get(type); }));
  kernel.setOutputTypesAttr(builder.getArrayAttr(typeAttrs));
  return table.intern(kernel, hint);
}

} // namespace cim
