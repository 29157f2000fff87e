// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "DeltaCodec.h"

#include <map>
#include <type_traits>

#include "cim/Support/Status.h"

namespace cim {
namespace {

//===----------------------------------------------------------------------===//
// The order of an element's fields, shared by both directions. `Ar` has
//   tag(x, limit)    part of the shape, below limit
//   list(v, limit)   length of v, part of the shape, at most limit
//   value(x)         integer word      value(x, last)   enum up to `last`
//===----------------------------------------------------------------------===//

template <typename Ar, typename T>
void visitAddress(Ar &ar, T &address) {
  ar.value(address.space, Space::ACC);
  ar.value(address.chip);
  ar.value(address.offset);
}

template <typename Ar, typename T>
void visitInts(Ar &ar, T &list, uint64_t limit) {
  ar.list(list, limit);
  for (auto &x : list)
    ar.value(x);
}

template <typename Ar, typename T>
void visitDims(Ar &ar, T &dims) {
  ar.list(dims, kMaxDims);
  for (auto &dim : dims) {
    ar.value(dim.size);
    ar.value(dim.stride);
  }
}

template <typename Ar, typename T>
void visitOperands(Ar &ar, T &operands) {
  ar.list(operands, kMaxOperands);
  for (auto &operand : operands) {
    visitAddress(ar, operand.base);
    visitInts(ar, operand.strides, kMaxDims);
    visitDims(ar, operand.gather);
  }
}

template <typename Ar, typename T>
void visitOp(Ar &ar, T &op) {
  using Op = std::remove_const_t<T>;
  if constexpr (std::is_same_v<Op, LoopBegin>) {
    ar.value(op.count);
  } else if constexpr (std::is_same_v<Op, DmaCopy>) {
    visitAddress(ar, op.src);
    visitAddress(ar, op.dst);
    ar.value(op.elemBytes);
    visitInts(ar, op.sizes, kMaxDims);
    visitInts(ar, op.srcStrides, kMaxDims);
    visitInts(ar, op.dstStrides, kMaxDims);
  } else if constexpr (std::is_same_v<Op, DmaFill>) {
    visitAddress(ar, op.dst);
    ar.value(op.elemBytes);
    ar.value(op.value);
    visitDims(ar, op.dims);
  } else if constexpr (std::is_same_v<Op, WriteWeights>) {
    ar.value(op.set);
    ar.value(op.row0), ar.value(op.col0), ar.value(op.rows), ar.value(op.cols);
    ar.value(op.copies), ar.value(op.copyCols);
    ar.value(op.copyRowPitch), ar.value(op.copyColPitch);
    ar.value(op.format, WeightFormat::F16);
    ar.value(op.planes), ar.value(op.blockRows);
    visitAddress(ar, op.src);
    ar.value(op.rowStride), ar.value(op.colStride);
    visitInts(ar, op.planeMasks, kMaxPlaneMasks);
  } else if constexpr (std::is_same_v<Op, Mac>) {
    ar.value(op.set);
    ar.value(op.row0), ar.value(op.col0), ar.value(op.rows), ar.value(op.cols);
    ar.value(op.copies);
    ar.value(op.actType, DType::F64);
    visitAddress(ar, op.act);
    visitDims(ar, op.m);
    visitDims(ar, op.k);
    visitAddress(ar, op.acc);
    ar.value(op.accStride);
    ar.value(op.init, AccInit::Accumulate);
    visitAddress(ar, op.bias);
  } else if constexpr (std::is_same_v<Op, Vec>) {
    ar.value(op.kernel);
    visitInts(ar, op.sizes, kMaxDims);
    ar.value(op.reductionMask);
    visitInts(ar, op.indexBase, kMaxDims);
    visitOperands(ar, op.operands);
  } else if constexpr (std::is_same_v<Op, Ctrl>) {
    ar.value(op.kernel);
    visitInts(ar, op.params, kMaxParams);
    visitOperands(ar, op.operands);
  } else {
    static_assert(std::is_same_v<Op, Nop> || std::is_same_v<Op, LoopEnd>);
  }
}

template <typename Ar, typename T>
void visitElement(Ar &ar, T &instruction)
  requires std::is_same_v<std::remove_const_t<T>, Instruction>
{
  ar.alternative(instruction.op);
  ar.value(instruction.loc);
  ar.value(instruction.signal);
  ar.list(instruction.waits, kMaxWaits);
  for (auto &wait : instruction.waits) {
    ar.value(wait.id);
    ar.value(wait.value);
  }
  ar.list(instruction.steps, kMaxSteps);
  for (auto &step : instruction.steps) {
    ar.value(step.field, StepField::IndexBase);
    ar.value(step.index);
    ar.value(step.loop);
    ar.value(step.delta);
  }
  std::visit([&](auto &op) { visitOp(ar, op); }, instruction.op);
}

template <typename Ar, typename T>
void visitElement(Ar &ar, T &inst)
  requires std::is_same_v<std::remove_const_t<T>, MicroInst>
{
  ar.value(inst.op, MicroOp::IsInf);
  ar.value(inst.type, DType::F64);
  ar.value(inst.srcType, DType::F64);
  ar.value(inst.dst);
  visitInts(ar, inst.args, kMaxMicroArgs);
  ar.value(inst.imm);
}

//===----------------------------------------------------------------------===//
// Archives.
//===----------------------------------------------------------------------===//

template <typename T>
uint64_t toWord(T value) {
  if constexpr (std::is_enum_v<T>)
    return static_cast<uint64_t>(value);
  else if constexpr (std::is_signed_v<T>)
    return static_cast<uint64_t>(static_cast<int64_t>(value));
  else
    return value;
}

/// Takes an element apart.
struct Splitter {
  std::vector<uint64_t> shape, words;
  bool ok = true;

  template <typename V>
  void alternative(const V &op) {
    shape.push_back(op.index());
  }
  template <typename T>
  void list(const std::vector<T> &v, uint64_t limit) {
    ok &= v.size() <= limit;
    shape.push_back(v.size());
  }
  template <typename T>
  void value(const T &x) {
    words.push_back(toWord(x));
  }
  template <typename T>
  void value(const T &x, T last) {
    ok &= x <= last;
    words.push_back(toWord(x));
  }
};

template <size_t I = 0>
bool emplaceAlternative(Operation &op, uint64_t index) {
  if constexpr (I == std::variant_size_v<Operation>) {
    return false;
  } else {
    if (index != I)
      return emplaceAlternative<I + 1>(op, index);
    op.template emplace<I>();
    return true;
  }
}

/// Puts an element together. With `words` null every word is zero and only
/// `wordCount` and `bytes` are of interest.
struct Joiner {
  const std::vector<uint64_t> &shape;
  const std::vector<uint64_t> *words;
  size_t shapeAt = 0, wordCount = 0;
  uint64_t bytes = 0; ///< Memory of the element's lists.
  bool ok = true;

  uint64_t nextShape() {
    if (shapeAt < shape.size())
      return shape[shapeAt++];
    ok = false;
    return 0;
  }
  uint64_t nextWord() {
    size_t at = wordCount++;
    return words ? (*words)[at] : 0;
  }
  void alternative(Operation &op) { ok &= emplaceAlternative(op, nextShape()); }
  template <typename T>
  void list(std::vector<T> &v, uint64_t limit) {
    uint64_t length = nextShape();
    ok &= length <= limit;
    if (!ok)
      length = 0;
    bytes += length * sizeof(T);
    v.resize(length);
  }
  template <typename T>
  void value(T &x) {
    uint64_t word = nextWord();
    x = static_cast<T>(word);
    ok &= toWord(x) == word;
  }
  template <typename T>
  void value(T &x, T last) {
    uint64_t word = nextWord();
    ok &= word <= toWord(last);
    x = ok ? static_cast<T>(word) : T{};
  }
};

//===----------------------------------------------------------------------===//
// Streams.
//===----------------------------------------------------------------------===//

void putVarint(std::string &code, uint64_t x) {
  for (; x >= 0x80; x >>= 7)
    code.push_back(static_cast<char>(x | 0x80));
  code.push_back(static_cast<char>(x));
}

/// Little-endian base 128; at most ten bytes, the last of at most one bit.
bool getVarint(std::string_view &code, uint64_t &x) {
  x = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (code.empty())
      return false;
    uint8_t byte = static_cast<uint8_t>(code.front());
    code.remove_prefix(1);
    if (shift == 63 && byte > 1)
      return false;
    x |= uint64_t(byte & 0x7f) << shift;
    if (!(byte & 0x80))
      return true;
  }
  return false;
}

uint64_t zigzag(uint64_t x) { return x << 1 ^ (x >> 63 ? ~uint64_t(0) : 0); }
uint64_t unzigzag(uint64_t x) { return x >> 1 ^ (x & 1 ? ~uint64_t(0) : 0); }

template <typename T>
absl::Status encode(const std::vector<T> &elements, std::string &code) {
  std::map<std::vector<uint64_t>, size_t> index; // shape -> 1-based number
  std::vector<std::vector<uint64_t>> last;       // words by shape number - 1
  for (const T &element : elements) {
    Splitter split;
    visitElement(split, element);
    if (!split.ok)
      return invalidArgument("an instruction has too many dimensions, operands "
                             "or waits, or an unknown enumerator");
    auto [at, added] = index.try_emplace(split.shape, last.size() + 1);
    if (added) {
      putVarint(code, 0);
      putVarint(code, split.shape.size());
      for (uint64_t x : split.shape)
        putVarint(code, x);
      last.emplace_back(split.words.size(), 0);
    } else {
      putVarint(code, at->second);
    }
    std::vector<uint64_t> &previous = last[at->second - 1];
    size_t mask = code.size();
    code.append((split.words.size() + 7) / 8, '\0');
    for (size_t i = 0; i < split.words.size(); ++i) {
      if (split.words[i] == previous[i])
        continue;
      code[mask + i / 8] |= static_cast<char>(1 << i % 8);
      putVarint(code, zigzag(split.words[i] - previous[i]));
    }
    previous = std::move(split.words);
  }
  return absl::OkStatus();
}

/// A shape met in a stream, with the words of its latest element.
struct ShapeState {
  std::vector<uint64_t> shape, words;
  uint64_t bytes = 0; ///< Memory one element takes.
};

template <typename T>
class Decoder {
public:
  Decoder(std::string_view code, uint64_t &budget)
      : code(code), budget(budget) {}

  absl::Status run(uint64_t count, std::vector<T> &elements) {
    for (uint64_t i = 0; i < count; ++i) {
      T element;
      if (!next(element))
        return invalidArgument("instruction ", i, " is damaged");
      elements.push_back(std::move(element));
    }
    if (!code.empty())
      return invalidArgument(code.size(), " bytes after the last instruction");
    return absl::OkStatus();
  }

private:
  bool newShape() {
    uint64_t length = 0;
    // Longest shape: a vector instruction with all its operands.
    if (!getVarint(code, length) || length > 4 + 2 + 2 * kMaxOperands ||
        length > code.size())
      return false;
    ShapeState state;
    for (uint64_t i = 0, x = 0; i < length; ++i) {
      if (!getVarint(code, x))
        return false;
      state.shape.push_back(x);
    }
    T probe;
    Joiner measure{state.shape, nullptr};
    visitElement(measure, probe);
    if (!measure.ok || measure.shapeAt != state.shape.size())
      return false;
    state.bytes = sizeof(T) + measure.bytes;
    // The state itself is charged like an element.
    if (!charge(state.bytes + measure.wordCount * 8 + sizeof(ShapeState)))
      return false;
    state.words.assign(measure.wordCount, 0);
    states.push_back(std::move(state));
    return true;
  }

  bool charge(uint64_t bytes) {
    if (bytes > budget)
      return false;
    budget -= bytes;
    return true;
  }

  bool next(T &element) {
    uint64_t number = 0;
    if (!getVarint(code, number))
      return false;
    if (number == 0) {
      if (!newShape())
        return false;
      number = states.size();
    }
    if (number > states.size())
      return false;
    ShapeState &state = states[number - 1];
    size_t maskBytes = (state.words.size() + 7) / 8;
    if (code.size() < maskBytes || !charge(state.bytes))
      return false;
    std::string_view mask = code.substr(0, maskBytes);
    code.remove_prefix(maskBytes);
    for (size_t i = 0; i < maskBytes * 8; ++i) {
      if (!(static_cast<uint8_t>(mask[i / 8]) >> i % 8 & 1))
        continue;
      uint64_t delta = 0;
      if (i >= state.words.size() || !getVarint(code, delta))
        return false;
      state.words[i] += unzigzag(delta);
    }
    Joiner join{state.shape, &state.words};
    visitElement(join, element);
    return join.ok;
  }

  std::string_view code;
  uint64_t &budget;
  std::vector<ShapeState> states;
};

} // namespace

absl::Status encodeStream(const std::vector<Instruction> &elements,
                          std::string &code) {
  return encode(elements, code);
}

absl::Status encodeStream(const std::vector<MicroInst> &elements,
                          std::string &code) {
  return encode(elements, code);
}

absl::Status decodeStream(std::string_view code, uint64_t count,
                          uint64_t &budget,
                          std::vector<Instruction> &elements) {
  return Decoder<Instruction>(code, budget).run(count, elements);
}

absl::Status decodeStream(std::string_view code, uint64_t count,
                          uint64_t &budget, std::vector<MicroInst> &elements) {
  return Decoder<MicroInst>(code, budget).run(count, elements);
}

} // namespace cim
