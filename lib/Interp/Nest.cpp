// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Nest.h"

#include <algorithm>
#include <cstring>

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;

namespace cim::interp {

//===----------------------------------------------------------------------===//
// Indexing maps
//===----------------------------------------------------------------------===//

/// Adds factor * expr to coefficients and constant; false when not linear.
static bool addLinear(AffineExpr expr, int64_t factor,
                      std::vector<int64_t> &coefficients, int64_t &constant) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    coefficients[dim.getPosition()] += factor;
    return true;
  }
  if (auto value = dyn_cast<AffineConstantExpr>(expr)) {
    constant += factor * value.getValue();
    return true;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return false;
  if (binary.getKind() == AffineExprKind::Add)
    return addLinear(binary.getLHS(), factor, coefficients, constant) &&
           addLinear(binary.getRHS(), factor, coefficients, constant);
  auto scale = dyn_cast<AffineConstantExpr>(binary.getRHS());
  return binary.getKind() == AffineExprKind::Mul && scale &&
         addLinear(binary.getLHS(), factor * scale.getValue(), coefficients,
                   constant);
}

LogicalResult describeAccess(linalg::GenericOp op, AffineMap map,
                             RankedTensorType type, Access &access) {
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  access.strides.assign(sizes.size(), 0);
  access.offset = 0;
  bool empty = llvm::is_contained(sizes, 0);
  int64_t stride = access.element.bytes;
  for (int64_t r = type.getRank() - 1; r >= 0; --r) {
    std::vector<int64_t> coefficients(sizes.size(), 0);
    int64_t constant = 0;
    if (!addLinear(map.getResult(r), 1, coefficients, constant))
      return op.emitError("indexing map ")
             << AffineMapAttr::get(map) << " is not linear";
    int64_t low = constant, high = constant;
    for (auto [coefficient, size] : llvm::zip_equal(coefficients, sizes))
      (coefficient < 0 ? low : high) += coefficient * (size - 1);
    if (!empty && (low < 0 || high >= type.getDimSize(r)))
      return op.emitError("indexing map ")
             << AffineMapAttr::get(map) << " reads " << low << " to " << high
             << " of dimension " << r << " of " << type;
    for (size_t d = 0; d < sizes.size(); ++d)
      access.strides[d] += coefficients[d] * stride;
    access.offset += constant * stride;
    stride *= type.getDimSize(r);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

namespace {

/// Lanes run along a parallel loop, the reduction loops inside it; or, when
/// there are few parallel iterations, along the innermost reduction loop, whose
/// lanes the steps that depend on accumulators visit one by one ("folding").
class Runner {
public:
  explicit Runner(Nest &nest) : nest(nest), body(nest.body) {}
  bool run();

private:
  void mergeLoops();
  void eraseLoop(size_t d);
  int64_t chooseVectorLoop() const;
  void uniqueYields();
  void prepareRegisters();
  void splitForFold();
  void arrangeLoops();

  void load(size_t access, int64_t n, bool copy = false);
  void store(size_t output, uint16_t reg, int64_t n);
  void loadInputs(int64_t n) {
    for (size_t i = 0; i < nest.inputs.size(); ++i)
      load(i, n);
  }
  void runSteps(size_t begin, size_t end, int64_t n) {
    for (size_t i = begin; i < end; ++i)
      body.steps[i].loop(body.steps[i], lanes, n);
  }
  void yieldToAccumulators();
  void parallelChunk(int64_t n);
  void reduceChunk(int64_t n);
  void foldRow();
  void foldLanes(int64_t n);
  void alongVectorLoop(llvm::function_ref<void(int64_t n)> f);
  void forEach(const std::vector<int64_t> &loops, llvm::function_ref<void()> f);
  void move(int64_t loop, int64_t count);

  Nest &nest;
  Body &body;
  Lanes lanes;
  std::vector<std::vector<char>> buffers;
  std::vector<Access *> accesses;     ///< Inputs, then outputs.
  std::vector<char *> current;        ///< Address of each at the iteration.
  std::vector<int64_t> outer, inner;  ///< Loops around the lanes.
  std::vector<uint16_t> accumulators; ///< Register of each output.
  int64_t vectorLoop = 0;
  bool hasReduction = false, inRegisters = true, folding = false;
  size_t firstDependent = 0;    ///< Step that depends on accumulators.
  std::vector<uint16_t> walked; ///< Registers such steps read by lane.
};

void Runner::eraseLoop(size_t d) {
  nest.sizes.erase(nest.sizes.begin() + d);
  nest.reduction.erase(nest.reduction.begin() + d);
  body.usesIndex.erase(body.usesIndex.begin() + d);
  for (Access *access : accesses)
    access->strides.erase(access->strides.begin() + d);
  for (Step &step : body.steps)
    if (step.loop == indexLoop() && step.imm > static_cast<int64_t>(d))
      --step.imm;
}

/// Drops loops of one iteration; joins neighbours of one kind that every
/// operand walks as one. The order of iterations stays.
void Runner::mergeLoops() {
  for (size_t d = 0; d < nest.sizes.size();)
    if (nest.sizes[d] == 1 && !body.usesIndex[d])
      eraseLoop(d);
    else
      ++d;
  for (size_t d = 0; d + 1 < nest.sizes.size();) {
    bool joint = nest.reduction[d] == nest.reduction[d + 1] &&
                 !body.usesIndex[d] && !body.usesIndex[d + 1];
    for (Access *access : accesses)
      joint = joint &&
              access->strides[d] == access->strides[d + 1] * nest.sizes[d + 1];
    if (!joint) {
      ++d;
      continue;
    }
    nest.sizes[d + 1] *= nest.sizes[d];
    eraseLoop(d);
  }
}

/// The parallel loop whose lanes cost least, -1 when there is none.
int64_t Runner::chooseVectorLoop() const {
  int64_t best = -1;
  double bestCost = 0;
  for (size_t d = 0; d < nest.sizes.size(); ++d) {
    if (nest.reduction[d])
      continue;
    double cost = 40.0 / static_cast<double>(std::min(nest.sizes[d], maxLanes));
    for (const Access *access : accesses) {
      int64_t stride = access->strides[d];
      bool cheap =
          stride == 0 || stride == static_cast<int64_t>(access->element.bytes);
      cost += cheap ? 0.1 : 1.0;
    }
    if (best < 0 || cost < bestCost) {
      best = static_cast<int64_t>(d);
      bestCost = cost;
    }
  }
  return best;
}

/// Makes every yielded register one that a step of its own writes, so that
/// accumulators are updated by exchanging buffers.
void Runner::uniqueYields() {
  std::vector<bool> taken(body.registers.size(), true);
  for (const Step &step : body.steps)
    taken[step.dst] = false;
  for (uint16_t &yield : body.yields) {
    if (!taken[yield]) {
      taken[yield] = true;
      continue;
    }
    Step copy;
    copy.loop = copyLoop(body.registers[yield]);
    copy.a = yield;
    copy.args = 1;
    copy.dst = static_cast<uint16_t>(body.registers.size());
    body.registers.push_back(body.registers[yield]);
    taken.push_back(true);
    body.steps.push_back(copy);
    yield = copy.dst;
  }
  for (Access &output : nest.outputs) {
    if (output.reg < 0) {
      body.registers.push_back(output.element.kind);
      accumulators.push_back(static_cast<uint16_t>(body.registers.size() - 1));
    } else {
      accumulators.push_back(static_cast<uint16_t>(output.reg));
    }
  }
}

void Runner::prepareRegisters() {
  size_t count = body.registers.size();
  buffers.resize(count);
  lanes.own.resize(count);
  for (size_t r = 0; r < count; ++r) {
    buffers[r].resize(maxLanes * bytesOf(body.registers[r]));
    lanes.own[r] = buffers[r].data();
  }
  lanes.at.assign(lanes.own.begin(), lanes.own.end());
  for (auto [reg, bits] : body.constants) {
    unsigned size = bytesOf(body.registers[reg]);
    for (int64_t i = 0; i < maxLanes; ++i)
      std::memcpy(lanes.own[reg] + i * size, &bits, size);
  }
  lanes.gathers = &body.gathers;
  lanes.index.assign(nest.sizes.size(), 0);
}

/// Moves the steps that depend on accumulators to the end.
void Runner::splitForFold() {
  std::vector<bool> dependent(body.registers.size(), false);
  for (uint16_t reg : accumulators)
    dependent[reg] = true;
  auto operandsOf = [&](const Step &step) {
    uint16_t all[] = {step.a, step.b, step.c};
    std::vector<uint16_t> regs(all, all + step.args);
    if (step.loop == gatherLoop())
      regs = body.gathers[step.imm].indices;
    return regs;
  };
  std::vector<Step> before, after;
  for (const Step &step : body.steps) {
    bool depends = false;
    for (uint16_t reg : operandsOf(step))
      depends |= dependent[reg];
    dependent[step.dst] = depends;
    (depends ? after : before).push_back(step);
  }
  // Registers with a value per lane that the rest reads, or yields.
  std::vector<bool> perLane(body.registers.size(), false);
  for (const Access &input : nest.inputs)
    perLane[input.reg] = true;
  for (const Step &step : before)
    perLane[step.dst] = true;
  auto walk = [&](uint16_t reg) {
    if (perLane[reg]) {
      walked.push_back(reg);
      perLane[reg] = false;
    }
  };
  for (const Step &step : after)
    for (uint16_t reg : operandsOf(step))
      walk(reg);
  firstDependent = before.size();
  body.steps = std::move(before);
  body.steps.insert(body.steps.end(), after.begin(), after.end());
  // Yields are written by steps; an independent one would need its lane.
  for (uint16_t yield : body.yields)
    folding &= dependent[yield];
}

void Runner::arrangeLoops() {
  vectorLoop = chooseVectorLoop();
  if (vectorLoop < 0) { // a reduction to a single element
    nest.sizes.push_back(1);
    nest.reduction.push_back(false);
    for (Access *access : accesses)
      access->strides.push_back(0);
    vectorLoop = static_cast<int64_t>(nest.sizes.size()) - 1;
  }
  int64_t lastReduction = -1;
  for (size_t d = 0; d < nest.sizes.size(); ++d) {
    if (!nest.reduction[d])
      continue;
    hasReduction = true;
    lastReduction = static_cast<int64_t>(d);
    for (const Access &output : nest.outputs)
      inRegisters &= output.strides[d] == 0;
  }
  folding = hasReduction && inRegisters && nest.sizes[vectorLoop] < 8 &&
            nest.sizes[lastReduction] >= 16;
  if (hasReduction)
    uniqueYields();
  if (folding)
    splitForFold();
  if (folding)
    vectorLoop = lastReduction;
  for (size_t d = 0; d < nest.sizes.size(); ++d)
    if (static_cast<int64_t>(d) != vectorLoop)
      (nest.reduction[d] ? inner : outer).push_back(static_cast<int64_t>(d));
}

void Runner::load(size_t access, int64_t n, bool copy) {
  const Access &from = *accesses[access];
  int64_t stride = from.strides[vectorLoop];
  if (!copy && from.element.sameForm() &&
      (stride == static_cast<int64_t>(from.element.bytes) || n == 1)) {
    lanes.at[from.reg] = current[access];
    return;
  }
  decodeOf(from.element)(current[access], stride, lanes.own[from.reg], n);
  lanes.at[from.reg] = lanes.own[from.reg];
}

void Runner::store(size_t output, uint16_t reg, int64_t n) {
  const Access &to = nest.outputs[output];
  encodeOf(to.element)(lanes.at[reg], current[nest.inputs.size() + output],
                       to.strides[vectorLoop], n);
}

void Runner::move(int64_t loop, int64_t count) {
  lanes.index[loop] += count;
  for (size_t i = 0; i < accesses.size(); ++i)
    current[i] += accesses[i]->strides[loop] * count;
}

/// Calls f at every iteration of the loops, in lexicographic order.
void Runner::forEach(const std::vector<int64_t> &loops,
                     llvm::function_ref<void()> f) {
  while (true) {
    f();
    size_t d = loops.size();
    while (d > 0) {
      int64_t loop = loops[--d];
      move(loop, 1);
      if (lanes.index[loop] < nest.sizes[loop])
        break;
      move(loop, -nest.sizes[loop]);
      if (d == 0)
        return;
    }
    if (loops.empty())
      return;
  }
}

void Runner::alongVectorLoop(llvm::function_ref<void(int64_t n)> f) {
  int64_t size = nest.sizes[vectorLoop];
  for (int64_t begin = 0; begin < size; begin += maxLanes) {
    int64_t n = std::min(maxLanes, size - begin);
    f(n);
    move(vectorLoop, n);
  }
  move(vectorLoop, -size);
}

void Runner::yieldToAccumulators() {
  for (auto [accumulator, yield] : llvm::zip_equal(accumulators, body.yields)) {
    std::swap(lanes.own[accumulator], lanes.own[yield]);
    lanes.at[accumulator] = lanes.own[accumulator];
    lanes.at[yield] = lanes.own[yield];
  }
}

void Runner::parallelChunk(int64_t n) {
  loadInputs(n);
  for (size_t i = 0; i < nest.outputs.size(); ++i)
    if (nest.outputs[i].reg >= 0)
      load(nest.inputs.size() + i, n, /*copy=*/true);
  runSteps(0, body.steps.size(), n);
  for (size_t i = 0; i < nest.outputs.size(); ++i)
    store(i, body.yields[i], n);
}

void Runner::reduceChunk(int64_t n) {
  if (!inRegisters) {
    forEach(inner, [&] { parallelChunk(n); });
    return;
  }
  for (size_t i = 0; i < nest.outputs.size(); ++i)
    if (nest.outputs[i].reg >= 0)
      load(nest.inputs.size() + i, n, /*copy=*/true);
  forEach(inner, [&] {
    loadInputs(n);
    runSteps(0, body.steps.size(), n);
    yieldToAccumulators();
  });
  for (size_t i = 0; i < nest.outputs.size(); ++i)
    store(i, accumulators[i], n);
}

void Runner::foldLanes(int64_t n) {
  loadInputs(n);
  runSteps(0, firstDependent, n);
  for (int64_t i = 0; i < n; ++i) {
    runSteps(firstDependent, body.steps.size(), 1);
    yieldToAccumulators();
    for (uint16_t reg : walked)
      lanes.at[reg] += bytesOf(body.registers[reg]);
  }
  for (uint16_t reg : walked)
    lanes.at[reg] = lanes.own[reg];
}

void Runner::foldRow() {
  for (size_t i = 0; i < nest.outputs.size(); ++i)
    if (nest.outputs[i].reg >= 0)
      load(nest.inputs.size() + i, 1, /*copy=*/true);
  forEach(inner, [&] { alongVectorLoop([&](int64_t n) { foldLanes(n); }); });
  for (size_t i = 0; i < nest.outputs.size(); ++i)
    store(i, accumulators[i], 1);
}

bool Runner::run() {
  if (llvm::is_contained(nest.sizes, 0))
    return true;
  for (Access &input : nest.inputs)
    accesses.push_back(&input);
  for (Access &output : nest.outputs)
    accesses.push_back(&output);
  mergeLoops();
  arrangeLoops();
  prepareRegisters();
  lanes.vectorLoop = vectorLoop;
  for (Access *access : accesses)
    current.push_back(access->data + access->offset);
  forEach(outer, [&] {
    if (folding)
      foldRow();
    else if (hasReduction)
      alongVectorLoop([&](int64_t n) { reduceChunk(n); });
    else
      alongVectorLoop([&](int64_t n) { parallelChunk(n); });
  });
  return !lanes.outOfBounds;
}

} // namespace

bool runNest(Nest nest) { return Runner(nest).run(); }

} // namespace cim::interp
