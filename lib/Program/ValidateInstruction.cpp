// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "Validate.h"

#include <algorithm>
#include <limits>

#include "absl/types/span.h"
#include "cim/Support/Status.h"

namespace cim {

uint64_t capacity(const Program &program, Space space) {
  switch (space) {
  case Space::DRAM:
    return program.dramBytes;
  case Space::L2:
    return program.target.l2Bytes;
  case Space::L1:
    return program.target.l1Bytes;
  case Space::ACC:
    return program.target.accBytes;
  }
  return 0;
}

const char *operationName(const Operation &op) {
  static constexpr const char *names[] = {
      "nop",           "loop_begin", "loop_end", "dma_copy", "dma_fill",
      "write_weights", "mac",        "vec",      "ctrl"};
  static_assert(std::size(names) == std::variant_size_v<Operation>);
  return names[op.index()];
}

namespace {

/// Decimal text of a wide number; what lies beyond 64 bits is only bounded.
std::string text(Wide x) {
  if (x < 0)
    return x < std::numeric_limits<int64_t>::min()
               ? "below -2^63"
               : absl::StrCat(static_cast<int64_t>(x));
  return x > std::numeric_limits<uint64_t>::max()
             ? "above 2^64"
             : absl::StrCat(static_cast<uint64_t>(x));
}

struct Interval {
  Wide low = 0, high = 0;
};

class Checker {
public:
  Checker(const Program &program, const std::vector<KernelSummary> &kernels,
          const LoopStack &loops, const Instruction &instruction)
      : program(program), target(program.target), kernels(kernels),
        loops(loops), instruction(instruction) {}

  absl::Status run();

private:
  absl::Status checkOp(const Nop &) { return absl::OkStatus(); }
  absl::Status checkOp(const LoopBegin &) { return absl::OkStatus(); }
  absl::Status checkOp(const LoopEnd &) { return absl::OkStatus(); }
  absl::Status checkOp(const DmaCopy &op);
  absl::Status checkOp(const DmaFill &op);
  absl::Status checkOp(const WriteWeights &op);
  absl::Status checkOp(const Mac &op);
  absl::Status checkOp(const Vec &op);
  absl::Status checkOp(const Ctrl &op);

  absl::Status checkWaits();
  absl::Status checkSteps();
  bool stepApplies(const Step &step) const;
  Interval stepRange(StepField field, unsigned index = 0) const;

  absl::Status checkDims(absl::Span<const Dim> dims, const char *what,
                         uint64_t &iterations);
  absl::Status checkCopies(const WriteWeights &op);
  absl::Status checkFormat(const WriteWeights &op);
  absl::Status checkOperand(const Vec &op, size_t i, DType type,
                            int gatherDims);
  absl::Status checkAddress(const Address &address, const char *what);
  absl::Status checkAccess(const Address &address, const char *what,
                           uint64_t bytes, absl::Span<const Dim> dims,
                           Interval steps);
  absl::Status checkSpace(const Address &address, Space space,
                          const char *what);
  absl::Status checkTile(unsigned set, unsigned row0, unsigned col0,
                         unsigned rows, unsigned cols);

  const Program &program;
  const TargetSpec &target;
  const std::vector<KernelSummary> &kernels;
  const LoopStack &loops;
  const Instruction &instruction;
};

//===----------------------------------------------------------------------===//
// Common parts.
//===----------------------------------------------------------------------===//

Interval Checker::stepRange(StepField field, unsigned index) const {
  Wide perLoop[kMaxLoopDepth] = {};
  for (const Step &step : instruction.steps)
    if (step.field == field && step.index == index)
      perLoop[step.loop] += step.delta;
  Interval range;
  for (size_t loop = 0; loop < loops.size(); ++loop) {
    Wide last = perLoop[loop] * static_cast<Wide>(loops[loop] - 1);
    (last < 0 ? range.low : range.high) += last;
  }
  return range;
}

bool Checker::stepApplies(const Step &step) const {
  const Operation &op = instruction.op;
  bool isMac = std::holds_alternative<Mac>(op);
  bool isWrite = std::holds_alternative<WriteWeights>(op);
  bool isCopy = std::holds_alternative<DmaCopy>(op);
  auto *vec = std::get_if<Vec>(&op);
  auto *ctrl = std::get_if<Ctrl>(&op);
  bool plain = step.index == 0;
  switch (step.field) {
  case StepField::Src:
    return plain && (isCopy || isWrite || isMac);
  case StepField::Dst:
    return plain && (isCopy || isMac || std::holds_alternative<DmaFill>(op));
  case StepField::Bias:
    return plain && isMac && std::get<Mac>(op).init == AccInit::Bias;
  case StepField::Set:
    return plain && (isMac || isWrite);
  case StepField::WaitValue:
    return step.index < instruction.waits.size();
  case StepField::Operand:
    return (vec && step.index < vec->operands.size()) ||
           (ctrl && step.index < ctrl->operands.size());
  case StepField::IndexBase:
    return vec && step.index < vec->indexBase.size();
  }
  return false;
}

absl::Status Checker::checkSteps() {
  for (const Step &step : instruction.steps) {
    if (step.loop >= loops.size())
      return invalidArgument("step of loop ", int(step.loop),
                             "; the instruction is in ", loops.size(),
                             " loops");
    if (!stepApplies(step))
      return invalidArgument("step of field ", int(step.field), " index ",
                             int(step.index),
                             ", which the instruction does not have");
  }
  return absl::OkStatus();
}

absl::Status Checker::checkWaits() {
  for (size_t i = 0; i < instruction.waits.size(); ++i) {
    const Wait &wait = instruction.waits[i];
    if (wait.id >= program.semaphores)
      return invalidArgument("waits for semaphore ", wait.id,
                             "; the program has ", program.semaphores);
    Interval steps = i > 255 ? Interval() : stepRange(StepField::WaitValue, i);
    if (wait.value + steps.low < 0 ||
        wait.value + steps.high > std::numeric_limits<int64_t>::max())
      return invalidArgument("wait value from ", text(wait.value + steps.low),
                             " to ", text(wait.value + steps.high),
                             "; 0 to 2^63 - 1 is allowed");
  }
  if (instruction.signal != kNoSemaphore &&
      instruction.signal >= program.semaphores)
    return invalidArgument("signals semaphore ", instruction.signal,
                           "; the program has ", program.semaphores);
  return absl::OkStatus();
}

absl::Status Checker::checkDims(absl::Span<const Dim> dims, const char *what,
                                uint64_t &iterations) {
  iterations = 1;
  for (const Dim &dim : dims) {
    if (dim.size < 1)
      return invalidArgument(what, " has size ", dim.size, "; at least 1");
    if (dim.stride > kMaxExtent || dim.stride < -kMaxExtent)
      return invalidArgument(what, " has stride ", dim.stride,
                             "; at most 2^48 bytes");
    if (static_cast<uint64_t>(dim.size) > kMaxIterations / iterations)
      return invalidArgument(what, " has more than 2^40 elements");
    iterations *= static_cast<uint64_t>(dim.size);
  }
  return absl::OkStatus();
}

absl::Status Checker::checkAddress(const Address &address, const char *what) {
  if (address.space > Space::ACC)
    return invalidArgument(what, " is in unknown memory ", int(address.space));
  bool shared = address.space == Space::DRAM || address.space == Space::L2;
  if (shared && address.chip >= target.chips)
    return invalidArgument(what, " is on chip ", int(address.chip),
                           "; the target has ", target.chips);
  return absl::OkStatus();
}

/// Needs bounded dims (checkDims).
absl::Status Checker::checkAccess(const Address &address, const char *what,
                                  uint64_t bytes, absl::Span<const Dim> dims,
                                  Interval steps) {
  CIM_RETURN_IF_ERROR(checkAddress(address, what));
  Wide low = static_cast<Wide>(address.offset) + steps.low;
  Wide high = static_cast<Wide>(address.offset) + steps.high + bytes;
  for (const Dim &dim : dims) {
    Wide reach = static_cast<Wide>(dim.size - 1) * dim.stride;
    (reach < 0 ? low : high) += reach;
  }
  uint64_t size = capacity(program, address.space);
  if (low >= 0 && high <= size)
    return absl::OkStatus();
  return invalidArgument(what, " accesses ", name(address.space), " bytes ",
                         text(low), " to ", text(high - 1), "; ",
                         name(address.space), " has ", size, " bytes");
}

absl::Status Checker::checkSpace(const Address &address, Space space,
                                 const char *what) {
  if (address.space == space)
    return absl::OkStatus();
  return invalidArgument(what, " is in ", name(address.space),
                         "; it must be in ", name(space));
}

//===----------------------------------------------------------------------===//
// DMA.
//===----------------------------------------------------------------------===//

bool isElementSize(unsigned bytes) {
  return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

/// Dense row-major accesses cover exactly their range.
bool isDense(absl::Span<const Dim> dims, unsigned bytes) {
  int64_t expected = bytes;
  for (auto dim = dims.rbegin(); dim != dims.rend(); ++dim) {
    if (dim->size != 1 && dim->stride != expected)
      return false;
    expected *= dim->size;
  }
  return true;
}

absl::Status Checker::checkOp(const DmaCopy &op) {
  if (!isElementSize(op.elemBytes))
    return invalidArgument("element of ", int(op.elemBytes),
                           " bytes; 1, 2, 4 or 8 is allowed");
  size_t rank = op.sizes.size();
  if (rank > kMaxDmaDims || op.srcStrides.size() != rank ||
      op.dstStrides.size() != rank)
    return invalidArgument(rank, " sizes, ", op.srcStrides.size(), " and ",
                           op.dstStrides.size(),
                           " strides; as many of each, at most ", kMaxDmaDims);
  std::vector<Dim> src, dst;
  for (size_t i = 0; i < rank; ++i) {
    src.push_back({op.sizes[i], op.srcStrides[i]});
    dst.push_back({op.sizes[i], op.dstStrides[i]});
  }
  uint64_t count = 0;
  CIM_RETURN_IF_ERROR(checkDims(src, "source", count));
  CIM_RETURN_IF_ERROR(checkDims(dst, "destination", count));
  CIM_RETURN_IF_ERROR(checkAccess(op.src, "source", op.elemBytes, src,
                                  stepRange(StepField::Src)));
  CIM_RETURN_IF_ERROR(checkAccess(op.dst, "destination", op.elemBytes, dst,
                                  stepRange(StepField::Dst)));
  // Strided sides may interleave; the device checks those.
  bool sameMemory = op.src.space == op.dst.space &&
                    (op.src.chip == op.dst.chip || op.src.space >= Space::L1);
  uint64_t bytes = count * op.elemBytes;
  uint64_t distance = op.src.offset > op.dst.offset
                          ? op.src.offset - op.dst.offset
                          : op.dst.offset - op.src.offset;
  if (sameMemory && instruction.steps.empty() && distance < bytes &&
      isDense(src, op.elemBytes) && isDense(dst, op.elemBytes))
    return invalidArgument("source and destination overlap: ", bytes,
                           " bytes, ", distance, " apart");
  return absl::OkStatus();
}

absl::Status Checker::checkOp(const DmaFill &op) {
  if (!isElementSize(op.elemBytes))
    return invalidArgument("element of ", int(op.elemBytes),
                           " bytes; 1, 2, 4 or 8 is allowed");
  if (op.dims.size() > kMaxDmaDims)
    return invalidArgument(op.dims.size(), " dimensions; at most ",
                           kMaxDmaDims);
  uint64_t count = 0;
  CIM_RETURN_IF_ERROR(checkDims(op.dims, "destination", count));
  return checkAccess(op.dst, "destination", op.elemBytes, op.dims,
                     stepRange(StepField::Dst));
}

//===----------------------------------------------------------------------===//
// The array.
//===----------------------------------------------------------------------===//

absl::Status Checker::checkTile(unsigned set, unsigned row0, unsigned col0,
                                unsigned rows, unsigned cols) {
  Interval steps = stepRange(StepField::Set);
  if (set + steps.low < 0 || set + steps.high >= target.weightSets)
    return invalidArgument("weight set ", text(set + steps.low), " to ",
                           text(set + steps.high), "; the target has ",
                           target.weightSets);
  if (rows < 1 || cols < 1)
    return invalidArgument("tile of ", rows, " x ", cols, "; at least 1 x 1");
  if (row0 % target.macroRows != 0 || col0 % target.macroCols != 0)
    return invalidArgument("tile at row ", row0, " column ", col0,
                           "; multiples of the macro's ", target.macroRows,
                           " x ", target.macroCols);
  if (row0 + rows > target.arrayRows() || col0 + cols > target.arrayCols())
    return invalidArgument("tile of ", rows, " x ", cols, " at row ", row0,
                           " column ", col0, "; the array is ",
                           target.arrayRows(), " x ", target.arrayCols());
  return absl::OkStatus();
}

absl::Status Checker::checkCopies(const WriteWeights &op) {
  if (op.copies < 1 || op.copyCols < 1)
    return invalidArgument(op.copies, " copies in ", op.copyCols,
                           " columns; at least 1");
  auto roundUp = [](uint64_t x, uint64_t unit) {
    return (x + unit - 1) / unit * unit;
  };
  uint64_t across = std::min(op.copies, op.copyCols);
  uint64_t down = (uint64_t(op.copies) + op.copyCols - 1) / op.copyCols;
  if ((across > 1 && (op.copyColPitch % target.macroCols != 0 ||
                      op.copyColPitch < roundUp(op.cols, target.macroCols))) ||
      (down > 1 && (op.copyRowPitch % target.macroRows != 0 ||
                    op.copyRowPitch < roundUp(op.rows, target.macroRows))))
    return invalidArgument("copies ", op.copyRowPitch, " x ", op.copyColPitch,
                           " apart; whole macros of ", target.macroRows, " x ",
                           target.macroCols, " that hold a tile of ", op.rows,
                           " x ", op.cols);
  uint64_t lastRow = op.row0 + (down - 1) * op.copyRowPitch + op.rows;
  uint64_t lastCol = op.col0 + (across - 1) * op.copyColPitch + op.cols;
  if (lastRow > target.arrayRows() || lastCol > target.arrayCols())
    return invalidArgument("copies reach row ", lastRow, " column ", lastCol,
                           "; the array is ", target.arrayRows(), " x ",
                           target.arrayCols());
  return absl::OkStatus();
}

absl::Status Checker::checkFormat(const WriteWeights &op) {
  bool bfp = op.format >= WeightFormat::Bfp;
  unsigned first = bfp ? 2 : 1, last = bfp ? 16 : target.weightBits;
  if (op.format == WeightFormat::Int8)
    first = 8;
  if (op.planes < first || op.planes > last)
    return invalidArgument("weights of ", int(op.planes), " bits; ", first,
                           " to ", last, " are allowed");
  if (bfp && (op.blockRows < 1 || op.blockRows > target.bfpBlockRows))
    return invalidArgument("blocks of ", int(op.blockRows), " rows; 1 to ",
                           target.bfpBlockRows, " are allowed");
  if (op.planeMasks.empty())
    return absl::OkStatus();
  size_t groups =
      (op.cols + target.planeSkipColumns - 1) / target.planeSkipColumns;
  if (op.format != WeightFormat::Planes || op.planeMasks.size() != groups)
    return invalidArgument(op.planeMasks.size(), " plane masks; ", groups,
                           " (one per ", target.planeSkipColumns,
                           " columns), or none; planes format only");
  for (uint16_t mask : op.planeMasks)
    if (mask >> op.planes != 0)
      return invalidArgument("plane mask ", mask, " has bits beyond the ",
                             int(op.planes), " planes");
  return absl::OkStatus();
}

absl::Status Checker::checkOp(const WriteWeights &op) {
  if (op.format > WeightFormat::F16)
    return invalidArgument("unknown weight format ", int(op.format));
  CIM_RETURN_IF_ERROR(checkTile(op.set, op.row0, op.col0, op.rows, op.cols));
  CIM_RETURN_IF_ERROR(checkCopies(op));
  CIM_RETURN_IF_ERROR(checkFormat(op));
  Interval steps = stepRange(StepField::Src);
  uint64_t bytes = 1;
  std::vector<Dim> dims;
  switch (op.format) {
  case WeightFormat::Planes: // D3.3
    bytes = uint64_t(op.planes) * op.rows * ((op.cols + 7) / 8);
    break;
  case WeightFormat::Bfp: { // D3.4
    uint64_t blocks = (op.rows + op.blockRows - 1) / op.blockRows;
    bytes = blocks * op.cols + uint64_t(op.rows) * op.cols * 2;
    break;
  }
  case WeightFormat::Int8:
  case WeightFormat::F32:
  case WeightFormat::F16:
    bytes = op.format == WeightFormat::Int8  ? 1
            : op.format == WeightFormat::F32 ? 4
                                             : 2;
    dims = {{op.rows, op.rowStride}, {op.cols, op.colStride}};
    break;
  }
  uint64_t unused = 0;
  CIM_RETURN_IF_ERROR(checkDims(dims, "source", unused));
  return checkAccess(op.src, "source", bytes, dims, steps);
}

absl::Status Checker::checkOp(const Mac &op) {
  CIM_RETURN_IF_ERROR(checkTile(op.set, op.row0, op.col0, op.rows, op.cols));
  if (op.copies < 1)
    return invalidArgument("0 copies; at least 1");
  switch (op.actType) {
  case DType::I8:
  case DType::U8:
  case DType::I16:
  case DType::F16:
  case DType::F32:
    break;
  default:
    return invalidArgument("activations of type ", name(op.actType),
                           "; i8, u8, i16, f16 or f32");
  }
  if (op.init > AccInit::Accumulate)
    return invalidArgument("unknown accumulator start ", int(op.init));
  if (op.m.size() > kMaxMacDims || op.k.size() > kMaxMacDims)
    return invalidArgument(op.m.size(), " m and ", op.k.size(),
                           " k dimensions; at most ", kMaxMacDims, " each");
  CIM_RETURN_IF_ERROR(checkSpace(op.act, Space::L1, "activation"));
  CIM_RETURN_IF_ERROR(checkSpace(op.acc, Space::ACC, "accumulator"));
  std::vector<Dim> dims = op.m;
  dims.insert(dims.end(), op.k.begin(), op.k.end());
  uint64_t mCount = 0, kCount = 0, all = 0;
  CIM_RETURN_IF_ERROR(checkDims(op.m, "activation m", mCount));
  CIM_RETURN_IF_ERROR(checkDims(op.k, "activation k", kCount));
  CIM_RETURN_IF_ERROR(checkDims(dims, "activation", all));
  if (kCount != op.rows)
    return invalidArgument("k dimensions multiply to ", kCount,
                           "; the tile has ", op.rows, " rows");
  CIM_RETURN_IF_ERROR(checkAccess(op.act, "activation", byteSize(op.actType),
                                  dims, stepRange(StepField::Src)));
  int64_t rowBytes = 4 * int64_t(op.cols);
  Dim accRows{static_cast<int64_t>(mCount), op.accStride};
  CIM_RETURN_IF_ERROR(checkDims({&accRows, 1}, "accumulator", all));
  if (mCount > 1 && op.accStride < rowBytes && op.accStride > -rowBytes)
    return invalidArgument("accumulator rows ", op.accStride,
                           " bytes apart; a row takes ", rowBytes);
  CIM_RETURN_IF_ERROR(checkAccess(op.acc, "accumulator", rowBytes,
                                  {&accRows, 1}, stepRange(StepField::Dst)));
  if (op.init != AccInit::Bias)
    return absl::OkStatus();
  CIM_RETURN_IF_ERROR(checkSpace(op.bias, Space::L1, "bias"));
  return checkAccess(op.bias, "bias", rowBytes, {}, stepRange(StepField::Bias));
}

//===----------------------------------------------------------------------===//
// Vector unit and control processor.
//===----------------------------------------------------------------------===//

absl::Status Checker::checkOperand(const Vec &op, size_t i, DType type,
                                   int gatherDims) {
  const VecOperand &operand = op.operands[i];
  std::string what = absl::StrCat("operand ", i);
  if (operand.strides.size() != op.sizes.size())
    return invalidArgument(what, " has ", operand.strides.size(),
                           " strides; the nest has ", op.sizes.size(),
                           " loops");
  if (operand.gather.size() > kMaxVecLoops)
    return invalidArgument(what, " has ", operand.gather.size(),
                           " gathered dimensions; at most ", kMaxVecLoops);
  if (gatherDims >= 0 && operand.gather.size() != size_t(gatherDims))
    return invalidArgument(what, " has ", operand.gather.size(),
                           " gathered dimensions; the kernel indexes ",
                           gatherDims);
  std::vector<Dim> dims;
  for (size_t loop = 0; loop < op.sizes.size(); ++loop)
    dims.push_back({op.sizes[loop], operand.strides[loop]});
  uint64_t unused = 0;
  CIM_RETURN_IF_ERROR(checkDims(dims, what.c_str(), unused));
  CIM_RETURN_IF_ERROR(checkDims(operand.gather, what.c_str(), unused));
  dims.insert(dims.end(), operand.gather.begin(), operand.gather.end());
  return checkAccess(operand.base, what.c_str(), byteSize(type), dims,
                     stepRange(StepField::Operand, i));
}

absl::Status Checker::checkOp(const Vec &op) {
  if (op.kernel >= program.kernels.size())
    return invalidArgument("names kernel ", op.kernel, "; the program has ",
                           program.kernels.size());
  const Kernel &kernel = program.kernels[op.kernel];
  const KernelSummary &summary = kernels[op.kernel];
  size_t rank = op.sizes.size(), inputs = kernel.inputs.size();
  if (rank > kMaxVecLoops || summary.indexLoops > rank)
    return invalidArgument(rank, " loops; at least ", summary.indexLoops,
                           " and at most ", kMaxVecLoops);
  if (op.reductionMask >> rank != 0)
    return invalidArgument("reduction mask ", int(op.reductionMask),
                           " names loops beyond the ", rank, " of the nest");
  if (!op.indexBase.empty() && op.indexBase.size() != rank)
    return invalidArgument(op.indexBase.size(), " index bases; ", rank,
                           " or none");
  for (size_t i = 0; i < op.indexBase.size(); ++i) {
    Interval steps = stepRange(StepField::IndexBase, i);
    if (op.indexBase[i] + steps.low < -kMaxExtent ||
        op.indexBase[i] + steps.high > kMaxExtent)
      return invalidArgument(
          "index base ", i, " from ", text(op.indexBase[i] + steps.low), " to ",
          text(op.indexBase[i] + steps.high), "; at most 2^48");
  }
  if (op.operands.size() != inputs + kernel.outputs.size())
    return invalidArgument(op.operands.size(), " operands; kernel ",
                           kernel.name, " has ",
                           inputs + kernel.outputs.size());
  std::vector<Dim> nest;
  for (int64_t size : op.sizes)
    nest.push_back({size, 0});
  uint64_t unused = 0;
  CIM_RETURN_IF_ERROR(checkDims(nest, "loop nest", unused));
  for (size_t i = 0; i < op.operands.size(); ++i)
    CIM_RETURN_IF_ERROR(checkOperand(
        op, i, i < inputs ? kernel.inputs[i] : kernel.outputs[i - inputs],
        summary.gatherDims[i]));
  return absl::OkStatus();
}

/// Firmware kernels differ in what their operands mean: only what holds for
/// all of them is checked here, the rest by the device when it runs them.
absl::Status Checker::checkOp(const Ctrl &op) {
  if (op.operands.size() > kMaxVecOperands)
    return invalidArgument(op.operands.size(), " operands; at most ",
                           kMaxVecOperands);
  for (size_t i = 0; i < op.operands.size(); ++i) {
    const VecOperand &operand = op.operands[i];
    std::string what = absl::StrCat("operand ", i);
    CIM_RETURN_IF_ERROR(checkAccess(operand.base, what.c_str(), 1, {},
                                    stepRange(StepField::Operand, i)));
  }
  return absl::OkStatus();
}

absl::Status Checker::run() {
  if (instruction.loc != 0 && instruction.loc >= program.locations.size())
    return invalidArgument("names location ", instruction.loc,
                           "; the program has ", program.locations.size());
  CIM_RETURN_IF_ERROR(checkSteps());
  CIM_RETURN_IF_ERROR(checkWaits());
  return std::visit([&](const auto &op) { return checkOp(op); },
                    instruction.op);
}

} // namespace

absl::Status validateInstruction(const Program &program,
                                 const std::vector<KernelSummary> &kernels,
                                 const LoopStack &loops,
                                 const Instruction &instruction) {
  return Checker(program, kernels, loops, instruction).run();
}

} // namespace cim
