// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shares the independent parts of one instruction among host threads.
#ifndef CIM_LIB_DEVICE_EXEC_THREADPOOL_H
#define CIM_LIB_DEVICE_EXEC_THREADPOOL_H

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace cim::exec {

class ThreadPool {
public:
  /// `threads` counts the caller; 1 starts none.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  int threads() const { return int(workers.size()) + 1; }
  /// Calls body(i) once for each i in [0, n), in any order, and waits.
  void run(int64_t n, const std::function<void(int64_t)> &body);

private:
  void work();
  void drain();

  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake, done;
  const std::function<void(int64_t)> *job = nullptr; ///< Null: nothing to do.
  int64_t next = 0, end = 0;
  int active = 0;
  bool quit = false;
};

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_THREADPOOL_H
