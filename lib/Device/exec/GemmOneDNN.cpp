// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// 8-bit products through oneDNN, on CPUs whose instructions do not saturate.
#include <dlfcn.h>

#include <atomic>

#include "Gemm.h"
#include "oneapi/dnnl/dnnl.h"

namespace cim::exec {
namespace {

/// oneDNN threads through OpenMP; parallelism is the caller's, so each call
/// runs on the thread that makes it. The library is not linked to OpenMP
/// directly: the one oneDNN brought along is asked.
struct OneThread {
  OneThread() {
    using Get = int (*)();
    static const auto get =
        reinterpret_cast<Get>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
    before = get && set() ? get() : 0;
    if (before)
      set()(1);
  }
  ~OneThread() {
    if (before)
      set()(before);
  }

private:
  using Set = void (*)(int);
  static Set set() {
    static const auto f =
        reinterpret_cast<Set>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
    return f;
  }
  int before = 0;
};

} // namespace

static std::atomic<int> forced{-1};

void selectGemm8(int choice) { forced = choice; }

bool hasExactGemm8() {
  if (int choice = forced.load(std::memory_order_relaxed); choice >= 0)
    return choice;
#if defined(__x86_64__)
  __builtin_cpu_init();
  static const bool exact = __builtin_cpu_supports("avx512vnni") &&
                            __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512vl");
  return exact;
#else
  return false;
#endif
}

bool gemm8(const uint8_t *a, int64_t lda, int64_t m, const int8_t *w, int64_t k,
           int64_t n, int32_t *c) {
  OneThread scope;
  int32_t zero = 0;
  return dnnl_gemm_u8s8s32('N', 'N', 'F', m, n, k, 1.0f, a, lda, 0, w, n, 0,
                           0.0f, c, n, &zero) == dnnl_success;
}

} // namespace cim::exec
