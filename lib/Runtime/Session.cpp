// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "cim/Runtime/Session.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_join.h"
#include "cim/Support/Check.h"
#include "cim/Support/Status.h"

namespace cim {
namespace {

const char *numpyName(DType type) {
  static constexpr const char *names[] = {
      "bool",  "int8",   "uint8",   "int16",    "uint16",  "int32",  "uint32",
      "int64", "uint64", "float16", "bfloat16", "float32", "float64"};
  return names[static_cast<size_t>(type)];
}

/// The compiled leading dimension; 1 for a scalar.
uint64_t batchOf(const TensorInfo &info) {
  return info.shape.empty() ? 1 : static_cast<uint64_t>(info.shape[0]);
}

} // namespace

uint64_t elementCount(const std::vector<int64_t> &shape) {
  uint64_t count = 1;
  for (int64_t size : shape)
    count *= static_cast<uint64_t>(size);
  return count;
}

uint64_t byteCount(const TensorInfo &info) {
  return elementCount(info.shape) * byteSize(info.type);
}

std::string describe(DType type, const std::vector<int64_t> &shape) {
  return absl::StrCat(numpyName(type), "[", absl::StrJoin(shape, ","), "]");
}

std::vector<const TensorInfo *> visibleOutputs(const Program &program) {
  std::vector<const TensorInfo *> visible;
  for (const TensorInfo &info : program.outputs)
    if (!info.hidden)
      visible.push_back(&info);
  return visible;
}

absl::StatusOr<std::unique_ptr<Session>>
Session::create(std::shared_ptr<const Program> program,
                const RunOptions &options, const DeviceFactory &factory) {
  CIM_CHECK(program != nullptr, "a session needs a program");
  std::unique_ptr<Session> session(new Session());
  CIM_ASSIGN_OR_RETURN(session->device, factory(program, options));
  session->owned = std::move(program);
  session->runOptions = options;
  return session;
}

/// Raises `runs` to the number of runs this input is for.
absl::Status Session::checkInput(const TensorInfo &info, const Array &array,
                                 uint64_t &runs) const {
  auto mismatch = [&](const auto &...todo) {
    return invalidArgument(
        "input ", info.name, ": ", describe(array.type, array.shape),
        "; the program takes ", describe(info.type, info.shape), "; ", todo...);
  };
  if (array.type != info.type)
    return mismatch("convert it");
  uint64_t bytes = elementCount(array.shape) * byteSize(array.type);
  if (array.data.size() != bytes)
    return mismatch("it has ", array.data.size(), " bytes instead of ", bytes);
  if (array.shape == info.shape)
    return absl::OkStatus();
  bool sameTail = !info.shape.empty() &&
                  array.shape.size() == info.shape.size() &&
                  std::equal(array.shape.begin() + 1, array.shape.end(),
                             info.shape.begin() + 1);
  uint64_t batch = batchOf(info);
  if (!sameTail || batch == 0 || array.shape[0] == 0 ||
      static_cast<uint64_t>(array.shape[0]) % batch != 0)
    return mismatch("give that shape, or a multiple of its first dimension");
  uint64_t times = static_cast<uint64_t>(array.shape[0]) / batch;
  if (runs != 1 && runs != times)
    return mismatch("it is for ", times, " runs, another input for ", runs);
  runs = times;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Session::countRuns(const NamedArrays &inputs) const {
  uint64_t runs = 1;
  if (runOptions.mode == Mode::Timing && inputs.empty())
    return runs;
  std::vector<std::string> known;
  for (const TensorInfo &info : owned->inputs)
    known.push_back(info.name);
  for (const TensorInfo &info : owned->inputs) {
    auto found = inputs.find(info.name);
    if (found == inputs.end())
      return invalidArgument("input ", info.name,
                             ": not given; the program takes ",
                             describe(info.type, info.shape), "; add it");
    CIM_RETURN_IF_ERROR(checkInput(info, found->second, runs));
  }
  for (const auto &[name, unused] : inputs)
    if (std::find(known.begin(), known.end(), name) == known.end())
      return invalidArgument("input ", name,
                             ": the program has no such input; it has ",
                             absl::StrJoin(known, ", "), "; remove it");
  return runs;
}

absl::Status Session::writeInputs(const NamedArrays &inputs, uint64_t index) {
  for (const TensorInfo &info : owned->inputs) {
    auto found = inputs.find(info.name);
    if (found == inputs.end())
      continue;
    const Array &array = found->second;
    uint64_t bytes = byteCount(info);
    // Arrays of the compiled shape are the same for every run.
    uint64_t offset = array.shape == info.shape ? 0 : index * bytes;
    CIM_RETURN_IF_ERROR(
        device->write(info.address, 0, array.data.data() + offset, bytes));
  }
  return absl::OkStatus();
}

absl::Status Session::runOnce() {
  if (!loaded) {
    CIM_ASSIGN_OR_RETURN(measured.load, device->load());
    loaded = true;
  }
  CIM_ASSIGN_OR_RETURN(StageStats stats, device->run());
  measured.runCycles += stats.cycles;
  measured.runEnergyJ += stats.energyJ;
  if (measured.runs++ == 0) {
    measured.first = stats;
    measured.first.trace.clear(); // Only the latest run's is kept.
  }
  measured.last = std::move(stats);
  return absl::OkStatus();
}

namespace {

/// Cuts dense bytes of `shape` to the first `length` slices along `dim`.
void cut(std::vector<int64_t> &shape, std::string &bytes, size_t elementBytes,
         size_t dim, int64_t length) {
  size_t outer = 1, inner = elementBytes;
  for (size_t d = 0; d < dim; ++d)
    outer *= static_cast<size_t>(shape[d]);
  for (size_t d = dim + 1; d < shape.size(); ++d)
    inner *= static_cast<size_t>(shape[d]);
  size_t from = static_cast<size_t>(shape[dim]) * inner;
  size_t to = static_cast<size_t>(length) * inner;
  for (size_t i = 1; i < outer; ++i)
    std::memmove(bytes.data() + i * to, bytes.data() + i * from, to);
  bytes.resize(outer * to);
  shape[dim] = length;
}

} // namespace

/// Reads the outputs of one run and appends them to `bytes`; the arrays of
/// `outputs` have their shapes.
absl::Status
Session::collectOutputs(bool isFirst, NamedArrays &outputs,
                        std::map<std::string, std::string> &bytes) {
  for (const TensorInfo *output : visibleOutputs(*owned)) {
    const TensorInfo &info = *output;
    std::string read(byteCount(info), '\0');
    CIM_RETURN_IF_ERROR(
        device->read(info.address, 0, read.data(), read.size()));
    std::vector<int64_t> shape = info.shape;
    for (const OutputLength &by : info.lengths) {
      int64_t length = 0;
      CIM_RETURN_IF_ERROR(device->read(owned->outputs[by.output].address, 0,
                                       &length, sizeof(length)));
      if (length < 0 || length > shape[by.dim])
        return invalidArgument("output ", info.name, ": run-time length ",
                               length, " of dimension ", by.dim, "; 0 to ",
                               shape[by.dim],
                               "; the program is wrong; recompile the model");
      cut(shape, read, byteSize(info.type), by.dim, length);
    }
    Array &array = outputs[info.name];
    array.type = info.type;
    if (isFirst) {
      array.shape = std::move(shape);
    } else if (info.shape.empty()) {
      array.shape.resize(1, 1); // Scalars become a vector.
      ++array.shape[0];
    } else {
      if (!std::equal(shape.begin() + 1, shape.end(), array.shape.begin() + 1))
        return invalidArgument("output ", info.name, ": ", kDifferentLengths);
      array.shape[0] += shape[0];
    }
    bytes[info.name] += read;
  }
  return absl::OkStatus();
}

absl::StatusOr<NamedArrays>
Session::run(const NamedArrays &inputs,
             const std::function<void(uint64_t, uint64_t)> &progress) {
  CIM_ASSIGN_OR_RETURN(uint64_t runs, countRuns(inputs));
  bool hasData = runOptions.mode != Mode::Timing;
  std::map<std::string, std::string> collected;
  NamedArrays outputs;
  for (uint64_t i = 0; i < runs; ++i) {
    if (hasData)
      CIM_RETURN_IF_ERROR(writeInputs(inputs, i));
    CIM_RETURN_IF_ERROR(runOnce());
    if (hasData)
      CIM_RETURN_IF_ERROR(collectOutputs(i == 0, outputs, collected));
    if (progress)
      progress(i + 1, runs);
  }
  for (auto &[name, array] : outputs)
    array.data = Blob(std::move(collected[name]));
  return outputs;
}

//===----------------------------------------------------------------------===//
// Random inputs.
//===----------------------------------------------------------------------===//

namespace {

/// SplitMix64, as published.
struct Random {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
};

/// k / 128 for k in [-128, 128), exact in every float type.
uint64_t floatBits(DType type, int k) {
  float value = static_cast<float>(k) / 128;
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  switch (type) {
  case DType::BF16:
    return bits >> 16;
  case DType::F16: {
    uint32_t exponent = bits >> 23 & 0xff;
    uint32_t half = exponent == 0 ? 0 : (exponent - 112) << 10;
    return (bits >> 16 & 0x8000) | half | (bits >> 13 & 0x3ff);
  }
  case DType::F64: {
    double wide = value;
    uint64_t wideBits;
    std::memcpy(&wideBits, &wide, sizeof(wideBits));
    return wideBits;
  }
  default:
    return bits;
  }
}

} // namespace

NamedArrays randomInputs(const Program &program, uint64_t seed) {
  NamedArrays inputs;
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const TensorInfo &info = program.inputs[i];
    Random random{seed * 0x100000001b3 + i};
    unsigned size = byteSize(info.type);
    bool wide = (size == 1 && info.type != DType::I1) || info.quant.scale != 0;
    std::string bytes(byteCount(info), '\0');
    for (size_t at = 0; at < bytes.size(); at += size) {
      uint64_t word = random.next();
      if (isFloat(info.type))
        word = floatBits(info.type, static_cast<int>(word >> 56) - 128);
      else if (!wide)
        word >>= 63;
      std::memcpy(bytes.data() + at, &word, size);
    }
    inputs[info.name] = {info.type, info.shape, Blob(std::move(bytes))};
  }
  return inputs;
}

} // namespace cim
