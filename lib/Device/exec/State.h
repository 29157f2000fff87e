// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the instruction bodies share: memories, arrays, checked access.
#ifndef CIM_LIB_DEVICE_EXEC_STATE_H
#define CIM_LIB_DEVICE_EXEC_STATE_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "Memory.h"
#include "ThreadPool.h"
#include "Weights.h"
#include "absl/strings/str_cat.h"
#include "cim/Device/Device.h"
#include "cim/Program/Program.h"

namespace cim::exec {

class CompiledKernel;
using MaybeFault = std::optional<Fault>;

/// A fault with the pieces of its message; `at` is the caller's business.
template <typename... Args>
MaybeFault fault(FaultCode code, const Args &...pieces) {
  Fault f;
  f.code = code;
  f.message = absl::StrCat(pieces...);
  return f;
}
#define CIM_FAULT_IF(expression)                                               \
  do {                                                                         \
    if (MaybeFault cimFault = (expression))                                    \
      return cimFault;                                                         \
  } while (false)

/// A strided access as instructions state it: element (i0, .., ik) is
/// `elemBytes` bytes at address + sum of i * stride.
struct Access {
  const char *what = ""; ///< For messages: "source", "operand 2", ...
  Address address;
  unsigned elemBytes = 1;
  std::vector<Dim> dims; ///< Outermost first; may be empty (one element).
};

/// The memories of one core and its weight sets.
struct Core {
  Memory l1, acc;
  std::vector<std::vector<Tile>> sets;
};
struct Chip {
  Memory dram, l2;
  std::vector<Core> cores;
};

struct State {
  State(const Program &program, bool sanitize, int threads);
  ~State();

  const Program &program;
  const TargetSpec &target;
  const bool sanitize;
  std::vector<Chip> chips;
  ThreadPool pool;
  WeightCache weights;
  /// By kernel index; compiled when first used.
  std::vector<std::unique_ptr<CompiledKernel>> kernels;

  /// The memory an address names for an instruction of (chip, core), or null.
  Memory *memory(const Address &address, unsigned chip, unsigned core);
};

/// The core that executes, handed to every instruction body.
struct Context {
  State &state;
  unsigned chip, core;

  Core &self() const { return state.chips[chip].cores[core]; }

  /// Checks an access for reading: size and range, and that all its bytes were
  /// written when sanitizing. `p` then points at the byte of `address` itself;
  /// the rest of the access lies around it.
  MaybeFault read(const Access &access, const uint8_t *&p) const;
  /// For writing: also segments. The bytes count as written from here on.
  MaybeFault write(const Access &access, uint8_t *&p) const;

  // The parts of the above.
  MaybeFault locate(const Access &access, Memory *&memory, Range &range) const;
  /// Range and segments.
  MaybeFault checkWritable(const Access &access) const;
  /// Sanitizer only; the access must be in range.
  void markWritten(const Access &access) const;
};

/// Smallest range that holds the access. False when it leaves 64 bits or the
/// memory, or a size is below 1.
bool boundsOf(const Access &access, uint64_t limit, Range &range);
/// "L1[0x1200]", for messages.
std::string describe(const Address &address);

/// Drops dims of size 1 and merges neighbours that step evenly in all strides.
/// Each dim has one stride per entry of `strides`.
struct Nest {
  std::vector<int64_t> sizes;
  std::vector<std::vector<int64_t>> strides; ///< [access][dim]
};
void coalesce(Nest &nest);

/// Calls f(offset, length) for the contiguous runs of an access, in order.
/// Offsets are relative to the access's address.
template <typename F>
void forEachRun(const Access &access, F f) {
  Nest nest;
  nest.strides.resize(1);
  for (const Dim &d : access.dims) {
    nest.sizes.push_back(d.size);
    nest.strides[0].push_back(d.stride);
  }
  coalesce(nest);
  std::vector<int64_t> &sizes = nest.sizes, &strides = nest.strides[0];
  int64_t length = access.elemBytes;
  if (!sizes.empty() && strides.back() == length) {
    length *= sizes.back();
    sizes.pop_back(), strides.pop_back();
  }
  std::vector<int64_t> index(sizes.size(), 0);
  int64_t offset = 0;
  while (true) {
    f(offset, length);
    size_t d = sizes.size();
    while (d > 0) {
      --d;
      offset += strides[d];
      if (++index[d] < sizes[d])
        break;
      offset -= strides[d] * sizes[d];
      index[d] = 0;
      if (d == 0)
        return;
    }
    if (sizes.empty())
      return;
  }
}

//===----------------------------------------------------------------------===//
// Instruction bodies, one file each.
//===----------------------------------------------------------------------===//

MaybeFault executeDmaCopy(const Context &context, const DmaCopy &op);
MaybeFault executeDmaFill(const Context &context, const DmaFill &op);
MaybeFault executeWriteWeights(const Context &context, const WriteWeights &op);
MaybeFault executeMac(const Context &context, const Mac &op);
MaybeFault executeVec(const Context &context, const Vec &op);
MaybeFault executeCtrl(const Context &context, const Ctrl &op);

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_STATE_H
