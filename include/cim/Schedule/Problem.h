// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the schedule search decides about, without any IR: the geometry of one
// region and the schedule that executes it. Convolutions and matrix products
// have one form here: output rows (m dimensions), reduction over channels and
// kernel positions, output channels.
#ifndef CIM_SCHEDULE_PROBLEM_H
#define CIM_SCHEDULE_PROBLEM_H

#include <cstdint>
#include <string>
#include <vector>

namespace cim {
struct TargetSpec;
}

namespace cim::schedule {

/// A dimension of output rows. Input coordinate of output position o and kernel
/// position q: o * step - pad + q * dilation.
struct MDim {
  int64_t size = 1;
  int64_t step = 1;
  int64_t pad = 0;
  int64_t kernel = 1;
  int64_t dilation = 1;
  int64_t inSize = 1;
  bool operator==(const MDim &) const = default;
};

/// A MAC region. Sub-problems (batch entries of a product of computed operands,
/// groups of a convolution) have equal geometry and are independent.
struct MacProblem {
  std::vector<MDim> m;
  int64_t channels = 1; ///< Per group.
  int64_t n = 1;        ///< Output channels per group.
  int64_t groups = 1;
  int64_t batch = 1; ///< Sub-problems with weights of their own (computed).
  bool computedWeights = false;
  int planes = 8; ///< Weight bits; mantissa bits in bfp mode.
  bool bfp = false;
  int64_t actBytes = 1;      ///< Per activation element.
  bool channelsInner = true; ///< Channels are contiguous in memory.
  // Epilogue, per output element.
  int vectorSlots = 1, sfuSlots = 0;
  int64_t outBytes = 1;   ///< Written.
  bool outToDram = false; ///< To a result's buffer in DRAM instead of L2.
  int64_t inBytes = 0;    ///< Read beside the accumulator (residuals).
  bool operator==(const MacProblem &) const = default;
};

enum class Split : uint8_t { None, M, N, Batch };
enum class Home : uint8_t { Dram, L2, Computed };

/// The decision; printed as #cim.schedule.
struct MacSchedule {
  std::vector<int64_t> m; ///< Rows of a tile, per m dimension.
  int64_t n = 1;
  int64_t kChannels = 1; ///< Channels of a tile (all groups in it).
  std::vector<int64_t>
      kKernel; ///< Kernel positions of a tile, per m dimension.
  Split split = Split::None;
  int64_t cores = 1;
  Home weights = Home::Dram;
  int64_t sets = 1;
  int64_t copies = 1;
  int64_t accBlock = 1;
  int64_t cycles = 0; ///< Predicted.
  int64_t bound = 0;  ///< Lower bound.
  bool operator==(const MacSchedule &) const = default;
};

/// Groups whose weights share a tile as a block-diagonal matrix: as many as the
/// array has room for, when one group leaves most of it empty, and as L1 holds
/// the channels of.
int64_t groupsPerTile(const MacProblem &problem, const TargetSpec &target);

/// Rows of a block of block floating point: those of the target, or all of an
/// array that has fewer (numerics B2).
int64_t bfpBlock(const TargetSpec &target);

/// L1 bytes the activation patches of one region may take (docs/schedule.md):
/// the next region's loads find room beside them. For cost model, validator and
/// lowering alike.
int64_t l1Budget(const TargetSpec &target);

/// Bytes a buffer takes in L1 and ACC, where addresses are aligned.
inline int64_t alignedBytes(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Input positions that `rows` outputs of a dimension read through `kernel` of
/// its kernel positions. One position needs none of those between two steps.
inline int64_t windowExtent(const MDim &dim, int64_t rows, int64_t kernel) {
  return kernel == 1 ? rows
                     : (rows - 1) * dim.step + (kernel - 1) * dim.dilation + 1;
}

} // namespace cim::schedule

#endif // CIM_SCHEDULE_PROBLEM_H
