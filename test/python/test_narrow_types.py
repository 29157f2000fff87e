# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Types the vector unit has no registers for: floats of at most 8 bits, integers of
2 to 7. The device computes them as arithmetic on bytes; here against the package
ml_dtypes and against the interpreter, which knows (most of) the types themselves."""

import cim
import cim.onnx_backend as backend
import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper

FLOATS = {
    "FLOAT8E4M3FN": ml_dtypes.float8_e4m3fn,
    "FLOAT8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "FLOAT8E5M2": ml_dtypes.float8_e5m2,
    "FLOAT8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "FLOAT4E2M1": ml_dtypes.float4_e2m1fn,
    "FLOAT8E8M0": ml_dtypes.float8_e8m0fnu,
}


def cast_model(shape, *types, **attributes):
    """Casts along a list of types."""
    names = [f"v{i}" for i in range(len(types))]
    kinds = [getattr(TensorProto, t) for t in types]
    nodes = [
        helper.make_node(
            "Cast", [names[i]], [names[i + 1]], to=kinds[i + 1], **attributes
        )
        for i in range(len(types) - 1)
    ]
    graph = helper.make_graph(
        nodes,
        "casts",
        [helper.make_tensor_value_info(names[0], kinds[0], shape)],
        [helper.make_tensor_value_info(names[-1], kinds[-1], shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)])


def numbers():
    """fp32 numbers of all magnitudes, with ties, neighbours and specials."""
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**32, 20000, dtype=np.uint32).view(np.float32)
    near = rng.normal(0, 1, 20000) * 2.0 ** rng.integers(-18, 18, 20000)
    ties = np.arange(-4096, 4096) / 16.0
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 448, 464, 480, 57344, 61440, 6, 7]
    return np.concatenate([bits, near, ties, ties / 2**12, special]).astype(np.float32)


@pytest.mark.parametrize("name", FLOATS)
def test_decode(name):
    """Every code, into fp32, fp16 and fp64."""
    dtype = FLOATS[name]
    codes = np.arange(16 if name == "FLOAT4E2M1" else 256, dtype=np.uint8).view(dtype)
    for wide in ("FLOAT", "FLOAT16", "DOUBLE"):
        (got,) = backend.run_model(cast_model(codes.shape, name, wide), [codes])
        with np.errstate(over="ignore"):
            want = codes.astype(np.float32).astype(got.dtype)
        np.testing.assert_array_equal(got, want)
        number = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(want[number]))


@pytest.mark.parametrize("name", [n for n in FLOATS if n != "FLOAT8E8M0"])
@pytest.mark.parametrize("saturate", [0, 1])
def test_encode(name, saturate):
    dtype, x = FLOATS[name], numbers()
    if name == "FLOAT4E2M1":
        x = x[~np.isnan(x)]  # Has none.
    model = cast_model(x.shape, "FLOAT", name, saturate=saturate)
    (got,) = backend.run_model(model, [x])
    largest = float(ml_dtypes.finfo(dtype).max)
    source = np.clip(x, -largest, largest) if saturate else x
    want = source.astype(dtype)
    number = ~np.isnan(want.astype(np.float32))
    same = got.view(np.uint8) == want.view(np.uint8)
    assert same[number].all(), (x[number & ~same], got[number & ~same])
    assert np.isnan(got[~number].astype(np.float32)).all()


@pytest.mark.parametrize("name", [n for n in FLOATS if n[-2:] not in ("M1", "M0")])
def test_encode_rounds_once(name):
    """From fp64: a number just beside a tie of the narrow type."""
    dtype = FLOATS[name]
    code = np.arange(0x10, 0x60, dtype=np.uint8)
    low, high = code.view(dtype), (code + 1).astype(np.uint8).view(dtype)
    tie = (low.astype(np.float64) + high.astype(np.float64)) / 2
    x = np.concatenate([tie, np.nextafter(tie, 0), np.nextafter(tie, np.inf)])
    program = cim.compile(cast_model(x.shape, "DOUBLE", name, "FLOAT", saturate=0))
    got = program.run({"v0": x})["v2"]
    want = cim.interpret(program.ir("import"), {"v0": x})["v2"]
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(got[len(code) :][: len(code)], low.astype(np.float32))
    np.testing.assert_array_equal(got[2 * len(code) :], high.astype(np.float32))


BODY = """
module attributes {{cim.phase = "import", cim.model = "m"}} {{
  func.func @main(%x: tensor<{n}xi32> {{cim.name = "x"}}, %y: tensor<{n}xi32> {{cim.name = "y"}})
      -> (tensor<{n}xi32> {{cim.name = "z"}}) {{
    %e4 = tensor.empty() : tensor<{n}x{t}>
    %e32 = tensor.empty() : tensor<{n}xi32>
    %a = linalg.generic {{indexing_maps = [{m}, {m}], iterator_types = ["parallel"]}}
        ins(%x : tensor<{n}xi32>) outs(%e4 : tensor<{n}x{t}>) {{
    ^bb0(%in: i32, %out: {t}):
      %0 = arith.trunci %in : i32 to {t}
      linalg.yield %0 : {t}
    }} -> tensor<{n}x{t}>
    %r = linalg.generic {{indexing_maps = [{m}, {m}, {m}], iterator_types = ["parallel"]}}
        ins(%a, %y : tensor<{n}x{t}>, tensor<{n}xi32>) outs(%e32 : tensor<{n}xi32>) {{
    ^bb0(%p: {t}, %in: i32, %out: i32):
      %q = arith.trunci %in : i32 to {t}
      {body}
      linalg.yield %z : i32
    }} -> tensor<{n}xi32>
    return %r : tensor<{n}xi32>
  }}
}}
"""

BINARY = (
    "addi subi muli divsi divui remsi remui minsi maxsi minui maxui andi ori xori shli"
    " shrui shrsi"
).split()
COMPARE = "slt ult sge uge eq".split()


@pytest.mark.parametrize("bits", [2, 3, 4, 7])
def test_integers(tmp_path, bits):
    """Every operation on all pairs of values, against the interpreter."""
    t = f"i{bits}"
    bodies = [
        f"%w = arith.{op} %p, %q : {t}\n %z = arith.ext{e} %w : {t} to i32"
        for op in BINARY
        for e in ("si", "ui")
    ]
    bodies += [
        f"%c = arith.cmpi {p}, %p, %q : {t}\n %z = arith.extui %c : i1 to i32"
        for p in COMPARE
    ]
    bodies += [
        f"%f = arith.{a}itofp %p : {t} to f32\n %k = arith.constant 2.5 : f32\n"
        f" %g = arith.mulf %f, %k : f32\n %w = arith.fpto{b}i %g : f32 to {t}\n"
        f" %z = arith.extsi %w : {t} to i32"
        for a in "su"
        for b in "su"
    ]
    count = min(1 << bits, 32)
    values = np.arange(count, dtype=np.int32) - 3
    x, y = (v.ravel() for v in np.meshgrid(values, values))
    for body in bodies:
        text = BODY.format(n=x.size, t=t, m="affine_map<(d0) -> (d0)>", body=body)
        path = tmp_path / "m.mlir"
        path.write_text(text)
        got = cim.compile(path).run({"x": x, "y": y})["z"]
        want = cim.interpret(text, {"x": x, "y": y})["z"]
        np.testing.assert_array_equal(got, want, err_msg=body)


@pytest.mark.parametrize("name", ["INT4", "UINT4", "INT2", "UINT2"])
def test_integer_inputs_and_outputs(name):
    """Values cross the boundary as the numbers they are."""
    dtype = helper.tensor_dtype_to_np_dtype(getattr(TensorProto, name))
    low, high = int(ml_dtypes.iinfo(dtype).min), int(ml_dtypes.iinfo(dtype).max)
    x = np.arange(low, high + 1).astype(dtype)
    (wide,) = backend.run_model(cast_model(x.shape, name, "FLOAT"), [x])
    np.testing.assert_array_equal(wide, x.astype(np.float32))
    (back,) = backend.run_model(cast_model(x.shape, "FLOAT", name), [wide])
    np.testing.assert_array_equal(back.astype(np.int32), x.astype(np.int32))
    program = cim.compile(cast_model(x.shape, "FLOAT", name))
    numbers = program.run({"v0": wide})["v1"]
    np.testing.assert_array_equal(numbers, x.astype(np.int32))
    assert numbers.dtype == (np.uint8 if name.startswith("U") else np.int8)
