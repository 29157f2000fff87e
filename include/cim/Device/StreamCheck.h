// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Proof, before anything runs, that the streams of a program are well formed in
// time: no deadlock, no race on bytes or weight macros (docs/device.md D2.3,
// D2.4), every MAC meets the tile it names (D3.2), nobody writes a segment
// (D1.4). Independent of timing and of data; the compiler runs it on what it
// emitted, the device under the sanitizer.
#ifndef CIM_DEVICE_STREAMCHECK_H
#define CIM_DEVICE_STREAMCHECK_H

#include <optional>

#include "absl/status/status.h"
#include "cim/Device/Device.h"
#include "cim/Program/Program.h"

namespace cim {

struct StreamFault {
  bool loadStage = false; ///< Else it is in the run stage.
  Fault fault;            ///< Queues are those of that stage.
};

/// The first fault of the load stage, else of the run stage, the latter also
/// when repeated. `program` must have passed validateProgram. Gathered and
/// scattered operands count as accesses to their whole extent. Takes time
/// proportional to executed instructions times queues.
std::optional<StreamFault> findStreamFault(const Program &program);

/// findStreamFault as a status: "run stage: race: ...".
absl::Status checkStreams(const Program &program);

} // namespace cim

#endif // CIM_DEVICE_STREAMCHECK_H
