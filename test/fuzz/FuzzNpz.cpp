// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// .npz and .npy bytes.
#include "cim/Support/Npz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char *>(data), size);
  auto file = cim::NpzFile::parse(bytes, nullptr, "fuzz");
  if (!file.ok())
    return 0;
  for (const std::string &name : file->names())
    (void)file->read(name);
  return 0;
}
