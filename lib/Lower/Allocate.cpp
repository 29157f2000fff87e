// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The allocate phase. Live ranges are positions in program order; the exact
// allocator places every memory on its own. L1 and ACC buffers are kept alive
// from the start of the layer before their first use, so that their loads can
// run ahead; this costs room, and is given up where there is none. A buffer
// that reuses another's bytes waits for it.
#include "Hazards.h"
#include "TileBuilder.h"

#include "cim/Alloc/Solver.h"
#include "cim/Lower/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {
namespace {

constexpr int64_t kAlignment = 64;

/// A buffer and when it is used.
struct Lifetime {
  BufferOp op;
  int64_t first = INT64_MAX, last = -1;
  int64_t prefetchFirst = 0; ///< Start with prefetching.
  int64_t size = 0;
  bool wholeProgram = false;
};

struct MemoryKey {
  MemorySpace space;
  unsigned chip, core;
  auto operator<=>(const MemoryKey &) const = default;
};

class Allocator {
public:
  Allocator(ModuleOp module, const TargetSpec &target)
      : module(module), target(target) {}
  LogicalResult run();

private:
  void collect();
  void position(StageOp stage);
  LogicalResult place(const MemoryKey &key, std::vector<Lifetime *> &list);
  bool solve(std::vector<Lifetime *> &list, int64_t capacity, bool prefetch,
             alloc::Solution &solution);
  void demote(Lifetime &lifetime);
  void addReuseWaits(StageOp stage);
  int64_t capacityOf(const MemoryKey &key) const;

  ModuleOp module;
  const TargetSpec &target;
  std::vector<Lifetime> lifetimes; ///< In program order.
  llvm::DenseMap<Operation *, size_t> indexOf;
  int64_t clock = 0;
};

MemoryKey keyOf(BufferOp op) {
  MemAttr mem = op.getMem();
  bool perCore =
      mem.getSpace() == MemorySpace::l1 || mem.getSpace() == MemorySpace::acc;
  return {mem.getSpace(), mem.getChip(), perCore ? mem.getCore() : 0};
}

int64_t Allocator::capacityOf(const MemoryKey &key) const {
  switch (key.space) {
  case MemorySpace::dram:
    return target.dramBytes;
  case MemorySpace::l2:
    return target.l2Bytes;
  case MemorySpace::l1:
    return target.l1Bytes;
  case MemorySpace::acc:
    return target.accBytes;
  }
  return 0;
}

void Allocator::collect() {
  for (BufferOp op : module.getOps<BufferOp>()) {
    Lifetime lifetime;
    lifetime.op = op;
    // Empty tensors have addresses too.
    lifetime.size =
        llvm::alignTo(std::max<int64_t>(1, op.getByteSize()), kAlignment);
    lifetime.wholeProgram = op.getKind() != BufferKind::temp;
    indexOf[op] = lifetimes.size();
    lifetimes.push_back(lifetime);
  }
  for (StageOp stage : module.getOps<StageOp>())
    position(stage);
}

/// The layer an op's location names (see Lowering::setLocation).
Attribute layerOf(Operation *op) {
  if (auto fused = dyn_cast<FusedLoc>(op->getLoc()))
    return fused.getMetadata();
  return {};
}

void Allocator::position(StageOp stage) {
  Attribute layer;
  int64_t layerStart = clock, previousStart = clock;
  for (Operation &op : stage.getBody().front()) {
    if (layerOf(&op) != layer) {
      layer = layerOf(&op);
      previousStart = layerStart;
      layerStart = clock;
    }
    for (Value operand : op.getOperands()) {
      auto buffer = operand.getDefiningOp<BufferOp>();
      if (!buffer)
        continue;
      Lifetime &lifetime = lifetimes[indexOf[buffer]];
      if (lifetime.last < 0) {
        lifetime.first = clock;
        lifetime.prefetchFirst = previousStart;
      }
      lifetime.last = clock;
    }
    ++clock;
  }
}

bool Allocator::solve(std::vector<Lifetime *> &list, int64_t capacity,
                      bool prefetch, alloc::Solution &solution) {
  alloc::Problem problem;
  problem.capacity = capacity;
  for (Lifetime *lifetime : list) {
    alloc::Buffer buffer;
    buffer.lower = lifetime->wholeProgram ? 0
                   : prefetch             ? lifetime->prefetchFirst
                                          : lifetime->first;
    buffer.upper = lifetime->wholeProgram ? clock + 1 : lifetime->last + 1;
    buffer.size = lifetime->size;
    buffer.alignment = kAlignment;
    problem.buffers.push_back(buffer);
  }
  alloc::SolverOptions options;
  // Prefetching is optional: a failed attempt must not cost seconds.
  options.maxNodes = prefetch ? 2'000 : 50'000;
  options.maxWork = prefetch ? 5'000'000 : 100'000'000;
  options.maxLocalWork = prefetch ? 1'000'000 : 20'000'000;
  absl::StatusOr<alloc::Solution> result = alloc::solve(problem, options);
  if (!result.ok())
    return false;
  solution = std::move(*result);
  return solution.fits();
}

/// Moves an L2 buffer to DRAM: every engine that names it can reach both.
void Allocator::demote(Lifetime &lifetime) {
  auto type = cast<MemRefType>(lifetime.op.getType());
  auto mem = MemAttr::get(module.getContext(), MemorySpace::dram,
                          lifetime.op.getMem().getChip(), 0);
  lifetime.op.getResult().setType(
      MemRefType::get(type.getShape(), type.getElementType(),
                      MemRefLayoutAttrInterface{}, mem));
}

LogicalResult Allocator::place(const MemoryKey &key,
                               std::vector<Lifetime *> &list) {
  int64_t capacity = capacityOf(key);
  bool canPrefetch =
      key.space == MemorySpace::l1 || key.space == MemorySpace::acc;
  alloc::Solution solution;
  while (!list.empty()) {
    if (canPrefetch && solve(list, capacity, /*prefetch=*/true, solution))
      break;
    if (solve(list, capacity, /*prefetch=*/false, solution))
      break;
    // L2 overflows into DRAM: the largest buffer alive at the peak leaves.
    size_t victim = list.size();
    if (key.space == MemorySpace::l2)
      for (auto [i, lifetime] : llvm::enumerate(list)) {
        bool atPeak =
            lifetime->wholeProgram || (lifetime->first < solution.peak.upper &&
                                       lifetime->last >= solution.peak.lower);
        if (atPeak &&
            (victim == list.size() || lifetime->size > list[victim]->size))
          victim = i;
      }
    if (victim == list.size())
      return module.emitError(stringifyMemorySpace(key.space))
             << " of core " << key.core
             << " is too small: " << solution.peakLive
             << " bytes are needed at once, the target has " << capacity
             << "; choose smaller tiles or another target";
    demote(*list[victim]);
    list.erase(list.begin() + victim);
  }
  OpBuilder builder(module.getContext());
  for (auto [lifetime, offset] : llvm::zip(list, solution.offsets))
    lifetime->op.setOffset(offset);
  return success();
}

void Allocator::addReuseWaits(StageOp stage) {
  QueueMap queues(target);
  HazardTracker tracker(queues.perCore() * target.coresPerChip * target.chips);
  llvm::DenseMap<Operation *, OpIndex> number;
  std::vector<Operation *> ops;
  // Per buffer: earlier buffers at the same bytes; last access per queue.
  std::vector<std::optional<std::vector<size_t>>> predecessors(
      lifetimes.size());
  std::vector<llvm::SmallVector<OpIndex, 8>> last(lifetimes.size());
  std::map<MemoryKey, std::vector<size_t>> touched;
  auto findPredecessors = [&](size_t index) {
    Lifetime &self = lifetimes[index];
    std::vector<size_t> found;
    MemoryKey key = keyOf(self.op);
    auto begin = static_cast<int64_t>(*self.op.getOffset());
    for (size_t other : touched[key]) {
      auto otherBegin = static_cast<int64_t>(*lifetimes[other].op.getOffset());
      if (otherBegin < begin + self.size &&
          begin < otherBegin + lifetimes[other].size)
        found.push_back(other);
    }
    // What self covers entirely is of no further interest to later buffers.
    llvm::erase_if(touched[key], [&](size_t other) {
      auto otherBegin = static_cast<int64_t>(*lifetimes[other].op.getOffset());
      return otherBegin >= begin &&
             otherBegin + lifetimes[other].size <= begin + self.size;
    });
    touched[key].push_back(index);
    return found;
  };
  for (Operation &op : stage.getBody().front()) {
    tracker.begin(queues.id(queueOf(&op)));
    OpIndex current = tracker.current();
    number[&op] = current;
    ops.push_back(&op);
    unsigned afterBegin = op.getNumOperands();
    while (afterBegin &&
           isa<TokenType>(op.getOperand(afterBegin - 1).getType()))
      --afterBegin;
    for (unsigned i = afterBegin; i < op.getNumOperands(); ++i)
      tracker.after(number[op.getOperand(i).getDefiningOp()]);
    for (unsigned i = 0; i < afterBegin; ++i) {
      auto buffer = op.getOperand(i).getDefiningOp<BufferOp>();
      size_t index = indexOf[buffer];
      if (lifetimes[index].wholeProgram)
        continue;
      if (!predecessors[index])
        predecessors[index] = findPredecessors(index);
      for (size_t other : *predecessors[index])
        for (OpIndex before : last[other])
          tracker.after(before);
      auto &list = last[index];
      llvm::erase_if(list, [&](OpIndex before) {
        return tracker.queue(before) == tracker.queue(current);
      });
      list.push_back(current);
    }
    llvm::SmallVector<Value> tokens;
    for (OpIndex before : tracker.finish())
      tokens.push_back(ops[before]->getResult(0));
    if (auto copy = dyn_cast<DmaCopyOp>(op))
      copy.getAfterMutable().assign(tokens);
    else if (auto fill = dyn_cast<DmaFillOp>(op))
      fill.getAfterMutable().assign(tokens);
    else if (auto write = dyn_cast<WriteWeightsOp>(op))
      write.getAfterMutable().assign(tokens);
    else if (auto mac = dyn_cast<MacOp>(op))
      mac.getAfterMutable().assign(tokens);
    else if (auto vector = dyn_cast<VectorOp>(op))
      vector.getAfterMutable().assign(tokens);
    else if (auto ctrl = dyn_cast<CtrlOp>(op))
      ctrl.getAfterMutable().assign(tokens);
  }
}

LogicalResult Allocator::run() {
  collect();
  // DRAM last: it takes what the others leave. std::map orders by space first,
  // dram being 0, so it is visited after the rest.
  std::map<MemoryKey, std::vector<Lifetime *>> memories;
  auto gather = [&](bool dram) {
    memories.clear();
    for (Lifetime &lifetime : lifetimes) {
      bool unused = lifetime.last < 0 && !lifetime.wholeProgram;
      if (unused || (keyOf(lifetime.op).space == MemorySpace::dram) != dram)
        continue;
      memories[keyOf(lifetime.op)].push_back(&lifetime);
    }
  };
  for (bool dram : {false, true}) {
    gather(dram);
    for (auto &[key, list] : memories)
      if (failed(place(key, list)))
        return failure();
  }
  for (Lifetime &lifetime : lifetimes)
    if (lifetime.last < 0 && !lifetime.wholeProgram)
      lifetime.op.erase();
  for (StageOp stage : module.getOps<StageOp>())
    addReuseWaits(stage);
  return success();
}

struct AllocatePass : PassWrapper<AllocatePass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(AllocatePass)
  explicit AllocatePass(const TargetSpec &target) : target(target) {}
  StringRef getArgument() const override { return "cim-allocate"; }
  StringRef getDescription() const override {
    return "Addresses for buffers, waits for their reuse";
  }
  void runOnOperation() override {
    if (failed(Allocator(getOperation(), target).run()))
      return signalPassFailure();
    getOperation()->setAttr("cim.phase",
                            StringAttr::get(&getContext(), "allocate"));
  }
  TargetSpec target;
};

} // namespace

std::unique_ptr<Pass> createAllocatePass(const TargetSpec &target) {
  return std::make_unique<AllocatePass>(target);
}

} // namespace cim
