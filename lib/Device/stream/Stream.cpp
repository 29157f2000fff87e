// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Queue walking.
#include "stream/Stream.h"

#include <algorithm>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cim/Support/Status.h"

namespace cim::device {

absl::StatusOr<Stream> Stream::create(const Queue &queue) {
  Stream stream;
  stream.source = &queue;
  stream.table.reserve(queue.instructions.size());
  struct Open {
    uint32_t index;
    bool yields;
  };
  std::vector<Open> open;
  for (uint32_t i = 0; i < queue.instructions.size(); ++i) {
    const Instruction &inst = queue.instructions[i];
    Entry entry{&inst};
    entry.steps = !inst.steps.empty();
    for (const Step &step : inst.steps)
      entry.waitSteps |= step.field == StepField::WaitValue;
    bool synchronizes = !inst.waits.empty() || inst.signal != kNoSemaphore;
    if (std::holds_alternative<LoopBegin>(inst.op)) {
      if (open.size() == kMaxLoopDepth)
        return invalidArgument("instruction ", i,
                               ": loop nests too deep; at "
                               "most ",
                               kMaxLoopDepth, " loops (D2.4); unroll one");
      entry.kind = Entry::Begin;
      entry.yields = synchronizes;
      open.push_back({i, false});
    } else if (std::holds_alternative<LoopEnd>(inst.op)) {
      if (open.empty())
        return invalidArgument("instruction ", i,
                               ": LoopEnd without "
                               "LoopBegin; loops must balance (D2.4)");
      entry.kind = Entry::End;
      entry.yields = synchronizes;
      entry.match = open.back().index;
      stream.table[entry.match].match = i;
      bool runs =
          std::get<LoopBegin>(queue.instructions[entry.match].op).count > 0;
      bool yields = runs && (open.back().yields || synchronizes);
      stream.table[entry.match].emptyBody = !yields;
      open.pop_back();
      if (!open.empty())
        open.back().yields |= yields || stream.table[entry.match].yields;
    } else if (!open.empty()) {
      open.back().yields = true;
    }
    stream.table.push_back(entry);
  }
  if (!open.empty())
    return invalidArgument("instruction ", open.back().index,
                           ": LoopBegin without LoopEnd; loops must balance "
                           "(D2.4)");
  stream.countYielded();
  if (stream.length() > kMaxExecuted)
    return invalidArgument("executes ", stream.length(),
                           " instructions with its loops; at most ",
                           kMaxExecuted, "; check the loop counts");
  return stream;
}

absl::StatusOr<StageStreams>
StageStreams::create(const Stage &stage, const std::string &stageName) {
  StageStreams result;
  for (const Queue &queue : stage.queues) {
    absl::StatusOr<Stream> stream = Stream::create(queue);
    if (!stream.ok())
      return withContext(stream.status(), absl::StrCat(stageName, " stage, ",
                                                       describeQueue(queue)));
    result.streams.push_back(*std::move(stream));
    for (const Instruction &inst : queue.instructions) {
      for (const Wait &wait : inst.waits)
        result.semaphores = std::max(result.semaphores, wait.id + 1u);
      if (inst.signal != kNoSemaphore)
        result.semaphores = std::max(result.semaphores, inst.signal + 1u);
    }
  }
  return result;
}

void Stream::countYielded() {
  forEachWithCount(*this, [&](const Entry &entry, uint64_t times) {
    if (entry.yields && __builtin_add_overflow(yielded, times, &yielded))
      yielded = UINT64_MAX;
  });
}

std::vector<uint64_t> StageStreams::totalSignals() const {
  std::vector<uint64_t> totals(semaphores);
  for (const Stream &stream : streams)
    forEachWithCount(stream, [&](const Stream::Entry &entry, uint64_t times) {
      uint16_t signal = entry.instruction->signal;
      if (signal != kNoSemaphore &&
          __builtin_add_overflow(totals[signal], times, &totals[signal]))
        totals[signal] = UINT64_MAX;
    });
  return totals;
}

void Cursor::step() {
  const Stream::Entry &at = (*entries)[pc];
  switch (at.kind) {
  case Stream::Entry::Plain:
    ++pc;
    return;
  case Stream::Entry::Begin:
    if (at.emptyBody || std::get<LoopBegin>(at.instruction->op).count == 0) {
      pc = at.match + 1;
      return;
    }
    loops[levels++] = 0;
    ++pc;
    return;
  case Stream::Entry::End: {
    const Instruction &begin = *(*entries)[at.match].instruction;
    if (++loops[levels - 1] < std::get<LoopBegin>(begin.op).count) {
      pc = at.match + 1;
    } else {
      --levels;
      ++pc;
    }
    return;
  }
  }
}

uint64_t Cursor::steppedWait(size_t i, uint64_t value) const {
  for (const Step &step : instruction().steps)
    if (step.field == StepField::WaitValue && step.index == i &&
        step.loop < levels)
      value += static_cast<uint64_t>(step.delta) * loops[step.loop];
  return value;
}

namespace {

/// The fields that steps of `inst` may change.
struct Fields {
  Instruction &inst;

  uint64_t *offset(const Step &step) {
    switch (step.field) {
    case StepField::Src:
      if (auto *copy = std::get_if<DmaCopy>(&inst.op))
        return &copy->src.offset;
      if (auto *write = std::get_if<WriteWeights>(&inst.op))
        return &write->src.offset;
      if (auto *mac = std::get_if<Mac>(&inst.op))
        return &mac->act.offset;
      return nullptr;
    case StepField::Dst:
      if (auto *copy = std::get_if<DmaCopy>(&inst.op))
        return &copy->dst.offset;
      if (auto *fill = std::get_if<DmaFill>(&inst.op))
        return &fill->dst.offset;
      if (auto *mac = std::get_if<Mac>(&inst.op))
        return &mac->acc.offset;
      return nullptr;
    case StepField::Bias:
      if (auto *mac = std::get_if<Mac>(&inst.op))
        return &mac->bias.offset;
      return nullptr;
    case StepField::Operand: {
      std::vector<VecOperand> *operands = nullptr;
      if (auto *vec = std::get_if<Vec>(&inst.op))
        operands = &vec->operands;
      else if (auto *ctrl = std::get_if<Ctrl>(&inst.op))
        operands = &ctrl->operands;
      return operands && step.index < operands->size()
                 ? &(*operands)[step.index].base.offset
                 : nullptr;
    }
    default:
      return nullptr;
    }
  }
  uint8_t *set(const Step &step) {
    if (step.field != StepField::Set)
      return nullptr;
    if (auto *write = std::get_if<WriteWeights>(&inst.op))
      return &write->set;
    if (auto *mac = std::get_if<Mac>(&inst.op))
      return &mac->set;
    return nullptr;
  }
  int64_t *indexBase(const Step &step) {
    auto *vec = std::get_if<Vec>(&inst.op);
    if (step.field != StepField::IndexBase || !vec)
      return nullptr;
    if (vec->indexBase.empty())
      vec->indexBase.resize(vec->sizes.size());
    return step.index < vec->indexBase.size() ? &vec->indexBase[step.index]
                                              : nullptr;
  }
};

} // namespace

const Instruction &Resolver::resolve(const Cursor &cursor) {
  const Instruction &base = cursor.instruction();
  if (!cursor.entry().steps)
    return base;
  std::unique_ptr<Instruction> &copy = copies[cursor.index()];
  if (!copy)
    copy = std::make_unique<Instruction>(base);
  // Back to the base values first: several steps may touch one field.
  Fields from{const_cast<Instruction &>(base)}, to{*copy};
  for (const Step &step : base.steps) {
    if (uint64_t *field = to.offset(step))
      *field = *from.offset(step);
    else if (uint8_t *field = to.set(step))
      *field = *from.set(step);
    else if (int64_t *field = to.indexBase(step)) {
      const Vec &vec = std::get<Vec>(base.op);
      *field = vec.indexBase.empty() ? 0 : vec.indexBase[step.index];
    }
  }
  for (const Step &step : base.steps) {
    uint64_t iteration =
        step.loop < cursor.depth() ? cursor.iteration(step.loop) : 0;
    uint64_t delta = static_cast<uint64_t>(step.delta) * iteration;
    if (uint64_t *field = to.offset(step))
      *field += delta;
    else if (uint8_t *field = to.set(step))
      *field = static_cast<uint8_t>(*field + delta);
    else if (int64_t *field = to.indexBase(step))
      *field = static_cast<int64_t>(static_cast<uint64_t>(*field) + delta);
  }
  return *copy;
}

Progress::Progress(const StageStreams &streams)
    : streams(&streams), counts(streams.semaphores),
      sleepers(streams.semaphores) {
  for (const Stream &stream : streams.streams)
    cursors.emplace_back(stream);
}

bool Progress::ready(uint32_t queue) {
  const Cursor &cursor = cursors[queue];
  if (cursor.done())
    return false;
  const std::vector<Wait> &waits = cursor.instruction().waits;
  for (size_t i = 0; i < waits.size(); ++i) {
    uint64_t value = cursor.waitValue(i);
    if (counts[waits[i].id] < value) {
      sleepers[waits[i].id].push_back({queue, value});
      return false;
    }
  }
  return true;
}

bool Progress::finished() const {
  return std::all_of(cursors.begin(), cursors.end(),
                     [](const Cursor &cursor) { return cursor.done(); });
}

uint32_t Progress::firstStuck() const {
  uint32_t queue = 0;
  while (queue < cursors.size() && cursors[queue].done())
    ++queue;
  return queue;
}

std::string Progress::describeStuck(const Program &program) const {
  std::vector<std::string> lines;
  std::vector<uint64_t> totals = streams->totalSignals();
  for (uint32_t q = 0; q < cursors.size(); ++q) {
    const Cursor &cursor = cursors[q];
    if (cursor.done())
      continue;
    std::string line = describeInstruction(program, streams->streams[q].queue(),
                                           referTo(q, cursor));
    const std::vector<Wait> &waits = cursor.instruction().waits;
    for (size_t i = 0; i < waits.size(); ++i)
      if (counts[waits[i].id] < cursor.waitValue(i))
        absl::StrAppend(&line, " waits for semaphore ", waits[i].id,
                        " >= ", cursor.waitValue(i), ", count is ",
                        counts[waits[i].id], " of ", totals[waits[i].id],
                        " signals in the stage");
    lines.push_back(std::move(line));
  }
  return absl::StrJoin(lines, "; ");
}

std::string describeQueue(const Queue &queue) {
  std::string text = absl::StrCat("chip ", int(queue.chip), " core ",
                                  int(queue.core), " ", name(queue.engine));
  if (queue.engine == Engine::Dma)
    absl::StrAppend(&text, " ", int(queue.index));
  return text;
}

std::string describeInstruction(const Program &program, const Queue &queue,
                                const InstructionRef &at) {
  std::string text =
      absl::StrCat(describeQueue(queue), ", instruction ", at.instruction);
  if (!at.iterations.empty())
    absl::StrAppend(&text, " (iteration ", absl::StrJoin(at.iterations, ", "),
                    ")");
  if (at.instruction < queue.instructions.size()) {
    uint32_t loc = queue.instructions[at.instruction].loc;
    if (loc < program.locations.size() && !program.locations[loc].node.empty())
      absl::StrAppend(&text, ", ", program.locations[loc].node);
  }
  return text;
}

InstructionRef referTo(uint32_t queue, const Cursor &cursor) {
  return {queue, cursor.index(), cursor.iterations()};
}

} // namespace cim::device
