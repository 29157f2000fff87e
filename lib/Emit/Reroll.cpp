// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A queue is a sequence of tokens: instructions and loops. A token is
// a class (everything steps cannot change) and a vector of numbers (everything
// they can). Repetitions of period p whose numbers advance by constants become
// one loop token, whose class is the classes and the advances of its body and
// whose numbers are those of its first iteration; then the search starts over,
// so that loops of loops fall out of the same rule.

#include "cim/Emit/Reroll.h"

#include <map>
#include <unordered_map>

#include "StepFields.h"

namespace cim {
namespace {

using Words = std::vector<uint64_t>;

uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
  return hash ^ (hash >> 29);
}

struct WordsHash {
  size_t operator()(const Words &words) const {
    uint64_t hash = words.size();
    for (uint64_t word : words)
      hash = mix(hash, word);
    return hash;
  }
};

//===----------------------------------------------------------------------===//
// What makes two instructions the same class
//===----------------------------------------------------------------------===//

void add(Words &w, const Address &a) {
  w.push_back(uint64_t(a.space) << 8 | a.chip);
  w.push_back(a.offset);
}
template <typename T>
void add(Words &w, const std::vector<T> &list) {
  w.push_back(list.size());
  for (const T &element : list) {
    if constexpr (std::is_integral_v<T>)
      w.push_back(uint64_t(element));
    else
      add(w, element);
  }
}
void add(Words &w, const Dim &dim) {
  w.insert(w.end(), {uint64_t(dim.size), uint64_t(dim.stride)});
}
void add(Words &w, const VecOperand &operand) {
  add(w, operand.base);
  add(w, operand.strides);
  w.push_back(operand.gather.size());
  for (const Dim &dim : operand.gather)
    add(w, dim);
}
void add(Words &w, const Nop &) {}
void add(Words &w, const LoopEnd &) {}
void add(Words &w, const LoopBegin &op) { w.push_back(op.count); }
void add(Words &w, const DmaCopy &op) {
  add(w, op.src), add(w, op.dst);
  w.push_back(op.elemBytes);
  add(w, op.sizes), add(w, op.srcStrides), add(w, op.dstStrides);
}
void add(Words &w, const DmaFill &op) {
  add(w, op.dst);
  w.insert(w.end(), {op.elemBytes, op.value, op.dims.size()});
  for (const Dim &dim : op.dims)
    add(w, dim);
}
void add(Words &w, const WriteWeights &op) {
  w.insert(w.end(),
           {op.set, op.row0, op.col0, op.rows, op.cols, op.copies, op.copyCols,
            op.copyRowPitch, op.copyColPitch, uint64_t(op.format), op.planes,
            op.blockRows, uint64_t(op.rowStride), uint64_t(op.colStride)});
  add(w, op.src);
  add(w, op.planeMasks);
}
void add(Words &w, const Mac &op) {
  w.insert(w.end(), {op.set, op.row0, op.col0, op.rows, op.cols, op.copies,
                     uint64_t(op.actType), uint64_t(op.accStride),
                     uint64_t(op.init), op.m.size()});
  for (const std::vector<Dim> *dims : {&op.m, &op.k})
    for (const Dim &dim : *dims)
      add(w, dim);
  add(w, op.act), add(w, op.acc), add(w, op.bias);
}
void add(Words &w, const Vec &op) {
  w.insert(w.end(), {op.kernel, op.reductionMask, op.operands.size()});
  add(w, op.sizes), add(w, op.indexBase);
  for (const VecOperand &operand : op.operands)
    add(w, operand);
}
void add(Words &w, const Ctrl &op) {
  w.insert(w.end(), {op.kernel, op.operands.size()});
  add(w, op.params);
  for (const VecOperand &operand : op.operands)
    add(w, operand);
}

/// All of the instruction but its steps; zero its steppable fields first.
Words wordsOf(const Instruction &instruction) {
  Words w{instruction.op.index(), instruction.loc, instruction.signal,
          instruction.waits.size()};
  for (const Wait &wait : instruction.waits)
    w.insert(w.end(), {wait.id, wait.value});
  std::visit([&](const auto &op) { add(w, op); }, instruction.op);
  return w;
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

/// An instruction or a loop in the tree that is emitted.
struct Node {
  bool isLoop = false;
  size_t instruction = 0; ///< Leaf: index in the queue.
  std::vector<uint32_t> body;
  /// Advance per iteration of all numbers of the body, in order.
  Words deltas;
  Instruction begin, end; ///< Loop: its boundaries.
};

struct Token {
  uint32_t cls = 0;
  uint32_t node = 0;
  uint32_t weight = 1; ///< Instructions it takes.
  uint32_t height = 0; ///< Loops nested in it.
  Words numbers;
  /// Advances the program already gives the numbers, per loop around them.
  std::vector<Words> outer;
};

class Roller {
public:
  Roller(const std::vector<Instruction> &in, const RerollOptions &options)
      : in(in), options(options) {}

  /// Loops made; `out` is the new queue if there are any.
  uint64_t run(std::vector<Instruction> &out);

private:
  std::vector<Token> parse(size_t &at, unsigned depth);
  Token leaf(size_t at, unsigned depth);
  Token makeLoop(const Token *body, size_t size, Words deltas,
                 Instruction begin, Instruction end);
  Token closeLoop(std::vector<Token> body, size_t begin, size_t end);
  uint32_t classOf(Words words) {
    return classes.try_emplace(std::move(words), classes.size()).first->second;
  }

  void roll(std::vector<Token> &tokens, unsigned depth);
  bool rollPeriod(std::vector<Token> &tokens, size_t period, bool pairs,
                  unsigned depth);
  std::vector<size_t> periods(const std::vector<Token> &tokens) const;

  void emit(uint32_t node, std::vector<const uint64_t *> &deltas,
            std::vector<Instruction> &out) const;
  size_t numbersOf(uint32_t node) const;
  uint32_t firstLoc(uint32_t node) const;

  const std::vector<Instruction> &in;
  const RerollOptions &options;
  std::vector<Node> nodes;
  std::unordered_map<Words, uint32_t, WordsHash> classes;
  uint64_t loopsMade = 0;
  /// Comparisons left: bounds the time on streams made to be slow.
  uint64_t budget = 0;
};

Token Roller::leaf(size_t at, unsigned depth) {
  Instruction instruction = in[at];
  Token token;
  token.outer.resize(depth);
  forEachStepField(
      instruction, [&](StepField field, size_t index, auto &value) {
        token.numbers.push_back(uint64_t(value));
        value = 0;
        for (Words &level : token.outer)
          level.push_back(0);
        for (const Step &step : in[at].steps)
          if (step.field == field && step.index == index && step.loop < depth)
            token.outer[step.loop].back() += uint64_t(step.delta);
      });
  Words words = wordsOf(instruction);
  for (const Words &level : token.outer)
    words.insert(words.end(), level.begin(), level.end());
  token.cls = classOf(std::move(words));
  token.node = nodes.size();
  nodes.push_back({.instruction = at});
  return token;
}

Token Roller::makeLoop(const Token *body, size_t size, Words deltas,
                       Instruction begin, Instruction end) {
  Words words = wordsOf(begin), endWords = wordsOf(end);
  words.insert(words.end(), endWords.begin(), endWords.end());
  words.push_back(size);
  // Steps of a boundary count loops from outside: it must not move deeper.
  if (!begin.steps.empty() || !end.steps.empty())
    words.push_back(nodes.size());
  Token token;
  Node node{.isLoop = true};
  node.begin = std::move(begin);
  node.end = std::move(end);
  token.weight = 2;
  for (size_t i = 0; i < size; ++i) {
    words.push_back(body[i].cls);
    token.weight += body[i].weight;
    token.height = std::max(token.height, body[i].height);
    token.numbers.insert(token.numbers.end(), body[i].numbers.begin(),
                         body[i].numbers.end());
    node.body.push_back(body[i].node);
  }
  token.height += 1;
  words.insert(words.end(), deltas.begin(), deltas.end());
  token.cls = classOf(std::move(words));
  node.deltas = std::move(deltas);
  token.node = nodes.size();
  nodes.push_back(std::move(node));
  return token;
}

/// `outer` levels of a body below `depth`, joined.
std::vector<Words> joinOuter(const Token *body, size_t size, size_t depth) {
  std::vector<Words> outer(depth);
  for (size_t level = 0; level < depth; ++level)
    for (size_t i = 0; i < size; ++i)
      outer[level].insert(outer[level].end(), body[i].outer[level].begin(),
                          body[i].outer[level].end());
  return outer;
}

/// The token of a loop the program already has, in[begin] to in[end].
Token Roller::closeLoop(std::vector<Token> body, size_t begin, size_t end) {
  size_t depth = body.empty() ? 0 : body.front().outer.size() - 1;
  std::vector<Words> outer =
      joinOuter(body.data(), body.size(), body.empty() ? 0 : depth + 1);
  Words deltas;
  if (!outer.empty()) {
    deltas = std::move(outer.back());
    outer.pop_back();
  }
  Token token =
      makeLoop(body.data(), body.size(), std::move(deltas), in[begin],
               end < in.size() ? in[end] : Instruction{.op = LoopEnd{}});
  token.outer = std::move(outer);
  return token;
}

/// Tokens up to the end of the loop or queue, rolled.
std::vector<Token> Roller::parse(size_t &at, unsigned depth) {
  std::vector<Token> tokens;
  while (at < in.size() && !std::holds_alternative<LoopEnd>(in[at].op)) {
    if (!std::holds_alternative<LoopBegin>(in[at].op)) {
      tokens.push_back(leaf(at++, depth));
      continue;
    }
    size_t begin = at++;
    std::vector<Token> body = parse(at, depth + 1);
    tokens.push_back(closeLoop(std::move(body), begin, at));
    tokens.back().outer.resize(depth);
    ++at;
  }
  roll(tokens, depth);
  return tokens;
}

//===----------------------------------------------------------------------===//
// Search
//===----------------------------------------------------------------------===//

bool sameAdvance(const Token &a, const Token &b, const Token &c) {
  for (size_t i = 0; i < a.numbers.size(); ++i)
    if (b.numbers[i] - a.numbers[i] != c.numbers[i] - b.numbers[i])
      return false;
  return true;
}

/// Rolls the repetitions of one period, left to right; three or more
/// repetitions, or exactly two with `pairs`.
bool Roller::rollPeriod(std::vector<Token> &tokens, size_t period, bool pairs,
                        unsigned depth) {
  size_t n = tokens.size();
  if (2 * period > n)
    return false;
  budget -= std::min<uint64_t>(budget, n);
  // Whether position k goes on like the positions one (and two) periods later.
  auto continues = [&](size_t k) {
    if (k + (pairs ? 1 : 2) * period >= n)
      return false;
    const Token &a = tokens[k], &b = tokens[k + period];
    if (a.cls != b.cls || depth + a.height >= options.maxDepth)
      return false;
    if (pairs)
      return true;
    const Token &c = tokens[k + 2 * period];
    return b.cls == c.cls && sameAdvance(a, b, c);
  };
  std::vector<Token> out;
  bool changed = false;
  size_t runEnd = 0;   // First position >= i that does not continue.
  uint64_t weight = 0; // Of tokens i .. i + period - 1.
  for (size_t k = 0; k < period; ++k)
    weight += tokens[k].weight;
  auto advance = [&](size_t i) { // weight for i + 1
    weight -= tokens[i].weight;
    weight += i + period < n ? tokens[i + period].weight : 0;
  };
  for (size_t i = 0; i < n;) {
    runEnd = std::max(runEnd, i);
    while (continues(runEnd) && (!pairs || runEnd - i < period))
      ++runEnd;
    uint64_t count = 0;
    if (runEnd - i >= period)
      count = pairs ? 2 : (runEnd - i) / period + 2;
    if (count == 0 || weight * (count - 1) <= 2) {
      if (changed)
        out.push_back(std::move(tokens[i]));
      advance(i++);
      continue;
    }
    if (!changed)
      out.assign(std::make_move_iterator(tokens.begin()),
                 std::make_move_iterator(tokens.begin() + i));
    changed = true;
    Words deltas;
    for (size_t k = i; k < i + period; ++k)
      for (size_t f = 0; f < tokens[k].numbers.size(); ++f)
        deltas.push_back(tokens[k + period].numbers[f] - tokens[k].numbers[f]);
    std::vector<Words> outer = joinOuter(&tokens[i], period, depth);
    uint32_t loc = firstLoc(tokens[i].node);
    out.push_back(makeLoop(&tokens[i], period, std::move(deltas),
                           {.op = LoopBegin{count}, .loc = loc},
                           {.op = LoopEnd{}, .loc = loc}));
    out.back().outer = std::move(outer);
    ++loopsMade;
    for (size_t end = i + period * count; i < end;)
      advance(i++);
  }
  if (changed)
    tokens = std::move(out);
  return changed;
}

/// Periods worth trying, ascending: all short ones, and the most frequent
/// distances between equal groups of eight tokens.
std::vector<size_t> Roller::periods(const std::vector<Token> &tokens) const {
  constexpr size_t group = 8, most = 16;
  std::vector<size_t> result;
  size_t n = tokens.size();
  for (size_t p = 1; p <= std::min<size_t>(options.maxPeriod, n / 2); ++p)
    result.push_back(p);
  if (n < 2 * size_t(options.maxPeriod) + group)
    return result;
  std::unordered_map<uint64_t, size_t> last; // Looked up only.
  std::map<size_t, size_t> frequency;
  for (size_t i = 0; i + group <= n; ++i) {
    uint64_t hash = 0;
    for (size_t k = 0; k < group; ++k)
      hash = mix(hash, tokens[i + k].cls);
    auto [it, isNew] = last.try_emplace(hash, i);
    if (!isNew && i - it->second > options.maxPeriod)
      ++frequency[i - it->second];
    it->second = i;
  }
  std::vector<std::pair<size_t, size_t>> ranked; // (-frequency, period)
  for (auto [period, times] : frequency)
    ranked.push_back({~times, period});
  std::sort(ranked.begin(), ranked.end());
  ranked.resize(std::min(ranked.size(), most));
  for (auto [times, period] : ranked)
    result.push_back(period);
  std::sort(result.begin() + std::min<size_t>(options.maxPeriod, n / 2),
            result.end());
  return result;
}

void Roller::roll(std::vector<Token> &tokens, unsigned depth) {
  if (depth >= options.maxDepth)
    return;
  for (bool pairs : {false, true}) {
    // After every success from the shortest period on: the new loops may
    // repeat themselves.
    for (bool changed = true; changed && budget > 0;) {
      changed = false;
      for (size_t period : periods(tokens)) {
        if ((changed = rollPeriod(tokens, period, pairs, depth)) || budget == 0)
          break;
      }
    }
  }
}

//===----------------------------------------------------------------------===//
// Output
//===----------------------------------------------------------------------===//

uint32_t Roller::firstLoc(uint32_t node) const {
  return nodes[node].isLoop ? nodes[node].begin.loc
                            : in[nodes[node].instruction].loc;
}

size_t Roller::numbersOf(uint32_t node) const {
  if (nodes[node].isLoop)
    return nodes[node].deltas.size();
  size_t count = 0;
  forEachStepField(in[nodes[node].instruction],
                   [&](StepField, size_t, auto &) { ++count; });
  return count;
}

/// `deltas`: per loop around the node, the advances of the node's numbers.
void Roller::emit(uint32_t index, std::vector<const uint64_t *> &deltas,
                  std::vector<Instruction> &out) const {
  const Node &node = nodes[index];
  if (!node.isLoop) {
    Instruction &instruction = out.emplace_back(in[node.instruction]);
    instruction.steps.clear();
    size_t number = 0;
    forEachStepField(
        in[node.instruction], [&](StepField field, size_t position, auto &) {
          for (size_t loop = 0; loop < deltas.size(); ++loop)
            if (uint64_t delta = deltas[loop][number])
              instruction.steps.push_back(
                  {field, uint8_t(position), uint8_t(loop), int64_t(delta)});
          ++number;
        });
    return;
  }
  out.push_back(node.begin);
  std::vector<const uint64_t *> inner = deltas;
  inner.push_back(node.deltas.data());
  for (uint32_t child : node.body) {
    emit(child, inner, out);
    size_t count = numbersOf(child);
    for (const uint64_t *&level : inner)
      level += count;
  }
  out.push_back(node.end);
}

uint64_t Roller::run(std::vector<Instruction> &out) {
  budget = (4 * uint64_t(options.maxPeriod) + 256) * (in.size() + 1);
  size_t at = 0;
  std::vector<Token> tokens = parse(at, 0);
  // A loop end without a beginning stops the parse: leave such queues alone.
  if (loopsMade == 0 || at < in.size())
    return 0;
  std::vector<const uint64_t *> deltas;
  for (const Token &token : tokens)
    emit(token.node, deltas, out);
  return loopsMade;
}

} // namespace

RerollStats reroll(Program &program, const RerollOptions &options) {
  RerollStats stats;
  RerollOptions bounded = options;
  bounded.maxDepth = std::min(options.maxDepth, 4u);
  for (Stage *stage : {&program.load, &program.run})
    for (Queue &queue : stage->queues) {
      stats.before += queue.instructions.size();
      if (options.enabled) {
        std::vector<Instruction> out;
        if (uint64_t loops = Roller(queue.instructions, bounded).run(out)) {
          queue.instructions = std::move(out);
          stats.loops += loops;
        }
      }
      stats.after += queue.instructions.size();
    }
  return stats;
}

} // namespace cim
