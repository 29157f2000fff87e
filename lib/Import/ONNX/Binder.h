// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a handler sees of a node: its operands as MLIR values, its attributes,
// constant operands' contents, and one way to fail. Handlers are registered by
// (domain, operator, first opset of the definition they implement).
#ifndef CIM_LIB_IMPORT_ONNX_BINDER_H
#define CIM_LIB_IMPORT_ONNX_BINDER_H

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "Build.h"
#include "Model.h"
#include "cim/IR/Evaluate.h"
#include "llvm/ADT/Twine.h"

namespace cim::onnx {

/// The length of a dimension that a run decides; the tensor's shape says the
/// most it can be, and elements beyond it mean nothing.
struct Length {
  int64_t dim;
  mlir::Value value; ///< tensor<i64>
  bool operator==(const Length &) const = default;
};

/// A tensor of the graph, or a list of them. MLIR's integers carry no sign, so
/// the ONNX type is kept beside the value.
struct TypedValue {
  mlir::Value value;
  DType type = DType::Undefined;
  llvm::SmallVector<Length, 1> lengths; ///< By rising dimension.
  /// Of a sequence: its elements; `value` is null then.
  std::shared_ptr<std::vector<TypedValue>> sequence;

  explicit operator bool() const { return value || sequence; }
};

/// The element type, or null for strings and complex numbers.
mlir::Type toElementType(mlir::MLIRContext *context, DType type);

/// A shape operand: what its dimensions are at most, and which have run-time
/// lengths.
struct Sizes {
  Shape most;
  llvm::SmallVector<Length, 1> lengths;
};

class NodeBinder {
public:
  /// Imports a subgraph in place with the given values as its inputs; its
  /// outputs are appended. May be called any number of times: the subgraph's
  /// own constants are shared by all copies, and equal inputs give equal text.
  using EmitGraph = std::function<mlir::LogicalResult(
      llvm::ArrayRef<TypedValue>, llvm::SmallVectorImpl<TypedValue> &)>;
  /// The emitter of a subgraph of this node.
  using Subgraph = std::function<EmitGraph(const Graph &)>;

  NodeBinder(mlir::OpBuilder &b, mlir::Location loc, const Node &node,
             int opset, std::string label, llvm::ArrayRef<TypedValue> inputs,
             std::string &error)
      : e{b, loc}, b(b), node(node), opset(opset), label(std::move(label)),
        inputs(inputs.begin(), inputs.end()), outputs(node.outputs.size()),
        error(error) {}

  Emitter e;
  mlir::OpBuilder &b;
  const Node &node;
  const int opset; ///< Of the node's domain.
  Subgraph subgraph;
  /// Told of every value that had to be constant and is not.
  std::function<void(mlir::Value)> onUnknown;
  void noteUnknown(mlir::Value value) const {
    if (onUnknown && value)
      onUnknown(value);
  }
  /// What the run-time lengths of the graph are at most.
  llvm::DenseMap<mlir::Value, int64_t> *lengthLimits = nullptr;

  // Operands.
  size_t numInputs() const { return inputs.size(); }
  size_t numOutputs() const { return node.outputs.size(); }
  bool hasInput(size_t i) const { return i < inputs.size() && inputs[i].value; }
  bool wantsOutput(size_t i) const {
    return i < node.outputs.size() && !node.outputs[i].empty();
  }
  mlir::Value input(size_t i) const { return inputs[i].value; }
  /// Elements of an operand that is a sequence, else null.
  const std::vector<TypedValue> *sequence(size_t i) const {
    return i < inputs.size() ? inputs[i].sequence.get() : nullptr;
  }
  DType type(size_t i) const { return inputs[i].type; }
  bool isUnsigned(size_t i) const { return onnx::isUnsigned(type(i)); }
  llvm::ArrayRef<int64_t> shape(size_t i) const { return shapeOf(input(i)); }
  mlir::Type element(size_t i) const { return elementOf(input(i)); }
  int64_t rank(size_t i) const { return rankOf(input(i)); }
  llvm::SmallVector<mlir::Value> values() const;
  /// Run-time lengths of an input (none if it is missing).
  llvm::ArrayRef<Length> lengths(size_t i) const;
  /// The run-time length of a dimension of an input, or null.
  mlir::Value length(size_t i, int64_t dim) const;
  /// Another value of the same type in the place of an input.
  void replaceInput(size_t i, mlir::Value value) { inputs[i].value = value; }
  /// Fails unless the first `count` inputs are present.
  mlir::LogicalResult needInputs(size_t count);
  /// Fails when input `i`, if present, has another type than input 0.
  mlir::LogicalResult needTypeOfFirst(llvm::ArrayRef<size_t> others);

  // Attributes; a value of another kind fails like a missing one.
  const Attribute *attribute(llvm::StringRef name) const;
  int64_t intAttr(llvm::StringRef name, int64_t orElse) const;
  double floatAttr(llvm::StringRef name, double orElse) const;
  std::string stringAttr(llvm::StringRef name, llvm::StringRef orElse) const;
  std::optional<Shape> intsAttr(llvm::StringRef name) const;
  /// Fails when the attribute is missing or no graph.
  mlir::FailureOr<const Graph *> graphAttr(llvm::StringRef name);

  /// The elements of any value that is known when compiling, or nothing.
  std::optional<ir::Literal> known(mlir::Value value) const;
  /// The value as a constant where it is known, else as it is.
  mlir::Value folded(mlir::Value value, llvm::StringRef name);

  // Constant operands: shape, axes, ... Failure names the operand.
  mlir::FailureOr<Shape> constantInts(size_t i, llvm::StringRef what);
  /// As constantInts, but elements may be run-time lengths (from `Shape`).
  mlir::FailureOr<Sizes> sizes(size_t i, llvm::StringRef what);
  mlir::FailureOr<std::vector<double>> constantFloats(size_t i,
                                                      llvm::StringRef what);
  /// The attribute `name`, or constant input `i`, or nothing.
  mlir::FailureOr<std::optional<Shape>> intsAttrOrInput(llvm::StringRef name,
                                                        size_t i);
  /// `axis` in [-rank, rank) made non-negative.
  mlir::FailureOr<int64_t> axis(int64_t axis, int64_t rank);
  /// Sorted, unique, non-negative.
  mlir::FailureOr<Shape> axes(llvm::ArrayRef<int64_t> axes, int64_t rank);

  // Results.
  /// The type defaults to that of the first input with the same element type.
  void setOutput(size_t i, mlir::Value value, DType type = DType::Undefined);
  void setSequence(size_t i, std::vector<TypedValue> elements);
  /// Dimension `dim` of the output is as long as `length` says at run time. A
  /// dimension has one length: a second one fails unless it is the same value.
  mlir::LogicalResult setLength(size_t i, int64_t dim, mlir::Value length);
  llvm::ArrayRef<TypedValue> results() const { return outputs; }

  /// Fails when a result would be absurdly big (more than 2^40 elements) or a
  /// size is negative.
  mlir::LogicalResult checkShape(llvm::ArrayRef<int64_t> shape);

  /// `<node>: <what>; <op> opset <n><, limit>; <advice>`. Always a failure.
  mlir::LogicalResult fail(const llvm::Twine &what, const llvm::Twine &limit,
                           const llvm::Twine &advice = "correct the model");

private:
  /// Where element `i` of a vector comes from: a number, or a run-time length.
  std::optional<std::pair<int64_t, mlir::Value>> traceSize(mlir::Value vector,
                                                           int64_t i) const;

  std::string label; ///< The node's name in messages.
  llvm::SmallVector<TypedValue> inputs, outputs;
  std::string &error;
};

using Handler = std::function<mlir::LogicalResult(NodeBinder &)>;

/// One importable operator definition.
struct OpRecord {
  const char *name;
  int sinceVersion;
  Handler handler;
  const char *notes = "";
};

/// Finds handlers; built once by the functions below.
class Registry {
public:
  static const Registry &instance();
  /// The record with the largest sinceVersion <= opset, or null.
  const OpRecord *find(const std::string &domain, const std::string &name,
                       int opset) const;
  /// The smallest registered version, or 0.
  int oldest(const std::string &domain, const std::string &name) const;
  void add(const char *domain, std::vector<OpRecord> records);
  using Table =
      std::map<std::pair<std::string, std::string>, std::map<int, OpRecord>>;
  const Table &table() const { return records; }

private:
  Table records;
};

// One function per file of handlers.
void registerActivation(Registry &registry);
void registerClassic(Registry &registry);
void registerControl(Registry &registry);
void registerConv(Registry &registry);
void registerDet(Registry &registry);
void registerElementwise(Registry &registry);
void registerFourier(Registry &registry);
void registerGather(Registry &registry);
void registerGenerate(Registry &registry);
void registerGradient(Registry &registry);
void registerMatMul(Registry &registry);
void registerNorm(Registry &registry);
void registerPad(Registry &registry);
void registerPool(Registry &registry);
void registerQuantize(Registry &registry);
void registerRecurrent(Registry &registry);
void registerReduction(Registry &registry);
void registerResize(Registry &registry);
void registerSample(Registry &registry);
void registerScan(Registry &registry);
void registerScatter(Registry &registry);
void registerSelect(Registry &registry);
void registerSequence(Registry &registry);
void registerShape(Registry &registry);
void registerSlice(Registry &registry);
void registerSoftmax(Registry &registry);
void registerSpatial(Registry &registry);
void registerTfIdf(Registry &registry);
void registerTraining(Registry &registry);

/// What an operator does with run-time lengths of its inputs: emits its
/// results' lengths after the handler has run, or fails.
using LengthRule = mlir::LogicalResult (*)(NodeBinder &);
/// The operator's rule; null when it needs to know its operands' shapes. For
/// operators whose handlers treat lengths themselves the rule does nothing.
LengthRule lengthRule(const std::string &domain, const std::string &name);
/// Fails, naming an input with run-time lengths and what to do.
mlir::LogicalResult failOnLengths(NodeBinder &n);

/// "2x3x4".
std::string toText(llvm::ArrayRef<int64_t> shape);

} // namespace cim::onnx

#endif // CIM_LIB_IMPORT_ONNX_BINDER_H
