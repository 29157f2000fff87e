// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cim::Device. Data and time are separate passes over a stage: the data pass
// executes instructions in the untimed order of stream/Walk.h, the time pass
// simulates queues and contention. Neither sees the other, so results are the
// same in Full and Functional mode and cycles the same in Full and Timing mode.
#include "cim/Device/Device.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "cim/Device/StreamCheck.h"
#include "cim/Program/ProgramIO.h"
#include "cim/Support/Status.h"
#include "exec/Machine.h"
#include "stream/Walk.h"
#include "timing/Simulator.h"

namespace cim {
namespace {

using namespace device;

class DeviceModel final : public Device {
public:
  DeviceModel(std::shared_ptr<const Program> program, const RunOptions &options,
              StageStreams loadStreams, StageStreams runStreams,
              std::unique_ptr<exec::Machine> machine)
      : program(std::move(program)), options(options),
        loadStreams(std::move(loadStreams)), runStreams(std::move(runStreams)),
        machine(std::move(machine)),
        tiles(makeTileTables(this->program->target)) {}

  absl::StatusOr<StageStats> load() override;
  absl::StatusOr<StageStats> run() override;
  const std::optional<Fault> &fault() const override { return lastFault; }

  absl::Status write(const Address &address, unsigned core, const void *data,
                     size_t size) override {
    return machine ? machine->write(address, core, data, size)
                   : absl::OkStatus();
  }
  absl::Status read(const Address &address, unsigned core, void *data,
                    size_t size) const override {
    return machine ? machine->read(address, core, data, size)
                   : absl::OkStatus();
  }

private:
  absl::StatusOr<StageStats> runStage(const StageStreams &streams,
                                      const char *stage);
  absl::Status fail(const char *stage, Fault fault);

  std::shared_ptr<const Program> program;
  RunOptions options;
  StageStreams loadStreams, runStreams;
  std::unique_ptr<exec::Machine> machine; ///< Null in Timing mode.
  std::vector<TileTable> tiles;           ///< For timing.
  std::optional<Fault> lastFault;
  bool loaded = false, checked = false;
};

absl::Status DeviceModel::fail(const char *stage, Fault fault) {
  absl::Status status =
      invalidArgument(stage, " stage: ", name(fault.code), ": ", fault.message);
  lastFault = std::move(fault);
  return status;
}

absl::StatusOr<StageStats> DeviceModel::runStage(const StageStreams &streams,
                                                 const char *stage) {
  lastFault.reset();
  // Order does not depend on data: one check serves every run.
  if (options.sanitize && !checked) {
    if (std::optional<StreamFault> found = findStreamFault(*program))
      return fail(found->loadStage ? "load" : "run", std::move(found->fault));
    checked = true;
  }
  if (machine) {
    std::optional<Fault> fault =
        walk(*program, streams,
             [&](uint32_t q, const Cursor &cursor, const Instruction &inst) {
               const Queue &queue = streams.streams[q].queue();
               std::optional<Fault> fault =
                   machine->execute(queue.chip, queue.core, inst);
               if (fault)
                 fault->message = absl::StrCat(
                     describeInstruction(*program, queue, referTo(q, cursor)),
                     ": ", fault->message);
               return fault;
             });
    if (fault)
      return fail(stage, *std::move(fault));
  }
  if (options.mode == Mode::Functional) {
    StageStats stats;
    stats.queues.resize(streams.size());
    stats.layers.resize(program->layers.size());
    return stats;
  }
  std::variant<StageStats, Fault> result =
      simulate(*program, streams, tiles, options.trace);
  if (Fault *fault = std::get_if<Fault>(&result))
    return fail(stage, std::move(*fault));
  return std::get<StageStats>(std::move(result));
}

absl::StatusOr<StageStats> DeviceModel::load() {
  if (loaded)
    return absl::FailedPreconditionError(
        absl::StrCat(program->model, ": load stage has run already; a device "
                                     "loads once; create another device"));
  absl::StatusOr<StageStats> stats = runStage(loadStreams, "load");
  loaded = stats.ok();
  return stats;
}

absl::StatusOr<StageStats> DeviceModel::run() {
  if (!loaded && loadStreams.size() > 0)
    return absl::FailedPreconditionError(absl::StrCat(
        program->model, ": run before load; call load() once, then run()"));
  return runStage(runStreams, "run");
}

} // namespace

absl::StatusOr<std::unique_ptr<Device>>
Device::create(std::shared_ptr<const Program> program,
               const RunOptions &options) {
  if (!program)
    return invalidArgument("device: no program; pass one");
  if (options.threads < 1)
    return invalidArgument("device: ", options.threads,
                           " threads; at least 1; pass 1 or more");
  CIM_RETURN_IF_ERROR(validateProgram(*program));
  CIM_ASSIGN_OR_RETURN(StageStreams load,
                       StageStreams::create(program->load, "load"));
  CIM_ASSIGN_OR_RETURN(StageStreams run,
                       StageStreams::create(program->run, "run"));
  std::unique_ptr<exec::Machine> machine;
  if (options.mode != Mode::Timing) {
    CIM_ASSIGN_OR_RETURN(
        machine,
        exec::Machine::create(*program, options.sanitize, options.threads));
  }
  return std::unique_ptr<Device>(std::make_unique<DeviceModel>(
      std::move(program), options, std::move(load), std::move(run),
      std::move(machine)));
}

} // namespace cim
