// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The untimed order of execution: queues in turn, each as far as its waits
// allow. One valid order of a program; every engine that needs some order uses
// this one, so that results never depend on timing.
#ifndef CIM_LIB_DEVICE_STREAM_WALK_H
#define CIM_LIB_DEVICE_STREAM_WALK_H

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "stream/Stream.h"

namespace cim::device {

/// Runs the stage: visit(queue, cursor, instruction with its steps applied)
/// returns an optional<Fault> for each execution in turn; a fault ends the walk
/// (`at` is filled in unless `other` is set), as does a deadlock.
template <typename Visit>
std::optional<Fault> walk(const Program &program, const StageStreams &streams,
                          Visit visit) {
  Progress progress(streams);
  std::vector<Resolver> resolvers;
  std::vector<uint32_t> runnable, batch;
  for (uint32_t q = 0; q < streams.size(); ++q) {
    resolvers.emplace_back(streams.streams[q]);
    runnable.push_back(q);
  }
  while (!runnable.empty()) {
    batch.swap(runnable);
    runnable.clear();
    for (uint32_t q : batch) {
      while (progress.ready(q)) {
        const Cursor &cursor = progress.cursor(q);
        std::optional<Fault> fault =
            visit(q, cursor, resolvers[q].resolve(cursor));
        if (fault) {
          fault->at = referTo(q, cursor);
          return fault;
        }
        progress.complete(q,
                          [&](uint32_t woken) { runnable.push_back(woken); });
      }
    }
  }
  if (progress.finished())
    return std::nullopt;
  Fault fault;
  fault.code = FaultCode::Deadlock;
  uint32_t stuck = progress.firstStuck();
  fault.at = referTo(stuck, progress.cursor(stuck));
  fault.message = absl::StrCat("deadlock: ", progress.describeStuck(program));
  return fault;
}

} // namespace cim::device

#endif // CIM_LIB_DEVICE_STREAM_WALK_H
