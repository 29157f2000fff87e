// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a target device looks like: plain numbers with units in their names,
// shared by the compiler and the device model. Meaning: docs/device.md; values:
// lib/Target/presets/*.yaml, each with its provenance.
#ifndef CIM_TARGET_TARGETSPEC_H
#define CIM_TARGET_TARGETSPEC_H

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace cim {

/// Where a parameter's value comes from.
enum class Provenance : uint8_t { Published, Measured, Assumed };
/// "published", "measured", "assumed".
const char *name(Provenance provenance);

/// Default member values are those of the preset "m50".
struct TargetSpec {
  std::string name = "m50";
  std::string description;

  // System.
  uint32_t chips = 1;
  double clockMhz = 1250;
  double linkBytesPerCycle = 12.8; ///< Chip-to-chip, per direction.
  uint32_t linkLatencyCycles = 1875;

  // Chip.
  uint32_t coresPerChip = 2;
  uint64_t dramBytes = uint64_t(24) << 30;
  double dramBytesPerCycle = 122.88; ///< Peak.
  double dramEfficiency = 0.85;      ///< Reachable share of the peak.
  uint32_t dramLatencyCycles = 125;
  uint64_t l2Bytes = 16 << 20;
  double l2BytesPerCycle = 256;
  uint32_t l2LatencyCycles = 30;

  // Core memories.
  uint64_t l1Bytes = 4 << 20;
  double l1BytesPerCycle = 256;
  uint32_t l1AccessBytes = 32; ///< A shorter contiguous run costs this much.
  uint64_t accBytes = 1 << 20;
  double accBytesPerCycle = 2048;

  // CIM array.
  uint32_t macroRows = 128, macroCols = 128; ///< One macro.
  uint32_t macrosDown = 4, macrosAcross = 4; ///< Array of macros in a core.
  uint32_t weightSets = 4;
  uint32_t weightBits = 8; ///< Planes a cell column stores.
  bool dualPort = true;    ///< A set can be written while another computes.
  uint32_t planeSkipColumns = 128; ///< Columns that share a plane sequencer.
  double weightWriteBytesPerCycle = 128;
  uint32_t macStartupCycles = 16;
  uint32_t writeStartupCycles = 16;
  uint32_t bfpMantissaBits = 12;
  uint32_t bfpBlockRows = 64;
  uint32_t bfpAlignCycles =
      1; ///< Extra cycles per activation row (13 = 12 + 1).

  // Vector unit.
  uint32_t vecBytesPerCycle = 512; ///< Lanes = this / element bytes.
  uint32_t vecSfuLanes = 32;       ///< Lanes of exp, tanh, ... and division.
  uint32_t vecOpsPerCycle = 2;     ///< Micro-instructions issued per cycle.
  uint32_t vecStartupCycles = 32;

  // DMA.
  uint32_t dmaChannels = 4;
  double dmaBytesPerCycle = 128; ///< Per channel.
  uint32_t dmaStartupCycles = 32;
  uint32_t dmaBurstBytes = 64; ///< DRAM: a shorter contiguous run costs this.

  // Control processor.
  uint32_t ctrlStartupCycles = 200;
  double ctrlElementsPerCycle = 0.25;

  uint32_t semaphores = 1024;

  // Energy.
  double bitMacFj = 7.2; ///< One 8-bit activation x 1-bit weight.
  double weightWritePjPerByte = 2.0;
  double l1PjPerByte = 0.65;
  double l2PjPerByte = 1.0;
  double accPjPerByte = 0.3;
  double dramPjPerByte = 44.0;
  double linkPjPerByte = 80.0;
  double vecPjPerOp = 1.0; ///< Per lane operation, 32-bit.
  double idleWatts = 6.4;

  /// Provenance per field name (YAML key); absent means Assumed.
  std::map<std::string, Provenance> provenance;
  /// Source or reason per field name; informational.
  std::map<std::string, std::string> notes;

  uint32_t arrayRows() const { return macroRows * macrosDown; }
  uint32_t arrayCols() const { return macroCols * macrosAcross; }
  /// Bytes per cycle DRAM really delivers.
  double dramEffectiveBytesPerCycle() const {
    return dramBytesPerCycle * dramEfficiency;
  }
  /// Explains the first thing that is wrong ("field: value; limit; what to
  /// do").
  absl::Status validate() const;
  bool operator==(const TargetSpec &) const = default;

  /// Parses and validates; `origin` names the source in messages. A field is
  /// written `clock_mhz: 1250` (assumed) or `clock_mhz: {value: 1250,
  /// provenance: published, note: "..."}`; absent fields keep the default.
  /// Errors: "<origin>:<line>: <what>; <limit and value>; <what to do>".
  static absl::StatusOr<TargetSpec> fromYaml(std::string_view text,
                                             std::string_view origin);
  /// A preset's name ("m50") or the path of a YAML file.
  static absl::StatusOr<TargetSpec> load(const std::string &nameOrPath);
  /// Names of the shipped presets, sorted.
  static std::vector<std::string> presets();
  /// Every field in the long form; fromYaml reads it back to an equal spec.
  std::string toYaml() const;
  /// Stable 64-bit hash over every field that changes programs or timing (name,
  /// description, provenance and energies do not).
  uint64_t hash() const;
};

} // namespace cim

#endif // CIM_TARGET_TARGETSPEC_H
