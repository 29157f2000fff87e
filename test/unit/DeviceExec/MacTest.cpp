// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MACs (device.md D3.2, D3.6, numerics B1 to B4) against plain loops and
// against bit-plane execution taken literally.
#include <cmath>
#include <cstring>

#include "Fixture.h"
#include "cim/Support/Numerics.h"
#include "exec/Gemm.h"

namespace {

using namespace cim;
using namespace cim::test;

/// Weights w[k][n] as packed planes (D3.3).
std::vector<uint8_t> packPlanes(const std::vector<int> &w, int rows, int cols,
                                int planes) {
  size_t rowBytes = size_t(cols + 7) / 8;
  std::vector<uint8_t> out(planes * rows * rowBytes, 0);
  for (int p = 0; p < planes; ++p)
    for (int k = 0; k < rows; ++k)
      for (int n = 0; n < cols; ++n)
        if (w[k * cols + n] >> p & 1)
          out[(p * rows + k) * rowBytes + n / 8] |= uint8_t(1 << (n % 8));
  return out;
}

/// D3.6 by planes: each issued plane is one pass over the activations.
int32_t planeMac(const std::vector<int64_t> &act, const uint8_t *planesAt,
                 int rows, int cols, int planes, unsigned mask, int n,
                 int32_t init) {
  size_t rowBytes = size_t(cols + 7) / 8;
  int64_t sum = init;
  for (int p = 0; p < planes; ++p) {
    if (!(mask >> p & 1))
      continue;
    int64_t pass = 0;
    for (int k = 0; k < rows; ++k)
      if (planesAt[(p * rows + k) * rowBytes + n / 8] >> (n % 8) & 1)
        pass += act[k];
    sum += p == planes - 1 ? -(pass << p) : pass << p;
  }
  return int32_t(uint32_t(sum));
}

struct Shape {
  int rows, cols, planes;
  std::vector<Dim> m, k;
  int64_t M = 1, actBytes = 0;
};

/// Loops whose k sizes multiply to `rows`.
Shape randomShape(Random &random, int64_t elem) {
  Shape s;
  int64_t kSizes[4] = {1, 1, 1, 1};
  s.rows = 1;
  int64_t rank = random.range(1, 4);
  for (int64_t i = 0; i < rank; ++i) {
    kSizes[i] = random.range(1, i + 1 == rank ? 12 : 3);
    if (s.rows * kSizes[i] > 200) // The array has 256 rows.
      kSizes[i] = 1;
    s.rows *= int(kSizes[i]);
  }
  s.cols = int(random.range(1, 60));
  s.planes = int(random.range(1, 8));
  // A window sliding over an image, in general strides.
  int64_t pitch = elem * random.range(1, 2);
  for (int64_t i = rank; i-- > 0;) {
    s.k.insert(s.k.begin(), {kSizes[i], pitch});
    pitch *= kSizes[i] + random.range(0, 1);
  }
  for (int64_t i = random.range(0, 3); i > 0; --i) {
    int64_t size = random.range(1, 9);
    s.m.push_back({size, elem * random.range(0, 40)});
    s.M *= size;
  }
  s.actBytes = elem;
  for (const auto *dims : {&s.m, &s.k})
    for (const Dim &d : *dims)
      s.actBytes += (d.size - 1) * d.stride;
  return s;
}

/// Byte offset of row m: index decomposition, last loop fastest.
int64_t offsetOf(const std::vector<Dim> &dims, int64_t i) {
  int64_t offset = 0;
  for (size_t d = dims.size(); d-- > 0;) {
    offset += i % dims[d].size * dims[d].stride;
    i /= dims[d].size;
  }
  return offset;
}

constexpr uint64_t kBias = 150000, kWeights = 200000;

TEST(Mac, EqualsBitPlanesAndPlainLoops) {
  const DType types[] = {DType::I8, DType::U8, DType::I16};
  for (uint64_t seed = 0; seed < 250; ++seed) {
    Random random(seed);
    Box box(seed % 5 == 0, seed % 3 == 1 ? 3 : 1);
    box.start();
    DType type = types[random.range(0, 2)];
    int64_t elem = byteSize(type);
    Shape s = randomShape(random, elem);
    int lo = -(1 << (s.planes - 1)), hi = (1 << (s.planes - 1)) - 1;
    auto w = random.integers<int>(size_t(s.rows * s.cols), lo, hi);
    auto packed = packPlanes(w, s.rows, s.cols, s.planes);
    std::vector<uint16_t> masks;
    if (random.chance(40))
      for (int g = 0; g < (s.cols + 15) / 16; ++g)
        masks.push_back(uint16_t(random.range(0, 255)));
    auto acts = random.bytes(size_t(s.actBytes));
    ASSERT_LT(s.actBytes, int64_t(kBias));
    box.put(at(Space::L1, 3), acts);
    box.put(at(Space::DRAM, 77), packed);
    auto bias = random.integers<int32_t>(size_t(s.cols), -1000000, 1000000);
    box.put(at(Space::L1, kBias), bias);
    int64_t accStride = s.cols * 4 + 4 * random.range(0, 3);
    uint64_t accAt = uint64_t(random.range(0, 3)) * 4;
    auto acc = random.integers<int32_t>(size_t(s.M * accStride / 4 + s.cols),
                                        -1000000, 1000000);
    box.put(at(Space::ACC, accAt), acc);

    WriteWeights write;
    write.set = 1;
    write.row0 = 32, write.col0 = 16;
    write.rows = uint16_t(s.rows), write.cols = uint16_t(s.cols);
    write.planes = uint8_t(s.planes);
    write.planeMasks = masks;
    write.src = at(Space::DRAM, 77);
    if (random.chance(30) && s.rows <= 32 && s.cols <= 16) {
      write.copies = 3, write.copyCols = 2;
      write.copyRowPitch = 32, write.copyColPitch = 16;
    }
    box.ok(write);
    Mac mac;
    mac.set = 1;
    mac.row0 = 32, mac.col0 = 16;
    mac.rows = write.rows, mac.cols = write.cols, mac.copies = write.copies;
    mac.actType = type;
    mac.act = at(Space::L1, 3);
    mac.m = s.m, mac.k = s.k;
    mac.acc = at(Space::ACC, accAt);
    mac.accStride = accStride;
    mac.init = AccInit(random.range(0, 2));
    mac.bias = at(Space::L1, kBias);
    box.ok(mac);

    for (int64_t m = 0; m < s.M; ++m) {
      std::vector<int64_t> x;
      for (int64_t k = 0; k < s.rows; ++k) {
        const uint8_t *p = &acts[offsetOf(s.m, m) + offsetOf(s.k, k)];
        int16_t wide;
        std::memcpy(&wide, p, size_t(elem));
        x.push_back(type == DType::I8   ? int8_t(*p)
                    : type == DType::U8 ? *p
                                        : wide);
      }
      for (int n = 0; n < s.cols; ++n) {
        unsigned mask = masks.empty() ? 0xffff : masks[n / 16];
        int32_t &cell = acc[m * accStride / 4 + n];
        int32_t init = mac.init == AccInit::Zero   ? 0
                       : mac.init == AccInit::Bias ? bias[n]
                                                   : cell;
        int32_t want =
            planeMac(x, packed.data(), s.rows, s.cols, s.planes, mask, n, init);
        if (masks.empty()) {
          int64_t sum = init;
          for (int64_t k = 0; k < s.rows; ++k)
            sum += x[k] * w[k * s.cols + n];
          ASSERT_EQ(want, int32_t(sum)); // The oracle itself.
        }
        cell = want;
      }
    }
    ASSERT_EQ(box.get<int32_t>(at(Space::ACC, accAt), acc.size()), acc)
        << "seed " << seed;
  }
}

TEST(Mac, ByteProductsOfTheLibraryGiveTheSame) {
  // Weights of 7 bits, which no CPU saturates.
  Random random(21);
  for (DType type : {DType::I8, DType::U8})
    for (AccInit init : {AccInit::Zero, AccInit::Bias, AccInit::Accumulate}) {
      const int rows = 71, cols = 37, M = 50;
      auto w = random.integers<int>(rows * cols, -64, 63);
      auto acts = random.bytes(M * rows);
      auto acc = random.integers<int32_t>(M * 40, -1 << 30, 1 << 30);
      std::vector<int32_t> results[2];
      for (int library : {0, 1}) {
        exec::selectGemm8(library);
        Box box(false, 1 + library);
        box.start();
        box.put(at(Space::DRAM, 0), packPlanes(w, rows, cols, 7));
        box.put(at(Space::L1, 0), acts);
        box.put(at(Space::L1, kBias), acc);
        box.put(at(Space::ACC, 0), acc);
        WriteWeights write;
        write.rows = rows, write.cols = cols, write.planes = 7;
        write.src = at(Space::DRAM, 0);
        box.ok(write);
        Mac mac;
        mac.rows = rows, mac.cols = cols;
        mac.actType = type, mac.init = init;
        mac.act = at(Space::L1, 0), mac.acc = at(Space::ACC, 0);
        mac.bias = at(Space::L1, kBias);
        mac.m = {{M, rows}}, mac.k = {{rows, 1}};
        mac.accStride = 160;
        box.ok(mac);
        results[library] = box.get<int32_t>(at(Space::ACC, 0), M * 40);
        exec::selectGemm8(-1);
      }
      EXPECT_NE(results[0], acc);
      EXPECT_EQ(results[0], results[1]);
    }
}

TEST(Mac, WideWeightsAndStridedInt8Weights) {
  Random random(5);
  for (int planes : {4, 8, 11, 16}) {
    Box box;
    box.start();
    const int rows = 33, cols = 21, M = 7;
    int lim = 1 << (planes - 1);
    auto w = random.integers<int>(rows * cols, -lim, lim - 1);
    WriteWeights write;
    write.rows = rows, write.cols = cols, write.planes = uint8_t(planes);
    bool strided = planes == 4 || planes == 8;
    if (strided) { // As activations: transposed int8, maybe fewer planes.
      write.format = WeightFormat::Int8;
      write.src = at(Space::L2, 5);
      write.rowStride = 1, write.colStride = 40;
      std::vector<int8_t> bytes(40 * cols);
      for (int k = 0; k < rows; ++k)
        for (int n = 0; n < cols; ++n)
          bytes[n * 40 + k] = int8_t(w[k * cols + n]);
      box.put(at(Space::L2, 5), bytes);
    } else {
      write.src = at(Space::L1, kWeights);
      box.put(at(Space::L1, kWeights), packPlanes(w, rows, cols, planes));
    }
    box.ok(write);
    auto x = random.integers<int16_t>(M * rows, -300, 300);
    box.put(at(Space::L1, 0), x);
    Mac mac;
    mac.rows = rows, mac.cols = cols;
    mac.actType = DType::I16;
    mac.m = {{M, rows * 2}}, mac.k = {{rows, 2}};
    mac.accStride = cols * 4;
    mac.acc = at(Space::ACC, 0);
    mac.act = at(Space::L1, 0);
    box.ok(mac);
    auto acc = box.get<int32_t>(at(Space::ACC, 0), M * cols);
    for (int m = 0; m < M; ++m)
      for (int n = 0; n < cols; ++n) {
        int64_t sum = 0;
        for (int k = 0; k < rows; ++k)
          sum += int64_t(x[m * rows + k]) * w[k * cols + n];
        ASSERT_EQ(acc[m * cols + n], int32_t(sum)) << planes;
      }
  }
}

/// numerics B1 to B4 from their text.
struct NaiveBfp {
  int bits, blockRows;
  int exponent(const std::vector<float> &x) const {
    int e = -126;
    for (float v : x)
      if (v != 0 && !std::isnan(v))
        e = std::max(e, std::isinf(v) ? 127 : std::ilogb(v));
    return e;
  }
  int mantissa(float x, int e) const {
    long double v = std::isnan(x)   ? 0.0L
                    : std::isinf(x) ? std::copysign(0x1.fffffep127L, x)
                                    : (long double)x;
    long double lim = (1 << (bits - 1)) - 1;
    long double q = std::nearbyint(std::ldexp(v, bits - 2 - e));
    return int(std::max(-lim, std::min(lim, q)));
  }
};

float randomFloat(Random &random, int spread) {
  if (random.chance(1))
    return random.chance(50) ? INFINITY : NAN;
  if (random.chance(5))
    return 0;
  return std::ldexp(float(random.range(-4095, 4095)),
                    int(random.range(-spread, spread)));
}

TEST(Mac, BlockFloatingPoint) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    Box box(false, seed % 4 == 1 ? 2 : 1);
    box.start();
    NaiveBfp bfp{seed % 3 == 0   ? 16
                 : seed % 3 == 1 ? 12
                                 : 8,
                 int(random.range(1, 64))};
    bool half = random.chance(30);
    int64_t elem = half ? 2 : 4;
    Shape s = randomShape(random, elem);
    int spread = seed % 7 == 0 ? 60 : 5; // Wide: overflow and subnormals.
    auto f32 = [&](size_t n) {
      std::vector<float> v(n);
      for (float &x : v)
        x = randomFloat(random, spread);
      return v;
    };
    auto toHalf = [](const std::vector<float> &v) {
      std::vector<uint16_t> h;
      for (float x : v)
        h.push_back(numerics::floatToHalf(x));
      return h;
    };
    auto acts = f32(size_t(s.actBytes / elem) + 1);
    auto w = f32(size_t(s.rows * s.cols));
    auto halfActs = toHalf(acts), halfW = toHalf(w);
    if (half) {
      box.put(at(Space::L1, 0), halfActs);
      for (size_t i = 0; i < acts.size(); ++i)
        acts[i] = numerics::halfToFloat(halfActs[i]);
    } else {
      box.put(at(Space::L1, 0), acts);
    }
    // Weights in each of the three formats; conversion happens here for Bfp.
    WriteWeights write;
    write.rows = uint16_t(s.rows), write.cols = uint16_t(s.cols);
    write.planes = uint8_t(bfp.bits), write.blockRows = uint8_t(bfp.blockRows);
    write.src = at(Space::DRAM, 64);
    int format = int(random.range(0, 2));
    if (format == 2)
      for (size_t i = 0; i < w.size(); ++i)
        w[i] = numerics::halfToFloat(halfW[i]);
    int blocks = (s.rows + bfp.blockRows - 1) / bfp.blockRows;
    std::vector<int> we(size_t(blocks * s.cols)), wq(w.size());
    for (int b = 0; b < blocks; ++b)
      for (int n = 0; n < s.cols; ++n) {
        int k0 = b * bfp.blockRows, k1 = std::min(s.rows, k0 + bfp.blockRows);
        std::vector<float> column;
        for (int k = k0; k < k1; ++k)
          column.push_back(w[k * s.cols + n]);
        int e = we[b * s.cols + n] = bfp.exponent(column);
        for (int k = k0; k < k1; ++k)
          wq[k * s.cols + n] = bfp.mantissa(w[k * s.cols + n], e);
      }
    if (format == 0) {
      write.format = WeightFormat::Bfp;
      std::vector<uint8_t> bytes;
      for (int e : we)
        bytes.push_back(uint8_t(e + 127));
      for (int q : wq) {
        bytes.push_back(uint8_t(q));
        bytes.push_back(uint8_t(q >> 8));
      }
      box.put(at(Space::DRAM, 64), bytes);
    } else if (format == 1) {
      write.format = WeightFormat::F32;
      write.rowStride = s.cols * 4, write.colStride = 4;
      box.put(at(Space::DRAM, 64), w);
    } else {
      write.format = WeightFormat::F16;
      write.rowStride = s.cols * 2, write.colStride = 2;
      box.put(at(Space::DRAM, 64), halfW);
    }
    box.ok(write);
    auto bias = f32(size_t(s.cols)), acc = f32(size_t(s.M * s.cols));
    box.put(at(Space::L1, kBias), bias);
    box.put(at(Space::ACC, 0), acc);
    Mac mac;
    mac.rows = write.rows, mac.cols = write.cols;
    mac.actType = half ? DType::F16 : DType::F32;
    mac.act = at(Space::L1, 0);
    mac.m = s.m, mac.k = s.k;
    mac.acc = at(Space::ACC, 0);
    mac.accStride = s.cols * 4;
    mac.init = AccInit(random.range(0, 2));
    mac.bias = at(Space::L1, kBias);
    box.ok(mac);

    auto got = box.get<float>(at(Space::ACC, 0), acc.size());
    for (int64_t m = 0; m < s.M; ++m)
      for (int n = 0; n < s.cols; ++n) {
        float sum = mac.init == AccInit::Zero   ? 0
                    : mac.init == AccInit::Bias ? bias[n]
                                                : acc[m * s.cols + n];
        for (int b = 0; b < blocks; ++b) {
          int k0 = b * bfp.blockRows, k1 = std::min(s.rows, k0 + bfp.blockRows);
          std::vector<float> x;
          for (int k = k0; k < k1; ++k)
            x.push_back(acts[(offsetOf(s.m, m) + offsetOf(s.k, k)) / elem]);
          int e = bfp.exponent(x);
          int64_t dot = 0;
          for (int k = k0; k < k1; ++k)
            dot += int64_t(bfp.mantissa(x[k - k0], e)) * wq[k * s.cols + n];
          int shift = e + we[b * s.cols + n] - 2 * (bfp.bits - 2);
          sum += float(std::ldexp(double(dot), shift));
        }
        float value = got[m * s.cols + n];
        ASSERT_TRUE((std::isnan(sum) && std::isnan(value)) ||
                    std::memcmp(&sum, &value, 4) == 0)
            << "seed " << seed << ": " << value << " not " << sum;
      }
  }
}

TEST(Mac, FaultsNameWhatIsWrong) {
  Box box;
  box.start();
  WriteWeights write;
  write.rows = 40, write.cols = 20;
  write.src = at(Space::DRAM, 0);
  box.ok(write);
  Mac mac;
  mac.rows = 40, mac.cols = 20;
  mac.m = {{4, 40}}, mac.k = {{40, 1}};
  mac.act = at(Space::L1, 0), mac.acc = at(Space::ACC, 0);
  mac.accStride = 80;
  box.ok(mac);
  auto with = [&](auto change) {
    Mac other = mac;
    change(other);
    return other;
  };
  box.faults(with([](Mac &o) { o.set = 1; }), FaultCode::BadTile, "no tile");
  box.faults(with([](Mac &o) { o.cols = 21; }), FaultCode::BadTile, "40 x 20");
  box.faults(with([](Mac &o) { o.copies = 2; }), FaultCode::BadTile, "copies");
  box.faults(with([](Mac &o) { o.actType = DType::F32; }),
             FaultCode::IllegalInstruction, "integer weights");
  box.faults(with([](Mac &o) { o.k = {{39, 1}}; }),
             FaultCode::IllegalInstruction, "40 rows");
  box.faults(with([](Mac &o) { o.accStride = 76; }),
             FaultCode::IllegalInstruction, "overlap");
  box.faults(with([](Mac &o) { o.act = at(Space::L2, 0); }),
             FaultCode::IllegalInstruction, "must lie in L1");
  box.faults(with([](Mac &o) { o.act.offset = (1 << 18) - 100; }),
             FaultCode::OutOfRange, "activations");
  box.faults(with([](Mac &o) { o.acc.offset = (1 << 18) - 100; }),
             FaultCode::OutOfRange, "accumulators");
}

TEST(Gemm, AllKernelsAgree) {
  using namespace cim::exec;
  Random random(11);
  for (int trial = 0; trial < 60; ++trial) {
    int64_t m = random.range(1, 30), k = random.range(1, 70),
            n = random.range(1, 50), stride = k + k % 2;
    Packer packer(k, n);
    std::vector<int16_t> w(size_t(k * n)), a(size_t(m * stride), 0);
    for (int64_t i = 0; i < k; ++i) {
      int16_t *line = i % 2 ? packer.odd() : packer.even();
      for (int64_t j = 0; j < n; ++j)
        line[j] = w[i * n + j] = int16_t(random.range(-32768, 32767));
      if (i % 2 || i + 1 == k)
        packer.next();
    }
    Panels panels = packer.finish();
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < k; ++j)
        a[i * stride + j] = int16_t(random.range(-32768, 32767));
    for (bool accumulate : {false, true}) {
      auto start = random.integers<int32_t>(size_t(m * n), -1 << 30, 1 << 30);
      std::vector<int32_t> want = start;
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
          uint32_t sum = accumulate ? uint32_t(start[i * n + j]) : 0;
          for (int64_t l = 0; l < k; ++l) {
            ASSERT_EQ(at(panels, l, j), w[l * n + j]);
            sum += uint32_t(int32_t(a[i * stride + l]) * w[l * n + j]);
          }
          want[i * n + j] = int32_t(sum);
        }
      for (int kind = 0; kind <= bestGemm16(); ++kind) {
        selectGemm16(kind);
        auto got = start;
        gemm16(a.data(), stride, m, panels, 0, panels.count(),
               reinterpret_cast<char *>(got.data()), n * 4, accumulate);
        ASSERT_EQ(got, want) << "kind " << kind;
      }
      selectGemm16(-1);
    }
  }
}

TEST(Gemm, BytesThroughOneDnn) {
  // On a CPU without VNNI the library may saturate pairs of products; small
  // weights keep it exact there too, so that the call itself is tested.
  using namespace cim::exec;
  Random random(12);
  int limit = hasExactGemm8() ? 127 : 63;
  for (int trial = 0; trial < 30; ++trial) {
    int64_t m = random.range(1, 20), k = random.range(1, 90),
            n = random.range(1, 40);
    auto a = random.bytes(size_t(m * k));
    auto w = random.integers<int8_t>(size_t(k * n), -limit - 1, limit);
    std::vector<int32_t> c(size_t(m * n));
    ASSERT_TRUE(gemm8(a.data(), k, m, w.data(), k, n, c.data()));
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        int32_t sum = 0;
        for (int64_t l = 0; l < k; ++l)
          sum += a[i * k + l] * w[l * n + j];
        ASSERT_EQ(c[i * n + j], sum);
      }
  }
}

} // namespace
