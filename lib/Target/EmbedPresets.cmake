# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DOUTPUT=x.cpp -DFILES="a.yaml;b.yaml" -P EmbedPresets.cmake: writes the
# files as string literals.
set(entries "")
list(SORT FILES)
foreach(file ${FILES})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND entries "      {\"${name}\", R\"yaml(${text})yaml\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Generated from lib/Target/presets.
#include \"Presets.h\"

const std::vector<cim::Preset> &cim::embeddedPresets() {
  static const std::vector<Preset> presets = {
${entries}  };
  return presets;
}
")
