// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "FakeDevice.h"

#include <cstring>

namespace cim {
namespace {

class FakeDevice : public Device {
public:
  FakeDevice(std::shared_ptr<const Program> program, const RunOptions &options,
             int failAt)
      : program(std::move(program)), options(options), failAt(failAt),
        dram(this->program->dramBytes, '\0') {}

  absl::StatusOr<StageStats> load() override {
    StageStats stats;
    stats.cycles = 1000;
    stats.energyJ = 0.5;
    stats.queues.resize(program->load.queues.size());
    return stats;
  }
  absl::StatusOr<StageStats> run() override {
    if (runs == failAt) {
      raised = Fault{FaultCode::Race, "Conv_1: a race", {}, {}};
      return absl::InternalError("Conv_1: a race");
    }
    std::memcpy(dram.data() + 64, dram.data(), 6);
    std::memcpy(dram.data() + 128, dram.data() + 16, 4);
    return stats();
  }
  const std::optional<Fault> &fault() const override { return raised; }
  absl::Status write(const Address &address, unsigned, const void *data,
                     size_t size) override {
    std::memcpy(dram.data() + address.offset, data, size);
    return absl::OkStatus();
  }
  absl::Status read(const Address &address, unsigned, void *data,
                    size_t size) const override {
    std::memcpy(data, dram.data() + address.offset, size);
    return absl::OkStatus();
  }

private:
  StageStats stats() {
    StageStats s;
    s.cycles = 100 + static_cast<uint64_t>(runs++);
    s.energyJ = 0.25;
    s.macs = 1000;
    s.bitMacs = 8000;
    s.queues = {{2, 60, 50}, {1, 30, 30}};
    s.dram = {640, 64};
    s.layers.resize(2);
    s.layers[0].firstCycle = 0, s.layers[0].lastCycle = 80;
    s.layers[0].critical[size_t(Engine::Mac)] = {20, 60};
    s.layers[0].engine[size_t(Engine::Mac)] = {2, 60, 50};
    s.layers[0].macs = 1000, s.layers[0].bitMacs = 8000;
    s.layers[1].firstCycle = 70, s.layers[1].lastCycle = 100;
    s.layers[1].engine[size_t(Engine::Dma)] = {1, 15, 15};
    if (options.trace)
      s.trace = {{0, 0, 0, 40}, {1, 0, 40, 70}};
    return s;
  }

  std::shared_ptr<const Program> program;
  RunOptions options;
  int failAt, runs = 0;
  std::string dram;
  std::optional<Fault> raised;
};

} // namespace

Program fakeProgram() {
  Program p;
  p.model = "fake";
  p.producer = "test";
  p.dramBytes = 4096;
  p.target.clockMhz = 1000;
  p.inputs = {{"x", DType::I8, {2, 3}, {Space::DRAM, 0, 0}, {0.5f, 1}},
              {"k", DType::F32, {3}, {Space::DRAM, 0, 16}, {}}};
  p.outputs = {{"y", DType::I8, {2, 3}, {Space::DRAM, 0, 64}, {}},
               {"s", DType::F32, {}, {Space::DRAM, 0, 128}, {}}};
  p.locations = {{"", ""}, {"Conv_1", "conv1"}, {"say \"hi\"", "move2"}};
  p.layers = {{"conv1",
               "conv",
               "w8a8",
               {"Conv_1", "Relu_2"},
               1000,
               90,
               "tile = [m 4]",
               "bound by MACs"},
              {"move2", "move", "i8", {"Copy_3"}, 0, 20, "", ""}};
  p.buffers = {{"a", {Space::L1, 0, 0}, 1, 100, 0, 0},
               {"b", {Space::L1, 0, 100}, 1, 50, 0, 1},
               {"c", {Space::DRAM, 0, 0}, 0, 7, 1, 1}};
  p.run.queues = {{0, 0, Engine::Mac, 0, {{Nop{}, {}, kNoSemaphore, {}, 1}}},
                  {0, 1, Engine::Dma, 1, {{Nop{}, {}, kNoSemaphore, {}, 2}}}};
  p.predictedCycles = 95;
  p.lowerBoundCycles = 50;
  p.predictedLoadCycles = 900;
  p.reportJson = R"({"compile": {"import": 0.25, "peak_rss_bytes": 42},
                     "seed": 3})";
  return p;
}

DeviceFactory fakeDevice(int failAt) {
  return [failAt](std::shared_ptr<const Program> program,
                  const RunOptions &options)
             -> absl::StatusOr<std::unique_ptr<Device>> {
    return std::unique_ptr<Device>(
        new FakeDevice(std::move(program), options, failAt));
  };
}

} // namespace cim
