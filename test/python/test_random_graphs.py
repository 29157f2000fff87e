# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A fixed sample of the random graphs of benchmarks/random_graphs.py, and the small
models that show what larger samples found."""

import sys
from pathlib import Path

import cim
import numpy as np
import pytest
from onnx import TensorProto, helper
from single_nodes import build, expected, f32, i64, normal

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import random_graphs  # noqa: E402


@pytest.mark.parametrize("seed", range(20))
def test_random_graph(seed):
    wrong, operators = random_graphs.check(seed, int8=seed % 2 == 0)
    assert wrong is None
    assert sum(operators.values()) >= 10


def check(nodes, feeds, outputs, constants=None, opset=21):
    """On the device under the sanitizer, against ONNX Runtime and the interpreter."""
    model = build(nodes, feeds, outputs, constants, opset)
    wanted = expected(model, feeds)
    for level in (0, 2):
        program = cim.compile(model, opt=level)
        got = program.run(feeds, sanitize=True)
        same = cim.interpret(program.ir("quantize"), feeds)
        for name in outputs:
            assert got[name].shape == wanted[name].shape
            np.testing.assert_allclose(got[name], wanted[name], rtol=1e-3, atol=1e-5)
            assert got[name].tobytes() == same[name].tobytes()


def test_transposed_convolution_of_padding():
    """The zeros between elements stay between those that were padded."""
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["p"], "pad"),
        helper.make_node("ConvTranspose", ["p", "w"], ["y"], "up", strides=[3, 1]),
    ]
    constants = {"pads": i64(1, 0, 1, 0, 2, 0, 0, 0), "w": normal(1, 3, 1, 1)}
    check(nodes, {"x": normal(4, 1, 5, 4)}, ["y"], constants)


def test_update_of_a_part_of_a_concatenation():
    """What is updated and the result lie in the same buffer, at different places."""
    nodes = [
        helper.make_node("LRN", ["x"], ["a"], "norm", size=1),
        helper.make_node(
            "ScatterND", ["a", "at", "by"], ["b"], "scatter", reduction="mul"
        ),
        helper.make_node("Concat", ["a", "b"], ["y"], "join", axis=3),
    ]
    places = np.array([[0, 3], [0, 1], [0, 0], [0, 2], [0, 4]])
    constants = {"at": places, "by": normal(5, 2, 5)}
    check(nodes, {"x": normal(1, 5, 2, 5)}, ["y"], constants, opset=18)


def test_gather_of_one_element():
    """A nest without loops, that looks a single byte up."""
    node = helper.make_node("Gather", ["x", "at"], ["y"], "gather")
    x = np.arange(15, dtype=np.uint8)
    check([node], {"x": x, "at": np.array(-3, np.int32)}, ["y"])


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "LpPool"])
def test_window_beyond_a_small_input(op):
    """ceil_mode: one window, cut where the input ends."""
    node = helper.make_node(
        op, ["x"], ["y"], "pool", kernel_shape=[3], strides=[3], ceil_mode=1
    )
    check([node], {"x": normal(1, 2, 2)}, ["y"], opset=22)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
def test_transposed_convolution_with_gaps(auto_pad):
    """Strides beyond the kernel: nothing to cut off, nothing added."""
    node = helper.make_node(
        "ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 3], auto_pad=auto_pad
    )
    check([node], {"x": normal(1, 2, 5, 4)}, ["y"], {"w": normal(2, 3, 1, 3)})


@pytest.mark.parametrize(
    ("coordinates", "size", "to"),
    [("half_pixel", 7, 9), ("half_pixel", 36, 20), ("asymmetric", 14, 4),
     ("asymmetric", 36, 20)],
)  # fmt: skip
def test_nearest_at_an_element(coordinates, size, to):
    """Coordinates that are whole but for rounding fall where ONNX Runtime's do."""
    node = helper.make_node(
        "Resize",
        ["x", "", "", "sizes"],
        ["y"],
        "resize",
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode=coordinates,
    )
    check([node], {"x": normal(1, 1, size)}, ["y"], {"sizes": i64(1, 1, to)})


def test_unused_strings():
    """An initializer nobody reads may be of any type."""
    node = helper.make_node("Add", ["x", "one"], ["y"], "add")
    x = normal(2, 3)
    model = build([node], {"x": x}, ["y"], {"one": f32(1.0)})
    expected(model, {"x": x})
    strings = helper.make_tensor("labels", TensorProto.STRING, [2], [b"cat", b"dog"])
    model.graph.initializer.append(strings)
    np.testing.assert_array_equal(cim.compile(model).run({"x": x})["y"], x + 1)
    model.graph.node[0].input[1] = "labels"
    with pytest.raises(cim.CompileError, match="labels: tensor of string elements"):
        cim.compile(model)
