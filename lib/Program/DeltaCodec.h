// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The compact encoding of instruction streams and kernel bodies, specified in
// docs/program-format.md ("Delta encoding"). An element is taken apart into its
// shape (operation and list lengths) and its words (all scalar fields); the
// stream stores each shape once and, per element, only the words that differ
// from the previous element of the same shape.
#ifndef CIM_LIB_PROGRAM_DELTACODEC_H
#define CIM_LIB_PROGRAM_DELTACODEC_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "cim/Program/Program.h"

namespace cim {

/// Limits of list lengths; the writer refuses what the reader would.
constexpr uint64_t kMaxDims = 8, kMaxOperands = 16, kMaxWaits = 1024,
                   kMaxSteps = 1024, kMaxPlaneMasks = 65535, kMaxParams = 256,
                   kMaxMicroArgs = 16;

absl::Status encodeStream(const std::vector<Instruction> &elements,
                          std::string &code);
absl::Status encodeStream(const std::vector<MicroInst> &elements,
                          std::string &code);
/// Appends exactly `count` elements; `code` must end with the last of them.
/// `budget` bounds the memory of all streams of a file together: it is reduced
/// by what the elements take and the call fails before it would be exceeded.
absl::Status decodeStream(std::string_view code, uint64_t count,
                          uint64_t &budget, std::vector<Instruction> &elements);
absl::Status decodeStream(std::string_view code, uint64_t count,
                          uint64_t &budget, std::vector<MicroInst> &elements);

} // namespace cim

#endif // CIM_LIB_PROGRAM_DELTACODEC_H
