// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The JSON report (docs/report.md).
#include <algorithm>

#include "cim/Runtime/Report.h"
#include "nlohmann/json.hpp"

namespace cim {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kReportVersion = 1;
constexpr size_t kMaxReportDepth = 64;

double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

/// JSON from a program file: may be anything. Null unless it is an object of
/// sane depth (printing it recurses).
Json parseCompileReport(const std::string &text) {
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quoted && c == '\\')
      ++i;
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && (c == '[' || c == '{') && ++depth > kMaxReportDepth)
      return nullptr;
    else if (!quoted && (c == ']' || c == '}') && depth > 0)
      --depth;
  }
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json();
}

Json energy(const StageStats &stats) {
  return {{"total_j", stats.energyJ},
          {"mac_j", stats.macEnergyJ},
          {"memory_j", stats.memoryEnergyJ},
          {"vector_j", stats.vectorEnergyJ},
          {"idle_j", stats.idleEnergyJ}};
}

Json stage(const Program &program, const StageStats &stats) {
  Derived d = derive(program, stats);
  return {{"cycles", stats.cycles},
          {"seconds", d.seconds},
          {"energy_j", stats.energyJ}};
}

Json engines(const Program &program, const StageStats &stats) {
  EngineStats sums[5];
  unsigned queues[5] = {};
  for (size_t i = 0; i < stats.queues.size() && i < program.run.queues.size();
       ++i) {
    size_t engine = static_cast<size_t>(program.run.queues[i].engine);
    ++queues[engine];
    sums[engine].instructions += stats.queues[i].instructions;
    sums[engine].busyCycles += stats.queues[i].busyCycles;
    sums[engine].computeCycles += stats.queues[i].computeCycles;
  }
  Json json = Json::object();
  for (size_t i = 0; i < 5; ++i)
    json[name(static_cast<Engine>(i))] = {
        {"queues", queues[i]},
        {"instructions", sums[i].instructions},
        {"busy_cycles", sums[i].busyCycles},
        {"uncontended_cycles", sums[i].computeCycles},
        {"busy_share", share(static_cast<double>(sums[i].busyCycles),
                             static_cast<double>(stats.cycles) * queues[i])}};
  return json;
}

Json queues(const Program &program, const StageStats &stats) {
  Json json = Json::array();
  for (size_t i = 0; i < stats.queues.size() && i < program.run.queues.size();
       ++i) {
    const Queue &queue = program.run.queues[i];
    json.push_back(
        {{"chip", queue.chip},
         {"core", queue.core},
         {"engine", name(queue.engine)},
         {"index", queue.index},
         {"instructions", stats.queues[i].instructions},
         {"busy_cycles", stats.queues[i].busyCycles},
         {"busy_share", share(static_cast<double>(stats.queues[i].busyCycles),
                              static_cast<double>(stats.cycles))}});
  }
  return json;
}

Json layers(const Program &program, const StageStats &stats) {
  Json json = Json::array();
  const TargetSpec &target = program.target;
  double lanes = static_cast<double>(target.arrayRows()) * target.arrayCols() *
                 target.coresPerChip * target.chips;
  std::vector<uint64_t> added = layerCycles(stats);
  for (size_t i = 0; i < program.layers.size(); ++i) {
    const LayerInfo &info = program.layers[i];
    LayerStats layer = i < stats.layers.size() ? stats.layers[i] : LayerStats();
    uint64_t cycles = i < added.size() ? added[i] : 0;
    LayerLimit limit = layerLimit(program, layer);
    Json busy = Json::object();
    Json critical = Json::object();
    for (size_t e = 0; e < 5; ++e) {
      busy[name(static_cast<Engine>(e))] = layer.engine[e].busyCycles;
      Json causes = Json::object();
      for (size_t c = 0; c < kPathCauses; ++c)
        causes[name(static_cast<PathCause>(c))] = layer.critical[e][c];
      critical[name(static_cast<Engine>(e))] = std::move(causes);
    }
    std::string note = layerNote(info, layer);
    if (!info.note.empty())
      note = note.empty() ? info.note : info.note + "; " + note;
    json.push_back({{"name", info.name},
                    {"op", info.op},
                    {"format", info.format},
                    {"nodes", info.nodes},
                    {"cycles", cycles},
                    {"first_cycle", layer.firstCycle},
                    {"last_cycle", layer.lastCycle},
                    {"predicted_cycles", info.predictedCycles},
                    {"macs", info.macs},
                    {"executed_macs", layer.macs},
                    {"bit_macs", layer.bitMacs},
                    {"utilization", share(static_cast<double>(layer.bitMacs),
                                          lanes * static_cast<double>(cycles))},
                    {"busy_cycles", std::move(busy)},
                    {"critical_cycles", std::move(critical)},
                    {"limited_by", limit.name},
                    {"limited_share", limit.share},
                    {"dram_bytes", layer.dramBytes},
                    {"l2_bytes", layer.l2Bytes},
                    {"energy_j", layer.energyJ},
                    {"schedule", info.schedule},
                    {"note", note}});
  }
  return json;
}

/// Bytes of buffers live in each layer, per memory.
Json liveBytes(const Program &program) {
  size_t count = std::max<size_t>(1, program.layers.size());
  std::map<std::tuple<Space, unsigned, unsigned>, std::vector<int64_t>> changes;
  for (const BufferInfo &buffer : program.buffers) {
    bool shared = buffer.address.space <= Space::L2;
    auto &list = changes[{buffer.address.space, buffer.address.chip,
                          shared ? 0u : buffer.core}];
    list.resize(count + 1, 0);
    list[buffer.firstLayer] += static_cast<int64_t>(buffer.size);
    list[buffer.lastLayer + 1] -= static_cast<int64_t>(buffer.size);
  }
  Json json = Json::array();
  for (const auto &[key, list] : changes) {
    const auto &[space, chip, core] = key;
    int64_t now = 0, peak = 0;
    Json bytes = Json::array();
    for (size_t i = 0; i < count; ++i) {
      now += list[i];
      peak = std::max(peak, now);
      bytes.push_back(now);
    }
    json.push_back({{"space", name(space)},
                    {"chip", chip},
                    {"core", core},
                    {"peak_bytes", peak},
                    {"bytes_per_layer", std::move(bytes)}});
  }
  return json;
}

Json memory(const Program &program, const StageStats &stats, double seconds) {
  const TargetSpec &target = program.target;
  double cycles = static_cast<double>(stats.cycles);
  auto one = [&](const MemoryStats &m, uint64_t capacity, double peak) {
    double moved = static_cast<double>(m.readBytes + m.writeBytes);
    return Json{{"capacity_bytes", capacity},
                {"read_bytes", m.readBytes},
                {"write_bytes", m.writeBytes},
                {"bytes_per_second", share(moved, seconds)},
                {"bandwidth_share", share(moved, cycles * peak)}};
  };
  double cores = static_cast<double>(target.chips) * target.coresPerChip;
  Json json = {
      {"dram", one(stats.dram, target.dramBytes,
                   target.chips * target.dramBytesPerCycle)},
      {"l2",
       one(stats.l2, target.l2Bytes, target.chips * target.l2BytesPerCycle)},
      {"l1", one(stats.l1, target.l1Bytes, cores * target.l1BytesPerCycle)},
      {"acc", one(stats.acc, target.accBytes, cores * target.accBytesPerCycle)},
      {"link", one(stats.link, 0, target.chips * target.linkBytesPerCycle)}};
  json["dram"]["used_bytes"] = program.dramBytes;
  json["live"] = liveBytes(program);
  Json map = Json::array();
  for (const BufferInfo &buffer : program.buffers)
    map.push_back({{"name", buffer.name},
                   {"space", name(buffer.address.space)},
                   {"chip", buffer.address.chip},
                   {"core", buffer.core},
                   {"offset", buffer.address.offset},
                   {"size", buffer.size},
                   {"first_layer", buffer.firstLayer},
                   {"last_layer", buffer.lastLayer}});
  json["map"] = std::move(map);
  return json;
}

} // namespace

std::string reportJson(const Program &program, const Profile &profile) {
  const StageStats &steady = profile.last;
  Derived d = derive(program, steady);
  StageStats cold;
  cold.cycles = profile.load.cycles + profile.first.cycles;
  cold.energyJ = profile.load.energyJ + profile.first.energyJ;
  Json report = parseCompileReport(program.reportJson);
  Json compile = report.is_object() && report.contains("compile") &&
                         report["compile"].is_object()
                     ? report["compile"]
                     : Json::object();
  Json json = {{"report_version", kReportVersion},
               {"model", program.model},
               {"producer", program.producer},
               {"target", program.target.name},
               {"clock_mhz", program.target.clockMhz},
               {"seconds", d.seconds},
               {"cycles", steady.cycles},
               {"energy_j", steady.energyJ},
               {"macs", steady.macs},
               {"bit_macs", steady.bitMacs},
               {"tops", d.tops},
               {"tops_per_watt", d.topsPerWatt},
               {"utilization", d.utilization},
               {"bound_cycles", program.lowerBoundCycles},
               {"bound_ratio", d.boundRatio},
               {"predicted_cycles", program.predictedCycles},
               {"predicted_load_cycles", program.predictedLoadCycles},
               {"runs", profile.runs}};
  json["cold"] = stage(program, cold);
  json["load"] = stage(program, profile.load);
  json["steady"] = stage(program, steady);
  json["energy"] = energy(steady);
  json["engines"] = engines(program, steady);
  json["queues"] = queues(program, steady);
  json["layers"] = layers(program, steady);
  json["memory"] = memory(program, steady, d.seconds);
  json["compile"] = std::move(compile);
  if (report.is_object()) {
    report.erase("compile");
    json["compile_report"] = std::move(report);
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace cim
