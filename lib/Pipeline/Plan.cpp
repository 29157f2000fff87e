// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Pipeline/Plan.h"

#include <array>
#include <cmath>

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"

namespace cim {
namespace {

/// In the order of StrictCondition.
struct ConditionInfo {
  const char *name, *advice;
};
constexpr ConditionInfo kConditions[] = {
    {"float-mac", "change the model there, or give the node the format none"},
    {"vector-f32", "change the model there, or allow it"},
    {"control", "compute it outside of the model, or allow it"},
    {"dram-activations",
     "use a target with a larger L2 or a smaller model, or allow it"},
};

const ConditionInfo &info(StrictCondition condition) {
  return kConditions[static_cast<size_t>(condition)];
}

/// Share of the time in percent, to one decimal.
double percent(uint64_t cycles, const Plan &plan) {
  if (!plan.cycles)
    return 0;
  return std::round(1000.0 * static_cast<double>(cycles) /
                    static_cast<double>(plan.cycles)) /
         10;
}

/// Names come from the model and may hold anything.
std::string oneLine(std::string text) {
  llvm::replace(text, '\n', ' ');
  return text;
}

std::string percentText(double value) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.1f %%", value);
  return text;
}

} // namespace

std::optional<StrictCondition> parseStrictCondition(llvm::StringRef text) {
  for (size_t i = 0; i < std::size(kConditions); ++i)
    if (text == kConditions[i].name)
      return static_cast<StrictCondition>(i);
  return std::nullopt;
}

std::string strictConditionNames() {
  std::string names = kConditions[0].name;
  for (size_t i = 1; i < std::size(kConditions); ++i)
    names += (i + 1 < std::size(kConditions) ? ", " : " or ") +
             std::string(kConditions[i].name);
  return names;
}

llvm::json::Object toJson(const Plan &plan) {
  llvm::json::Array nodes;
  for (const PlanNode &node : plan.nodes) {
    llvm::json::Array conditions;
    for (const auto &[condition, what] : node.conditions)
      conditions.push_back(info(condition).name);
    nodes.push_back(llvm::json::Object{
        {"name", llvm::json::fixUTF8(node.name)},
        {"op", llvm::json::fixUTF8(node.op)},
        {"engine", name(node.engine)},
        {"precision", node.precision},
        {"reason", llvm::json::fixUTF8(node.reason)},
        {"layers",
         llvm::json::Array(llvm::map_range(node.layers,
                                           [](const std::string &layer) {
                                             return llvm::json::fixUTF8(layer);
                                           }))},
        {"cycles", node.cycles},
        {"percent", percent(node.cycles, plan)},
        {"conditions", std::move(conditions)}});
  }
  return llvm::json::Object{{"cycles", plan.cycles},
                            {"other_cycles", plan.otherCycles},
                            {"nodes", std::move(nodes)}};
}

std::string toText(const Plan &plan) {
  using Row = std::array<std::string, 7>;
  std::vector<Row> rows{
      {"node", "operator", "engine", "precision", "cycles", "share", "why"}};
  for (const PlanNode &node : plan.nodes)
    rows.push_back({oneLine(node.name), node.op, name(node.engine),
                    node.precision, std::to_string(node.cycles),
                    percentText(percent(node.cycles, plan)),
                    oneLine(node.reason)});
  rows.push_back({"(other)", "", "", "", std::to_string(plan.otherCycles),
                  percentText(percent(plan.otherCycles, plan)),
                  "transfers and waiting of no node"});
  rows.push_back({"(total)", "", "", "", std::to_string(plan.cycles),
                  percentText(percent(plan.cycles, plan)), ""});
  Row::size_type last = rows[0].size() - 1;
  std::array<size_t, 7> width{};
  for (const Row &row : rows)
    for (size_t i = 0; i < last; ++i)
      width[i] = std::max(width[i], row[i].size());
  std::string text;
  for (const Row &row : rows) {
    std::string line;
    for (size_t i = 0; i < last; ++i) {
      std::string space(width[i] - row[i].size(), ' ');
      bool isNumber = i == 4 || i == 5;
      line += (isNumber ? space + row[i] : row[i] + space) + "  ";
    }
    line += row[last];
    text += llvm::StringRef(line).rtrim().str() + "\n";
  }
  return text;
}

std::string strictErrors(const Plan &plan,
                         llvm::ArrayRef<StrictCondition> forbidden) {
  std::string text;
  for (const PlanNode &node : plan.nodes)
    for (const auto &[condition, what] : node.conditions)
      if (llvm::is_contained(forbidden, condition))
        text += (text.empty() ? "" : "\n") + oneLine(node.name + ": " + what) +
                "; forbidden by strict condition " + info(condition).name +
                "; " + info(condition).advice;
  return text;
}

} // namespace cim
