// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A small machine and what the tests of instruction bodies share.
#ifndef CIM_TEST_UNIT_DEVICEEXEC_FIXTURE_H
#define CIM_TEST_UNIT_DEVICEEXEC_FIXTURE_H

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "exec/Machine.h"
#include "gtest/gtest.h"

namespace cim::test {

inline TargetSpec smallTarget() {
  TargetSpec t;
  t.name = "test";
  t.chips = 2;
  t.coresPerChip = 2;
  t.dramBytes = 1 << 20;
  t.l2Bytes = 1 << 18;
  t.l1Bytes = 1 << 18;
  t.accBytes = 1 << 18;
  t.macroRows = 32;
  t.macroCols = 16;
  t.macrosDown = 8;
  t.macrosAcross = 8;
  t.weightSets = 2;
  t.planeSkipColumns = 16;
  return t;
}

inline Address at(Space space, uint64_t offset, unsigned chip = 0) {
  return {space, uint8_t(chip), offset};
}

/// A program with its machine; instructions run on chip 0 core 0.
class Box {
public:
  explicit Box(bool sanitize = false, int threads = 1)
      : sanitize(sanitize), threads(threads) {
    program.target = smallTarget();
  }

  /// After the program's segments and kernels are set.
  void start() {
    auto made = exec::Machine::create(program, sanitize, threads);
    ASSERT_TRUE(made.ok()) << made.status();
    machine = std::move(*made);
  }
  std::optional<Fault> run(Operation op) {
    Instruction instruction;
    instruction.op = std::move(op);
    return machine->execute(0, 0, instruction);
  }
  void ok(Operation op) {
    auto fault = run(std::move(op));
    ASSERT_FALSE(fault) << fault->message;
  }
  void faults(Operation op, FaultCode code, const char *part) {
    auto fault = run(std::move(op));
    ASSERT_TRUE(fault) << part;
    EXPECT_EQ(int(fault->code), int(code)) << fault->message;
    EXPECT_NE(fault->message.find(part), std::string::npos) << fault->message;
    EXPECT_EQ(fault->message.find('\n'), std::string::npos);
  }

  template <typename T>
  void put(const Address &address, const std::vector<T> &data) {
    ASSERT_TRUE(
        machine->write(address, 0, data.data(), data.size() * sizeof(T)).ok());
  }
  template <typename T>
  std::vector<T> get(const Address &address, size_t count) {
    std::vector<T> data(count);
    EXPECT_TRUE(machine->read(address, 0, data.data(), count * sizeof(T)).ok());
    return data;
  }

  Program program;
  std::unique_ptr<exec::Machine> machine;
  bool sanitize;
  int threads;
};

/// Small random numbers.
class Random {
public:
  explicit Random(uint64_t seed) : engine(seed) {}
  int64_t range(int64_t lo, int64_t hi) { // Inclusive.
    return lo + int64_t(engine() % uint64_t(hi - lo + 1));
  }
  bool chance(int percent) { return range(0, 99) < percent; }
  uint64_t bits() { return engine(); }
  template <typename T>
  std::vector<T> integers(size_t n, int64_t lo, int64_t hi) {
    std::vector<T> v(n);
    for (T &x : v)
      x = T(range(lo, hi));
    return v;
  }
  std::vector<uint8_t> bytes(size_t n) { return integers<uint8_t>(n, 0, 255); }

private:
  std::mt19937_64 engine;
};

} // namespace cim::test

#endif // CIM_TEST_UNIT_DEVICEEXEC_FIXTURE_H
