// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Facts about regions that outlive lowering, for the report.
#ifndef CIM_LIB_PIPELINE_LAYERS_H
#define CIM_LIB_PIPELINE_LAYERS_H

#include <vector>

#include "cim/Pipeline/Compiler.h"

namespace cim {

/// One entry per region of a scheduled module.
std::vector<LayerInfo> collectLayers(mlir::ModuleOp module);
/// Writes layers into the module (attribute cim.layers), which knows no regions
/// from the lower phase on, and reads them back; entries that are not as
/// written are left out.
void keepLayers(mlir::ModuleOp module, const std::vector<LayerInfo> &layers);
std::vector<LayerInfo> keptLayers(mlir::ModuleOp module);

/// What earlier phases decided and said, kept in the module for the report
/// (attributes cim.options and cim.remarks), so that a program does not depend
/// on whether its compilation was interrupted. `phase` has just been run.
void keepDecisions(mlir::ModuleOp module, Phase phase,
                   const CompileOptions &options,
                   const std::vector<std::string> &remarks);
std::vector<std::string> keptRemarks(mlir::ModuleOp module);
/// Completes the program's layers (made from locations) with what is known.
void mergeLayers(const std::vector<LayerInfo> &known, Program &program);
/// JSON of the module's decisions and remarks and of the plan (docs/report.md,
/// `compile_report`).
std::string compileReport(mlir::ModuleOp module, const CompileOptions &options,
                          const Plan &plan);

} // namespace cim

#endif // CIM_LIB_PIPELINE_LAYERS_H
