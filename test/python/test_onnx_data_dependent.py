# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ONNX's own cases of operators that depend on data, on the device."""

import cim
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

# Inputs of ONNX's own cases whose values decide shapes.
BOUND = {"CenterCropPad": [1], "AffineGrid": [1], "MaxUnpool": [2], "Resize": [1, 2, 3]}
OPERATORS = {
    "AffineGrid",
    "CenterCropPad",
    "Compress",
    "GridSample",
    "MaxUnpool",
    "NonMaxSuppression",
    "NonZero",
    "RoiAlign",
    "ScatterElements",
    "ScatterND",
    "TensorScatter",
    "TopK",
    "Unique",
}


def is_wanted(case):
    nodes = case.model.graph.node if case.model else []
    return len(nodes) == 1 and nodes[0].op_type in OPERATORS


CASES = [case for case in load_model_tests(kind="node") if is_wanted(case)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_onnx_node(case):
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    inputs, wants = case.data_sets[0]
    node = model.graph.node[0]
    names = [i.name for i in model.graph.input]
    feeds = dict(zip(names, map(np.asarray, inputs), strict=True))
    for position in BOUND.get(node.op_type, []):
        if position < len(node.input) and node.input[position] in feeds:
            name = node.input[position]
            tensor = numpy_helper.from_array(feeds.pop(name), name)
            model.graph.initializer.append(tensor)
            model.graph.input.remove(
                next(i for i in model.graph.input if i.name == name)
            )
    program = cim.compile(model)
    got = program.run(feeds, sanitize=True)
    for output, want in zip(model.graph.output, wants, strict=True):
        want = np.asarray(want)
        assert got[output.name].shape == want.shape
        np.testing.assert_allclose(got[output.name], want, rtol=1e-3, atol=1e-5)
