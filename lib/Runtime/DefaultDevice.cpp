// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Apart from Session.cpp: whoever brings a device of their own does not link
// the device model.
#include "cim/Runtime/Session.h"

absl::StatusOr<std::unique_ptr<cim::Session>>
cim::Session::create(std::shared_ptr<const Program> program,
                     const RunOptions &options) {
  return create(std::move(program), options, &Device::create);
}
