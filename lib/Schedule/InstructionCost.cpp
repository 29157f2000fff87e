// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Costs of device.md section 4 as the compiler understands them.
#include "InstructionCost.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace cim::schedule {
namespace {

double roundUp(double value, double unit) {
  return std::ceil(value / unit) * unit;
}

/// Bytes an access costs in `space`: contiguous runs rounded to its grain.
double accessBytes(const TargetSpec &t, Space space,
                   const std::vector<int64_t> &sizes,
                   const std::vector<int64_t> &strides, int64_t elem) {
  double run = static_cast<double>(elem), runs = 1;
  bool open = true;
  for (size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] == 1)
      continue;
    if (open && strides[i] == static_cast<int64_t>(run)) {
      run *= static_cast<double>(sizes[i]);
      continue;
    }
    open = false;
    runs *= static_cast<double>(sizes[i]);
  }
  if (space == Space::DRAM)
    return runs * roundUp(run, t.dmaBurstBytes);
  if (space == Space::L1)
    return runs * roundUp(run, t.l1AccessBytes);
  return runs * run;
}

void add(InstructionCost &cost, Space space, double bytes) {
  switch (space) {
  case Space::DRAM:
    cost.dram += bytes;
    break;
  case Space::L2:
    cost.l2 += bytes;
    break;
  case Space::L1:
    cost.l1 += bytes;
    break;
  case Space::ACC:
    cost.acc += bytes;
    break;
  }
}

double latency(const TargetSpec &t, Space space) {
  return space == Space::DRAM ? t.dramLatencyCycles
         : space == Space::L2 ? t.l2LatencyCycles
                              : 0;
}

/// Elements of a firmware kernel (D4.6), from its parameters.
double ctrlElements(const Ctrl &op) {
  auto product = [&](size_t first, size_t last) {
    double result = 1;
    for (size_t i = first; i < last && i < op.params.size(); ++i)
      result *= static_cast<double>(op.params[i]);
    return result;
  };
  switch (op.kernel) {
  case 0: // topk: outer, n
    return product(1, 3);
  case 1: // nonzero: the sizes
    return product(2, op.params.size());
  case 2: // nms: batches, boxes, classes, limit
    return product(0, 4);
  case 3: // lexsort: rows, columns
    return product(1, 3);
  default:
    return 0;
  }
}

struct CostVisitor {
  const Program &program;
  const TargetSpec &t;
  InstructionCost cost;

  void operator()(const Nop &) {}
  void operator()(const LoopBegin &) {}
  void operator()(const LoopEnd &) {}
  void operator()(const DmaCopy &op);
  void operator()(const DmaFill &op);
  void operator()(const WriteWeights &op);
  void operator()(const Mac &op);
  void operator()(const Vec &op);
  void operator()(const Ctrl &op) {
    cost.startup = t.ctrlStartupCycles;
    cost.engine = ctrlElements(op) / t.ctrlElementsPerCycle;
  }
};

void CostVisitor::operator()(const DmaCopy &op) {
  double bytes = op.elemBytes;
  for (int64_t size : op.sizes)
    bytes *= static_cast<double>(size);
  cost.startup = t.dmaStartupCycles +
                 std::max(latency(t, op.src.space), latency(t, op.dst.space));
  cost.engine = bytes / t.dmaBytesPerCycle;
  add(cost, op.src.space,
      accessBytes(t, op.src.space, op.sizes, op.srcStrides, op.elemBytes));
  add(cost, op.dst.space,
      accessBytes(t, op.dst.space, op.sizes, op.dstStrides, op.elemBytes));
}

void CostVisitor::operator()(const DmaFill &op) {
  std::vector<int64_t> sizes, strides;
  double bytes = op.elemBytes;
  for (const Dim &dim : op.dims) {
    sizes.push_back(dim.size);
    strides.push_back(dim.stride);
    bytes *= static_cast<double>(dim.size);
  }
  cost.startup = t.dmaStartupCycles + latency(t, op.dst.space);
  cost.engine = bytes / t.dmaBytesPerCycle;
  add(cost, op.dst.space,
      accessBytes(t, op.dst.space, sizes, strides, op.elemBytes));
}

void CostVisitor::operator()(const WriteWeights &op) {
  double bytes = static_cast<double>(op.rows) * op.cols;
  if (op.format == WeightFormat::Planes) {
    int groups = static_cast<int>((op.cols + t.planeSkipColumns - 1) /
                                  t.planeSkipColumns);
    bytes = 0;
    for (int g = 0; g < groups; ++g) {
      uint32_t mask =
          op.planeMasks.empty() ? (1u << op.planes) - 1 : op.planeMasks[g];
      double cols = std::min<double>(t.planeSkipColumns,
                                     op.cols - g * double(t.planeSkipColumns));
      bytes += std::popcount(mask) * double(op.rows) * std::ceil(cols / 8);
    }
  } else if (op.format == WeightFormat::Bfp) {
    bytes = bytes * 2 + std::ceil(double(op.rows) / op.blockRows) * op.cols;
  } else if (op.format != WeightFormat::Int8) {
    bytes *= op.format == WeightFormat::F16 ? 2 : 4;
  }
  cost.startup = t.writeStartupCycles + latency(t, op.src.space);
  cost.engine = bytes / t.weightWriteBytesPerCycle;
  add(cost, op.src.space, bytes);
}

void CostVisitor::operator()(const Mac &op) {
  // The planes of the tile are those of its write; all of them here (the
  // estimate is for the densest case unless the write said otherwise).
  double rows = 1;
  std::vector<int64_t> sizes, strides;
  for (const Dim &dim : op.m)
    rows *= static_cast<double>(dim.size);
  for (const Dim &dim : op.k) {
    sizes.push_back(dim.size);
    strides.push_back(dim.stride);
  }
  cost.startup = t.macStartupCycles;
  cost.engine = std::ceil(rows / op.copies); // times planes, see Estimate.cpp
  cost.l1 =
      rows * accessBytes(t, Space::L1, sizes, strides, byteSize(op.actType));
  cost.acc = rows * op.cols * 4 * (op.init == AccInit::Accumulate ? 2 : 1);
}

void CostVisitor::operator()(const Vec &op) {
  const Kernel &kernel = program.kernels[op.kernel];
  double n = 1;
  for (int64_t size : op.sizes)
    n *= static_cast<double>(size);
  double slots = 0, sfu = 0;
  for (size_t i = 0; i < kernel.body.size(); ++i) {
    const MicroInst &inst = kernel.body[i];
    switch (inst.op) {
    case MicroOp::Load:
    case MicroOp::Store:
    case MicroOp::Const:
    case MicroOp::Index:
      continue;
    case MicroOp::Cast: {
      bool afterLoad = i && kernel.body[i - 1].op == MicroOp::Load;
      bool beforeStore =
          i + 1 < kernel.body.size() && kernel.body[i + 1].op == MicroOp::Store;
      if (afterLoad || beforeStore)
        continue;
      break;
    }
    default:
      break;
    }
    bool slow = inst.op == MicroOp::Div || inst.op == MicroOp::Rem ||
                inst.op == MicroOp::DivU || inst.op == MicroOp::RemU ||
                (inst.op >= MicroOp::Exp && inst.op <= MicroOp::Pow);
    if (slow)
      sfu += std::ceil(n / t.vecSfuLanes);
    else
      slots +=
          std::ceil(n / (t.vecBytesPerCycle / double(byteSize(inst.type))));
  }
  cost.engine = std::ceil(slots / t.vecOpsPerCycle) + sfu;
  double worst = 0;
  for (size_t i = 0; i < op.operands.size(); ++i) {
    const VecOperand &operand = op.operands[i];
    worst = std::max(worst, latency(t, operand.base.space));
    int64_t elem = byteSize(i < kernel.inputs.size()
                                ? kernel.inputs[i]
                                : kernel.outputs[i - kernel.inputs.size()]);
    // Loops the operand does not vary with are fetched once, when innermost.
    std::vector<int64_t> sizes = op.sizes, strides = operand.strides;
    while (!sizes.empty() && strides.back() == 0) {
      sizes.pop_back();
      strides.pop_back();
    }
    if (!operand.gather.empty())
      sizes = op.sizes, strides.assign(op.sizes.size(), 1 << 20);
    add(cost, operand.base.space,
        accessBytes(t, operand.base.space, sizes, strides, elem));
  }
  cost.startup = t.vecStartupCycles + worst;
}

} // namespace

InstructionCost costOf(const Program &program, const Instruction &instruction) {
  CostVisitor visitor{program, program.target, {}};
  std::visit(visitor, instruction.op);
  return visitor.cost;
}

} // namespace cim::schedule
