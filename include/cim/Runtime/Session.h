// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Running a program with named arrays: the C++ face of the runtime.
//
//   auto program = cim::readProgram("model.cimb");
//   auto session = cim::Session::create(*program, {});
//   auto outputs = (*session)->run({{"x", x}});
#ifndef CIM_RUNTIME_SESSION_H
#define CIM_RUNTIME_SESSION_H

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cim/Device/Device.h"
#include "cim/Program/Program.h"

namespace cim {

/// A dense row-major array in host memory.
struct Array {
  DType type = DType::F32;
  std::vector<int64_t> shape;
  Blob data; ///< Exactly shape x byteSize(type) bytes.
};
using NamedArrays = std::map<std::string, Array>;

/// What has been measured so far.
struct Profile {
  StageStats load;  ///< The load stage, once per session.
  StageStats first; ///< The first run after it: together the cold figures.
  StageStats last;  ///< The latest run: the steady figures.
  uint64_t runs = 0;
  uint64_t runCycles = 0; ///< Sum over all runs.
  double runEnergyJ = 0;
};

/// Makes the device a session runs on; tests put their own in.
using DeviceFactory = std::function<absl::StatusOr<std::unique_ptr<Device>>(
    std::shared_ptr<const Program>, const RunOptions &)>;

/// A device with a program loaded. Not thread-safe; use one per thread.
class Session {
public:
  /// Uses the reference device model.
  static absl::StatusOr<std::unique_ptr<Session>>
  create(std::shared_ptr<const Program> program, const RunOptions &options);
  static absl::StatusOr<std::unique_ptr<Session>>
  create(std::shared_ptr<const Program> program, const RunOptions &options,
         const DeviceFactory &factory);

  /// Runs the program once, or n times if the leading dimension of every input
  /// is n times the compiled one; outputs are then concatenated along theirs
  /// (rank-0 outputs become vectors of n). Outputs are cut to their run-time
  /// lengths; hidden ones are left out. Inputs given in exactly the compiled
  /// shape are reused for every run. `progress` is called after each run with
  /// (done, total). Timing mode takes the same inputs, or none, and returns no
  /// outputs. Errors name the input, what it is, and what the program takes.
  absl::StatusOr<NamedArrays>
  run(const NamedArrays &inputs,
      const std::function<void(uint64_t, uint64_t)> &progress = {});

  const Program &program() const { return *owned; }
  const Profile &profile() const { return measured; }
  const RunOptions &options() const { return runOptions; }
  /// The fault behind the last error, if the device raised one.
  const std::optional<Fault> &fault() const { return device->fault(); }

private:
  Session() = default;
  absl::StatusOr<uint64_t> countRuns(const NamedArrays &inputs) const;
  absl::Status checkInput(const TensorInfo &info, const Array &array,
                          uint64_t &runs) const;
  absl::Status writeInputs(const NamedArrays &inputs, uint64_t index);
  absl::Status runOnce();
  absl::Status collectOutputs(bool isFirst, NamedArrays &outputs,
                              std::map<std::string, std::string> &bytes);

  std::shared_ptr<const Program> owned;
  std::unique_ptr<Device> device;
  RunOptions runOptions;
  Profile measured;
  bool loaded = false;
};

/// Number of elements and bytes of one array of this description.
uint64_t elementCount(const std::vector<int64_t> &shape);
uint64_t byteCount(const TensorInfo &info);
/// "float32[1,3,224,224]".
std::string describe(DType type, const std::vector<int64_t> &shape);

/// The outputs a user sees: without hidden ones.
std::vector<const TensorInfo *> visibleOutputs(const Program &program);

/// Inputs for a program nobody has data for: the same values for the same seed.
/// Floats are multiples of 1/128 in [-1, 1); 8-bit and quantized integers cover
/// their type's range; booleans and other integers are 0 or 1 (they may be
/// indices).
NamedArrays randomInputs(const Program &program, uint64_t seed);

} // namespace cim

#endif // CIM_RUNTIME_SESSION_H
