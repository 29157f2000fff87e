# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random networks on random targets with random options: the device must compute
what the reference interpreter says, bit for bit, under the sanitizer.

A failing seed is reproduced by itself:
    CIM_RANDOM_SEED=17 CIM_RANDOM_COUNT=1 pytest test/python/test_random.py
"""

import os

import cim
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

FIRST = int(os.environ.get("CIM_RANDOM_SEED", "0"))
COUNT = int(os.environ.get("CIM_RANDOM_COUNT", "200"))
FORMATS = ["int8", "w7a8", "w6a8", "w5a8", "w4a8", "bfp16", "fp16", "none"]
SWITCHES = ["fuse", "overlap", "copies", "cores", "resident", "reroll"]


class Network:
    """Grows a graph op by op; knows the shape of every value."""

    def __init__(self, rng, channels):
        self.rng, self.channels = rng, channels
        self.nodes, self.constants, self.shapes = [], [], {}

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def constant(self, *shape, scale=None):
        scale = scale or 1.0 / np.sqrt(max(1, np.prod(shape[1:])))
        name = f"c{len(self.constants)}"
        values = self.rng.normal(0.0, scale, shape).astype(np.float32)
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def integers(self, *values):
        name = f"c{len(self.constants)}"
        array = np.array(values, np.int64)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, op, inputs, shape, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, inputs, [name], f"{op}_{name}", **attributes)
        )
        self.shapes[name] = tuple(int(size) for size in shape)
        return name

    def conv(self, x):
        n, channels, height, width = self.shapes[x]
        kernel = [self.pick(1, 2, 3, 5), self.pick(1, 3, 3)]
        strides = [self.pick(1, 1, 2), self.pick(1, 1, 2, 3)]
        dilations = [self.pick(1, 1, 2), 1]
        pads = [int(p) for p in self.rng.integers(0, 3, 4)]
        groups = self.pick(1, 1, 1, channels, 2 if channels % 2 == 0 else 1)
        most = self.pick(40, self.channels)
        outputs = groups * int(self.rng.integers(1, max(2, most // groups)))
        sizes = [
            (size + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1)
            // strides[i]
            + 1
            for i, size in enumerate((height, width))
        ]
        if min(sizes) < 1:
            return self.elementwise(x)
        inputs = [x, self.constant(outputs, channels // groups, *kernel)]
        if self.pick(True, False):
            inputs.append(self.constant(outputs, scale=0.3))
        return self.add(
            "Conv",
            inputs,
            (n, outputs, *sizes),
            strides=strides,
            dilations=dilations,
            pads=pads,
            group=groups,
        )

    def elementwise(self, x):
        op = self.pick("Relu", "Relu", "Sigmoid", "Tanh", "HardSwish", "LeakyRelu")
        return self.add(op, [x], self.shapes[x])

    def binary(self, x):
        shape = self.shapes[x]
        same = [name for name, other in self.shapes.items() if other == shape]
        other = self.pick(*same) if self.pick(True, True, False) else None
        if other is None:
            other = self.constant(1, shape[1], *([1] * (len(shape) - 2)), scale=1.0)
        return self.add(self.pick("Add", "Mul", "Sub", "Max"), [x, other], shape)

    def pool(self, x):
        n, channels, height, width = self.shapes[x]
        if min(height, width) < 2:
            return self.add("GlobalAveragePool", [x], (n, channels, 1, 1))
        kernel = [self.pick(2, 3), self.pick(1, 2, 3)]
        strides = [self.pick(1, 2), self.pick(1, 2, 3)]
        # At most kernel - 1: ONNX wants every window to see something.
        pads = [int(self.rng.integers(0, k)) for k in kernel * 2]
        sizes = [
            (size + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1
            for i, size in enumerate((height, width))
        ]
        if min(sizes) < 1:
            return self.elementwise(x)
        return self.add(
            self.pick("MaxPool", "AveragePool"),
            [x],
            (n, channels, *sizes),
            kernel_shape=kernel,
            strides=strides,
            pads=pads,
        )

    def pad(self, x):
        n, channels, height, width = self.shapes[x]
        pads = [int(p) for p in self.rng.integers(0, 3, 4)]
        return self.add(
            "Pad",
            [x, self.integers(0, 0, *pads[:2], 0, 0, *pads[2:])],
            (n, channels, height + pads[0] + pads[2], width + pads[1] + pads[3]),
        )

    def concat(self, x):
        n, channels, *space = self.shapes[x]
        fitting = [
            name
            for name, shape in self.shapes.items()
            if len(shape) == 4 and shape[0] == n and list(shape[2:]) == space
        ]
        other = self.pick(*fitting)
        return self.add(
            "Concat", [x, other], (n, channels + self.shapes[other][1], *space), axis=1
        )

    def attention(self, x):
        """Tokens times their own transpose: computed operands on both sides."""
        n, channels, height, width = self.shapes[x]
        tokens = height * width
        flat = self.add(
            "Reshape", [x, self.integers(n, channels, tokens)], (n, channels, tokens)
        )
        rows = self.add("Transpose", [flat], (n, tokens, channels), perm=[0, 2, 1])
        if self.pick(True, False):
            scale, bias = self.constant(channels), self.constant(channels)
            shape = self.shapes[rows]
            rows = self.add("LayerNormalization", [rows, scale, bias], shape, axis=-1)
        width = int(self.rng.integers(1, 30))
        queries = self.add(
            "MatMul", [rows, self.constant(channels, width)], (n, tokens, width)
        )
        keys = self.add(
            "MatMul", [rows, self.constant(channels, width)], (n, tokens, width)
        )
        turned = self.add("Transpose", [keys], (n, width, tokens), perm=[0, 2, 1])
        scores = self.add("MatMul", [queries, turned], (n, tokens, tokens))
        weights = self.add("Softmax", [scores], (n, tokens, tokens), axis=-1)
        mixed = self.add("MatMul", [weights, rows], (n, tokens, channels))
        back = self.add("Transpose", [mixed], (n, channels, tokens), perm=[0, 2, 1])
        shape = self.shapes[x]
        return self.add("Reshape", [back, self.integers(*shape)], shape)

    def head(self, x):
        n = self.shapes[x][0]
        size = int(np.prod(self.shapes[x][1:]))
        flat = self.add("Flatten", [x], (n, size))
        outputs = int(self.rng.integers(1, 20))
        inputs = [flat, self.constant(outputs, size), self.constant(outputs)]
        return self.add("Gemm", inputs, (n, outputs), transB=1)


def random_model(rng, channels=300):
    """A model and the shape of its input; convolutions of up to `channels`."""
    net = Network(rng, channels)
    shape = (
        net.pick(1, 1, 2),
        int(rng.integers(1, 20)),
        int(rng.integers(3, 14)),
        int(rng.integers(3, 14)),
    )
    net.shapes["x"] = shape
    x = net.conv("x")
    for _ in range(int(rng.integers(1, 6))):
        grow = net.pick(
            net.conv,
            net.conv,
            net.elementwise,
            net.binary,
            net.pool,
            net.pad,
            net.concat,
        )
        x = grow(x)
    if net.pick(True, False) and np.prod(net.shapes[x][2:]) <= 80:
        x = net.attention(x)
    outputs = [net.head(x) if net.pick(True, False) else x]
    if net.pick(True, False, False):
        outputs.append(net.pick(*[n for n in net.shapes if n not in ("x", *outputs)]))
    return finish(net, shape, outputs), shape


def finish(net, shape, outputs):
    graph = helper.make_graph(
        net.nodes,
        "random",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, net.shapes[name])
            for name in dict.fromkeys(outputs)
        ],
        net.constants,
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def random_target(rng):
    """A preset, or the tiny one with other sizes."""

    def pick(*choices):
        return choices[rng.integers(len(choices))]

    if pick(True, False):
        return cim.Target.load(pick(*cim.targets()))
    return cim.Target.load("tiny").replace(
        name="random",
        cores_per_chip=pick(1, 2, 3),
        macro_rows=pick(16, 32, 64),
        macro_cols=pick(16, 32, 64),
        macros_down=pick(1, 2, 3),
        macros_across=pick(1, 2),
        weight_sets=pick(1, 2, 5),
        dual_port=pick(True, False),
        dma_channels=pick(1, 2, 4),
        l1_bytes=pick(2**14, 2**16, 2**20),
        l2_bytes=pick(2**13, 2**16, 2**22),
        acc_bytes=pick(2**12, 2**15),
    )


def check(model, shape, samples, **arguments):
    calibration = {"x": samples}
    program = cim.compile(model, calibration=calibration, **arguments)
    x = {"x": samples[: 2 * shape[0]]}
    wanted = cim.interpret(program.ir("quantize"), x)
    got = program.run(x, mode="full", sanitize=True)
    assert list(got) == list(wanted)
    for name, values in wanted.items():
        assert got[name].tobytes() == values.tobytes(), (name, arguments)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_device_equals_interpreter(seed):
    rng = np.random.default_rng(seed)
    target = random_target(rng)
    quantize = FORMATS[rng.integers(len(FORMATS))]
    block = quantize in ("bfp16", "fp16")
    if block and target.bfp_block_rows != 64:
        target = cim.Target.load("m50")  # See below.
    model, shape = random_model(rng, 24 if block else 300)  # See below.
    samples = rng.normal(size=(6 * shape[0], *shape[1:])).astype(np.float32)
    check(
        model,
        shape,
        samples,
        target=target,
        quantize=quantize,
        opt=int(rng.integers(0, 3)),
        disable=[switch for switch in SWITCHES if rng.random() < 0.2],
    )


def convolution(channels):
    rng = np.random.default_rng(channels)
    net = Network(rng, channels)
    net.shapes["x"] = shape = (1, channels, 6, 6)
    inputs = ["x", net.constant(31, channels, 3, 3)]
    y = net.add("Conv", inputs, (1, 31, 6, 6), pads=[1] * 4)
    return finish(net, shape, [y]), shape, rng.normal(size=shape).astype(np.float32)


def test_block_size_of_the_target():
    """Block floating point in blocks of 16, as the target has them."""
    check(*convolution(40), target="tiny", quantize="bfp16")


@pytest.mark.parametrize("opt", [1, 2])
def test_channels_beyond_a_block(opt):
    check(*convolution(130), target="sticker-im", quantize="bfp16", opt=opt)
