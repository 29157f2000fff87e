// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Runtime/Report.h"

#include "FakeDevice.h"
#include "nlohmann/json.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cim {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class ReportTest : public ::testing::Test {
protected:
  void SetUp() override {
    RunOptions options;
    options.mode = Mode::Timing;
    options.trace = true;
    session = *Session::create(std::make_shared<Program>(program), options,
                               fakeDevice());
    ASSERT_TRUE(session->run({}).ok());
    ASSERT_TRUE(session->run({}).ok());
  }
  Json report() { return Json::parse(reportJson(program, session->profile())); }

  Program program = fakeProgram();
  std::unique_ptr<Session> session;
};

/// The keys other tools rely on.
TEST_F(ReportTest, StableKeys) {
  Json json = report();
  for (const char *key : {"report_version", "model",
                          "target",         "seconds",
                          "cycles",         "energy_j",
                          "macs",           "utilization",
                          "bound_cycles",   "predicted_cycles",
                          "engines",        "layers",
                          "memory",         "compile",
                          "cold",           "load",
                          "steady",         "tops",
                          "tops_per_watt",  "queues",
                          "runs",           "energy"})
    EXPECT_TRUE(json.contains(key)) << key;
}

TEST_F(ReportTest, Figures) {
  Json json = report();
  EXPECT_EQ(json["cycles"], 101); // The second run.
  EXPECT_DOUBLE_EQ(json["seconds"], 101e-9);
  EXPECT_EQ(json["cold"]["cycles"], 1100);
  EXPECT_EQ(json["cold"]["energy_j"], 0.75);
  EXPECT_EQ(json["steady"]["cycles"], 101);
  EXPECT_DOUBLE_EQ(json["tops"], 2 * 1000 / 101e-9 * 1e-12);
  EXPECT_DOUBLE_EQ(json["tops_per_watt"], 2 * 1000 / 0.25 * 1e-12);
  EXPECT_DOUBLE_EQ(json["utilization"], 8000.0 / (512.0 * 512 * 2 * 101));
  EXPECT_DOUBLE_EQ(json["bound_ratio"], 50.0 / 101);
  EXPECT_EQ(json["engines"]["mac"]["busy_cycles"], 60);
  EXPECT_DOUBLE_EQ(json["engines"]["mac"]["busy_share"], 60.0 / 101);
  EXPECT_EQ(json["engines"]["vec"]["busy_share"], 0);
  EXPECT_EQ(json["queues"][1]["engine"], "dma");
  EXPECT_EQ(json["compile"]["import"], 0.25);
  EXPECT_EQ(json["compile"]["peak_rss_bytes"], 42);
  EXPECT_EQ(json["compile_report"]["seed"], 3);
}

TEST_F(ReportTest, LayersAndMemory) {
  Json json = report();
  const Json &conv = json["layers"][0];
  EXPECT_EQ(conv["name"], "conv1");
  EXPECT_EQ(conv["nodes"], Json::array({"Conv_1", "Relu_2"}));
  EXPECT_EQ(conv["cycles"], 80);
  EXPECT_EQ(conv["busy_cycles"]["mac"], 60);
  EXPECT_EQ(conv["limited_by"], "mac");
  EXPECT_DOUBLE_EQ(conv["limited_share"], 0.75);
  EXPECT_EQ(conv["note"], "bound by MACs; array 75 %, latency 25 %");
  EXPECT_EQ(json["layers"][1]["limited_by"], "dma");
  EXPECT_EQ(json["memory"]["dram"]["read_bytes"], 640);
  const Json &live = json["memory"]["live"];
  ASSERT_EQ(live.size(), 2u);
  EXPECT_EQ(live[0]["space"], "dram");
  EXPECT_EQ(live[0]["bytes_per_layer"], Json::array({0, 7}));
  EXPECT_EQ(live[1]["core"], 1);
  EXPECT_EQ(live[1]["bytes_per_layer"], Json::array({150, 50}));
  EXPECT_EQ(live[1]["peak_bytes"], 150);
  EXPECT_EQ(json["memory"]["map"].size(), 3u);
}

/// docs/report.md, "Why a layer is not faster".
TEST(LayerNote, SaysWhereTimeGoes) {
  auto at = [](LayerStats &layer, Engine engine,
               PathCause cause) -> uint64_t & {
    return layer.critical[size_t(engine)][size_t(cause)];
  };
  LayerInfo info;
  info.op = "conv";
  info.format = "w8a8";
  LayerStats layer;
  EXPECT_EQ(layerNote(info, layer), "");
  layer.lastCycle = 100;
  EXPECT_EQ(layerNote(info, layer), "hidden behind other layers");
  at(layer, Engine::Mac, PathCause::Startup) = 40;
  at(layer, Engine::Dma, PathCause::Startup) = 15;
  at(layer, Engine::Vec, PathCause::L2) = 25;
  at(layer, Engine::Mac, PathCause::Work) = 12;
  at(layer, Engine::WeightWrite, PathCause::Dram) = 8;
  EXPECT_EQ(layerNote(info, layer), "latency 55 %, l2 (vec) 25 %, array 12 %");
  info.format = "bfp16";
  EXPECT_EQ(layerNote(info, layer), "latency 55 %, l2 (vec) 25 %, array 12 %");
  info.format = "w5a8";
  EXPECT_EQ(layerNote(info, layer),
            "latency 55 %, l2 (vec) 25 %, array 12 %; 5 bits shorten only "
            "array and weight writes, 20 %");
  at(layer, Engine::Mac, PathCause::Work) = 900;
  EXPECT_EQ(layerNote(info, layer),
            "array 91 %; 5 bits shorten array and weight writes, 92 %");
}

TEST_F(ReportTest, CompileReportMayBeAnything) {
  for (std::string text :
       {std::string(), std::string("["), std::string("7"),
        std::string(100000, '['), std::string("{\"compile\": 3}"),
        std::string("{\"a\": \"\xff\"}")}) {
    program.reportJson = text;
    EXPECT_TRUE(report()["compile"].is_object()) << text.substr(0, 20);
  }
}

TEST_F(ReportTest, HostileNamesStayValidJson) {
  program.model = "\xff\"\n";
  program.layers[0].name = "\xc3";
  EXPECT_TRUE(report().is_object());
  program.locations[1].node = "\xfe\"";
  EXPECT_TRUE(Json::accept(traceJson(program, session->profile())));
  EXPECT_THAT(reportText(program, session->profile(), 5), HasSubstr("steady"));
}

TEST_F(ReportTest, Trace) {
  Json trace = Json::parse(traceJson(program, session->profile()));
  const Json &events = trace["traceEvents"];
  ASSERT_EQ(events.size(), 6u); // Two tracks named twice, two events.
  const Json &mac = events[4], &dma = events[5];
  EXPECT_EQ(mac["ph"], "X");
  EXPECT_EQ(mac["args"]["node"], "Conv_1");
  EXPECT_DOUBLE_EQ(mac["ts"], 1.0); // After the load stage's 1000 cycles.
  EXPECT_DOUBLE_EQ(mac["dur"], 0.04);
  EXPECT_EQ(dma["args"]["node"], "say \"hi\"");
  EXPECT_NE(mac["pid"], dma["pid"]);
}

TEST_F(ReportTest, Text) {
  std::string text = reportText(program, session->profile(), 1);
  EXPECT_THAT(text, HasSubstr("fake on m50"));
  EXPECT_THAT(text, HasSubstr("101 cycles"));
  EXPECT_THAT(text, HasSubstr("array 75 %, latency 25 %"));
  EXPECT_THAT(text, HasSubstr("and 1 more layers"));
}

} // namespace
} // namespace cim
