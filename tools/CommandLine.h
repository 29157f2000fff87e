// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The command line of tools that use LLVM's options.
#ifndef CIM_TOOLS_COMMANDLINE_H
#define CIM_TOOLS_COMMANDLINE_H

#include <cctype>
#include <string>

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

namespace cim {

/// Parses the command line; mistakes are one line on standard error, as all
/// errors are, where LLVM would write two. Positional arguments should be
/// optional for LLVM and checked by the tool: its message about missing ones
/// does not say what they are.
inline bool parseCommandLine(int argc, char **argv, llvm::StringRef overview) {
  std::string text;
  llvm::raw_string_ostream errors(text);
  if (llvm::cl::ParseCommandLineOptions(argc, argv, overview, &errors))
    return true;
  if (text.empty())
    return false; // LLVM has said it on a line: "tool: for the --o option: ..."
  // "tool: Message.  Try: 'tool --help'", "tool: Did you mean '--x'?"
  auto [first, second] = llvm::StringRef(text).split('\n');
  llvm::StringRef what = first.substr(first.find(": ") + 2);
  what = what.substr(0, what.find("  Try: ")).rtrim(".! ");
  std::string line = what.str();
  if (!line.empty())
    line[0] = static_cast<char>(std::tolower(line[0]));
  if (size_t at = second.find("Did you mean "); at != llvm::StringRef::npos)
    line += "; did you mean " +
            second.substr(at + 13).split('\n').first.trim().str();
  llvm::errs() << "error: " << line << "; see --help\n";
  return false;
}

} // namespace cim

#endif // CIM_TOOLS_COMMANDLINE_H
