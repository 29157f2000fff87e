// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef CIM_LIB_NORMALIZE_FOLDCONSTANTS_H
#define CIM_LIB_NORMALIZE_FOLDCONSTANTS_H

#include <memory>

#include "mlir/Pass/Pass.h"

namespace cim {

/// Replaces ops whose operands are all constants by their results, computed by
/// the reference interpreter; not where a result would be much bigger than what
/// it is made from (a broadcast constant).
std::unique_ptr<mlir::Pass> createFoldConstantsPass();

} // namespace cim

#endif // CIM_LIB_NORMALIZE_FOLDCONSTANTS_H
