// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Proto.h"

#include <charconv>
#include <cstring>
#include <filesystem>

#include "cim/Support/File.h"

namespace cim::onnx {

using cim_onnx::TensorProto;

namespace {
struct TypeRow {
  const char *name;
  unsigned bits;
};
constexpr TypeRow typeRows[] = {
    {"undefined", 0},      {"float32", 32},   {"uint8", 8},
    {"int8", 8},           {"uint16", 16},    {"int16", 16},
    {"int32", 32},         {"int64", 64},     {"string", 0},
    {"bool", 8},           {"float16", 16},   {"float64", 64},
    {"uint32", 32},        {"uint64", 64},    {"complex64", 64},
    {"complex128", 128},   {"bfloat16", 16},  {"float8e4m3fn", 8},
    {"float8e4m3fnuz", 8}, {"float8e5m2", 8}, {"float8e5m2fnuz", 8},
    {"uint4", 4},          {"int4", 4},       {"float4e2m1", 4},
    {"float8e8m0", 8},     {"uint2", 2},      {"int2", 2},
    {"float6e2m3", 6},     {"float6e3m2", 6},
};
const TypeRow &row(DType type) {
  auto index = static_cast<size_t>(type);
  return typeRows[index < std::size(typeRows) ? index : 0];
}
} // namespace

const char *name(DType type) { return row(type).name; }
unsigned bitWidth(DType type) { return row(type).bits; }

bool isUnsigned(DType type) {
  switch (type) {
  case DType::UInt2:
  case DType::UInt4:
  case DType::UInt8:
  case DType::UInt16:
  case DType::UInt32:
  case DType::UInt64:
    return true;
  default:
    return false;
  }
}

bool isFloating(DType type) {
  switch (type) {
  case DType::Float:
  case DType::Double:
  case DType::Float16:
  case DType::BFloat16:
  case DType::Float8E4M3FN:
  case DType::Float8E4M3FNUZ:
  case DType::Float8E5M2:
  case DType::Float8E5M2FNUZ:
  case DType::Float8E8M0:
  case DType::Float4E2M1:
  case DType::Float6E2M3:
  case DType::Float6E3M2:
    return true;
  default:
    return false;
  }
}

std::string oneLine(const std::string &text) {
  std::string result;
  for (char c : text) {
    bool blank = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (blank && (result.empty() || result.back() == ' '))
      continue;
    bool printable = static_cast<unsigned char>(c) >= 0x20;
    result += blank ? ' ' : (printable ? c : '?');
  }
  while (!result.empty() && result.back() == ' ')
    result.pop_back();
  return result;
}

int64_t elementCount(const std::string &what,
                     const std::vector<int64_t> &dims) {
  bool isEmpty = false;
  int64_t count = 1;
  for (int64_t dim : dims) {
    if (dim < 0)
      throw ImportError(what + ": negative dimension " + std::to_string(dim) +
                        "; dimensions are >= 0; correct the model");
    isEmpty |= dim == 0;
    if (!isEmpty && (__builtin_mul_overflow(count, dim, &count) ||
                     count > (int64_t(1) << 40)))
      throw ImportError(what + ": too many elements; at most 2^40; use smaller "
                               "tensors");
  }
  return isEmpty ? 0 : count;
}

/// Several elements per byte, lowest bits first, to one element per byte.
static std::vector<char> unpack(llvm::ArrayRef<char> packed, int64_t count,
                                unsigned bits, bool isSigned) {
  std::vector<char> result(count);
  for (int64_t i = 0; i < count; ++i) {
    int64_t bit = i * bits;
    unsigned value = 0;
    for (unsigned b = 0; b < bits; ++b, ++bit)
      value |= ((static_cast<unsigned char>(packed[bit / 8]) >> (bit % 8)) & 1)
               << b;
    if (isSigned && (value >> (bits - 1)) != 0)
      value |= ~0u << bits;
    result[i] = static_cast<char>(value);
  }
  return result;
}

std::string packedBytes(llvm::ArrayRef<char> bytes, DType type) {
  unsigned bits = bitWidth(type);
  if (bits >= 8 || type == DType::Bool)
    return std::string(bytes.begin(), bytes.end());
  std::string packed((bytes.size() * bits + 7) / 8, '\0');
  for (size_t i = 0; i < bytes.size(); ++i)
    for (unsigned b = 0; b < bits; ++b) {
      size_t at = i * bits + b;
      if ((static_cast<unsigned char>(bytes[i]) >> b) & 1)
        packed[at / 8] |= static_cast<char>(1 << (at % 8));
    }
  return packed;
}

static void own(Tensor &tensor, std::vector<char> bytes) {
  auto storage = std::make_shared<std::vector<char>>(std::move(bytes));
  tensor.bytes = {storage->data(), storage->size()};
  tensor.owner = std::move(storage);
}

/// Points `tensor` at raw bytes as ONNX stores them, unpacking sub-byte types.
static void setRaw(Tensor &tensor, llvm::ArrayRef<char> raw,
                   std::shared_ptr<const void> owner) {
  int64_t count = elementCount(tensor.name, tensor.dims);
  unsigned bits = bitWidth(tensor.type);
  if (bits == 0)
    throw ImportError(tensor.name + ": tensor of " + name(tensor.type) +
                      " elements cannot be imported; numbers and booleans "
                      "only; convert the model");
  int64_t wanted = (count * bits + 7) / 8;
  if (static_cast<int64_t>(raw.size()) < wanted)
    throw ImportError(tensor.name + ": tensor data are too short; " +
                      std::to_string(wanted) + " bytes wanted, " +
                      std::to_string(raw.size()) +
                      " found; export the model again");
  if (bits < 8) {
    bool isSigned = tensor.type == DType::Int4 || tensor.type == DType::Int2;
    own(tensor, unpack(raw, count, bits, isSigned));
    return;
  }
  tensor.bytes = raw.take_front(wanted);
  tensor.owner = std::move(owner);
}

/// Little-endian bytes of the message's typed fields.
static std::vector<char> typedBytes(const TensorProto &proto, DType type) {
  std::vector<char> bytes;
  auto append = [&](auto value, size_t size) {
    char buffer[8];
    std::memcpy(buffer, &value, sizeof(value));
    bytes.insert(bytes.end(), buffer, buffer + size);
  };
  unsigned size = bitWidth(type) / 8;
  switch (type) {
  case DType::Float:
  case DType::Complex64:
    for (float value : proto.float_data())
      append(value, 4);
    break;
  case DType::Double:
  case DType::Complex128:
    for (double value : proto.double_data())
      append(value, 8);
    break;
  case DType::Int64:
    for (int64_t value : proto.int64_data())
      append(value, 8);
    break;
  case DType::UInt32:
  case DType::UInt64:
    for (uint64_t value : proto.uint64_data())
      append(value, size);
    break;
  default: // Everything else, packed types included, is in int32_data.
    for (int32_t value : proto.int32_data())
      append(value, size == 0 ? 1 : size);
  }
  return bytes;
}

static Tensor header(const TensorProto &proto) {
  Tensor tensor;
  tensor.name = proto.name();
  tensor.type = static_cast<DType>(proto.data_type());
  tensor.dims.assign(proto.dims().begin(), proto.dims().end());
  return tensor;
}

Tensor toTensor(TensorProto &proto, bool takeRaw) {
  Tensor tensor = header(proto);
  if (proto.data_location() == TensorProto::EXTERNAL)
    throw ImportError(tensor.name + ": external data inside a node; only "
                                    "initializers may have it; export the "
                                    "model again");
  if (proto.has_raw_data()) {
    auto storage = takeRaw
                       ? std::shared_ptr<std::string>(proto.release_raw_data())
                       : std::make_shared<std::string>(proto.raw_data());
    llvm::ArrayRef<char> raw(storage->data(), storage->size());
    setRaw(tensor, raw, std::move(storage));
    return tensor;
  }
  auto storage =
      std::make_shared<std::vector<char>>(typedBytes(proto, tensor.type));
  llvm::ArrayRef<char> raw(storage->data(), storage->size());
  setRaw(tensor, raw, std::move(storage));
  return tensor;
}

static int64_t parseNumber(const std::string &what, const std::string &key,
                           const std::string &text) {
  int64_t value = 0;
  const char *end = text.data() + text.size();
  auto [stop, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc() || stop != end || value < 0)
    throw ImportError(what + ": bad " + key +
                      " of external data; a number >= 0 wanted; export the "
                      "model again");
  return value;
}

/// The file `location` names, if it lies inside `directory`.
static std::string resolve(const std::string &what,
                           const std::string &directory,
                           const std::string &location) {
  namespace fs = std::filesystem;
  std::string reason = "; it must be a relative path to a file in the model's "
                       "folder; move the file there";
  fs::path path(location);
  if (location.empty() || path.is_absolute())
    throw ImportError(what + ": external data location '" + location +
                      "' is refused" + reason);
  for (const fs::path &part : path)
    if (part == "..")
      throw ImportError(what + ": external data location '" + location +
                        "' is refused" + reason);
  std::error_code code;
  fs::path base = fs::canonical(directory, code);
  fs::path full = code ? fs::path() : fs::canonical(base / path, code);
  if (code)
    throw ImportError(what + ": external data file '" + location +
                      "' is not found; looked in " + directory +
                      "; put it beside the model");
  auto [end, unused] =
      std::mismatch(base.begin(), base.end(), full.begin(), full.end());
  if (end != base.end())
    throw ImportError(what + ": external data location '" + location +
                      "' leaves the model's folder" + reason);
  return full.string();
}

Tensor ExternalData::load(const TensorProto &proto) {
  Tensor tensor = header(proto);
  if (directory.empty())
    throw ImportError(tensor.name +
                      ": external data in a model given as bytes; no folder "
                      "to look in; import the model from its file");
  std::string location;
  std::optional<int64_t> offset, length;
  for (const auto &entry : proto.external_data()) {
    if (entry.key() == "location")
      location = entry.value();
    else if (entry.key() == "offset")
      offset = parseNumber(tensor.name, "offset", entry.value());
    else if (entry.key() == "length")
      length = parseNumber(tensor.name, "length", entry.value());
  }
  std::string path = resolve(tensor.name, directory, location);
  auto it = files.find(path);
  if (it == files.end()) {
    auto file = MappedFile::open(path);
    if (!file.ok())
      throw ImportError(tensor.name + ": external data: " +
                        std::string(file.status().message()));
    llvm::ArrayRef<char> bytes((*file)->bytes().data(),
                               (*file)->bytes().size());
    it = files.emplace(path, std::make_pair(*std::move(file), bytes)).first;
  }
  llvm::ArrayRef<char> bytes = it->second.second;
  int64_t size = static_cast<int64_t>(bytes.size());
  int64_t start = offset.value_or(0);
  if (start > size || length.value_or(0) > size - start)
    throw ImportError(tensor.name + ": external data end beyond '" + location +
                      "'; the file has " + std::to_string(size) +
                      " bytes; export the model again");
  bytes = bytes.drop_front(start);
  if (length)
    bytes = bytes.take_front(*length);
  setRaw(tensor, bytes, it->second.first);
  return tensor;
}

Attribute toAttribute(cim_onnx::AttributeProto &proto) {
  using P = cim_onnx::AttributeProto;
  Attribute attr;
  attr.name = proto.name();
  attr.reference = proto.ref_attr_name();
  switch (proto.type()) {
  case P::INT:
    attr.kind = Attribute::Kind::Int;
    attr.i = proto.i();
    break;
  case P::FLOAT:
    attr.kind = Attribute::Kind::Float;
    attr.f = proto.f();
    break;
  case P::STRING:
    attr.kind = Attribute::Kind::String;
    attr.s = proto.s();
    break;
  case P::INTS:
    attr.kind = Attribute::Kind::Ints;
    attr.ints.assign(proto.ints().begin(), proto.ints().end());
    break;
  case P::FLOATS:
    attr.kind = Attribute::Kind::Floats;
    attr.floats.assign(proto.floats().begin(), proto.floats().end());
    break;
  case P::STRINGS:
    attr.kind = Attribute::Kind::Strings;
    attr.strings.assign(proto.strings().begin(), proto.strings().end());
    break;
  case P::TENSOR:
    if (proto.has_t()) {
      // Strings stay unreadable here: only an operator that wants the value
      // has a reason to refuse it.
      if (bitWidth(static_cast<DType>(proto.t().data_type())) == 0)
        break;
      attr.kind = Attribute::Kind::Tensor;
      attr.tensor =
          std::make_shared<Tensor>(toTensor(*proto.mutable_t(), true));
    }
    break;
  case P::GRAPH:
    attr.kind = Attribute::Kind::Graph;
    attr.graph = std::make_shared<Graph>(toGraph(*proto.mutable_g()));
    break;
  default:
    break;
  }
  return attr;
}

Node toNode(cim_onnx::NodeProto &proto, size_t index) {
  Node node;
  node.name = oneLine(proto.name());
  if (node.name.empty())
    node.name = proto.op_type() + "_" + std::to_string(index);
  node.domain = proto.domain() == "ai.onnx" ? "" : proto.domain();
  node.opType = proto.op_type();
  node.overload = proto.overload();
  node.inputs.assign(proto.input().begin(), proto.input().end());
  node.outputs.assign(proto.output().begin(), proto.output().end());
  for (auto &attr : *proto.mutable_attribute())
    node.attributes.push_back(toAttribute(attr));
  return node;
}

static ValueInfo toValueInfo(const cim_onnx::ValueInfoProto &proto) {
  ValueInfo info;
  info.name = proto.name();
  if (!proto.type().has_tensor_type()) {
    using P = cim_onnx::TypeProto;
    switch (proto.type().value_case()) {
    case P::kSequenceType:
      info.container = "sequence";
      break;
    case P::kOptionalType:
      info.container = "optional";
      break;
    case P::kMapType:
      info.container = "map";
      break;
    default: // Sparse, opaque, or not declared.
      break;
    }
    return info;
  }
  const auto &tensor = proto.type().tensor_type();
  info.type = static_cast<DType>(tensor.elem_type());
  if (!tensor.has_shape())
    return info;
  info.shape.emplace();
  for (const auto &dim : tensor.shape().dim())
    info.shape->push_back(dim.has_dim_value() ? dim.dim_value() : -1);
  return info;
}

/// Whether a node of the graph, or of its subgraphs, or a result needs `name`.
static bool isRead(const cim_onnx::GraphProto &proto, const std::string &name) {
  for (const auto &output : proto.output())
    if (output.name() == name)
      return true;
  for (const auto &node : proto.node()) {
    if (llvm::is_contained(node.input(), name))
      return true;
    for (const auto &attribute : node.attribute()) {
      if (attribute.has_g() && isRead(attribute.g(), name))
        return true;
      for (const auto &graph : attribute.graphs())
        if (isRead(graph, name))
          return true;
    }
  }
  return false;
}

Graph toGraph(cim_onnx::GraphProto &proto) {
  Graph graph;
  graph.name = proto.name();
  if (proto.sparse_initializer_size() != 0)
    throw ImportError(proto.name() +
                      ": sparse initializers cannot be imported; none are "
                      "supported; store them dense");
  for (const auto &input : proto.input())
    graph.inputs.push_back(toValueInfo(input));
  for (const auto &output : proto.output())
    graph.outputs.push_back(toValueInfo(output));
  for (const auto &value : proto.value_info())
    graph.inferred[value.name()] = toValueInfo(value);
  for (const auto &value : graph.outputs)
    graph.inferred[value.name] = value;
  for (auto &tensor : *proto.mutable_initializer())
    if (tensor.data_type() != TensorProto::STRING ||
        isRead(proto, tensor.name()))
      graph.initializers.push_back(toTensor(tensor, true));
  size_t index = 0;
  for (auto &node : *proto.mutable_node())
    graph.nodes.push_back(toNode(node, index++));
  return graph;
}

Function toFunction(const cim_onnx::FunctionProto &original) {
  cim_onnx::FunctionProto proto = original;
  Function function;
  function.domain = proto.domain() == "ai.onnx" ? "" : proto.domain();
  function.name = proto.name();
  function.overload = proto.overload();
  function.inputs.assign(proto.input().begin(), proto.input().end());
  function.outputs.assign(proto.output().begin(), proto.output().end());
  for (auto &attr : *proto.mutable_attribute_proto())
    function.defaults.push_back(toAttribute(attr));
  size_t index = 0;
  for (auto &node : *proto.mutable_node())
    function.nodes.push_back(toNode(node, index++));
  for (const auto &opset : proto.opset_import())
    function.opsets[opset.domain() == "ai.onnx" ? "" : opset.domain()] =
        static_cast<int>(opset.version());
  return function;
}

static void setTensor(TensorProto &proto, const Tensor &tensor) {
  proto.set_name(tensor.name);
  proto.set_data_type(static_cast<int>(tensor.type));
  for (int64_t dim : tensor.dims)
    proto.add_dims(dim);
  proto.set_raw_data(packedBytes(tensor.bytes, tensor.type));
}

static void setValueInfo(cim_onnx::ValueInfoProto &proto,
                         const ValueInfo &info) {
  proto.set_name(info.name);
  if (info.type == DType::Undefined)
    return;
  auto &type = *proto.mutable_type()->mutable_tensor_type();
  type.set_elem_type(static_cast<int>(info.type));
  if (!info.shape)
    return;
  type.mutable_shape();
  for (int64_t dim : *info.shape) {
    auto *added = type.mutable_shape()->add_dim();
    if (dim >= 0)
      added->set_dim_value(dim);
  }
}

static void setGraph(cim_onnx::GraphProto &proto, const Graph &graph) {
  proto.set_name(graph.name);
  for (const ValueInfo &info : graph.inputs)
    setValueInfo(*proto.add_input(), info);
  for (const ValueInfo &info : graph.outputs)
    setValueInfo(*proto.add_output(), info);
  for (const Tensor &tensor : graph.initializers)
    setTensor(*proto.add_initializer(), tensor);
  for (const Node &node : graph.nodes)
    *proto.add_node() = toProto(node);
}

static void setAttribute(cim_onnx::AttributeProto &proto,
                         const Attribute &attr) {
  using P = cim_onnx::AttributeProto;
  proto.set_name(attr.name);
  switch (attr.kind) {
  case Attribute::Kind::Int:
    proto.set_type(P::INT);
    proto.set_i(attr.i);
    break;
  case Attribute::Kind::Float:
    proto.set_type(P::FLOAT);
    proto.set_f(attr.f);
    break;
  case Attribute::Kind::String:
    proto.set_type(P::STRING);
    proto.set_s(attr.s);
    break;
  case Attribute::Kind::Ints:
    proto.set_type(P::INTS);
    for (int64_t value : attr.ints)
      proto.add_ints(value);
    break;
  case Attribute::Kind::Floats:
    proto.set_type(P::FLOATS);
    for (float value : attr.floats)
      proto.add_floats(value);
    break;
  case Attribute::Kind::Strings:
    proto.set_type(P::STRINGS);
    for (const std::string &value : attr.strings)
      proto.add_strings(value);
    break;
  case Attribute::Kind::Tensor:
    proto.set_type(P::TENSOR);
    setTensor(*proto.mutable_t(), *attr.tensor);
    break;
  case Attribute::Kind::Graph:
    proto.set_type(P::GRAPH);
    setGraph(*proto.mutable_g(), *attr.graph);
    break;
  default: // Bodies of schemas depend on the kinds above only.
    break;
  }
}

cim_onnx::NodeProto toProto(const Node &node) {
  cim_onnx::NodeProto proto;
  proto.set_name(node.name);
  proto.set_domain(node.domain);
  proto.set_op_type(node.opType);
  for (const std::string &input : node.inputs)
    proto.add_input(input);
  for (const std::string &output : node.outputs)
    proto.add_output(output);
  for (const Attribute &attr : node.attributes)
    setAttribute(*proto.add_attribute(), attr);
  return proto;
}

} // namespace cim::onnx
