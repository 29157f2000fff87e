// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/IR/Placement.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace cim {

bool becomesResult(Value value) {
  while (value.hasOneUse()) {
    OpOperand &use = *value.use_begin();
    Operation *user = use.getOwner();
    if (isa<func::ReturnOp>(user))
      return true;
    auto transpose = dyn_cast<linalg::TransposeOp>(user);
    bool moves = isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(user) ||
                 (transpose && transpose.getInput() == value);
    if (!moves)
      return false;
    value = user->getResult(0);
  }
  return false;
}

} // namespace cim
