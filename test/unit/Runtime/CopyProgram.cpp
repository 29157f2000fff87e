// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "CopyProgram.h"

namespace cim {

Program copyProgram() {
  Program p;
  p.model = "copy";
  p.dramBytes = 4096;
  p.semaphores = 1;
  p.inputs = {{"x", DType::I8, {2, 4}, {Space::DRAM, 0, 0}, {}}};
  p.outputs = {{"y", DType::I8, {2, 4}, {Space::DRAM, 0, 64}, {}}};
  p.locations = {{"", ""}, {"Identity_0", "copy"}};
  p.layers = {{"copy", "move", "i8", {"Identity_0"}, 0, 300, "", "one copy"}};
  p.buffers = {{"x in L1", {Space::L1, 0, 0}, 0, 8, 0, 0}};
  DmaCopy in, out;
  in.src = p.inputs[0].address, in.dst = {Space::L1, 0, 0};
  in.sizes = {8}, in.srcStrides = {1}, in.dstStrides = {1};
  out = in;
  out.src = in.dst, out.dst = p.outputs[0].address;
  p.run.queues = {
      {0, 0, Engine::Dma, 0, {{in, {}, 0, {}, 1}}},
      {0, 0, Engine::Dma, 1, {{out, {{0, 1}}, kNoSemaphore, {}, 1}}}};
  p.predictedCycles = 300;
  p.lowerBoundCycles = 100;
  p.reportJson = R"({"compile": {"import": 0.5, "peak_rss_bytes": 7},
                     "options": {"opt": 2}})";
  return p;
}

Program lengthProgram(uint32_t dim) {
  Program p;
  p.model = "lengths";
  p.dramBytes = 4096;
  p.locations = {{"", ""}};
  p.inputs.resize(2);
  TensorInfo &x = p.inputs[0], &n = p.inputs[1];
  x.name = "x", x.type = DType::I8, x.shape = {4, 3};
  n.name = "n", n.type = DType::I64, n.address.offset = 64;
  p.outputs = {n, x};
  p.outputs[0].name = "y.length";
  p.outputs[0].hidden = true;
  p.outputs[1].name = "y";
  p.outputs[1].lengths = {{dim, 0}};
  return p;
}

} // namespace cim
