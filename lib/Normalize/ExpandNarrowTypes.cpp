// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The vector unit has no registers for floats below 16 bits and integers of 2
// to 7 bits. Tensors of them become tensors of i8, which hold the codes of
// floats and the values of integers; casts become arithmetic on codes, other
// arithmetic on floats goes through fp32, on integers through i8 with the
// result wrapped. Integers are sign-extended in registers whatever their sign;
// results of the function that are unsigned are zero-extended.
#include "cim/Normalize/Passes.h"

#include "NarrowFormats.h"
#include "cim/IR/Constants.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace cim {
namespace {

/// The narrow float type, or null.
FloatType narrowFloat(Type type) {
  auto real = dyn_cast<FloatType>(getElementTypeOrSelf(type));
  return real && real.getWidth() <= 8 ? real : FloatType();
}
/// Width of a narrow integer type, or 0.
unsigned narrowInt(Type type) {
  auto integer = dyn_cast<IntegerType>(getElementTypeOrSelf(type));
  return integer && integer.getWidth() > 1 && integer.getWidth() < 8
             ? integer.getWidth()
             : 0;
}
bool isNarrow(Type type) { return narrowFloat(type) || narrowInt(type); }

Type widened(Type type) {
  if (!isNarrow(type))
    return type;
  Type i8 = IntegerType::get(type.getContext(), 8);
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    return RankedTensorType::get(tensor.getShape(), i8, tensor.getEncoding());
  return i8;
}

/// A scalar operation with the types it had.
struct Scalar {
  Operation *op;
  SmallVector<Type> operands;
  Type result;
};

class Expander {
public:
  explicit Expander(func::FuncOp func) : func(func) {}
  LogicalResult run();

private:
  void collect();
  void retype();
  void retypeConstant(arith::ConstantOp constant);
  void retypeFunction();
  LogicalResult rewrite(const Scalar &scalar);
  Value rewriteCast(const Scalar &scalar, NarrowFormats &f);
  Value rewriteFloat(const Scalar &scalar, OpBuilder &b, NarrowFormats &f);
  Value rewriteInt(const Scalar &scalar, OpBuilder &b, NarrowFormats &f);
  /// Sign-extends the low `width` bits of an i8.
  static Value wrap(Value value, unsigned width, NarrowFormats &f) {
    if (!width)
      return value;
    Value shift = f.constant(value.getType(), 8 - width);
    return f.make<arith::ShRSIOp>(f.make<arith::ShLIOp>(value, shift), shift);
  }
  static Value zeroExtend(Value value, unsigned width, NarrowFormats &f) {
    if (!width)
      return value;
    return f.make<arith::AndIOp>(
        value, f.constant(value.getType(), (int64_t(1) << width) - 1));
  }

  func::FuncOp func;
  std::vector<Scalar> scalars;
  /// Scalars read from tensors of narrow integers, with their widths: memory
  /// may hold either extension.
  std::vector<std::pair<Value, unsigned>> loads;
};

void Expander::collect() {
  func.walk([&](Operation *op) {
    if (auto generic = dyn_cast<linalg::GenericOp>(op))
      for (BlockArgument argument : generic.getBody()->getArguments())
        if (unsigned width = narrowInt(argument.getType()))
          loads.push_back({argument, width});
    if (auto extract = dyn_cast<tensor::ExtractOp>(op))
      if (unsigned width = narrowInt(extract.getType()))
        loads.push_back({extract.getResult(), width});
    StringRef ns = op->getName().getDialectNamespace();
    if ((ns != "arith" && ns != "math") || isa<arith::ConstantOp>(op) ||
        op->getNumResults() != 1)
      return;
    Scalar scalar{op, llvm::to_vector(op->getOperandTypes()),
                  op->getResult(0).getType()};
    if (isNarrow(scalar.result) || llvm::any_of(scalar.operands, isNarrow))
      scalars.push_back(std::move(scalar));
  });
}

void Expander::retypeConstant(arith::ConstantOp constant) {
  Type type = constant.getType();
  if (!isNarrow(type))
    return;
  if (auto elements = dyn_cast<ElementsAttr>(constant.getValue())) {
    auto to = cast<RankedTensorType>(widened(type));
    std::string name = "narrow";
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(elements))
      name = resource.getRawHandle().getKey().str();
    ElementsAttr made =
        ir::isSplat(elements)
            ? ir::makeSplat(to, IntegerAttr::get(
                                    to.getElementType(),
                                    APInt(8, static_cast<uint8_t>(
                                                 ir::rawBytes(elements)[0]))))
            : ir::makeConstant(to, ir::expandedBytes(elements), name);
    constant.setValueAttr(cast<TypedAttr>(made));
    return;
  }
  APInt bits;
  if (auto real = dyn_cast<FloatAttr>(constant.getValue()))
    bits = real.getValue().bitcastToAPInt().zextOrTrunc(8);
  else
    bits = cast<IntegerAttr>(constant.getValue()).getValue().sext(8);
  constant.setValueAttr(
      IntegerAttr::get(IntegerType::get(constant.getContext(), 8), bits));
}

/// Function types and, for MLIR has none, the sign of codes and integers.
void Expander::retypeFunction() {
  auto unit = UnitAttr::get(func.getContext());
  FunctionType type = func.getFunctionType();
  for (auto [i, input] : llvm::enumerate(type.getInputs()))
    if (narrowFloat(input))
      func.setArgAttr(i, "cim.unsigned", unit);
  for (auto [i, result] : llvm::enumerate(type.getResults()))
    if (narrowFloat(result))
      func.setResultAttr(i, "cim.unsigned", unit);
  Operation *terminator = func.getBody().front().getTerminator();
  for (auto [i, result] : llvm::enumerate(type.getResults())) {
    unsigned width = narrowInt(result);
    if (!width || !func.getResultAttr(i, "cim.unsigned"))
      continue;
    Value value = terminator->getOperand(i);
    auto to = cast<RankedTensorType>(widened(result));
    OpBuilder b(terminator);
    Value empty = tensor::EmptyOp::create(b, value.getLoc(), to.getShape(),
                                          to.getElementType());
    AffineMap map = b.getMultiDimIdentityMap(to.getRank());
    SmallVector<utils::IteratorType> loops(to.getRank(),
                                           utils::IteratorType::parallel);
    auto generic = linalg::GenericOp::create(
        b, value.getLoc(), to, value, empty, ArrayRef<AffineMap>{map, map},
        loops, [&](OpBuilder &nested, Location loc, ValueRange args) {
          NarrowFormats f(nested, loc);
          linalg::YieldOp::create(nested, loc, zeroExtend(args[0], width, f));
        });
    terminator->setOperand(i, generic.getResult(0));
  }
  SmallVector<Type> inputs(llvm::map_range(type.getInputs(), widened));
  SmallVector<Type> results(llvm::map_range(type.getResults(), widened));
  func.setFunctionType(FunctionType::get(func.getContext(), inputs, results));
}

void Expander::retype() {
  func.walk([&](Operation *op) {
    if (auto constant = dyn_cast<arith::ConstantOp>(op))
      retypeConstant(constant);
    for (Value result : op->getResults())
      result.setType(widened(result.getType()));
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument argument : block.getArguments())
          argument.setType(widened(argument.getType()));
  });
  retypeFunction();
}

/// Casts between a narrow type and another.
Value Expander::rewriteCast(const Scalar &scalar, NarrowFormats &f) {
  Operation *op = scalar.op;
  Value x = op->getOperand(0);
  Type from = scalar.operands[0], to = scalar.result;
  Type f32 = Float32Type::get(op->getContext());
  Type f64 = Float64Type::get(op->getContext());
  Type i8 = IntegerType::get(op->getContext(), 8);
  unsigned fromWidth = narrowInt(from), toWidth = narrowInt(to);
  bool fromUnsigned =
      isa<arith::ExtUIOp, arith::UIToFPOp, arith::IndexCastUIOp>(op);
  if (isa<arith::BitcastOp>(op))
    return wrap(x, toWidth, f);
  // The source as a type the rest knows.
  Type middle = from;
  if (FloatType format = narrowFloat(from)) {
    x = f.decode(x, format);
    middle = f32;
  } else if (fromWidth) {
    x = fromUnsigned ? zeroExtend(x, fromWidth, f) : x;
    middle = i8;
  }
  if (FloatType format = narrowFloat(to)) {
    if (isa<IntegerType>(middle)) // Exact, up to 53 bits.
      x = fromUnsigned ? f.make<arith::UIToFPOp>(f64, x)
                       : f.make<arith::SIToFPOp>(f64, x);
    return f.encode(x, format);
  }
  if (toWidth && isa<FloatType>(middle)) { // C3: saturates at its own range.
    bool isUnsigned = isa<arith::FPToUIOp>(op);
    int64_t high = (int64_t(1) << (isUnsigned ? toWidth : toWidth - 1)) - 1;
    Value top = f.constant(i8, high);
    if (isUnsigned)
      x = f.make<arith::MinUIOp>(f.make<arith::FPToUIOp>(i8, x), top);
    else
      x = f.make<arith::MaxSIOp>(
          f.make<arith::MinSIOp>(f.make<arith::FPToSIOp>(i8, x), top),
          f.constant(i8, -high - 1));
    return wrap(x, toWidth, f);
  }
  Type target = toWidth ? i8 : to;
  unsigned have = middle.isIndex() ? 64 : middle.getIntOrFloatBitWidth();
  unsigned want = target.isIndex() ? 64 : target.getIntOrFloatBitWidth();
  if (middle == target) {
  } else if (middle.isIndex() || target.isIndex()) {
    x = fromUnsigned ? f.make<arith::IndexCastUIOp>(target, x)
                     : f.make<arith::IndexCastOp>(target, x);
  } else if (isa<FloatType>(middle) && isa<FloatType>(target)) {
    x = have < want ? f.make<arith::ExtFOp>(target, x)
                    : f.make<arith::TruncFOp>(target, x);
  } else if (isa<FloatType>(middle)) {
    x = isa<arith::FPToUIOp>(op) ? f.make<arith::FPToUIOp>(target, x)
                                 : f.make<arith::FPToSIOp>(target, x);
  } else if (isa<FloatType>(target)) {
    x = fromUnsigned ? f.make<arith::UIToFPOp>(target, x)
                     : f.make<arith::SIToFPOp>(target, x);
  } else if (have < want) {
    // A zero-extended narrow integer is not negative.
    x = f.make<arith::ExtSIOp>(target, x);
  } else {
    x = f.make<arith::TruncIOp>(target, x);
  }
  return wrap(x, toWidth, f);
}

/// Arithmetic on narrow floats: in fp32, rounded again.
Value Expander::rewriteFloat(const Scalar &scalar, OpBuilder &b,
                             NarrowFormats &f) {
  SmallVector<Value> operands;
  for (auto [value, type] :
       llvm::zip_equal(scalar.op->getOperands(), scalar.operands)) {
    FloatType format = narrowFloat(type);
    operands.push_back(format ? f.decode(value, format) : value);
  }
  FloatType format = narrowFloat(scalar.result);
  Operation *wide = b.clone(*scalar.op);
  wide->setOperands(operands);
  wide->getResult(0).setType(format ? Type(b.getF32Type()) : scalar.result);
  Value result = wide->getResult(0);
  return format ? f.encode(result, format) : result;
}

static bool readsUnsigned(Operation *op) {
  return isa<arith::DivUIOp, arith::RemUIOp, arith::ShRUIOp, arith::MinUIOp,
             arith::MaxUIOp>(op);
}

Value Expander::rewriteInt(const Scalar &scalar, OpBuilder &b,
                           NarrowFormats &f) {
  unsigned width = narrowInt(scalar.result);
  bool zeroExtended = readsUnsigned(scalar.op);
  if (isa<arith::ShLIOp, arith::ShRSIOp>(scalar.op))
    // Amounts are unsigned (numerics I2).
    scalar.op->setOperand(1, zeroExtend(scalar.op->getOperand(1), width, f));
  SmallVector<Value> operands;
  for (Value value : scalar.op->getOperands())
    operands.push_back(zeroExtended ? zeroExtend(value, width, f) : value);
  Operation *copy = b.clone(*scalar.op);
  copy->setOperands(operands);
  return wrap(copy->getResult(0), width, f);
}

LogicalResult Expander::rewrite(const Scalar &scalar) {
  Operation *op = scalar.op;
  // Selection moves values as they are; sign extension keeps both orders.
  if (isa<arith::SelectOp, arith::CmpIOp>(op))
    return success();
  OpBuilder b(op);
  NarrowFormats f(b, op->getLoc());
  Value value;
  if (isa<CastOpInterface>(op))
    value = rewriteCast(scalar, f);
  else if (narrowFloat(scalar.operands[0]))
    value = rewriteFloat(scalar, b, f);
  else if (narrowInt(scalar.operands[0]))
    value = rewriteInt(scalar, b, f);
  else
    return op->emitError("has no form for ") << scalar.result;
  op->getResult(0).replaceAllUsesWith(value);
  op->erase();
  return success();
}

LogicalResult Expander::run() {
  collect();
  bool any = !scalars.empty() || !loads.empty();
  func.walk([&](Operation *op) {
    any |= llvm::any_of(op->getResultTypes(), isNarrow);
  });
  any |= llvm::any_of(func.getArgumentTypes(), isNarrow);
  if (!any)
    return success();
  retype();
  for (auto [value, width] : loads) {
    if (value.use_empty())
      continue;
    OpBuilder b(func.getContext());
    b.setInsertionPointAfterValue(value);
    NarrowFormats f(b, value.getLoc());
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : value.getUses())
      uses.push_back(&use);
    Value wrapped = wrap(value, width, f);
    for (OpOperand *use : uses)
      use->set(wrapped);
  }
  for (const Scalar &scalar : scalars)
    if (failed(rewrite(scalar)))
      return failure();
  return success();
}

struct ExpandNarrowTypesPass
    : PassWrapper<ExpandNarrowTypesPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandNarrowTypesPass)
  StringRef getArgument() const override { return "cim-expand-narrow-types"; }
  StringRef getDescription() const override {
    return "Floats and integers below 8 bits as arithmetic on bytes";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, linalg::LinalgDialect,
                    math::MathDialect, tensor::TensorDialect>();
  }
  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (func.getBody().hasOneBlock() && failed(Expander(func).run()))
        return signalPassFailure();
  }
};

} // namespace

std::unique_ptr<Pass> createExpandNarrowTypesPass() {
  return std::make_unique<ExpandNarrowTypesPass>();
}

} // namespace cim
