// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Pipeline/Compiler.h"

#include <sys/resource.h>

#include <chrono>

#include "Calibration.h"
#include "Layers.h"
#include "MakePlan.h"
#include "cim/Emit/ISA.h"
#include "cim/Emit/Reroll.h"
#include "cim/InitAll.h"
#include "cim/Lower/Passes.h"
#include "cim/Lower/ToProgram.h"
#include "cim/Normalize/Passes.h"
#include "cim/Schedule/Estimate.h"
#include "cim/Schedule/Problem.h"
#include "cim/Support/Version.h"
#include "dialects/CIMISA/IR/CIMISA.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;

namespace cim {
namespace {

/// The target a lowered module is for, by name.
constexpr StringLiteral kTarget = "cim.target";

/// First source name in a location.
std::string nodeName(mlir::Location loc) {
  if (auto name = dyn_cast<NameLoc>(loc))
    return name.getName().str();
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (mlir::Location inner : fused.getLocations())
      if (std::string name = nodeName(inner); !name.empty())
        return name;
  return "";
}

class Compiler {
public:
  Compiler(const CompileOptions &options, MLIRContext &context,
           CompileResult &result, std::string &error)
      : options(options), context(context), result(result), error(error),
        handler(&context, [this](Diagnostic &d) { return onDiagnostic(d); }) {}

  LogicalResult continueFrom(Phase phase);
  /// Runs `work`, records its time, verifies and reports the boundary.
  LogicalResult phase(Phase which, llvm::function_ref<LogicalResult()> work);

private:
  LogicalResult onDiagnostic(Diagnostic &d);
  LogicalResult runPasses(llvm::function_ref<void(OpPassManager &)> build);
  LogicalResult runQuantize();
  LogicalResult makeProgram();
  LogicalResult readInstructions();

  const CompileOptions &options;
  MLIRContext &context;
  CompileResult &result;
  std::string &error;
  ScopedDiagnosticHandler handler;
};

LogicalResult Compiler::onDiagnostic(Diagnostic &d) {
  std::string node = nodeName(d.getLocation());
  std::string text = (node.empty() ? "" : node + ": ") + d.str();
  // Names come from the model and may hold anything.
  llvm::replace(text, '\n', ' ');
  if (d.getSeverity() == DiagnosticSeverity::Error) {
    if (error.empty())
      error = text;
  } else {
    result.remarks.push_back(text);
  }
  return success();
}

LogicalResult
Compiler::runPasses(llvm::function_ref<void(OpPassManager &)> build) {
  PassManager pm(&context, ModuleOp::getOperationName());
  pm.enableVerifier(options.verifyPhases);
  build(pm);
  return pm.run(*result.module);
}

LogicalResult Compiler::phase(Phase which,
                              llvm::function_ref<LogicalResult()> work) {
  auto begin = std::chrono::steady_clock::now();
  if (failed(work())) {
    if (error.empty())
      error = std::string("internal error in phase ") + name(which) +
              "; please report it with the model";
    return failure();
  }
  result.seconds.emplace_back(
      name(which),
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
          .count());
  if (result.module && which < Phase::Isa)
    keepDecisions(*result.module, which, options, result.remarks);
  if (options.observer && result.module)
    options.observer(which, *result.module);
  return success();
}

LogicalResult Compiler::runQuantize() {
  auto func = result.module->lookupSymbol<func::FuncOp>("main");
  CalibrationData data;
  if (!func || !makeCalibration(func, options, data, error))
    return failure();
  // Part of the module's meaning from here on (numerics B2).
  (*result.module)
      ->setAttr("cim.bfp_block_rows", Builder(&context).getI64IntegerAttr(
                                          schedule::bfpBlock(options.target)));
  return quantize(*result.module, options.quantize, data.source, data.count);
}

LogicalResult Compiler::makeProgram() {
  FailureOr<Program> program = buildProgram(*result.module, options.target);
  if (failed(program))
    return failure();
  program->producer = std::string("cim-compiler ") + versionString();
  mergeLayers(keptLayers(*result.module), *program);
  schedule::Estimate run = schedule::estimate(*program, program->run);
  program->predictedCycles = run.cycles;
  program->predictedLoadCycles =
      schedule::estimate(*program, program->load).cycles;
  program->lowerBoundCycles = schedule::stageLowerBound(*program, program->run);
  for (auto [layer, cycles] : llvm::zip(program->layers, run.layerCycles))
    layer.predictedCycles = cycles;
  result.plan = makePlan(*result.module, *program);
  error = strictErrors(*result.plan, options.strict);
  if (!error.empty())
    return failure();
  if (options.reroll)
    reroll(*program);
  program->reportJson = compileReport(*result.module, options, *result.plan);
  result.program = std::move(*program);
  return success();
}

/// The program that the text of its instructions says; nothing is decided any
/// more.
LogicalResult Compiler::readInstructions() {
  FailureOr<Program> program = exportProgram(*result.module);
  if (failed(program))
    return failure();
  result.program = std::move(*program);
  return success();
}

LogicalResult Compiler::continueFrom(Phase done) {
  auto wants = [&](Phase which) {
    return done < which && which <= options.stopAfter;
  };
  if (wants(Phase::Normalize) && failed(phase(Phase::Normalize, [&] {
        return runPasses(buildNormalizePipeline);
      })))
    return failure();
  if (wants(Phase::Quantize) &&
      failed(phase(Phase::Quantize, [&] { return runQuantize(); })))
    return failure();
  if (wants(Phase::Split) && failed(phase(Phase::Split, [&] {
        return runPasses([&](OpPassManager &pm) {
          pm.addPass(createExpandFloatMacsPass());
          if (options.split.fuse)
            pm.addPass(createFuseElementwisePass());
          pm.addPass(createCanonicalizePass());
          pm.addPass(createCSEPass());
          pm.addPass(createSplitKernelsPass());
          pm.addPass(createSplitPass(options.split));
        });
      })))
    return failure();
  if (wants(Phase::Schedule) && failed(phase(Phase::Schedule, [&] {
        return runPasses([&](OpPassManager &pm) {
          pm.addPass(createSchedulePass(options.target, options.schedule));
        });
      })))
    return failure();
  if (wants(Phase::Lower) && failed(phase(Phase::Lower, [&] {
        keepLayers(*result.module, collectLayers(*result.module));
        keepPlacements(*result.module);
        (*result.module)
            ->setAttr(kTarget, StringAttr::get(&context, options.target.name));
        return runPasses([&](OpPassManager &pm) {
          pm.addPass(createLowerPass(options.target));
        });
      })))
    return failure();
  if (wants(Phase::Allocate) && failed(phase(Phase::Allocate, [&] {
        return runPasses([&](OpPassManager &pm) {
          pm.addPass(createAllocatePass(options.target));
        });
      })))
    return failure();
  if (options.stopAfter >= Phase::Isa && failed(phase(Phase::Program, [&] {
        return done == Phase::Isa ? readInstructions() : makeProgram();
      })))
    return failure();
  if (options.stopAfter == Phase::Isa && failed(phase(Phase::Isa, [&] {
        if (done == Phase::Isa)
          return success();
        result.module = buildISA(*result.program, &context);
        if (!result.module)
          return failure();
        (*result.module)
            ->setAttr("cim.phase", StringAttr::get(&context, "isa"));
        return success();
      })))
    return failure();
  struct rusage usage;
  if (!getrusage(RUSAGE_SELF, &usage))
    result.peakRssBytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  return success();
}

} // namespace

void prepareContext(MLIRContext &context) {
  DialectRegistry registry;
  registerAllDialects(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  loadImportDialects(context);
}

/// Parses a module saved between phases; the phase it is at.
static std::optional<Phase> parseSaved(StringRef path, MLIRContext &context,
                                       CompileResult &result,
                                       std::string &error) {
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    if (error.empty() && d.getSeverity() == DiagnosticSeverity::Error) {
      std::string where = path.str();
      if (auto at = dyn_cast<FileLineColLoc>(d.getLocation()))
        where += ":" + std::to_string(at.getLine());
      error = where + ": " + d.str();
    }
    return success();
  });
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer) {
    error = path.str() + ": cannot open: " + buffer.getError().message();
    return std::nullopt;
  }
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(*buffer), llvm::SMLoc());
  result.module = parseSourceFile<ModuleOp>(sources, &context);
  if (!result.module) {
    if (error.empty())
      error = path.str() + ": cannot be read as MLIR";
    return std::nullopt;
  }
  auto attr = (*result.module)->getAttrOfType<StringAttr>("cim.phase");
  std::optional<Phase> phase =
      attr ? parsePhase(attr.getValue()) : std::nullopt;
  // What cim-translate disassembles says it by its only op.
  if (!attr && !result.module->getOps<isa::ProgramOp>().empty())
    phase = Phase::Isa;
  if (!phase)
    error = path.str() + ": the module has no attribute cim.phase; add e.g. "
                         "cim.phase = \"normalize\" to say what it holds";
  else
    result.remarks = keptRemarks(*result.module);
  return phase;
}

/// False with an error when a saved module cannot be continued with `options`.
static bool canContinue(StringRef path, ModuleOp module, Phase done,
                        const CompileOptions &options, std::string &error) {
  if (options.stopAfter < done) {
    error = path.str() + ": is past the phase " + name(options.stopAfter) +
            " already, at " + name(done) + "; emit that or a later one";
    return false;
  }
  auto target = module->getAttrOfType<StringAttr>(kTarget);
  if (target && target.getValue() != options.target.name) {
    error = path.str() + ": was lowered for target " + target.str() +
            ", not for " + options.target.name + "; give that target";
    return false;
  }
  return true;
}

FailureOr<CompileResult> compileFile(StringRef path,
                                     const CompileOptions &options,
                                     MLIRContext &context, std::string &error) {
  CompileResult result;
  Compiler compiler(options, context, result, error);
  if (path.ends_with(".mlir") || path.ends_with(".mlirbc")) {
    std::optional<Phase> phase = parseSaved(path, context, result, error);
    if (!phase || !canContinue(path, *result.module, *phase, options, error) ||
        failed(compiler.continueFrom(*phase)))
      return failure();
    return result;
  }
  if (failed(compiler.phase(Phase::Import,
                            [&]() -> LogicalResult {
                              auto module = importOnnxFile(path, options.import,
                                                           context, error);
                              if (failed(module))
                                return failure();
                              result.module = std::move(*module);
                              return success();
                            })) ||
      failed(compiler.continueFrom(Phase::Import)))
    return failure();
  return result;
}

FailureOr<CompileResult> compileBytes(StringRef bytes,
                                      const CompileOptions &options,
                                      MLIRContext &context, std::string &error,
                                      std::shared_ptr<const void> owner) {
  CompileResult result;
  Compiler compiler(options, context, result, error);
  if (failed(compiler.phase(Phase::Import,
                            [&]() -> LogicalResult {
                              auto module = importOnnxBytes(
                                  bytes, options.import, context, error, owner);
                              if (failed(module))
                                return failure();
                              result.module = std::move(*module);
                              return success();
                            })) ||
      failed(compiler.continueFrom(Phase::Import)))
    return failure();
  return result;
}

} // namespace cim
