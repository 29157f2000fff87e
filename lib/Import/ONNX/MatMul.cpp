// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MatMul, Gemm, Einsum and their integer relatives.

#include "Mac.h"
#include "cim/IR/Constants.h"
#include "dialects/CIM/IR/CIM.h"

using namespace mlir;

namespace cim::onnx {
namespace {

bool isMacType(Type type) {
  return type.isF32() || type.isF16() || type.isBF16();
}

/// Product on the vector unit: lhs B.. x M x K, rhs B.. x K x N or K x N.
Value matMulGeneric(NodeBinder &n, const MatMulOperands &m,
                    ArrayRef<int64_t> result) {
  Emitter &e = n.e;
  Type type = m.result ? m.result : elementOf(m.lhs);
  int64_t batch = result.size() - 2, loops = batch + 3;
  SmallVector<AffineExpr> l, r, o;
  for (int64_t d = 0; d < batch; ++d)
    for (auto *exprs : {&l, &r, &o})
      if (exprs != &r || rankOf(m.rhs) > 2)
        exprs->push_back(n.b.getAffineDimExpr(d));
  AffineExpr row = n.b.getAffineDimExpr(batch),
             col = n.b.getAffineDimExpr(batch + 1),
             sum = n.b.getAffineDimExpr(batch + 2);
  l.append({row, sum});
  r.append({sum, col});
  o.append({row, col});
  SmallVector<utils::IteratorType> iterators(loops,
                                             utils::IteratorType::parallel);
  iterators.back() = utils::IteratorType::reduction;
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(loops, 0, exprs, n.b.getContext());
  };
  return e.generic({m.lhs, m.rhs}, {map(l), map(r)},
                   e.filled(result, e.scalarAttr(type, 0)), map(o), iterators,
                   [&](Scalars &s, ValueRange args) {
                     Value left = s.cast(args[0], type, m.lhsUnsigned);
                     Value right = s.cast(args[1], type, m.rhsUnsigned);
                     return s.add(args[2], s.mul(left, right));
                   });
}

Value addLastDim(NodeBinder &n, Value y, Value bias) {
  return n.e.map(
      {y, bias}, shapeOf(y), elementOf(y),
      [](Scalars &s, ValueRange args) { return s.add(args[0], args[1]); });
}

} // namespace

FailureOr<Value> emitMatMul(NodeBinder &n, const MatMulOperands &operands) {
  MatMulOperands m = operands;
  Emitter &e = n.e;
  Shape a(shapeOf(m.lhs)), b(shapeOf(m.rhs));
  if (a[a.size() - 1] != b[b.size() - 2])
    return n.fail("inner dimensions differ",
                  "shapes " + toText(a) + " and " + toText(b));
  std::optional<Shape> batch = broadcastShapes(
      {ArrayRef<int64_t>(a).drop_back(2), ArrayRef<int64_t>(b).drop_back(2)});
  if (!batch)
    return n.fail("batch dimensions do not broadcast",
                  "shapes " + toText(a) + " and " + toText(b));
  auto withBatch = [&](ArrayRef<int64_t> shape) {
    Shape full(*batch);
    llvm::append_range(full, shape.take_back(2));
    return full;
  };
  Shape result = withBatch({a[a.size() - 2], b[b.size() - 1]});
  if (failed(n.checkShape(result)) || failed(n.checkShape(withBatch(a))) ||
      failed(n.checkShape(withBatch(b))))
    return failure();
  auto broadcastTo = [&](Value value, ArrayRef<int64_t> shape) {
    Shape full = withBatch(shape);
    return e.broadcast(value, full);
  };
  m.lhs = broadcastTo(m.lhs, a);
  // A right-hand side without a batch of its own is shared.
  if (product(ArrayRef<int64_t>(b).drop_back(2)) == 1)
    m.rhs = e.reshape(m.rhs, {b[b.size() - 2], b[b.size() - 1]});
  else
    m.rhs = broadcastTo(m.rhs, b);
  Type element = elementOf(m.lhs);
  if (m.result || !isMacType(element)) {
    Value y = matMulGeneric(n, m, result);
    return m.bias ? addLastDim(n, y, m.bias) : y;
  }
  Type f32 = n.b.getF32Type(), resultElement = element;
  if (element.isBF16()) {
    m.lhs = e.cast(m.lhs, f32);
    m.rhs = e.cast(m.rhs, f32);
    resultElement = f32;
  }
  if (m.bias)
    m.bias = e.cast(m.bias, f32);
  Value y = ir::MatmulOp::create(
      n.b, e.loc, RankedTensorType::get(result, resultElement), m.lhs, m.rhs,
      m.bias, /*multiplier=*/Value(), /*mantissa=*/IntegerAttr());
  return e.cast(y, element);
}

FailureOr<Value> emitNumpyMatMul(NodeBinder &n, MatMulOperands m) {
  Emitter &e = n.e;
  bool isRowVector = rankOf(m.lhs) == 1, isColumn = rankOf(m.rhs) == 1;
  if (rankOf(m.lhs) == 0 || rankOf(m.rhs) == 0)
    return n.fail("an operand is a scalar", "rank at least 1 wanted");
  if (isRowVector)
    m.lhs = e.reshape(m.lhs, {1, shapeOf(m.lhs)[0]});
  if (isColumn)
    m.rhs = e.reshape(m.rhs, {shapeOf(m.rhs)[0], 1});
  FailureOr<Value> y = emitMatMul(n, m);
  if (failed(y) || (!isRowVector && !isColumn))
    return y;
  Shape shape(shapeOf(*y));
  if (isColumn)
    shape.pop_back();
  if (isRowVector)
    shape.erase(shape.end() - (isColumn ? 1 : 2));
  return e.reshape(*y, shape);
}

FailureOr<Value> subtractZeroPoint(NodeBinder &n, size_t i, size_t zp,
                                   int64_t axis) {
  Type i32 = n.b.getI32Type();
  Value x = n.input(i);
  if (!n.hasInput(zp))
    return n.e.cast(x, i32, n.isUnsigned(i));
  Value zero = n.input(zp);
  int64_t rank = rankOf(x);
  if (product(shapeOf(zero)) == 1)
    zero = n.e.reshape(zero, {});
  else if (rankOf(zero) == 1 && axis >= 0 && axis < rank &&
           shapeOf(zero)[0] == shapeOf(x)[axis]) {
    Shape aligned(rank, 1);
    aligned[axis] = shapeOf(zero)[0];
    zero = n.e.reshape(zero, aligned);
  } else if (rankOf(zero) != rank) {
    return n.fail("the zero point fits neither the tensor nor its axis",
                  "shapes " + toText(shapeOf(zero)) + " and " +
                      toText(shapeOf(x)));
  }
  std::optional<Shape> shape = broadcastShapes({shapeOf(x), shapeOf(zero)});
  if (!shape || ArrayRef<int64_t>(*shape) != shapeOf(x))
    return n.fail("the zero point does not broadcast to the tensor",
                  "shapes " + toText(shapeOf(zero)) + " and " +
                      toText(shapeOf(x)));
  return n.e.map({x, zero}, *shape, i32, [&](Scalars &s, ValueRange args) {
    return s.sub(s.cast(args[0], i32, n.isUnsigned(i)),
                 s.cast(args[1], i32, n.isUnsigned(zp)));
  });
}

namespace {

LogicalResult matMul(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  if (failed(n.needTypeOfFirst({1})))
    return failure();
  FailureOr<Value> y =
      emitNumpyMatMul(n, {n.input(0), n.input(1), {}, false, false, {}});
  if (failed(y))
    return failure();
  n.setOutput(0, *y);
  return success();
}

LogicalResult matMulInteger(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  FailureOr<Value> a = subtractZeroPoint(n, 0, 2, n.rank(0) - 2);
  FailureOr<Value> b = subtractZeroPoint(n, 1, 3, n.rank(1) - 1);
  if (failed(a) || failed(b))
    return failure();
  FailureOr<Value> y =
      emitNumpyMatMul(n, {*a, *b, {}, false, false, Type(n.b.getI32Type())});
  if (failed(y))
    return failure();
  n.setOutput(0, *y, DType::Int32);
  return success();
}

LogicalResult qLinearMatMul(NodeBinder &n) {
  if (failed(n.needInputs(8)))
    return failure();
  Type f32 = n.b.getF32Type();
  FailureOr<Value> a = emitDequantize(
      n, {n.input(0), n.input(1), n.input(2), n.isUnsigned(0), n.rank(0) - 2},
      f32);
  FailureOr<Value> b = emitDequantize(
      n, {n.input(3), n.input(4), n.input(5), n.isUnsigned(3), n.rank(3) - 1},
      f32);
  if (failed(a) || failed(b))
    return failure();
  FailureOr<Value> y = emitNumpyMatMul(n, {*a, *b, {}, false, false, {}});
  if (failed(y))
    return failure();
  FailureOr<Value> q = emitQuantize(
      n, {*y, n.input(6), n.input(7), false, rankOf(*y) - 2}, n.type(7));
  if (failed(q))
    return failure();
  n.setOutput(0, *q, n.type(7));
  return success();
}

/// value * factor, elementwise.
Value scaled(NodeBinder &n, Value value, double factor) {
  if (factor == 1)
    return value;
  return n.e.map(value, shapeOf(value), elementOf(value),
                 [&](Scalars &s, ValueRange args) {
                   return s.mul(args[0], s.constant(args[0].getType(), factor));
                 });
}

LogicalResult gemm(NodeBinder &n) {
  if (failed(n.needInputs(2)) || failed(n.needTypeOfFirst({1, 2})))
    return failure();
  if (n.rank(0) != 2 || n.rank(1) != 2)
    return n.fail("operands are not matrices", "shapes " + toText(n.shape(0)) +
                                                   " and " +
                                                   toText(n.shape(1)));
  Emitter &e = n.e;
  MatMulOperands m{n.input(0), n.input(1), {}, false, false, {}};
  if (n.intAttr("transA", 0))
    m.lhs = e.transpose(m.lhs, {1, 0});
  if (n.intAttr("transB", 0))
    m.rhs = e.transpose(m.rhs, {1, 0});
  double alpha = n.floatAttr("alpha", 1), beta = n.floatAttr("beta", 1);
  int64_t rows = shapeOf(m.lhs)[0], columns = shapeOf(m.rhs)[1];
  Value addend;
  if (n.hasInput(2) && beta != 0) {
    std::optional<Shape> shape = broadcastShapes({n.shape(2), {rows, columns}});
    if (!shape || *shape != Shape{rows, columns})
      return n.fail("C does not broadcast to the result",
                    "shape " + toText(n.shape(2)));
    addend = scaled(n, n.input(2), beta);
    // One value per column is the bias of the product.
    if (alpha == 1 && (n.rank(2) < 2 || n.shape(2)[0] == 1)) {
      Value row = e.reshape(addend, {product(n.shape(2))});
      m.bias = e.broadcast(row, {columns});
      addend = {};
    }
  }
  FailureOr<Value> y = emitMatMul(n, m);
  if (failed(y))
    return failure();
  Value result = scaled(n, *y, alpha);
  if (addend)
    result = addLastDim(n, result, addend);
  n.setOutput(0, result);
  return success();
}

//===--- Einsum -----------------------------------------------------------===//

/// Letters of the operands and the result; '.' terms already replaced.
struct Equation {
  SmallVector<std::string> inputs;
  std::string output;
};

/// Parses "ab,bc->ac"; the ellipsis becomes capital letters that the equation
/// does not use, right-aligned.
FailureOr<Equation> parseEquation(NodeBinder &n) {
  std::string text;
  for (char c : n.stringAttr("equation", ""))
    if (c != ' ')
      text += c;
  auto bad = [&]() -> LogicalResult {
    return n.fail("the equation does not fit the operands",
                  "equation '" + text + "'");
  };
  size_t arrow = text.find("->");
  SmallVector<StringRef> terms;
  StringRef(text).substr(0, arrow).split(terms, ',');
  if (terms.size() != n.numInputs())
    return bad();
  // Symbols for broadcast dimensions are above the letters.
  auto expand = [&](StringRef term, int64_t ellipsis, std::string &out) {
    size_t dots = term.find("...");
    StringRef head = term.substr(0, dots);
    StringRef tail =
        dots == StringRef::npos ? StringRef() : term.substr(dots + 3);
    out = head.str();
    if (dots != StringRef::npos)
      for (int64_t i = ellipsis; i > 0; --i)
        out += static_cast<char>(127 + i);
    out += tail.str();
  };
  Equation equation;
  int64_t longest = 0;
  std::string seen;
  for (auto [i, term] : llvm::enumerate(terms)) {
    bool hasDots = term.contains("...");
    int64_t letters = term.size() - (hasDots ? 3 : 0);
    int64_t ellipsis = n.rank(i) - letters;
    if (ellipsis < 0 || ellipsis > 16 || (ellipsis > 0 && !hasDots))
      return bad();
    longest = std::max(longest, ellipsis);
    expand(term, ellipsis, equation.inputs.emplace_back());
    seen += equation.inputs.back();
  }
  for (char c : seen)
    if (static_cast<unsigned char>(c) < 128 && !llvm::isAlpha(c))
      return bad();
  if (arrow != std::string::npos) {
    expand(StringRef(text).substr(arrow + 2), longest, equation.output);
  } else {
    for (int64_t i = longest; i > 0; --i)
      equation.output += static_cast<char>(127 + i);
    std::string sorted = seen;
    llvm::sort(sorted);
    for (char c : sorted)
      if (llvm::isAlpha(c) && llvm::count(sorted, c) == 1)
        equation.output += c;
  }
  for (char c : equation.output)
    if (llvm::count(equation.output, c) != 1 ||
        (llvm::isAlpha(c) && seen.find(c) == std::string::npos))
      return bad();
  return equation;
}

/// A two-operand einsum whose letters are batch, row, column and contracted
/// dimensions, each without broadcasting or repetition, is a matmul.
std::optional<Value> einsumAsMatMul(NodeBinder &n, const Equation &q,
                                    const std::map<char, int64_t> &sizes) {
  if (q.inputs.size() != 2 || !isMacType(n.element(0)))
    return std::nullopt;
  const std::string &l = q.inputs[0], &r = q.inputs[1];
  std::string batch, rows, columns, inner;
  for (const auto &[c, size] : sizes) {
    auto left = llvm::count(l, c), right = llvm::count(r, c);
    bool inOutput = q.output.find(c) != std::string::npos;
    if (left > 1 || right > 1 || (!inOutput && left != right))
      return std::nullopt;
    for (size_t i = 0; i < 2; ++i) {
      size_t at = q.inputs[i].find(c);
      if (at != std::string::npos && n.shape(i)[at] != size)
        return std::nullopt;
    }
    if (left && right)
      (inOutput ? batch : inner) += c;
    else
      (left ? rows : columns) += c;
  }
  if (inner.empty())
    return std::nullopt;
  // Letters in the result's order keep the final transpose away.
  auto byOutput = [&](char a, char b) {
    return q.output.find(a) < q.output.find(b);
  };
  llvm::sort(batch, byOutput);
  llvm::sort(rows, byOutput);
  llvm::sort(columns, byOutput);
  auto size = [&](const std::string &letters) {
    int64_t result = 1;
    for (char c : letters)
      result *= sizes.at(c);
    return result;
  };
  auto arrange = [&](size_t i, const std::string &order) {
    Shape perm;
    for (char c : order)
      perm.push_back(q.inputs[i].find(c));
    return n.e.transpose(n.input(i), perm);
  };
  Value a = n.e.reshape(arrange(0, batch + rows + inner),
                        {size(batch), size(rows), size(inner)});
  Value b = n.e.reshape(arrange(1, batch + inner + columns),
                        {size(batch), size(inner), size(columns)});
  FailureOr<Value> y = emitMatMul(n, {a, b, {}, false, false, {}});
  if (failed(y))
    return std::nullopt;
  std::string order = batch + rows + columns;
  Shape full, perm;
  for (char c : order)
    full.push_back(sizes.at(c));
  for (char c : q.output)
    perm.push_back(order.find(c));
  return n.e.transpose(n.e.reshape(*y, full), perm);
}

LogicalResult einsum(NodeBinder &n) {
  if (failed(n.needInputs(std::max<size_t>(n.numInputs(), 1))))
    return failure();
  for (size_t i = 1; i < n.numInputs(); ++i)
    if (failed(n.needTypeOfFirst({i})))
      return failure();
  FailureOr<Equation> q = parseEquation(n);
  if (failed(q))
    return failure();
  std::map<char, int64_t> sizes;
  for (auto [i, term] : llvm::enumerate(q->inputs))
    for (auto [d, c] : llvm::enumerate(term)) {
      int64_t &size = sizes.emplace(c, 1).first->second;
      if (n.shape(i)[d] != size && size != 1 && n.shape(i)[d] != 1)
        return n.fail("a letter has two sizes",
                      Twine(size) + " and " + Twine(n.shape(i)[d]));
      size = std::max(size, n.shape(i)[d]);
    }
  for (char c : q->output)
    sizes.emplace(c, 1);
  if (std::optional<Value> y = einsumAsMatMul(n, *q, sizes)) {
    n.setOutput(0, *y);
    return success();
  }
  // Loops: the result's letters, then the others.
  std::string order = q->output;
  Shape result;
  for (char c : q->output)
    result.push_back(sizes[c]);
  for (const auto &[c, size] : sizes)
    if (order.find(c) == std::string::npos)
      order += c;
  if (failed(n.checkShape(result)))
    return failure();
  SmallVector<AffineMap> maps;
  SmallVector<AffineExpr> exprs;
  for (auto [i, term] : llvm::enumerate(q->inputs)) {
    exprs.clear();
    for (auto [d, c] : llvm::enumerate(term))
      exprs.push_back(n.shape(i)[d] == 1 && sizes[c] != 1
                          ? n.b.getAffineConstantExpr(0)
                          : n.b.getAffineDimExpr(order.find(c)));
    maps.push_back(AffineMap::get(order.size(), 0, exprs, n.b.getContext()));
  }
  exprs.clear();
  for (size_t d = 0; d < q->output.size(); ++d)
    exprs.push_back(n.b.getAffineDimExpr(d));
  AffineMap out = AffineMap::get(order.size(), 0, exprs, n.b.getContext());
  SmallVector<utils::IteratorType> iterators(order.size(),
                                             utils::IteratorType::reduction);
  std::fill_n(iterators.begin(), result.size(), utils::IteratorType::parallel);
  Type type = computeType(n.element(0));
  // A result letter no operand has makes a loop only the output bounds.
  Value y =
      n.e.generic(n.values(), maps, n.e.filled(result, n.e.scalarAttr(type, 0)),
                  out, iterators, [&](Scalars &s, ValueRange args) {
                    Value term = s.cast(args[0], type);
                    for (Value arg : args.drop_back().drop_front())
                      term = s.mul(term, s.cast(arg, type));
                    return s.add(args.back(), term);
                  });
  n.setOutput(0, n.e.cast(y, n.element(0)), n.type(0));
  return success();
}

} // namespace

void registerMatMul(Registry &registry) {
  registry.add("", {{"Einsum", 12, einsum},
                    {"Gemm", 1, gemm},
                    {"MatMul", 1, matMul},
                    {"MatMulInteger", 10, matMulInteger, "vector unit"},
                    {"QLinearMatMul", 10, qLinearMatMul,
                     "as DequantizeLinear, MatMul, QuantizeLinear"}});
}

} // namespace cim::onnx
