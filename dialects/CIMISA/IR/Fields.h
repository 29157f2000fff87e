// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The fields of every structure an op holds, listed once: from the list follow
// the attribute form (generic assembly, bytecode) and the hash.
#ifndef DIALECTS_CIMISA_IR_FIELDS_H
#define DIALECTS_CIMISA_IR_FIELDS_H

#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "dialects/CIMISA/IR/Structs.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/Hashing.h"

namespace cim::isa {

template <typename Struct, typename Member>
struct Field {
  const char *name;
  Member Struct::*member;
};
template <typename S, typename M>
constexpr Field<S, M> field(const char *name, M S::*member) {
  return {name, member};
}

/// The fields of `T`; specialised below for every structure.
template <typename T>
struct FieldsOf;
#define CIM_ISA_FIELDS(T, ...)                                                 \
  template <>                                                                  \
  struct FieldsOf<T> {                                                         \
    using S = T;                                                               \
    static constexpr auto list = std::make_tuple(__VA_ARGS__);                 \
  };
#define CIM_F(name) field(#name, &S::name)

CIM_ISA_FIELDS(cim::Address, CIM_F(space), CIM_F(chip), CIM_F(offset))
CIM_ISA_FIELDS(cim::Dim, CIM_F(size), CIM_F(stride))
CIM_ISA_FIELDS(cim::Wait, CIM_F(id), CIM_F(value))
CIM_ISA_FIELDS(cim::Step, CIM_F(field), CIM_F(index), CIM_F(loop), CIM_F(delta))
CIM_ISA_FIELDS(cim::DmaCopy, CIM_F(src), CIM_F(dst), CIM_F(elemBytes),
               CIM_F(sizes), CIM_F(srcStrides), CIM_F(dstStrides))
CIM_ISA_FIELDS(cim::DmaFill, CIM_F(dst), CIM_F(elemBytes), CIM_F(value),
               CIM_F(dims))
CIM_ISA_FIELDS(cim::WriteWeights, CIM_F(set), CIM_F(row0), CIM_F(col0),
               CIM_F(rows), CIM_F(cols), CIM_F(copies), CIM_F(copyCols),
               CIM_F(copyRowPitch), CIM_F(copyColPitch), CIM_F(format),
               CIM_F(planes), CIM_F(blockRows), CIM_F(src), CIM_F(rowStride),
               CIM_F(colStride), CIM_F(planeMasks))
CIM_ISA_FIELDS(cim::Mac, CIM_F(set), CIM_F(row0), CIM_F(col0), CIM_F(rows),
               CIM_F(cols), CIM_F(copies), CIM_F(actType), CIM_F(act), CIM_F(m),
               CIM_F(k), CIM_F(acc), CIM_F(accStride), CIM_F(init), CIM_F(bias))
CIM_ISA_FIELDS(cim::VecOperand, CIM_F(base), CIM_F(strides), CIM_F(gather))
CIM_ISA_FIELDS(cim::Vec, CIM_F(kernel), CIM_F(sizes), CIM_F(reductionMask),
               CIM_F(indexBase), CIM_F(operands))
CIM_ISA_FIELDS(cim::Ctrl, CIM_F(kernel), CIM_F(params), CIM_F(operands))
CIM_ISA_FIELDS(cim::LoopBegin, CIM_F(count))
CIM_ISA_FIELDS(cim::QuantInfo, CIM_F(scale), CIM_F(zeroPoint))
CIM_ISA_FIELDS(cim::OutputLength, CIM_F(dim), CIM_F(output))
CIM_ISA_FIELDS(cim::TensorInfo, CIM_F(name), CIM_F(type), CIM_F(shape),
               CIM_F(address), CIM_F(quant), CIM_F(lengths), CIM_F(hidden))
CIM_ISA_FIELDS(cim::Location, CIM_F(node), CIM_F(layer))
CIM_ISA_FIELDS(cim::LayerInfo, CIM_F(name), CIM_F(op), CIM_F(format),
               CIM_F(nodes), CIM_F(macs), CIM_F(predictedCycles),
               CIM_F(schedule), CIM_F(note))
CIM_ISA_FIELDS(cim::BufferInfo, CIM_F(name), CIM_F(address), CIM_F(core),
               CIM_F(size), CIM_F(firstLayer), CIM_F(lastLayer))
CIM_ISA_FIELDS(Issue, CIM_F(waits), CIM_F(signal), CIM_F(steps))
CIM_ISA_FIELDS(ProgramFacts, CIM_F(semaphores), CIM_F(dramBytes),
               CIM_F(predictedCycles), CIM_F(lowerBoundCycles),
               CIM_F(predictedLoadCycles))
CIM_ISA_FIELDS(KernelFacts, CIM_F(name), CIM_F(renamed), CIM_F(inputs),
               CIM_F(outputs), CIM_F(registers))
CIM_ISA_FIELDS(MicroFields, CIM_F(op), CIM_F(type), CIM_F(srcType), CIM_F(reg),
               CIM_F(imm))
CIM_ISA_FIELDS(QueueFacts, CIM_F(chip), CIM_F(core), CIM_F(engine),
               CIM_F(index))
CIM_ISA_FIELDS(LocationTable, CIM_F(entries))
#undef CIM_F
#undef CIM_ISA_FIELDS

/// Last enumerator of the enumerations that occur as fields: an attribute with
/// a larger number is refused.
template <typename E>
constexpr uint64_t kLastOf = std::numeric_limits<uint64_t>::max();
template <>
inline constexpr uint64_t kLastOf<DType> = uint64_t(DType::F64);
template <>
inline constexpr uint64_t kLastOf<Space> = uint64_t(Space::ACC);
template <>
inline constexpr uint64_t kLastOf<WeightFormat> = uint64_t(WeightFormat::F16);
template <>
inline constexpr uint64_t kLastOf<AccInit> = uint64_t(AccInit::Accumulate);
template <>
inline constexpr uint64_t kLastOf<StepField> = uint64_t(StepField::IndexBase);
template <>
inline constexpr uint64_t kLastOf<Engine> = uint64_t(Engine::Ctrl);
template <>
inline constexpr uint64_t kLastOf<cim::MicroOp> = uint64_t(cim::MicroOp::IsInf);

namespace detail {
template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
template <typename T>
constexpr bool isNumber =
    (std::is_integral_v<T> || std::is_enum_v<T>) && sizeof(T) <= 8;

template <typename T>
int64_t toInt(T value) {
  return static_cast<int64_t>(value);
}
/// Refuses numbers the field cannot hold.
template <typename T>
bool fromInt(int64_t value, T &out) {
  if constexpr (std::is_enum_v<T>) {
    if (static_cast<uint64_t>(value) > kLastOf<T>)
      return false;
  }
  out = static_cast<T>(value);
  return static_cast<int64_t>(out) == value;
}
} // namespace detail

using EmitErrorFn = llvm::function_ref<mlir::InFlightDiagnostic()>;

/// The attribute form of a number, string, vector or structure.
template <typename T>
mlir::Attribute toAttribute(mlir::MLIRContext *ctx, const T &value) {
  mlir::Builder builder(ctx);
  if constexpr (detail::isNumber<T>) {
    return builder.getI64IntegerAttr(detail::toInt(value));
  } else if constexpr (std::is_same_v<T, float>) {
    return builder.getF32FloatAttr(value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return builder.getStringAttr(value);
  } else if constexpr (detail::IsVector<T>::value) {
    if constexpr (detail::isNumber<typename T::value_type>) {
      llvm::SmallVector<int64_t> numbers;
      for (auto element : value)
        numbers.push_back(detail::toInt(element));
      return builder.getDenseI64ArrayAttr(numbers);
    } else {
      llvm::SmallVector<mlir::Attribute> elements;
      for (const auto &element : value)
        elements.push_back(toAttribute(ctx, element));
      return builder.getArrayAttr(elements);
    }
  } else {
    llvm::SmallVector<mlir::NamedAttribute> entries;
    std::apply(
        [&](const auto &...f) {
          (entries.push_back(
               builder.getNamedAttr(f.name, toAttribute(ctx, value.*f.member))),
           ...);
        },
        FieldsOf<T>::list);
    return builder.getDictionaryAttr(entries);
  }
}

/// Inverse of toAttribute. Fields absent from a dictionary keep their values;
/// unknown ones and values out of range are errors.
template <typename T>
llvm::LogicalResult fromAttribute(mlir::Attribute attr, T &value,
                                  EmitErrorFn emitError) {
  auto expected = [&](const char *what) -> llvm::LogicalResult {
    return emitError() << "expected " << what << " but got " << attr;
  };
  if constexpr (detail::isNumber<T>) {
    auto number = llvm::dyn_cast_or_null<mlir::IntegerAttr>(attr);
    if (!number || number.getValue().getBitWidth() > 64 ||
        !detail::fromInt(number.getValue().getSExtValue(), value))
      return expected("an integer in the field's range");
  } else if constexpr (std::is_same_v<T, float>) {
    auto number = llvm::dyn_cast_or_null<mlir::FloatAttr>(attr);
    if (!number || !number.getType().isF32())
      return expected("an f32");
    value = number.getValue().convertToFloat();
  } else if constexpr (std::is_same_v<T, std::string>) {
    auto string = llvm::dyn_cast_or_null<mlir::StringAttr>(attr);
    if (!string)
      return expected("a string");
    value = string.getValue().str();
  } else if constexpr (detail::IsVector<T>::value) {
    value.clear();
    if constexpr (detail::isNumber<typename T::value_type>) {
      auto numbers = llvm::dyn_cast_or_null<mlir::DenseI64ArrayAttr>(attr);
      if (!numbers)
        return expected("array<i64>");
      for (int64_t number : numbers.asArrayRef()) {
        typename T::value_type element;
        if (!detail::fromInt(number, element))
          return expected("integers in the field's range");
        value.push_back(element);
      }
    } else {
      auto elements = llvm::dyn_cast_or_null<mlir::ArrayAttr>(attr);
      if (!elements)
        return expected("an array");
      for (mlir::Attribute element : elements)
        if (failed(fromAttribute(element, value.emplace_back(), emitError)))
          return llvm::failure();
    }
  } else {
    auto dict = llvm::dyn_cast_or_null<mlir::DictionaryAttr>(attr);
    if (!dict)
      return expected("a dictionary");
    size_t found = 0;
    bool ok = std::apply(
        [&](const auto &...f) {
          auto read = [&](const auto &one) {
            mlir::Attribute entry = dict.get(one.name);
            if (!entry)
              return true;
            ++found;
            return succeeded(
                fromAttribute(entry, value.*one.member, emitError));
          };
          return (read(f) && ...);
        },
        FieldsOf<T>::list);
    if (!ok)
      return llvm::failure();
    if (found != dict.size())
      return expected("known fields only");
  }
  return llvm::success();
}

/// A hash over all fields.
template <typename T>
llvm::hash_code hashFields(const T &value) {
  if constexpr (detail::isNumber<T>) {
    return llvm::hash_value(detail::toInt(value));
  } else if constexpr (std::is_same_v<T, float>) {
    return llvm::hash_value(llvm::bit_cast<uint32_t>(value));
  } else if constexpr (std::is_same_v<T, std::string>) {
    return llvm::hash_value(llvm::StringRef(value));
  } else if constexpr (detail::IsVector<T>::value) {
    llvm::hash_code code(value.size());
    for (const auto &element : value)
      code = llvm::hash_combine(code, hashFields(element));
    return code;
  } else {
    llvm::hash_code code(0);
    std::apply(
        [&](const auto &...f) {
          ((code = llvm::hash_combine(code, hashFields(value.*f.member))), ...);
        },
        FieldsOf<T>::list);
    return code;
  }
}

} // namespace cim::isa

#endif // DIALECTS_CIMISA_IR_FIELDS_H
