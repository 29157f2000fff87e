// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Compile.h"

#include "cim/Emit/ISA.h"
#include "cim/Pipeline/Compiler.h"
#include "cim/Program/ProgramIO.h"
#include "cim/Support/Status.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/ThreadPool.h"

namespace cim::python {
namespace {

absl::Status setDisabled(const CompileRequest &request,
                         CompileOptions &options) {
  for (const std::string &what : request.disable) {
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
    else
      return invalidArgument("disable: unknown optimisation '", what,
                             "'; use fuse, overlap, copies, cores, resident or "
                             "reroll");
  }
  return absl::OkStatus();
}

absl::Status setFormat(llvm::StringRef text, std::string_view argument,
                       QuantizeOptions &options) {
  std::string error;
  if (parseQuantize(text, options, error))
    return absl::OkStatus();
  // The parser speaks of the command line's option.
  llvm::StringRef message = error;
  message.consume_front("--quantize: ");
  return invalidArgument(argument, ": ", message.str());
}

absl::Status setFormats(const CompileRequest &request,
                        CompileOptions &options) {
  CIM_RETURN_IF_ERROR(
      setFormat(request.quantize, "quantize", options.quantize));
  if (request.ranges == "minmax")
    options.quantize.activations = options.quantize.weights =
        RangeMethod::MinMax;
  else if (request.ranges == "percentile")
    options.quantize.activations = options.quantize.weights =
        RangeMethod::Percentile;
  else if (request.ranges != "mse")
    return invalidArgument("ranges: unknown method '", request.ranges,
                           "'; use minmax, percentile or mse");
  for (const auto &[pattern, format] : request.layers) {
    std::string why;
    if (!llvm::Regex(pattern).isValid(why))
      return invalidArgument("layers: '", pattern,
                             "' is not a regular expression: ", why,
                             "; correct it");
    QuantizeOptions parsed;
    CIM_RETURN_IF_ERROR(setFormat(format, "layers: '" + pattern + "'", parsed));
    options.quantize.layers.push_back(
        {pattern, parsed.mode, parsed.weightBits});
  }
  return absl::OkStatus();
}

absl::Status setOptions(const CompileRequest &request,
                        CompileOptions &options) {
  if (request.opt < 0 || request.opt > 3)
    return invalidArgument("opt: ", request.opt, "; use 0, 1, 2 or 3");
  std::optional<Phase> phase = parsePhase(request.phase);
  if (!phase)
    return invalidArgument("phase: unknown phase '", request.phase,
                           "'; use import, normalize, quantize, split, "
                           "schedule, lower, allocate or isa");
  options.stopAfter = *phase;
  options.target = request.target;
  options.schedule.optLevel = request.opt;
  options.maxCalibrationSamples = request.calibrationSamples;
  options.import.inputShapes = request.inputShapes;
  options.import.modelName = request.modelName;
  options.import.externalDataDir = request.externalDataDir;
  options.calibration = request.calibration;
  CIM_RETURN_IF_ERROR(setFormats(request, options));
  CIM_RETURN_IF_ERROR(setDisabled(request, options));
  std::string error;
  if (!request.calibrationPath.empty() &&
      !loadCalibration(request.calibrationPath, options, error))
    return invalidArgument(error);
  return absl::OkStatus();
}

std::string print(mlir::ModuleOp module, bool elideConstants) {
  mlir::OpPrintingFlags flags;
  flags.enableDebugInfo(true, /*prettyForm=*/false);
  if (elideConstants)
    flags.elideLargeElementsAttrs(16).elideLargeResourceString(32);
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream, flags);
  stream << "\n";
  return text;
}

mlir::FailureOr<CompileResult> run(const CompileRequest &request,
                                   const CompileOptions &options,
                                   mlir::MLIRContext &context,
                                   std::string &error) {
  if (!request.path.empty())
    return compileFile(request.path, options, context, error);
  llvm::StringRef bytes(request.bytes.data(), request.bytes.size());
  // Not owned: the request outlives the result.
  std::shared_ptr<const void> owner(bytes.data(), [](const void *) {});
  return compileBytes(bytes, options, context, error, std::move(owner));
}

} // namespace

absl::StatusOr<CompileOutcome> compile(const CompileRequest &request) {
  CompileOptions options;
  CIM_RETURN_IF_ERROR(setOptions(request, options));
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(request.threads));
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  if (request.threads != 1)
    context.setThreadPool(pool);
  prepareContext(context);
  std::string error;
  CompileOutcome outcome;
  if (options.stopAfter != Phase::Program)
    options.observer = [&](Phase phase, mlir::ModuleOp module) {
      // The text of instructions is a phase of its own, after the program.
      bool wanted = request.allTexts || phase == options.stopAfter;
      if (wanted && phase != Phase::Program)
        outcome.texts.emplace_back(name(phase),
                                   print(module, request.elideConstants));
    };
  mlir::FailureOr<CompileResult> result = run(request, options, context, error);
  if (mlir::failed(result))
    return invalidArgument(error);
  outcome.seconds = std::move(result->seconds);
  outcome.peakRssBytes = result->peakRssBytes;
  outcome.remarks = std::move(result->remarks);
  if (options.stopAfter != Phase::Program)
    return outcome;
  // The program's constants are views into the context; its bytes outlive it.
  CIM_ASSIGN_OR_RETURN(outcome.program, serializeProgram(*result->program));
  return outcome;
}

std::vector<std::pair<std::string, std::string>> phases() {
  std::vector<std::pair<std::string, std::string>> list;
  for (int i = 0; i <= static_cast<int>(Phase::Program); ++i)
    list.emplace_back(name(static_cast<Phase>(i)),
                      description(static_cast<Phase>(i)));
  return list;
}

absl::StatusOr<std::string> disassemble(const Program &program,
                                        bool elideConstants) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  prepareContext(context);
  std::string error;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) {
    if (error.empty() && d.getSeverity() == mlir::DiagnosticSeverity::Error)
      error = d.str();
  });
  mlir::OwningOpRef<mlir::ModuleOp> module = buildISA(program, &context);
  if (!module)
    return invalidArgument(error);
  return print(*module, elideConstants);
}

} // namespace cim::python
