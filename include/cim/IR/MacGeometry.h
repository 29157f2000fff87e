// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One form for convolutions and matrix products: which tensor dimensions are
// output rows, channels and batches (see cim/Schedule/Problem.h).
#ifndef CIM_IR_MACGEOMETRY_H
#define CIM_IR_MACGEOMETRY_H

#include "cim/Schedule/Problem.h"
#include "dialects/CIM/IR/CIM.h"

namespace cim {

struct MacGeometry {
  schedule::MacProblem problem;
  /// Tensor dimension of each m dimension, in the activation and the result.
  llvm::SmallVector<int64_t> actDim, outDim;
  int64_t actChannelDim = 0, outChannelDim = 0;
  /// Batch dimensions (equal numbers in activation, weights and result) whose
  /// entries are sub-problems.
  llvm::SmallVector<int64_t> batchDims, batchSizes;
  /// Weight element (channel, kernel position, output channel) of a constant:
  /// strides in elements. Kernel strides follow the m dimensions.
  int64_t weightChannelStride = 0, weightOutStride = 0;
  llvm::SmallVector<int64_t> weightKernelStride;
  int64_t actZero = 0; ///< Zero point of the activations.
};

/// Describes a cim.conv or cim.matmul. The vector-unit part of the problem
/// (epilogue) is left at its defaults.
MacGeometry macGeometry(mlir::Operation *mac);

/// The region operand behind a region's block argument; other values as they
/// are.
mlir::Value outerValue(mlir::Value value);

} // namespace cim

#endif // CIM_IR_MACGEOMETRY_H
