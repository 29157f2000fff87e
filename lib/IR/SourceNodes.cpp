// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cim/IR/SourceNodes.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace cim {

static void collect(Location loc, llvm::SmallVector<llvm::StringRef> &names) {
  if (auto name = dyn_cast<NameLoc>(loc)) {
    if (!llvm::is_contained(names, name.getName().getValue()))
      names.push_back(name.getName().getValue());
  } else if (auto fused = dyn_cast<FusedLoc>(loc)) {
    for (Location inner : fused.getLocations())
      collect(inner, names);
  }
}

llvm::SmallVector<llvm::StringRef> sourceNodes(Location loc) {
  llvm::SmallVector<llvm::StringRef> names;
  collect(loc, names);
  return names;
}

} // namespace cim
