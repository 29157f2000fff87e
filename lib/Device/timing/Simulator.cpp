// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Events: an instruction is issued, spends its startup, transfers at the speed
// contention leaves it, completes. Everything that happens in one cycle is done
// before the next: completions in queue order, then issue in queue order until
// nothing more can start, then speeds.
#include "timing/Simulator.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "timing/Cost.h"
#include "timing/CriticalPath.h"
#include "timing/Sharing.h"
#include "timing/Statistics.h"

namespace cim::device {

std::vector<TileTable> makeTileTables(const TargetSpec &target) {
  return std::vector<TileTable>(size_t(target.chips) * target.coresPerChip,
                                TileTable(target));
}

Fault badTile(const Program &program, const Queue &queue,
              const InstructionRef &at, const Mac &mac) {
  Fault fault;
  fault.code = FaultCode::BadTile;
  fault.at = at;
  fault.message = absl::StrCat(
      describeInstruction(program, queue, at), ": no tile of ", mac.rows, "x",
      mac.cols, " with ", mac.copies, " copies at row ", mac.row0, ", column ",
      mac.col0, " of set ", int(mac.set), " (D3.2); write it first");
  return fault;
}

namespace {

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

/// Costs of a queue's instructions, computed when first met.
struct CachedCost {
  InstructionCost cost;
  Events events;
  Binding binding;
  bool valid = false;
  // The tile a MAC's cost was computed for.
  uint32_t planes = 0;
  uint64_t planeColumns = 0;
  bool bfp = false;
};

class Simulator {
public:
  Simulator(const Program &program, const StageStreams &streams,
            std::vector<TileTable> &tiles, bool trace)
      : program(program), target(program.target), streams(streams),
        tiles(tiles), keepTrace(trace), resources(target), progress(streams),
        sharing(resources, static_cast<uint32_t>(streams.size())),
        statistics(program, streams), critical(streams.size()),
        queues(streams.size()), events(streams.size(), kNever),
        ports(tiles.size()) {
    for (uint32_t q = 0; q < queues.size(); ++q) {
      const Stream &stream = streams.streams[q];
      queues[q].costs.resize(stream.entries().size());
      queues[q].resolver = Resolver(stream);
      queues[q].chip = stream.queue().chip;
      queues[q].core = stream.queue().core;
      queues[q].systemCore =
          stream.queue().chip * target.coresPerChip + stream.queue().core;
      runnable.push_back(q);
    }
  }

  std::variant<StageStats, Fault> run();

private:
  enum class Phase : uint8_t { Idle, Startup, Transfer };
  struct QueueState {
    std::vector<CachedCost> costs;
    Resolver resolver{Stream()};
    uint8_t chip = 0, core = 0;
    uint32_t systemCore = 0;
    Phase phase = Phase::Idle;
    CachedCost *current = nullptr;
    uint64_t start = 0;
    bool holdsPort = false;
  };
  /// D2.1: the one port of a core's array on targets without dual_port.
  struct Port {
    bool busy = false;
    int64_t granted = -1; ///< Queue that may take it next though it is busy.
    std::vector<uint32_t> waiting; ///< In order of arrival.
  };

  bool exclusive(const Instruction &instruction) const {
    return !target.dualPort &&
           (std::holds_alternative<WriteWeights>(instruction.op) ||
            std::holds_alternative<Mac>(instruction.op));
  }
  CachedCost *lookUp(uint32_t q);
  void issueAll();
  void issue(uint32_t q);
  void begin(uint32_t q, CachedCost *cost);
  void transfer(uint32_t q);
  void complete(uint32_t q);
  void handle(uint32_t q);

  const Program &program;
  const TargetSpec &target;
  const StageStreams &streams;
  std::vector<TileTable> &tiles;
  bool keepTrace;
  ResourceMap resources;
  Progress progress;
  Sharing sharing;
  Statistics statistics;
  CriticalPath critical;
  std::vector<QueueState> queues;
  std::vector<uint64_t> events; ///< Next event of each queue.
  std::vector<Port> ports;
  std::vector<uint32_t> runnable, batch;
  std::vector<TraceEvent> trace;
  std::optional<Fault> fault;
  uint64_t now = 0;
};

/// The cost of the queue's current instruction, with the tile it meets. Null
/// after a fault.
CachedCost *Simulator::lookUp(uint32_t q) {
  QueueState &queue = queues[q];
  const Cursor &cursor = progress.cursor(q);
  CachedCost &cached = queue.costs[cursor.index()];
  const Instruction &inst = cursor.instruction();
  const Tile *tile = nullptr;
  if (std::holds_alternative<Mac>(inst.op)) {
    const Mac &mac = std::get<Mac>(queue.resolver.resolve(cursor).op);
    tile = tiles[queue.systemCore].find(mac);
    if (!tile) {
      fault =
          badTile(program, streams.streams[q].queue(), referTo(q, cursor), mac);
      return nullptr;
    }
    if (cached.valid && (cached.planes != tile->planes ||
                         cached.planeColumns != tile->planeColumns ||
                         cached.bfp != isBfp(tile->format)))
      cached.valid = false;
  }
  if (!cached.valid) {
    cached.cost =
        cost(target, resources, inst, program, queue.chip, queue.core, tile);
    cached.events = Events(cached.cost, resources);
    cached.binding = Binding(cached.cost, resources);
    cached.valid = true;
    if (tile) {
      cached.planes = tile->planes;
      cached.planeColumns = tile->planeColumns;
      cached.bfp = isBfp(tile->format);
    }
  }
  return &cached;
}

void Simulator::complete(uint32_t q) {
  QueueState &queue = queues[q];
  const Cursor &cursor = progress.cursor(q);
  statistics.add(q, cursor.index(), queue.start, now,
                 queue.current->cost.soloDuration, queue.current->events);
  critical.complete(q, statistics.layerOf(cursor.instruction()),
                    streams.streams[q].queue().engine, now - queue.start,
                    queue.current->cost, queue.current->binding);
  if (keepTrace)
    trace.push_back({q, cursor.index(), queue.start, now});
  queue.phase = Phase::Idle;
  events[q] = kNever;
  if (queue.holdsPort) {
    queue.holdsPort = false;
    Port &port = ports[queue.systemCore];
    port.busy = !port.waiting.empty();
    if (port.busy) {
      port.granted = port.waiting.front();
      critical.release(port.waiting.front(), q);
      runnable.push_back(port.waiting.front());
      port.waiting.erase(port.waiting.begin());
    }
  }
  progress.complete(q, [&](uint32_t woken) {
    critical.release(woken, q);
    runnable.push_back(woken);
  });
}

/// Issues instructions of the queue: all that take no time, then one that does.
void Simulator::issue(uint32_t q) {
  QueueState &queue = queues[q];
  while (!fault && progress.ready(q)) {
    const Instruction &inst = progress.cursor(q).instruction();
    if (exclusive(inst)) {
      Port &port = ports[queue.systemCore];
      if (port.busy && port.granted != q) {
        port.waiting.push_back(q);
        return;
      }
      port.granted = -1;
    }
    CachedCost *cost = lookUp(q);
    if (!cost)
      return;
    if (std::holds_alternative<WriteWeights>(inst.op))
      tiles[queue.systemCore].write(std::get<WriteWeights>(
          queue.resolver.resolve(progress.cursor(q)).op));
    queue.current = cost;
    queue.start = now;
    if (cost->cost.soloDuration == 0) {
      complete(q);
      continue;
    }
    begin(q, cost);
    return;
  }
}

void Simulator::begin(uint32_t q, CachedCost *cost) {
  QueueState &queue = queues[q];
  if (exclusive(progress.cursor(q).instruction())) {
    queue.holdsPort = true;
    ports[queue.systemCore].busy = true;
  }
  queue.phase = Phase::Startup;
  if (cost->cost.startup == 0)
    transfer(q);
  else
    events[q] = now + cost->cost.startup;
}

void Simulator::transfer(uint32_t q) {
  const InstructionCost &cost = queues[q].current->cost;
  if (cost.soloCycles <= 0) {
    complete(q);
    runnable.push_back(q);
    return;
  }
  queues[q].phase = Phase::Transfer;
  // Sharing says when it ends.
  events[q] = kNever;
  sharing.start(q, cost, now);
}

void Simulator::handle(uint32_t q) {
  if (queues[q].phase == Phase::Startup)
    return transfer(q);
  sharing.finish(q);
  complete(q);
  runnable.push_back(q);
}

void Simulator::issueAll() {
  while (!runnable.empty() && !fault) {
    batch.swap(runnable);
    runnable.clear();
    std::sort(batch.begin(), batch.end());
    for (uint32_t q : batch)
      if (queues[q].phase == Phase::Idle)
        issue(q);
    batch.clear();
  }
}

std::variant<StageStats, Fault> Simulator::run() {
  issueAll();
  auto moved = [&](uint32_t q, uint64_t end) { events[q] = end; };
  sharing.settle(now, moved);
  while (!fault && !events.empty()) {
    uint64_t next = *std::min_element(events.begin(), events.end());
    if (next == kNever)
      break;
    now = next;
    for (uint32_t q = 0; q < events.size(); ++q)
      if (events[q] == now)
        handle(q);
    issueAll();
    sharing.settle(now, moved);
  }
  if (!fault && !progress.finished()) {
    Fault stuck;
    stuck.code = FaultCode::Deadlock;
    stuck.at =
        referTo(progress.firstStuck(), progress.cursor(progress.firstStuck()));
    stuck.message = absl::StrCat("deadlock at cycle ", now, ": ",
                                 progress.describeStuck(program));
    fault = std::move(stuck);
  }
  if (fault)
    return *std::move(fault);
  StageStats stats = statistics.finish(now);
  critical.finish(stats.layers);
  std::sort(trace.begin(), trace.end(),
            [](const TraceEvent &a, const TraceEvent &b) {
              return std::tie(a.start, a.queue, a.end, a.instruction) <
                     std::tie(b.start, b.queue, b.end, b.instruction);
            });
  stats.trace = std::move(trace);
  return stats;
}

} // namespace

std::variant<StageStats, Fault> simulate(const Program &program,
                                         const StageStreams &streams,
                                         std::vector<TileTable> &tiles,
                                         bool trace) {
  return Simulator(program, streams, tiles, trace).run();
}

} // namespace cim::device
