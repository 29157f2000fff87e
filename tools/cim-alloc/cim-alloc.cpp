// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cim-alloc: lays out the buffers of a CSV file in a memory.
//
// Exit codes: 0 the layout fits; 1 the command line or a file is wrong;
// 2 proven that no layout fits; 3 none was found within the limits.

#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/reflection.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cim/Alloc/Csv.h"
#include "cim/Alloc/Solver.h"
#include "cim/Alloc/Validator.h"
#include "cim/Support/File.h"
#include "cim/Support/Status.h"

ABSL_FLAG(std::string, input, "",
          "CSV file with columns id, lower, upper (or start and an inclusive "
          "end), size and optionally alignment, hint, offset (fixed), gaps");
ABSL_FLAG(int64_t, capacity, -1, "size of the memory, in the file's unit");
ABSL_FLAG(std::string, output, "",
          "CSV file to write: the input with a column offset");
ABSL_FLAG(std::string, json, "", "report file to write");
ABSL_FLAG(bool, minimize, false,
          "look for the lowest layout, not just one within the capacity (the "
          "capacity may then be left out)");
ABSL_FLAG(uint64_t, max_nodes, 1'000'000'000,
          "nodes the exact search may visit; also spelled --max-nodes");
ABSL_FLAG(
    double, timeout, 0,
    "seconds after which to stop; 0: no limit. The only option that makes "
    "results depend on the machine");
ABSL_FLAG(uint64_t, seed, 1, "seed of restarts and of the local search");
ABSL_FLAG(bool, greedy, true, "several greedy orders (off: one)");
ABSL_FLAG(bool, exact, true, "exact search");
ABSL_FLAG(bool, local_search, true, "local search after the budget");
ABSL_FLAG(bool, section_bound, true, "prune on floor + unplaced sizes");
ABSL_FLAG(bool, inference, true, "raise and pin offsets in full sections");
ABSL_FLAG(bool, fewest_first, true, "branch where there are fewest branches");
ABSL_FLAG(bool, decompose, true, "search unconnected parts one by one");
ABSL_FLAG(bool, remember, true, "recognise failed remainders");
ABSL_FLAG(bool, dominance, true, "refuse unsupported buffers");
ABSL_FLAG(bool, restarts, true, "several value orders, growing limits");

namespace {

using namespace cim;
using namespace cim::alloc;

constexpr uint64_t kMaxInputBytes = uint64_t{1} << 30;

enum Exit { kFits = 0, kWrong = 1, kInfeasible = 2, kUnknown = 3 };

absl::StatusOr<SolverOptions> solverOptions() {
  SolverOptions options;
  options.goal = absl::GetFlag(FLAGS_minimize) ? Goal::minimize : Goal::fit;
  options.maxNodes = absl::GetFlag(FLAGS_max_nodes);
  // Nodes and time are this command's limits. A million nodes of the exact
  // search and the local search after it take seconds, not hours.
  options.maxWork = std::numeric_limits<uint64_t>::max();
  options.maxLocalWork = 1'000'000'000;
  double seconds = absl::GetFlag(FLAGS_timeout);
  if (!(seconds >= 0))
    return invalidArgument("--timeout: ", seconds,
                           " seconds; give 0 (none) or more");
  if (seconds > 0)
    options.timeout = absl::Seconds(seconds);
  options.seed = absl::GetFlag(FLAGS_seed);
  options.greedy = absl::GetFlag(FLAGS_greedy);
  options.exact = absl::GetFlag(FLAGS_exact);
  options.localSearch = absl::GetFlag(FLAGS_local_search);
  options.sectionBound = absl::GetFlag(FLAGS_section_bound);
  options.inference = absl::GetFlag(FLAGS_inference);
  options.fewestFirst = absl::GetFlag(FLAGS_fewest_first);
  options.decompose = absl::GetFlag(FLAGS_decompose);
  options.remember = absl::GetFlag(FLAGS_remember);
  options.dominance = absl::GetFlag(FLAGS_dominance);
  options.restarts = absl::GetFlag(FLAGS_restarts);
  return options;
}

std::string jsonReport(const Problem &problem, const Solution &solution,
                       double seconds) {
  return absl::StrCat(
      "{\n  \"status\": \"", name(solution.status),
      "\",\n  \"buffers\": ", problem.buffers.size(),
      ",\n  \"capacity\": ", problem.capacity,
      ",\n  \"height\": ", solution.height,
      ",\n  \"lower_bound\": ", solution.lowerBound,
      ",\n  \"peak\": {\"lower\": ", solution.peak.lower,
      ", \"upper\": ", solution.peak.upper, ", \"live\": ", solution.peakLive,
      "},\n  \"nodes\": ", solution.nodes,
      ",\n  \"seconds\": ", absl::StrFormat("%.6f", seconds), "\n}\n");
}

/// Why no layout fits, or none was found.
void explain(const std::string &input, const Problem &problem,
             const Solution &solution) {
  std::string text;
  if (solution.status == Status::unknown)
    text = absl::StrCat("the lowest layout found needs ", solution.height,
                        " and at least ", solution.lowerBound,
                        " is needed; the capacity is ", problem.capacity,
                        "; raise --max-nodes or --timeout, or the capacity");
  else if (solution.peakLive > problem.capacity)
    text = absl::StrCat("buffers live in [", solution.peak.lower, ", ",
                        solution.peak.upper, ") need ", solution.peakLive,
                        "; the capacity is ", problem.capacity,
                        "; shorten live ranges there or raise the capacity");
  else
    text = absl::StrCat("no layout is lower than ", solution.lowerBound,
                        " although at most ", solution.peakLive,
                        " is live at once; the capacity is ", problem.capacity,
                        "; raise it or change live ranges");
  std::fprintf(stderr, "%s: %s\n", input.c_str(), text.c_str());
}

absl::StatusOr<Exit> run() {
  std::string input = absl::GetFlag(FLAGS_input);
  Problem problem;
  problem.capacity = absl::GetFlag(FLAGS_capacity);
  CIM_ASSIGN_OR_RETURN(SolverOptions options, solverOptions());
  if (input.empty())
    return invalidArgument("--input: no file; give a CSV file (--help lists "
                           "its columns)");
  if (problem.capacity == -1 && options.goal == Goal::minimize)
    problem.capacity = std::numeric_limits<int64_t>::max();
  if (problem.capacity < 0)
    return invalidArgument("--capacity: ", problem.capacity,
                           "; give the size of the memory, at least 0");
  CIM_ASSIGN_OR_RETURN(std::string text, readFile(input, kMaxInputBytes));
  CIM_ASSIGN_OR_RETURN(CsvProblem csv, parseCsv(text, input));
  problem.buffers = csv.buffers;

  absl::Time start = absl::Now();
  absl::StatusOr<Solution> solution = solve(problem, options);
  double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (!solution.ok())
    return locate(solution.status(), csv, input);
  if (absl::Status status = validate(problem, *solution); !status.ok())
    return absl::InternalError(absl::StrCat(
        input, ": the layout is wrong; ", status.message(),
        "; this is a defect of cim-alloc, report it with the file"));

  std::printf("%s height=%lld bound=%lld nodes=%llu seconds=%.3f\n",
              name(solution->status), static_cast<long long>(solution->height),
              static_cast<long long>(solution->lowerBound),
              static_cast<unsigned long long>(solution->nodes), seconds);
  if (std::string path = absl::GetFlag(FLAGS_json); !path.empty())
    CIM_RETURN_IF_ERROR(
        writeFileAtomic(path, jsonReport(problem, *solution, seconds)));
  if (!solution->fits()) {
    explain(input, problem, *solution);
    return solution->status == Status::infeasible ? kInfeasible : kUnknown;
  }
  if (std::string path = absl::GetFlag(FLAGS_output); !path.empty())
    CIM_RETURN_IF_ERROR(
        writeFileAtomic(path, formatCsv(csv, solution->offsets)));
  return kFits;
}

bool isSwitch(std::string_view name) {
  const absl::CommandLineFlag *flag = absl::FindCommandLineFlag(toAbsl(name));
  return flag && flag->IsOfType<bool>();
}

/// The flag as absl reads it: it has no dashes inside of names, and where absl
/// is a shared library it does not know which flags of a program are bool, so
/// that --flag and --noflag become --flag=true and --flag=false.
std::string spelledOut(std::string argument) {
  for (size_t i = 2; i < argument.size() && argument[i] != '='; ++i)
    if (argument[i] == '-')
      argument[i] = '_';
  if (argument.find('=') != std::string::npos)
    return argument;
  if (isSwitch(std::string_view(argument).substr(2)))
    return argument + "=true";
  if (argument.starts_with("--no") &&
      isSwitch(std::string_view(argument).substr(4)))
    return "--" + argument.substr(4) + "=false";
  return argument;
}

} // namespace

int main(int argc, char **argv) {
  absl::SetProgramUsageMessage(
      "lays out buffers with known live ranges in a memory.\n\n"
      "  cim-alloc --input problem.csv --capacity 1048576 [--output out.csv]\n"
      "      [--minimize] [--max-nodes N] [--timeout S] [--seed N]\n"
      "      [--json report.json]\n\n"
      "Exit codes: 0 the layout fits, 1 wrong input, 2 proven that none fits,\n"
      "3 none found within the limits.");
  std::vector<std::string> arguments(argv, argv + argc);
  std::vector<char *> pointers;
  for (std::string &argument : arguments) {
    if (argument.starts_with("--"))
      argument = spelledOut(argument);
    pointers.push_back(argument.data());
  }
  std::vector<char *> rest = absl::ParseCommandLine(argc, pointers.data());
  absl::StatusOr<Exit> result =
      rest.size() > 1
          ? absl::StatusOr<Exit>(invalidArgument(
                "'", rest[1], "': not an option; give files as --input FILE"))
          : run();
  if (result.ok())
    return *result;
  std::fprintf(stderr, "%s\n", errorLine(result.status()).c_str());
  return kWrong;
}
