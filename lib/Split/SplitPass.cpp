// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Split/Passes.h"

#include "cim/IR/RowGroup.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

namespace {

/// First source name in a location.
StringRef nodeName(Location loc) {
  if (auto name = dyn_cast<NameLoc>(loc))
    return name.getName().getValue();
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location inner : fused.getLocations())
      if (StringRef name = nodeName(inner); !name.empty())
        return name;
  return {};
}

/// Limits of a vector kernel (device.md D4.7), with room for the epilogue.
constexpr size_t kMaxOperands = 12;
constexpr size_t kMaxBodyOps = 32;

size_t bodySize(linalg::GenericOp generic) {
  return generic.getBody()->getOperations().size();
}

/// True for a scalar that is a constant or a constant quantized.
bool isScalarConstant(Operation *op) {
  if (!op || isa<ShapedType>(op->getResult(0).getType()))
    return false;
  if (auto cast = dyn_cast<quant::QuantizeCastOp>(op))
    return isScalarConstant(cast.getInput().getDefiningOp());
  return op->hasTrait<OpTrait::ConstantLike>();
}

/// True when `generic` can run on tiles of its producer's result: elementwise
/// over exactly that shape.
bool isElementwiseOn(linalg::GenericOp generic, RankedTensorType type) {
  if (generic.getNumParallelLoops() != generic.getNumLoops() ||
      generic.getNumResults() != 1 ||
      cast<RankedTensorType>(generic.getResult(0).getType()).getShape() !=
          type.getShape() ||
      !generic.getMatchingIndexingMap(generic.getDpsInitOperand(0))
           .isIdentity())
    return false;
  bool plain = true;
  generic.getBody()->walk([&](Operation *op) {
    plain &= !isa<linalg::IndexOp, tensor::ExtractOp>(op);
  });
  return plain;
}

class Splitter {
public:
  Splitter(func::FuncOp func, const SplitOptions &options)
      : func(func), options(options) {}
  void run();

private:
  SmallVector<Operation *> chain(Operation *mac);
  void outline(ArrayRef<Operation *> ops, Operation *place);
  std::vector<SmallVector<linalg::GenericOp>>
  groupRows(ArrayRef<Operation *> ops);
  bool joins(linalg::GenericOp op, ArrayRef<linalg::GenericOp> group);
  std::string uniqueName(ArrayRef<Operation *> ops);

  func::FuncOp func;
  const SplitOptions &options;
  llvm::StringSet<> names;
};

/// The MAC op and the elementwise ops that follow it one by one.
SmallVector<Operation *> Splitter::chain(Operation *mac) {
  SmallVector<Operation *> ops{mac};
  size_t operands = 3, body = 4;
  while (options.fuse) {
    Operation *last = ops.back();
    Value result = last->getResult(0);
    if (result.use_empty())
      break;
    Operation *user = *result.getUsers().begin();
    auto generic = dyn_cast<linalg::GenericOp>(user);
    if (!generic ||
        !llvm::all_of(result.getUsers(),
                      [&](Operation *u) { return u == user; }) ||
        !isElementwiseOn(generic,
                         cast<RankedTensorType>(mac->getResult(0).getType())))
      break;
    // It must read the value elementwise, and nothing as an init.
    bool direct = llvm::all_of(generic->getOpOperands(), [&](OpOperand &use) {
      return use.get() != result ||
             (generic.isDpsInput(&use) &&
              generic.getMatchingIndexingMap(&use).isIdentity());
    });
    operands += generic.getNumDpsInputs() - 1;
    body += bodySize(generic);
    if (!direct || operands > kMaxOperands || body > kMaxBodyOps ||
        user->getBlock() != mac->getBlock())
      break;
    ops.push_back(user);
  }
  return ops;
}

std::string Splitter::uniqueName(ArrayRef<Operation *> ops) {
  // A start value may be shared; the op that starts from it names the region.
  Operation *first = *llvm::find_if(
      ops, [](Operation *op) { return !isa<linalg::FillOp>(op); });
  std::string base = nodeName(first->getLoc()).str();
  if (base.empty())
    base = first->getName().stripDialect().str();
  std::string name = base;
  for (int i = 1; !names.insert(name).second; ++i)
    name = base + "#" + std::to_string(i);
  return name;
}

/// Moves `ops` (in block order, the last one last) into a region before
/// `place`. Constants and empty tensors they use are cloned inside when
/// small; results used outside are yielded.
void Splitter::outline(ArrayRef<Operation *> ops, Operation *place) {
  llvm::SetVector<Value> inputs;
  llvm::SmallPtrSet<Operation *, 8> inside(ops.begin(), ops.end());
  SmallVector<Operation *> clones;
  llvm::SmallPtrSet<Operation *, 8> cloned;
  std::function<void(Value)> need = [&](Value value) {
    Operation *def = value.getDefiningOp();
    if (def && inside.contains(def))
      return;
    if (isScalarConstant(def) || isa_and_nonnull<tensor::EmptyOp>(def)) {
      for (Value operand : def->getOperands())
        need(operand);
      if (cloned.insert(def).second)
        clones.push_back(def);
      return;
    }
    inputs.insert(value);
  };
  for (Operation *op : ops) {
    for (Value operand : op->getOperands())
      need(operand);
    op->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (Operation *def = operand.getDefiningOp();
            !def || !op->isAncestor(def))
          if (auto argument = dyn_cast<BlockArgument>(operand);
              !argument || !op->isAncestor(argument.getOwner()->getParentOp()))
            need(operand);
    });
  }
  SmallVector<Value> results;
  for (Operation *op : ops)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            Operation *top =
                func.getBody().front().findAncestorOpInBlock(*user);
            return !inside.contains(top);
          }))
        results.push_back(result);
  OpBuilder builder(place);
  SmallVector<Location> locs(
      llvm::map_range(ops, [](Operation *op) { return op->getLoc(); }));
  auto region = RegionOp::create(builder, builder.getFusedLoc(locs),
                                 TypeRange(ValueRange(results)),
                                 builder.getStringAttr(uniqueName(ops)),
                                 inputs.getArrayRef(), ScheduleAttr());
  Block &body = region.getBody().emplaceBlock();
  IRMapping map;
  for (Value input : inputs)
    map.map(input, body.addArgument(input.getType(), input.getLoc()));
  builder.setInsertionPointToEnd(&body);
  for (Operation *op : clones)
    builder.clone(*op, map);
  for (Operation *op : ops)
    builder.clone(*op, map);
  SmallVector<Value> yielded(
      llvm::map_range(results, [&](Value v) { return map.lookup(v); }));
  YieldOp::create(builder, region.getLoc(), yielded);
  for (auto [result, replacement] :
       llvm::zip_equal(results, region.getResults()))
    result.replaceUsesWithIf(replacement, [&](OpOperand &use) {
      Operation *top =
          func.getBody().front().findAncestorOpInBlock(*use.getOwner());
      return !inside.contains(top);
    });
  for (Operation *op : llvm::reverse(ops))
    op->erase();
}

/// True for padding that only one reduction (a pooling) reads: their region
/// need not write it down.
static bool isWindowPadding(Operation *op) {
  if (!isa_and_nonnull<tensor::PadOp>(op) || !op->hasOneUse())
    return false;
  auto user = dyn_cast<linalg::GenericOp>(*op->getUsers().begin());
  return user && user.getNumReductionLoops() &&
         user->getBlock() == op->getBlock();
}

/// Fewer rows are not worth dividing.
constexpr int64_t kMinRows = 8;
constexpr size_t kMaxGroup = 16;

/// True when `op` reads the group row by row and nothing that is computed after
/// the group's first op, where the group will stand.
bool Splitter::joins(linalg::GenericOp op, ArrayRef<linalg::GenericOp> group) {
  if (group.size() >= kMaxGroup)
    return false;
  bool reads = false;
  for (Value operand : op.getDpsInputs()) {
    Operation *def = operand.getDefiningOp();
    bool inside = llvm::any_of(
        group, [&](linalg::GenericOp member) { return member == def; });
    reads |= inside;
    if (inside || !def || def->hasTrait<OpTrait::ConstantLike>() ||
        isa<tensor::EmptyOp>(def))
      continue;
    if (!def->isBeforeInBlock(group.front()))
      return false;
  }
  if (!reads)
    return false;
  SmallVector<linalg::GenericOp> all(group);
  all.push_back(op);
  int64_t loops = commonRowLoops(all), rows = 1;
  for (int64_t i = 0; i < loops; ++i)
    rows *= op.getStaticLoopRanges()[i];
  return loops > 0 && rows >= kMinRows;
}

/// Generics that pass values on row by row, in groups; others by themselves.
std::vector<SmallVector<linalg::GenericOp>>
Splitter::groupRows(ArrayRef<Operation *> ops) {
  std::vector<SmallVector<linalg::GenericOp>> groups;
  for (Operation *op : ops) {
    auto generic = dyn_cast<linalg::GenericOp>(op);
    if (!generic)
      continue;
    auto group = groups.end();
    bool padded = llvm::any_of(generic.getDpsInputs(), [](Value operand) {
      return operand.getDefiningOp<tensor::PadOp>();
    });
    if (options.fuse && canJoinRows(generic) && !padded)
      group = llvm::find_if(groups, [&](ArrayRef<linalg::GenericOp> members) {
        return canJoinRows(members.front()) && joins(generic, members);
      });
    if (group == groups.end())
      groups.push_back({generic});
    else
      group->push_back(generic);
  }
  return groups;
}

/// The fills `op` starts from, one of its own each, and padding of its window.
static void addStart(Operation *op, SmallVectorImpl<Operation *> &group) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (isWindowPadding(operand.get().getDefiningOp()))
      group.push_back(operand.get().getDefiningOp());
    auto fill = operand.get().getDefiningOp<linalg::FillOp>();
    if (!fill)
      continue;
    if (!fill->hasOneUse()) { // shared start values are cheap to repeat
      OpBuilder builder(op);
      fill = cast<linalg::FillOp>(builder.clone(*fill));
      operand.set(fill.getResult(0));
    }
    group.push_back(fill);
  }
}

void Splitter::run() {
  Block &block = func.getBody().front();
  SmallVector<Operation *> macs;
  for (Operation &op : block)
    if (isa<ConvOp, MatmulOp>(op))
      macs.push_back(&op);
  for (Operation *mac : macs) {
    SmallVector<Operation *> ops = chain(mac);
    outline(ops, ops.back());
  }
  // Everything else that does work: chains over rows, else one region each; a
  // fill goes with the op that accumulates into it.
  SmallVector<Operation *> rest;
  for (Operation &op : block)
    if (isa<linalg::GenericOp, tensor::PadOp, tensor::ConcatOp,
            tensor::InsertSliceOp, TopKOp, NonZeroOp, LexSortOp, NmsOp,
            ScatterOp>(op) &&
        !isWindowPadding(&op))
      rest.push_back(&op);
  std::vector<SmallVector<linalg::GenericOp>> groups = groupRows(rest);
  for (Operation *op : rest) {
    SmallVector<Operation *> ops;
    if (!isa<linalg::GenericOp>(op)) {
      addStart(op, ops);
      ops.push_back(op);
      outline(ops, op);
    }
  }
  for (ArrayRef<linalg::GenericOp> group : groups) {
    SmallVector<Operation *> ops;
    for (linalg::GenericOp op : group) {
      addStart(op, ops);
      ops.push_back(op);
    }
    outline(ops, group.front());
  }
}

struct SplitPass : PassWrapper<SplitPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SplitPass)
  explicit SplitPass(const SplitOptions &options) : options(options) {}
  SplitPass() = default;
  StringRef getArgument() const override { return "cim-split"; }
  StringRef getDescription() const override {
    return "Groups ops into regions that are executed tile by tile";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<CIMDialect, linalg::LinalgDialect, tensor::TensorDialect,
                    arith::ArithDialect>();
  }
  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>())
      Splitter(func, options).run();
    getOperation()->setAttr("cim.phase",
                            StringAttr::get(&getContext(), "split"));
  }
  SplitOptions options;
};

} // namespace

std::unique_ptr<Pass> createSplitPass(const SplitOptions &options) {
  return std::make_unique<SplitPass>(options);
}

} // namespace cim
