// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Naive.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "cim/Support/Math.h"
#include "cim/Support/Numerics.h"

namespace cim::test {
namespace {

int widthOf(DType type) { return type == DType::I1 ? 1 : byteSize(type) * 8; }

/// The low bits of an integer, in the type.
int64_t wrap(DType type, __int128 v) {
  int w = widthOf(type);
  if (w == 64)
    return int64_t(v);
  uint64_t low = uint64_t(v) & ((uint64_t(1) << w) - 1);
  if (isSigned(type) && (low >> (w - 1)))
    return int64_t(low) - (int64_t(1) << w);
  return int64_t(low);
}

/// Mathematical value of an integer register.
__int128 valueOf(DType type, int64_t i) {
  return type == DType::U64 ? __int128(uint64_t(i)) : __int128(i);
}
__int128 lowestOf(DType type) {
  return isSigned(type) ? -(__int128(1) << (widthOf(type) - 1)) : 0;
}
__int128 highestOf(DType type) {
  return (__int128(1) << (widthOf(type) - (isSigned(type) ? 1 : 0))) - 1;
}
__int128 clamp(DType type, __int128 v) {
  if (v < lowestOf(type))
    return lowestOf(type);
  return v > highestOf(type) ? highestOf(type) : v;
}
/// Reading a register as unsigned or signed whatever its type.
__int128 asUnsigned(DType type, int64_t i) {
  int w = widthOf(type);
  return w == 64 ? __int128(uint64_t(i))
                 : __int128(uint64_t(i) & ((uint64_t(1) << w) - 1));
}
__int128 asSigned(DType type, int64_t i) {
  if (type == DType::I1)
    return i;
  __int128 u = asUnsigned(type, i);
  int w = widthOf(type);
  return u >> (w - 1) ? u - (__int128(1) << w) : u;
}

/// Rounds a long double (wide enough to hold what is rounded) to the type.
double roundFloat(DType type, long double v) {
  if (std::isnan(v))
    return double(v);
  switch (type) {
  case DType::F16:
    return numerics::halfToFloat(numerics::doubleToHalf(double(v)));
  case DType::BF16:
    return numerics::bfloatToFloat(numerics::doubleToBfloat(double(v)));
  case DType::F32:
    return float(v);
  default:
    return double(v);
  }
}

Scalar integer(DType type, const MicroInst &inst, int64_t a, int64_t b) {
  __int128 x = valueOf(type, a), y = valueOf(type, b);
  __int128 ux = asUnsigned(type, a), uy = asUnsigned(type, b);
  int w = widthOf(type);
  auto out = [&](__int128 v) { return Scalar{wrap(type, v), 0}; };
  switch (inst.op) {
  case MicroOp::Add:
    return out(x + y);
  case MicroOp::Sub:
    return out(x - y);
  case MicroOp::Mul:
    return out(__int128(uint64_t(a) * uint64_t(b)));
  case MicroOp::Div:
    return out(y == 0 ? -1 : x / y);
  case MicroOp::Rem:
    return out(y == 0 ? x : x % y);
  case MicroOp::DivU:
    return out(uy == 0 ? -1 : ux / uy);
  case MicroOp::RemU:
    return out(uy == 0 ? ux : ux % uy);
  case MicroOp::Min:
    return out(x < y ? x : y);
  case MicroOp::Max:
    return out(x > y ? x : y);
  case MicroOp::MinU:
    return out(ux < uy ? ux : uy);
  case MicroOp::MaxU:
    return out(ux > uy ? ux : uy);
  case MicroOp::Neg:
    return out(-x);
  case MicroOp::Abs:
    return out(x < 0 ? -x : x);
  case MicroOp::And:
    return out(ux & uy);
  case MicroOp::Or:
    return out(ux | uy);
  case MicroOp::Xor:
    return out(ux ^ uy);
  case MicroOp::Shl:
    return out(uy >= w ? 0 : ux << int(uy));
  case MicroOp::ShrU:
    return out(uy >= w ? 0 : ux >> int(uy));
  case MicroOp::ShrS:
    return out(asSigned(type, a) >> int(uy >= w ? w - 1 : uy));
  default:
    return {};
  }
}

/// One fp operation on fp32 or fp64 values; F is the type it happens in.
template <typename F>
F floating(const MicroInst &inst, F a, F b, F c) {
  switch (inst.op) {
  case MicroOp::Add:
    return a + b;
  case MicroOp::Sub:
    return a - b;
  case MicroOp::Mul:
    return a * b;
  case MicroOp::Div:
    return a / b;
  case MicroOp::Rem:
    return std::fmod(a, b);
  case MicroOp::Fma:
    return std::fma(a, b, c);
  case MicroOp::Min:
  case MicroOp::Max:
  case MicroOp::MinNum:
  case MicroOp::MaxNum: {
    bool max = inst.op == MicroOp::Max || inst.op == MicroOp::MaxNum;
    bool number = inst.op == MicroOp::MinNum || inst.op == MicroOp::MaxNum;
    if (std::isnan(a))
      return number ? b : a;
    if (std::isnan(b))
      return number ? a : b;
    bool below = a < b || (a == b && std::signbit(a) && !std::signbit(b));
    return below != max ? a : b;
  }
  case MicroOp::Neg:
    return -a;
  case MicroOp::Abs:
    return std::fabs(a);
  case MicroOp::Ceil:
    return std::ceil(a);
  case MicroOp::Floor:
    return std::floor(a);
  case MicroOp::Trunc:
    return std::trunc(a);
  case MicroOp::Round:
    return std::round(a);
  case MicroOp::RoundEven:
    return std::nearbyint(a);
  case MicroOp::CopySign:
    return std::copysign(a, b);
  case MicroOp::Exp:
    return math::exp(a);
  case MicroOp::Exp2:
    return math::exp2(a);
  case MicroOp::Expm1:
    return math::expm1(a);
  case MicroOp::Log:
    return math::log(a);
  case MicroOp::Log2:
    return math::log2(a);
  case MicroOp::Log10:
    return math::log10(a);
  case MicroOp::Log1p:
    return math::log1p(a);
  case MicroOp::Sqrt:
    return std::sqrt(a);
  case MicroOp::Rsqrt:
    return math::rsqrt(a);
  case MicroOp::Tanh:
    return math::tanh(a);
  case MicroOp::Erf:
    return math::erf(a);
  case MicroOp::Sin:
    return math::sin(a);
  case MicroOp::Cos:
    return math::cos(a);
  case MicroOp::Tan:
    return math::tan(a);
  case MicroOp::Asin:
    return math::asin(a);
  case MicroOp::Acos:
    return math::acos(a);
  case MicroOp::Atan:
    return math::atan(a);
  case MicroOp::Sinh:
    return math::sinh(a);
  case MicroOp::Cosh:
    return math::cosh(a);
  case MicroOp::Asinh:
    return math::asinh(a);
  case MicroOp::Acosh:
    return math::acosh(a);
  case MicroOp::Atanh:
    return math::atanh(a);
  case MicroOp::Atan2:
    return math::atan2(a, b);
  case MicroOp::Pow:
    return math::pow(a, b);
  default:
    return 0;
  }
}

bool compareInts(CmpIntPredicate p, DType type, int64_t a, int64_t b) {
  __int128 sa = asSigned(type, a), sb = asSigned(type, b);
  __int128 ua = asUnsigned(type, a), ub = asUnsigned(type, b);
  switch (p) {
  case CmpIntPredicate::EQ:
    return a == b;
  case CmpIntPredicate::NE:
    return a != b;
  case CmpIntPredicate::SLT:
    return sa < sb;
  case CmpIntPredicate::SLE:
    return sa <= sb;
  case CmpIntPredicate::SGT:
    return sa > sb;
  case CmpIntPredicate::SGE:
    return sa >= sb;
  case CmpIntPredicate::ULT:
    return ua < ub;
  case CmpIntPredicate::ULE:
    return ua <= ub;
  case CmpIntPredicate::UGT:
    return ua > ub;
  case CmpIntPredicate::UGE:
    return ua >= ub;
  }
  return false;
}

bool compareFloats(CmpFloatPredicate p, double a, double b) {
  bool nan = std::isnan(a) || std::isnan(b);
  int code = int(p);
  // arith's numbering: bit 0 equal, 1 greater, 2 less, 3 unordered; the
  // ordered half comes first.
  switch (p) {
  case CmpFloatPredicate::False:
    return false;
  case CmpFloatPredicate::True:
    return true;
  case CmpFloatPredicate::ORD:
    return !nan;
  case CmpFloatPredicate::UNO:
    return nan;
  default:
    break;
  }
  if (nan)
    return code >= int(CmpFloatPredicate::UEQ);
  switch (p) {
  case CmpFloatPredicate::OEQ:
  case CmpFloatPredicate::UEQ:
    return a == b;
  case CmpFloatPredicate::OGT:
  case CmpFloatPredicate::UGT:
    return a > b;
  case CmpFloatPredicate::OGE:
  case CmpFloatPredicate::UGE:
    return a >= b;
  case CmpFloatPredicate::OLT:
  case CmpFloatPredicate::ULT:
    return a < b;
  case CmpFloatPredicate::OLE:
  case CmpFloatPredicate::ULE:
    return a <= b;
  default:
    return a != b;
  }
}

Scalar cast(DType from, DType to, Scalar v) {
  if (!isFloat(from) && !isFloat(to))
    return {wrap(to, valueOf(from, v.i)), 0};
  if (!isFloat(from)) {
    long double wide =
        from == DType::U64 ? (long double)(uint64_t(v.i)) : (long double)(v.i);
    if (to == DType::F16 || to == DType::BF16) {
      // Through round to odd, so that the second rounding sees what was cut.
      double d = double(wide);
      if ((long double)d != wide) {
        double toward =
            std::fabs(d) > std::fabs(wide) ? std::nextafter(d, 0) : d;
        uint64_t bits = std::bit_cast<uint64_t>(toward) | 1;
        d = std::bit_cast<double>(bits);
      }
      return {0, roundFloat(to, d)};
    }
    return {0, roundFloat(to, wide)};
  }
  if (isFloat(to))
    return {0, roundFloat(to, v.f)};
  if (std::isnan(v.f))
    return {};
  double t = std::trunc(v.f);
  if (t <= double(lowestOf(to)))
    return {wrap(to, lowestOf(to)), 0};
  if (t >= double(highestOf(to)))
    return {wrap(to, highestOf(to)), 0};
  return {int64_t(t), 0};
}

int64_t roundAndClamp(DType to, float scaled, int32_t zero) {
  float r = std::nearbyint(scaled);
  __int128 v = std::isnan(r)         ? 0
               : r >= 2147483648.0f  ? INT32_MAX
               : r <= -2147483648.0f ? INT32_MIN
                                     : __int128(r);
  return wrap(to, clamp(to, v + zero));
}

/// The value of one instruction; memory operations are handled outside.
Scalar evaluate(const MicroInst &inst, const std::vector<DType> &types,
                const std::vector<Scalar> &regs) {
  auto arg = [&](size_t i) {
    return i < inst.args.size() ? regs[inst.args[i]] : Scalar{};
  };
  DType first = inst.args.empty() ? inst.type : types[inst.args[0]];
  Scalar a = arg(0), b = arg(1), c = arg(2);
  switch (inst.op) {
  case MicroOp::Cast:
    return cast(first, inst.type, a);
  case MicroOp::Bitcast: {
    uint8_t memory[8];
    encodeScalar(first, a, memory);
    return decodeScalar(inst.type, memory);
  }
  case MicroOp::Quantize:
    return {roundAndClamp(inst.type, float(a.f) / float(b.f), int32_t(c.i)), 0};
  case MicroOp::Requantize:
    return {roundAndClamp(inst.type, float(int32_t(a.i)) * float(b.f),
                          int32_t(c.i)),
            0};
  case MicroOp::Dequantize:
    return {0,
            double(float(int32_t(uint32_t(a.i) - uint32_t(c.i))) * float(b.f))};
  case MicroOp::CmpInt:
    return {compareInts(CmpIntPredicate(inst.imm), first, a.i, b.i), 0};
  case MicroOp::CmpFloat:
    return {compareFloats(CmpFloatPredicate(inst.imm), a.f, b.f), 0};
  case MicroOp::IsNan:
    return {std::isnan(a.f), 0};
  case MicroOp::IsInf:
    return {std::isinf(a.f), 0};
  case MicroOp::Select:
    return a.i ? b : c;
  default:
    break;
  }
  if (!isFloat(inst.type))
    return integer(inst.type, inst, a.i, b.i);
  if (inst.type == DType::F64)
    return {0, floating<double>(inst, a.f, b.f, c.f)};
  float r = floating<float>(inst, float(a.f), float(b.f), float(c.f));
  return {0, roundFloat(inst.type, r)};
}

} // namespace

Scalar decodeScalar(DType type, const uint8_t *memory) {
  uint64_t bits = 0;
  std::memcpy(&bits, memory, byteSize(type));
  switch (type) {
  case DType::I1:
    return {bits != 0, 0};
  case DType::F16:
    return {0, numerics::halfToFloat(uint16_t(bits))};
  case DType::BF16:
    return {0, numerics::bfloatToFloat(uint16_t(bits))};
  case DType::F32:
    return {0, std::bit_cast<float>(uint32_t(bits))};
  case DType::F64:
    return {0, std::bit_cast<double>(bits)};
  default:
    return {wrap(type, __int128(bits)), 0};
  }
}

void encodeScalar(DType type, Scalar value, uint8_t *memory) {
  uint64_t bits = uint64_t(value.i);
  if (type == DType::F16)
    bits = numerics::doubleToHalf(value.f);
  else if (type == DType::BF16)
    bits = numerics::doubleToBfloat(value.f);
  else if (type == DType::F32)
    bits = std::bit_cast<uint32_t>(float(value.f));
  else if (type == DType::F64)
    bits = std::bit_cast<uint64_t>(value.f);
  std::memcpy(memory, &bits, byteSize(type));
}

bool runNaively(const Kernel &kernel, const Vec &op,
                const std::function<uint8_t *(size_t, int64_t)> &memory) {
  std::vector<DType> operandTypes = kernel.inputs;
  operandTypes.insert(operandTypes.end(), kernel.outputs.begin(),
                      kernel.outputs.end());
  std::vector<int64_t> index(op.sizes.size(), 0);
  for (bool more = true; more;) {
    std::vector<Scalar> regs(kernel.registers);
    std::vector<DType> types(kernel.registers, DType::F32);
    for (const MicroInst &inst : kernel.body) {
      bool stores = inst.op == MicroOp::Store || inst.op == MicroOp::Scatter;
      bool indexed = inst.op == MicroOp::Gather || inst.op == MicroOp::Scatter;
      if (stores || indexed || inst.op == MicroOp::Load) {
        const VecOperand &o = op.operands[inst.imm];
        int64_t offset = 0;
        for (size_t d = 0; d < index.size(); ++d)
          offset += index[d] * o.strides[d];
        for (size_t j = stores ? 1 : 0; indexed && j < inst.args.size(); ++j) {
          const Dim &dim = o.gather[j - (stores ? 1 : 0)];
          __int128 i = valueOf(types[inst.args[j]], regs[inst.args[j]].i);
          if (i < 0 || i >= dim.size)
            return false;
          offset += int64_t(i) * dim.stride;
        }
        uint8_t *p = memory(inst.imm, offset);
        if (stores) {
          encodeScalar(operandTypes[inst.imm], regs[inst.args[0]], p);
        } else {
          regs[inst.dst] = decodeScalar(operandTypes[inst.imm], p);
          types[inst.dst] = operandTypes[inst.imm];
        }
        continue;
      }
      DType result = inst.type;
      if (inst.op == MicroOp::Const) {
        regs[inst.dst] = decodeScalar(
            inst.type, reinterpret_cast<const uint8_t *>(&inst.imm));
      } else if (inst.op == MicroOp::Index) {
        int64_t base = op.indexBase.empty() ? 0 : op.indexBase[inst.imm];
        regs[inst.dst] = {index[inst.imm] + base, 0};
        result = DType::I64;
      } else {
        regs[inst.dst] = evaluate(inst, types, regs);
        if (inst.op == MicroOp::CmpInt || inst.op == MicroOp::CmpFloat ||
            inst.op == MicroOp::IsNan || inst.op == MicroOp::IsInf)
          result = DType::I1;
      }
      types[inst.dst] = result;
    }
    more = false;
    for (size_t d = index.size(); d-- > 0 && !more;)
      if (!(more = ++index[d] < op.sizes[d]))
        index[d] = 0;
  }
  return true;
}

} // namespace cim::test
