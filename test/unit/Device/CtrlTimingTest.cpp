// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// D4.6: cycles and accesses of firmware kernels.
#include <gtest/gtest.h>

#include "Builder.h"
#include "cim/Device/StreamCheck.h"
#include "exec/CtrlKernels.h"

namespace cim::test {
namespace {

/// Top 5 of each of 3 rows of 100 floats at L1 0; results at L1 4096, 8192.
Ctrl topK() {
  Ctrl ctrl;
  ctrl.kernel = static_cast<uint16_t>(exec::CtrlKernel::TopK);
  ctrl.params = {int64_t(DType::F32), 3, 100, 5, 1, 1};
  ctrl.operands = {
      {l1(0), {400, 4}, {}}, {l1(4096), {20, 4}, {}}, {l1(8192), {40, 8}, {}}};
  return ctrl;
}

TEST(CtrlTiming, ElementsOverRate) {
  EXPECT_EQ(cyclesOf(topK(), Engine::Ctrl), 200u + 300 * 4);
}

TEST(CtrlTiming, NmsAndLexSort) {
  Ctrl sort;
  sort.kernel = static_cast<uint16_t>(exec::CtrlKernel::LexSort);
  sort.params = {int64_t(DType::I8), 10, 3};
  sort.operands = {{l1(0), {3, 1}, {}}, {l1(4096), {8}, {}}};
  EXPECT_EQ(cyclesOf(sort, Engine::Ctrl), 200u + 30 * 4);
  Ctrl nms;
  nms.kernel = static_cast<uint16_t>(exec::CtrlKernel::Nms);
  nms.params = {1, 8, 2, 3, 0, 0};
  nms.operands = {{l1(0), {128, 16, 4}, {}}, {l1(512), {64, 32, 4}, {}},
                  {l1(1024), {}, {}},        {l1(1032), {}, {}},
                  {l1(2048), {24, 8}, {}},   {l1(4096), {}, {}}};
  EXPECT_EQ(cyclesOf(nms, Engine::Ctrl), 200u + 8 * 2 * 3 * 4);
}

TEST(CtrlTiming, OperandsRace) {
  for (auto [at, writes, conflict] :
       {std::tuple{1196, true, true}, std::tuple{1200, true, false},
        std::tuple{1196, false, false}, std::tuple{4096 + 59, false, true},
        std::tuple{4096 + 60, false, false},
        std::tuple{8192 + 119, false, true}}) {
    ProgramBuilder builder;
    builder.queue(Engine::Ctrl, {make(topK())});
    builder.queue(Engine::Dma, {writes ? make(fillBytes(l1(at), 1))
                                       : make(copyBytes(l1(at), acc(0), 1))});
    EXPECT_EQ(findStreamFault(builder.program).has_value(), conflict) << at;
  }
}

TEST(CtrlTiming, IllegalParametersAreAFault) {
  ProgramBuilder builder;
  Ctrl ctrl = topK();
  ctrl.params[3] = 101; // more than there are
  builder.queue(Engine::Ctrl, {make(ctrl)});
  std::optional<StreamFault> found = findStreamFault(builder.program);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->fault.code, FaultCode::IllegalInstruction);
}

} // namespace
} // namespace cim::test
