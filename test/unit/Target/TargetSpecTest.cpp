// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/Target/TargetSpec.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "cim/Target/TargetFields.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cim {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TargetSpec preset(const std::string &name) {
  absl::StatusOr<TargetSpec> spec = TargetSpec::load(name);
  EXPECT_TRUE(spec.ok()) << spec.status();
  return spec.ok() ? *spec : TargetSpec();
}

std::string messageOf(const std::string &yaml) {
  absl::StatusOr<TargetSpec> spec = TargetSpec::fromYaml(yaml, "t.yaml");
  EXPECT_FALSE(spec.ok()) << yaml;
  return std::string(spec.status().message());
}

TEST(TargetSpec, EveryPresetLoadsAndRoundTrips) {
  std::vector<std::string> names = TargetSpec::presets();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_GE(names.size(), 13u);
  std::set<uint64_t> hashes;
  for (const std::string &name : names) {
    TargetSpec spec = preset(name);
    EXPECT_EQ(spec.name, name);
    EXPECT_FALSE(spec.description.empty()) << name;
    absl::StatusOr<TargetSpec> again =
        TargetSpec::fromYaml(spec.toYaml(), "again");
    ASSERT_TRUE(again.ok()) << again.status();
    // Assumed is the default and need not be stored.
    EXPECT_EQ(*again, spec) << name;
    EXPECT_EQ(again->hash(), spec.hash());
    EXPECT_TRUE(hashes.insert(spec.hash()).second) << name;
  }
}

TEST(TargetSpec, DefaultsAreM50) {
  TargetSpec spec = preset("m50"), defaults;
  EXPECT_EQ(defaults.name, "m50");
  for (const TargetField &field : targetFields())
    EXPECT_EQ(field.get(defaults), field.get(spec)) << field.key;
  EXPECT_EQ(spec.provenance.at("dram_bytes_per_cycle"), Provenance::Published);
  EXPECT_EQ(spec.provenance.at("idle_watts"), Provenance::Measured);
  EXPECT_FALSE(spec.notes.at("clock_mhz").empty());
}

/// The public peaks the parameter sets are built around.
TEST(TargetSpec, PeaksOfTheM50ParameterSets) {
  auto tops = [](const TargetSpec &s, double planes) {
    return 2e-6 * s.arrayRows() * s.arrayCols() * s.coresPerChip * s.chips *
           s.clockMhz / planes;
  };
  auto bfp = [&](const TargetSpec &s) {
    return tops(s, s.bfpMantissaBits + s.bfpAlignCycles);
  };
  EXPECT_NEAR(tops(preset("m50"), 8), 163.8, 0.1);
  EXPECT_NEAR(bfp(preset("m50")), 100.8, 0.1);
  EXPECT_NEAR(tops(preset("m50-exact-clock"), 8), 160.6, 0.1);
  EXPECT_NEAR(bfp(preset("m50-exact-clock")), 98.8, 0.1);
  EXPECT_NEAR(tops(preset("m50-elastic"), 5), 160.0, 0.1);
  EXPECT_NEAR(bfp(preset("m50-elastic")), 100.0, 0.1);
  EXPECT_NEAR(tops(preset("m50-quad"), 8), 4 * 163.8, 0.2);
  EXPECT_NEAR(tops(preset("axelera-metis-like"), 8), 209.7, 0.1);
  // Dense INT8 at the peak: about 4.7 W in the array.
  TargetSpec m50 = preset("m50");
  EXPECT_NEAR(tops(m50, 1) / 2 * m50.bitMacFj * 1e-3, 4.7, 0.1);
}

TEST(TargetSpec, ShortAndLongForm) {
  absl::StatusOr<TargetSpec> spec = TargetSpec::fromYaml(
      "# comment\nname: mine\nclock_mhz: 800\n"
      "l1_bytes: {value: 65536, provenance: measured, note: \"a > b\"}\n"
      "dual_port: false\n",
      "t.yaml");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->name, "mine");
  EXPECT_EQ(spec->clockMhz, 800);
  EXPECT_EQ(spec->l1Bytes, 65536u);
  EXPECT_FALSE(spec->dualPort);
  EXPECT_EQ(spec->provenance.size(), 1u);
  EXPECT_EQ(spec->notes.at("l1_bytes"), "a > b");
  EXPECT_EQ(spec->macroRows, TargetSpec().macroRows);
}

TEST(TargetSpec, MessagesNameLineValueAndRemedy) {
  EXPECT_THAT(messageOf("name: a\nclock: 3\n"),
              AllOf(StartsWith("t.yaml:2: "), HasSubstr("\"clock\"")));
  EXPECT_THAT(
      messageOf("name: a\nclock_mhz: fast\n"),
      AllOf(StartsWith("t.yaml:2: clock_mhz: "), HasSubstr("\"fast\"")));
  EXPECT_THAT(messageOf("name: a\nchips: 1.5\n"),
              HasSubstr("not an integer; write an integer"));
  EXPECT_THAT(messageOf("name: a\n\nl1_bytes: 1e30\n"),
              AllOf(StartsWith("t.yaml:3: "), HasSubstr("out of range")));
  EXPECT_THAT(messageOf("name: a\nl1_bytes: -5\n"), HasSubstr("-5"));
  EXPECT_THAT(messageOf("name: a\nclock_mhz: nan\n"),
              HasSubstr("out of range"));
  EXPECT_THAT(messageOf("name: a\ndual_port: 1\n"), HasSubstr("true or false"));
  EXPECT_THAT(messageOf("name: a\nchips: [1]\n"), HasSubstr("not a number"));
  EXPECT_THAT(messageOf("name: a\nchips: {note: x}\n"), HasSubstr("no value"));
  EXPECT_THAT(messageOf("name: a\nchips: {value: 1, provenance: guessed}\n"),
              HasSubstr("unknown provenance \"guessed\""));
  EXPECT_THAT(messageOf("name: a\nchips: 1\nchips: 2\n"),
              AllOf(StartsWith("t.yaml:3: "), HasSubstr("given twice")));
  EXPECT_THAT(messageOf("chips: 1\n"), HasSubstr("no name"));
  EXPECT_THAT(messageOf("- 1\n"), HasSubstr("not a target description"));
  EXPECT_THAT(messageOf("name: [a\n"), HasSubstr("not valid YAML"));
  EXPECT_THAT(messageOf("name: &x a\n"), HasSubstr("anchors"));
  EXPECT_THAT(messageOf(std::string(300000, 'a')), HasSubstr("at most"));
  EXPECT_THAT(messageOf("name: " + std::string(5000, '[')),
              HasSubstr("nested too deep"));
  EXPECT_THAT(messageOf("name: a\nmacro_rows: 65535\n"),
              HasSubstr("at most 65535"));
  EXPECT_THAT(messageOf("name: a\nacc_bytes: 64\n"),
              HasSubstr("one row of accumulators"));
}

TEST(TargetSpec, LoadReportsUnknownNames) {
  absl::StatusOr<TargetSpec> spec = TargetSpec::load("m51");
  EXPECT_EQ(spec.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(spec.status().message()), HasSubstr("m50-duo"));
  EXPECT_FALSE(TargetSpec::load("./none.yaml").ok());
  EXPECT_FALSE(TargetSpec::load("/").ok());
}

TEST(TargetSpec, HashCoversExactlyTheHashedFields) {
  TargetSpec base;
  for (const TargetField &field : targetFields()) {
    TargetSpec changed = base;
    field.set(changed, field.isBool() ? !field.get(base) : field.get(base) + 1);
    EXPECT_EQ(changed.hash() != base.hash(), field.hashed) << field.key;
  }
  TargetSpec renamed = base;
  renamed.name = "other";
  EXPECT_EQ(renamed.hash(), base.hash());
}

TEST(TargetSpec, EveryFieldHasLimits) {
  for (const TargetField &field : targetFields()) {
    TargetSpec low, high, nan;
    if (field.isBool())
      continue;
    high.name = low.name = nan.name = "x";
    field.set(high, field.max + (field.isInteger() ? 1 : field.max));
    EXPECT_FALSE(high.validate().ok()) << field.key;
    if (field.min > 0) {
      field.set(low, field.isInteger() ? field.min - 1 : field.min / 2);
      EXPECT_FALSE(low.validate().ok()) << field.key;
    }
    if (!field.isInteger()) {
      field.set(nan, std::nan(""));
      EXPECT_FALSE(nan.validate().ok()) << field.key;
    }
  }
}

/// Damaged YAML is an error or a spec, never a crash.
TEST(TargetSpec, MutatedYamlNeverCrashes) {
  std::string valid = preset("m50").toYaml();
  std::mt19937 random(7);
  for (int i = 0; i < 1500; ++i) {
    std::string bytes = valid;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    if (i % 3 == 0)
      bytes.resize(random() % bytes.size());
    absl::StatusOr<TargetSpec> spec = TargetSpec::fromYaml(bytes, "t.yaml");
    if (!spec.ok())
      EXPECT_THAT(std::string(spec.status().message()), StartsWith("t.yaml"));
  }
}

TEST(FormatNumber, ReadsBackExactly) {
  for (double value : {0.0, 1.0, -3.0, 0.1, 122.88, 1e-6, 25769803776.0, 1e300})
    EXPECT_EQ(std::stod(formatNumber(value)), value);
  EXPECT_EQ(formatNumber(1e9), "1000000000");
}

} // namespace
} // namespace cim
