// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// linalg.generic on strided buffers: one vector op per core. The vector unit
// reads and writes any memory (device.md D4.5), so no shape is too large.
#include "Lowering.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

/// Adds `expr * stride` to the per-loop strides; false if it is not linear.
static bool addLinear(AffineExpr expr, int64_t stride,
                      SmallVectorImpl<int64_t> &strides, int64_t &offset) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    strides[dim.getPosition()] += stride;
    return true;
  }
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    offset += constant.getValue() * stride;
    return true;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return false;
  if (binary.getKind() == AffineExprKind::Add)
    return addLinear(binary.getLHS(), stride, strides, offset) &&
           addLinear(binary.getRHS(), stride, strides, offset);
  if (binary.getKind() == AffineExprKind::Mul)
    if (auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS()))
      return addLinear(binary.getLHS(), stride * factor.getValue(), strides,
                       offset);
  return false;
}

FailureOr<SmallVector<int64_t>> loopStrides(AffineMap map, const View &view,
                                            int64_t &offset) {
  SmallVector<int64_t> strides(map.getNumDims(), 0);
  for (auto [i, expr] : llvm::enumerate(map.getResults()))
    if (!addLinear(expr, view.strides[i], strides, offset))
      return failure();
  return strides;
}

/// Removes loop `i` of the nest.
static void dropLoop(LoopNest &nest, size_t i) {
  auto erase = [i](auto &list) { list.erase(list.begin() + i); };
  erase(nest.sizes);
  erase(nest.reduction);
  erase(nest.indexed);
  erase(nest.indexBase);
  for (LoopNest::Operand &operand : nest.operands)
    erase(operand.strides);
}

/// True when loops i and i+1 walk every operand like one loop.
static bool mergeable(const LoopNest &nest, size_t i) {
  if (nest.reduction[i] != nest.reduction[i + 1] || nest.indexed[i] ||
      nest.indexed[i + 1])
    return false;
  return llvm::all_of(nest.operands, [&](const LoopNest::Operand &operand) {
    return operand.strides[i] == operand.strides[i + 1] * nest.sizes[i + 1];
  });
}

/// Drops unit loops and merges neighbours; the order of iterations stays.
static void simplify(LoopNest &nest) {
  for (size_t i = nest.sizes.size(); i-- > 0;)
    if (nest.sizes[i] == 1 && !nest.indexed[i] && nest.sizes.size() > 1)
      dropLoop(nest, i);
  for (size_t i = nest.sizes.size(); i-- > 0;) {
    if (i + 1 >= nest.sizes.size() || !mergeable(nest, i))
      continue;
    nest.sizes[i + 1] *= nest.sizes[i];
    dropLoop(nest, i);
  }
}

/// The operand whose strides decide the order of loops: one in DRAM if there is
/// any, where short runs cost whole bursts (device.md D4.5), else the first
/// output.
static const LoopNest::Operand *orderingOperand(const LoopNest &nest) {
  const LoopNest::Operand *best = nullptr;
  int64_t bestSpan = 0;
  for (const LoopNest::Operand &operand : nest.operands) {
    auto buffer = operand.view.buffer.getDefiningOp<BufferOp>();
    if (!buffer || buffer.getMem().getSpace() != MemorySpace::dram ||
        !operand.gather.empty())
      continue;
    int64_t span = 1;
    for (auto [size, stride] : llvm::zip_equal(nest.sizes, operand.strides))
      if (stride)
        span *= size;
    if (span > bestSpan) {
      bestSpan = span;
      best = &operand;
    }
  }
  if (best)
    return best;
  for (const LoopNest::Operand &operand : nest.operands)
    if (operand.isOutput)
      return &operand;
  return nullptr;
}

/// Puts parallel loops in the order of one operand's strides, largest first, so
/// that its contiguous runs are innermost. Reduction loops keep their order
/// and stay inside (numerics F5 allows both).
static SmallVector<int64_t> preferredOrder(const LoopNest &nest) {
  SmallVector<int64_t> order =
      llvm::to_vector(llvm::seq<int64_t>(0, nest.sizes.size()));
  const LoopNest::Operand *output = orderingOperand(nest);
  llvm::sort(order, [&](int64_t a, int64_t b) {
    if (nest.reduction[a] != nest.reduction[b])
      return !nest.reduction[a];
    if (nest.reduction[a] || !output ||
        output->strides[a] == output->strides[b])
      return a < b;
    return output->strides[a] > output->strides[b];
  });
  return order;
}

static void permute(LoopNest &nest, ArrayRef<int64_t> order) {
  auto apply = [&](auto &list) {
    auto old = list;
    for (auto [i, from] : llvm::enumerate(order))
      list[i] = old[from];
  };
  apply(nest.sizes);
  apply(nest.reduction);
  apply(nest.indexed);
  apply(nest.indexBase);
  for (LoopNest::Operand &operand : nest.operands)
    apply(operand.strides);
}

void Lowering::emitOnCore(const LoopNest &nest, FlatSymbolRefAttr kernel,
                          unsigned core) {
  constexpr size_t maxLoops = 6;
  if (nest.sizes.size() > maxLoops) {
    // Too deep for one instruction: the outermost loop is unrolled.
    for (int64_t i = 0; i < nest.sizes[0]; ++i) {
      LoopNest inner = nest;
      for (LoopNest::Operand &operand : inner.operands)
        operand.view.offset += i * operand.strides[0];
      dropLoop(inner, 0);
      emitOnCore(inner, kernel, core);
    }
    return;
  }
  SmallVector<VectorOperand> operands;
  for (const LoopNest::Operand &operand : nest.operands) {
    VectorOperand out;
    out.buffer = operand.view.buffer;
    out.offset = operand.view.offset;
    out.strides = operand.strides;
    out.elemBytes = operand.view.elemBytes;
    out.gather = operand.gather;
    out.isOutput = operand.isOutput;
    out.readsOld = operand.readsOld;
    operands.push_back(out);
  }
  SmallVector<int64_t> reductions, indexBase;
  for (auto [i, isReduction] : llvm::enumerate(nest.reduction))
    if (isReduction)
      reductions.push_back(i);
  if (llvm::any_of(nest.indexBase, [](int64_t v) { return v != 0; }))
    indexBase = nest.indexBase;
  tiles.vector(core, kernel, operands, nest.sizes, reductions, indexBase);
}

void Lowering::emitTile(LoopNest nest, FlatSymbolRefAttr kernel,
                        unsigned core) {
  permute(nest, preferredOrder(nest));
  simplify(nest);
  emitOnCore(nest, kernel, core);
}

void Lowering::emitNest(LoopNest nest, FlatSymbolRefAttr kernel,
                        int64_t cores) {
  // A kernel that reads indices names loops by number: such nests keep shape.
  bool indexed = llvm::is_contained(nest.indexed, true);
  if (!indexed) {
    permute(nest, preferredOrder(nest));
    simplify(nest);
  }
  // Cores divide the first parallel loop that is long enough; what is left of a
  // short nest stays on one core, since starting another costs more.
  int64_t total = 1;
  for (int64_t size : nest.sizes)
    total *= size;
  int64_t split = -1;
  for (auto [i, size] : llvm::enumerate(nest.sizes))
    if (!nest.reduction[i] && size >= cores && split < 0)
      split = i;
  constexpr int64_t minIterationsPerCore = 2048;
  if (cores <= 1 || split < 0 || total < cores * minIterationsPerCore) {
    emitOnCore(nest, kernel, 0);
    return;
  }
  for (int64_t core = 0; core < cores; ++core) {
    int64_t begin = nest.sizes[split] * core / cores;
    int64_t end = nest.sizes[split] * (core + 1) / cores;
    LoopNest part = nest;
    part.sizes[split] = end - begin;
    part.indexBase[split] += begin;
    for (LoopNest::Operand &operand : part.operands)
      operand.view.offset += begin * operand.strides[split];
    emitOnCore(part, kernel, core);
  }
}

namespace {
/// Collects the operands of a generic's nest while its kernel is built.
struct GenericNest {
  LoopNest nest;
  unsigned gatherBase = 0;
  SmallVector<Value> gathered;
};
} // namespace

/// Clones a constant defined outside of a generic into the kernel.
static Value captureConstant(KernelBuilder &kernel, Value value) {
  Operation *op = value.getDefiningOp();
  assert(op && op->hasTrait<OpTrait::ConstantLike>() &&
         "checked by the split phase: bodies capture constants only");
  return kernel.opBuilder().clone(*op)->getResult(0);
}

LogicalResult Lowering::lowerGeneric(linalg::GenericOp op) {
  KernelBuilder kernel(kernels, op.getLoc());
  GenericNest state;
  LoopNest &nest = state.nest;
  nest.sizes = op.getStaticLoopRanges();
  for (utils::IteratorType type : op.getIteratorTypesArray())
    nest.reduction.push_back(type == utils::IteratorType::reduction);
  nest.indexed.assign(nest.sizes.size(), false);
  nest.indexBase.assign(nest.sizes.size(), 0);
  if (nest.sizes.empty()) {
    nest.sizes = {1};
    nest.reduction = {false};
    nest.indexed = {false};
    nest.indexBase = {0};
  }
  if (llvm::is_contained(nest.sizes, 0))
    return success();

  auto addOperand = [&](Value value, AffineMap map) -> LogicalResult {
    LoopNest::Operand operand;
    operand.view = viewOf(value);
    FailureOr<SmallVector<int64_t>> strides =
        loopStrides(map, operand.view, operand.view.offset);
    if (failed(strides))
      return op.emitError("indexing map ")
             << AffineMapAttr::get(map)
             << " is not linear; rewrite it with tensor.extract";
    operand.strides = std::move(*strides);
    operand.strides.resize(nest.sizes.size(), 0);
    nest.operands.push_back(std::move(operand));
    return success();
  };

  SmallVector<Value> arguments;
  for (OpOperand *input : op.getDpsInputOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(input);
    if (argument.use_empty()) { // shape-only operand, e.g. a pooling window
      arguments.push_back({});
      continue;
    }
    arguments.push_back(kernel.addInput(argument.getType()));
    if (failed(addOperand(input->get(), op.getMatchingIndexingMap(input))))
      return failure();
  }
  // Gathered tensors become further inputs.
  op.getBody()->walk([&](tensor::ExtractOp extract) {
    if (!llvm::is_contained(state.gathered, extract.getTensor()))
      state.gathered.push_back(extract.getTensor());
  });
  state.gatherBase = kernel.numInputs();
  for (Value tensor : state.gathered) {
    kernel.addInput(cast<RankedTensorType>(tensor.getType()).getElementType());
    LoopNest::Operand operand;
    operand.view = viewOf(tensor);
    operand.strides.assign(nest.sizes.size(), 0);
    for (auto [size, stride] :
         llvm::zip(operand.view.shape, operand.view.strides)) {
      operand.gather.push_back(size);
      operand.gather.push_back(stride);
    }
    nest.operands.push_back(std::move(operand));
  }
  op.getBody()->walk(
      [&](linalg::IndexOp index) { nest.indexed[index.getDim()] = true; });

  for (auto [i, init] : llvm::enumerate(op.getDpsInitsMutable())) {
    BlockArgument argument = op.getMatchingBlockArgument(&init);
    bool readsOld = !argument.use_empty();
    arguments.push_back(readsOld ? kernel.addOldValue(i, argument.getType())
                                 : Value());
  }
  KernelBuilder::Hooks hooks;
  hooks.loopOf = [](int64_t loop) { return loop; };
  hooks.gatherInput = [&](Value tensor) -> unsigned {
    return state.gatherBase + std::distance(state.gathered.begin(),
                                            llvm::find(state.gathered, tensor));
  };
  hooks.captured = [&](Value value) { return captureConstant(kernel, value); };
  FailureOr<SmallVector<Value>> outputs =
      kernel.inlineBody(op, arguments, hooks);
  if (failed(outputs))
    return op.emitError(kernel.reason);

  for (auto [i, init] : llvm::enumerate(op.getDpsInitsMutable())) {
    BlockArgument argument = op.getMatchingBlockArgument(&init);
    Value result = op.getResult(i);
    // A reduction accumulates in place: the init is copied unless this is its
    // only use.
    View view;
    if (!argument.use_empty() && init.get().hasOneUse() &&
        init.get().getDefiningOp<linalg::FillOp>())
      view = viewOf(init.get());
    else
      view = allocate(result, layer);
    if (!argument.use_empty() && view.buffer != viewOf(init.get()).buffer)
      copy(viewOf(init.get()), view);
    setView(result, view);
    if (failed(addOperand(result, op.getMatchingIndexingMap(&init))))
      return failure();
    nest.operands.back().isOutput = true;
    nest.operands.back().readsOld = !argument.use_empty();
  }
  FlatSymbolRefAttr symbol = kernel.finish(*outputs, layer);
  emitNest(nest, symbol, totalCores());
  return success();
}

LogicalResult Lowering::lowerFill(linalg::FillOp op) {
  Value result = op.getResult(0);
  View view = allocate(result, layer);
  setView(result, view);
  KernelBuilder kernel(kernels, op.getLoc());
  Value constant = captureConstant(kernel, op.getInputs()[0]);
  FlatSymbolRefAttr symbol = kernel.finish({constant}, "fill");
  LoopNest nest;
  nest.sizes = view.shape;
  nest.operands.push_back({view, view.strides, {}, true, false});
  if (nest.sizes.empty()) {
    nest.sizes = {1};
    nest.operands[0].strides = {0};
  }
  nest.reduction.assign(nest.sizes.size(), false);
  nest.indexed.assign(nest.sizes.size(), false);
  nest.indexBase.assign(nest.sizes.size(), 0);
  if (!llvm::is_contained(nest.sizes, 0))
    emitNest(nest, symbol, totalCores());
  return success();
}

} // namespace cim
