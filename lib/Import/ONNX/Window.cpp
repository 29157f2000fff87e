// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Window.h"

using namespace mlir;

namespace cim::onnx {

/// Attributes are small numbers: bounds them so that products fit.
constexpr int64_t maxWindowValue = 1 << 24;

FailureOr<Shape> windowAttr(NodeBinder &n, StringRef name, size_t count,
                            int64_t orElse, int64_t minimum) {
  std::optional<Shape> attr = n.intsAttr(name);
  if (!attr || attr->empty())
    return Shape(count, orElse);
  if (attr->size() != count)
    return n.fail(name + " has " + Twine(attr->size()) + " entries",
                  Twine(count) + " wanted");
  for (int64_t value : *attr)
    if (value < minimum || value > maxWindowValue)
      return n.fail(name + " is out of range",
                    "value " + Twine(value) + ", minimum " + Twine(minimum));
  return *attr;
}

/// SAME_UPPER and SAME_LOWER: output = ceil(input / stride).
static void samePads(Window &w, bool isUpper) {
  for (int64_t d = 0; d < w.rank(); ++d) {
    int64_t out = (w.input[d] + w.strides[d] - 1) / w.strides[d];
    int64_t total = std::max<int64_t>(0, (out - 1) * w.strides[d] +
                                             w.extent(d) - w.input[d]);
    int64_t small = total / 2, big = total - small;
    w.padBegin[d] = isUpper ? small : big;
    w.padEnd[d] = isUpper ? big : small;
  }
}

static LogicalResult readPads(NodeBinder &n, Window &w) {
  size_t rank = w.input.size();
  std::string autoPad = n.stringAttr("auto_pad", "NOTSET");
  w.padBegin.assign(rank, 0);
  w.padEnd.assign(rank, 0);
  if (autoPad == "SAME_UPPER" || autoPad == "SAME_LOWER") {
    samePads(w, autoPad == "SAME_UPPER");
    return success();
  }
  if (autoPad == "VALID")
    return success();
  if (autoPad != "NOTSET" && !autoPad.empty())
    return n.fail("unknown auto_pad", "auto_pad '" + autoPad + "'");
  FailureOr<Shape> pads = windowAttr(n, "pads", 2 * rank, 0, 0);
  if (failed(pads))
    return failure();
  w.padBegin.assign(pads->begin(), pads->begin() + rank);
  w.padEnd.assign(pads->begin() + rank, pads->end());
  return success();
}

FailureOr<Window> readWindow(NodeBinder &n, ArrayRef<int64_t> kernel,
                             bool ceilMode) {
  if (n.rank(0) < 3)
    return n.fail("the input has no spatial dimensions",
                  "rank " + Twine(n.rank(0)) + ", at least 3 wanted");
  Window w;
  w.input.assign(n.shape(0).begin() + 2, n.shape(0).end());
  size_t rank = w.input.size();
  w.kernel.assign(kernel.begin(), kernel.end());
  if (kernel.size() != rank)
    return n.fail("the kernel has " + Twine(kernel.size()) + " dimensions",
                  Twine(rank) + " wanted");
  for (int64_t size : kernel)
    if (size < 1 || size > maxWindowValue)
      return n.fail("a kernel size is out of range",
                    "size " + Twine(size) + ", at least 1 wanted");
  FailureOr<Shape> strides = windowAttr(n, "strides", rank, 1, 1);
  FailureOr<Shape> dilations = windowAttr(n, "dilations", rank, 1, 1);
  if (failed(strides) || failed(dilations))
    return failure();
  w.strides = *strides;
  w.dilations = *dilations;
  if (failed(readPads(n, w)))
    return failure();
  bool isSame = StringRef(n.stringAttr("auto_pad", "")).starts_with("SAME");
  for (size_t d = 0; d < rank; ++d) {
    int64_t span = w.input[d] + w.padBegin[d] + w.padEnd[d] - w.extent(d);
    if (span < 0 && ceilMode && !isSame && span > -w.strides[d]) {
      w.output.push_back(1); // One window, cut at the end.
      continue;
    }
    if (span < 0)
      return n.fail("the kernel is bigger than the padded input",
                    "dimension " + Twine(d) + ", input " + Twine(w.input[d]) +
                        ", kernel extent " + Twine(w.extent(d)));
    int64_t out = span / w.strides[d] + 1;
    if (ceilMode && !isSame && span % w.strides[d] != 0 &&
        // The last window starts inside the input or its left padding.
        out * w.strides[d] < w.input[d] + w.padBegin[d])
      ++out;
    w.output.push_back(out);
  }
  return w;
}

Value padForWindow(NodeBinder &n, Value input, const Window &w,
                   TypedAttr fill) {
  size_t leading = rankOf(input) - w.rank();
  Shape low(leading, 0), high(leading, 0);
  for (int64_t d = 0; d < w.rank(); ++d) {
    int64_t needed = (w.output[d] - 1) * w.strides[d] + w.extent(d);
    low.push_back(w.padBegin[d]);
    high.push_back(std::max<int64_t>(0, needed - w.input[d] - w.padBegin[d]));
  }
  return n.e.pad(input, low, high, fill);
}

AffineMap windowMap(OpBuilder &b, const Window &w, int64_t leading) {
  SmallVector<AffineExpr> exprs;
  for (int64_t d = 0; d < leading; ++d)
    exprs.push_back(b.getAffineDimExpr(d));
  for (int64_t d = 0; d < w.rank(); ++d)
    exprs.push_back(b.getAffineDimExpr(leading + d) * w.strides[d] +
                    b.getAffineDimExpr(leading + w.rank() + d) *
                        w.dilations[d]);
  return AffineMap::get(leading + 2 * w.rank(), 0, exprs, b.getContext());
}

} // namespace cim::onnx
