// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Plan.h"

#include "cim/IR/Constants.h"
#include "cim/IR/Legality.h"
#include "cim/IR/SourceNodes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/Support/Regex.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

bool isMaxPool(Operation *op) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || generic.getNumReductionLoops() == 0 ||
      generic.getNumResults() != 1)
    return false;
  Block *body = generic.getBody();
  if (body->getOperations().size() != 2)
    return false;
  auto max = dyn_cast<arith::MaximumFOp>(body->front());
  if (!max)
    return false;
  // Windows overlap space only: rank stays (a row maximum of a softmax is a
  // number of its own and stays in float).
  auto in = cast<RankedTensorType>(generic.getDpsInputs()[0].getType());
  auto out = cast<RankedTensorType>(generic.getResult(0).getType());
  return in.getRank() == out.getRank() && out.getRank() >= 3 &&
         generic.getDpsInputs().size() == 2;
}

bool movesElements(Operation *op) {
  if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp,
          tensor::ExtractSliceOp, tensor::InsertSliceOp, tensor::ConcatOp,
          linalg::TransposeOp>(op))
    return true;
  if (auto pad = dyn_cast<tensor::PadOp>(op))
    return static_cast<bool>(pad.getConstantPaddingValue());
  return false;
}

static MacPlan planMac(Operation *op, const QuantizeOptions &options) {
  MacPlan plan;
  plan.op = op;
  plan.mode = options.mode;
  plan.weightBits = options.weightBits;
  SmallVector<StringRef> names = sourceNodes(op->getLoc());
  for (const LayerFormat &layer : options.layers) {
    llvm::Regex regex(layer.pattern);
    if (!llvm::any_of(names, [&](StringRef name) { return regex.match(name); }))
      continue;
    plan.mode = layer.mode;
    plan.weightBits = layer.weightBits;
    break;
  }
  auto weights = cast<RankedTensorType>(op->getOperand(1).getType());
  if (isa<MatmulOp>(op)) {
    plan.computedWeights =
        !constantOf(op->getOperand(1)) || weights.getRank() != 2;
    if (plan.computedWeights)
      plan.weightBits = 8;
  }
  if (plan.mode == QuantMode::None) {
    plan.reason = "its format is none, as asked";
    return plan;
  }
  plan.reason =
      whyNotOnArray(op, plan.mode == QuantMode::Integer ? plan.weightBits : 0);
  plan.refused = !plan.reason.empty();
  if (plan.refused) {
    op->emitRemark("stays in float: ") << plan.reason;
    plan.mode = QuantMode::None;
  }
  return plan;
}

namespace {
class Classifier {
public:
  explicit Classifier(QuantPlan &plan) : plan(plan) {}

  /// Marks `value` and everything that only moves into it.
  void want(Value value) {
    if (!cast<RankedTensorType>(value.getType()).getElementType().isF32() ||
        !marked.insert(value).second)
      return;
    order.push_back(value);
    links.insert(value);
    Operation *def = value.getDefiningOp();
    if (!def)
      return;
    if (movesElements(def)) {
      for (Value operand : def->getOperands())
        if (isa<RankedTensorType>(operand.getType()))
          follow(value, operand);
    } else if (isMaxPool(def)) {
      follow(value, cast<linalg::GenericOp>(def).getDpsInputs()[0]);
    }
  }

  /// Gives two wanted values one scale.
  void unite(Value a, Value b) { links.unionSets(a, b); }

  void symmetric(Value value, bool isSigned) {
    symmetricValues.push_back({value, isSigned});
  }

  void finish(func::FuncOp func) {
    llvm::DenseMap<Value, unsigned> classOfLeader;
    // Program order: arguments, then results.
    SmallVector<Value> values;
    for (Value argument : func.getArguments())
      values.push_back(argument);
    func.walk(
        [&](Operation *op) { llvm::append_range(values, op->getResults()); });
    for (Value value : values) {
      if (!marked.contains(value))
        continue;
      Value leader = links.getLeaderValue(value);
      auto [it, isNew] = classOfLeader.try_emplace(leader, plan.classes.size());
      if (isNew)
        plan.classes.emplace_back();
      plan.classes[it->second].members.push_back(value);
      plan.classOf[value] = it->second;
    }
    for (auto [value, isSigned] : symmetricValues) {
      auto it = plan.classOf.find(value);
      if (it == plan.classOf.end())
        continue;
      plan.classes[it->second].symmetric = true;
      plan.classes[it->second].mustBeSigned |= isSigned;
    }
  }

private:
  void follow(Value value, Value operand) {
    want(operand);
    if (marked.contains(operand))
      links.unionSets(value, operand);
  }

  QuantPlan &plan;
  llvm::DenseSet<Value> marked;
  std::vector<Value> order;
  llvm::EquivalenceClasses<Value> links;
  std::vector<std::pair<Value, bool>> symmetricValues;
};
} // namespace

QuantPlan makePlan(func::FuncOp func, const QuantizeOptions &options) {
  QuantPlan plan;
  Classifier classifier(plan);
  // A layer that is applied again and again (the steps of a recurrence, the
  // body of a loop) is one layer with one scale: same weights, same source.
  llvm::DenseMap<std::pair<Value, Attribute>, Value> layers;
  func.walk([&](Operation *op) {
    if (!isa<ConvOp, MatmulOp>(op) ||
        !cast<RankedTensorType>(op->getOperand(0).getType())
             .getElementType()
             .isF32())
      return;
    MacPlan mac = planMac(op, options);
    plan.macs[op] = mac;
    if (mac.mode != QuantMode::Integer)
      return;
    classifier.want(op->getOperand(0));
    if (!mac.computedWeights) {
      auto [it, isNew] = layers.try_emplace(
          {op->getOperand(1), Attribute(op->getLoc())}, op->getOperand(0));
      if (!isNew)
        classifier.unite(it->second, op->getOperand(0));
      return;
    }
    classifier.symmetric(op->getOperand(0), false);
    classifier.want(op->getOperand(1));
    classifier.symmetric(op->getOperand(1), true);
  });
  classifier.finish(func);
  return plan;
}

} // namespace cim
