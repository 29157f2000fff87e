// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The firmware kernels of the control processor (device.md D4.6): what their
// parameters and operands mean. Shared by execution, timing and race checks; no
// data is touched here.
#ifndef CIM_LIB_DEVICE_EXEC_CTRLKERNELS_H
#define CIM_LIB_DEVICE_EXEC_CTRLKERNELS_H

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "cim/Program/Program.h"

namespace cim::exec {

/// Values of Ctrl::kernel (device.md D4.6).
enum class CtrlKernel : uint16_t {
  TopK = 0,
  NonZero = 1,
  Nms = 2,
  LexSort = 3
};

/// What an instruction touches and how much work it is.
struct CtrlShape {
  struct Access {
    size_t operand;
    bool write;
    DType type;
    std::vector<Dim> dims; ///< Around the operand's base.
  };
  const char *name;
  uint64_t elements; ///< D4.6: the cost is proportional to these.
  std::vector<Access> accesses;
};

/// Checks the instruction's parameters and operand shapes; the message of the
/// error says what is wrong, the limit, and what to do.
absl::StatusOr<CtrlShape> ctrlShape(const Ctrl &op);

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_CTRLKERNELS_H
