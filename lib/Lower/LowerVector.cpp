// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// linalg.generic on strided buffers: one vector op per core. The vector unit
// reads and writes any memory (device.md D4.5), so no shape is too large.
#include "Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
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
  auto erase = [i](auto &list) {
    if (!list.empty())
      list.erase(list.begin() + i);
  };
  erase(nest.sizes);
  erase(nest.origin);
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
    if (!nest.origin.empty())
      nest.origin[i + 1] = -1;
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
    for (size_t i = 0; i < old.size(); ++i)
      list[i] = old[order[i]];
  };
  apply(nest.sizes);
  apply(nest.origin);
  apply(nest.reduction);
  apply(nest.indexed);
  apply(nest.indexBase);
  for (LoopNest::Operand &operand : nest.operands)
    apply(operand.strides);
}

/// Loops of a vector instruction (device.md D4.7).
constexpr size_t maxLoops = 6;

/// Puts loops in order, as few as possible. What is more than an instruction
/// takes comes first, to be unrolled: short parallel loops whose index nobody
/// reads. False if there are not enough of those.
static bool orderLoops(LoopNest &nest) {
  permute(nest, preferredOrder(nest));
  simplify(nest);
  size_t loops = nest.sizes.size();
  SmallVector<int64_t> order;
  while (loops - order.size() > maxLoops) {
    int64_t best = -1;
    for (int64_t i = 0, e = loops; i < e; ++i)
      if (!nest.reduction[i] && !nest.indexed[i] &&
          !llvm::is_contained(order, i) &&
          (best < 0 || nest.sizes[i] < nest.sizes[best]))
        best = i;
    if (best < 0)
      return llvm::none_of(nest.indexed, [](bool indexed) { return indexed; });
    order.push_back(best);
  }
  for (int64_t i = 0, e = loops; i < e; ++i)
    if (!llvm::is_contained(order, i))
      order.push_back(i);
  permute(nest, order);
  return true;
}

void Lowering::emitOnCore(const LoopNest &nest, FlatSymbolRefAttr kernel,
                          unsigned core) {
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
  orderLoops(nest);
  emitOnCore(nest, kernel, core);
}

void Lowering::emitNest(const LoopNest &nest, FlatSymbolRefAttr kernel,
                        int64_t cores) {
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

static GatheredInput gatheredBy(tensor::ExtractOp extract) {
  GatheredInput input{extract.getTensor(), {}};
  for (Value index : extract.getIndices()) {
    auto loop = index.getDefiningOp<linalg::IndexOp>();
    input.loops.push_back(loop ? static_cast<int64_t>(loop.getDim()) : -1);
  }
  return input;
}

/// An index that only says which element of a tensor to extract is a stride.
static bool isComputedWith(linalg::IndexOp index) {
  return !llvm::all_of(index->getUsers(), [](Operation *op) {
    return isa<tensor::ExtractOp>(op);
  });
}

/// Clones a constant defined outside of a generic into the kernel.
static Value captureConstant(KernelBuilder &kernel, Value value) {
  Operation *op = value.getDefiningOp();
  if (isa_and_nonnull<quant::QuantizeCastOp>(op)) {
    OpBuilder &b = kernel.opBuilder();
    IntegerType type = b.getIntegerType(storedBytes(value.getType()) * 8);
    return arith::ConstantOp::create(
        b, kernel.loc,
        b.getIntegerAttr(type,
                         static_cast<int64_t>(*constantScalarBits(value))));
  }
  assert(op && op->hasTrait<OpTrait::ConstantLike>() &&
         "checked by the split phase: bodies capture constants only");
  return kernel.opBuilder().clone(*op)->getResult(0);
}

/// Operand of a gathered tensor: strides along loops where an index is a
/// loop's, extents and strides of the other dimensions.
static LoopNest::Operand gatherOperand(const GatheredInput &input,
                                       const View &view, size_t loops) {
  LoopNest::Operand operand;
  operand.view = view;
  operand.strides.assign(loops, 0);
  for (auto [loop, size, stride] :
       llvm::zip_equal(input.loops, view.shape, view.strides)) {
    if (loop >= 0) {
      operand.strides[loop] += stride;
      continue;
    }
    operand.gather.push_back(size);
    operand.gather.push_back(stride);
  }
  return operand;
}

/// How many neighbouring elements a gather can fetch as one of 8 bytes: the
/// generic only copies runs along its innermost loop, from rows it looks up.
/// Every gathered element moves a run of its own (device.md D4.5).
static int64_t elementsPerFetch(linalg::GenericOp op, const View &table,
                                const View &result) {
  auto yield = cast<linalg::YieldOp>(op.getBody()->getTerminator());
  auto extract = yield->getOperand(0).getDefiningOp<tensor::ExtractOp>();
  int64_t elem = table.elemBytes, loops = op.getNumLoops(), inner = loops - 1;
  if (op.getNumResults() != 1 || !extract || extract.getIndices().empty() ||
      inner < 0 || elem >= 8 ||
      op.getIteratorTypesArray()[inner] != utils::IteratorType::parallel ||
      !op.getRegionOutputArgs()[0].use_empty())
    return 1;
  // Only the last index is the innermost loop, and nothing else depends on it.
  auto last = extract.getIndices().back().getDefiningOp<linalg::IndexOp>();
  if (!last || static_cast<int64_t>(last.getDim()) != inner ||
      !last->hasOneUse())
    return 1;
  bool alone = true;
  op.getBody()->walk([&](Operation *other) {
    auto index = dyn_cast<linalg::IndexOp>(other);
    alone &= !index || index == last ||
             static_cast<int64_t>(index.getDim()) != inner;
    alone &= !isa<tensor::ExtractOp>(other) || other == extract;
  });
  for (OpOperand *input : op.getDpsInputOperands())
    alone &= !op.getMatchingIndexingMap(input).isFunctionOfDim(inner);
  AffineMap map = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  int64_t offset = result.offset;
  FailureOr<SmallVector<int64_t>> out = loopStrides(map, result, offset);
  if (!alone || failed(out) || out->back() != elem ||
      table.strides.back() != elem || table.shape.back() != result.shape.back())
    return 1;
  int64_t count = 8 / elem;
  auto fits = [](int64_t bytes) { return bytes % 8 == 0; };
  if (op.getStaticLoopRanges()[inner] % count || table.shape.back() % count ||
      !fits(table.offset) || !fits(offset) ||
      !llvm::all_of(ArrayRef(table.strides).drop_back(), fits) ||
      !llvm::all_of(ArrayRef(*out).drop_back(), fits))
    return 1;
  return count;
}

/// Makes a nest move `count` elements at a time from operand `table`.
static void fetchTogether(LoopNest &nest, size_t table, int64_t count) {
  nest.sizes.back() /= count;
  for (auto [i, operand] : llvm::enumerate(nest.operands)) {
    if (i != table && !operand.isOutput)
      continue;
    operand.strides.back() *= count;
    operand.view.elemBytes *= count;
  }
}

/// The loops of `op` without operands.
static LoopNest loopsOf(linalg::GenericOp op) {
  LoopNest nest;
  nest.sizes = op.getStaticLoopRanges();
  for (utils::IteratorType type : op.getIteratorTypesArray())
    nest.reduction.push_back(type == utils::IteratorType::reduction);
  if (nest.sizes.empty()) {
    nest.sizes = {1};
    nest.reduction = {false};
  }
  nest.origin = llvm::to_vector(llvm::seq<int64_t>(0, nest.sizes.size()));
  nest.indexed.assign(nest.sizes.size(), false);
  nest.indexBase.assign(nest.sizes.size(), 0);
  op.getBody()->walk([&](linalg::IndexOp index) {
    if (isComputedWith(index))
      nest.indexed[index.getDim()] = true;
  });
  return nest;
}

/// Where result `i` of `op` goes. A reduction accumulates in place: the init is
/// copied unless this is its only use.
void Lowering::placeResult(linalg::GenericOp op, int64_t i, bool readsOld) {
  Value init = op.getDpsInits()[i];
  View view;
  if (readsOld && init.hasOneUse() && init.getDefiningOp<linalg::FillOp>())
    view = viewOf(init);
  else
    view = allocate(op.getResult(i), layer);
  // Both may be parts of one buffer, of a concatenation.
  if (readsOld && !samePlace(view, viewOf(init)))
    copy(viewOf(init), view);
  setView(op.getResult(i), view);
}

LogicalResult Lowering::addOperands(linalg::GenericOp op, KernelBuilder &kernel,
                                    BuiltNest &built,
                                    SmallVector<Value> &arguments) {
  LoopNest &nest = built.nest;
  auto add = [&](Value value, AffineMap map) -> LogicalResult {
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
    built.sources.push_back({value, map});
    return success();
  };
  for (OpOperand *input : op.getDpsInputOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(input);
    if (argument.use_empty()) { // shape-only operand, e.g. a pooling window
      arguments.push_back({});
      continue;
    }
    arguments.push_back(kernel.addInput(argument.getType()));
    if (failed(add(input->get(), op.getMatchingIndexingMap(input))))
      return failure();
  }
  // Gathered tensors become further inputs.
  built.gatherBase = kernel.numInputs();
  op.getBody()->walk([&](tensor::ExtractOp extract) {
    GatheredInput input = gatheredBy(extract);
    if (llvm::is_contained(built.gathered, input))
      return;
    built.together =
        elementsPerFetch(op, viewOf(input.tensor), viewOf(op.getResult(0)));
    kernel.addInput(built.together > 1 ? IntegerType::get(op.getContext(), 64)
                                       : extract.getType());
    nest.operands.push_back(
        gatherOperand(input, viewOf(input.tensor), nest.sizes.size()));
    built.sources.push_back({input.tensor, AffineMap()});
    built.gathered.push_back(std::move(input));
  });
  for (auto [i, init] : llvm::enumerate(op.getDpsInitsMutable())) {
    BlockArgument argument = op.getMatchingBlockArgument(&init);
    bool readsOld = !argument.use_empty();
    arguments.push_back(readsOld ? kernel.addOldValue(i, argument.getType())
                                 : Value());
    if (failed(add(op.getResult(i), op.getMatchingIndexingMap(&init))))
      return failure();
    nest.operands.back().isOutput = true;
    nest.operands.back().readsOld = readsOld;
  }
  if (built.together > 1)
    fetchTogether(nest, built.gatherBase, built.together);
  return success();
}

FailureOr<BuiltNest> Lowering::buildNest(linalg::GenericOp op) {
  KernelBuilder kernel(kernels, op.getLoc());
  BuiltNest built;
  LoopNest &nest = built.nest;
  nest = loopsOf(op);
  SmallVector<Value> arguments;
  if (failed(addOperands(op, kernel, built, arguments)))
    return failure();
  // A kernel that reads indices names loops by their place in the instruction.
  built.isOrdered = llvm::is_contained(nest.indexed, true);
  if (built.isOrdered && !orderLoops(nest))
    return op.emitError("reads the indices of more loops than the ")
           << maxLoops << " of a vector instruction; reshape its operands to "
           << "fewer dimensions";
  int64_t unrolled =
      std::max<int64_t>(0, static_cast<int64_t>(nest.sizes.size()) -
                               static_cast<int64_t>(maxLoops));
  KernelBuilder::Hooks hooks;
  hooks.loopOf = [&](int64_t loop) -> int64_t {
    auto it = llvm::find(nest.origin, loop);
    return it == nest.origin.end() || !nest.indexed[it - nest.origin.begin()]
               ? -1
               : it - nest.origin.begin() - unrolled;
  };
  hooks.gatherInput = [&](tensor::ExtractOp extract,
                          SmallVectorImpl<int64_t> &computed) -> unsigned {
    GatheredInput input = gatheredBy(extract);
    for (auto [dim, loop] : llvm::enumerate(input.loops))
      if (loop < 0)
        computed.push_back(dim);
    return built.gatherBase +
           (llvm::find(built.gathered, input) - built.gathered.begin());
  };
  if (built.together > 1)
    hooks.gatherType = IntegerType::get(op.getContext(), 64);
  hooks.captured = [&](Value value) { return captureConstant(kernel, value); };
  FailureOr<SmallVector<Value>> outputs =
      kernel.inlineBody(op, arguments, hooks);
  if (failed(outputs))
    return op.emitError(kernel.reason);
  built.kernel = kernel.finish(*outputs, layer);
  return built;
}

LogicalResult Lowering::lowerGeneric(linalg::GenericOp op) {
  if (llvm::is_contained(op.getStaticLoopRanges(), 0)) {
    // No iterations: results are what they start from.
    for (auto [init, result] :
         llvm::zip_equal(op.getDpsInits(), op.getResults())) {
      View view = allocate(result, layer);
      if (!samePlace(view, viewOf(init)))
        copy(viewOf(init), view);
      setView(result, view);
    }
    return success();
  }
  for (auto [i, init] : llvm::enumerate(op.getDpsInitsMutable()))
    placeResult(op, i, !op.getMatchingBlockArgument(&init).use_empty());
  FailureOr<BuiltNest> built = buildNest(op);
  if (failed(built))
    return failure();
  auto pieces = clippedWindows(op);
  if (!pieces) {
    if (!built->isOrdered)
      orderLoops(built->nest);
    emitNest(built->nest, built->kernel, totalCores());
    return success();
  }
  for (const std::vector<WindowPart> &piece : *pieces) {
    LoopNest part = built->nest;
    for (const WindowPart &range : piece) {
      part.sizes[range.out] = range.size;
      part.sizes[range.kernel] = range.kernelSize;
      for (LoopNest::Operand &operand : part.operands)
        operand.view.offset +=
            range.begin * operand.strides[range.out] +
            range.kernelBegin * operand.strides[range.kernel];
    }
    orderLoops(part);
    emitNest(part, built->kernel, totalCores());
  }
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
  if (!llvm::is_contained(nest.sizes, 0)) {
    orderLoops(nest);
    emitNest(nest, symbol, totalCores());
  }
  return success();
}

} // namespace cim
