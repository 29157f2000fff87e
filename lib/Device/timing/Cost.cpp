// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rules D4.1 to D4.6, one function per operation.
#include "timing/Cost.h"

#include <algorithm>
#include <cmath>

#include "access/Runs.h"
#include "exec/CtrlKernels.h"

namespace cim::device {

ResourceMap::ResourceMap(const TargetSpec &target)
    : memories(target), chips(target.chips),
      rates(memories.size() + target.chips * target.chips) {
  for (uint32_t chip = 0; chip < chips; ++chip) {
    rates[memories.dram(chip)] = target.dramEffectiveBytesPerCycle();
    rates[memories.l2(chip)] = target.l2BytesPerCycle;
    for (uint32_t to = 0; to < chips; ++to)
      rates[link(chip, to)] = target.linkBytesPerCycle;
  }
  for (uint32_t core = 0; core < chips * target.coresPerChip; ++core) {
    rates[memories.l1(core)] = target.l1BytesPerCycle;
    rates[memories.acc(core)] = target.accBytesPerCycle;
    rates[memories.weights(core)] = target.weightWriteBytesPerCycle;
  }
}

ResourceMap::Kind ResourceMap::kind(uint32_t resource) const {
  if (resource >= memories.size())
    return Kind::Link;
  return static_cast<Kind>(memories.kind(resource));
}

namespace {

uint64_t product(const std::vector<Dim> &dims) {
  uint64_t n = 1;
  for (const Dim &dim : dims)
    n *= static_cast<uint64_t>(dim.size);
  return n;
}

uint64_t ceilDiv(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

bool isSfu(MicroOp op) {
  switch (op) {
  case MicroOp::Div:
  case MicroOp::Rem:
  case MicroOp::DivU:
  case MicroOp::RemU:
    return true;
  default:
    return op >= MicroOp::Exp && op <= MicroOp::Pow;
  }
}

/// Casts and quantizations occupy lanes of their wider side.
unsigned laneBytes(const MicroInst &inst) {
  switch (inst.op) {
  case MicroOp::Cast:
  case MicroOp::Bitcast:
  case MicroOp::Quantize:
  case MicroOp::Requantize:
  case MicroOp::Dequantize:
    return std::max(byteSize(inst.type), byteSize(inst.srcType));
  default:
    return byteSize(inst.type);
  }
}

class CostModel {
public:
  CostModel(const TargetSpec &target, const ResourceMap &resources,
            const Program &program, uint32_t chip, uint32_t core,
            const Tile *tile)
      : target(target), resources(resources), program(program), chip(chip),
        core(chip * target.coresPerChip + core), tile(tile) {}

  InstructionCost result;

  void operator()(const Nop &) {}
  void operator()(const LoopBegin &) {}
  void operator()(const LoopEnd &) {}

  /// D4.1.
  void operator()(const DmaCopy &copy) {
    std::vector<Dim> src, dst;
    for (size_t j = 0; j < copy.sizes.size(); ++j) {
      src.push_back({copy.sizes[j], copy.srcStrides[j]});
      dst.push_back({copy.sizes[j], copy.dstStrides[j]});
    }
    uint64_t bytes = product(src) * copy.elemBytes;
    result.startup = target.dmaStartupCycles +
                     std::max(latency(copy.src), latency(copy.dst));
    result.engineCycles = bytes / target.dmaBytesPerCycle;
    move(copy.src, contiguousRuns(src, copy.elemBytes), false);
    move(copy.dst, contiguousRuns(dst, copy.elemBytes), true);
    // From home to home; an on-core memory is at home on the core's chip.
    if (uint32_t from = home(copy.src), to = home(copy.dst); from != to) {
      result.startup += target.linkLatencyCycles;
      demand(resources.link(from, to), 0, bytes);
    }
  }

  /// D4.1.
  void operator()(const DmaFill &fill) {
    result.startup = target.dmaStartupCycles + latency(fill.dst);
    uint64_t bytes = product(fill.dims) * fill.elemBytes;
    result.engineCycles = bytes / target.dmaBytesPerCycle;
    move(fill.dst, contiguousRuns(fill.dims, fill.elemBytes), true);
    if (home(fill.dst) != chip) {
      result.startup += target.linkLatencyCycles;
      demand(resources.link(chip, home(fill.dst)), 0, bytes);
    }
  }

  /// D4.2.
  void operator()(const WriteWeights &write) {
    uint64_t cells = uint64_t(write.rows) * write.cols;
    uint64_t stored = 0;
    switch (write.format) {
    case WeightFormat::Planes:
      stored = issuedPlanes(write, target.planeSkipColumns).bytes;
      break;
    case WeightFormat::Int8:
      stored = cells;
      break;
    case WeightFormat::Bfp:
      stored = ceilDiv(write.rows, std::max<uint64_t>(1, write.blockRows)) *
                   write.cols +
               cells * 2;
      break;
    case WeightFormat::F16:
      stored = cells * 2;
      break;
    case WeightFormat::F32:
      stored = cells * 4;
      break;
    }
    result.startup = target.writeStartupCycles + latency(write.src);
    result.engineCycles = stored / target.weightWriteBytesPerCycle;
    result.writtenWeightBytes = stored * write.copies;
    demand(resources.of(write.src, core), stored, 0);
    if (home(write.src) != chip) {
      result.startup += target.linkLatencyCycles;
      demand(resources.link(home(write.src), chip), 0, stored);
    }
  }

  /// D4.3, D4.4.
  void operator()(const Mac &mac) {
    uint64_t rows = product(mac.m);
    uint64_t perRow = 0, planeColumns = 0;
    bool bfp = tile ? isBfp(tile->format) : isFloat(mac.actType);
    if (bfp) {
      uint64_t bits = tile ? tile->planes : target.bfpMantissaBits;
      perRow = bits + target.bfpAlignCycles;
      planeColumns = uint64_t(mac.cols) * bits;
    } else {
      uint64_t passes = mac.actType == DType::I16 ? 2 : 1;
      perRow = (tile ? tile->planes : target.weightBits) * passes;
      planeColumns = passes * (tile ? tile->planeColumns
                                    : uint64_t(mac.cols) * target.weightBits);
    }
    perRow = std::max<uint64_t>(1, perRow);
    result.startup = target.macStartupCycles;
    result.engineCycles = static_cast<double>(
        ceilDiv(rows, std::max<uint64_t>(1, mac.copies)) * perRow);
    result.macs = rows * mac.rows * mac.cols;
    result.bitMacs = rows * mac.rows * planeColumns;
    Runs act = contiguousRuns(mac.k, byteSize(mac.actType));
    demand(resources.l1(core), rows * act.rounded(target.l1AccessBytes), 0);
    uint64_t sums = rows * mac.cols * 4;
    demand(resources.acc(core), mac.init == AccInit::Accumulate ? sums : 0,
           sums);
  }

  /// D4.5.
  void operator()(const Vec &vec) {
    const Kernel &kernel = program.kernels[vec.kernel];
    uint64_t n = 1;
    for (int64_t size : vec.sizes)
      n *= static_cast<uint64_t>(size);
    KernelIssue issue = issueCycles(target, kernel, n);
    result.engineCycles = static_cast<double>(issue.cycles);
    result.laneOps = issue.laneOps;
    uint32_t written = writtenOperands(kernel);
    uint64_t wait = 0;
    for (size_t i = 0; i < vec.operands.size(); ++i) {
      const VecOperand &operand = vec.operands[i];
      uint64_t bytes = byteSize(operandType(kernel, i));
      bool writes = written >> i & 1;
      uint64_t far = latency(operand.base);
      if (home(operand.base) != chip)
        far += target.linkLatencyCycles;
      wait = std::max(wait, far);
      Runs runs = operand.gather.empty()
                      ? fetchedRuns(vec.sizes, operand.strides, bytes)
                      : Runs{n, bytes};
      move(operand.base, runs, writes);
      if (uint32_t there = home(operand.base); there != chip)
        demand(writes ? resources.link(chip, there)
                      : resources.link(there, chip),
               0, runs.total());
    }
    result.startup = target.vecStartupCycles + wait;
  }

  /// D4.6.
  void operator()(const Ctrl &ctrl);

  void finish() {
    std::sort(result.demands.begin(), result.demands.end(),
              [](const Demand &a, const Demand &b) {
                return a.resource < b.resource;
              });
    result.soloCycles = result.engineCycles;
    for (const Demand &demand : result.demands)
      result.soloCycles = std::max(
          result.soloCycles, demand.bytes() / resources.rate(demand.resource));
    result.soloDuration = result.startup + ceilCycles(result.soloCycles);
  }

private:
  /// Chip whose link port an address is behind.
  uint32_t home(const Address &address) const {
    return address.space == Space::DRAM || address.space == Space::L2
               ? address.chip
               : chip;
  }

  uint64_t latency(const Address &address) const {
    switch (address.space) {
    case Space::DRAM:
      return target.dramLatencyCycles;
    case Space::L2:
      return target.l2LatencyCycles;
    default:
      return 0;
    }
  }

  void demand(uint32_t resource, uint64_t readBytes, uint64_t writeBytes) {
    if (readBytes + writeBytes == 0)
      return;
    for (Demand &demand : result.demands) {
      if (demand.resource == resource) {
        demand.readBytes += readBytes;
        demand.writeBytes += writeBytes;
        return;
      }
    }
    result.demands.push_back({resource, readBytes, writeBytes});
  }

  /// Runs rounded to the granule of their memory.
  void move(const Address &address, const Runs &runs, bool write) {
    uint64_t granule = address.space == Space::DRAM ? target.dmaBurstBytes
                       : address.space == Space::L1 ? target.l1AccessBytes
                                                    : 1;
    uint64_t bytes = runs.rounded(granule);
    demand(resources.of(address, core), write ? 0 : bytes, write ? bytes : 0);
  }

  /// D4.5: an operand is fetched once for the innermost loops it does not
  /// vary with.
  static Runs fetchedRuns(const std::vector<int64_t> &sizes,
                          const std::vector<int64_t> &strides, uint64_t bytes) {
    size_t depth = sizes.size();
    while (depth > 0 && (strides[depth - 1] == 0 || sizes[depth - 1] <= 1))
      --depth;
    std::vector<Dim> dims;
    for (size_t j = 0; j < depth; ++j)
      dims.push_back({sizes[j], strides[j]});
    return contiguousRuns(dims, bytes);
  }

  const TargetSpec &target;
  const ResourceMap &resources;
  const Program &program;
  uint32_t chip, core;
  const Tile *tile;
};

void CostModel::operator()(const Ctrl &ctrl) {
  result.startup = target.ctrlStartupCycles;
  absl::StatusOr<exec::CtrlShape> shape = exec::ctrlShape(ctrl);
  if (shape.ok()) // else executing it is the fault
    result.engineCycles = shape->elements / target.ctrlElementsPerCycle;
}

} // namespace

KernelIssue issueCycles(const TargetSpec &target, const Kernel &kernel,
                        uint64_t n) {
  std::vector<bool> loaded(kernel.registers), stored(kernel.registers);
  for (const MicroInst &inst : kernel.body) {
    if (inst.op == MicroOp::Load && inst.dst < loaded.size())
      loaded[inst.dst] = true;
    if (inst.op == MicroOp::Store && !inst.args.empty() &&
        inst.args[0] < stored.size())
      stored[inst.args[0]] = true;
  }
  uint64_t ordinary = 0, sfu = 0, slots = 0;
  for (const MicroInst &inst : kernel.body) {
    switch (inst.op) {
    case MicroOp::Load:
    case MicroOp::Store:
    case MicroOp::Const:
    case MicroOp::Index:
      continue;
    case MicroOp::Cast:
      if ((!inst.args.empty() && inst.args[0] < loaded.size() &&
           loaded[inst.args[0]]) ||
          (inst.dst < stored.size() && stored[inst.dst]))
        continue;
      break;
    default:
      break;
    }
    ++slots;
    if (isSfu(inst.op))
      sfu += ceilDiv(n, std::max(1u, target.vecSfuLanes));
    else
      ordinary +=
          ceilDiv(n, std::max(1u, target.vecBytesPerCycle / laneBytes(inst)));
  }
  return {ceilDiv(ordinary, std::max(1u, target.vecOpsPerCycle)) + sfu,
          slots * n};
}

uint64_t ceilCycles(double cycles) {
  return cycles <= 0 ? 0 : static_cast<uint64_t>(std::ceil(cycles - 1e-6));
}

InstructionCost cost(const TargetSpec &target, const ResourceMap &resources,
                     const Instruction &instruction, const Program &program,
                     uint32_t chip, uint32_t core, const Tile *tile) {
  CostModel model(target, resources, program, chip, core, tile);
  std::visit([&](const auto &op) { model(op); }, instruction.op);
  model.finish();
  return std::move(model.result);
}

} // namespace cim::device
