# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One-operator models, imported and run on the reference interpreter.

Expectations come from ONNX Runtime, or from ONNX's reference evaluator for what the
former does not run; shapes and types are compared too. Inputs listed as constants become initializers,
the others are given at run time.
"""

import os
import subprocess

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

TOOLS = os.environ.get("CIM_TOOLS_DIR", "build/bin")


def random(seed, *shape, dtype=np.float32, low=-2.0, high=2.0):
    """Reproducible values; integers in [low, high)."""
    rng = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.integer):
        return rng.integers(int(low), int(high), shape).astype(dtype)
    if dtype is np.bool_:
        return rng.integers(0, 2, shape).astype(np.bool_)
    return rng.uniform(low, high, shape).astype(dtype)


def positive(seed, *shape):
    return random(seed, *shape, low=0.1, high=3.0)


def i64(*values):
    return np.array(values, dtype=np.int64)


class Case:
    """A node: operator, run-time inputs, constants by position, attributes."""

    def __init__(self, op, inputs, constants=None, outputs=1, opset=21, **attributes):
        self.op, self.opset, self.outputs = op, opset, outputs
        self.inputs, self.constants = list(inputs), dict(constants or {})
        self.attributes = attributes
        shapes = "-".join("x".join(map(str, a.shape)) or "s" for a in self.inputs)
        extra = "-".join(f"{k}={v}" for k, v in attributes.items())
        self.id = f"{op}-{shapes}-{extra}".replace(" ", "").rstrip("-")

    def model(self):
        """The model and its run-time feeds."""
        count = len(self.inputs) + len(self.constants)
        feeds, initializers, infos, names = {}, [], [], []
        given = iter(self.inputs)
        for i in range(count):
            name = f"in{i}"
            if i in self.constants:
                value = self.constants[i]
                if value is None:
                    names.append("")
                    continue
                initializers.append(numpy_helper.from_array(np.asarray(value), name))
            else:
                value = next(given)
                feeds[name] = value
                kind = helper.np_dtype_to_tensor_dtype(value.dtype)
                infos.append(helper.make_tensor_value_info(name, kind, value.shape))
            names.append(name)
        outs = [f"out{i}" for i in range(self.outputs)]
        empty = [helper.make_empty_tensor_value_info(o) for o in outs]
        node = helper.make_node(self.op, names, outs, name="node", **self.attributes)
        graph = helper.make_graph([node], "one", infos, empty, initializers)
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        return model, feeds


def evaluate(model, feeds):
    """Expected outputs; the model's outputs get their types and shapes."""
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        expected = session.run(None, feeds)
    except Exception:
        expected = ReferenceEvaluator(model).run(None, feeds)
    expected = [np.asarray(e) for e in expected]
    for output, value in zip(model.graph.output, expected, strict=True):
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        output.CopyFrom(helper.make_tensor_value_info(output.name, kind, value.shape))
    return expected


def run_tools(tmp_path, model, feeds):
    """Outputs of the interpreter by name."""
    path, ir = tmp_path / "m.onnx", tmp_path / "m.mlir"
    onnx.save(model, str(path))
    translate = [os.path.join(TOOLS, "cim-translate"), "--import-onnx", str(path)]
    result = subprocess.run(translate, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    ir.write_text(result.stdout)
    np.savez(tmp_path / "in.npz", **feeds)
    interp = [
        os.path.join(TOOLS, "cim-interp"),
        str(ir),
        "--input",
        str(tmp_path / "in.npz"),
        "--output",
        str(tmp_path / "out.npz"),
    ]
    result = subprocess.run(interp, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return dict(np.load(tmp_path / "out.npz"))


def check(tmp_path, case, rtol=1e-5, atol=1e-6):
    model, feeds = case.model()
    expected = evaluate(model, feeds)
    actual = run_tools(tmp_path, model, feeds)
    for i, want in enumerate(expected):
        got = actual[f"out{i}"]
        assert got.shape == want.shape
        if want.dtype.kind in "fc":
            np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)
        else:
            # Unsigned results are stored in integers without sign.
            np.testing.assert_array_equal(got.view(want.dtype), want)


def unary(op, make=random, opset=21, **attributes):
    return Case(op, [make(1, 2, 3, 4)], opset=opset, **attributes)


UNARY = [
    *[
        unary(op)
        for op in "Abs Ceil Erf Exp Floor Neg Round Sigmoid Sign Sin Cos".split()
    ],
    *[unary(op, positive) for op in "Log Sqrt Reciprocal".split()],
    *[unary(op) for op in "Tan Tanh Sinh Cosh Asinh Atan Softplus Softsign".split()],
    unary("Asin", lambda s, *d: random(s, *d, low=-1, high=1)),
    unary("Acos", lambda s, *d: random(s, *d, low=-1, high=1)),
    unary("Atanh", lambda s, *d: random(s, *d, low=-0.9, high=0.9)),
    unary("Acosh", lambda s, *d: random(s, *d, low=1, high=5)),
    *[
        unary(op)
        for op in "Relu LeakyRelu Elu Selu Celu HardSwish Mish HardSigmoid".split()
    ],
    unary("ThresholdedRelu", alpha=0.5),
    unary("Shrink", lambd=0.5, bias=0.25),
    unary("Gelu"),
    unary("Gelu", approximate="tanh"),
    Case("PRelu", [random(1, 2, 3, 4), random(2, 3, 1)]),
    Case("Clip", [random(1, 3, 4)], {1: np.float32(-0.5), 2: np.float32(0.75)}),
    Case("Clip", [random(1, 3, 4)], {1: None, 2: np.float32(0.75)}),
    Case("Clip", [random(1, 9, dtype=np.int32, low=-9, high=9)], {1: np.int32(-3)}),
]

BINARY = [
    *[
        Case(op, [random(1, 2, 3, 4), random(2, 3, 1)])
        for op in "Add Sub Mul Div".split()
    ],
    *[
        Case(
            op,
            [
                random(1, 20, dtype=t, low=-9, high=9),
                random(2, 20, dtype=t, low=1, high=5),
            ],
        )
        for op in "Add Sub Mul Max Min".split()
        for t in (np.int8, np.int64)
    ],
    Case("Pow", [positive(1, 2, 3), random(2, 3)]),
    *[Case("Pow", [random(1, 7)], {1: np.float32(e)}) for e in (1, 2, 3, -1)],
    Case(
        "Mod",
        [
            random(1, 20, dtype=np.int32, low=-9, high=9),
            np.array([3, -3] * 10, np.int32),
        ],
    ),
    Case("Mod", [random(1, 20), positive(2, 20)], fmod=1),
    *[
        Case(op, [random(1, 4, 1), random(1, 4)])
        for op in "Equal Less LessOrEqual Greater GreaterOrEqual".split()
    ],
    *[
        Case(op, [random(1, 9, dtype=np.bool_), random(2, 9, dtype=np.bool_)])
        for op in "And Or Xor".split()
    ],
    Case("Not", [random(1, 9, dtype=np.bool_)]),
    Case("Where", [random(1, 3, 1, dtype=np.bool_), random(2, 3, 4), random(3, 4)]),
    Case("Sum", [random(1, 2, 3), random(2, 3), random(3, 1)]),
    Case("Mean", [random(1, 2, 3), random(2, 3), random(3, 1)]),
    Case(
        "BitShift",
        [np.arange(9, dtype=np.uint8), np.arange(9, dtype=np.uint8)],
        direction="LEFT",
    ),
    *[
        Case("Cast", [random(1, 12, low=-99, high=99)], to=t)
        for t in (
            TensorProto.INT8,
            TensorProto.INT64,
            TensorProto.FLOAT16,
            TensorProto.BOOL,
        )
    ],
]

REDUCTION = [
    *[
        Case(op, [positive(1, 2, 3, 4)], {1: axes}, keepdims=keep)
        for op in (
            "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 "
            "ReduceLogSum ReduceLogSumExp ReduceSumSquare"
        ).split()
        for axes, keep in ((i64(1), 1), (i64(0, -1), 0))
    ],
    *[
        Case(
            op,
            [random(1, 3, 5, dtype=np.int32, low=0, high=3).astype(np.float32)],
            axis=axis,
            keepdims=keep,
            select_last_index=last,
        )
        for op in ("ArgMax", "ArgMin")
        for axis, keep, last in ((0, 1, 0), (-1, 0, 0), (1, 1, 1))
    ],
    *[
        Case("CumSum", [random(1, 3, 5)], {1: np.int64(1)}, exclusive=e, reverse=r)
        for e in (0, 1)
        for r in (0, 1)
    ],
    *[
        Case(op, [random(1, 2, 3, 4)], axis=a)
        for op in "Softmax LogSoftmax Hardmax".split()
        for a in (0, 1, -1)
    ],
]

CONV = [
    Case("Conv", [random(1, 1, 3, 7, 8), random(2, 4, 3, 3, 2), random(3, 4)]),
    Case(
        "Conv",
        [random(1, 2, 4, 9, 9), random(2, 6, 2, 3, 3)],
        group=2,
        strides=[2, 1],
        pads=[1, 0, 2, 1],
        dilations=[1, 2],
    ),
    Case(
        "Conv",
        [random(1, 1, 4, 6, 6), random(2, 4, 1, 3, 3)],
        group=4,
        pads=[1, 1, 1, 1],
    ),
    Case(
        "Conv",
        [random(1, 1, 2, 11), random(2, 3, 2, 4)],
        strides=[3],
        auto_pad="SAME_UPPER",
    ),
    Case(
        "Conv",
        [random(1, 1, 2, 11), random(2, 3, 2, 4)],
        strides=[3],
        auto_pad="SAME_LOWER",
    ),
    Case(
        "Conv", [random(1, 1, 2, 4, 5, 6), random(2, 3, 2, 2, 3, 2)], strides=[1, 2, 2]
    ),
    Case("ConvTranspose", [random(1, 1, 3, 4, 5), random(2, 3, 2, 3, 3), random(3, 2)]),
    Case(
        "ConvTranspose",
        [random(1, 2, 4, 4, 4), random(2, 4, 3, 3, 2)],
        group=2,
        strides=[2, 3],
        pads=[1, 0, 1, 1],
        output_padding=[1, 0],
    ),
    Case(
        "ConvTranspose",
        [random(1, 1, 2, 5)],
        {1: random(2, 2, 3, 3)},
        strides=[2],
        dilations=[2],
    ),
    Case(
        "ConvTranspose",
        [random(1, 1, 1, 3, 3), random(2, 1, 2, 3, 3)],
        strides=[3, 2],
        output_shape=[10, 8],
    ),
    Case(
        "ConvInteger",
        [
            random(1, 1, 2, 5, 5, dtype=np.uint8, low=0, high=255),
            random(2, 3, 2, 3, 3, dtype=np.uint8, low=0, high=255),
        ],
        {2: np.uint8(7)},
    ),
    Case("MatMul", [random(1, 3, 4), random(2, 4, 5)]),
    Case("MatMul", [random(1, 2, 3, 4), random(2, 4, 5)]),
    Case("MatMul", [random(1, 2, 1, 3, 4), random(2, 5, 4, 2)]),
    Case("MatMul", [random(1, 4), random(2, 3, 4, 2)]),
    Case("MatMul", [random(1, 3, 4), random(2, 4)]),
    Case("MatMul", [random(1, 4), random(2, 4)]),
    Case(
        "MatMul",
        [
            random(1, 3, 4, dtype=np.int32, low=-9, high=9),
            random(2, 4, 2, dtype=np.int32, low=-9, high=9),
        ],
    ),
    Case(
        "MatMulInteger",
        [
            random(1, 3, 4, dtype=np.uint8, low=0, high=255),
            random(2, 4, 2, dtype=np.int8, low=-99, high=99),
        ],
        {2: np.uint8(12), 3: np.int8(3)},
    ),
    *[
        Case(
            "Gemm",
            [
                random(1, *((4, 3) if ta else (3, 4))),
                random(2, *((5, 4) if tb else (4, 5))),
                random(3, *c),
            ],
            transA=ta,
            transB=tb,
            alpha=alpha,
            beta=beta,
        )
        for ta, tb, c, alpha, beta in (
            (0, 0, (5,), 1.0, 1.0),
            (1, 1, (5,), 0.5, 2.0),
            (0, 1, (3, 1), 1.0, 1.0),
            (1, 0, (1,), 1.0, 0.5),
            (0, 0, (3, 5), 2.0, 1.0),
        )
    ],
    *[
        Case("Einsum", arrays, equation=text)
        for text, arrays in (
            ("ij,jk->ik", [random(1, 3, 4), random(2, 4, 5)]),
            ("bhid,bhjd->bhij", [random(1, 2, 3, 4, 5), random(2, 2, 3, 6, 5)]),
            ("...ij,...jk->...ik", [random(1, 2, 3, 4), random(2, 2, 4, 5)]),
            ("ii->i", [random(1, 4, 4)]),
            ("ij->ji", [random(1, 3, 4)]),
            ("i,j", [random(1, 3), random(2, 4)]),
        )
    ],
]

POOL = [
    *[
        Case(op, [random(1, 2, 3, 9, 8)], kernel_shape=[3, 2], strides=[2, 2], **extra)
        for op in ("MaxPool", "AveragePool", "LpPool")
        for extra in ({}, {"pads": [1, 0, 1, 1]}, {"auto_pad": "SAME_UPPER"})
    ],
    Case(
        "AveragePool",
        [random(1, 1, 2, 7)],
        kernel_shape=[3],
        strides=[2],
        pads=[1, 1],
        count_include_pad=1,
    ),
    Case(
        "AveragePool",
        [random(1, 1, 2, 8, 8)],
        kernel_shape=[3, 3],
        strides=[2, 2],
        ceil_mode=1,
    ),
    Case(
        "MaxPool",
        [random(1, 1, 2, 8, 8)],
        kernel_shape=[3, 3],
        strides=[2, 2],
        ceil_mode=1,
    ),
    Case("MaxPool", [random(1, 1, 2, 9)], kernel_shape=[3], dilations=[2]),
    Case("MaxPool", [random(1, 1, 2, 5, 5, 5)], kernel_shape=[2, 2, 2]),
    Case(
        "MaxPool",
        [random(1, 2, 2, 6, 6)],
        outputs=2,
        kernel_shape=[2, 2],
        strides=[2, 2],
    ),
    Case("GlobalAveragePool", [random(1, 2, 3, 4, 5)]),
    Case("GlobalMaxPool", [random(1, 2, 3, 4, 5)]),
]

NORM = [
    Case(
        "BatchNormalization",
        [random(1, 2, 3, 4), random(2, 3), random(3, 3), random(4, 3), positive(5, 3)],
    ),
    Case("InstanceNormalization", [random(1, 2, 3, 4, 4), random(2, 3), random(3, 3)]),
    Case(
        "GroupNormalization",
        [random(1, 2, 6, 4), random(2, 6), random(3, 6)],
        num_groups=3,
    ),
    Case("LayerNormalization", [random(1, 2, 3, 8), random(2, 8), random(3, 8)]),
    Case(
        "LayerNormalization",
        [random(1, 2, 3, 4), random(2, 3, 4), random(3, 3, 4)],
        axis=1,
    ),
    Case("LpNormalization", [random(1, 3, 4)], axis=0, p=1),
    Case("LpNormalization", [random(1, 3, 4)], axis=-1, p=2),
    Case("RMSNormalization", [random(1, 2, 3, 8), random(2, 8)], opset=23),
    Case("LRN", [random(1, 1, 7, 3, 3)], size=3, alpha=0.01, beta=0.5, bias=2.0),
]

SHAPE = [
    Case("Reshape", [random(1, 2, 3, 4)], {1: i64(0, -1)}),
    Case("Reshape", [random(1, 2, 6)], {1: i64(3, 4)}),
    Case("Flatten", [random(1, 2, 3, 4)], axis=2),
    Case("Squeeze", [random(1, 1, 3, 1)], {1: i64(0)}),
    Case("Unsqueeze", [random(1, 3, 4)], {1: i64(0, -1)}),
    Case("Transpose", [random(1, 2, 3, 4)], perm=[2, 0, 1]),
    Case("Transpose", [random(1, 2, 3)]),
    Case("Expand", [random(1, 3, 1)], {1: i64(2, 1, 4)}),
    Case("Tile", [random(1, 2, 3)], {1: i64(2, 3)}),
    Case("Concat", [random(1, 2, 3), random(2, 2, 1)], axis=-1),
    Case("DepthToSpace", [random(1, 1, 8, 2, 3)], blocksize=2, mode="DCR"),
    Case("DepthToSpace", [random(1, 1, 8, 2, 3)], blocksize=2, mode="CRD"),
    Case("SpaceToDepth", [random(1, 1, 2, 4, 6)], blocksize=2),
    Case("Split", [random(1, 7, 3)], {1: i64(2, 4, 1)}, outputs=3, axis=0),
    Case("Split", [random(1, 7, 3)], outputs=3, axis=0, num_outputs=3),
    *[
        Case(
            "Slice", [random(1, 7, 8)], {1: i64(*s), 2: i64(*e), 3: i64(*a), 4: i64(*p)}
        )
        for s, e, a, p in (
            ((1, 2), (6, 8), (0, 1), (2, 3)),
            ((-1,), (-9,), (0,), (-1,)),
            ((6,), (1,), (-1,), (-2,)),
            ((5,), (2,), (0,), (1,)),
            ((-100,), (100,), (1,), (1,)),
        )
    ],
    *[
        Case("Pad", [random(1, 3, 4)], {1: i64(1, 2, 0, 3)}, mode=m)
        for m in ("constant", "edge", "wrap")
    ],
    Case("Pad", [random(1, 4, 5)], {1: i64(2, 1, 3, 0)}, mode="reflect"),
    Case("Pad", [random(1, 4, 5)], {1: i64(-1, 1, 2, -2), 2: np.float32(9)}),
    Case("Trilu", [random(1, 4, 5)], {1: np.int64(1)}, upper=0),
    Case("Trilu", [random(1, 2, 4, 5)], {1: np.int64(-1)}, upper=1),
    Case("EyeLike", [random(1, 3, 4)], k=1),
]

GATHER = [
    Case("Gather", [random(1, 5, 4), i64(3, -1, 0)], axis=0),
    Case("Gather", [random(1, 3, 5)], {1: np.array([[0, 4], [2, -2]])}, axis=1),
    Case("Gather", [random(1, 3, 5)], {1: np.int64(-1)}, axis=1),
    Case("Gather", [random(1, 3, 6)], {1: i64(1, 3, 5)}, axis=1),
    Case(
        "GatherElements",
        [random(1, 3, 4), random(2, 2, 4, dtype=np.int64, low=-3, high=3)],
        axis=0,
    ),
    Case("GatherND", [random(1, 2, 3, 4), np.array([[0, 2], [1, -1]])]),
    Case("GatherND", [random(1, 2, 3, 4), np.array([[1], [2]])], batch_dims=1),
    *[
        Case(
            "ScatterElements",
            [
                random(1, 4, 5),
                random(2, 3, 4, dtype=np.int64, low=-4, high=4),
                random(3, 3, 4),
            ],
            axis=0,
            reduction=r,
        )
        for r in ("add", "mul", "max", "min")
    ],
    Case(
        "ScatterElements",
        [random(1, 3, 5), np.array([[1, 4], [0, 2]]), random(3, 2, 2)],
        axis=1,
    ),
    *[
        Case(
            "ScatterND",
            [random(1, 4, 3), np.array([[1], [3], [1]]), random(3, 3, 3)],
            reduction=r,
        )
        for r in ("add", "max")
    ],
    Case("ScatterND", [random(1, 4, 3), np.array([[0, 1], [3, -1]]), random(3, 2)]),
    Case("OneHot", [i64(0, -1, 3, 7)], {1: np.int64(4), 2: np.float32([2, 5])}, axis=0),
    Case("ReverseSequence", [random(1, 4, 3), i64(4, 2, 1)], time_axis=0, batch_axis=1),
]

RESIZE = [
    Case(
        "Resize",
        [random(1, 1, 2, 4, 5)],
        {1: None, 2: np.float32([1, 1, *scales])},
        mode=mode,
        coordinate_transformation_mode=coordinates,
        opset=19,
    )
    for mode in ("nearest", "linear", "cubic")
    for coordinates in (
        "half_pixel",
        "asymmetric",
        "align_corners",
        "pytorch_half_pixel",
    )
    for scales in ((2, 3), (0.5, 0.8))
] + [
    Case(
        "Resize",
        [random(1, 1, 1, 4, 4)],
        {1: None, 2: None, 3: i64(1, 1, 7, 3)},
        mode="nearest",
        nearest_mode=m,
        opset=19,
    )
    for m in ("floor", "ceil", "round_prefer_ceil")
]

QUANTIZE = [
    Case(
        "QuantizeLinear",
        [random(1, 3, 4, low=-40, high=40)],
        {1: np.float32(0.25), 2: np.uint8(128)},
    ),
    Case(
        "QuantizeLinear",
        [random(1, 3, 4, low=-40, high=40)],
        {1: np.float32([0.25, 0.5, 1.0]), 2: np.int8([0, 3, -7])},
        axis=0,
    ),
    Case(
        "DequantizeLinear",
        [random(1, 3, 4, dtype=np.int8, low=-128, high=127)],
        {1: np.float32([0.25, 0.5, 1.0]), 2: np.int8([0, 3, -7])},
        axis=0,
    ),
    Case(
        "DequantizeLinear",
        [random(1, 2, 6, dtype=np.uint8, low=0, high=255)],
        {1: positive(2, 2, 3), 2: random(3, 2, 3, dtype=np.uint8, low=0, high=255)},
        axis=1,
        block_size=2,
    ),
    Case("DynamicQuantizeLinear", [random(1, 12)], outputs=3),
]

CASES = (
    UNARY + BINARY + REDUCTION + CONV + POOL + NORM + SHAPE + GATHER + RESIZE + QUANTIZE
)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_operator(tmp_path, case):
    check(tmp_path, case)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize(
    "op", ["Exp", "Softmax", "Gelu", "Conv", "MatMul", "LayerNormalization"]
)
def test_other_floats(tmp_path, op, dtype):
    """The same handlers in half and double precision."""
    inputs = {
        "Conv": [random(1, 1, 2, 5, 5), random(2, 3, 2, 3, 3), random(3, 3)],
        "MatMul": [random(1, 2, 3, 4), random(2, 4, 5)],
        "LayerNormalization": [random(1, 2, 3, 8), random(2, 8), random(3, 8)],
    }.get(op, [random(1, 2, 3, 4)])
    case = Case(op, [x.astype(dtype) for x in inputs])
    tolerance = 5e-3 if dtype == np.float16 else 1e-6
    check(tmp_path, case, rtol=tolerance, atol=tolerance)
