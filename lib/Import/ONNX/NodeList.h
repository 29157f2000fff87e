// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What became of every node of the graph, kept in the module (attribute
// `cim.nodes`) for the plan: an array with a dictionary per node, in order, of
// its `name`, its `op`, its `fate` if it left no operation (folded, renamed,
// unused, or duplicate: of the name of an earlier node) and `inner`, the names
// of nodes in its subgraph or function that operations are located at.
#ifndef CIM_LIB_IMPORT_ONNX_NODELIST_H
#define CIM_LIB_IMPORT_ONNX_NODELIST_H

#include "Binder.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace cim::onnx {

class NodeList {
public:
  explicit NodeList(llvm::ArrayRef<Node> nodes);
  /// What is imported from here on belongs to node `index` of the graph.
  void begin(size_t index) { current = index; }
  /// A node, possibly of a subgraph or function, is imported under `label`.
  void note(llvm::StringRef label);
  /// The current node has been imported with these results.
  void end(llvm::ArrayRef<TypedValue> results);
  /// The attribute; `block` is what is left of the graph.
  mlir::ArrayAttr finish(mlir::Block &block);

private:
  struct Entry {
    const Node *node;
    bool isDuplicate = false, allConstant = false, makesValues = false;
    bool isLive = false;
    std::vector<std::string> inner;
  };
  const size_t *owner(mlir::Operation *op) const;

  std::vector<Entry> entries;
  llvm::StringMap<size_t> owners;
  size_t current = 0;
};

} // namespace cim::onnx

#endif // CIM_LIB_IMPORT_ONNX_NODELIST_H
