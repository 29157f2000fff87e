// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Layers.h"

#include "cim/IR/MacGeometry.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

static std::string formatOf(const schedule::MacProblem &p) {
  if (p.bfp)
    return p.planes == 16 ? "fp16" : "bfp16";
  return "w" + std::to_string(p.planes) + "a" + std::to_string(8 * p.actBytes);
}

std::vector<LayerInfo> collectLayers(ModuleOp module) {
  std::vector<LayerInfo> layers;
  module.walk([&](RegionOp region) {
    LayerInfo layer;
    layer.name = region.getName().str();
    layer.op = "move";
    layer.format = "";
    for (mlir::Operation &op : region.getBody().front()) {
      if (isa<linalg::GenericOp>(op) && layer.op == "move") {
        layer.op = "vector";
        layer.format = "f32";
      }
      if (!isa<ConvOp, MatmulOp>(op))
        continue;
      MacGeometry g = macGeometry(&op);
      layer.op = op.getName().stripDialect().str();
      layer.format = formatOf(g.problem);
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

std::string compileReport(const CompileResult &result,
                          const CompileOptions &options) {
  // Phase times differ from run to run and stay out of the program, whose bytes
  // are a function of input and options; callers add them to their own report.
  llvm::json::Array remarks;
  for (const std::string &remark : result.remarks)
    remarks.push_back(remark);
  llvm::json::Object report{{"opt", options.schedule.optLevel},
                            {"weight_bits", options.quantize.weightBits},
                            {"mode", static_cast<int>(options.quantize.mode)},
                            {"remarks", std::move(remarks)}};
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(report));
  return text;
}

} // namespace cim
