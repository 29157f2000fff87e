// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Pipeline/Options.h"

#include "llvm/Support/Regex.h"

using llvm::StringRef;

namespace cim {
namespace {

bool setTarget(StringRef value, CompileOptions &options, std::string &why) {
  absl::StatusOr<TargetSpec> spec = TargetSpec::load(value.str());
  if (!spec.ok()) {
    why = std::string(spec.status().message());
    return false;
  }
  options.target = *std::move(spec);
  return true;
}

bool setQuantize(StringRef value, CompileOptions &options, std::string &why) {
  return parseQuantize(value, options.quantize, why);
}

bool setCalibration(StringRef value, CompileOptions &options,
                    std::string &why) {
  return value.empty() || loadCalibration(value.str(), options, why);
}

bool setInputShape(StringRef value, CompileOptions &options, std::string &why) {
  return parseInputShape(value, options.import, why);
}

bool setBind(StringRef value, CompileOptions &options, std::string &why) {
  return value.empty() || loadBindings(value.str(), options.import, why);
}

/// Digits alone, from `least` to `most`.
bool parseNumber(StringRef value, uint64_t least, uint64_t most, uint64_t &to,
                 std::string &why) {
  if (!value.getAsInteger(10, to) && to >= least && to <= most)
    return true;
  why = value.str() + "; an integer from " + std::to_string(least) + " to " +
        std::to_string(most) + " is needed";
  return false;
}

bool setOptLevel(StringRef value, CompileOptions &options, std::string &why) {
  int level;
  if (value.getAsInteger(10, level) || level < 0 || level > 3) {
    why = value.str() + "; use 0, 1, 2 or 3";
    return false;
  }
  options.schedule.optLevel = level;
  return true;
}

bool setSamples(StringRef value, CompileOptions &options, std::string &why) {
  uint64_t samples;
  if (!parseNumber(value, 1, INT32_MAX, samples, why))
    return false;
  options.maxCalibrationSamples = samples;
  return true;
}

bool setThreads(StringRef value, CompileOptions &options, std::string &why) {
  uint64_t threads;
  if (!parseNumber(value, 0, 1024, threads, why))
    return false;
  options.threads = static_cast<unsigned>(threads);
  return true;
}

bool setSeed(StringRef value, CompileOptions &options, std::string &why) {
  return parseNumber(value, 0, UINT64_MAX, options.schedule.seed, why);
}

/// Nominal seconds: "30", "30s", "2m", "0.5s".
bool setSearchBudget(StringRef value, CompileOptions &options,
                     std::string &why) {
  StringRef number = value;
  double unit = 1;
  if (number.consume_back("m"))
    unit = 60;
  else
    number.consume_back("s");
  double seconds;
  constexpr double most = 1e6;
  if (number.getAsDouble(seconds) || !(seconds >= 0) || seconds * unit > most) {
    why = "'" + value.str() +
          "' is not a time of at most 1000000 s; write e.g. 30s or 2m";
    return false;
  }
  options.schedule.searchSeconds = seconds * unit;
  return true;
}

bool setRanges(StringRef value, CompileOptions &options, std::string &why) {
  RangeMethod method;
  if (value == "mse")
    method = RangeMethod::Mse;
  else if (value == "minmax")
    method = RangeMethod::MinMax;
  else if (value == "percentile")
    method = RangeMethod::Percentile;
  else {
    why = "unknown method '" + value.str() + "'; use minmax, percentile or mse";
    return false;
  }
  options.quantize.activations = options.quantize.weights = method;
  return true;
}

bool setLayer(StringRef value, CompileOptions &options, std::string &why) {
  // Formats have no '='; regular expressions may.
  auto [pattern, format] = value.rsplit('=');
  std::string reason;
  if (pattern.empty() || format.empty()) {
    why =
        "'" + value.str() + "' is not <regex>=<format>; write e.g. Conv_3=w5a8";
    return false;
  }
  if (!llvm::Regex(pattern).isValid(reason)) {
    why = "'" + pattern.str() + "' is not a regular expression: " + reason +
          "; correct it";
    return false;
  }
  QuantizeOptions parsed;
  if (!parseQuantize(format, parsed, reason)) {
    why = "'" + pattern.str() + "': " + reason;
    return false;
  }
  options.quantize.layers.push_back(
      {pattern.str(), parsed.mode, parsed.weightBits});
  return true;
}

/// What --disable switches off.
struct Switch {
  const char *name;
  bool &(*get)(CompileOptions &options);
};
constexpr Switch kSwitches[] = {
    {"fuse", [](CompileOptions &o) -> bool & { return o.split.fuse; }},
    {"overlap", [](CompileOptions &o) -> bool & { return o.schedule.overlap; }},
    {"copies", [](CompileOptions &o) -> bool & { return o.schedule.copies; }},
    {"cores",
     [](CompileOptions &o) -> bool & { return o.schedule.splitCores; }},
    {"resident",
     [](CompileOptions &o) -> bool & { return o.schedule.residentWeights; }},
    {"reroll", [](CompileOptions &o) -> bool & { return o.reroll; }},
};

bool setDisabled(StringRef value, CompileOptions &options, std::string &why) {
  std::string known;
  for (size_t i = 0; i < std::size(kSwitches); ++i) {
    if (value == kSwitches[i].name) {
      kSwitches[i].get(options) = false;
      return true;
    }
    known += (i == 0                         ? ""
              : i + 1 < std::size(kSwitches) ? ", "
                                             : " or ") +
             std::string(kSwitches[i].name);
  }
  why = "unknown optimisation '" + value.str() + "'; use " + known;
  return false;
}

bool setStrict(StringRef value, CompileOptions &options, std::string &why) {
  std::optional<StrictCondition> condition = parseStrictCondition(value);
  if (condition)
    options.strict.push_back(*condition);
  else
    why = "unknown condition '" + value.str() + "'; use " +
          strictConditionNames();
  return condition.has_value();
}

// In the order of --help.
constexpr CompileOption kOptions[] = {
    {"target", "target", OptionKind::Text, "m50", "name|file.yaml",
     "Target preset or YAML file", setTarget, /*namesFile=*/true},
    {"quantize", "quantize", OptionKind::Text, "none", "format",
     "none, int8, w8a8 .. w4a8, bfp16 or fp16", setQuantize},
    {"calibration", "calibration", OptionKind::Text, "", "data.npz|dir",
     "Calibration data: .npz with one array per input, samples stacked along "
     "the first dimension, or a folder of them; integer formats need it",
     setCalibration, /*namesFile=*/true},
    {"calibration-samples", "calibration_samples", OptionKind::Number, "512",
     "n", "Samples used at most", setSamples},
    {"ranges", "ranges", OptionKind::Text, "mse", "method",
     "How ranges are chosen: minmax, percentile or mse", setRanges},
    {"layer", "layers", OptionKind::Pairs, "", "regex=format",
     "Format of the layers whose node matches, e.g. Conv_3=w5a8 or "
     "head.*=none; the first match wins",
     setLayer},
    {"input-shape", "input_shapes", OptionKind::Pairs, "", "name=shape",
     "Shape of an input whose dimensions the model leaves open, e.g. "
     "x=1x3x224x224",
     setInputShape},
    {"bind", "bind", OptionKind::Text, "", "data.npz",
     "Values of inputs, one array each: these inputs become constants, the "
     "program has none of their names; needed for inputs on whose values "
     "shapes depend",
     setBind, /*namesFile=*/true},
    {"opt", "opt", OptionKind::Number, "2", "level",
     "0: first legal schedule, 1: one core, 2: the mapspace, its best "
     "simulated, 3: a longer search beyond it",
     setOptLevel},
    {"search-budget", "search_budget", OptionKind::Text, "0s", "time",
     "Further search, divided among the distinct layers, e.g. 30s. Nominal "
     "time: counted in work, so that results do not depend on the machine",
     setSearchBudget},
    {"seed", "seed", OptionKind::Number, "0", "n", "Seed of that search",
     setSeed},
    {"disable", "disable", OptionKind::List, "", "names",
     "Switch optimisations off: fuse, overlap, copies, cores, resident, reroll "
     "(results stay the same bit for bit)",
     setDisabled},
    {"strict", "strict", OptionKind::List, "", "conditions",
     "Fail instead of making a program that has: float-mac (products in float "
     "although a format was asked), vector-f32 (layers in float on the vector "
     "unit), control (kernels of the control processor), dram-activations "
     "(values between layers in DRAM)",
     setStrict},
    {"threads", "threads", OptionKind::Number, "0", "n",
     "Host threads (0: all cores); never changes results", setThreads},
};

} // namespace

llvm::ArrayRef<CompileOption> compileOptions() { return kOptions; }

const CompileOption *findCompileOption(StringRef flag) {
  for (const CompileOption &option : kOptions)
    if (flag == option.flag)
      return &option;
  return nullptr;
}

bool applyOption(const CompileOption &option, StringRef value,
                 FrontEnd frontEnd, CompileOptions &options,
                 std::string &error) {
  std::string why;
  if (option.apply(value, options, why))
    return true;
  std::string spelled = frontEnd == FrontEnd::Python
                            ? std::string(option.argument)
                            : "--" + std::string(option.flag);
  error = option.namesFile ? why : spelled + ": " + why;
  return false;
}

} // namespace cim
