// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// checkStreams.
#include "cim/Device/StreamCheck.h"

#include "absl/strings/str_cat.h"
#include "cim/Support/Status.h"
#include "exec/CtrlKernels.h"
#include "sanitizer/RaceDetector.h"
#include "stream/Walk.h"
#include "timing/Simulator.h"

namespace cim {
namespace {

using namespace device;

class StageCheck {
public:
  StageCheck(const Program &program, const StageStreams &streams,
             std::vector<TileTable> &tiles)
      : program(program), streams(streams), tiles(tiles),
        memories(program.target), races(program, memories, streams) {}

  std::optional<Fault> run() {
    return walk(program, streams,
                [&](uint32_t q, const Cursor &cursor, const Instruction &inst) {
                  return check(q, cursor, inst);
                });
  }

private:
  std::optional<Fault> check(uint32_t q, const Cursor &cursor,
                             const Instruction &inst) {
    const Queue &queue = streams.streams[q].queue();
    TileTable &sets = tiles[memories.core(queue.chip, queue.core)];
    accesses.clear();
    enumerateAccesses(program, memories, sets, queue.chip, queue.core, inst,
                      accesses);
    if (auto *ctrl = std::get_if<Ctrl>(&inst.op)) {
      absl::StatusOr<exec::CtrlShape> shape = exec::ctrlShape(*ctrl);
      if (!shape.ok())
        return illegal(q, cursor, shape.status());
    }
    Execution at{q, cursor.index(), cursor.dynamicIndex()};
    for (const Access &access : accesses) {
      if (const Segment *segment = races.writtenSegment(access))
        return describe(q, cursor, access, *segment);
      if (std::optional<Race> race = races.add(at, access))
        return describe(q, cursor, *race);
    }
    if (cursor.dynamicIndex() + 1 == streams.streams[q].length())
      races.retire(q);
    if (auto *mac = std::get_if<Mac>(&inst.op); mac && !sets.find(*mac))
      return badTile(program, queue, referTo(q, cursor), *mac);
    if (auto *write = std::get_if<WriteWeights>(&inst.op))
      sets.write(*write);
    return std::nullopt;
  }

  Fault illegal(uint32_t q, const Cursor &cursor, const absl::Status &why) {
    Fault fault;
    fault.code = FaultCode::IllegalInstruction;
    fault.message =
        absl::StrCat(describeInstruction(program, streams.streams[q].queue(),
                                         referTo(q, cursor)),
                     ": ", why.message());
    return fault;
  }

  static std::string range(const Access &access) {
    return absl::StrCat(access.write ? "writes [" : "reads [",
                        access.box.begin(), ", ", access.box.end(), ")");
  }

  Fault describe(uint32_t q, const Cursor &cursor, const Access &access,
                 const Segment &segment) {
    Fault fault;
    fault.code = FaultCode::ReadOnlyWrite;
    fault.message = absl::StrCat(
        describeInstruction(program, streams.streams[q].queue(),
                            referTo(q, cursor)),
        " ", range(access), " of ", memories.describe(access.memory),
        "; bytes [", segment.address.offset, ", ",
        segment.address.offset + segment.data.size(), ") are segment ",
        segment.name, ", which is read-only (D1.4); write elsewhere");
    return fault;
  }

  Fault describe(uint32_t q, const Cursor &cursor, const Race &race) {
    Fault fault;
    fault.code = FaultCode::Race;
    // Iterations of the earlier execution: walk its queue again.
    Cursor first(streams.streams[race.first.queue]);
    while (first.dynamicIndex() < race.first.dynamicIndex)
      first.advance();
    fault.other = referTo(race.first.queue, first);
    uint32_t memory = race.firstAccess.memory;
    bool weights = memories.kind(memory) == MemoryMap::Kind::Weights;
    int64_t byte = race.firstAccess.box.commonByte(race.secondAccess.box);
    std::string where = weights
                            ? absl::StrCat("macro ", byte % macrosPerSet(),
                                           " of set ", byte / macrosPerSet())
                            : absl::StrCat("byte ", byte);
    fault.message = absl::StrCat(
        "race on ", where, " of ", memories.describe(memory), ": ",
        describeInstruction(program, streams.streams[race.first.queue].queue(),
                            *fault.other),
        " ", range(race.firstAccess), " and ",
        describeInstruction(program, streams.streams[q].queue(),
                            referTo(q, cursor)),
        " ", range(race.secondAccess),
        ", but nothing orders them (D2.3); make one wait for the other");
    return fault;
  }

  int64_t macrosPerSet() const { return tiles.front().macrosPerSet(); }

  const Program &program;
  const StageStreams &streams;
  std::vector<TileTable> &tiles;
  MemoryMap memories;
  RaceDetector races;
  std::vector<Access> accesses;
};

/// Only D3.2, on weight sets as an earlier run of the stage left them.
std::optional<Fault> checkTiles(const Program &program,
                                const StageStreams &streams,
                                std::vector<TileTable> &tiles) {
  MemoryMap memories(program.target);
  return walk(
      program, streams,
      [&](uint32_t q, const Cursor &cursor,
          const Instruction &inst) -> std::optional<Fault> {
        const Queue &queue = streams.streams[q].queue();
        TileTable &sets = tiles[memories.core(queue.chip, queue.core)];
        if (auto *mac = std::get_if<Mac>(&inst.op); mac && !sets.find(*mac)) {
          Fault fault = badTile(program, queue, referTo(q, cursor), *mac);
          fault.message = absl::StrCat("when run again: ", fault.message);
          return fault;
        }
        if (auto *write = std::get_if<WriteWeights>(&inst.op))
          sets.write(*write);
        return std::nullopt;
      });
}

Fault malformed(const absl::Status &status) {
  Fault fault;
  fault.code = FaultCode::IllegalInstruction;
  fault.message = std::string(status.message());
  return fault;
}

std::optional<Fault> checkStage(const Program &program, const Stage &stage,
                                const char *name, bool repeated,
                                std::vector<TileTable> &tiles) {
  absl::StatusOr<StageStreams> streams = StageStreams::create(stage, name);
  if (!streams.ok())
    return malformed(streams.status());
  if (std::optional<Fault> fault = StageCheck(program, *streams, tiles).run())
    return fault;
  return repeated ? checkTiles(program, *streams, tiles) : std::nullopt;
}

} // namespace

std::optional<StreamFault> findStreamFault(const Program &program) {
  std::vector<TileTable> tiles = makeTileTables(program.target);
  for (bool load : {true, false}) {
    std::optional<Fault> fault =
        checkStage(program, load ? program.load : program.run,
                   load ? "load" : "run", !load, tiles);
    if (fault)
      return StreamFault{load, *std::move(fault)};
  }
  return std::nullopt;
}

absl::Status checkStreams(const Program &program) {
  std::optional<StreamFault> found = findStreamFault(program);
  if (!found)
    return absl::OkStatus();
  return invalidArgument(found->loadStage ? "load" : "run",
                         " stage: ", name(found->fault.code), ": ",
                         found->fault.message);
}

} // namespace cim
