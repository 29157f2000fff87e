# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""If, Loop, Scan, and the transforms that are products: the device must compute
what the reference interpreter says, bit for bit, and that must be what ONNX
Runtime, or ONNX's own evaluator, says."""

import re

import cim
import numpy as np
import onnx
import pytest
from conftest import run_exact
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

onnxruntime = pytest.importorskip("onnxruntime")


def parse(text, opset=21):
    head = f'<ir_version: 10, opset_import: ["" : {opset}]>\n'
    return onnx.parser.parse_model(head + text)


def reference(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, feeds)


def compare(outputs, expected, tolerance=1e-5):
    for got, want in zip(outputs.values(), expected, strict=True):
        assert got.shape == want.shape
        if want.dtype.kind == "f":
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(got, want)


def check(text, opset=21, tolerance=1e-5, **feeds):
    model = parse(text, opset)
    outputs, program = run_exact(model, feeds)
    compare(outputs, reference(model, feeds), tolerance)
    return program


def refuse(text, message, opset=21):
    """`message` is a part of the error, `...` in it stands for anything."""
    pattern = ".*".join(re.escape(part) for part in message.split("..."))
    with pytest.raises(cim.CompileError, match=pattern):
        cim.compile(parse(text, opset))


def values(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-2.0, 2.0, shape).astype(np.float32)


# --- If ------------------------------------------------------------------------

BRANCHES = """
agraph (bool c, float[2,3] x) => (float[2,3] y, int64[2] z) {
  one = Constant <value_float = 1.0> ()
  [choice] y, z = If (c) <
    then_branch = yes () => (float[2,3] a, int64[2] b) {
      a = Add (x, one)
      b = Constant <value_ints = [1, 2]> ()
    },
    else_branch = no () => (float[2,3] a, int64[2] b) {
      t = Mul (x, x)
      a = Neg (t)
      b = Constant <value_ints = [3, 4]> ()
    }>
}
"""


@pytest.mark.parametrize("condition", [True, False])
def test_if_at_run_time(condition):
    check(BRANCHES, c=np.array(condition), x=values(2, 3))


def test_if_known_when_compiling():
    """Shapes are constants: the branch not taken is not imported at all."""
    program = check(
        """
        agraph (float[2,3] x) => (float[n] y) {
          s = Size (x)
          six = Constant <value_int = 6> ()
          c = Equal (s, six)
          shape = Constant <value_ints = [-1]> ()
          y = If (c) <
            then_branch = yes () => (float[n] a) { a = Reshape (x, shape) },
            else_branch = no () => (float[n] a) { a = Bernoulli (x) }>
        }
        """,
        x=values(2, 3),
    )
    assert "linalg" not in program.ir("import")


def test_if_of_different_shapes():
    refuse(
        """
        agraph (bool c, float[2] x, float[3] z) => (float[n] y) {
          [choice] y = If (c) <
            then_branch = yes () => (float[n] a) { a = Abs (x) },
            else_branch = no () => (float[n] a) { a = Neg (z) }>
        }
        """,
        "choice: output 'y' depends on input values in type or shape, not only in its"
        " elements; If opset 21, float32 2 and float32 3; give both the same shape, or"
        " make the condition a constant",
    )


# --- Loop ----------------------------------------------------------------------


def test_loop_of_constant_trip_count():
    """Scan outputs, values from outside, the iteration number."""
    program = check(
        """
        agraph (float[3] x, float[3,3] w) => (float[3] last, float[4,3] all) {
          trips = Constant <value_int = 4> ()
          [cell] last, all = Loop (trips, , x) <
            body = body (int64 i, bool c, float[3] v) => (bool d, float[3] n, float[3] o) {
              d = Identity (c)
              p = MatMul (v, w)
              f = Cast <to = 1> (i)
              q = Add (p, f)
              n = Tanh (q)
              o = Neg (n)
            }>
        }
        """,
        x=values(3),
        w=values(3, 3, seed=1),
    )
    assert program.ir("import").count("cim.matmul") == 4


def test_loop_whose_condition_is_known():
    """while (i < 3), and a carried value that grows."""
    program = check(
        """
        agraph (float[2] x) => (float[n] y) {
          yes = Constant <value = bool {1}> ()
          two = Constant <value_int = 2> ()
          y = Loop ( , yes, x) <
            body = body (int64 i, bool c, float[n] v) => (bool d, float[m] w) {
              d = Less (i, two)
              w = Concat <axis = 0> (v, x)
            }>
        }
        """,
        x=values(2),
    )
    assert "8" in program.ir("import").split("return")[1]


COUNTDOWN = """
agraph (float[2] x, float limit) => (float[2] y, int64 steps) {
  trips = Constant <value_int = 6> ()
  zero = Constant <value_int = 0> ()
  one = Constant <value_int = 1> ()
  start = ReduceMax <keepdims = 0> (x)
  go = Less (start, limit)
  [search] y, steps = Loop (trips, go, x, zero) <
    body = body (int64 i, bool c, float[2] v, int64 k) => (bool d, float[2] w, int64 l) {
      w = Add (v, v)
      l = Add (k, one)
      m = ReduceMax <keepdims = 0> (w)
      d = Less (m, limit)
    }>
}
"""


@pytest.mark.parametrize("limit", [0.5, 3.0, 20.0, 1e9])
def test_loop_that_ends_at_run_time(limit):
    """Not begun, left early, and run to its bound."""
    x = np.array([0.75, 1.0], np.float32)
    check(COUNTDOWN, x=x, limit=np.array(limit, np.float32))


@pytest.mark.parametrize("trips, go", [(0, 1), (3, 0)])
def test_loop_that_never_runs(trips, go):
    check(
        f"""
        agraph (float[2] x) => (float[2] y, float[k,2] some)
        <int64 trips = {{{trips}}}, bool go = {{{go}}}, int64[2] shape = {{-1, 2}}> {{
          y, none = Loop (trips, go, x) <
            body = body (int64 i, bool c, float[2] v) => (bool d, float[2] w, float[2] o) {{
              d = Identity (c)
              w = Neg (v)
              o = Abs (v)
            }}>
          row = Reshape (x, shape)
          some = Concat <axis = 0> (none, row)
        }}
        """,
        x=values(2),
    )


@pytest.mark.parametrize("limit", [0.5, 9.0, 1e9])
def test_bound_in_the_condition(limit):
    """while (i < 4 and max < limit), with no trip count or a huge one."""
    text = """
        agraph (float[2] x, float limit) => (float[2] y) <int64 far = {{9223372036854775807}}> {{
          yes = Constant <value = bool {{1}}> ()
          three = Constant <value_int = 3> ()
          y = Loop ({trips}, yes, x) <
            body = body (int64 i, bool c, float[2] v) => (bool d, float[2] w) {{
              w = Add (v, v)
              m = ReduceMax <keepdims = 0> (w)
              more = Less (m, limit)
              within = Less (i, three)
              d = And (within, more)
            }}>
        }}
        """
    x, limit = np.array([0.75, 1.0], np.float32), np.array(limit, np.float32)
    for trips in ("", "far"):
        check(text.format(trips=trips), x=x, limit=limit)


def test_nested_loops():
    check(
        """
        agraph (float[2] x) => (float[2] y, float[3,2,2] all) <int64 n = {3}, int64 m = {2}> {
          y, all = Loop (n, , x) <
            body = outer (int64 i, bool c, float[2] v) => (bool d, float[2] w, float[2,2] o) {
              d = Identity (c)
              f = Cast <to = 1> (i)
              w, o = Loop (m, , v) <
                body = inner (int64 j, bool p, float[2] s) => (bool q, float[2] t, float[2] u) {
                  q = Identity (p)
                  a = Mul (s, s)
                  t = Sub (a, f)
                  u = Identity (a)
                }>
            }>
        }
        """,
        x=values(2) / 2,
    )


RUN_TIME = """
agraph (float[2] x, {inputs}) => (float[2] y{results}) {{
  [search] y{outputs} = Loop ({trips}, go, x) <
    body = body (int64 i, bool c, float[2] v) => (bool d, float[2] w{elements}) {{
      w = Add (v, v)
      m = ReduceMax <keepdims = 0> (w)
      d = Less (m, m)
      o = Neg (w)
    }}>
}}
"""

RUN_TIME_SIZE = {
    "inputs": "bool go",
    "trips": "bound",
    "results": ", float[k,2] all",
    "outputs": ", all",
    "elements": ", float[2] o",
}
REFUSED_LOOPS = {
    "search: the trip count is not a known integer constant; Loop opset 21": {
        "inputs": "bool go, int64 n",
        "trips": "n",
    },
    "search: the repetitions are too many to be written out; Loop opset 21, at most "
    "100000 operations, ... for each repetition; give the loop, whose end depends on "
    "input values, a smaller constant trip count": {"inputs": "bool go", "trips": ""},
    "search: the number of iterations depends on input values, and so does the size of "
    "its scan outputs; Loop opset 21, 1 scan outputs; collect them in": RUN_TIME_SIZE,
}


@pytest.mark.parametrize("message", REFUSED_LOOPS, ids=["trips", "end", "scan"])
def test_refused_loops(message):
    parts = {"results": "", "outputs": "", "elements": "", **REFUSED_LOOPS[message]}
    text = RUN_TIME.format(**parts)
    text = text.replace("{\n", "<int64 bound = {5}> {\n", 1)
    refuse(text, message)


def test_loop_without_end():
    refuse(
        """
        agraph (float[2] x) => (float[2] y) {
          [forever] y = Loop ( , , x) <
            body = body (int64 i, bool c, float[2] v) => (bool d, float[2] w) {
              d = Identity (c)
              w = Neg (v)
            }>
        }
        """,
        "forever: the repetitions are too many to be written out; Loop opset 21, at most"
        " 100000 operations, ... for each of 9223372036854775807 repetitions; repeat less"
        " often, or split the model",
    )


def test_carried_value_that_grows_at_run_time():
    refuse(
        """
        agraph (float[2] x, bool go) => (float[n] y) <int64 bound = {3}> {
          [grow] y = Loop (bound, go, x) <
            body = body (int64 i, bool c, float[n] v) => (bool d, float[m] w) {
              w = Concat <axis = 0> (v, x)
              d = Identity (go)
            }>
        }
        """,
        "grow: loop-carried value 'v' depends on input values in type or shape",
    )


def test_sequences_are_named():
    refuse(
        """
        agraph (float[2] x, bool go) => (float[2] y) {
          s = If (go) <
            then_branch = yes () => (seq(float[2]) a) { a = SequenceConstruct (x) },
            else_branch = no () => (seq(float[2]) b) { b = SequenceConstruct (x, x) }>
          i = Constant <value_int = 0> ()
          y = SequenceAt (s, i)
        }
        """,
        "If_0: the condition of branches with sequences is not constant; If opset 21,"
        " output 's'; make it a constant, or keep the elements in one tensor",
    )


# --- Scan ----------------------------------------------------------------------


def scan_model(**attributes):
    """A cell with a state, two scan inputs and two scan outputs."""
    body = onnx.parser.parse_graph(
        """
        body (float[2] s, float[2] a, float[3] b) => (float[2] t, float[2] p, float[3] q) {
          m = Mul (s, a)
          t = Tanh (m)
          p = Add (t, a)
          r = ReduceSum <keepdims = 0> (p)
          q = Add (b, r)
        }
        """
    )
    node = helper.make_node(
        "Scan",
        ["s", "a", "b"],
        ["t", "p", "q"],
        name="scan",
        body=body,
        num_scan_inputs=2,
        **attributes,
    )
    axes = attributes.get("scan_input_axes", [0, 0])
    shapes = {"s": [2], "a": [2], "b": [3]}
    shapes["a"].insert(axes[0], 4)
    shapes["b"].insert(axes[1] % 2, 4)
    infos = [helper.make_tensor_value_info(n, 1, s) for n, s in shapes.items()]
    outs = [
        helper.make_tensor_value_info("t", 1, ["x"]),
        helper.make_tensor_value_info("p", 1, ["y", "z"]),
        helper.make_tensor_value_info("q", 1, ["u", "v"]),
    ]
    graph = helper.make_graph([node], "scan", infos, outs)
    opsets = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return model, {n: values(*s, seed=i) for i, (n, s) in enumerate(shapes.items())}


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"scan_input_directions": [1, 0]},
        {"scan_output_directions": [0, 1]},
        {"scan_input_axes": [1, -1], "scan_output_axes": [1, 0]},
        {"scan_output_axes": [-1, -2], "scan_input_directions": [0, 1]},
    ],
    ids=str,
)
def test_scan(attributes):
    model, feeds = scan_model(**attributes)
    outputs, _ = run_exact(model, feeds)
    compare(outputs, reference(model, feeds))


def test_scan_of_unequal_lengths():
    model, _ = scan_model()
    model.graph.input[2].type.tensor_type.shape.dim[0].dim_value = 5
    message = "scan: scan inputs have no elements or differ in their number"
    with pytest.raises(cim.CompileError, match=message):
        cim.compile(model)


SCAN8 = """
agraph ({lens}float[2,3] s, float[2,4,3] x) => (float[2,3] t, float[2,4,3] y) {{
  t, y = Scan <num_scan_inputs = 1, directions = [{direction}],
    body = body (float[3] v, float[3] e) => (float[3] w, float[3] o) {{
      w = Add (v, e)
      o = Neg (w)
    }}> ({name}, s, x)
}}
"""


def scan8_expected(s, x, lengths, reverse):
    t, y = s.copy(), np.zeros_like(x)
    for b, length in enumerate(lengths):
        for i in range(length):
            t[b] = t[b] + x[b, length - 1 - i if reverse else i]
            y[b, i] = -t[b]
    return t, y


@pytest.mark.parametrize("direction", [0, 1])
def test_scan_of_version_8(direction):
    s, x = values(2, 3), values(2, 4, 3, seed=1)
    model = parse(SCAN8.format(lens="", name="", direction=direction), 8)
    outputs, _ = run_exact(model, {"s": s, "x": x})
    compare(outputs, scan8_expected(s, x, [4, 4], direction))


@pytest.mark.parametrize("lengths", [[4, 1], [2, 3]])
def test_scan_of_version_8_with_lengths(lengths):
    """At run time what lies after a sequence's end changes nothing; constant
    lengths are exact, in reverse too."""
    s, x = values(2, 3), values(2, 4, 3, seed=1)
    text = SCAN8.format(lens="int64[2] n, ", name="n", direction=0)
    outputs, _ = run_exact(parse(text, 8), {"s": s, "x": x, "n": np.array(lengths)})
    compare(outputs, scan8_expected(s, x, lengths, False))
    model = parse(SCAN8.format(lens="int64[2] n, ", name="n", direction=1), 8)
    model.graph.initializer.append(numpy_helper.from_array(np.array(lengths), "n"))
    outputs, _ = run_exact(model, {"s": s, "x": x})
    compare(outputs, scan8_expected(s, x, lengths, True))


def test_scan_as_a_quantized_recurrence():
    """The body's product is one layer: one scale and one copy of the weights."""
    weights = values(16, 16, seed=3) / 8
    model = parse(
        """
        agraph (float[4,16] s, float[5,4,16] x) => (float[4,16] t, float[5,4,16] y) {
          [scan] t, y = Scan <num_scan_inputs = 1,
            body = body (float[4,16] v, float[4,16] e) => (float[4,16] w, float[4,16] o) {
              [product] p = MatMul (v, r)
              q = Add (p, e)
              w = Tanh (q)
              o = Identity (w)
            }> (s, x)
        }
        """
    )
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "body":
            attribute.g.initializer.append(numpy_helper.from_array(weights, "r"))
    feeds = {"s": values(4, 16), "x": values(5, 4, 16, seed=1)}
    samples = {
        "s": np.concatenate([feeds["s"]] * 2),
        "x": np.concatenate([feeds["x"]] * 2),
    }
    outputs, program = run_exact(model, feeds, quantize="int8", calibration=samples)
    compare(outputs, reference(model, feeds), tolerance=0.03)
    text = program.ir("quantize")
    products = re.findall(r"cim\.matmul %\w+, (%\w+).*(!quant[^>]*>)", text)
    assert len(products) == 5 and len(set(products)) == 1


# --- Fourier -------------------------------------------------------------------


def transform(x, length=None, axis=None, opset=20, **attributes):
    """One DFT; expectations of NumPy."""
    inputs, initializers = ["x"], []
    if length is not None or (axis is not None and opset >= 20):
        inputs.append("n" if length is not None else "")
    if length is not None:
        initializers.append(numpy_helper.from_array(np.int64(length), "n"))
    if axis is not None and opset >= 20:
        inputs.append("axis")
        initializers.append(numpy_helper.from_array(np.int64(axis), "axis"))
    elif axis is not None:
        attributes["axis"] = axis
    node = helper.make_node("DFT", inputs, ["y"], name="dft", **attributes)
    info = helper.make_tensor_value_info(
        "x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape
    )
    kind = info.type.tensor_type.elem_type
    out = helper.make_tensor_value_info("y", kind, [f"d{i}" for i in range(x.ndim)])
    graph = helper.make_graph([node], "dft", [info], [out], initializers)
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return run_exact(model, {"x": x})[0]["y"]


def parts(z):
    return np.stack([z.real, z.imag], -1)


@pytest.mark.parametrize("length", [None, 5, 12])
@pytest.mark.parametrize("axis", [0, 1, -2])
@pytest.mark.parametrize("opset", [17, 20])
def test_dft(length, axis, opset):
    x = values(9, 8, 2)
    z = x[..., 0] + 1j * x[..., 1]
    at = axis % 3
    close = {"rtol": 1e-4, "atol": 1e-4}
    got = transform(x, length, axis, opset)
    np.testing.assert_allclose(got, parts(np.fft.fft(z, length, at)), **close)
    got = transform(x, length, axis, opset, inverse=1)
    np.testing.assert_allclose(got, parts(np.fft.ifft(z, length, at)), **close)
    real = x[..., :1]
    got = transform(real, length, axis, opset, onesided=1)
    want = parts(np.fft.rfft(real[..., 0], length, at))
    np.testing.assert_allclose(got, want, **close)


@pytest.mark.parametrize("length", [None, 7, 10, 14])
def test_inverse_of_half_a_spectrum(length):
    x = values(3, 6, 2)
    z = x[..., 0] + 1j * x[..., 1]
    got = transform(x, length, inverse=1, onesided=1)
    want = np.fft.irfft(z, length, 1)[..., None]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_dft_of_doubles():
    x = values(2, 16, 1).astype(np.float64)
    got = transform(x)
    assert got.dtype == np.float64
    np.testing.assert_allclose(
        got, parts(np.fft.fft(x[..., 0])), rtol=1e-12, atol=1e-12
    )


def stft_model(signal, step, window=None, length=None, onesided=1, constant=True):
    names = ["signal", "step"]
    initializers = [numpy_helper.from_array(np.int64(step), "step")]
    feeds = {"signal": signal}
    if window is not None or length is not None:
        names.append("window" if window is not None else "")
    if window is not None:
        if constant:
            initializers.append(numpy_helper.from_array(window, "window"))
        else:
            feeds["window"] = window
    if length is not None:
        names.append("length")
        initializers.append(numpy_helper.from_array(np.int64(length), "length"))
    node = helper.make_node("STFT", names, ["y"], name="stft", onesided=onesided)
    infos = [helper.make_tensor_value_info(n, 1, a.shape) for n, a in feeds.items()]
    out = helper.make_tensor_value_info("y", 1, ["a", "b", "c", "d"])
    graph = helper.make_graph([node], "stft", infos, [out], initializers)
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10), feeds


@pytest.mark.parametrize("window", ["constant", "run time", "none"])
@pytest.mark.parametrize("onesided", [0, 1])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_stft(window, onesided, kind):
    signal = values(2, 70, 1 if kind == "real" else 2)
    taps = np.hanning(16).astype(np.float32)
    model, feeds = stft_model(
        signal,
        6,
        None if window == "none" else taps,
        16 if window == "none" else None,
        onesided,
        window == "constant",
    )
    outputs, program = run_exact(model, feeds)
    assert program.ir("import").count("cim.matmul") == 1
    z = signal[..., 0] if kind == "real" else signal[..., 0] + 1j * signal[..., 1]
    frames = np.stack([z[:, i : i + 16] for i in range(0, 70 - 16 + 1, 6)], 1)
    want = np.fft.fft(frames * (1 if window == "none" else taps))
    want = parts(want[..., : 9 if onesided else 16])
    np.testing.assert_allclose(outputs["y"], want, rtol=1e-4, atol=1e-4)


def test_quantized_stft():
    signal = values(2, 400, 1)
    model, feeds = stft_model(signal, 20, np.hanning(64).astype(np.float32))
    outputs, _ = run_exact(
        model, feeds, quantize="int8", calibration={"signal": signal}
    )
    (want,) = reference(model, feeds)
    error = np.linalg.norm(outputs["y"] - want) / np.linalg.norm(want)
    assert error < 0.02


def test_stft_of_a_short_signal():
    model, _ = stft_model(values(1, 10, 1), 4, length=12)
    message = "stft: a frame does not fit the signal; STFT opset 17, 12 of 10 samples"
    with pytest.raises(cim.CompileError, match=message):
        cim.compile(model)


@pytest.mark.parametrize("edges", [(0.0, 8000.0), (125.0, 3800.0)])
def test_mel_weights(edges):
    low, high = edges
    model = parse(
        f"""
        agraph (float[2,129] x) => (float[2,20] y)
        <int64 bands = {{20}}, int64 length = {{256}}, int64 rate = {{16000}},
         float low = {{{low}}}, float high = {{{high}}}> {{
          m = MelWeightMatrix (bands, length, rate, low, high)
          y = MatMul (x, m)
        }}
        """
    )
    feeds = {"x": values(2, 129)}
    outputs, _ = run_exact(model, feeds)
    compare(outputs, ReferenceEvaluator(model).run(None, feeds))
