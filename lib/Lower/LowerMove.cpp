// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where values live, and ops that only move or rename data: reshapes, slices,
// transposes are views whenever strides can say them and DMA copies otherwise.
#include "Lowering.h"

#include "cim/IR/Constants.h"
#include "cim/IR/MacGeometry.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace cim::ir;

namespace cim {

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

/// True when `op` is elementwise on values of one shape (identity maps for
/// every operand of full rank).
static bool keepsLayout(linalg::GenericOp op, Value input) {
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  auto inType = dyn_cast<RankedTensorType>(input.getType());
  return inType && inType.getRank() == type.getRank() && type.getRank() >= 3;
}

/// Marks values stored channels-last: inputs and results of convolutions, and
/// what elementwise, pooling and padding ops connect to them.
void Lowering::chooseLayouts() {
  auto mark = [&](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type && type.getRank() >= 3 && channelsLast.insert(value).second;
  };
  bool changed = true;
  auto link = [&](Value a, Value b) {
    if (channelsLast.contains(a))
      changed |= mark(b);
    else if (channelsLast.contains(b))
      changed |= mark(a);
  };
  auto visit = [&](Operation *op) {
    if (auto conv = dyn_cast<ConvOp>(op)) {
      changed |= mark(conv.getInput());
      changed |= mark(conv.getResult());
    } else if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      for (Value operand : generic.getDpsInputs())
        if (keepsLayout(generic, operand))
          link(operand, generic.getResult(0));
      for (auto [init, result] :
           llvm::zip(generic.getDpsInits(), generic.getResults()))
        link(init, result);
    } else if (auto pad = dyn_cast<tensor::PadOp>(op)) {
      link(pad.getSource(), pad.getResult());
    } else if (auto region = dyn_cast<RegionOp>(op)) {
      Block &block = region.getBody().front();
      for (auto [outer, inner] :
           llvm::zip_equal(region.getInputs(), block.getArguments()))
        link(outer, inner);
      for (auto [outer, inner] : llvm::zip_equal(
               region.getResults(), block.getTerminator()->getOperands()))
        link(outer, inner);
    }
  };
  while (changed) {
    changed = false;
    func.walk(visit);
  }
}

SmallVector<int64_t> physicalShape(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> physical;
  for (int64_t size : shape)
    physical.push_back(std::max<int64_t>(1, size));
  if (physical.empty())
    physical.push_back(1);
  return physical;
}

View Lowering::allocate(RankedTensorType type, ArrayRef<int64_t> order,
                        StringRef name) {
  View view;
  view.elemBytes = storedBytes(type.getElementType());
  view.shape.assign(type.getShape().begin(), type.getShape().end());
  view.strides = denseStrides(view.shape, order, view.elemBytes);
  SmallVector<int64_t> ordered;
  for (int64_t dim : order)
    ordered.push_back(view.shape[dim]);
  SmallVector<int64_t> physical = physicalShape(ordered);
  // Starts in L2; the allocate phase moves to DRAM what does not fit.
  view.buffer =
      tiles.buffer(BufferKind::temp, name, physical,
                   storedType(type.getElementType()), MemorySpace::l2);
  return view;
}

/// The order that lets the reader of `value` collapse a transpose of it
/// without a copy; row-major if there is no such reader.
static SmallVector<int64_t> orderForReader(Value value) {
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  SmallVector<int64_t> order = rowMajorOrder(rank);
  while (value.hasOneUse()) {
    Operation *user = *value.getUsers().begin();
    if (isa<tensor::CollapseShapeOp>(user))
      return order;
    auto transpose = dyn_cast<linalg::TransposeOp>(user);
    if (!transpose || transpose.getInput() != value)
      break;
    SmallVector<int64_t> next;
    for (int64_t dim : transpose.getPermutation())
      next.push_back(order[dim]);
    order = next;
    value = transpose->getResult(0);
  }
  return rowMajorOrder(rank);
}

View Lowering::allocate(Value value, StringRef name) {
  auto place = destinations.find(value);
  if (place != destinations.end())
    return place->second;
  auto type = cast<RankedTensorType>(value.getType());
  return allocate(type,
                  channelsLast.contains(value)
                      ? channelsLastOrder(type.getRank())
                      : orderForReader(value),
                  name);
}

//===----------------------------------------------------------------------===//
// Concatenations
//===----------------------------------------------------------------------===//

static SmallVector<SmallVector<int64_t, 2>>
groupsOf(ArrayRef<ReassociationIndices> reassociation) {
  SmallVector<SmallVector<int64_t, 2>> groups;
  for (const ReassociationIndices &indices : reassociation)
    groups.emplace_back(indices.begin(), indices.end());
  return groups;
}

/// Makes whoever computes `value` write it at `view`, looking back through
/// renamings. Without effect where nobody does; the copy then stays.
void Lowering::placeInto(Value value, View view) {
  value = outerValue(value);
  Operation *def = value.getDefiningOp();
  if (isa_and_nonnull<RegionOp>(def)) {
    destinations.try_emplace(value, view);
  } else if (auto transpose = dyn_cast_or_null<linalg::TransposeOp>(def)) {
    placeInto(transpose.getInput(),
              transposeView(view, invertPermutationVector(SmallVector<int64_t>(
                                      transpose.getPermutation()))));
  } else if (auto collapse = dyn_cast_or_null<tensor::CollapseShapeOp>(def)) {
    placeInto(collapse.getSrc(),
              expandView(view, collapse.getSrcType().getShape(),
                         groupsOf(collapse.getReassociationIndices())));
  } else if (auto expand = dyn_cast_or_null<tensor::ExpandShapeOp>(def)) {
    if (auto source =
            collapseView(view, groupsOf(expand.getReassociationIndices())))
      placeInto(expand.getSrc(), *source);
  }
}

/// The part of a concatenation's result that input `index` fills.
static View concatPart(tensor::ConcatOp concat, size_t index,
                       const View &whole) {
  SmallVector<int64_t> offsets(whole.shape.size(), 0);
  SmallVector<int64_t> ones(whole.shape.size(), 1);
  for (size_t i = 0; i < index; ++i)
    offsets[concat.getDim()] +=
        cast<RankedTensorType>(concat.getInputs()[i].getType())
            .getDimSize(concat.getDim());
  auto type = cast<RankedTensorType>(concat.getInputs()[index].getType());
  return sliceView(whole, offsets, type.getShape(), ones);
}

/// Results that are concatenated later are written in place. Readers first, so
/// that a concatenation inside another finds its place.
void Lowering::planConcats() {
  SmallVector<tensor::ConcatOp> concats;
  func.walk([&](tensor::ConcatOp op) { concats.push_back(op); });
  for (tensor::ConcatOp concat : llvm::reverse(concats)) {
    Value outer = concat.getResult();
    if (auto region = dyn_cast<RegionOp>(concat->getParentOp())) {
      if (!concat->hasOneUse() || !isa<YieldOp>(*concat->getUsers().begin()))
        continue;
      outer = region.getResult(concat->getUses().begin()->getOperandNumber());
    }
    View whole = allocate(outer, nodeName(concat.getLoc(), "concat"));
    destinations.try_emplace(outer, whole);
    destinations.try_emplace(concat.getResult(), whole);
    for (auto [i, input] : llvm::enumerate(concat.getInputs()))
      placeInto(input, concatPart(concat, i, whole));
  }
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

Value Lowering::makeResident(Value constant, StringRef name) {
  Value &resident = residents[constant];
  if (resident)
    return resident;
  auto type = cast<MemRefType>(constant.getType());
  int64_t elem = storedBytes(type.getElementType());
  int64_t bytes = type.getNumElements() * elem;
  resident = tiles.buffer(BufferKind::resident, name, type.getShape(),
                          type.getElementType(), MemorySpace::l2);
  residentBytes += bytes;
  tiles.enterStage(StageKind::load);
  // One descriptor dimension is enough; split to keep sizes in 31 bits.
  tiles.dmaCopy(0, DmaRole::Const, {constant, 0, {elem}}, {resident, 0, {elem}},
                {type.getNumElements()}, elem);
  tiles.enterStage(StageKind::run);
  return resident;
}

/// Storage of a splat's only element.
static std::vector<char> firstElementBytes(ElementsAttr value, int64_t size) {
  ArrayRef<char> raw = rawBytes(value);
  if (raw.empty()) { // dense<...> of i1
    std::vector<char> all = expandedBytes(value);
    all.resize(size);
    return all;
  }
  return std::vector<char>(raw.begin(), raw.begin() + size);
}

View Lowering::constantView(ElementsAttr value, RankedTensorType type,
                            StringRef name) {
  auto [entry, isNew] = constants.try_emplace(value);
  View &view = entry->second;
  if (!isNew)
    return view;
  if (type.getNumElements() == 0) // Nothing to store.
    return view = allocate(type, rowMajorOrder(type.getRank()), name);
  view.elemBytes = storedBytes(type.getElementType());
  view.shape.assign(type.getShape().begin(), type.getShape().end());
  view.strides =
      denseStrides(view.shape, rowMajorOrder(type.getRank()), view.elemBytes);
  ElementsAttr data = value;
  if (isSplat(value) && type.getNumElements() > 1) {
    // A splat needs one element: every stride is zero.
    std::vector<char> bytes = firstElementBytes(value, view.elemBytes);
    view.strides.assign(view.shape.size(), 0);
    data = makeConstant(
        RankedTensorType::get({1}, storedType(type.getElementType())), bytes,
        name);
  }
  auto dataType = cast<RankedTensorType>(data.getType());
  SmallVector<int64_t> physical(dataType.getShape());
  if (physical.empty())
    physical.push_back(1);
  Value buffer = tiles.buffer(BufferKind::constant, name, physical,
                              storedType(dataType.getElementType()),
                              MemorySpace::dram, 0, data);
  // Small constants are read over and over: they stay in L2.
  int64_t bytes = dataType.getNumElements() * view.elemBytes;
  if (bytes <= 64 * 1024 &&
      residentBytes + bytes <= static_cast<int64_t>(target.l2Bytes) / 8)
    buffer = makeResident(buffer, name);
  view.buffer = buffer;
  return view;
}

View Lowering::viewOf(Value value) {
  auto it = views.find(value);
  if (it != views.end())
    return it->second;
  if (ElementsAttr constant = constantOf(value)) {
    std::string name = "const";
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(constant))
      name = resource.getRawHandle().getKey().str();
    View view =
        constantView(constant, cast<RankedTensorType>(value.getType()), name);
    views[value] = view;
    return view;
  }
  // tensor.empty and other contents that nobody wrote.
  View view = allocate(value, "undefined");
  views[value] = view;
  return view;
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

/// A copy as DMA descriptors: loops sorted by the destination's strides, merged
/// where both sides allow it.
static void normalizeCopy(SmallVectorImpl<int64_t> &sizes, Strided &src,
                          Strided &dst) {
  SmallVector<int64_t> order;
  for (int64_t i = 0, e = sizes.size(); i < e; ++i)
    if (sizes[i] != 1)
      order.push_back(i);
  llvm::sort(order, [&](int64_t a, int64_t b) {
    return std::pair(-dst.strides[a], a) < std::pair(-dst.strides[b], b);
  });
  SmallVector<int64_t> newSizes, newSrc, newDst;
  for (int64_t i : order) {
    if (!newSizes.empty() && newSrc.back() == src.strides[i] * sizes[i] &&
        newDst.back() == dst.strides[i] * sizes[i]) {
      newSizes.back() *= sizes[i];
      newSrc.back() = src.strides[i];
      newDst.back() = dst.strides[i];
      continue;
    }
    newSizes.push_back(sizes[i]);
    newSrc.push_back(src.strides[i]);
    newDst.push_back(dst.strides[i]);
  }
  if (newSizes.empty()) {
    newSizes.push_back(1);
    newSrc.push_back(1);
    newDst.push_back(1);
  }
  sizes.assign(newSizes.begin(), newSizes.end());
  src.strides = newSrc;
  dst.strides = newDst;
}

void Lowering::copyOn(unsigned core, DmaRole role, const View &from,
                      const View &to) {
  SmallVector<int64_t> sizes(to.shape);
  if (llvm::is_contained(sizes, 0))
    return;
  Strided src{from.buffer, from.offset, from.strides};
  Strided dst{to.buffer, to.offset, to.strides};
  normalizeCopy(sizes, src, dst);
  constexpr size_t maxDims = 6;
  std::function<void(size_t, Strided, Strided)> emit =
      [&](size_t depth, Strided s, Strided d) {
        if (sizes.size() - depth > maxDims) {
          for (int64_t i = 0; i < sizes[depth]; ++i) {
            Strided s2 = s, d2 = d;
            s2.offset += i * src.strides[depth];
            d2.offset += i * dst.strides[depth];
            emit(depth + 1, s2, d2);
          }
          return;
        }
        s.strides.assign(src.strides.begin() + depth, src.strides.end());
        d.strides.assign(dst.strides.begin() + depth, dst.strides.end());
        tiles.dmaCopy(core, role, s, d,
                      ArrayRef<int64_t>(sizes).drop_front(depth), to.elemBytes);
      };
  emit(0, src, dst);
}

void Lowering::fillOn(unsigned core, const View &to, uint64_t value) {
  SmallVector<int64_t> sizes(to.shape);
  if (llvm::is_contained(sizes, 0))
    return;
  Strided dst{to.buffer, to.offset, to.strides};
  Strided same = dst;
  normalizeCopy(sizes, same, dst);
  while (sizes.size() > 6) { // rank > 6 never stays after merging a dense fill
    sizes[1] *= sizes[0];
    sizes.erase(sizes.begin());
    dst.strides.erase(dst.strides.begin());
  }
  tiles.dmaFill(core, DmaRole::Move, dst, sizes, to.elemBytes,
                static_cast<int64_t>(value));
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

LogicalResult Lowering::lowerMove(Operation *op) {
  Value result = op->getResult(0);
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    setView(result, transposeView(viewOf(transpose.getInput()),
                                  transpose.getPermutation()));
    return success();
  }
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    setView(result, expandView(viewOf(expand.getSrc()),
                               expand.getResultType().getShape(),
                               groupsOf(expand.getReassociationIndices())));
    return success();
  }
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    View source = viewOf(collapse.getSrc());
    auto groups = groupsOf(collapse.getReassociationIndices());
    std::optional<View> view = collapseView(source, groups);
    if (!view) {
      View dense = allocate(collapse.getSrcType(),
                            rowMajorOrder(source.shape.size()), layer);
      copy(source, dense);
      view = collapseView(dense, groups);
    }
    setView(result, *view);
    return success();
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    View view = sliceView(viewOf(slice.getSource()), slice.getStaticOffsets(),
                          slice.getStaticSizes(), slice.getStaticStrides());
    // Rank reduction: keep the dimensions the result has.
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    View reduced = view;
    reduced.shape.clear();
    reduced.strides.clear();
    for (size_t i = 0; i < view.shape.size(); ++i) {
      if (dropped.test(i))
        continue;
      reduced.shape.push_back(view.shape[i]);
      reduced.strides.push_back(view.strides[i]);
    }
    setView(result, reduced);
    return success();
  }
  if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
    View dest = viewOf(insert.getDest());
    View whole = dest;
    // In place when the destination has no other reader.
    if (!insert.getDest().hasOneUse() || constantOf(insert.getDest()) ||
        isa<BlockArgument>(insert.getDest())) {
      whole = allocate(result, layer);
      copy(dest, whole);
    }
    View part = sliceView(whole, insert.getStaticOffsets(),
                          insert.getStaticSizes(), insert.getStaticStrides());
    llvm::SmallBitVector dropped = insert.getDroppedDims();
    View source = viewOf(insert.getSource());
    View expanded = part;
    expanded.buffer = source.buffer;
    expanded.offset = source.offset;
    expanded.elemBytes = source.elemBytes;
    for (size_t i = 0, j = 0; i < part.shape.size(); ++i)
      expanded.strides[i] = dropped.test(i) ? 0 : source.strides[j++];
    copy(expanded, part);
    setView(result, whole);
    return success();
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    View whole = allocate(result, layer);
    for (auto [i, input] : llvm::enumerate(concat.getInputs())) {
      View source = viewOf(input), part = concatPart(concat, i, whole);
      if (!samePlace(source, part)) // else written where it belongs
        copy(source, part);
    }
    setView(result, whole);
    return success();
  }
  if (auto pad = dyn_cast<tensor::PadOp>(op))
    return lowerPad(pad);
  return op->emitError("'") << op->getName() << "' cannot be lowered";
}

} // namespace cim
