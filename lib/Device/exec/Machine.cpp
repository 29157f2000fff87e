// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Machine.h"

#include <algorithm>
#include <cstring>

#include "State.h"
#include "VecKernel.h"
#include "absl/strings/str_cat.h"

namespace cim::exec {

//===----------------------------------------------------------------------===//
// State.
//===----------------------------------------------------------------------===//

State::State(const Program &program, bool sanitize, int threads)
    : program(program), target(program.target), sanitize(sanitize),
      pool(std::max(threads, 1)), kernels(program.kernels.size()) {}
State::~State() = default;

Memory *State::memory(const Address &address, unsigned chip, unsigned core) {
  switch (address.space) {
  case Space::L1:
    return &chips[chip].cores[core].l1;
  case Space::ACC:
    return &chips[chip].cores[core].acc;
  case Space::L2:
    return address.chip < chips.size() ? &chips[address.chip].l2 : nullptr;
  case Space::DRAM:
    return address.chip < chips.size() ? &chips[address.chip].dram : nullptr;
  }
  return nullptr;
}

std::string describe(const Address &address) {
  const char *names[] = {"DRAM", "L2", "L1", "ACC"};
  bool shared = address.space == Space::DRAM || address.space == Space::L2;
  return absl::StrCat(names[size_t(address.space) & 3],
                      shared ? absl::StrCat(" chip ", int(address.chip)) : "",
                      "[0x", absl::Hex(address.offset), "]");
}

bool boundsOf(const Access &access, uint64_t limit, Range &range) {
  __int128 lo = access.address.offset, hi = lo;
  for (const Dim &d : access.dims) {
    if (d.size < 1)
      return false;
    __int128 reach = __int128(d.size - 1) * d.stride;
    (reach < 0 ? lo : hi) += reach;
    // Keep the sums within 128 bits whatever the number of dims.
    if (lo < 0 || hi > limit)
      return false;
  }
  hi += access.elemBytes;
  if (hi > limit)
    return false;
  range = {uint64_t(lo), uint64_t(hi)};
  return true;
}

void coalesce(Nest &nest) {
  std::vector<int64_t> sizes;
  std::vector<std::vector<int64_t>> strides(nest.strides.size());
  for (size_t d = 0; d < nest.sizes.size(); ++d) {
    if (nest.sizes[d] == 1)
      continue;
    bool merge = !sizes.empty();
    for (size_t a = 0; merge && a < strides.size(); ++a)
      merge = strides[a].back() == nest.strides[a][d] * nest.sizes[d];
    if (merge)
      sizes.back() *= nest.sizes[d];
    else
      sizes.push_back(nest.sizes[d]);
    for (size_t a = 0; a < strides.size(); ++a) {
      if (merge)
        strides[a].back() = nest.strides[a][d];
      else
        strides[a].push_back(nest.strides[a][d]);
    }
  }
  nest.sizes = std::move(sizes);
  nest.strides = std::move(strides);
}

//===----------------------------------------------------------------------===//
// Checked access.
//===----------------------------------------------------------------------===//

MaybeFault Context::locate(const Access &access, Memory *&memory,
                           Range &range) const {
  memory = state.memory(access.address, chip, core);
  if (!memory)
    return fault(FaultCode::OutOfRange, access.what, " ",
                 describe(access.address), ": the target has ",
                 state.chips.size(), " chips; name an existing chip");
  for (const Dim &d : access.dims)
    if (d.size < 1)
      return fault(FaultCode::IllegalInstruction, access.what, " ",
                   describe(access.address), ": a size is ", d.size,
                   "; sizes must be at least 1");
  if (!boundsOf(access, memory->size(), range))
    return fault(FaultCode::OutOfRange, access.what, " ",
                 describe(access.address), ": the access leaves the memory; ",
                 memory->name(), " has ", memory->size(),
                 " bytes; check address, sizes and strides");
  return std::nullopt;
}

MaybeFault Context::read(const Access &access, const uint8_t *&p) const {
  Memory *memory;
  Range range;
  CIM_FAULT_IF(locate(access, memory, range));
  p = memory->read(range) + (access.address.offset - range.lo);
  if (!state.sanitize)
    return std::nullopt;
  uint64_t missing = 0;
  if (memory->initialized(range, missing))
    return std::nullopt;
  bool complete = true;
  forEachRun(access, [&](int64_t offset, int64_t length) {
    uint64_t lo = access.address.offset + uint64_t(offset);
    if (complete)
      complete = memory->initialized({lo, lo + uint64_t(length)}, missing);
  });
  if (complete)
    return std::nullopt;
  Address at = access.address;
  at.offset = missing;
  return fault(FaultCode::UninitializedRead, access.what, " ",
               describe(access.address), ": reads byte ", describe(at),
               " before anything wrote it; write it first or order this "
               "instruction after its writer");
}

MaybeFault Context::checkWritable(const Access &access) const {
  Memory *memory;
  Range range;
  CIM_FAULT_IF(locate(access, memory, range));
  if (!memory->segmentIn(range))
    return std::nullopt;
  const Segment *hit = nullptr;
  forEachRun(access, [&](int64_t offset, int64_t length) {
    uint64_t lo = access.address.offset + uint64_t(offset);
    if (!hit)
      hit = memory->segmentIn({lo, lo + uint64_t(length)});
  });
  if (!hit)
    return std::nullopt;
  return fault(FaultCode::ReadOnlyWrite, access.what, " ",
               describe(access.address), ": writes segment ", hit->name, " at ",
               describe(hit->address), " of ", hit->data.size(),
               " bytes; segments are read-only, write elsewhere");
}

void Context::markWritten(const Access &access) const {
  Memory *memory = state.memory(access.address, chip, core);
  forEachRun(access, [&](int64_t offset, int64_t length) {
    uint64_t lo = access.address.offset + uint64_t(offset);
    memory->markInitialized({lo, lo + uint64_t(length)});
  });
}

MaybeFault Context::write(const Access &access, uint8_t *&p) const {
  CIM_FAULT_IF(checkWritable(access));
  Memory *memory;
  Range range;
  CIM_FAULT_IF(locate(access, memory, range));
  p = memory->write(range) + (access.address.offset - range.lo);
  if (state.sanitize)
    markWritten(access);
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Machine.
//===----------------------------------------------------------------------===//

Machine::Machine(std::unique_ptr<State> state) : state(std::move(state)) {}
Machine::~Machine() = default;

absl::StatusOr<std::unique_ptr<Machine>>
Machine::create(const Program &program, bool sanitize, int threads) {
  auto state = std::make_unique<State>(program, sanitize, threads);
  const TargetSpec &t = program.target;
  uint64_t dram = program.dramBytes ? program.dramBytes : t.dramBytes;
  state->chips.resize(t.chips);
  for (unsigned i = 0; i < t.chips; ++i) {
    Chip &chip = state->chips[i];
    std::string of = absl::StrCat(" of chip ", i);
    absl::Status status =
        chip.dram.create(absl::StrCat("DRAM", of), dram, sanitize);
    status.Update(chip.l2.create(absl::StrCat("L2", of), t.l2Bytes, sanitize));
    chip.cores.resize(t.coresPerChip);
    for (unsigned j = 0; j < t.coresPerChip; ++j) {
      Core &core = chip.cores[j];
      std::string ofCore = absl::StrCat(" of chip ", i, " core ", j);
      status.Update(
          core.l1.create(absl::StrCat("L1", ofCore), t.l1Bytes, sanitize));
      status.Update(
          core.acc.create(absl::StrCat("ACC", ofCore), t.accBytes, sanitize));
      core.sets.resize(t.weightSets);
    }
    if (!status.ok())
      return status;
  }
  for (const Segment &segment : program.segments) {
    Memory *memory = segment.address.space == Space::DRAM
                         ? state->memory(segment.address, 0, 0)
                         : nullptr;
    if (!memory)
      return absl::InvalidArgumentError(absl::StrCat(
          "segment ", segment.name, ": lies at ", describe(segment.address),
          "; segments must lie in the DRAM of one of the ", t.chips, " chips"));
    absl::Status status = memory->addSegment(segment);
    if (!status.ok())
      return status;
  }
  return std::unique_ptr<Machine>(new Machine(std::move(state)));
}

std::optional<Fault> Machine::execute(unsigned chip, unsigned core,
                                      const Instruction &instruction) {
  if (chip >= state->chips.size() || core >= state->chips[chip].cores.size())
    return fault(FaultCode::IllegalInstruction, "chip ", chip, " core ", core,
                 ": no such core; the target has ", state->target.chips,
                 " chips of ", state->target.coresPerChip,
                 " cores; name an existing core");
  Context context{*state, chip, core};
  struct Visitor {
    const Context &context;
    MaybeFault operator()(const Nop &) { return std::nullopt; }
    MaybeFault operator()(const LoopBegin &) { return std::nullopt; }
    MaybeFault operator()(const LoopEnd &) { return std::nullopt; }
    MaybeFault operator()(const DmaCopy &op) {
      return executeDmaCopy(context, op);
    }
    MaybeFault operator()(const DmaFill &op) {
      return executeDmaFill(context, op);
    }
    MaybeFault operator()(const WriteWeights &op) {
      return executeWriteWeights(context, op);
    }
    MaybeFault operator()(const Mac &op) { return executeMac(context, op); }
    MaybeFault operator()(const Vec &op) { return executeVec(context, op); }
    MaybeFault operator()(const Ctrl &op) { return executeCtrl(context, op); }
  };
  return std::visit(Visitor{context}, instruction.op);
}

namespace {

absl::Status hostRange(const Memory *memory, const Address &address,
                       size_t size, const char *what) {
  if (!memory)
    return absl::InvalidArgumentError(
        absl::StrCat(what, " ", describe(address),
                     ": no such chip or core; name one of "
                     "the target's"));
  if (address.offset > memory->size() || size > memory->size() - address.offset)
    return absl::OutOfRangeError(absl::StrCat(
        what, " ", describe(address), ": ", size, " bytes leave ",
        memory->name(), " of ", memory->size(), " bytes; stay inside"));
  return absl::OkStatus();
}

/// The memory for the host; unlike instructions it may name any core.
Memory *hostMemory(State &state, const Address &address, unsigned core) {
  if (address.chip >= state.chips.size() ||
      core >= state.chips[address.chip].cores.size())
    return nullptr;
  return state.memory(address, address.chip, core);
}

} // namespace

absl::Status Machine::write(const Address &address, unsigned core,
                            const void *data, size_t size) {
  Memory *memory = hostMemory(*state, address, core);
  absl::Status status = hostRange(memory, address, size, "host write");
  if (!status.ok() || size == 0)
    return status;
  Range range{address.offset, address.offset + size};
  if (const Segment *segment = memory->segmentIn(range))
    return absl::InvalidArgumentError(absl::StrCat(
        "host write ", describe(address), ": ", size, " bytes reach segment ",
        segment->name, "; segments are read-only, write elsewhere"));
  std::memcpy(memory->write(range), data, size);
  if (state->sanitize)
    memory->markInitialized(range);
  return absl::OkStatus();
}

absl::Status Machine::read(const Address &address, unsigned core, void *data,
                           size_t size) const {
  Memory *memory = hostMemory(*state, address, core);
  absl::Status status = hostRange(memory, address, size, "host read");
  if (!status.ok() || size == 0)
    return status;
  std::memcpy(data, memory->read({address.offset, address.offset + size}),
              size);
  return absl::OkStatus();
}

} // namespace cim::exec
