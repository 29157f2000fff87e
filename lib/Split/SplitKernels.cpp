// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parallel loops whose body needs more registers than a vector kernel has
// (program-format P9: each is written once) become several, one after the
// other, with the values in between in tensors. The cut is where the fewest
// values cross; constants and loop numbers are made again on the other side.
#include "cim/Split/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace cim {
namespace {

constexpr size_t maxRegisters = 64;

/// Registers the lowering uses for one scalar op, at most.
size_t registersOf(Operation *op) {
  if (isa<arith::ConstantOp, linalg::IndexOp, tensor::ExtractOp>(op))
    return 1;
  if (isa<arith::TruncIOp>(op))
    return op->getResult(0).getType().isInteger(1) ? 4 : 1;
  if (op->getNumResults() == 1 && isa<CastOpInterface>(op))
    return 2;
  if (op->getName().getDialectNamespace() == "quant")
    return 6;
  return 1;
}

bool isRemade(Operation *op) {
  return isa_and_nonnull<arith::ConstantOp, linalg::IndexOp>(op);
}

class KernelSplitter {
public:
  explicit KernelSplitter(linalg::GenericOp op) : op(op) {
    for (Operation &inner : op.getBody()->without_terminator())
      if (!isRemade(&inner))
        ops.push_back(&inner);
  }

  bool isTooBig() const { return registers(0, ops.size()) > maxRegisters; }
  /// Splits off as much as fits; returns the rest, or null if that does not
  /// help.
  linalg::GenericOp split();

private:
  size_t registers(size_t begin, size_t end) const;
  llvm::SetVector<Value> crossing(size_t cut) const;
  SmallVector<Value> clonePart(OpBuilder &b, size_t begin, size_t end,
                               IRMapping &map, ValueRange wanted);
  SmallVector<OpOperand *> inputsOf(size_t begin, size_t end) const;

  mutable linalg::GenericOp op; ///< Its accessors are not const.
  SmallVector<Operation *> ops;
};

size_t KernelSplitter::registers(size_t begin, size_t end) const {
  size_t count = 0;
  llvm::SetVector<Value> others; // Loads, constants, loop numbers.
  llvm::SmallPtrSet<Operation *, 32> inside(ops.begin() + begin,
                                            ops.begin() + end);
  auto use = [&](Value value) {
    if (!inside.contains(value.getDefiningOp()))
      others.insert(value);
  };
  for (Operation *each : ArrayRef(ops).slice(begin, end - begin)) {
    count += registersOf(each);
    llvm::for_each(each->getOperands(), use);
  }
  if (end == ops.size())
    llvm::for_each(op.getBody()->getTerminator()->getOperands(), use);
  // A tensor that is indexed is no register.
  return count + llvm::count_if(others, [](Value value) {
           return !isa<TensorType>(value.getType());
         });
}

/// Values the first `cut` ops compute and the others use.
llvm::SetVector<Value> KernelSplitter::crossing(size_t cut) const {
  llvm::SmallPtrSet<Operation *, 32> first(ops.begin(), ops.begin() + cut);
  llvm::SetVector<Value> values;
  auto use = [&](Value value) {
    if (first.contains(value.getDefiningOp()))
      values.insert(value);
  };
  for (Operation *each : ArrayRef(ops).drop_front(cut))
    llvm::for_each(each->getOperands(), use);
  llvm::for_each(op.getBody()->getTerminator()->getOperands(), use);
  return values;
}

/// Inputs of the generic that a part of the body reads.
SmallVector<OpOperand *> KernelSplitter::inputsOf(size_t begin,
                                                  size_t end) const {
  llvm::SmallPtrSet<Operation *, 32> inside(ops.begin() + begin,
                                            ops.begin() + end);
  if (end == ops.size())
    inside.insert(op.getBody()->getTerminator());
  SmallVector<OpOperand *> inputs;
  for (OpOperand *input : op.getDpsInputOperands())
    if (llvm::any_of(op.getMatchingBlockArgument(input).getUsers(),
                     [&](Operation *user) { return inside.contains(user); }))
      inputs.push_back(input);
  return inputs;
}

/// Clones ops of the body; what they need beside `map` is made again.
SmallVector<Value> KernelSplitter::clonePart(OpBuilder &b, size_t begin,
                                             size_t end, IRMapping &map,
                                             ValueRange wanted) {
  auto need = [&](Value value) {
    if (Operation *def = value.getDefiningOp();
        isRemade(def) && def->getBlock() == op.getBody() &&
        !map.contains(value))
      b.clone(*def, map);
  };
  for (Operation *each : ArrayRef(ops).slice(begin, end - begin)) {
    llvm::for_each(each->getOperands(), need);
    b.clone(*each, map);
  }
  SmallVector<Value> results;
  for (Value value : wanted) {
    need(value);
    results.push_back(map.lookupOrDefault(value));
  }
  return results;
}

linalg::GenericOp KernelSplitter::split() {
  size_t most = 0;
  while (most < ops.size() && registers(0, most + 1) <= maxRegisters)
    ++most;
  size_t cut = 0, fewest = SIZE_MAX;
  for (size_t i = most / 2 + 1; i <= most && i < ops.size(); ++i)
    if (size_t count = crossing(i).size(); count <= fewest) {
      cut = i;
      fewest = count;
    }
  if (cut == 0 || fewest >= cut)
    return {};
  OpBuilder b(op);
  Location loc = op.getLoc();
  SmallVector<int64_t> shape = op.getStaticLoopRanges();
  AffineMap identity = b.getMultiDimIdentityMap(shape.size());
  SmallVector<utils::IteratorType> loops = op.getIteratorTypesArray();
  llvm::SetVector<Value> values = crossing(cut);

  // The first part: one result per value.
  SmallVector<OpOperand *> firstInputs = inputsOf(0, cut);
  SmallVector<Value> inputs, inits;
  SmallVector<AffineMap> maps;
  SmallVector<Type> types;
  for (OpOperand *input : firstInputs) {
    inputs.push_back(input->get());
    maps.push_back(op.getMatchingIndexingMap(input));
  }
  for (Value value : values) {
    inits.push_back(
        tensor::EmptyOp::create(b, loc, shape, value.getType()).getResult());
    types.push_back(inits.back().getType());
    maps.push_back(identity);
  }
  auto first = linalg::GenericOp::create(
      b, loc, types, inputs, inits, maps, loops,
      [&](OpBuilder &inner, Location at, ValueRange args) {
        IRMapping map;
        for (auto [input, arg] : llvm::zip(firstInputs, args))
          map.map(op.getMatchingBlockArgument(input), arg);
        linalg::YieldOp::create(
            inner, at, clonePart(inner, 0, cut, map, values.getArrayRef()));
      });

  // The rest reads them.
  SmallVector<OpOperand *> restInputs = inputsOf(cut, ops.size());
  inputs.clear();
  maps.clear();
  for (OpOperand *input : restInputs) {
    inputs.push_back(input->get());
    maps.push_back(op.getMatchingIndexingMap(input));
  }
  for (Value value : first.getResults()) {
    inputs.push_back(value);
    maps.push_back(identity);
  }
  for (OpOperand &init : op.getDpsInitsMutable())
    maps.push_back(op.getMatchingIndexingMap(&init));
  auto rest = linalg::GenericOp::create(
      b, loc, op.getResultTypes(), inputs, op.getDpsInits(), maps, loops,
      [&](OpBuilder &inner, Location at, ValueRange args) {
        IRMapping map;
        for (auto [input, arg] : llvm::zip(restInputs, args))
          map.map(op.getMatchingBlockArgument(input), arg);
        for (auto [value, arg] :
             llvm::zip(values, args.drop_front(restInputs.size())))
          map.map(value, arg);
        linalg::YieldOp::create(
            inner, at,
            clonePart(inner, cut, ops.size(), map,
                      op.getBody()->getTerminator()->getOperands()));
      });
  op.replaceAllUsesWith(rest.getResults());
  op.erase();
  return rest;
}

struct SplitKernelsPass
    : PassWrapper<SplitKernelsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SplitKernelsPass)
  StringRef getArgument() const override { return "cim-split-kernels"; }
  StringRef getDescription() const override {
    return "Cuts loop bodies that need more registers than a kernel has";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<linalg::LinalgDialect, tensor::TensorDialect>();
  }
  void runOnOperation() override {
    SmallVector<linalg::GenericOp> generics;
    getOperation().walk([&](linalg::GenericOp op) {
      bool readsInit = llvm::any_of(op.getRegionOutputArgs(),
                                    [](Value arg) { return !arg.use_empty(); });
      if (op.getNumParallelLoops() == op.getNumLoops() && !readsInit)
        generics.push_back(op);
    });
    for (linalg::GenericOp op : generics)
      while (op && KernelSplitter(op).isTooBig())
        op = KernelSplitter(op).split();
  }
};

} // namespace

std::unique_ptr<Pass> createSplitKernelsPass() {
  return std::make_unique<SplitKernelsPass>();
}

} // namespace cim
