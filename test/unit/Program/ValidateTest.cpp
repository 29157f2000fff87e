// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// validateProgram: the sample is valid, each single mistake is found and named.
#include <functional>
#include <limits>

#include "SampleProgram.h"
#include "cim/Program/ProgramIO.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cim {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// Positions in sampleProgram().run.
constexpr int kDma = 0, kMac = 1, kVec = 2, kCtrl = 3;

std::string errorOf(const std::function<void(Program &)> &change) {
  Program program = sampleProgram();
  change(program);
  absl::Status status = validateProgram(program);
  EXPECT_FALSE(status.ok());
  return std::string(status.message());
}

Instruction &at(Program &p, int queue, int index) {
  return p.run.queues[queue].instructions[index];
}
template <typename Op>
Op &op(Program &p, int queue, int index) {
  return std::get<Op>(at(p, queue, index).op);
}
WriteWeights &write(Program &p) {
  return std::get<WriteWeights>(p.load.queues[0].instructions[0].op);
}

TEST(Validate, SampleIsValid) {
  absl::Status status = validateProgram(sampleProgram());
  EXPECT_TRUE(status.ok()) << status;
}

/// D2.4: both boundaries of a loop wait and signal; an end is in its loop.
TEST(Validate, LoopBoundariesSynchronize) {
  Program program = sampleProgram();
  at(program, kMac, 0).waits = {{0, 0}};
  at(program, kMac, 0).signal = 1;
  at(program, kMac, 2).waits = {{0, 0}};
  at(program, kMac, 2).steps = {{StepField::WaitValue, 0, 0, 1}};
  at(program, kMac, 2).signal = 1;
  absl::Status status = validateProgram(program);
  EXPECT_TRUE(status.ok()) << status;
  absl::StatusOr<std::string> bytes = serializeProgram(program);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  absl::StatusOr<std::shared_ptr<const Program>> read =
      parseProgram(*bytes, nullptr, "bytes");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)->run, program.run);
}

TEST(Validate, MessagesNameQueueInstructionAndNode) {
  EXPECT_THAT(errorOf([](Program &p) { op<Mac>(p, kMac, 1).rows = 15; }),
              AllOf(HasSubstr("run stage, queue 1 (chip 0 core 0 mac 0)"),
                    HasSubstr("instruction 1 (mac, node Conv_3)"),
                    HasSubstr("multiply to 16; the tile has 15 rows")));
}

struct Case {
  const char *name;
  std::function<void(Program &)> change;
  const char *message;
};
std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << c.name;
}
class ValidateCase : public ::testing::TestWithParam<Case> {};

TEST_P(ValidateCase, IsFound) {
  EXPECT_THAT(errorOf(GetParam().change), HasSubstr(GetParam().message));
}

std::string caseName(const ::testing::TestParamInfo<Case> &info) {
  return info.param.name;
}

const int64_t kHuge = std::numeric_limits<int64_t>::max();

const Case programCases[] = {
    {"Target", [](Program &p) { p.target.macroRows = 0; }, "macro_rows"},
    {"Dram", [](Program &p) { p.dramBytes = 1 << 21; }, "bytes of DRAM"},
    {"Semaphores", [](Program &p) { p.semaphores = 65; }, "65 semaphores"},
    {"SegmentEnd", [](Program &p) { p.segments[0].address.offset = 16300; },
     "segment weights"},
    {"SegmentWraps",
     [](Program &p) { p.segments[0].address.offset = ~uint64_t(0); },
     "segment weights"},
    {"SegmentSpace",
     [](Program &p) { p.segments[0].address.space = Space::L2; },
     "must be in dram"},
    {"SegmentChip", [](Program &p) { p.segments[2].address.chip = 2; },
     "chip 2"},
    {"SegmentsOverlap",
     [](Program &p) {
       p.segments[2].address = p.segments[0].address;
       p.segments[2].address.offset += 239;
     },
     "segments weights and table overlap"},
    {"InputOnSegment", [](Program &p) { p.inputs[0].address.offset = 4000; },
     "x and weights overlap"},
    {"InputName", [](Program &p) { p.inputs[0].name = ""; }, "not at all"},
    {"OutputName", [](Program &p) { p.outputs[1].name = "y"; }, "named twice"},
    {"TensorShape", [](Program &p) { p.inputs[0].shape = {-1}; },
     "dimension of -1"},
    {"TensorOverflow",
     [](Program &p) { p.inputs[0].shape = {1 << 30, 1 << 30, 1 << 30}; },
     "2^48"},
    {"TensorEnd", [](Program &p) { p.outputs[0].address.offset = 16300; },
     "output y"},
    {"LengthOfInput", [](Program &p) { p.inputs[0].lengths = {{0, 3}}; },
     "input x has run-time lengths"},
    {"HiddenInput", [](Program &p) { p.inputs[0].hidden = true; },
     "or is hidden"},
    {"LengthDim", [](Program &p) { p.outputs[2].lengths[0].dim = 2; },
     "for dimension 2"},
    {"LengthTwice", [](Program &p) { p.outputs[2].lengths = {{1, 3}, {1, 3}}; },
     "at most one length each"},
    {"LengthOutput", [](Program &p) { p.outputs[2].lengths[0].output = 4; },
     "output number 4"},
    {"LengthType", [](Program &p) { p.outputs[2].lengths[0].output = 1; },
     "not an i64 of rank 0"},
    {"TensorScale", [](Program &p) { p.inputs[0].quant.scale = -1; }, "scale"},
    {"BufferEnd", [](Program &p) { p.buffers[0].size = 20000; },
     "buffer x tile"},
    {"BufferLayers", [](Program &p) { p.buffers[1].lastLayer = 2; },
     "buffer y lives"},
    {"QueueTwice",
     [](Program &p) { p.run.queues.push_back(p.run.queues[kMac]); },
     "second queue"},
    {"QueueChip", [](Program &p) { p.run.queues[kCtrl].chip = 2; },
     "2 chips of 2 cores"},
    {"QueueCore", [](Program &p) { p.run.queues[kCtrl].core = 2; },
     "2 chips of 2 cores"},
    {"QueueIndex", [](Program &p) { p.run.queues[kDma].index = 2; },
     "2 dma queues"},
    {"QueueMacIndex", [](Program &p) { p.run.queues[kMac].index = 1; },
     "1 mac queues"},
    {"QueueEngine", [](Program &p) { p.run.queues[kMac].engine = Engine::Vec; },
     "does not belong"},
    {"WrongEngine",
     [](Program &p) { at(p, kCtrl, 1).op = op<Mac>(p, kMac, 1); },
     "does not belong"},
};
INSTANTIATE_TEST_SUITE_P(Program, ValidateCase,
                         ::testing::ValuesIn(programCases), caseName);

const Case flowCases[] = {
    {"LoopOpen", [](Program &p) { at(p, kMac, 2).op = Nop{}; }, "not closed"},
    {"LoopEndOnly", [](Program &p) { at(p, kCtrl, 1).op = LoopEnd{}; },
     "without a beginning"},
    {"LoopZero", [](Program &p) { op<LoopBegin>(p, kMac, 0).count = 0; },
     "loop of 0"},
    {"LoopEndless",
     [](Program &p) { op<LoopBegin>(p, kMac, 0).count = ~uint64_t(0); },
     "at most 2^40"},
    {"LoopDeep",
     [](Program &p) {
       auto &list = p.run.queues[kCtrl].instructions;
       for (int i = 0; i < 5; ++i)
         list.insert(list.begin(), Instruction{LoopBegin{2}});
     },
     "deeper than 4"},
    {"LoopWaitId", [](Program &p) { at(p, kMac, 0).waits = {{5, 0}}; },
     "waits for semaphore 5; the program has 5"},
    {"LoopSignal", [](Program &p) { at(p, kMac, 2).signal = 9; },
     "signals semaphore 9"},
    {"LoopBeginStep",
     [](Program &p) {
       // A begin is outside the loop it opens.
       at(p, kMac, 0).waits = {{0, 0}};
       at(p, kMac, 0).steps = {{StepField::WaitValue, 0, 0, 1}};
     },
     "step of loop 0; the instruction is in 0 loops"},
    {"LoopEndStep",
     [](Program &p) {
       at(p, kMac, 2).waits = {{0, 1}};
       at(p, kMac, 2).steps = {{StepField::WaitValue, 0, 0, -2}};
     },
     "wait value from -"},
    {"LoopStepField",
     [](Program &p) { at(p, kMac, 2).steps = {{StepField::Src, 0, 0, 1}}; },
     "does not have"},
    {"WaitId", [](Program &p) { at(p, kMac, 1).waits[0].id = 5; },
     "waits for semaphore 5; the program has 5"},
    {"WaitNegative", [](Program &p) { at(p, kDma, 2).steps[1].delta = -1; },
     "wait value from -2"},
    {"Signal", [](Program &p) { at(p, kMac, 1).signal = 9; },
     "signals semaphore 9"},
    {"Location", [](Program &p) { at(p, kMac, 1).loc = 3; }, "location 3"},
    {"StepLoop", [](Program &p) { at(p, kMac, 1).steps[0].loop = 1; },
     "step of loop 1"},
    {"StepOutsideLoop",
     [](Program &p) { at(p, kDma, 0).steps = {{StepField::Dst, 0, 0, 4}}; },
     "is in 0 loops"},
    {"StepField",
     [](Program &p) { at(p, kMac, 1).steps[1].field = StepField::Operand; },
     "does not have"},
    {"StepWaitIndex", [](Program &p) { at(p, kMac, 1).steps[0].index = 2; },
     "does not have"},
    {"StepReach", [](Program &p) { at(p, kMac, 1).steps[1].delta = 4000; },
     "accumulator accesses acc bytes 0 to 8383"},
    {"StepBelow", [](Program &p) { at(p, kDma, 2).steps[0].delta = -1; },
     "source accesses dram bytes -2"},
    {"StepHuge", [](Program &p) { at(p, kDma, 2).steps[0].delta = kHuge; },
     "above 2^64"},
};
INSTANTIATE_TEST_SUITE_P(Flow, ValidateCase, ::testing::ValuesIn(flowCases),
                         caseName);

const Case dmaCases[] = {
    {"Element", [](Program &p) { op<DmaCopy>(p, kDma, 2).elemBytes = 3; },
     "element of 3 bytes"},
    {"Rank", [](Program &p) { op<DmaCopy>(p, kDma, 2).srcStrides = {1}; },
     "2 sizes, 1 and 2 strides"},
    {"TooManyDims",
     [](Program &p) { op<DmaFill>(p, kDma, 0).dims.assign(7, {1, 1}); },
     "7 dimensions"},
    {"SizeZero", [](Program &p) { op<DmaCopy>(p, kDma, 2).sizes[0] = 0; },
     "size 0"},
    {"SizeHuge", [](Program &p) { op<DmaCopy>(p, kDma, 2).sizes[0] = kHuge; },
     "2^40"},
    {"StrideHuge",
     [](Program &p) { op<DmaCopy>(p, kDma, 2).dstStrides[0] = -kHuge; },
     "stride"},
    {"Reach", [](Program &p) { op<DmaFill>(p, kDma, 0).dims[0].size = 2049; },
     "destination accesses l1 bytes 8192 to 16387; l1 has 16384"},
    {"Chip", [](Program &p) { op<DmaCopy>(p, kDma, 4).dst.chip = 2; },
     "destination is on chip 2"},
    {"Space", [](Program &p) { op<DmaCopy>(p, kDma, 4).dst.space = Space(9); },
     "unknown memory 9"},
    {"Overlap",
     [](Program &p) {
       op<DmaCopy>(p, kDma, 4).dst = {Space::L1, 0, 2048 + 95};
     },
     "overlap: 96 bytes, 95 apart"},
};
INSTANTIATE_TEST_SUITE_P(Dma, ValidateCase, ::testing::ValuesIn(dmaCases),
                         caseName);

const Case arrayCases[] = {
    {"Set", [](Program &p) { op<Mac>(p, kMac, 1).set = 2; }, "weight set 2"},
    {"SetStep",
     [](Program &p) {
       at(p, kMac, 1).steps.push_back({StepField::Set, 0, 0, 1});
     },
     "weight set 0 to 2"},
    {"TileRow", [](Program &p) { op<Mac>(p, kMac, 1).row0 = 8; },
     "multiples of the macro's"},
    {"TileEnd", [](Program &p) { op<Mac>(p, kMac, 1).col0 = 16; },
     "the array is 32 x 32"},
    {"TileEmpty", [](Program &p) { op<Mac>(p, kMac, 1).cols = 0; },
     "at least 1 x 1"},
    {"Type", [](Program &p) { op<Mac>(p, kMac, 1).actType = DType::I32; },
     "activations of type i32"},
    {"Act", [](Program &p) { op<Mac>(p, kMac, 1).act.space = Space::L2; },
     "activation is in l2; it must be in l1"},
    {"Acc", [](Program &p) { op<Mac>(p, kMac, 1).acc.space = Space::L1; },
     "accumulator is in l1"},
    {"AccRows", [](Program &p) { op<Mac>(p, kMac, 1).accStride = 92; },
     "a row takes 96"},
    {"Bias", [](Program &p) { op<Mac>(p, kMac, 1).bias.offset = 16300; },
     "bias accesses"},
    {"Copies", [](Program &p) { op<Mac>(p, kMac, 1).copies = 0; }, "0 copies"},
    {"Dims", [](Program &p) { op<Mac>(p, kMac, 1).m.assign(5, {1, 0}); },
     "5 m and 2 k"},
    {"Planes", [](Program &p) { write(p).planes = 9; }, "weights of 9 bits"},
    {"Masks", [](Program &p) { write(p).planeMasks = {1}; },
     "1 plane masks; 2"},
    {"MaskBits", [](Program &p) { write(p).planeMasks[1] = 0x20; },
     "beyond the 5 planes"},
    {"CopyPitch", [](Program &p) { write(p).copyRowPitch = 8; },
     "copies 8 x 0 apart"},
    {"CopyReach", [](Program &p) { write(p).copies = 3; }, "copies reach row"},
    {"CopyOverlap",
     [](Program &p) {
       write(p).copyCols = 2;
       write(p).copyColPitch = 16;
     },
     "that hold a tile of 16 x 24"},
    {"Source", [](Program &p) { write(p).src.offset = 16300; },
     "source accesses dram"},
    {"BfpBlock",
     [](Program &p) {
       write(p).format = WeightFormat::Bfp;
       write(p).planes = 12;
       write(p).planeMasks.clear();
       write(p).blockRows = 17;
     },
     "blocks of 17 rows"},
    {"Strided",
     [](Program &p) {
       write(p).format = WeightFormat::F32;
       write(p).planes = 12;
       write(p).planeMasks.clear();
       write(p).blockRows = 16;
       write(p).rowStride = 1000;
     },
     "source accesses dram bytes 4096 to 19099"},
};
INSTANTIATE_TEST_SUITE_P(Array, ValidateCase, ::testing::ValuesIn(arrayCases),
                         caseName);

const Case vectorCases[] = {
    {"Kernel", [](Program &p) { op<Vec>(p, kVec, 1).kernel = 2; },
     "names kernel 2"},
    {"Loops", [](Program &p) { op<Vec>(p, kVec, 1).sizes.assign(7, 1); },
     "7 loops"},
    {"IndexLoops",
     [](Program &p) {
       Vec &vec = op<Vec>(p, kVec, 2);
       vec.sizes.clear(), vec.indexBase.clear(), at(p, kVec, 2).steps.clear();
     },
     "0 loops; at least 1"},
    {"Reduction", [](Program &p) { op<Vec>(p, kVec, 1).reductionMask = 4; },
     "reduction mask 4"},
    {"IndexBase", [](Program &p) { op<Vec>(p, kVec, 2).indexBase = {1, 2}; },
     "2 index bases"},
    {"IndexBaseHuge", [](Program &p) { at(p, kVec, 2).steps[0].delta = kHuge; },
     "index base 0"},
    {"Operands", [](Program &p) { op<Vec>(p, kVec, 1).operands.pop_back(); },
     "2 operands; kernel requantize has 3"},
    {"Strides",
     [](Program &p) { op<Vec>(p, kVec, 1).operands[1].strides = {}; },
     "operand 1 has 0 strides"},
    {"Gather", [](Program &p) { op<Vec>(p, kVec, 2).operands[0].gather = {}; },
     "the kernel indexes 1"},
    {"GatherReach",
     [](Program &p) {
       op<Vec>(p, kVec, 2).operands[0].gather[0].size = 1 << 20;
     },
     "operand 0 accesses l2"},
    {"OperandReach",
     [](Program &p) { op<Vec>(p, kVec, 1).operands[2].strides[0] = 8000; },
     "operand 2 accesses l1"},
    {"OperandStep", [](Program &p) { at(p, kVec, 1).steps[1].delta = -1; },
     "operand 0 accesses acc bytes -2"},
    {"CtrlReach",
     [](Program &p) { op<Ctrl>(p, kCtrl, 0).operands[0].base.offset = 16384; },
     "operand 0 accesses dram"},
};
INSTANTIATE_TEST_SUITE_P(Vector, ValidateCase, ::testing::ValuesIn(vectorCases),
                         caseName);

MicroInst &micro(Program &p, int kernel, int index) {
  return p.kernels[kernel].body[index];
}

const Case kernelCases[] = {
    {"ReadFirst", [](Program &p) { micro(p, 0, 3).args[0] = 3; },
     "kernel 0 (requantize): instruction 3 (requantize): reads register 3 "
     "before"},
    {"WriteTwice", [](Program &p) { micro(p, 0, 1).dst = 0; }, "second time"},
    {"Register", [](Program &p) { micro(p, 0, 3).dst = 4; },
     "writes register 4; the kernel has 4"},
    {"Registers", [](Program &p) { p.kernels[0].registers = 65; },
     "65 registers"},
    {"Operand", [](Program &p) { micro(p, 0, 0).imm = 3; }, "names operand 3"},
    {"OperandType", [](Program &p) { micro(p, 0, 0).type = DType::I16; },
     "operand 0 is i32"},
    {"StoreToInput", [](Program &p) { micro(p, 1, 3).imm = 0; }, "an input"},
    {"StoreType", [](Program &p) { micro(p, 0, 4).args = {1}; },
     "argument 0 is f32; i8 is needed"},
    {"ScaleType", [](Program &p) { micro(p, 0, 3).args = {0, 2, 1}; },
     "argument 1 is i32; f32 is needed"},
    {"RequantizeToFloat", [](Program &p) { micro(p, 0, 3).type = DType::F32; },
     "an integer is needed"},
    {"Arity", [](Program &p) { micro(p, 1, 2).args = {1, 1}; },
     "2 arguments; 1 are needed"},
    {"FloatOnly",
     [](Program &p) {
       micro(p, 1, 2).type = DType::I64;
       micro(p, 1, 2).args = {0};
     },
     "a float is needed"},
    {"IndexType", [](Program &p) { micro(p, 1, 0).type = DType::I32; },
     "i64 is needed"},
    {"GatherIndexFloat",
     [](Program &p) {
       micro(p, 1, 0) = {MicroOp::Const, DType::F32, DType::F32, 0, {}, 0};
     },
     "index 0 is f32"},
    {"Opcode", [](Program &p) { micro(p, 1, 2).op = MicroOp(200); },
     "unknown operation"},
    {"Predicate",
     [](Program &p) {
       micro(p, 1, 2) = {MicroOp::CmpInt, DType::I64, DType::I64, 2,
                         {0, 0},          10};
     },
     "unknown predicate 10"},
    {"CompareGivesI1",
     [](Program &p) {
       micro(p, 1,
             2) = {MicroOp::CmpFloat, DType::F32, DType::F32, 2, {1, 1}, 1};
     },
     "argument 0 is i1; f32 is needed"},
    {"Bitcast",
     [](Program &p) {
       micro(p, 1, 2) = {MicroOp::Bitcast, DType::F32, DType::I64, 2, {0}, 0};
     },
     "of another size"},
    {"TooManyOperands",
     [](Program &p) { p.kernels[1].inputs.assign(16, DType::F32); },
     "17 operands"},
};
INSTANTIATE_TEST_SUITE_P(Kernel, ValidateCase, ::testing::ValuesIn(kernelCases),
                         caseName);

} // namespace
} // namespace cim
