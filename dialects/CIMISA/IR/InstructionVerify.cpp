// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constraints of single instructions; names as in CIMISAInstructions.td.

#include "dialects/CIMISA/IR/CIMISA.h"

using namespace mlir;
using namespace cim;
using namespace cim::isa;

/// Loops around `op`.
static unsigned loopDepth(mlir::Operation *op) {
  unsigned depth = 0;
  for (mlir::Operation *parent = op->getParentOp();
       llvm::isa_and_nonnull<LoopOp>(parent); parent = parent->getParentOp())
    ++depth;
  return depth;
}

/// How many `field`s an instruction has: steps beyond are refused.
struct Steppable {
  bool src = false, dst = false, bias = false, set = false;
  size_t operands = 0, indexBases = 0;
};

static size_t countOf(StepField field, const Steppable &fields,
                      const Issue &issue) {
  switch (field) {
  case StepField::Src:
    return fields.src;
  case StepField::Dst:
    return fields.dst;
  case StepField::Bias:
    return fields.bias;
  case StepField::Set:
    return fields.set;
  case StepField::WaitValue:
    return issue.waits.size();
  case StepField::Operand:
    return fields.operands;
  case StepField::IndexBase:
    return fields.indexBases;
  }
  return 0;
}

static LogicalResult verifyIssue(mlir::Operation *op, const Issue &issue,
                                 const Steppable &fields = {}) {
  for (const Wait &wait : issue.waits)
    if (wait.id == kNoSemaphore)
      return op->emitOpError("waits for semaphore 65535, which is reserved; "
                             "use s0 to s65534"); // issue_c1
  if (issue.steps.empty())
    return success();
  unsigned depth = loopDepth(op);
  for (auto [number, step] : llvm::enumerate(issue.steps)) { // issue_c2
    if (step.loop >= depth)
      return op->emitOpError("step ")
             << number << " follows loop " << unsigned(step.loop) << ", but "
             << depth << " loops enclose the instruction";
    size_t count = countOf(step.field, fields, issue);
    if (step.index >= count)
      return op->emitOpError("step ")
             << number << " changes a field the instruction does not have "
             << "(index " << unsigned(step.index) << " of " << count << ")";
  }
  return success();
}

static LogicalResult verifyElem(mlir::Operation *op, unsigned bytes) {
  if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8)
    return op->emitOpError("elem is ") << bytes << "; 1, 2, 4 or 8 bytes";
  return success();
}

static LogicalResult verifySizes(mlir::Operation *op, StringRef what,
                                 size_t max, ArrayRef<int64_t> sizes) {
  if (sizes.size() > max)
    return op->emitOpError("has ")
           << sizes.size() << " " << what << "; at most " << max;
  for (int64_t size : sizes)
    if (size < 1)
      return op->emitOpError("has a size of ")
             << size << " among its " << what << "; at least 1";
  return success();
}

static SmallVector<int64_t> sizesOf(const std::vector<Dim> &dims) {
  return llvm::map_to_vector(dims, [](const Dim &dim) { return dim.size; });
}

LogicalResult NopOp::verify() { return verifyIssue(*this, getIssue()); }

LogicalResult DmaCopyOp::verify() {
  const DmaCopy &inst = getInst();
  if (failed(verifySizes(*this, "dimensions", 6, inst.sizes)) ||
      failed(verifyElem(*this, inst.elemBytes))) // dma_copy_c1, dma_copy_c2
    return failure();
  if (inst.srcStrides.size() != inst.sizes.size() ||
      inst.dstStrides.size() != inst.sizes.size()) // dma_copy_c1
    return emitOpError("has ")
           << inst.sizes.size() << " dimensions but " << inst.srcStrides.size()
           << " source and " << inst.dstStrides.size()
           << " destination strides";
  return verifyIssue(*this, getIssue(), {.src = true, .dst = true});
}

LogicalResult DmaFillOp::verify() {
  const DmaFill &inst = getInst();
  if (failed(verifySizes(*this, "dimensions", 6, sizesOf(inst.dims))) ||
      failed(verifyElem(*this, inst.elemBytes))) // dma_fill_c1, dma_fill_c2
    return failure();
  return verifyIssue(*this, getIssue(), {.dst = true});
}

LogicalResult WriteWeightsOp::verify() {
  const WriteWeights &inst = getInst();
  if (inst.rows < 1 || inst.cols < 1 || inst.copies < 1 || inst.copyCols < 1 ||
      (inst.format >= WeightFormat::Bfp && inst.blockRows < 1))
    return emitOpError("rows, cols, copies, across and block must be at least "
                       "1; they are ") // write_weights_c1
           << inst.rows << ", " << inst.cols << ", " << inst.copies << ", "
           << inst.copyCols << ", " << unsigned(inst.blockRows);
  if (inst.planes < 1 || inst.planes > 16) // write_weights_c1
    return emitOpError("has ")
           << unsigned(inst.planes) << " planes (mantissa bits); 1 to 16";
  if (!inst.planeMasks.empty() && inst.format != WeightFormat::Planes)
    return emitOpError("has plane masks but its format is not planes; "
                       "remove the masks"); // write_weights_c2
  for (uint16_t mask : inst.planeMasks)
    if (uint32_t(mask) >> inst.planes != 0) // write_weights_c2
      return emitOpError("has plane mask 0x")
             << llvm::utohexstr(mask, true) << " with bits beyond its "
             << unsigned(inst.planes) << " planes";
  return verifyIssue(*this, getIssue(), {.src = true, .set = true});
}

LogicalResult MacOp::verify() {
  const Mac &inst = getInst();
  if (failed(verifySizes(*this, "m loops", 4, sizesOf(inst.m))) ||
      failed(verifySizes(*this, "k loops", 4, sizesOf(inst.k)))) // mac_c1
    return failure();
  if (inst.rows < 1 || inst.cols < 1 || inst.copies < 1) // mac_c4
    return emitOpError("rows, cols and copies must be at least 1; they are ")
           << inst.rows << ", " << inst.cols << ", " << inst.copies;
  uint64_t rows = 1; // Stops growing far below overflow: rows has 16 bits.
  for (const Dim &dim : inst.k)
    rows = std::min<uint64_t>(rows, 1 << 16) *
           std::min<uint64_t>(dim.size, 1 << 17);
  if (rows != inst.rows) // mac_c2
    return emitOpError("the k loops cover ")
           << rows << " rows but the tile has " << inst.rows;
  switch (inst.actType) { // mac_c3
  case DType::I8:
  case DType::U8:
  case DType::I16:
  case DType::F16:
  case DType::F32:
    break;
  default:
    return emitOpError("activations are ")
           << dtypeName(inst.actType) << "; i8, u8, i16, f16 or f32";
  }
  auto in = [&](const Address &address, Space space,
                StringRef what) -> LogicalResult {
    if (address.space == space)
      return success();
    return emitOpError() << what << " in " << cim::name(address.space)
                         << "; must be in " << cim::name(space);
  };
  if (failed(in(inst.act, Space::L1, "activations are")) ||
      failed(in(inst.acc, Space::ACC, "accumulators are")) ||
      (inst.init == AccInit::Bias &&
       failed(in(inst.bias, Space::L1, "the bias is")))) // mac_c3
    return failure();
  return verifyIssue(*this, getIssue(),
                     {.src = true,
                      .dst = true,
                      .bias = inst.init == AccInit::Bias,
                      .set = true});
}

LogicalResult VecOp::verify() {
  const Vec &inst = getInst();
  if (inst.kernel != 0)
    return emitOpError("names its kernel by number; use the symbol");
  if (failed(verifySizes(*this, "loops", 6, inst.sizes))) // vec_c1
    return failure();
  if (inst.operands.size() > 16) // vec_c1
    return emitOpError("has ")
           << inst.operands.size() << " operands; at most 16";
  if (!inst.indexBase.empty() && inst.indexBase.size() != inst.sizes.size())
    return emitOpError("has ") << inst.indexBase.size() << " index bases for "
                               << inst.sizes.size() << " loops"; // vec_c3
  if (inst.reductionMask >> inst.sizes.size() != 0)              // vec_c3
    return emitOpError("reduces a loop beyond its ")
           << inst.sizes.size() << " loops";
  for (auto [number, operand] : llvm::enumerate(inst.operands))
    if (operand.strides.size() != inst.sizes.size()) // vec_c3
      return emitOpError("operand ")
             << number << " has " << operand.strides.size() << " strides for "
             << inst.sizes.size() << " loops";
  return verifyIssue(
      *this, getIssue(),
      {.operands = inst.operands.size(), .indexBases = inst.indexBase.size()});
}

LogicalResult VecOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto program = (*this)->getParentOfType<ProgramOp>();
  auto kernel = symbols.lookupSymbolIn<KernelOp>(program, getKernelAttr());
  if (!kernel) // vec_c2
    return emitOpError("runs kernel ")
           << getKernelAttr() << ", which the program does not define";
  const KernelFacts &facts = kernel.getFacts();
  size_t expected = facts.inputs.size() + facts.outputs.size();
  if (getInst().operands.size() != expected) { // vec_c2
    auto diag = emitOpError("has ")
                << getInst().operands.size() << " operands but kernel "
                << getKernelAttr() << " takes " << expected;
    diag.attachNote(kernel.getLoc()) << "kernel defined here";
    return diag;
  }
  return success();
}

LogicalResult CtrlOp::verify() {
  const Ctrl &inst = getInst();
  if (inst.operands.size() > 16) // ctrl_c1
    return emitOpError("has ")
           << inst.operands.size() << " operands; at most 16";
  return verifyIssue(*this, getIssue(), {.operands = inst.operands.size()});
}

LogicalResult LoopOp::verify() {
  if (getInst().count < 1) // loop_c1
    return emitOpError("runs 0 times; at least 1");
  if (loopDepth(*this) >= kMaxLoopDepth) // loop_c2
    return emitOpError("is nested ")
           << loopDepth(*this) + 1 << " deep; at most " << kMaxLoopDepth;
  return verifyIssue(*this, getIssue());
}

LogicalResult LoopEndOp::verify() { return verifyIssue(*this, getIssue()); }
