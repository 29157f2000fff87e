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


@pytest.mark.parametrize("switch", ["fuse", "overlap", "copies", "cores", "resident"])
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


def test_loops_change_neither_results_nor_time():
    weights = numpy_helper.from_array(
        np.random.default_rng(0).standard_normal((512, 1024), dtype=np.float32), "w"
    )
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", 1, [256, 512])],
        [helper.make_tensor_value_info("y", 1, [256, 1024])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    x = np.random.default_rng(1).standard_normal((256, 512), dtype=np.float32)
    # Small tiles: the same few instructions many times.
    looped = cim.compile(model, quantize="bfp16", opt=0)
    plain = cim.compile(model, quantize="bfp16", opt=0, disable=["reroll"])
    assert "cimisa.loop" in looped.ir("isa", elide_constants=True)
    assert "cimisa.loop" not in plain.ir("isa", elide_constants=True)
    assert plain.run({"x": x})["y"].tobytes() == looped.run({"x": x})["y"].tobytes()
    assert plain.profile().cycles == looped.profile().cycles


@pytest.mark.parametrize("opt", [0, 1, 3])
def test_levels_change_no_bit(model, program, samples, opt):
    other = cim.compile(model, quantize="int8", calibration={"x": samples}, opt=opt)
    x = {"x": samples[:2]}
    got = other.run(x, mode="full", sanitize=True)["y"]
    assert got.tobytes() == program.run(x)["y"].tobytes()
