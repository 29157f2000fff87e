// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The reference device model: executes a program bit for bit (docs/device.md,
// docs/numerics.md) and says how long it took and what it cost. Timing observes
// function and never alters it: instructions are executed in an order that
// depends on the program alone (queues in turn, each as far as its waits allow)
// and simulated in time separately, so results do not depend on timing, and
// times do not depend on data.
#ifndef CIM_DEVICE_DEVICE_H
#define CIM_DEVICE_DEVICE_H

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cim/Program/Program.h"

namespace cim {

/// What a run computes.
enum class Mode : uint8_t {
  Full,       ///< Data and time.
  Functional, ///< Data only; the fastest way to results.
  Timing,     ///< Time only; tensors are never touched.
};

struct RunOptions {
  Mode mode = Mode::Full;
  bool sanitize = false; ///< device.md D1.3, D2.3, D3.6 checks on.
  bool trace = false;    ///< Keep every instruction's interval.
  int threads = 1; ///< Host threads; results and times do not depend on it.
};

/// device.md section 6.
enum class FaultCode : uint8_t {
  OutOfRange,
  Unaligned,
  UninitializedRead,
  ReadOnlyWrite,
  Race,
  Deadlock,
  BadTile,
  Overflow,
  IndexOutOfBounds,
  IllegalInstruction,
};
const char *name(FaultCode code);

/// Identifies one execution of one instruction.
struct InstructionRef {
  uint32_t queue = 0;               ///< Index into Stage::queues.
  uint32_t instruction = 0;         ///< Index into Queue::instructions.
  std::vector<uint64_t> iterations; ///< Enclosing loops, outermost first.
};

struct Fault {
  FaultCode code = FaultCode::IllegalInstruction;
  std::string message; ///< One line; names nodes, addresses, limits.
  InstructionRef at;
  std::optional<InstructionRef> other; ///< The other side of a race.
};

/// One instruction on the timeline.
struct TraceEvent {
  uint32_t queue = 0, instruction = 0;
  uint64_t start = 0, end = 0; ///< Cycles.
};

/// Totals of one queue or one layer.
struct EngineStats {
  uint64_t instructions = 0;
  uint64_t busyCycles = 0;    ///< Sum of instruction durations.
  uint64_t computeCycles = 0; ///< Durations had nothing been contended.
};

/// Why time passes on the critical path: the chain of instructions, each
/// starting when the one before it has completed, that makes a stage as long as
/// it is.
enum class PathCause : uint8_t {
  Startup, ///< Fixed latency of instructions (device.md section 4).
  Work,    ///< The engine's own speed: array, lanes, write port, DMA channel.
  Dram,    ///< Bandwidth of a memory, alone or shared with others.
  L2,
  Local, ///< L1 or ACC.
  Link,
};
constexpr size_t kPathCauses = 6;
const char *name(PathCause cause);
/// Cycles by Engine and PathCause.
using PathCycles = std::array<std::array<uint64_t, kPathCauses>, 5>;

/// Bytes moved, after rounding runs up (device.md section 4). Of a link, bytes
/// count once, as written.
struct MemoryStats {
  uint64_t readBytes = 0, writeBytes = 0;
};

struct LayerStats {
  uint64_t firstCycle = 0,
           lastCycle = 0; ///< Interval over all its instructions.
  EngineStats engine[5];  ///< Indexed by Engine.
  uint64_t bitMacs = 0;   ///< 8-bit x 1-bit products issued.
  uint64_t macs = 0;      ///< Products of whole weights.
  uint64_t dramBytes = 0, l2Bytes = 0;
  double energyJ = 0;
  PathCycles critical{}; ///< Its part of the critical path; of all layers and
                         ///< of what has no layer the sum is the stage.
};

struct StageStats {
  uint64_t cycles = 0;
  double energyJ = 0; ///< Includes idle energy.
  double macEnergyJ = 0, memoryEnergyJ = 0, vectorEnergyJ = 0, idleEnergyJ = 0;
  uint64_t macs = 0, bitMacs = 0;
  /// Same order as Stage::queues.
  std::vector<EngineStats> queues;
  MemoryStats dram, l2, l1, acc, link;
  std::vector<LayerStats> layers; ///< Same order as Program::layers.
  std::vector<TraceEvent> trace;  ///< With RunOptions::trace, by start.
};

/// A device with one program loaded. Not thread-safe; create one per thread.
class Device {
public:
  /// Validates the program (cim::validateProgram) and allocates memories
  /// lazily. In Timing mode no data memory is allocated.
  static absl::StatusOr<std::unique_ptr<Device>>
  create(std::shared_ptr<const Program> program, const RunOptions &options);
  virtual ~Device() = default;

  /// Runs the load stage (weights become resident). Once per device. With
  /// `sanitize`, the streams of both stages are proved first (StreamCheck.h).
  virtual absl::StatusOr<StageStats> load() = 0;
  /// Runs the run stage once on the current contents of the input tensors,
  /// as often as wanted, after load(). In Functional mode statistics are zero.
  virtual absl::StatusOr<StageStats> run() = 0;
  /// The fault behind the last error of load() or run().
  virtual const std::optional<Fault> &fault() const = 0;

  /// Host access to memory, e.g. program inputs and outputs. Bytes written
  /// count as initialized. `core` matters for L1 and ACC. Timing mode: no-ops.
  virtual absl::Status write(const Address &address, unsigned core,
                             const void *data, size_t size) = 0;
  virtual absl::Status read(const Address &address, unsigned core, void *data,
                            size_t size) const = 0;
};

} // namespace cim

#endif // CIM_DEVICE_DEVICE_H
