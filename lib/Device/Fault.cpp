// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names of fault codes (device.md section 6).
#include "cim/Device/Device.h"

namespace cim {

const char *name(PathCause cause) {
  static constexpr const char *names[] = {"startup", "work",  "dram",
                                          "l2",      "local", "link"};
  static_assert(std::size(names) == kPathCauses);
  return names[static_cast<size_t>(cause)];
}

const char *name(FaultCode code) {
  switch (code) {
  case FaultCode::OutOfRange:
    return "out_of_range";
  case FaultCode::Unaligned:
    return "unaligned";
  case FaultCode::UninitializedRead:
    return "uninitialized_read";
  case FaultCode::ReadOnlyWrite:
    return "read_only_write";
  case FaultCode::Race:
    return "race";
  case FaultCode::Deadlock:
    return "deadlock";
  case FaultCode::BadTile:
    return "bad_tile";
  case FaultCode::Overflow:
    return "overflow";
  case FaultCode::IndexOutOfBounds:
    return "index_out_of_bounds";
  case FaultCode::IllegalInstruction:
    return "illegal_instruction";
  }
  return "unknown";
}

} // namespace cim
