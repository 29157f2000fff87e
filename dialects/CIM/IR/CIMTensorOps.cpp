// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers of the tensor level. Constraint names are those of the op docs.
#include "dialects/CIM/IR/CIM.h"

#include "mlir/Dialect/Quant/IR/QuantTypes.h"

using namespace mlir;
using namespace cim::ir;

#define GET_OP_CLASSES
#include "dialects/CIM/IR/CIMOps.cpp.inc"

static Type elementType(Value value) {
  return cast<ShapedType>(value.getType()).getElementType();
}

static quant::UniformQuantizedType quantType(Type type) {
  return dyn_cast<quant::UniformQuantizedType>(type);
}

static bool isFloatFormat(Type type) { return type.isF32() || type.isF16(); }

/// Checks conv_c5/conv_c6 (matmul_c3/matmul_c4) for a MAC op.
static LogicalResult verifyFormats(Operation *op, StringRef formatRule,
                                   StringRef mantissaRule, Type act,
                                   Type weight, Value bias, Value multiplier,
                                   Type result, std::optional<int64_t> mantissa,
                                   bool computedWeights) {
  if (isFloatFormat(act)) {
    if (!isFloatFormat(weight) || !isFloatFormat(result) || multiplier ||
        (bias && !isFloatFormat(elementType(bias))))
      return op->emitOpError()
             << formatRule << ": float input " << act
             << " needs float weights, bias and result and no multiplier";
    if (mantissa && *mantissa != 12 && *mantissa != 16)
      return op->emitOpError()
             << mantissaRule << ": mantissa is 12 or 16, found " << *mantissa;
    return success();
  }
  if (mantissa)
    return op->emitOpError()
           << mantissaRule << ": mantissa needs float operands, found " << act;
  auto actQuant = quantType(act);
  if (!actQuant || !actQuant.getStorageType().isInteger(8))
    return op->emitOpError() << formatRule << ": input element type " << act
                             << " is neither f32, f16 nor 8-bit !quant.uniform";
  auto weightQuant = quantType(weight);
  bool plain = weight.isSignlessInteger() &&
               weight.getIntOrFloatBitWidth() >= 4 &&
               weight.getIntOrFloatBitWidth() <= 8;
  bool computed = computedWeights && weightQuant &&
                  weightQuant.getStorageType().isInteger(8) &&
                  weightQuant.isSigned() && weightQuant.getZeroPoint() == 0 &&
                  actQuant.getZeroPoint() == 0;
  if (!plain && !computed)
    return op->emitOpError()
           << formatRule << ": weight element type " << weight
           << " is not i4 to i8"
           << (computedWeights ? " or symmetric !quant.uniform" : "");
  if (bias && !elementType(bias).isInteger(32))
    return op->emitOpError()
           << formatRule << ": bias is i32, found " << elementType(bias);
  if (!multiplier || !elementType(multiplier).isF32())
    return op->emitOpError()
           << formatRule << ": an integer MAC has an f32 multiplier";
  if (!result.isF32() && !quantType(result))
    return op->emitOpError()
           << formatRule << ": result is !quant.uniform or f32, found "
           << result;
  return success();
}

static LogicalResult verifyVector(Operation *op, StringRef rule, StringRef what,
                                  Value value, int64_t size) {
  if (!value)
    return success();
  auto type = cast<ShapedType>(value.getType());
  if (type.getRank() != 1 || type.getDimSize(0) != size)
    return op->emitOpError() << rule << ": " << what << " has shape of " << type
                             << ", expected " << size << " elements";
  return success();
}

//===----------------------------------------------------------------------===//
// cim.conv
//===----------------------------------------------------------------------===//

int64_t ConvOp::getSpatialRank() {
  return cast<ShapedType>(getInput().getType()).getRank() - 2;
}

bool ConvOp::isInteger() { return static_cast<bool>(getMultiplier()); }

LogicalResult ConvOp::verify() {
  auto x = cast<RankedTensorType>(getInput().getType());
  auto w = cast<RankedTensorType>(getWeights().getType());
  auto y = cast<RankedTensorType>(getResult().getType());
  if (x.getRank() < 3 || x.getRank() > 5 || w.getRank() != x.getRank() ||
      y.getRank() != x.getRank())
    return emitOpError("conv_c1: input, weights and result have equal ranks "
                       "of 3 to 5, found ")
           << x.getRank() << ", " << w.getRank() << " and " << y.getRank();
  if (!x.hasStaticShape() || !w.hasStaticShape() || !y.hasStaticShape())
    return emitOpError("conv_c1: shapes are static");
  int64_t groups = getGroups();
  if (groups < 1 || x.getDimSize(1) % groups || w.getDimSize(0) % groups ||
      w.getDimSize(1) != x.getDimSize(1) / groups)
    return emitOpError("conv_c2: ")
           << x.getDimSize(1) << " input channels, weights " << w << " and "
           << groups << " groups do not fit";
  int64_t r = getSpatialRank();
  auto positive = [](int64_t v) { return v > 0; };
  if (static_cast<int64_t>(getStrides().size()) != r ||
      static_cast<int64_t>(getDilations().size()) != r ||
      static_cast<int64_t>(getPads().size()) != 2 * r ||
      !llvm::all_of(getStrides(), positive) ||
      !llvm::all_of(getDilations(), positive) ||
      llvm::any_of(getPads(), [](int64_t v) { return v < 0; }))
    return emitOpError("conv_c3: ")
           << r << " positive strides and dilations and " << 2 * r
           << " non-negative pads are needed";
  if (y.getDimSize(0) != x.getDimSize(0) || y.getDimSize(1) != w.getDimSize(0))
    return emitOpError("conv_c4: result ")
           << y << " has wrong batch or channels";
  for (int64_t i = 0; i < r; ++i) {
    int64_t span = x.getDimSize(2 + i) + getPads()[i] + getPads()[r + i] -
                   getDilations()[i] * (w.getDimSize(2 + i) - 1) - 1;
    int64_t size = span < 0 ? 0 : span / getStrides()[i] + 1;
    if (y.getDimSize(2 + i) != size)
      return emitOpError("conv_c4: result dimension ")
             << 2 + i << " is " << y.getDimSize(2 + i) << ", expected " << size;
  }
  if (failed(
          verifyVector(*this, "conv_c4", "bias", getBias(), w.getDimSize(0))) ||
      failed(verifyVector(*this, "conv_c4", "multiplier", getMultiplier(),
                          w.getDimSize(0))))
    return failure();
  return verifyFormats(*this, "conv_c5", "conv_c6", x.getElementType(),
                       w.getElementType(), getBias(), getMultiplier(),
                       y.getElementType(), getMantissa(),
                       /*computedWeights=*/false);
}

//===----------------------------------------------------------------------===//
// cim.matmul
//===----------------------------------------------------------------------===//

bool MatmulOp::isInteger() { return static_cast<bool>(getMultiplier()); }

LogicalResult MatmulOp::verify() {
  auto a = cast<RankedTensorType>(getLhs().getType());
  auto b = cast<RankedTensorType>(getRhs().getType());
  auto y = cast<RankedTensorType>(getResult().getType());
  int64_t rank = a.getRank();
  if (rank < 2 || (b.getRank() != rank && b.getRank() != 2))
    return emitOpError("matmul_c1: left rank ")
           << rank << " and right rank " << b.getRank() << " do not fit";
  if (!a.hasStaticShape() || !b.hasStaticShape() || !y.hasStaticShape())
    return emitOpError("matmul_c1: shapes are static");
  int64_t n = b.getDimSize(b.getRank() - 1);
  bool ok = a.getDimSize(rank - 1) == b.getDimSize(b.getRank() - 2) &&
            y.getRank() == rank && y.getDimSize(rank - 1) == n &&
            y.getDimSize(rank - 2) == a.getDimSize(rank - 2);
  for (int64_t i = 0; ok && i + 2 < rank; ++i)
    ok = y.getDimSize(i) == a.getDimSize(i) &&
         (b.getRank() == 2 || b.getDimSize(i) == a.getDimSize(i));
  if (!ok)
    return emitOpError("matmul_c2: shapes of ")
           << a << ", " << b << " and " << y << " do not fit";
  if (failed(verifyVector(*this, "matmul_c2", "bias", getBias(), n)) ||
      failed(
          verifyVector(*this, "matmul_c2", "multiplier", getMultiplier(), n)))
    return failure();
  return verifyFormats(*this, "matmul_c3", "matmul_c4", a.getElementType(),
                       b.getElementType(), getBias(), getMultiplier(),
                       y.getElementType(), getMantissa(),
                       /*computedWeights=*/true);
}

//===----------------------------------------------------------------------===//
// cim.region
//===----------------------------------------------------------------------===//

LogicalResult RegionOp::verify() {
  Block &block = getBody().front();
  if (block.getArgumentTypes() != getInputs().getTypes())
    return emitOpError("region_c1: block arguments do not match the operands");
  auto yield = cast<YieldOp>(block.getTerminator());
  if (yield.getOperandTypes() != getResultTypes())
    return emitOpError("region_c1: yielded types do not match the results");
  int macs = 0;
  for (Operation &op : block)
    macs += isa<ConvOp, MatmulOp>(op);
  if (macs > 1)
    return emitOpError("region_c2: at most one MAC op, found ") << macs;
  return success();
}

//===----------------------------------------------------------------------===//
// cim.yield
//===----------------------------------------------------------------------===//

void YieldOp::build(OpBuilder &, OperationState &) {}
