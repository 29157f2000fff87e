// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The fields of an instruction that steps can change, as a list.
#ifndef CIM_LIB_EMIT_STEPFIELDS_H
#define CIM_LIB_EMIT_STEPFIELDS_H

#include <algorithm>
#include <cstdint>

#include "cim/Program/Program.h"

namespace cim {

/// Step::index has 8 bits: what lies beyond cannot be stepped.
constexpr size_t kMaxStepIndex = 256;

/// Calls fn(StepField, index, field) for every steppable field of
/// `instruction` in a fixed order; `field` is a reference to an integer.
template <typename Inst, typename Fn>
void forEachStepField(Inst &instruction, Fn &&fn) {
  auto operands = [&](auto &list) {
    for (size_t i = 0; i < std::min(list.size(), kMaxStepIndex); ++i)
      fn(StepField::Operand, i, list[i].base.offset);
  };
  if (auto *copy = std::get_if<DmaCopy>(&instruction.op)) {
    fn(StepField::Src, 0, copy->src.offset);
    fn(StepField::Dst, 0, copy->dst.offset);
  } else if (auto *fill = std::get_if<DmaFill>(&instruction.op)) {
    fn(StepField::Dst, 0, fill->dst.offset);
  } else if (auto *write = std::get_if<WriteWeights>(&instruction.op)) {
    fn(StepField::Src, 0, write->src.offset);
    fn(StepField::Set, 0, write->set);
  } else if (auto *mac = std::get_if<Mac>(&instruction.op)) {
    fn(StepField::Src, 0, mac->act.offset);
    fn(StepField::Dst, 0, mac->acc.offset);
    if (mac->init == AccInit::Bias)
      fn(StepField::Bias, 0, mac->bias.offset);
    fn(StepField::Set, 0, mac->set);
  } else if (auto *vec = std::get_if<Vec>(&instruction.op)) {
    operands(vec->operands);
    for (size_t i = 0; i < std::min(vec->indexBase.size(), kMaxStepIndex); ++i)
      fn(StepField::IndexBase, i, vec->indexBase[i]);
  } else if (auto *ctrl = std::get_if<Ctrl>(&instruction.op)) {
    operands(ctrl->operands);
  }
  for (size_t i = 0; i < std::min(instruction.waits.size(), kMaxStepIndex); ++i)
    fn(StepField::WaitValue, i, instruction.waits[i].value);
}

} // namespace cim

#endif // CIM_LIB_EMIT_STEPFIELDS_H
