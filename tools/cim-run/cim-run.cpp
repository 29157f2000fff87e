// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cim-run: runs a program on the reference device.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/str_format.h"
#include "cim/Program/ProgramIO.h"
#include "cim/Runtime/ArrayIO.h"
#include "cim/Runtime/Report.h"
#include "cim/Runtime/Session.h"
#include "cim/Support/File.h"
#include "cim/Support/Progress.h"
#include "cim/Support/Status.h"
#include "cim/Support/Version.h"

ABSL_FLAG(std::string, input, "", "");
ABSL_FLAG(std::string, output, "", "");
ABSL_FLAG(std::string, mode, "full", "");
ABSL_FLAG(bool, sanitize, false, "");
ABSL_FLAG(std::string, report, "", "");
ABSL_FLAG(std::string, trace, "", "");
ABSL_FLAG(std::string, labels, "", "");
ABSL_FLAG(uint64_t, repeat, 1, "");
ABSL_FLAG(int, threads, 1, "");
ABSL_FLAG(uint64_t, seed, 0, "");
ABSL_FLAG(bool, target_info, false, "");
ABSL_FLAG(bool, quiet, false, "");
ABSL_FLAG(bool, version, false, "");
ABSL_FLAG(bool, help, false, "");

namespace {

using cim::invalidArgument;

constexpr char kHelp[] =
    R"(cim-run MODEL.cimb [options]: run a program on the reference device.

  --input FILE.npz     inputs by name; a .npy, or a single array of any name, for
                       a program with one input. A first dimension n times the
                       compiled one means n runs. Without it: seeded random
                       inputs of the declared types (floats multiples of 1/128 in
                       [-1, 1), 8-bit and quantized integers over their range,
                       booleans and other integers 0 or 1)
  --output FILE.npz    write the outputs
  --labels FILE.npz    integer classes: print how often the first output's argmax
                       over its last dimension hits
  --mode MODE          full (data and time), functional (data only) or timing
                       (time only, no data)          [full]
  --sanitize           also check for races, unwritten bytes and overflow
  --repeat N           run everything N times        [1]
  --threads N          host threads; changes no result and no time  [1]
  --seed N             seed of the random inputs     [0]
  --report FILE.json   write the report (docs/report.md)
  --trace FILE.json    write a Perfetto / Chrome trace (ui.perfetto.dev)
  --target-info        print the target the program is for and exit
  --quiet              no summary
  --version, --help
Flags may come before or after the program; --flag value and --flag=value are the
same; --noflag switches off.
)";

/// Fails for names and values no flag takes.
absl::Status setFlag(std::string_view name, const std::string *value,
                     bool &usedNext) {
  std::string key(name);
  for (char &c : key)
    if (c == '-')
      c = '_';
  static constexpr std::string_view ours[] = {
      "input",  "output",  "mode", "sanitize",    "report", "trace",   "labels",
      "repeat", "threads", "seed", "target_info", "quiet",  "version", "help"};
  bool negated = key.substr(0, 2) == "no";
  for (std::string_view known : ours) {
    bool plain = known == key;
    if (!plain && !(negated && key.substr(2) == known))
      continue;
    absl::CommandLineFlag *flag = absl::FindCommandLineFlag(cim::toAbsl(known));
    bool isBool = flag->IsOfType<bool>();
    if (!plain && !isBool)
      continue;
    std::string text = plain ? "true" : "false";
    if (!isBool) {
      usedNext = true;
      if (!value)
        return invalidArgument("--", name, ": no value; give one");
      text = *value;
    }
    std::string why;
    if (!flag->ParseFrom(text, &why))
      return invalidArgument("--", name, ": \"", text,
                             "\" is not a valid value; see --help");
    return absl::OkStatus();
  }
  return invalidArgument("--", name, ": unknown option; see --help");
}

absl::StatusOr<std::vector<std::string>> parseArguments(int argc, char **argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc), positional;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string &argument = arguments[i];
    if (argument == "-h") {
      absl::SetFlag(&FLAGS_help, true);
    } else if (argument.size() > 2 && argument.substr(0, 2) == "--") {
      size_t equals = argument.find('=');
      bool inlineValue = equals != std::string::npos;
      std::string name = argument.substr(2, inlineValue ? equals - 2 : equals);
      std::string value = inlineValue ? argument.substr(equals + 1) : "";
      const std::string *next = inlineValue                ? &value
                                : i + 1 < arguments.size() ? &arguments[i + 1]
                                                           : nullptr;
      bool usedNext = false;
      CIM_RETURN_IF_ERROR(setFlag(name, next, usedNext));
      if (inlineValue && !usedNext)
        return invalidArgument("--", name, ": takes no value; leave it out");
      i += usedNext && !inlineValue;
    } else if (argument.size() > 1 && argument[0] == '-') {
      return invalidArgument(argument, ": unknown option; see --help");
    } else {
      positional.push_back(argument);
    }
  }
  return positional;
}

absl::StatusOr<cim::RunOptions> runOptions() {
  cim::RunOptions options;
  std::string mode = absl::GetFlag(FLAGS_mode);
  if (mode == "functional")
    options.mode = cim::Mode::Functional;
  else if (mode == "timing")
    options.mode = cim::Mode::Timing;
  else if (mode != "full")
    return invalidArgument("--mode: \"", mode,
                           "\"; full, functional or timing; give one of them");
  options.sanitize = absl::GetFlag(FLAGS_sanitize);
  options.trace = !absl::GetFlag(FLAGS_trace).empty();
  options.threads = absl::GetFlag(FLAGS_threads);
  if (options.threads < 1 || options.threads > 1024)
    return invalidArgument("--threads: ", options.threads,
                           "; 1 to 1024; correct it");
  if (absl::GetFlag(FLAGS_repeat) < 1)
    return invalidArgument("--repeat: 0; at least 1; correct it");
  for (const std::string &file :
       {absl::GetFlag(FLAGS_output), absl::GetFlag(FLAGS_labels)})
    if (options.mode == cim::Mode::Timing && !file.empty())
      return invalidArgument(file,
                             ": timing mode computes no data; use --mode full "
                             "or functional");
  if (options.mode == cim::Mode::Functional && options.trace)
    return invalidArgument(absl::GetFlag(FLAGS_trace),
                           ": functional mode has no time; use --mode full or "
                           "timing");
  return options;
}

absl::Status score(const cim::Program &program,
                   const cim::NamedArrays &outputs) {
  std::string path = absl::GetFlag(FLAGS_labels);
  std::vector<const cim::TensorInfo *> visible = cim::visibleOutputs(program);
  if (visible.empty())
    return invalidArgument(path, ": the program has no output to score");
  CIM_ASSIGN_OR_RETURN(auto labels, cim::readLabels(path));
  CIM_ASSIGN_OR_RETURN(uint64_t hits,
                       cim::countTop1(outputs.at(visible[0]->name), labels));
  absl::PrintF("top-1 %d/%d = %.4f\n", hits, labels.size(),
               static_cast<double>(hits) / static_cast<double>(labels.size()));
  return absl::OkStatus();
}

absl::StatusOr<cim::NamedArrays> chooseInputs(const cim::Program &program,
                                              cim::Mode mode) {
  std::string path = absl::GetFlag(FLAGS_input);
  if (!path.empty())
    return cim::readInputs(path, program);
  if (mode == cim::Mode::Timing)
    return cim::NamedArrays();
  return cim::randomInputs(program, absl::GetFlag(FLAGS_seed));
}

absl::Status writeResults(const cim::Session &session,
                          const cim::NamedArrays &outputs) {
  const cim::Program &program = session.program();
  if (std::string path = absl::GetFlag(FLAGS_output); !path.empty())
    CIM_RETURN_IF_ERROR(cim::writeOutputs(path, program, outputs));
  if (std::string path = absl::GetFlag(FLAGS_report); !path.empty())
    CIM_RETURN_IF_ERROR(cim::writeFileAtomic(
        path, cim::reportJson(program, session.profile())));
  if (std::string path = absl::GetFlag(FLAGS_trace); !path.empty())
    CIM_RETURN_IF_ERROR(
        cim::writeFileAtomic(path, cim::traceJson(program, session.profile())));
  if (!absl::GetFlag(FLAGS_labels).empty())
    CIM_RETURN_IF_ERROR(score(program, outputs));
  return absl::OkStatus();
}

absl::Status runProgram(const std::string &path) {
  CIM_ASSIGN_OR_RETURN(cim::RunOptions options, runOptions());
  // Timing never looks at the weights: do not read them to check their hash.
  cim::ReadOptions read;
  read.verifyData = options.mode != cim::Mode::Timing;
  CIM_ASSIGN_OR_RETURN(auto program, cim::readProgram(path, read));
  if (absl::GetFlag(FLAGS_target_info)) {
    std::fputs(program->target.toYaml().c_str(), stdout);
    return absl::OkStatus();
  }
  CIM_ASSIGN_OR_RETURN(auto session, cim::Session::create(program, options));
  CIM_ASSIGN_OR_RETURN(auto inputs, chooseInputs(*program, options.mode));
  cim::NamedArrays outputs;
  uint64_t repeat = absl::GetFlag(FLAGS_repeat);
  std::unique_ptr<cim::Progress> bar;
  for (uint64_t i = 0; i < repeat; ++i) {
    auto progress = [&](uint64_t done, uint64_t total) {
      if (!bar)
        bar = std::make_unique<cim::Progress>(program->model, total * repeat);
      bar->update(i * total + done);
    };
    CIM_ASSIGN_OR_RETURN(outputs, session->run(inputs, progress));
  }
  bar.reset();
  bool timed = options.mode != cim::Mode::Functional;
  if (timed && !absl::GetFlag(FLAGS_quiet))
    std::fputs(cim::reportText(*program, session->profile(), 10).c_str(),
               stdout);
  return writeResults(*session, outputs);
}

absl::Status mainStatus(int argc, char **argv) {
  CIM_ASSIGN_OR_RETURN(auto positional, parseArguments(argc, argv));
  if (absl::GetFlag(FLAGS_help)) {
    std::fputs(kHelp, stdout);
    return absl::OkStatus();
  }
  if (absl::GetFlag(FLAGS_version)) {
    std::printf("cim-run %s\n", cim::versionString());
    return absl::OkStatus();
  }
  if (positional.size() != 1)
    return invalidArgument("cim-run: ", positional.size(),
                           " programs given; exactly one is run; see --help");
  return runProgram(positional[0]);
}

} // namespace

int main(int argc, char **argv) {
  absl::Status status = mainStatus(argc, argv);
  if ((std::fflush(stdout) != 0 || std::ferror(stdout)) && status.ok())
    status = absl::UnavailableError(
        absl::StrCat("standard output: cannot write: ", std::strerror(errno)));
  if (status.ok())
    return 0;
  std::fprintf(stderr, "%s\n", cim::errorLine(status).c_str());
  return 1;
}
