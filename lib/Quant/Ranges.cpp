// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Ranges.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cim {

void Histogram::grow(float bound) {
  if (counts.empty()) {
    counts.assign(bins, 0);
    limit = std::max(bound, std::numeric_limits<float>::min());
    return;
  }
  while (limit < bound && limit < 1e37f) {
    // Two bins become one; the range doubles around zero.
    std::vector<int64_t> merged(bins, 0);
    for (int i = 0; i < bins; ++i)
      merged[bins / 4 + i / 2] += counts[i];
    counts = std::move(merged);
    limit *= 2;
  }
}

void Histogram::add(const float *values, int64_t count) {
  float lo = 0, hi = 0;
  for (int64_t i = 0; i < count; ++i) {
    float v = std::isfinite(values[i]) ? values[i] : 0.0f;
    lo = std::min(lo, v);
    hi = std::max(hi, v);
  }
  low = total ? std::min(low, lo) : lo;
  high = total ? std::max(high, hi) : hi;
  grow(std::max(-lo, hi));
  double scale = bins / 2 / static_cast<double>(limit);
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i]))
      continue;
    auto bin = static_cast<int>(std::floor(values[i] * scale)) + bins / 2;
    ++counts[std::clamp(bin, 0, bins - 1)];
  }
  total += count;
}

void Histogram::merge(const Histogram &other) {
  if (other.empty())
    return;
  low = total ? std::min(low, other.low) : other.low;
  high = total ? std::max(high, other.high) : other.high;
  grow(other.limit);
  double width = 2.0 * other.limit / bins;
  double scale = bins / 2 / static_cast<double>(limit);
  for (int i = 0; i < bins; ++i) {
    double center = -other.limit + (i + 0.5) * width;
    auto bin = static_cast<int>(std::floor(center * scale)) + bins / 2;
    counts[std::clamp(bin, 0, bins - 1)] += other.counts[i];
  }
  total += other.total;
}

/// Expected squared error of `levels` uniform steps over [lo, hi]: rounding
/// inside, clipping outside.
double Histogram::error(double lo, double hi, int levels) const {
  double step = (hi - lo) / levels;
  double width = 2.0 * limit / bins, sum = 0;
  for (int i = 0; i < bins; ++i) {
    if (!counts[i])
      continue;
    double center = -limit + (i + 0.5) * width;
    double distance = center < lo ? lo - center : center > hi ? center - hi : 0;
    sum += static_cast<double>(counts[i]) *
           (distance > 0 ? distance * distance : step * step / 12);
  }
  return sum;
}

std::pair<float, float> Histogram::range(RangeMethod method, double percentile,
                                         int levels, bool symmetric) const {
  float lo = std::min(low, 0.0f), hi = std::max(high, 0.0f);
  if (symmetric && lo < 0)
    hi = std::max(hi, -lo), lo = -hi;
  if (empty() || (lo == 0 && hi == 0))
    return {symmetric ? -1.0f : 0.0f, 1.0f};
  if (method == RangeMethod::MinMax)
    return {lo, hi};
  if (method == RangeMethod::Percentile) {
    auto drop = static_cast<int64_t>(total * (1 - percentile / 100));
    double width = 2.0 * limit / bins;
    int64_t seen = 0;
    int first = 0, last = bins - 1;
    while (first < bins && (seen += counts[first]) <= drop)
      ++first;
    seen = 0;
    while (last > 0 && (seen += counts[last]) <= drop)
      --last;
    float a = std::max<float>(lo, -limit + first * width);
    float b = std::min<float>(hi, -limit + (last + 1) * width);
    a = std::min(a, 0.0f), b = std::max(b, 0.0f);
    if (symmetric && a < 0)
      b = std::max(b, -a), a = -b;
    return a == b ? std::pair(lo, hi) : std::pair(a, b);
  }
  // Shrink both ends together, then each alone.
  std::pair<float, float> best{lo, hi};
  double bestError = error(lo, hi, levels);
  auto attempt = [&](double a, double b) {
    double e = error(a, b, levels);
    if (e < bestError && b > a) {
      bestError = e;
      best = {static_cast<float>(a), static_cast<float>(b)};
    }
  };
  for (int i = 1; i < 64; ++i) {
    double shrink = 1.0 - i / 80.0;
    attempt(lo * shrink, hi * shrink);
    if (!symmetric) {
      attempt(lo, hi * shrink);
      attempt(lo * shrink, hi);
    }
  }
  return best;
}

float weightScale(const float *weights, int64_t count, int64_t stride, int bits,
                  RangeMethod method, double percentile) {
  float top = static_cast<float>((1 << (bits - 1)) - 1);
  float largest = 0;
  for (int64_t i = 0; i < count; ++i)
    largest = std::max(largest, std::abs(weights[i * stride]));
  if (!(largest > 0) || !std::isfinite(largest))
    return 1.0f / top;
  if (method == RangeMethod::MinMax)
    return largest / top;
  if (method == RangeMethod::Percentile) {
    std::vector<float> sorted(count);
    for (int64_t i = 0; i < count; ++i)
      sorted[i] = std::abs(weights[i * stride]);
    auto index = std::min<int64_t>(
        count - 1, static_cast<int64_t>(count * percentile / 100));
    std::nth_element(sorted.begin(), sorted.begin() + index, sorted.end());
    return std::max(sorted[index], largest * 1e-3f) / top;
  }
  // At 8 bits clipping gains nothing that the search could tell from noise.
  if (bits >= 8)
    return largest / top;
  // All candidates at once: one pass over the weights, and the sums, which are
  // added up one by one each, do not wait for one another.
  constexpr int candidates = 41, lanes = 48; // whole vectors
  float scales[lanes], inverses[lanes];
  double errors[lanes] = {};
  for (int i = 0; i < lanes; ++i) {
    scales[i] = largest * (1.0f - std::min(i, candidates - 1) * 0.015f) / top;
    inverses[i] = 1.0f / scales[i];
  }
  for (int64_t j = 0; j < count; ++j) {
    float w = weights[j * stride];
    for (int i = 0; i < lanes; ++i) {
      float d = w - roundClamped(w * inverses[i], top) * scales[i];
      errors[i] += d * d;
    }
  }
  int best = 0;
  for (int i = 1; i < candidates; ++i)
    if (errors[i] < errors[best])
      best = i;
  return scales[best];
}

} // namespace cim
