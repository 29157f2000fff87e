# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# LLVM/MLIR: found as installed, checked for 22.1, and linked statically (the
# exported MLIR targets link the 150 MB shared LLVM by default).

find_package(MLIR CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
if(NOT MLIR_FOUND)
  message(FATAL_ERROR "MLIR 22.1 is needed and not found: install libmlir-22-dev, "
    "mlir-22-tools and llvm-22-dev (or run `make setup`), or configure with "
    "-DCIM_BUILD_COMPILER=OFF for the run side alone")
endif()
if(LLVM_PACKAGE_VERSION VERSION_LESS 22.1 OR LLVM_PACKAGE_VERSION VERSION_GREATER_EQUAL 22.2)
  message(FATAL_ERROR "LLVM/MLIR 22.1 is needed, found ${LLVM_PACKAGE_VERSION} in "
    "${LLVM_INSTALL_PREFIX}; give -DMLIR_DIR=<prefix>/lib/cmake/mlir")
endif()
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)

# Repoint the imported target `LLVM`, which every MLIR target links, from the
# shared library to the component archives MLIR's IR level needs. It stays an
# imported SHARED library in CMake's eyes, so it must name one file itself.
set_target_properties(LLVM PROPERTIES
  IMPORTED_LOCATION_RELWITHDEBINFO ${LLVM_LIBRARY_DIRS}/libLLVMSupport.a
  IMPORTED_SONAME_RELWITHDEBINFO ""
  INTERFACE_LINK_LIBRARIES
    "LLVMRemarks;LLVMAsmParser;LLVMBitReader;LLVMBitstreamReader;LLVMCore;LLVMBinaryFormat;LLVMTargetParser;LLVMSupport;LLVMDemangle")
# ... and so that its folder does not become a run path of every executable.
list(APPEND CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES ${LLVM_LIBRARY_DIRS})
foreach(config RELEASE DEBUG MINSIZEREL)
  set(CMAKE_MAP_IMPORTED_CONFIG_${config} ${config} RELWITHDEBINFO "")
endforeach()

# Flags and include paths of targets that include MLIR headers.
add_library(cim_mlir_flags INTERFACE)
target_link_libraries(cim_mlir_flags INTERFACE cim_flags)
target_include_directories(cim_mlir_flags SYSTEM INTERFACE
  ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_include_directories(cim_mlir_flags INTERFACE
  ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
separate_arguments(_llvm_definitions UNIX_COMMAND "${LLVM_DEFINITIONS}")
target_compile_definitions(cim_mlir_flags INTERFACE ${_llvm_definitions})
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # Without a time stamp the precompiled header is a function of its inputs,
  # which ccache needs.
  target_compile_options(cim_mlir_flags INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
endif()

# One precompiled header for the whole compile side. Its flags must be those of
# the libraries that use it.
file(WRITE ${PROJECT_BINARY_DIR}/cim_pch.cpp.in "// Anchor of the precompiled header.\n")
configure_file(${PROJECT_BINARY_DIR}/cim_pch.cpp.in ${PROJECT_BINARY_DIR}/cim_pch.cpp COPYONLY)
add_library(cim_pch STATIC ${PROJECT_BINARY_DIR}/cim_pch.cpp)
target_link_libraries(cim_pch PUBLIC cim_mlir_flags)
target_compile_options(cim_pch PRIVATE -fno-exceptions)
target_precompile_headers(cim_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/MLIRPrecompiled.h)

# cim_use_mlir(TARGET): compiles a target as the precompiled header was, and
# with it. For executables: also in position-independent code, as the libraries.
function(cim_use_mlir name)
  target_link_libraries(${name} PRIVATE cim_mlir_flags)
  target_compile_options(${name} PRIVATE -fno-exceptions)
  get_target_property(type ${name} TYPE)
  if(type STREQUAL "EXECUTABLE")
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${name} PRIVATE -fPIC)
  endif()
  target_precompile_headers(${name} REUSE_FROM cim_pch)
endfunction()

# cim_add_mlir_library(NAME SOURCES ... [DEPENDS targets] [LINK libs]
#                      [EXCEPTIONS] [NO_PCH]): compile-side library, built with
# the shared precompiled header. EXCEPTIONS (for wrappers around throwing
# libraries) implies NO_PCH: the header is compiled without exceptions.
function(cim_add_mlir_library name)
  cmake_parse_arguments(ARG "EXCEPTIONS;NO_PCH" "" "SOURCES;DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC cim_mlir_flags ${ARG_LINK})
  if(NOT ARG_EXCEPTIONS)
    if(ARG_NO_PCH)
      target_compile_options(${name} PRIVATE -fno-exceptions)
    else()
      cim_use_mlir(${name})
    endif()
  endif()
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# cim_add_mlir_tool(NAME SOURCES ... [LINK libs]): compile-side executable.
function(cim_add_mlir_tool name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  cim_use_mlir(${name})
endfunction()
