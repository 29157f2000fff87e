// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "SampleProgram.h"

namespace cim {
namespace {

/// A fixed target: golden files must not change when presets do.
TargetSpec sampleTarget() {
  TargetSpec t;
  t.name = "sample";
  t.description = "for tests";
  t.chips = 2;
  t.clockMhz = 1000;
  t.coresPerChip = 2;
  t.dramBytes = 1 << 20;
  t.l2Bytes = 64 << 10;
  t.l1Bytes = 16 << 10;
  t.accBytes = 8 << 10;
  t.accBytesPerCycle = 1024;
  t.macroRows = t.macroCols = 16;
  t.macrosDown = t.macrosAcross = 2;
  t.weightSets = 2;
  t.planeSkipColumns = 16;
  t.bfpBlockRows = 16;
  t.dmaChannels = 2;
  t.semaphores = 64;
  t.provenance["clock_mhz"] = Provenance::Measured;
  t.notes["clock_mhz"] = "a note";
  return t;
}

Instruction make(Operation op, std::vector<Wait> waits = {},
                 uint16_t signal = kNoSemaphore, std::vector<Step> steps = {},
                 uint32_t loc = 1) {
  return {std::move(op), std::move(waits), signal, std::move(steps), loc};
}

Kernel requantizeKernel() {
  Kernel kernel;
  kernel.name = "requantize";
  kernel.inputs = {DType::I32, DType::F32};
  kernel.outputs = {DType::I8};
  kernel.registers = 4;
  kernel.body = {
      {MicroOp::Load, DType::I32, DType::I32, 0, {}, 0},
      {MicroOp::Load, DType::F32, DType::F32, 1, {}, 1},
      {MicroOp::Const, DType::I32, DType::I32, 2, {}, 0xfffffffd},
      {MicroOp::Requantize, DType::I8, DType::I32, 3, {0, 1, 2}, 0},
      {MicroOp::Store, DType::I8, DType::I8, 0, {3}, 2},
  };
  return kernel;
}

/// out[i] = table[index of loop 0]
Kernel gatherKernel() {
  Kernel kernel;
  kernel.name = "gather";
  kernel.inputs = {DType::F32};
  kernel.outputs = {DType::F32};
  kernel.registers = 3;
  kernel.body = {
      {MicroOp::Index, DType::I64, DType::I64, 0, {}, 0},
      {MicroOp::Gather, DType::F32, DType::F32, 1, {0}, 0},
      {MicroOp::Exp, DType::F32, DType::F32, 2, {1}, 0},
      {MicroOp::Store, DType::F32, DType::F32, 0, {2}, 1},
  };
  return kernel;
}

Stage loadStage() {
  WriteWeights write;
  write.rows = 16, write.cols = 24, write.copies = 2, write.copyCols = 1;
  write.copyRowPitch = 16;
  write.planes = 5;
  write.src = {Space::DRAM, 0, 4096};
  write.planeMasks = {0x1f, 0x17};
  Queue queue{0, 0, Engine::WeightWrite, 0, {make(write)}};
  return {{queue}};
}

Queue dmaQueue() {
  DmaCopy copy;
  copy.src = {Space::DRAM, 0, 0};
  copy.dst = {Space::L1, 0, 0};
  copy.elemBytes = 1;
  copy.sizes = {4, 16};
  copy.srcStrides = {16, 1};
  copy.dstStrides = {32, 1};
  DmaFill fill;
  fill.dst = {Space::L1, 0, 8192};
  fill.elemBytes = 4;
  fill.value = 0x3f800000;
  fill.dims = {{96, 4}};
  DmaCopy out;
  out.src = {Space::L1, 0, 2048};
  out.dst = {Space::DRAM, 1, 512};
  out.sizes = {96}, out.srcStrides = {1}, out.dstStrides = {1};
  return {0,
          0,
          Engine::Dma,
          1,
          {make(fill, {}, 2), make(LoopBegin{3}),
           make(copy, {{1, 0}}, 0,
                {{StepField::Src, 0, 0, 64}, {StepField::WaitValue, 0, 0, 1}}),
           make(LoopEnd{}), make(out, {{3, 3}, {4, 1}}, kNoSemaphore, {}, 2)}};
}

Queue macQueue() {
  Mac mac;
  mac.rows = 16, mac.cols = 24, mac.copies = 2;
  mac.act = {Space::L1, 0, 0};
  mac.m = {{4, 32}};
  mac.k = {{4, 4}, {4, 1}};
  mac.acc = {Space::ACC, 0, 0};
  mac.accStride = 96;
  mac.init = AccInit::Bias;
  mac.bias = {Space::L1, 0, 8192};
  return {0,
          0,
          Engine::Mac,
          0,
          {make(LoopBegin{3}),
           make(mac, {{0, 1}, {2, 1}}, 1,
                {{StepField::WaitValue, 0, 0, 1}, {StepField::Dst, 0, 0, 384}}),
           make(LoopEnd{})}};
}

Queue vecQueue() {
  Vec requantize;
  requantize.kernel = 0;
  requantize.sizes = {4, 24};
  requantize.operands = {{{Space::ACC, 0, 0}, {96, 4}, {}},
                         {{Space::L1, 0, 8192}, {0, 4}, {}},
                         {{Space::L1, 0, 2048}, {24, 1}, {}}};
  Vec gather;
  gather.kernel = 1;
  gather.sizes = {8};
  gather.indexBase = {2};
  gather.reductionMask = 0;
  gather.operands = {{{Space::L2, 1, 128}, {0}, {{16, 4}}},
                     {{Space::L1, 0, 4096}, {4}, {}}};
  return {
      0,
      0,
      Engine::Vec,
      0,
      {make(LoopBegin{3}),
       make(requantize, {{1, 1}}, 3,
            {{StepField::WaitValue, 0, 0, 1}, {StepField::Operand, 0, 0, 384}}),
       make(gather, {}, kNoSemaphore, {{StepField::IndexBase, 0, 0, 1}}),
       make(LoopEnd{})}};
}

Queue ctrlQueue() {
  Ctrl ctrl;
  ctrl.kernel = 3;
  ctrl.params = {-1, 7};
  ctrl.operands = {{{Space::DRAM, 1, 1024}, {4, 1}, {}}};
  return {1, 1, Engine::Ctrl, 0, {make(ctrl, {}, 4, {}, 2), make(Nop{})}};
}

} // namespace

Program sampleProgram() {
  Program p;
  p.model = "sample";
  p.producer = "cimc 0.1.0";
  p.target = sampleTarget();
  p.dramBytes = 16 << 10;
  p.semaphores = 5;
  p.inputs = {{"x", DType::I8, {1, 12, 16}, {Space::DRAM, 0, 0}, {0.5f, -3}}};
  p.outputs = {{"y", DType::I8, {1, 96}, {Space::DRAM, 1, 512}, {}},
               {"z", DType::F32, {}, {Space::DRAM, 0, 1024}, {}},
               {"found", DType::F32, {4, 2}, {Space::DRAM, 0, 1088}, {}},
               {"found.n", DType::I64, {}, {Space::DRAM, 0, 1152}, {}}};
  p.outputs[2].lengths = {{0, 3}};
  p.outputs[3].hidden = true;
  std::string weights;
  for (int i = 0; i < 5 * 16 * 3; ++i)
    weights.push_back(static_cast<char>(i * 37));
  p.segments = {{"weights", {Space::DRAM, 0, 4096}, Blob(weights)},
                {"empty", {Space::DRAM, 0, 4096}, Blob("")},
                {"table", {Space::DRAM, 1, 0}, Blob(std::string(70, '\x11'))}};
  p.kernels = {requantizeKernel(), gatherKernel()};
  p.locations = {{"", ""}, {"Conv_3", "conv3"}, {"Gather_5", "gather5"}};
  p.layers = {{"conv3",
               "conv",
               "w5a8",
               {"Conv_3", "Relu_4"},
               1234,
               99,
               "tile = [m 4]",
               "bound by the vector unit"},
              {"gather5", "vector", "f32", {"Gather_5"}, 0, 12, "", ""}};
  p.buffers = {{"x tile", {Space::L1, 0, 0}, 0, 128, 0, 0},
               {"y", {Space::DRAM, 1, 512}, 0, 96, 0, 1}};
  p.load = loadStage();
  p.run = {{dmaQueue(), macQueue(), vecQueue(), ctrlQueue()}};
  p.predictedCycles = 1000;
  p.lowerBoundCycles = 500;
  p.predictedLoadCycles = 70;
  p.reportJson = "{\"compile\": {}}";
  return p;
}

} // namespace cim
