// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// x / c becomes x * (1 / c): the vector unit divides on its few slow lanes and
// multiplies on all of them. Exact for powers of two. For other constants the
// result may differ by a rounding, which nothing behind it may see as more than
// that: quotients that are compared, rounded or converted stay as they are.
#include "cim/Normalize/Passes.h"

#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {
namespace {

/// How many values are followed; beyond it the answer is no.
constexpr size_t kMaxValues = 256;

/// The value through which `use` passes its operand on when the user is
/// arithmetic, an elementary function or a move; null for a product or a
/// result of the network, which need no look behind them; nothing for others.
std::optional<Value> passesOn(OpOperand &use) {
  Operation *user = use.getOwner();
  if (isa<ConvOp, MatmulOp, func::ReturnOp>(user))
    return Value();
  if (isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp,
          arith::NegFOp, arith::MaximumFOp, arith::MinimumFOp, arith::MaxNumFOp,
          arith::MinNumFOp, math::AbsFOp, math::FmaOp, math::ExpOp,
          math::Exp2Op, math::ExpM1Op, math::LogOp, math::Log1pOp, math::TanhOp,
          math::ErfOp, math::SqrtOp, math::RsqrtOp, math::SinOp, math::CosOp,
          tensor::ExpandShapeOp, tensor::CollapseShapeOp,
          tensor::ExtractSliceOp, tensor::InsertSliceOp, tensor::ConcatOp,
          tensor::PadOp, linalg::TransposeOp>(user))
    return user->getResult(0);
  if (isa<linalg::YieldOp>(user))
    return Value(user->getParentOp()->getResult(use.getOperandNumber()));
  auto generic = dyn_cast<linalg::GenericOp>(user);
  if (generic && generic.isDpsInput(&use))
    return Value(generic.getMatchingBlockArgument(&use));
  return std::nullopt;
}

/// True when nothing that depends on `value` turns a rounding error into more.
bool staysArithmetic(Value value) {
  llvm::SmallSetVector<Value, 16> values;
  values.insert(value);
  for (size_t i = 0; i < values.size(); ++i) {
    if (i == kMaxValues)
      return false;
    for (OpOperand &use : values[i].getUses()) {
      std::optional<Value> next = passesOn(use);
      if (!next)
        return false;
      if (*next)
        values.insert(*next);
    }
  }
  return true;
}

/// 1 / c if it can stand for the division.
std::optional<APFloat> reciprocal(const APFloat &c, arith::DivFOp division) {
  APFloat inverse(c.getSemantics());
  if (c.getExactInverse(&inverse))
    return inverse;
  Type type = division.getType();
  if (!(type.isF32() || type.isF64()) || !c.isFiniteNonZero())
    return std::nullopt;
  inverse = APFloat::getOne(c.getSemantics());
  inverse.divide(c, APFloat::rmNearestTiesToEven);
  if (!inverse.isNormal() || !staysArithmetic(division.getResult()))
    return std::nullopt;
  return inverse;
}

struct ReplaceDivisionsPass
    : PassWrapper<ReplaceDivisionsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ReplaceDivisionsPass)
  StringRef getArgument() const override { return "cim-replace-divisions"; }
  StringRef getDescription() const override {
    return "Divisions by constants become multiplications";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect>();
  }
  void runOnOperation() override {
    SmallVector<std::pair<arith::DivFOp, APFloat>> found;
    getOperation().walk([&](arith::DivFOp division) {
      FloatAttr divisor;
      if (!division->getParentOfType<linalg::GenericOp>() ||
          !matchPattern(division.getRhs(), m_Constant(&divisor)))
        return;
      if (auto inverse = reciprocal(divisor.getValue(), division))
        found.push_back({division, *inverse});
    });
    for (auto [division, inverse] : found) {
      OpBuilder b(division);
      Value factor = arith::ConstantOp::create(
          b, division.getLoc(), b.getFloatAttr(division.getType(), inverse));
      Value product = arith::MulFOp::create(b, division.getLoc(),
                                            division.getLhs(), factor);
      division.getResult().replaceAllUsesWith(product);
      division.erase();
    }
  }
};

} // namespace

std::unique_ptr<Pass> createReplaceDivisionsPass() {
  return std::make_unique<ReplaceDivisionsPass>();
}

} // namespace cim
