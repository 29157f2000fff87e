// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs in closed form.
#include "access/Runs.h"

namespace cim::device {

Runs contiguousRuns(absl::Span<const Dim> dims, uint64_t elemBytes) {
  Runs runs{1, elemBytes};
  bool merging = true;
  for (size_t j = dims.size(); j-- > 0;) {
    const Dim &dim = dims[j];
    if (dim.size <= 1)
      continue;
    uint64_t size = static_cast<uint64_t>(dim.size);
    merging = merging && dim.stride == static_cast<int64_t>(runs.bytes);
    (merging ? runs.bytes : runs.count) *= size;
  }
  return runs;
}

} // namespace cim::device
