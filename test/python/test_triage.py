# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""cim.compare names the layer that is wrong, cim.reduce what a failure needs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cim
import numpy as np
import onnx
import onnx.utils
import pytest
from cim import _compare
from conftest import DATA
from onnx import TensorProto, helper


def run_cim(*arguments, cwd):
    """python -m cim ... in a folder."""
    package = str(Path(cim.__file__).parent.parent.absolute())
    return subprocess.run(
        [sys.executable, "-m", "cim", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": package},
        capture_output=True,
        text=True,
        timeout=120,
    )


def by_name(comparison):
    return {layer.name: layer for layer in comparison.layers}


def test_the_layer_with_too_few_bits_is_named(model, samples):
    found = cim.compare(
        model,
        quantize="int8",
        calibration={"x": samples},
        layers={"second": "w4"},
        threshold=0.03,
    )
    assert found.first.name == found.worst.name == "second"
    assert found.first.format == "w4a8"
    layers = by_name(found)
    assert list(layers) == ["x", "relu", "second", "pool", "head"]
    # What follows inherits the error but adds little.
    assert layers["head"].accumulated.relative > 0.03
    assert layers["head"].isolated.relative < 0.01
    assert "first above 3 %: second" in str(found)


def test_a_wrong_range_is_named(model, samples):
    # Calibrated on data a tenth as large: what is quantized first clips.
    found = cim.compare(
        model,
        {"x": samples[:4]},
        quantize="int8",
        calibration={"x": samples / 10},
    )
    assert found.first.name == found.worst.name == "x"
    good = cim.compare(model, quantize="int8", calibration={"x": samples})
    assert good.first is None
    assert all(layer.accumulated.relative < 0.02 for layer in good.layers)


def test_errors_are_those_of_the_outputs(model, samples):
    x = {"x": samples[:3]}
    found = cim.compare(model, x, quantize="int8", calibration={"x": samples})
    program = cim.compile(model, quantize="int8", calibration={"x": samples})
    wanted = cim.interpret(program.ir("normalize"), x)["y"].astype(np.float64)
    error = np.linalg.norm(program.run(x)["y"] - wanted) / np.linalg.norm(wanted)
    head = by_name(found)["head"].accumulated
    assert head.relative == pytest.approx(error, rel=1e-12)
    assert head.sqnr == pytest.approx(-20 * np.log10(error))


def test_isolated_errors_do_not_depend_on_layers_before(model, samples):
    isolated = []
    for layers in ({}, {"first": "w4"}):
        found = cim.compare(
            model, quantize="int8", calibration={"x": samples}, layers=layers
        )
        isolated.append(by_name(found)["second"].isolated)
    assert isolated[0] == isolated[1]


@pytest.mark.parametrize("quantize", ["none", "bfp16"])
def test_floats(model, quantize):
    found = cim.compare(model, quantize=quantize)
    errors = [layer.accumulated.relative for layer in found.layers]
    assert [layer.name for layer in found.layers][-1] == "head"
    if quantize == "none":
        assert errors == [0.0] * len(errors)
    else:
        assert 0 < max(errors) < 1e-3


@pytest.mark.parametrize("against", ["float", "quantized"])
@pytest.mark.parametrize("network", ["resnet8", "encoder"])
def test_networks(network, against, images):
    found = cim.compare(
        DATA / f"{network}.onnx",
        {"x": images[:1]},
        against,
        quantize="int8",
        calibration={"x": images[:16]},
    )
    assert found.first is None
    assert len(found.layers) >= 13
    if against == "float":
        assert found.layers[-1].name == "/fc/Gemm"
        assert 0.001 < found.layers[-1].accumulated.relative < 0.05
        return
    assert "agree bit for bit" in str(found)


def test_a_wrong_layer_on_the_device_is_named(model, samples, monkeypatch):
    on_device = _compare._on_device

    def broken(text, *arguments):
        # The program computes the second convolution with other padding.
        pattern = r"(cim\.conv %\S+, %\S+ requantize %\S+ strides \[1, 1\]) pads \[1, 1, 1, 1\]"
        text, count = re.subn(pattern, r"\1 pads [2, 1, 0, 1]", text)
        assert count == 1
        return on_device(text, *arguments)

    monkeypatch.setattr(_compare, "_on_device", broken)
    found = cim.compare(
        model, against="quantized", quantize="int8", calibration={"x": samples}
    )
    assert found.first.name == "second"
    assert [layer.name for layer in found.layers if layer.different][-1] == "y"


def test_compare_command(model, samples, tmp_path):
    onnx.save(model, tmp_path / "m.onnx")
    np.savez(tmp_path / "c.npz", x=samples)
    flags = ["--calibration", "c.npz", "--layer", "second=w4", "--threshold", 0.03]
    flags += ["--quantize", "int8", "--json", "t.json"]
    done = run_cim("compare", "m.onnx", *flags, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "second" in done.stdout and "<--" in done.stdout
    table = json.loads((tmp_path / "t.json").read_text())
    assert table["first"] == "second" and len(table["layers"]) == 5
    done = run_cim("compare", "no.onnx", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("error: no.onnx: no such")


def test_mistakes(model, samples):
    with pytest.raises(cim.CompileError, match="use float or quantized"):
        cim.compare(model, against="double")
    with pytest.raises(cim.RunError, match="input x: not given"):
        cim.compare(model, {})
    with pytest.raises(TypeError, match="unexpected keyword"):
        cim.compare(model, colour="red")


def long_model():
    """A chain of 30 nodes, the 20th of an unknown kind: x float32 [4, 12, 6]."""
    nodes = []
    for i in range(30):
        kind, domain = ["Relu", "Tanh", "Abs"][i % 3], ""
        if i == 19:
            kind, domain = "Odd", "my.own"
        name = f"n{i}"
        node = helper.make_node(kind, [f"v{i}"], [f"v{i + 1}"], name, domain=domain)
        nodes.append(node)
    shape = [4, 12, 6]
    graph = helper.make_graph(
        nodes,
        "long",
        [helper.make_tensor_value_info("v0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("v30", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my.own", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def test_reduces_to_the_node_that_fails():
    model = long_model()
    with pytest.raises(cim.CompileError, match="Odd"):
        cim.compile(model)
    found = cim.reduce(model, cim.failures.same_error(model))
    assert [node.name for node in found.model.graph.node] == ["n19"]
    assert found.nodes == (30, 1)
    assert found.tests < 60
    assert list(found.inputs) == ["v19"]
    with pytest.raises(cim.CompileError, match="Odd"):
        cim.compile(found.model)


def test_reduced_inputs_have_the_values_they_had(model, samples):
    x = {"x": samples[:1]}

    def fails(part, inputs):
        # Not smaller than the values that are compared below.
        names = [node.name for node in part.graph.node]
        return "second" in names and inputs.get("r1", np.zeros(1024)).size == 1024

    found = cim.reduce(model, fails, x)
    assert [node.name for node in found.model.graph.node] == ["second"]
    known = onnx.shape_inference.infer_shapes(model)
    cut = onnx.utils.Extractor(known).extract_model(["x"], ["r1"])
    wanted = cim.compile(cut).run(x)["r1"]
    np.testing.assert_allclose(found.inputs["r1"], wanted, rtol=1e-4, atol=1e-5)
    program = cim.compile(found.model)
    assert program.run(found.inputs)["c2"].shape == (1, 16, 8, 8)


def test_sizes_become_small(model):
    def fails(part, inputs):
        try:
            cim.compile(part)
        except cim.CompileError:
            return False
        return any(node.op_type == "Conv" for node in part.graph.node)

    found = cim.reduce(model, fails)
    assert len(found.model.graph.node) == 1
    assert sum(value.size for value in found.inputs.values()) < 200


def test_inaccurate_layers_are_found(model, samples):
    fails = cim.failures.inaccurate(0.03, quantize="int8", layers={"second": "w4"})
    found = cim.reduce(model, fails, {"x": samples[:1]})
    assert "second" in [node.name for node in found.model.graph.node]
    assert found.nodes[1] <= 2


def test_a_model_that_does_not_fail_is_said(model):
    with pytest.raises(cim.CompileError, match="does not fail in the way"):
        cim.reduce(model, cim.failures.differs())
    with pytest.raises(cim.CompileError, match="it compiles"):
        cim.failures.same_error(model)
    with pytest.raises(cim.CompileError, match="names no model"):
        cim.failures.command("true")


def test_reduce_command(tmp_path):
    onnx.save(long_model(), tmp_path / "m.onnx")
    done = run_cim("reduce", "m.onnx", "-o", "r.onnx", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 of 30 nodes after")
    assert len(onnx.load(tmp_path / "r.onnx").graph.node) == 1
    # A command of one's own; grep looks into the file.
    flags = ["--test", "grep -q Tanh {}", "-o", "s.onnx"]
    done = run_cim("reduce", "m.onnx", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [n.op_type for n in onnx.load(tmp_path / "s.onnx").graph.node] == ["Tanh"]
    assert "again: grep -q Tanh s.onnx" in done.stdout


def test_the_package_does_not_need_onnx():
    code = "import sys; sys.modules['onnx'] = None; import cim; cim.reduce"
    package = str(Path(cim.__file__).parent.parent.absolute())
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": package},
        capture_output=True,
        text=True,
    )
    assert "package onnx is not installed" in done.stderr
