// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Walks the nodes of a loaded model: handler, or the body of the function the
// node calls, each in its own scope of names. Nodes whose operands are all
// constants are computed on the spot, which is how shape arithmetic disappears.

#include "cim/Import/ONNX.h"

#include <filesystem>
#include <set>

#include "Binder.h"
#include "Gradient.h"
#include "NodeList.h"
#include "Select.h"
#include "cim/IR/Constants.h"
#include "cim/Support/File.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace cim {
namespace onnx {
namespace {

using Opsets = std::map<std::string, int>;

constexpr unsigned maxCallDepth = 64;
constexpr int64_t maxImportedNodes = 2000000;
/// Constant operands of computed nodes.
constexpr int64_t maxConstantElements = 65536;

/// Names visible to nodes; subgraphs see their parent's too.
struct Scope {
  const Scope *parent = nullptr;
  llvm::StringMap<TypedValue> values;
  /// Initializers become constants where they are first used.
  llvm::StringMap<const Tensor *> initializers;
};

/// Where a node stands.
struct Site {
  Scope &scope;
  const Opsets &opsets;
  /// "" in the graph, "call/" inside a model's function (a prefix), "call"
  /// inside an operator's own function body (the name of all its nodes).
  const std::string &caller;
  unsigned depth; ///< Of function calls and subgraphs.

  std::string label(const Node &node) const {
    return caller.empty() || caller.back() == '/' ? caller + node.name : caller;
  }
};

class GraphImporter {
public:
  GraphImporter(const Model &model, const ImportOptions &options,
                MLIRContext &context, std::string &error)
      : model(model), options(options), b(&context), error(error),
        nodeList(model.graph.nodes) {}

  OwningOpRef<ModuleOp> run(const std::string &modelName);
  /// Graph inputs whose values a failed import would have to know, sorted.
  const std::set<std::string> &unknownInputs() const { return unknown; }

private:
  LogicalResult importGraph(func::FuncOp func);
  LogicalResult importNodes(ArrayRef<Node> nodes, const Site &site);
  LogicalResult importNode(const Node &node, const Site &site);
  LogicalResult resolveInputs(const Node &node, const Site &site,
                              SmallVectorImpl<TypedValue> &inputs);
  LogicalResult runHandler(const OpRecord &record, const Node &node, int opset,
                           const Site &site, ArrayRef<TypedValue> inputs);
  LogicalResult callFunction(const Function &function, const Node &node,
                             const Site &site, const std::string &caller,
                             ArrayRef<TypedValue> inputs);
  LogicalResult emitGraph(const Graph &graph, Scope &inner, const Site &site,
                          const std::string &label,
                          SmallVectorImpl<TypedValue> &outputs);
  const Function *localFunction(const Node &node) const;
  LogicalResult unsupported(const Node &node, const std::string &label,
                            int opset, const std::string &reason);
  TypedValue lookup(StringRef name, Scope &scope);
  FailureOr<TypedValue> materialize(const Tensor &tensor);
  void foldConstants(Operation *before, const Node &node,
                     ArrayRef<TypedValue> inputs,
                     MutableArrayRef<TypedValue> outputs);
  LogicalResult checkInferred(const std::string &label, const Node &node,
                              ArrayRef<TypedValue> outputs);
  void eraseDeadOps(Block &block);
  void noteUnknown(Value value);

  /// A Constant node that is imported again and again (in the body of a loop)
  /// is one constant. Holds the tensor, whose address is the key.
  struct KnownConstant {
    std::shared_ptr<const Tensor> tensor;
    TypedValue value;
  };

  const Model &model;
  const ImportOptions &options;
  OpBuilder b;
  llvm::DenseMap<const Tensor *, KnownConstant> constants;
  std::string &error;
  NodeList nodeList;
  int64_t importedNodes = 0;
  std::set<std::string> unknown;
  llvm::DenseMap<Value, int64_t> lengthLimits;
};

Location nameLoc(OpBuilder &b, const std::string &name) {
  return NameLoc::get(b.getStringAttr(name));
}

FailureOr<TypedValue> GraphImporter::materialize(const Tensor &tensor) {
  Type element = toElementType(b.getContext(), tensor.type);
  if (!element) {
    error = tensor.name + ": constant of type " + name(tensor.type) +
            " cannot be imported; numbers and booleans only; change the "
            "model";
    return failure();
  }
  auto type = RankedTensorType::get(tensor.dims, element);
  ElementsAttr attr =
      ir::makeConstant(type, tensor.bytes, tensor.name, tensor.owner);
  Emitter e{b, nameLoc(b, tensor.name)};
  return TypedValue{e.constant(attr), tensor.type, {}};
}

/// The value of `name`, made a constant first if it is an initializer; null
/// when it does not exist or (with `error` set) cannot be imported.
TypedValue GraphImporter::lookup(StringRef name, Scope &scope) {
  for (const Scope *s = &scope; s; s = s->parent) {
    if (auto it = s->values.find(name); it != s->values.end())
      return it->second;
    auto it = s->initializers.find(name);
    if (it == s->initializers.end())
      continue;
    FailureOr<TypedValue> value = materialize(*it->second);
    if (failed(value))
      return {};
    // The body is one block: what is made here dominates what follows.
    const_cast<Scope *>(s)->values[name] = *value;
    return *value;
  }
  return {};
}

LogicalResult
GraphImporter::resolveInputs(const Node &node, const Site &site,
                             SmallVectorImpl<TypedValue> &inputs) {
  for (const std::string &name : node.inputs) {
    if (name.empty()) {
      inputs.push_back({});
      continue;
    }
    TypedValue value = lookup(name, site.scope);
    if (!value) {
      if (error.empty())
        error = site.label(node) + ": input '" + name +
                "' is not defined; every value is produced before its use; "
                "correct the model";
      return failure();
    }
    inputs.push_back(value);
  }
  while (!inputs.empty() && !inputs.back())
    inputs.pop_back();
  return success();
}

LogicalResult GraphImporter::unsupported(const Node &node,
                                         const std::string &label, int opset,
                                         const std::string &reason) {
  std::string op = (node.domain.empty() ? "" : node.domain + ".") + node.opType;
  error = label + ": operator " + op + " is not supported; " + op + " opset " +
          std::to_string(opset) + reason +
          "; see docs/onnx-support.md, and rewrite the model without it";
  return failure();
}

const Function *GraphImporter::localFunction(const Node &node) const {
  for (const Function &function : model.functions)
    if (function.name == node.opType && function.domain == node.domain &&
        function.overload == node.overload)
      return &function;
  return nullptr;
}

LogicalResult GraphImporter::importNodes(ArrayRef<Node> nodes,
                                         const Site &site) {
  for (const Node &node : nodes)
    if (failed(importNode(node, site)))
      return failure();
  return success();
}

LogicalResult GraphImporter::importNode(const Node &node, const Site &site) {
  std::string label = site.label(node);
  nodeList.note(label);
  if (site.depth > maxCallDepth || ++importedNodes > maxImportedNodes) {
    error = label + ": the model's functions expand too far; at most " +
            std::to_string(maxCallDepth) + " levels and " +
            std::to_string(maxImportedNodes) + " nodes; simplify the model";
    return failure();
  }
  auto version = site.opsets.find(node.domain);
  int opset = version == site.opsets.end() ? 1 : version->second;
  SmallVector<TypedValue> inputs;
  if (failed(resolveInputs(node, site, inputs)))
    return failure();
  if (const Function *function = localFunction(node))
    return callFunction(*function, node, site, label + "/", inputs);
  const OpRecord *record =
      Registry::instance().find(node.domain, node.opType, opset);
  bool isGradient =
      node.opType == "Gradient" && node.domain == "ai.onnx.preview.training";
  if (isGradient && site.depth == 0) {
    std::vector<Node> nodes;
    if (failed(differentiate(model.graph, node, label, nodes, error)))
      return failure();
    return importNodes(nodes, site);
  }
  if (record)
    return runHandler(*record, node, opset, site, inputs);
  SmallVector<TypeInfo> types;
  for (const TypedValue &input : inputs) {
    TypeInfo info;
    if (input.value) {
      info.type = input.type;
      ArrayRef<int64_t> shape = shapeOf(input.value);
      info.shape.assign(shape.begin(), shape.end());
    }
    types.push_back(std::move(info));
  }
  std::string reason;
  if (std::unique_ptr<Function> body =
          schemaFunction(node, types, opset, reason))
    return callFunction(*body, node, site, label, inputs);
  if (!reason.empty())
    reason = ", its definition as a function does not apply (" + reason + ")";
  else if (int oldest = Registry::instance().oldest(node.domain, node.opType))
    reason = ", supported from opset " + std::to_string(oldest);
  return unsupported(node, label, opset, reason);
}

/// The tensor of a Constant node, or null.
static const Tensor *constantOf(const Node &node) {
  bool isConstant = node.opType == "Constant" && node.domain.empty() &&
                    node.attributes.size() == 1 && node.outputs.size() == 1;
  return isConstant ? node.attributes[0].tensor.get() : nullptr;
}

LogicalResult GraphImporter::runHandler(const OpRecord &record,
                                        const Node &node, int opset,
                                        const Site &site,
                                        ArrayRef<TypedValue> inputs) {
  std::string label = site.label(node);
  const Tensor *tensor = constantOf(node);
  if (tensor)
    if (auto it = constants.find(tensor); it != constants.end()) {
      site.scope.values[node.outputs[0]] = it->second.value;
      return success();
    }
  Block *block = b.getInsertionBlock();
  Operation *before = block->empty() ? nullptr : &block->back();
  NodeBinder binder(b, nameLoc(b, label), node, opset, label, inputs, error);
  binder.subgraph = [&](const Graph &graph) -> NodeBinder::EmitGraph {
    auto constants = std::make_shared<Scope>();
    constants->parent = &site.scope;
    for (const Tensor &tensor : graph.initializers)
      constants->initializers[tensor.name] = &tensor;
    return [this, constants, &graph, &site,
            label](ArrayRef<TypedValue> bound,
                   SmallVectorImpl<TypedValue> &outputs) {
      Scope inner;
      inner.parent = constants.get();
      for (auto [input, value] : llvm::zip(graph.inputs, bound))
        inner.values[input.name] = value;
      return emitGraph(graph, inner, site, label, outputs);
    };
  };
  binder.onUnknown = [&](Value value) { noteUnknown(value); };
  binder.lengthLimits = &lengthLimits;
  bool hasLengths = llvm::any_of(
      inputs, [](const TypedValue &input) { return !input.lengths.empty(); });
  LengthRule rule = hasLengths ? lengthRule(node.domain, node.opType) : nullptr;
  if (hasLengths && !rule)
    return failOnLengths(binder);
  if (hasLengths && failed(prepareLengths(binder)))
    return failure();
  if (failed(record.handler(binder)) || (rule && failed(rule(binder)))) {
    if (error.empty())
      (void)binder.fail("cannot be imported", "no reason was given",
                        "report this as a bug");
    return failure();
  }
  SmallVector<TypedValue> outputs(binder.results());
  for (auto [i, output] : llvm::enumerate(outputs)) {
    if (!output && binder.wantsOutput(i))
      return binder.fail("output " + Twine(i) + " is not supported",
                         "optional output", "remove its uses");
    if (output.value && failed(binder.checkShape(shapeOf(output.value))))
      return failure();
  }
  foldConstants(before, node, inputs, outputs);
  if (failed(checkInferred(label, node, outputs)))
    return failure();
  for (auto [name, output] : llvm::zip_equal(node.outputs, outputs))
    if (!name.empty())
      site.scope.values[name] = output;
  if (tensor)
    constants[tensor] = {node.attributes[0].tensor, outputs[0]};
  return success();
}

/// Replaces references to the function's attributes by the call's values.
static std::vector<Node> substituteAttributes(const Function &function,
                                              const Node &call) {
  auto find = [&](const std::string &name) -> const Attribute * {
    for (const Attribute &attr : call.attributes)
      if (attr.name == name)
        return &attr;
    for (const Attribute &attr : function.defaults)
      if (attr.name == name)
        return &attr;
    return nullptr;
  };
  std::vector<Node> nodes = function.nodes;
  std::function<void(std::vector<Node> &)> substitute =
      [&](std::vector<Node> &list) {
        for (Node &node : list) {
          std::vector<Attribute> attributes;
          for (Attribute &attr : node.attributes) {
            if (attr.graph) {
              attr.graph = std::make_shared<Graph>(*attr.graph);
              substitute(attr.graph->nodes);
            }
            if (attr.reference.empty()) {
              attributes.push_back(attr);
            } else if (const Attribute *value = find(attr.reference)) {
              attributes.push_back(*value);
              attributes.back().name = attr.name;
            }
          }
          node.attributes = std::move(attributes);
        }
      };
  substitute(nodes);
  return nodes;
}

LogicalResult GraphImporter::callFunction(const Function &function,
                                          const Node &node, const Site &site,
                                          const std::string &caller,
                                          ArrayRef<TypedValue> inputs) {
  Scope inner;
  for (auto [i, name] : llvm::enumerate(function.inputs))
    // An omitted optional input stays an empty value.
    inner.values[name] = i < inputs.size() ? inputs[i] : TypedValue{};
  std::vector<Node> nodes = substituteAttributes(function, node);
  // Uses of omitted inputs are omitted uses.
  for (Node &each : nodes)
    for (std::string &name : each.inputs) {
      auto it = inner.values.find(name);
      if (it != inner.values.end() && !it->second)
        name.clear();
    }
  Opsets innerOpsets = site.opsets;
  for (const auto &[domain, version] : function.opsets)
    innerOpsets[domain] = version;
  if (failed(importNodes(nodes, {inner, innerOpsets, caller, site.depth + 1})))
    return failure();
  for (auto [i, name] : llvm::enumerate(node.outputs)) {
    if (name.empty())
      continue;
    TypedValue value;
    if (i < function.outputs.size())
      value = lookup(function.outputs[i], inner);
    if (!value) {
      error = site.label(node) + ": function " + function.name +
              " does not define output " + std::to_string(i) + "; it has " +
              std::to_string(function.outputs.size()) +
              " outputs; correct the model";
      return failure();
    }
    site.scope.values[name] = value;
  }
  return success();
}

LogicalResult GraphImporter::emitGraph(const Graph &graph, Scope &inner,
                                       const Site &site,
                                       const std::string &label,
                                       SmallVectorImpl<TypedValue> &outputs) {
  if (failed(importNodes(graph.nodes,
                         {inner, site.opsets, site.caller, site.depth + 1})))
    return failure();
  for (const ValueInfo &output : graph.outputs) {
    TypedValue value = lookup(output.name, inner);
    if (!value) {
      if (error.empty())
        error = label + ": subgraph output '" + output.name +
                "' is not defined; every output has a producer; correct the "
                "model";
      return failure();
    }
    outputs.push_back(value);
  }
  return success();
}

/// True when everything the operation reads is at hand: constants, or tensors
/// that only give a shape or a start.
static bool readsConstants(Operation *op) {
  bool result = true;
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands()) {
      Operation *source = operand.getDefiningOp();
      bool isInside = op->isAncestor(operand.getParentBlock()->getParentOp());
      if (isInside)
        continue;
      if (!isa_and_nonnull<arith::ConstantOp, tensor::EmptyOp, linalg::FillOp>(
              source))
        result = false;
      else if (auto type = dyn_cast<RankedTensorType>(operand.getType()))
        result &= type.getNumElements() <= maxConstantElements;
    }
  });
  return result;
}

void GraphImporter::foldConstants(Operation *before, const Node &node,
                                  ArrayRef<TypedValue> inputs,
                                  MutableArrayRef<TypedValue> outputs) {
  Block *block = b.getInsertionBlock();
  ir::Evaluator evaluator;
  // Elements of sequences made here are results too, and run-time lengths.
  SmallVector<Value *> results;
  for (TypedValue &output : outputs) {
    if (output.value)
      results.push_back(&output.value);
    for (Length &length : output.lengths)
      results.push_back(&length.value);
    if (output.sequence)
      for (TypedValue &element : *output.sequence)
        results.push_back(&element.value);
  }
  auto fold = [&](Value value, StringRef name) {
    if (typeOf(value).getNumElements() > options.foldElements)
      return;
    const ir::Literal *literal = evaluator.evaluate(value);
    if (!literal)
      return;
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointAfter(value.getDefiningOp());
    Emitter e{b, value.getLoc()};
    Value constant = e.constant(ir::toAttribute(*literal, name));
    for (Value *result : results)
      if (*result == value)
        *result = constant;
    value.replaceAllUsesWith(constant);
  };
  // Results first: what leads to them may be too big to keep.
  bool allConstant = llvm::all_of(inputs, [](const TypedValue &input) {
    return !input ||
           (input.value && ir::constantOf(input.value) &&
            typeOf(input.value).getNumElements() <= maxConstantElements);
  });
  for (auto [i, output] : llvm::enumerate(outputs))
    if (allConstant && output.value && !ir::constantOf(output.value))
      fold(output.value, node.outputs[i].empty() ? "value" : node.outputs[i]);
  auto first = before ? std::next(before->getIterator()) : block->begin();
  for (auto it = first; it != block->end();) {
    Operation *op = &*it++;
    if (isa<arith::ConstantOp, tensor::EmptyOp, linalg::FillOp>(op) ||
        op->getNumResults() != 1 || !readsConstants(op))
      continue;
    fold(op->getResult(0), node.name);
  }
  // Drops what is dead now. Constants stay until the end: names of outer
  // scopes may have been bound to them meanwhile.
  for (auto it = block->rbegin(); it != block->rend();) {
    Operation *op = &*it++;
    if (op == before)
      break;
    bool isResult = llvm::any_of(
        results, [&](Value *result) { return result->getDefiningOp() == op; });
    if (!isa<arith::ConstantOp>(op) && !isResult && op->use_empty())
      op->erase();
  }
}

LogicalResult GraphImporter::checkInferred(const std::string &label,
                                           const Node &node,
                                           ArrayRef<TypedValue> outputs) {
  if (!options.checkInferredTypes)
    return success();
  for (auto [name, output] : llvm::zip_equal(node.outputs, outputs)) {
    auto it = model.graph.inferred.find(name);
    if (!output.value || it == model.graph.inferred.end())
      continue;
    const ValueInfo &info = it->second;
    ArrayRef<int64_t> shape = shapeOf(output.value);
    bool same = info.type == DType::Undefined || info.type == output.type;
    if (info.shape) {
      same &= info.shape->size() == shape.size();
      for (size_t d = 0; same && d < shape.size(); ++d)
        same = (*info.shape)[d] < 0 || (*info.shape)[d] == shape[d];
    }
    if (same)
      continue;
    error = label + ": imported as " + onnx::name(output.type) + " " +
            toText(shape) + ", which ONNX's shape inference contradicts; " +
            onnx::name(info.type) + " " +
            (info.shape ? toText(*info.shape) : "of any shape") +
            "; report this as a bug";
    return failure();
  }
  return success();
}

/// Collects the graph inputs that `value` is computed from.
void GraphImporter::noteUnknown(Value value) {
  SmallVector<Value> work{value};
  DenseSet<Value> seen;
  while (!work.empty()) {
    Value next = work.pop_back_val();
    if (!seen.insert(next).second)
      continue;
    Operation *op = next.getDefiningOp();
    if (!op) {
      auto argument = cast<BlockArgument>(next);
      if (isa<func::FuncOp>(argument.getOwner()->getParentOp()))
        unknown.insert(model.graph.inputs[argument.getArgNumber()].name);
      continue;
    }
    // What regions use from outside counts like an operand.
    op->walk([&](Operation *inner) {
      work.append(inner->operand_begin(), inner->operand_end());
    });
  }
}

void GraphImporter::eraseDeadOps(Block &block) {
  for (auto it = block.rbegin(); it != block.rend();) {
    Operation *op = &*it++;
    if (isOpTriviallyDead(op))
      op->erase();
  }
}

/// Argument or result attributes: name and, for MLIR has none, the sign.
static DictionaryAttr portAttrs(OpBuilder &b, const std::string &name,
                                DType type) {
  SmallVector<NamedAttribute> attrs;
  attrs.push_back(b.getNamedAttr("cim.name", b.getStringAttr(name)));
  if (isUnsigned(type))
    attrs.push_back(b.getNamedAttr("cim.unsigned", b.getUnitAttr()));
  return b.getDictionaryAttr(attrs);
}

/// Run-time lengths become hidden results, each once, after the others; the
/// results they belong to name them: `cim.lengths` holds pairs of a dimension
/// and the number of the result that is its length.
static void addLengthResults(OpBuilder &b,
                             ArrayRef<SmallVector<Length, 1>> lengths,
                             SmallVectorImpl<Value> &results,
                             SmallVectorImpl<Type> &types,
                             SmallVectorImpl<DictionaryAttr> &attrs) {
  size_t visible = results.size();
  for (auto [i, list] : llvm::enumerate(lengths)) {
    if (list.empty())
      continue;
    SmallVector<int64_t> pairs;
    for (const Length &length : list) {
      auto hidden = llvm::drop_begin(results, visible);
      size_t at = visible + std::distance(hidden.begin(),
                                          llvm::find(hidden, length.value));
      if (at == results.size()) {
        auto name = attrs[i].getAs<StringAttr>("cim.name").getValue();
        std::string text = (name + ".length" + Twine(at - visible)).str();
        while (llvm::any_of(attrs, [&](DictionaryAttr other) {
          return other.getAs<StringAttr>("cim.name").getValue() == text;
        }))
          text += "_";
        results.push_back(length.value);
        types.push_back(length.value.getType());
        attrs.push_back(b.getDictionaryAttr(
            {b.getNamedAttr("cim.hidden", b.getUnitAttr()),
             b.getNamedAttr("cim.name", b.getStringAttr(text))}));
      }
      pairs.push_back(length.dim);
      pairs.push_back(static_cast<int64_t>(at));
    }
    NamedAttrList more(attrs[i]);
    more.set("cim.lengths", b.getDenseI64ArrayAttr(pairs));
    attrs[i] = more.getDictionary(b.getContext());
  }
}

LogicalResult GraphImporter::importGraph(func::FuncOp func) {
  Block *block = &func.getBody().front();
  b.setInsertionPointToEnd(block);
  Scope scope;
  for (const Tensor &tensor : model.graph.initializers)
    scope.initializers[tensor.name] = &tensor;
  for (auto [i, input] : llvm::enumerate(model.graph.inputs)) {
    func.setArgAttrs(i, portAttrs(b, input.name, input.type));
    scope.values[input.name] = {block->getArgument(i), input.type, {}};
  }
  const std::string noCaller;
  Site site{scope, model.opsets, noCaller, 0};
  for (auto [i, node] : llvm::enumerate(model.graph.nodes)) {
    nodeList.begin(i);
    if (failed(importNode(node, site)))
      return failure();
    SmallVector<TypedValue> values;
    for (const std::string &name : node.outputs)
      if (!name.empty())
        values.push_back(lookup(name, scope));
    nodeList.end(values);
  }
  SmallVector<Value> results;
  SmallVector<Type> resultTypes;
  SmallVector<Attribute> unused;
  SmallVector<DictionaryAttr> resultAttrs;
  SmallVector<SmallVector<Length, 1>> lengths;
  for (const ValueInfo &output : model.graph.outputs) {
    TypedValue value = lookup(output.name, scope);
    if (value.sequence) {
      error = output.name + ": graph output is a sequence; only tensors leave "
                            "the device; output its elements";
      return failure();
    }
    if (!value) {
      if (error.empty())
        error = output.name + ": graph output is not defined; every output has "
                              "a producer; correct the model";
      return failure();
    }
    results.push_back(value.value);
    resultTypes.push_back(value.value.getType());
    resultAttrs.push_back(portAttrs(b, output.name, value.type));
    lengths.push_back(value.lengths);
  }
  addLengthResults(b, lengths, results, resultTypes, resultAttrs);
  func::ReturnOp::create(b, func.getLoc(), results);
  func.setFunctionType(b.getFunctionType(func.getArgumentTypes(), resultTypes));
  for (auto [i, attrs] : llvm::enumerate(resultAttrs))
    func.setResultAttrs(i, attrs);
  eraseDeadOps(*block);
  func->getParentOp()->setAttr("cim.nodes", nodeList.finish(*block));
  return success();
}

OwningOpRef<ModuleOp> GraphImporter::run(const std::string &modelName) {
  Location loc = nameLoc(b, modelName);
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  (*module)->setAttr("cim.model", b.getStringAttr(modelName));
  (*module)->setAttr("cim.phase", b.getStringAttr("import"));
  b.setInsertionPointToEnd(module->getBody());
  SmallVector<Type> argTypes;
  SmallVector<Location> argLocs;
  for (const ValueInfo &input : model.graph.inputs) {
    Type element = toElementType(b.getContext(), input.type);
    if (!element) {
      error = input.name + ": graph input of type " + name(input.type) +
              " cannot be imported; numbers and booleans only; change the "
              "model";
      return nullptr;
    }
    argTypes.push_back(RankedTensorType::get(*input.shape, element));
    argLocs.push_back(nameLoc(b, input.name));
  }
  auto func =
      func::FuncOp::create(b, loc, "main", b.getFunctionType(argTypes, {}));
  func.getBody().push_back(new Block());
  func.getBody().front().addArguments(argTypes, argLocs);
  for (const std::string &remark : model.remarks)
    emitRemark(b.getUnknownLoc()) << remark;
  if (failed(importGraph(func)))
    return nullptr;
  if (!model.inferenceProblem.empty())
    emitWarning(b.getUnknownLoc())
        << modelName << ": ONNX's shape inference fails ("
        << model.inferenceProblem << ")";
  std::string problem;
  ScopedDiagnosticHandler handler(b.getContext(), [&](Diagnostic &diagnostic) {
    if (problem.empty())
      problem = diagnostic.str();
    return success();
  });
  if (failed(verify(*module))) {
    if (!model.inferenceProblem.empty()) {
      error = modelName + ": types or shapes of the model do not fit; " +
              model.inferenceProblem + "; correct the model";
      return nullptr;
    }
    error = modelName + ": the importer made invalid IR (" + problem +
            "); internal error; report this as a bug";
    return nullptr;
  }
  return module;
}

} // namespace
} // namespace onnx

void loadImportDialects(MLIRContext &context) {
  context.loadDialect<arith::ArithDialect, func::FuncDialect,
                      linalg::LinalgDialect, math::MathDialect,
                      quant::QuantDialect, tensor::TensorDialect,
                      ir::CIMDialect>();
}

static FailureOr<OwningOpRef<ModuleOp>>
importModel(StringRef bytes, std::shared_ptr<const void> owner,
            const onnx::LoadOptions &loadOptions, std::string modelName,
            const ImportOptions &options, MLIRContext &context,
            std::string &error) {
  error.clear();
  // Names in messages come from the model and may hold anything.
  llvm::scope_exit sanitize([&] { error = onnx::oneLine(error); });
  loadImportDialects(context);
  std::unique_ptr<onnx::Model> model =
      onnx::loadModel(ArrayRef<char>(bytes.data(), bytes.size()),
                      std::move(owner), loadOptions, error);
  if (!model)
    return failure();
  if (!options.modelName.empty())
    modelName = options.modelName;
  if (modelName.empty())
    modelName = model->graph.name.empty() ? "model" : model->graph.name;
  onnx::GraphImporter importer(*model, options, context, error);
  OwningOpRef<ModuleOp> module = importer.run(modelName);
  if (module)
    return module;
  if (const auto &unknown = importer.unknownInputs(); !unknown.empty()) {
    error += ", or give the value of " + llvm::join(unknown, ", ") +
             " when compiling (--bind)";
    if (options.needsValues)
      options.needsValues({unknown.begin(), unknown.end()});
  }
  return failure();
}

FailureOr<OwningOpRef<ModuleOp>> importOnnxFile(StringRef path,
                                                const ImportOptions &options,
                                                MLIRContext &context,
                                                std::string &error) {
  auto file = MappedFile::open(path.str());
  if (!file.ok()) {
    error = std::string(file.status().message());
    return failure();
  }
  std::filesystem::path fsPath(path.str());
  onnx::LoadOptions loadOptions;
  loadOptions.inputShapes = options.inputShapes;
  loadOptions.bind = options.bind;
  loadOptions.what = path.str();
  loadOptions.externalDataDir = options.externalDataDir;
  if (loadOptions.externalDataDir.empty())
    loadOptions.externalDataDir =
        fsPath.has_parent_path() ? fsPath.parent_path().string() : ".";
  std::string_view bytes = (*file)->bytes();
  return importModel(StringRef(bytes.data(), bytes.size()), *file, loadOptions,
                     fsPath.stem().string(), options, context, error);
}

FailureOr<OwningOpRef<ModuleOp>>
importOnnxBytes(StringRef bytes, const ImportOptions &options,
                MLIRContext &context, std::string &error,
                std::shared_ptr<const void> owner) {
  onnx::LoadOptions loadOptions;
  loadOptions.inputShapes = options.inputShapes;
  loadOptions.bind = options.bind;
  loadOptions.what = options.modelName.empty() ? "model" : options.modelName;
  loadOptions.externalDataDir = options.externalDataDir;
  return importModel(bytes, std::move(owner), loadOptions, "", options, context,
                     error);
}

bool parseInputShape(StringRef text, ImportOptions &options,
                     std::string &error) {
  auto [name, dims] = text.rsplit('=');
  std::vector<int64_t> shape;
  bool valid = !name.empty() && name.size() < text.size();
  SmallVector<StringRef> parts;
  if (dims != "scalar")
    dims.split(parts, 'x');
  for (StringRef part : parts) {
    int64_t value;
    valid &= !part.getAsInteger(10, value) && value >= 0;
    if (valid)
      shape.push_back(value);
  }
  if (!valid) {
    error = ("'" + text +
             "' is not a shape; name=sizes wanted; write x=1x3x224x224")
                .str();
    return false;
  }
  options.inputShapes.emplace_back(name.str(), std::move(shape));
  return true;
}

} // namespace cim
