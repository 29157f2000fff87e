// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef CIM_LIB_PIPELINE_CALIBRATION_H
#define CIM_LIB_PIPELINE_CALIBRATION_H

#include "cim/Pipeline/Compiler.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace cim {

/// Samples of the function's inputs taken from named arrays.
struct CalibrationData {
  SampleSource source;
  size_t count = 0;
};
/// Checks names, shapes and types; false with a message when they do not fit.
bool makeCalibration(mlir::func::FuncOp func, const CompileOptions &options,
                     CalibrationData &data, std::string &error);

} // namespace cim

#endif // CIM_LIB_PIPELINE_CALIBRATION_H
