# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The plan (where every node runs, and why) and the conditions of strict."""

import cim
import numpy as np
import onnx
import pytest
from conftest import DATA, small_model
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, DOUBLE = TensorProto.FLOAT, TensorProto.INT64, TensorProto.DOUBLE


def model_of(nodes, inputs, outputs, constants=(), functions=()):
    """inputs, outputs: {name: (type, shape)}; constants: {name: array}."""

    def infos(ports):
        return [helper.make_tensor_value_info(n, *what) for n, what in ports.items()]

    graph = helper.make_graph(
        nodes,
        "planned",
        infos(inputs),
        infos(outputs),
        [numpy_helper.from_array(v, n) for n, v in dict(constants).items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=8, functions=list(functions)
    )
    onnx.checker.check_model(model)
    return model


def names(model):
    return [node.name for node in model.graph.node]


def computed_weights():
    """A convolution whose weights are an input: the array cannot have it."""
    return model_of(
        [
            helper.make_node("Relu", ["x"], ["r"], "relu"),
            helper.make_node("Conv", ["r", "w"], ["y"], "filter"),
        ],
        {"x": (FLOAT, [1, 4, 6, 6]), "w": (FLOAT, [8, 4, 3, 3])},
        {"y": (FLOAT, [1, 8, 4, 4])},
    )


def largest():
    return model_of(
        [
            helper.make_node("Abs", ["x"], ["a"], "abs"),
            helper.make_node("TopK", ["a", "k"], ["y", "i"], "top"),
        ],
        {"x": (FLOAT, [1, 50])},
        {"y": (FLOAT, [1, 3]), "i": (INT64, [1, 3])},
        {"k": np.array([3])},
    )


def check(plan, model):
    assert [node.name for node in plan.nodes] == names(model)
    total = sum(node.cycles for node in plan.nodes) + plan.other_cycles
    assert total == plan.cycles
    for node in plan.nodes:
        assert bool(node.reason) == (node.engine != "array")
        assert bool(node.precision) == (node.engine != "none")
    lines = str(plan).splitlines()
    assert len(lines) == len(plan.nodes) + 3
    assert lines[-1].split() == ["(total)", str(plan.cycles)]


def test_every_node_is_listed_once_with_its_engine(program, model):
    plan = program.plan()
    check(plan, model)
    assert plan.cycles == program.report["predicted_cycles"]
    for name in ("first", "second", "head"):
        assert (plan[name].engine, plan[name].precision) == ("array", "w8a8")
        assert plan[name].cycles > 0 and plan[name].layers
    assert plan["relu"].engine == "none" and "first" in plan["relu"].reason
    assert (plan["pool"].engine, plan["pool"].precision) == ("vector", "f32")
    assert plan["flatten"].engine == "none"
    with pytest.raises(KeyError):
        plan["no such node"]


def test_formats_show(model, samples):
    calibration = {"x": samples}
    assert cim.compile(model, quantize="bfp16").plan()["first"].precision == "bfp16"
    mixed = cim.compile(
        model,
        quantize="int8",
        calibration=calibration,
        layers={"first": "w5a8", "head": "none"},
    ).plan()
    assert mixed["first"].precision == "w5a8"
    assert (mixed["head"].engine, mixed["head"].precision) == ("vector", "f32")
    assert mixed["head"].reason == "its format is none, as asked"
    assert mixed["head"].conditions == ("vector-f32",)


def test_plan_stays_with_the_file_and_through_phases(tmp_path, program, model, samples):
    path = tmp_path / "small.cimb"
    program.save(path)
    assert cim.load(path).plan() == program.plan()
    for phase in ("import", "quantize", "schedule", "allocate"):
        text = tmp_path / f"{phase}.mlir"
        text.write_text(program.ir(phase))
        more = {} if phase != "import" else {"calibration": {"x": samples}}
        again = cim.compile(text, quantize="int8", **more)
        assert again.plan() == program.plan(), phase


@pytest.mark.parametrize("name", ["resnet8", "encoder"])
def test_trained_networks(name):
    path = DATA / f"{name}.onnx"
    model = onnx.load(path)
    plan = cim.compile(path, quantize="bfp16").plan()
    assert len(plan.nodes) == len(model.graph.node)
    for node, made in zip(model.graph.node, plan.nodes, strict=True):
        assert made.op == node.op_type
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            assert made.engine == "array" and made.cycles > 0, node.name
        if node.op_type == "Constant":
            assert made.reason == "computed when compiling"
        if node.op_type in ("LayerNormalization", "Softmax"):
            assert made.engine == "vector", node.name


def test_what_leaves_no_operation_says_why():
    model = model_of(
        [
            helper.make_node("Identity", ["x"], ["same"], "same"),
            helper.make_node("Shape", ["same"], ["shape"], "shape"),
            helper.make_node("Exp", ["same"], ["nobody"], "nobody"),
            helper.make_node("Abs", ["same"], ["a"], "abs"),
            helper.make_node("Reshape", ["a", "shape"], ["y"], "reshape"),
        ],
        {"x": (FLOAT, [4, 8])},
        {"y": (FLOAT, [4, 8])},
    )
    plan = cim.compile(model).plan()
    check(plan, model)
    assert [node.engine for node in plan.nodes] == [*["none"] * 3, "vector", "none"]
    assert plan["same"].reason == "its operand by another name"
    assert plan["shape"].reason == "computed when compiling"
    assert plan["nobody"].reason == "no output depends on it"


def test_inner_nodes_count_for_the_node_that_has_them():
    twice = helper.make_function(
        "own",
        "Twice",
        ["a"],
        ["b"],
        [
            helper.make_node("Exp", ["a"], ["e"], "inner"),
            helper.make_node("Add", ["e", "a"], ["b"], "sum"),
        ],
        [helper.make_opsetid("", 17)],
    )
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"], "keep"),
            helper.make_node("Sin", ["v"], ["w"], "step"),
        ],
        "body",
        [
            helper.make_tensor_value_info("n", INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", FLOAT, [4, 8]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", FLOAT, [4, 8]),
        ],
    )
    model = model_of(
        [
            helper.make_node("Twice", ["x"], ["t"], "call", domain="own"),
            helper.make_node("Loop", ["three", "", "t"], ["y"], "loop", body=body),
        ],
        {"x": (FLOAT, [4, 8])},
        {"y": (FLOAT, [4, 8])},
        {"three": np.array(3)},
        [twice],
    )
    plan = cim.compile(model).plan()
    check(plan, model)
    assert {node.engine for node in plan.nodes} == {"vector"}


def test_strict_refuses_products_left_in_float(samples):
    model = computed_weights()
    plan = cim.compile(model, quantize="bfp16").plan()
    check(plan, model)
    assert plan["filter"].engine == "vector"
    assert "float-mac" in plan["filter"].conditions
    with pytest.raises(cim.CompileError) as problem:
        cim.compile(model, quantize="bfp16", strict=["float-mac"])
    (line,) = str(problem.value).splitlines()
    assert line.startswith("filter: its products stay in f32 (the weights of a conv")
    assert "; forbidden by strict condition float-mac; " in line
    # In float because that was asked: no violation.
    cim.compile(model, strict=["float-mac"])
    cim.compile(
        model, quantize="bfp16", layers={"filter": "none"}, strict=["float-mac"]
    )


def test_strict_refuses_products_that_never_were_for_the_array():
    model = model_of(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "wide")],
        {"x": (DOUBLE, [4, 8])},
        {"y": (DOUBLE, [4, 3])},
        {"w": np.random.default_rng(3).normal(size=(8, 3))},
    )
    with pytest.raises(cim.CompileError, match="wide: its products stay in f64"):
        cim.compile(model, quantize="bfp16", strict=["float-mac"])


def test_strict_has_a_line_per_node_and_condition(model, samples):
    with pytest.raises(cim.CompileError) as problem:
        cim.compile(largest(), strict=["control", "vector-f32"])
    lines = str(problem.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["abs", "top"]
    assert "strict condition vector-f32" in lines[0]
    assert "strict condition control" in lines[1]
    cim.compile(largest(), strict=["float-mac"])
    with pytest.raises(cim.CompileError, match="pool: runs on the vector unit in f32"):
        cim.compile(
            model, quantize="int8", calibration={"x": samples}, strict=["vector-f32"]
        )


def test_strict_knows_activations_in_dram():
    def chain(size):
        nodes = [
            helper.make_node("TopK", ["x", "k"], ["a", "i"], "sort"),
            helper.make_node("TopK", ["a", "k"], ["y", "j"], "again", largest=0),
        ]
        return model_of(
            nodes,
            {"x": (FLOAT, [size])},
            {"y": (FLOAT, [size])},
            {"k": np.array([size])},
        )

    strict = ["dram-activations"]
    cim.compile(chain(16), target="m50", strict=strict)
    with pytest.raises(cim.CompileError, match="sort: its result lies in DRAM"):
        cim.compile(chain(20_000_000), target="m50", strict=strict)


def test_unknown_conditions_are_named():
    with pytest.raises(cim.CompileError, match="strict: unknown condition 'speed'"):
        cim.compile(small_model(), strict=["speed"])
