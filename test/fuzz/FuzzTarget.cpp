// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Target descriptions in YAML.
#include <cstdlib>

#include "cim/Target/TargetSpec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  auto spec = cim::TargetSpec::fromYaml(text, "fuzz");
  if (!spec.ok())
    return 0;
  auto again = cim::TargetSpec::fromYaml(spec->toYaml(), "again");
  if (!again.ok() || !(*again == *spec))
    std::abort();
  return 0;
}
