// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "Validate.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "cim/Program/ProgramIO.h"
#include "cim/Support/Status.h"

namespace cim {
namespace {

/// A byte range of a chip's DRAM with the name of its owner.
struct Range {
  unsigned chip;
  uint64_t begin, end;
  std::string_view owner;
  auto key() const { return std::tie(chip, begin, end); }
};

/// Fails if two non-empty ranges share a byte.
absl::Status checkDisjoint(std::vector<Range> ranges, const char *what) {
  std::erase_if(ranges, [](const Range &r) { return r.begin == r.end; });
  std::sort(ranges.begin(), ranges.end(),
            [](const Range &a, const Range &b) { return a.key() < b.key(); });
  for (size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].chip == ranges[i - 1].chip &&
        ranges[i].begin < ranges[i - 1].end)
      return invalidArgument(what, " ", ranges[i - 1].owner, " and ",
                             ranges[i].owner, " overlap at DRAM byte ",
                             ranges[i].begin, "; place them apart");
  return absl::OkStatus();
}

class ProgramChecker {
public:
  explicit ProgramChecker(const Program &program) : program(program) {}

  absl::Status run() {
    CIM_RETURN_IF_ERROR(checkTotals());
    CIM_RETURN_IF_ERROR(checkSegments());
    CIM_RETURN_IF_ERROR(checkTensors(program.inputs, "input"));
    CIM_RETURN_IF_ERROR(checkTensors(program.outputs, "output"));
    CIM_RETURN_IF_ERROR(checkLengths());
    CIM_RETURN_IF_ERROR(checkInputPlaces());
    CIM_RETURN_IF_ERROR(checkKernels());
    CIM_RETURN_IF_ERROR(checkBuffers());
    CIM_RETURN_IF_ERROR(checkStage(program.load, "load"));
    return checkStage(program.run, "run");
  }

private:
  absl::Status checkTotals();
  absl::Status checkDram(const Address &address, uint64_t bytes,
                         const std::string &what);
  absl::Status checkSegments();
  absl::Status checkTensors(const std::vector<TensorInfo> &tensors,
                            const char *kind);
  absl::Status checkTensor(const TensorInfo &tensor, const std::string &what);
  absl::Status checkLengths();
  absl::Status checkInputPlaces();
  absl::Status checkKernels();
  absl::Status checkBuffers();
  absl::Status checkStage(const Stage &stage, const char *name);
  absl::Status checkQueuePlace(const Queue &queue);
  absl::Status checkQueue(const Queue &queue);
  absl::Status checkLoop(const Instruction &instruction, LoopStack &loops);
  std::string nodeOf(const Instruction &instruction) const;

  const Program &program;
  std::vector<KernelSummary> kernels;
};

/// Only called for tensors whose size checkTensor has bounded.
uint64_t tensorBytes(const TensorInfo &tensor) {
  uint64_t bytes = byteSize(tensor.type);
  for (int64_t size : tensor.shape)
    bytes *= static_cast<uint64_t>(size);
  return bytes;
}

absl::Status ProgramChecker::checkTotals() {
  CIM_RETURN_IF_ERROR(
      withContext(program.target.validate(), "target " + program.target.name));
  if (program.dramBytes > program.target.dramBytes)
    return invalidArgument(program.model, ": needs ", program.dramBytes,
                           " bytes of DRAM; target ", program.target.name,
                           " has ", program.target.dramBytes,
                           "; use a target with more");
  if (program.semaphores > program.target.semaphores)
    return invalidArgument(program.model, ": uses ", program.semaphores,
                           " semaphores; target ", program.target.name, " has ",
                           program.target.semaphores,
                           "; use a target with more");
  return absl::OkStatus();
}

absl::Status ProgramChecker::checkDram(const Address &address, uint64_t bytes,
                                       const std::string &what) {
  if (address.space != Space::DRAM)
    return invalidArgument(what, " is in ", name(address.space),
                           "; it must be in dram");
  if (address.chip >= program.target.chips)
    return invalidArgument(what, " is on chip ", int(address.chip),
                           "; the target has ", program.target.chips);
  if (bytes > program.dramBytes || address.offset > program.dramBytes - bytes)
    return invalidArgument(what, " takes ", bytes, " bytes at ", address.offset,
                           "; the program's DRAM has ", program.dramBytes);
  return absl::OkStatus();
}

absl::Status ProgramChecker::checkSegments() {
  std::vector<Range> ranges;
  for (const Segment &segment : program.segments) {
    uint64_t size = segment.data.size();
    CIM_RETURN_IF_ERROR(
        checkDram(segment.address, size, "segment " + segment.name));
    ranges.push_back({segment.address.chip, segment.address.offset,
                      segment.address.offset + size, segment.name});
  }
  return checkDisjoint(std::move(ranges), "segments");
}

absl::Status ProgramChecker::checkTensor(const TensorInfo &tensor,
                                         const std::string &what) {
  if (tensor.type > DType::F64)
    return invalidArgument(what, " has unknown type ", int(tensor.type));
  uint64_t bytes = byteSize(tensor.type);
  for (int64_t size : tensor.shape) {
    if (size < 0 || size > kMaxExtent ||
        (size > 0 && bytes > uint64_t(kMaxExtent) / uint64_t(size)))
      return invalidArgument(what, " has a dimension of ", size,
                             "; at most 2^48 bytes in all");
    bytes *= static_cast<uint64_t>(size);
  }
  if (!std::isfinite(tensor.quant.scale) || tensor.quant.scale < 0)
    return invalidArgument(what, " has an invalid quantization scale");
  return checkDram(tensor.address, bytes, what);
}

absl::Status
ProgramChecker::checkTensors(const std::vector<TensorInfo> &tensors,
                             const char *kind) {
  std::set<std::string_view> names;
  for (const TensorInfo &tensor : tensors) {
    std::string what = absl::StrCat(kind, " ", tensor.name);
    if (tensor.name.empty() || !names.insert(tensor.name).second)
      return invalidArgument(what, " is named twice or not at all");
    CIM_RETURN_IF_ERROR(checkTensor(tensor, what));
  }
  return absl::OkStatus();
}

/// Run-time lengths (P11).
absl::Status ProgramChecker::checkLengths() {
  for (const TensorInfo &tensor : program.inputs)
    if (!tensor.lengths.empty() || tensor.hidden)
      return invalidArgument("input ", tensor.name,
                             " has run-time lengths or is hidden; only "
                             "outputs can");
  for (const TensorInfo &tensor : program.outputs) {
    std::set<uint32_t> dims;
    for (const OutputLength &length : tensor.lengths) {
      if (length.dim >= tensor.shape.size() || !dims.insert(length.dim).second)
        return invalidArgument("output ", tensor.name,
                               " has a run-time length for dimension ",
                               length.dim, "; it has ", tensor.shape.size(),
                               " dimensions with at most one length each");
      if (length.output >= program.outputs.size())
        return invalidArgument("output ", tensor.name, " has its length in ",
                               "output number ", length.output,
                               "; the program has ", program.outputs.size());
      const TensorInfo &scalar = program.outputs[length.output];
      if (scalar.type != DType::I64 || !scalar.shape.empty())
        return invalidArgument("output ", tensor.name, " has its length in ",
                               scalar.name, ", which is not an i64 of rank 0");
    }
  }
  return absl::OkStatus();
}

/// Inputs are written by the host: nowhere near constants or each other.
/// Outputs may be anything, also a constant or an input passed through.
absl::Status ProgramChecker::checkInputPlaces() {
  std::vector<Range> ranges;
  for (const TensorInfo &tensor : program.inputs)
    ranges.push_back({tensor.address.chip, tensor.address.offset,
                      tensor.address.offset + tensorBytes(tensor),
                      tensor.name});
  for (const Segment &segment : program.segments)
    ranges.push_back({segment.address.chip, segment.address.offset,
                      segment.address.offset + segment.data.size(),
                      segment.name});
  return checkDisjoint(std::move(ranges), "inputs and segments");
}

absl::Status ProgramChecker::checkKernels() {
  for (size_t i = 0; i < program.kernels.size(); ++i) {
    kernels.emplace_back();
    CIM_RETURN_IF_ERROR(withContext(
        validateKernel(program.kernels[i], kernels.back()),
        absl::StrCat("kernel ", i, " (", program.kernels[i].name, ")")));
  }
  return absl::OkStatus();
}

absl::Status ProgramChecker::checkBuffers() {
  for (const BufferInfo &buffer : program.buffers) {
    uint64_t size = capacity(program, buffer.address.space);
    bool shared = buffer.address.space <= Space::L2;
    if (buffer.address.space > Space::ACC || buffer.size > size ||
        buffer.address.offset > size - buffer.size ||
        (shared && buffer.address.chip >= program.target.chips) ||
        buffer.core >= program.target.coresPerChip)
      return invalidArgument(
          "buffer ", buffer.name, " takes ", buffer.size, " bytes at ",
          name(buffer.address.space), " ", buffer.address.offset, " of chip ",
          int(buffer.address.chip), " core ", int(buffer.core),
          ", which the target does not have");
    if (buffer.firstLayer > buffer.lastLayer ||
        buffer.lastLayer >= std::max<size_t>(1, program.layers.size()))
      return invalidArgument("buffer ", buffer.name, " lives from layer ",
                             buffer.firstLayer, " to ", buffer.lastLayer,
                             "; the program has ", program.layers.size());
  }
  return absl::OkStatus();
}

//===----------------------------------------------------------------------===//
// Queues.
//===----------------------------------------------------------------------===//

bool belongs(const Operation &op, Engine engine) {
  struct {
    Engine engine;
    bool operator()(const Nop &) { return true; }
    bool operator()(const LoopBegin &) { return true; }
    bool operator()(const LoopEnd &) { return true; }
    bool operator()(const DmaCopy &) { return engine == Engine::Dma; }
    bool operator()(const DmaFill &) { return engine == Engine::Dma; }
    bool operator()(const WriteWeights &) {
      return engine == Engine::WeightWrite;
    }
    bool operator()(const Mac &) { return engine == Engine::Mac; }
    bool operator()(const Vec &) { return engine == Engine::Vec; }
    bool operator()(const Ctrl &) { return engine == Engine::Ctrl; }
  } visitor{engine};
  return std::visit(visitor, op);
}

absl::Status ProgramChecker::checkQueuePlace(const Queue &queue) {
  const TargetSpec &target = program.target;
  if (queue.engine > Engine::Ctrl)
    return invalidArgument("unknown engine ", int(queue.engine));
  if (queue.chip >= target.chips || queue.core >= target.coresPerChip)
    return invalidArgument("the target has ", target.chips, " chips of ",
                           target.coresPerChip, " cores");
  unsigned engines = queue.engine == Engine::Dma ? target.dmaChannels : 1;
  if (queue.index >= engines)
    return invalidArgument("a core has ", engines, " ", name(queue.engine),
                           " queues");
  return absl::OkStatus();
}

absl::Status ProgramChecker::checkLoop(const Instruction &instruction,
                                       LoopStack &loops) {
  auto *begin = std::get_if<LoopBegin>(&instruction.op);
  if (!begin && !std::holds_alternative<LoopEnd>(instruction.op))
    return absl::OkStatus();
  if (!begin) {
    if (loops.empty())
      return invalidArgument("loop end without a beginning");
    loops.pop_back();
    return absl::OkStatus();
  }
  if (loops.size() == kMaxLoopDepth)
    return invalidArgument("loops nest deeper than ", kMaxLoopDepth);
  uint64_t outer = 1;
  for (uint64_t count : loops)
    outer *= count;
  if (begin->count < 1 || begin->count > kMaxIterations / outer)
    return invalidArgument("loop of ", begin->count,
                           " iterations; at least 1, at most 2^40 with the "
                           "loops around it");
  loops.push_back(begin->count);
  return absl::OkStatus();
}

std::string ProgramChecker::nodeOf(const Instruction &instruction) const {
  if (instruction.loc >= program.locations.size())
    return "unknown";
  const std::string &node = program.locations[instruction.loc].node;
  return node.empty() ? "unknown" : node;
}

absl::Status ProgramChecker::checkQueue(const Queue &queue) {
  LoopStack loops;
  for (size_t i = 0; i < queue.instructions.size(); ++i) {
    const Instruction &instruction = queue.instructions[i];
    absl::Status status;
    if (!belongs(instruction.op, queue.engine))
      status = invalidArgument("does not belong in a queue of this engine");
    if (status.ok())
      status = validateInstruction(program, kernels, loops, instruction);
    if (status.ok())
      status = checkLoop(instruction, loops);
    if (!status.ok())
      return withContext(status,
                         absl::StrCat("instruction ", i, " (",
                                      operationName(instruction.op), ", node ",
                                      nodeOf(instruction), ")"));
  }
  if (!loops.empty())
    return invalidArgument(loops.size(), " loops are not closed at the end");
  return absl::OkStatus();
}

absl::Status ProgramChecker::checkStage(const Stage &stage,
                                        const char *stageName) {
  std::set<std::tuple<unsigned, unsigned, unsigned, unsigned>> places;
  for (size_t i = 0; i < stage.queues.size(); ++i) {
    const Queue &queue = stage.queues[i];
    std::string what = absl::StrCat(
        stageName, " stage, queue ", i, " (chip ", int(queue.chip), " core ",
        int(queue.core), " ", name(queue.engine), " ", int(queue.index), ")");
    CIM_RETURN_IF_ERROR(withContext(checkQueuePlace(queue), what));
    if (!places
             .emplace(queue.chip, queue.core, unsigned(queue.engine),
                      queue.index)
             .second)
      return invalidArgument(what, ": a second queue for the same engine; "
                                   "merge them");
    CIM_RETURN_IF_ERROR(withContext(checkQueue(queue), what));
  }
  return absl::OkStatus();
}

} // namespace

absl::Status validateProgram(const Program &program) {
  return ProgramChecker(program).run();
}

} // namespace cim
