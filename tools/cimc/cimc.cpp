// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The compiler driver: a model in, a device program (or the IR of any phase)
// out.
#include <cstdio>

#include "cim/Pipeline/Compiler.h"
#include "cim/Program/ProgramIO.h"
#include "cim/Support/Version.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/ToolOutputFile.h"

namespace cl = llvm::cl;

namespace {

cl::OptionCategory category("cimc options");
cl::opt<std::string>
    input(cl::Positional, cl::Required,
          cl::desc("<model.onnx | model.onnxtxt | phase.mlir>"),
          cl::cat(category));
cl::opt<std::string> output("o",
                            cl::desc("Output file (default: the model's "
                                     "name with .cimb; IR: standard output)"),
                            cl::value_desc("file"), cl::cat(category));
cl::opt<std::string> target("target", cl::init("m50"),
                            cl::desc("Target preset or YAML file"),
                            cl::cat(category));
cl::opt<std::string>
    quantize("quantize", cl::init("none"),
             cl::desc("none, int8, w8a8 .. w4a8, bfp16 or fp16"),
             cl::cat(category));
cl::opt<std::string>
    calibration("calibration",
                cl::desc("Calibration data: .npz with one array per input, or "
                         "a folder of them"),
                cl::value_desc("data.npz|dir"), cl::cat(category));
cl::opt<unsigned> calibrationSamples("calibration-samples", cl::init(512),
                                     cl::desc("Samples used at most"),
                                     cl::cat(category));
cl::opt<std::string> ranges("ranges", cl::init("mse"),
                            cl::desc("Range method: minmax, percentile or mse"),
                            cl::cat(category));
cl::list<std::string> layerFormats(
    "layer",
    cl::desc("Format of the layers whose node matches, e.g. "
             "'Conv_3=w5a8' or 'head.*=none'; repeatable, first wins"),
    cl::value_desc("regex=format"), cl::cat(category));
cl::list<std::string>
    inputShapes("input-shape",
                cl::desc("Shape of an input, e.g. x=1x3x224x224; repeatable"),
                cl::value_desc("name=shape"), cl::cat(category));
cl::opt<int>
    optLevel("opt", cl::init(2),
             cl::desc("0: first legal schedule, 1: one core, 2: search, "
                      "3: search"),
             cl::cat(category));
cl::opt<std::string>
    searchBudget("search-budget",
                 cl::desc("Time for further search, e.g. 30s (the search of "
                          "--opt 2 is exhaustive and needs none)"),
                 cl::cat(category));
cl::opt<uint64_t> seed("seed", cl::init(0), cl::desc("Seed of every search"),
                       cl::cat(category));
cl::opt<std::string> emit(
    "emit", cl::init("program"),
    cl::desc("Stop after a phase and print it: import, normalize, quantize, "
             "split, schedule, lower, allocate, isa; or program"),
    cl::cat(category));
cl::opt<bool> emitBytecode("emit-bytecode",
                           cl::desc("Write IR as MLIR bytecode"),
                           cl::cat(category));
cl::opt<bool> elide("elide-constants",
                    cl::desc("Leave large constants out of printed IR (it can "
                             "then be read, not resumed)"),
                    cl::cat(category));
cl::opt<std::string> report("report", cl::desc("Write the compile report"),
                            cl::value_desc("r.json"), cl::cat(category));
cl::list<std::string> disabled(
    "disable", cl::CommaSeparated,
    cl::desc(
        "Switch optimisations off: fuse, overlap, copies, cores, resident, "
        "reroll (results stay the same bit for bit)"),
    cl::cat(category));
cl::opt<unsigned> threads("threads", cl::init(0),
                          cl::desc("Host threads (0: all cores); never changes "
                                   "results"),
                          cl::cat(category));
cl::opt<bool> quiet("quiet", cl::desc("Print errors only"), cl::cat(category));

int fail(const std::string &message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return 1;
}

bool setDisabled(cim::CompileOptions &options, std::string &error) {
  for (const std::string &what : disabled) {
    if (what == "fuse")
      options.split.fuse = false;
    else if (what == "overlap")
      options.schedule.overlap = false;
    else if (what == "copies")
      options.schedule.copies = false;
    else if (what == "cores")
      options.schedule.splitCores = false;
    else if (what == "resident")
      options.schedule.residentWeights = false;
    else if (what == "reroll")
      options.reroll = false;
    else {
      error = "--disable: unknown optimisation '" + what +
              "'; use fuse, overlap, copies, cores, resident or reroll";
      return false;
    }
  }
  return true;
}

bool setFormats(cim::CompileOptions &options, std::string &error) {
  if (!cim::parseQuantize(quantize, options.quantize, error))
    return false;
  if (ranges == "minmax")
    options.quantize.activations = options.quantize.weights =
        cim::RangeMethod::MinMax;
  else if (ranges == "percentile")
    options.quantize.activations = options.quantize.weights =
        cim::RangeMethod::Percentile;
  else if (ranges != "mse") {
    error = "--ranges: unknown method '" + ranges +
            "'; use minmax, percentile or mse";
    return false;
  }
  for (const std::string &text : layerFormats) {
    auto [pattern, format] = llvm::StringRef(text).rsplit('=');
    cim::QuantizeOptions parsed;
    if (pattern.empty() || !cim::parseQuantize(format, parsed, error)) {
      error =
          "--layer: '" + text + "' is not <regex>=<format>, e.g. Conv_3=w5a8";
      return false;
    }
    options.quantize.layers.push_back(
        {pattern.str(), parsed.mode, parsed.weightBits});
  }
  return true;
}

bool setOptions(cim::CompileOptions &options, std::string &error) {
  absl::StatusOr<cim::TargetSpec> spec = cim::TargetSpec::load(target);
  if (!spec.ok()) {
    error = std::string(spec.status().message());
    return false;
  }
  options.target = *spec;
  if (optLevel < 0 || optLevel > 3) {
    error = "--opt: " + std::to_string(optLevel) + "; use 0, 1, 2 or 3";
    return false;
  }
  options.schedule.optLevel = optLevel;
  options.maxCalibrationSamples = calibrationSamples;
  for (const std::string &text : inputShapes)
    if (!cim::parseInputShape(text, options.import, error))
      return false;
  if (!setFormats(options, error) || !setDisabled(options, error))
    return false;
  if (!calibration.empty() &&
      !cim::loadCalibration(calibration, options, error))
    return false;
  std::optional<cim::Phase> phase = cim::parsePhase(emit);
  if (!phase) {
    error = "--emit: unknown phase '" + emit +
            "'; use import, normalize, quantize, split, schedule, lower, "
            "allocate, isa or program";
    return false;
  }
  options.stopAfter = *phase;
  return true;
}

int writeIr(mlir::ModuleOp module) {
  std::string path = output.empty() ? "-" : output.getValue();
  std::error_code code;
  llvm::ToolOutputFile file(path, code, llvm::sys::fs::OF_None);
  if (code)
    return fail(path + ": cannot be written: " + code.message());
  if (emitBytecode) {
    if (failed(mlir::writeBytecodeToFile(module, file.os())))
      return fail(path + ": bytecode could not be written");
  } else {
    mlir::OpPrintingFlags flags;
    flags.enableDebugInfo(true, /*prettyForm=*/false);
    if (elide)
      flags.elideLargeElementsAttrs(16).elideLargeResourceString(32);
    module->print(file.os(), flags);
    file.os() << "\n";
  }
  file.keep();
  return 0;
}

llvm::json::Object compileFacts(const cim::CompileResult &result) {
  llvm::json::Object phases;
  double total = 0;
  for (const auto &[phase, seconds] : result.seconds) {
    phases[phase] = seconds;
    total += seconds;
  }
  phases["total"] = total;
  phases["peak_rss_bytes"] = result.peakRssBytes;
  return phases;
}

int writeReport(const cim::CompileResult &result) {
  llvm::json::Object json;
  json["compile"] = compileFacts(result);
  llvm::json::Array remarks;
  for (const std::string &remark : result.remarks)
    remarks.push_back(remark);
  json["remarks"] = std::move(remarks);
  if (result.program) {
    json["model"] = result.program->model;
    json["target"] = result.program->target.name;
    json["predicted_cycles"] = result.program->predictedCycles;
    json["bound_cycles"] = result.program->lowerBoundCycles;
    llvm::json::Array layers;
    for (const cim::LayerInfo &layer : result.program->layers)
      layers.push_back(
          llvm::json::Object{{"name", layer.name},
                             {"op", layer.op},
                             {"format", layer.format},
                             {"macs", layer.macs},
                             {"predicted_cycles", layer.predictedCycles},
                             {"schedule", layer.schedule}});
    json["layers"] = std::move(layers);
  }
  std::error_code code;
  llvm::ToolOutputFile file(report, code, llvm::sys::fs::OF_Text);
  if (code)
    return fail(report + ": cannot be written: " + code.message());
  file.os() << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(json)));
  file.keep();
  return 0;
}

void printSummary(const cim::CompileResult &result, const std::string &path) {
  const cim::Program &program = *result.program;
  double total = 0;
  for (const auto &[phase, seconds] : result.seconds)
    total += seconds;
  uint64_t macs = 0;
  for (const cim::LayerInfo &layer : program.layers)
    macs += layer.macs;
  std::printf("%s: %zu layers, %.3f GMAC, predicted %llu cycles (bound %llu), "
              "compiled in %.2f s, peak %.2f GiB\n",
              path.c_str(), program.layers.size(), macs * 1e-9,
              static_cast<unsigned long long>(program.predictedCycles),
              static_cast<unsigned long long>(program.lowerBoundCycles), total,
              static_cast<double>(result.peakRssBytes) / (1 << 30));
  for (const std::string &remark : result.remarks)
    std::printf("remark: %s\n", remark.c_str());
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::SetVersionPrinter([](llvm::raw_ostream &os) {
    os << "cimc " << cim::versionString() << "\n";
  });
  cl::ParseCommandLineOptions(
      argc, argv, "cimc: compiles models for compute-in-memory NPUs\n");
  std::string error;
  cim::CompileOptions options;
  if (!setOptions(options, error))
    return fail(error);
  llvm::ThreadPoolStrategy strategy = llvm::hardware_concurrency(threads);
  llvm::DefaultThreadPool pool(strategy);
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  if (threads != 1)
    context.setThreadPool(pool);
  cim::prepareContext(context);
  mlir::FailureOr<cim::CompileResult> result =
      cim::compileFile(input, options, context, error);
  if (failed(result))
    return fail(error);
  if (options.stopAfter != cim::Phase::Program) {
    if (int code = writeIr(*result->module))
      return code;
  } else {
    std::string path = output;
    if (path.empty()) {
      llvm::SmallString<128> name(llvm::sys::path::filename(input));
      llvm::sys::path::replace_extension(name, "cimb");
      path = name.str().str();
    }
    absl::Status written = cim::writeProgram(*result->program, path);
    if (!written.ok())
      return fail(std::string(written.message()));
    if (!quiet)
      printSummary(*result, path);
  }
  return report.empty() ? 0 : writeReport(*result);
}
