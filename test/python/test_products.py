# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Any product on any target: random matrix products and convolutions, alone, on
targets down to arrays of one row and memories of a few bytes, and operators on
tensors of more dimensions than an instruction has loops. All must compile and be
exact under the sanitizer.

A failing seed is reproduced by itself:
    CIM_RANDOM_SEED=17 CIM_RANDOM_COUNT=1 pytest test/python/test_products.py
"""

import os

import cim
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

FIRST = int(os.environ.get("CIM_RANDOM_SEED", "0"))
COUNT = int(os.environ.get("CIM_RANDOM_COUNT", "150"))
FORMATS = ["int8", "w7a8", "w5a8", "w4a8", "bfp16", "fp16", "none"]
SWITCHES = ["fuse", "overlap", "copies", "cores", "resident", "reroll"]


class Case:
    """A graph of a few nodes, grown by the functions below."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants, self.inputs = [], [], {}

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def upto(self, most):
        return int(self.rng.integers(1, most + 1))

    def order(self, rank):
        return [int(dim) for dim in self.rng.permutation(rank)]

    def constant(self, *shape):
        scale = 1 / np.sqrt(max(1, np.prod(shape[1:])))
        name = f"c{len(self.constants)}"
        values = (self.rng.standard_normal(shape) * scale).astype(np.float32)
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def input(self, shape):
        name = f"x{len(self.inputs)}"
        self.inputs[name] = list(shape)
        return name

    def add(self, op, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, inputs, [name], f"{op}_{name}", **attributes)
        )
        return name

    def turned(self, shape, order):
        """A tensor of `shape` that lies in memory in another order."""
        stored = [0] * len(shape)
        for dim, source in enumerate(order):
            stored[source] = shape[dim]
        return self.add("Transpose", self.input(stored), perm=order)

    def model(self, y):
        graph = helper.make_graph(
            self.nodes,
            "product",
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in self.inputs.items()
            ],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, None)],
            self.constants,
        )
        opsets = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        return onnx.shape_inference.infer_shapes(model, strict_mode=True)

    def samples(self):
        return {
            name: self.rng.standard_normal(shape).astype(np.float32)
            for name, shape in self.inputs.items()
        }


def product(case):
    """M x K x N of any proportions, with a bias or without."""
    most = case.pick(20, 150, 3000)
    m, k, n = (
        case.pick(1, case.upto(8), int(round(most ** case.rng.random())))
        for _ in range(3)
    )
    y = case.add("MatMul", case.input([m, k]), case.constant(k, n))
    return case.add("Add", y, case.constant(n)) if case.pick(True, False) else y


def tall_product(case):
    """Constant weights; rows of up to six dimensions in any order."""
    rank = 2 + case.upto(5)
    shape = [case.upto(3) for _ in range(rank - 1)] + [case.upto(40)]
    x = case.turned(shape, case.order(rank))
    y = case.add("MatMul", x, case.constant(shape[-1], case.upto(30)))
    if case.pick(True, False):
        y = case.add("Transpose", y, perm=case.order(rank))
    return y


def batched_product(case):
    """Broadcast batches; the second operand computed or constant."""
    batch = [case.upto(3) for _ in range(case.upto(5))]
    left, right = list(batch), list(batch)
    for dim in range(len(batch)):
        (left if case.pick(True, False) else right)[dim] *= case.pick(1, 1, 0)
    left, right = ([max(1, size) for size in sizes] for sizes in (left, right))
    m, k, n = case.upto(30), case.upto(60), case.upto(30)
    x = case.turned([*left, m, k], case.order(len(left) + 2))
    shape = right[case.pick(0, 0, len(right)) :] + [k, n]
    other = case.input(shape) if case.pick(True, False) else case.constant(*shape)
    return case.add("MatMul", x, other)


def convolution(case):
    """One to three spatial dimensions, groups, windows of any size."""
    space = case.upto(3)
    groups = case.pick(1, 1, 2, 3, case.upto(12))
    channels = max(1, case.upto(case.pick(4, 60, 300 if space < 3 else 20)) // groups)
    outputs = max(1, case.upto(case.pick(4, 40, 100)) // groups)
    kernel = [case.pick(1, 2, 3, 5, 7) if space < 3 else case.upto(3)] * space
    if space == 1:
        kernel = [case.pick(3, 9, 70, 300)]
    strides = [case.pick(1, 1, 2, 3) for _ in range(space)]
    dilations = [case.pick(1, 1, 2, 3) for _ in range(space)]
    pads = [int(pad) for pad in case.rng.integers(0, 4, 2 * space)]
    sizes = [
        max(
            case.upto(12),
            dilations[i] * (kernel[i] - 1) + 1 - pads[i] - pads[i + space],
        )
        for i in range(space)
    ]
    return case.add(
        "Conv",
        case.input([case.upto(3), channels * groups, *sizes]),
        case.constant(outputs * groups, channels, *kernel),
        case.constant(outputs * groups),
        strides=strides,
        dilations=dilations,
        pads=pads,
        group=groups,
    )


def random_target(case):
    """A preset, or one as small as targets may be."""
    target = cim.Target.load(case.pick(*cim.targets()))
    if case.pick(True, False, False):
        return target
    rows, cols = case.pick(1, 3, 16, 64), case.pick(1, 3, 8, 16)
    down, across = case.pick(1, 2, 5), case.pick(1, 2, 3)
    return target.replace(
        name="small",
        cores_per_chip=case.pick(1, 2, 3, 5),
        macro_rows=rows,
        macro_cols=cols,
        macros_down=down,
        macros_across=across,
        plane_skip_columns=case.upto(cols * across),
        weight_sets=case.pick(1, 2, 5),
        dual_port=case.pick(True, False),
        dma_channels=case.pick(1, 2, 4),
        bfp_block_rows=case.pick(1, 3, 16, 64),
        l1_bytes=case.pick(2**10, 2**12, 2**16),
        l2_bytes=case.pick(0, 2**10, 2**16),
        acc_bytes=max(case.pick(64, 100, 2**12), 4 * cols * across),
    )


def check(model, samples, **arguments):
    program = cim.compile(model, calibration=samples, **arguments)
    wanted = cim.interpret(program.ir("quantize"), samples)
    got = program.run(samples, mode="full", sanitize=True)
    assert list(got) == list(wanted)
    for name, values in wanted.items():
        assert got[name].tobytes() == values.tobytes(), (name, arguments)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_product_on_target(seed):
    case = Case(seed)
    target = random_target(case)
    grow = case.pick(product, product, tall_product, batched_product, convolution)
    y = grow(case)
    if case.pick(True, False):
        y = case.add("Relu", y)
    check(
        case.model(y),
        case.samples(),
        target=target,
        quantize=case.pick(*FORMATS),
        opt=int(case.rng.integers(0, 3)),
        disable=[switch for switch in SWITCHES if case.rng.random() < 0.15],
    )


def test_a_target_that_holds_no_block():
    """The one product without a schedule: a block beyond L1."""
    case = Case(0)
    y = case.add("MatMul", case.input([2, 300]), case.constant(300, 4))
    target = cim.Target.load("tiny").replace(
        macro_rows=255, macros_down=1, bfp_block_rows=255, l1_bytes=1024
    )
    with pytest.raises(cim.CompileError) as error:
        check(case.model(y), case.samples(), target=target, quantize="bfp16")
    message = str(error.value)
    assert "one row of 255 channels takes 1024 bytes of L1" in message
    assert "smaller bfp_block_rows" in message


@pytest.mark.parametrize("rank", [7, 8, 9])
@pytest.mark.parametrize("op", ["Gather", "ArgMax", "CumSum", "Softmax", "Add"])
def test_more_dimensions_than_loops(op, rank):
    case = Case(rank)
    x = case.turned([2] * rank, case.order(rank))

    def integers(values):
        name = f"c{len(case.constants)}"
        array = np.array(values, np.int64)
        case.constants.append(numpy_helper.from_array(array, name))
        return name

    if op == "Gather":
        y = case.add(op, x, integers([1, 0, 1]), axis=3)
    elif op == "ArgMax":
        y = case.add("Cast", case.add(op, x, axis=3), to=TensorProto.FLOAT)
    elif op == "CumSum":
        y = case.add(op, x, integers(3))
    elif op == "Softmax":
        y = case.add(op, x, axis=2)
    else:
        y = case.add(op, x, case.constant(*[2, 1] * 3))
    check(case.model(y), case.samples(), target="m50")


@pytest.mark.parametrize("op", ["Sum", "Max", "Min", "Mean"])
def test_more_operands_than_a_kernel_has(op):
    case = Case(0)
    y = case.add(op, *[case.input([3, 5]) for _ in range(40)])
    model, samples = case.model(y), case.samples()
    check(model, samples, target="m50")
    values = np.stack(list(samples.values()))
    wanted = {"Sum": values.sum, "Max": values.max, "Min": values.min}.get(
        op, values.mean
    )(0)
    got = cim.compile(model, target="m50").run(samples)[y]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
