# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# `cmake --install`: the tools, and the run side as a CMake package: a project
# that says find_package(cim) links cim::cim_runtime and needs no LLVM.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

foreach(tool ${CIM_TOOLS})
  if(TARGET ${tool})
    install(TARGETS ${tool} COMPONENT tools)
  endif()
endforeach()
if(TARGET _cim)
  install(TARGETS _cim LIBRARY DESTINATION cim COMPONENT python)
endif()
