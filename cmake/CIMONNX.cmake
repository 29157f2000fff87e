# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# ONNX's C++ library (checker, shape inference, version converter, text parser),
# built from its source distribution by third_party/setup.py into a prefix, as
# `cim_onnx`. It uses protobuf-lite in a C++ namespace of its own, so that it
# lives in one process with the Python packages onnx, onnxruntime and torch.

if(CIM_ONNX_ROOT)
  set(_onnx_root ${CIM_ONNX_ROOT})
else()
  file(READ ${PROJECT_SOURCE_DIR}/third_party/manifest.json _manifest)
  string(JSON _onnx_version GET "${_manifest}" sdist onnx version)
  set(_onnx_root ${PROJECT_SOURCE_DIR}/.cache/onnx-${_onnx_version})
endif()

if(CIM_FETCH_ONNX AND NOT EXISTS ${_onnx_root}/cim-stamp)
  find_package(Python REQUIRED COMPONENTS Interpreter)
  execute_process(COMMAND ${Python_EXECUTABLE}
    ${PROJECT_SOURCE_DIR}/third_party/setup.py onnx --prefix ${_onnx_root})
endif()
if(NOT EXISTS ${_onnx_root}/lib/libonnx.a
   OR NOT EXISTS ${_onnx_root}/include/onnx/checker.h)
  message(FATAL_ERROR
    "no ONNX C++ library in ${_onnx_root}; run `python3 third_party/setup.py` "
    "(or `make setup`), or give -DCIM_ONNX_ROOT=<prefix>, or configure with "
    "-DCIM_BUILD_COMPILER=OFF for the run side alone")
endif()

find_package(Protobuf REQUIRED)
# The shared lite library: Debian's static one is not position-independent, and
# the Python module must link the same objects.
find_library(CIM_PROTOBUF_LITE NAMES libprotobuf-lite.so REQUIRED)

add_library(cim_onnx_archive STATIC IMPORTED)
set_target_properties(cim_onnx_archive PROPERTIES
  IMPORTED_LOCATION ${_onnx_root}/lib/libonnx.a)

add_library(cim_onnx INTERFACE)
target_include_directories(cim_onnx SYSTEM INTERFACE
  ${_onnx_root}/include ${Protobuf_INCLUDE_DIRS})
target_compile_definitions(cim_onnx INTERFACE
  ONNX_NAMESPACE=cim_onnx ONNX_ML=1 ONNX_USE_LITE_PROTO=1)
# Operator schemas register themselves from static constructors.
target_link_libraries(cim_onnx INTERFACE
  $<LINK_LIBRARY:WHOLE_ARCHIVE,cim_onnx_archive> ${CIM_PROTOBUF_LITE}
  Threads::Threads)
