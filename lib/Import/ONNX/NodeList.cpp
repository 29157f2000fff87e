// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "NodeList.h"

#include "cim/IR/Constants.h"
#include "cim/IR/SourceNodes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace cim::onnx {

NodeList::NodeList(ArrayRef<Node> nodes) {
  for (const Node &node : nodes) {
    Entry &entry = entries.emplace_back();
    entry.node = &node;
    entry.isDuplicate =
        !owners.try_emplace(node.name, entries.size() - 1).second;
  }
}

void NodeList::note(StringRef label) {
  if (current < entries.size() && owners.try_emplace(label, current).second)
    entries[current].inner.push_back(label.str());
}

const size_t *NodeList::owner(Operation *op) const {
  if (!op || isa<arith::ConstantOp, tensor::EmptyOp>(op))
    return nullptr;
  for (StringRef name : sourceNodes(op->getLoc()))
    if (auto it = owners.find(name); it != owners.end())
      return &it->second;
  return nullptr;
}

void NodeList::end(ArrayRef<TypedValue> results) {
  Entry &entry = entries[current];
  entry.allConstant = !results.empty();
  for (const TypedValue &result : results) {
    Operation *op = result.value ? result.value.getDefiningOp() : nullptr;
    entry.allConstant &= result.value && ir::constantOf(result.value);
    const size_t *maker = owner(op);
    entry.makesValues |= maker && *maker == current;
  }
}

ArrayAttr NodeList::finish(Block &block) {
  for (Operation &op : block)
    if (const size_t *index = owner(&op))
      entries[*index].isLive = true;
  Builder b(block.getParentOp()->getContext());
  SmallVector<mlir::Attribute> list;
  for (const Entry &entry : entries) {
    NamedAttrList row;
    row.set("name", b.getStringAttr(entry.node->name));
    row.set("op", b.getStringAttr(entry.node->opType));
    if (!entry.inner.empty())
      row.set("inner", b.getStrArrayAttr(SmallVector<StringRef>(
                           entry.inner.begin(), entry.inner.end())));
    const char *fate = entry.isDuplicate   ? "duplicate"
                       : entry.isLive      ? nullptr
                       : entry.allConstant ? "folded"
                       : entry.makesValues ? "unused"
                                           : "renamed";
    if (fate)
      row.set("fate", b.getStringAttr(fate));
    list.push_back(row.getDictionary(b.getContext()));
  }
  return b.getArrayAttr(list);
}

} // namespace cim::onnx
