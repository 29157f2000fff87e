// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names and sizes of the program's enumerations.
#include "cim/Program/Program.h"

namespace cim {

unsigned byteSize(DType type) {
  switch (type) {
  case DType::I1:
  case DType::I8:
  case DType::U8:
    return 1;
  case DType::I16:
  case DType::U16:
  case DType::F16:
  case DType::BF16:
    return 2;
  case DType::I32:
  case DType::U32:
  case DType::F32:
    return 4;
  case DType::I64:
  case DType::U64:
  case DType::F64:
    return 8;
  }
  return 1;
}

bool isFloat(DType type) { return type >= DType::F16; }

bool isSigned(DType type) {
  switch (type) {
  case DType::I1:
  case DType::U8:
  case DType::U16:
  case DType::U32:
  case DType::U64:
    return false;
  default:
    return true;
  }
}

const char *name(DType type) {
  static constexpr const char *names[] = {"i1",   "i8",  "u8",  "i16", "u16",
                                          "i32",  "u32", "i64", "u64", "f16",
                                          "bf16", "f32", "f64"};
  size_t index = static_cast<size_t>(type);
  return index < std::size(names) ? names[index] : "?";
}

const char *npyName(DType type) {
  static constexpr const char *names[] = {"b1", "i1", "u1", "i2", "u2",
                                          "i4", "u4", "i8", "u8", "f2",
                                          "V2", "f4", "f8"};
  size_t index = static_cast<size_t>(type);
  return index < std::size(names) ? names[index] : "?";
}

const char *name(Space space) {
  static constexpr const char *names[] = {"dram", "l2", "l1", "acc"};
  size_t index = static_cast<size_t>(space);
  return index < std::size(names) ? names[index] : "?";
}

const char *name(Engine engine) {
  static constexpr const char *names[] = {"write", "mac", "vec", "dma", "ctrl"};
  size_t index = static_cast<size_t>(engine);
  return index < std::size(names) ? names[index] : "?";
}

const char *name(MicroOp op) {
  static constexpr const char *names[] = {
#define CIM_MICRO_OP(Name, text, args) text,
#include "cim/Program/MicroOps.def"
  };
  size_t index = static_cast<size_t>(op);
  return index < std::size(names) ? names[index] : "?";
}

} // namespace cim
