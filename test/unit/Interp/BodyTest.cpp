// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every scalar operation on edge values: against the constant evaluator, which
// shares no code with the interpreter, and against values worked out by hand
// where the two could be wrong together.

#include <cmath>

#include "Fixture.h"
#include "cim/IR/Constants.h"
#include "cim/IR/Evaluate.h"
#include "cim/Support/Numerics.h"
#include "llvm/Support/FormatVariadic.h"

namespace cim {
namespace {

/// Elementwise module over constants: `%a`, `%b`, `%c` of `in`, result `out`.
std::string elementwise(const std::string &line, const std::string &in,
                        const std::string &out,
                        const std::vector<std::string> &constants) {
  size_t n = constants.size()
                 ? std::count(constants[0].begin(), constants[0].end(), ',') + 1
                 : 0;
  std::string types, names, maps, args;
  std::string body =
      "func.func @main() -> tensor<" + std::to_string(n) + "x" + out + "> {\n";
  for (size_t i = 0; i < constants.size(); ++i) {
    std::string name(1, char('x' + i)),
        type = llvm::formatv("tensor<{0}x{1}>", n, in);
    body += llvm::formatv("  %{0} = arith.constant dense<[{1}]> : {2}\n", name,
                          constants[i], type);
    names += (i ? ", %" : "%") + name;
    types += (i ? ", " : "") + type;
    maps += "affine_map<(d0) -> (d0)>, ";
    args += llvm::formatv("%{0}: {1}, ", char('a' + i), in);
  }
  body += llvm::formatv(
      "  %e = tensor.empty() : tensor<{0}x{1}>\n"
      "  %r = linalg.generic {{indexing_maps = [{2}affine_map<(d0) -> (d0)>], "
      "iterator_types = [\"parallel\"]} ins({3} : {4}) outs(%e : "
      "tensor<{0}x{1}>) {{\n  ^bb0({5}%o: {1}):\n    %v = {6}\n"
      "    linalg.yield %v : {1}\n  } -> tensor<{0}x{1}>\n  return %r : "
      "tensor<{0}x{1}>\n}\n",
      n, out, maps, names, types, args, line);
  return body;
}

/// All pairs of the listed values, as two lists.
std::vector<std::string> pairs(const std::vector<std::string> &values) {
  std::string first, second;
  for (const std::string &x : values)
    for (const std::string &y : values) {
      first += (first.empty() ? "" : ", ") + x;
      second += (second.empty() ? "" : ", ") + y;
    }
  return {first, second};
}
std::string list(const std::vector<std::string> &values) {
  std::string text;
  for (const std::string &x : values)
    text += (text.empty() ? "" : ", ") + x;
  return text;
}

class BodyTest : public InterpTest {
protected:
  /// Runs the module both ways; equal bits, NaN of any kind equal (F7).
  void check(const std::string &text) {
    std::vector<TensorValue> results = run(text);
    ASSERT_EQ(results.size(), 1u) << error << "\n" << text;
    mlir::Value value = main().getBody().front().getTerminator()->getOperand(0);
    ir::Evaluator evaluator;
    const ir::Literal *want = evaluator.evaluate(value);
    ASSERT_TRUE(want) << text;
    mlir::ElementsAttr attr = ir::toAttribute(*want, "want");
    std::vector<char> bytes = ir::expandedBytes(attr);
    int64_t size = bytes.size() / results[0].elements();
    for (int64_t i = 0; i < results[0].elements(); ++i) {
      if (mlir::isa<mlir::FloatType>(results[0].type.getElementType()) &&
          std::isnan(want->elements[i].f)) {
        EXPECT_TRUE(isNaN(results[0], i)) << text << "\nelement " << i;
        continue;
      }
      EXPECT_EQ(std::memcmp(results[0].data + i * size, bytes.data() + i * size,
                            size),
                0)
          << text << "\nelement " << i;
    }
    ++checked;
  }
  static bool isNaN(const TensorValue &value, int64_t i) {
    mlir::Type type = value.type.getElementType();
    if (type.isF64())
      return std::isnan(elements<double>(value)[i]);
    if (type.isF32())
      return std::isnan(elements<float>(value)[i]);
    uint16_t bits = elements<uint16_t>(value)[i];
    return std::isnan(type.isF16() ? numerics::halfToFloat(bits)
                                   : numerics::bfloatToFloat(bits));
  }
  int checked = 0;
};

std::vector<std::string> integerValues(const std::string &type) {
  if (type == "i1")
    return {"false", "true"};
  if (type == "i4")
    return {"0", "1", "2", "-1", "-8", "7", "3"};
  if (type == "i8")
    return {"0", "1", "2", "-1", "-128", "127", "100", "-77"};
  if (type == "i16")
    return {"0", "1", "3", "-1", "-32768", "32767", "300"};
  if (type == "i32")
    return {"0", "1", "5", "-1", "-2147483648", "2147483647", "70000"};
  return {"0",
          "1",
          "7",
          "-1",
          "-9223372036854775808",
          "9223372036854775807",
          "5000000000"};
}
const std::vector<std::string> floatValues = {
    "0.0",  "-0.0", "1.0",  "-1.0", "0.5",    "-0.5",    "2.5",    "3.5",
    "-2.5", "0.1",  "7.25", "-9.0", "1.0e-3", "60000.0", "-3.0e-8"};
std::vector<std::string> withSpecials(const std::string &type) {
  std::vector<std::string> values = floatValues;
  if (type == "f32")
    for (const char *special :
         {"0x7F800000", "0xFF800000", "0x7FC00000", "0x00000001", "0x7F7FFFFF"})
      values.push_back(special);
  if (type == "f64")
    for (const char *special :
         {"0x7FF0000000000000", "0x7FF8000000000000", "0x0000000000000001"})
      values.push_back(special);
  if (type == "f16")
    for (const char *special : {"0x7C00", "0x7E00", "0x0001", "0x7BFF"})
      values.push_back(special);
  if (type == "bf16")
    for (const char *special : {"0x7F80", "0x7FC0", "0x0001", "0x7F7F"})
      values.push_back(special);
  return values;
}

TEST_F(BodyTest, IntegerArithmetic) {
  // i1 follows rules of its own (I3), below.
  for (const char *type : {"i4", "i8", "i16", "i32", "i64"})
    for (const char *op :
         {"addi", "subi", "muli", "divsi", "divui", "remsi", "remui", "andi",
          "ori", "xori", "minsi", "maxsi", "minui", "maxui"})
      check(elementwise(llvm::formatv("arith.{0} %a, %b : {1}", op, type), type,
                        type, pairs(integerValues(type))));
  EXPECT_EQ(checked, 5 * 14);
}

TEST_F(BodyTest, Shifts) {
  for (const char *type : {"i4", "i8", "i16", "i32", "i64"})
    for (const char *op : {"shli", "shrui", "shrsi"})
      check(elementwise(llvm::formatv("arith.{0} %a, %b : {1}", op, type), type,
                        type,
                        {"1, -1, -8, 7, 5, -3, 2", "0, 1, 2, 3, 1, 3, 2"}));
  // I2: amounts at or above the width, as unsigned numbers.
  std::vector<std::string> operands{"-5, -5, -5, 77", "8, -1, 7, 100"};
  using V = std::vector<int8_t>;
  EXPECT_EQ(
      one<int8_t>(elementwise("arith.shli %a, %b : i8", "i8", "i8", operands)),
      (V{0, 0, -128, 0}));
  EXPECT_EQ(
      one<int8_t>(elementwise("arith.shrui %a, %b : i8", "i8", "i8", operands)),
      (V{0, 0, 1, 0}));
  EXPECT_EQ(
      one<int8_t>(elementwise("arith.shrsi %a, %b : i8", "i8", "i8", operands)),
      (V{-1, -1, -1, 0}));
}

TEST_F(BodyTest, DivisionNeverTraps) {
  std::vector<std::string> operands{"-128, 5, -128, 5", "-1, 0, 0, -1"};
  using V = std::vector<int8_t>;
  EXPECT_EQ(
      one<int8_t>(elementwise("arith.divsi %a, %b : i8", "i8", "i8", operands)),
      (V{-128, -1, -1, -5}));
  EXPECT_EQ(
      one<int8_t>(elementwise("arith.remsi %a, %b : i8", "i8", "i8", operands)),
      (V{0, 5, -128, 0}));
  EXPECT_EQ(
      one<int8_t>(elementwise("arith.divui %a, %b : i8", "i8", "i8", operands)),
      (V{0, -1, -1, 0}));
}

TEST_F(BodyTest, BooleansAreModuloTwo) {
  std::vector<std::string> operands{"false, false, true, true",
                                    "false, true, false, true"};
  using V = std::vector<uint8_t>;
  std::vector<std::pair<const char *, V>> expected = {
      {"addi", {0, 1, 1, 0}},  {"subi", {0, 1, 1, 0}},  {"muli", {0, 0, 0, 1}},
      {"minsi", {0, 0, 0, 1}}, {"maxsi", {0, 1, 1, 1}}, {"minui", {0, 0, 0, 1}},
      {"shrsi", {0, 0, 1, 1}}, {"shli", {0, 0, 1, 0}},  {"divui", {1, 0, 1, 1}},
      {"remui", {0, 0, 1, 0}}, {"xori", {0, 1, 1, 0}}};
  for (auto &[op, want] : expected)
    EXPECT_EQ(
        one<uint8_t>(elementwise(llvm::formatv("arith.{0} %a, %b : i1", op),
                                 "i1", "i1", operands)),
        want)
        << op;
  // Comparisons see 0 and 1 as numbers.
  EXPECT_EQ(one<uint8_t>(elementwise("arith.cmpi slt, %a, %b : i1", "i1", "i1",
                                     operands)),
            (V{0, 1, 0, 0}));
}

TEST_F(BodyTest, AnyNonZeroByteIsTrue) {
  std::string text =
      "func.func @main(%x: tensor<3xi1>) -> tensor<3xi32> {\n"
      "  %e = tensor.empty() : tensor<3xi32>\n"
      "  %r = linalg.generic {indexing_maps = [affine_map<(d0) -> "
      "(d0)>, affine_map<(d0) -> (d0)>], iterator_types = "
      "[\"parallel\"]} ins(%x : tensor<3xi1>) outs(%e : "
      "tensor<3xi32>) {\n  ^bb0(%a: i1, %o: i32):\n    %z = "
      "arith.extui %a : i1 to i32\n    linalg.yield %z : i32\n  } "
      "-> tensor<3xi32>\n  return %r : tensor<3xi32>\n}\n";
  EXPECT_EQ(one<int32_t>(text, {toBytes<uint8_t>({0, 1, 255})}),
            (std::vector<int32_t>{0, 1, 1}));
}

TEST_F(BodyTest, FloatArithmetic) {
  for (const char *type : {"f16", "bf16", "f32"})
    for (const char *op : {"addf", "subf", "mulf", "divf", "remf", "minimumf",
                           "maximumf", "minnumf", "maxnumf"})
      check(elementwise(llvm::formatv("arith.{0} %a, %b : {1}", op, type), type,
                        type, pairs(withSpecials(type))));
  for (const char *op : {"addf", "mulf", "divf", "minimumf", "maxnumf"})
    check(elementwise(llvm::formatv("arith.{0} %a, %b : f64", op), "f64", "f64",
                      pairs(withSpecials("f64"))));
  for (const char *type : {"f16", "bf16", "f32", "f64"})
    check(elementwise(llvm::formatv("math.copysign %a, %b : {0}", type), type,
                      type, pairs(withSpecials(type))));
}

TEST_F(BodyTest, FloatFunctions) {
  for (const char *type : {"f16", "bf16", "f32", "f64"})
    for (const char *op :
         {"math.absf",  "math.ceil",      "math.floor", "math.trunc",
          "math.round", "math.roundeven", "math.sqrt",  "math.rsqrt",
          "math.exp",   "math.exp2",      "math.expm1", "math.log",
          "math.log2",  "math.log10",     "math.log1p", "math.tanh",
          "math.erf",   "math.sin",       "math.cos",   "math.tan",
          "math.asin",  "math.acos",      "math.atan",  "math.sinh",
          "math.cosh",  "math.asinh",     "math.acosh", "math.atanh",
          "arith.negf"})
      check(elementwise(llvm::formatv("{0} %a : {1}", op, type), type, type,
                        {list(withSpecials(type))}));
  for (const char *op : {"math.atan2", "math.powf"})
    check(elementwise(llvm::formatv("{0} %a, %b : f32", op), "f32", "f32",
                      pairs(withSpecials("f32"))));
}

TEST_F(BodyTest, Comparisons) {
  for (const char *predicate :
       {"eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"})
    for (const char *type : {"i4", "i8", "i16", "i32", "i64"})
      check(elementwise(
          llvm::formatv("arith.cmpi {0}, %a, %b : {1}", predicate, type), type,
          "i1", pairs(integerValues(type))));
  for (const char *predicate :
       {"false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq", "ugt",
        "uge", "ult", "ule", "une", "uno", "true"})
    for (const char *type : {"f16", "f32", "f64"})
      check(elementwise(
          llvm::formatv("arith.cmpf {0}, %a, %b : {1}", predicate, type), type,
          "i1", pairs(withSpecials(type))));
}

TEST_F(BodyTest, Casts) {
  const std::vector<std::string> ints = {"i1", "i4", "i8", "i16", "i32", "i64"};
  auto width = [](const std::string &type) {
    return std::stoi(type.substr(1));
  };
  auto cast = [&](const char *op, const std::string &from,
                  const std::string &to, const std::string &values) {
    check(elementwise(llvm::formatv("arith.{0} %a : {1} to {2}", op, from, to),
                      from, to, {values}));
  };
  for (const std::string &from : ints)
    for (const std::string &to : ints) {
      std::string values = list(integerValues(from));
      if (width(from) < width(to)) {
        cast("extui", from, to, values);
        if (from != "i1")
          cast("extsi", from, to, values);
      }
      if (width(from) > width(to))
        cast("trunci", from, to, values);
    }
  for (const std::string &from : ints)
    for (const char *to : {"f16", "bf16", "f32", "f64"}) {
      if (from == "i64" &&
          (to == std::string("f16") || to == std::string("bf16")))
        continue; // the evaluator rounds twice
      cast("uitofp", from, to, list(integerValues(from)));
      if (from != "i1")
        cast("sitofp", from, to, list(integerValues(from)));
    }
  for (const char *from : {"f16", "bf16", "f32", "f64"})
    for (const std::string &to : ints) {
      if (to == "i1")
        continue;
      cast("fptosi", from, to, list(withSpecials(from)));
      cast("fptoui", from, to, list(withSpecials(from)));
    }
  cast("extf", "f16", "f32", list(withSpecials("f16")));
  cast("extf", "bf16", "f64", list(withSpecials("bf16")));
  cast("extf", "f32", "f64", list(withSpecials("f32")));
  cast("truncf", "f32", "f16", list(withSpecials("f32")));
  cast("truncf", "f32", "bf16", list(withSpecials("f32")));
  cast("truncf", "f64", "f32", list(withSpecials("f64")));
  cast("truncf", "f64", "f16", list(withSpecials("f64")));
}

TEST_F(BodyTest, CastsWorkedByHand) {
  // i1 is sign-extended to -1.
  EXPECT_EQ(one<int32_t>(elementwise("arith.extsi %a : i1 to i32", "i1", "i32",
                                     {"false, true"})),
            (std::vector<int32_t>{0, -1}));
  EXPECT_EQ(one<float>(elementwise("arith.sitofp %a : i1 to f32", "i1", "f32",
                                   {"false, true"})),
            (std::vector<float>{0, -1}));
  // C2: 64-bit integers round once. 2^55 + 2^47 + 1 lies just above the middle
  // of two bf16 neighbours, and binary32 would round it to the middle first.
  int64_t high = (int64_t(1) << 55) + (int64_t(1) << 47) + 1;
  std::vector<uint16_t> bits = one<uint16_t>(
      elementwise("arith.sitofp %a : i64 to bf16", "i64", "bf16",
                  {std::to_string(high) + ", " + std::to_string(-high)}));
  EXPECT_EQ(numerics::bfloatToFloat(bits[0]), 0x1.02p55f);
  EXPECT_EQ(numerics::bfloatToFloat(bits[1]), -0x1.02p55f);
  // C4: one rounding from binary64.
  std::vector<float> half;
  for (uint16_t code :
       one<uint16_t>(elementwise("arith.truncf %a : f64 to f16", "f64", "f16",
                                 {"1.00048828125000000001, 2.0"})))
    half.push_back(numerics::halfToFloat(code));
  EXPECT_EQ(half, (std::vector<float>{1.0f, 2.0f}));
}

TEST_F(BodyTest, BitcastsKeepBits) {
  EXPECT_EQ(one<int32_t>(elementwise("arith.bitcast %a : f32 to i32", "f32",
                                     "i32", {"1.0, -0.0"})),
            (std::vector<int32_t>{0x3f800000, INT32_MIN}));
  EXPECT_EQ(one<int16_t>(elementwise("arith.bitcast %a : f16 to i16", "f16",
                                     "i16", {"1.0, -2.0"})),
            (std::vector<int16_t>{0x3c00, int16_t(0xc000)}));
  EXPECT_EQ(one<uint16_t>(elementwise("arith.bitcast %a : i16 to bf16", "i16",
                                      "bf16", {"16256, 1"})),
            (std::vector<uint16_t>{0x3f80, 1}));
}

TEST_F(BodyTest, SelectAndClassify) {
  EXPECT_EQ(one<uint8_t>(elementwise("math.isnan %a : f32", "f32", "i1",
                                     {"1.0, 0x7FC00000, 0x7F800000"})),
            (std::vector<uint8_t>{0, 1, 0}));
  EXPECT_EQ(one<uint8_t>(elementwise("math.isinf %a : f32", "f32", "i1",
                                     {"1.0, 0x7FC00000, 0xFF800000"})),
            (std::vector<uint8_t>{0, 0, 1}));
  std::string select = elementwise("arith.select %t, %a, %b : f32", "f32",
                                   "f32", {"1.0, 4.0", "3.0, 2.0"});
  select.insert(select.find("    %v ="),
                "    %t = arith.cmpf ogt, %a, %b : f32\n");
  EXPECT_EQ(one<float>(select), (std::vector<float>{3, 4}));
  // Fused multiply-add rounds once (F6).
  float x = 1 + 0x1p-12f;
  std::vector<float> y = one<float>(elementwise(
      "math.fma %a, %b, %c : f32", "f32", "f32",
      {"1.000244140625, 1.0", "1.000244140625, 2.0", "-1.00048828125, 3.0"}));
  EXPECT_EQ(y, (std::vector<float>{std::fma(x, x, -(1 + 0x1p-11f)), 5}));
  ASSERT_EQ(y.size(), 2u);
  EXPECT_NE(y[0], 0);
}

TEST_F(BodyTest, Quantization) {
  // Q1, unsigned storage: ties to even, saturation, NaN to the zero point.
  std::string quantize = elementwise(
      "quant.qcast %a : f32 to !quant.uniform<u8:f32, 0.5:10>", "f32",
      "!quant.uniform<u8:f32, 0.5:10>",
      {"0.25, 0.75, -5.0, 100.0, 200.0, -100.0, 0x7FC00000, 0x7F800000"});
  EXPECT_EQ(one<uint8_t>(quantize),
            (std::vector<uint8_t>{10, 12, 0, 210, 255, 0, 10, 255}));
  // A narrowed storage range.
  std::string narrow = elementwise(
      "quant.qcast %a : f32 to !quant.uniform<i8<-7:7>:f32, 1.0>", "f32",
      "!quant.uniform<i8<-7:7>:f32, 1.0>", {"-9.0, 2.5, 3.5, 9.0"});
  EXPECT_EQ(one<int8_t>(narrow), (std::vector<int8_t>{-7, 2, 4, 7}));
  // Q2 after Q1.
  std::string both =
      elementwise("quant.dcast %q : !quant.uniform<u8:f32, 0.5:200> to f32",
                  "f32", "f32", {"-1.0, 0.3, 20.0, 99.0"});
  both.insert(
      both.find("    %v ="),
      "    %q = quant.qcast %a : f32 to !quant.uniform<u8:f32, 0.5:200>\n");
  EXPECT_EQ(one<float>(both), (std::vector<float>{-1, 0.5, 20, 27.5}));
}

TEST_F(BodyTest, UnknownOperationIsAnError) {
  EXPECT_TRUE(
      run(elementwise("math.cbrt %a : f32", "f32", "f32", {"1.0"})).empty());
  EXPECT_EQ(error, "'math.cbrt' cannot be interpreted on these types");
}

} // namespace
} // namespace cim
