// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Damaged models: every one is imported or refused in one line, none crashes.
// A failing case prints its seed; --gtest_filter and CIM_MUTATION_SEED rerun
// it.

#include <cstdlib>
#include <random>

#include "Models.h"
#include "cim/Import/ONNX.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/PrettyStackTrace.h"

namespace {

constexpr const char *cnn = R"(
<ir_version: 8, opset_import: ["" : 17]>
cnn (float[N,2,6,6] x, float[27,4] d) => (float[N,c] y)
<float[3,2,3,3] w = {1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,
 1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9},
 float[3] b = {1,2,3}, float[3] s = {1,1,1}, int64[2] shape = {0,-1},
 float[4] e = {1,2,3,4}> {
  c = Conv<kernel_shape = [3,3], pads = [1,1,1,1], strides = [1,1]>(x, w, b)
  n = BatchNormalization(c, s, b, b, s)
  r = Relu(n)
  p = MaxPool<kernel_shape = [2,2], strides = [2,2]>(r)
  f = Reshape(p, shape)
  y = Gemm<transB = 0>(f, d, e)
})";

constexpr const char *encoder = R"(
<ir_version: 8, opset_import: ["" : 17]>
encoder (float[1,4,8] x, int64[1,4] ids, float[8,8] q, float[5,8] t) => (float[1,4,8] y)
<float[8] g = {1,1,1,1,1,1,1,1},
 int64[4] heads = {0,0,2,4}, int64[3] flat = {0,0,-1}, int64 axis = {1}> {
  v = Gather(t, ids)
  a = Add(x, v)
  l = LayerNormalization<axis = -1>(a, g, g)
  p = MatMul(l, q)
  h = Reshape(p, heads)
  k = Transpose<perm = [0,2,1,3]>(h)
  m = Transpose<perm = [0,2,3,1]>(h)
  c = MatMul(k, m)
  o = Softmax<axis = -1>(c)
  u = MatMul(o, k)
  w = Transpose<perm = [0,2,1,3]>(u)
  z = Reshape(w, flat)
  y = Erf(z)
})";

constexpr const char *shapes = R"(
<ir_version: 8, opset_import: ["" : 18, "local" : 1]>
shapes (float[2,3,4] x) => (float[a,b,c] y)
<int64 one = {1}, int64[1] axes = {0}, int64[6] pads = {0,1,0,0,1,0},
 int64[3] repeats = {1,2,1}, float[3] scales = {1.0, 2.0, 0.5}> {
  s = Shape(x)
  n = Gather(s, one)
  u = Unsqueeze(n, axes)
  z = ConstantOfShape(u)
  r = ReduceSum<keepdims = 1>(z, axes)
  t = Tile(x, repeats)
  p = Pad<mode = "reflect">(t, pads)
  q = Resize<mode = "linear">(p, , scales)
  f = local.f(q)
  y = Add(f, r)
}
<domain: "local", opset_import: ["" : 18]>
f (a) => (b) { i = Constant<value_int = 1>()  b = CumSum<exclusive = 1>(a, i) }
)";

constexpr const char *control = R"(
<ir_version: 8, opset_import: ["" : 17]>
control (float[4] x, float limit, bool flag) => (float[4] y, float[3,4] all, float[4,2] s)
<int64 trips = {3}, int64 two = {2}, float[2,4] z = {1,2,3,4,5,6,7,8}> {
  a, all = Loop(trips, , x) <body = body (int64 i, bool c, float[4] v) => (bool d, float[4] w, float[4] o) {
    d = Identity(c)
    f = Cast<to = 1>(i)
    w = Add(v, f)
    o = Neg(w)
  }>
  go = Less(limit, limit)
  b = Loop(two, go, a) <body = body (int64 i, bool c, float[4] v) => (bool d, float[4] w) {
    w = Add(v, v)
    d = Greater(limit, limit)
  }>
  t, s = Scan<num_scan_inputs = 1, scan_input_axes = [0], scan_output_axes = [1],
    scan_input_directions = [1],
    body = body (float[4] v, float[4] e) => (float[4] w, float[4] o) {
      w = Mul(v, e)
      o = Abs(w)
    }>(b, z)
  y = If(flag) <
    then_branch = yes () => (float[4] p) { p = Exp(t) },
    else_branch = no () => (float[4] p) { p = Identity(t) }>
})";

constexpr const char *signal = R"(
<ir_version: 8, opset_import: ["" : 17]>
signal (float[1,12,1] x, float[2,8,3] w, float[2,8,2] r)
  => (float[4,2,1,2] y, float[2,1,2] h, float[1,4,4,2] f)
<int64 step = {3}, float[3] window = {0.5, 1, 0.5}, int64[3] dims = {4, 1, -1},
 int64[1] o = {0}, int64[1] e = {3}, int64[1] d = {2},
 float[2,6] p = {1,2,3,4,5,6,1,2,3,4,5,6}, int32[1] n = {3}, int64 length = {4}> {
  s = STFT<onesided = 1>(x, step, window)
  f = DFT<axis = 2, onesided = 0>(s, length)
  a = Reshape(s, dims)
  i = Slice(a, o, e, d)
  y, h, c = LSTM<hidden_size = 2, direction = "bidirectional", clip = 3.0,
    activations = ["Sigmoid","Tanh","Tanh","HardSigmoid","Affine","Elu"],
    activation_alpha = [0.3, 0.5, 0.5], activation_beta = [0.4]>(i, w, r, , n, , , p)
})";

/// Damages a few places: bytes overwritten, removed, doubled, or the end cut.
std::string damage(std::string bytes, std::mt19937 &random) {
  auto below = [&](size_t n) { return n == 0 ? 0 : random() % n; };
  for (size_t edits = 1 + below(4); edits > 0 && !bytes.empty(); --edits) {
    size_t at = below(bytes.size()), count = 1 + below(8);
    switch (below(6)) {
    case 0:
      bytes[at] = static_cast<char>(random());
      break;
    case 1:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
      break;
    case 2:
      bytes.erase(at, count);
      break;
    case 3:
      bytes.insert(at, bytes.substr(below(bytes.size()), count));
      break;
    case 4:
      bytes[at] = "\0\xff\x7f\x80"[below(4)];
      break;
    default:
      if (below(8) == 0)
        bytes.resize(at);
      else
        bytes[at] = static_cast<char>('0' + below(10));
    }
  }
  return bytes;
}

/// Per model; CIM_MUTATION_ROUNDS asks for more.
int rounds() {
  const char *text = std::getenv("CIM_MUTATION_ROUNDS");
  return text ? std::atoi(text) : 300;
}

void importDamaged(const std::string &original, unsigned seed, int rounds,
                   int *imported) {
  llvm::EnablePrettyStackTrace();
  if (const char *only = std::getenv("CIM_MUTATION_SEED")) {
    seed = static_cast<unsigned>(std::strtoul(only, nullptr, 10));
    rounds = 1;
  }
  for (int i = 0; i < rounds; ++i, ++seed) {
    // Also printed by a crash.
    std::string trace = "seed " + std::to_string(seed);
    llvm::PrettyStackTraceString crashTrace(trace.c_str());
    SCOPED_TRACE(trace);
    std::mt19937 random(seed);
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    mlir::ScopedDiagnosticHandler quiet(
        &context, [](mlir::Diagnostic &) { return mlir::success(); });
    std::string error;
    auto module =
        cim::importOnnxBytes(damage(original, random), {}, context, error);
    if (succeeded(module)) {
      ++*imported;
      continue;
    }
    EXPECT_FALSE(error.empty());
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    EXPECT_EQ(error.find("internal error"), std::string::npos) << error;
  }
}

class MutationTest : public testing::TestWithParam<const char *> {};

TEST_P(MutationTest, IntactModelsImport) {
  mlir::MLIRContext context;
  std::string error;
  EXPECT_TRUE(succeeded(cim::importOnnxBytes(GetParam(), {}, context, error)))
      << error;
}

TEST_P(MutationTest, DamagedBinary) {
  std::string bytes = cim::test::parseModel(GetParam()).SerializeAsString();
  int imported = 0;
  importDamaged(bytes, 1, rounds(), &imported);
  // Most damage is found; some only changes a number.
  RecordProperty("imported", imported);
}

TEST_P(MutationTest, DamagedText) {
  int imported = 0;
  importDamaged(GetParam(), 100000, rounds(), &imported);
  RecordProperty("imported", imported);
}

TEST_P(MutationTest, EveryTruncation) {
  std::string bytes = cim::test::parseModel(GetParam()).SerializeAsString();
  for (size_t size = 0; size < bytes.size(); size += 7) {
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    mlir::ScopedDiagnosticHandler quiet(
        &context, [](mlir::Diagnostic &) { return mlir::success(); });
    std::string error;
    auto module =
        cim::importOnnxBytes(bytes.substr(0, size), {}, context, error);
    EXPECT_TRUE(failed(module)) << size;
    EXPECT_FALSE(error.empty()) << size;
  }
}

std::string modelName(const testing::TestParamInfo<const char *> &info) {
  static const char *const names[] = {"cnn", "encoder", "shapes", "control",
                                      "signal"};
  return names[info.index];
}

INSTANTIATE_TEST_SUITE_P(Models, MutationTest,
                         testing::Values(cnn, encoder, shapes, control, signal),
                         modelName);

} // namespace
