// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// CIM_SIMD: compiles a function several times, for AVX-512, AVX2 and the
// baseline, and picks at load time. What it calls must be inlined into it
// (CIM_INLINE) to profit. Results do not depend on the version chosen: loops
// are vectorised without reassociation and without contraction.
#ifndef CIM_SUPPORT_SIMD_H
#define CIM_SUPPORT_SIMD_H

#define CIM_INLINE inline __attribute__((always_inline))

// Sanitizers instrument the resolvers that run before the sanitizer itself.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||     \
    __has_feature(memory_sanitizer)
#define CIM_SIMD
#endif
#endif
#if !defined(CIM_SIMD) && defined(__x86_64__) && defined(__linux__)
#define CIM_SIMD                                                               \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
#ifndef CIM_SIMD
#define CIM_SIMD
#endif

#endif // CIM_SUPPORT_SIMD_H
