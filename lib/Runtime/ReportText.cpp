// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The report for a terminal.
#include <algorithm>
#include <numeric>

#include "absl/strings/str_format.h"
#include "cim/Runtime/Report.h"

namespace cim {
namespace {

/// At most `width` bytes; never cuts a UTF-8 sequence in two.
std::string clip(std::string text, size_t width) {
  for (char &c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      c = '?';
  if (text.size() <= width)
    return text;
  size_t end = width - 2;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;
  return text.substr(0, end) + "..";
}

/// "12.3 k", "4.56 M": three digits and a decimal prefix.
std::string scaled(double value, const char *unit) {
  static constexpr const char *large[] = {"", " k", " M", " G", " T", " P"};
  static constexpr const char *small[] = {"", " m", " u", " n", " p"};
  int step = 0;
  for (; value >= 1000 && step < 5; value /= 1000)
    ++step;
  for (; value > 0 && value < 0.9995 && step > -4; value *= 1000)
    --step;
  const char *prefix = step >= 0 ? large[step] : small[-step];
  return absl::StrFormat("%.3g%s%s%s", value, prefix,
                         step == 0 && *unit ? " " : "", unit);
}

std::string summary(const Program &program, const Profile &profile) {
  const StageStats &steady = profile.last;
  Derived d = derive(program, steady);
  StageStats cold;
  cold.cycles = profile.load.cycles + profile.first.cycles;
  double coldEnergy = profile.load.energyJ + profile.first.energyJ;
  std::string text = absl::StrFormat("%s on %s\n", clip(program.model, 60),
                                     clip(program.target.name, 40));
  auto line = [&](const char *label, const std::string &value) {
    absl::StrAppendFormat(&text, "  %-12s %s\n", label, value);
  };
  line("steady",
       absl::StrFormat("%d cycles, %s, %s", steady.cycles,
                       scaled(d.seconds, "s"), scaled(steady.energyJ, "J")));
  line("cold", absl::StrFormat("%d cycles (load %d), %s, %s", cold.cycles,
                               profile.load.cycles,
                               scaled(derive(program, cold).seconds, "s"),
                               scaled(coldEnergy, "J")));
  line("predicted", absl::StrFormat("%d cycles", program.predictedCycles));
  line("lower bound",
       absl::StrFormat("%d cycles, %.1f %% of the steady time",
                       program.lowerBoundCycles, 100 * d.boundRatio));
  line("array", absl::StrFormat("%.1f %% used, %s MACs, %.3g TOPS, %.3g TOPS/W",
                                100 * d.utilization,
                                scaled(static_cast<double>(steady.macs), ""),
                                d.tops, d.topsPerWatt));
  line("dram",
       absl::StrFormat(
           "%s read, %s written, %s/s",
           scaled(static_cast<double>(steady.dram.readBytes), "B"),
           scaled(static_cast<double>(steady.dram.writeBytes), "B"),
           scaled(d.seconds > 0 ? static_cast<double>(steady.dram.readBytes +
                                                      steady.dram.writeBytes) /
                                      d.seconds
                                : 0,
                  "B")));
  return text;
}

std::string layerRow(const Program &program, const LayerInfo &info,
                     const LayerStats &layer, uint64_t cycles,
                     uint64_t allCycles) {
  const TargetSpec &target = program.target;
  double slots = static_cast<double>(target.arrayRows()) * target.arrayCols() *
                 target.coresPerChip * target.chips *
                 static_cast<double>(cycles);
  return absl::StrFormat(
      "  %-24s %-8s %-7s %10d %5.1f %10d %8s %6.1f %9s  %s\n",
      clip(info.name, 24), clip(info.op, 8), clip(info.format, 7), cycles,
      allCycles
          ? 100.0 * static_cast<double>(cycles) / static_cast<double>(allCycles)
          : 0.0,
      info.predictedCycles, scaled(static_cast<double>(layer.macs), ""),
      slots > 0 ? 100 * static_cast<double>(layer.bitMacs) / slots : 0.0,
      scaled(static_cast<double>(layer.dramBytes), "B"),
      layerNote(info, layer));
}

} // namespace

std::string reportText(const Program &program, const Profile &profile,
                       size_t maxLayers) {
  std::string text = summary(program, profile);
  const StageStats &steady = profile.last;
  size_t count = std::min(program.layers.size(), steady.layers.size());
  if (count == 0 || maxLayers == 0)
    return text;
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t(0));
  std::vector<uint64_t> added = layerCycles(steady);
  auto cyclesOf = [&](size_t i) { return added[i]; };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return cyclesOf(a) != cyclesOf(b) ? cyclesOf(a) > cyclesOf(b) : a < b;
  });
  order.resize(std::min(count, maxLayers));
  absl::StrAppendFormat(&text,
                        "  %-24s %-8s %-7s %10s %5s %10s %8s %6s %9s  %s\n",
                        "layer", "op", "format", "cycles", "%", "predicted",
                        "MACs", "array%", "DRAM", "time goes to");
  for (size_t i : order)
    text += layerRow(program, program.layers[i], steady.layers[i], added[i],
                     steady.cycles);
  if (order.size() < count)
    absl::StrAppendFormat(&text, "  and %d more layers\n",
                          count - order.size());
  return text;
}

} // namespace cim
