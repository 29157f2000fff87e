// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Quant/Quantize.h"

#include <cmath>

#include "Apply.h"
#include "Calibrate.h"
#include "cim/IR/Constants.h"
#include "cim/IR/Legality.h"
#include "cim/IR/SourceNodes.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace cim {

bool parseQuantize(llvm::StringRef text, QuantizeOptions &options,
                   std::string &error) {
  options.mode = QuantMode::Integer;
  options.weightBits = 8;
  if (text == "none") {
    options.mode = QuantMode::None;
  } else if (text == "bfp16") {
    options.mode = QuantMode::Bfp16;
  } else if (text == "fp16") {
    options.mode = QuantMode::Fp16;
  } else if (text == "int8") {
    return true;
  } else {
    llvm::StringRef rest = text;
    unsigned bits = 0;
    bool ok = rest.consume_front("w") && !rest.consumeInteger(10, bits) &&
              (rest.empty() || rest == "a8") && bits >= 4 && bits <= 8;
    if (!ok) {
      error = "unknown format '" + text.str() +
              "'; use none, int8, w8a8, w7a8, w6a8, w5a8, w4a8, bfp16 or fp16";
      return false;
    }
    options.weightBits = static_cast<int>(bits);
  }
  return true;
}

/// The 8-bit type of a class from its observed range.
static quant::UniformQuantizedType classType(MLIRContext *context,
                                             const ScaleClass &info,
                                             const Histogram &histogram,
                                             const QuantizeOptions &options) {
  Type f32 = Float32Type::get(context), i8 = IntegerType::get(context, 8);
  bool symmetric = info.symmetric;
  bool isUnsigned = symmetric && !info.mustBeSigned && histogram.min() >= 0;
  int levels = symmetric && !isUnsigned ? 254 : 255;
  auto [lo, hi] = histogram.range(options.activations, options.percentile,
                                  levels, symmetric && !isUnsigned);
  double scale;
  int64_t zero = 0;
  unsigned flags = quant::QuantizationFlags::Signed;
  int64_t low = -128, high = 127;
  if (isUnsigned) {
    scale = hi / 255.0;
    flags = 0;
    low = 0;
    high = 255;
  } else if (symmetric) {
    scale = hi / 127.0;
  } else {
    scale = (static_cast<double>(hi) - lo) / 255.0;
    zero = static_cast<int64_t>(std::nearbyint(-128 - lo / scale));
    zero = std::min<int64_t>(127, std::max<int64_t>(-128, zero));
  }
  // Scales are fp32 numbers (numerics Q1).
  scale = std::max(static_cast<float>(scale), 1e-30f);
  return quant::UniformQuantizedType::get(flags, i8, f32, scale, zero, low,
                                          high);
}

/// Keeps which products stay in float and why (attribute cim.float_macs): later
/// phases make loops of them, which look like others.
static void keepFloatMacs(func::FuncOp func, const QuantPlan &plan,
                          const QuantizeOptions &options) {
  Builder b(func.getContext());
  llvm::SetVector<Attribute> list;
  auto add = [&](Operation *op, StringRef reason, bool refused) {
    SmallVector<StringRef> names = sourceNodes(op->getLoc());
    if (names.empty())
      return;
    list.insert(b.getDictionaryAttr(
        {b.getNamedAttr("node", b.getStringAttr(names.front())),
         b.getNamedAttr("reason", b.getStringAttr(reason)),
         b.getNamedAttr("refused", b.getBoolAttr(refused))}));
  };
  func.walk([&](Operation *op) {
    if (auto it = plan.macs.find(op); it != plan.macs.end()) {
      if (it->second.mode == QuantMode::None)
        add(op, it->second.reason, it->second.refused);
    } else if (options.mode != QuantMode::None && isProductLoop(op)) {
      add(op, legalityOf(op).reason, /*refused=*/true);
    }
  });
  if (!list.empty())
    func->getParentOp()->setAttr("cim.float_macs",
                                 b.getArrayAttr(list.getArrayRef()));
}

LogicalResult quantize(ModuleOp module, const QuantizeOptions &options,
                       const SampleSource &samples, size_t numSamples) {
  auto func = module.lookupSymbol<func::FuncOp>("main");
  if (!func)
    return module.emitError("has no function @main");
  QuantPlan plan = makePlan(func, options);
  keepFloatMacs(func, plan, options);
  std::vector<quant::UniformQuantizedType> types;
  if (!plan.classes.empty()) {
    if (!samples || numSamples == 0)
      return module.emitError(
          "integer formats need calibration data; give 100 to "
          "500 samples (--calibration data.npz, "
          "calibration= in Python)");
    FailureOr<std::vector<Histogram>> histograms =
        calibrate(func, plan, samples, numSamples);
    if (failed(histograms))
      return failure();
    for (auto [info, histogram] : llvm::zip_equal(plan.classes, *histograms))
      types.push_back(classType(module.getContext(), info, histogram, options));
  }
  if (failed(applyPlan(func, plan, options, types)))
    return failure();
  // Float weights that nothing reads any more give their memory back.
  IRRewriter rewriter(module.getContext());
  (void)runRegionDCE(rewriter, module->getRegions());
  module->setAttr("cim.phase",
                  StringAttr::get(module.getContext(), "quantize"));
  return success();
}

} // namespace cim
