// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The source (ONNX) nodes that locations name.
#ifndef CIM_IR_SOURCENODES_H
#define CIM_IR_SOURCENODES_H

#include "mlir/IR/Location.h"
#include "llvm/ADT/SmallVector.h"

namespace cim {

/// Names in a location, each once, in order.
llvm::SmallVector<llvm::StringRef> sourceNodes(mlir::Location loc);

} // namespace cim

#endif // CIM_IR_SOURCENODES_H
