// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The phases of compilation and the driver that runs them
// (docs/architecture.md).
#ifndef CIM_PIPELINE_COMPILER_H
#define CIM_PIPELINE_COMPILER_H

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cim/Import/ONNX.h"
#include "cim/Pipeline/Plan.h"
#include "cim/Program/Program.h"
#include "cim/Quant/Quantize.h"
#include "cim/Schedule/Passes.h"
#include "cim/Split/Passes.h"
#include "cim/Support/Npz.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

namespace cim {

/// In order; each is a state of the module and can be printed, edited, resumed.
enum class Phase : uint8_t {
  Import,    ///< ONNX as tensor-level IR.
  Normalize, ///< Scales folded, patterns recognised, elementwise chains fused.
  Quantize,  ///< Number formats decided: the meaning later phases keep.
  Split,     ///< Regions that are executed tile by tile.
  Schedule,  ///< Every MAC region has a schedule.
  Lower,     ///< Buffers, kernels, engine operations, tokens.
  Allocate,  ///< Addresses.
  Isa,       ///< One op per device instruction.
  Program,   ///< The device program.
};
const char *name(Phase phase);
const char *description(Phase phase);
std::optional<Phase> parsePhase(llvm::StringRef text);
/// "import, normalize, ... or <last>", for messages.
std::string phaseNames(Phase last);

struct CompileOptions {
  TargetSpec target;
  ImportOptions import;
  QuantizeOptions quantize;
  ScheduleOptions schedule;
  SplitOptions split;
  bool reroll = true; ///< Compress streams into loops.
  /// Where the plan may not lead: a node that meets one of these is an error,
  /// and there is no program.
  std::vector<StrictCondition> strict;
  /// Named calibration arrays: leading dimension is the number of samples.
  std::map<std::string, std::vector<NpyArray>> calibration;
  size_t maxCalibrationSamples = 512;
  unsigned threads =
      0; ///< Host threads, 0: all. The caller's context has them.
  Phase stopAfter = Phase::Program;
  /// Called after every phase, e.g. to keep or print the IR.
  std::function<void(Phase, mlir::ModuleOp)> observer;
  /// Verify the module at every phase boundary.
  bool verifyPhases = true;
};

struct CompileResult {
  mlir::OwningOpRef<mlir::ModuleOp>
      module; ///< As of the last phase but Program.
  std::optional<Program> program;
  std::optional<Plan> plan; ///< With `program`, but not of phase isa.
  std::vector<std::pair<std::string, double>> seconds; ///< Per phase.
  uint64_t peakRssBytes = 0;
  std::vector<std::string> remarks;
};

/// Registers and loads everything compilation needs.
void prepareContext(mlir::MLIRContext &context);

/// Compiles a model file: .onnx, .onnxtxt, or the text/bytecode of any phase,
/// which is continued from there. On failure `error` is one line for the user:
/// node or file, what, limit, what to do (of CompileOptions::strict: a line per
/// node).
mlir::FailureOr<CompileResult> compileFile(llvm::StringRef path,
                                           const CompileOptions &options,
                                           mlir::MLIRContext &context,
                                           std::string &error);
/// The same for an ONNX model in memory, kept alive by `owner`.
mlir::FailureOr<CompileResult> compileBytes(llvm::StringRef bytes,
                                            const CompileOptions &options,
                                            mlir::MLIRContext &context,
                                            std::string &error,
                                            std::shared_ptr<const void> owner);

/// Adds the arrays of an .npz file, or of all .npz files of a folder in
/// alphabetical order.
bool loadCalibration(const std::string &path, CompileOptions &options,
                     std::string &error);

/// Adds the arrays of an .npz file to the values of graph inputs.
bool loadBindings(const std::string &path, ImportOptions &options,
                  std::string &error);

} // namespace cim

#endif // CIM_PIPELINE_COMPILER_H
