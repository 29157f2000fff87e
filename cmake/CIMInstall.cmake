# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# `cmake --install`: the tools, and the run side as a CMake package: a project
# that says find_package(cim) and links cim::cim_runtime needs no LLVM.

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

# The run-side libraries and whatever else of this build they link.
get_property(pending GLOBAL PROPERTY CIM_RUN_LIBRARIES)
set(libraries "")
while(pending)
  list(POP_FRONT pending library)
  if(library IN_LIST libraries)
    continue()
  endif()
  list(APPEND libraries ${library})
  get_target_property(linked ${library} INTERFACE_LINK_LIBRARIES)
  foreach(item ${linked})
    string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" item "${item}")
    if(TARGET ${item})
      get_target_property(imported ${item} IMPORTED)
      get_target_property(alias ${item} ALIASED_TARGET)
      if(NOT imported AND NOT alias)
        list(APPEND pending ${item})
      endif()
    endif()
  endforeach()
endwhile()
if(NOT libraries)
  return()
endif()

install(TARGETS ${libraries} EXPORT cimTargets COMPONENT runtime)
install(EXPORT cimTargets NAMESPACE cim::
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cim COMPONENT runtime)
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/cimConfig.cmake.in ${PROJECT_BINARY_DIR}/cimConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cim)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cimConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cimConfig.cmake
              ${PROJECT_BINARY_DIR}/cimConfigVersion.cmake
              ${PROJECT_SOURCE_DIR}/cmake/CIMDNNL.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cim COMPONENT runtime)

# Public headers; those of the compile side need MLIR and stay in the source.
set(compile_side IR Import InitAll Interp Normalize Quant Schedule Split Lower
  Emit Pipeline)
list(JOIN compile_side "|" compile_side)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION include
  COMPONENT runtime FILES_MATCHING PATTERN "*.h"
  REGEX "/cim/(${compile_side})(\\.h)?$" EXCLUDE)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE
  DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
