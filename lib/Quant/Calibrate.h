// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef CIM_LIB_QUANT_CALIBRATE_H
#define CIM_LIB_QUANT_CALIBRATE_H

#include <vector>

#include "Plan.h"
#include "Ranges.h"

namespace cim {

/// Runs the float function over all samples and returns one histogram per scale
/// class; memory does not grow with the number of samples. On failure an error
/// has been emitted.
mlir::FailureOr<std::vector<Histogram>> calibrate(mlir::func::FuncOp func,
                                                  const QuantPlan &plan,
                                                  const SampleSource &samples,
                                                  size_t numSamples);

} // namespace cim

#endif // CIM_LIB_QUANT_CALIBRATE_H
