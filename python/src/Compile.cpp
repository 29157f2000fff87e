// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Compile.h"

#include "cim/Emit/ISA.h"
#include "cim/Pipeline/Options.h"
#include "cim/Program/ProgramIO.h"
#include "cim/Support/Status.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/ThreadPool.h"

namespace cim::python {
namespace {

absl::Status setOptions(const CompileRequest &request,
                        CompileOptions &options) {
  std::optional<Phase> phase = parsePhase(request.phase);
  if (!phase)
    return invalidArgument("phase: unknown phase '", request.phase, "'; use ",
                           phaseNames(Phase::Isa));
  options.stopAfter = *phase;
  options.import.bind = request.bind;
  options.import.modelName = request.modelName;
  options.import.externalDataDir = request.externalDataDir;
  options.calibration = request.calibration;
  std::string error;
  for (const CompileOption &option : compileOptions()) {
    bool isSet = *option.initial == 0;
    for (const auto &[flag, value] : request.options) {
      if (flag != option.flag)
        continue;
      isSet = true;
      if (!applyOption(option, value, FrontEnd::Python, options, error))
        return invalidArgument(error);
    }
    if (!isSet &&
        !applyOption(option, option.initial, FrontEnd::Python, options, error))
      return invalidArgument(error);
  }
  options.target = request.target;
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

absl::StatusOr<CompileOutcome> compile(const CompileRequest &request,
                                       std::vector<std::string> *unknown) {
  CompileOptions options;
  CIM_RETURN_IF_ERROR(setOptions(request, options));
  if (unknown)
    options.import.needsValues = [&](const std::vector<std::string> &names) {
      *unknown = names;
    };
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(options.threads));
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  if (options.threads != 1)
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

std::vector<OptionFacts> options() {
  std::vector<OptionFacts> list;
  for (const CompileOption &option : compileOptions()) {
    constexpr const char *kinds[] = {"text", "number", "list", "pairs"};
    list.push_back({option.flag, option.argument,
                    kinds[static_cast<size_t>(option.kind)], option.initial,
                    option.form, option.help});
  }
  return list;
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
