// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef CIM_TEST_IMPORT_UNIT_MODELS_H
#define CIM_TEST_IMPORT_UNIT_MODELS_H

#include <string>

#include "onnx/defs/parser.h"
#include "onnx/onnx_pb.h"
#include "gtest/gtest.h"

namespace cim::test {

/// A model written in ONNX text.
inline cim_onnx::ModelProto parseModel(const char *text) {
  cim_onnx::ModelProto model;
  auto status = cim_onnx::OnnxParser::Parse(model, text);
  EXPECT_TRUE(status.IsOK()) << status.ErrorMessage();
  return model;
}

} // namespace cim::test

#endif // CIM_TEST_IMPORT_UNIT_MODELS_H
