// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// TfIdfVectorizer on integers: for every n-gram of the pool, at how many places
// of a row it stands, its elements 1 to max_skip_count + 1 apart.

#include "Binder.h"
#include "cim/IR/Constants.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace cim::onnx {
namespace {

using Cmp = Scalars::Cmp;

/// N-grams of one length: `count` of them, `length` integers each.
struct Grams {
  int64_t length = 0, count = 0;
  Shape items;
  int64_t first = 0; ///< Number of the first in the pool.
};

struct Vectorizer {
  std::vector<Grams> grams; ///< Of the lengths asked for.
  Shape columns;            ///< Result column of each n-gram of the pool.
  std::vector<float> weights;
  int64_t width = 0, skips = 0;
  bool useCount = true, useWeight = false;
};

FailureOr<Vectorizer> readVectorizer(NodeBinder &n) {
  if (n.attribute("pool_strings"))
    return n.fail("strings are not supported", "pool_strings",
                  "use integers (pool_int64s)");
  std::optional<Shape> pool = n.intsAttr("pool_int64s");
  std::optional<Shape> starts = n.intsAttr("ngram_counts");
  std::optional<Shape> columns = n.intsAttr("ngram_indexes");
  if (!pool || !starts || !columns || columns->empty())
    return n.fail("an attribute is missing",
                  "pool_int64s, ngram_counts and ngram_indexes wanted");
  Vectorizer v;
  v.columns = *columns;
  std::string mode = n.stringAttr("mode", "");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF")
    return n.fail("unknown mode", "mode '" + mode + "'");
  v.useCount = mode != "IDF";
  if (const Attribute *weights = n.attribute("weights"); weights) {
    v.weights = weights->floats;
    v.useWeight = mode != "TF" && !v.weights.empty();
  }
  v.skips = n.intAttr("max_skip_count", 0);
  int64_t low = n.intAttr("min_gram_length", 1);
  int64_t high = n.intAttr("max_gram_length", 1);
  int64_t size = pool->size(), number = 0;
  for (size_t i = 0; i < starts->size(); ++i) {
    int64_t begin = (*starts)[i];
    int64_t end = i + 1 < starts->size() ? (*starts)[i + 1] : size;
    int64_t length = i + 1;
    if (begin < 0 || end > size || begin > end || (end - begin) % length != 0)
      return n.fail("ngram_counts does not fit the pool",
                    "entry " + Twine(begin) + ", " + Twine(size) + " integers");
    Grams grams{length, (end - begin) / length,
                Shape(pool->begin() + begin, pool->begin() + end), number};
    number += grams.count;
    if (length >= low && length <= high && grams.count > 0)
      v.grams.push_back(std::move(grams));
  }
  if (number != static_cast<int64_t>(v.columns.size()))
    return n.fail("ngram_indexes does not have one entry per n-gram",
                  Twine(v.columns.size()) + " and " + Twine(number));
  for (int64_t column : v.columns) {
    if (column < 0 || column > (1 << 24))
      return n.fail("an entry of ngram_indexes is out of range",
                    "entry " + Twine(column));
    v.width = std::max(v.width, column + 1);
  }
  if (v.useWeight && static_cast<int64_t>(v.weights.size()) != number)
    return n.fail("weights does not have one entry per n-gram",
                  Twine(v.weights.size()) + " and " + Twine(number));
  if (v.skips < 0 || v.skips > 4096)
    return n.fail("max_skip_count is out of range",
                  "value " + Twine(v.skips) + ", 0 to 4096");
  return v;
}

/// Adds to counts [rows, grams] (f32) the places of x [rows, length] where the
/// n-grams stand with `step` between their elements.
Value addCounts(Emitter &e, Value x, const Grams &grams, int64_t step,
                Value counts) {
  int64_t rows = shapeOf(x)[0];
  int64_t places = shapeOf(x)[1] - (grams.length - 1) * step;
  if (places <= 0)
    return counts;
  MLIRContext *context = e.b.getContext();
  AffineExpr row = e.b.getAffineDimExpr(0), gram = e.b.getAffineDimExpr(1),
             place = e.b.getAffineDimExpr(2);
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(3, 0, exprs, context);
  };
  Type element = elementOf(x);
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  for (int64_t j = 0; j < grams.length; ++j) {
    inputs.push_back(e.slice(x, {0, j * step}, {rows, places}, {1, 1}));
    maps.push_back(map({row, place}));
    Shape items;
    for (int64_t g = 0; g < grams.count; ++g)
      items.push_back(grams.items[g * grams.length + j]);
    inputs.push_back(e.constant(
        ir::makeConstant(RankedTensorType::get({grams.count}, element),
                         ArrayRef<int64_t>(items), "pool")));
    maps.push_back(map({gram}));
  }
  return e.generic(
      inputs, maps, counts, map({row, gram}),
      {utils::IteratorType::parallel, utils::IteratorType::parallel,
       utils::IteratorType::reduction},
      [](Scalars &s, ValueRange args) {
        Value hit;
        for (size_t j = 0; j + 1 < args.size(); j += 2) {
          Value same = s.cmp(Cmp::EQ, args[j], args[j + 1]);
          hit = hit ? s.bitAnd(hit, same) : same;
        }
        Type type = args.back().getType();
        return s.add(args.back(),
                     s.select(hit, s.constant(type, 1), s.constant(type, 0)));
      });
}

/// Result [rows, width]: the sum over the n-grams of a column.
Value toColumns(Emitter &e, const Vectorizer &v, Value counts,
                ArrayRef<int64_t> numbers) {
  int64_t rows = shapeOf(counts)[0], total = numbers.size();
  Type f32 = e.b.getF32Type(), i64 = e.b.getI64Type();
  Shape columns;
  std::vector<double> weights;
  for (int64_t number : numbers) {
    columns.push_back(v.columns[number]);
    weights.push_back(v.useWeight ? v.weights[number] : 1);
  }
  auto constant = [&](Type type, auto values) {
    return e.constant(ir::makeConstant(RankedTensorType::get({total}, type),
                                       ArrayRef(values), "ngrams"));
  };
  MLIRContext *context = e.b.getContext();
  AffineExpr row = e.b.getAffineDimExpr(0), column = e.b.getAffineDimExpr(1),
             gram = e.b.getAffineDimExpr(2);
  AffineMap in = AffineMap::get(3, 0, {row, gram}, context);
  AffineMap one = AffineMap::get(3, 0, gram, context);
  AffineMap out = AffineMap::get(3, 0, {row, column}, context);
  return e.generic(
      {counts, constant(i64, columns), constant(f32, weights)}, {in, one, one},
      e.filled({rows, v.width}, e.scalarAttr(f32, 0)), out,
      {utils::IteratorType::parallel, utils::IteratorType::parallel,
       utils::IteratorType::reduction},
      [&](Scalars &s, ValueRange args) {
        Value zero = s.constant(f32, 0);
        Value here = s.make<linalg::IndexOp>(1);
        Value mine = s.cmp(Cmp::EQ, s.toIndex(args[1]), here);
        Value value =
            v.useCount ? s.mul(args[0], args[2])
                       : s.select(s.cmp(Cmp::GT, args[0], zero), args[2], zero);
        return s.add(args[3], s.select(mine, value, zero));
      });
}

LogicalResult tfIdf(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  FailureOr<Vectorizer> read = readVectorizer(n);
  if (failed(read))
    return failure();
  const Vectorizer &v = *read;
  if (n.rank(0) < 1 || n.rank(0) > 2)
    return n.fail("the input is no row and no batch of rows",
                  "shape " + toText(n.shape(0)));
  Emitter &e = n.e;
  bool isBatch = n.rank(0) == 2;
  int64_t rows = isBatch ? n.shape(0)[0] : 1;
  Shape result;
  if (isBatch)
    result.push_back(rows);
  result.push_back(v.width);
  Value x = e.reshape(n.input(0), {rows, n.shape(0).back()});
  SmallVector<Value> all;
  Shape numbers;
  for (const Grams &grams : v.grams) {
    Value counts =
        e.filled({rows, grams.count}, e.scalarAttr(n.b.getF32Type(), 0));
    // Skips make no difference to single elements.
    int64_t steps = grams.length == 1 ? 1 : v.skips + 1;
    for (int64_t step = 1; step <= steps; ++step)
      counts = addCounts(e, x, grams, step, counts);
    all.push_back(counts);
    for (int64_t g = 0; g < grams.count; ++g)
      numbers.push_back(grams.first + g);
  }
  Value y = all.empty() ? e.splat({rows, v.width}, n.b.getF32Type(), 0)
                        : toColumns(e, v, e.concat(all, 1), numbers);
  n.setOutput(0, e.reshape(y, result), DType::Float);
  return success();
}

} // namespace

void registerTfIdf(Registry &registry) {
  registry.add("", {{"TfIdfVectorizer", 9, tfIdf, "integers only"}});
}

} // namespace cim::onnx
