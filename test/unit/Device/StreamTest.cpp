// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Cursor and resolver: loops, steps, empty loops.
#include "stream/Stream.h"

#include <gtest/gtest.h>

#include "Builder.h"

namespace cim::test {
namespace {

using device::Cursor;
using device::Resolver;
using device::Stream;

Queue queueOf(std::vector<Instruction> instructions) {
  Queue queue;
  queue.instructions = std::move(instructions);
  return queue;
}

std::vector<std::pair<uint32_t, std::vector<uint64_t>>>
visits(const Queue &queue) {
  absl::StatusOr<Stream> stream = Stream::create(queue);
  EXPECT_TRUE(stream.ok()) << stream.status();
  std::vector<std::pair<uint32_t, std::vector<uint64_t>>> list;
  Cursor cursor(*stream);
  for (; !cursor.done(); cursor.advance()) {
    EXPECT_EQ(cursor.dynamicIndex(), list.size());
    list.push_back({cursor.index(), cursor.iterations()});
  }
  EXPECT_EQ(stream->length(), list.size());
  return list;
}

TEST(Stream, NestedLoops) {
  Queue queue =
      queueOf({make(Nop{}), make(LoopBegin{2}), make(LoopBegin{2}), make(Nop{}),
               make(LoopEnd{}), make(Nop{}), make(LoopEnd{}), make(Nop{})});
  EXPECT_EQ(
      visits(queue),
      (std::vector<std::pair<uint32_t, std::vector<uint64_t>>>{{0, {}},
                                                               {3, {0, 0}},
                                                               {3, {0, 1}},
                                                               {5, {0}},
                                                               {3, {1, 0}},
                                                               {3, {1, 1}},
                                                               {5, {1}},
                                                               {7, {}}}));
}

TEST(Stream, LoopBoundsThatSynchronizeAreYielded) {
  Queue queue = queueOf(
      {make(LoopBegin{2}, {{0, 1}}), make(Nop{}), make(LoopEnd{}, {}, 1)});
  EXPECT_EQ(visits(queue),
            (std::vector<std::pair<uint32_t, std::vector<uint64_t>>>{
                {0, {}}, {1, {0}}, {2, {0}}, {1, {1}}, {2, {1}}}));
}

TEST(Stream, EmptyLoopsEndAtOnce) {
  uint64_t huge = UINT64_MAX;
  Queue queue = queueOf({make(LoopBegin{huge}), make(LoopBegin{huge}),
                         make(LoopEnd{}), make(LoopEnd{}), make(LoopBegin{0}),
                         make(Nop{}), make(LoopEnd{}), make(Nop{})});
  EXPECT_EQ(visits(queue),
            (std::vector<std::pair<uint32_t, std::vector<uint64_t>>>{{7, {}}}));
}

TEST(Stream, AbsurdLoopCountsAreRefused) {
  Queue queue = queueOf({make(LoopBegin{UINT64_MAX}), make(LoopBegin{1000}),
                         make(Nop{}), make(LoopEnd{}), make(LoopEnd{})});
  absl::Status status = Stream::create(queue).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("check the loop counts"),
            absl::string_view::npos);
}

TEST(Stream, StepsOfEveryField) {
  Mac mac = macTile(1, 4, 16, 16, l1(100), acc(200));
  mac.init = AccInit::Bias;
  mac.bias = l1(300);
  Vec vec;
  vec.sizes = {4};
  vec.operands = {{l1(10), {4}, {}}, {l1(20), {4}, {}}};
  WriteWeights write = writeTile(2, 16, 16, dram(1000));
  Queue queue = queueOf(
      {make(LoopBegin{2}), make(LoopBegin{3}),
       make(mac, {{0, 7}}, -1,
            {{StepField::Src, 0, 1, 10},
             {StepField::Src, 0, 0, 100},
             {StepField::Dst, 0, 1, -4},
             {StepField::Bias, 0, 1, 64},
             {StepField::Set, 0, 0, 1},
             {StepField::WaitValue, 0, 1, 2}}),
       make(vec, {}, -1,
            {{StepField::Operand, 1, 1, 5}, {StepField::IndexBase, 0, 0, 9}}),
       make(write, {}, -1,
            {{StepField::Src, 0, 0, 7}, {StepField::Set, 0, 1, -1}}),
       make(LoopEnd{}), make(LoopEnd{})});
  Stream stream = *Stream::create(queue);
  Resolver resolver(stream);
  for (Cursor cursor(stream); !cursor.done(); cursor.advance()) {
    uint64_t i = cursor.iteration(0), j = cursor.iteration(1);
    const Instruction &inst = resolver.resolve(cursor);
    if (auto *m = std::get_if<Mac>(&inst.op)) {
      EXPECT_EQ(m->act.offset, 100 + 100 * i + 10 * j);
      EXPECT_EQ(m->acc.offset, 200 - 4 * j);
      EXPECT_EQ(m->bias.offset, 300 + 64 * j);
      EXPECT_EQ(m->set, 1 + i);
      EXPECT_EQ(cursor.waitValue(0), 7 + 2 * j);
    } else if (auto *v = std::get_if<Vec>(&inst.op)) {
      EXPECT_EQ(v->operands[0].base.offset, 10u);
      EXPECT_EQ(v->operands[1].base.offset, 20 + 5 * j);
      EXPECT_EQ(v->indexBase, std::vector<int64_t>{int64_t(9 * i)});
    } else {
      const WriteWeights &w = std::get<WriteWeights>(inst.op);
      EXPECT_EQ(w.src.offset, 1000 + 7 * i);
      EXPECT_EQ(w.set, 2 - j);
    }
  }
  // The program itself is untouched.
  EXPECT_EQ(std::get<Mac>(queue.instructions[2].op), mac);
}

} // namespace
} // namespace cim::test
