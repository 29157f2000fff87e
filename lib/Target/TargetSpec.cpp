// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Validation and hashing; the YAML side is Yaml.cpp.
#include "cim/Target/TargetSpec.h"

#include <cmath>

#include "cim/Support/Hash.h"
#include "cim/Support/Status.h"
#include "cim/Target/TargetFields.h"

namespace cim {

const char *name(Provenance provenance) {
  switch (provenance) {
  case Provenance::Published:
    return "published";
  case Provenance::Measured:
    return "measured";
  case Provenance::Assumed:
    break;
  }
  return "assumed";
}

namespace {

/// Limits of single fields.
absl::Status validateField(const TargetSpec &spec, const TargetField &field) {
  double value = field.get(spec);
  if (std::isfinite(value) && value >= field.min && value <= field.max)
    return absl::OkStatus();
  return invalidArgument(field.key, ": value ", formatNumber(value),
                         " is out of range; ", formatNumber(field.min), " to ",
                         formatNumber(field.max), " is allowed; correct it");
}

/// Limits that fields put on each other.
absl::Status validateTogether(const TargetSpec &s) {
  uint64_t rows = uint64_t(s.macroRows) * s.macrosDown;
  uint64_t cols = uint64_t(s.macroCols) * s.macrosAcross;
  if (rows > 65535)
    return invalidArgument("macros_down: the array has ", rows,
                           " rows; at most 65535; reduce macro_rows or "
                           "macros_down");
  if (cols > 65535)
    return invalidArgument("macros_across: the array has ", cols,
                           " columns; at most 65535; reduce macro_cols or "
                           "macros_across");
  if (s.planeSkipColumns > cols)
    return invalidArgument("plane_skip_columns: ", s.planeSkipColumns,
                           " columns share a sequencer; the array has ", cols,
                           "; reduce it");
  if (s.accBytes < 4 * cols)
    return invalidArgument("acc_bytes: ", s.accBytes,
                           " bytes; one row of accumulators takes ", 4 * cols,
                           "; enlarge it");
  if (s.l1Bytes < rows)
    return invalidArgument("l1_bytes: ", s.l1Bytes,
                           " bytes; one row of 8-bit activations takes ", rows,
                           "; enlarge it");
  return absl::OkStatus();
}

} // namespace

absl::Status TargetSpec::validate() const {
  if (name.empty())
    return invalidArgument("name: empty; a target needs a name; set it");
  for (const TargetField &field : targetFields())
    CIM_RETURN_IF_ERROR(validateField(*this, field));
  CIM_RETURN_IF_ERROR(validateTogether(*this));
  for (const auto &[key, unused] : provenance)
    if (!findTargetField(key))
      return invalidArgument(key,
                             ": provenance of an unknown field; remove it");
  for (const auto &[key, unused] : notes)
    if (!findTargetField(key))
      return invalidArgument(key, ": note on an unknown field; remove it");
  return absl::OkStatus();
}

uint64_t TargetSpec::hash() const {
  std::string text;
  for (const TargetField &field : targetFields())
    if (field.hashed)
      absl::StrAppend(&text, toAbsl(field.key), "=",
                      formatNumber(field.get(*this)), "\n");
  return hash64(text);
}

} // namespace cim
