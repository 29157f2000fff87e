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

/// A tensor that the body of @main computes, or one of its arguments.
struct ValueFacts {
  int64_t id = 0;                 ///< The same for the same text.
  std::vector<std::string> nodes; ///< Sources its location names.
  /// "input", "quantize" (nothing but a conversion to a quantized type), "move"
  /// (elements at other places), or the op's name without dialect.
  std::string op;
  std::string format; ///< Of a MAC: w8a8 ..., bfp16, fp16 or f32; else empty.
  std::string type;   ///< As MLIR prints it.
  std::vector<int64_t> shape;
  bool isFloat = false; ///< f16, bf16, f32 or f64.
  /// Of a quantized type: value = (stored - zero) * scale, stored from low to
  /// high. Scale 0: not quantized.
  double scale = 0;
  int64_t zero = 0, low = 0, high = 0;
};
absl::StatusOr<std::vector<ValueFacts>> values(std::string_view text);

/// The text with the values `results` as further results of @main, named "#id",
/// and the values `cuts` (of ops, not arguments) also replaced: whatever reads
/// one of them reads a new argument "#id" of the same type instead. An op that
/// only quantizes a cut value and is cut itself still reads what was computed.
/// Nothing else changes.
absl::StatusOr<std::string> expose(std::string_view text,
                                   const std::vector<int64_t> &results,
                                   const std::vector<int64_t> &cuts);

} // namespace cim::python

#endif // CIM_PYTHON_COMPILE_H
