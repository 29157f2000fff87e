// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// device.md D4.5: vector kernels.
#include <algorithm>
#include <atomic>
#include <memory>

#include "State.h"
#include "VecKernel.h"
#include "VecRun.h"

namespace cim::exec {
namespace {

MaybeFault bindOperands(const Context &context, const CompiledKernel &kernel,
                        const Vec &op, std::vector<BoundOperand> &bound) {
  bool sanitize = context.state.sanitize;
  for (size_t i = 0; i < op.operands.size(); ++i) {
    const VecOperand &source = op.operands[i];
    const CompiledKernel::OperandUse &use = kernel.operands[i];
    std::string what =
        absl::StrCat("kernel ", kernel.kernel.name, " operand ", i);
    Access access{what.c_str(), source.base, byteSize(use.type), {}};
    for (size_t loop = 0; loop < op.sizes.size(); ++loop)
      access.dims.push_back({op.sizes[loop], source.strides[loop]});
    Access whole = access;
    whole.dims.insert(whole.dims.end(), source.gather.begin(),
                      source.gather.end());
    BoundOperand out{&source, use.type};
    // Elements of gathers and scatters are known to the sanitizer one by one.
    CIM_FAULT_IF(context.locate(whole, out.memory, out.range));
    const uint8_t *p = out.memory->read(out.range);
    if (use.loaded)
      CIM_FAULT_IF(context.read(access, p));
    if (use.stored || use.scattered) {
      CIM_FAULT_IF(context.checkWritable(use.scattered ? whole : access));
      p = out.memory->write(out.range);
      if (sanitize && use.stored)
        context.markWritten(access);
    }
    // Loads of an operand that is also gathered share one pointer.
    if (use.loaded || use.gathered || use.stored || use.scattered)
      p = use.stored || use.scattered ? out.memory->write(out.range)
                                      : out.memory->read(out.range);
    out.p = const_cast<uint8_t *>(p) + (source.base.offset - out.range.lo);
    bound.push_back(out);
  }
  for (size_t i = 0; i < bound.size(); ++i) {
    bool &viewable = bound[i].viewable;
    viewable = true;
    for (size_t j = 0; j < bound.size(); ++j)
      if (kernel.operands[j].stored || kernel.operands[j].scattered)
        viewable &= bound[i].memory != bound[j].memory ||
                    bound[i].range.hi <= bound[j].range.lo ||
                    bound[j].range.hi <= bound[i].range.lo;
  }
  return std::nullopt;
}

MaybeFault check(const Context &context, const Vec &op) {
  const Program &program = context.state.program;
  if (op.kernel >= program.kernels.size())
    return fault(FaultCode::IllegalInstruction, "kernel ", op.kernel,
                 ": the program has ", program.kernels.size(),
                 " kernels; name one of them");
  const Kernel &kernel = program.kernels[op.kernel];
  size_t operands = kernel.inputs.size() + kernel.outputs.size();
  bool shaped = op.operands.size() == operands;
  for (const VecOperand &o : op.operands)
    shaped &= o.strides.size() == op.sizes.size();
  if (!shaped)
    return fault(FaultCode::IllegalInstruction, "kernel ", kernel.name, ": ",
                 op.operands.size(), " operands; it has ", operands,
                 ", each with one stride per loop (", op.sizes.size(),
                 "); correct the instruction");
  for (int64_t size : op.sizes)
    if (size < 1)
      return fault(FaultCode::IllegalInstruction, "kernel ", kernel.name,
                   ": a loop has ", size, " iterations; at least 1");
  return std::nullopt;
}

} // namespace

MaybeFault executeVec(const Context &context, const Vec &op) {
  CIM_FAULT_IF(check(context, op));
  std::unique_ptr<CompiledKernel> &kernel = context.state.kernels[op.kernel];
  if (!kernel)
    kernel = std::make_unique<CompiledKernel>(
        context.state.program.kernels[op.kernel]);
  std::vector<BoundOperand> operands;
  CIM_FAULT_IF(bindOperands(context, *kernel, op, operands));
  VecPlan plan(*kernel, op, std::move(operands));

  // Each thread takes a consecutive share of the chunks; of several faults the
  // one of the earliest chunk counts.
  ThreadPool &pool = context.state.pool;
  int64_t chunks = plan.chunks();
  int64_t shares = std::min<int64_t>(pool.threads(), (chunks + 3) / 4);
  std::vector<MaybeFault> faults(static_cast<size_t>(shares));
  pool.run(shares, [&](int64_t share) {
    VecWorker worker(context, plan);
    int64_t end = chunks * (share + 1) / shares;
    for (int64_t c = chunks * share / shares; c < end; ++c)
      if ((faults[share] = worker.run(c)))
        return;
  });
  for (MaybeFault &f : faults)
    if (f)
      return f;
  return std::nullopt;
}

} // namespace cim::exec
