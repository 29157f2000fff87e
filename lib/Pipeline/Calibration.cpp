// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Calibration.h"

#include "cim/IR/StoredType.h"
#include "cim/Program/Program.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace cim {

static std::string shapeText(ArrayRef<int64_t> shape) {
  return "[" +
         llvm::join(llvm::map_range(
                        shape, [](int64_t d) { return std::to_string(d); }),
                    ", ") +
         "]";
}

/// Hands every array of an .npz file to `take`. On failure `error` is one line.
static bool
forEachArray(const std::string &path, std::string &error,
             llvm::function_ref<void(const std::string &, NpyArray)> take) {
  absl::StatusOr<NpzFile> npz = NpzFile::open(path);
  if (!npz.ok()) {
    error = std::string(npz.status().message());
    return false;
  }
  for (const std::string &name : npz->names()) {
    absl::StatusOr<NpyArray> array = npz->read(name);
    if (!array.ok()) {
      error = std::string(array.status().message());
      return false;
    }
    take(name, std::move(*array));
  }
  return true;
}

bool loadCalibration(const std::string &path, CompileOptions &options,
                     std::string &error) {
  std::vector<std::string> files;
  if (llvm::sys::fs::is_directory(path)) {
    std::error_code code;
    for (llvm::sys::fs::directory_iterator it(path, code), end;
         it != end && !code; it.increment(code))
      if (llvm::sys::path::extension(it->path()) == ".npz")
        files.push_back(it->path());
    std::sort(files.begin(), files.end());
    if (files.empty()) {
      error = path + ": no .npz file in this folder; put calibration arrays "
                     "there, one .npz per group of samples";
      return false;
    }
  } else {
    files.push_back(path);
  }
  for (const std::string &file : files) {
    bool read =
        forEachArray(file, error, [&](const std::string &name, NpyArray array) {
          options.calibration[name].push_back(std::move(array));
        });
    if (!read)
      return false;
  }
  return true;
}

bool loadBindings(const std::string &path, ImportOptions &options,
                  std::string &error) {
  return forEachArray(path, error,
                      [&](const std::string &name, NpyArray array) {
                        options.bind[name] = std::move(array);
                      });
}

namespace {
/// Arrays of one input, cut into samples of the compiled shape.
struct InputSamples {
  RankedTensorType type;
  std::vector<NpyArray> arrays;
  std::vector<size_t> perArray;
  size_t total = 0;

  TensorValue sample(size_t index) const {
    size_t i = 0;
    while (index >= perArray[i])
      index -= perArray[i++];
    size_t bytes = type.getNumElements() * storedBytes(type.getElementType());
    TensorValue value;
    value.type = type;
    value.bytes = std::make_shared<std::vector<char>>(
        arrays[i].bytes.data() + index * bytes,
        arrays[i].bytes.data() + (index + 1) * bytes);
    value.data = value.bytes->data();
    return value;
  }
};
} // namespace

static bool addInput(StringRef name, RankedTensorType type,
                     const CompileOptions &options, InputSamples &out,
                     std::string &error) {
  auto it = options.calibration.find(name.str());
  if (it == options.calibration.end()) {
    std::string known;
    for (const auto &[key, arrays] : options.calibration)
      known += (known.empty() ? "" : ", ") + key;
    error = "calibration data have no array '" + name.str() +
            "'; arrays found: " + (known.empty() ? "none" : known) +
            "; name the arrays after the model's inputs";
    return false;
  }
  out.type = type;
  std::optional<DType> dtype = dtypeOf(type.getElementType());
  std::string wanted = dtype ? npyName(*dtype) : "";
  for (const NpyArray &array : it->second) {
    if (array.dtype != wanted) {
      error = "calibration array '" + name.str() + "' has dtype " +
              array.dtype + "; the model's input has " + wanted +
              "; convert the array";
      return false;
    }
    bool fits = static_cast<int64_t>(array.shape.size()) == type.getRank() &&
                type.getRank() > 0 &&
                ArrayRef<int64_t>(array.shape).drop_front() ==
                    type.getShape().drop_front() &&
                array.shape[0] >= type.getDimSize(0);
    if (!fits) {
      error = "calibration array '" + name.str() + "' has shape " +
              shapeText(array.shape) + "; samples of shape " +
              shapeText(type.getShape()) +
              " are needed, stacked along the first dimension";
      return false;
    }
    size_t count = array.shape[0] / type.getDimSize(0);
    out.arrays.push_back(array);
    out.perArray.push_back(count);
    out.total += count;
  }
  return true;
}

bool makeCalibration(func::FuncOp func, const CompileOptions &options,
                     CalibrationData &data, std::string &error) {
  data = {};
  if (options.calibration.empty())
    return true;
  auto inputs = std::make_shared<std::vector<InputSamples>>();
  data.count = options.maxCalibrationSamples;
  for (auto [i, argument] : llvm::enumerate(func.getArguments())) {
    auto name = func.getArgAttrOfType<StringAttr>(i, "cim.name");
    InputSamples samples;
    if (!addInput(name ? name.getValue() : "",
                  cast<RankedTensorType>(argument.getType()), options, samples,
                  error))
      return false;
    data.count = std::min(data.count, samples.total);
    inputs->push_back(std::move(samples));
  }
  data.source = [inputs, count = data.count](size_t index) {
    std::vector<TensorValue> values;
    if (index < count)
      for (const InputSamples &input : *inputs)
        values.push_back(input.sample(index));
    return values;
  };
  return true;
}

} // namespace cim
