# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Shrinks a model that fails to a small one that fails in the same way
(docs/triage.md).

Nodes are removed in ever smaller pieces (delta debugging). What the rest reads of
removed nodes becomes an input, with the value it had; what it no longer passes on
becomes an output. Then outputs go, and dimensions become smaller.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ._arrays import named_arrays
from ._cim import CompileError

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper, shape_inference
except ImportError:
    raise ImportError(
        "cim.reduce: the package onnx is not installed; it takes models apart with it;"
        " pip install onnx"
    ) from None


@dataclass(frozen=True)
class Reduction:
    """A smaller model that fails alike. inputs: arrays for it; nodes: how many it
    had and has; tests: how often the failure was tried."""

    model: onnx.ModelProto = field(repr=False)
    inputs: dict = field(repr=False)
    nodes: tuple
    tests: int

    def save(self, path):
        """Writes the model, and its inputs beside it as .npz; returns both paths."""
        model = Path(path)
        inputs = model.with_suffix(".npz")
        onnx.save(self.model, model)
        np.savez(inputs, **self.inputs)
        return model, inputs


def reduce(model, fails, inputs=None, *, external_data=None, log=None):
    """Shrinks a model as long as it fails.

    model: path of an .onnx file, its bytes, or an onnx.ModelProto.
    fails: called with an onnx.ModelProto and inputs by name; true if that is still
        the failure. cim.failures makes such functions.
    inputs: arrays by name; default: seeded random numbers.
    log: called with a line about every step.

    Returns a Reduction. Raises CompileError if the model does not fail.
    """
    model = _load(model, external_data)
    arrays = named_arrays(inputs, CompileError) if inputs is not None else {}
    source = _Source(model, arrays)
    reducer = _Reducer(source, fails, log or (lambda line: None))
    return reducer.run()


def _load(model, external_data):
    if isinstance(model, onnx.ModelProto):
        return model
    if isinstance(model, (bytes, bytearray)):
        loaded = onnx.load_from_string(bytes(model))
        if external_data is not None:
            onnx.load_external_data_for_model(loaded, os.fspath(external_data))
        return loaded
    try:
        return onnx.load(os.fspath(model))
    except OSError:
        raise CompileError(
            f"{os.fspath(model)}: no such file; give the path of an .onnx model"
        ) from None
    except Exception as problem:  # noqa: BLE001 (protobuf has several)
        raise CompileError(
            f"{os.fspath(model)}: cannot be read as ONNX ({problem})"
        ) from None


def _graphs(node):
    """Graphs inside of a node (the branches of If, the bodies of loops)."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            yield from attribute.graphs


def _reads(node):
    """Names a node reads, also from inside of its graphs."""
    names = dict.fromkeys(name for name in node.input if name)
    for graph in _graphs(node):
        own = {i.name for i in graph.input} | {t.name for t in graph.initializer}
        for inner in graph.node:
            names.update(dict.fromkeys(n for n in _reads(inner) if n not in own))
            own.update(inner.output)
        outputs = (o.name for o in graph.output)
        names.update(dict.fromkeys(n for n in outputs if n not in own))
    return list(names)


class _Source:
    """The model to reduce, with what is known of its values."""

    def __init__(self, model, inputs):
        self.model = model
        graph = model.graph
        self.nodes = list(graph.node)
        self.reads = [_reads(node) for node in self.nodes]
        self.initializers = {t.name: t for t in graph.initializer}
        self.sparse = {t.values.name: t for t in graph.sparse_initializer}
        self.inputs = {
            i.name: i for i in graph.input if i.name not in self.initializers
        }
        self.outputs = {o.name: o for o in graph.output}
        self.types = self._infer()
        self.values = self._fill(inputs)
        self.values.update(self._evaluate())
        self.constant = self._constants()

    def _infer(self):
        """Types of values, by name."""
        try:
            inferred = shape_inference.infer_shapes(self.model, data_prop=True).graph
        except Exception:  # noqa: BLE001 (a broken model is still worth reducing)
            inferred = self.model.graph
        infos = [*inferred.value_info, *inferred.output, *inferred.input]
        types = {i.name: i.type for i in infos if _is_known(i.type)}
        # What an operator gives that nobody knows: as what it reads first. A wrong
        # guess makes another failure, which is not kept.
        for node, reads in zip(self.nodes, self.reads, strict=True):
            read = next((types[name] for name in reads if name in types), None)
            for name in node.output:
                if name and read is not None:
                    types.setdefault(name, read)
        return types

    def _fill(self, inputs):
        """Values of the model's inputs: those given, else random ones."""
        random = np.random.default_rng(0)
        values = dict(inputs)
        for name, info in self.inputs.items():
            if name not in values:
                made = _random(random, info.type)
                if made is not None:
                    values[name] = made
        return values

    def _evaluate(self):
        """Values inside of the model, as far as somebody can compute them."""
        names = [n for node in self.nodes for n in node.output if n]
        names = [n for n in names if n not in self.outputs]
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for name in names:
            info = model.graph.output.add()
            info.name = name
            if name in self.types:
                info.type.CopyFrom(self.types[name])
        names = [o.name for o in model.graph.output]
        feeds = {n: self.values[n] for n in self.inputs if n in self.values}
        for evaluate in (_onnxruntime, _prefix):
            found = evaluate(model, names, feeds)
            if found:
                return {n: v for n, v in found.items() if isinstance(v, np.ndarray)}
        return {}

    def _constants(self):
        """Values that do not depend on inputs."""
        known = {*self.initializers, *self.sparse}
        for node, reads in zip(self.nodes, self.reads, strict=True):
            random = node.op_type.startswith("Random") or node.op_type == "Bernoulli"
            if not random and all(name in known for name in reads):
                known.update(name for name in node.output if name)
        return known


def _random(random, type):
    shape = _shape(type)
    if shape is None:
        return None
    try:
        dtype = helper.tensor_dtype_to_np_dtype(type.tensor_type.elem_type)
    except KeyError:
        return None
    if dtype.kind == "f":
        return (random.integers(-128, 128, shape) / 128).astype(dtype)
    if dtype.kind in "biu":
        return random.integers(0, 2, shape).astype(dtype)
    return None


def _is_known(type):
    """False for tensors without element type or rank."""
    if type.WhichOneof("value") != "tensor_type":
        return type.WhichOneof("value") is not None
    tensor = type.tensor_type
    return tensor.elem_type != TensorProto.UNDEFINED and tensor.HasField("shape")


def _shape(type):
    """Static shape of a tensor type (open dimensions are 1), or None."""
    if type.WhichOneof("value") != "tensor_type":
        return None
    if not type.tensor_type.HasField("shape"):
        return None
    return [max(d.dim_value, 1) for d in type.tensor_type.shape.dim]


def _onnxruntime(model, names, feeds):
    try:
        import onnxruntime
    except ImportError:
        return None
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return dict(zip(names, session.run(names, feeds), strict=True))
    except Exception:  # noqa: BLE001 (it throws many; there is another way)
        return None


def _prefix(model, names, feeds):
    """Node by node with ONNX's reference evaluator: what follows a node that it
    cannot compute has no value."""
    from onnx.reference import ReferenceEvaluator

    known = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    known.update(feeds)
    types = {i.name: i for i in [*model.graph.input, *model.graph.output]}
    for node in model.graph.node:
        reads = _reads(node)
        if not all(name in known for name in reads):
            continue
        outputs = [name for name in node.output if name]
        infos = [types.get(n) or helper.make_empty_tensor_value_info(n) for n in reads]
        ends = [types.get(n) or helper.make_empty_tensor_value_info(n) for n in outputs]
        graph = helper.make_graph([node], "node", infos, ends)
        single = helper.make_model(graph, opset_imports=model.opset_import)
        single.functions.extend(model.functions)
        try:
            results = ReferenceEvaluator(single).run(
                outputs, {n: known[n] for n in reads}
            )
        except Exception:  # noqa: BLE001 (whatever an operator raises)
            continue
        known.update(zip(outputs, results, strict=True))
    return {name: known[name] for name in names if name in known}


class _Reducer:
    """The search; `keep` is the set of nodes, by number, that the model has left."""

    def __init__(self, source, fails, log):
        self.source = source
        self.fails = fails
        self.log = log
        self.tests = 0
        self.seen = {}

    def run(self):
        everything = list(range(len(self.source.nodes)))
        if not self._test(self.source.model, self._original_inputs()):
            raise CompileError(
                f"{self.source.model.graph.name}: it does not fail in the way asked"
                " for; check the test, its options and the inputs"
            )
        keep = everything
        if self._interesting(everything):
            keep = self._fewer_nodes(everything)
            model, inputs = self._build(keep)
        else:
            # Rebuilding alone makes the failure go away: nothing can be cut.
            model, inputs = self.source.model, self._original_inputs()
        model, inputs = self._fewer_outputs(model, inputs)
        model, inputs = self._smaller_sizes(model, inputs)
        sizes = len(everything), len(model.graph.node)
        return Reduction(model, inputs, sizes, self.tests)

    def _original_inputs(self):
        names = self.source.inputs
        return {n: self.source.values[n] for n in names if n in self.source.values}

    def _test(self, model, inputs):
        self.tests += 1
        return bool(self.fails(model, inputs))

    def _interesting(self, keep):
        """Whether the model of these nodes fails; what is no model does not."""
        key = tuple(keep)
        if key not in self.seen:
            built = self._build(keep)
            self.seen[key] = built is not None and self._test(*built)
        return self.seen[key]

    # -- Nodes ----------------------------------------------------------------

    def _fewer_nodes(self, keep):
        size = (len(keep) + 1) // 2
        while size:
            at, before = 0, len(keep)
            # From the end: what nobody reads any more goes first.
            while at < len(keep):
                last = len(keep) - at
                rest = keep[: max(last - size, 0)] + keep[last:]
                if rest and self._interesting(rest):
                    keep = rest
                    self.log(f"{len(keep)} nodes after {self.tests} tests")
                else:
                    at += size
            if len(keep) == before or size > 1:
                size = min(size // 2, len(keep))
        return keep

    def _build(self, keep):
        """The model of some nodes, and its inputs; None if it has an input of
        unknown type."""
        source = self.source
        made = {n for i in keep for n in source.nodes[i].output if n}
        used = dict.fromkeys(n for i in keep for n in source.reads[i])
        graph = onnx.GraphProto(name=source.model.graph.name)
        graph.node.extend(source.nodes[i] for i in keep)
        inputs = {}
        for name in used:
            if name in made:
                continue
            if name in source.initializers:
                graph.initializer.append(source.initializers[name])
            elif name in source.sparse:
                graph.sparse_initializer.append(source.sparse[name])
            elif name in source.constant and name in source.values:
                value = source.values[name]
                graph.initializer.append(numpy_helper.from_array(value, name))
            elif not self._add_input(graph, name, inputs):
                return None
        for i in keep:
            for name in source.nodes[i].output:
                if name and (name not in used or name in source.outputs):
                    graph.output.append(self._info(name))
        model = onnx.ModelProto()
        model.CopyFrom(source.model)
        model.graph.CopyFrom(graph)
        return model, inputs

    def _add_input(self, graph, name, inputs):
        source = self.source
        value = source.values.get(name)
        info = graph.input.add()
        if name in source.inputs:
            info.CopyFrom(source.inputs[name])
        elif value is not None:
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            info.CopyFrom(helper.make_tensor_value_info(name, kind, value.shape))
        elif name in source.types:
            info.CopyFrom(self._info(name))
            value = _random(np.random.default_rng(0), info.type)
        else:
            return False
        if value is not None:
            inputs[name] = value
        return True

    def _info(self, name):
        source = self.source
        if name in source.outputs:
            return source.outputs[name]
        info = onnx.ValueInfoProto(name=name)
        if name in source.types:
            info.type.CopyFrom(source.types[name])
        elif name in source.values:
            kind = helper.np_dtype_to_tensor_dtype(source.values[name].dtype)
            info = helper.make_tensor_value_info(name, kind, source.values[name].shape)
        return info

    # -- Outputs and sizes ----------------------------------------------------

    def _fewer_outputs(self, model, inputs):
        at = 0
        while len(model.graph.output) > 1 and at < len(model.graph.output):
            smaller = onnx.ModelProto()
            smaller.CopyFrom(model)
            del smaller.graph.output[at]
            if self._test(smaller, inputs):
                model = smaller
            else:
                at += 1
        return model, inputs

    def _smaller_sizes(self, model, inputs):
        """Every size that inputs have, wherever it occurs, as small as possible."""
        tried = set()
        while True:
            sizes = {size for value in inputs.values() for size in value.shape}
            sizes = sorted(sizes - tried - {0, 1}, reverse=True)
            if not sizes:
                return model, inputs
            tried.add(sizes[0])
            for smaller in _smaller(sizes[0]):
                changed = _resized(model, inputs, sizes[0], smaller)
                if changed is not None and self._test(*changed):
                    model, inputs = changed
                    self.log(f"size {sizes[0]} is {smaller}")
                    break


def _smaller(size):
    """Sizes to try instead, the smallest first."""
    halves = {size >> i for i in range(1, size.bit_length())}
    return sorted(halves | {n for n in (1, 2, 3) if n < size})


def _resized(model, inputs, old, new):
    """The model with every size `old` of inputs and initializers `new`, or None if
    that is no valid model."""

    def cut(array):
        if old not in array.shape:
            return array
        place = tuple(slice(new if d == old else d) for d in array.shape)
        return np.ascontiguousarray(array[place])

    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    for info in graph.input:
        for dim in info.type.tensor_type.shape.dim:
            if dim.dim_value == old:
                dim.dim_value = new
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        small = cut(array)
        if array.dtype == np.int64 and array.ndim == 1 and array.size <= 8:
            small = np.where(array == old, new, array)  # Shapes.
        if small is not array:
            tensor.CopyFrom(numpy_helper.from_array(small, tensor.name))
    del graph.value_info[:]
    for info in graph.output:
        if info.type.WhichOneof("value") == "tensor_type":
            kind = info.type.tensor_type.elem_type
            info.CopyFrom(helper.make_tensor_value_info(info.name, kind, None))
    try:
        inferred = shape_inference.infer_shapes(
            changed, strict_mode=True, data_prop=True
        )
        for info, known in zip(graph.output, inferred.graph.output, strict=True):
            info.CopyFrom(known)
        onnx.checker.check_model(changed)
    except Exception:  # noqa: BLE001 (inference and checker have their own)
        return None
    return changed, {name: cut(array) for name, array in inputs.items()}
