// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "VecKernel.h"

#include <algorithm>

namespace cim::exec {
namespace {

bool isStore(MicroOp op) {
  return op == MicroOp::Store || op == MicroOp::Scatter;
}

} // namespace

CompiledKernel::CompiledKernel(const Kernel &kernel)
    : kernel(kernel), types(kernel.registers, DType::F32),
      slot(kernel.registers, 0) {
  for (DType type : kernel.inputs)
    operands.push_back({type});
  for (DType type : kernel.outputs)
    operands.push_back({type});
  analyse();
  assignSlots();
}

void CompiledKernel::analyse() {
  for (const MicroInst &source : kernel.body) {
    Inst inst{&source, source.op, source.type, source.srcType};
    switch (source.op) {
    case MicroOp::Load:
      operands[source.imm].loaded = true;
      inst.own = true;
      break;
    case MicroOp::Const:
      inst.own = true;
      break;
    case MicroOp::Gather:
      operands[source.imm].gathered = true;
      break;
    case MicroOp::Store:
      operands[source.imm].stored = true;
      break;
    case MicroOp::Scatter:
      operands[source.imm].scattered = true;
      break;
    case MicroOp::CmpInt:
    case MicroOp::CmpFloat:
    case MicroOp::IsNan:
    case MicroOp::IsInf:
      inst.type = types[source.args[0]];
      types[source.dst] = DType::I1;
      break;
    case MicroOp::Index:
      inst.type = DType::I64;
      break;
    default:
      break;
    }
    bool compares = source.op == MicroOp::CmpInt ||
                    source.op == MicroOp::CmpFloat ||
                    source.op == MicroOp::IsNan || source.op == MicroOp::IsInf;
    if (!isStore(source.op) && !compares)
      types[source.dst] = inst.type;
    body.push_back(inst);
  }
}

void CompiledKernel::assignSlots() {
  std::vector<size_t> lastUse(types.size(), 0);
  size_t firstStore = body.size();
  for (size_t i = 0; i < body.size(); ++i) {
    for (uint16_t arg : body[i].source->args)
      lastUse[arg] = i;
    if (isStore(body[i].op))
      firstStore = std::min(firstStore, i);
  }
  std::vector<bool> own(types.size(), false);
  std::vector<uint16_t> free;
  for (size_t i = 0; i < body.size(); ++i) {
    Inst &inst = body[i];
    if (!isStore(inst.op)) {
      uint16_t dst = inst.source->dst;
      inst.beforeStores = lastUse[dst] <= firstStore;
      own[dst] = inst.own;
      if (inst.own || free.empty()) {
        slot[dst] = slots++;
      } else {
        slot[dst] = free.back();
        free.pop_back();
      }
    }
    // A destination never shares with the arguments of its instruction.
    for (size_t a = 0; a < inst.source->args.size(); ++a) {
      uint16_t arg = inst.source->args[a];
      bool again =
          std::find(inst.source->args.begin(), inst.source->args.begin() + a,
                    arg) != inst.source->args.begin() + a;
      if (lastUse[arg] == i && !again && !own[arg])
        free.push_back(slot[arg]);
    }
  }
}

} // namespace cim::exec
