// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "ThreadPool.h"

namespace cim::exec {

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i)
    workers.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    quit = true;
  }
  wake.notify_all();
  for (std::thread &t : workers)
    t.join();
}

/// Takes items until none is left. `mutex` is held on entry and exit.
void ThreadPool::drain() {
  while (next < end) {
    int64_t i = next++;
    const auto *body = job;
    mutex.unlock();
    (*body)(i);
    mutex.lock();
  }
}

void ThreadPool::work() {
  std::unique_lock<std::mutex> lock(mutex);
  while (true) {
    wake.wait(lock, [this] { return quit || next < end; });
    if (quit)
      return;
    ++active;
    drain();
    if (--active == 0)
      done.notify_one();
  }
}

void ThreadPool::run(int64_t n, const std::function<void(int64_t)> &body) {
  if (workers.empty() || n <= 1) {
    for (int64_t i = 0; i < n; ++i)
      body(i);
    return;
  }
  std::unique_lock<std::mutex> lock(mutex);
  job = &body;
  next = 0;
  end = n;
  wake.notify_all();
  drain();
  done.wait(lock, [this] { return active == 0; });
  job = nullptr;
}

} // namespace cim::exec
