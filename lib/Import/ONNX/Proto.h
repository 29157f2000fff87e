// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Between protobuf messages and the plain model. Functions throw ImportError
// (or what the ONNX library throws); loadModel and schemaFunction catch.
#ifndef CIM_LIB_IMPORT_ONNX_PROTO_H
#define CIM_LIB_IMPORT_ONNX_PROTO_H

#include <set>
#include <stdexcept>
#include <string>

#include "Model.h"
#include "onnx/onnx_pb.h"

namespace cim::onnx {

/// A user's error; the message is complete.
struct ImportError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Product of the dimensions; throws when negative or beyond 2^40.
int64_t elementCount(const std::string &what, const std::vector<int64_t> &dims);

/// Converts a tensor whose data stand in the message. With `takeRaw` the
/// message's raw bytes are moved out of it instead of copied.
Tensor toTensor(cim_onnx::TensorProto &proto, bool takeRaw);

/// Stored elements as a TensorProto holds them: types below 8 bits are packed,
/// lowest bits first.
std::string packedBytes(llvm::ArrayRef<char> bytes, DType type);

/// Gives the inputs of LoadOptions::bind initializers; their names.
std::set<std::string> bindInputs(const LoadOptions &options,
                                 cim_onnx::GraphProto &graph);

/// Maps external data.
class ExternalData {
public:
  explicit ExternalData(std::string directory)
      : directory(std::move(directory)) {}
  Tensor load(const cim_onnx::TensorProto &proto);

private:
  std::string directory;
  std::map<std::string,
           std::pair<std::shared_ptr<const void>, llvm::ArrayRef<char>>>
      files;
};

Node toNode(cim_onnx::NodeProto &proto, size_t index);
Graph toGraph(cim_onnx::GraphProto &proto);
Function toFunction(const cim_onnx::FunctionProto &proto);
Attribute toAttribute(cim_onnx::AttributeProto &proto);
cim_onnx::NodeProto toProto(const Node &node);

} // namespace cim::onnx

#endif // CIM_LIB_IMPORT_ONNX_PROTO_H
