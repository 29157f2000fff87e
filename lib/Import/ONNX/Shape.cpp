// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reshapes, transposes, broadcasts, concatenation: operators that move data
// without computing.

#include "Binder.h"
#include "cim/IR/Constants.h"

using namespace mlir;

namespace cim::onnx {
namespace {

LogicalResult setReshaped(NodeBinder &n, ArrayRef<int64_t> shape) {
  if (failed(n.checkShape(shape)))
    return failure();
  if (product(shape) != product(n.shape(0)))
    return n.fail("the number of elements changes",
                  toText(n.shape(0)) + " to " + toText(shape));
  n.setOutput(0, n.e.reshape(n.input(0), shape), n.type(0));
  return success();
}

/// Fills in 0 (copy, unless allowzero) and -1 (what is left).
LogicalResult reshape(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  // An attribute until opset 4.
  std::optional<Shape> attr = n.intsAttr("shape");
  FailureOr<Shape> given = attr && n.opset < 5 ? FailureOr<Shape>(*attr)
                                               : n.constantInts(1, "shape");
  if (failed(given))
    return failure();
  Shape shape = *given;
  bool allowZero = n.intAttr("allowzero", 0) != 0;
  int64_t unknown = -1, known = 1;
  for (auto [i, dim] : llvm::enumerate(shape)) {
    if (dim == 0 && !allowZero) {
      if (i >= static_cast<size_t>(n.rank(0)))
        return n.fail("shape copies a dimension the input does not have",
                      "entry " + Twine(i) + ", rank " + Twine(n.rank(0)));
      dim = n.shape(0)[i];
    }
    if (dim == -1 && unknown < 0) {
      unknown = i;
      continue;
    }
    if (dim < 0 || __builtin_mul_overflow(known, dim, &known))
      return n.fail("bad shape", "shape " + toText(*given));
  }
  if (unknown >= 0) {
    if (known == 0 || product(n.shape(0)) % known != 0)
      return n.fail("-1 cannot be resolved",
                    toText(n.shape(0)) + " to " + toText(*given));
    shape[unknown] = product(n.shape(0)) / known;
  }
  return setReshaped(n, shape);
}

LogicalResult flatten(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  int64_t rank = n.rank(0), axis = n.intAttr("axis", 1);
  if (axis < -rank || axis > rank)
    return n.fail("axis " + Twine(axis) + " is out of range",
                  "rank " + Twine(rank));
  axis = axis < 0 ? axis + rank : axis;
  return setReshaped(n, {product(n.shape(0).take_front(axis)),
                         product(n.shape(0).drop_front(axis))});
}

LogicalResult squeeze(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  FailureOr<std::optional<Shape>> given = n.intsAttrOrInput("axes", 1);
  if (failed(given))
    return failure();
  Shape axes;
  if (*given) {
    FailureOr<Shape> fixed = n.axes(**given, n.rank(0));
    if (failed(fixed))
      return failure();
    axes = *fixed;
  } else {
    for (int64_t d = 0; d < n.rank(0); ++d)
      if (n.shape(0)[d] == 1)
        axes.push_back(d);
  }
  Shape shape;
  for (int64_t d = 0; d < n.rank(0); ++d) {
    bool isDropped = llvm::is_contained(axes, d);
    if (isDropped && n.shape(0)[d] != 1)
      return n.fail("a squeezed dimension is not 1",
                    "dimension " + Twine(d) + " of " + toText(n.shape(0)));
    if (!isDropped)
      shape.push_back(n.shape(0)[d]);
  }
  return setReshaped(n, shape);
}

LogicalResult unsqueeze(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  FailureOr<std::optional<Shape>> given = n.intsAttrOrInput("axes", 1);
  if (failed(given))
    return failure();
  if (!*given)
    return n.fail("axes is missing", "required");
  int64_t rank = n.rank(0) + (*given)->size();
  FailureOr<Shape> axes = n.axes(**given, rank);
  if (failed(axes))
    return failure();
  Shape shape;
  size_t next = 0;
  for (int64_t d = 0; d < rank; ++d)
    shape.push_back(llvm::is_contained(*axes, d) ? 1 : n.shape(0)[next++]);
  return setReshaped(n, shape);
}

LogicalResult transpose(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  Shape perm;
  for (int64_t d = n.rank(0) - 1; d >= 0; --d)
    perm.push_back(d);
  if (std::optional<Shape> given = n.intsAttr("perm")) {
    FailureOr<Shape> sorted = n.axes(*given, n.rank(0));
    if (failed(sorted))
      return failure();
    if (static_cast<int64_t>(given->size()) != n.rank(0))
      return n.fail("perm is not a permutation", Twine(given->size()) +
                                                     " entries, rank " +
                                                     Twine(n.rank(0)));
    perm = *given;
    for (int64_t &p : perm)
      p = p < 0 ? p + n.rank(0) : p;
  }
  n.setOutput(0, n.e.transpose(n.input(0), perm), n.type(0));
  return success();
}

LogicalResult expand(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  FailureOr<Sizes> given = n.sizes(1, "shape");
  if (failed(given) || failed(n.checkShape(given->most)))
    return failure();
  std::optional<Shape> shape = broadcastShapes({n.shape(0), given->most});
  if (!shape)
    return n.fail("the input does not broadcast to the shape",
                  toText(n.shape(0)) + " and " + toText(given->most));
  if (failed(n.checkShape(*shape)))
    return failure();
  n.setOutput(0, n.e.broadcast(n.input(0), *shape), n.type(0));
  int64_t offset = shape->size() - given->most.size();
  for (const Length &length : given->lengths)
    if (failed(n.setLength(0, offset + length.dim, length.value)))
      return failure();
  return success();
}

LogicalResult tile(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  FailureOr<Shape> repeats = n.constantInts(1, "repeats");
  if (failed(repeats))
    return failure();
  if (static_cast<int64_t>(repeats->size()) != n.rank(0))
    return n.fail("repeats does not have one entry per dimension",
                  Twine(repeats->size()) + " entries, rank " +
                      Twine(n.rank(0)));
  // d becomes 1 x d, is broadcast to r x d, and collapsed.
  Shape split, wide, result;
  for (auto [dim, repeat] : llvm::zip_equal(n.shape(0), *repeats)) {
    int64_t size;
    if (repeat < 0 || __builtin_mul_overflow(dim, repeat, &size))
      return n.fail("a repeat count is out of range",
                    "repeats " + toText(*repeats));
    if (repeat != 1 && dim != 1) {
      split.push_back(1);
      wide.push_back(repeat);
    }
    split.push_back(dim);
    wide.push_back(dim == 1 ? repeat : dim);
    result.push_back(size);
  }
  if (failed(n.checkShape(result)))
    return failure();
  Value y = n.e.broadcast(n.e.reshape(n.input(0), split), wide);
  n.setOutput(0, n.e.reshape(y, result), n.type(0));
  return success();
}

LogicalResult concat(NodeBinder &n) {
  if (n.numInputs() == 0 || failed(n.needInputs(n.numInputs())))
    return n.fail("inputs are missing", "at least 1 wanted");
  FailureOr<int64_t> axis = n.axis(n.intAttr("axis", 1), n.rank(0));
  if (failed(axis))
    return failure();
  for (size_t i = 1; i < n.numInputs(); ++i) {
    bool fits = n.rank(i) == n.rank(0) && n.type(i) == n.type(0);
    for (int64_t d = 0; fits && d < n.rank(0); ++d)
      fits = d == *axis || n.shape(i)[d] == n.shape(0)[d];
    if (!fits)
      return n.fail("inputs do not fit each other",
                    "shapes " + toText(n.shape(0)) + " and " +
                        toText(n.shape(i)));
  }
  n.setOutput(0, n.e.concat(n.values(), *axis), n.type(0));
  return success();
}

/// A shape known now is a constant.
LogicalResult shapeOp(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  int64_t rank = n.rank(0);
  auto bound = [&](StringRef name, int64_t orElse) {
    int64_t value = n.intAttr(name, orElse);
    value = value < 0 ? value + rank : value;
    return std::clamp<int64_t>(value, 0, rank);
  };
  int64_t start = bound("start", 0), end = bound("end", rank);
  ArrayRef<int64_t> dims =
      n.shape(0).slice(start, std::max<int64_t>(end - start, 0));
  // Lengths that a run decides are computed like everything else.
  SmallVector<Value> parts;
  bool isKnown = true;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    Value length = n.length(0, start + static_cast<int64_t>(i));
    isKnown &= !length;
    parts.push_back(length ? n.e.reshape(length, {1}) : n.e.ints({dim}));
  }
  n.setOutput(0, isKnown ? n.e.ints(dims) : n.e.concat(parts, 0), DType::Int64);
  return success();
}

LogicalResult size(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  int64_t known = 1;
  Value count;
  for (int64_t d = 0; d < n.rank(0); ++d) {
    Value length = n.length(0, d);
    known *= length ? 1 : n.shape(0)[d];
    if (length)
      count = !count ? length
                     : n.e.map({count, length}, {}, n.b.getI64Type(),
                               [](Scalars &s, ValueRange args) {
                                 return s.mul(args[0], args[1]);
                               });
  }
  Value rest = n.e.reshape(n.e.ints({known}), {});
  n.setOutput(0,
              !count ? rest
                     : n.e.map({count, rest}, {}, n.b.getI64Type(),
                               [](Scalars &s, ValueRange args) {
                                 return s.mul(args[0], args[1]);
                               }),
              DType::Int64);
  return success();
}

LogicalResult depthToSpace(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  int64_t block = n.intAttr("blocksize", 0);
  if (n.rank(0) != 4 || block < 1 || block > (1 << 16) ||
      n.shape(0)[1] % (block * block) != 0)
    return n.fail("channels are not divisible by blocksize^2",
                  "shape " + toText(n.shape(0)) + ", blocksize " +
                      Twine(block));
  ArrayRef<int64_t> x = n.shape(0);
  int64_t depth = x[1] / (block * block);
  std::string mode = n.stringAttr("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    return n.fail("unknown mode", "mode '" + mode + "'");
  bool isDcr = mode == "DCR";
  Shape split = isDcr ? Shape{x[0], block, block, depth, x[2], x[3]}
                      : Shape{x[0], depth, block, block, x[2], x[3]};
  Shape perm = isDcr ? Shape{0, 3, 4, 1, 5, 2} : Shape{0, 1, 4, 2, 5, 3};
  Value y = n.e.transpose(n.e.reshape(n.input(0), split), perm);
  n.setOutput(0, n.e.reshape(y, {x[0], depth, x[2] * block, x[3] * block}),
              n.type(0));
  return success();
}

LogicalResult spaceToDepth(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  int64_t block = n.intAttr("blocksize", 0);
  if (n.rank(0) != 4 || block < 1 || n.shape(0)[2] % block != 0 ||
      n.shape(0)[3] % block != 0)
    return n.fail("height and width are not divisible by blocksize",
                  "shape " + toText(n.shape(0)) + ", blocksize " +
                      Twine(block));
  ArrayRef<int64_t> x = n.shape(0);
  int64_t h = x[2] / block, w = x[3] / block;
  bool isCrd = n.stringAttr("mode", "DCR") == "CRD";
  Shape perm = isCrd ? Shape{0, 1, 3, 5, 2, 4} : Shape{0, 3, 5, 1, 2, 4};
  Value y = n.e.transpose(
      n.e.reshape(n.input(0), {x[0], x[1], h, block, w, block}), perm);
  n.setOutput(0, n.e.reshape(y, {x[0], x[1] * block * block, h, w}), n.type(0));
  return success();
}

} // namespace

void registerShape(Registry &registry) {
  registry.add("", {{"Concat", 1, concat},
                    {"DepthToSpace", 1, depthToSpace},
                    {"Expand", 8, expand, "constant shape"},
                    {"Flatten", 1, flatten},
                    {"Reshape", 1, reshape, "constant shape"},
                    {"Shape", 1, shapeOp},
                    {"Size", 1, size},
                    {"SpaceToDepth", 1, spaceToDepth},
                    {"Squeeze", 1, squeeze, "constant axes"},
                    {"Tile", 6, tile, "constant repeats"},
                    {"Transpose", 1, transpose},
                    {"Unsqueeze", 1, unsqueeze, "constant axes"}});
}

} // namespace cim::onnx
