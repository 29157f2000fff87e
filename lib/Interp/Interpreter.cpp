// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cim/Interp/Interpreter.h"

#include <cstring>

#include "Mac.h"
#include "Movement.h"
#include "Nest.h"
#include "Select.h"
#include "cim/IR/Constants.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace cim {
namespace interp {
namespace {

/// The value of a constant: a view of its storage where that is dense and
/// aligned, else a copy.
FailureOr<TensorValue> constantValue(ElementsAttr attr, Location loc) {
  auto type = dyn_cast<RankedTensorType>(attr.getShapedType());
  std::optional<Element> element =
      type ? elementOf(type.getElementType()) : std::nullopt;
  if (!element)
    return emitError(loc) << "a constant of type " << attr.getShapedType()
                          << " cannot be interpreted";
  if (!ir::hasData(attr))
    return emitError(loc)
           << "the constant has no data; it was left out of the text or "
              "released; give a file that holds it";
  ArrayRef<char> raw = ir::rawBytes(attr);
  size_t wanted = type.getNumElements() * element->bytes;
  bool aligned = reinterpret_cast<uintptr_t>(raw.data()) % element->bytes == 0;
  if (!ir::isSplat(attr) && raw.size() == wanted && aligned &&
      !element->isPartial()) {
    TensorValue value;
    value.type = type;
    value.data = raw.data();
    return value;
  }
  FailureOr<TensorValue> value = allocate(type, loc);
  if (failed(value))
    return failure();
  *value->bytes = ir::expandedBytes(attr);
  value->data = value->bytes->data();
  if (element->isPartial()) // attributes keep the low bits only
    for (char &byte : *value->bytes)
      byte = static_cast<char>(static_cast<int8_t>(static_cast<uint8_t>(byte)
                                                   << (8 - element->width)) >>
                               (8 - element->width));
  return value;
}

/// Values of one block while its ops run in order.
class Frame {
public:
  Frame(Block &block, const InterpretOptions &options)
      : block(block), options(options) {
    for (Operation &op : block)
      op.walk([&](Operation *user) {
        for (Value operand : user->getOperands())
          lastUser[operand] = &op;
      });
  }

  void set(Value name, TensorValue value) { values[name] = std::move(value); }
  /// Runs the block; the operands of its terminator.
  FailureOr<std::vector<TensorValue>> run();
  /// Runs the ops of the block that wanted values depend on.
  LogicalResult runWanted();

private:
  LogicalResult runOp(Operation &op);
  FailureOr<TensorValue> compute(Operation &op);
  LogicalResult runGeneric(linalg::GenericOp op);
  LogicalResult runRegion(ir::RegionOp op);
  LogicalResult runSelectOp(Operation &op);
  FailureOr<TensorValue> runMacOp(Operation &op);
  FailureOr<TensorValue> reshape(Operation &op);
  FailureOr<std::vector<TensorValue>> getAll(ValueRange list);
  FailureOr<TensorValue> concatenate(tensor::ConcatOp op);
  FailureOr<TensorValue> insert(tensor::InsertSliceOp op);
  FailureOr<Access> inputAccess(linalg::GenericOp op, OpOperand &operand,
                                std::vector<TensorValue> &held);
  FailureOr<TensorValue> initialValue(linalg::GenericOp op, OpOperand &operand,
                                      bool isRead);

  /// The value; tensor.empty is made when it is asked for.
  FailureOr<TensorValue> get(Value name);
  /// The value, given up when `op` is its last user.
  FailureOr<TensorValue> take(Value name, Operation *op) {
    FailureOr<TensorValue> value = get(name);
    if (lastUser.lookup(name) == op &&
        llvm::count(op->getOperands(), name) == 1)
      values.erase(name);
    return value;
  }
  LogicalResult define(Value name, FailureOr<TensorValue> value) {
    if (failed(value))
      return failure();
    if (options.observer)
      options.observer(name, *value);
    values[name] = std::move(*value);
    return success();
  }
  void forget(Operation &op) {
    auto drop = [&](Value value) {
      if (lastUser.lookup(value) == &op)
        values.erase(value);
    };
    op.walk([&](Operation *user) {
      for (Value operand : user->getOperands())
        drop(operand);
    });
    for (Value result : op.getResults())
      if (!lastUser.contains(result))
        values.erase(result);
  }

  Block &block;
  const InterpretOptions &options;
  llvm::DenseMap<Value, TensorValue> values;
  llvm::DenseMap<Value, Operation *> lastUser;
};

FailureOr<TensorValue> Frame::get(Value name) {
  auto it = values.find(name);
  if (it != values.end())
    return it->second;
  if (auto empty = name.getDefiningOp<tensor::EmptyOp>())
    return allocate(empty.getType(), empty.getLoc());
  if (ElementsAttr attr = ir::constantOf(name))
    return constantValue(attr, name.getLoc());
  return emitError(name.getLoc())
         << "a value of type " << name.getType() << " cannot be interpreted";
}

//===----------------------------------------------------------------------===//
// linalg.generic
//===----------------------------------------------------------------------===//

FailureOr<Access> Frame::inputAccess(linalg::GenericOp op, OpOperand &operand,
                                     std::vector<TensorValue> &held) {
  Access access;
  AffineMap map = op.getMatchingIndexingMap(&operand);
  auto type = dyn_cast<RankedTensorType>(operand.get().getType());
  if (!type) { // a scalar: every iteration sees it
    std::optional<Element> element = elementOf(operand.get().getType());
    std::optional<uint64_t> bits = constantScalar(operand.get());
    if (!element || !bits)
      return op.emitError("a scalar operand is not constant");
    TensorValue value;
    value.bytes = std::make_shared<std::vector<char>>(8);
    std::memcpy(value.bytes->data(), &*bits, sizeof(*bits));
    access.element = *element;
    access.data = value.bytes->data();
    access.strides.assign(op.getNumLoops(), 0);
    held.push_back(std::move(value));
    return access;
  }
  FailureOr<TensorValue> value = get(operand.get());
  std::optional<Element> element = elementOf(type.getElementType());
  if (failed(value) || !element)
    return failure();
  access.element = *element;
  access.data = const_cast<char *>(value->data); // inputs are only read
  if (failed(describeAccess(op, map, type, access)))
    return failure();
  held.push_back(std::move(*value));
  return access;
}

/// What a result starts from.
FailureOr<TensorValue> Frame::initialValue(linalg::GenericOp op,
                                           OpOperand &operand, bool isRead) {
  auto type = cast<RankedTensorType>(operand.get().getType());
  if (!isRead || operand.get().getDefiningOp<tensor::EmptyOp>())
    return allocate(type, op.getLoc());
  FailureOr<TensorValue> value = take(operand.get(), op);
  if (failed(value))
    return failure();
  return toWritable(std::move(*value), op.getLoc());
}

LogicalResult Frame::runGeneric(linalg::GenericOp op) {
  if (op.getNumResults() != static_cast<unsigned>(op.getNumDpsInits()))
    return op.emitError("a generic on buffers cannot be interpreted");
  FailureOr<Body> body = compileBody(op);
  if (failed(body))
    return failure();
  Nest nest;
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  if (llvm::any_of(sizes, ShapedType::isDynamic))
    return op.emitError("loops without static sizes cannot be interpreted");
  nest.sizes.assign(sizes.begin(), sizes.end());
  for (utils::IteratorType kind : op.getIteratorTypesArray())
    nest.reduction.push_back(kind != utils::IteratorType::parallel);
  std::vector<TensorValue> held, results;
  for (OpOperand *operand : op.getDpsInputOperands()) {
    int reg = body->arguments[operand->getOperandNumber()];
    if (reg < 0) // gives loops their sizes at most
      continue;
    FailureOr<Access> access = inputAccess(op, *operand, held);
    if (failed(access))
      return failure();
    access->reg = reg;
    nest.inputs.push_back(std::move(*access));
  }
  for (Gather &gather : body->gathers) {
    FailureOr<TensorValue> value = get(gather.tensor);
    if (failed(value))
      return failure();
    gather.data = value->data;
    held.push_back(std::move(*value));
  }
  bool isEmpty = llvm::is_contained(sizes, 0);
  for (OpOperand &operand : op.getDpsInitsMutable()) {
    int reg = body->arguments[operand.getOperandNumber()];
    FailureOr<TensorValue> value =
        initialValue(op, operand, reg >= 0 || isEmpty);
    if (failed(value))
      return failure();
    std::optional<Element> element = elementOf(value->type.getElementType());
    Access access;
    access.element = *element;
    access.data = writable(*value);
    access.reg = reg;
    if (failed(describeAccess(op, op.getMatchingIndexingMap(&operand),
                              value->type, access)))
      return failure();
    nest.outputs.push_back(std::move(access));
    results.push_back(std::move(*value));
  }
  nest.body = std::move(*body);
  if (!runNest(std::move(nest)))
    return op.emitError("an index computed from data leaves its tensor");
  for (auto [name, value] : llvm::zip_equal(op.getResults(), results))
    if (failed(define(name, std::move(value))))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// Other ops
//===----------------------------------------------------------------------===//

FailureOr<TensorValue> Frame::runMacOp(Operation &op) {
  MacValues values;
  FailureOr<TensorValue> input = get(op.getOperand(0));
  FailureOr<TensorValue> weights = get(op.getOperand(1));
  if (failed(input) || failed(weights))
    return failure();
  values.input = std::move(*input);
  values.weights = std::move(*weights);
  auto conv = dyn_cast<ir::ConvOp>(op);
  Value bias = conv ? conv.getBias() : cast<ir::MatmulOp>(op).getBias();
  Value multiplier =
      conv ? conv.getMultiplier() : cast<ir::MatmulOp>(op).getMultiplier();
  TensorValue biasValue, multiplierValue;
  auto fetch = [&](Value name, TensorValue &slot, const TensorValue *&use) {
    if (!name)
      return success();
    FailureOr<TensorValue> value = get(name);
    if (failed(value))
      return LogicalResult(failure());
    slot = std::move(*value);
    use = &slot;
    return success();
  };
  if (failed(fetch(bias, biasValue, values.bias)) ||
      failed(fetch(multiplier, multiplierValue, values.multiplier)))
    return failure();
  return runMac(&op, values, options);
}

/// Same bytes, another shape.
FailureOr<TensorValue> Frame::reshape(Operation &op) {
  FailureOr<TensorValue> value = get(op.getOperand(0));
  if (failed(value))
    return failure();
  value->type = cast<RankedTensorType>(op.getResult(0).getType());
  if (!value->type.hasStaticShape())
    return op.emitError("a reshape to a computed shape cannot be interpreted");
  return value;
}

FailureOr<std::vector<TensorValue>> Frame::getAll(ValueRange list) {
  std::vector<TensorValue> values;
  for (Value value : list) {
    FailureOr<TensorValue> one = get(value);
    if (failed(one))
      return failure();
    values.push_back(std::move(*one));
  }
  return values;
}

FailureOr<TensorValue> Frame::concatenate(tensor::ConcatOp op) {
  FailureOr<std::vector<TensorValue>> parts = getAll(op.getInputs());
  if (failed(parts))
    return failure();
  return concat(op, *parts);
}

FailureOr<TensorValue> Frame::insert(tensor::InsertSliceOp op) {
  FailureOr<TensorValue> source = get(op.getSource());
  FailureOr<TensorValue> dest = take(op.getDest(), op);
  if (failed(source) || failed(dest))
    return failure();
  return insertSlice(op, *source, std::move(*dest));
}

LogicalResult Frame::runRegion(ir::RegionOp op) {
  Block &body = op.getBody().front();
  Frame inner(body, options);
  for (auto [argument, input] :
       llvm::zip_equal(body.getArguments(), op.getInputs())) {
    FailureOr<TensorValue> value = get(input);
    if (failed(value))
      return failure();
    inner.set(argument, std::move(*value));
  }
  FailureOr<std::vector<TensorValue>> results = inner.run();
  if (failed(results))
    return failure();
  for (auto [name, value] : llvm::zip_equal(op.getResults(), *results))
    if (failed(define(name, std::move(value))))
      return failure();
  return success();
}

LogicalResult Frame::runSelectOp(Operation &op) {
  FailureOr<std::vector<TensorValue>> operands = getAll(op.getOperands());
  if (failed(operands))
    return failure();
  FailureOr<std::vector<TensorValue>> results = runSelect(&op, *operands);
  if (failed(results))
    return failure();
  for (auto [name, value] : llvm::zip_equal(op.getResults(), *results))
    if (failed(define(name, std::move(value))))
      return failure();
  return success();
}

FailureOr<TensorValue> Frame::compute(Operation &op) {
  using Result = FailureOr<TensorValue>;
  auto withSource = [&](auto f) -> Result {
    Result source = get(op.getOperand(0));
    if (failed(source))
      return failure();
    return f(*source);
  };
  return llvm::TypeSwitch<Operation *, Result>(&op)
      .Case<ir::ConvOp, ir::MatmulOp>([&](auto) { return runMacOp(op); })
      .Case<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(
          [&](auto) { return reshape(op); })
      .Case([&](tensor::ExtractSliceOp slice) {
        return withSource(
            [&](const TensorValue &x) { return extractSlice(slice, x); });
      })
      .Case([&](tensor::InsertSliceOp slice) { return insert(slice); })
      .Case([&](tensor::PadOp padOp) {
        return withSource([&](const TensorValue &x) { return pad(padOp, x); });
      })
      .Case([&](tensor::ConcatOp concat) { return concatenate(concat); })
      .Case([&](linalg::TransposeOp transposeOp) {
        return withSource(
            [&](const TensorValue &x) { return transpose(transposeOp, x); });
      })
      .Case([&](linalg::FillOp fillOp) { return fill(fillOp); })
      .Default([&](Operation *) -> Result {
        return op.emitError("'")
               << op.getName() << "' is not an op of tensor-level IR; only "
               << "phases up to schedule can be interpreted";
      });
}

LogicalResult Frame::runOp(Operation &op) {
  if (isa<tensor::EmptyOp>(op))
    return success();
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (!isa<RankedTensorType>(constant.getType()))
      return success();
    return define(constant, get(constant));
  }
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return runGeneric(generic);
  if (auto region = dyn_cast<ir::RegionOp>(op))
    return runRegion(region);
  if (isSelect(&op))
    return runSelectOp(op);
  // Scalars used by tensor ops are looked up when those run.
  if (op.getNumResults() == 1 && !isa<TensorType>(op.getResult(0).getType()) &&
      constantScalar(op.getResult(0)))
    return success();
  FailureOr<TensorValue> value = compute(op);
  if (failed(value))
    return failure();
  return define(op.getResult(0), std::move(value));
}

FailureOr<std::vector<TensorValue>> Frame::run() {
  for (Operation &op : block.without_terminator()) {
    if (failed(runOp(op)))
      return failure();
    forget(op);
  }
  std::vector<TensorValue> results;
  for (Value operand : block.getTerminator()->getOperands()) {
    FailureOr<TensorValue> value = get(operand);
    if (failed(value))
      return failure();
    results.push_back(std::move(*value));
  }
  return results;
}

LogicalResult Frame::runWanted() {
  // Backwards: an op is needed for its own results or for a needed op.
  llvm::DenseSet<Value> needed;
  SmallVector<Operation *> ops;
  for (Operation &op : llvm::reverse(block)) {
    if (llvm::none_of(op.getResults(), [&](Value result) {
          return needed.contains(result) || options.wanted(result);
        }))
      continue;
    ops.push_back(&op);
    op.walk([&](Operation *user) {
      needed.insert(user->operand_begin(), user->operand_end());
    });
  }
  lastUser.clear(); // values are freed after their last use that is executed
  for (Operation *op : llvm::reverse(ops))
    op->walk([&](Operation *user) {
      for (Value operand : user->getOperands())
        lastUser[operand] = op;
    });
  for (Operation *op : llvm::reverse(ops)) {
    if (failed(runOp(*op)))
      return failure();
    forget(*op);
  }
  return success();
}

} // namespace
} // namespace interp

FailureOr<std::vector<TensorValue>> interpret(func::FuncOp func,
                                              std::vector<TensorValue> inputs,
                                              const InterpretOptions &options) {
  if (!func.getBody().hasOneBlock())
    return func.emitError(
        "a function without a body or of several blocks cannot be interpreted");
  Block &block = func.getBody().front();
  if (inputs.size() != block.getNumArguments())
    return func.emitError("the function takes ")
           << block.getNumArguments() << " inputs, " << inputs.size()
           << " are given";
  interp::Frame frame(block, options);
  for (auto [argument, input] : llvm::zip_equal(block.getArguments(), inputs)) {
    if (input.type != argument.getType())
      return func.emitError("input ")
             << argument.getArgNumber() << " has type " << argument.getType()
             << ", a tensor of type " << input.type << " is given";
    frame.set(argument, std::move(input));
  }
  if (!options.wanted)
    return frame.run();
  if (failed(frame.runWanted()))
    return failure();
  return std::vector<TensorValue>();
}

} // namespace cim
