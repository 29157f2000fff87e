// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The .cimb container (docs/program-format.md).
#ifndef CIM_PROGRAM_PROGRAMIO_H
#define CIM_PROGRAM_PROGRAMIO_H

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cim/Program/Program.h"

namespace cim {

/// Validates and serializes `program`; same program, same bytes.
absl::StatusOr<std::string> serializeProgram(const Program &program);
/// Writes the file atomically (temporary file, then rename).
absl::Status writeProgram(const Program &program, const std::string &path);

struct ReadOptions {
  /// Check the hash of the segments too, which reads all of them. Metadata is
  /// always checked.
  bool verifyData = true;
};

/// Parses and fully checks bytes from anywhere (hostile bytes included);
/// segment data are views into `bytes`, which `keepAlive` owns. `origin` starts
/// every message.
absl::StatusOr<std::shared_ptr<const Program>>
parseProgram(std::string_view bytes, std::shared_ptr<const void> keepAlive,
             std::string_view origin, const ReadOptions &options = {});
/// Maps and parses a file.
absl::StatusOr<std::shared_ptr<const Program>>
readProgram(const std::string &path, const ReadOptions &options = {});

/// Checks everything reachable (device.md D4.7 and all indices, ranges, sizes,
/// loop nesting, kernels' types and register use), so that the device model
/// may rely on it. Names the queue, instruction and source node.
absl::Status validateProgram(const Program &program);

} // namespace cim

#endif // CIM_PROGRAM_PROGRAMIO_H
