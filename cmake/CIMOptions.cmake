# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Flags every target of the project is compiled with, and the functions that
# make its libraries and unit tests.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# The MLIR packages are NDEBUG builds and some of their class layouts depend on
# it, so NDEBUG is defined in every configuration; our own checks are CIM_CHECK.
add_compile_definitions(NDEBUG)
string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")

add_library(cim_flags INTERFACE)
target_compile_options(cim_flags INTERFACE
  -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers
  # docs/numerics.md: every fp operation is rounded on its own.
  -ffp-contract=off)
target_include_directories(cim_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/include)

if(CIM_SANITIZE)
  add_compile_options(-fsanitize=${CIM_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CIM_SANITIZE})
endif()
if(CIM_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "CIM_FUZZ needs clang; use the preset `fuzz`")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
# The pinned packages of third_party/setup.py, when they are there.
if(NOT Python_EXECUTABLE AND EXISTS ${PROJECT_SOURCE_DIR}/.venv/bin/python)
  set(Python_EXECUTABLE ${PROJECT_SOURCE_DIR}/.venv/bin/python)
endif()

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_link_options(-fuse-ld=lld)
endif()
add_link_options(-Wl,--as-needed -Wl,--gc-sections)
add_compile_options(-ffunction-sections -fdata-sections)

# ccache, told what it may ignore so that precompiled headers hit. The settings
# travel with the launcher: they hold for a bare `ninja` too.
find_program(CIM_CCACHE ccache)
if(CIM_CCACHE)
  find_program(CIM_ENV env REQUIRED)
  set(_launcher ${CIM_ENV} CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    ${CIM_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${_launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${_launcher})
endif()

# cim_add_library(NAME SOURCES ... [DEPENDS ...] [EXCEPTIONS]): run-side
# library, exceptions off unless EXCEPTIONS is given (for wrappers around
# throwing libraries).
function(cim_add_library name)
  cmake_parse_arguments(ARG "EXCEPTIONS" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC $<BUILD_INTERFACE:cim_flags> ${ARG_DEPENDS})
  target_include_directories(${name} INTERFACE $<INSTALL_INTERFACE:include>)
  if(NOT ARG_EXCEPTIONS)
    target_compile_options(${name} PRIVATE -fno-exceptions)
  endif()
  set_property(GLOBAL APPEND PROPERTY CIM_RUN_LIBRARIES ${name})
endfunction()

# cim_add_unittest(NAME SOURCES ... [DEPENDS ...] [MLIR]): GoogleTest
# executable. MLIR: compiled like the compile side, with its precompiled header.
function(cim_add_unittest name)
  cmake_parse_arguments(ARG "MLIR" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE cim_flags ${ARG_DEPENDS} GTest::gmock
                                        GTest::gtest_main)
  if(ARG_MLIR)
    cim_use_mlir(${name})
  endif()
  set_property(GLOBAL APPEND PROPERTY CIM_TEST_TARGETS ${name})
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST)
endfunction()

# cim_add_fuzzer(NAME SOURCES ... [DEPENDS ...] [CORPUS folder]): a
# LLVMFuzzerTestOneInput. Always built, so that ctest replays the corpus; built
# with CIM_FUZZ it is instrumented and worth running longer:
#   build-fuzz/bin/NAME -max_total_time=600 <folder>
function(cim_add_fuzzer name)
  cmake_parse_arguments(ARG "" "CORPUS" "SOURCES;DEPENDS" ${ARGN})
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE cim_flags ${ARG_DEPENDS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  if(ARG_CORPUS)
    get_filename_component(corpus ${ARG_CORPUS} ABSOLUTE)
    add_test(NAME ${name}.corpus COMMAND ${name} -runs=0 ${corpus})
  endif()
endfunction()
