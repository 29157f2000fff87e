// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// XXH64, the hash of the program container and of cache keys. The same values
// as any other implementation (`xxhsum -H1`); not cryptographic.
#ifndef CIM_SUPPORT_HASH_H
#define CIM_SUPPORT_HASH_H

#include <cstdint>
#include <string_view>

namespace cim {

uint64_t hash64(std::string_view bytes, uint64_t seed = 0);

} // namespace cim

#endif // CIM_SUPPORT_HASH_H
