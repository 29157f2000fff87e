// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Building blocks of the handlers: scalar code inside a linalg.generic, and the
// generics, reshapes, slices and pads themselves. All shapes are static;
// callers have checked what they pass.
#ifndef CIM_LIB_IMPORT_ONNX_BUILD_H
#define CIM_LIB_IMPORT_ONNX_BUILD_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace cim::onnx {

using Shape = llvm::SmallVector<int64_t>;

inline mlir::RankedTensorType typeOf(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}
inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) {
  return typeOf(value).getShape();
}
inline mlir::Type elementOf(mlir::Value value) {
  return typeOf(value).getElementType();
}
inline int64_t rankOf(mlir::Value value) { return typeOf(value).getRank(); }

/// f16 and bf16 are computed in f32 (numerics F1 and, for sequences of
/// operations, a smaller error); other types in themselves.
mlir::Type computeType(mlir::Type elementType);

/// NumPy broadcasting of two or more shapes; nothing when they do not agree.
std::optional<Shape> broadcastShapes(llvm::ArrayRef<llvm::ArrayRef<int64_t>>);

/// Product; callers have bounded it.
int64_t product(llvm::ArrayRef<int64_t> shape);

/// Scalar code at the builder's insertion point. Operations choose the integer
/// or float op by the operand's type; `isUnsigned` matters for integers only.
struct Scalars {
  mlir::OpBuilder &b;
  mlir::Location loc;

  mlir::Value constant(mlir::Type type, double value);
  mlir::Value constantInt(mlir::Type type, int64_t value);
  mlir::Value index(int64_t value);
  mlir::Value add(mlir::Value l, mlir::Value r);
  mlir::Value sub(mlir::Value l, mlir::Value r);
  mlir::Value mul(mlir::Value l, mlir::Value r);
  /// Integers: C division, or Euclidean floor division with `floor`.
  mlir::Value div(mlir::Value l, mlir::Value r, bool isUnsigned = false);
  mlir::Value rem(mlir::Value l, mlir::Value r, bool isUnsigned = false);
  mlir::Value min(mlir::Value l, mlir::Value r, bool isUnsigned = false);
  mlir::Value max(mlir::Value l, mlir::Value r, bool isUnsigned = false);
  mlir::Value neg(mlir::Value x);
  mlir::Value abs(mlir::Value x, bool isUnsigned = false);
  mlir::Value logicalNot(mlir::Value x);
  mlir::Value bitAnd(mlir::Value l, mlir::Value r);
  mlir::Value bitOr(mlir::Value l, mlir::Value r);
  mlir::Value select(mlir::Value c, mlir::Value t, mlir::Value f);
  /// Ordered float or integer comparison; `ne` of floats is true for NaN.
  enum class Cmp { EQ, NE, LT, LE, GT, GE };
  mlir::Value cmp(Cmp predicate, mlir::Value l, mlir::Value r,
                  bool isUnsigned = false);
  /// Conversion by numerics F3; to i1: x != 0; from i1: 0 or 1; narrowing
  /// integers wraps.
  mlir::Value cast(mlir::Value x, mlir::Type to, bool fromUnsigned = false,
                   bool toUnsigned = false);
  mlir::Value toIndex(mlir::Value x);
  /// An element of a tensor captured from outside.
  mlir::Value extract(mlir::Value tensor, mlir::ValueRange indices);
  /// i + (i < 0 ? dim : 0) for an index into a dimension, as index type.
  mlir::Value wrapIndex(mlir::Value i, int64_t dim);

  template <typename Op, typename... Args>
  mlir::Value make(Args &&...args) {
    return Op::create(b, loc, std::forward<Args>(args)...);
  }
};

/// Tensor code at the builder's insertion point.
struct Emitter {
  using Body =
      llvm::function_ref<mlir::Value(Scalars &, mlir::ValueRange args)>;
  using IndexBody =
      llvm::function_ref<mlir::Value(Scalars &, mlir::ValueRange indices)>;

  mlir::OpBuilder &b;
  mlir::Location loc;

  mlir::Value constant(mlir::ElementsAttr attr);
  mlir::Value splat(llvm::ArrayRef<int64_t> shape, mlir::Type element,
                    double value);
  mlir::Value ints(llvm::ArrayRef<int64_t> values); ///< tensor<nxi64>
  mlir::Value empty(llvm::ArrayRef<int64_t> shape, mlir::Type element);
  mlir::Value filled(llvm::ArrayRef<int64_t> shape, mlir::TypedAttr value);
  mlir::TypedAttr scalarAttr(mlir::Type type, double value);

  /// The generic itself; one output.
  mlir::Value generic(mlir::ValueRange inputs,
                      llvm::ArrayRef<mlir::AffineMap> inputMaps,
                      mlir::Value init, mlir::AffineMap outputMap,
                      llvm::ArrayRef<mlir::utils::IteratorType> iterators,
                      Body body);
  /// Elementwise over `shape` with NumPy broadcasting of the inputs. f16 and
  /// bf16 arguments arrive in f32 and an f32 result is rounded back, unless
  /// `widen` is false. Splat constants become scalars of the body.
  mlir::Value map(mlir::ValueRange inputs, llvm::ArrayRef<int64_t> shape,
                  mlir::Type element, Body body, bool widen = true);
  /// As `map` with explicit maps from the output's dimensions.
  mlir::Value mapWith(mlir::ValueRange inputs,
                      llvm::ArrayRef<mlir::AffineMap> maps,
                      llvm::ArrayRef<int64_t> shape, mlir::Type element,
                      Body body, bool widen = true);
  /// Every element computed from its own indices.
  mlir::Value indexed(llvm::ArrayRef<int64_t> shape, mlir::Type element,
                      IndexBody body);
  /// Reduces `dims` (sorted) of `input`, which they leave: the result has the
  /// other dimensions. The accumulator has type `init`'s; `combine` gets (x,
  /// acc) with x as stored.
  mlir::Value reduce(mlir::Value input, llvm::ArrayRef<int64_t> dims,
                     mlir::TypedAttr init, Body combine);
  /// Map of a result of `reduce` seen from the full index space.
  mlir::AffineMap withoutDims(int64_t rank, llvm::ArrayRef<int64_t> dims);
  mlir::AffineMap identity(int64_t rank);
  /// Map of a tensor of dimension `dim` alone, e.g. a bias.
  mlir::AffineMap oneDim(int64_t rank, int64_t dim);

  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<int64_t> shape);
  mlir::Value transpose(mlir::Value value, llvm::ArrayRef<int64_t> perm);
  mlir::Value broadcast(mlir::Value value, llvm::ArrayRef<int64_t> shape);
  /// Positive strides.
  mlir::Value slice(mlir::Value value, llvm::ArrayRef<int64_t> offsets,
                    llvm::ArrayRef<int64_t> sizes,
                    llvm::ArrayRef<int64_t> strides);
  mlir::Value sliceDim(mlir::Value value, int64_t dim, int64_t offset,
                       int64_t size);
  mlir::Value insert(mlir::Value value, mlir::Value into,
                     llvm::ArrayRef<int64_t> offsets,
                     llvm::ArrayRef<int64_t> strides);
  /// Non-negative low and high.
  mlir::Value pad(mlir::Value value, llvm::ArrayRef<int64_t> low,
                  llvm::ArrayRef<int64_t> high, mlir::TypedAttr fill);
  mlir::Value concat(mlir::ValueRange values, int64_t dim);
  mlir::Value cast(mlir::Value value, mlir::Type to, bool fromUnsigned = false,
                   bool toUnsigned = false);
};

} // namespace cim::onnx

#endif // CIM_LIB_IMPORT_ONNX_BUILD_H
