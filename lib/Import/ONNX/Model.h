// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A loaded, checked ONNX model as plain data. The files that make it are the
// only ones that see protobuf, the ONNX library and its exceptions.
#ifndef CIM_LIB_IMPORT_ONNX_MODEL_H
#define CIM_LIB_IMPORT_ONNX_MODEL_H

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cim/Support/Npz.h"
#include "llvm/ADT/ArrayRef.h"

namespace cim::onnx {

/// Values of onnx.TensorProto.DataType.
enum class DType : int32_t {
  Undefined = 0,
  Float = 1,
  UInt8 = 2,
  Int8 = 3,
  UInt16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,
  Bool = 9,
  Float16 = 10,
  Double = 11,
  UInt32 = 12,
  UInt64 = 13,
  Complex64 = 14,
  Complex128 = 15,
  BFloat16 = 16,
  Float8E4M3FN = 17,
  Float8E4M3FNUZ = 18,
  Float8E5M2 = 19,
  Float8E5M2FNUZ = 20,
  UInt4 = 21,
  Int4 = 22,
  Float4E2M1 = 23,
  Float8E8M0 = 24,
  UInt2 = 25,
  Int2 = 26,
  Float6E2M3 = 27,
  Float6E3M2 = 28,
};
/// "float32", "uint4", ...
const char *name(DType type);
/// Bits of one element; 0 for strings and unknown types.
unsigned bitWidth(DType type);
/// Integers without sign (not booleans); every floating-point type.
bool isUnsigned(DType type);
bool isFloating(DType type);

/// A constant. `bytes` follow the storage convention of cim/IR/Constants.h and
/// live as long as `owner`.
struct Tensor {
  std::string name;
  DType type = DType::Undefined;
  std::vector<int64_t> dims;
  llvm::ArrayRef<char> bytes;
  std::shared_ptr<const void> owner;
};

struct Graph;

struct Attribute {
  /// Undefined stands for kinds the importer has no use for (sparse tensors,
  /// types, ...).
  enum class Kind {
    Undefined,
    Int,
    Float,
    String,
    Ints,
    Floats,
    Strings,
    Tensor,
    Graph
  };
  std::string name;
  Kind kind = Kind::Undefined;
  int64_t i = 0;
  float f = 0;
  std::string s;
  std::vector<int64_t> ints;
  std::vector<float> floats;
  std::vector<std::string> strings;
  std::shared_ptr<Tensor> tensor;
  std::shared_ptr<Graph> graph;
  std::string reference; ///< In function bodies: the function's attribute.
};

struct Node {
  std::string
      name; ///< Never empty: `<OpType>_<index>` when the model has none.
  std::string domain, opType, overload;
  std::vector<std::string> inputs, outputs; ///< "" where omitted.
  std::vector<Attribute> attributes;
};

/// Name and type of a graph input or output; shape absent when unknown. A
/// dimension of -1 is unknown.
struct ValueInfo {
  std::string name;
  DType type = DType::Undefined;
  std::optional<std::vector<int64_t>> shape;
  /// What the value is when it is no tensor: "sequence", "optional", "map".
  std::string container;
};

struct Graph {
  std::string name;
  std::vector<ValueInfo> inputs; ///< Without those that have an initializer.
  std::vector<ValueInfo> outputs;
  std::vector<Tensor> initializers;
  std::vector<Node> nodes;
  /// Types found by ONNX's shape inference, by value name.
  std::map<std::string, ValueInfo> inferred;
};

struct Function {
  std::string domain, name, overload;
  std::vector<std::string> inputs, outputs;
  std::vector<Attribute> defaults; ///< Attributes with default values.
  std::vector<Node> nodes;
  std::map<std::string, int> opsets;
};

struct Model {
  Graph graph;
  std::map<std::string, int> opsets; ///< The default domain is "".
  std::vector<Function> functions;
  std::vector<std::string> remarks;
  std::string inferenceProblem; ///< What ONNX's shape inference objects to.
};

struct LoadOptions {
  std::vector<std::pair<std::string, std::vector<int64_t>>> inputShapes;
  std::map<std::string, NpyArray> bind; ///< ImportOptions::bind.
  std::string externalDataDir;          ///< Empty: external data is refused.
  std::string what;                     ///< Model's name in messages.
};

/// Parses, checks, converts to an opset the handlers know, fixes input shapes
/// and infers shapes. On failure returns null with one line in `error`.
std::unique_ptr<Model> loadModel(llvm::ArrayRef<char> bytes,
                                 std::shared_ptr<const void> owner,
                                 const LoadOptions &options,
                                 std::string &error);

/// Type of a node's operand, as the function bodies of schemas may ask for.
struct TypeInfo {
  DType type = DType::Undefined;
  std::vector<int64_t> shape;
};

/// The body by which ONNX itself defines `node` at `opset`; null when the
/// operator is not a function there (`error` empty) or it cannot be built
/// (`error` set).
std::unique_ptr<Function> schemaFunction(const Node &node,
                                         llvm::ArrayRef<TypeInfo> inputs,
                                         int opset, std::string &error);

/// `text` on one line, control characters replaced.
std::string oneLine(const std::string &text);

/// Version in which the operator's definition in force at `opset` was made;
/// 0 when ONNX does not know the operator.
int schemaVersion(const std::string &domain, const std::string &opType,
                  int opset);

} // namespace cim::onnx

#endif // CIM_LIB_IMPORT_ONNX_MODEL_H
