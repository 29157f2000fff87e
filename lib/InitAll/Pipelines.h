// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef CIM_LIB_INITALL_PIPELINES_H
#define CIM_LIB_INITALL_PIPELINES_H

namespace cim {

/// The passes and pipelines of the phases that the build has.
void registerPhasePipelines();

} // namespace cim

#endif // CIM_LIB_INITALL_PIPELINES_H
