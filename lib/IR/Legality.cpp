// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/IR/Legality.h"

#include "cim/IR/Constants.h"
#include "cim/IR/MacGeometry.h"
#include "cim/IR/StoredType.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

static constexpr const char *kEngines[] = {"none", "dma", "vector", "control",
                                           "array"};

const char *name(OpEngine engine) {
  return kEngines[static_cast<size_t>(engine)];
}

std::optional<OpEngine> parseOpEngine(llvm::StringRef text) {
  for (size_t i = 0; i < std::size(kEngines); ++i)
    if (text == kEngines[i])
      return static_cast<OpEngine>(i);
  return std::nullopt;
}

static std::string text(Type type) {
  std::string result;
  llvm::raw_string_ostream(result) << storedType(type);
  return result;
}

/// The type a loop computes in: its widest float, or what it yields.
static std::string computedIn(linalg::GenericOp generic) {
  Type widest;
  generic.getBody()->walk([&](Operation *op) {
    for (Value result : op->getResults())
      if (auto type = dyn_cast<FloatType>(result.getType()))
        if (!op->hasTrait<OpTrait::ConstantLike>() &&
            (!widest || type.getWidth() > widest.getIntOrFloatBitWidth()))
          widest = type;
  });
  if (!widest)
    widest = getElementTypeOrSelf(generic.getResult(0).getType());
  return text(widest);
}

bool isProductLoop(Operation *op) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  return generic && linalg::isaContractionOpInterface(generic);
}

static Legality legalityOf(linalg::GenericOp generic) {
  Legality result{OpEngine::Vector, computedIn(generic), ""};
  bool gathers = false;
  generic.getBody()->walk([&](tensor::ExtractOp) { gathers = true; });
  if (isProductLoop(generic))
    result.reason = "products of " + result.precision +
                    "; the array has integers of 8 bits and blocks of floats";
  else if (gathers)
    result.reason = "reads elements at computed places";
  else if (generic.getNumReductionLoops())
    result.reason = "a reduction, no product of matrices";
  else
    result.reason = "elementwise, no product of matrices";
  return result;
}

std::string macFormat(Operation *mac) {
  schedule::MacProblem p = macGeometry(mac).problem;
  if (p.bfp)
    return p.planes == 16 ? "fp16" : "bfp16";
  return "w" + std::to_string(p.planes) + "a" + std::to_string(8 * p.actBytes);
}

static bool hasArrayFormat(Operation *mac) {
  if (auto conv = dyn_cast<ConvOp>(mac))
    return conv.isInteger() || conv.getMantissa();
  auto matmul = cast<MatmulOp>(mac);
  return matmul.isInteger() || matmul.getMantissa();
}

Legality legalityOf(Operation *op) {
  if (isa<ConvOp, MatmulOp>(op)) {
    if (hasArrayFormat(op))
      return {OpEngine::Array, macFormat(op), ""};
    return {OpEngine::Vector,
            text(getElementTypeOrSelf(op->getResult(0).getType())),
            "has no format of the array"};
  }
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return legalityOf(generic);
  std::string moved;
  if (op->getNumResults())
    moved = text(getElementTypeOrSelf(op->getResult(0).getType()));
  if (isa<ScatterOp>(op))
    return {OpEngine::Vector, moved, "writes elements at computed places"};
  if (isa<TopKOp, NonZeroOp, LexSortOp, NmsOp>(op))
    return {OpEngine::Control,
            text(getElementTypeOrSelf(op->getOperand(0).getType())),
            "the data decide the order or number of its results"};
  if (isa<tensor::PadOp, tensor::ConcatOp, tensor::InsertSliceOp,
          linalg::FillOp>(op))
    return {OpEngine::Dma, moved, "moves elements"};
  return {OpEngine::None, moved, "another view of its operand"};
}

/// The worst |accumulator| of an integer MAC over k products (numerics Q5).
static bool accumulatorFits(int64_t k, int weightBits) {
  int64_t top = int64_t(1) << (weightBits - 1);
  // Activations minus zero point reach 255; bias takes as much again.
  return k <= (INT32_MAX / 2) / (255 * top);
}

std::string whyNotOnArray(Operation *mac, int weightBits) {
  auto weights = cast<RankedTensorType>(mac->getOperand(1).getType());
  int64_t k;
  if (isa<ConvOp>(mac)) {
    k = weights.getNumElements() / std::max<int64_t>(1, weights.getDimSize(0));
    // Computed convolution weights exist in ONNX; the array takes constants.
    if (!constantOf(mac->getOperand(1)))
      return "the weights of a convolution are computed; the array takes "
             "constants";
  } else {
    k = weights.getDimSize(weights.getRank() - 2);
  }
  if (weightBits && !accumulatorFits(k, weightBits))
    return std::to_string(k) +
           " products may overflow the int32 accumulator (numerics Q5)";
  return "";
}

} // namespace cim
