// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Host throughput of the instruction bodies, best of several runs:
//   cim-device-exec-bench [threads]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "exec/Machine.h"

namespace {

using namespace cim;

double best(const std::function<void()> &body) {
  double least = 1e9;
  for (int i = 0; i < 15; ++i) {
    auto t0 = std::chrono::steady_clock::now();
    body();
    std::chrono::duration<double> t = std::chrono::steady_clock::now() - t0;
    least = std::min(least, t.count());
  }
  return least;
}

Address at(Space space, uint64_t offset) { return {space, 0, offset}; }

struct Bench {
  Program program;
  std::unique_ptr<exec::Machine> machine;

  explicit Bench(int threads) {
    TargetSpec &t = program.target;
    t.coresPerChip = 1;
    t.dramBytes = 64 << 20, t.l2Bytes = 16 << 20, t.l1Bytes = 16 << 20;
    t.accBytes = 64 << 20;
    t.macrosDown = t.macrosAcross = 8;
    std::string weights(16 << 20, '\0');
    for (size_t i = 0; i < weights.size(); ++i)
      weights[i] = char(i * 2654435761u >> 13);
    program.segments.push_back({"w", at(Space::DRAM, 0), Blob(weights)});
    kernels();
    machine = *exec::Machine::create(program, false, threads);
    std::string acts(4 << 20, '\0');
    for (size_t i = 0; i < acts.size(); ++i)
      acts[i] = char(i * 40503u >> 7);
    (void)machine->write(at(Space::L1, 0), 0, acts.data(), acts.size());
    (void)machine->write(at(Space::L2, 0), 0, weights.data(), 8 << 20);
  }

  void kernels() {
    const DType i8 = DType::I8, i32 = DType::I32, f32 = DType::F32;
    program.kernels.push_back({"requantize",
                               {i32, f32},
                               {i8},
                               4,
                               {{MicroOp::Load, i32, i32, 0, {}, 0},
                                {MicroOp::Load, f32, f32, 1, {}, 1},
                                {MicroOp::Const, i32, i32, 2, {}, 3},
                                {MicroOp::Requantize, i8, i32, 3, {0, 1, 2}, 0},
                                {MicroOp::Store, i8, i8, 0, {3}, 2}}});
    program.kernels.push_back({"add",
                               {f32, f32},
                               {f32},
                               3,
                               {{MicroOp::Load, f32, f32, 0, {}, 0},
                                {MicroOp::Load, f32, f32, 1, {}, 1},
                                {MicroOp::Add, f32, f32, 2, {0, 1}, 0},
                                {MicroOp::Store, f32, f32, 0, {2}, 2}}});
    program.kernels.push_back({"exp",
                               {f32},
                               {f32},
                               2,
                               {{MicroOp::Load, f32, f32, 0, {}, 0},
                                {MicroOp::Exp, f32, f32, 1, {0}, 0},
                                {MicroOp::Store, f32, f32, 0, {1}, 1}}});
  }

  double run(Operation op) {
    Instruction instruction;
    instruction.op = std::move(op);
    return best([&] {
      if (auto fault = machine->execute(0, 0, instruction)) {
        fprintf(stderr, "%s\n", fault->message.c_str());
        exit(1);
      }
    });
  }

  void mac(const char *label, int64_t pixels, int64_t channels, int window,
           int cols, DType type) {
    WriteWeights w;
    w.rows = uint16_t(channels * window * window), w.cols = uint16_t(cols);
    bool bfp = type == DType::F32;
    if (bfp) {
      w.format = WeightFormat::F32;
      w.planes = 12;
      w.rowStride = cols * 4, w.colStride = 4;
    }
    w.src = at(Space::DRAM, 0);
    double cached = run(w);
    w.src = at(Space::L2, 0);
    double fresh = run(w);
    int64_t e = byteSize(type), width = pixels + window - 1;
    Mac m;
    m.rows = w.rows, m.cols = w.cols;
    m.actType = type;
    m.act = at(Space::L1, 0), m.acc = at(Space::ACC, 0);
    m.m = {{pixels, width * channels * e}, {pixels, channels * e}};
    m.k = {{window, width * channels * e}, {window * channels, e}};
    m.accStride = cols * 4;
    double t = run(m);
    double macs = double(pixels) * double(pixels) * w.rows * cols;
    printf("mac %-22s %6.1f GMAC/s; weights %6.2f/ns, cached %8.0f ns\n", label,
           macs / t * 1e-9, w.rows * double(cols) / fresh * 1e-9, cached * 1e9);
  }

  void vec(const char *label, uint32_t kernel, Vec op) {
    op.kernel = kernel;
    double n = 1;
    for (int64_t s : op.sizes)
      n *= double(s);
    printf("vec %-22s %6.3f ns/element\n", label, run(op) / n * 1e9);
  }
};

} // namespace

int main(int argc, char **argv) {
  Bench b(argc > 1 ? atoi(argv[1]) : 1);
  b.mac("1x1 256x256 i8", 28, 256, 1, 256, DType::I8);
  b.mac("3x3 64x128 i8", 56, 64, 3, 128, DType::I8);
  b.mac("3x3 112x512 u8", 14, 112, 3, 512, DType::U8);
  b.mac("7x7 3x64 i8", 112, 3, 7, 64, DType::I8);
  b.mac("3x3 64x128 i16", 56, 64, 3, 128, DType::I16);
  b.mac("1x1 1024x512 M=1", 1, 1024, 1, 512, DType::I8);
  b.mac("1x1 512x256 bfp12", 28, 512, 1, 256, DType::F32);
  Vec op;
  op.sizes = {784, 256};
  op.operands = {{at(Space::ACC, 0), {1024, 4}, {}},
                 {at(Space::L1, 1 << 20), {0, 4}, {}},
                 {at(Space::L1, 8 << 20), {256, 1}, {}}};
  b.vec("requantize 784x256", 0, op);
  op.sizes = {3136, 64};
  op.operands[0].strides = {256, 4}, op.operands[2].strides = {64, 1};
  b.vec("requantize 3136x64", 0, op);
  op.sizes = {200000};
  op.operands = {{at(Space::L1, 0), {4}, {}},
                 {at(Space::L1, 1 << 20), {4}, {}},
                 {at(Space::L1, 8 << 20), {4}, {}}};
  b.vec("add f32", 1, op);
  op.operands.erase(op.operands.begin());
  b.vec("exp f32", 2, op);
  op.sizes = {2048, 49};
  op.reductionMask = 2;
  op.operands = {{at(Space::L1, 0), {4, 8192}, {}},
                 {at(Space::L1, 8 << 20), {4, 0}, {}},
                 {at(Space::L1, 8 << 20), {4, 0}, {}}};
  b.vec("sum over 49 f32", 1, op);
  DmaCopy copy{
      at(Space::L1, 0), at(Space::L1, 8 << 20), 1, {512, 1024}, {1024, 1},
      {1, 512}};
  printf("dma transpose 512x1024     %6.3f ns/byte\n",
         b.run(copy) / (512 * 1024) * 1e9);
  copy = {at(Space::L1, 0), at(Space::L1, 8 << 20), 1,
          {56, 56 * 64},    {58 * 64, 1},           {56 * 64, 1}};
  printf("dma rows of 3584           %6.3f ns/byte\n",
         b.run(copy) / (56 * 56 * 64) * 1e9);
  return 0;
}
