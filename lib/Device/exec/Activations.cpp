// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Activations.h"

#include <cstring>

#include "State.h"
#include "cim/Support/Numerics.h"
#include "cim/Support/Simd.h"

namespace cim::exec {
namespace {

/// What the loops below walk over.
struct Walk {
  const uint8_t *base;
  const int64_t *rows;
  int64_t rowCount;
  const int64_t *runs;
  int64_t runCount, runLength, step;
};

/// out[i][r * runLength + j] = convert(element); `In` is the memory type.
template <typename In, typename Out, typename Convert>
CIM_INLINE void gather(const Walk &w, Out *out, int64_t stride,
                       Convert convert) {
  for (int64_t i = 0; i < w.rowCount; ++i) {
    Out *o = out + i * stride;
    for (int64_t r = 0; r < w.runCount; ++r, o += w.runLength) {
      const uint8_t *p = w.base + w.rows[i] + w.runs[r];
      if (w.step == int64_t(sizeof(In))) {
        for (int64_t j = 0; j < w.runLength; ++j) {
          In v;
          std::memcpy(&v, p + j * sizeof(In), sizeof(In));
          o[j] = convert(v);
        }
      } else {
        for (int64_t j = 0; j < w.runLength; ++j) {
          In v;
          std::memcpy(&v, p + j * w.step, sizeof(In));
          o[j] = convert(v);
        }
      }
    }
  }
}

} // namespace

namespace loops {

CIM_SIMD void gatherI8(const Walk &w, int16_t *out, int64_t stride) {
  gather<int8_t>(w, out, stride, [](int8_t v) { return int16_t(v); });
}
CIM_SIMD void gatherU8(const Walk &w, int16_t *out, int64_t stride) {
  gather<uint8_t>(w, out, stride, [](uint8_t v) { return int16_t(v); });
}
CIM_SIMD void gatherI16(const Walk &w, int16_t *out, int64_t stride) {
  gather<int16_t>(w, out, stride, [](int16_t v) { return v; });
}
CIM_SIMD void gatherBytes(const Walk &w, uint8_t flip, uint8_t *out,
                          int64_t stride) {
  gather<uint8_t>(w, out, stride, [=](uint8_t v) { return uint8_t(v ^ flip); });
}
CIM_SIMD void gatherF32(const Walk &w, float *out, int64_t stride) {
  gather<float>(w, out, stride, [](float v) { return v; });
}
CIM_SIMD void gatherF16(const Walk &w, float *out, int64_t stride) {
  gather<uint16_t>(w, out, stride,
                   [](uint16_t v) { return numerics::halfToFloat(v); });
}

} // namespace loops

Activations::Activations(const Mac &op, const uint8_t *p)
    : base(p), type(op.actType) {
  Nest rows, depth;
  rows.strides.resize(1), depth.strides.resize(1);
  for (const Dim &d : op.m) {
    m *= d.size;
    rows.sizes.push_back(d.size);
    rows.strides[0].push_back(d.stride);
  }
  for (const Dim &d : op.k) {
    k *= d.size;
    depth.sizes.push_back(d.size);
    depth.strides[0].push_back(d.stride);
  }
  coalesce(rows);
  for (size_t i = 0; i < rows.sizes.size(); ++i)
    mDims.push_back({rows.sizes[i], rows.strides[0][i]});
  coalesce(depth);
  step = byteSize(type);
  if (!depth.sizes.empty()) {
    runLength = depth.sizes.back();
    step = depth.strides[0].back();
    depth.sizes.pop_back();
  }
  runs = {0};
  for (size_t d = 0; d < depth.sizes.size(); ++d) {
    std::vector<int64_t> next;
    for (int64_t r : runs)
      for (int64_t i = 0; i < depth.sizes[d]; ++i)
        next.push_back(r + i * depth.strides[0][d]);
    runs = std::move(next);
  }
}

std::vector<int64_t> Activations::offsets(int64_t m0, int64_t n) const {
  std::vector<int64_t> index(mDims.size()), out(n);
  int64_t offset = 0, rest = m0;
  for (size_t d = mDims.size(); d-- > 0;) {
    index[d] = rest % mDims[d].size;
    rest /= mDims[d].size;
    offset += index[d] * mDims[d].stride;
  }
  for (int64_t i = 0; i < n; ++i) {
    out[i] = offset;
    for (size_t d = mDims.size(); d-- > 0;) {
      offset += mDims[d].stride;
      if (++index[d] < mDims[d].size)
        break;
      offset -= mDims[d].stride * mDims[d].size;
      index[d] = 0;
    }
  }
  return out;
}

#define CIM_WALK                                                               \
  std::vector<int64_t> rowOffsets = offsets(m0, n);                            \
  Walk walk {                                                                  \
    base, rowOffsets.data(), n, runs.data(), int64_t(runs.size()), runLength,  \
        step                                                                   \
  }

void Activations::integers(int64_t m0, int64_t n, int16_t *out,
                           int64_t stride) const {
  CIM_WALK;
  if (type == DType::I8)
    loops::gatherI8(walk, out, stride);
  else if (type == DType::U8)
    loops::gatherU8(walk, out, stride);
  else
    loops::gatherI16(walk, out, stride);
  for (int64_t i = 0; k % 2 && i < n; ++i)
    out[i * stride + k] = 0;
}

void Activations::bytes(int64_t m0, int64_t n, uint8_t *out,
                        int64_t stride) const {
  CIM_WALK;
  loops::gatherBytes(walk, type == DType::I8 ? 0x80 : 0, out, stride);
}

void Activations::floats(int64_t m0, int64_t n, float *out,
                         int64_t stride) const {
  CIM_WALK;
  if (type == DType::F16)
    loops::gatherF16(walk, out, stride);
  else
    loops::gatherF32(walk, out, stride);
}
#undef CIM_WALK

} // namespace cim::exec
