// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The compile side as the Python module sees it: plain data in and out, no MLIR
// in this header and no exception from behind it. Statuses carry the one line
// for the user. Nothing here needs the interpreter lock; every call has a
// context of its own, so calls may run side by side.
#ifndef CIM_PYTHON_COMPILE_H
#define CIM_PYTHON_COMPILE_H

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "cim/Program/Program.h"
#include "cim/Runtime/Session.h"
#include "cim/Support/Npz.h"

namespace cim::python {

/// Arguments of cim.compile.
struct CompileRequest {
  std::string path;       ///< Model file; empty: `bytes` is the model.
  std::string_view bytes; ///< Serialized ONNX; outlives the call.
  std::string modelName, externalDataDir;
  TargetSpec target;
  /// Values of inputs: views of arrays that outlive the call.
  std::map<std::string, NpyArray> bind;
  /// Flag and value of options of cim/Pipeline/Options.h; lists and pairs come
  /// entry by entry.
  std::vector<std::pair<std::string, std::string>> options;
  /// Views of arrays that outlive the call.
  std::map<std::string, std::vector<NpyArray>> calibration;
  std::string phase = "program"; ///< Stop after this one.
  /// Keep the text of every phase up to there, not of the last one alone.
  bool allTexts = false;
  bool elideConstants = false; ///< In the texts.
};

/// What compilation gave: a program, or the text of the phase stopped at.
struct CompileOutcome {
  std::string program;                                    ///< .cimb bytes.
  std::vector<std::pair<std::string, std::string>> texts; ///< Phase, IR.
  std::vector<std::pair<std::string, double>> seconds;    ///< Per phase.
  uint64_t peakRssBytes = 0;
  std::vector<std::string> remarks;
};

/// `unknown`, if given, gets the inputs whose values would have to be bound for
/// compilation to get further.
absl::StatusOr<CompileOutcome>
compile(const CompileRequest &request,
        std::vector<std::string> *unknown = nullptr);

/// An option as Python presents it (cim/Pipeline/Options.h).
struct OptionFacts {
  std::string flag, argument;
  std::string kind; ///< "text", "number", "list" or "pairs".
  std::string initial, form, help;
};
std::vector<OptionFacts> options();

/// Names and descriptions of the phases, in order.
std::vector<std::pair<std::string, std::string>> phases();

/// The program as text, one op per instruction.
absl::StatusOr<std::string> disassemble(const Program &program,
                                        bool elideConstants);

/// Runs the reference interpreter on the function @main of tensor-level IR.
/// Inputs and outputs have the names the function gives them (cim.name), or
/// "0", "1", ... A leading dimension n times the function's means n runs, as
/// for Session::run. Outputs come in the order of the function's results.
absl::StatusOr<std::vector<std::pair<std::string, Array>>>
interpret(std::string_view text, const NamedArrays &inputs);

} // namespace cim::python

#endif // CIM_PYTHON_COMPILE_H
