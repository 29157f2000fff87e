# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""RNN, GRU and LSTM with every attribute and optional input: the device must
compute what the reference interpreter says, bit for bit, and that must be what
ONNX Runtime says."""

import re

import cim
import numpy as np
import pytest
from conftest import run_exact
from onnx import helper, numpy_helper
from test_random import FORMATS, SWITCHES, random_target

onnxruntime = pytest.importorskip("onnxruntime")

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
NAMES = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
T, B, I, H = 5, 3, 6, 4


def operands(op, directions=1, layout=0, scale=1.0, seed=0, sizes=(T, B, I, H)):
    """All inputs by name, those the operator lacks left out."""
    rng = np.random.default_rng(seed)
    steps, batch, inputs, hidden = sizes
    gates = GATES[op] * hidden

    def make(*shape):
        return rng.uniform(-scale, scale, shape).astype(np.float32)

    state = (directions, batch, hidden) if layout == 0 else (batch, directions, hidden)
    arrays = {
        "X": make(*((steps, batch) if layout == 0 else (batch, steps)), inputs),
        "W": make(directions, gates, inputs),
        "R": make(directions, gates, hidden),
        "B": make(directions, 2 * gates),
        "sequence_lens": rng.integers(1, steps + 1, batch).astype(np.int32),
        "initial_h": make(*state),
    }
    if op == "LSTM":
        arrays |= {
            "initial_c": make(*state),
            "P": make(directions, 3 * hidden),
        }
    return arrays


def build(op, arrays, constant, dtype=np.float32, **attributes):
    """The model of one node; operands named in `constant` are initializers."""
    names = [name if name in arrays else "" for name in NAMES]
    while not names[-1]:
        names.pop()
    outputs = ["Y", "Y_h", "Y_c"][: 3 if op == "LSTM" else 2]
    hidden = arrays["R"].shape[-1]
    node = helper.make_node(
        op, names, outputs, name="cell", hidden_size=hidden, **attributes
    )
    infos, initializers = [], []
    for name, array in arrays.items():
        if array.dtype == np.float32:
            array = array.astype(dtype)
        if name in constant:
            initializers.append(numpy_helper.from_array(array, name))
        else:
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            infos.append(helper.make_tensor_value_info(name, kind, array.shape))
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    results = [
        helper.make_tensor_value_info(
            o, kind, [f"{o}{d}" for d in range(4 - (o != "Y"))]
        )
        for o in outputs
    ]
    graph = helper.make_graph([node], "cell", infos, results, initializers)
    opsets = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    feeds = {
        info.name: arrays[info.name].astype(dtype)
        if arrays[info.name].dtype == np.float32
        else arrays[info.name]
        for info in infos
    }
    return model, feeds


def reference(model, feeds):
    """ONNX Runtime's outputs by name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in model.graph.output]
    return dict(zip(names, session.run(None, feeds), strict=True))


def check(op, arrays, constant=("W", "R", "B", "P"), tolerance=1e-5, **attributes):
    model, feeds = build(op, arrays, constant, **attributes)
    outputs, _ = run_exact(model, feeds)
    for name, want in reference(model, feeds).items():
        assert outputs[name].shape == want.shape, name
        np.testing.assert_allclose(
            outputs[name], want, rtol=tolerance, atol=tolerance, err_msg=name
        )


def without(arrays, *names):
    return {name: array for name, array in arrays.items() if name not in names}


OPS = pytest.mark.parametrize("op", list(GATES))


@OPS
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_directions(op, direction):
    """All optional inputs, weights constant, sequence lengths at run time."""
    directions = 2 if direction == "bidirectional" else 1
    check(op, operands(op, directions), direction=direction)


@OPS
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_constant_lengths(op, direction):
    arrays = operands(op)
    arrays["sequence_lens"] = np.array([2, 4, 3], np.int32)
    constant = ("W", "R", "B", "P", "sequence_lens")
    check(op, arrays, constant, direction=direction)


@OPS
def test_run_time_weights(op):
    check(op, operands(op), constant=())


@OPS
def test_plain(op):
    arrays = without(operands(op), "B", "sequence_lens", "initial_h", "initial_c", "P")
    check(op, arrays)


@OPS
def test_batch_first(op):
    """Layout 1 against layout 0 of ONNX Runtime, which has no other."""
    arrays = operands(op, layout=1)
    first = without(arrays, "sequence_lens", "P")
    model, feeds = build(op, first, ("W", "R", "B"), layout=1)
    outputs, _ = run_exact(model, feeds)
    swapped = dict(first)
    for name in ("X", "initial_h", "initial_c"):
        if name in swapped:
            swapped[name] = np.ascontiguousarray(swapped[name].swapaxes(0, 1))
    expected = reference(*build(op, swapped, ("W", "R", "B")))
    for name, want in expected.items():
        # Y: time, direction, batch, hidden to batch, time, direction, hidden.
        want = want.transpose(2, 0, 1, 3) if name == "Y" else want.swapaxes(0, 1)
        assert outputs[name].shape == want.shape
        np.testing.assert_allclose(outputs[name], want, rtol=1e-5, atol=1e-5)


def test_batch_first_both_directions_with_lengths():
    arrays = operands("GRU", 2, layout=1)
    model, feeds = build(
        "GRU", arrays, ("W", "R", "B"), layout=1, direction="bidirectional"
    )
    outputs, _ = run_exact(model, feeds)
    swapped = dict(arrays)
    for name in ("X", "initial_h"):
        swapped[name] = np.ascontiguousarray(arrays[name].swapaxes(0, 1))
    expected = reference(
        *build("GRU", swapped, ("W", "R", "B"), direction="bidirectional")
    )
    np.testing.assert_allclose(
        outputs["Y"], expected["Y"].transpose(2, 0, 1, 3), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("lengths", ["constant", "run time"])
def test_reset_after_the_product(lengths):
    arrays = operands("GRU", 2)
    constant = ("W", "R", "B") + (("sequence_lens",) if lengths == "constant" else ())
    check("GRU", arrays, constant, direction="bidirectional", linear_before_reset=1)
    check("GRU", arrays, (), direction="bidirectional", linear_before_reset=1)
    # Without a state the first step still has the bias the reset gate acts on.
    check(
        "GRU",
        without(arrays, "initial_h"),
        linear_before_reset=1,
        direction="bidirectional",
    )


def test_coupled_forget_gate():
    check("LSTM", operands("LSTM"), input_forget=1)


@OPS
def test_clip(op):
    """Values far beyond the threshold. The cell state is no gate: ONNX Runtime
    clips what goes into all activations but the last."""
    arrays = without(operands(op, scale=4.0), "P")
    check(op, arrays, tolerance=2e-4, clip=0.75)


ACTIVATIONS = [
    ("Relu", None, None),
    ("LeakyRelu", 0.1, None),
    ("ThresholdedRelu", 0.25, None),
    ("ScaledTanh", 0.5, 1.5),
    ("HardSigmoid", 0.3, 0.4),
    ("Elu", 0.7, None),
    ("Affine", 0.6, 0.1),
    ("Softsign", None, None),
    ("Softplus", None, None),
    ("Sigmoid", None, None),
]


@pytest.mark.parametrize("name, alpha, beta", ACTIVATIONS, ids=lambda v: str(v))
def test_activations(name, alpha, beta):
    arrays = operands("RNN", scale=0.5)
    attributes = {"activations": [name]}
    if alpha is not None:
        attributes["activation_alpha"] = [alpha]
    if beta is not None:
        attributes["activation_beta"] = [beta]
    check("RNN", arrays, **attributes)


def test_parameters_go_to_the_functions_that_have_them():
    check(
        "LSTM",
        operands("LSTM", 2, scale=0.5),
        direction="bidirectional",
        activations=["HardSigmoid", "Tanh", "LeakyRelu", "sigmoid", "Elu", "Affine"],
        activation_alpha=[0.3, 0.1, 0.8, 0.9],
        activation_beta=[0.4, 0.05],
    )


def test_one_step_and_one_row():
    arrays = operands("LSTM", sizes=(1, 1, 3, 2))
    check("LSTM", without(arrays, "sequence_lens"))


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@OPS
def test_other_floats(op, dtype):
    arrays = without(operands(op, scale=0.5), "P")
    model, feeds = build(op, arrays, ("W", "R", "B"), dtype)
    outputs, _ = run_exact(model, feeds)
    expected = reference(*build(op, arrays, ("W", "R", "B")))
    tolerance = 5e-3 if dtype == np.float16 else 1e-5
    for name, want in expected.items():
        assert outputs[name].dtype == dtype
        np.testing.assert_allclose(
            outputs[name].astype(np.float32), want, rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize("quantize", ["int8", "w4a8", "bfp16"])
@pytest.mark.parametrize("op", ["LSTM", "GRU"])
def test_quantized(op, quantize):
    """Products in the array; the steps are one layer: one scale, one copy of the
    weights."""
    sizes = (6, 4, 32, 32)
    arrays = operands(op, scale=0.25, sizes=sizes)
    arrays = without(arrays, "sequence_lens", "initial_h", "initial_c", "P")
    attributes = {"linear_before_reset": 1} if op == "GRU" else {}
    model, feeds = build(op, arrays, ("W", "R", "B"), **attributes)
    rng = np.random.default_rng(1)
    samples = rng.uniform(-0.25, 0.25, (24, *feeds["X"].shape[1:])).astype(np.float32)
    outputs, program = run_exact(
        model, feeds, quantize=quantize, calibration={"X": samples}
    )
    want = reference(model, feeds)["Y"]
    error = np.linalg.norm(outputs["Y"] - want) / np.linalg.norm(want)
    assert error < {"int8": 0.03, "w4a8": 0.25, "bfp16": 0.002}[quantize]
    text = program.ir("quantize")
    # One product for the input, one per step but the first, whose state is zero.
    products = re.findall(r"cim\.matmul %\w+, (%\w+).*", text)
    assert len(products) == 6
    assert len(set(products)) == 2
    packed = re.findall(r'cim\.buffer constant "[^"]*\.weights"', program.ir("lower"))
    assert len(packed) == 2
    if quantize != "bfp16":
        types = re.findall(r"cim\.matmul .*tensor<4x32x(!quant[^>]*>)", text)
        assert len(types) == 5 and len(set(types)) == 1


@pytest.mark.parametrize("op, products", [("RNN", 1), ("GRU", 2), ("LSTM", 1)])
def test_steps_are_equal_text(op, products):
    """But for names and places, so that loops can be found again later on."""
    arrays = operands(op, scale=0.25, sizes=(7, 4, 32, 32))
    arrays = without(arrays, "sequence_lens", "initial_h", "initial_c", "P")
    model, feeds = build(op, arrays, ("W", "R", "B"))
    text = cim.compile(model, quantize="int8", calibration=feeds).ir("quantize")
    text = text[: text.index("return")]
    text = re.sub(r" loc\([^()]*(\([^()]*\))?[^()]*\)", "", text)
    text = re.sub(r"%[\w#]+", "%", text)
    text = re.sub(r"extract_slice %\[\d+, ", "extract_slice %[time, ", text)
    parts = re.split(r"\n(?=.*cim\.matmul.*tensor<4x32x!quant)", text)
    assert len(parts) == 1 + 6 * products
    # What follows the last product differs, and so does the first step's end.
    parts = parts[1 + products : -products]
    assert len(set(parts)) == products


MISTAKES = [
    (
        {"activations": ["Tanh", "Tanh"]},
        "cell: the number of activations is wrong; RNN opset 21, 2, 1 wanted",
    ),
    (
        {"activations": ["Gelu"]},
        "cell: the activation is unknown; RNN opset 21, 'Gelu'",
    ),
    ({"direction": "sideways"}, "cell: the direction is unknown"),
    ({"clip": -1.0}, "cell: clip is not positive"),
    ({"direction": "bidirectional"}, "cell: W does not have the right shape"),
]


@pytest.mark.parametrize("attributes, message", MISTAKES, ids=lambda v: str(v)[:24])
def test_mistakes(attributes, message):
    model, _ = build("RNN", operands("RNN"), ("W", "R", "B"), **attributes)
    with pytest.raises(cim.CompileError, match=re.escape(message)):
        cim.compile(model)


def test_too_many_steps():
    arrays = without(
        operands("RNN", sizes=(60000, 1, 1, 1)), "sequence_lens", "initial_h"
    )
    model, _ = build("RNN", arrays, ("W", "R", "B"))
    with pytest.raises(cim.CompileError, match="cell: the repetitions are too many"):
        cim.compile(model)


@pytest.mark.parametrize("seed", range(24))
def test_random(seed):
    """Random cells with random operands on random targets with random options."""
    rng = np.random.default_rng(seed)

    def pick(*choices):
        return choices[rng.integers(len(choices))]

    op, direction = pick(*GATES), pick("forward", "reverse", "bidirectional")
    layout, sizes = pick(0, 1), [int(rng.integers(1, most)) for most in (9, 7, 70, 70)]
    directions = 2 if direction == "bidirectional" else 1
    arrays = operands(op, directions, layout, 0.3, seed, sizes)
    optional = ("B", "sequence_lens", "initial_h", "initial_c", "P")
    arrays = without(arrays, *[name for name in optional if rng.random() < 0.4])
    constant = [name for name in arrays if name != "X" and rng.random() < 0.7]
    attributes = {"direction": direction, "layout": layout}
    if op == "GRU":
        attributes["linear_before_reset"] = pick(0, 1)
    if op == "LSTM":
        attributes["input_forget"] = pick(0, 1)
    if pick(True, False):
        attributes["clip"] = 0.5
    target, quantize = random_target(rng), pick(*FORMATS)
    if quantize in ("bfp16", "fp16") and target.bfp_block_rows != 64:
        target = cim.Target.load("m50")
    model, feeds = build(op, arrays, constant, **attributes)
    run_exact(
        model,
        feeds,
        target=target,
        quantize=quantize,
        calibration=feeds,
        opt=int(rng.integers(0, 3)),
        disable=[switch for switch in SWITCHES if rng.random() < 0.2],
    )


def speech_model(samples, hidden=32):
    """Audio to classes as exporters write it: frames, power, mel bands, logarithm,
    two bidirectional LSTMs with computed zero states, mean over time, head."""
    rng = np.random.default_rng(7)
    nodes, initializers = [], []

    def constant(name, value):
        initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weights(name, *shape):
        bound = 1.0 / np.sqrt(hidden)
        return constant(name, rng.uniform(-bound, bound, shape).astype(np.float32))

    def add(op, inputs, name, **attributes):
        nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    last = constant("last", np.array([-1]))
    window = constant("window", np.hanning(400).astype(np.float32))
    signal = add("Unsqueeze", ["audio", last], "signal")
    x = add("STFT", [signal, constant("step", np.int64(160)), window], "stft")
    x = add("Mul", [x, x], "square")
    x = add("ReduceSum", [x, last], "power", keepdims=0)
    scalars = {
        "bands": np.int64(40),
        "length": np.int64(400),
        "rate": np.int64(16000),
        "low": np.float32(20),
        "high": np.float32(7600),
    }
    names = [constant(name, value) for name, value in scalars.items()]
    x = add("MatMul", [x, add("MelWeightMatrix", names, "matrix")], "mel")
    x = add("Add", [x, constant("floor", np.float32(1e-3))], "floored")
    x = add("Log", [x], "log")
    x = add("Transpose", [x], "time_first", perm=[1, 0, 2])
    first = constant("first", np.array([0]))
    batch = add("Gather", [add("Shape", ["audio"], "shape"), first], "batch")
    two, size = constant("two", np.array([2])), constant("size", np.array([hidden]))
    shape = add("Concat", [two, batch, size], "state_shape", axis=0)
    state = add("ConstantOfShape", [shape], "state")
    inputs = 40
    for i in range(2):
        operands = [
            x,
            weights(f"w{i}", 2, 4 * hidden, inputs),
            weights(f"r{i}", 2, 4 * hidden, hidden),
            weights(f"b{i}", 2, 8 * hidden),
            "",
            state,
            state,
        ]
        both = {"direction": "bidirectional", "hidden_size": hidden}
        x = add("LSTM", operands, f"lstm{i}", **both)
        x = add("Transpose", [x], f"swapped{i}", perm=[0, 2, 1, 3])
        joined = constant(f"joined{i}", np.array([0, 0, -1]))
        x = add("Reshape", [x, joined], f"features{i}")
        inputs = 2 * hidden
    x = add("ReduceMean", [x, first], "mean", keepdims=0)
    add("Gemm", [x, weights("head_w", inputs, 12), weights("head_b", 12)], "y")
    audio = helper.make_tensor_value_info("audio", 1, [1, samples])
    y = helper.make_tensor_value_info("y", 1, [1, 12])
    graph = helper.make_graph(nodes, "speech", [audio], [y], initializers)
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def test_speech_network():
    """In int8 but for the mel bands, whose logarithm needs small numbers beside
    big ones."""
    model = speech_model(2000)
    rng = np.random.default_rng(8)
    time = np.arange(2000) / 16000
    tones = np.sin(2 * np.pi * rng.uniform(100, 6000, (13, 1)) * time)
    audio = (tones + rng.normal(0, 0.05, tones.shape)).astype(np.float32)
    outputs, program = run_exact(
        model,
        {"audio": audio[:1]},
        quantize="int8",
        calibration={"audio": audio[1:]},
        layers={"^mel$": "none"},
    )
    want = reference(model, {"audio": audio[:1]})["y"]
    error = np.linalg.norm(outputs["y"] - want) / np.linalg.norm(want)
    assert error < 0.1
    # Per layer and direction the input's product and all steps but the first,
    # and the transform, and the head; each step's weights are those of others.
    text = program.ir("quantize")
    integer = re.findall(r"cim\.matmul %\w+, (%\w+).*requantize", text)
    frames = (2000 - 400) // 160 + 1
    assert len(integer) == 4 * (1 + frames - 1) + 2
    assert len(set(integer)) == 4 * 2 + 2
