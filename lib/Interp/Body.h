// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The body of a linalg.generic as a straight-line program over registers. A
// register holds one SSA value of up to `maxLanes` iterations at once; a step
// is a loop over the lanes.
#ifndef CIM_LIB_INTERP_BODY_H
#define CIM_LIB_INTERP_BODY_H

#include <vector>

#include "Elements.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace cim::interp {

constexpr int64_t maxLanes = 256;

/// A captured tensor the body reads at computed indices.
struct Gather {
  mlir::Value tensor;
  Element element;
  std::vector<int64_t> shape, strides; ///< Strides in bytes.
  std::vector<uint16_t> indices;       ///< Registers of kind I64.
  const char *data = nullptr;          ///< Set before running.
};

/// What steps see of the machine.
struct Lanes {
  std::vector<char *> own;      ///< Buffer of each register.
  std::vector<const char *> at; ///< Where each register's lanes are now.
  std::vector<int64_t> index;   ///< Current iteration, first lane.
  int64_t vectorLoop = -1;      ///< Loop the lanes run along.
  std::vector<Gather> *gathers = nullptr;
  bool outOfBounds = false; ///< Set by a gather.

  template <typename T>
  const T *in(uint16_t reg) const {
    return reinterpret_cast<const T *>(at[reg]);
  }
  template <typename T>
  T *out(uint16_t reg) {
    return reinterpret_cast<T *>(own[reg]);
  }
};

struct Step;
using Loop = void (*)(const Step &step, Lanes &lanes, int64_t n);
struct Step {
  Loop loop = nullptr;
  uint16_t dst = 0, a = 0, b = 0, c = 0;
  uint8_t args = 0; ///< How many of a, b, c are operands.
  int64_t imm = 0;  ///< Width, format, loop number, gather number, zero point.
  float scale = 1;
  int64_t low = 0, high = 0;
};

struct Body {
  std::vector<Kind> registers;
  std::vector<Step> steps;
  std::vector<std::pair<uint16_t, uint64_t>> constants; ///< Memory-form bits.
  std::vector<Gather> gathers;
  /// Register of each block argument, -1 when the body does not use it.
  std::vector<int> arguments;
  std::vector<uint16_t> yields;
  std::vector<bool> usesIndex; ///< By loop.
};

/// Compiles the body; an operation without meaning here is an error on it.
mlir::FailureOr<Body> compileBody(mlir::linalg::GenericOp op);

// Loops by operation name and register kind; null when there is none.
/// arith and math operations whose operands and result have one kind.
Loop arithmeticLoop(llvm::StringRef name, Kind kind);
/// True when the operation of this name reads its operands as unsigned.
bool readsUnsigned(llvm::StringRef name);
/// Comparisons, by arith's numbering of predicates.
Loop compareIntLoop(uint64_t predicate, Kind kind);
Loop compareFloatLoop(uint64_t predicate, Kind kind);
/// math.isnan and math.isinf.
Loop classifyLoop(llvm::StringRef name, Kind kind);
/// a ? b : c with a of kind I1.
Loop selectLoop(Kind kind);
/// numerics C1 to C4 without narrow formats. From or to unsigned integers on
/// demand.
Loop castLoop(Kind from, bool fromUnsigned, Kind to, bool toUnsigned);
/// To fp32 registers of the narrow format `imm`, one rounding.
Loop narrowLoop(Kind from, bool fromUnsigned);
/// Bits of a narrow 16-bit format to i16 and back (format in `imm`).
Loop bitsOfHalfLoop();
Loop halfOfBitsLoop();
/// Copies the bits; kinds of one size.
Loop copyLoop(Kind kind);
/// Sign- or zero-extends the low `imm` bits of an I8 register.
Loop extendLoop(bool isSigned);
/// numerics Q1 and Q2; `isUnsigned` is the storage type's.
Loop quantizeLoop(Kind to);
Loop dequantizeLoop(Kind from, bool isUnsigned);
/// Iteration number of loop `imm`.
Loop indexLoop();
/// Elements of gather `imm`.
Loop gatherLoop();

} // namespace cim::interp

#endif // CIM_LIB_INTERP_BODY_H
