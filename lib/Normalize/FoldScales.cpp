// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// y = a[c] * mac(x) + b[c] with constants per output channel becomes part of
// the MAC op, and so does mac(a[c] * x + b[c]) with constants per input
// channel: batch normalization, scales, bias additions. The op is recognised by
// what it computes (an affine function of one operand), not by its spelling.
#include "cim/Normalize/Passes.h"

#include <cmath>

#include "cim/IR/Constants.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Matchers.h"

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
      // Constants stand in the body or, after canonicalization, outside.
      FloatAttr constant;
      auto it = known.find(operand);
      if (it != known.end())
        in[i] = it->second;
      else if (matchPattern(operand, m_Constant(&constant)))
        in[i] = {0, constant.getValueAsDouble()};
      else
        return std::nullopt;
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

/// A float MAC op whose weights and bias are constants, opened for change.
class ConstantMac {
public:
  static std::optional<ConstantMac> open(Operation *op);
  /// Input or output channels: a dimension of the activation or result.
  int64_t channelDim() const {
    return conv ? 1
                : cast<RankedTensorType>(op->getResult(0).getType()).getRank() -
                      1;
  }
  int64_t outs() const { return static_cast<int64_t>(bias.size()); }
  int64_t ins() const {
    return cast<RankedTensorType>(op->getOperand(0).getType())
        .getDimSize(channelDim());
  }
  bool isPadded() {
    return conv &&
           llvm::any_of(conv.getPads(), [](int64_t pad) { return pad != 0; });
  }

  /// y becomes scale * y + offset, per output channel.
  void applyAfter(ArrayRef<Affine> channels);
  /// x becomes scale * x + offset, per input channel.
  void applyBefore(ArrayRef<Affine> channels);

  Operation *op;

private:
  explicit ConstantMac(Operation *op) : op(op), conv(dyn_cast<ConvOp>(op)) {}
  /// Calls f(weight, input channel, output channel); weights are read now.
  template <typename F>
  void forWeights(F f) {
    weights = values<float>(constantOf(op->getOperand(1)));
    auto count = static_cast<int64_t>(weights.size());
    if (!conv) {
      for (int64_t i = 0; i < count; ++i)
        f(weights[i], i / outs(), i % outs());
      return;
    }
    auto type = cast<RankedTensorType>(conv.getWeights().getType());
    int64_t perOut = count / outs(), perGroup = type.getDimSize(1);
    int64_t kernel = perOut / perGroup;
    int64_t outsOfGroup = outs() / static_cast<int64_t>(conv.getGroups());
    for (int64_t i = 0; i < count; ++i) {
      int64_t out = i / perOut;
      f(weights[i], out / outsOfGroup * perGroup + i / kernel % perGroup, out);
    }
  }
  void writeWeights();
  void writeBias();

  ConvOp conv;
  std::vector<float> weights;
  std::vector<double> bias;
  bool hasBias = false;
};

std::optional<ConstantMac> ConstantMac::open(Operation *op) {
  if (!op || !isa<ConvOp, MatmulOp>(op))
    return std::nullopt;
  ConstantMac mac(op);
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  auto weightType = cast<RankedTensorType>(op->getOperand(1).getType());
  Value multiplier =
      mac.conv ? mac.conv.getMultiplier() : cast<MatmulOp>(op).getMultiplier();
  Value bias = mac.conv ? mac.conv.getBias() : cast<MatmulOp>(op).getBias();
  ElementsAttr weights = constantOf(op->getOperand(1));
  ElementsAttr biasAttr = bias ? constantOf(bias) : ElementsAttr();
  if (!type.getElementType().isF32() || !weightType.getElementType().isF32() ||
      multiplier || !weights || !hasData(weights) ||
      (!mac.conv && weightType.getRank() != 2) ||
      weightType.getNumElements() == 0 ||
      (bias && (!biasAttr || !hasData(biasAttr))))
    return std::nullopt;
  mac.bias.assign(weightType.getDimSize(mac.conv ? 0 : 1), 0);
  if (biasAttr)
    mac.bias = values<double>(biasAttr);
  mac.hasBias = static_cast<bool>(bias);
  return mac;
}

void ConstantMac::applyAfter(ArrayRef<Affine> channels) {
  if (llvm::any_of(channels, [](Affine a) { return a.scale != 1; })) {
    forWeights([&](float &weight, int64_t, int64_t out) {
      weight = static_cast<float>(weight * channels[out].scale);
    });
    writeWeights();
  }
  for (int64_t c = 0; c < outs(); ++c)
    bias[c] = bias[c] * channels[c].scale + channels[c].offset;
  writeBias();
}

void ConstantMac::applyBefore(ArrayRef<Affine> channels) {
  forWeights([&](float &weight, int64_t in, int64_t out) {
    bias[out] += weight * channels[in].offset;
    weight = static_cast<float>(weight * channels[in].scale);
  });
  writeWeights();
  writeBias();
}

void ConstantMac::writeWeights() {
  OpBuilder b(op);
  Value old = op->getOperand(1);
  std::string name = "weights";
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(constantOf(old)))
    name = resource.getRawHandle().getKey().str();
  auto owner = std::make_shared<std::vector<float>>(weights);
  ArrayRef<char> bytes(reinterpret_cast<const char *>(owner->data()),
                       owner->size() * sizeof(float));
  ElementsAttr attr =
      makeConstant(cast<RankedTensorType>(old.getType()), bytes, name, owner);
  op->setOperand(1, arith::ConstantOp::create(b, old.getLoc(), attr));
}

void ConstantMac::writeBias() {
  if (!hasBias && llvm::all_of(bias, [](double value) { return value == 0; }))
    return;
  OpBuilder b(op);
  Value value = arith::ConstantOp::create(
      b, op->getLoc(),
      makeConstant(RankedTensorType::get({outs()}, b.getF32Type()),
                   ArrayRef<double>(bias), "bias"));
  if (conv)
    conv.getBiasMutable().assign(value);
  else
    cast<MatmulOp>(op).getBiasMutable().assign(value);
}

/// The affine functions, by channel, that an elementwise generic computes of
/// one operand; nothing when it computes something else.
std::optional<std::vector<Affine>> affineOf(linalg::GenericOp op,
                                            OpOperand &variable,
                                            int64_t channelDim,
                                            int64_t channels) {
  if (op.getNumParallelLoops() != op.getNumLoops() || op.getNumResults() != 1 ||
      !op.getMatchingIndexingMap(&variable).isIdentity() ||
      !op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity() ||
      op.getResult(0).getType() != variable.get().getType())
    return std::nullopt;
  AffineBody body(op, variable, channelDim);
  if (!body.prepare())
    return std::nullopt;
  std::vector<Affine> result;
  for (int64_t c = 0; c < channels; ++c) {
    std::optional<Affine> affine = body.evaluate(c);
    if (!affine || !std::isfinite(affine->scale) ||
        !std::isfinite(affine->offset))
      return std::nullopt;
    result.push_back(*affine);
  }
  return result;
}

void fuseLocations(Operation *mac, linalg::GenericOp op) {
  mac->setLoc(FusedLoc::get(mac->getContext(), {mac->getLoc(), op.getLoc()}));
}

/// Folds `op` into the MAC op it reads; true when it did.
bool foldIntoProducer(linalg::GenericOp op) {
  for (OpOperand *input : op.getDpsInputOperands()) {
    if (!input->get().hasOneUse())
      continue;
    std::optional<ConstantMac> mac =
        ConstantMac::open(input->get().getDefiningOp());
    if (!mac)
      continue;
    auto channels = affineOf(op, *input, mac->channelDim(), mac->outs());
    if (!channels)
      continue;
    mac->applyAfter(*channels);
    fuseLocations(mac->op, op);
    op.getResult(0).replaceAllUsesWith(mac->op->getResult(0));
    op.erase();
    return true;
  }
  return false;
}

/// Folds `op` into the MAC op that alone reads it. Padding is zero after `op`:
/// where there is padding, an offset cannot move behind it.
bool foldIntoConsumer(linalg::GenericOp op) {
  if (op.getNumResults() != 1 || !op.getResult(0).hasOneUse())
    return false;
  OpOperand &use = *op.getResult(0).getUses().begin();
  if (use.getOperandNumber() != 0)
    return false;
  std::optional<ConstantMac> mac = ConstantMac::open(use.getOwner());
  if (!mac)
    return false;
  for (OpOperand *input : op.getDpsInputOperands()) {
    auto channels = affineOf(op, *input, mac->channelDim(), mac->ins());
    if (!channels)
      continue;
    if (mac->isPadded() &&
        llvm::any_of(*channels, [](Affine a) { return a.offset != 0; }))
      return false;
    mac->applyBefore(*channels);
    fuseLocations(mac->op, op);
    // A new bias has moved the operands: `use` is gone.
    mac->op->setOperand(0, input->get());
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
      // Chains fold from the MAC op outwards.
      SmallVector<linalg::GenericOp> generics(func.getOps<linalg::GenericOp>());
      SmallVector<linalg::GenericOp> left;
      for (linalg::GenericOp op : generics)
        if (!foldIntoProducer(op))
          left.push_back(op);
      for (linalg::GenericOp op : llvm::reverse(left))
        (void)foldIntoConsumer(op);
    });
  }
};

} // namespace

std::unique_ptr<Pass> createFoldScalesPass() {
  return std::make_unique<FoldScalesPass>();
}

} // namespace cim
