# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operators whose order or length depends on data, and what follows them."""

import subprocess

import cim
import numpy as np
import onnx
import pytest
from onnx import helper
from single_nodes import Const, build, check, check_node, expected, f32, i64
from single_nodes import ints, node_model, normal, RNG

BOXES = RNG.random((2, 25, 4)).astype(np.float32)
BOXES[..., 2:] += BOXES[..., :2]
SCORES = RNG.random((2, 3, 25)).astype(np.float32)
CASES = [
    ("TopK", [normal(3, 10), Const(i64(4))], 2, {}),
    ("TopK", [normal(3, 10, 5), Const(i64(3))], 2, {"axis": 1, "largest": 0}),
    ("TopK", [ints(0, 5, 4, 9), Const(i64(5))], 2, {}),
    ("TopK", [ints(0, 255, 4, 9, dtype=np.uint8), Const(i64(5))], 2, {"opset": 24}),
    ("TopK", [normal(300, 40), Const(i64(40))], 2, {}),
    ("TopK", [normal(12).astype(np.float16), Const(i64(4))], 2, {}),
    ("TopK", [normal(3, 10), i64(4)], 2, {}),
    ("NonZero", [np.round(normal(4, 5))], 1, {}),
    ("NonZero", [ints(0, 2, 2, 3, 4) > 0], 1, {}),
    ("NonZero", [np.zeros((3, 4), np.int32)], 1, {}),
    ("NonZero", [Const(ints(0, 2, 3, 4))], 1, {}),
    ("Compress", [normal(4, 5), np.array([1, 0, 1, 1], bool)], 1, {"axis": 0}),
    ("Compress", [normal(4, 5), np.array([1, 0, 1], bool)], 1, {"axis": 1}),
    ("Compress", [normal(4, 5), normal(20) > 0], 1, {}),
    ("Unique", [np.round(normal(30))], 4, {"sorted": 0}),
    ("Unique", [np.round(normal(5, 6))], 4, {}),
    ("Unique", [ints(0, 2, 7, 2)], 4, {"axis": 0, "sorted": 0}),
    ("Unique", [ints(0, 2, 2, 7, 2).astype(np.float32)], 4, {"axis": 1}),
    (
        "NonMaxSuppression",
        [BOXES, SCORES, Const(i64(5)), Const(f32(0.3)), Const(f32(0.2))],
        1,
        {},
    ),
    ("NonMaxSuppression", [BOXES, SCORES, i64(5), f32(0.3), f32(0.2)], 1, {}),
    (
        "NonMaxSuppression",
        [BOXES, SCORES, Const(i64(50)), Const(f32(0.5))],
        1,
        {"center_point_box": 1},
    ),
    ("NonMaxSuppression", [BOXES, SCORES], 1, {}),
]


@pytest.mark.parametrize(
    ("op", "operands", "outputs", "options"),
    [pytest.param(*case, id=f"{case[0]}-{i}") for i, case in enumerate(CASES)],
)
def test_operator(op, operands, outputs, options):
    check_node(op, operands, outputs, **options)


@pytest.mark.parametrize("op", ["TopK", "NonZero", "Unique", "NonMaxSuppression"])
def test_small_target(op):
    case = next(case for case in CASES if case[0] == op)
    check_node(*case[:3], **{**case[3], "target": "tiny"})


def chain(nodes, feeds, outputs, constants=None):
    nodes = [
        helper.make_node(op, ins, outs, f"{op}_{i}", **attributes)
        for i, (op, ins, outs, attributes) in enumerate(nodes)
    ]
    return build(nodes, feeds, outputs, constants)


def test_positions_gather_what_they_found():
    x = np.round(normal(4, 6))
    nodes = [
        ("NonZero", ["x"], ["where"], {}),
        ("Transpose", ["where"], ["rows"], {"perm": [1, 0]}),
        ("GatherND", ["x", "rows"], ["values"], {}),
        ("Abs", ["values"], ["y"], {}),
        ("Shape", ["rows"], ["shape"], {}),
        ("Size", ["values"], ["count"], {}),
        ("Unsqueeze", ["y", "one"], ["column"], {}),
        ("MatMul", ["column", "w"], ["product"], {}),
    ]
    names = ["rows", "y", "shape", "count", "product"]
    model = chain(nodes, {"x": x}, names, {"one": i64(1), "w": normal(1, 3)})
    program = check(model, {"x": x})
    infos = {o.name: o for o in program.outputs}
    assert list(infos) == names
    assert infos["rows"].shape == (24, 2)
    assert infos["rows"].variable == (0,)
    assert infos["count"].variable == ()
    assert str(infos["product"]) == "product: float32[<=24, 3]"


def test_selected_boxes(tmp_path):
    """What follows suppression in detection networks."""
    feeds = {"boxes": BOXES[:1], "scores": SCORES[:1]}
    nodes = [
        ("NonMaxSuppression", ["boxes", "scores", "most", "iou"], ["selected"], {}),
        ("Gather", ["selected", "two"], ["number"], {"axis": 1}),
        ("Squeeze", ["number", "one"], ["box"], {}),
        ("Squeeze", ["boxes", "zero"], ["table"], {}),
        ("Gather", ["table", "box"], ["corners"], {"axis": 0}),
        ("Slice", ["selected", "zero", "four", "zero"], ["best"], {}),
        ("Slice", ["corners", "one", "minus", "zero", "two"], ["some"], {}),
        ("TopK", ["box", "three"], ["largest", "at"], {}),
        ("Concat", ["first", "corners"], ["all"], {"axis": 0}),
    ]
    constants = {
        "most": i64(4),
        "iou": f32(0.3),
        "zero": i64(0),
        "one": i64(1),
        "two": i64(2),
        "three": i64(3),
        "four": i64(4),
        "minus": i64(-1),
        "first": normal(2, 4),
    }
    names = ["corners", "best", "some", "largest", "at", "all"]
    model = chain(nodes, feeds, names, constants)
    program = check(model, feeds)
    path = tmp_path / "m.cimb"
    program.save(path)
    again = cim.load(path)
    assert again.outputs == program.outputs
    got = again.run(feeds)
    assert got["best"].tobytes() == program.run(feeds)["best"].tobytes()


def test_masked_assignment():
    """x[x > 0] = 5, as exporters write it with a scalar."""
    x = normal(5, 7)
    nodes = [
        ("Greater", ["x", "limit"], ["mask"], {}),
        ("NonZero", ["mask"], ["where"], {}),
        ("Transpose", ["where"], ["rows"], {"perm": [1, 0]}),
        ("GatherND", ["x", "rows"], ["old"], {}),
        ("Mul", ["old", "five"], ["new"], {}),
        ("ScatterND", ["x", "rows", "new"], ["y"], {}),
    ]
    model = chain(nodes, {"x": x}, ["y"], {"limit": f32(0), "five": f32(5)})
    check(model, {"x": x})


def test_shapes_of_what_was_found():
    """x[x > 0] = 5 with the value expanded to the places."""
    x = normal(5, 7)
    nodes = [
        ("Greater", ["x", "limit"], ["mask"], {}),
        ("NonZero", ["mask"], ["where"], {}),
        ("Transpose", ["where"], ["rows"], {"perm": [1, 0]}),
        ("Shape", ["rows"], ["shape"], {"start": 0, "end": 1}),
        ("Expand", ["five", "shape"], ["new"], {}),
        ("ScatterND", ["x", "rows", "new"], ["y"], {}),
        ("Shape", ["rows"], ["whole"], {}),
        ("Gather", ["whole", "zero"], ["count"], {}),
        ("Unsqueeze", ["count", "zeros"], ["first"], {}),
        ("Concat", ["first", "two"], ["sizes"], {"axis": 0}),
        ("ConstantOfShape", ["sizes"], ["z"], {}),
    ]
    constants = {
        "limit": f32(0),
        "five": f32(5),
        "zero": np.array(0, np.int64),
        "zeros": i64(0),
        "two": i64(2),
    }
    model = chain(nodes, {"x": x}, ["y", "new", "z"], constants)
    program = check(model, {"x": x})
    assert {o.name: o.variable for o in program.outputs}["z"] == (0,)


def test_runs_of_different_lengths():
    model, _ = node_model("Compress", [normal(4, 3), np.ones(4, bool)], axis=0)
    expected(model, {"in0": normal(4, 3), "in1": np.ones(4, bool)})
    program = cim.compile(model, target="tiny")
    x, keep = normal(12, 3), normal(12) > 0
    got = program.run({"in0": x, "in1": keep})["out0"]
    np.testing.assert_array_equal(got, x[keep])
    meaning = cim.interpret(program.ir("quantize"), {"in0": x, "in1": keep})["out0"]
    np.testing.assert_array_equal(meaning, got)
    model, _ = node_model("NonZero", [np.ones((2, 3), np.float32)])
    expected(model, {"in0": np.ones((2, 3), np.float32)})
    program = cim.compile(model, target="tiny")
    both = np.ones((4, 3), np.float32)
    assert program.run({"in0": both})["out0"].shape == (4, 6)
    both[3] = 0
    with pytest.raises(cim.RunError, match="dimension other than the first differs"):
        program.run({"in0": both})


def test_tools_cut_outputs(tmp_path, tools):
    model, _ = node_model("NonZero", [normal(4, 5)])
    x = np.round(normal(4, 5))
    want = expected(model, {"in0": x})["out0"]
    onnx.save(model, tmp_path / "m.onnx")
    np.savez(tmp_path / "in.npz", in0=x)
    out = tmp_path / "out.npz"
    program = tmp_path / "m.cimb"
    subprocess.run([tools / "cimc", tmp_path / "m.onnx", "-o", program], check=True)
    run = [tools / "cim-run", program, "--input", tmp_path / "in.npz", "--output", out]
    subprocess.run(run, check=True, capture_output=True)
    with np.load(out) as arrays:
        assert arrays.files == ["out0"]
        np.testing.assert_array_equal(arrays["out0"], want)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [
                ("Cast", ["rows"], ["real"], {"to": onnx.TensorProto.FLOAT}),
                ("Softmax", ["real"], ["z"], {"axis": 0}),
                ("Cast", ["z"], ["y"], {"to": onnx.TensorProto.INT64}),
            ],
            "Softmax_3: dimension 0 of input 0 .'real'. has a length that only a run"
            " decides; Softmax opset 21, at most 8, .*; make 'real' an output",
        ),
        ([("ReduceMean", ["rows", "zero"], ["y"], {})], "ReduceMean_2: dimension 0"),
        ([("Concat", ["rows", "rows"], ["y"], {"axis": 0})], "Concat_2: dimension 0"),
        (
            [
                ("NonZero", ["b"], ["other"], {}),
                ("Transpose", ["other"], ["more"], {}),
                ("Add", ["rows", "more"], ["y"], {}),
            ],
            "Add_4: dimension 0 of output 0 gets two run-time lengths",
        ),
        (
            [
                ("Shape", ["rows"], ["shape"], {}),
                ("Tile", ["a", "shape"], ["y"], {}),
            ],
            "Tile_3: repeats is not a known integer constant",
        ),
    ],
)
def test_unknown_lengths_are_named(nodes, message):
    feeds = {"a": normal(2, 4), "b": normal(2, 4)}
    start = [
        ("NonZero", ["a"], ["where"], {}),
        ("Transpose", ["where"], ["rows"], {}),
    ]
    constants = {"zero": i64(0), "one": i64(1)}
    model = chain(start + nodes, feeds, ["y"], constants)
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("y", onnx.TensorProto.INT64, [None, None])
    )
    with pytest.raises(cim.CompileError, match=message):
        cim.compile(model)


def test_order_and_ends_of_what_was_found():
    x = np.round(normal(4, 6), 1)
    nodes = [
        ("NonZero", ["x"], ["where"], {}),
        ("Transpose", ["where"], ["rows"], {}),
        ("GatherND", ["x", "rows"], ["values"], {}),
        ("TopK", ["values", "three"], ["high", "high_at"], {}),
        ("TopK", ["values", "three"], ["low", "low_at"], {"largest": 0}),
        ("Gather", ["values", "last"], ["end"], {}),
        ("Reshape", ["rows", "flat"], ["pairs"], {}),
        ("ReduceSum", ["rows", "one"], ["sums"], {"keepdims": 0}),
        ("Where", ["mask", "values", "values"], ["same"], {}),
        ("NonZero", ["sums"], ["again"], {}),
    ]
    constants = {
        "three": i64(3),
        "last": i64(-1),
        "flat": i64(-1),
        "one": i64(1),
        "mask": np.array([True]),
    }
    names = ["high", "high_at", "low", "low_at", "end", "pairs", "sums", "same"]
    check(chain(nodes, {"x": x}, [*names, "again"], constants), {"x": x})


def test_boxes_above_a_score():
    """Boxes of all classes are suppressed at once, moved apart by class, as
    torchvision does."""
    feeds = {
        "boxes": BOXES[0],
        "scores": SCORES[0, 0],
        "classes": ints(0, 3, 25).astype(np.float32),
    }
    nodes = [
        ("Greater", ["scores", "limit"], ["good"], {}),
        ("NonZero", ["good"], ["found"], {}),
        ("Squeeze", ["found", "zero"], ["at"], {}),
        ("Gather", ["boxes", "at"], ["some"], {}),
        ("Gather", ["scores", "at"], ["points"], {}),
        ("Gather", ["classes", "at"], ["class"], {}),
        ("ReduceMax", ["some"], ["far"], {"keepdims": 0}),
        ("Add", ["far", "step"], ["apart"], {}),
        ("Mul", ["class", "apart"], ["shift"], {}),
        ("Unsqueeze", ["shift", "one"], ["column"], {}),
        ("Add", ["some", "column"], ["moved"], {}),
        ("Unsqueeze", ["moved", "zero"], ["batch"], {}),
        ("Unsqueeze", ["points", "both"], ["lists"], {}),
        ("NonMaxSuppression", ["batch", "lists", "most", "iou"], ["picked"], {}),
        ("Gather", ["picked", "two"], ["which"], {"axis": 1}),
        ("Squeeze", ["which", "one"], ["kept"], {}),
        ("Gather", ["some", "kept"], ["result"], {}),
        ("ReduceSum", ["points", "zero"], ["sum"], {}),
        ("ArgMax", ["points"], ["best"], {"axis": 0}),
        ("ReduceMin", ["some", "zero"], ["low"], {}),
    ]
    constants = {
        "limit": f32(0.3),
        "step": f32(1),
        "zero": i64(0),
        "one": i64(1),
        "both": i64(0, 1),
        "two": i64(2),
        "most": i64(100),
        "iou": f32(0.4),
    }
    names = ["result", "points", "sum", "best", "low"]
    check(chain(nodes, feeds, names, constants), feeds)


@pytest.mark.parametrize("seed", range(30))
def test_random_shapes(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(size) for size in rng.integers(1, 7, rng.integers(1, 5)))
    dtype = [np.float32, np.int64, np.int32][seed % 3]
    x = rng.integers(-4, 5, shape).astype(dtype)
    axis = int(rng.integers(-len(shape), len(shape)))
    op = ["TopK", "Unique", "NonZero", "ScatterElements", "Compress"][seed % 5]
    target = ["m50", "tiny"][seed % 2]
    if op == "TopK":
        k = int(rng.integers(1, shape[axis] + 1))
        options = {"axis": axis, "largest": int(rng.integers(0, 2))}
        check_node(op, [x, Const(i64(k))], 2, target=target, **options)
    elif op == "Unique":
        options = {"sorted": int(rng.integers(0, 2))}
        if rng.integers(0, 2):
            options["axis"] = axis
        if dtype == np.int32:  # ONNX Runtime has no such kernel
            x = x.astype(np.int64)
        check_node(op, [x], 4, target=target, **options)
    elif op == "NonZero":
        check_node(op, [x], 1, target=target)
    elif op == "Compress":
        keep = rng.integers(0, 2, shape[axis]) > 0
        check_node(op, [x, keep], 1, axis=axis, target=target)
    else:
        at = rng.integers(-shape[axis], shape[axis], shape)
        updates = rng.integers(-4, 5, shape).astype(dtype)
        options = {"axis": axis, "reduction": ["add", "max"][seed % 2], "opset": 18}
        check_node(op, [x, at, updates], 1, target=target, **options)
