// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The shipped YAML files, embedded by CMake from presets/*.yaml.
#ifndef CIM_LIB_TARGET_PRESETS_H
#define CIM_LIB_TARGET_PRESETS_H

#include <string_view>
#include <vector>

namespace cim {

struct Preset {
  std::string_view name; ///< File name without ".yaml".
  std::string_view text;
};

/// In no particular order.
const std::vector<Preset> &embeddedPresets();

} // namespace cim

#endif // CIM_LIB_TARGET_PRESETS_H
