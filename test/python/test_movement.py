# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the quantize and lower phases do about values that only move: pooling,
padding, residuals."""

import cim
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


def network(nodes, weights, shape, result, shape_of_result):
    """A model from x to `result`; `weights`: name to shape, seeded."""
    rng = np.random.default_rng(7)
    constants = []
    for name, value in weights.items():
        if isinstance(value, tuple):
            scale = 1.0 / np.sqrt(np.prod(value[1:]))
            value = rng.normal(0.0, scale, value).astype(np.float32)
        constants.append(numpy_helper.from_array(np.asarray(value), name))
    graph = helper.make_graph(
        nodes,
        "movement",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, shape_of_result)],
        constants,
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def samples_of(model, count=4):
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    return np.random.default_rng(3).normal(size=(count, *shape[1:])).astype(np.float32)


def compile_and_check(model, quantize="int8"):
    """The compiled model, after comparing it with the interpreter."""
    x = {"x": samples_of(model)}
    program = cim.compile(model, quantize=quantize, calibration=x)
    wanted = cim.interpret(program.ir("quantize"), x)
    got = program.run(x, mode="full", sanitize=True)
    for name, value in wanted.items():
        assert got[name].tobytes() == value.tobytes()
    return program


def lowered(program):
    return program.ir("lower", elide_constants=True).splitlines()


def copies_within_l2(program):
    copies = [line for line in lowered(program) if "cim.dma_copy" in line]
    return [line for line in copies if line.count("mem<l2>") == 2]


def conv(x, w, y, **attributes):
    return helper.make_node("Conv", [x, w], [y], f"conv_{y}", **attributes)


def pooled(pool="MaxPool", **attributes):
    nodes = [
        conv("x", "w1", "a", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node(pool, ["b"], ["p"], "pool", **attributes),
        conv("p", "w2", "y"),
    ]
    weights = {"w1": (24, 3, 3, 3), "w2": (8, 24, 1, 1)}
    return nodes, weights


def test_maximum_pool_stays_quantized():
    nodes, weights = pooled(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0])
    model = network(nodes, weights, [1, 3, 16, 16], "y", [1, 8, 8, 8])
    program = compile_and_check(model)
    text = program.ir("quantize", elide_constants=True)
    assert "arith.maxsi" in text
    # Both convolutions give stored values; nothing of the pool is in float.
    assert "tensor<1x24x17x17xf32>" not in text
    assert "tensor<1x24x8x8xf32>" not in text
    assert "tensor<1x24x16x16xf32>" not in text


@pytest.mark.parametrize("quantize", ["int8", "bfp16"])
@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "kernel, strides, pads, size",
    [
        ([3, 3], [2, 2], [1, 1, 1, 1], [8, 8]),
        ([2, 5], [1, 3], [1, 4, 0, 2], [16, 6]),
        ([5, 1], [4, 1], [4, 0, 4, 0], [5, 16]),
    ],
)
def test_padding_of_a_pool_is_not_written(quantize, pool, kernel, strides, pads, size):
    nodes, weights = pooled(pool, kernel_shape=kernel, strides=strides, pads=pads)
    model = network(nodes, weights, [1, 3, 16, 16], "y", [1, 8, *size])
    program = compile_and_check(model, quantize)
    # Fills in L1 and ACC are a convolution's own padding and start values.
    for line in lowered(program):
        assert "cim.dma_fill" not in line or "mem<l2>" not in line


def test_a_residual_reads_the_stored_value():
    nodes = [
        conv("x", "w1", "a", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        conv("r", "w2", "b", pads=[1] * 4),
        helper.make_node("Add", ["b", "r"], ["s"], "add"),
        conv("s", "w3", "y"),
    ]
    weights = {"w1": (16, 3, 3, 3), "w2": (16, 16, 3, 3), "w3": (4, 16, 1, 1)}
    model = network(nodes, weights, [1, 3, 8, 8], "y", [1, 4, 8, 8])
    program = compile_and_check(model)
    text = program.ir("split", elide_constants=True)
    assert "quant.dcast" in text
    # No region is left that only quantizes.
    regions = [line for line in text.splitlines() if "cim.region" in line]
    assert len(regions) == 4  # x, and one per convolution


def test_explicit_padding_of_a_quantized_value():
    nodes = [
        conv("x", "w1", "a", pads=[1] * 4),
        helper.make_node("Pad", ["a", "pads", "value"], ["p"], "pad"),
        conv("p", "w2", "y"),
    ]
    weights = {
        "w1": (8, 3, 3, 3),
        "w2": (4, 8, 3, 3),
        "pads": np.array([0, 0, 1, 2, 0, 0, 0, 3], np.int64),
        "value": np.array(0.25, np.float32),
    }
    model = network(nodes, weights, [1, 3, 8, 8], "y", [1, 4, 7, 11])
    compile_and_check(model)


def test_padding_that_cuts():
    nodes = [helper.make_node("Pad", ["x", "pads"], ["y"], "pad")]
    weights = {"pads": np.array([0, 0, -1, 2, 0, 0, 3, -4], np.int64)}
    model = network(nodes, weights, [1, 3, 8, 8], "y", [1, 3, 10, 6])
    x = samples_of(model)
    y = cim.compile(model).run({"x": x}, mode="full", sanitize=True)["y"]
    wanted = np.pad(x, ((0, 0), (0, 0), (0, 3), (2, 0)))[:, :, 1:, :-4]
    assert y.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("quantize", ["int8", "bfp16", "none"])
def test_concatenated_results_are_written_in_place(quantize):
    nodes = [
        conv("x", "w1", "a"),
        conv("x", "w2", "b"),
        helper.make_node("Transpose", ["b"], ["t"], "turn", perm=[0, 1, 3, 2]),
        helper.make_node("Concat", ["a", "t"], ["c"], "concat", axis=1),
        helper.make_node("Concat", ["c", "c2"], ["d"], "again", axis=2),
        conv("d", "w3", "y"),
    ]
    weights = {
        "w1": (8, 3, 1, 1),
        "w2": (16, 3, 1, 1),
        "w3": (4, 24, 1, 1),
        "c2": (1, 24, 2, 8),
    }
    model = network(nodes, weights, [1, 3, 8, 8], "y", [1, 4, 10, 8])
    program = compile_and_check(model, quantize)
    # What remains is the constant, which nobody computes.
    assert len(copies_within_l2(program)) <= 1


def attention():
    """One head of width 32 over 64 tokens, with normalization and residual."""
    nodes = [
        helper.make_node("LayerNormalization", ["x", "g", "b"], ["n"], "norm"),
        helper.make_node("MatMul", ["n", "wq"], ["q"], "query"),
        helper.make_node("MatMul", ["n", "wk"], ["k"], "key"),
        helper.make_node("Reshape", ["q", "heads"], ["q4"], "split_q"),
        helper.make_node("Reshape", ["k", "heads"], ["k4"], "split_k"),
        helper.make_node("Transpose", ["q4"], ["qt"], "turn_q", perm=[0, 2, 1, 3]),
        helper.make_node("Transpose", ["k4"], ["kt"], "turn_k", perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["qt", "kt"], ["s"], "scores"),
        helper.make_node("Div", ["s", "root"], ["d"], "scale"),
        helper.make_node("Softmax", ["d"], ["p"], "softmax", axis=-1),
        helper.make_node("MatMul", ["p", "qt"], ["m"], "mix"),
        helper.make_node("Transpose", ["m"], ["mt"], "turn_back", perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["mt", "flat"], ["f"], "join"),
        helper.make_node("MatMul", ["f", "wo"], ["o"], "project"),
        helper.make_node("Add", ["o", "x"], ["y"], "residual"),
    ]
    weights = {
        "wq": (64, 64),
        "wk": (64, 64),
        "wo": (64, 64),
        "g": np.linspace(0.5, 1.5, 64, dtype=np.float32),
        "b": np.linspace(-0.5, 0.5, 64, dtype=np.float32),
        "heads": np.array([1, 64, 2, 32], np.int64),
        "flat": np.array([1, 64, 64], np.int64),
        "root": np.array(32**0.5, np.float32),
    }
    return network(nodes, weights, [1, 64, 64], "y", [1, 64, 64])


@pytest.mark.parametrize("quantize", ["int8", "bfp16", "none"])
def test_attention_copies_nothing(quantize):
    program = compile_and_check(attention(), quantize)
    assert not copies_within_l2(program)


def test_chains_over_rows_are_one_layer_in_acc():
    program = compile_and_check(attention())
    names = [layer["name"] for layer in program.profile().report["layers"]]
    for name in ("norm", "softmax"):
        assert [n for n in names if n.startswith(name)] == [name]
    # No vector work of the softmax touches L2, and it divides once per row.
    text = program.ir("schedule", elide_constants=True)
    assert text.count("arith.divf") == 1
    acc = [line for line in lowered(program) if "cim.vector" in line]
    assert any(line.count("mem<acc") >= 3 and "l2" not in line for line in acc)


@pytest.mark.parametrize("switch", ["fuse", "cores"])
def test_chains_give_the_same_bits_apart(switch):
    model = attention()
    x = {"x": samples_of(model)}
    results = [
        cim.compile(model, quantize="int8", calibration=x, disable=disable)
        .run(x, mode="full", sanitize=True)["y"]
        .tobytes()
        for disable in ([], [switch])
    ]
    assert results[0] == results[1]


@pytest.mark.parametrize("width, kernel", [(64, "i64"), (63, "f32")])
def test_rows_are_looked_up_eight_bytes_at_a_time(width, kernel):
    rng = np.random.default_rng(5)
    table = rng.normal(size=(50, width)).astype(np.float32)
    node = helper.make_node("Gather", ["table", "x"], ["y"], "embed")
    graph = helper.make_graph(
        [node],
        "embedding",
        [helper.make_tensor_value_info("x", TensorProto.INT64, [1, 20])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 20, width])],
        [numpy_helper.from_array(table, "table")],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    program = cim.compile(model)
    ids = rng.integers(-50, 50, (3, 20))
    got = program.run({"x": ids}, mode="full", sanitize=True)["y"]
    assert got.tobytes() == table[ids].tobytes()
    gathers = [line for line in lowered(program) if "cim.kernel_gather" in line]
    assert gathers and all(line.split(" loc(")[0].endswith(kernel) for line in gathers)
