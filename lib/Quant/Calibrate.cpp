// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Calibrate.h"

#include "cim/Support/Progress.h"

using namespace mlir;

namespace cim {

FailureOr<std::vector<Histogram>> calibrate(func::FuncOp func,
                                            const QuantPlan &plan,
                                            const SampleSource &samples,
                                            size_t numSamples) {
  std::vector<Histogram> histograms(plan.classes.size());
  auto observe = [&](Value value, const TensorValue &tensor) {
    auto it = plan.classOf.find(value);
    if (it == plan.classOf.end())
      return;
    // What a moved value holds, its source held before it: padding and the
    // like add zeros, which every range contains.
    if (Operation *def = value.getDefiningOp();
        def && movesElements(def) &&
        plan.classes[it->second].members.size() > 1)
      return;
    histograms[it->second].add(reinterpret_cast<const float *>(tensor.data),
                               tensor.elements());
  };
  InterpretOptions options;
  options.fastFloat = true;
  options.observer = observe;
  Progress progress("calibrating", numSamples);
  for (size_t i = 0; i < numSamples; ++i) {
    std::vector<TensorValue> inputs = samples(i);
    if (inputs.empty())
      break;
    for (auto [argument, tensor] : llvm::zip_equal(func.getArguments(), inputs))
      observe(argument, tensor);
    if (failed(interpret(func, std::move(inputs), options)))
      return failure();
    progress.update(i + 1);
  }
  return histograms;
}

} // namespace cim
