// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Search.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "Greedy.h"
#include "absl/time/clock.h"

namespace cim::alloc {
namespace {

/// Ways to break ties between sections with equally few branches.
enum Tie { lowFloor, leastSlack, highFloor };

/// The restarts: which buffer to try first (a rule of greedyOrder) and which
/// section to prefer. Later ones draw both at random and shuffle the order.
struct Strategy {
  int order;
  Tie tie;
};
constexpr Strategy kStrategies[] = {
    {0, lowFloor}, {2, highFloor},  {1, leastSlack}, {3, leastSlack},
    {4, lowFloor}, {2, leastSlack}, {0, highFloor},  {1, lowFloor},
};
constexpr int kStrategyCount = std::size(kStrategies);

/// Restarts per round; the node limit grows between rounds.
constexpr int kPerRound = 8;
constexpr uint64_t kLimitGrowth = 3;

} // namespace

void Budget::poll() {
  if (deadline != absl::InfiniteFuture() && (++ticks & 127) == 0)
    expired = expired || absl::Now() > deadline;
}

Search::Search(const Instance &instance, const Lists<int32_t> &overlaps,
               const SolverOptions &options)
    : instance(instance), overlaps(overlaps),
      bySection(instance.itemsBySection()), options(options) {
  smallest = kInfinity;
  itemHash.resize(instance.count());
  for (int i = 0; i < instance.count(); ++i) {
    smallest = std::min(smallest, instance.items[i].size);
    itemHash[i] = mixBits(i);
  }
}

Outcome Search::run(int64_t limit, Budget &budget) {
  // Bottom-up heights are multiples of the granule.
  reset(limit - limit % instance.granule);
  for (int i = 0; i < instance.count(); ++i) {
    const Instance::Item &item = instance.items[i];
    if (std::max<int64_t>(item.fixed, 0) + item.size > height)
      return Outcome::impossible;
  }
  uint64_t base = std::max<uint64_t>(200, 2 * instance.count());
  for (int attemptIndex = 0;; ++attemptIndex) {
    uint64_t nodeLimit = budget.nodes;
    if (options.restarts) {
      uint64_t roundLimit = base;
      for (int r = 0; r < attemptIndex / kPerRound && roundLimit < nodeLimit;
           ++r)
        roundLimit *= kLimitGrowth;
      nodeLimit = std::min(nodeLimit, roundLimit);
    }
    computeRanks(attemptIndex);
    Outcome outcome = attempt(nodeLimit, budget);
    if (outcome != Outcome::stopped || budget.exhausted())
      return outcome;
  }
}

void Search::reset(int64_t limit) {
  height = limit;
  sections.assign(instance.sections.size(), {});
  savedIn.assign(sections.size(), 0);
  isDirty.assign(sections.size(), 0);
  dirty.clear();
  low.assign(instance.count(), 0);
  high.assign(instance.count(), 0);
  placed.assign(instance.count(), kNone);
  for (int i = 0; i < instance.count(); ++i) {
    const Instance::Item &item = instance.items[i];
    low[i] = std::max<int64_t>(item.fixed, 0);
    high[i] = item.fixed == kNone ? height - item.size : item.fixed;
    sections[item.hull.lower].items ^= itemHash[i];
    for (int32_t s = item.hull.lower; s + 1 < item.hull.upper; ++s)
      ++sections[s].across;
    for (const Run &run : instance.runs[i]) {
      for (int32_t s = run.lower; s < run.upper; ++s) {
        sections[s].rest += item.padded;
        ++sections[s].live;
        sections[s].pinned += low[i] == high[i] ? 1 : 0;
      }
    }
  }
  memory.clear();
}

void Search::computeRanks(int attemptIndex) {
  std::mt19937_64 random(mixBits(options.seed) + attemptIndex);
  int round = attemptIndex / kPerRound;
  int slot = attemptIndex % kPerRound;
  // The first round tries the fixed strategies; later ones half of each kind.
  bool isFixed = round == 0 || slot < kPerRound / 2;
  const Strategy &strategy =
      kStrategies[isFixed ? slot : random() % kStrategyCount];
  tieRule = strategy.tie;
  std::vector<int> order = greedyOrder(instance, strategy.order);
  if (!isFixed) {
    // Moves every item by up to an eighth of the list.
    std::vector<uint64_t> key(order.size());
    for (size_t i = 0; i < order.size(); ++i)
      key[order[i]] = i * 8 + random() % (order.size() + 1);
    sortByKey(order, [&](int i) { return key[i]; });
  }
  rank.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i)
    rank[order[i]] = static_cast<int32_t>(i);
}

Outcome Search::attempt(uint64_t nodeLimit, Budget &budget) {
  frames.clear();
  pool.clear();
  ++stamp;
  steps = 0;
  for (size_t s = 0; s < sections.size(); ++s) {
    isDirty[s] = 1;
    dirty.push_back(static_cast<int32_t>(s));
  }
  Outcome result = Outcome::impossible;
  bool returned = false;
  if (refresh())
    openParts({0, static_cast<int32_t>(sections.size())});
  while (!frames.empty()) {
    bool isNode = !frames.back().isParts && frames.back().section == kNone;
    if (isNode) {
      uint64_t spent = std::min(steps, budget.work);
      budget.work -= spent;
      steps = 0;
      budget.poll();
      if (nodeLimit == 0 || budget.exhausted()) {
        result = Outcome::stopped;
        break;
      }
      --nodeLimit;
      --budget.nodes;
      ++budget.visited;
    }
    step(result, returned);
  }
  if (result != Outcome::found)
    undo(0, 0);
  return result;
}

void Search::step(Outcome &result, bool &returned) {
  Frame &frame = frames.back();
  auto leave = [&](Outcome outcome) {
    pool.resize(frame.poolBegin);
    frames.pop_back();
    result = outcome;
    returned = true;
  };
  if (returned && result == Outcome::found && !frame.isParts)
    return leave(Outcome::found);
  if (frame.isParts) {
    if (returned && result == Outcome::impossible)
      return leave(Outcome::impossible);
    returned = false;
    if (frame.poolBegin + 2 * frame.next == frame.poolEnd)
      return leave(Outcome::found);
    size_t part = frame.poolBegin + 2 * frame.next++;
    Frame node;
    node.range = {pool[part], pool[part + 1]};
    node.section = kNone;
    node.poolBegin = node.poolEnd = static_cast<uint32_t>(pool.size());
    frames.push_back(node);
    return;
  }
  if (frame.section == kNone) {
    returned = false;
    if (!openPart(frame))
      return leave(Outcome::impossible);
  } else {
    returned = false;
    undo(frame.sectionTrail, frame.lowTrail);
  }
  Run range = frame.range;
  while (frame.poolBegin + frame.next < frame.poolEnd) {
    if (place(pool[frame.poolBegin + frame.next++]))
      return openParts(range);
    undo(frame.sectionTrail, frame.lowTrail);
  }
  if (frame.wasteTo != kInfinity) {
    int64_t floor = frame.wasteTo;
    frame.wasteTo = kInfinity;
    if (waste(frame.section, floor))
      return openParts(range);
    undo(frame.sectionTrail, frame.lowTrail);
  }
  if (frame.keep)
    memory.insert(frame.key);
  leave(Outcome::impossible);
}

/// Chooses the section to branch on and its branches. False: known to fail.
bool Search::openPart(Frame &frame) {
  frame.sectionTrail = sectionTrail.size();
  frame.lowTrail = lowTrail.size();
  if (options.remember) {
    uint64_t sum = 0;
    for (int32_t s = frame.range.lower; s < frame.range.upper; ++s)
      sum += sections[s].mark;
    frame.key = std::max<uint64_t>(mixBits(sum), 1);
    if (memory.contains(frame.key))
      return false;
  }
  frame.section = chooseSection(frame.range);
  collectCandidates(frame);
  uint32_t branches =
      frame.poolEnd - frame.poolBegin + (frame.wasteTo != kInfinity ? 1 : 0);
  frame.keep = options.remember && branches > 1;
  return true;
}

/// Pushes the parts of `range` that unplaced buffers still connect.
void Search::openParts(Run range) {
  Frame frame;
  frame.isParts = true;
  frame.poolBegin = static_cast<uint32_t>(pool.size());
  int32_t lower = range.lower;
  bool any = false;
  for (int32_t s = range.lower; s < range.upper; ++s) {
    any = any || sections[s].live > 0;
    bool last = s + 1 == range.upper;
    if (!last && (!options.decompose || sections[s].across > 0))
      continue;
    if (any) {
      pool.push_back(lower);
      pool.push_back(s + 1);
    }
    lower = s + 1;
    any = false;
  }
  steps += range.upper - range.lower;
  frame.poolEnd = static_cast<uint32_t>(pool.size());
  if (frame.poolEnd - frame.poolBegin > 2) {
    // The shortest first: it fails fastest.
    std::vector<Run> parts;
    for (uint32_t i = frame.poolBegin; i < frame.poolEnd; i += 2)
      parts.push_back({pool[i], pool[i + 1]});
    std::sort(parts.begin(), parts.end(), [](Run a, Run b) {
      int32_t left = a.upper - a.lower, right = b.upper - b.lower;
      return left != right ? left < right : a.lower < b.lower;
    });
    for (size_t i = 0; i < parts.size(); ++i) {
      pool[frame.poolBegin + 2 * i] = parts[i].lower;
      pool[frame.poolBegin + 2 * i + 1] = parts[i].upper;
    }
  }
  frames.push_back(frame);
}

int32_t Search::chooseSection(Run range) {
  int32_t best = kNone;
  uint32_t fewest = kClosed;
  int64_t bestTie = 0;
  steps += range.upper - range.lower;
  for (int32_t s = range.lower; s < range.upper; ++s) {
    const Section &section = sections[s];
    if (section.live == 0)
      continue;
    uint32_t branches = options.fewestFirst ? section.branches : 0;
    if (branches > fewest)
      continue;
    int64_t tie = section.floor;
    if (options.fewestFirst && tieRule == leastSlack)
      tie = slack(s);
    else if (options.fewestFirst && tieRule == highFloor)
      tie = -section.floor;
    if (best != kNone && branches == fewest && tie >= bestTie)
      continue;
    // A buffer that might come to lie over a lower floor has to wait: others
    // may go below it.
    bool open = true;
    for (int32_t item : bySection[s])
      if (low[item] == section.floor && !flat(item)) {
        open = false;
        break;
      }
    if (!open)
      continue;
    best = s;
    fewest = branches;
    bestTie = tie;
  }
  return best; // the lowest floor is always open
}

void Search::collectCandidates(Frame &frame) {
  const Section &section = sections[frame.section];
  frame.poolBegin = static_cast<uint32_t>(pool.size());
  for (int32_t item : bySection[frame.section])
    if (low[item] == section.floor)
      pool.push_back(item);
  frame.poolEnd = static_cast<uint32_t>(pool.size());
  frame.wasteTo = wasteLevel(frame);
  auto begin = pool.begin() + frame.poolBegin;
  std::sort(begin, pool.end(),
            [&](int32_t a, int32_t b) { return rank[a] < rank[b]; });
  if (!options.dominance)
    return;
  auto end = begin;
  for (auto it = begin; it != pool.end(); ++it) {
    if (!supported(*it))
      continue;
    auto same = [&](int32_t other) { return interchangeable(*it, other); };
    if (std::none_of(begin, end, same))
      *end++ = *it;
  }
  pool.erase(end, pool.end());
  frame.poolEnd = static_cast<uint32_t>(pool.size());
}

/// The lowest floor the section can have if none of its candidates lies on the
/// present one; kInfinity if there is none within the slack. The buffer that
/// then is lowest there has a higher low already, or is a candidate resting on
/// an unplaced buffer that is not held in this section.
int64_t Search::wasteLevel(const Frame &frame) {
  int32_t s = frame.section;
  const Section &section = sections[s];
  int64_t limit = section.floor + slack(s);
  int64_t level = section.second;
  for (uint32_t i = frame.poolBegin; i < frame.poolEnd; ++i) {
    int32_t item = pool[i];
    const Instance::Item &candidate = instance.items[item];
    if (candidate.fixed != kNone || section.floor + smallest > limit)
      continue;
    steps += overlaps[item].size();
    for (int32_t other : overlaps[item]) {
      if (low[other] == kInfinity)
        continue;
      int64_t top = low[other] + instance.items[other].size;
      if (top >= level)
        continue;
      bool here = false;
      for (const Run &run : instance.runs[other])
        here = here || (run.lower <= s && s < run.upper);
      if (!here)
        level = std::min(level, alignUp(top, candidate.alignment));
    }
  }
  return level <= limit ? level : kInfinity;
}

bool Search::place(int item) {
  const Instance::Item &data = instance.items[item];
  int64_t top = low[item] + data.size;
  ++stamp;
  placed[item] = low[item];
  int32_t wasPinned = low[item] == high[item] ? 1 : 0;
  lowTrail.emplace_back(item, low[item]);
  low[item] = kInfinity;
  for (int32_t s = data.hull.lower; s + 1 < data.hull.upper; ++s) {
    touch(s);
    --sections[s].across;
  }
  for (const Run &run : instance.runs[item]) {
    for (int32_t s = run.lower; s < run.upper; ++s) {
      touch(s);
      Section &section = sections[s];
      section.floor = section.top = top;
      section.rest -= data.padded;
      --section.live;
      section.pinned -= wasPinned;
      if (!isDirty[s]) {
        isDirty[s] = 1;
        dirty.push_back(s);
      }
    }
  }
  sections[data.hull.lower].items ^= itemHash[item];
  steps += overlaps[item].size();
  bool ok = true;
  for (int32_t other : overlaps[item])
    if (low[other] < top)
      ok = raiseLow(other, top) && ok;
  return refresh() && ok;
}

bool Search::waste(int32_t index, int64_t floor) {
  ++stamp;
  touch(index);
  sections[index].floor = floor;
  if (!isDirty[index]) {
    isDirty[index] = 1;
    dirty.push_back(index);
  }
  bool ok = true;
  for (int32_t item : bySection[index])
    if (low[item] < floor)
      ok = raiseLow(item, floor) && ok;
  return refresh() && ok;
}

bool Search::raiseLow(int item, int64_t value) {
  const Instance::Item &data = instance.items[item];
  lowTrail.emplace_back(item, low[item]);
  low[item] = alignUp(value, data.alignment);
  for (const Run &run : instance.runs[item]) {
    for (int32_t s = run.lower; s < run.upper; ++s) {
      if (!isDirty[s]) {
        isDirty[s] = 1;
        dirty.push_back(s);
      }
    }
  }
  if (low[item] == high[item])
    countPinned(item);
  return low[item] <= high[item];
}

/// Brings the dirty sections up to date; false if one cannot be completed.
bool Search::refresh() {
  bool ok = true;
  // Inference can make more sections dirty.
  for (size_t i = 0; i < dirty.size(); ++i) {
    isDirty[dirty[i]] = 0;
    ok = ok && refreshSection(dirty[i]);
  }
  dirty.clear();
  return ok;
}

bool Search::refreshSection(int32_t index) {
  int64_t lowest = kInfinity, second = kInfinity;
  int32_t count = 0;
  for (int32_t item : bySection[index]) {
    int64_t value = low[item];
    if (value > second)
      continue;
    if (value < lowest) {
      second = lowest;
      lowest = value;
      count = 1;
    } else if (value == lowest) {
      ++count;
    } else {
      second = value;
    }
  }
  steps += bySection[index].size();
  touch(index);
  Section &section = sections[index];
  if (lowest == kInfinity) {
    section.mark = 0;
    section.branches = kClosed;
    return true;
  }
  section.floor = lowest;
  section.second = second;
  int64_t spare = slack(index);
  if (spare < 0)
    return false;
  if (options.inference) {
    if (spare < instance.granule && !inferFull(index, count))
      return false;
    if (section.pinned > 0 && !fillsBelowPins(index))
      return false;
  }
  bool mayWaste = std::min(second - lowest, smallest) <= spare;
  section.branches = count + (mayWaste ? 1 : 0);
  if (options.remember) {
    // What rests on the floor depends on the distance to the top placed.
    uint64_t support = options.dominance ? lowest - section.top : 0;
    uint64_t hash = mixBits(static_cast<uint64_t>(index) << 32 | support >> 32);
    hash = mixBits(hash ^ static_cast<uint64_t>(lowest));
    section.mark = mixBits(hash ^ (support & 0xffffffffu)) + section.items;
  }
  return true;
}

/// In a section that cannot waste anything, one of the buffers whose low is the
/// floor lies there, and all others above it. If there is only one, its offset
/// is known even while lower floors beside it keep it from being placed.
bool Search::inferFull(int32_t index, int32_t lowestCount) {
  int64_t floor = sections[index].floor;
  int64_t smallestSize = kInfinity, sum = 0;
  int32_t lowestItem = kNone;
  for (int32_t item : bySection[index]) {
    if (low[item] != floor)
      continue;
    lowestItem = item;
    sum += instance.items[item].padded;
    smallestSize = std::min(smallestSize, instance.items[item].size);
  }
  steps += bySection[index].size();
  int64_t second = sections[index].second;
  if (second != kInfinity && second > floor + sum + slack(index))
    return false; // a gap before the next buffer
  if (second < floor + smallestSize) {
    bool ok = true;
    for (int32_t item : bySection[index])
      if (low[item] > floor && low[item] < floor + smallestSize)
        ok = raiseLow(item, floor + smallestSize) && ok;
    if (!ok)
      return false;
  }
  return lowestCount > 1 || pin(lowestItem);
}

/// Fixes the item to its low: what cannot end below it comes above it.
bool Search::pin(int item) {
  int64_t bottom = low[item];
  int64_t top = bottom + instance.items[item].size;
  if (high[item] != bottom) {
    lowTrail.emplace_back(~item, high[item]);
    high[item] = bottom;
    countPinned(item);
  }
  bool ok = true;
  steps += overlaps[item].size();
  for (int32_t other : overlaps[item])
    if (low[other] < top && low[other] + instance.items[other].size > bottom)
      ok = raiseLow(other, top) && ok;
  return ok;
}

void Search::countPinned(int item) {
  for (const Run &run : instance.runs[item]) {
    for (int32_t s = run.lower; s < run.upper; ++s) {
      touch(s);
      ++sections[s].pinned;
      if (!isDirty[s]) {
        isDirty[s] = 1;
        dirty.push_back(s);
      }
    }
  }
}

/// Whether the buffers that can still go below each pinned one suffice to fill
/// the section up to it, but for the slack.
bool Search::fillsBelowPins(int32_t index) {
  int64_t floor = sections[index].floor;
  int64_t spare = slack(index);
  for (int32_t pinned : bySection[index]) {
    if (low[pinned] == kInfinity || high[pinned] != low[pinned])
      continue;
    int64_t bottom = low[pinned];
    int64_t missing = bottom - floor - spare;
    for (int32_t item : bySection[index]) {
      if (missing <= 0)
        break;
      if (item != pinned && low[item] + instance.items[item].size <= bottom)
        missing -= instance.items[item].padded;
    }
    steps += bySection[index].size();
    if (missing > 0)
      return false;
  }
  return true;
}

void Search::touch(int32_t index) {
  if (savedIn[index] == stamp)
    return;
  savedIn[index] = stamp;
  steps += 8; // saved now, restored later
  sectionTrail.push_back({index, sections[index]});
}

void Search::undo(size_t sectionMark, size_t lowMark) {
  while (sectionTrail.size() > sectionMark) {
    sections[sectionTrail.back().index] = sectionTrail.back().section;
    sectionTrail.pop_back();
  }
  while (lowTrail.size() > lowMark) {
    auto [item, value] = lowTrail.back();
    (item < 0 ? high[~item] : low[item]) = value;
    lowTrail.pop_back();
  }
}

/// Whether the item, at its low, lies on the floor of all its sections.
bool Search::flat(int item) {
  steps += instance.items[item].hull.upper - instance.items[item].hull.lower;
  for (const Run &run : instance.runs[item])
    for (int32_t s = run.lower; s < run.upper; ++s)
      if (sections[s].floor < low[item])
        return false;
  return true;
}

/// Whether the item, at its low, could not move down.
bool Search::supported(int item) {
  const Instance::Item &data = instance.items[item];
  if (data.fixed != kNone || low[item] == 0)
    return true;
  for (const Run &run : instance.runs[item])
    for (int32_t s = run.lower; s < run.upper; ++s)
      if (alignUp(sections[s].top, data.alignment) == low[item])
        return true;
  return false;
}

bool Search::interchangeable(int a, int b) const {
  const Instance::Item &first = instance.items[a], &second = instance.items[b];
  if (first.size != second.size || first.alignment != second.alignment ||
      first.fixed != kNone || second.fixed != kNone)
    return false;
  auto left = instance.runs[a], right = instance.runs[b];
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

int64_t Search::slack(int32_t index) const {
  const Section &section = sections[index];
  if (!options.sectionBound)
    return height - section.floor;
  return height + instance.sections[index].maxPadding - section.floor -
         section.rest;
}

} // namespace cim::alloc
