// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operators of ai.onnx.ml on numbers.

#include "Binder.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace cim::onnx {
namespace {

LogicalResult binarizer(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  double threshold = n.floatAttr("threshold", 0);
  // Integers are compared as the numbers they are.
  Type wide = isFloating(n.type(0)) ? computeType(n.element(0))
                                    : Type(n.b.getF64Type());
  n.setOutput(0,
              n.e.map(n.input(0), n.shape(0), n.element(0),
                      [&](Scalars &s, ValueRange args) {
                        Value x = s.cast(args[0], wide, n.isUnsigned(0));
                        Value above = s.cmp(Scalars::Cmp::GT, x,
                                            s.constant(wide, threshold));
                        Type type = args[0].getType();
                        return s.select(above, s.constant(type, 1),
                                        s.constant(type, 0));
                      }),
              n.type(0));
  return success();
}

/// Columns of the last dimension; a vector counts as one row.
LogicalResult arrayFeatureExtractor(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  if (n.rank(0) < 1 || isFloating(n.type(1)))
    return n.fail("the input has no features, or the indices are no integers",
                  "shape " + toText(n.shape(0)) + ", type " + name(n.type(1)));
  Emitter &e = n.e;
  int64_t count = product(n.shape(1)), features = n.shape(0).back();
  Value data =
      n.rank(0) == 1 ? e.reshape(n.input(0), {1, features}) : n.input(0);
  Value indices = e.reshape(n.input(1), {count});
  Shape shape(shapeOf(data));
  shape.back() = count;
  Value y = e.indexed(shape, n.element(0), [&](Scalars &s, ValueRange at) {
    SmallVector<Value> from(at);
    from.back() = s.wrapIndex(s.extract(indices, at.back()), features);
    return s.extract(data, from);
  });
  n.setOutput(0, y, n.type(0));
  return success();
}

} // namespace

void registerClassic(Registry &registry) {
  registry.add("ai.onnx.ml",
               {{"ArrayFeatureExtractor", 1, arrayFeatureExtractor},
                {"Binarizer", 1, binarizer}});
}

} // namespace cim::onnx
