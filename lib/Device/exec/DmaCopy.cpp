// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// device.md D4.1: strided copy.
#include <algorithm>
#include <cstring>

#include "State.h"
#include "Strided.h"

namespace cim::exec {
namespace {

/// Sorted, disjoint byte intervals of an access.
std::vector<Range> intervalsOf(const Access &access) {
  std::vector<Range> runs;
  forEachRun(access, [&](int64_t offset, int64_t length) {
    uint64_t lo = access.address.offset + uint64_t(offset);
    runs.push_back({lo, lo + uint64_t(length)});
  });
  std::sort(runs.begin(), runs.end(),
            [](Range a, Range b) { return a.lo < b.lo; });
  return runs;
}

/// D4.1: source and destination must not overlap.
MaybeFault checkOverlap(const Context &context, const Access &src,
                        const Access &dst) {
  Memory *a = context.state.memory(src.address, context.chip, context.core);
  Memory *b = context.state.memory(dst.address, context.chip, context.core);
  Range ra, rb;
  if (a != b || !boundsOf(src, a->size(), ra) || !boundsOf(dst, b->size(), rb))
    return std::nullopt;
  if (ra.hi <= rb.lo || rb.hi <= ra.lo)
    return std::nullopt;
  std::vector<Range> x = intervalsOf(src), y = intervalsOf(dst);
  for (size_t i = 0, j = 0; i < x.size() && j < y.size();) {
    if (x[i].lo < y[j].hi && y[j].lo < x[i].hi)
      return fault(FaultCode::IllegalInstruction, "source ",
                   describe(src.address), " and destination ",
                   describe(dst.address), " overlap at byte 0x",
                   absl::Hex(std::max(x[i].lo, y[j].lo)),
                   "; copy through another buffer");
    x[i].hi <= y[j].hi ? ++i : ++j;
  }
  return std::nullopt;
}

} // namespace

MaybeFault executeDmaCopy(const Context &context, const DmaCopy &op) {
  size_t rank = op.sizes.size();
  if (op.srcStrides.size() != rank || op.dstStrides.size() != rank)
    return fault(FaultCode::IllegalInstruction, "copy to ", describe(op.dst),
                 ": ", rank, " sizes, ", op.srcStrides.size(), " and ",
                 op.dstStrides.size(), " strides; give one stride per size");
  Access src{"source", op.src, op.elemBytes, {}};
  Access dst{"destination", op.dst, op.elemBytes, {}};
  for (size_t d = 0; d < rank; ++d) {
    src.dims.push_back({op.sizes[d], op.srcStrides[d]});
    dst.dims.push_back({op.sizes[d], op.dstStrides[d]});
  }
  const uint8_t *from;
  uint8_t *to;
  CIM_FAULT_IF(context.read(src, from));
  CIM_FAULT_IF(context.write(dst, to));
  if (context.state.sanitize)
    CIM_FAULT_IF(checkOverlap(context, src, dst));

  Nest nest{op.sizes, {op.srcStrides, op.dstStrides}};
  copyStrided(nest, op.elemBytes, from, to);
  return std::nullopt;
}

} // namespace cim::exec
