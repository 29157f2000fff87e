// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The loop nest of a linalg.generic: which elements its body sees, in which
// order.
#ifndef CIM_LIB_INTERP_NEST_H
#define CIM_LIB_INTERP_NEST_H

#include <vector>

#include "Body.h"

namespace cim::interp {

/// A tensor seen from the loops.
struct Access {
  Element element;
  char *data = nullptr;         ///< Inputs are only read.
  int64_t offset = 0;           ///< Bytes at iteration 0.
  std::vector<int64_t> strides; ///< Bytes per iteration, by loop.
  int reg = -1;                 ///< Of the body's argument, -1: not loaded.
};

struct Nest {
  std::vector<int64_t> sizes; ///< By loop, outermost first.
  std::vector<bool> reduction;
  std::vector<Access> inputs;  ///< Those the body uses.
  std::vector<Access> outputs; ///< All; they hold their init values.
  Body body;
};

/// Strides and offset of `map` over a row-major tensor; fails with an error on
/// `op` for maps that are not linear or leave the tensor.
mlir::LogicalResult describeAccess(mlir::linalg::GenericOp op,
                                   mlir::AffineMap map,
                                   mlir::RankedTensorType type, Access &access);

/// Runs the nest; false when a gather left its tensor.
bool runNest(Nest nest);

} // namespace cim::interp

#endif // CIM_LIB_INTERP_NEST_H
