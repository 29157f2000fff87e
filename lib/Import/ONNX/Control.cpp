// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// If with a condition known at compile time.

#include "Binder.h"

using namespace mlir;

namespace cim::onnx {
namespace {

LogicalResult ifOp(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  FailureOr<Shape> condition = n.constantInts(0, "the condition");
  if (failed(condition))
    return failure();
  if (condition->size() != 1)
    return n.fail("the condition is not a scalar",
                  Twine(condition->size()) + " elements");
  StringRef branch = condition->front() ? "then_branch" : "else_branch";
  const Attribute *attr = n.attribute(branch);
  if (!attr || !attr->graph)
    return n.fail(branch + " is missing", "required attribute");
  SmallVector<TypedValue> outputs;
  if (failed(n.inlineGraph(*attr->graph, outputs)))
    return failure();
  if (outputs.size() != n.numOutputs())
    return n.fail("the branch has another number of outputs",
                  Twine(outputs.size()) + " and " + Twine(n.numOutputs()));
  for (auto [i, output] : llvm::enumerate(outputs)) {
    n.setOutput(i, output.value, output.type);
    for (const Length &length : output.lengths)
      if (failed(n.setLength(i, length.dim, length.value)))
        return failure();
  }
  return success();
}

} // namespace

void registerControl(Registry &registry) {
  registry.add("", {{"If", 1, ifOp, "condition known when compiling"}});
}

} // namespace cim::onnx
