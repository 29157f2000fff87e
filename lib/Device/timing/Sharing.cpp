// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Max-min fair speeds by progressive filling, re-solved only for transfers
// connected through full resources to what changed: a resource that could
// serve all its users at speed 1 binds nobody.
#include "timing/Sharing.h"

#include <algorithm>
#include <cmath>

#include "cim/Support/Check.h"

namespace cim::device {
namespace {
constexpr double kFixedPoint = 1 << 20;
} // namespace

Sharing::Sharing(const ResourceMap &map, uint32_t slots)
    : transfers(slots), resources(map.size()) {
  // Capacities round up and rates down: one transfer alone never contends.
  for (uint32_t r = 0; r < map.size(); ++r)
    resources[r].capacity =
        static_cast<uint64_t>(std::ceil(map.rate(r) * kFixedPoint));
}

void Sharing::markDirty(uint32_t resource) {
  if (!resources[resource].dirty) {
    resources[resource].dirty = true;
    dirty.push_back(resource);
  }
}

void Sharing::start(uint32_t slot, const InstructionCost &cost, uint64_t now) {
  Transfer &transfer = transfers[slot];
  CIM_CHECK(!transfer.active && cost.soloCycles > 0, "bad transfer");
  transfer.active = true;
  transfer.remaining = cost.soloCycles;
  transfer.speed = 0;
  transfer.since = now;
  transfer.shares.clear();
  for (const Demand &demand : cost.demands) {
    uint64_t rate =
        static_cast<uint64_t>(demand.bytes() / cost.soloCycles * kFixedPoint);
    transfer.shares.push_back({demand.resource, rate});
    Resource &resource = resources[demand.resource];
    resource.load += rate;
    resource.users.push_back(slot);
    if (resource.full())
      markDirty(demand.resource);
  }
  started.push_back(slot);
  pending = true;
}

void Sharing::finish(uint32_t slot) {
  Transfer &transfer = transfers[slot];
  transfer.active = false;
  for (const Share &share : transfer.shares) {
    Resource &resource = resources[share.resource];
    if (resource.full()) {
      markDirty(share.resource);
      pending = true;
    }
    resource.load -= share.rate;
    auto at = std::find(resource.users.begin(), resource.users.end(), slot);
    *at = resource.users.back();
    resource.users.pop_back();
  }
}

void Sharing::collect() {
  component.clear();
  members.clear();
  auto visitResource = [&](uint32_t r) {
    if (!resources[r].visited) {
      resources[r].visited = true;
      component.push_back(r);
    }
  };
  auto visitTransfer = [&](uint32_t slot) {
    if (transfers[slot].active && !transfers[slot].visited) {
      transfers[slot].visited = true;
      members.push_back(slot);
    }
  };
  for (uint32_t r : dirty) {
    resources[r].dirty = false;
    visitResource(r);
  }
  for (uint32_t slot : started)
    visitTransfer(slot);
  for (size_t r = 0, m = 0; r < component.size() || m < members.size();) {
    if (r < component.size()) {
      for (uint32_t slot : resources[component[r]].users)
        visitTransfer(slot);
      ++r;
      continue;
    }
    for (const Share &share : transfers[members[m]].shares)
      if (resources[share.resource].full())
        visitResource(share.resource);
    ++m;
  }
  // An order that does not depend on history.
  std::sort(component.begin(), component.end());
  std::sort(members.begin(), members.end());
}

void Sharing::fill() {
  for (uint32_t r : component) {
    resources[r].taken = 0;
    resources[r].open = resources[r].load;
  }
  for (uint32_t slot : members)
    transfers[slot].frozen = false;
  while (true) {
    double level = 1;
    bool found = false;
    uint32_t tightest = 0;
    for (uint32_t r : component) {
      const Resource &resource = resources[r];
      if (resource.open == 0)
        continue;
      double fair = (resource.capacity - resource.taken) / resource.open;
      if (fair < level) {
        level = fair;
        found = true;
        tightest = r;
      }
    }
    if (!found)
      break;
    for (uint32_t slot : members) {
      Transfer &transfer = transfers[slot];
      bool uses = false;
      for (const Share &share : transfer.shares)
        uses |= share.resource == tightest && share.rate > 0;
      if (transfer.frozen || !uses)
        continue;
      transfer.frozen = true;
      transfer.next = level;
      for (const Share &share : transfer.shares) {
        resources[share.resource].taken += level * share.rate;
        resources[share.resource].open -= share.rate;
      }
    }
  }
  for (uint32_t slot : members)
    if (!transfers[slot].frozen)
      transfers[slot].next = 1;
}

void Sharing::apply(uint32_t slot, uint64_t now) {
  Transfer &transfer = transfers[slot];
  if (transfer.next == transfer.speed)
    return;
  transfer.remaining -= transfer.speed * (now - transfer.since);
  transfer.since = now;
  transfer.speed = transfer.next;
  transfer.end = now + ceilCycles(transfer.remaining / transfer.speed);
  moved.push_back(slot);
}

void Sharing::solve(uint64_t now) {
  collect();
  fill();
  for (uint32_t r : component)
    resources[r].visited = false;
  for (uint32_t slot : members) {
    transfers[slot].visited = false;
    apply(slot, now);
  }
  dirty.clear();
  started.clear();
}

} // namespace cim::device
