# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a PyTorch module as ONNX whose every name a reader can follow."""

import collections
import re

import onnx
import torch


def _torchscript(model, x, path, opset, keep_batch_norm, dynamic_batch):
    # Exporting for inference fuses BatchNormalization into Conv. PRESERVE
    # keeps the module's own mode (evaluation) and both nodes; constant folding
    # is for the inference mode only, where it transposes Linear weights.
    mode = torch.onnx.TrainingMode
    torch.onnx.export(
        model,
        (x,),
        path,
        dynamo=False,
        input_names=["x"],
        output_names=["logits"],
        opset_version=opset,
        training=mode.PRESERVE if keep_batch_norm else mode.EVAL,
        do_constant_folding=not keep_batch_norm,
        dynamic_axes=(
            {"x": {0: "batch"}, "logits": {0: "batch"}} if dynamic_batch else None
        ),
    )


def _dynamo(model, x, path, opset, keep_batch_norm, dynamic_batch):
    if keep_batch_norm:
        raise ValueError("the dynamo exporter always folds batch norm")
    # A size of 1 is specialised by torch.export, so trace with 2.
    shapes = {"x": {0: torch.export.Dim("batch")}} if dynamic_batch else None
    torch.onnx.export(
        model,
        (x.expand(2, -1, -1, -1) if dynamic_batch else x,),
        path,
        dynamo=True,
        input_names=["x"],
        output_names=["logits"],
        opset_version=opset,
        dynamic_shapes=shapes,
        external_data=False,
    )


def _name_initializers(graph):
    """Gives exporter temporaries (`onnx::MatMul_12`) their consumer's name."""
    taken = {i.name for i in graph.initializer}
    rename = {}
    for node in graph.node:
        module = node.name.strip("/").rsplit("/", 1)[0].replace("/", ".")
        for slot, value in enumerate(node.input):
            if not re.match(r"onnx::\w+_\d+$", value) or value not in taken:
                continue
            role = "weight" if slot == 1 else "bias"
            if value not in rename:
                name = f"{module}.{role}"
                while name in taken:
                    name += "_"
                taken.add(name)
                rename[value] = name
            node.input[slot] = rename[value]
    for initializer in graph.initializer:
        initializer.name = rename.get(initializer.name, initializer.name)


def export(
    model,
    path,
    *,
    exporter="torchscript",
    opset=17,
    keep_batch_norm=False,
    dynamic_batch=False,
):
    """Exports `model` (input [1, 1, 28, 28] `x`, output `logits`) to `path`.

    Raises ValueError if a node has no name or shares its name, or if
    `keep_batch_norm` was asked for and no BatchNormalization is left.
    """
    model = model.eval().to(memory_format=torch.contiguous_format)
    write = {"torchscript": _torchscript, "dynamo": _dynamo}[exporter]
    x = torch.zeros(1, 1, 28, 28)
    write(model, x, str(path), opset, keep_batch_norm, dynamic_batch)

    proto = onnx.load(path)
    _name_initializers(proto.graph)
    # Exporters leave stack traces here, with paths of the exporting machine.
    graph = proto.graph
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.ClearField("doc_string")
    names = collections.Counter(n.name for n in graph.node)
    wrong = [n for n, count in names.items() if not n or count > 1]
    if wrong:
        raise ValueError(f"{path}: nodes without a name of their own: {wrong}")
    kinds = collections.Counter(n.op_type for n in graph.node)
    if keep_batch_norm and not kinds["BatchNormalization"]:
        raise ValueError(f"{path}: the exporter folded batch norm")
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)
    return kinds
