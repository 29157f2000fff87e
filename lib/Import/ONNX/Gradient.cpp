// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ai.onnx.preview.training.Gradient: reverse-mode differentiation of nodes into
// nodes. What `y` depends on through the differentiated values is computed
// again from the operator's own inputs; then every node hands the gradient of
// its result on to its operands by a rule of its operator.

#include "Gradient.h"

#include <functional>
#include <set>

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace cim::onnx {
namespace {

class Differentiator {
public:
  Differentiator(const Graph &graph, const Node &gradient, std::string label,
                 std::string &error)
      : graph(graph), gradient(gradient), label(std::move(label)),
        error(error) {}

  LogicalResult run(std::vector<Node> &result);

private:
  using Names = std::vector<std::string>;

  const Names *strings(const char *name) const {
    for (const Attribute &attr : gradient.attributes)
      if (attr.name == name && attr.kind == Attribute::Kind::Strings)
        return &attr.strings;
    return nullptr;
  }
  LogicalResult fail(const std::string &what, const std::string &limit,
                     const std::string &advice = "correct the model") {
    error = label + ": " + what + "; " + limit + "; " + advice;
    return failure();
  }
  LogicalResult readTargets();
  LogicalResult copyForward();
  LogicalResult backward(const Node &node, const std::string &g);
  /// Name of a value in the copy.
  std::string copied(const std::string &name) const {
    auto it = renamed.find(name);
    return it == renamed.end() ? name : it->second;
  }
  std::string emit(const std::string &op, Names inputs,
                   std::vector<Attribute> attributes = {},
                   const std::string &domain = "");
  std::string transposedProduct(const std::string &a, const std::string &b,
                                const char *which);
  void accumulate(const std::string &name, const std::string &gradientName);

  const Graph &graph;
  const Node &gradient;
  std::string label;
  std::string &error;
  Names xs;
  std::string y;
  std::map<std::string, std::string> renamed;
  std::map<std::string, std::string> adjoints; ///< By name in the copy.
  std::vector<Node> copies, made;
  size_t counter = 0;
};

std::string Differentiator::emit(const std::string &op, Names inputs,
                                 std::vector<Attribute> attributes,
                                 const std::string &domain) {
  Node node;
  node.name = gradient.name;
  node.domain = domain;
  node.opType = op;
  node.inputs = std::move(inputs);
  node.outputs = {gradient.name + "/" + op + std::to_string(counter++)};
  node.attributes = std::move(attributes);
  made.push_back(node);
  return node.outputs[0];
}

LogicalResult Differentiator::readTargets() {
  const Names *wanted = strings("xs"), *fixed = strings("zs");
  for (const Attribute &attr : gradient.attributes)
    if (attr.name == "y" && attr.kind == Attribute::Kind::String)
      y = attr.s;
  if (!wanted || wanted->empty() || y.empty())
    return fail("xs or y is missing", "required attributes");
  xs = *wanted;
  Names all = xs;
  if (fixed)
    all.insert(all.end(), fixed->begin(), fixed->end());
  if (all.size() != gradient.inputs.size())
    return fail("xs and zs do not have one name per input",
                std::to_string(all.size()) + " names, " +
                    std::to_string(gradient.inputs.size()) + " inputs");
  for (auto [name, input] : llvm::zip(all, gradient.inputs))
    renamed[name] = input;
  return success();
}

/// Copies the nodes between the given values and y.
LogicalResult Differentiator::copyForward() {
  std::set<std::string> needed{y};
  for (const Node &node : llvm::reverse(graph.nodes)) {
    bool isNeeded = llvm::any_of(node.outputs, [&](const std::string &name) {
      return needed.count(name) && !renamed.count(name);
    });
    if (isNeeded)
      needed.insert(node.inputs.begin(), node.inputs.end());
  }
  for (const Node &node : graph.nodes) {
    bool isNeeded = llvm::any_of(node.outputs, [&](const std::string &name) {
      return needed.count(name) && !renamed.count(name);
    });
    bool depends = llvm::any_of(node.inputs, [&](const std::string &name) {
      return renamed.count(name) != 0;
    });
    if (!isNeeded || !depends)
      continue;
    Node copy = node;
    for (std::string &name : copy.inputs)
      name = copied(name);
    for (std::string &name : copy.outputs)
      if (!name.empty()) {
        renamed[name] = gradient.name + "/" + name;
        name = renamed[name];
      }
    copies.push_back(copy);
    made.push_back(copy);
  }
  if (!renamed.count(y))
    return fail("y does not depend on xs", "y '" + y + "'");
  return success();
}

void Differentiator::accumulate(const std::string &name,
                                const std::string &gradientName) {
  std::string &sum = adjoints[name];
  sum = sum.empty() ? gradientName : emit("Add", {sum, gradientName});
}

/// A product with the transpose of operand `which` ("transA", "transB").
std::string Differentiator::transposedProduct(const std::string &a,
                                              const std::string &b,
                                              const char *which) {
  Attribute transpose;
  transpose.name = which;
  transpose.kind = Attribute::Kind::Int;
  transpose.i = 1;
  return emit("Gemm", {a, b}, {transpose});
}

LogicalResult Differentiator::backward(const Node &node, const std::string &g) {
  auto a = [&] { return node.inputs[0]; };
  auto b = [&] { return node.inputs[1]; };
  const std::string &out = node.outputs[0];
  // Broadcast operands get the sum over what they were broadcast to.
  auto give = [&](size_t i, const std::string &value) {
    accumulate(node.inputs[i],
               emit("SumLike", {value, node.inputs[i]}, {}, internalDomain));
  };
  auto square = [&] { return emit("Mul", {out, out}); };
  std::map<std::string, std::function<void()>> rules;
  rules["Identity"] = [&] { give(0, g); };
  rules["Neg"] = [&] { give(0, emit("Neg", {g})); };
  rules["Add"] = [&] { give(0, g), give(1, g); };
  rules["Sub"] = [&] { give(0, g), give(1, emit("Neg", {g})); };
  rules["Mul"] = [&] {
    give(0, emit("Mul", {g, b()}));
    give(1, emit("Mul", {g, a()}));
  };
  rules["Div"] = [&] {
    give(0, emit("Div", {g, b()}));
    give(1, emit("Neg", {emit("Div", {emit("Mul", {g, out}), b()})}));
  };
  rules["Exp"] = [&] { give(0, emit("Mul", {g, out})); };
  rules["Log"] = [&] { give(0, emit("Div", {g, a()})); };
  rules["Sqrt"] = [&] { give(0, emit("Div", {g, emit("Add", {out, out})})); };
  rules["Tanh"] = [&] {
    give(0, emit("Sub", {g, emit("Mul", {g, square()})}));
  };
  rules["Sigmoid"] = [&] {
    give(0, emit("Mul", {g, emit("Sub", {out, square()})}));
  };
  rules["Relu"] = [&] { give(0, emit("Mul", {g, emit("Sign", {out})})); };
  rules["MatMul"] = [&] {
    give(0, transposedProduct(g, b(), "transB"));
    give(1, transposedProduct(a(), g, "transA"));
  };
  auto rule = rules.find(node.domain.empty() ? node.opType : "");
  if (rule == rules.end()) {
    std::string known;
    for (const auto &[name, unused] : rules)
      known += (known.empty() ? "" : ", ") + name;
    return fail("operator " + node.opType + " has no gradient",
                "known are " + known, "rewrite the model with these");
  }
  rule->second();
  return success();
}

LogicalResult Differentiator::run(std::vector<Node> &result) {
  if (failed(readTargets()) || failed(copyForward()))
    return failure();
  adjoints[copied(y)] = emit("OnesLike", {copied(y)}, {}, internalDomain);
  for (const Node &node : llvm::reverse(copies)) {
    auto it = adjoints.find(node.outputs[0]);
    if (it != adjoints.end() && failed(backward(node, it->second)))
      return failure();
  }
  for (auto [i, x] : llvm::enumerate(xs)) {
    if (i >= gradient.outputs.size() || gradient.outputs[i].empty())
      continue;
    auto it = adjoints.find(copied(x));
    if (it == adjoints.end())
      return fail("y does not depend on a value of xs", "value '" + x + "'");
    emit("Identity", {it->second});
    made.back().outputs = {gradient.outputs[i]};
  }
  result = std::move(made);
  return success();
}

LogicalResult onesLike(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  n.setOutput(0, n.e.splat(n.shape(0), n.element(0), 1), n.type(0));
  return success();
}

/// Input 0 summed over the dimensions input 1 was broadcast along.
LogicalResult sumLike(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  Shape dims;
  int64_t extra = n.rank(0) - n.rank(1);
  for (int64_t d = 0; d < n.rank(0); ++d)
    if (d < extra || n.shape(1)[d - extra] != n.shape(0)[d])
      dims.push_back(d);
  Value sum = n.input(0);
  if (!dims.empty())
    sum = n.e.reduce(
        sum, dims, n.e.scalarAttr(n.element(0), 0),
        [](Scalars &s, ValueRange args) { return s.add(args[1], args[0]); });
  n.setOutput(0, n.e.reshape(sum, n.shape(1)), n.type(1));
  return success();
}

} // namespace

LogicalResult differentiate(const Graph &graph, const Node &gradient,
                            const std::string &label, std::vector<Node> &nodes,
                            std::string &error) {
  return Differentiator(graph, gradient, label, error).run(nodes);
}

void registerGradient(Registry &registry) {
  registry.add(internalDomain,
               {{"OnesLike", 1, onesLike}, {"SumLike", 1, sumLike}});
  registry.add("ai.onnx.preview.training",
               {{"Gradient", 1,
                 [](NodeBinder &n) {
                   return n.fail("stands inside of a function or subgraph",
                                 "the main graph wanted",
                                 "move it to the main graph");
                 },
                 "of elementwise arithmetic and MatMul"}});
}

} // namespace cim::onnx
