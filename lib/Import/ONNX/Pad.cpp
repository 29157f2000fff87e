// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pad.

#include "Binder.h"
#include "cim/IR/Constants.h"

using namespace mlir;

namespace cim::onnx {
namespace {

using Cmp = Scalars::Cmp;

/// Source coordinate of `at` (i64, already shifted by the low pad) in a
/// dimension of size `dim`.
Value sourceIndex(Scalars &s, StringRef mode, Value at, int64_t dim) {
  Type i64 = s.b.getI64Type();
  auto number = [&](int64_t v) { return s.constantInt(i64, v); };
  if (mode == "edge")
    return s.min(s.max(at, number(0)), number(dim - 1));
  if (dim == 1)
    return number(0);
  // Both others are periodic; the remainder is made non-negative.
  int64_t period = mode == "wrap" ? dim : 2 * (dim - 1);
  Value r = s.rem(at, number(period));
  r = s.select(s.cmp(Cmp::LT, r, number(0)), s.add(r, number(period)), r);
  if (mode == "wrap")
    return r;
  return s.select(s.cmp(Cmp::LT, r, number(dim)), r, s.sub(number(period), r));
}

/// Constant mode with non-negative pads.
Value padConstant(NodeBinder &n, Value x, ArrayRef<int64_t> low,
                  ArrayRef<int64_t> high, Value fill) {
  auto dense = fill ? dyn_cast_or_null<DenseElementsAttr>(ir::constantOf(fill))
                    : DenseElementsAttr();
  Type element = elementOf(x);
  if (!fill)
    return n.e.pad(x, low, high, n.e.scalarAttr(element, 0));
  if (dense)
    return n.e.pad(
        x, low, high,
        cast<TypedAttr>(*dense.getValues<mlir::Attribute>().begin()));
  // A value known only at run time fills a tensor the input goes into.
  Shape shape(shapeOf(x));
  for (auto [i, dim] : llvm::enumerate(shape))
    dim += low[i] + high[i];
  return n.e.insert(x, n.e.broadcast(n.e.reshape(fill, {}), shape), low,
                    Shape(shape.size(), 1));
}

LogicalResult emitPad(NodeBinder &n, ArrayRef<int64_t> before,
                      ArrayRef<int64_t> after, StringRef mode, Value fill) {
  Emitter &e = n.e;
  Value x = n.input(0);
  int64_t rank = n.rank(0);
  Shape offsets(rank, 0), sizes(n.shape(0)), low(rank, 0), high(rank, 0),
      result;
  constexpr int64_t limit = int64_t(1) << 40;
  for (int64_t d = 0; d < rank; ++d) {
    if (before[d] > limit || after[d] > limit || before[d] < -limit ||
        after[d] < -limit)
      return n.fail("a pad is out of range", "pads of dimension " + Twine(d));
    low[d] = std::max<int64_t>(before[d], 0);
    high[d] = std::max<int64_t>(after[d], 0);
    result.push_back(sizes[d] + before[d] + after[d]);
  }
  if (failed(n.checkShape(result)))
    return failure();
  if (mode == "constant") {
    // Negative pads cut; a cut may reach into the other side's padding.
    Value padded = padConstant(n, x, low, high, fill);
    for (int64_t d = 0; d < rank; ++d)
      offsets[d] = low[d] - before[d];
    n.setOutput(0, e.slice(padded, offsets, result, Shape(rank, 1)), n.type(0));
    return success();
  }
  for (int64_t d = 0; d < rank; ++d)
    if (sizes[d] == 0 && result[d] != 0)
      return n.fail("an empty dimension cannot be padded",
                    "mode " + mode + ", dimension " + Twine(d));
  n.setOutput(0,
              e.indexed(result, n.element(0),
                        [&](Scalars &s, ValueRange at) {
                          SmallVector<Value> from(at);
                          for (int64_t d = 0; d < rank; ++d) {
                            if (before[d] == 0 && after[d] <= 0)
                              continue;
                            Type i64 = s.b.getI64Type();
                            Value shifted =
                                s.sub(s.cast(at[d], i64),
                                      s.constantInt(i64, before[d]));
                            from[d] = s.toIndex(
                                sourceIndex(s, mode, shifted, sizes[d]));
                          }
                          return s.extract(x, from);
                        }),
              n.type(0));
  return success();
}

LogicalResult checkMode(NodeBinder &n, StringRef mode) {
  if (mode == "constant" || mode == "reflect" || mode == "edge" ||
      mode == "wrap")
    return success();
  return n.fail("unknown mode", "mode '" + mode + "'");
}

LogicalResult pad2(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  std::optional<Shape> pads = n.intsAttr("pads");
  if (!pads || static_cast<int64_t>(pads->size()) != 2 * n.rank(0))
    return n.fail("pads does not have two entries per dimension",
                  "rank " + Twine(n.rank(0)));
  std::string mode = n.stringAttr("mode", "constant");
  if (failed(checkMode(n, mode)))
    return failure();
  Value fill = n.e.splat({}, n.element(0), n.floatAttr("value", 0));
  ArrayRef<int64_t> all = *pads;
  return emitPad(n, all.take_front(n.rank(0)), all.drop_front(n.rank(0)), mode,
                 fill);
}

LogicalResult pad11(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  FailureOr<Shape> pads = n.constantInts(1, "pads");
  if (failed(pads))
    return failure();
  int64_t rank = n.rank(0);
  Shape axes;
  if (n.hasInput(3)) {
    FailureOr<Shape> given = n.constantInts(3, "axes");
    if (failed(given) || failed(n.axes(*given, rank)))
      return failure();
    for (int64_t axis : *given)
      axes.push_back(axis < 0 ? axis + rank : axis);
  } else {
    for (int64_t d = 0; d < rank; ++d)
      axes.push_back(d);
  }
  if (pads->size() != 2 * axes.size())
    return n.fail("pads does not have two entries per axis",
                  Twine(pads->size()) + " entries, " + Twine(axes.size()) +
                      " axes");
  Shape before(rank, 0), after(rank, 0);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    before[axis] = (*pads)[i];
    after[axis] = (*pads)[axes.size() + i];
  }
  std::string mode = n.stringAttr("mode", "constant");
  if (failed(checkMode(n, mode)))
    return failure();
  Value fill;
  if (n.hasInput(2)) {
    fill = n.input(2);
    if (product(n.shape(2)) != 1 || n.element(2) != n.element(0))
      return n.fail("constant_value is not a scalar of the input's type",
                    "shape " + toText(n.shape(2)));
  }
  return emitPad(n, before, after, mode, fill);
}

} // namespace

void registerPad(Registry &registry) {
  registry.add("", {{"Pad", 2, pad2}, {"Pad", 11, pad11, "constant pads"}});
}

} // namespace cim::onnx
