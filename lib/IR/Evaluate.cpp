// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cim/IR/Evaluate.h"

#include "EvaluateScalar.h"
#include "cim/IR/Constants.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace cim::ir {
namespace {

/// Row-major strides in elements.
SmallVector<int64_t> stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = static_cast<int64_t>(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

/// Steps a row-major multi-index; false after the last one.
bool advance(MutableArrayRef<int64_t> index, ArrayRef<int64_t> shape) {
  for (int64_t d = static_cast<int64_t>(shape.size()) - 1; d >= 0; --d) {
    if (++index[d] < shape[d])
      return true;
    index[d] = 0;
  }
  return false;
}

bool isEmptyShape(ArrayRef<int64_t> shape) {
  return llvm::is_contained(shape, 0);
}

/// Row-major position of `index`, or nothing when it is outside `shape`.
std::optional<int64_t> position(ArrayRef<int64_t> index,
                                ArrayRef<int64_t> shape) {
  int64_t result = 0;
  for (auto [i, dim] : llvm::zip_equal(index, shape)) {
    if (i < 0 || i >= dim)
      return std::nullopt;
    result = result * dim + i;
  }
  return result;
}

std::optional<Literal> literalOf(ElementsAttr attr, int64_t limit) {
  auto type = dyn_cast<RankedTensorType>(attr.getShapedType());
  if (!type || !type.getElementType().isIntOrIndexOrFloat() || !hasData(attr) ||
      type.getNumElements() > limit)
    return std::nullopt;
  Literal literal{type, {}};
  literal.elements.reserve(type.getNumElements());
  if (isa<FloatType>(type.getElementType()))
    for (double value : values<double>(attr))
      literal.elements.push_back({.f = value});
  else
    for (int64_t value : values<int64_t>(attr))
      literal.elements.push_back({.i = value});
  return literal;
}

} // namespace

/// Runs one linalg.generic element by element.
class GenericEvaluation {
public:
  GenericEvaluation(Evaluator &evaluator, linalg::GenericOp op, unsigned depth)
      : evaluator(evaluator), op(op), depth(depth) {}

  /// The op's results, or nothing.
  std::optional<SmallVector<Literal>> run() {
    for (OpOperand &operand : op->getOpOperands()) {
      Value input = operand.get();
      const Literal *literal = nullptr;
      // Outputs that start undefined, operands that only give a shape.
      bool mayBeEmpty =
          op.isDpsInit(&operand) ||
          op.getBody()->getArgument(operand.getOperandNumber()).use_empty();
      if (isa<RankedTensorType>(input.getType()))
        literal = evaluator.evaluate(input, depth + 1);
      if (!literal && !(mayBeEmpty && input.getDefiningOp<tensor::EmptyOp>()))
        return std::nullopt;
      // Copied: later evaluations may move the evaluator's table.
      operands.push_back(literal ? *literal : undefinedLike(input));
    }
    if (!captureOuterValues())
      return std::nullopt;
    SmallVector<int64_t> ranges = op.getStaticLoopRanges();
    int64_t count = 1;
    for (int64_t range : ranges)
      if (__builtin_mul_overflow(count, range, &count) ||
          count > evaluator.limits.iterations)
        return std::nullopt;
    maps = op.getIndexingMapsArray();
    index.assign(ranges.size(), 0);
    if (count > 0)
      do {
        if (!iterate())
          return std::nullopt;
      } while (advance(index, ranges));
    SmallVector<Literal> results;
    for (size_t i = 0; i < op.getOutputs().size(); ++i)
      results.push_back(operands[op.getInputs().size() + i]);
    return results;
  }

private:
  static Literal undefinedLike(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    return {type, std::vector<Scalar>(type.getNumElements(), Scalar{.i = 0})};
  }

  /// Literals of tensors and scalars the body uses from outside.
  bool captureOuterValues() {
    for (Operation &inner : *op.getBody())
      for (Value operand : inner.getOperands()) {
        if (operand.getParentBlock() == op.getBody())
          continue;
        if (isa<RankedTensorType>(operand.getType())) {
          const Literal *literal = evaluator.evaluate(operand, depth + 1);
          if (!literal)
            return false;
          captured[operand] = *literal;
          continue;
        }
        auto constant = operand.getDefiningOp<arith::ConstantOp>();
        if (!constant)
          return false;
        std::optional<Scalar> scalar = scalarOf(constant.getValue());
        if (!scalar)
          return false;
        scalars[operand] = *scalar;
      }
    return true;
  }

  std::optional<int64_t> operandPosition(size_t i) {
    SmallVector<int64_t> at = maps[i].compose(index);
    return position(at, operands[i].type.getShape());
  }

  bool iterate() {
    for (size_t i = 0; i < operands.size(); ++i) {
      BlockArgument arg = op.getBody()->getArgument(i);
      bool onlyShape = arg.use_empty() && i < op.getInputs().size();
      if (onlyShape)
        continue;
      std::optional<int64_t> at = operandPosition(i);
      if (!at)
        return false;
      scalars[arg] = operands[i].elements[*at];
    }
    for (Operation &inner : op.getBody()->without_terminator())
      if (!step(&inner))
        return false;
    for (auto [i, value] :
         llvm::enumerate(op.getBody()->getTerminator()->getOperands())) {
      size_t operand = op.getInputs().size() + i;
      std::optional<int64_t> at = operandPosition(operand);
      if (!at)
        return false;
      operands[operand].elements[*at] = scalars[value];
    }
    return true;
  }

  bool step(Operation *inner) {
    if (auto indexOp = dyn_cast<linalg::IndexOp>(inner)) {
      scalars[indexOp.getResult()] = {.i = index[indexOp.getDim()]};
      return true;
    }
    if (auto extract = dyn_cast<tensor::ExtractOp>(inner)) {
      const Literal &source = captured[extract.getTensor()];
      SmallVector<int64_t> at;
      for (Value value : extract.getIndices())
        at.push_back(scalars[value].i);
      std::optional<int64_t> where = position(at, source.type.getShape());
      if (!where)
        return false;
      scalars[extract.getResult()] = source.elements[*where];
      return true;
    }
    SmallVector<Scalar> args;
    for (Value operand : inner->getOperands())
      args.push_back(scalars[operand]);
    std::optional<Scalar> result = evaluateScalar(inner, args);
    if (!result)
      return false;
    scalars[inner->getResult(0)] = *result;
    return true;
  }

  Evaluator &evaluator;
  linalg::GenericOp op;
  unsigned depth;
  SmallVector<Literal> operands; ///< Inputs, then outputs being written.
  llvm::DenseMap<Value, Literal> captured;
  llvm::DenseMap<Value, Scalar> scalars;
  SmallVector<AffineMap> maps;
  SmallVector<int64_t> index;
};

const Literal *Evaluator::evaluate(Value value, unsigned depth) {
  if (auto it = known.find(value); it != known.end())
    return it->second ? &*it->second : nullptr;
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.hasStaticShape() || depth > limits.depth)
    return nullptr;
  std::optional<int64_t> bytes = constantBytes(type);
  if (!bytes || *bytes / elementBytes(type.getElementType()) > limits.elements)
    return nullptr;
  std::optional<Literal> literal = compute(value, depth);
  auto &slot = known[value] = std::move(literal);
  return slot ? &*slot : nullptr;
}

std::optional<Literal> Evaluator::compute(Value value, unsigned depth) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (ElementsAttr attr = constantOf(value))
    return literalOf(attr, limits.elements);
  if (isa<linalg::GenericOp>(op))
    return computeGeneric(value, depth);
  auto type = cast<RankedTensorType>(value.getType());
  if (isEmptyShape(type.getShape()))
    return Literal{type, {}};
  if (auto fill = dyn_cast<linalg::FillOp>(op)) {
    auto constant = fill.getInputs()[0].getDefiningOp<arith::ConstantOp>();
    std::optional<Scalar> scalar =
        constant ? scalarOf(constant.getValue()) : std::nullopt;
    if (!scalar)
      return std::nullopt;
    return Literal{type, std::vector<Scalar>(type.getNumElements(), *scalar)};
  }
  return computeMovement(value, depth);
}

std::optional<Literal> Evaluator::computeGeneric(Value value, unsigned depth) {
  auto op = value.getDefiningOp<linalg::GenericOp>();
  auto results = GenericEvaluation(*this, op, depth).run();
  if (!results)
    return std::nullopt;
  return std::move((*results)[cast<OpResult>(value).getResultNumber()]);
}

/// Strided slice of a literal, or its place in a bigger one.
static std::optional<int64_t> sliceIndex(OffsetSizeAndStrideOpInterface slice,
                                         ArrayRef<int64_t> inner,
                                         ArrayRef<int64_t> outerShape) {
  SmallVector<int64_t> outer;
  for (auto [i, offset, stride] : llvm::zip_equal(
           inner, slice.getStaticOffsets(), slice.getStaticStrides()))
    outer.push_back(offset + i * stride);
  return position(outer, outerShape);
}

static std::optional<Literal> extractSlice(tensor::ExtractSliceOp op,
                                           const Literal &source) {
  if (!op.getOffsets().empty() || !op.getSizes().empty() ||
      !op.getStrides().empty())
    return std::nullopt;
  Literal result{op.getType(), {}};
  SmallVector<int64_t> sizes(op.getStaticSizes());
  SmallVector<int64_t> index(sizes.size(), 0);
  if (isEmptyShape(sizes))
    return result;
  do {
    auto at = sliceIndex(op, index, source.type.getShape());
    if (!at)
      return std::nullopt;
    result.elements.push_back(source.elements[*at]);
  } while (advance(index, sizes));
  return result;
}

static std::optional<Literal> insertSlice(tensor::InsertSliceOp op,
                                          const Literal &source,
                                          const Literal &dest) {
  if (!op.getOffsets().empty() || !op.getSizes().empty() ||
      !op.getStrides().empty())
    return std::nullopt;
  Literal result = dest;
  SmallVector<int64_t> sizes(op.getStaticSizes());
  SmallVector<int64_t> index(sizes.size(), 0);
  size_t next = 0;
  if (isEmptyShape(sizes))
    return result;
  do {
    auto at = sliceIndex(op, index, dest.type.getShape());
    if (!at || next >= source.elements.size())
      return std::nullopt;
    result.elements[*at] = source.elements[next++];
  } while (advance(index, sizes));
  return result;
}

static Literal concatenate(ArrayRef<Literal> parts, int64_t axis,
                           RankedTensorType type) {
  Literal result{type, {}};
  int64_t outer = 1;
  for (int64_t d = 0; d < axis; ++d)
    outer *= type.getDimSize(d);
  for (int64_t i = 0; i < outer; ++i)
    for (const Literal &part : parts) {
      int64_t run = part.elements.size() / outer;
      result.elements.insert(result.elements.end(),
                             part.elements.begin() + i * run,
                             part.elements.begin() + (i + 1) * run);
    }
  return result;
}

static std::optional<Literal> pad(tensor::PadOp op, const Literal &source) {
  Value padValue = op.getConstantPaddingValue();
  auto constant =
      padValue ? padValue.getDefiningOp<arith::ConstantOp>() : nullptr;
  std::optional<Scalar> scalar =
      constant ? scalarOf(constant.getValue()) : std::nullopt;
  if (!scalar || !op.getLow().empty() || !op.getHigh().empty())
    return std::nullopt;
  RankedTensorType type = op.getResultType();
  Literal result{type, std::vector<Scalar>(type.getNumElements(), *scalar)};
  ArrayRef<int64_t> shape = source.type.getShape();
  SmallVector<int64_t> index(shape.size(), 0);
  if (isEmptyShape(shape))
    return result;
  size_t next = 0;
  do {
    SmallVector<int64_t> at;
    for (auto [i, low] : llvm::zip_equal(index, op.getStaticLow()))
      at.push_back(i + low);
    std::optional<int64_t> where = position(at, type.getShape());
    if (!where)
      return std::nullopt;
    result.elements[*where] = source.elements[next++];
  } while (advance(index, shape));
  return result;
}

static Literal transpose(const Literal &source, ArrayRef<int64_t> permutation,
                         RankedTensorType type) {
  Literal result{type, {}};
  SmallVector<int64_t> strides = stridesOf(source.type.getShape());
  SmallVector<int64_t> index(type.getRank(), 0);
  if (isEmptyShape(type.getShape()))
    return result;
  do {
    int64_t at = 0;
    for (auto [i, p] : llvm::zip_equal(index, permutation))
      at += i * strides[p];
    result.elements.push_back(source.elements[at]);
  } while (advance(index, type.getShape()));
  return result;
}

std::optional<Literal> Evaluator::computeMovement(Value value, unsigned depth) {
  Operation *op = value.getDefiningOp();
  auto type = cast<RankedTensorType>(value.getType());
  if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp,
           tensor::ExtractSliceOp, tensor::InsertSliceOp, tensor::ConcatOp,
           tensor::PadOp, linalg::TransposeOp>(op))
    return std::nullopt;
  SmallVector<Literal> sources;
  for (Value operand : op->getOperands()) {
    // The destination of a transpose is not read.
    if (isa<linalg::TransposeOp>(op) && !sources.empty())
      break;
    const Literal *literal = evaluate(operand, depth + 1);
    if (!literal)
      return std::nullopt;
    sources.push_back(*literal);
  }
  if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op))
    return Literal{type, std::move(sources[0].elements)};
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
    return extractSlice(slice, sources[0]);
  if (auto slice = dyn_cast<tensor::InsertSliceOp>(op))
    return insertSlice(slice, sources[0], sources[1]);
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    if (isEmptyShape(type.getShape()))
      return Literal{type, {}};
    return concatenate(sources, concat.getDim(), type);
  }
  if (auto padOp = dyn_cast<tensor::PadOp>(op))
    return pad(padOp, sources[0]);
  auto transposeOp = cast<linalg::TransposeOp>(op);
  return transpose(sources[0], transposeOp.getPermutation(), type);
}

ElementsAttr toAttribute(const Literal &literal, StringRef name) {
  if (isa<FloatType>(literal.type.getElementType())) {
    std::vector<double> elements;
    for (Scalar scalar : literal.elements)
      elements.push_back(scalar.f);
    return makeConstant(literal.type, elements, name);
  }
  std::vector<int64_t> elements;
  for (Scalar scalar : literal.elements)
    elements.push_back(scalar.i);
  return makeConstant(literal.type, elements, name);
}

} // namespace cim::ir
