// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The normalize phase.
#ifndef CIM_NORMALIZE_PASSES_H
#define CIM_NORMALIZE_PASSES_H

#include <memory>

#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace cim {

/// Makes tensors of floats of at most 8 bits and of integers of 2 to 7 bits
/// tensors of i8, and their arithmetic that of types the device has. Such
/// inputs and results are bytes: codes of floats (uint8), values of integers.
std::unique_ptr<mlir::Pass> createExpandNarrowTypesPass();
/// Folds per-channel scales and offsets into the weights and bias of the MAC op
/// they follow or precede.
std::unique_ptr<mlir::Pass> createFoldScalesPass();
/// Fuses chains of elementwise generics into one, within the limits of a vector
/// kernel (device.md D4.7); never duplicates work.
std::unique_ptr<mlir::Pass> createFuseElementwisePass();
/// MLIR's canonicalization without the pattern that moves the padding of an
/// inserted slice into the destination: it ignores the strides of the insertion
/// (the zeros between elements of a transposed convolution).
std::unique_ptr<mlir::Pass> createCanonicalizePass();
/// Divisions by constants become multiplications by reciprocals: always for
/// powers of two (exact), else (f32, f64) where the quotient only meets
/// arithmetic, elementary functions and products.
std::unique_ptr<mlir::Pass> createReplaceDivisionsPass();
/// The whole phase: folding, fusion, constants, dead code; sets cim.phase.
void buildNormalizePipeline(mlir::OpPassManager &pm);
void registerNormalizePasses();

} // namespace cim

#endif // CIM_NORMALIZE_PASSES_H
