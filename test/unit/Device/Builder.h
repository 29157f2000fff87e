// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs for the device tests, built by hand: a target of round numbers, a
// program of one run stage, short-hands for instructions.
#ifndef CIM_TEST_UNIT_DEVICE_BUILDER_H
#define CIM_TEST_UNIT_DEVICE_BUILDER_H

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cim/Device/Device.h"
#include "cim/Program/Program.h"
#include "stream/Stream.h"
#include "timing/Simulator.h"

namespace cim::test {

/// Every rate and latency a different, easy number.
inline TargetSpec roundTarget() {
  TargetSpec target;
  target.name = "round";
  target.chips = 1;
  target.coresPerChip = 1;
  target.clockMhz = 1000;
  target.linkBytesPerCycle = 10;
  target.linkLatencyCycles = 1000;
  target.dramBytes = 1 << 24;
  target.dramBytesPerCycle = 80;
  target.dramEfficiency = 0.5; // 40 bytes per cycle
  target.dramLatencyCycles = 100;
  target.l2Bytes = 1 << 22;
  target.l2BytesPerCycle = 160;
  target.l2LatencyCycles = 30;
  target.l1Bytes = 1 << 20;
  target.l1BytesPerCycle = 64;
  target.l1AccessBytes = 32;
  target.accBytes = 1 << 18;
  target.accBytesPerCycle = 512;
  target.macroRows = target.macroCols = 16;
  target.macrosDown = target.macrosAcross = 4;
  target.weightSets = 4;
  target.weightBits = 8;
  target.planeSkipColumns = 16;
  target.weightWriteBytesPerCycle = 20;
  target.macStartupCycles = 7;
  target.writeStartupCycles = 5;
  target.bfpMantissaBits = 12;
  target.bfpBlockRows = 8;
  target.bfpAlignCycles = 1;
  target.vecBytesPerCycle = 64;
  target.vecSfuLanes = 4;
  target.vecOpsPerCycle = 2;
  target.vecStartupCycles = 9;
  target.dmaChannels = 4;
  target.dmaBytesPerCycle = 32;
  target.dmaStartupCycles = 10;
  target.dmaBurstBytes = 64;
  target.ctrlStartupCycles = 200;
  target.ctrlElementsPerCycle = 0.25;
  target.semaphores = 64;
  return target;
}

inline Address dram(uint64_t offset, uint8_t chip = 0) {
  return {Space::DRAM, chip, offset};
}
inline Address l2(uint64_t offset, uint8_t chip = 0) {
  return {Space::L2, chip, offset};
}
inline Address l1(uint64_t offset) { return {Space::L1, 0, offset}; }
inline Address acc(uint64_t offset) { return {Space::ACC, 0, offset}; }

/// An instruction with waits and a signal.
inline Instruction make(Operation op, std::vector<Wait> waits = {},
                        int signal = -1, std::vector<Step> steps = {}) {
  Instruction inst;
  inst.op = std::move(op);
  inst.waits = std::move(waits);
  inst.signal = signal < 0 ? kNoSemaphore : static_cast<uint16_t>(signal);
  inst.steps = std::move(steps);
  return inst;
}

/// `bytes` contiguous bytes from src to dst.
inline DmaCopy copyBytes(Address src, Address dst, int64_t bytes) {
  DmaCopy copy;
  copy.src = src;
  copy.dst = dst;
  copy.sizes = {bytes};
  copy.srcStrides = copy.dstStrides = {1};
  return copy;
}
inline DmaFill fillBytes(Address dst, int64_t bytes) {
  DmaFill fill;
  fill.dst = dst;
  fill.dims = {{bytes, 1}};
  return fill;
}

/// Planes tile of full macros at row 0, column 0 of `set`.
inline WriteWeights writeTile(uint8_t set, uint16_t rows, uint16_t cols,
                              Address src) {
  WriteWeights write;
  write.set = set;
  write.rows = rows;
  write.cols = cols;
  write.src = src;
  return write;
}

/// m rows of rows(=tile) contiguous int8 activations.
inline Mac macTile(uint8_t set, int64_t m, uint16_t rows, uint16_t cols,
                   Address act, Address sums) {
  Mac mac;
  mac.set = set;
  mac.rows = rows;
  mac.cols = cols;
  mac.act = act;
  mac.m = {{m, rows}};
  mac.k = {{rows, 1}};
  mac.acc = sums;
  mac.accStride = cols * 4;
  return mac;
}

/// out[i] = in[i], i < n, elements of `type`: moves data, no arithmetic.
inline Vec vecCopy(uint32_t kernel, Address in, Address out, int64_t n,
                   int64_t bytes) {
  Vec vec;
  vec.kernel = kernel;
  vec.sizes = {n};
  vec.operands = {{in, {bytes}, {}}, {out, {bytes}, {}}};
  return vec;
}
inline Kernel copyKernel(DType type) {
  return {"copy",
          {type},
          {type},
          1,
          {{MicroOp::Load, type, type, 0, {}, 0},
           {MicroOp::Store, type, type, 0, {0}, 1}}};
}

/// A program whose run stage is made of queues added one by one.
struct ProgramBuilder {
  Program program;

  explicit ProgramBuilder(TargetSpec target = roundTarget()) {
    program.model = "test";
    program.target = std::move(target);
    program.dramBytes = program.target.dramBytes;
    program.semaphores = static_cast<uint16_t>(program.target.semaphores);
    program.locations = {{"unknown", ""}};
  }

  /// A location of its own for the node, in layer `layer`.
  uint32_t location(std::string node, std::string layer = "") {
    program.locations.push_back({std::move(node), std::move(layer)});
    return static_cast<uint32_t>(program.locations.size() - 1);
  }

  Queue &queue(Engine engine, std::vector<Instruction> instructions,
               uint8_t index = 0, uint8_t core = 0, uint8_t chip = 0) {
    Queue queue;
    queue.chip = chip;
    queue.core = core;
    queue.engine = engine;
    queue.index = index;
    queue.instructions = std::move(instructions);
    program.run.queues.push_back(std::move(queue));
    return program.run.queues.back();
  }

  /// Time of the run stage; the error text if it faults.
  std::variant<StageStats, Fault> simulate(bool trace = false) const {
    auto streams = device::StageStreams::create(program.run, "run");
    if (!streams.ok()) {
      Fault fault;
      fault.message = std::string(streams.status().message());
      return fault;
    }
    std::vector<device::TileTable> tiles =
        device::makeTileTables(program.target);
    return device::simulate(program, *streams, tiles, trace);
  }
  uint64_t cycles() const {
    auto result = simulate();
    return std::holds_alternative<StageStats>(result)
               ? std::get<StageStats>(result).cycles
               : UINT64_MAX;
  }
};

/// Cycles of one instruction alone on its queue, after what `before` prepares.
inline uint64_t cyclesOf(Operation op, Engine engine,
                         TargetSpec target = roundTarget()) {
  ProgramBuilder builder(std::move(target));
  builder.queue(engine, {make(std::move(op))});
  return builder.cycles();
}

} // namespace cim::test

#endif // CIM_TEST_UNIT_DEVICE_BUILDER_H
