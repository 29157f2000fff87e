// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The compiler driver: a model in, a device program (or the IR of any phase)
// out.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>

#include "../CommandLine.h"
#include "cim/Pipeline/Options.h"
#include "cim/Program/ProgramIO.h"
#include "cim/Support/Version.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "llvm/ADT/StringExtras.h"
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
    input(cl::Positional, cl::Optional,
          cl::desc("<model.onnx | model.onnxtxt | phase.mlir>"),
          cl::cat(category));
cl::opt<std::string> output("o",
                            cl::desc("Output file (default: the model's "
                                     "name with .cimb; IR: standard output)"),
                            cl::value_desc("file"), cl::cat(category));
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
cl::opt<std::string>
    plan("plan", cl::ValueOptional,
         cl::desc("Print where every node of the model runs, in what "
                  "precision, why, and its share of the predicted time: text "
                  "(a table; the default form) or json (and nothing else)"),
         cl::value_desc("form"), cl::cat(category));
cl::opt<bool> quiet("quiet", cl::desc("Print errors only"), cl::cat(category));

bool wantsPlan() { return plan.getNumOccurrences() > 0; }

int fail(const std::string &message) {
  for (llvm::StringRef line : llvm::split(message, '\n'))
    std::fprintf(stderr, "error: %s\n", line.str().c_str());
  return 1;
}

/// The options of lib/Pipeline on this command line; made before it is parsed.
class SharedOptions {
public:
  SharedOptions() {
    for (const cim::CompileOption &option : cim::compileOptions())
      add(option);
  }
  /// Applies what was given, and the defaults.
  bool apply(cim::CompileOptions &options, std::string &error) const {
    for (const Entry &entry : entries) {
      llvm::SmallVector<std::string> values;
      if (entry.one)
        values.push_back(*entry.one);
      else
        values.append(entry.many->begin(), entry.many->end());
      for (const std::string &value : values)
        if (!cim::applyOption(*entry.option, value, cim::FrontEnd::CommandLine,
                              options, error))
          return false;
    }
    return true;
  }

private:
  struct Entry {
    const cim::CompileOption *option;
    std::string help;
    std::unique_ptr<cl::opt<std::string>> one;
    std::unique_ptr<cl::list<std::string>> many;
  };

  void add(const cim::CompileOption &option) {
    Entry &entry = entries.emplace_back();
    entry.option = &option;
    entry.help = option.help;
    bool single = option.kind == cim::OptionKind::Text ||
                  option.kind == cim::OptionKind::Number;
    if (single) {
      if (*option.initial)
        entry.help += std::string(" (default: ") + option.initial + ")";
      entry.one = std::make_unique<cl::opt<std::string>>(
          llvm::StringRef(option.flag), cl::desc(entry.help),
          cl::value_desc(option.form), cl::init(option.initial),
          cl::cat(category));
      return;
    }
    entry.help += "; repeatable";
    entry.many = std::make_unique<cl::list<std::string>>(
        llvm::StringRef(option.flag), cl::desc(entry.help),
        cl::value_desc(option.form), cl::cat(category));
    if (option.kind == cim::OptionKind::List)
      entry.many->setMiscFlag(cl::CommaSeparated);
  }

  std::deque<Entry> entries;
};

bool setOptions(const SharedOptions &shared, cim::CompileOptions &options,
                std::string &error) {
  if (input.empty()) {
    error = "no model given; give a .onnx, .onnxtxt or .mlir file; see --help";
    return false;
  }
  std::optional<cim::Phase> phase = cim::parsePhase(emit);
  if (!phase) {
    error = "--emit: unknown phase '" + emit + "'; use " +
            cim::phaseNames(cim::Phase::Program);
    return false;
  }
  if (wantsPlan() && plan != "" && plan != "text" && plan != "json") {
    error = "--plan: unknown form '" + plan + "'; use text or json";
    return false;
  }
  if (wantsPlan() && *phase != cim::Phase::Program) {
    error = "--plan: a program is needed, which --emit " + emit +
            " does not make; leave one of them out";
    return false;
  }
  options.stopAfter = *phase;
  return shared.apply(options, error);
}

/// Keeps the file unless something could not be written: a full disk shows when
/// the stream is flushed.
int finish(llvm::ToolOutputFile &file, const std::string &path) {
  file.os().flush();
  if (std::error_code code = file.os().error()) {
    file.os().clear_error();
    // Half a file is removed; links and devices are not ours.
    llvm::sys::fs::file_status status;
    if (llvm::sys::fs::status(path, status, /*follow=*/false) ||
        !llvm::sys::fs::is_regular_file(status))
      file.keep();
    return fail((path == "-" ? "standard output" : path) +
                ": cannot be written: " + code.message());
  }
  file.keep();
  return 0;
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
  return finish(file, path);
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
    if (result.plan)
      json["plan"] = cim::toJson(*result.plan);
  }
  std::error_code code;
  llvm::ToolOutputFile file(report, code, llvm::sys::fs::OF_Text);
  if (code)
    return fail(report + ": cannot be written: " + code.message());
  file.os() << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(json)));
  return finish(file, report);
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

void printPlan(const cim::Plan &made) {
  std::string text;
  if (plan == "json")
    text = llvm::formatv("{0:2}\n", llvm::json::Value(cim::toJson(made))).str();
  else
    text = cim::toText(made);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  SharedOptions shared;
  cl::HideUnrelatedOptions(category);
  cl::SetVersionPrinter([](llvm::raw_ostream &os) {
    os << "cimc " << cim::versionString() << "\n";
  });
  if (!cim::parseCommandLine(
          argc, argv, "cimc: compiles models for compute-in-memory NPUs\n"))
    return 1;
  std::string error;
  cim::CompileOptions options;
  if (!setOptions(shared, options, error))
    return fail(error);
  llvm::ThreadPoolStrategy strategy =
      llvm::hardware_concurrency(options.threads);
  llvm::DefaultThreadPool pool(strategy);
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  if (options.threads != 1)
    context.setThreadPool(pool);
  cim::prepareContext(context);
  mlir::FailureOr<cim::CompileResult> result =
      cim::compileFile(input, options, context, error);
  if (failed(result))
    return fail(error);
  if (wantsPlan() && !result->plan)
    return fail(input + ": instructions alone have no plan; compile the model "
                        "or an earlier phase, or leave --plan out");
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
    if (!quiet && plan != "json")
      printSummary(*result, path);
    if (wantsPlan())
      printPlan(*result->plan);
    if (std::fflush(stdout) != 0 || std::ferror(stdout))
      return fail(std::string("standard output: cannot write: ") +
                  std::strerror(errno));
  }
  return report.empty() ? 0 : writeReport(*result);
}
