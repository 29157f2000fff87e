// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// D4.5: issue slots, operand traffic and latency of Vec.
#include <gtest/gtest.h>

#include "Builder.h"
#include "timing/Cost.h"

namespace cim::test {
namespace {

constexpr DType f32 = DType::F32, i8 = DType::I8, i32 = DType::I32;

MicroInst load(uint16_t dst, uint64_t operand, DType type = f32) {
  return {MicroOp::Load, type, type, dst, {}, operand};
}
MicroInst store(uint16_t src, uint64_t operand, DType type = f32) {
  return {MicroOp::Store, type, type, 0, {src}, operand};
}
MicroInst op(MicroOp what, uint16_t dst, std::vector<uint16_t> args,
             DType type = f32, DType srcType = f32) {
  return {what, type, srcType, dst, std::move(args), 0};
}

/// Issue cycles of a body for n iterations.
uint64_t issue(std::vector<MicroInst> body, uint64_t n) {
  Kernel kernel;
  kernel.registers = 16;
  kernel.body = std::move(body);
  return device::issueCycles(roundTarget(), kernel, n).cycles;
}

TEST(VecTiming, MovingDataTakesNoSlots) {
  EXPECT_EQ(issue({load(0, 0), store(0, 1)}, 1000), 0u);
  EXPECT_EQ(
      issue({op(MicroOp::Const, 0, {}), op(MicroOp::Index, 1, {}), store(0, 0)},
            1000),
      0u);
}

TEST(VecTiming, OrdinarySlots) {
  // 16 lanes of f32: 161 iterations take 11 cycles a slot, two slots at once.
  EXPECT_EQ(
      issue({load(0, 0), load(1, 1), op(MicroOp::Add, 2, {0, 1}), store(2, 2)},
            161),
      6u);
  EXPECT_EQ(issue({load(0, 0), load(1, 1), op(MicroOp::Add, 2, {0, 1}),
                   op(MicroOp::Max, 3, {2, 0}), store(3, 2)},
                  161),
            11u);
  // 64 lanes of i8.
  EXPECT_EQ(issue({op(MicroOp::Add, 2, {0, 1}, i8)}, 640), 5u);
  // 8 lanes of f64.
  EXPECT_EQ(issue({op(MicroOp::Mul, 2, {0, 1}, DType::F64)}, 640), 40u);
}

TEST(VecTiming, SfuSlots) {
  for (MicroOp what : {MicroOp::Exp, MicroOp::Tanh, MicroOp::Pow, MicroOp::Div,
                       MicroOp::Rem, MicroOp::Sqrt, MicroOp::DivU})
    EXPECT_EQ(issue({op(what, 1, {0})}, 41), 11u);
  for (MicroOp what : {MicroOp::Ceil, MicroOp::RoundEven, MicroOp::CopySign,
                       MicroOp::IsNan, MicroOp::Fma, MicroOp::Select})
    EXPECT_EQ(issue({op(what, 1, {0})}, 64), 2u);
  EXPECT_EQ(issue({op(MicroOp::Exp, 1, {0}), op(MicroOp::Add, 2, {1, 0})}, 64),
            16u + 2);
}

TEST(VecTiming, CastsBesideMemoryAreFree) {
  EXPECT_EQ(issue({load(0, 0, i8), op(MicroOp::Cast, 1, {0}, f32, i8),
                   op(MicroOp::Mul, 2, {1, 1}),
                   op(MicroOp::Cast, 3, {2}, i8, f32), store(3, 1, i8)},
                  64),
            2u); // the multiplication: 4 cycles at two a cycle
  EXPECT_EQ(issue({load(0, 0), op(MicroOp::Mul, 1, {0, 0}),
                   op(MicroOp::Cast, 2, {1}, i32, f32),
                   op(MicroOp::Add, 3, {2, 2}, i32), store(3, 1, i32)},
                  64),
            6u); // three slots
}

TEST(VecTiming, RequantizeIsOneSlotOfTheWiderSide) {
  EXPECT_EQ(
      issue({load(0, 0, i32), op(MicroOp::Requantize, 3, {0, 1, 2}, i8, i32),
             store(3, 1, i8)},
            160),
      5u);
}

Kernel add() {
  return {"add",
          {f32, f32},
          {f32},
          3,
          {load(0, 0), load(1, 1), op(MicroOp::Add, 2, {0, 1}), store(2, 2)}};
}

uint64_t cyclesOf(Kernel kernel, Vec vec) {
  ProgramBuilder builder;
  builder.program.kernels = {std::move(kernel)};
  builder.queue(Engine::Vec, {make(std::move(vec))});
  return builder.cycles();
}

TEST(VecTiming, MemoryBound) {
  Vec vec;
  vec.sizes = {160};
  vec.operands = {{l1(0), {4}, {}}, {l1(1024), {4}, {}}, {l1(2048), {4}, {}}};
  // 3 * 640 bytes at 64 per cycle; issue needs 5.
  EXPECT_EQ(cyclesOf(add(), vec), 9u + 30);
  // ACC is another memory.
  vec.operands[0].base = acc(0);
  EXPECT_EQ(cyclesOf(add(), vec), 9u + 20);
}

TEST(VecTiming, FarMemoriesAddTheirLatencyOnce) {
  Vec vec;
  vec.sizes = {160};
  vec.operands = {{dram(0), {4}, {}}, {l2(0), {4}, {}}, {l1(0), {4}, {}}};
  EXPECT_EQ(cyclesOf(add(), vec), 9u + 100 + 640 / 40);
}

TEST(VecTiming, InnermostBroadcastIsFetchedOnce) {
  Vec vec;
  vec.sizes = {10, 16}; // rows, columns
  // Per-row scalar: 10 accesses of 32 bytes; the others 10 * 64 bytes dense.
  vec.operands = {
      {l1(0), {4, 0}, {}}, {l1(1024), {64, 4}, {}}, {l1(4096), {64, 4}, {}}};
  // 10 scalars are contiguous: one run of 40 bytes = 64.
  EXPECT_EQ(cyclesOf(add(), vec), 9u + (64 + 640 + 640) / 64);
  // Scalars far apart: a 32-byte access each.
  vec.operands[0].strides = {256, 0};
  EXPECT_EQ(cyclesOf(add(), vec), 9u + (320 + 640 + 640) / 64);
  // Per-column vector: fetched again for every row.
  vec.operands[0].strides = {0, 4};
  EXPECT_EQ(cyclesOf(add(), vec), 9u + 3 * 640 / 64);
}

TEST(VecTiming, GatherFetchesEachElement) {
  Kernel kernel{"gather",
                {f32, DType::I64},
                {f32},
                3,
                {load(0, 1, DType::I64),
                 {MicroOp::Gather, f32, f32, 1, {0}, 0},
                 store(1, 2)}};
  Vec vec;
  vec.sizes = {160};
  vec.operands = {
      {l1(0), {0}, {{1000, 4}}}, {acc(0), {8}, {}}, {acc(4096), {4}, {}}};
  EXPECT_EQ(cyclesOf(kernel, vec), 9u + 160 * 32 / 64);
}

} // namespace
} // namespace cim::test
