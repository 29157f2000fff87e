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
/// Completes the program's layers (made from locations) with what is known.
void mergeLayers(const std::vector<LayerInfo> &known, Program &program);
/// JSON of options, phase times, memory and remarks (docs/report.md,
/// `compile`).
std::string compileReport(const CompileResult &result,
                          const CompileOptions &options);

} // namespace cim

#endif // CIM_LIB_PIPELINE_LAYERS_H
