// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Strided.h"

#include <cstring>

namespace cim::exec {
namespace {

/// The two innermost dims; sizes n0 (outer) and n1.
struct Plane {
  int64_t n0, n1, s0, s1, d0, d1;
};

template <typename T>
void copyPlane(const Plane &p, const uint8_t *src, uint8_t *dst) {
  for (int64_t i = 0; i < p.n0; ++i) {
    const uint8_t *s = src + i * p.s0;
    uint8_t *d = dst + i * p.d0;
    for (int64_t j = 0; j < p.n1; ++j) {
      T value;
      std::memcpy(&value, s + j * p.s1, sizeof(T));
      std::memcpy(d + j * p.d1, &value, sizeof(T));
    }
  }
}

/// Transposes in squares, so that both sides stay in cache.
template <typename T>
void copySquares(const Plane &p, const uint8_t *src, uint8_t *dst) {
  constexpr int64_t edge = 32;
  for (int64_t i = 0; i < p.n0; i += edge)
    for (int64_t j = 0; j < p.n1; j += edge) {
      Plane q = p;
      q.n0 = p.n0 - i < edge ? p.n0 - i : edge;
      q.n1 = p.n1 - j < edge ? p.n1 - j : edge;
      copyPlane<T>(q, src + i * p.s0 + j * p.s1, dst + i * p.d0 + j * p.d1);
    }
}

void copyElements(unsigned width, const Plane &p, const uint8_t *src,
                  uint8_t *dst) {
  switch (width) {
  case 1:
    return copySquares<uint8_t>(p, src, dst);
  case 2:
    return copySquares<uint16_t>(p, src, dst);
  case 4:
    return copySquares<uint32_t>(p, src, dst);
  default:
    return copySquares<uint64_t>(p, src, dst);
  }
}

} // namespace

void copyStrided(Nest nest, unsigned width, const uint8_t *src, uint8_t *dst) {
  coalesce(nest);
  std::vector<int64_t> &sizes = nest.sizes;
  std::vector<int64_t> &s = nest.strides[0], &d = nest.strides[1];
  int64_t run = 0; // Bytes of a contiguous run, 0: elements.
  if (sizes.empty()) {
    run = width;
  } else if (s.back() == int64_t(width) && d.back() == int64_t(width)) {
    run = sizes.back() * width;
    sizes.pop_back(), s.pop_back(), d.pop_back();
  }
  Plane plane{1, 1, 0, 0, 0, 0};
  if (!run) {
    plane.n1 = sizes.back(), plane.s1 = s.back(), plane.d1 = d.back();
    sizes.pop_back(), s.pop_back(), d.pop_back();
  }
  if (!run && !sizes.empty()) {
    plane.n0 = sizes.back(), plane.s0 = s.back(), plane.d0 = d.back();
    sizes.pop_back(), s.pop_back(), d.pop_back();
  }
  std::vector<int64_t> index(sizes.size(), 0);
  while (true) {
    if (run)
      std::memmove(dst, src, size_t(run));
    else
      copyElements(width, plane, src, dst);
    size_t i = sizes.size();
    while (i > 0) {
      --i;
      src += s[i], dst += d[i];
      if (++index[i] < sizes[i])
        break;
      src -= s[i] * sizes[i], dst -= d[i] * sizes[i];
      index[i] = 0;
      if (i == 0)
        return;
    }
    if (sizes.empty())
      return;
  }
}

} // namespace cim::exec
