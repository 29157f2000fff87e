/* Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The header is C, and usable from it. */
#include "cim-c/cim.h"

size_t cimTestInputRank(const cim_program *program) {
  cim_tensor_info info = {0};
  info.struct_size = sizeof(info);
  if (cim_program_input(program, 0, &info) != CIM_OK)
    return 999;
  return info.rank;
}
