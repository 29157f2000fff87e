// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cim::Device as a whole: modes agree, faults are reported, state survives.
#include "cim/Device/Device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "Builder.h"

namespace cim::test {
namespace {

using testing::HasSubstr;

constexpr uint64_t kInput = 4096, kOutput = 8192, kRows = 32;

/// out[m][n] = 3 * in[m][n] (int32 from int8, 16 columns): weights loaded by
/// the load stage, two tiles of rows double buffered through the engines.
Program tripleProgram() {
  ProgramBuilder builder;
  Program &program = builder.program;
  program.kernels = {copyKernel(DType::I32)};
  // Planes 0 and 1 of 3 * identity.
  std::string planes(2 * 16 * 2, '\0');
  for (int p = 0; p < 2; ++p)
    for (int k = 0; k < 16; ++k)
      planes[(p * 16 + k) * 2 + k / 8] = char(1 << k % 8);
  // Two's complement: plane 2 is the sign.
  planes.resize(3 * 16 * 2);
  program.segments.push_back({"weights", dram(0), Blob(planes)});
  program.inputs = {{"in", DType::I8, {kRows, 16}, dram(kInput), {}}};
  program.outputs = {{"out", DType::I32, {kRows, 16}, dram(kOutput), {}}};
  program.layers = {{"triple"}};
  uint32_t loc = builder.location("node", "triple");

  WriteWeights write = writeTile(0, 16, 16, dram(0));
  write.planes = 3;
  write.planeMasks = {0x3};
  builder.queue(Engine::WeightWrite, {make(write)});
  program.load = std::move(program.run);
  program.run = {};

  std::vector<Instruction> load, mac, vec, store;
  for (uint64_t t = 0; t < 2; ++t) {
    load.push_back(
        make(copyBytes(dram(kInput + t * 256), l1(t * 256), 256), {}, 0));
    mac.push_back(make(macTile(0, 16, 16, 16, l1(t * 256), acc(t * 1024)),
                       {{0, t + 1}}, 1));
    vec.push_back(make(vecCopy(0, acc(t * 1024), l1(4096 + t * 1024), 256, 4),
                       {{1, t + 1}}, 2));
    store.push_back(
        make(copyBytes(l1(4096 + t * 1024), dram(kOutput + t * 1024), 1024),
             {{2, t + 1}}));
  }
  builder.queue(Engine::Dma, load, 0);
  builder.queue(Engine::Mac, mac);
  builder.queue(Engine::Vec, vec);
  builder.queue(Engine::Dma, store, 1);
  for (Queue &queue : program.run.queues)
    for (Instruction &inst : queue.instructions)
      inst.loc = loc;
  return program;
}

std::unique_ptr<Device> makeDevice(const Program &program, RunOptions options) {
  absl::StatusOr<std::unique_ptr<Device>> device =
      Device::create(std::make_shared<Program>(program), options);
  EXPECT_TRUE(device.ok()) << device.status();
  return device.ok() ? *std::move(device) : nullptr;
}

struct Outcome {
  StageStats load, run;
  std::vector<int32_t> output;
};

std::vector<int8_t> inputValues(int seed) {
  std::vector<int8_t> values(kRows * 16);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<int8_t>(i * 37 + seed);
  return values;
}

void runOnce(Device &device, int seed, Outcome &outcome) {
  std::vector<int8_t> input = inputValues(seed);
  ASSERT_TRUE(device.write(dram(kInput), 0, input.data(), input.size()).ok());
  absl::StatusOr<StageStats> run = device.run();
  ASSERT_TRUE(run.ok()) << run.status();
  outcome.run = *run;
  outcome.output.assign(kRows * 16, 0);
  ASSERT_TRUE(device
                  .read(dram(kOutput), 0, outcome.output.data(),
                        outcome.output.size() * 4)
                  .ok());
}

Outcome runProgram(const Program &program, RunOptions options) {
  Outcome outcome;
  std::unique_ptr<Device> device = makeDevice(program, options);
  if (!device)
    return outcome;
  absl::StatusOr<StageStats> load = device->load();
  EXPECT_TRUE(load.ok()) << load.status();
  if (!load.ok())
    return outcome;
  outcome.load = *load;
  runOnce(*device, 1, outcome);
  return outcome;
}

TEST(Device, ComputesAndTakesTime) {
  Outcome full = runProgram(tripleProgram(), {.sanitize = true});
  std::vector<int8_t> input = inputValues(1);
  ASSERT_EQ(full.output.size(), input.size());
  for (size_t i = 0; i < input.size(); ++i)
    ASSERT_EQ(full.output[i], 3 * input[i]) << i;
  // 5 + 100 + 64 bytes / 20; planes 0 and 1 only.
  EXPECT_EQ(full.load.cycles, 105u + 4);
  EXPECT_EQ(full.run.macs, kRows * 16 * 16);
  EXPECT_EQ(full.run.bitMacs, kRows * 16 * 16 * 2);
  EXPECT_EQ(full.run.queues[1].computeCycles, 2u * (7 + 16 * 2));
  EXPECT_EQ(full.run.layers[0].lastCycle, full.run.cycles);
  EXPECT_GT(full.run.energyJ, 0);
}

TEST(Device, ModesAgree) {
  Program program = tripleProgram();
  Outcome full = runProgram(program, {.mode = Mode::Full, .trace = true});
  Outcome functional = runProgram(program, {.mode = Mode::Functional});
  Outcome timing = runProgram(program, {.mode = Mode::Timing, .trace = true});
  Outcome threads = runProgram(program, {.mode = Mode::Full, .threads = 4});
  EXPECT_EQ(full.output, functional.output);
  EXPECT_EQ(full.output, threads.output);
  EXPECT_EQ(full.run.cycles, timing.run.cycles);
  EXPECT_EQ(full.load.cycles, timing.load.cycles);
  EXPECT_EQ(full.run.cycles, threads.run.cycles);
  EXPECT_EQ(full.run.energyJ, timing.run.energyJ);
  EXPECT_EQ(functional.run.cycles, 0u);
  ASSERT_EQ(full.run.trace.size(), timing.run.trace.size());
  for (size_t i = 0; i < full.run.trace.size(); ++i)
    EXPECT_EQ(full.run.trace[i].end, timing.run.trace[i].end);
}

TEST(Device, RunsAgainWithOtherInputs) {
  std::unique_ptr<Device> device = makeDevice(tripleProgram(), {});
  ASSERT_TRUE(device && device->load().ok());
  Outcome first, second;
  runOnce(*device, 1, first);
  runOnce(*device, 2, second);
  EXPECT_EQ(first.run.cycles, second.run.cycles);
  std::vector<int8_t> input = inputValues(2);
  for (size_t i = 0; i < input.size(); ++i)
    ASSERT_EQ(second.output[i], 3 * input[i]);
}

TEST(Device, LoadComesOnceAndFirst) {
  std::unique_ptr<Device> device = makeDevice(tripleProgram(), {});
  ASSERT_TRUE(device);
  EXPECT_EQ(device->run().status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(device->load().ok());
  EXPECT_EQ(device->load().status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(device->run().ok());
}

TEST(Device, SanitizerReportsARace) {
  Program program = tripleProgram();
  program.run.queues[2].instructions[1].waits.clear();
  std::unique_ptr<Device> device = makeDevice(program, {.sanitize = true});
  ASSERT_TRUE(device);
  EXPECT_FALSE(device->load().ok()); // both stages are proved before either
  ASSERT_TRUE(device->fault().has_value());
  EXPECT_EQ(device->fault()->code, FaultCode::Race);
  EXPECT_THAT(device->fault()->message, HasSubstr("ACC of chip 0 core 0"));
  // Without the sanitizer nobody looks.
  device = makeDevice(program, {});
  ASSERT_TRUE(device && device->load().ok());
  EXPECT_FALSE(device->fault().has_value());
}

TEST(Device, FunctionalFaultsNameTheInstruction) {
  Program program = tripleProgram();
  // Reads the row after the tensors: ordered, but nobody wrote it.
  std::get<DmaCopy>(program.run.queues[0].instructions[1].op).src =
      dram(kInput + 512);
  std::unique_ptr<Device> device = makeDevice(program, {.sanitize = true});
  ASSERT_TRUE(device && device->load().ok());
  std::vector<int8_t> input = inputValues(1);
  ASSERT_TRUE(device->write(dram(kInput), 0, input.data(), input.size()).ok());
  absl::StatusOr<StageStats> run = device->run();
  ASSERT_FALSE(run.ok());
  ASSERT_TRUE(device->fault().has_value());
  EXPECT_EQ(device->fault()->code, FaultCode::UninitializedRead);
  EXPECT_EQ(device->fault()->at.queue, 0u);
  EXPECT_EQ(device->fault()->at.instruction, 1u);
  EXPECT_THAT(std::string(run.status().message()),
              HasSubstr("run stage: uninitialized_read: chip 0 core 0 dma 0, "
                        "instruction 1, node"));
}

TEST(Device, DeadlockInEveryMode) {
  Program program = tripleProgram();
  program.run.queues[3].instructions[1].waits[0].value = 3;
  for (Mode mode : {Mode::Full, Mode::Functional, Mode::Timing}) {
    std::unique_ptr<Device> device = makeDevice(program, {.mode = mode});
    ASSERT_TRUE(device && device->load().ok());
    absl::StatusOr<StageStats> run = device->run();
    ASSERT_FALSE(run.ok());
    EXPECT_EQ(device->fault()->code, FaultCode::Deadlock);
    EXPECT_THAT(std::string(run.status().message()),
                HasSubstr("waits for semaphore 2 >= 3, count is 2 of 2"));
  }
}

TEST(Device, InvalidProgramsAreRefused) {
  Program program = tripleProgram();
  std::get<Vec>(program.run.queues[2].instructions[0].op).kernel = 7;
  EXPECT_FALSE(
      Device::create(std::make_shared<Program>(program), RunOptions()).ok());
  EXPECT_FALSE(Device::create(nullptr, RunOptions()).ok());
  EXPECT_FALSE(
      Device::create(std::make_shared<Program>(tripleProgram()), {.threads = 0})
          .ok());
}

} // namespace
} // namespace cim::test
