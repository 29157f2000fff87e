// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "VecRun.h"

#include <algorithm>
#include <cstring>

#include "VecOps.h"
#include "cim/Support/Numerics.h"

namespace cim::exec {

VecWorker::VecWorker(const Context &context, const VecPlan &plan)
    : context(context), plan(plan),
      slots(size_t(std::max<int>(plan.kernel.slots, 1)) * kSlotBytes),
      reg(plan.kernel.types.size()), loaded(plan.kernel.body.size()),
      element(kChunk), packed(kSlotBytes) {
  for (size_t r = 0; r < reg.size(); ++r)
    reg[r] = slot(uint16_t(r));
  for (const CompiledKernel::Inst &inst : plan.kernel.body)
    if (inst.op == MicroOp::Const)
      fill(*inst.source);
}

/// Const: the whole slot, once.
void VecWorker::fill(const MicroInst &inst) {
  // Decode one element, then repeat it.
  uint64_t bits = inst.imm;
  uint8_t one[8];
  decodeElements(inst.type, &bits, one, 1);
  unsigned size = registerBytes(inst.type);
  uint8_t *out = slot(inst.dst);
  for (int64_t i = 0; i < kChunk; ++i)
    std::memcpy(out + i * size, one, size);
}

MaybeFault VecWorker::run(int64_t chunk) {
  plan.locate(chunk, at);
  offsets = at.offsets;
  const Nest &nest = plan.reduction;
  std::vector<int64_t> index(nest.sizes.size(), 0);
  while (true) {
    CIM_FAULT_IF(body());
    size_t d = nest.sizes.size();
    while (d > 0) {
      --d;
      bool more = ++index[d] < nest.sizes[d];
      int64_t by = more ? 1 : 1 - nest.sizes[d];
      for (size_t v = 0; v < offsets.size(); ++v)
        offsets[v] += by * nest.strides[v][d];
      if (more)
        break;
      index[d] = 0;
      if (d == 0)
        return std::nullopt;
    }
    if (nest.sizes.empty())
      return std::nullopt;
  }
}

MaybeFault VecWorker::body() {
  const std::vector<CompiledKernel::Inst> &body = plan.kernel.body;
  for (size_t i = 0; i < body.size(); ++i) {
    const MicroInst &inst = *body[i].source;
    switch (body[i].op) {
    case MicroOp::Load:
      load(i);
      break;
    case MicroOp::Store:
      store(inst);
      break;
    case MicroOp::Gather:
      CIM_FAULT_IF(gather(inst));
      break;
    case MicroOp::Scatter:
      CIM_FAULT_IF(scatter(inst));
      break;
    case MicroOp::Index:
      index(inst);
      break;
    case MicroOp::Const:
      break;
    default:
      compute(body[i]);
    }
  }
  return std::nullopt;
}

void VecWorker::load(size_t i) {
  const CompiledKernel::Inst &inst = plan.kernel.body[i];
  size_t operand = size_t(inst.source->imm);
  const BoundOperand &o = plan.operands[operand];
  const uint8_t *p = o.p + offsets[operand];
  if (o.viewable && loaded[i].from == p && loaded[i].shape == at.shape)
    return; // Still there: nothing writes these bytes.
  loaded[i] = {p, at.shape};
  uint16_t dst = inst.source->dst;
  const Block &block = at.shape->blocks[operand];
  bool aligned = reinterpret_cast<uintptr_t>(p) % byteSize(o.type) == 0;
  if (block.contiguous() && aligned && sameForm(o.type) &&
      (o.viewable || inst.beforeStores)) {
    reg[dst] = p;
    return;
  }
  uint8_t *out = slot(dst);
  reg[dst] = out;
  if (sameForm(o.type))
    return block.load(p, out);
  block.load(p, packed.as<uint8_t>());
  decodeElements(o.type, packed.as<uint8_t>(), out, at.shape->length);
}

void VecWorker::store(const MicroInst &inst) {
  size_t operand = size_t(inst.imm);
  const BoundOperand &o = plan.operands[operand];
  uint8_t *p = o.p + offsets[operand];
  const uint8_t *value = reg[inst.args[0]];
  const Block &block = at.shape->blocks[operand];
  if (!sameForm(o.type)) {
    encodeElements(o.type, value, packed.as<uint8_t>(), at.shape->length);
    value = packed.as<uint8_t>();
  }
  if (value == p && block.contiguous())
    return; // The operand's own bytes.
  bool inMemory = value < slots.as<uint8_t>() ||
                  value >= slots.as<uint8_t>() + slots.size();
  if (inMemory && value != packed.as<uint8_t>()) {
    // The register is a view of memory; the two may overlap.
    std::memcpy(packed.as<uint8_t>(), value,
                size_t(at.shape->length) * byteSize(o.type));
    value = packed.as<uint8_t>();
  }
  block.store(value, p);
}

void VecWorker::index(const MicroInst &inst) {
  size_t loop = size_t(inst.imm), v = plan.operands.size() + loop;
  int64_t base = offsets[v];
  if (loop < plan.op.indexBase.size())
    base += plan.op.indexBase[loop];
  auto *out = reinterpret_cast<int64_t *>(slot(inst.dst));
  const std::vector<int64_t> &relative = at.shape->offsets[v];
  for (int64_t i = 0; i < at.shape->length; ++i)
    out[i] = relative[i] + base;
}

/// Byte offsets (from the operand's base) of the elements a gather or scatter
/// names, checked against the extents.
MaybeFault VecWorker::addresses(const MicroInst &inst, size_t firstArg) {
  size_t operand = size_t(inst.imm);
  const BoundOperand &o = plan.operands[operand];
  int64_t n = at.shape->length;
  const std::vector<int64_t> &relative = at.shape->offsets[operand];
  for (int64_t i = 0; i < n; ++i)
    element[i] = offsets[operand] + relative[i];
  int64_t wide[kChunk];
  for (size_t a = firstArg; a < inst.args.size(); ++a) {
    uint16_t arg = inst.args[a];
    const Dim &dim = o.source->gather[a - firstArg];
    castOp(plan.kernel.types[arg], DType::I64, reg[arg], wide, n);
    for (int64_t i = 0; i < n; ++i) {
      if (uint64_t(wide[i]) >= uint64_t(dim.size))
        return fault(FaultCode::IndexOutOfBounds, "kernel ",
                     plan.kernel.kernel.name, " operand ", operand, " at ",
                     describe(o.source->base), ": index ", wide[i],
                     " of dimension ", a - firstArg, "; its extent is ",
                     dim.size, "; clamp or check the indices");
      element[i] += wide[i] * dim.stride;
    }
  }
  return std::nullopt;
}

namespace {

/// Dense array from scattered elements, or back.
template <typename T>
void move(const int64_t *offsets, int64_t n, uint8_t *memory, uint8_t *array,
          bool toMemory) {
  for (int64_t i = 0; i < n; ++i) {
    uint8_t *m = memory + offsets[i], *a = array + i * int64_t(sizeof(T));
    std::memcpy(toMemory ? m : a, toMemory ? a : m, sizeof(T));
  }
}

void moveElements(unsigned width, const int64_t *offsets, int64_t n,
                  uint8_t *memory, uint8_t *array, bool toMemory) {
  switch (width) {
  case 1:
    return move<uint8_t>(offsets, n, memory, array, toMemory);
  case 2:
    return move<uint16_t>(offsets, n, memory, array, toMemory);
  case 4:
    return move<uint32_t>(offsets, n, memory, array, toMemory);
  default:
    return move<uint64_t>(offsets, n, memory, array, toMemory);
  }
}

} // namespace

MaybeFault VecWorker::gather(const MicroInst &inst) {
  CIM_FAULT_IF(addresses(inst, 0));
  const BoundOperand &o = plan.operands[size_t(inst.imm)];
  int64_t n = at.shape->length;
  unsigned width = byteSize(o.type);
  if (context.state.sanitize)
    for (int64_t i = 0; i < n; ++i) {
      uint64_t lo = o.source->base.offset + uint64_t(element[i]), missing;
      if (!o.memory->initialized({lo, lo + width}, missing))
        return fault(FaultCode::UninitializedRead, "kernel ",
                     plan.kernel.kernel.name, " operand ", inst.imm, " at ",
                     describe(o.source->base), ": gathers byte 0x",
                     absl::Hex(missing),
                     " before anything wrote it; write it first");
    }
  bool direct = sameForm(o.type);
  uint8_t *out = direct ? slot(inst.dst) : packed.as<uint8_t>();
  moveElements(width, element.data(), n, o.p, out, false);
  if (!direct)
    decodeElements(o.type, out, slot(inst.dst), n);
  return std::nullopt;
}

MaybeFault VecWorker::scatter(const MicroInst &inst) {
  CIM_FAULT_IF(addresses(inst, 1));
  const BoundOperand &o = plan.operands[size_t(inst.imm)];
  int64_t n = at.shape->length;
  unsigned width = byteSize(o.type);
  encodeElements(o.type, reg[inst.args[0]], packed.as<uint8_t>(), n);
  moveElements(width, element.data(), n, o.p, packed.as<uint8_t>(), true);
  if (context.state.sanitize)
    for (int64_t i = 0; i < n; ++i) {
      uint64_t lo = o.source->base.offset + uint64_t(element[i]);
      o.memory->markInitialized({lo, lo + width});
    }
  return std::nullopt;
}

void VecWorker::compute(const CompiledKernel::Inst &inst) {
  const MicroInst &source = *inst.source;
  int64_t n = at.shape->length;
  auto arg = [&](size_t i) -> const void * {
    return i < source.args.size() ? reg[source.args[i]] : nullptr;
  };
  auto argType = [&](size_t i) { return plan.kernel.types[source.args[i]]; };
  void *dst = slot(source.dst);
  auto *bits = static_cast<uint8_t *>(dst);
  switch (inst.op) {
  case MicroOp::Cast:
    return castOp(argType(0), inst.type, arg(0), dst, n);
  case MicroOp::Bitcast:
    // Through the form the bits have in memory.
    encodeElements(argType(0), arg(0), packed.as<uint8_t>(), n);
    return decodeElements(inst.type, packed.as<uint8_t>(), dst, n);
  case MicroOp::Quantize:
    return quantizeOp(argType(0), inst.type, arg(0),
                      static_cast<const float *>(arg(1)),
                      static_cast<const int32_t *>(arg(2)), dst, n);
  case MicroOp::Requantize:
    return requantizeOp(inst.type, static_cast<const int32_t *>(arg(0)),
                        static_cast<const float *>(arg(1)),
                        static_cast<const int32_t *>(arg(2)), dst, n);
  case MicroOp::Dequantize:
    return dequantizeOp(argType(0), arg(0), static_cast<const float *>(arg(1)),
                        static_cast<const int32_t *>(arg(2)),
                        static_cast<float *>(dst), n);
  case MicroOp::CmpInt:
    return compareInt(CmpIntPredicate(source.imm), inst.type, arg(0), arg(1),
                      bits, n);
  case MicroOp::CmpFloat:
    return compareFloat(CmpFloatPredicate(source.imm), inst.type, arg(0),
                        arg(1), bits, n);
  case MicroOp::IsNan:
  case MicroOp::IsInf:
    return classify(inst.op, inst.type, arg(0), bits, n);
  case MicroOp::Select:
    return select(inst.type, static_cast<const uint8_t *>(arg(0)), arg(1),
                  arg(2), dst, n);
  default:
    if (isFloat(inst.type))
      return floatOp(inst.op, inst.type, arg(0), arg(1), arg(2), dst, n);
    return integerOp(inst.op, inst.type, arg(0), arg(1), dst, n);
  }
}

} // namespace cim::exec
