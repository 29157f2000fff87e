// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cim.conv and cim.matmul against plain loops over the definition.

#include <cmath>
#include <functional>

#include "Fixture.h"
#include "cim/Support/Numerics.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

namespace cim {
namespace {

using Ints = std::vector<int64_t>;

std::string shape(const Ints &dims) {
  std::string text;
  for (int64_t dim : dims)
    text += std::to_string(dim) + "x";
  return text;
}
std::string list(const Ints &values) {
  std::string text;
  for (int64_t value : values)
    text += (text.empty() ? "" : ", ") + std::to_string(value);
  return "[" + text + "]";
}
int64_t product(const Ints &dims) {
  int64_t result = 1;
  for (int64_t dim : dims)
    result *= dim;
  return result;
}

/// A convolution's geometry; spatial lists are outermost first.
struct Conv {
  int64_t batch, channels, outs, groups;
  Ints in, kernel, strides, dilations, pads;

  Ints out() const {
    Ints result;
    for (size_t d = 0; d < in.size(); ++d)
      result.push_back((in[d] + pads[d] + pads[in.size() + d] -
                        dilations[d] * (kernel[d] - 1) - 1) /
                           strides[d] +
                       1);
    return result;
  }
  Ints inputShape() const { return join({batch, channels}, in); }
  Ints weightShape() const { return join({outs, channels / groups}, kernel); }
  Ints resultShape() const { return join({batch, outs}, out()); }
  static Ints join(Ints a, const Ints &b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }

  /// `attributes` follow the strides; types are element types.
  std::string text(const std::string &x, const std::string &w,
                   const std::string &y, const std::string &bias,
                   const std::string &multiplier,
                   const std::string &attributes) const {
    std::string args = "%x: tensor<" + shape(inputShape()) + x +
                       ">, %w: tensor<" + shape(weightShape()) + w + ">";
    std::string use = "%x, %w", types = "tensor<" + shape(inputShape()) + x +
                                        ">, tensor<" + shape(weightShape()) +
                                        w + ">";
    auto vector = [&](const char *name, const char *word,
                      const std::string &type) {
      if (type.empty())
        return;
      std::string tensor = "tensor<" + std::to_string(outs) + "x" + type + ">";
      args += std::string(", %") + name + ": " + tensor;
      use += std::string(" ") + word + " %" + name;
      types += ", " + tensor;
    };
    vector("b", "bias", bias);
    vector("m", "requantize", multiplier);
    std::string result = "tensor<" + shape(resultShape()) + y + ">";
    return "func.func @main(" + args + ") -> " + result +
           " {\n  %y = cim.conv " + use + " strides " + list(strides) +
           " pads " + list(pads) + " dilations " + list(dilations) +
           " groups " + std::to_string(groups) + " " + attributes + " : (" +
           types + ") -> " + result + "\n  return %y : " + result + "\n}\n";
  }

  /// Calls f(result index, output channel, terms) for every result element;
  /// a term is (input index or -1, weight index), channels outermost.
  void each(const std::function<
            void(int64_t, int64_t,
                 const std::vector<std::pair<int64_t, int64_t>> &)> &f) const {
    Ints outDims = out();
    int64_t positions = product(outDims), k = product(kernel),
            perGroup = channels / groups, index = 0;
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t o = 0; o < outs; ++o)
        for (int64_t p = 0; p < positions; ++p) {
          std::vector<std::pair<int64_t, int64_t>> terms;
          for (int64_t c = 0; c < perGroup; ++c)
            for (int64_t r = 0; r < k; ++r) {
              int64_t channel = o / (outs / groups) * perGroup + c;
              int64_t at = inputIndex(b * channels + channel, p, r, outDims);
              terms.push_back({at, (o * perGroup + c) * k + r});
            }
          f(index++, o, terms);
        }
  }

private:
  int64_t inputIndex(int64_t image, int64_t p, int64_t r,
                     const Ints &outDims) const {
    Ints position(in.size()), tap(in.size());
    for (size_t d = in.size(); d-- > 0;) {
      position[d] = p % outDims[d];
      p /= outDims[d];
      tap[d] = r % kernel[d];
      r /= kernel[d];
    }
    int64_t at = image;
    for (size_t d = 0; d < in.size(); ++d) {
      int64_t x = position[d] * strides[d] + tap[d] * dilations[d] - pads[d];
      if (x < 0 || x >= in[d])
        return -1;
      at = at * in[d] + x;
    }
    return at;
  }
};

const Conv kConvs[] = {
    {1, 3, 5, 1, {9, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
    {2, 4, 6, 2, {8, 9}, {3, 2}, {2, 1}, {1, 2}, {0, 2, 1, 1}},
    {1, 6, 6, 6, {5, 70}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}}, // depthwise
    {2, 5, 9, 1, {40}, {4}, {3}, {2}, {3, 0}},                   // 1-D
    {1,
     2,
     3,
     1,
     {4, 5, 6},
     {2, 3, 1},
     {1, 2, 1},
     {1, 1, 1},
     {1, 0, 0, 0, 2, 0}},
    {1, 70, 4, 1, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}}, // pointwise
    {1, 130, 3, 1, {3, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 0, 0, 1}},
};

class MacTest : public InterpTest {
protected:
  std::vector<float> floatConv(const Conv &conv, const std::vector<float> &x,
                               const std::vector<float> &w,
                               const std::vector<float> &bias) {
    std::vector<float> y(product(conv.resultShape()));
    conv.each([&](int64_t at, int64_t o, const auto &terms) {
      float sum = bias.empty() ? 0 : bias[o];
      for (auto [i, j] : terms)
        sum = sum + (i < 0 ? 0.0f : x[i]) * w[j];
      y[at] = sum;
    });
    return y;
  }
};

TEST_F(MacTest, FloatConvolutionsAddInOrder) {
  for (const Conv &conv : kConvs) {
    auto x = randomFloats(product(conv.inputShape()));
    auto w = randomFloats(product(conv.weightShape()));
    auto b = randomFloats(conv.outs);
    EXPECT_EQ(one<float>(conv.text("f32", "f32", "f32", "f32", "", ""),
                         {toBytes(x), toBytes(w), toBytes(b)}),
              floatConv(conv, x, w, b));
    EXPECT_EQ(one<float>(conv.text("f32", "f32", "f32", "", "", ""),
                         {toBytes(x), toBytes(w)}),
              floatConv(conv, x, w, {}));
  }
}

TEST_F(MacTest, FastConvolutionsAreClose) {
  InterpretOptions options;
  options.fastFloat = true;
  for (const Conv &conv : kConvs) {
    auto x = randomFloats(product(conv.inputShape()));
    auto w = randomFloats(product(conv.weightShape()));
    auto b = randomFloats(conv.outs);
    auto y = one<float>(conv.text("f32", "f32", "f32", "f32", "", ""),
                        {toBytes(x), toBytes(w), toBytes(b)}, options);
    auto want = floatConv(conv, x, w, b);
    ASSERT_EQ(y.size(), want.size());
    for (size_t i = 0; i < y.size(); ++i)
      EXPECT_NEAR(y[i], want[i], 1e-3);
  }
}

TEST_F(MacTest, HalfPrecisionConvolution) {
  Conv conv = kConvs[1];
  auto narrow = [](std::vector<float> &values) {
    std::vector<uint16_t> codes;
    for (float &value : values) {
      codes.push_back(numerics::floatToHalf(value));
      value = numerics::halfToFloat(codes.back());
    }
    return toBytes(codes);
  };
  auto x = randomFloats(product(conv.inputShape()));
  auto w = randomFloats(product(conv.weightShape()));
  auto b = randomFloats(conv.outs);
  Bytes xBytes = narrow(x), wBytes = narrow(w);
  std::vector<uint16_t> want;
  for (float y : floatConv(conv, x, w, b)) // fp32 sums, rounded at the end
    want.push_back(numerics::floatToHalf(y));
  EXPECT_EQ(one<uint16_t>(conv.text("f16", "f16", "f16", "f32", "", ""),
                          {xBytes, wBytes, toBytes(b)}),
            want);
}

TEST_F(MacTest, IntegerConvolutions) {
  struct Format {
    const char *x;
    int64_t low, high, zero;
    int bits;
  };
  for (const Conv &conv : kConvs)
    for (Format f :
         {Format{"!quant.uniform<i8:f32, 0.1:-3>", -128, 127, -3, 8},
          {"!quant.uniform<u8:f32, 0.1:131>", 0, 255, 131, 5},
          {"!quant.uniform<i8<-127:127>:f32, 0.1>", -127, 127, 0, 4}}) {
      auto x = randomInts<int16_t>(product(conv.inputShape()), f.low, f.high);
      int64_t top = (1 << (f.bits - 1)) - 1;
      auto w = randomInts<int8_t>(product(conv.weightShape()), -top - 1, top);
      auto b = randomInts<int32_t>(conv.outs, -5000, 5000);
      auto m = randomFloats(conv.outs);
      for (float &value : m)
        value *= 0.01f;
      std::vector<uint8_t> want, xBytes(x.begin(), x.end());
      std::vector<float> wantFloat;
      conv.each([&](int64_t, int64_t o, const auto &terms) {
        int32_t sum = b[o];
        for (auto [i, j] : terms) // padding is the zero point
          sum += ((i < 0 ? f.zero : x[i]) - f.zero) * w[j];
        float scaled = static_cast<float>(sum) * m[o];
        wantFloat.push_back(scaled);
        double q = std::nearbyint(scaled) + 17;
        want.push_back(static_cast<uint8_t>(
            static_cast<int>(std::min(255.0, std::max(0.0, q)))));
      });
      std::string bits = "i" + std::to_string(f.bits);
      std::vector<Bytes> inputs{toBytes(xBytes), toBytes(w), toBytes(b),
                                toBytes(m)};
      EXPECT_EQ(
          one<uint8_t>(conv.text(f.x, bits, "!quant.uniform<u8:f32, 0.3:17>",
                                 "i32", "f32", ""),
                       inputs),
          want);
      EXPECT_EQ(
          one<float>(conv.text(f.x, bits, "f32", "i32", "f32", ""), inputs),
          wantFloat);
    }
}

//===----------------------------------------------------------------------===//
// Block floating point, by the text of B1 to B4 with library functions.
//===----------------------------------------------------------------------===//

struct Block {
  int exponent = -126;
  std::vector<int64_t> mantissas;
};
Block makeBlock(std::vector<float> values, int bits) {
  Block block;
  bool any = false;
  for (float &value : values) {
    if (std::isnan(value))
      value = 0;
    if (std::isinf(value))
      value = std::copysign(std::numeric_limits<float>::max(), value);
    if (value != 0) {
      int e = std::ilogb(value);
      block.exponent = any ? std::max(block.exponent, e) : e;
      any = true;
    }
  }
  block.exponent = std::min(127, std::max(-126, block.exponent));
  for (float value : values) {
    double limit = (1 << (bits - 1)) - 1;
    double q = std::nearbyint(std::ldexp(value, bits - 2 - block.exponent));
    block.mantissas.push_back(
        static_cast<int64_t>(std::min(limit, std::max(-limit, q))));
  }
  return block;
}
float blockProduct(const Block &a, const Block &b, int bits) {
  int64_t sum = 0;
  for (size_t i = 0; i < a.mantissas.size(); ++i)
    sum += a.mantissas[i] * b.mantissas[i];
  return static_cast<float>(std::ldexp(
      static_cast<double>(sum), a.exponent + b.exponent - 2 * (bits - 2)));
}

TEST_F(MacTest, BlockFloatConvolutions) {
  for (const Conv &conv : kConvs)
    for (int bits : {12, 16}) {
      auto x = randomFloats(product(conv.inputShape()));
      auto w = randomFloats(product(conv.weightShape()));
      auto b = randomFloats(conv.outs);
      for (size_t i = 0; i < x.size(); i += 3) // wide range of exponents
        x[i] = std::ldexp(x[i], static_cast<int>(i % 40) - 20);
      int64_t k = product(conv.kernel), channels = conv.channels / conv.groups;
      std::vector<float> want;
      conv.each([&](int64_t, int64_t o, const auto &terms) {
        float sum = b[o];
        for (int64_t c0 = 0; c0 < channels; c0 += 64)
          for (int64_t r = 0; r < k; ++r) {
            std::vector<float> left, right;
            for (int64_t c = c0; c < std::min(channels, c0 + 64); ++c) {
              auto [i, j] = terms[c * k + r];
              left.push_back(i < 0 ? 0 : x[i]);
              right.push_back(w[j]);
            }
            sum = sum + blockProduct(makeBlock(left, bits),
                                     makeBlock(right, bits), bits);
          }
        want.push_back(sum);
      });
      EXPECT_EQ(one<float>(conv.text("f32", "f32", "f32", "f32", "",
                                     "mantissa " + std::to_string(bits)),
                           {toBytes(x), toBytes(w), toBytes(b)}),
                want);
    }
}

//===----------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------===//

TEST_F(MacTest, FloatProducts) {
  for (bool shared : {false, true}) {
    auto a = randomFloats(2 * 3 * 5 * 70), b = randomFloats(6 * 70 * 33),
         bias = randomFloats(33);
    std::string right = shared ? "70x33" : "2x3x70x33";
    if (shared)
      b.resize(70 * 33);
    std::vector<float> want;
    for (int batch = 0; batch < 6; ++batch)
      for (int m = 0; m < 5; ++m)
        for (int n = 0; n < 33; ++n) {
          float sum = bias[n];
          for (int k = 0; k < 70; ++k)
            sum = sum + a[(batch * 5 + m) * 70 + k] *
                            b[((shared ? 0 : batch) * 70 + k) * 33 + n];
          want.push_back(sum);
        }
    std::string text = llvm::formatv(
        "func.func @main(%a: tensor<2x3x5x70xf32>, %b: tensor<{0}xf32>, %c: "
        "tensor<33xf32>) -> tensor<2x3x5x33xf32> {{\n  %y = cim.matmul %a, %b "
        "bias %c : (tensor<2x3x5x70xf32>, tensor<{0}xf32>, tensor<33xf32>) -> "
        "tensor<2x3x5x33xf32>\n  return %y : tensor<2x3x5x33xf32>\n}",
        right);
    EXPECT_EQ(one<float>(text, {toBytes(a), toBytes(b), toBytes(bias)}), want);
  }
}

/// Blocks of 64, or of what the module's attribute says.
TEST_F(MacTest, BlockFloatProducts) {
  for (int rows : {64, 16}) {
    auto a = randomFloats(3 * 150), b = randomFloats(150 * 40);
    a[5] = INFINITY;
    a[80] = NAN;
    std::vector<float> want;
    for (int m = 0; m < 3; ++m)
      for (int n = 0; n < 40; ++n) {
        float sum = 0;
        for (int k0 = 0; k0 < 150; k0 += rows) {
          std::vector<float> left, right;
          for (int k = k0; k < std::min(150, k0 + rows); ++k) {
            left.push_back(a[m * 150 + k]);
            right.push_back(b[k * 40 + n]);
          }
          sum =
              sum + blockProduct(makeBlock(left, 12), makeBlock(right, 12), 12);
        }
        want.push_back(sum);
      }
    std::string attributes =
        rows == 64 ? "" : "attributes {cim.bfp_block_rows = 16 : i64}";
    EXPECT_EQ(one<float>("module " + attributes + R"( {
    func.func @main(%a: tensor<3x150xf32>, %b: tensor<150x40xf32>)
        -> tensor<3x40xf32> {
      %y = cim.matmul %a, %b mantissa 12
           : (tensor<3x150xf32>, tensor<150x40xf32>) -> tensor<3x40xf32>
      return %y : tensor<3x40xf32>
    }})",
                         {toBytes(a), toBytes(b)}),
              want);
  }
}

/// Q6: both operands computed, the left one unsigned.
TEST_F(MacTest, ProductOfComputedOperands) {
  auto a = randomInts<uint8_t>(2 * 4 * 9, 0, 255);
  auto b = randomInts<int8_t>(2 * 9 * 6, -128, 127);
  std::vector<float> m(6, 0.001f);
  std::vector<int8_t> want;
  for (int batch = 0; batch < 2; ++batch)
    for (int i = 0; i < 4; ++i)
      for (int n = 0; n < 6; ++n) {
        int32_t sum = 0;
        for (int k = 0; k < 9; ++k)
          sum += a[(batch * 4 + i) * 9 + k] * b[(batch * 9 + k) * 6 + n];
        double q = std::nearbyint(static_cast<float>(sum) * 0.001f) - 5;
        want.push_back(
            static_cast<int8_t>(std::min(127.0, std::max(-128.0, q))));
      }
  EXPECT_EQ(one<int8_t>(R"(
    !a = !quant.uniform<u8:f32, 0.01>
    !b = !quant.uniform<i8:f32, 0.1>
    !y = !quant.uniform<i8:f32, 1.0:-5>
    func.func @main(%a: tensor<2x4x9x!a>, %b: tensor<2x9x6x!b>,
                    %m: tensor<6xf32>) -> tensor<2x4x6x!y> {
      %y = cim.matmul %a, %b requantize %m
           : (tensor<2x4x9x!a>, tensor<2x9x6x!b>, tensor<6xf32>)
           -> tensor<2x4x6x!y>
      return %y : tensor<2x4x6x!y>
    })",
                        {toBytes(a), toBytes(b), toBytes(m)}),
            want);
}

/// Q5: sums wrap; nothing saturates on the way.
TEST_F(MacTest, AccumulatorsWrap) {
  std::vector<int32_t> bias{INT32_MAX};
  EXPECT_EQ(
      one<float>(R"(
    !a = !quant.uniform<i8:f32, 1.0>
    func.func @main(%a: tensor<1x1x!a>, %w: tensor<1x1xi8>, %b: tensor<1xi32>,
                    %m: tensor<1xf32>) -> tensor<1x1xf32> {
      %y = cim.matmul %a, %w bias %b requantize %m
           : (tensor<1x1x!a>, tensor<1x1xi8>, tensor<1xi32>, tensor<1xf32>)
           -> tensor<1x1xf32>
      return %y : tensor<1x1xf32>
    })",
                 {Bytes{1}, Bytes{1}, toBytes(bias), toBytes<float>({1})}),
      (std::vector<float>{-0x1p31f}));
}

} // namespace
} // namespace cim
