// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The event-driven timing simulator of one stage (docs/device.md sections 2, 4,
// 5). Sees instructions, never data.
#ifndef CIM_LIB_DEVICE_TIMING_SIMULATOR_H
#define CIM_LIB_DEVICE_TIMING_SIMULATOR_H

#include <optional>
#include <variant>
#include <vector>

#include "access/Tiles.h"
#include "cim/Device/Device.h"
#include "stream/Stream.h"

namespace cim::device {

/// Weight sets of every core of a target, by system-wide core number.
std::vector<TileTable> makeTileTables(const TargetSpec &target);

/// D3.2: the MAC at `at` of `queue` names no tile of its core.
Fault badTile(const Program &program, const Queue &queue,
              const InstructionRef &at, const Mac &mac);

/// Runs a stage to its end and returns its statistics, or the fault that
/// stopped it (deadlock, bad_tile). `tiles` are the weight sets at the start,
/// and afterwards those at the end. Deterministic.
std::variant<StageStats, Fault> simulate(const Program &program,
                                         const StageStreams &streams,
                                         std::vector<TileTable> &tiles,
                                         bool trace);

} // namespace cim::device

#endif // CIM_LIB_DEVICE_TIMING_SIMULATOR_H
