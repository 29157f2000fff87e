// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Program to .cimb bytes. Validates first: what is written can be read.
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

/// Metadata may not come near the 2 GiB that FlatBuffers can address.
constexpr uint64_t kMetadataLimit = kMaxMetadataBytes - (uint64_t(64) << 20);

fbs::Addr toFbs(const Address &address) {
  return fbs::Addr(address.offset, static_cast<uint8_t>(address.space),
                   address.chip);
}

std::vector<uint8_t> toBytes(const std::vector<DType> &types) {
  std::vector<uint8_t> bytes;
  for (DType type : types)
    bytes.push_back(static_cast<uint8_t>(type));
  return bytes;
}

class MetadataWriter {
public:
  explicit MetadataWriter(const Program &program) : program(program) {}

  absl::StatusOr<std::string> write();

private:
  using Text = fb::Offset<fb::String>;
  template <typename T>
  using List = fb::Offset<fb::Vector<fb::Offset<T>>>;

  Text text(const std::string &s) { return builder.CreateString(s); }
  Text shared(const std::string &s) { return builder.CreateSharedString(s); }
  absl::Status checkRoom(uint64_t more) {
    if (builder.GetSize() + more <= kMetadataLimit)
      return absl::OkStatus();
    return invalidArgument(program.model, ": more than ", kMetadataLimit,
                           " bytes of instructions; reduce unrolling or the "
                           "size of the model");
  }
  fb::Offset<fbs::Target> target();
  List<fbs::Tensor> tensors(const std::vector<TensorInfo> &list);
  List<fbs::Segment> segments();
  List<fbs::Location> locations();
  List<fbs::Layer> layers();
  fb::Offset<fb::Vector<Text>> layerNodes();
  List<fbs::Buffer> buffers();
  absl::StatusOr<List<fbs::Kernel>> kernels();
  absl::StatusOr<fb::Offset<fbs::Stage>> stage(const Stage &stage,
                                               const char *name);

  const Program &program;
  fb::FlatBufferBuilder builder;
};

fb::Offset<fbs::Target> MetadataWriter::target() {
  const TargetSpec &spec = program.target;
  std::vector<fb::Offset<fbs::TargetValue>> values;
  for (const TargetField &field : targetFields()) {
    std::string key(field.key);
    auto from = spec.provenance.find(key);
    Provenance provenance =
        from == spec.provenance.end() ? Provenance::Assumed : from->second;
    auto note = spec.notes.find(key);
    Text noteText = note == spec.notes.end() ? Text() : text(note->second);
    values.push_back(fbs::CreateTargetValue(builder, text(key), field.get(spec),
                                            static_cast<uint8_t>(provenance),
                                            noteText));
  }
  auto list = builder.CreateVector(values);
  Text name = text(spec.name), description = text(spec.description);
  return fbs::CreateTarget(builder, name, description, list);
}

MetadataWriter::List<fbs::Tensor>
MetadataWriter::tensors(const std::vector<TensorInfo> &list) {
  std::vector<fb::Offset<fbs::Tensor>> offsets;
  for (const TensorInfo &tensor : list) {
    fbs::Addr address = toFbs(tensor.address);
    Text name = text(tensor.name);
    auto shape = builder.CreateVector(tensor.shape);
    fb::Offset<fb::Vector<uint32_t>> lengthDims, lengthOutputs;
    if (!tensor.lengths.empty()) {
      std::vector<uint32_t> dims, outputs;
      for (const OutputLength &length : tensor.lengths) {
        dims.push_back(length.dim);
        outputs.push_back(length.output);
      }
      lengthDims = builder.CreateVector(dims);
      lengthOutputs = builder.CreateVector(outputs);
    }
    offsets.push_back(fbs::CreateTensor(
        builder, name, static_cast<uint8_t>(tensor.type), shape, &address,
        tensor.quant.scale, tensor.quant.zeroPoint, lengthDims, lengthOutputs,
        tensor.hidden));
  }
  return builder.CreateVector(offsets);
}

/// Segments lie one after the other in the DATA section, each aligned.
MetadataWriter::List<fbs::Segment> MetadataWriter::segments() {
  std::vector<fb::Offset<fbs::Segment>> offsets;
  uint64_t at = 0;
  for (const Segment &segment : program.segments) {
    fbs::Addr address = toFbs(segment.address);
    at = (at + kAlignment - 1) & -kAlignment;
    offsets.push_back(fbs::CreateSegment(builder, text(segment.name), &address,
                                         at, segment.data.size()));
    at += segment.data.size();
  }
  return builder.CreateVector(offsets);
}

MetadataWriter::List<fbs::Location> MetadataWriter::locations() {
  std::vector<fb::Offset<fbs::Location>> offsets;
  for (const Location &location : program.locations) {
    Text node = shared(location.node), layer = shared(location.layer);
    offsets.push_back(fbs::CreateLocation(builder, node, layer));
  }
  return builder.CreateVector(offsets);
}

MetadataWriter::List<fbs::Layer> MetadataWriter::layers() {
  std::vector<fb::Offset<fbs::Layer>> offsets;
  for (const LayerInfo &layer : program.layers) {
    Text name = shared(layer.name), op = shared(layer.op),
         format = shared(layer.format), schedule = shared(layer.schedule),
         note = shared(layer.note);
    offsets.push_back(fbs::CreateLayer(
        builder, name, op, format, static_cast<uint32_t>(layer.nodes.size()),
        layer.macs, layer.predictedCycles, schedule, note));
  }
  return builder.CreateVector(offsets);
}

fb::Offset<fb::Vector<MetadataWriter::Text>> MetadataWriter::layerNodes() {
  std::vector<Text> offsets;
  for (const LayerInfo &layer : program.layers)
    for (const std::string &node : layer.nodes)
      offsets.push_back(shared(node));
  return builder.CreateVector(offsets);
}

MetadataWriter::List<fbs::Buffer> MetadataWriter::buffers() {
  std::vector<fb::Offset<fbs::Buffer>> offsets;
  for (const BufferInfo &buffer : program.buffers) {
    fbs::Addr address = toFbs(buffer.address);
    offsets.push_back(fbs::CreateBuffer(builder, shared(buffer.name), &address,
                                        buffer.core, buffer.size,
                                        buffer.firstLayer, buffer.lastLayer));
  }
  return builder.CreateVector(offsets);
}

absl::StatusOr<MetadataWriter::List<fbs::Kernel>> MetadataWriter::kernels() {
  std::vector<fb::Offset<fbs::Kernel>> offsets;
  for (const Kernel &kernel : program.kernels) {
    std::string code;
    CIM_RETURN_IF_ERROR(
        withContext(encodeStream(kernel.body, code), "kernel " + kernel.name));
    CIM_RETURN_IF_ERROR(checkRoom(code.size()));
    Text name = text(kernel.name);
    auto inputs = builder.CreateVector(toBytes(kernel.inputs));
    auto outputs = builder.CreateVector(toBytes(kernel.outputs));
    auto body = builder.CreateVector(
        reinterpret_cast<const uint8_t *>(code.data()), code.size());
    offsets.push_back(
        fbs::CreateKernel(builder, name, inputs, outputs, kernel.registers,
                          static_cast<uint32_t>(kernel.body.size()), body));
  }
  return builder.CreateVector(offsets);
}

absl::StatusOr<fb::Offset<fbs::Stage>> MetadataWriter::stage(const Stage &stage,
                                                             const char *name) {
  std::vector<fb::Offset<fbs::Queue>> offsets;
  for (const Queue &queue : stage.queues) {
    std::string code;
    CIM_RETURN_IF_ERROR(
        withContext(encodeStream(queue.instructions, code), name));
    CIM_RETURN_IF_ERROR(checkRoom(code.size()));
    auto bytes = builder.CreateVector(
        reinterpret_cast<const uint8_t *>(code.data()), code.size());
    offsets.push_back(fbs::CreateQueue(
        builder, queue.chip, queue.core, static_cast<uint8_t>(queue.engine),
        queue.index, static_cast<uint32_t>(queue.instructions.size()), bytes));
  }
  auto queues = builder.CreateVector(offsets);
  return fbs::CreateStage(builder, queues);
}

absl::StatusOr<std::string> MetadataWriter::write() {
  // Everything that is not a stream: text and fixed-size records.
  uint64_t rest = 0;
  for (const LayerInfo &layer : program.layers) {
    rest += 200 + layer.schedule.size() + layer.note.size() + layer.name.size();
    for (const std::string &node : layer.nodes)
      rest += 16 + node.size();
  }
  for (const Location &location : program.locations)
    rest += 48 + location.node.size() + location.layer.size();
  rest += 100 * (program.buffers.size() + program.segments.size());
  CIM_RETURN_IF_ERROR(checkRoom(rest));

  CIM_ASSIGN_OR_RETURN(auto load, stage(program.load, "load stage"));
  CIM_ASSIGN_OR_RETURN(auto run, stage(program.run, "run stage"));
  CIM_ASSIGN_OR_RETURN(auto kernelList, kernels());
  CIM_RETURN_IF_ERROR(checkRoom(rest));
  auto locationList = locations();
  auto layerList = layers();
  auto layerNodeList = layerNodes();
  auto bufferList = buffers();
  auto segmentList = segments();
  auto inputs = tensors(program.inputs);
  auto outputs = tensors(program.outputs);
  auto targetTable = target();
  Text model = text(program.model), producer = text(program.producer);
  auto root = fbs::CreateProgram(
      builder, model, producer, targetTable, inputs, outputs, segmentList,
      kernelList, locationList, layerList, layerNodeList, bufferList,
      program.semaphores, program.dramBytes, load, run, program.predictedCycles,
      program.lowerBoundCycles, program.predictedLoadCycles);
  fbs::FinishProgramBuffer(builder, root);
  return std::string(reinterpret_cast<const char *>(builder.GetBufferPointer()),
                     builder.GetSize());
}

/// The pieces of a file in order; segments are not copied.
struct Image {
  std::string header, metadata, padding;
  std::vector<std::string_view> parts;
};

absl::Status buildImage(const Program &program, Image &image) {
  CIM_RETURN_IF_ERROR(validateProgram(program));
  CIM_ASSIGN_OR_RETURN(image.metadata, MetadataWriter(program).write());
  std::string hashes;
  uint64_t dataBytes = 0;
  for (const Segment &segment : program.segments) {
    std::string_view bytes(segment.data.data(), segment.data.size());
    uint64_t hash = hash64(bytes);
    hashes.append(reinterpret_cast<const char *>(&hash), sizeof(hash));
    dataBytes = (dataBytes + kAlignment - 1) & -kAlignment;
    dataBytes += bytes.size();
  }
  const std::string &report = program.reportJson;
  std::vector<SectionEntry> sections = {
      {uint32_t(SectionType::Metadata), kSectionRequired, 0,
       image.metadata.size(), hash64(image.metadata)},
      {uint32_t(SectionType::Report), 0, 0, report.size(), hash64(report)},
      {uint32_t(SectionType::Data), kSectionRequired, 0, dataBytes,
       hash64(hashes)}};
  uint64_t features = 0;
  for (const TensorInfo &output : program.outputs)
    if (!output.lengths.empty())
      features |= kFeatureLengths;
  image.header = makeHeader(sections, features);
  image.padding.assign(kAlignment, '\0');
  uint64_t at = 0;
  auto put = [&](std::string_view part) {
    if (uint64_t gap = -at & (kAlignment - 1); gap > 0 && !part.empty()) {
      image.parts.push_back(std::string_view(image.padding).substr(0, gap));
      at += gap;
    }
    image.parts.push_back(part);
    at += part.size();
  };
  put(image.header);
  put(image.metadata);
  put(report);
  for (const Segment &segment : program.segments)
    put(std::string_view(segment.data.data(), segment.data.size()));
  // Empty last sections still start at a multiple of the alignment.
  uint64_t fileBytes = sections.back().offset + dataBytes;
  if (fileBytes > at)
    image.parts.push_back(
        std::string_view(image.padding).substr(0, fileBytes - at));
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<std::string> serializeProgram(const Program &program) {
  Image image;
  CIM_RETURN_IF_ERROR(buildImage(program, image));
  std::string bytes;
  for (std::string_view part : image.parts)
    bytes.append(part);
  return bytes;
}

absl::Status writeProgram(const Program &program, const std::string &path) {
  Image image;
  CIM_RETURN_IF_ERROR(buildImage(program, image));
  return writeFileAtomic(path, image.parts);
}

} // namespace cim
