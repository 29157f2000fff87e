// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Delayed runs, advanced only as far as the questions reach.
#include "sanitizer/Ordering.h"

namespace cim::device {

void Ordering::advance(uint32_t q, DelayedRun &run) {
  auto wake = [&](uint32_t woken) {
    if (woken == q)
      run.awake = true;
    else
      run.runnable.push_back(woken);
  };
  Progress &progress = run.progress;
  if (!run.runnable.empty()) {
    uint32_t w = run.runnable.back();
    run.runnable.pop_back();
    uint64_t completed = progress.cursor(q).dynamicIndex();
    History &history = run.queues[w];
    uint64_t known = history.list.empty() ? 0 : history.list.back().completed;
    if (completed > known && progress.ready(w))
      history.list.push_back({progress.cursor(w).dynamicIndex(), completed});
    else if (completed > known)
      return; // asleep again, or done
    while (progress.ready(w))
      progress.complete(w, wake);
    return;
  }
  // Nobody else can go on: now the delayed queue must.
  if (run.awake && progress.ready(q)) {
    progress.complete(q, wake);
    return;
  }
  run.awake = false;
  run.stuck = true;
}

uint64_t Ordering::required(uint32_t q, uint32_t w, uint64_t j) {
  std::unique_ptr<DelayedRun> &run = histories[q];
  if (!run) {
    run = std::make_unique<DelayedRun>(streams);
    run->queues.resize(streams.size());
    for (uint32_t other = 0; other < streams.size(); ++other)
      if (other != q)
        run->runnable.push_back(other);
  }
  while (run->progress.cursor(w).dynamicIndex() <= j && !run->stuck)
    advance(q, *run);
  if (run->progress.cursor(w).dynamicIndex() <= j)
    return 0;
  History &history = run->queues[w];
  while (history.head + 1 < history.list.size() &&
         history.list[history.head + 1].from <= j)
    ++history.head;
  // Passed entries are not asked for again.
  if (history.head > 1024 && history.head * 2 > history.list.size()) {
    history.list.erase(history.list.begin(),
                       history.list.begin() + history.head);
    history.head = 0;
  }
  if (history.list.empty() || history.list[history.head].from > j)
    return 0;
  return history.list[history.head].completed;
}

} // namespace cim::device
