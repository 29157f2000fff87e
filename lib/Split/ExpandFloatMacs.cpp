// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MAC ops without an integer or block floating point format run on the vector
// unit: they become linalg.generic with the reduction order of conv_c6.
#include "cim/Split/Passes.h"

#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AffineExpr.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

namespace {

/// The accumulator's start: the bias broadcast over the result, or zero.
Value initialValue(OpBuilder &b, Location loc, RankedTensorType type,
                   Value bias, AffineMap biasMap) {
  Value empty =
      tensor::EmptyOp::create(b, loc, type.getShape(), b.getF32Type());
  if (!bias) {
    Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
    return linalg::FillOp::create(b, loc, zero, empty).getResult(0);
  }
  SmallVector<utils::IteratorType> parallel(type.getRank(),
                                            utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, empty.getType(), bias, empty,
             ArrayRef<AffineMap>{biasMap,
                                 b.getMultiDimIdentityMap(type.getRank())},
             parallel,
             [](OpBuilder &nested, Location l, ValueRange args) {
               Value value = args[0];
               if (!value.getType().isF32())
                 value = arith::ExtFOp::create(nested, l, nested.getF32Type(),
                                               value);
               linalg::YieldOp::create(nested, l, value);
             })
      .getResult(0);
}

void multiplyAdd(OpBuilder &b, Location loc, ValueRange args) {
  Value x = args[0], w = args[1];
  if (!x.getType().isF32())
    x = arith::ExtFOp::create(b, loc, b.getF32Type(), x);
  if (!w.getType().isF32())
    w = arith::ExtFOp::create(b, loc, b.getF32Type(), w);
  Value product = arith::MulFOp::create(b, loc, x, w);
  linalg::YieldOp::create(
      b, loc, arith::AddFOp::create(b, loc, args[2], product).getResult());
}

/// fp32 results rounded to the op's own result type.
Value finish(OpBuilder &b, Location loc, Value value, RankedTensorType type) {
  if (type.getElementType().isF32())
    return value;
  Value empty =
      tensor::EmptyOp::create(b, loc, type.getShape(), type.getElementType());
  AffineMap identity = b.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> parallel(type.getRank(),
                                            utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, type, value, empty,
             ArrayRef<AffineMap>{identity, identity}, parallel,
             [&](OpBuilder &nested, Location l, ValueRange args) {
               linalg::YieldOp::create(
                   nested, l,
                   arith::TruncFOp::create(nested, l, type.getElementType(),
                                           args[0])
                       .getResult());
             })
      .getResult(0);
}

Value padInput(OpBuilder &b, ConvOp conv) {
  int64_t r = conv.getSpatialRank();
  if (llvm::all_of(conv.getPads(), [](int64_t p) { return p == 0; }))
    return conv.getInput();
  auto type = cast<RankedTensorType>(conv.getInput().getType());
  SmallVector<OpFoldResult> low(2, b.getIndexAttr(0)), high(low);
  SmallVector<int64_t> shape(type.getShape());
  for (int64_t i = 0; i < r; ++i) {
    low.push_back(b.getIndexAttr(conv.getPads()[i]));
    high.push_back(b.getIndexAttr(conv.getPads()[r + i]));
    shape[2 + i] += conv.getPads()[i] + conv.getPads()[r + i];
  }
  Value zero = arith::ConstantOp::create(b, conv.getLoc(),
                                         b.getZeroAttr(type.getElementType()));
  return tensor::PadOp::create(
      b, conv.getLoc(), RankedTensorType::get(shape, type.getElementType()),
      conv.getInput(), low, high, zero);
}

/// Loops: batch, [group,] channel out, positions; channel in, kernel positions.
void expandConv(ConvOp conv) {
  OpBuilder b(conv);
  Location loc = conv.getLoc();
  auto type = cast<RankedTensorType>(conv.getType());
  int64_t r = conv.getSpatialRank(), groups = conv.getGroups();
  Value input = padInput(b, conv), weights = conv.getWeights();
  Value bias = conv.getBias();
  // Channels split into (group, channel) for grouped convolutions.
  bool grouped = groups > 1;
  auto splitDim = [&](Value value, int64_t dim) -> Value {
    auto old = cast<RankedTensorType>(value.getType());
    SmallVector<int64_t> shape;
    SmallVector<ReassociationIndices> groupsOf;
    for (int64_t i = 0; i < old.getRank(); ++i) {
      ReassociationIndices indices{static_cast<int64_t>(shape.size())};
      if (i == dim) {
        shape.push_back(groups);
        indices.push_back(shape.size());
        shape.push_back(old.getDimSize(i) / groups);
      } else {
        shape.push_back(old.getDimSize(i));
      }
      groupsOf.push_back(indices);
    }
    return tensor::ExpandShapeOp::create(
        b, loc, RankedTensorType::get(shape, old.getElementType()), value,
        groupsOf);
  };
  RankedTensorType outType = type;
  SmallVector<ReassociationIndices> collapse;
  if (grouped) {
    input = splitDim(input, 1);
    weights = splitDim(weights, 0);
    if (bias)
      bias = splitDim(bias, 0);
    SmallVector<int64_t> shape{type.getDimSize(0), groups,
                               type.getDimSize(1) / groups};
    collapse = {{0}, {1, 2}};
    for (int64_t i = 0; i < r; ++i) {
      shape.push_back(type.getDimSize(2 + i));
      collapse.push_back({3 + i});
    }
    outType = RankedTensorType::get(shape, type.getElementType());
  }
  int64_t lead = grouped ? 3 : 2; // batch, (group,) out channel
  int64_t loops = lead + r + 1 + r;
  MLIRContext *ctx = b.getContext();
  auto d = [&](int64_t i) { return getAffineDimExpr(i, ctx); };
  SmallVector<AffineExpr> in{d(0)}, w, out, biasExprs;
  if (grouped) {
    in.push_back(d(1));
    w.push_back(d(1));
    biasExprs.push_back(d(1));
  }
  int64_t channel = lead + r;
  in.push_back(d(channel));
  w.push_back(d(lead - 1));
  w.push_back(d(channel));
  biasExprs.push_back(d(lead - 1));
  for (int64_t i = 0; i < lead; ++i)
    out.push_back(d(i));
  for (int64_t i = 0; i < r; ++i) {
    in.push_back(d(lead + i) * conv.getStrides()[i] +
                 d(channel + 1 + i) * conv.getDilations()[i]);
    w.push_back(d(channel + 1 + i));
    out.push_back(d(lead + i));
  }
  Value init =
      initialValue(b, loc, outType, bias,
                   AffineMap::get(outType.getRank(), 0, biasExprs, ctx));
  SmallVector<utils::IteratorType> iterators(lead + r,
                                             utils::IteratorType::parallel);
  iterators.append(1 + r, utils::IteratorType::reduction);
  Value sum = linalg::GenericOp::create(
                  b, loc, init.getType(), ValueRange{input, weights}, init,
                  ArrayRef<AffineMap>{AffineMap::get(loops, 0, in, ctx),
                                      AffineMap::get(loops, 0, w, ctx),
                                      AffineMap::get(loops, 0, out, ctx)},
                  iterators, multiplyAdd)
                  .getResult(0);
  if (grouped)
    sum = tensor::CollapseShapeOp::create(
        b, loc, RankedTensorType::get(type.getShape(), b.getF32Type()), sum,
        collapse);
  conv.replaceAllUsesWith(finish(b, loc, sum, type));
  conv.erase();
}

void expandMatmul(MatmulOp matmul) {
  OpBuilder b(matmul);
  Location loc = matmul.getLoc();
  auto type = cast<RankedTensorType>(matmul.getType());
  auto rhs = cast<RankedTensorType>(matmul.getRhs().getType());
  int64_t rank = type.getRank();
  MLIRContext *ctx = b.getContext();
  auto d = [&](int64_t i) { return getAffineDimExpr(i, ctx); };
  SmallVector<AffineExpr> a, w, out;
  for (int64_t i = 0; i + 2 < rank; ++i) {
    a.push_back(d(i));
    if (rhs.getRank() == rank)
      w.push_back(d(i));
    out.push_back(d(i));
  }
  a.append({d(rank - 2), d(rank)});
  w.append({d(rank), d(rank - 1)});
  out.append({d(rank - 2), d(rank - 1)});
  Value init = initialValue(b, loc, type, matmul.getBias(),
                            AffineMap::get(rank, 0, {d(rank - 1)}, ctx));
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  iterators.push_back(utils::IteratorType::reduction);
  Value sum = linalg::GenericOp::create(
                  b, loc, init.getType(),
                  ValueRange{matmul.getLhs(), matmul.getRhs()}, init,
                  ArrayRef<AffineMap>{AffineMap::get(rank + 1, 0, a, ctx),
                                      AffineMap::get(rank + 1, 0, w, ctx),
                                      AffineMap::get(rank + 1, 0, out, ctx)},
                  iterators, multiplyAdd)
                  .getResult(0);
  matmul.replaceAllUsesWith(finish(b, loc, sum, type));
  matmul.erase();
}

struct ExpandFloatMacsPass
    : PassWrapper<ExpandFloatMacsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandFloatMacsPass)
  StringRef getArgument() const override { return "cim-expand-float-macs"; }
  StringRef getDescription() const override {
    return "fp32 convolutions and products as vector-unit loops";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, linalg::LinalgDialect,
                    tensor::TensorDialect>();
  }
  void runOnOperation() override {
    SmallVector<Operation *> macs;
    getOperation().walk([&](Operation *op) {
      if (auto conv = dyn_cast<ConvOp>(op)) {
        if (!conv.isInteger() && !conv.getMantissa())
          macs.push_back(op);
      } else if (auto matmul = dyn_cast<MatmulOp>(op)) {
        if (!matmul.isInteger() && !matmul.getMantissa())
          macs.push_back(op);
      }
    });
    for (Operation *op : macs) {
      if (auto conv = dyn_cast<ConvOp>(op))
        expandConv(conv);
      else
        expandMatmul(cast<MatmulOp>(op));
    }
  }
};

} // namespace

std::unique_ptr<Pass> createExpandFloatMacsPass() {
  return std::make_unique<ExpandFloatMacsPass>();
}

} // namespace cim
