// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where every node of the source model went: engine, precision, why, and its
// estimated share of the time (docs/report.md, "The plan").
#ifndef CIM_PIPELINE_PLAN_H
#define CIM_PIPELINE_PLAN_H

#include <string>
#include <vector>

#include "cim/IR/Legality.h"
#include "llvm/Support/JSON.h"

namespace cim {

/// What --strict can forbid.
enum class StrictCondition : uint8_t {
  FloatMac,        ///< A product in float although a format was asked for it.
  VectorF32,       ///< A layer of the vector unit that computes in float.
  Control,         ///< A kernel of the control processor.
  DramActivations, ///< A value between layers that lies in DRAM.
};
std::optional<StrictCondition> parseStrictCondition(llvm::StringRef text);
/// "float-mac, vector-f32, ... or dram-activations", for messages.
std::string strictConditionNames();

struct PlanNode {
  std::string name; ///< Of the source node.
  std::string op;   ///< Its operator; empty where the module does not say.
  OpEngine engine = OpEngine::None;
  std::string precision;           ///< As in Legality; empty without an engine.
  std::string reason;              ///< Why not on the array, or not at all.
  std::vector<std::string> layers; ///< It is executed in, in program order.
  /// Predicted cycles of the layers it leads: a layer's time stands with one
  /// node, the first of those on the layer's main engine.
  uint64_t cycles = 0;
  /// Conditions it meets, each with what is wrong.
  std::vector<std::pair<StrictCondition, std::string>> conditions;
};

struct Plan {
  std::vector<PlanNode> nodes; ///< Of the source, each once, in its order.
  uint64_t cycles = 0;         ///< Predicted, of a run.
  uint64_t otherCycles = 0;    ///< Of no node: transfers, waiting, rounding.
};

/// {"cycles", "other_cycles", "nodes": [...]}.
llvm::json::Object toJson(const Plan &plan);
/// A table with a line per node and totals.
std::string toText(const Plan &plan);

/// One line per node and condition of `forbidden` that it meets; empty: none.
std::string strictErrors(const Plan &plan,
                         llvm::ArrayRef<StrictCondition> forbidden);

} // namespace cim

#endif // CIM_PIPELINE_PLAN_H
