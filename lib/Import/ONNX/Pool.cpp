// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pooling: pad, then one generic over strided windows.

#include "Reduce.h"
#include "Window.h"
#include "cim/IR/Constants.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace cim::onnx {
namespace {

/// Loops n, c, out.., kernel..; the second operand only bounds the kernel
/// loops.
Value poolGeneric(NodeBinder &n, Value padded, const Window &w, TypedAttr init,
                  Emitter::Body body, Value extra = {}) {
  Emitter &e = n.e;
  int64_t rank = w.rank(), loops = 2 + 2 * rank;
  Shape result{shapeOf(padded)[0], shapeOf(padded)[1]};
  llvm::append_range(result, w.output);
  SmallVector<AffineExpr> out, window;
  for (int64_t d = 0; d < 2 + rank; ++d)
    out.push_back(n.b.getAffineDimExpr(d));
  for (int64_t d = 0; d < rank; ++d)
    window.push_back(n.b.getAffineDimExpr(2 + rank + d));
  SmallVector<utils::IteratorType> iterators(loops,
                                             utils::IteratorType::reduction);
  std::fill_n(iterators.begin(), 2 + rank, utils::IteratorType::parallel);
  AffineMap outMap = AffineMap::get(loops, 0, out, n.b.getContext());
  SmallVector<Value> inputs{padded, e.empty(w.kernel, elementOf(padded))};
  SmallVector<AffineMap> maps{
      windowMap(n.b, w, 2), AffineMap::get(loops, 0, window, n.b.getContext())};
  if (extra) {
    inputs.push_back(extra);
    maps.push_back(outMap);
  }
  return e.generic(inputs, maps, e.filled(result, init), outMap, iterators,
                   body);
}

FailureOr<Window> readPool(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  std::optional<Shape> kernel = n.intsAttr("kernel_shape");
  if (!kernel)
    return n.fail("kernel_shape is missing", "required attribute");
  FailureOr<Window> w = readWindow(n, *kernel, n.intAttr("ceil_mode", 0) != 0);
  if (failed(w))
    return failure();
  Shape result(n.shape(0).take_front(2));
  llvm::append_range(result, w->output);
  if (failed(n.checkShape(result)))
    return failure();
  return w;
}

/// Flat index in the unpadded input of the first maximum of each window.
Value maxIndices(NodeBinder &n, Value padded, Value max, const Window &w) {
  int64_t rank = w.rank();
  bool columnMajor = n.intAttr("storage_order", 0) != 0;
  Type i64 = n.b.getI64Type();
  int64_t none = std::numeric_limits<int64_t>::max();
  return poolGeneric(
      n, padded, w, n.b.getI64IntegerAttr(none),
      [&](Scalars &s, ValueRange args) {
        auto loop = [&](int64_t d) {
          return s.cast(s.make<linalg::IndexOp>(d), i64);
        };
        auto scaled = [&](Value v, int64_t by) {
          return s.mul(v, s.constantInt(i64, by));
        };
        Value at = s.constantInt(i64, 0), isInside;
        // Horner over spatial dimensions, last fastest (column major: first).
        for (int64_t i = 0; i < rank; ++i) {
          int64_t d = columnMajor ? rank - 1 - i : i;
          Value x = s.add(scaled(loop(2 + d), w.strides[d]),
                          scaled(loop(2 + rank + d), w.dilations[d]));
          x = s.sub(x, s.constantInt(i64, w.padBegin[d]));
          Value inside =
              s.cmp(Scalars::Cmp::LT, x, s.constantInt(i64, w.input[d]), true);
          isInside = isInside ? s.bitAnd(isInside, inside) : inside;
          at = s.add(scaled(at, w.input[d]), x);
        }
        Value plane = s.add(scaled(loop(0), n.shape(0)[1]), loop(1));
        at = s.add(scaled(plane, product(w.input)), at);
        Value hit =
            s.bitAnd(isInside, s.cmp(Scalars::Cmp::EQ, args[0], args[2]));
        return s.min(args[3], s.select(hit, at, s.constantInt(i64, none)));
      },
      max);
}

LogicalResult maxPool(NodeBinder &n) {
  FailureOr<Window> w = readPool(n);
  if (failed(w))
    return failure();
  bool isUnsigned = n.isUnsigned(0);
  TypedAttr init = lowest(n.b, n.element(0), isUnsigned);
  Value padded = padForWindow(n, n.input(0), *w, init);
  Value y = poolGeneric(n, padded, *w, init, [&](Scalars &s, ValueRange args) {
    return s.max(args[2], args[0], isUnsigned);
  });
  n.setOutput(0, y, n.type(0));
  if (n.wantsOutput(1))
    n.setOutput(1, maxIndices(n, padded, y, *w), DType::Int64);
  return success();
}

/// Number of elements each output averages, a tensor over the output's spatial
/// dimensions (a splat when they agree).
Value windowCounts(NodeBinder &n, const Window &w, bool includePad, Type type) {
  std::vector<std::vector<int64_t>> perDim(w.rank());
  for (int64_t d = 0; d < w.rank(); ++d)
    for (int64_t o = 0; o < w.output[d]; ++o) {
      int64_t count = 0, low = includePad ? -w.padBegin[d] : 0;
      int64_t high = w.input[d] + (includePad ? w.padEnd[d] : 0);
      for (int64_t k = 0; k < w.kernel[d]; ++k) {
        int64_t at = o * w.strides[d] + k * w.dilations[d] - w.padBegin[d];
        count += at >= low && at < high;
      }
      perDim[d].push_back(count);
    }
  std::vector<double> counts{1};
  for (const auto &dim : perDim) {
    std::vector<double> next;
    for (double outer : counts)
      for (int64_t inner : dim)
        next.push_back(outer * inner);
    counts = std::move(next);
  }
  auto tensorType = RankedTensorType::get(w.output, type);
  return n.e.constant(ir::makeConstant(tensorType, counts, "window_counts"));
}

LogicalResult averagePool(NodeBinder &n) {
  FailureOr<Window> w = readPool(n);
  if (failed(w))
    return failure();
  Type element = n.element(0), type = computeType(element);
  Value padded = padForWindow(n, n.input(0), *w, n.e.scalarAttr(element, 0));
  Value sum = poolGeneric(n, padded, *w, n.e.scalarAttr(type, 0),
                          [&](Scalars &s, ValueRange args) {
                            return s.add(args[2], s.cast(args[0], type));
                          });
  bool includePad = n.intAttr("count_include_pad", 0) != 0;
  Value counts = windowCounts(n, *w, includePad, type);
  n.setOutput(0,
              n.e.map({sum, counts}, shapeOf(sum), element,
                      [](Scalars &s, ValueRange args) {
                        return s.div(args[0], args[1]);
                      }),
              n.type(0));
  return success();
}

/// |x|^p, exactly for the usual p.
Value powerOf(Scalars &s, Value x, int64_t p) {
  x = s.abs(x);
  if (p == 1)
    return x;
  if (p == 2)
    return s.mul(x, x);
  return s.make<math::PowFOp>(x,
                              s.constant(x.getType(), static_cast<double>(p)));
}
Value rootOf(Scalars &s, Value x, int64_t p) {
  if (p == 1)
    return x;
  if (p == 2)
    return s.make<math::SqrtOp>(x);
  return s.make<math::PowFOp>(x, s.constant(x.getType(), 1.0 / p));
}

FailureOr<int64_t> readP(NodeBinder &n) {
  int64_t p = n.intAttr("p", 2);
  if (p < 1)
    return n.fail("p is not positive", "p " + Twine(p));
  return p;
}

LogicalResult lpPool(NodeBinder &n) {
  FailureOr<Window> w = readPool(n);
  if (failed(w))
    return failure();
  FailureOr<int64_t> p = readP(n);
  if (failed(p))
    return failure();
  Type element = n.element(0), type = computeType(element);
  Value padded = padForWindow(n, n.input(0), *w, n.e.scalarAttr(element, 0));
  Value sum = poolGeneric(
      n, padded, *w, n.e.scalarAttr(type, 0), [&](Scalars &s, ValueRange args) {
        return s.add(args[2], powerOf(s, s.cast(args[0], type), *p));
      });
  n.setOutput(0,
              n.e.map(sum, shapeOf(sum), element,
                      [&](Scalars &s, ValueRange args) {
                        return rootOf(s, args[0], *p);
                      }),
              n.type(0));
  return success();
}

/// The spatial dimensions reduced to size 1 each.
FailureOr<Shape> spatialDims(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  if (n.rank(0) < 2)
    return n.fail("the input has no channels",
                  "rank " + Twine(n.rank(0)) + ", at least 2 wanted");
  Shape dims;
  for (int64_t d = 2; d < n.rank(0); ++d)
    dims.push_back(d);
  return dims;
}

LogicalResult globalAveragePool(NodeBinder &n) {
  FailureOr<Shape> dims = spatialDims(n);
  if (failed(dims))
    return failure();
  Value sum = emitSum(n.e, n.input(0), *dims);
  int64_t count = countOf(n.input(0), *dims);
  Value mean = n.e.map(
      sum, shapeOf(sum), n.element(0), [&](Scalars &s, ValueRange args) {
        return s.div(args[0], s.constantInt(args[0].getType(), count));
      });
  n.setOutput(0, keepDims(n.e, mean, n.shape(0), *dims), n.type(0));
  return success();
}

LogicalResult globalMaxPool(NodeBinder &n) {
  FailureOr<Shape> dims = spatialDims(n);
  if (failed(dims))
    return failure();
  Value max = emitMax(n.e, n.input(0), *dims, n.isUnsigned(0));
  n.setOutput(0, keepDims(n.e, max, n.shape(0), *dims), n.type(0));
  return success();
}

LogicalResult globalLpPool(NodeBinder &n) {
  FailureOr<Shape> dims = spatialDims(n);
  if (failed(dims))
    return failure();
  FailureOr<int64_t> p = readP(n);
  if (failed(p))
    return failure();
  Value sum = emitSum(n.e, n.input(0), *dims,
                      [p](Scalars &s, Value v) { return powerOf(s, v, *p); });
  Value root = n.e.map(
      sum, shapeOf(sum), n.element(0),
      [&](Scalars &s, ValueRange args) { return rootOf(s, args[0], *p); });
  n.setOutput(0, keepDims(n.e, root, n.shape(0), *dims), n.type(0));
  return success();
}

} // namespace

void registerPool(Registry &registry) {
  registry.add("", {{"AveragePool", 1, averagePool},
                    {"GlobalAveragePool", 1, globalAveragePool},
                    {"GlobalLpPool", 2, globalLpPool},
                    {"GlobalMaxPool", 1, globalMaxPool},
                    {"LpPool", 2, lpPool},
                    {"MaxPool", 1, maxPool}});
}

} // namespace cim::onnx
