// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Slice, Split, ReverseSequence.

#include "Binder.h"

using namespace mlir;

namespace cim::onnx {
namespace {

/// x[start], x[start + step], ... of each dimension, `sizes` of them. Negative
/// steps are gathers.
Value emitSlice(Emitter &e, Value x, ArrayRef<int64_t> starts,
                ArrayRef<int64_t> sizes, ArrayRef<int64_t> steps) {
  bool hasReverse = false;
  Shape offsets(starts), strides(steps);
  for (auto [i, step] : llvm::enumerate(steps)) {
    // A reversed dimension is cut out forward first.
    if (step < 0 && sizes[i] > 0) {
      offsets[i] = starts[i] + (sizes[i] - 1) * step;
      strides[i] = -step;
      hasReverse |= sizes[i] > 1;
    } else if (step < 0) {
      strides[i] = 1;
    }
    if (sizes[i] <= 1)
      strides[i] = 1;
  }
  Value cut = e.slice(x, offsets, sizes, strides);
  if (!hasReverse)
    return cut;
  return e.indexed(sizes, elementOf(x), [&](Scalars &s, ValueRange indices) {
    SmallVector<Value> at(indices);
    for (auto [i, step] : llvm::enumerate(steps))
      if (step < 0)
        at[i] = s.make<arith::SubIOp>(s.index(sizes[i] - 1), indices[i]);
    return s.extract(cut, at);
  });
}

/// NumPy's rules for one dimension: clamps and counts.
void clampRange(int64_t dim, int64_t step, int64_t &start, int64_t &end,
                int64_t &size) {
  auto wrap = [&](int64_t v) { return v < 0 ? v + dim : v; };
  if (step > 0) {
    start = std::clamp<int64_t>(wrap(start), 0, dim);
    end = std::clamp<int64_t>(wrap(end), 0, dim);
    size = start < end ? (end - start - 1) / step + 1 : 0;
    return;
  }
  start = std::clamp<int64_t>(wrap(start), -1, dim - 1);
  // An end below -dim means "through element 0".
  end = end < -dim ? -1 : std::clamp<int64_t>(wrap(end), -1, dim - 1);
  size = start > end ? (start - end - 1) / -step + 1 : 0;
}

/// The length that is left of one that a run decides.
Value slicedLength(NodeBinder &n, Value length, int64_t start, int64_t end,
                   int64_t step) {
  Type i64 = n.b.getI64Type();
  return n.e.map(length, {}, i64, [&](Scalars &s, ValueRange args) {
    auto number = [&](int64_t v) { return s.constantInt(i64, v); };
    Value stop =
        end < 0 ? s.add(args[0], number(end)) : s.min(args[0], number(end));
    Value left = s.max(s.sub(stop, number(start)), number(0));
    return s.div(s.add(left, number(step - 1)), number(step));
  });
}

LogicalResult slice(NodeBinder &n, const Shape &starts, const Shape &ends,
                    std::optional<Shape> axes, std::optional<Shape> steps) {
  if (!axes) {
    axes.emplace();
    for (size_t i = 0; i < starts.size(); ++i)
      axes->push_back(i);
  }
  if (!steps)
    steps = Shape(starts.size(), 1);
  if (ends.size() != starts.size() || axes->size() != starts.size() ||
      steps->size() != starts.size())
    return n.fail("starts, ends, axes and steps differ in length",
                  Twine(starts.size()) + " starts");
  if (failed(n.axes(*axes, n.rank(0)))) // unique and in range
    return failure();
  int64_t rank = n.rank(0);
  Shape offsets(rank, 0), sizes(n.shape(0)), strides(rank, 1);
  SmallVector<Length, 1> lengths(n.lengths(0));
  for (size_t i = 0; i < starts.size(); ++i) {
    int64_t d = (*axes)[i] < 0 ? (*axes)[i] + rank : (*axes)[i];
    int64_t step = (*steps)[i], dim = n.shape(0)[d];
    if (step == 0)
      return n.fail("a step is 0", "axis " + Twine(d));
    // Steps beyond the dimension act like the dimension plus one.
    step = std::clamp<int64_t>(step, -(dim + 1), dim + 1);
    int64_t start = starts[i], end = ends[i];
    start = std::clamp<int64_t>(start, -dim - 1, dim + 1);
    end = std::clamp<int64_t>(end, -dim - 1, dim + 1);
    clampRange(dim, step, start, end, sizes[d]);
    offsets[d] = start;
    strides[d] = step;
    for (Length &length : lengths) {
      if (length.dim != d)
        continue;
      if (starts[i] < 0 || step < 0)
        return failOnLengths(n); // from an end that is not known
      int64_t stop = ends[i] < 0 ? ends[i] : std::min(ends[i], dim);
      length.value = slicedLength(n, length.value, offsets[d], stop, step);
    }
  }
  n.setOutput(0, emitSlice(n.e, n.input(0), offsets, sizes, strides),
              n.type(0));
  for (const Length &length : lengths)
    if (failed(n.setLength(0, length.dim, length.value)))
      return failure();
  return success();
}

LogicalResult slice1(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  std::optional<Shape> starts = n.intsAttr("starts"), ends = n.intsAttr("ends");
  if (!starts || !ends)
    return n.fail("starts or ends are missing", "required attributes");
  return slice(n, *starts, *ends, n.intsAttr("axes"), std::nullopt);
}

LogicalResult slice10(NodeBinder &n) {
  if (failed(n.needInputs(3)))
    return failure();
  FailureOr<Shape> starts = n.constantInts(1, "starts");
  FailureOr<Shape> ends = n.constantInts(2, "ends");
  if (failed(starts) || failed(ends))
    return failure();
  std::optional<Shape> axes, steps;
  if (n.hasInput(3)) {
    FailureOr<Shape> value = n.constantInts(3, "axes");
    if (failed(value))
      return failure();
    axes = *value;
  }
  if (n.hasInput(4)) {
    FailureOr<Shape> value = n.constantInts(4, "steps");
    if (failed(value))
      return failure();
    steps = *value;
  }
  return slice(n, *starts, *ends, axes, steps);
}

/// Sizes from the attribute or input `split`, or equal parts (the last one
/// smaller with num_outputs).
LogicalResult split(NodeBinder &n) {
  if (failed(n.needInputs(1)))
    return failure();
  FailureOr<int64_t> axis = n.axis(n.intAttr("axis", 0), n.rank(0));
  FailureOr<std::optional<Shape>> given = n.intsAttrOrInput("split", 1);
  if (failed(axis) || failed(given))
    return failure();
  int64_t dim = n.shape(0)[*axis], count = n.numOutputs();
  Shape sizes;
  if (*given) {
    sizes = **given;
  } else {
    int64_t parts = n.intAttr("num_outputs", count);
    if (parts < 1 || parts != count)
      return n.fail("num_outputs is not the number of outputs",
                    Twine(parts) + " and " + Twine(count));
    if (dim % parts != 0 && !n.attribute("num_outputs"))
      return n.fail("the dimension is not divisible into equal parts",
                    "size " + Twine(dim) + ", " + Twine(parts) + " parts");
    int64_t part = (dim + parts - 1) / parts;
    for (int64_t i = 0; i < parts; ++i)
      sizes.push_back(std::clamp<int64_t>(dim - i * part, 0, part));
  }
  int64_t total = 0;
  for (int64_t size : sizes)
    if (size < 0 || __builtin_add_overflow(total, size, &total))
      return n.fail("a part has a bad size", "split " + toText(sizes));
  if (total != dim || static_cast<int64_t>(sizes.size()) != count)
    return n.fail("the parts do not add up", "split " + toText(sizes) +
                                                 ", size " + Twine(dim) + ", " +
                                                 Twine(count) + " outputs");
  int64_t offset = 0;
  for (auto [i, size] : llvm::enumerate(sizes)) {
    n.setOutput(i, n.e.sliceDim(n.input(0), *axis, offset, size), n.type(0));
    offset += size;
  }
  return success();
}

/// y[t] = x[len - 1 - t] for t < len of the batch entry, else x[t].
LogicalResult reverseSequence(NodeBinder &n) {
  if (failed(n.needInputs(2)))
    return failure();
  int64_t rank = n.rank(0);
  FailureOr<int64_t> batch = n.axis(n.intAttr("batch_axis", 1), rank);
  FailureOr<int64_t> time = n.axis(n.intAttr("time_axis", 0), rank);
  if (failed(batch) || failed(time))
    return failure();
  if (n.rank(1) != 1 || n.shape(1)[0] != n.shape(0)[*batch] || *batch == *time)
    return n.fail("sequence_lens does not have one entry per batch entry",
                  "shapes " + toText(n.shape(1)) + " and " +
                      toText(n.shape(0)));
  n.setOutput(0,
              n.e.indexed(n.shape(0), n.element(0),
                          [&](Scalars &s, ValueRange at) {
                            Type i64 = s.b.getI64Type();
                            Value length =
                                s.cast(s.extract(n.input(1), at[*batch]), i64);
                            Value t = s.cast(at[*time], i64);
                            Value last = s.sub(length, s.constantInt(i64, 1));
                            Value isInside = s.cmp(Scalars::Cmp::LT, t, length);
                            SmallVector<Value> from(at);
                            from[*time] = s.toIndex(
                                s.select(isInside, s.sub(last, t), t));
                            return s.extract(n.input(0), from);
                          }),
              n.type(0));
  return success();
}

} // namespace

void registerSlice(Registry &registry) {
  registry.add("", {{"ReverseSequence", 10, reverseSequence},
                    {"Slice", 1, slice1},
                    {"Slice", 10, slice10, "constant bounds"},
                    {"Split", 1, split, "constant sizes"}});
}

} // namespace cim::onnx
