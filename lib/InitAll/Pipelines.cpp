// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The phases as pipelines of cim-opt, each with its options: what needs a
// target takes its name or file, `--cim-lower="target=tiny"`.

#include "Pipelines.h"

#include "cim/Target/TargetSpec.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#ifdef CIM_HAVE_NORMALIZE
#include "cim/Normalize/Passes.h"
#endif
#ifdef CIM_HAVE_SPLIT
#include "cim/Split/Passes.h"
#endif
#ifdef CIM_HAVE_SCHEDULE
#include "cim/Schedule/Passes.h"
#endif
#ifdef CIM_HAVE_LOWER
#include "cim/Lower/Passes.h"
#endif

namespace cim {
namespace {

using mlir::OpPassManager;

struct TargetOption : mlir::PassPipelineOptions<TargetOption> {
  Option<std::string> target{*this, "target",
                             llvm::cl::desc("preset or YAML file"),
                             llvm::cl::init("m50")};
};

/// A pipeline for one target; a target that cannot be loaded is an error of the
/// command line.
template <typename Options>
void registerForTarget(
    llvm::StringRef name, llvm::StringRef description,
    std::function<void(OpPassManager &, const TargetSpec &, const Options &)>
        build) {
  mlir::registerPassPipeline(
      name, description,
      [build = std::move(build)](OpPassManager &pm, llvm::StringRef text,
                                 auto error) -> llvm::LogicalResult {
        Options options;
        std::string message;
        llvm::raw_string_ostream os(message);
        if (failed(options.parseFromString(text, os)))
          return error(message);
        absl::StatusOr<TargetSpec> target = TargetSpec::load(options.target);
        if (!target.ok())
          return error(llvm::StringRef(target.status().message().data(),
                                       target.status().message().size()));
        build(pm, *target, options);
        return mlir::success();
      },
      [](llvm::function_ref<void(const mlir::detail::PassOptions &)> visit) {
        visit(Options());
      });
}

#ifdef CIM_HAVE_SPLIT
struct SplitPipeline : mlir::PassPipelineOptions<SplitPipeline> {
  Option<bool> fuse{*this, "fuse",
                    llvm::cl::desc("elementwise ops join their producers"),
                    llvm::cl::init(SplitOptions().fuse)};
};

void registerSplit() {
  mlir::registerPass([] { return createExpandFloatMacsPass(); });
  mlir::registerPass([] { return createSplitKernelsPass(); });
  mlir::PassPipelineRegistration<SplitPipeline>(
      "cim-split", "Group ops into regions that are executed tile by tile",
      [](OpPassManager &pm, const SplitPipeline &options) {
        SplitOptions split;
        split.fuse = options.fuse;
        pm.addPass(createSplitPass(split));
      });
}
#endif

#ifdef CIM_HAVE_SCHEDULE
struct SchedulePipeline : mlir::PassPipelineOptions<SchedulePipeline> {
  Option<std::string> target{*this, "target",
                             llvm::cl::desc("preset or YAML file"),
                             llvm::cl::init("m50")};
  Option<int> optLevel{*this, "opt-level",
                       llvm::cl::desc("0: first legal schedule; 1: one core; "
                                      "2, 3: search"),
                       llvm::cl::init(ScheduleOptions().optLevel)};
  Option<bool> overlap{*this, "overlap",
                       llvm::cl::desc("rotate weight sets (dual port)"),
                       llvm::cl::init(ScheduleOptions().overlap)};
  Option<bool> copies{*this, "copies",
                      llvm::cl::desc("duplicate small tiles in the array"),
                      llvm::cl::init(ScheduleOptions().copies)};
  Option<bool> splitCores{*this, "split-cores",
                          llvm::cl::desc("divide regions among cores"),
                          llvm::cl::init(ScheduleOptions().splitCores)};
  Option<bool> residentWeights{
      *this, "resident-weights",
      llvm::cl::desc("keep weights in L2 between runs"),
      llvm::cl::init(ScheduleOptions().residentWeights)};
};

void registerSchedule() {
  registerForTarget<SchedulePipeline>(
      "cim-schedule", "Search a schedule for every region around a MAC op",
      [](OpPassManager &pm, const TargetSpec &target,
         const SchedulePipeline &options) {
        ScheduleOptions schedule;
        schedule.optLevel = options.optLevel;
        schedule.overlap = options.overlap;
        schedule.copies = options.copies;
        schedule.splitCores = options.splitCores;
        schedule.residentWeights = options.residentWeights;
        pm.addPass(createSchedulePass(target, schedule));
      });
}
#endif

#ifdef CIM_HAVE_LOWER
void registerLower() {
  registerForTarget<TargetOption>(
      "cim-lower", "Scheduled regions to tile-level engine operations",
      [](OpPassManager &pm, const TargetSpec &target, const TargetOption &) {
        pm.addPass(createLowerPass(target));
      });
  registerForTarget<TargetOption>(
      "cim-allocate", "Addresses for buffers, waits for their reuse",
      [](OpPassManager &pm, const TargetSpec &target, const TargetOption &) {
        pm.addPass(createAllocatePass(target));
      });
}
#endif

} // namespace

void registerPhasePipelines() {
#ifdef CIM_HAVE_NORMALIZE
  registerNormalizePasses();
#endif
#ifdef CIM_HAVE_SPLIT
  registerSplit();
#endif
#ifdef CIM_HAVE_SCHEDULE
  registerSchedule();
#endif
#ifdef CIM_HAVE_LOWER
  registerLower();
#endif
}

} // namespace cim
