// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Accesses of each instruction, one function per operation.
#include "access/Access.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "exec/CtrlKernels.h"

namespace cim::device {

uint32_t MemoryMap::of(const Address &address, uint32_t core) const {
  switch (address.space) {
  case Space::DRAM:
    return dram(address.chip);
  case Space::L2:
    return l2(address.chip);
  case Space::L1:
    return l1(core);
  case Space::ACC:
    return acc(core);
  }
  return 0;
}

MemoryMap::Kind MemoryMap::kind(uint32_t memory) const {
  if (memory < chips * 2)
    return memory % 2 ? Kind::L2 : Kind::DRAM;
  switch ((memory - chips * 2) % 3) {
  case 0:
    return Kind::L1;
  case 1:
    return Kind::ACC;
  default:
    return Kind::Weights;
  }
}

std::string MemoryMap::describe(uint32_t memory) const {
  static const char *const names[] = {"DRAM", "L2", "L1", "ACC", "weight sets"};
  const char *what = names[static_cast<int>(kind(memory))];
  if (memory < chips * 2)
    return absl::StrCat(what, " of chip ", memory / 2);
  uint32_t core = (memory - chips * 2) / 3;
  return absl::StrCat(what, " of chip ", core / coresPerChip, " core ",
                      core % coresPerChip);
}

uint32_t writtenOperands(const Kernel &kernel) {
  uint32_t written = 0;
  size_t inputs = kernel.inputs.size();
  for (size_t i = inputs; i < inputs + kernel.outputs.size() && i < 32; ++i)
    written |= 1u << i;
  for (const MicroInst &inst : kernel.body)
    if ((inst.op == MicroOp::Store || inst.op == MicroOp::Scatter) &&
        inst.imm < 32)
      written |= 1u << inst.imm;
  return written;
}

DType operandType(const Kernel &kernel, size_t index) {
  size_t inputs = kernel.inputs.size();
  return index < inputs ? kernel.inputs[index] : kernel.outputs[index - inputs];
}

namespace {

class Enumerator {
public:
  Enumerator(const Program &program, const MemoryMap &memories,
             const TileTable &tiles, uint32_t core,
             std::vector<Access> &accesses)
      : program(program), memories(memories), tiles(tiles), core(core),
        accesses(accesses) {}

  void operator()(const Nop &) {}
  void operator()(const LoopBegin &) {}
  void operator()(const LoopEnd &) {}

  void operator()(const DmaCopy &copy) {
    Box::Dims src, dst;
    for (size_t j = 0; j < copy.sizes.size(); ++j) {
      src.push_back({copy.sizes[j], copy.srcStrides[j]});
      dst.push_back({copy.sizes[j], copy.dstStrides[j]});
    }
    add(copy.src, false, copy.elemBytes, std::move(src));
    add(copy.dst, true, copy.elemBytes, std::move(dst));
  }

  void operator()(const DmaFill &fill) {
    add(fill.dst, true, fill.elemBytes,
        Box::Dims(fill.dims.begin(), fill.dims.end()));
  }

  void operator()(const WriteWeights &write) {
    for (uint32_t c = 0; c < write.copies; ++c)
      addMacros(write.set, tiles.macros(write, c), true);
    int64_t rows = write.rows, cols = write.cols;
    switch (write.format) {
    case WeightFormat::Planes:
      return addPlanes(write);
    case WeightFormat::Bfp: {
      int64_t block = std::max<int64_t>(1, write.blockRows);
      return add(write.src, false,
                 (rows + block - 1) / block * cols + rows * cols * 2, {});
    }
    case WeightFormat::Int8:
    case WeightFormat::F32:
    case WeightFormat::F16:
      int64_t bytes = write.format == WeightFormat::Int8  ? 1
                      : write.format == WeightFormat::F16 ? 2
                                                          : 4;
      return add(write.src, false, bytes,
                 {{rows, write.rowStride}, {cols, write.colStride}});
    }
  }

  void operator()(const Mac &mac) {
    if (const Tile *tile = tiles.find(mac)) {
      for (uint32_t c = 0; c < tile->copies; ++c)
        addMacros(mac.set, tiles.macros(*tile, c), false);
    } else {
      Tile named;
      named.row0 = mac.row0, named.col0 = mac.col0;
      named.rows = mac.rows, named.cols = mac.cols;
      addMacros(mac.set, tiles.macros(named, 0), false);
    }
    Box::Dims act(mac.m.begin(), mac.m.end());
    act.insert(act.end(), mac.k.begin(), mac.k.end());
    add(mac.act, false, byteSize(mac.actType), std::move(act));
    int64_t rows = 1;
    for (const Dim &dim : mac.m)
      rows *= dim.size;
    add(mac.acc, true, int64_t(mac.cols) * 4, {{rows, mac.accStride}});
    if (mac.init == AccInit::Bias)
      add(mac.bias, false, int64_t(mac.cols) * 4, {});
  }

  void operator()(const Vec &vec) {
    const Kernel &kernel = program.kernels[vec.kernel];
    uint32_t written = writtenOperands(kernel);
    for (size_t i = 0; i < vec.operands.size(); ++i) {
      const VecOperand &operand = vec.operands[i];
      Box::Dims dims(operand.gather.begin(), operand.gather.end());
      for (size_t j = 0; j < operand.strides.size(); ++j)
        dims.push_back({vec.sizes[j], operand.strides[j]});
      add(operand.base, written >> i & 1, byteSize(operandType(kernel, i)),
          std::move(dims));
    }
  }

  void operator()(const Ctrl &ctrl);

private:
  void add(const Address &address, bool write, int64_t length, Box::Dims dims) {
    accesses.push_back(
        {memories.of(address, core), write,
         Box(static_cast<int64_t>(address.offset), length, std::move(dims))});
  }

  void addMacros(uint32_t set, const MacroRect &rect, bool write) {
    if (rect.rows == 0)
      return;
    int64_t base = int64_t(set) * tiles.macrosPerSet() +
                   rect.row * tiles.macrosAcross() + rect.col;
    accesses.push_back(
        {memories.weights(core), write,
         Box(base, rect.cols, {{rect.rows, tiles.macrosAcross()}})});
  }

  /// D3.3: plane after plane; masked planes of a column group are skipped.
  void addPlanes(const WriteWeights &write) {
    int64_t rowBytes = (write.cols + 7) / 8;
    int64_t planeBytes = rowBytes * write.rows;
    if (write.planeMasks.empty())
      return add(write.src, false, planeBytes * write.planes, {});
    int64_t group = std::max<int64_t>(1, program.target.planeSkipColumns);
    size_t groups = (write.cols + group - 1) / group;
    for (size_t g = 0; g < groups; ++g) {
      int64_t from = g * group / 8;
      int64_t to = (std::min<int64_t>(write.cols, (g + 1) * group) + 7) / 8;
      uint32_t mask =
          g < write.planeMasks.size() ? write.planeMasks[g] : 0xffff;
      // Neighbouring issued planes make one box.
      for (int64_t p = 0; p < write.planes; ++p) {
        int64_t first = p;
        while (p < write.planes && (mask >> p & 1))
          ++p;
        if (p == first)
          continue;
        Address src = write.src;
        src.offset += first * planeBytes + from;
        add(src, false, to - from,
            {{p - first, planeBytes}, {write.rows, rowBytes}});
      }
    }
  }

  const Program &program;
  const MemoryMap &memories;
  const TileTable &tiles;
  uint32_t core;
  std::vector<Access> &accesses;
};

/// Firmware kernels say what they touch. Nothing for an illegal instruction or
/// for strides that leave every memory: executing it is the fault.
void Enumerator::operator()(const Ctrl &ctrl) {
  absl::StatusOr<exec::CtrlShape> shape = exec::ctrlShape(ctrl);
  if (!shape.ok())
    return;
  for (const exec::CtrlShape::Access &access : shape->accesses) {
    constexpr __int128 limit = int64_t(1) << 60;
    bool sane = true;
    __int128 extent = 0;
    for (const Dim &dim : access.dims) {
      __int128 length = __int128(dim.size - 1) * dim.stride;
      extent += length < 0 ? -length : length;
      sane &= extent < limit;
    }
    if (sane)
      add(ctrl.operands[access.operand].base, access.write,
          byteSize(access.type),
          Box::Dims(access.dims.begin(), access.dims.end()));
  }
}

} // namespace

void enumerateAccesses(const Program &program, const MemoryMap &memories,
                       const TileTable &tiles, uint32_t chip, uint32_t core,
                       const Instruction &instruction,
                       std::vector<Access> &accesses) {
  std::visit(
      Enumerator(program, memories, tiles, memories.core(chip, core), accesses),
      instruction.op);
}

} // namespace cim::device
