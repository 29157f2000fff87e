// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops whose order depends on data, by their descriptions
// (dialects/CIM/IR/CIMSelectOps.td). Written apart from the device model.
#ifndef CIM_LIB_INTERP_SELECT_H
#define CIM_LIB_INTERP_SELECT_H

#include "Elements.h"
#include "dialects/CIM/IR/CIM.h"

namespace cim::interp {

/// True for the ops `runSelect` knows.
bool isSelect(mlir::Operation *op);

/// The op's results, in order; `operands` are its operands' values.
mlir::FailureOr<std::vector<TensorValue>>
runSelect(mlir::Operation *op, llvm::ArrayRef<TensorValue> operands);

} // namespace cim::interp

#endif // CIM_LIB_INTERP_SELECT_H
