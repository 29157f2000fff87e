// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The compiler's options, in one table that every front end reads: an option
// added here is one of cimc and of cim.compile, with its help, its default and
// its messages.
#ifndef CIM_PIPELINE_OPTIONS_H
#define CIM_PIPELINE_OPTIONS_H

#include "cim/Pipeline/Compiler.h"

namespace cim {

enum class FrontEnd : uint8_t { CommandLine, Python };

/// How an option's values are given.
enum class OptionKind : uint8_t {
  Text,   ///< One text.
  Number, ///< One integer, 0 or more.
  List,   ///< Any number of texts; on the command line joined by commas.
  Pairs,  ///< Any number of "key=value"; in Python a dictionary.
};

struct CompileOption {
  const char *flag;     ///< On the command line, without "--".
  const char *argument; ///< Python's keyword.
  OptionKind kind;
  const char *initial; ///< Default, as text; empty for lists and pairs.
  const char *form;    ///< What values look like: "regex=format".
  const char *help;
  /// Puts one value into `options`. On failure `why` completes "<option>: ",
  /// or is the whole message where it is about a file.
  bool (*apply)(llvm::StringRef value, CompileOptions &options,
                std::string &why);
  /// Messages start with a file's name and not with the option's.
  bool namesFile = false;
};

/// Every option of compilation proper; what a front end does with the result
/// (files to write, what to print) is its own.
llvm::ArrayRef<CompileOption> compileOptions();
/// The option with this flag, or null.
const CompileOption *findCompileOption(llvm::StringRef flag);

/// Applies one value (lists and pairs: one entry). On failure `error` is one
/// line that names the option as the front end spells it.
bool applyOption(const CompileOption &option, llvm::StringRef value,
                 FrontEnd frontEnd, CompileOptions &options,
                 std::string &error);

} // namespace cim

#endif // CIM_PIPELINE_OPTIONS_H
