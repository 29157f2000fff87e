// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Blocks.h"

#include <algorithm>
#include <cstring>

#include "State.h"

namespace cim::exec {

Block::Block(const std::vector<int64_t> &sizes,
             const std::vector<int64_t> &strides, unsigned width)
    : width(width) {
  Nest nest{sizes, {strides}};
  coalesce(nest);
  dims = int(nest.sizes.size());
  int64_t elements = 1;
  for (int d = dims - 1; d >= 0; --d) {
    size[d] = nest.sizes[d];
    stride[d] = nest.strides[0][d];
    count[d] = elements;
    elements *= size[d];
  }
}

template <typename T>
void Block::loadDim(int d, const uint8_t *p, T *out) const {
  int64_t n = size[d], s = stride[d];
  if (d + 1 == dims) {
    if (s == int64_t(sizeof(T))) {
      std::memcpy(out, p, size_t(n) * sizeof(T));
    } else if (s == 0) {
      T value;
      std::memcpy(&value, p, sizeof(T));
      std::fill_n(out, n, value);
    } else {
      for (int64_t i = 0; i < n; ++i)
        std::memcpy(out + i, p + i * s, sizeof(T));
    }
    return;
  }
  int64_t c = count[d];
  loadDim(d + 1, p, out);
  for (int64_t i = 1; i < n; ++i) {
    if (s == 0) // The same elements again.
      std::memcpy(out + i * c, out, size_t(c) * sizeof(T));
    else
      loadDim(d + 1, p + i * s, out + i * c);
  }
}

template <typename T>
void Block::storeDim(int d, const T *in, uint8_t *p) const {
  int64_t n = size[d], s = stride[d];
  if (d + 1 == dims) {
    if (s == int64_t(sizeof(T)))
      std::memcpy(p, in, size_t(n) * sizeof(T));
    else
      for (int64_t i = 0; i < n; ++i)
        std::memcpy(p + i * s, in + i, sizeof(T));
    return;
  }
  for (int64_t i = 0; i < n; ++i)
    storeDim(d + 1, in + i * count[d], p + i * s);
}

void Block::load(const uint8_t *p, uint8_t *out) const {
  if (dims == 0) {
    std::memcpy(out, p, width);
    return;
  }
  switch (width) {
  case 1:
    return loadDim(0, p, out);
  case 2:
    return loadDim(0, p, reinterpret_cast<uint16_t *>(out));
  case 4:
    return loadDim(0, p, reinterpret_cast<uint32_t *>(out));
  default:
    return loadDim(0, p, reinterpret_cast<uint64_t *>(out));
  }
}

void Block::store(const uint8_t *in, uint8_t *p) const {
  if (dims == 0) {
    std::memcpy(p, in, width);
    return;
  }
  switch (width) {
  case 1:
    return storeDim(0, in, p);
  case 2:
    return storeDim(0, reinterpret_cast<const uint16_t *>(in), p);
  case 4:
    return storeDim(0, reinterpret_cast<const uint32_t *>(in), p);
  default:
    return storeDim(0, reinterpret_cast<const uint64_t *>(in), p);
  }
}

} // namespace cim::exec
