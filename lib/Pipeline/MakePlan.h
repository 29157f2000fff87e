// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Making the plan from what the phases leave behind.
#ifndef CIM_LIB_PIPELINE_MAKEPLAN_H
#define CIM_LIB_PIPELINE_MAKEPLAN_H

#include "cim/Pipeline/Plan.h"
#include "cim/Program/Program.h"
#include "mlir/IR/BuiltinOps.h"

namespace cim {

/// Writes into a scheduled module where its operations run, by source node and
/// layer (attribute cim.placements): later phases know neither.
void keepPlacements(mlir::ModuleOp module);

/// The plan of a program without loops from the module it was made of. Its
/// layers have their predicted cycles.
Plan makePlan(mlir::ModuleOp module, const Program &program);

} // namespace cim

#endif // CIM_LIB_PIPELINE_MAKEPLAN_H
