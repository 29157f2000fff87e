# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The device computes what the reference interpreter says, bit for bit, and the
same every time."""

import cim
import numpy as np
import pytest
from conftest import DATA
from onnx import helper, numpy_helper

FORMATS = ["int8", "w5a8", "bfp16", "none"]
SWITCHES = ["fuse", "overlap", "copies", "cores", "resident", "reroll"]


@pytest.mark.parametrize("quantize", FORMATS)
@pytest.mark.parametrize("network", ["resnet8", "encoder"])
def test_device_equals_interpreter(shipped, images, network, quantize):
    program = shipped(network, quantize)
    x = {"x": images[:4]}
    wanted = cim.interpret(program.ir("quantize"), x)
    got = program.run(x, mode="full", sanitize=True)
    assert list(got) == list(wanted) == ["logits"]
    assert got["logits"].tobytes() == wanted["logits"].tobytes()


@pytest.mark.parametrize("network", ["resnet8", "encoder"])
def test_threads_change_nothing(shipped, images, network):
    program = shipped(network, "int8")
    x = {"x": images[:3]}
    one, two = (program.profile(x, threads=threads) for threads in (1, 2))
    assert one.outputs["logits"].tobytes() == two.outputs["logits"].tobytes()
    assert one.report == two.report


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("quantize", ["int8", "bfp16"])
def test_compiling_again_gives_the_same_bytes(model, samples, quantize, threads):
    first, second = (
        cim.compile(
            model, quantize=quantize, calibration={"x": samples}, threads=count
        ).to_bytes()
        for count in (0, threads)
    )
    assert first == second


@pytest.mark.parametrize("switch", [*SWITCHES, SWITCHES])
def test_optimisations_change_no_bit(model, program, samples, switch):
    disable = [switch] if isinstance(switch, str) else switch
    other = cim.compile(
        model, quantize="int8", calibration={"x": samples}, disable=disable
    )
    x = {"x": samples[:2]}
    got = other.run(x, mode="full", sanitize=True)["y"]
    assert got.tobytes() == program.run(x)["y"].tobytes()


@pytest.mark.parametrize("switch", ["fuse", "copies", "cores", "resident"])
def test_optimisations_make_it_faster(shipped, images, switch):
    base = shipped("resnet8", "int8")
    other = cim.compile(
        DATA / "resnet8.onnx",
        quantize="int8",
        calibration=DATA / "calibration.npz",
        disable=[switch],
    )
    assert other.profile().cycles > base.profile().cycles
    x = {"x": images[:1]}
    assert other.run(x)["logits"].tobytes() == base.run(x)["logits"].tobytes()


def product(m, k, n):
    """x (m, k) times constant weights (k, n), and such an x."""
    random = np.random.default_rng(0)
    weights = random.standard_normal((k, n), dtype=np.float32) / np.float32(k**0.5)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", 1, [m, k])],
        [helper.make_tensor_value_info("y", 1, [m, n])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return model, {"x": random.standard_normal((m, k), dtype=np.float32)}


def test_loops_change_neither_results_nor_time():
    model, x = product(256, 512, 1024)
    # Small tiles: the same few instructions many times.
    looped = cim.compile(model, quantize="bfp16", opt=0)
    plain = cim.compile(model, quantize="bfp16", opt=0, disable=["reroll"])
    assert "cimisa.loop" in looped.ir("isa", elide_constants=True)
    assert "cimisa.loop" not in plain.ir("isa", elide_constants=True)
    assert plain.run(x)["y"].tobytes() == looped.run(x)["y"].tobytes()
    assert plain.profile().cycles == looped.profile().cycles


def layer_cycles(program):
    return next(
        layer["cycles"] for layer in program.profile().layers if layer["schedule"]
    )


def test_dual_port_hides_weight_writes():
    model, x = product(256, 4096, 1024)
    one, both = (
        cim.compile(model, quantize="int8", calibration=x, disable=disable)
        for disable in (["overlap"], [])
    )
    assert layer_cycles(both) < 0.7 * layer_cycles(one)
    assert one.run(x)["y"].tobytes() == both.run(x)["y"].tobytes()


def test_fewer_weight_bits_take_fewer_cycles():
    # The second of three convolutions: integers in, integers out.
    random = np.random.default_rng(0)
    shape, nodes, weights = [1, 512, 14, 14], [], []
    for i in range(3):
        value = random.standard_normal((512, 512, 3, 3), dtype=np.float32) / 68
        weights.append(numpy_helper.from_array(value, f"w{i}"))
        nodes.append(
            helper.make_node(
                "Conv", [f"x{i}", f"w{i}"], [f"x{i + 1}"], name=f"conv{i}", pads=[1] * 4
            )
        )
    graph = helper.make_graph(
        nodes,
        "three",
        [helper.make_tensor_value_info("x0", 1, shape)],
        [helper.make_tensor_value_info("x3", 1, shape)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    x = {"x0": random.standard_normal(shape, dtype=np.float32)}
    cycles = []
    for form in ("w8a8", "w5a8"):
        program = cim.compile(model, quantize=form, calibration=x)
        layers = program.profile().layers
        cycles.append(next(l["cycles"] for l in layers if l["name"] == "conv1"))
    assert cycles[1] <= 0.7 * cycles[0]


@pytest.mark.parametrize("opt", [0, 1, 3])
def test_levels_change_no_bit(model, program, samples, opt):
    other = cim.compile(model, quantize="int8", calibration={"x": samples}, opt=opt)
    x = {"x": samples[:2]}
    got = other.run(x, mode="full", sanitize=True)["y"]
    assert got.tobytes() == program.run(x)["y"].tobytes()
