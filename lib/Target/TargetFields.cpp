// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
#include "cim/Target/TargetFields.h"

#include <array>
#include <charconv>

namespace cim {

double TargetField::get(const TargetSpec &spec) const {
  return std::visit(
      [&](auto pointer) { return static_cast<double>(spec.*pointer); }, member);
}

void TargetField::set(TargetSpec &spec, double value) const {
  std::visit(
      [&](auto pointer) {
        using T = std::remove_reference_t<decltype(spec.*pointer)>;
        if constexpr (std::is_same_v<T, bool>)
          spec.*pointer = value != 0;
        else
          spec.*pointer = static_cast<T>(value);
      },
      member);
}

const std::vector<TargetField> &targetFields() {
  using S = TargetSpec;
  constexpr double kib = 1024, gib = kib * kib * kib;
  // Widths of the program's fields (16-bit rows and columns, 8-bit sets, chips
  // and cores) bound several of these.
  static const std::vector<TargetField> fields = {
      {"chips", &S::chips, 1, 64, true, "chips in the system"},
      {"clock_mhz", &S::clockMhz, 1, 10000, true, "clock of everything"},
      {"link_bytes_per_cycle", &S::linkBytesPerCycle, 0.001, 1e5, true,
       "chip-to-chip link, per direction"},
      {"link_latency_cycles", &S::linkLatencyCycles, 0, 1e7, true,
       "chip-to-chip latency"},
      {"cores_per_chip", &S::coresPerChip, 1, 256, true, "cores of a chip"},
      {"dram_bytes", &S::dramBytes, 4 * kib, 16 * kib * gib, true,
       "DRAM of a chip"},
      {"dram_bytes_per_cycle", &S::dramBytesPerCycle, 0.001, 1e5, true,
       "peak DRAM bandwidth of a chip"},
      {"dram_efficiency", &S::dramEfficiency, 0.01, 1, true,
       "reachable share of the DRAM peak"},
      {"dram_latency_cycles", &S::dramLatencyCycles, 0, 1e6, true,
       "latency of a DRAM access"},
      {"l2_bytes", &S::l2Bytes, 0, 64 * gib, true, "shared memory of a chip"},
      {"l2_bytes_per_cycle", &S::l2BytesPerCycle, 0.001, 1e6, true,
       "L2 bandwidth"},
      {"l2_latency_cycles", &S::l2LatencyCycles, 0, 1e6, true,
       "latency of an L2 access"},
      {"l1_bytes", &S::l1Bytes, kib, 4 * gib, true, "local memory of a core"},
      {"l1_bytes_per_cycle", &S::l1BytesPerCycle, 0.001, 1e6, true,
       "L1 bandwidth"},
      {"l1_access_bytes", &S::l1AccessBytes, 1, 4096, true,
       "cost granule of a contiguous run in L1"},
      {"acc_bytes", &S::accBytes, 64, 4 * gib, true,
       "accumulator memory of a core"},
      {"acc_bytes_per_cycle", &S::accBytesPerCycle, 0.001, 1e6, true,
       "accumulator bandwidth"},
      {"macro_rows", &S::macroRows, 1, 65535, true, "rows (K) of a macro"},
      {"macro_cols", &S::macroCols, 1, 65535, true, "columns (N) of a macro"},
      {"macros_down", &S::macrosDown, 1, 1024, true, "macros along K"},
      {"macros_across", &S::macrosAcross, 1, 1024, true, "macros along N"},
      {"weight_sets", &S::weightSets, 1, 255, true, "weight sets of a macro"},
      {"weight_bits", &S::weightBits, 1, 16, true, "bits of a stored weight"},
      {"dual_port", &S::dualPort, 0, 1, true,
       "a set can be written while another computes"},
      {"plane_skip_columns", &S::planeSkipColumns, 1, 65535, true,
       "columns that share a plane sequencer"},
      {"weight_write_bytes_per_cycle", &S::weightWriteBytesPerCycle, 0.001, 1e6,
       true, "weight write port of a core"},
      {"mac_startup_cycles", &S::macStartupCycles, 0, 1e6, true,
       "startup of a MAC instruction"},
      {"write_startup_cycles", &S::writeStartupCycles, 0, 1e6, true,
       "startup of a weight write"},
      {"bfp_mantissa_bits", &S::bfpMantissaBits, 2, 16, true,
       "mantissa bits of bfp16"},
      {"bfp_block_rows", &S::bfpBlockRows, 1, 255, true,
       "rows that share an exponent"},
      {"bfp_align_cycles", &S::bfpAlignCycles, 0, 1000, true,
       "extra cycles per activation row in bfp mode"},
      {"vec_bytes_per_cycle", &S::vecBytesPerCycle, 8, 65536, true,
       "vector width"},
      {"vec_sfu_lanes", &S::vecSfuLanes, 1, 65536, true,
       "lanes of elementary functions and division"},
      {"vec_ops_per_cycle", &S::vecOpsPerCycle, 1, 64, true,
       "micro-instructions issued per cycle"},
      {"vec_startup_cycles", &S::vecStartupCycles, 0, 1e6, true,
       "startup of a vector instruction"},
      {"dma_channels", &S::dmaChannels, 1, 64, true, "DMA channels of a core"},
      {"dma_bytes_per_cycle", &S::dmaBytesPerCycle, 0.001, 1e6, true,
       "bandwidth of a DMA channel"},
      {"dma_startup_cycles", &S::dmaStartupCycles, 0, 1e6, true,
       "startup of a DMA instruction"},
      {"dma_burst_bytes", &S::dmaBurstBytes, 1, 65536, true,
       "cost granule of a contiguous run in DRAM"},
      {"ctrl_startup_cycles", &S::ctrlStartupCycles, 0, 1e7, true,
       "startup of a firmware kernel"},
      {"ctrl_elements_per_cycle", &S::ctrlElementsPerCycle, 1e-6, 1e5, true,
       "throughput of firmware kernels"},
      {"semaphores", &S::semaphores, 1, 65535, true, "hardware semaphores"},
      {"bit_mac_fj", &S::bitMacFj, 0, 1e6, false,
       "energy of one 8-bit x 1-bit product"},
      {"weight_write_pj_per_byte", &S::weightWritePjPerByte, 0, 1e6, false,
       "energy of a weight write"},
      {"l1_pj_per_byte", &S::l1PjPerByte, 0, 1e6, false, "energy of L1"},
      {"l2_pj_per_byte", &S::l2PjPerByte, 0, 1e6, false, "energy of L2"},
      {"acc_pj_per_byte", &S::accPjPerByte, 0, 1e6, false,
       "energy of the accumulator memory"},
      {"dram_pj_per_byte", &S::dramPjPerByte, 0, 1e6, false, "energy of DRAM"},
      {"link_pj_per_byte", &S::linkPjPerByte, 0, 1e6, false,
       "energy of the chip-to-chip link"},
      {"vec_pj_per_op", &S::vecPjPerOp, 0, 1e6, false,
       "energy of a 32-bit vector lane operation"},
      {"idle_watts", &S::idleWatts, 0, 1e4, false, "idle power of a chip"},
  };
  return fields;
}

const TargetField *findTargetField(std::string_view key) {
  for (const TargetField &field : targetFields())
    if (field.key == key)
      return &field;
  return nullptr;
}

std::string formatNumber(double value) {
  std::array<char, 64> buffer;
  // Integers print as such: shortest form would turn 1e9 into "1e+09".
  bool plain = value > -9e15 && value < 9e15 &&
               value == static_cast<double>(static_cast<int64_t>(value));
  auto result =
      plain
          ? std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                          static_cast<int64_t>(value))
          : std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return std::string(buffer.data(), result.ptr);
}

} // namespace cim
