# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One process holds cim beside other packages that bring ONNX, protobuf, oneDNN
and LLVM along, in whatever order they are loaded."""

import importlib.util
import itertools
import subprocess
import sys

import pytest

PACKAGES = ["cim", "onnx", "onnxruntime"]

WORK = """
import sys
for name in sys.argv[1:]:
    __import__(name)
import numpy as np, onnx, onnxruntime, cim
from onnx import TensorProto, checker, helper, shape_inference

def value(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

weights = np.arange(-32, 32, dtype=np.float32).reshape(8, 8) / 32
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "w"], ["m"]),
     helper.make_node("Relu", ["m"], ["y"])],
    "g", [value("x", [4, 8])], [value("y", [4, 8])],
    [onnx.numpy_helper.from_array(weights, "w")])
model = helper.make_model(
    graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
x = np.arange(32, dtype=np.float32).reshape(4, 8) / 32

def use_onnx():
    checker.check_model(model, full_check=True)
    inferred = shape_inference.infer_shapes(model)
    assert len(inferred.graph.value_info) == 1

def use_onnxruntime():
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]

def use_cim():
    return cim.compile(model).run({"x": x})["y"]

for _ in range(2):
    use_onnx()
    np.testing.assert_allclose(use_cim(), use_onnxruntime(), rtol=1e-5)
    try:
        cim.compile(b"no model")
    except cim.CompileError:
        pass
    try:
        onnx.load_model_from_string(b"no model")
    except Exception:
        pass
if "torch" in sys.argv:
    import torch
    y = torch.relu(torch.from_numpy(x) @ torch.from_numpy(weights)).numpy()
    np.testing.assert_allclose(use_cim(), y, rtol=1e-5)
print("fine")
"""


def run(*packages):
    result = subprocess.run(
        [sys.executable, "-c", WORK, *packages],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "fine\n"
    # Registering an operator or a message twice would say so here.
    assert result.stderr == ""


@pytest.mark.parametrize("order", list(itertools.permutations(PACKAGES)))
def test_onnx_and_onnxruntime(order):
    pytest.importorskip("onnxruntime")
    run(*order)


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)
@pytest.mark.parametrize("order", [("torch", "cim"), ("cim", "torch")])
def test_torch(order):
    run(*order, "onnx", "onnxruntime")


def test_nothing_but_the_entry_point_is_visible():
    import cim

    listing = subprocess.run(
        ["nm", "-D", "--defined-only", cim._cim.__file__],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert [line.split()[-1] for line in listing.splitlines()] == ["PyInit__cim"]
