// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Differentiation of nodes.
#ifndef CIM_LIB_IMPORT_ONNX_GRADIENT_H
#define CIM_LIB_IMPORT_ONNX_GRADIENT_H

#include "Binder.h"

namespace cim::onnx {

/// Domain of the operators that differentiation makes beside ONNX's.
inline constexpr const char *internalDomain = "cim.internal";

/// The nodes that stand for a node Gradient of `graph`. On failure `error` is
/// the message; `label` names the node in it.
mlir::LogicalResult differentiate(const Graph &graph, const Node &gradient,
                                  const std::string &label,
                                  std::vector<Node> &nodes, std::string &error);

} // namespace cim::onnx

#endif // CIM_LIB_IMPORT_ONNX_GRADIENT_H
