// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Layers.h"

#include "cim/IR/Legality.h"
#include "cim/IR/MacGeometry.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

std::vector<LayerInfo> collectLayers(ModuleOp module) {
  std::vector<LayerInfo> layers;
  module.walk([&](RegionOp region) {
    LayerInfo layer;
    layer.name = region.getName().str();
    layer.op = "move";
    layer.format = "";
    for (mlir::Operation &op : region.getBody().front()) {
      if (isa<TopKOp, NonZeroOp, LexSortOp, NmsOp>(op))
        layer.op = "ctrl";
      if (isa<linalg::GenericOp, ScatterOp>(op) && layer.op == "move") {
        layer.op = "vector";
        layer.format = "f32";
      }
      if (!isa<ConvOp, MatmulOp>(op))
        continue;
      MacGeometry g = macGeometry(&op);
      layer.op = op.getName().stripDialect().str();
      layer.format = macFormat(&op);
      uint64_t macs =
          g.problem.channels * g.problem.n * g.problem.groups * g.problem.batch;
      for (const schedule::MDim &dim : g.problem.m)
        macs *= dim.size * dim.kernel;
      layer.macs = macs;
    }
    if (ScheduleAttr schedule = region.getScheduleAttr()) {
      layer.predictedCycles = schedule.getCycles();
      llvm::raw_string_ostream(layer.schedule) << schedule;
    }
    layers.push_back(std::move(layer));
  });
  return layers;
}

void mergeLayers(const std::vector<LayerInfo> &known, Program &program) {
  std::map<std::string, const LayerInfo *> byName;
  for (const LayerInfo &layer : known)
    byName[layer.name] = &layer;
  for (LayerInfo &layer : program.layers) {
    auto it = byName.find(layer.name);
    if (it == byName.end()) {
      layer.op = "move";
      continue;
    }
    std::vector<std::string> nodes = std::move(layer.nodes);
    layer = *it->second;
    layer.nodes = std::move(nodes);
  }
}

namespace {
constexpr StringLiteral kLayers = "cim.layers", kOptions = "cim.options",
                        kRemarks = "cim.remarks";
} // namespace

void keepLayers(ModuleOp module, const std::vector<LayerInfo> &layers) {
  Builder builder(module.getContext());
  SmallVector<Attribute> list;
  for (const LayerInfo &layer : layers)
    list.push_back(builder.getDictionaryAttr(
        {builder.getNamedAttr("name", builder.getStringAttr(layer.name)),
         builder.getNamedAttr("op", builder.getStringAttr(layer.op)),
         builder.getNamedAttr("format", builder.getStringAttr(layer.format)),
         builder.getNamedAttr("macs", builder.getI64IntegerAttr(
                                          static_cast<int64_t>(layer.macs))),
         builder.getNamedAttr("schedule",
                              builder.getStringAttr(layer.schedule))}));
  module->setAttr(kLayers, builder.getArrayAttr(list));
}

std::vector<LayerInfo> keptLayers(ModuleOp module) {
  std::vector<LayerInfo> layers;
  auto list = module->getAttrOfType<ArrayAttr>(kLayers);
  for (Attribute each : list ? list.getValue() : ArrayRef<Attribute>()) {
    auto entry = dyn_cast<DictionaryAttr>(each);
    if (!entry || !entry.getAs<StringAttr>("name"))
      continue;
    auto text = [&](StringRef key) {
      auto value = entry.getAs<StringAttr>(key);
      return value ? value.str() : std::string();
    };
    LayerInfo layer;
    layer.name = text("name");
    layer.op = text("op");
    layer.format = text("format");
    layer.schedule = text("schedule");
    if (auto macs = entry.getAs<IntegerAttr>("macs");
        macs && macs.getType().isInteger(64))
      layer.macs = static_cast<uint64_t>(macs.getInt());
    layers.push_back(std::move(layer));
  }
  return layers;
}

void keepDecisions(ModuleOp module, Phase phase, const CompileOptions &options,
                   const std::vector<std::string> &remarks) {
  Builder builder(module.getContext());
  NamedAttrList decided(module->getAttrOfType<DictionaryAttr>(kOptions));
  if (phase == Phase::Quantize) {
    decided.set("weight_bits",
                builder.getI64IntegerAttr(options.quantize.weightBits));
    decided.set("mode", builder.getI64IntegerAttr(
                            static_cast<int64_t>(options.quantize.mode)));
  }
  if (phase == Phase::Schedule)
    decided.set("opt", builder.getI64IntegerAttr(options.schedule.optLevel));
  if (!decided.empty())
    module->setAttr(kOptions, decided.getDictionary(module.getContext()));
  if (!remarks.empty())
    module->setAttr(kRemarks, builder.getStrArrayAttr(SmallVector<StringRef>(
                                  remarks.begin(), remarks.end())));
}

std::vector<std::string> keptRemarks(ModuleOp module) {
  std::vector<std::string> remarks;
  auto list = module->getAttrOfType<ArrayAttr>(kRemarks);
  for (Attribute each : list ? list.getValue() : ArrayRef<Attribute>())
    if (auto text = dyn_cast<StringAttr>(each))
      remarks.push_back(text.str());
  return remarks;
}

std::string compileReport(ModuleOp module, const CompileOptions &options,
                          const Plan &plan) {
  // Phase times differ from run to run and stay out of the program, whose bytes
  // are a function of input and options; callers add them to their own report.
  auto decided = module->getAttrOfType<DictionaryAttr>(kOptions);
  auto number = [&](StringRef key, int64_t otherwise) {
    auto value = decided ? decided.getAs<IntegerAttr>(key) : IntegerAttr();
    return value && value.getType().isInteger(64) ? value.getInt() : otherwise;
  };
  llvm::json::Array remarks;
  for (const std::string &remark : keptRemarks(module))
    remarks.push_back(remark);
  llvm::json::Object report{
      {"opt", number("opt", options.schedule.optLevel)},
      {"weight_bits", number("weight_bits", options.quantize.weightBits)},
      {"mode", number("mode", static_cast<int64_t>(options.quantize.mode))},
      {"remarks", std::move(remarks)},
      {"plan", toJson(plan)}};
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(report));
  return text;
}

} // namespace cim
