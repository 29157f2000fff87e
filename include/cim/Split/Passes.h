// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The split phase.
#ifndef CIM_SPLIT_PASSES_H
#define CIM_SPLIT_PASSES_H

#include <memory>

#include "mlir/Pass/Pass.h"

namespace cim {

struct SplitOptions {
  bool fuse =
      true; ///< Put elementwise ops into the regions of their producers.
};

/// Groups every op that does work into a cim.region; what stays outside are
/// constants and pure renamings (reshapes, transposes, slices).
std::unique_ptr<mlir::Pass> createSplitPass(const SplitOptions &options = {});

/// Cuts parallel loops whose bodies need more registers than a vector kernel
/// has into several.
std::unique_ptr<mlir::Pass> createSplitKernelsPass();

/// fp32 MAC ops without a mantissa become loops of the vector unit.
std::unique_ptr<mlir::Pass> createExpandFloatMacsPass();

} // namespace cim

#endif // CIM_SPLIT_PASSES_H
