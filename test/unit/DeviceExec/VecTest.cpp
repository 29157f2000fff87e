// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Vector kernels (device.md D4.5) against an element-wise interpreter.
#include <cmath>
#include <cstring>

#include "Fixture.h"
#include "Naive.h"

namespace {

using namespace cim;
using namespace cim::test;

const DType allTypes[] = {DType::I1,  DType::I8,  DType::U8,   DType::I16,
                          DType::U16, DType::I32, DType::U32,  DType::I64,
                          DType::U64, DType::F16, DType::BF16, DType::F32,
                          DType::F64};
const DType intTypes[] = {DType::I1,  DType::I8,  DType::U8,
                          DType::I16, DType::U16, DType::I32,
                          DType::U32, DType::I64, DType::U64};
const DType floatTypes[] = {DType::F16, DType::BF16, DType::F32, DType::F64};

/// Interesting values of a type.
Scalar randomValue(Random &random, DType type) {
  if (!isFloat(type)) {
    uint64_t bits = random.bits() >> random.range(0, 63);
    if (random.chance(50))
      bits = 0 - bits;
    uint8_t memory[8] = {};
    if (type == DType::I1)
      bits &= 1;
    std::memcpy(memory, &bits, 8);
    return decodeScalar(type, memory);
  }
  const double specials[] = {0.0,   -0.0,     1,         -1,    0.5,
                             2.5,   -3.5,     1e-40,     65504, 1e30,
                             -1e30, INFINITY, -INFINITY, NAN};
  double v = double(int64_t(random.bits())) * 0x1p-63;
  v *= std::exp2(double(random.range(-12, 12)));
  if (random.chance(10))
    v = specials[random.range(0, 13)];
  uint8_t memory[8] = {};
  encodeScalar(type, {0, v}, memory); // Rounds to the type.
  if (type == DType::F32) {
    float f = float(v);
    std::memcpy(memory, &f, 4);
  }
  return decodeScalar(type, memory);
}

std::vector<uint8_t> randomMemory(Random &random, DType type, size_t n) {
  std::vector<uint8_t> out(n * byteSize(type));
  for (size_t i = 0; i < n; ++i)
    encodeScalar(type, randomValue(random, type),
                 out.data() + i * byteSize(type));
  return out;
}

/// Same value: NaNs are equal (numerics F7), other bits exactly.
bool sameElement(DType type, const uint8_t *a, const uint8_t *b) {
  if (isFloat(type)) {
    double x = decodeScalar(type, a).f, y = decodeScalar(type, b).f;
    if (std::isnan(x) && std::isnan(y))
      return true;
  }
  return std::memcmp(a, b, byteSize(type)) == 0;
}

/// Operands in L1, one after the other, with their host images.
struct Arena {
  Box &box;
  uint64_t next;
  std::vector<std::vector<uint8_t>> image;
  std::vector<uint64_t> start;

  Arena(Box &box, uint64_t base) : box(box), next(base) {}
  /// Adds an operand of `bytes`; returns its address.
  Address add(std::vector<uint8_t> bytes) {
    Address a = at(Space::L1, next);
    box.put(a, bytes);
    start.push_back(next);
    next += (bytes.size() + 15) / 8 * 8;
    image.push_back(std::move(bytes));
    return a;
  }
};

/// Runs on the machine and naively; compares all operands.
void check(Box &box, Arena &arena, const Vec &op, const std::string &what) {
  const Kernel &kernel = box.program.kernels[op.kernel];
  auto fault = box.run(op);
  bool fine = runNaively(kernel, op, [&](size_t operand, int64_t offset) {
    int64_t base = int64_t(op.operands[operand].base.offset) -
                   int64_t(arena.start[operand]);
    return arena.image[operand].data() + base + offset;
  });
  ASSERT_EQ(fine, !fault) << what << (fault ? fault->message : "");
  if (fault) {
    EXPECT_EQ(int(fault->code), int(FaultCode::IndexOutOfBounds));
    return;
  }
  for (size_t i = 0; i < op.operands.size(); ++i) {
    DType type = i < kernel.inputs.size()
                     ? kernel.inputs[i]
                     : kernel.outputs[i - kernel.inputs.size()];
    auto got =
        box.get<uint8_t>(at(Space::L1, arena.start[i]), arena.image[i].size());
    for (size_t j = 0; j + byteSize(type) <= got.size(); j += byteSize(type))
      ASSERT_TRUE(sameElement(type, &got[j], &arena.image[i][j]))
          << what << ": operand " << i << " element " << j / byteSize(type)
          << " is " << decodeScalar(type, &got[j]).f << "/"
          << decodeScalar(type, &got[j]).i << ", not "
          << decodeScalar(type, &arena.image[i][j]).f << "/"
          << decodeScalar(type, &arena.image[i][j]).i;
  }
}

/// One operation on arrays of 700 elements.
void checkOp(MicroInst inst, const std::vector<DType> &argTypes, DType result,
             uint64_t seed) {
  Random random(seed);
  Box box;
  Kernel kernel{"one", argTypes, {result}, uint16_t(argTypes.size() + 1), {}};
  for (size_t i = 0; i < argTypes.size(); ++i) {
    kernel.body.push_back(
        {MicroOp::Load, argTypes[i], argTypes[i], uint16_t(i), {}, i});
    inst.args.push_back(uint16_t(i));
  }
  inst.dst = uint16_t(argTypes.size());
  kernel.body.push_back(inst);
  kernel.body.push_back(
      {MicroOp::Store, result, result, 0, {inst.dst}, argTypes.size()});
  box.program.kernels.push_back(kernel);
  box.start();
  Arena arena(box, 64);
  const int64_t n = 700;
  Vec op;
  op.sizes = {n};
  for (DType t : argTypes)
    op.operands.push_back(
        {arena.add(randomMemory(random, t, n)), {int64_t(byteSize(t))}, {}});
  op.operands.push_back({arena.add(std::vector<uint8_t>(n * byteSize(result))),
                         {int64_t(byteSize(result))},
                         {}});
  check(box, arena, op,
        absl::StrCat("op ", int(inst.op), " type ", name(inst.type), " from ",
                     name(argTypes[0]), " imm ", inst.imm));
}

TEST(VecOps, IntegerArithmetic) {
  for (DType t : intTypes)
    for (MicroOp op :
         {MicroOp::Add, MicroOp::Sub, MicroOp::Mul, MicroOp::Div, MicroOp::Rem,
          MicroOp::Min, MicroOp::Max, MicroOp::And, MicroOp::Or, MicroOp::Xor,
          MicroOp::Shl, MicroOp::ShrU, MicroOp::ShrS, MicroOp::DivU,
          MicroOp::RemU, MicroOp::MinU, MicroOp::MaxU})
      checkOp({op, t, t}, {t, t}, t, uint64_t(op));
  for (DType t : intTypes)
    for (MicroOp op : {MicroOp::Neg, MicroOp::Abs})
      checkOp({op, t, t}, {t}, t, uint64_t(op));
}

TEST(VecOps, FloatArithmetic) {
  for (DType t : floatTypes) {
    for (MicroOp op :
         {MicroOp::Add, MicroOp::Sub, MicroOp::Mul, MicroOp::Div, MicroOp::Rem,
          MicroOp::Min, MicroOp::Max, MicroOp::MinNum, MicroOp::MaxNum,
          MicroOp::Atan2, MicroOp::Pow, MicroOp::CopySign})
      checkOp({op, t, t}, {t, t}, t, uint64_t(op));
    checkOp({MicroOp::Fma, t, t}, {t, t, t}, t, 1);
    for (int op = int(MicroOp::Exp); op <= int(MicroOp::RoundEven); ++op)
      if (op != int(MicroOp::Atan2) && op != int(MicroOp::Pow))
        checkOp({MicroOp(op), t, t}, {t}, t, uint64_t(op));
    checkOp({MicroOp::Neg, t, t}, {t}, t, 2);
    checkOp({MicroOp::Abs, t, t}, {t}, t, 3);
    checkOp({MicroOp::IsNan, t, t}, {t}, DType::I1, 4);
    checkOp({MicroOp::IsInf, t, t}, {t}, DType::I1, 5);
  }
}

TEST(VecOps, ComparisonsAndSelection) {
  for (DType t : intTypes)
    for (uint64_t p = 0; p <= uint64_t(CmpIntPredicate::UGE); ++p) {
      if (t == DType::I1 && p >= 2)
        continue; // Only equality means something on i1 (I3).
      checkOp({MicroOp::CmpInt, t, t, 0, {}, p}, {t, t}, DType::I1, p);
    }
  for (DType t : floatTypes)
    for (uint64_t p = 0; p <= uint64_t(CmpFloatPredicate::True); ++p)
      checkOp({MicroOp::CmpFloat, t, t, 0, {}, p}, {t, t}, DType::I1, p);
  for (DType t : allTypes)
    checkOp({MicroOp::Select, t, t}, {DType::I1, t, t}, t, 9);
}

TEST(VecOps, CastsBetweenAllTypes) {
  for (DType from : allTypes)
    for (DType to : allTypes) {
      checkOp({MicroOp::Cast, to, from}, {from}, to, 1);
      if (byteSize(from) == byteSize(to) && from != DType::I1 &&
          to != DType::I1)
        checkOp({MicroOp::Bitcast, to, from}, {from}, to, 2);
    }
}

TEST(VecOps, Quantization) {
  const DType ints[] = {DType::I8,  DType::U8,  DType::I16, DType::U16,
                        DType::I32, DType::U32, DType::I64, DType::U64};
  for (DType to : ints) {
    for (DType from : floatTypes)
      checkOp({MicroOp::Quantize, to, from}, {from, DType::F32, DType::I32}, to,
              1);
    checkOp({MicroOp::Requantize, to, DType::I32},
            {DType::I32, DType::F32, DType::I32}, to, 2);
    checkOp({MicroOp::Dequantize, DType::F32, to}, {to, DType::F32, DType::I32},
            DType::F32, 3);
  }
}

//===----------------------------------------------------------------------===//
// Nests.
//===----------------------------------------------------------------------===//

/// A random kernel over given operand types; every output gets a value.
Kernel randomKernel(Random &random, size_t rank, bool reduces) {
  Kernel k;
  k.name = "random";
  for (int64_t i = random.range(1, 3); i > 0; --i)
    k.inputs.push_back(allTypes[random.range(0, 12)]);
  for (int64_t i = random.range(1, 2); i > 0; --i)
    k.outputs.push_back(allTypes[random.range(0, 12)]);
  std::vector<DType> types;
  auto define = [&](MicroInst inst, DType type) {
    inst.dst = uint16_t(types.size());
    types.push_back(type);
    k.body.push_back(inst);
    return inst.dst;
  };
  for (size_t i = 0; i < k.inputs.size(); ++i)
    define({MicroOp::Load, k.inputs[i], k.inputs[i], 0, {}, i}, k.inputs[i]);
  size_t accumulators = types.size();
  for (size_t i = 0; reduces && i < k.outputs.size(); ++i)
    define(
        {MicroOp::Load, k.outputs[i], k.outputs[i], 0, {}, k.inputs.size() + i},
        k.outputs[i]);
  if (rank && random.chance(50))
    define({MicroOp::Index,
            DType::I64,
            DType::I64,
            0,
            {},
            uint64_t(random.range(0, int64_t(rank) - 1))},
           DType::I64);
  auto any = [&] {
    return uint16_t(random.range(0, int64_t(types.size()) - 1));
  };
  auto castTo = [&](uint16_t reg, DType type) {
    if (types[reg] == type)
      return reg;
    return define({MicroOp::Cast, type, types[reg], 0, {reg}}, type);
  };
  for (int64_t i = random.range(1, 8); i > 0; --i) {
    uint16_t a = any();
    DType t = types[a];
    uint16_t b = castTo(any(), t);
    if (random.chance(20)) {
      Scalar v = randomValue(random, t);
      MicroInst c{MicroOp::Const, t, t, 0, {}, 0};
      encodeScalar(t, v, reinterpret_cast<uint8_t *>(&c.imm));
      b = define(c, t);
    }
    MicroOp ops[] = {MicroOp::Add, MicroOp::Mul, MicroOp::Min, MicroOp::Sub};
    define({ops[random.range(0, 3)], t, t, 0, {a, b}}, t);
  }
  for (size_t i = 0; i < k.outputs.size(); ++i) {
    uint16_t v = castTo(any(), k.outputs[i]);
    if (reduces)
      v = define({MicroOp::Add,
                  k.outputs[i],
                  k.outputs[i],
                  0,
                  {uint16_t(accumulators + i), v}},
                 k.outputs[i]);
    k.body.push_back({MicroOp::Store,
                      k.outputs[i],
                      k.outputs[i],
                      0,
                      {v},
                      k.inputs.size() + i});
  }
  k.registers = uint16_t(types.size());
  return k;
}

/// Strides that keep elements of different parallel iterations apart.
std::vector<int64_t> outputStrides(Random &random, const Vec &op, int64_t elem,
                                   int64_t &extent) {
  std::vector<int64_t> strides(op.sizes.size(), 0);
  std::vector<size_t> order;
  for (size_t d = 0; d < op.sizes.size(); ++d)
    if (!(op.reductionMask >> d & 1))
      order.insert(order.begin() + random.range(0, int64_t(order.size())), d);
  if (random.chance(50))
    std::sort(order.rbegin(), order.rend());
  extent = elem;
  for (size_t d : order) {
    strides[d] = extent;
    extent *= op.sizes[d];
    if (random.chance(20))
      extent += elem;
  }
  return strides;
}

TEST(VecNest, RandomKernelsAndLoops) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    Random random(seed);
    Box box(seed % 3 == 0, seed % 4 == 1 ? 3 : 1);
    Vec op;
    int64_t rank = random.range(0, 5);
    bool large = random.chance(30);
    for (int64_t d = 0; d < rank; ++d)
      op.sizes.push_back(
          random.range(1, large && d + 2 >= rank ? (rank < 4 ? 60 : 20) : 5));
    for (int64_t d = 0; d < rank; ++d)
      if (random.chance(25))
        op.reductionMask |= uint8_t(1 << d);
    if (random.chance(50))
      for (int64_t d = 0; d < rank; ++d)
        op.indexBase.push_back(random.range(-5, 1000));
    Kernel kernel = randomKernel(random, size_t(rank), op.reductionMask != 0);
    box.program.kernels.push_back(kernel);
    box.program.target.l1Bytes = 4 << 20;
    box.start();
    Arena arena(box, uint64_t(random.range(0, 9)));
    for (DType t : kernel.inputs) {
      std::vector<int64_t> strides;
      int64_t extent = byteSize(t);
      for (int64_t d = rank; d-- > 0;) {
        bool repeated = random.chance(20);
        strides.insert(strides.begin(), repeated ? 0 : extent);
        if (!repeated)
          extent *= op.sizes[d];
        if (random.chance(10))
          extent += byteSize(t);
      }
      if (random.chance(30) && rank > 1)
        std::swap(strides[0], strides[rank - 1]);
      int64_t bytes = byteSize(t);
      for (int64_t d = 0; d < rank; ++d)
        bytes += (op.sizes[d] - 1) * strides[d];
      op.operands.push_back(
          {arena.add(randomMemory(random, t, size_t(bytes) / byteSize(t) + 1)),
           strides,
           {}});
    }
    for (DType t : kernel.outputs) {
      int64_t extent;
      auto strides = outputStrides(random, op, byteSize(t), extent);
      op.operands.push_back(
          {arena.add(randomMemory(random, t, size_t(extent) / byteSize(t) + 1)),
           strides,
           {}});
    }
    ASSERT_LT(arena.next, box.program.target.l1Bytes);
    check(box, arena, op, absl::StrCat("seed ", seed));
    if (HasFatalFailure())
      return;
  }
}

TEST(VecNest, InPlaceAndShifted) {
  // y = x + 1 where y lies on x, exactly.
  for (int64_t n : {5, 511, 512, 513, 2000}) {
    Box box;
    Kernel k{"inc",
             {DType::I32},
             {DType::I32, DType::I32},
             4,
             {{MicroOp::Load, DType::I32, DType::I32, 0, {}, 0},
              {MicroOp::Const, DType::I32, DType::I32, 1, {}, 1},
              {MicroOp::Add, DType::I32, DType::I32, 2, {0, 1}, 0},
              {MicroOp::Store, DType::I32, DType::I32, 0, {2}, 1},
              // Uses the loaded value after its memory was overwritten.
              {MicroOp::Sub, DType::I32, DType::I32, 3, {0, 1}, 0},
              {MicroOp::Store, DType::I32, DType::I32, 0, {3}, 2}}};
    box.program.kernels.push_back(k);
    box.start();
    std::vector<int32_t> x(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i)
      x[i] = int32_t(i * 7);
    box.put(at(Space::L1, 0), x);
    Vec op;
    op.sizes = {n};
    op.operands = {{at(Space::L1, 0), {4}, {}},
                   {at(Space::L1, 0), {4}, {}},
                   {at(Space::L1, 65536), {4}, {}}};
    box.ok(op);
    auto y = box.get<int32_t>(at(Space::L1, 0), size_t(n));
    auto z = box.get<int32_t>(at(Space::L1, 65536), size_t(n));
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_EQ(y[i], x[i] + 1);
      ASSERT_EQ(z[i], x[i] - 1);
    }
  }
}

TEST(VecNest, ReductionKeepsItsOrder) {
  // fp32 sums in lexicographic order of the reduction loops (F5), whatever is
  // parallel around and between them.
  for (uint8_t mask : {0b110, 0b101, 0b011, 0b111, 0b010}) {
    Random random(mask);
    Box box;
    box.program.kernels.push_back(
        {"sum",
         {DType::F32},
         {DType::F32},
         3,
         {{MicroOp::Load, DType::F32, DType::F32, 0, {}, 0},
          {MicroOp::Load, DType::F32, DType::F32, 1, {}, 1},
          {MicroOp::Add, DType::F32, DType::F32, 2, {1, 0}, 0},
          {MicroOp::Store, DType::F32, DType::F32, 0, {2}, 1}}});
    box.start();
    Vec op;
    op.sizes = {9, 17, 40};
    op.reductionMask = mask;
    Arena arena(box, 0);
    std::vector<uint8_t> data(9 * 17 * 40 * 4);
    for (size_t i = 0; i < data.size(); i += 4) {
      float v = std::ldexp(float(random.range(-1000, 1000)),
                           int(random.range(-20, 20)));
      std::memcpy(&data[i], &v, 4);
    }
    op.operands.push_back({arena.add(data), {17 * 40 * 4, 40 * 4, 4}, {}});
    int64_t extent;
    auto strides = outputStrides(random, op, 4, extent);
    op.operands.push_back(
        {arena.add(std::vector<uint8_t>(size_t(extent))), strides, {}});
    check(box, arena, op, absl::StrCat("mask ", int(mask)));
  }
}

TEST(VecNest, GatherAndScatter) {
  for (uint64_t seed = 0; seed < 120; ++seed) {
    Random random(seed);
    Box box(false, seed % 2 ? 2 : 1);
    DType t = allTypes[random.range(0, 12)];
    DType indexType = random.chance(50) ? DType::I64 : DType::I32;
    bool two = random.chance(50);
    Kernel k;
    k.name = "gather";
    k.inputs = {t, indexType};
    k.outputs = {t};
    k.registers = 4;
    k.body = {{MicroOp::Load, indexType, indexType, 0, {}, 1},
              {MicroOp::Index, DType::I64, DType::I64, 1, {}, 0},
              {MicroOp::Gather, t, t, 2, {0}, 0},
              {MicroOp::Scatter, t, t, 0, {2, 1}, 2}};
    if (two)
      k.body[2].args = {0, 1};
    box.program.kernels.push_back(k);
    box.program.target.l1Bytes = 4 << 20;
    box.start();
    Arena arena(box, 16);
    int64_t n = random.range(1, 900), m = random.range(1, 3), rows = 50;
    int64_t elem = byteSize(t);
    Vec op;
    op.sizes = {n, m};
    std::vector<Dim> gather = {{rows, elem * m}};
    if (two)
      gather.push_back({n, rows * elem * m});
    op.operands.push_back(
        {arena.add(randomMemory(random, t, size_t(rows * m * (two ? n : 1)))),
         {0, elem},
         gather});
    bool bad = random.chance(20);
    std::vector<uint8_t> indices(size_t(n) * byteSize(indexType));
    for (int64_t i = 0; i < n; ++i)
      encodeScalar(indexType, {random.range(0, rows - 1), 0},
                   &indices[i * byteSize(indexType)]);
    if (bad)
      encodeScalar(indexType, {random.chance(50) ? rows : -1, 0},
                   &indices[random.range(0, n - 1) * byteSize(indexType)]);
    op.operands.push_back(
        {arena.add(indices), {int64_t(byteSize(indexType)), 0}, {}});
    op.operands.push_back(
        {arena.add(std::vector<uint8_t>(size_t(n * m * elem))),
         {0, elem},
         {{n, m * elem}}});
    check(box, arena, op, absl::StrCat("seed ", seed));
  }
}

TEST(VecNest, ThreadsDoNotChangeResultsOrFaults) {
  std::optional<std::string> message;
  std::vector<uint8_t> result;
  for (int threads : {1, 2, 5}) {
    Box box(false, threads);
    box.program.kernels.push_back(
        {"lookup",
         {DType::F32, DType::I32},
         {DType::F32},
         3,
         {{MicroOp::Load, DType::I32, DType::I32, 0, {}, 1},
          {MicroOp::Gather, DType::F32, DType::F32, 1, {0}, 0},
          {MicroOp::Exp, DType::F32, DType::F32, 2, {1}, 0},
          {MicroOp::Store, DType::F32, DType::F32, 0, {2}, 2}}});
    box.start();
    Random random(1);
    auto table = random.integers<float>(100, -5, 5);
    auto indices = random.integers<int32_t>(20000, 0, 99);
    box.put(at(Space::L1, 0), table);
    box.put(at(Space::L1, 512), indices);
    Vec op;
    op.sizes = {20000};
    op.operands = {{at(Space::L1, 0), {0}, {{100, 4}}},
                   {at(Space::L1, 512), {4}, {}},
                   {at(Space::L1, 100000), {4}, {}}};
    box.ok(op);
    auto got = box.get<uint8_t>(at(Space::L1, 100000), 80000);
    if (result.empty())
      result = got;
    EXPECT_EQ(got, result);
    // Two faults: the earlier iteration's is reported.
    box.put(at(Space::L1, 512 + 4 * 900), std::vector<int32_t>{100});
    box.put(at(Space::L1, 512 + 4 * 15000), std::vector<int32_t>{101});
    auto fault = box.run(op);
    ASSERT_TRUE(fault);
    if (!message)
      message = fault->message;
    EXPECT_EQ(fault->message, *message);
    EXPECT_NE(message->find("index 100 "), std::string::npos) << *message;
  }
}

} // namespace
