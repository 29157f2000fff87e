// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Chrome / Perfetto trace: a process per core, a track per queue.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "cim/Runtime/Report.h"
#include "nlohmann/json.hpp"

namespace cim {
namespace {

std::string quoted(const std::string &text) {
  return nlohmann::json(text).dump(-1, ' ', false,
                                   nlohmann::json::error_handler_t::replace);
}

const char *operationOf(const Instruction &instruction) {
  static constexpr const char *names[] = {
      "nop",           "loop_begin", "loop_end", "dma_copy", "dma_fill",
      "write_weights", "mac",        "vec",      "ctrl"};
  return names[instruction.op.index()];
}

class TraceWriter {
public:
  explicit TraceWriter(const Program &program) : program(program) {
    for (const Location &location : program.locations) {
      nodes.push_back(quoted(location.node));
      layers.push_back(quoted(location.layer));
    }
  }

  void stage(const Stage &stage, const StageStats &stats, const char *name,
             uint64_t origin) {
    for (const Queue &queue : stage.queues)
      nameTracks(queue);
    for (const TraceEvent &event : stats.trace) {
      if (event.queue >= stage.queues.size() ||
          event.instruction >= stage.queues[event.queue].instructions.size())
        continue;
      addEvent(stage.queues[event.queue], event, name, origin);
    }
  }

  std::string finish() {
    return absl::StrCat("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"model\":",
                        quoted(program.model),
                        ",\"target\":", quoted(program.target.name),
                        "},\"traceEvents\":[\n", text, "\n]}\n");
  }

private:
  static unsigned process(const Queue &queue) {
    return 1 + queue.chip * 256u + queue.core;
  }
  static unsigned track(const Queue &queue) {
    return 1 + static_cast<unsigned>(queue.engine) * 256 + queue.index;
  }
  void separate() {
    if (!text.empty())
      text += ",\n";
  }
  void nameTracks(const Queue &queue) {
    std::string engine = name(queue.engine);
    if (queue.engine == Engine::Dma)
      absl::StrAppend(&engine, " ", queue.index);
    // Naming a track twice is harmless.
    separate();
    absl::StrAppend(&text, "{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":",
                    process(queue), ",\"args\":{\"name\":\"chip ",
                    int(queue.chip), " core ", int(queue.core), "\"}}");
    separate();
    absl::StrAppend(&text, "{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":",
                    process(queue), ",\"tid\":", track(queue),
                    ",\"args\":{\"name\":\"", engine, "\"}}");
  }
  /// Microseconds with the resolution of a cycle.
  std::string time(uint64_t cycles) const {
    char buffer[64];
    std::snprintf(buffer, sizeof(buffer), "%.6f",
                  static_cast<double>(cycles) / program.target.clockMhz);
    return buffer;
  }
  void addEvent(const Queue &queue, const TraceEvent &event, const char *stage,
                uint64_t origin) {
    const Instruction &instruction = queue.instructions[event.instruction];
    bool known = instruction.loc < nodes.size();
    const char *none = "\"\"";
    separate();
    absl::StrAppend(
        &text, "{\"ph\":\"X\",\"name\":\"", operationOf(instruction),
        "\",\"cat\":\"", stage, "\",\"pid\":", process(queue),
        ",\"tid\":", track(queue), ",\"ts\":", time(origin + event.start),
        ",\"dur\":", time(event.end - event.start),
        ",\"args\":{\"node\":", known ? nodes[instruction.loc].c_str() : none,
        ",\"layer\":", known ? layers[instruction.loc].c_str() : none,
        ",\"instruction\":", event.instruction,
        ",\"start_cycle\":", event.start,
        ",\"cycles\":", event.end - event.start, "}}");
  }

  const Program &program;
  std::vector<std::string> nodes, layers; ///< Quoted, by location.
  std::string text;
};

} // namespace

std::string traceJson(const Program &program, const Profile &profile) {
  TraceWriter writer(program);
  writer.stage(program.load, profile.load, "load", 0);
  writer.stage(program.run, profile.last, "run", profile.load.cycles);
  return writer.finish();
}

} // namespace cim
