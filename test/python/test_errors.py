# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every mistake is one line that says what is wrong and what to do."""

import inspect
import re
import subprocess

import cim
import numpy as np
import pytest
from cim import _cim
from conftest import DATA, small_model


def message(error):
    text = str(error.value)
    assert text and "\n" not in text
    return text


def fails(match, model, **arguments):
    with pytest.raises(cim.CompileError) as error:
        cim.compile(model, **arguments)
    text = message(error)
    assert re.search(match, text), text


def test_errors_are_one_family():
    for kind in (cim.CompileError, cim.LoadError, cim.RunError):
        assert issubclass(kind, cim.Error)


def test_missing_file():
    fails("nowhere.onnx: no such file", "nowhere.onnx")


def test_not_a_model(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"this is no protobuf\xff\xfe\x00")
    fails("model.onnx", path)
    fails("model", b"\x00\x01\x02")
    fails("model: a int; a path, bytes or", 3)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_model(tmp_path, share):
    whole = (DATA / "resnet8.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(whole[: int(len(whole) * share)])
    fails("cut.onnx", path)


def test_unknown_operator():
    model = small_model()
    model.graph.node[1].op_type = "Nonsense"
    fails("relu|Nonsense", model)


def test_open_dimensions_are_asked_for():
    model = small_model()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    fails("x", model)


@pytest.mark.parametrize("text", ["int9", "w3a8", "w9a8", "INT8", "w8a4", "8", "x"])
def test_bad_format(model, samples, text):
    fails(
        f"^quantize: unknown format '{text}'.*bfp16",
        model,
        quantize=text,
        calibration={"x": samples},
    )


def test_bad_options(model, samples):
    fails("target: a int", model, target=3)
    fails("m51", model, target="m51")
    fails("quantize: 8; a string", model, quantize=8)
    fails("opt: 4", model, opt=4)
    fails("opt: -1", model, opt=-1)
    fails("opt: 1.5; an integer", model, opt=1.5)
    fails("seed: 'a'; an integer", model, seed="a")
    fails("threads: -1", model, threads=-1)
    fails("disable: unknown optimisation 'speed'", model, disable=["speed"])
    fails("disable: a int", model, disable=3)
    fails("ranges: unknown method 'best'", model, ranges="best")
    fails("layers: a list", model, layers=["head=w5a8"])
    fails("layers: 'head': unknown format 'w3'", model, layers={"head": "w3"})
    fails("not a regular expression", model, layers={"(": "w5a8"})
    fails("input_shapes: a list", model, input_shapes=[1, 3, 8, 8])
    fails("input_shapes: 'x=abc' is not a shape", model, input_shapes={"x": "abc"})
    fails("input_shapes: 'x=1x3x-8x8'", model, input_shapes={"x": [1, 3, -8, 8]})
    fails("input_shapes: 'x': 8; a shape is", model, input_shapes={"x": 8})
    fails("input_shapes: 'x': .1.5.; a shape is", model, input_shapes={"x": [1.5]})
    fails("layers: 'head': 8; a format is", model, layers={"head": 8})
    fails("x", model, input_shapes={"x": [1, 4, 8, 8]})
    fails("nope", model, input_shapes={"nope": [1]})
    fails("calibration_samples: 0", model, calibration_samples=0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'quantise'"):
        cim.compile(model, quantise="int8")


def test_options_are_those_of_the_command_line(tools):
    """One table serves both: names, defaults and help agree."""
    lines = subprocess.run(
        [tools / "cimc", "--help"], check=True, capture_output=True, text=True
    ).stdout
    signature = inspect.signature(cim.compile)
    rows = _cim.options()
    assert {"quantize", "layers", "disable", "threads"} <= {row[1] for row in rows}
    for flag, argument, kind, initial, form, text in rows:
        assert re.search(rf"--{flag}=<{re.escape(form)}> +- {re.escape(text)}", lines)
        default = signature.parameters[argument].default
        if kind in ("text", "number"):
            assert str(default or "") == initial or default == int(initial or 0)
        else:
            assert not default


def test_bad_calibration(tmp_path, model, samples):
    fails(
        r"calibration data; .*--calibration data.npz, calibration= in Python",
        model,
        quantize="int8",
    )
    for data, match in (
        ({"y": samples}, "no array 'x'; arrays found: y"),
        ({"x": samples[:, :2]}, r"shape \[24, 2, 8, 8\]"),
        ({"x": samples[0]}, r"shape \[3, 8, 8\]"),
        ({"x": samples[:0]}, r"shape \[0, 3, 8, 8\]"),
        ({"x": samples.astype(np.float64)}, "dtype f8"),
        (samples, "calibration: a ndarray; a dictionary"),
        (tmp_path / "none.npz", "none.npz"),
        (tmp_path, "no .npz file in this folder"),
    ):
        fails(match, model, quantize="int8", calibration=data)
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 broken")
    fails("broken.npz", model, quantize="int8", calibration=broken)


def test_not_finite_calibration_does_not_crash(model, samples):
    bad = samples.copy()
    bad[3, 0, 0, 0] = np.nan
    bad[4, 0, 0, 0] = np.inf
    try:
        program = cim.compile(model, quantize="int8", calibration={"x": bad})
    except cim.CompileError as problem:
        assert "\n" not in str(problem)
    else:
        assert np.isfinite(program.run({"x": samples})["y"]).all()


def test_errors_come_again(model):
    """A failed compilation leaves nothing behind."""
    for _ in range(3):
        fails("calibration", model, quantize="int8")
    cim.compile(model)


def test_inputs_that_do_not_fit(program, samples):
    for inputs, match in (
        ({}, "input x: not given; the program takes float32"),
        ({"x": samples[:1], "z": samples}, "input z: the program has no such input"),
        ({"x": samples[:1].astype(np.float64)}, "float64.*convert it"),
        ({"x": samples[:1].astype(np.int32)}, "int32.*convert it"),
        ({"x": samples[:1, :2]}, r"float32\[1,2,8,8\]; the program takes"),
        ({"x": samples[:0]}, r"float32\[0,3,8,8\]"),
        ({"x": samples[0]}, r"float32\[3,8,8\]"),
        ({"x": np.array(["a"])}, "dtype str"),
        ({"x": samples[:1].astype(np.complex64)}, "dtype complex64"),
        (samples, "inputs: a ndarray; a dictionary"),
        (None, "inputs: a NoneType"),
    ):
        with pytest.raises(cim.RunError) as error:
            program.run(inputs)
        assert re.search(match, message(error)), message(error)


def test_bad_run_options(program, samples):
    x = {"x": samples[:1]}
    for arguments, match in (
        ({"mode": "fast"}, "mode: 'fast'"),
        ({"mode": "timing"}, "computes no outputs"),
        ({"threads": 0}, "threads: 0"),
    ):
        with pytest.raises(cim.RunError) as error:
            program.run(x, **arguments)
        assert re.search(match, message(error)), message(error)


def test_bad_phase(program):
    for phase in ("optimise", "program", ""):
        with pytest.raises(cim.CompileError, match="phase"):
            program.ir(phase)


def test_bad_programs(tmp_path, program):
    with pytest.raises(cim.LoadError, match="nowhere.cimb"):
        cim.load(tmp_path / "nowhere.cimb")
    whole = program.to_bytes()
    path = tmp_path / "bad.cimb"
    rng = np.random.default_rng(5)
    for cut in (0, 3, 64, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(cim.LoadError) as error:
            cim.load(path)
        assert "bad.cimb" in message(error)
    for _ in range(20):
        broken = bytearray(whole)
        broken[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(broken))
        with pytest.raises(cim.LoadError):
            cim.load(path)
    with pytest.raises(cim.LoadError):
        program.save(tmp_path / "no" / "such" / "folder.cimb")


def test_bad_targets(tmp_path):
    m50 = cim.Target.load("m50")
    with pytest.raises(cim.LoadError, match="unknown field"):
        m50.replace(cores=2)
    with pytest.raises(cim.LoadError, match="macro_rows: 0"):
        m50.replace(macro_rows=0)
    with pytest.raises(cim.LoadError, match="macro_rows: 1.5; an integer"):
        m50.replace(macro_rows=1.5)
    with pytest.raises(AttributeError, match="no field 'cores'"):
        _ = m50.cores
    with pytest.raises(cim.LoadError):
        cim.Target.load("no-such-target")
    path = tmp_path / "bad.yaml"
    path.write_text("name: bad\nclock_mhz: fast\n")
    with pytest.raises(cim.LoadError, match="bad.yaml:2"):
        cim.Target.load(path)


def test_bad_text_for_the_interpreter(program, samples):
    x = {"x": samples[:1]}
    for text, match in (
        ("func.func @main(", "line 1"),
        ("module {}", "no function @main"),
        (
            """func.func @main(%a: tensor<?xf32>) -> tensor<?xf32> {
                 return %a : tensor<?xf32> }""",
            "static shape",
        ),
        (
            'func.func @main(%a: f32 {cim.name = "x"}) -> f32 { return %a : f32 }',
            "f32",
        ),
        (program.ir("quantize", elide_constants=True), "."),
        (program.ir("allocate"), "."),
    ):
        with pytest.raises(cim.RunError) as error:
            cim.interpret(text, x)
        assert re.search(match, message(error)), message(error)
    text = program.ir("quantize")
    with pytest.raises(cim.RunError, match="input x: not given"):
        cim.interpret(text, {})
    with pytest.raises(cim.RunError, match="remove the others"):
        cim.interpret(text, {**x, "z": samples})
    with pytest.raises(cim.RunError, match="give that shape"):
        cim.interpret(text, {"x": samples[0]})
    with pytest.raises(cim.RunError, match="text: a NoneType"):
        cim.interpret(None, x)


def test_large_protos_are_explained():
    class Fake:
        def SerializeToString(self):
            raise ValueError("exceeds maximum protobuf size of 2GB")

    fails("give the path", Fake())
