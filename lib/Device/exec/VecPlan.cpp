// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>

#include "VecRun.h"

namespace cim::exec {

VecPlan::VecPlan(const CompiledKernel &kernel, const Vec &op,
                 std::vector<BoundOperand> bound)
    : kernel(kernel), op(op), operands(std::move(bound)) {
  size_t rank = op.sizes.size();
  std::vector<size_t> loops;
  for (size_t i = 0; i < rank; ++i)
    if (!(op.reductionMask >> i & 1))
      loops.push_back(i);
  order(loops);
  size_t variations = operands.size() + rank;
  auto add = [&](Nest &nest, size_t loop) {
    nest.sizes.push_back(op.sizes[loop]);
    for (size_t v = 0; v < operands.size(); ++v)
      nest.strides[v].push_back(operands[v].source->strides[loop]);
    for (size_t i = 0; i < rank; ++i)
      nest.strides[operands.size() + i].push_back(i == loop ? 1 : 0);
  };
  parallel.strides.resize(variations);
  reduction.strides.resize(variations);
  for (size_t loop : loops)
    add(parallel, loop);
  for (size_t i = 0; i < rank; ++i)
    if (op.reductionMask >> i & 1)
      add(reduction, i);
  // Loops whose index is never read need not be told apart.
  for (size_t i = 0; i < rank; ++i)
    if (!needsOffsets(operands.size() + i))
      for (Nest *nest : {&parallel, &reduction})
        std::fill(nest->strides[operands.size() + i].begin(),
                  nest->strides[operands.size() + i].end(), 0);
  coalesce(parallel);
  coalesce(reduction);

  // Chunks of whole inner dims and a part of the next one.
  int64_t inner = 1;
  size_t d = parallel.sizes.size();
  while (d > 0 && inner * parallel.sizes[d - 1] <= kChunk)
    inner *= parallel.sizes[--d];
  int64_t steps = 1;
  if (d > 0) {
    cut = d - 1;
    int64_t size = parallel.sizes[cut], most = kChunk / inner;
    steps = (size + most - 1) / most;
    step = (size + steps - 1) / steps;
    steps = (size + step - 1) / step;
    whole = shapeFor(step);
    last = shapeFor(size - step * (steps - 1));
    chunkCount = steps;
    for (size_t i = 0; i < cut; ++i)
      chunkCount *= parallel.sizes[i];
  } else {
    cut = 0;
    step = parallel.sizes.empty() ? 1 : parallel.sizes[0];
    whole = last = shapeFor(step);
  }
}

/// The innermost loop should walk memory densely: puts the loop with the most
/// operands at unit stride last. Parallel loops may be permuted (F5).
void VecPlan::order(std::vector<size_t> &loops) const {
  auto score = [&](size_t loop) {
    int64_t points = 0;
    for (const BoundOperand &o : operands) {
      int64_t s = o.source->strides[loop];
      points += s == int64_t(byteSize(o.type)) ? 4 : s == 0 ? 1 : 0;
    }
    return op.sizes[loop] >= 4 ? points : 0;
  };
  auto best = loops.end();
  for (auto it = loops.begin(); it != loops.end(); ++it)
    if (best == loops.end() || score(*it) >= score(*best))
      best = it;
  if (best != loops.end())
    std::rotate(best, best + 1, loops.end());
}

bool VecPlan::needsOffsets(size_t v) const {
  if (v < operands.size())
    return kernel.operands[v].gathered || kernel.operands[v].scattered;
  for (const CompiledKernel::Inst &inst : kernel.body)
    if (inst.op == MicroOp::Index && inst.source->imm == v - operands.size())
      return true;
  return false;
}

VecPlan::Shape VecPlan::shapeFor(int64_t steps) const {
  Shape shape;
  std::vector<int64_t> sizes(parallel.sizes.begin() +
                                 std::min(cut, parallel.sizes.size()),
                             parallel.sizes.end());
  if (!sizes.empty())
    sizes[0] = steps;
  shape.length = 1;
  for (int64_t s : sizes)
    shape.length *= s;
  for (size_t v = 0; v < parallel.strides.size(); ++v) {
    std::vector<int64_t> strides(parallel.strides[v].begin() +
                                     std::min(cut, parallel.strides[v].size()),
                                 parallel.strides[v].end());
    unsigned width = v < operands.size() ? byteSize(operands[v].type) : 8;
    shape.blocks.push_back(Block(sizes, strides, width));
    shape.offsets.emplace_back();
    if (!needsOffsets(v))
      continue;
    std::vector<int64_t> &offsets = shape.offsets.back();
    offsets.push_back(0);
    for (size_t d = 0; d < sizes.size(); ++d) {
      std::vector<int64_t> next;
      for (int64_t o : offsets)
        for (int64_t i = 0; i < sizes[d]; ++i)
          next.push_back(o + i * strides[d]);
      offsets = std::move(next);
    }
  }
  return shape;
}

void VecPlan::locate(int64_t chunk, Position &position) const {
  position.offsets.assign(parallel.strides.size(), 0);
  position.shape = &whole;
  if (parallel.sizes.empty())
    return;
  int64_t size = parallel.sizes[cut];
  int64_t steps = (size + step - 1) / step;
  int64_t i = chunk % steps, rest = chunk / steps;
  if (i + 1 == steps)
    position.shape = &last;
  for (size_t v = 0; v < position.offsets.size(); ++v)
    position.offsets[v] = i * step * parallel.strides[v][cut];
  for (size_t d = cut; d-- > 0;) {
    int64_t index = rest % parallel.sizes[d];
    rest /= parallel.sizes[d];
    for (size_t v = 0; v < position.offsets.size(); ++v)
      position.offsets[v] += index * parallel.strides[v][d];
  }
}

} // namespace cim::exec
