// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From observed values to scales: streaming histograms for activations, per
// channel searches for weights.
#ifndef CIM_LIB_QUANT_RANGES_H
#define CIM_LIB_QUANT_RANGES_H

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cim/Quant/Quantize.h"

namespace cim {

/// Streaming statistics of one tensor: bounds and a histogram whose range grows
/// by doubling, so memory is constant whatever the number of samples.
class Histogram {
public:
  void add(const float *values, int64_t count);
  void merge(const Histogram &other);
  bool empty() const { return total == 0; }
  float min() const { return low; }
  float max() const { return high; }
  /// Bounds [lo, hi] (containing 0) to represent with `levels` steps.
  std::pair<float, float> range(RangeMethod method, double percentile,
                                int levels, bool symmetric) const;

private:
  static constexpr int bins = 2048;
  void grow(float bound);
  double error(double lo, double hi, int levels) const;

  float low = 0, high = 0;
  float limit = 0; ///< The histogram covers [-limit, limit].
  int64_t total = 0;
  std::vector<int64_t> counts;
};

/// `value` within [-top, top] as the nearest integer, ties to even; -top for
/// NaN. For 0 < top < 2^22; no call, so that loops vectorize.
inline float roundClamped(float value, float top) {
  constexpr float magic = 12582912.0f; // 1.5 * 2^23: one unit in the last place
  return (std::min(top, std::max(-top, value)) + magic) - magic;
}

/// Symmetric scale of one channel's weights for `bits`-bit integers: the
/// largest magnitude (MinMax), the one `percentile` % of the weights stay
/// below, or the one that minimises the squared error (Mse).
float weightScale(const float *weights, int64_t count, int64_t stride, int bits,
                  RangeMethod method, double percentile);

} // namespace cim

#endif // CIM_LIB_QUANT_RANGES_H
