// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "StepFields.h"
#include "cim/Emit/Reroll.h"

namespace cim {
namespace {

class Unroller {
public:
  explicit Unroller(std::vector<Instruction> in) : in(std::move(in)) {}

  std::vector<Instruction> run() {
    for (size_t next = 0; next < in.size();)
      next = execute(next);
    return std::move(out);
  }

private:
  /// Executes the instruction or loop at `at`; returns where to go on.
  size_t execute(size_t at) {
    auto *begin = std::get_if<LoopBegin>(&in[at].op);
    if (!begin) {
      out.push_back(stepped(in[at]));
      return at + 1;
    }
    addBoundary(in[at]);
    size_t next = at + 1;
    iterations.push_back(0);
    for (uint64_t i = 0; i < begin->count; ++i) {
      iterations.back() = i;
      next = at + 1;
      while (next < in.size() && !std::holds_alternative<LoopEnd>(in[next].op))
        next = execute(next);
      if (next < in.size())
        addBoundary(in[next]);
    }
    iterations.pop_back();
    return next + 1;
  }

  /// Waits and signals of a loop's begin or end, as a nop.
  void addBoundary(const Instruction &boundary) {
    if (boundary.waits.empty() && boundary.signal == kNoSemaphore)
      return;
    out.push_back(stepped(boundary));
    out.back().op = Nop{};
  }

  Instruction stepped(const Instruction &original) {
    Instruction instruction = original;
    for (const Step &step : original.steps)
      apply(step, instruction);
    instruction.steps.clear();
    return instruction;
  }

  void apply(const Step &step, Instruction &instruction) {
    if (step.loop >= iterations.size())
      return;
    uint64_t change = uint64_t(step.delta) * iterations[step.loop];
    forEachStepField(instruction,
                     [&](StepField field, size_t index, auto &value) {
                       if (field == step.field && index == step.index)
                         value = static_cast<std::decay_t<decltype(value)>>(
                             uint64_t(value) + change);
                     });
  }

  std::vector<Instruction> in, out;
  std::vector<uint64_t> iterations; ///< Of the loops around, outermost first.
};

} // namespace

void unroll(Program &program) {
  for (Stage *stage : {&program.load, &program.run})
    for (Queue &queue : stage->queues)
      queue.instructions = Unroller(std::move(queue.instructions)).run();
}

} // namespace cim
