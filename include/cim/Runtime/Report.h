// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a session measured, for machines and for people (docs/report.md).
#ifndef CIM_RUNTIME_REPORT_H
#define CIM_RUNTIME_REPORT_H

#include <string>
#include <vector>

#include "cim/Program/Program.h"
#include "cim/Runtime/Session.h"

namespace cim {

/// The report as JSON text; keys are specified in docs/report.md.
std::string reportJson(const Program &program, const Profile &profile);

/// Chrome / Perfetto trace of the load stage and the latest run, one track per
/// queue. Needs RunOptions::trace. Timestamps are microseconds of device time.
std::string traceJson(const Program &program, const Profile &profile);

/// A summary and a table of the `maxLayers` layers that take longest.
std::string reportText(const Program &program, const Profile &profile,
                       size_t maxLayers);

/// Figures derived from a stage's counters; definitions in docs/report.md.
struct Derived {
  double seconds = 0;
  double tops = 0;        ///< 2 x whole-weight MACs per second / 1e12.
  double topsPerWatt = 0; ///< 2 x MACs per joule / 1e12.
  double utilization = 0; ///< Issued bit-MACs / bit-MACs the arrays could do.
  double boundRatio = 0;  ///< lower bound / cycles.
};
Derived derive(const Program &program, const StageStats &stats);

/// Cycles every layer adds to the run: layers in order of their ends, each from
/// the end of the one before to its own. The sum is the end of the last layer,
/// although layers overlap.
std::vector<uint64_t> layerCycles(const StageStats &stats);

/// What a layer is limited by: the busiest engine or memory over its interval.
struct LayerLimit {
  std::string name; ///< "mac", "vec", "dma", "write", "ctrl", "dram", "l2".
  double share = 0; ///< Of the layer's cycles, at most 1.
};
LayerLimit layerLimit(const Program &program, const LayerStats &layer);

/// Why a layer is not faster, in words: what its part of the critical path
/// consists of, largest first; for weights of less than 8 bits also how much of
/// that fewer bits shorten. Empty for a layer that did not run.
std::string layerNote(const LayerInfo &info, const LayerStats &layer);

} // namespace cim

#endif // CIM_RUNTIME_REPORT_H
