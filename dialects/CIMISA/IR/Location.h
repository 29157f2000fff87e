// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cim::Location as MLIR locations and back.
#ifndef DIALECTS_CIMISA_IR_LOCATION_H
#define DIALECTS_CIMISA_IR_LOCATION_H

#include <optional>

#include "cim/Program/Program.h"
#include "mlir/IR/Location.h"

namespace cim::isa {

/// A location as the assembly holds it.
struct SourceRef {
  cim::Location location;
  /// Index in the location table, when node and layer do not identify it (a
  /// table with equal entries).
  std::optional<uint32_t> entry;
  bool operator==(const SourceRef &) const = default;
};

/// `fused<"layer">[NameLoc("node" at child)]`; `child` alone when both
/// are empty. The metadata is ["layer", entry] when there is an entry.
mlir::Location toMLIR(const SourceRef &source, mlir::Location child);

/// Reads any location: the layer is the metadata string of the outermost
/// FusedLoc that has one, the node the distinct NameLoc names in it, in order,
/// joined with ",". Empty where there are none.
SourceRef fromMLIR(mlir::Location location);

} // namespace cim::isa

#endif // DIALECTS_CIMISA_IR_LOCATION_H
