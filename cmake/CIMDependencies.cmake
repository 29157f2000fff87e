# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Every outside package is found here; versions and licences stand in
# third_party/manifest.json.

find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(ZLIB REQUIRED)

include(CIMDNNL)

# Debian's flatbuffers package ships no CMake target for the headers.
find_path(FLATBUFFERS_INCLUDE_DIR flatbuffers/flatbuffers.h REQUIRED)
find_program(FLATC flatc REQUIRED)

if(CIM_BUILD_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

if(CIM_BUILD_PYTHON AND EXISTS ${PROJECT_SOURCE_DIR}/python/CMakeLists.txt)
  find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
  execute_process(COMMAND ${Python_EXECUTABLE} -m pybind11 --cmakedir
    OUTPUT_VARIABLE _pybind11 OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  find_package(pybind11 3.1 CONFIG QUIET HINTS ${_pybind11})
  if(NOT pybind11_FOUND)
    message(FATAL_ERROR "pybind11 3.1 is needed and ${Python_EXECUTABLE} does not "
      "have it: run `python3 third_party/setup.py` (or `make setup`), or "
      "configure with -DCIM_BUILD_PYTHON=OFF")
  endif()
endif()

if(CIM_BUILD_COMPILER)
  include(CIMMLIR)
  include(CIMONNX)
endif()
