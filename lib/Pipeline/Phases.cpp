// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Pipeline/Compiler.h"

namespace cim {

namespace {
struct PhaseInfo {
  const char *name, *description;
};
constexpr PhaseInfo kPhases[] = {
    {"import", "the ONNX model as tensor-level IR"},
    {"normalize", "scales folded, elementwise chains fused"},
    {"quantize", "number formats decided; the meaning later phases keep"},
    {"split", "regions that are executed tile by tile"},
    {"schedule", "every MAC region has a schedule"},
    {"lower", "buffers, kernels, engine operations, tokens"},
    {"allocate", "every buffer has an address"},
    {"isa", "one op per device instruction"},
    {"program", "the device program"},
};
} // namespace

const char *name(Phase phase) {
  return kPhases[static_cast<unsigned>(phase)].name;
}
const char *description(Phase phase) {
  return kPhases[static_cast<unsigned>(phase)].description;
}

std::optional<Phase> parsePhase(llvm::StringRef text) {
  for (unsigned i = 0; i < std::size(kPhases); ++i)
    if (text == kPhases[i].name)
      return static_cast<Phase>(i);
  return std::nullopt;
}

std::string phaseNames(Phase last) {
  std::string names = kPhases[0].name;
  for (unsigned i = 1; i <= static_cast<unsigned>(last); ++i)
    names += (i == static_cast<unsigned>(last) ? " or " : ", ") +
             std::string(kPhases[i].name);
  return names;
}

} // namespace cim
