# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models, data and compiled programs the tests share."""

import os
from pathlib import Path

import cim
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "examples" / "fashion_mnist"


def run_exact(model, feeds, **options):
    """The device's outputs, the same bits as the interpreter's."""
    program = cim.compile(model, threads=1, **options)
    outputs = program.run(feeds, sanitize=True)
    expected = cim.interpret(program.ir("quantize"), feeds)
    for name, value in outputs.items():
        assert value.tobytes() == expected[name].tobytes(), name
    return outputs, program


def small_model(batch=1):
    """Convolutions with a residual, pooling and a matrix product, seeded weights;
    x float32 [batch, 3, 8, 8] to y float32 [batch, 5]."""
    rng = np.random.default_rng(1)

    def weights(name, *shape):
        scale = 1.0 / np.sqrt(np.prod(shape[1:]))
        values = rng.normal(0.0, scale, shape).astype(np.float32)
        return numpy_helper.from_array(values, name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "first", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], "relu"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "second", pads=[1] * 4),
        helper.make_node("Add", ["c2", "r1"], ["s"], "add"),
        helper.make_node("GlobalAveragePool", ["s"], ["g"], "pool"),
        helper.make_node("Flatten", ["g"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], "head", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 5])],
        [
            weights("w1", 16, 3, 3, 3),
            weights("b1", 16),
            weights("w2", 16, 16, 3, 3),
            weights("w3", 5, 16),
            weights("b3", 5),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model)
    return model


@pytest.fixture(scope="session")
def model():
    return small_model()


@pytest.fixture(scope="session")
def samples():
    """Inputs of the small model: float32 [24, 3, 8, 8]."""
    rng = np.random.default_rng(2)
    return rng.normal(size=(24, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="session")
def program(model, samples):
    """The small model in int8 on m50."""
    return cim.compile(model, quantize="int8", calibration={"x": samples})


@pytest.fixture(scope="session")
def images():
    with np.load(DATA / "test.npz") as file:
        return file["x"]


@pytest.fixture(scope="session")
def labels():
    with np.load(DATA / "test_labels.npz") as file:
        return file["labels"]


@pytest.fixture(scope="session")
def shipped():
    """shipped(network, format): the compiled example network; compiled once."""
    programs = {}

    def get(network, quantize):
        key = network, quantize
        if key not in programs:
            programs[key] = cim.compile(
                DATA / f"{network}.onnx",
                quantize=quantize,
                calibration=DATA / "calibration.npz",
            )
        return programs[key]

    return get


@pytest.fixture(scope="session")
def tools():
    """Folder of the command line tools."""
    folder = os.environ.get("CIM_TOOLS_DIR") or ROOT / "build" / "bin"
    folder = Path(folder)
    if not (folder / "cimc").exists():
        pytest.skip(f"no cimc in {folder}; set CIM_TOOLS_DIR")
    return folder
