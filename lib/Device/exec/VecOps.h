// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The vector unit's arithmetic on arrays: one call computes one micro-operation
// on n elements (docs/numerics.md).
//
// Registers in memory of the host: integers as themselves, i1 as bytes 0 and 1,
// f16 and bf16 as the fp32 numbers they are (F1), f32 and f64 as themselves.
#ifndef CIM_LIB_DEVICE_EXEC_VECOPS_H
#define CIM_LIB_DEVICE_EXEC_VECOPS_H

#include <cstdint>

#include "cim/Program/Program.h"

namespace cim::exec {

/// Bytes of one element of a register.
unsigned registerBytes(DType type);

/// Integer arithmetic of `type`; `b` is ignored by operations of one argument.
void integerOp(MicroOp op, DType type, const void *a, const void *b, void *dst,
               int64_t n);
/// `c` is Fma's addend.
void floatOp(MicroOp op, DType type, const void *a, const void *b,
             const void *c, void *dst, int64_t n);
/// Comparisons of arguments of `type`; results are bytes 0 and 1.
void compareInt(CmpIntPredicate predicate, DType type, const void *a,
                const void *b, uint8_t *dst, int64_t n);
void compareFloat(CmpFloatPredicate predicate, DType type, const void *a,
                  const void *b, uint8_t *dst, int64_t n);
/// IsNan and IsInf.
void classify(MicroOp op, DType type, const void *a, uint8_t *dst, int64_t n);
void select(DType type, const uint8_t *condition, const void *a, const void *b,
            void *dst, int64_t n);

/// numerics C1 to C4.
void castOp(DType from, DType to, const void *a, void *dst, int64_t n);
/// Q1; x is a float of type `from`, dst an integer of type `to`.
void quantizeOp(DType from, DType to, const void *x, const float *scale,
                const int32_t *zero, void *dst, int64_t n);
/// Q3.
void requantizeOp(DType to, const int32_t *x, const float *multiplier,
                  const int32_t *zero, void *dst, int64_t n);
/// Q2.
void dequantizeOp(DType from, const void *x, const float *scale,
                  const int32_t *zero, float *dst, int64_t n);

/// Rounds fp32 numbers to f16 or bf16 (nothing for other types).
void roundToType(DType type, float *x, int64_t n);
/// Memory form (byteSize(type) per element) to register form and back. The
/// buffers must not overlap unless they are equal in place and in size.
void decodeElements(DType type, const void *memory, void *reg, int64_t n);
void encodeElements(DType type, const void *reg, void *memory, int64_t n);
/// True if memory and register form are the same bytes.
bool sameForm(DType type);

} // namespace cim::exec

#endif // CIM_LIB_DEVICE_EXEC_VECOPS_H
