// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "dialects/CIMISA/IR/Location.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace cim::isa {

mlir::Location toMLIR(const SourceRef &source, mlir::Location child) {
  const cim::Location &where = source.location;
  if (where.node.empty() && where.layer.empty() && !source.entry)
    return child;
  MLIRContext *ctx = child.getContext();
  mlir::Location name = where.node.empty()
                            ? child
                            : mlir::Location(NameLoc::get(
                                  StringAttr::get(ctx, where.node), child));
  Attribute metadata = StringAttr::get(ctx, where.layer);
  if (source.entry)
    metadata = ArrayAttr::get(
        ctx, {metadata, IntegerAttr::get(IntegerType::get(ctx, 64),
                                         int64_t(*source.entry))});
  else if (where.layer.empty())
    return name;
  return FusedLoc::get(ctx, {name}, metadata);
}

/// Adds the names in `location`, and the layer of the first FusedLoc.
static void collect(mlir::Location location, SmallVector<StringRef> &names,
                    std::optional<Attribute> &metadata) {
  TypeSwitch<LocationAttr>(location)
      .Case<NameLoc>([&](NameLoc name) {
        if (!llvm::is_contained(names, name.getName().getValue()))
          names.push_back(name.getName().getValue());
      })
      .Case<FusedLoc>([&](FusedLoc fused) {
        Attribute data = fused.getMetadata();
        if (!metadata && llvm::isa_and_nonnull<StringAttr, ArrayAttr>(data))
          metadata = data;
        for (mlir::Location part : fused.getLocations())
          collect(part, names, metadata);
      })
      .Case<CallSiteLoc>([&](CallSiteLoc call) {
        collect(call.getCallee(), names, metadata);
      });
}

SourceRef fromMLIR(mlir::Location location) {
  SmallVector<StringRef> names;
  std::optional<Attribute> metadata;
  collect(location, names, metadata);
  SourceRef source;
  source.location.node = llvm::join(names, ",");
  if (!metadata)
    return source;
  if (auto layer = dyn_cast<StringAttr>(*metadata)) {
    source.location.layer = layer.getValue().str();
  } else if (auto pair = cast<ArrayAttr>(*metadata); pair.size() == 2) {
    auto layer = dyn_cast<StringAttr>(pair[0]);
    auto entry = dyn_cast<IntegerAttr>(pair[1]);
    if (layer && entry && entry.getType().isInteger(64)) {
      source.location.layer = layer.getValue().str();
      source.entry = uint32_t(entry.getInt());
    }
  }
  return source;
}

} // namespace cim::isa
