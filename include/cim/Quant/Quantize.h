// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The quantize phase: number formats for MAC ops, ranges from calibration data.
#ifndef CIM_QUANT_QUANTIZE_H
#define CIM_QUANT_QUANTIZE_H

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cim/Interp/Interpreter.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"

namespace cim {

enum class QuantMode : uint8_t { None, Integer, Bfp16, Fp16 };

/// How a range becomes a scale.
enum class RangeMethod : uint8_t { MinMax, Percentile, Mse };

/// Format of the layers whose name matches.
struct LayerFormat {
  std::string pattern; ///< Regular expression over source node names.
  QuantMode mode = QuantMode::Integer;
  int weightBits = 8;
};

struct QuantizeOptions {
  QuantMode mode = QuantMode::None;
  int weightBits = 8; ///< 4 to 8.
  RangeMethod activations = RangeMethod::Mse;
  RangeMethod weights = RangeMethod::Mse;
  double percentile = 99.99;
  std::vector<LayerFormat> layers; ///< First match wins; else the defaults.
};

/// Parses "none", "int8", "w8a8" .. "w4a8", "bfp16", "fp16"; on failure `error`
/// says what is known.
bool parseQuantize(llvm::StringRef text, QuantizeOptions &options,
                   std::string &error);

/// Calibration samples for the function's inputs: called with 0, 1, ... until
/// it returns an empty list.
using SampleSource = std::function<std::vector<TensorValue>(size_t index)>;

/// Quantizes the module's @main in place. `samples` may be null when the mode
/// needs no calibration. On failure an error has been emitted.
mlir::LogicalResult quantize(mlir::ModuleOp module,
                             const QuantizeOptions &options,
                             const SampleSource &samples, size_t numSamples);

} // namespace cim

#endif // CIM_QUANT_QUANTIZE_H
