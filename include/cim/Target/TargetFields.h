// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The numeric fields of TargetSpec as a table: key, member, limits. One list
// serves the YAML reader and writer, validation, hashing and the program file.
#ifndef CIM_TARGET_TARGETFIELDS_H
#define CIM_TARGET_TARGETFIELDS_H

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "cim/Target/TargetSpec.h"

namespace cim {

/// One field. `key` is its YAML name with the unit in it.
struct TargetField {
  using Member = std::variant<uint32_t TargetSpec::*, uint64_t TargetSpec::*,
                              double TargetSpec::*, bool TargetSpec::*>;
  std::string_view key;
  Member member;
  double min, max;      ///< Inclusive limits; 0 and 1 for booleans.
  bool hashed;          ///< Part of TargetSpec::hash().
  std::string_view doc; ///< One phrase for listings.

  bool isInteger() const { return member.index() < 2; }
  bool isBool() const { return member.index() == 3; }
  /// The value as a double; exact, since integer limits are below 2^53.
  double get(const TargetSpec &spec) const;
  /// Stores `value`; the caller has checked the limits and integrality.
  void set(TargetSpec &spec, double value) const;
};

/// All fields in the order of TargetSpec; never reordered, only appended to.
const std::vector<TargetField> &targetFields();
/// The field named `key`, or null.
const TargetField *findTargetField(std::string_view key);
/// Shortest decimal text that reads back to exactly `value`.
std::string formatNumber(double value);

} // namespace cim

#endif // CIM_TARGET_TARGETFIELDS_H
