// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Build.h"

#include "cim/IR/Constants.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace cim::onnx {

Type computeType(Type elementType) {
  if (elementType.isF16() || elementType.isBF16())
    return Float32Type::get(elementType.getContext());
  return elementType;
}

std::optional<Shape> broadcastShapes(ArrayRef<ArrayRef<int64_t>> shapes) {
  size_t rank = 0;
  for (ArrayRef<int64_t> shape : shapes)
    rank = std::max(rank, shape.size());
  Shape result(rank, 1);
  for (ArrayRef<int64_t> shape : shapes)
    for (size_t i = 0; i < shape.size(); ++i) {
      int64_t &out = result[rank - shape.size() + i];
      if (shape[i] == 1 || shape[i] == out)
        continue;
      if (out != 1)
        return std::nullopt;
      out = shape[i];
    }
  return result;
}

int64_t product(ArrayRef<int64_t> shape) {
  int64_t result = 1;
  for (int64_t dim : shape)
    result *= dim;
  return result;
}

Value Emitter::constant(ElementsAttr attr) {
  return arith::ConstantOp::create(b, loc, cast<TypedAttr>(attr));
}

TypedAttr Emitter::scalarAttr(Type type, double value) {
  if (isa<FloatType>(type))
    return b.getFloatAttr(type, ir::roundToType(value, cast<FloatType>(type)));
  return b.getIntegerAttr(type, static_cast<int64_t>(value));
}

Value Emitter::splat(ArrayRef<int64_t> shape, Type element, double value) {
  auto type = RankedTensorType::get(shape, element);
  return constant(ir::makeSplat(type, scalarAttr(element, value)));
}

Value Emitter::ints(ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get({static_cast<int64_t>(values.size())},
                                    b.getI64Type());
  return constant(ir::makeConstant(type, values, "ints"));
}

Value Emitter::empty(ArrayRef<int64_t> shape, Type element) {
  return tensor::EmptyOp::create(b, loc, shape, element);
}

Value Emitter::filled(ArrayRef<int64_t> shape, TypedAttr value) {
  Value scalar = arith::ConstantOp::create(b, loc, value);
  Value init = empty(shape, value.getType());
  return linalg::FillOp::create(b, loc, scalar, init).getResult(0);
}

Value Emitter::generic(ValueRange inputs, ArrayRef<AffineMap> inputMaps,
                       Value init, AffineMap outputMap,
                       ArrayRef<utils::IteratorType> iterators, Body body) {
  SmallVector<AffineMap> maps(inputMaps);
  maps.push_back(outputMap);
  auto op = linalg::GenericOp::create(
      b, loc, init.getType(), inputs, init, maps, iterators,
      [&](OpBuilder &inner, Location innerLoc, ValueRange args) {
        Scalars scalars{inner, innerLoc};
        Value result = body(scalars, args);
        linalg::YieldOp::create(inner, innerLoc, result);
      });
  return op.getResult(0);
}

AffineMap Emitter::identity(int64_t rank) {
  return b.getMultiDimIdentityMap(rank);
}

AffineMap Emitter::withoutDims(int64_t rank, ArrayRef<int64_t> dims) {
  SmallVector<AffineExpr> exprs;
  for (int64_t d = 0; d < rank; ++d)
    if (!llvm::is_contained(dims, d))
      exprs.push_back(b.getAffineDimExpr(d));
  return AffineMap::get(rank, 0, exprs, b.getContext());
}

AffineMap Emitter::oneDim(int64_t rank, int64_t dim) {
  return AffineMap::get(rank, 0, b.getAffineDimExpr(dim));
}

Value Emitter::map(ValueRange inputs, ArrayRef<int64_t> shape, Type element,
                   Body body, bool widen) {
  int64_t rank = shape.size();
  SmallVector<AffineMap> maps;
  for (Value input : inputs) {
    ArrayRef<int64_t> from = shapeOf(input);
    SmallVector<AffineExpr> exprs;
    for (auto [i, dim] : llvm::enumerate(from)) {
      int64_t target = rank - from.size() + i;
      exprs.push_back(dim == 1 && shape[target] != 1
                          ? b.getAffineConstantExpr(0)
                          : b.getAffineDimExpr(target));
    }
    maps.push_back(AffineMap::get(rank, 0, exprs, b.getContext()));
  }
  return mapWith(inputs, maps, shape, element, body, widen);
}

/// The one element of a splat, or null.
static TypedAttr splatElement(Value value) {
  auto dense = dyn_cast_or_null<DenseElementsAttr>(ir::constantOf(value));
  if (!dense || !dense.isSplat())
    return {};
  return dyn_cast<TypedAttr>(dense.getSplatValue<Attribute>());
}

Value Emitter::mapWith(ValueRange inputs, ArrayRef<AffineMap> maps,
                       ArrayRef<int64_t> shape, Type element, Body body,
                       bool widen) {
  SmallVector<Value> operands;
  SmallVector<AffineMap> operandMaps;
  SmallVector<TypedAttr> scalars; // Of each input; null for operands.
  for (auto [input, inputMap] : llvm::zip_equal(inputs, maps)) {
    scalars.push_back(splatElement(input));
    if (scalars.back())
      continue;
    operands.push_back(input);
    operandMaps.push_back(inputMap);
  }
  SmallVector<utils::IteratorType> iterators(shape.size(),
                                             utils::IteratorType::parallel);
  return generic(
      operands, operandMaps, empty(shape, element), identity(shape.size()),
      iterators, [&](Scalars &s, ValueRange args) {
        SmallVector<Value> all;
        size_t next = 0;
        for (TypedAttr scalar : scalars) {
          Value arg = scalar ? s.make<arith::ConstantOp>(scalar) : args[next++];
          if (widen && computeType(arg.getType()) != arg.getType())
            arg = s.cast(arg, computeType(arg.getType()));
          all.push_back(arg);
        }
        Value result = body(s, all);
        return widen && isa<FloatType>(element) ? s.cast(result, element)
                                                : result;
      });
}

Value Emitter::indexed(ArrayRef<int64_t> shape, Type element, IndexBody body) {
  SmallVector<utils::IteratorType> iterators(shape.size(),
                                             utils::IteratorType::parallel);
  return generic({}, {}, empty(shape, element), identity(shape.size()),
                 iterators, [&](Scalars &s, ValueRange) {
                   SmallVector<Value> indices;
                   for (size_t d = 0; d < shape.size(); ++d)
                     indices.push_back(s.make<linalg::IndexOp>(d));
                   return body(s, indices);
                 });
}

Value Emitter::reduce(Value input, ArrayRef<int64_t> dims, TypedAttr init,
                      Body combine) {
  int64_t rank = rankOf(input);
  Shape outShape;
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  for (int64_t d = 0; d < rank; ++d) {
    if (llvm::is_contained(dims, d))
      iterators[d] = utils::IteratorType::reduction;
    else
      outShape.push_back(shapeOf(input)[d]);
  }
  return generic(input, identity(rank), filled(outShape, init),
                 withoutDims(rank, dims), iterators, combine);
}

/// Groups of source and result dimensions with equal products.
static void groupDims(ArrayRef<int64_t> from, ArrayRef<int64_t> to,
                      SmallVectorImpl<ReassociationIndices> &fromGroups,
                      SmallVectorImpl<ReassociationIndices> &toGroups,
                      Shape &middle) {
  size_t i = 0, j = 0;
  while (i < from.size() && j < to.size()) {
    int64_t left = from[i], right = to[j];
    ReassociationIndices fromGroup{static_cast<int64_t>(i++)};
    ReassociationIndices toGroup{static_cast<int64_t>(j++)};
    while (left != right) {
      if (left < right) {
        left *= from[i];
        fromGroup.push_back(i++);
      } else {
        right *= to[j];
        toGroup.push_back(j++);
      }
    }
    fromGroups.push_back(fromGroup);
    toGroups.push_back(toGroup);
    middle.push_back(left);
  }
  // What is left are ones: they join the last group.
  for (; i < from.size(); ++i)
    fromGroups.back().push_back(i);
  for (; j < to.size(); ++j)
    toGroups.back().push_back(j);
}

Value Emitter::reshape(Value value, ArrayRef<int64_t> shape) {
  RankedTensorType type = typeOf(value);
  if (type.getShape() == shape)
    return value;
  auto target = RankedTensorType::get(shape, type.getElementType());
  if (llvm::is_contained(shape, 0))
    return empty(shape, type.getElementType());
  if (ElementsAttr attr = ir::constantOf(value)) {
    if (auto dense = dyn_cast<DenseElementsAttr>(attr))
      return constant(dense.reshape(target));
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr))
      return constant(
          DenseResourceElementsAttr::get(target, resource.getRawHandle()));
  }
  if (shape.empty())
    return tensor::CollapseShapeOp::create(b, loc, target, value,
                                           ArrayRef<ReassociationIndices>());
  if (type.getRank() == 0)
    return tensor::ExpandShapeOp::create(b, loc, target, value,
                                         ArrayRef<ReassociationIndices>());
  SmallVector<ReassociationIndices> fromGroups, toGroups;
  Shape middle;
  groupDims(type.getShape(), shape, fromGroups, toGroups, middle);
  auto middleType = RankedTensorType::get(middle, type.getElementType());
  if (middleType != type)
    value =
        tensor::CollapseShapeOp::create(b, loc, middleType, value, fromGroups);
  if (middleType != target)
    value = tensor::ExpandShapeOp::create(b, loc, target, value, toGroups);
  return value;
}

Value Emitter::transpose(Value value, ArrayRef<int64_t> perm) {
  bool isIdentity = true;
  Shape shape;
  for (auto [i, p] : llvm::enumerate(perm)) {
    isIdentity &= static_cast<int64_t>(i) == p;
    shape.push_back(shapeOf(value)[p]);
  }
  if (isIdentity)
    return value;
  Value init = empty(shape, elementOf(value));
  return linalg::TransposeOp::create(b, loc, value, init, perm)->getResult(0);
}

Value Emitter::broadcast(Value value, ArrayRef<int64_t> shape) {
  if (shapeOf(value) == shape)
    return value;
  auto dense = dyn_cast_or_null<DenseElementsAttr>(ir::constantOf(value));
  if (dense && dense.isSplat())
    return constant(
        ir::makeSplat(RankedTensorType::get(shape, elementOf(value)),
                      dense.getSplatValue<Attribute>()));
  return map(
      value, shape, elementOf(value),
      [](Scalars &, ValueRange args) { return args[0]; }, /*widen=*/false);
}

static SmallVector<OpFoldResult> attrs(OpBuilder &b, ArrayRef<int64_t> list) {
  return getAsIndexOpFoldResult(b.getContext(), list);
}

Value Emitter::slice(Value value, ArrayRef<int64_t> offsets,
                     ArrayRef<int64_t> sizes, ArrayRef<int64_t> strides) {
  if (shapeOf(value) == sizes)
    return value;
  auto type = RankedTensorType::get(sizes, elementOf(value));
  if (llvm::is_contained(sizes, 0))
    return empty(sizes, elementOf(value));
  return tensor::ExtractSliceOp::create(b, loc, type, value, attrs(b, offsets),
                                        attrs(b, sizes), attrs(b, strides));
}

Value Emitter::sliceDim(Value value, int64_t dim, int64_t offset,
                        int64_t size) {
  Shape offsets(rankOf(value), 0), sizes(shapeOf(value)),
      strides(rankOf(value), 1);
  offsets[dim] = offset;
  sizes[dim] = size;
  return slice(value, offsets, sizes, strides);
}

Value Emitter::insert(Value value, Value into, ArrayRef<int64_t> offsets,
                      ArrayRef<int64_t> strides) {
  return tensor::InsertSliceOp::create(b, loc, value, into, attrs(b, offsets),
                                       attrs(b, shapeOf(value)),
                                       attrs(b, strides));
}

Value Emitter::pad(Value value, ArrayRef<int64_t> low, ArrayRef<int64_t> high,
                   TypedAttr fill) {
  Shape shape(shapeOf(value));
  bool any = false;
  for (auto [i, dim] : llvm::enumerate(shape)) {
    any |= low[i] != 0 || high[i] != 0;
    dim += low[i] + high[i];
  }
  if (!any)
    return value;
  if (llvm::is_contained(shapeOf(value), 0))
    return filled(shape, fill);
  auto type = RankedTensorType::get(shape, elementOf(value));
  Value scalar = arith::ConstantOp::create(b, loc, fill);
  return tensor::PadOp::create(b, loc, type, value, attrs(b, low),
                               attrs(b, high), scalar);
}

Value Emitter::concat(ValueRange values, int64_t dim) {
  SmallVector<Value> parts;
  for (Value value : values)
    if (shapeOf(value)[dim] != 0)
      parts.push_back(value);
  if (parts.empty())
    return values.front();
  if (parts.size() == 1)
    return parts[0];
  return tensor::ConcatOp::create(b, loc, dim, parts);
}

Value Emitter::cast(Value value, Type to, bool fromUnsigned, bool toUnsigned) {
  if (elementOf(value) == to)
    return value;
  return map(
      value, shapeOf(value), to,
      [&](Scalars &s, ValueRange args) {
        return s.cast(args[0], to, fromUnsigned, toUnsigned);
      },
      /*widen=*/false);
}

} // namespace cim::onnx
