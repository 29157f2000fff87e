// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "MakePlan.h"

#include <map>

#include "cim/IR/SourceNodes.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {
namespace {

constexpr StringLiteral kNodes = "cim.nodes", kFloatMacs = "cim.float_macs",
                        kPlacements = "cim.placements";

std::string textOf(DictionaryAttr row, StringRef key) {
  auto text = row.getAs<StringAttr>(key);
  return text ? text.str() : std::string();
}

/// The dictionaries of a module attribute; what is none is left out.
SmallVector<DictionaryAttr> rowsOf(ModuleOp module, StringRef attribute) {
  SmallVector<DictionaryAttr> rows;
  if (auto list = module->getAttrOfType<ArrayAttr>(attribute))
    for (Attribute each : list)
      if (auto row = dyn_cast<DictionaryAttr>(each))
        rows.push_back(row);
  return rows;
}

/// The source's nodes by the names locations use.
class Nodes {
public:
  explicit Nodes(ModuleOp module) {
    for (DictionaryAttr row : rowsOf(module, kNodes)) {
      PlanNode &node = list.emplace_back();
      node.name = textOf(row, "name");
      node.op = textOf(row, "op");
      node.reason = fate(textOf(row, "fate"));
      byName.try_emplace(node.name, list.size() - 1);
    }
    for (auto [i, row] : llvm::enumerate(rowsOf(module, kNodes)))
      if (auto inner = row.getAs<ArrayAttr>("inner"))
        for (Attribute each : inner)
          if (auto name = dyn_cast<StringAttr>(each))
            byName.try_emplace(name.getValue(), i);
    isOpen = list.empty();
  }

  /// Index of the node `label` belongs to. A module that was not imported has
  /// no list: then every name is a node.
  std::optional<size_t> find(StringRef label) {
    auto it = byName.find(label);
    if (it != byName.end())
      return it->second;
    if (!isOpen || label.empty())
      return std::nullopt;
    PlanNode &node = list.emplace_back();
    node.name = label.str();
    byName.try_emplace(label, list.size() - 1);
    return list.size() - 1;
  }
  SmallVector<size_t> of(mlir::Location loc) {
    SmallVector<size_t> result;
    for (StringRef name : sourceNodes(loc))
      if (std::optional<size_t> node = find(name);
          node && !llvm::is_contained(result, *node))
        result.push_back(*node);
    return result;
  }

  std::vector<PlanNode> list;

private:
  static std::string fate(StringRef what) {
    if (what == "folded")
      return "computed when compiling";
    if (what == "renamed")
      return "its operand by another name";
    if (what == "unused")
      return "no output depends on it";
    if (what == "duplicate")
      return "an earlier node has its name and stands for both";
    return "merged into its neighbours";
  }

  llvm::StringMap<size_t> byName;
  bool isOpen;
};

/// A node's part in a layer; no layer: nothing is executed.
struct Placement {
  size_t node;
  std::string layer;
  OpEngine engine;
  std::string precision, reason;
  bool refused = false; ///< A product that was to have a format.
};

class Collector {
public:
  explicit Collector(ModuleOp module) : nodes(module) {
    for (DictionaryAttr row : rowsOf(module, kFloatMacs)) {
      auto refused = row.getAs<BoolAttr>("refused");
      if (std::optional<size_t> node = nodes.find(textOf(row, "node")))
        floatMacs.try_emplace(*node, textOf(row, "reason"),
                              refused && refused.getValue());
    }
  }

  void add(mlir::Operation *op, StringRef layer) {
    if (op->hasTrait<mlir::OpTrait::ConstantLike>() ||
        op->hasTrait<mlir::OpTrait::IsTerminator>() ||
        isa<tensor::EmptyOp, quant::QuantizeCastOp, quant::DequantizeCastOp,
            quant::StorageCastOp>(op))
      return;
    SmallVector<size_t> names = nodes.of(op->getLoc());
    if (names.empty())
      return;
    Legality legal = legalityOf(op);
    for (size_t node : names)
      put(place(node, names.front(), legal, layer));
  }

  Nodes nodes;
  std::vector<Placement> list;

private:
  Placement place(size_t node, size_t first, const Legality &legal,
                  StringRef layer) {
    Placement p{node, layer.str(), legal.engine, legal.precision, legal.reason};
    if (node != first && legal.engine == OpEngine::Array)
      return {node, layer.str(), OpEngine::None, "",
              "folded into " + nodes.list[first].name};
    if (node != first)
      p.reason += "; in one loop with " + nodes.list[first].name;
    auto kept = floatMacs.find(node);
    if (kept != floatMacs.end() && legal.engine == OpEngine::Vector) {
      p.reason = kept->second.first;
      p.refused = kept->second.second;
    }
    return p;
  }

  void put(Placement p) {
    auto [it, isNew] = index.try_emplace({p.layer, p.node}, list.size());
    if (isNew)
      list.push_back(std::move(p));
    else if (list[it->second].engine < p.engine)
      list[it->second] = std::move(p);
  }

  std::map<size_t, std::pair<std::string, bool>> floatMacs;
  std::map<std::pair<std::string, size_t>, size_t> index;
};

} // namespace

void keepPlacements(ModuleOp module) {
  Collector collector(module);
  for (auto func : module.getOps<func::FuncOp>())
    for (mlir::Operation &op : func.getBody().front()) {
      if (auto region = dyn_cast<RegionOp>(op)) {
        for (mlir::Operation &inner : region.getBody().front())
          collector.add(&inner, region.getName());
      } else {
        collector.add(&op, "");
      }
    }
  Builder b(module.getContext());
  SmallVector<Attribute> rows;
  for (const Placement &p : collector.list) {
    NamedAttrList row;
    row.set("node", b.getStringAttr(collector.nodes.list[p.node].name));
    row.set("layer", b.getStringAttr(p.layer));
    row.set("engine", b.getStringAttr(name(p.engine)));
    row.set("precision", b.getStringAttr(p.precision));
    row.set("reason", b.getStringAttr(p.reason));
    if (p.refused)
      row.set("refused", b.getUnitAttr());
    rows.push_back(row.getDictionary(module.getContext()));
  }
  module->setAttr(kPlacements, b.getArrayAttr(rows));
}

namespace {

class PlanMaker {
public:
  PlanMaker(ModuleOp module, const Program &program)
      : module(module), program(program), nodes(module) {}
  Plan run();

private:
  void readPlacements();
  void readEngines();
  void correct(Placement &p);
  void addLayer(const LayerInfo &layer);
  void addConditions();

  ModuleOp module;
  const Program &program;
  Nodes nodes;
  std::vector<Placement> placements;
  std::map<std::string, std::vector<size_t>> inLayer; ///< Placements.
  /// Engines whose instructions every layer has.
  std::map<std::string, std::vector<OpEngine>> engines;
  std::vector<bool> leads; ///< By node: it leads a layer.
  std::vector<bool> refused;
};

void PlanMaker::readEngines() {
  // By location first: there are many more instructions.
  std::vector<std::vector<OpEngine>> ofLocation(program.locations.size());
  for (const Stage *stage : {&program.load, &program.run})
    for (const Queue &queue : stage->queues)
      for (const Instruction &inst : queue.instructions) {
        OpEngine engine = queue.engine == Engine::Mac    ? OpEngine::Array
                          : queue.engine == Engine::Vec  ? OpEngine::Vector
                          : queue.engine == Engine::Ctrl ? OpEngine::Control
                                                         : OpEngine::Dma;
        if (!llvm::is_contained(ofLocation[inst.loc], engine))
          ofLocation[inst.loc].push_back(engine);
      }
  for (auto [location, list] : llvm::zip_equal(program.locations, ofLocation))
    if (!list.empty())
      llvm::append_range(engines[location.layer], list);
}

/// Lowering may find nothing to execute, or nothing but copies.
void PlanMaker::correct(Placement &p) {
  auto it = engines.find(p.layer);
  if (p.engine == OpEngine::None)
    return;
  if (it == engines.end()) {
    p.engine = OpEngine::None;
    p.precision = "";
    p.reason = "in the addresses of its neighbours";
  } else if (p.engine == OpEngine::Vector &&
             !llvm::is_contained(it->second, OpEngine::Vector)) {
    p.engine = OpEngine::Dma;
    p.reason = "moves elements";
  }
}

void PlanMaker::readPlacements() {
  for (DictionaryAttr row : rowsOf(module, kPlacements)) {
    std::optional<size_t> node = nodes.find(textOf(row, "node"));
    std::optional<OpEngine> engine = parseOpEngine(textOf(row, "engine"));
    if (!node || !engine)
      continue;
    Placement p{*node,
                textOf(row, "layer"),
                *engine,
                textOf(row, "precision"),
                textOf(row, "reason"),
                row.contains("refused")};
    if (!p.layer.empty())
      correct(p);
    placements.push_back(std::move(p));
  }
  for (auto [i, p] : llvm::enumerate(placements))
    if (!p.layer.empty())
      inLayer[p.layer].push_back(i);
}

/// Gives a layer's time to the node that leads it.
void PlanMaker::addLayer(const LayerInfo &layer) {
  std::vector<size_t> &members = inLayer[layer.name];
  // Made by the lowering, or everything it has turned out to be copies.
  bool known = llvm::any_of(members, [&](size_t i) {
    return placements[i].engine != OpEngine::None;
  });
  if (!known)
    for (const std::string &label : layer.nodes)
      if (std::optional<size_t> node = nodes.find(label)) {
        OpEngine engine = OpEngine::Dma;
        for (OpEngine each : engines[layer.name])
          engine = std::max(engine, each);
        members.push_back(placements.size());
        placements.push_back(
            {*node, layer.name, engine, "", "brings elements into place"});
        break;
      }
  const Placement *lead = nullptr;
  for (size_t i : members)
    if (!lead || placements[i].engine > lead->engine)
      lead = &placements[i];
  if (!lead)
    return;
  leads[lead->node] = true;
  nodes.list[lead->node].cycles += layer.predictedCycles;
  for (size_t i : members) {
    Placement &p = placements[i];
    nodes.list[p.node].layers.push_back(layer.name);
    if (p.node != lead->node && p.engine != OpEngine::None)
      p.reason += (p.reason.empty() ? "" : "; ") +
                  ("in the layer of " + nodes.list[lead->node].name);
  }
}

void PlanMaker::addConditions() {
  for (auto [i, node] : llvm::enumerate(nodes.list)) {
    if (refused[i])
      node.conditions.push_back(
          {StrictCondition::FloatMac, "its products stay in " + node.precision +
                                          " (" + node.reason + ")"});
    bool isFloat = StringRef(node.precision).starts_with("f") ||
                   StringRef(node.precision).starts_with("bf");
    if (node.engine == OpEngine::Vector && leads[i] && isFloat)
      node.conditions.push_back(
          {StrictCondition::VectorF32, "runs on the vector unit in " +
                                           node.precision + " (" + node.reason +
                                           ")"});
    if (node.engine == OpEngine::Control)
      node.conditions.push_back(
          {StrictCondition::Control,
           "runs on the control processor (" + node.reason + ")"});
  }
  for (BufferOp buffer : module.getOps<BufferOp>()) {
    if (buffer.getKind() != BufferKind::temp ||
        buffer.getMem().getSpace() != MemorySpace::dram)
      continue;
    SmallVector<size_t> of = nodes.of(buffer.getLoc());
    if (!of.empty())
      nodes.list[of.front()].conditions.push_back(
          {StrictCondition::DramActivations,
           "its result lies in DRAM (" + std::to_string(buffer.getByteSize()) +
               " bytes beside what L2 holds)"});
  }
}

Plan PlanMaker::run() {
  readEngines();
  readPlacements();
  for (const LayerInfo &layer : program.layers)
    for (const std::string &label : layer.nodes)
      (void)nodes.find(label);
  leads.assign(nodes.list.size(), false);
  refused.assign(nodes.list.size(), false);
  for (const LayerInfo &layer : program.layers)
    addLayer(layer);
  std::vector<const Placement *> best(nodes.list.size());
  for (const Placement &p : placements) {
    refused[p.node] = refused[p.node] || p.refused;
    if (!best[p.node] || best[p.node]->engine < p.engine)
      best[p.node] = &p;
  }
  for (auto [node, p] : llvm::zip_equal(nodes.list, best)) {
    if (!p)
      continue;
    node.engine = p->engine;
    node.reason = p->reason;
    if (p->engine != OpEngine::None)
      node.precision = p->precision;
  }
  addConditions();
  Plan plan;
  plan.cycles = program.predictedCycles;
  plan.otherCycles = plan.cycles;
  for (const PlanNode &node : nodes.list)
    plan.otherCycles -= std::min(plan.otherCycles, node.cycles);
  plan.nodes = std::move(nodes.list);
  return plan;
}

} // namespace

Plan makePlan(ModuleOp module, const Program &program) {
  return PlanMaker(module, program).run();
}

} // namespace cim
