// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Apply.h"

#include <cmath>
#include <map>
#include <tuple>

#include "Ranges.h"
#include "cim/IR/Constants.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Threading.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {
namespace {

using quant::UniformQuantizedType;

RankedTensorType withElement(Type type, Type element) {
  return cast<RankedTensorType>(type).clone(element);
}

/// An elementwise generic over `value` with result element type `element`.
Value elementwise(OpBuilder &b, Location loc, Value value, Type element,
                  function_ref<Value(OpBuilder &, Location, Value)> body) {
  auto type = withElement(value.getType(), element);
  Value empty = tensor::EmptyOp::create(b, loc, type.getShape(), element);
  AffineMap identity = b.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> parallel(type.getRank(),
                                            utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, type, value, empty,
             ArrayRef<AffineMap>{identity, identity}, parallel,
             [&](OpBuilder &nested, Location l, ValueRange args) {
               linalg::YieldOp::create(nested, l, body(nested, l, args[0]));
             })
      .getResult(0);
}

/// Integer weights of a constant with one scale per output channel.
struct QuantizedWeights {
  Value weights;
  std::vector<float> scales;
};

/// The constants of an integer MAC op.
struct MacConstants {
  Value weights, multiplier, bias;
};

class Applier {
public:
  Applier(func::FuncOp func, const QuantPlan &plan,
          const QuantizeOptions &options, ArrayRef<UniformQuantizedType> types)
      : func(func), plan(plan), options(options), types(types) {}
  LogicalResult run();

private:
  Value quantized(Value value);
  Value makeQuantized(Value value, UniformQuantizedType type);
  Value moveQuantized(Operation *def, Value value, UniformQuantizedType type);
  Value poolQuantized(linalg::GenericOp pool, UniformQuantizedType type);
  LogicalResult toInteger(const MacPlan &mac);
  void toBfp(const MacPlan &mac);
  QuantizedWeights quantizeWeights(OpBuilder &b, const MacPlan &mac);
  void eraseReplaced();
  FailureOr<MacConstants> makeConstants(const MacPlan &mac,
                                        UniformQuantizedType actType);
  void readThroughQuantized();
  void foldRequantization();

  func::FuncOp func;
  const QuantPlan &plan;
  const QuantizeOptions &options;
  ArrayRef<UniformQuantizedType> types;
  /// Index of the value's scale class.
  std::optional<unsigned> classOf(Value value) const {
    if (Value old = plannedName.lookup(value))
      value = old;
    auto it = plan.classOf.find(value);
    return it == plan.classOf.end() ? std::nullopt : std::optional(it->second);
  }
  llvm::DenseMap<Value, Value> plannedName; ///< New result to planned value.
  std::vector<Operation *> replaced; ///< MAC ops, erased by eraseReplaced.
  llvm::DenseSet<Operation *> pools; ///< Maximum pools of stored values.
  /// A layer that is applied again and again (the steps of a recurrence) has
  /// its constants once: by weights, bias, type of the input, weight bits.
  std::map<std::tuple<void *, void *, const void *, int>, MacConstants> shared;
  llvm::DenseMap<Value, Value> quantizedOf;
  std::vector<std::pair<Value, Value>> pairs; ///< (float, quantized)
};

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

/// Repeats a moving op on quantized operands.
Value Applier::moveQuantized(Operation *def, Value value,
                             UniformQuantizedType type) {
  IRMapping map;
  OpBuilder b(def);
  for (Value operand : def->getOperands()) {
    if (!isa<RankedTensorType>(operand.getType()))
      continue;
    if (auto empty = operand.getDefiningOp<tensor::EmptyOp>())
      map.map(operand, tensor::EmptyOp::create(b, empty.getLoc(),
                                               empty.getType().getShape(), type)
                           .getResult());
    else
      map.map(operand, quantized(operand));
  }
  b.setInsertionPoint(def);
  Operation *clone;
  if (auto pad = dyn_cast<tensor::PadOp>(def)) {
    // The padding is quantized like everything else.
    Attribute constant;
    matchPattern(pad.getConstantPaddingValue(), m_Constant(&constant));
    Value scalar =
        arith::ConstantOp::create(b, pad.getLoc(), cast<TypedAttr>(constant));
    Value padding =
        quant::QuantizeCastOp::create(b, pad.getLoc(), type, scalar);
    clone =
        tensor::PadOp::create(b, pad.getLoc(), withElement(pad.getType(), type),
                              map.lookup(pad.getSource()), pad.getMixedLowPad(),
                              pad.getMixedHighPad(), padding);
  } else if (auto transpose = dyn_cast<linalg::TransposeOp>(def)) {
    clone = linalg::TransposeOp::create(
        b, transpose.getLoc(), map.lookup(transpose.getInput()),
        map.lookup(transpose.getInit()), transpose.getPermutation());
  } else {
    clone = b.clone(*def, map);
    clone->getResult(0).setType(withElement(value.getType(), type));
  }
  return clone->getResult(0);
}

/// A maximum pool on stored values: rounding is monotone, so the largest of the
/// quantized values is the largest value quantized. Null if its start value is
/// not known or the type is unsigned.
Value Applier::poolQuantized(linalg::GenericOp pool,
                             UniformQuantizedType type) {
  auto fill = pool.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
  Attribute start;
  if (!fill || !type.isSigned() ||
      !matchPattern(fill.getInputs()[0], m_Constant(&start)))
    return {};
  Value source = quantized(pool.getDpsInputs()[0]);
  OpBuilder b(pool);
  Location loc = pool.getLoc();
  auto resultType = withElement(pool.getResult(0).getType(), type);
  Value scalar =
      arith::ConstantOp::create(b, loc, cast<TypedAttr>(start)).getResult();
  scalar = quant::QuantizeCastOp::create(b, loc, type, scalar);
  Value init =
      tensor::EmptyOp::create(b, loc, resultType.getShape(), type).getResult();
  init = linalg::FillOp::create(b, loc, scalar, init).getResult(0);
  auto result = linalg::GenericOp::create(
      b, loc, resultType, ValueRange{source, pool.getDpsInputs()[1]}, init,
      pool.getIndexingMapsArray(), pool.getIteratorTypesArray(),
      [&](OpBuilder &nested, Location l, ValueRange args) {
        Type stored = type.getStorageType();
        Value in = quant::StorageCastOp::create(nested, l, stored, args[0]);
        Value old = quant::StorageCastOp::create(nested, l, stored, args[2]);
        Value larger = arith::MaxSIOp::create(nested, l, old, in);
        linalg::YieldOp::create(
            nested, l,
            quant::StorageCastOp::create(nested, l, type, larger).getResult());
      });
  pools.insert(result);
  return result.getResult(0);
}

Value Applier::makeQuantized(Value value, UniformQuantizedType type) {
  OpBuilder b(func.getContext());
  if (Operation *def = value.getDefiningOp())
    b.setInsertionPointAfter(def);
  else
    b.setInsertionPointToStart(&func.getBody().front());
  return elementwise(b, value.getLoc(), value, type,
                     [&](OpBuilder &nested, Location loc, Value x) -> Value {
                       return quant::QuantizeCastOp::create(nested, loc, type,
                                                            x);
                     });
}

Value Applier::quantized(Value value) {
  auto known = quantizedOf.find(value);
  if (known != quantizedOf.end())
    return known->second;
  UniformQuantizedType type = types[*classOf(value)];
  Operation *def = value.getDefiningOp();
  Value result;
  if (def && movesElements(def)) {
    bool all = llvm::all_of(def->getOperands(), [&](Value operand) {
      return !isa<RankedTensorType>(operand.getType()) || classOf(operand) ||
             operand.getDefiningOp<tensor::EmptyOp>();
    });
    if (all)
      result = moveQuantized(def, value, type);
  } else if (def && isMaxPool(def)) {
    auto pool = cast<linalg::GenericOp>(def);
    if (classOf(pool.getDpsInputs()[0]) == classOf(value))
      result = poolQuantized(pool, type);
  }
  if (!result)
    result = makeQuantized(value, type);
  quantizedOf[value] = result;
  pairs.push_back({value, result});
  return result;
}

//===----------------------------------------------------------------------===//
// MAC ops
//===----------------------------------------------------------------------===//

QuantizedWeights Applier::quantizeWeights(OpBuilder &b, const MacPlan &mac) {
  Value source = mac.op->getOperand(1);
  ElementsAttr attr = constantOf(source);
  auto type = cast<RankedTensorType>(source.getType());
  bool conv = isa<ConvOp>(mac.op);
  int64_t channels = conv ? type.getDimSize(0) : type.getDimSize(1);
  int64_t per = type.getNumElements() / channels;
  // Channel o of a convolution is contiguous; of a matrix it is a column.
  int64_t channelStride = conv ? per : 1, stride = conv ? 1 : channels;
  std::vector<float> copy;
  const float *data;
  ArrayRef<char> raw = rawBytes(attr);
  if (type.getElementType().isF32() && !isSplat(attr) && !raw.empty()) {
    data = reinterpret_cast<const float *>(raw.data());
  } else {
    copy = values<float>(attr);
    data = copy.data();
  }
  QuantizedWeights result;
  result.scales.resize(channels);
  auto bytes = std::make_shared<std::vector<char>>(type.getNumElements());
  int bits = mac.weightBits;
  float top = static_cast<float>((1 << (bits - 1)) - 1);
  constexpr int64_t block = 64;
  parallelFor(func.getContext(), 0, llvm::divideCeil(channels, block),
              [&](size_t chunk) {
                int64_t begin = chunk * block,
                        end = std::min(channels, begin + block);
                int64_t count = end - begin;
                const float *w = data + begin * channelStride;
                char *out = bytes->data() + begin * channelStride;
                float *scales = result.scales.data() + begin;
                auto scaleOf = [&](const float *values) {
                  return weightScale(values, per, 1, bits, options.weights,
                                     options.percentile);
                };
                auto quantizeOne = [&](float value, float scale) {
                  return static_cast<char>(
                      static_cast<int>(roundClamped(value / scale, top)));
                };
                if (stride == 1) {
                  for (int64_t o = 0; o < count; ++o, w += per, out += per) {
                    scales[o] = scaleOf(w);
                    for (int64_t i = 0; i < per; ++i)
                      out[i] = quantizeOne(w[i], scales[o]);
                  }
                  return;
                }
                // Memory is read and written row by row. An odd number of cache
                // lines per column keeps columns out of each other's sets.
                int64_t pitch = (llvm::divideCeil(per, 16) | 1) * 16;
                std::vector<float> columns(count * pitch);
                for (int64_t i = 0; i < per; ++i)
                  for (int64_t o = 0; o < count; ++o)
                    columns[o * pitch + i] = w[i * stride + o];
                for (int64_t o = 0; o < count; ++o)
                  scales[o] = scaleOf(columns.data() + o * pitch);
                for (int64_t i = 0; i < per; ++i)
                  for (int64_t o = 0; o < count; ++o)
                    out[i * stride + o] =
                        quantizeOne(w[i * stride + o], scales[o]);
              });
  auto quantizedType = RankedTensorType::get(
      type.getShape(), IntegerType::get(func.getContext(), bits));
  std::string name = "weights";
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr))
    name = resource.getRawHandle().getKey().str();
  ElementsAttr data8 = makeConstant(
      quantizedType, ArrayRef<char>(bytes->data(), bytes->size()), name, bytes);
  result.weights = arith::ConstantOp::create(b, source.getLoc(), data8);
  return result;
}

static Value biasOf(Operation *mac) {
  if (auto conv = dyn_cast<ConvOp>(mac))
    return conv.getBias();
  return cast<MatmulOp>(mac).getBias();
}

FailureOr<MacConstants> Applier::makeConstants(const MacPlan &mac,
                                               UniformQuantizedType actType) {
  OpBuilder b(mac.op);
  Location loc = mac.op->getLoc();
  Value oldBias = biasOf(mac.op);
  auto key = std::make_tuple(mac.op->getOperand(1).getAsOpaquePointer(),
                             oldBias ? oldBias.getAsOpaquePointer() : nullptr,
                             actType.getAsOpaquePointer(), mac.weightBits);
  if (auto it = shared.find(key); it != shared.end())
    return it->second;
  auto resultType = cast<RankedTensorType>(mac.op->getResult(0).getType());
  int64_t channels = isa<ConvOp>(mac.op)
                         ? resultType.getDimSize(1)
                         : resultType.getDimSize(resultType.getRank() - 1);
  QuantizedWeights weights;
  if (mac.computedWeights) {
    weights.weights = quantized(mac.op->getOperand(1));
    auto type = cast<UniformQuantizedType>(
        cast<RankedTensorType>(weights.weights.getType()).getElementType());
    weights.scales.assign(channels, static_cast<float>(type.getScale()));
  } else {
    weights = quantizeWeights(b, mac);
  }
  auto actScale = static_cast<float>(actType.getScale());
  std::vector<double> multiplier(channels);
  for (int64_t o = 0; o < channels; ++o)
    multiplier[o] = actScale * weights.scales[o];
  auto vector = [&](Type type) {
    return RankedTensorType::get({channels}, type);
  };
  Value scale = arith::ConstantOp::create(
      b, loc,
      makeConstant(vector(b.getF32Type()), ArrayRef<double>(multiplier),
                   "multiplier"));
  Value bias;
  if (oldBias) {
    ElementsAttr attr = constantOf(oldBias);
    if (!attr)
      return mac.op->emitError("bias is not constant");
    std::vector<double> values = cim::ir::values<double>(attr);
    std::vector<int64_t> integers(channels);
    for (int64_t o = 0; o < channels; ++o) {
      double q = std::nearbyint(values[o] / multiplier[o]);
      integers[o] = static_cast<int64_t>(
          std::min<double>(INT32_MAX / 2, std::max<double>(-INT32_MAX / 2, q)));
    }
    bias = arith::ConstantOp::create(b, loc,
                                     makeConstant(vector(b.getI32Type()),
                                                  ArrayRef<int64_t>(integers),
                                                  "bias"));
  }
  return shared[key] = {weights.weights, scale, bias};
}

LogicalResult Applier::toInteger(const MacPlan &mac) {
  OpBuilder b(mac.op);
  Location loc = mac.op->getLoc();
  Value act = quantized(mac.op->getOperand(0));
  auto actType = cast<UniformQuantizedType>(
      cast<RankedTensorType>(act.getType()).getElementType());
  FailureOr<MacConstants> constants = makeConstants(mac, actType);
  if (failed(constants))
    return failure();
  auto [weights, scale, bias] = *constants;
  auto resultType = cast<RankedTensorType>(mac.op->getResult(0).getType());
  Value result;
  if (auto conv = dyn_cast<ConvOp>(mac.op))
    result = ConvOp::create(b, loc, resultType, act, weights, bias, scale,
                            conv.getStridesAttr(), conv.getPadsAttr(),
                            conv.getDilationsAttr(), conv.getGroupsAttr(),
                            IntegerAttr());
  else
    result = MatmulOp::create(b, loc, resultType, act, weights, bias, scale,
                              IntegerAttr());
  // The value keeps its plan under its new name. Replaced ops are erased at the
  // end: the plan's keys must stay valid.
  Value old = mac.op->getResult(0);
  plannedName[result] = old;
  old.replaceAllUsesWith(result);
  replaced.push_back(mac.op);
  return success();
}

void Applier::toBfp(const MacPlan &mac) {
  OpBuilder b(mac.op);
  mac.op->setAttr("mantissa",
                  b.getI64IntegerAttr(mac.mode == QuantMode::Bfp16 ? 12 : 16));
}

//===----------------------------------------------------------------------===//
// Clean-up
//===----------------------------------------------------------------------===//

/// Erases replaced MAC ops and float movers that nobody reads any more: a value
/// that is read once more only by them counts as read once.
void Applier::eraseReplaced() {
  for (Operation *op : replaced)
    op->erase();
  replaced.clear();
  llvm::DenseSet<Value> gone;
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(func.getBody().front()))) {
    if (!isOpTriviallyDead(&op))
      continue;
    gone.insert_range(op.getResults());
    op.erase();
  }
  llvm::erase_if(pairs, [&](const auto &pair) {
    return gone.contains(pair.first) || gone.contains(pair.second);
  });
}

/// Float readers of a value that exists quantized: those of convolutional
/// networks read the quantized one, so that only it is stored; those of
/// transformers (normalization, residual streams) keep full precision.
void Applier::readThroughQuantized() {
  for (auto [value, q] : pairs) {
    Operation *producer = q.getDefiningOp();
    bool onlyConvs = llvm::all_of(q.getUsers(), [&](Operation *user) {
      return isa<ConvOp>(user) || movesElements(user) || pools.contains(user);
    });
    if (!onlyConvs || movesElements(producer) || !value.getDefiningOp())
      continue;
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : value.getUses()) {
      auto generic = dyn_cast<linalg::GenericOp>(use.getOwner());
      if (use.getOwner() == producer || !generic || !generic.isDpsInput(&use) ||
          producer->getBlock() != generic->getBlock() ||
          !producer->isBeforeInBlock(generic))
        continue;
      uses.push_back(&use);
    }
    // Worth it only when the float value then has no other reader.
    size_t others = 0;
    for (OpOperand &use : value.getUses())
      others += use.getOwner() != producer && !llvm::is_contained(uses, &use);
    if (uses.empty() || others)
      continue;
    for (OpOperand *use : uses) {
      auto generic = cast<linalg::GenericOp>(use->getOwner());
      BlockArgument argument = generic.getMatchingBlockArgument(use);
      use->set(q);
      Type floatType = argument.getType();
      argument.setType(cast<RankedTensorType>(q.getType()).getElementType());
      if (argument.use_empty())
        continue;
      OpBuilder b = OpBuilder::atBlockBegin(generic.getBody());
      auto cast = quant::DequantizeCastOp::create(b, generic.getLoc(),
                                                  floatType, argument);
      argument.replaceAllUsesExcept(cast, cast);
    }
  }
}

/// Bounds [lo, hi] of a generic that only clamps its input, if it is one.
static std::optional<std::pair<float, float>>
clampBounds(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 1 || op.getNumResults() != 1 ||
      op.getNumParallelLoops() != op.getNumLoops() ||
      !op.getMatchingIndexingMap(op.getDpsInputOperand(0)).isIdentity())
    return std::nullopt;
  float lo = -INFINITY, hi = INFINITY;
  Value current = op.getRegionInputArgs()[0];
  for (Operation &inner : op.getBody()->without_terminator()) {
    if (isa<arith::ConstantOp>(inner))
      continue;
    bool isMax = isa<arith::MaximumFOp, arith::MaxNumFOp>(inner);
    bool isMin = isa<arith::MinimumFOp, arith::MinNumFOp>(inner);
    if ((!isMax && !isMin) || !inner.getResult(0).hasOneUse())
      return std::nullopt;
    FloatAttr bound;
    bool ok = (inner.getOperand(0) == current &&
               matchPattern(inner.getOperand(1), m_Constant(&bound))) ||
              (inner.getOperand(1) == current &&
               matchPattern(inner.getOperand(0), m_Constant(&bound)));
    if (!ok)
      return std::nullopt;
    float value = bound.getValue().convertToFloat();
    if (isMax) {
      lo = std::max(lo, value);
      hi = std::max(hi, value);
    } else {
      hi = std::min(hi, value);
      lo = std::min(lo, value);
    }
    current = inner.getResult(0);
  }
  if (op.getBody()->getTerminator()->getOperand(0) != current)
    return std::nullopt;
  return std::pair(lo, hi);
}

/// A quantization that reads a MAC op's float result, directly or through a
/// clamp the storage range implies, becomes the MAC op's own requantization.
void Applier::foldRequantization() {
  for (auto [value, q] : pairs) {
    auto generic = q.getDefiningOp<linalg::GenericOp>();
    if (!generic || generic.getNumDpsInputs() != 1 || !value.hasOneUse())
      continue;
    auto type = cast<UniformQuantizedType>(
        cast<RankedTensorType>(q.getType()).getElementType());
    Value source = generic.getDpsInputs()[0];
    if (auto clamp = source.getDefiningOp<linalg::GenericOp>()) {
      auto bounds = clampBounds(clamp);
      float scale = type.getScale();
      float lowest = (type.getStorageTypeMin() - type.getZeroPoint()) * scale;
      float highest = (type.getStorageTypeMax() - type.getZeroPoint()) * scale;
      if (!bounds || !source.hasOneUse() || bounds->first > lowest ||
          bounds->second < highest)
        continue;
      source = clamp.getDpsInputs()[0];
    }
    Operation *mac = source.getDefiningOp();
    if (!mac || !isa<ConvOp, MatmulOp>(mac) || !source.hasOneUse())
      continue;
    Value multiplier = isa<ConvOp>(mac) ? cast<ConvOp>(mac).getMultiplier()
                                        : cast<MatmulOp>(mac).getMultiplier();
    if (!multiplier)
      continue;
    std::vector<double> scales = values<double>(constantOf(multiplier));
    for (double &scale : scales)
      scale = static_cast<float>(scale / type.getScale());
    OpBuilder b(mac);
    Value folded = arith::ConstantOp::create(
        b, mac->getLoc(),
        makeConstant(cast<RankedTensorType>(multiplier.getType()),
                     ArrayRef<double>(scales), "multiplier"));
    if (auto conv = dyn_cast<ConvOp>(mac))
      conv.getMultiplierMutable().assign(folded);
    else
      cast<MatmulOp>(mac).getMultiplierMutable().assign(folded);
    SmallVector<Location> locs{mac->getLoc()};
    if (auto clamp =
            generic.getDpsInputs()[0].getDefiningOp<linalg::GenericOp>())
      locs.push_back(clamp.getLoc());
    mac->setLoc(b.getFusedLoc(locs));
    source.setType(q.getType());
    q.replaceAllUsesWith(source);
    Operation *clamp = generic.getDpsInputs()[0].getDefiningOp();
    generic.erase();
    if (clamp != mac)
      clamp->erase();
  }
}

LogicalResult Applier::run() {
  std::vector<MacPlan> macs;
  for (const auto &[op, mac] : plan.macs)
    macs.push_back(mac);
  for (const MacPlan &mac : macs) {
    switch (mac.mode) {
    case QuantMode::None:
      break;
    case QuantMode::Integer:
      if (failed(toInteger(mac)))
        return failure();
      break;
    case QuantMode::Bfp16:
    case QuantMode::Fp16:
      toBfp(mac);
      break;
    }
  }
  eraseReplaced();
  readThroughQuantized();
  eraseReplaced();
  foldRequantization();
  return success();
}

} // namespace

LogicalResult applyPlan(func::FuncOp func, const QuantPlan &plan,
                        const QuantizeOptions &options,
                        ArrayRef<UniformQuantizedType> types) {
  return Applier(func, plan, options, types).run();
}

} // namespace cim
