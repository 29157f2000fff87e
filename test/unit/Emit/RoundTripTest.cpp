// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Program -> CIMISA -> Program and Program -> text -> Program lose nothing, on
// programs with every field set to arbitrary values.

#include <ctime>
#include <random>

#include "cim/Emit/ISA.h"
#include "cim/Program/ProgramIO.h"
#include "dialects/CIMISA/IR/CIMISA.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

namespace cim {
namespace {

/// Fills structures through their field lists.
class Filler {
public:
  explicit Filler(uint64_t seed) : rng(seed) {}

  uint64_t pick(uint64_t below) { return rng() % below; }

  template <typename T>
  void fill(T &value) {
    if constexpr (std::is_same_v<T, bool>) {
      value = pick(2);
    } else if constexpr (std::is_enum_v<T>) {
      value = T(pick(isa::kLastOf<T> + 1));
    } else if constexpr (std::is_integral_v<T>) {
      // Small, extreme and arbitrary values.
      uint64_t kind = pick(4);
      value = kind == 0   ? T(pick(10))
              : kind == 1 ? std::numeric_limits<T>::max()
              : kind == 2 ? std::numeric_limits<T>::min()
                          : T(rng());
    } else if constexpr (std::is_same_v<T, float>) {
      value =
          pick(2)
              ? 0.1f * float(pick(1000))
              : llvm::bit_cast<float>(uint32_t(rng()) & 0xff7fffffu); // Finite.
    } else if constexpr (std::is_same_v<T, std::string>) {
      value.clear();
      for (uint64_t i = 0, n = pick(6); i < n; ++i)
        value += char(pick(4) ? 'a' + pick(26) : 1 + pick(255));
    } else if constexpr (isa::detail::IsVector<T>::value) {
      value.resize(pick(4));
      for (auto &element : value)
        fill(element);
    } else {
      std::apply([&](auto... f) { (fill(value.*f.member), ...); },
                 isa::FieldsOf<T>::list);
    }
  }

  Kernel kernel() {
    Kernel kernel;
    fill(kernel.name);
    kernel.inputs = {DType::I32, DType::F32};
    kernel.outputs = {DType::F32};
    uint16_t reg = pick(3);
    auto add = [&](MicroOp op, DType type, std::vector<uint16_t> args,
                   uint64_t imm) {
      uint16_t dst = op == MicroOp::Store ? uint16_t(pick(2)) : reg;
      reg += op == MicroOp::Store ? 0 : 1 + pick(2);
      DType src = op == MicroOp::Cast ? DType::I32 : DType(pick(13));
      kernel.body.push_back({op, type, src, dst, std::move(args), imm});
      return dst;
    };
    uint16_t a = add(MicroOp::Load, DType::I32, {}, 0);
    uint16_t b = add(MicroOp::Load, DType::F32, {}, 1);
    uint16_t c = add(MicroOp::Const, DType::F32, {}, uint32_t(rng()));
    uint16_t d = add(MicroOp::Cast, DType::F32, {a}, pick(2));
    uint16_t e = add(MicroOp::Add, DType::F32, {b, d}, pick(2));
    uint16_t f = add(MicroOp::CmpFloat, DType::F32, {e, c}, pick(16));
    uint16_t g = add(MicroOp::Select, DType::F32, {f, e, c}, 0);
    uint16_t h = add(MicroOp::Gather, DType::F32, {a}, 1);
    uint16_t i = add(MicroOp::Fma, DType::F32, {g, h, c}, 0);
    add(MicroOp::Store, DType::F32, {i}, 2);
    kernel.registers = reg + pick(3);
    return kernel;
  }

  void issue(Instruction &instruction) {
    for (uint64_t i = 0, n = pick(3); i < n; ++i)
      instruction.waits.push_back({uint16_t(pick(1000)), rng()});
    if (pick(2))
      instruction.signal = pick(1000);
    fill(instruction.steps);
  }

  Instruction instruction(uint32_t kernels, uint32_t locations) {
    Instruction instruction;
    switch (pick(7)) {
    case 0:
      break;
    case 1:
      fill(instruction.op.emplace<DmaCopy>());
      break;
    case 2:
      fill(instruction.op.emplace<DmaFill>());
      break;
    case 3:
      fill(instruction.op.emplace<WriteWeights>());
      break;
    case 4:
      fill(instruction.op.emplace<Mac>());
      break;
    case 5:
      fill(instruction.op.emplace<Vec>());
      std::get<Vec>(instruction.op).kernel = pick(kernels);
      break;
    case 6:
      fill(instruction.op.emplace<Ctrl>());
      break;
    }
    issue(instruction);
    instruction.loc = pick(locations);
    return instruction;
  }

  void queue(Queue &queue, uint32_t kernels, uint32_t locations) {
    queue.chip = pick(256), queue.core = pick(256);
    fill(queue.engine);
    queue.index = pick(256);
    unsigned depth = 0;
    for (int i = 0; i < 40; ++i) {
      uint32_t loc = pick(locations);
      uint64_t kind = pick(6);
      if (kind == 0 && depth < 4) {
        queue.instructions.push_back({.op = LoopBegin{rng()}, .loc = loc});
        issue(queue.instructions.back());
        ++depth;
      } else if (kind == 1 && depth > 0) {
        queue.instructions.push_back({.op = LoopEnd{}, .loc = loc});
        issue(queue.instructions.back());
        --depth;
      } else {
        queue.instructions.push_back(instruction(kernels, locations));
      }
    }
    for (; depth > 0; --depth)
      queue.instructions.push_back({.op = LoopEnd{}});
  }

  Program program() {
    Program program;
    fill(program.model), fill(program.producer);
    program.target = TargetSpec::load("m50").value();
    if (pick(2))
      program.target.clockMhz = 100 + pick(1000) / 7.0;
    program.inputs.resize(pick(3)), program.outputs.resize(pick(3));
    for (auto *list : {&program.inputs, &program.outputs})
      for (TensorInfo &tensor : *list)
        fill(tensor);
    for (uint64_t i = 0, n = pick(4); i < n; ++i) {
      Segment &segment = program.segments.emplace_back();
      fill(segment.name), fill(segment.address);
      std::string bytes(pick(50), '\0');
      for (char &byte : bytes)
        byte = char(rng());
      segment.data = Blob(std::move(bytes));
    }
    for (uint64_t i = 0, n = 1 + pick(4); i < n; ++i)
      program.kernels.push_back(kernel());
    program.locations.push_back({"unknown", ""});
    for (uint64_t i = 0, n = pick(5); i < n; ++i)
      fill(program.locations.emplace_back());
    fill(program.layers), fill(program.buffers);
    fill(program.semaphores), fill(program.dramBytes);
    fill(program.predictedCycles), fill(program.lowerBoundCycles);
    fill(program.predictedLoadCycles), fill(program.reportJson);
    for (Stage *stage : {&program.load, &program.run}) {
      stage->queues.resize(pick(3));
      for (Queue &q : stage->queues)
        queue(q, program.kernels.size(), program.locations.size());
    }
    return program;
  }

private:
  std::mt19937_64 rng;
};

/// Equality by bits: a scale of -0.0 is not 0.0.
bool sameBits(const TensorInfo &a, const TensorInfo &b) {
  return a == b && std::signbit(a.quant.scale) == std::signbit(b.quant.scale);
}

void expectEqual(const Program &a, const Program &b) {
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.producer, b.producer);
  EXPECT_EQ(a.target, b.target);
  EXPECT_TRUE(std::equal(a.inputs.begin(), a.inputs.end(), b.inputs.begin(),
                         b.inputs.end(), sameBits));
  EXPECT_TRUE(std::equal(a.outputs.begin(), a.outputs.end(), b.outputs.begin(),
                         b.outputs.end(), sameBits));
  ASSERT_EQ(a.segments.size(), b.segments.size());
  for (size_t i = 0; i < a.segments.size(); ++i) {
    EXPECT_EQ(a.segments[i].name, b.segments[i].name);
    EXPECT_EQ(a.segments[i].address, b.segments[i].address);
    EXPECT_EQ(
        std::string(a.segments[i].data.data(), a.segments[i].data.size()),
        std::string(b.segments[i].data.data(), b.segments[i].data.size()));
  }
  EXPECT_EQ(a.kernels, b.kernels);
  EXPECT_EQ(a.locations, b.locations);
  EXPECT_EQ(a.layers, b.layers);
  EXPECT_EQ(a.buffers, b.buffers);
  EXPECT_EQ(a.semaphores, b.semaphores);
  EXPECT_EQ(a.dramBytes, b.dramBytes);
  EXPECT_EQ(a.load, b.load);
  EXPECT_EQ(a.run, b.run);
  EXPECT_EQ(a.predictedCycles, b.predictedCycles);
  EXPECT_EQ(a.lowerBoundCycles, b.lowerBoundCycles);
  EXPECT_EQ(a.predictedLoadCycles, b.predictedLoadCycles);
  EXPECT_EQ(a.reportJson, b.reportJson);
}

TEST(RoundTrip, ThroughIR) {
  for (uint64_t seed = 0; seed < 200 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Program program = Filler(seed).program();
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    auto module = buildISA(program, &context);
    ASSERT_TRUE(module);
    for (bool copy : {false, true}) {
      auto back = exportProgram(*module, {copy, /*validate=*/false});
      ASSERT_TRUE(succeeded(back));
      expectEqual(program, *back);
    }
  }
}

/// Text in the given form, parsed into a fresh context; arbitrary programs
/// break rules, so nothing is verified.
void expectTextRoundTrip(const Program &program, mlir::OpPrintingFlags flags) {
  std::string text;
  {
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    auto module = buildISA(program, &context);
    ASSERT_TRUE(module);
    llvm::raw_string_ostream os(text);
    module->print(os, flags.assumeVerified());
  }
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<isa::CIMISADialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(
      text, mlir::ParserConfig(&context, /*verifyAfterParse=*/false));
  ASSERT_TRUE(module) << text;
  auto back = exportProgram(*module, {.validate = false});
  ASSERT_TRUE(succeeded(back)) << text;
  expectEqual(program, *back);
}

TEST(RoundTrip, ThroughText) {
  for (uint64_t seed = 0; seed < 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Program program = Filler(seed).program();
    expectTextRoundTrip(program, mlir::OpPrintingFlags());
    expectTextRoundTrip(program, mlir::OpPrintingFlags().enableDebugInfo());
    expectTextRoundTrip(
        program,
        mlir::OpPrintingFlags().printGenericOpForm().enableDebugInfo());
  }
}

/// The program outlives the context it was exported from.
TEST(RoundTrip, CopiedSegmentsOutliveTheContext) {
  Program program;
  program.target = TargetSpec::load("m50").value();
  program.dramBytes = 4096;
  program.segments.push_back({"w", {}, Blob(std::string(100, 'x'))});
  mlir::FailureOr<Program> back = mlir::failure();
  {
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    auto module = buildISA(program, &context);
    program.segments.clear();
    back = exportProgram(*module);
  }
  ASSERT_TRUE(succeeded(back));
  EXPECT_EQ(std::string(back->segments[0].data.data(), 100),
            std::string(100, 'x'));
}

TEST(RoundTrip, LooselyTypedLocations) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto name = [&](const char *text) -> mlir::Location {
    return mlir::NameLoc::get(mlir::StringAttr::get(&context, text));
  };
  // As fusing passes leave them.
  mlir::Location fused = mlir::FusedLoc::get(
      &context, {name("Conv_3"), name("Relu_4"), name("Conv_3")},
      mlir::StringAttr::get(&context, "conv3_relu"));
  isa::SourceRef source = isa::fromMLIR(fused);
  EXPECT_EQ(source.location.node, "Conv_3,Relu_4");
  EXPECT_EQ(source.location.layer, "conv3_relu");
  mlir::Location unknown = mlir::UnknownLoc::get(&context);
  EXPECT_EQ(isa::fromMLIR(unknown), isa::SourceRef{});
  EXPECT_EQ(isa::fromMLIR(isa::toMLIR(source, unknown)), source);
}

TEST(RoundTrip, HundredThousandInstructionsAreFast) {
  Filler filler(5);
  Program program;
  program.target = TargetSpec::load("m50").value();
  program.kernels.push_back(filler.kernel());
  program.locations = {{"unknown", ""}, {"Conv_3", "conv3"}};
  Queue &queue = program.run.queues.emplace_back();
  for (int i = 0; i < 100000; ++i)
    queue.instructions.push_back(filler.instruction(1, 2));
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  // Processor time: independent of what else the machine does.
  std::clock_t start = std::clock();
  auto seconds = [&] {
    std::clock_t now = std::clock();
    return double(now - std::exchange(start, now)) / CLOCKS_PER_SEC;
  };
  auto module = buildISA(program, &context);
  EXPECT_LT(seconds(), 1);
  auto back = exportProgram(*module, {.validate = false});
  EXPECT_LT(seconds(), 1);
  ASSERT_TRUE(succeeded(back));
  EXPECT_EQ(back->run, program.run);
}

TEST(BuildISA, BrokenProgramsAreErrors) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  std::string message;
  context.getDiagEngine().registerHandler([&](mlir::Diagnostic &diag) {
    message = diag.str();
    return mlir::success();
  });
  Program program;
  program.target = TargetSpec::load("m50").value();
  program.run.queues.emplace_back().instructions = {{.op = LoopBegin{2}}};
  EXPECT_FALSE(buildISA(program, &context));
  EXPECT_NE(message.find("loop begins and ends do not match"),
            std::string::npos);
  program.run.queues[0].instructions = {{.op = LoopEnd{}}};
  EXPECT_FALSE(buildISA(program, &context));
  program.run.queues.clear();
  program.kernels.push_back({.name = "k", .registers = 2});
  program.kernels[0].body.push_back(
      {.op = MicroOp::Neg, .dst = 0, .args = {1}});
  EXPECT_FALSE(buildISA(program, &context));
  EXPECT_NE(message.find("register 1 is read before it is written"),
            std::string::npos);
}

} // namespace
} // namespace cim
