// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Chains of generics that treat the rows of a tensor one by one (normalization,
// softmax): their leading loops are the same, so that they can be executed one
// block of rows after the other with what they pass on kept close to the unit.
#ifndef CIM_IR_ROWGROUP_H
#define CIM_IR_ROWGROUP_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace cim {

/// True for a generic that may be a member of a group: no gathers, no use of
/// indices, linear maps with non-negative factors, results that its loops write
/// element by element, starting from a linalg.fill or from nothing.
bool canJoinRows(mlir::linalg::GenericOp op);

/// The leading parallel loops that every generic of `ops` has in common and
/// through which values pass from one to the other row by row; 0: none.
int64_t commonRowLoops(llvm::ArrayRef<mlir::linalg::GenericOp> ops);

} // namespace cim

#endif // CIM_IR_ROWGROUP_H
