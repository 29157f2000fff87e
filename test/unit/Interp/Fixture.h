// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs IR given as text; elements go in and out as C++ values.
#ifndef CIM_TEST_UNIT_INTERP_FIXTURE_H
#define CIM_TEST_UNIT_INTERP_FIXTURE_H

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "cim/Interp/Interpreter.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

namespace cim {

using Bytes = std::vector<char>;

template <typename T>
Bytes toBytes(const std::vector<T> &values) {
  Bytes bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

class InterpTest : public ::testing::Test {
protected:
  InterpTest() {
    context.loadDialect<ir::CIMDialect, mlir::arith::ArithDialect,
                        mlir::func::FuncDialect, mlir::linalg::LinalgDialect,
                        mlir::math::MathDialect, mlir::quant::QuantDialect,
                        mlir::tensor::TensorDialect>();
  }

  /// Parses `text`, a module with a function @main.
  void parse(const std::string &text) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module) << text;
  }
  mlir::func::FuncOp main() {
    return module->lookupSymbol<mlir::func::FuncOp>("main");
  }

  /// Runs @main of `text`. On failure the results are empty and `error` holds
  /// the message.
  std::vector<TensorValue> run(const std::string &text,
                               const std::vector<Bytes> &inputs = {},
                               const InterpretOptions &options = {}) {
    parse(text);
    if (!module)
      return {};
    std::vector<TensorValue> values;
    for (auto [argument, bytes] :
         llvm::zip_equal(main().getArguments(), inputs)) {
      TensorValue value;
      value.type = mlir::cast<mlir::RankedTensorType>(argument.getType());
      value.bytes = std::make_shared<Bytes>(bytes);
      value.data = value.bytes->data();
      values.push_back(value);
    }
    mlir::ScopedDiagnosticHandler handler(&context,
                                          [&](mlir::Diagnostic &diagnostic) {
                                            error = diagnostic.str();
                                            return mlir::success();
                                          });
    auto results = interpret(main(), std::move(values), options);
    if (failed(results))
      return {};
    return *results;
  }

  /// The only result's elements.
  template <typename T>
  std::vector<T> one(const std::string &text,
                     const std::vector<Bytes> &inputs = {},
                     const InterpretOptions &options = {}) {
    std::vector<TensorValue> results = run(text, inputs, options);
    EXPECT_EQ(results.size(), 1u) << error;
    return results.empty() ? std::vector<T>() : elements<T>(results[0]);
  }
  template <typename T>
  static std::vector<T> elements(const TensorValue &value) {
    std::vector<T> result(value.elements());
    std::memcpy(result.data(), value.data, result.size() * sizeof(T));
    return result;
  }

  std::vector<float> randomFloats(size_t n) {
    std::uniform_real_distribution<float> values(-2, 2);
    std::vector<float> result(n);
    for (float &value : result)
      value = values(rng);
    return result;
  }
  template <typename T>
  std::vector<T> randomInts(size_t n, int64_t low, int64_t high) {
    std::uniform_int_distribution<int64_t> values(low, high);
    std::vector<T> result(n);
    for (T &value : result)
      value = static_cast<T>(values(rng));
    return result;
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string error;
  std::mt19937 rng{7};
};

} // namespace cim

#endif // CIM_TEST_UNIT_INTERP_FIXTURE_H
