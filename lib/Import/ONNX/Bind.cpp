// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Binding graph inputs to values: the input stays declared, as ONNX allows for
// a default value, and an initializer of its name makes it a constant.

#include <algorithm>

#include "Proto.h"

namespace cim::onnx {

/// NumPy's kind and item size of an array of ONNX type `type`.
static std::string npyType(DType type) {
  unsigned bytes = std::max(1u, bitWidth(type) / 8);
  switch (type) {
  case DType::Bool:
    return "b1";
  case DType::Float:
  case DType::Double:
  case DType::Float16:
    return "f" + std::to_string(bytes);
  default:
    if (isFloating(type)) // NumPy has no name for them.
      return "V" + std::to_string(bytes);
    return (isUnsigned(type) ? "u" : "i") + std::to_string(bytes);
  }
}

/// True when arrays of `given` hold elements of `type`. Extension types of
/// Python packages are of kind V or f whatever they are.
static bool fitsType(const std::string &given, DType type) {
  std::string wanted = npyType(type);
  bool isExtension = bitWidth(type) < 8 || isFloating(type);
  return given == wanted || (isExtension && !given.empty() &&
                             (given[0] == 'V' || given[0] == 'f') &&
                             given.substr(1) == wanted.substr(1));
}

static std::string shapeText(const std::vector<int64_t> &shape) {
  std::string text;
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? "x" : "") + std::to_string(shape[i]);
  return text.empty() ? "scalar" : text;
}

static void checkShape(const std::string &name, const NpyArray &array,
                       const cim_onnx::TypeProto_Tensor &type) {
  if (!type.has_shape())
    return;
  const auto &dims = type.shape();
  bool fits = dims.dim_size() == static_cast<int>(array.shape.size());
  std::string wanted;
  for (int i = 0; i < dims.dim_size(); ++i) {
    const auto &dim = dims.dim(i);
    wanted += i ? "x" : "";
    wanted += dim.has_dim_value() ? std::to_string(dim.dim_value()) : "?";
    if (fits && dim.has_dim_value())
      fits = dim.dim_value() == array.shape[i];
  }
  if (!fits)
    throw ImportError(name + ": --bind gives an array of shape " +
                      shapeText(array.shape) + "; the input has shape " +
                      (wanted.empty() ? "scalar" : wanted) +
                      "; give an array of that shape");
}

std::set<std::string> bindInputs(const LoadOptions &options,
                                 cim_onnx::GraphProto &graph) {
  std::set<std::string> bound;
  for (const auto &[name, array] : options.bind) {
    const cim_onnx::ValueInfoProto *input = nullptr;
    std::string names;
    for (const auto &each : graph.input()) {
      names += (names.empty() ? "" : ", ") + each.name();
      if (each.name() == name)
        input = &each;
    }
    if (!input)
      throw ImportError(options.what + ": --bind names '" + name +
                        "', which is not an input; the inputs are " + names +
                        "; correct the name");
    if (!input->type().has_tensor_type())
      throw ImportError(name + ": --bind names an input that is not a tensor; "
                               "tensors only; leave it out");
    const auto &tensor = input->type().tensor_type();
    auto type = static_cast<DType>(tensor.elem_type());
    if (!fitsType(array.dtype, type))
      throw ImportError(name + ": --bind gives elements of type " +
                        array.dtype + "; the input has " + onnx::name(type) +
                        "; convert the array");
    checkShape(name, array, tensor);
    int64_t count = elementCount(name, array.shape);
    if (static_cast<int64_t>(array.bytes.size()) !=
        count * static_cast<int64_t>(array.itemBytes()))
      throw ImportError(name + ": --bind gives " +
                        std::to_string(array.bytes.size()) + " bytes for " +
                        std::to_string(count) +
                        " elements; give a whole array");
    for (int i = graph.initializer_size(); i-- > 0;) // A default value.
      if (graph.initializer(i).name() == name)
        graph.mutable_initializer()->DeleteSubrange(i, 1);
    auto &proto = *graph.add_initializer();
    proto.set_name(name);
    proto.set_data_type(tensor.elem_type());
    for (int64_t size : array.shape)
      proto.add_dims(size);
    proto.set_raw_data(packedBytes(
        llvm::ArrayRef<char>(array.bytes.data(), array.bytes.size()), type));
    bound.insert(name);
  }
  return bound;
}

} // namespace cim::onnx
