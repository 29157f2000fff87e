// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bytes to a checked model: parse, check, version conversion, input shapes,
// shape inference. The order keeps weights out of the ONNX library: big
// initializers are taken out first and stand in for by graph inputs of the same
// name and type, so that no step copies them.

#include <algorithm>
#include <set>

#include "Proto.h"
#include "onnx/checker.h"
#include "onnx/defs/parser.h"
#include "onnx/shape_inference/implementation.h"
#include "onnx/version_converter/convert.h"

namespace cim::onnx {
namespace {

/// Older models are converted to this opset as far as ONNX's converter can;
/// handlers know most older definitions, so that one it refuses goes on as it
/// is.
constexpr int oldestNativeOpset = 7;
/// Initializers above this size are kept from the ONNX library.
constexpr size_t smallTensorBytes = 4096;
/// Nesting of the text format.
constexpr int maxTextDepth = 128;
constexpr int64_t maxNodes = 1000000;

bool isText(llvm::ArrayRef<char> bytes) {
  // No protobuf model starts with these: '<' and '#' are invalid tags, blanks
  // name fields of another type.
  for (char c : bytes) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
      continue;
    return c == '<' || c == '#';
  }
  return false;
}

/// The text parser is recursive: bounds the nesting of brackets beforehand.
void checkTextDepth(const std::string &what, llvm::ArrayRef<char> text) {
  int depth = 0;
  bool inString = false, inComment = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inComment) {
      inComment = c != '\n';
    } else if (inString) {
      if (c == '\\')
        ++i;
      inString = c != '"';
    } else if (c == '"') {
      inString = true;
    } else if (c == '#') {
      inComment = true;
    } else if (c == '(' || c == '{' || c == '[') {
      if (++depth > maxTextDepth)
        throw ImportError(what + ": brackets nested too deep; at most " +
                          std::to_string(maxTextDepth) +
                          "; simplify the model");
    } else if (c == ')' || c == '}' || c == ']') {
      --depth;
    }
  }
}

void parse(const LoadOptions &options, llvm::ArrayRef<char> bytes,
           cim_onnx::ModelProto &model) {
  if (bytes.empty())
    throw ImportError(options.what + ": the model is empty; an ONNX model "
                                     "wanted; check the file");
  if (isText(bytes)) {
    checkTextDepth(options.what, bytes);
    std::string text(bytes.begin(), bytes.end());
    cim_onnx::OnnxParser parser(text);
    auto status = parser.Parse(model);
    if (!status.IsOK())
      throw ImportError(options.what + ": not valid ONNX text; " +
                        oneLine(status.ErrorMessage()) + "; correct the text");
    return;
  }
  if (bytes.size() > INT32_MAX)
    throw ImportError(options.what +
                      ": the model file is too big; at most 2 "
                      "GiB, " +
                      std::to_string(bytes.size()) +
                      " bytes found; store its weights as external data");
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    throw ImportError(options.what +
                      ": not a valid ONNX file; protobuf "
                      "parsing failed (" +
                      std::to_string(bytes.size()) +
                      " bytes); check that the file is complete");
}

/// Bounds what the recursive steps of the library see.
int64_t countNodes(const cim_onnx::GraphProto &graph) {
  int64_t count = graph.node_size();
  for (const auto &node : graph.node())
    for (const auto &attr : node.attribute()) {
      if (attr.has_g())
        count += countNodes(attr.g());
      for (const auto &inner : attr.graphs())
        count += countNodes(inner);
    }
  return count;
}

/// Takes big and external initializers out of the graph; inputs of the same
/// name and type stand in for them.
std::vector<Tensor> takeWeights(const LoadOptions &options,
                                cim_onnx::GraphProto &graph) {
  ExternalData external(options.externalDataDir);
  std::vector<Tensor> weights;
  std::set<std::string> inputNames;
  for (const auto &input : graph.input())
    inputNames.insert(input.name());
  google::protobuf::RepeatedPtrField<cim_onnx::TensorProto> kept;
  std::set<std::string> seen;
  for (auto &proto : *graph.mutable_initializer()) {
    if (proto.name().empty() || !seen.insert(proto.name()).second)
      throw ImportError(options.what + ": initializer '" +
                        oneLine(proto.name()) +
                        "' has no name or is defined twice; names are unique; "
                        "correct the model");
    bool isExternal = proto.data_location() == cim_onnx::TensorProto::EXTERNAL;
    bool isBig = proto.raw_data().size() > smallTensorBytes ||
                 proto.ByteSizeLong() > smallTensorBytes;
    bool isNumeric = bitWidth(static_cast<DType>(proto.data_type())) != 0;
    if (!isExternal && !(isBig && isNumeric)) {
      kept.Add()->Swap(&proto);
      continue;
    }
    weights.push_back(isExternal ? external.load(proto)
                                 : toTensor(proto, true));
    if (inputNames.count(proto.name()))
      continue;
    auto *input = graph.add_input();
    input->set_name(proto.name());
    auto *type = input->mutable_type()->mutable_tensor_type();
    type->set_elem_type(proto.data_type());
    type->mutable_shape();
    for (int64_t dim : proto.dims())
      type->mutable_shape()->add_dim()->set_dim_value(dim);
  }
  graph.mutable_initializer()->Swap(&kept);
  return weights;
}

int defaultOpset(const cim_onnx::ModelProto &model) {
  int version = 0;
  for (const auto &opset : model.opset_import())
    if (opset.domain().empty() || opset.domain() == "ai.onnx")
      version = static_cast<int>(opset.version());
  return version;
}

/// Converts models of old opsets, if possible.
void convertVersion(cim_onnx::ModelProto &model) {
  int opset = defaultOpset(model);
  if (opset == 0 || opset >= oldestNativeOpset)
    return;
  try {
    model =
        cim_onnx::version_conversion::ConvertVersion(model, oldestNativeOpset);
  } catch (const std::exception &) {
    // The model stays as it was.
  }
}

std::string joinDims(const std::vector<int64_t> &dims) {
  std::string text;
  for (size_t i = 0; i < dims.size(); ++i)
    text += (i ? "x" : "") + std::to_string(dims[i]);
  return text.empty() ? "scalar" : text;
}

std::string exampleShape(const cim_onnx::TensorShapeProto &shape) {
  std::string text;
  for (const auto &dim : shape.dim()) {
    text += text.empty() ? "" : "x";
    text += dim.has_dim_value() ? std::to_string(dim.dim_value()) : "1";
  }
  return text;
}

/// Gives every graph input a static shape.
class InputShapes {
public:
  InputShapes(const LoadOptions &options, Model &result)
      : options(options), result(result) {}

  /// `skip` names constants; `bound` are those of them whose shapes count.
  void apply(cim_onnx::GraphProto &graph, const std::set<std::string> &skip,
             const std::set<std::string> &bound) {
    std::vector<cim_onnx::ValueInfoProto *> inputs;
    for (auto &input : *graph.mutable_input())
      if (!skip.count(input.name()) || bound.count(input.name()))
        inputs.push_back(&input);
    for (const std::string &name : bound)
      applyGiven(inputs, name, options.bind.at(name).shape);
    for (const auto &[name, shape] : options.inputShapes)
      applyGiven(inputs, name, shape);
    for (auto *input : inputs)
      applySymbols(*input);
    for (auto *input : inputs)
      finish(*input);
  }

private:
  using Info = cim_onnx::ValueInfoProto;

  void bind(const Info &input, const std::string &symbol, int64_t value) {
    if (symbol.empty())
      return;
    auto [it, inserted] = symbols.emplace(symbol, value);
    if (!inserted && it->second != value)
      throw ImportError(input.name() + ": dimension '" + symbol +
                        "' has two values; " + std::to_string(it->second) +
                        " and " + std::to_string(value) +
                        "; give consistent --input-shape");
  }

  void applyGiven(const std::vector<Info *> &inputs, const std::string &name,
                  const std::vector<int64_t> &shape) {
    auto it = std::find_if(inputs.begin(), inputs.end(),
                           [&](Info *input) { return input->name() == name; });
    if (it == inputs.end()) {
      std::string names;
      for (Info *input : inputs)
        names += (names.empty() ? "" : ", ") + input->name();
      throw ImportError(options.what + ": --input-shape names '" + name +
                        "', which is not an input; the inputs are " + names +
                        "; correct the option");
    }
    Info &input = **it;
    if (!input.type().has_tensor_type())
      return;
    auto &type = *input.mutable_type()->mutable_tensor_type();
    bool hadShape = type.has_shape();
    auto &dims = *type.mutable_shape();
    if (hadShape && dims.dim_size() != static_cast<int>(shape.size()))
      throw ImportError(name + ": --input-shape " + joinDims(shape) +
                        " has the wrong rank; the model's input has rank " +
                        std::to_string(dims.dim_size()) +
                        "; give one size per dimension");
    for (size_t i = 0; i < shape.size(); ++i) {
      auto &dim = hadShape ? *dims.mutable_dim(i) : *dims.add_dim();
      if (shape[i] < 0 || (dim.has_dim_value() && dim.dim_value() != shape[i]))
        throw ImportError(name + ": --input-shape " + joinDims(shape) +
                          " does not match dimension " + std::to_string(i) +
                          "; the model fixes " +
                          std::to_string(dim.dim_value()) +
                          "; give that size, or export with a dynamic one");
      bind(input, dim.dim_param(), shape[i]);
      dim.set_dim_value(shape[i]);
    }
  }

  void applySymbols(Info &input) {
    if (!input.type().tensor_type().has_shape())
      return;
    for (auto &dim : *input.mutable_type()
                          ->mutable_tensor_type()
                          ->mutable_shape()
                          ->mutable_dim())
      if (!dim.has_dim_value() && symbols.count(dim.dim_param()))
        dim.set_dim_value(symbols[dim.dim_param()]);
  }

  void finish(Info &input) {
    if (!input.type().has_tensor_type())
      throw ImportError(input.name() +
                        ": the input is not a tensor; sequences, maps and "
                        "optionals are not supported; export the model with "
                        "tensor inputs");
    auto &type = *input.mutable_type()->mutable_tensor_type();
    if (!type.has_shape())
      throw ImportError(input.name() +
                        ": input of unknown shape; every "
                        "dimension must be known; use "
                        "--input-shape " +
                        input.name() + "=1x3x224x224");
    auto &dims = *type.mutable_shape();
    applySymbols(input);
    if (dims.dim_size() > 0 && !dims.dim(0).has_dim_value()) {
      std::string symbol = dims.dim(0).dim_param();
      result.remarks.push_back(
          input.name() + ": leading dimension" +
          (symbol.empty() ? "" : " '" + symbol + "'") +
          " is not given and becomes 1; use --input-shape to choose another");
      bind(input, symbol, 1);
      dims.mutable_dim(0)->set_dim_value(1);
    }
    applySymbols(input);
    std::vector<int64_t> values;
    for (int i = 0; i < dims.dim_size(); ++i) {
      const auto &dim = dims.dim(i);
      if (!dim.has_dim_value())
        throw ImportError(
            input.name() + ": dimension " + std::to_string(i) +
            (dim.dim_param().empty() ? "" : " '" + dim.dim_param() + "'") +
            " is unknown; every dimension must be known; use --input-shape " +
            input.name() + "=" + exampleShape(dims));
      values.push_back(dim.dim_value());
    }
    elementCount(input.name(), values);
  }

  const LoadOptions &options;
  Model &result;
  std::map<std::string, int64_t> symbols;
};

/// Infers with the input shapes in force: shapes the file declares for other
/// values may belong to other input shapes and are dropped. The handlers find
/// every type again, with better messages, so a failure here is only kept.
void inferShapes(cim_onnx::ModelProto &model, Model &result) {
  auto &graph = *model.mutable_graph();
  graph.clear_value_info();
  for (auto &output : *graph.mutable_output())
    if (output.type().has_tensor_type())
      output.mutable_type()->mutable_tensor_type()->clear_shape();
  try {
    cim_onnx::shape_inference::InferShapes(
        model, cim_onnx::OpSchemaRegistry::Instance(),
        cim_onnx::ShapeInferenceOptions(/*check_type=*/true,
                                        /*strict_mode=*/1, /*data_prop=*/true));
  } catch (const std::exception &e) {
    result.inferenceProblem = oneLine(e.what());
  }
}

void check(const LoadOptions &options, const cim_onnx::ModelProto &model) {
  try {
    cim_onnx::checker::check_model(model);
  } catch (const std::exception &e) {
    throw ImportError(options.what + ": the ONNX checker refuses the model; " +
                      oneLine(e.what()) + "; export it again");
  }
}

std::unique_ptr<Model> load(llvm::ArrayRef<char> bytes,
                            const LoadOptions &options) {
  auto result = std::make_unique<Model>();
  cim_onnx::ModelProto proto;
  parse(options, bytes, proto);
  if (!proto.has_graph())
    throw ImportError(options.what + ": not a valid ONNX file; it has no "
                                     "graph; check the file");
  auto &graph = *proto.mutable_graph();
  int64_t nodes = countNodes(graph);
  if (nodes > maxNodes)
    throw ImportError(options.what + ": too many nodes; at most " +
                      std::to_string(maxNodes) + ", " + std::to_string(nodes) +
                      " found; split the model");
  std::set<std::string> bound = bindInputs(options, graph);
  std::vector<Tensor> weights = takeWeights(options, graph);
  std::set<std::string> constants;
  for (const Tensor &weight : weights)
    constants.insert(weight.name);
  check(options, proto);
  convertVersion(proto);
  for (const auto &tensor : proto.graph().initializer())
    constants.insert(tensor.name());
  InputShapes(options, *result).apply(*proto.mutable_graph(), constants, bound);
  inferShapes(proto, *result);

  result->graph = toGraph(*proto.mutable_graph());
  llvm::erase_if(result->graph.inputs, [&](const ValueInfo &input) {
    return constants.count(input.name) != 0;
  });
  for (Tensor &weight : weights)
    result->graph.initializers.push_back(std::move(weight));
  for (const auto &opset : proto.opset_import())
    result->opsets[opset.domain() == "ai.onnx" ? "" : opset.domain()] =
        static_cast<int>(opset.version());
  for (const auto &function : proto.functions())
    result->functions.push_back(toFunction(function));
  return result;
}

} // namespace

std::unique_ptr<Model> loadModel(llvm::ArrayRef<char> bytes,
                                 std::shared_ptr<const void> owner,
                                 const LoadOptions &options,
                                 std::string &error) {
  try {
    return load(bytes, options);
  } catch (const ImportError &e) {
    error = e.what();
  } catch (const std::bad_alloc &) {
    error = options.what + ": out of memory while loading; " +
            std::to_string(bytes.size()) + " bytes; use a bigger machine";
  } catch (const std::exception &e) {
    error = options.what + ": invalid ONNX model; " + oneLine(e.what()) +
            "; export it again";
  }
  return nullptr;
}

int schemaVersion(const std::string &domain, const std::string &opType,
                  int opset) {
  const auto *schema =
      cim_onnx::OpSchemaRegistry::Schema(opType, opset, domain);
  return schema ? schema->since_version() : 0;
}

/// Default values a schema gives to attributes.
static std::vector<Attribute> schemaDefaults(const cim_onnx::OpSchema &schema) {
  std::vector<Attribute> defaults;
  for (const auto &[name, attr] : schema.attributes()) {
    if (attr.default_value.name().empty() &&
        attr.default_value.type() == cim_onnx::AttributeProto::UNDEFINED)
      continue;
    cim_onnx::AttributeProto proto = attr.default_value;
    Attribute value = toAttribute(proto);
    value.name = name;
    if (value.kind != Attribute::Kind::Undefined)
      defaults.push_back(std::move(value));
  }
  return defaults;
}

std::unique_ptr<Function> schemaFunction(const Node &node,
                                         llvm::ArrayRef<TypeInfo> inputs,
                                         int opset, std::string &error) {
  try {
    const auto *schema =
        cim_onnx::OpSchemaRegistry::Schema(node.opType, opset, node.domain);
    if (!schema)
      return nullptr;
    std::unique_ptr<Function> function;
    if (const auto *body = schema->GetFunction(opset)) {
      function = std::make_unique<Function>(toFunction(*body));
    } else if (schema->HasContextDependentFunction()) {
      cim_onnx::NodeProto proto = toProto(node);
      std::vector<cim_onnx::TypeProto> types;
      for (const TypeInfo &input : inputs) {
        auto &type = types.emplace_back();
        if (input.type == DType::Undefined)
          continue;
        auto *tensor = type.mutable_tensor_type();
        tensor->set_elem_type(static_cast<int>(input.type));
        tensor->mutable_shape();
        for (int64_t dim : input.shape)
          tensor->mutable_shape()->add_dim()->set_dim_value(dim);
      }
      cim_onnx::FunctionBodyBuildContextImpl context(proto, types);
      cim_onnx::FunctionProto body;
      if (!schema->BuildContextDependentFunction(context, body, opset))
        return nullptr;
      function = std::make_unique<Function>(toFunction(body));
    } else {
      return nullptr;
    }
    function->defaults = schemaDefaults(*schema);
    return function;
  } catch (const std::exception &e) {
    error = oneLine(e.what());
    return nullptr;
  }
}

} // namespace cim::onnx
