// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Contention (device.md D5.1): running transfers share resources. A transfer's
// speed is the fraction of its uncontended rate at which it progresses; speeds
// are max-min fair: they rise together until a resource is full, its users stop
// there, the others rise on, up to 1.
#ifndef CIM_LIB_DEVICE_TIMING_SHARING_H
#define CIM_LIB_DEVICE_TIMING_SHARING_H

#include <cstdint>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "timing/Cost.h"

namespace cim::device {

/// The transfers of up to `slots` queues, one each. Times never decrease from
/// call to call. Demand rates are fixed-point integers, so that sums do not
/// drift and do not depend on order.
class Sharing {
public:
  Sharing(const ResourceMap &resources, uint32_t slots);

  /// `slot` starts to transfer what `cost` asks for; soloCycles > 0.
  void start(uint32_t slot, const InstructionCost &cost, uint64_t now);
  void finish(uint32_t slot);

  /// Brings speeds up to date after starts and finishes at cycle `now`; calls
  /// changed(slot, end) for every transfer whose end was or may have been
  /// moved.
  template <typename Changed>
  void settle(uint64_t now, Changed changed) {
    if (!pending)
      return;
    solve(now);
    for (uint32_t slot : moved)
      changed(slot, transfers[slot].end);
    moved.clear();
    pending = false;
  }

  double speed(uint32_t slot) const { return transfers[slot].speed; }

private:
  struct Share {
    uint32_t resource;
    uint64_t rate; ///< Bytes per cycle at speed 1, fixed point.
  };
  struct Transfer {
    absl::InlinedVector<Share, 3> shares;
    double remaining = 0; ///< Cycles at speed 1, as of `since`.
    double speed = 0, next = 0;
    uint64_t since = 0, end = 0;
    bool active = false, visited = false, frozen = false;
  };
  struct Resource {
    uint64_t capacity = 0, load = 0; ///< Fixed point.
    double taken = 0;                ///< By frozen transfers.
    uint64_t open = 0;               ///< Rates of the others.
    std::vector<uint32_t> users;
    bool dirty = false, visited = false;
    bool full() const { return load > capacity; }
  };

  void markDirty(uint32_t resource);
  void solve(uint64_t now);
  void collect();
  void fill();
  void apply(uint32_t slot, uint64_t now);

  std::vector<Transfer> transfers;
  std::vector<Resource> resources;
  std::vector<uint32_t> dirty, started, moved;
  std::vector<uint32_t> component, members; ///< Resources, transfers.
  bool pending = false;
};

} // namespace cim::device

#endif // CIM_LIB_DEVICE_TIMING_SHARING_H
