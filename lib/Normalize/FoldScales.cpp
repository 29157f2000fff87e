// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// y = a[c] * mac(x) + b[c] with constants per output channel becomes part of
// the MAC op: batch normalization, scales, bias additions. The op is recognised
// by what it computes (an affine function of the MAC result), not by its
// spelling.
#include "cim/Normalize/Passes.h"

#include "cim/IR/Constants.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {
namespace {

/// Per channel: scale * x + offset.
struct Affine {
  double scale = 0, offset = 0;
};

/// Values of a constant operand that varies with the channel at most.
struct ChannelConstant {
  std::vector<double> values;
  bool perChannel = false;
  double at(int64_t channel) const { return values[perChannel ? channel : 0]; }
};

std::optional<ChannelConstant> channelConstant(Value value, AffineMap map,
                                               int64_t channelDim) {
  ElementsAttr attr = constantOf(value);
  if (!attr || !hasData(attr))
    return std::nullopt;
  auto type = cast<RankedTensorType>(value.getType());
  ChannelConstant result;
  for (auto [i, expr] : llvm::enumerate(map.getResults())) {
    if (type.getDimSize(i) == 1)
      continue;
    auto dim = dyn_cast<AffineDimExpr>(expr);
    if (!dim || dim.getPosition() != channelDim || result.perChannel)
      return std::nullopt;
    result.perChannel = true;
  }
  result.values = values<double>(attr);
  return result;
}

/// Evaluates the body as affine functions of one block argument.
class AffineBody {
public:
  AffineBody(linalg::GenericOp op, OpOperand &variable, int64_t channelDim)
      : op(op), variable(variable), channelDim(channelDim) {}

  bool prepare() {
    for (OpOperand *input : op.getDpsInputOperands()) {
      if (input == &variable)
        continue;
      auto constant = channelConstant(
          input->get(), op.getMatchingIndexingMap(input), channelDim);
      if (!constant)
        return false;
      constants[op.getMatchingBlockArgument(input)] = std::move(*constant);
    }
    return true;
  }

  std::optional<Affine> evaluate(int64_t channel) {
    llvm::DenseMap<Value, Affine> known;
    known[op.getMatchingBlockArgument(&variable)] = {1, 0};
    for (auto &[argument, constant] : constants)
      known[argument] = {0, constant.at(channel)};
    for (Operation &inner : op.getBody()->without_terminator()) {
      std::optional<Affine> result = step(inner, known);
      if (!result)
        return std::nullopt;
      known[inner.getResult(0)] = *result;
    }
    auto it = known.find(op.getBody()->getTerminator()->getOperand(0));
    if (it == known.end())
      return std::nullopt;
    return it->second;
  }

private:
  std::optional<Affine> step(Operation &inner,
                             llvm::DenseMap<Value, Affine> &known) {
    if (auto constant = dyn_cast<arith::ConstantOp>(inner)) {
      auto real = dyn_cast<FloatAttr>(constant.getValue());
      if (!real)
        return std::nullopt;
      return Affine{0, real.getValueAsDouble()};
    }
    if (inner.getNumOperands() == 0 || inner.getNumOperands() > 2)
      return std::nullopt;
    Affine in[2];
    for (auto [i, operand] : llvm::enumerate(inner.getOperands())) {
      auto it = known.find(operand);
      if (it == known.end())
        return std::nullopt;
      in[i] = it->second;
    }
    if (isa<arith::AddFOp>(inner))
      return Affine{in[0].scale + in[1].scale, in[0].offset + in[1].offset};
    if (isa<arith::SubFOp>(inner))
      return Affine{in[0].scale - in[1].scale, in[0].offset - in[1].offset};
    if (isa<arith::NegFOp>(inner))
      return Affine{-in[0].scale, -in[0].offset};
    if (isa<arith::MulFOp>(inner)) {
      if (in[0].scale != 0 && in[1].scale != 0)
        return std::nullopt;
      if (in[0].scale == 0)
        std::swap(in[0], in[1]);
      return Affine{in[0].scale * in[1].offset, in[0].offset * in[1].offset};
    }
    if (isa<arith::DivFOp>(inner)) {
      if (in[1].scale != 0 || in[1].offset == 0)
        return std::nullopt;
      return Affine{in[0].scale / in[1].offset, in[0].offset / in[1].offset};
    }
    return std::nullopt;
  }

  linalg::GenericOp op;
  OpOperand &variable;
  int64_t channelDim;
  llvm::MapVector<Value, ChannelConstant> constants;
};

/// Scales the weights and sets the bias of a MAC op.
void scaleMac(Operation *mac, ArrayRef<Affine> channels) {
  OpBuilder b(mac);
  auto type = cast<RankedTensorType>(mac->getOperand(1).getType());
  auto count = static_cast<int64_t>(channels.size());
  bool conv = isa<ConvOp>(mac);
  bool scales = llvm::any_of(channels, [](Affine a) { return a.scale != 1; });
  ElementsAttr old = constantOf(mac->getOperand(1));
  if (scales) {
    std::vector<float> weights = values<float>(old);
    int64_t perChannel = static_cast<int64_t>(weights.size()) / count;
    for (size_t i = 0; i < weights.size(); ++i) {
      int64_t channel = conv ? static_cast<int64_t>(i) / perChannel
                             : static_cast<int64_t>(i) % count;
      weights[i] = static_cast<float>(weights[i] * channels[channel].scale);
    }
    std::string name = "weights";
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(old))
      name = resource.getRawHandle().getKey().str();
    auto bytes = std::make_shared<std::vector<float>>(std::move(weights));
    ElementsAttr attr = makeConstant(
        type,
        ArrayRef<char>(reinterpret_cast<const char *>(bytes->data()),
                       bytes->size() * sizeof(float)),
        name, bytes);
    mac->setOperand(
        1, arith::ConstantOp::create(b, mac->getOperand(1).getLoc(), attr));
  }
  Value oldBias =
      conv ? cast<ConvOp>(mac).getBias() : cast<MatmulOp>(mac).getBias();
  std::vector<double> bias(count, 0);
  if (oldBias)
    bias = values<double>(constantOf(oldBias));
  bool any = static_cast<bool>(oldBias);
  for (int64_t c = 0; c < count; ++c) {
    bias[c] = bias[c] * channels[c].scale + channels[c].offset;
    any |= bias[c] != 0;
  }
  if (!any)
    return;
  Value value = arith::ConstantOp::create(
      b, mac->getLoc(),
      makeConstant(RankedTensorType::get({count}, b.getF32Type()),
                   ArrayRef<double>(bias), "bias"));
  if (conv)
    cast<ConvOp>(mac).getBiasMutable().assign(value);
  else
    cast<MatmulOp>(mac).getBiasMutable().assign(value);
}

/// Folds `op` into the MAC op it reads; true when it did.
bool foldInto(linalg::GenericOp op) {
  if (op.getNumParallelLoops() != op.getNumLoops() || op.getNumResults() != 1)
    return false;
  for (OpOperand *input : op.getDpsInputOperands()) {
    Operation *mac = input->get().getDefiningOp();
    if (!mac || !isa<ConvOp, MatmulOp>(mac) || !input->get().hasOneUse() ||
        !op.getMatchingIndexingMap(input).isIdentity() ||
        !op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity() ||
        op.getResult(0).getType() != mac->getResult(0).getType())
      continue;
    auto type = cast<RankedTensorType>(mac->getResult(0).getType());
    Value multiplier = isa<ConvOp>(mac) ? cast<ConvOp>(mac).getMultiplier()
                                        : cast<MatmulOp>(mac).getMultiplier();
    Value bias = isa<ConvOp>(mac) ? cast<ConvOp>(mac).getBias()
                                  : cast<MatmulOp>(mac).getBias();
    ElementsAttr weights = constantOf(mac->getOperand(1));
    bool plain =
        type.getElementType().isF32() && !multiplier && weights &&
        hasData(weights) && (!bias || constantOf(bias)) &&
        (isa<ConvOp>(mac) ||
         cast<RankedTensorType>(mac->getOperand(1).getType()).getRank() == 2) &&
        cast<RankedTensorType>(mac->getOperand(1).getType())
            .getElementType()
            .isF32();
    if (!plain)
      continue;
    int64_t channelDim = isa<ConvOp>(mac) ? 1 : type.getRank() - 1;
    AffineBody body(op, *input, channelDim);
    if (!body.prepare())
      continue;
    std::vector<Affine> channels;
    for (int64_t c = 0; c < type.getDimSize(channelDim); ++c) {
      std::optional<Affine> affine = body.evaluate(c);
      if (!affine)
        return false;
      channels.push_back(*affine);
    }
    scaleMac(mac, channels);
    OpBuilder b(op);
    mac->setLoc(b.getFusedLoc({mac->getLoc(), op.getLoc()}));
    op.getResult(0).replaceAllUsesWith(mac->getResult(0));
    op.erase();
    return true;
  }
  return false;
}

struct FoldScalesPass : PassWrapper<FoldScalesPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FoldScalesPass)
  StringRef getArgument() const override { return "cim-fold-scales"; }
  StringRef getDescription() const override {
    return "Folds per-channel scales and offsets into MAC ops";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect>();
  }
  void runOnOperation() override {
    getOperation().walk([](func::FuncOp func) {
      SmallVector<linalg::GenericOp> generics(func.getOps<linalg::GenericOp>());
      for (linalg::GenericOp op : generics)
        (void)foldInto(op);
    });
  }
};

} // namespace

std::unique_ptr<Pass> createFoldScalesPass() {
  return std::make_unique<FoldScalesPass>();
}

} // namespace cim
