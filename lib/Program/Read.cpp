// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// .cimb bytes to Program. Trusts nothing: container, FlatBuffers verifier,
// streams with a memory budget, then validateProgram.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "Container.h"
#include "DeltaCodec.h"
#include "cim/Program/ProgramIO.h"
#include "cim/Support/File.h"
#include "cim/Support/Hash.h"
#include "cim/Support/Status.h"
#include "cim/Target/TargetFields.h"
#include "program_generated.h"

namespace cim {
namespace {

namespace fb = flatbuffers;

/// Verifier limits: nesting of our tables is 4; every table takes bytes, so
/// the size of the file bounds their number.
constexpr unsigned kMaxDepth = 16;
constexpr unsigned kMaxTables = 1u << 24;
constexpr unsigned kMaxRank = 64;

/// What one entry of a table list costs in memory, roughly.
constexpr uint64_t kEntryBytes = 320;

std::string_view bytesOf(const fb::Vector<uint8_t> *bytes) {
  return bytes ? std::string_view(reinterpret_cast<const char *>(bytes->data()),
                                  bytes->size())
               : std::string_view();
}

class MetadataReader {
public:
  MetadataReader(const Container &container, uint64_t budget,
                 std::shared_ptr<const void> keepAlive)
      : container(container), budget(budget), keepAlive(std::move(keepAlive)) {}

  absl::Status read(const fbs::Program &root, bool verifyData);
  std::shared_ptr<Program> program = std::make_shared<Program>();

private:
  /// Text and lists are charged to the budget: a small file can name one long
  /// string or table many times. \c overdrawn is checked before returning.
  void charge(uint64_t bytes) {
    overdrawn |= bytes > budget;
    budget -= std::min(budget, bytes);
  }
  std::string text(const fb::String *s) {
    if (!s)
      return {};
    charge(s->size());
    return overdrawn ? std::string() : s->str();
  }
  template <typename T>
  std::vector<const T *> elements(const fb::Vector<fb::Offset<T>> *list) {
    std::vector<const T *> pointers;
    if (!list)
      return pointers;
    charge(list->size() * kEntryBytes);
    for (fb::uoffset_t i = 0; !overdrawn && i < list->size(); ++i)
      pointers.push_back(list->Get(i));
    return pointers;
  }
  absl::Status readAddress(const fbs::Addr &from, Address &to);
  absl::Status readTypes(std::string_view bytes, std::vector<DType> &types);
  absl::Status readTarget(const fbs::Target &from);
  absl::Status readLengths(const fbs::Tensor &from, TensorInfo &to);
  absl::Status readTensors(const fb::Vector<fb::Offset<fbs::Tensor>> *from,
                           std::vector<TensorInfo> &to);
  absl::Status readSegments(const fbs::Program &root, bool verifyData);
  absl::Status readKernels(const fbs::Program &root);
  absl::Status readDebugInfo(const fbs::Program &root);
  absl::Status readStage(const fbs::Stage *from, const char *name, Stage &to);

  const Container &container;
  uint64_t budget;
  bool overdrawn = false;
  std::shared_ptr<const void> keepAlive;
};

absl::Status MetadataReader::readAddress(const fbs::Addr &from, Address &to) {
  if (from.space() > uint8_t(Space::ACC))
    return invalidArgument("unknown memory space ", int(from.space()));
  to = {static_cast<Space>(from.space()), from.chip(), from.offset()};
  return absl::OkStatus();
}

absl::Status MetadataReader::readTypes(std::string_view bytes,
                                       std::vector<DType> &types) {
  if (bytes.size() > kMaxOperands)
    return invalidArgument(bytes.size(), " operands; at most ", kMaxOperands,
                           "; the file is damaged");
  for (char c : bytes) {
    if (static_cast<uint8_t>(c) > uint8_t(DType::F64))
      return invalidArgument("unknown element type ", int(uint8_t(c)));
    types.push_back(static_cast<DType>(c));
  }
  return absl::OkStatus();
}

absl::Status MetadataReader::readTarget(const fbs::Target &from) {
  TargetSpec &spec = program->target;
  spec.name = text(from.name());
  spec.description = text(from.description());
  for (const fbs::TargetValue *value : elements(from.values())) {
    std::string key = text(value->key());
    const TargetField *field = findTargetField(key);
    if (!field)
      return invalidArgument("target ", spec.name,
                             " has an unknown field; "
                             "update the runtime");
    double x = value->value();
    if (!(x >= field->min && x <= field->max) ||
        ((field->isInteger() || field->isBool()) && x != std::floor(x)))
      return invalidArgument("target ", spec.name, ": ", key, " is ",
                             formatNumber(x), "; ", formatNumber(field->min),
                             " to ", formatNumber(field->max),
                             " is allowed; recompile the model");
    field->set(spec, x);
    if (value->provenance() < uint8_t(Provenance::Assumed))
      spec.provenance[key] = static_cast<Provenance>(value->provenance());
    if (value->note())
      spec.notes[key] = text(value->note());
  }
  return absl::OkStatus();
}

absl::Status MetadataReader::readLengths(const fbs::Tensor &from,
                                         TensorInfo &to) {
  const fb::Vector<uint32_t> *dims = from.length_dims();
  const fb::Vector<uint32_t> *outputs = from.length_outputs();
  size_t count = dims ? dims->size() : 0;
  if (count != (outputs ? outputs->size() : 0) || count > kMaxRank)
    return invalidArgument("tensor ", to.name, ": ", count,
                           " run-time lengths that do not fit; at most ",
                           kMaxRank, "; the file is damaged");
  // The verifier does not check the alignment of a vector's elements.
  for (size_t i = 0; i < count; ++i) {
    OutputLength &length = to.lengths.emplace_back();
    std::memcpy(&length.dim, dims->Data() + 4 * i, 4);
    std::memcpy(&length.output, outputs->Data() + 4 * i, 4);
  }
  return absl::OkStatus();
}

absl::Status
MetadataReader::readTensors(const fb::Vector<fb::Offset<fbs::Tensor>> *from,
                            std::vector<TensorInfo> &to) {
  for (const fbs::Tensor *tensor : elements(from)) {
    TensorInfo info;
    info.name = text(tensor->name());
    if (tensor->type() > uint8_t(DType::F64))
      return invalidArgument("tensor ", info.name, ": unknown element type ",
                             int(tensor->type()));
    info.type = static_cast<DType>(tensor->type());
    if (tensor->shape() && tensor->shape()->size() > kMaxRank)
      return invalidArgument("tensor ", info.name, ": ",
                             tensor->shape()->size(), " dimensions; at most ",
                             kMaxRank, "; the file is damaged");
    // The verifier does not check the alignment of a vector's elements.
    if (tensor->shape() && tensor->shape()->size() > 0) {
      info.shape.resize(tensor->shape()->size());
      std::memcpy(info.shape.data(), tensor->shape()->Data(),
                  info.shape.size() * sizeof(int64_t));
    }
    CIM_RETURN_IF_ERROR(readAddress(*tensor->address(), info.address));
    info.quant = {tensor->scale(), tensor->zero_point()};
    info.hidden = tensor->hidden();
    CIM_RETURN_IF_ERROR(readLengths(*tensor, info));
    to.push_back(std::move(info));
  }
  return absl::OkStatus();
}

absl::Status MetadataReader::readSegments(const fbs::Program &root,
                                          bool verifyData) {
  std::string hashes;
  uint64_t end = 0;
  for (const fbs::Segment *from : elements(root.segments())) {
    Segment segment;
    segment.name = text(from->name());
    CIM_RETURN_IF_ERROR(readAddress(*from->address(), segment.address));
    uint64_t size = container.data.size();
    if (from->data_offset() < end || from->data_offset() > size ||
        from->data_bytes() > size - from->data_offset())
      return invalidArgument("segment ", segment.name,
                             " is not inside the data section, after the one "
                             "before; the file is damaged");
    end = from->data_offset() + from->data_bytes();
    std::string_view bytes =
        container.data.substr(from->data_offset(), from->data_bytes());
    segment.data = Blob(bytes.data(), bytes.size(), keepAlive);
    if (verifyData) {
      uint64_t hash = hash64(bytes);
      hashes.append(reinterpret_cast<const char *>(&hash), sizeof(hash));
    }
    program->segments.push_back(std::move(segment));
  }
  if (verifyData && hash64(hashes) != container.dataHash)
    return invalidArgument("hash of the data section does not match; the file "
                           "is damaged");
  return absl::OkStatus();
}

absl::Status MetadataReader::readKernels(const fbs::Program &root) {
  for (const fbs::Kernel *from : elements(root.kernels())) {
    Kernel kernel;
    kernel.name = text(from->name());
    std::string context = "kernel " + kernel.name;
    CIM_RETURN_IF_ERROR(withContext(
        readTypes(bytesOf(from->inputs()), kernel.inputs), context));
    CIM_RETURN_IF_ERROR(withContext(
        readTypes(bytesOf(from->outputs()), kernel.outputs), context));
    kernel.registers = from->registers();
    CIM_RETURN_IF_ERROR(withContext(
        decodeStream(bytesOf(from->code()), from->count(), budget, kernel.body),
        context));
    program->kernels.push_back(std::move(kernel));
  }
  return absl::OkStatus();
}

absl::Status MetadataReader::readDebugInfo(const fbs::Program &root) {
  for (const fbs::Location *from : elements(root.locations()))
    program->locations.push_back({text(from->node()), text(from->layer())});
  std::vector<const fb::String *> nodes = elements(root.layer_nodes());
  size_t nextNode = 0;
  for (const fbs::Layer *from : elements(root.layers())) {
    LayerInfo layer;
    layer.name = text(from->name());
    layer.op = text(from->op());
    layer.format = text(from->format());
    if (from->node_count() > nodes.size() - nextNode)
      return invalidArgument("layer ", layer.name, " has ", from->node_count(),
                             " nodes; ", nodes.size() - nextNode,
                             " are left; the file is damaged");
    for (uint32_t i = 0; i < from->node_count(); ++i)
      layer.nodes.push_back(text(nodes[nextNode++]));
    layer.macs = from->macs();
    layer.predictedCycles = from->predicted_cycles();
    layer.schedule = text(from->schedule());
    layer.note = text(from->note());
    program->layers.push_back(std::move(layer));
  }
  for (const fbs::Buffer *from : elements(root.buffers())) {
    BufferInfo buffer;
    buffer.name = text(from->name());
    CIM_RETURN_IF_ERROR(
        withContext(readAddress(*from->address(), buffer.address),
                    "buffer " + buffer.name));
    buffer.core = from->core();
    buffer.size = from->size();
    buffer.firstLayer = from->first_layer();
    buffer.lastLayer = from->last_layer();
    program->buffers.push_back(std::move(buffer));
  }
  return absl::OkStatus();
}

absl::Status MetadataReader::readStage(const fbs::Stage *from, const char *name,
                                       Stage &to) {
  if (!from)
    return absl::OkStatus();
  for (const fbs::Queue *queueFrom : elements(from->queues())) {
    std::string context = absl::StrCat(name, " queue ", to.queues.size());
    Queue queue;
    queue.chip = queueFrom->chip();
    queue.core = queueFrom->core();
    if (queueFrom->engine() > uint8_t(Engine::Ctrl))
      return invalidArgument(context, ": unknown engine ",
                             int(queueFrom->engine()));
    queue.engine = static_cast<Engine>(queueFrom->engine());
    queue.index = queueFrom->index();
    CIM_RETURN_IF_ERROR(
        withContext(decodeStream(bytesOf(queueFrom->code()), queueFrom->count(),
                                 budget, queue.instructions),
                    context));
    to.queues.push_back(std::move(queue));
  }
  return absl::OkStatus();
}

absl::Status MetadataReader::read(const fbs::Program &root, bool verifyData) {
  program->model = text(root.model());
  program->producer = text(root.producer());
  program->reportJson = std::string(container.report);
  CIM_RETURN_IF_ERROR(readTarget(*root.target()));
  CIM_RETURN_IF_ERROR(readTensors(root.inputs(), program->inputs));
  CIM_RETURN_IF_ERROR(readTensors(root.outputs(), program->outputs));
  CIM_RETURN_IF_ERROR(readSegments(root, verifyData));
  CIM_RETURN_IF_ERROR(readKernels(root));
  CIM_RETURN_IF_ERROR(readDebugInfo(root));
  program->semaphores = root.semaphores();
  program->dramBytes = root.dram_bytes();
  CIM_RETURN_IF_ERROR(readStage(root.load(), "load stage", program->load));
  CIM_RETURN_IF_ERROR(readStage(root.run(), "run stage", program->run));
  program->predictedCycles = root.predicted_cycles();
  program->lowerBoundCycles = root.lower_bound_cycles();
  program->predictedLoadCycles = root.predicted_load_cycles();
  if (overdrawn)
    return invalidArgument("unpacks to far more than its size; the file is "
                           "damaged");
  return validateProgram(*program);
}

absl::StatusOr<std::shared_ptr<const Program>>
parse(std::string_view bytes, std::shared_ptr<const void> keepAlive,
      const ReadOptions &options) {
  Container container;
  CIM_RETURN_IF_ERROR(parseContainer(bytes, container));
  std::string_view metadata = container.metadata;
  if (metadata.size() > kMaxMetadataBytes)
    return invalidArgument("metadata of ", metadata.size(), " bytes; at most ",
                           kMaxMetadataBytes, "; the file is damaged");
  // FlatBuffers reads scalars in place: they must be aligned as written.
  std::vector<uint64_t> aligned;
  if (reinterpret_cast<uintptr_t>(metadata.data()) % alignof(uint64_t) != 0) {
    aligned.resize((metadata.size() + 7) / 8);
    std::memcpy(aligned.data(), metadata.data(), metadata.size());
    metadata = {reinterpret_cast<const char *>(aligned.data()),
                metadata.size()};
  }
  auto *base = reinterpret_cast<const uint8_t *>(metadata.data());
  fb::Verifier verifier(base, metadata.size(), kMaxDepth, kMaxTables);
  if (!fbs::VerifyProgramBuffer(verifier))
    return invalidArgument("metadata is not well-formed; the file is damaged");
  // Decoded instructions take up to ~150 times their encoded bytes.
  uint64_t budget = (uint64_t(16) << 20) + 256 * uint64_t(metadata.size());
  MetadataReader reader(container, budget, std::move(keepAlive));
  CIM_RETURN_IF_ERROR(reader.read(*fbs::GetProgram(base), options.verifyData));
  return std::shared_ptr<const Program>(std::move(reader.program));
}

} // namespace

absl::StatusOr<std::shared_ptr<const Program>>
parseProgram(std::string_view bytes, std::shared_ptr<const void> keepAlive,
             std::string_view origin, const ReadOptions &options) {
  auto program = parse(bytes, std::move(keepAlive), options);
  if (!program.ok())
    return withContext(program.status(), origin);
  return program;
}

absl::StatusOr<std::shared_ptr<const Program>>
readProgram(const std::string &path, const ReadOptions &options) {
  CIM_ASSIGN_OR_RETURN(auto file, MappedFile::open(path));
  std::string_view bytes = file->bytes();
  return parseProgram(bytes, std::move(file), path, options);
}

} // namespace cim
