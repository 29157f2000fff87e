// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Passes of the lower and allocate phases.
#ifndef CIM_LOWER_PASSES_H
#define CIM_LOWER_PASSES_H

#include <memory>

#include "cim/Target/TargetSpec.h"
#include "mlir/Pass/Pass.h"

namespace cim {

/// Scheduled tensor-level module to buffers, kernels and stages of tile ops.
std::unique_ptr<mlir::Pass> createLowerPass(const TargetSpec &target);

/// Gives every buffer an address (and moves to DRAM what L2 has no room for)
/// and adds the waits that reuse of addresses needs.
std::unique_ptr<mlir::Pass> createAllocatePass(const TargetSpec &target);

} // namespace cim

#endif // CIM_LOWER_PASSES_H
