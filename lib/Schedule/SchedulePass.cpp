// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decides, never applies: builds an IR-free problem per region, solves equal
// problems once, decides which weights stay in L2, attaches the schedules.
#include "cim/Schedule/Passes.h"

#include <map>

#include "cim/IR/Constants.h"
#include "cim/IR/MacGeometry.h"
#include "cim/IR/Placement.h"
#include "cim/IR/StoredType.h"
#include "cim/Schedule/Solver.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Threading.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {
namespace {

using schedule::Home;
using schedule::MacProblem;
using schedule::MacSchedule;

/// A region and what the search found for both homes of its weights.
struct Entry {
  RegionOp region;
  MacGeometry geometry;
  size_t problem = 0; ///< Index of the distinct problem.
  int64_t weightBytes = 0;
};

struct Solved {
  MacProblem problem;
  absl::StatusOr<schedule::SearchResult> dram = absl::UnknownError("");
  absl::StatusOr<schedule::SearchResult> l2 = absl::UnknownError("");
};

/// Ops the vector unit's slow lanes execute (device.md D4.5).
bool isElementary(Operation &op) {
  StringRef name = op.getName().getStringRef();
  if (name == "arith.divf" || name == "arith.divsi" || name == "arith.divui" ||
      name == "arith.remf" || name == "arith.remsi" || name == "arith.remui")
    return true;
  return op.getName().getDialectNamespace() == "math" && name != "math.absf" &&
         name != "math.absi" && name != "math.ceil" && name != "math.floor" &&
         name != "math.trunc" && name != "math.roundeven" &&
         name != "math.round" && name != "math.copysign" && name != "math.fma";
}

void describeEpilogue(RegionOp region, Operation *mac, MacProblem &problem) {
  problem.vectorSlots = 1;
  problem.sfuSlots = 0;
  problem.outBytes = 0;
  problem.inBytes = 0;
  auto resultRank =
      cast<RankedTensorType>(mac->getResult(0).getType()).getRank();
  for (Operation &op : region.getBody().front()) {
    auto generic = dyn_cast<linalg::GenericOp>(op);
    if (!generic)
      continue;
    for (Operation &inner : generic.getBody()->without_terminator()) {
      if (inner.hasTrait<OpTrait::ConstantLike>())
        continue;
      (isElementary(inner) ? problem.sfuSlots : problem.vectorSlots) += 1;
    }
    for (OpOperand *input : generic.getDpsInputOperands()) {
      auto type = dyn_cast<RankedTensorType>(input->get().getType());
      bool fromOutside = type && isa<BlockArgument>(input->get());
      if (fromOutside && type.getRank() == resultRank &&
          generic.getMatchingIndexingMap(input).isIdentity())
        problem.inBytes += storedBytes(type.getElementType());
    }
  }
  for (Value result : region.getResults())
    problem.outBytes +=
        storedBytes(cast<RankedTensorType>(result.getType()).getElementType());
  problem.outToDram = llvm::all_of(region.getResults(), becomesResult);
}

Operation *macOf(RegionOp region) {
  for (Operation &op : region.getBody().front())
    if (isa<ConvOp, MatmulOp>(op))
      return &op;
  return nullptr;
}

ScheduleAttr toAttr(MLIRContext *context, const MacSchedule &s) {
  SmallVector<int64_t> k{s.kChannels};
  llvm::append_range(k, s.kKernel);
  auto home = s.weights == Home::Dram ? WeightHome::dram
              : s.weights == Home::L2 ? WeightHome::l2
                                      : WeightHome::computed;
  return ScheduleAttr::get(context, s.m, s.n, k,
                           static_cast<SplitAxis>(s.split), s.cores, home,
                           s.sets, s.copies, s.accBlock, s.cycles, s.bound);
}

struct SchedulePass : PassWrapper<SchedulePass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SchedulePass)
  SchedulePass(const TargetSpec &target, const ScheduleOptions &options)
      : target(target), options(options) {}
  StringRef getArgument() const override { return "cim-schedule"; }
  StringRef getDescription() const override {
    return "Searches a schedule for every region around a MAC op";
  }
  void runOnOperation() override;

private:
  void collect();
  void search();
  int64_t activationPeak();
  LogicalResult attach();

  TargetSpec target;
  ScheduleOptions options;
  std::vector<Entry> entries;
  std::vector<Solved> solved;
};

void SchedulePass::collect() {
  entries.clear();
  solved.clear();
  getOperation().walk([&](RegionOp region) {
    Operation *mac = macOf(region);
    if (!mac || region.getSchedule())
      return;
    Entry entry;
    entry.region = region;
    entry.geometry = macGeometry(mac);
    MacProblem &problem = entry.geometry.problem;
    // Convolution inputs are stored channels-last where the compiler decides.
    problem.channelsInner = true;
    describeEpilogue(region, mac, problem);
    if (!problem.computedWeights) {
      int64_t k = problem.channels;
      for (const schedule::MDim &dim : problem.m)
        k *= dim.kernel;
      entry.weightBytes = k * problem.n * problem.groups *
                          (problem.bfp ? 16 : problem.planes) / 8;
    }
    auto same = llvm::find_if(
        solved, [&](const Solved &other) { return other.problem == problem; });
    entry.problem = same - solved.begin();
    if (same == solved.end()) {
      Solved fresh;
      fresh.problem = problem;
      solved.push_back(std::move(fresh));
    }
    entries.push_back(std::move(entry));
  });
}

void SchedulePass::search() {
  // Nominal seconds are counted in operations played, never by a clock.
  constexpr double operationsPerSecond = 1e7;
  double share = options.searchSeconds * operationsPerSecond /
                 std::max<size_t>(1, 2 * solved.size());
  constexpr uint64_t thorough = 2000000;
  // Repeated blocks share one search; distinct ones run in parallel.
  parallelFor(&getContext(), 0, solved.size(), [&](size_t i) {
    schedule::SearchOptions search;
    search.splitCores = options.splitCores && options.optLevel >= 2;
    search.overlap = options.overlap;
    search.copies = options.copies && options.optLevel >= 1;
    search.exhaustive = options.optLevel >= 1;
    search.seed = options.seed;
    search.exploration =
        static_cast<uint64_t>(share) + (options.optLevel >= 3 ? thorough : 0);
    search.weights = Home::Dram;
    solved[i].dram = schedule::solve(solved[i].problem, target, search);
    search.weights = Home::L2;
    solved[i].l2 = schedule::solve(solved[i].problem, target, search);
  });
}

/// Bytes of tensors alive at once, an estimate of the L2 that activations need.
int64_t SchedulePass::activationPeak() {
  int64_t peak = 0;
  getOperation().walk([&](func::FuncOp func) {
    Block &block = func.getBody().front();
    llvm::DenseMap<Operation *, int64_t> position;
    int64_t count = 0;
    for (Operation &op : block)
      position[&op] = count++;
    std::vector<int64_t> delta(count + 2, 0);
    for (Operation &op : block) {
      if (!isa<RegionOp>(op))
        continue;
      for (Value result : op.getResults()) {
        auto type = cast<RankedTensorType>(result.getType());
        int64_t last = position[&op];
        // Views extend the life of what they look at.
        SmallVector<Value> work{result};
        while (!work.empty()) {
          Value value = work.pop_back_val();
          for (Operation *user : value.getUsers()) {
            last = std::max(last, position.lookup(user));
            if (!isa<RegionOp, func::ReturnOp>(user))
              llvm::append_range(work, user->getResults());
          }
        }
        int64_t bytes =
            type.getNumElements() * storedBytes(type.getElementType());
        delta[position[&op]] += bytes;
        delta[last + 1] -= bytes;
      }
    }
    int64_t live = 0;
    for (int64_t change : delta)
      peak = std::max(peak, live += change);
  });
  return peak;
}

LogicalResult SchedulePass::attach() {
  // Weights that stay in L2: greedily by cycles saved per byte.
  int64_t room = static_cast<int64_t>(target.l2Bytes) * 7 / 8 -
                 activationPeak() - static_cast<int64_t>(target.l2Bytes) / 16;
  std::vector<size_t> order(entries.size());
  std::vector<double> gain(entries.size(), 0);
  std::vector<bool> resident(entries.size(), false);
  for (size_t i = 0; i < entries.size(); ++i) {
    order[i] = i;
    const Solved &s = solved[entries[i].problem];
    if (!s.problem.bfp && s.problem.planes > int(target.weightBits))
      return entries[i].region.emitError()
             << "weights of " << s.problem.planes << " bits; the array of "
             << target.name << " holds " << target.weightBits
             << "; choose a narrower format for this layer, bfp16 or none";
    if (!s.dram.ok() || !s.l2.ok())
      return entries[i].region.emitError()
             << std::string(s.dram.ok() ? s.l2.status().message()
                                        : s.dram.status().message());
    // Traffic saved counts even where it is hidden: others share DRAM.
    double saved =
        s.dram->cost.total - s.l2->cost.total + s.dram->cost.dram * 0.01;
    gain[i] = saved / std::max<int64_t>(1, entries[i].weightBytes);
  }
  llvm::sort(order, [&](size_t a, size_t b) {
    return std::pair(-gain[a], a) < std::pair(-gain[b], b);
  });
  // Regions that share weights and problem share their bytes.
  llvm::DenseSet<std::pair<Value, size_t>> inL2;
  for (size_t i : order) {
    const Entry &entry = entries[i];
    if (!options.residentWeights || entry.geometry.problem.computedWeights)
      continue;
    RegionOp region = entry.region;
    std::pair key(outerValue(macOf(region)->getOperand(1)), entry.problem);
    if (!inL2.contains(key)) {
      if (entry.weightBytes > room)
        continue;
      room -= entry.weightBytes;
      inL2.insert(key);
    }
    resident[i] = true;
  }
  for (auto [i, entry] : llvm::enumerate(entries)) {
    const Solved &s = solved[entry.problem];
    const schedule::SearchResult &result = resident[i] ? *s.l2 : *s.dram;
    entry.region.setScheduleAttr(toAttr(&getContext(), result.best));
  }
  return success();
}

void SchedulePass::runOnOperation() {
  collect();
  search();
  if (failed(attach()))
    return signalPassFailure();
  getOperation()->setAttr("cim.phase",
                          StringAttr::get(&getContext(), "schedule"));
}

} // namespace

std::unique_ptr<Pass> createSchedulePass(const TargetSpec &target,
                                         const ScheduleOptions &options) {
  return std::make_unique<SchedulePass>(target, options);
}

} // namespace cim
