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
  auto isObserved = [&](Value value) {
    auto it = plan.classOf.find(value);
    if (it == plan.classOf.end())
      return false;
    // What a moved value holds, its source held before it: padding and the
    // like add zeros, which every range contains.
    Operation *def = value.getDefiningOp();
    return !def || !movesElements(def) ||
           plan.classes[it->second].members.size() == 1;
  };
  auto observe = [&](Value value, const TensorValue &tensor) {
    if (isObserved(value))
      histograms[plan.classOf.find(value)->second].add(
          reinterpret_cast<const float *>(tensor.data), tensor.elements());
  };
  InterpretOptions options;
  options.fastFloat = true;
  options.observer = observe;
  options.wanted = isObserved;
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
