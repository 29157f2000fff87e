# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Small ONNX models and what they give: on the device under the sanitizer, on the
interpreter (the same bits), and by ONNX Runtime or ONNX's reference evaluator."""

import cim
import numpy as np
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

RNG = np.random.default_rng(7)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def ints(low, high, *shape, dtype=np.int64):
    return RNG.integers(low, high, shape).astype(dtype)


def i64(*values):
    return np.array(values, np.int64)


def f32(*values):
    return np.array(values, np.float32)


class Const:
    """An input that becomes an initializer."""

    def __init__(self, value):
        self.value = np.asarray(value)


def info(name, array):
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, kind, array.shape)


def build(nodes, feeds, outputs, constants=None, opset=21):
    """A model; types and ranks of its outputs are filled in by `expected`."""
    graph = helper.make_graph(
        nodes,
        "g",
        [info(name, value) for name, value in feeds.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in (constants or {}).items()
        ],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def node_model(op, operands, outputs=1, opset=21, **attributes):
    feeds, constants, names = {}, {}, []
    for number, operand in enumerate(operands):
        name = "" if operand is None else f"in{number}"
        names.append(name)
        if isinstance(operand, Const):
            constants[name] = operand.value
        elif operand is not None:
            feeds[name] = operand
    outs = [f"out{i}" for i in range(outputs)]
    node = helper.make_node(op, names, outs, "node", **attributes)
    return build([node], feeds, outs, constants, opset), feeds


def expected(model, feeds, reference=False):
    try:
        if reference:
            raise NotImplementedError
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        values = session.run(None, feeds)
    except Exception:
        values = ReferenceEvaluator(model).run(None, feeds)
    values = [np.asarray(value) for value in values]
    for output, value in zip(model.graph.output, values, strict=True):
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        shape = [None] * value.ndim
        output.CopyFrom(helper.make_tensor_value_info(output.name, kind, shape))
    return dict(zip((o.name for o in model.graph.output), values, strict=True))


def check(model, feeds, target="m50", tolerance=1e-5, reference=False):
    want = expected(model, feeds, reference)
    program = cim.compile(model, target=target)
    got = program.run(feeds, sanitize=True)
    assert list(got) == list(want)
    meaning = cim.interpret(program.ir("quantize"), feeds)
    for name, value in want.items():
        assert got[name].shape == value.shape, name
        assert got[name].dtype == value.dtype, name
        assert got[name].tobytes() == meaning[name].tobytes(), name
        if value.dtype.kind == "f":
            np.testing.assert_allclose(got[name], value, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(got[name], value)
    return program


def check_node(op, operands, outputs, tolerance=1e-5, reference=False, **options):
    target = options.pop("target", "m50")
    model, feeds = node_model(op, operands, outputs, **options)
    check(model, feeds, target, tolerance, reference)
