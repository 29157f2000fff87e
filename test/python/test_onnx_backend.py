# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The backend interface of ONNX, binding of inputs, and a sample of ONNX's backend
tests (all of them: benchmarks/onnx_backend.py)."""

import re
import subprocess
import sys
from pathlib import Path

import cim
import cim.onnx_backend as backend
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import onnx_backend as suite  # noqa: E402

# Of the node tests every STRIDE-th is run, and those of one kind each.
STRIDE = 6
ALWAYS = "deform_conv|tfidf|e8m0|NCd1d2d3d4d5_mean|empty_set$|tril_zero|_nd$|col2im"


def reshape_model():
    """y = reshape(x + x, s): float x[N, 4], int64 s[2]."""
    infos = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4]),
        helper.make_tensor_value_info("s", TensorProto.INT64, [2]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None])]
    nodes = [
        helper.make_node("Add", ["x", "x"], ["t"], "add"),
        helper.make_node("Reshape", ["t", "s"], ["y"], "reshape"),
    ]
    graph = helper.make_graph(nodes, "reshape", infos, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


X = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_unknown_inputs():
    with pytest.raises(cim.CompileError, match="give the value of s when") as caught:
        cim.compile(reshape_model())
    assert caught.value.unknown_inputs == ("s",)
    assert cim.CompileError("x").unknown_inputs == ()


def test_bind():
    shape = np.array([6, -1], np.int64)
    program = cim.compile(
        reshape_model(), input_shapes={"x": [3, 4]}, bind={"s": shape}
    )
    assert [info.name for info in program.inputs] == ["x"]
    np.testing.assert_array_equal(program.run({"x": X})["y"], 2 * X.reshape(6, 2))


def test_bind_gives_symbols():
    """The shape of a bound input fixes the symbols it uses."""
    program = cim.compile(reshape_model(), bind={"x": X, "s": np.array([2, 6])})
    assert not program.inputs
    np.testing.assert_array_equal(program.run({})["y"], 2 * X.reshape(2, 6))


@pytest.mark.parametrize(
    ("bind", "message"),
    [
        (
            {"q": np.zeros(2)},
            "--bind names 'q', which is not an input; the inputs are x",
        ),
        (
            {"s": np.zeros(2, np.int32)},
            "s: --bind gives elements of type i4; the input",
        ),
        (
            {"s": np.zeros(3, np.int64)},
            "s: --bind gives an array of shape 3; the input",
        ),
        ({"x": np.zeros((3, 5), np.float32)}, "x: --bind gives .*3x5; .* shape \\?x4"),
    ],
)
def test_bind_errors(bind, message):
    with pytest.raises(cim.CompileError, match=message):
        cim.compile(reshape_model(), bind=bind)


def test_bind_file(tmp_path, tools):
    np.savez(tmp_path / "s.npz", s=np.array([1, 12]))
    np.savez(tmp_path / "x.npz", x=X)
    onnx.save(reshape_model(), tmp_path / "m.onnx")
    program = cim.compile(
        tmp_path / "m.onnx", input_shapes={"x": [3, 4]}, bind=tmp_path / "s.npz"
    )
    command = [tools / "cimc", "m.onnx", "--input-shape", "x=3x4", "--bind", "s.npz"]
    subprocess.run([*command, "-o", "m.cimb"], cwd=tmp_path, check=True)
    loaded = cim.load(tmp_path / "m.cimb")
    assert loaded.to_bytes() == program.to_bytes()
    np.testing.assert_array_equal(loaded.run({"x": X})["y"], 2 * X.reshape(1, 12))


def test_prepared_model_specialises():
    """One program per shapes and bound values; what is not needed is not bound."""
    rep = backend.prepare(reshape_model())
    for rows, shape in ((3, (6, 2)), (3, (2, 6)), (3, (6, 2)), (2, (8, 1))):
        x = np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32)
        (y,) = rep.run([x, np.array(shape)])
        np.testing.assert_array_equal(y, 2 * x.reshape(shape))
    assert len(rep.programs) == 3
    assert all(bound == ("s",) for bound in rep._bound.values())


def test_run_node():
    node = helper.make_node("Concat", ["a", "b"], ["c"], axis=0)
    (c,) = backend.run_node(node, [X, X])
    np.testing.assert_array_equal(c, np.concatenate([X, X]))


def test_devices():
    assert backend.supports_device("CPU")
    assert not backend.supports_device("CUDA")
    with pytest.raises(cim.CompileError, match="no such device"):
        backend.prepare(reshape_model(), "CUDA")


def expected_failures():
    """Tests that docs/onnx-backend.md lists as failing."""
    text = (ROOT / "docs" / "onnx-backend.md").read_text()
    return set(re.findall(r"^\| (\w+/test_\w+) \|", text, re.MULTILINE))


def test_sample_of_the_suite():
    """... on the device under the sanitizer, bit for bit as the interpreter."""
    tests = suite.load_tests(exact=True)
    node = [name for name in tests if name.startswith("Node/")]
    node = [n for i, n in enumerate(node) if i % STRIDE == 0 or re.search(ALWAYS, n)]
    other = [name for name in tests if not name.startswith("Node/")]
    known = expected_failures()
    failed = {}

    def report(outcome):
        name, passed, reason, _ = outcome
        if not passed and name not in known:
            failed[name] = reason

    suite.run_all(tests, node + other, jobs=2, seconds=60, report=report)
    assert not failed


def test_gradient():
    """Every rule, with broadcasting and a value used twice, against differences."""
    training = "ai.onnx.preview.training"
    kind = TensorProto.DOUBLE
    shapes = {"a": [3, 4], "b": [4], "w": [4, 2]}
    nodes = [
        helper.make_node("Mul", ["a", "b"], ["p"]),
        helper.make_node("Tanh", ["p"], ["t"]),
        helper.make_node("Sigmoid", ["t"], ["s"]),
        helper.make_node("Div", ["s", "b"], ["d"]),
        helper.make_node("Sub", ["d", "a"], ["m"]),
        helper.make_node("Relu", ["m"], ["r"]),
        helper.make_node("Exp", ["r"], ["e"]),
        helper.make_node("Add", ["e", "b"], ["c"]),
        helper.make_node("Sqrt", ["c"], ["q"]),
        helper.make_node("Log", ["q"], ["l"]),
        helper.make_node("Neg", ["l"], ["n"]),
        helper.make_node("MatMul", ["n", "w"], ["y"]),
        helper.make_node(
            "Gradient", ["a", "b", "w"], ["da", "db", "dw"], "grad",
            domain=training, xs=["a", "b", "w"], y="y",
        ),
    ]  # fmt: skip
    infos = [helper.make_tensor_value_info(n, kind, s) for n, s in shapes.items()]
    outputs = [helper.make_tensor_value_info("y", kind, [3, 2])]
    outputs += [
        helper.make_tensor_value_info("d" + n, kind, s) for n, s in shapes.items()
    ]
    graph = helper.make_graph(nodes, "gradient", infos, outputs)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(training, 1)]
    rep = backend.prepare(helper.make_model(graph, opset_imports=opsets))
    rng = np.random.default_rng(5)
    values = {n: rng.uniform(0.5, 1.5, s) for n, s in shapes.items()}
    _, *gradients = rep.run(values)
    for name, gradient in zip(shapes, gradients, strict=True):
        for at in np.ndindex(*shapes[name]):
            sums = []
            for step in (1e-5, -1e-5):
                moved = {n: v.copy() for n, v in values.items()}
                moved[name][at] += step
                sums.append(rep.run(moved)[0].sum())
            slope = (sums[0] - sums[1]) / 2e-5
            np.testing.assert_allclose(gradient[at], slope, rtol=1e-5, atol=1e-8)
