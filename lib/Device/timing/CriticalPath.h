// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The chain of instructions that makes a stage as long as it is: each started
// in the cycle in which the one before it completed, because it follows it in
// its queue, waited for its signal or for its port. From the last instruction
// back to cycle 0 the chain has no gaps, so its parts add up to the stage.
#ifndef CIM_LIB_DEVICE_TIMING_CRITICALPATH_H
#define CIM_LIB_DEVICE_TIMING_CRITICALPATH_H

#include <cstdint>
#include <vector>

#include "cim/Device/Device.h"
#include "timing/Cost.h"

namespace cim::device {

/// What an instruction's transfer is bound by alone, and what makes it longer
/// when others run.
struct Binding {
  PathCause alone = PathCause::Work, shared = PathCause::Work;
  Binding() = default;
  Binding(const InstructionCost &cost, const ResourceMap &resources);
};

/// Follows the chain to the latest completion of every queue while a stage is
/// simulated. Chains share their beginnings; what no queue can continue any
/// more is forgotten, so memory does not grow with the length of the stage but
/// with the layers a chain passes.
class CriticalPath {
public:
  explicit CriticalPath(size_t queues) : done(queues), next(queues) {}

  /// The current instruction of `queue`, of `layer` (-1: none), completes.
  void complete(uint32_t queue, int32_t layer, Engine engine, uint64_t cycles,
                const InstructionCost &cost, const Binding &binding);
  /// What `by` has just completed is what `queue` waited for.
  void release(uint32_t queue, uint32_t by);
  /// Adds the chain of the last completion to the layers it passes.
  void finish(std::vector<LayerStats> &layers) const;

private:
  static constexpr uint32_t kNone = ~0u;
  /// A stretch of a chain in one layer, and the stretch before it.
  struct Stretch {
    int32_t layer = -1;
    PathCycles cycles{};
    uint32_t before = kNone;
  };
  struct Node {
    Stretch stretch;
    uint32_t references = 0;
  };
  struct Next {
    Stretch stretch;
    bool set = false;
  };

  void assign(Stretch &to, const Stretch &from);
  void drop(uint32_t node);
  uint32_t store(const Stretch &stretch);

  std::vector<Stretch> done; ///< To the last completion of each queue.
  std::vector<Next> next;    ///< To what the queue waited for.
  std::vector<Node> nodes;
  std::vector<uint32_t> unused;
  uint32_t last = kNone; ///< Queue that completed last.
};

} // namespace cim::device

#endif // CIM_LIB_DEVICE_TIMING_CRITICALPATH_H
