// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "cim/Runtime/ArrayIO.h"

#include <cmath>
#include <cstring>

#include "absl/strings/str_join.h"
#include "cim/Support/Npz.h"
#include "cim/Support/Status.h"

namespace cim {
namespace {

absl::StatusOr<Array> readArray(const NpzFile &file, const std::string &name) {
  CIM_ASSIGN_OR_RETURN(NpyArray npy, file.read(name));
  Array array;
  for (size_t i = 0; i <= static_cast<size_t>(DType::F64); ++i)
    if (npy.dtype == npyName(static_cast<DType>(i)))
      array.type = static_cast<DType>(i);
  array.shape = std::move(npy.shape);
  array.data = Blob(npy.bytes.data(), npy.bytes.size(), npy.keepAlive);
  return array;
}

NpyArray toNpy(const Array &array) {
  std::string_view bytes(array.data.data(), array.data.size());
  if (array.type != DType::BF16)
    return {npyName(array.type), array.shape, bytes, nullptr};
  auto wide = std::make_shared<std::string>(2 * bytes.size(), '\0');
  for (size_t i = 0; i < bytes.size(); i += 2)
    std::memcpy(wide->data() + 2 * i + 2, bytes.data() + i, 2);
  return {"f4", array.shape, *wide, wide};
}

template <typename T>
T load(const char *p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

double halfToDouble(uint16_t bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  double value = exponent == 31  ? (mantissa ? NAN : INFINITY)
                 : exponent == 0 ? std::ldexp(mantissa, -24)
                                 : std::ldexp(1024 + mantissa, exponent - 25);
  return bits & 0x8000 ? -value : value;
}

/// Element `i`; 64-bit integers beyond 2^53 lose their low bits.
double elementAsDouble(const Array &array, uint64_t i) {
  const char *p = array.data.data() + i * byteSize(array.type);
  switch (array.type) {
  case DType::I1:
  case DType::U8:
    return load<uint8_t>(p);
  case DType::I8:
    return load<int8_t>(p);
  case DType::I16:
    return load<int16_t>(p);
  case DType::U16:
    return load<uint16_t>(p);
  case DType::I32:
    return load<int32_t>(p);
  case DType::U32:
    return load<uint32_t>(p);
  case DType::I64:
    return static_cast<double>(load<int64_t>(p));
  case DType::U64:
    return static_cast<double>(load<uint64_t>(p));
  case DType::F16:
    return halfToDouble(load<uint16_t>(p));
  case DType::BF16: {
    uint32_t bits = uint32_t(load<uint16_t>(p)) << 16;
    return load<float>(reinterpret_cast<const char *>(&bits));
  }
  case DType::F32:
    return load<float>(p);
  case DType::F64:
    return load<double>(p);
  }
  return 0;
}

} // namespace

absl::StatusOr<NamedArrays> readInputs(const std::string &path,
                                       const Program &program) {
  CIM_ASSIGN_OR_RETURN(NpzFile file, NpzFile::open(path));
  NamedArrays inputs;
  for (const TensorInfo &info : program.inputs) {
    std::string name = info.name;
    bool only = program.inputs.size() == 1 && file.names().size() == 1;
    if (!file.contains(name) && only)
      name = file.names()[0];
    if (!file.contains(name))
      return invalidArgument(path, ": no array ", info.name, "; the file has ",
                             absl::StrJoin(file.names(), ", "), "; add ",
                             describe(info.type, info.shape));
    CIM_ASSIGN_OR_RETURN(inputs[info.name], readArray(file, name));
  }
  return inputs;
}

absl::Status writeOutputs(const std::string &path, const Program &program,
                          const NamedArrays &outputs) {
  std::vector<std::pair<std::string, NpyArray>> arrays;
  for (const TensorInfo &info : program.outputs)
    if (auto found = outputs.find(info.name); found != outputs.end())
      arrays.emplace_back(info.name, toNpy(found->second));
  return writeNpz(path, arrays);
}

absl::StatusOr<std::vector<int64_t>> readLabels(const std::string &path) {
  CIM_ASSIGN_OR_RETURN(NpzFile file, NpzFile::open(path));
  std::string name = "labels";
  if (!file.contains(name) && file.names().size() == 1)
    name = file.names()[0];
  if (!file.contains(name))
    return invalidArgument(path, ": no array labels; the file has ",
                           absl::StrJoin(file.names(), ", "), "; rename one");
  CIM_ASSIGN_OR_RETURN(Array array, readArray(file, name));
  if (isFloat(array.type))
    return invalidArgument(path, ": labels are ",
                           describe(array.type, array.shape),
                           "; integer class numbers are needed; convert them");
  std::vector<int64_t> labels;
  for (uint64_t i = 0, n = elementCount(array.shape); i < n; ++i)
    labels.push_back(static_cast<int64_t>(elementAsDouble(array, i)));
  return labels;
}

absl::StatusOr<uint64_t> countTop1(const Array &scores,
                                   const std::vector<int64_t> &labels) {
  uint64_t classes =
      scores.shape.empty() ? 0 : static_cast<uint64_t>(scores.shape.back());
  uint64_t rows = classes == 0 ? 0 : elementCount(scores.shape) / classes;
  if (rows == 0 || rows != labels.size())
    return invalidArgument("labels: ", labels.size(), " for an output of ",
                           describe(scores.type, scores.shape),
                           "; one per row is needed; give matching files");
  uint64_t hits = 0;
  for (uint64_t row = 0; row < rows; ++row) {
    uint64_t best = 0;
    double bestScore = elementAsDouble(scores, row * classes);
    for (uint64_t i = 1; i < classes; ++i) {
      double score = elementAsDouble(scores, row * classes + i);
      if (score > bestScore)
        best = i, bestScore = score;
    }
    hits += static_cast<int64_t>(best) == labels[row];
  }
  return hits;
}

} // namespace cim
