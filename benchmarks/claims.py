# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures the device claims: elastic weights, dual port, any matrix product.

    .venv/bin/python benchmarks/claims.py [elastic] [dual-port] [matmul] [big] [--bin build/bin]

elastic    cycles of w5a8 over w8a8 on conv- and GEMM-bound layers (goal <= 0.67)
dual-port  cycles with over without overlap of weight writes and MACs, weights
           streaming from L2 at M = 256 (goal <= 0.60) and DRAM at M = 512 (<= 0.75)
matmul     random M x K x N in 1..5000, skinny and prime: compile seconds (<= 5) and
           bits against the reference interpreter
big        11264^3: compile seconds (<= 10)
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
from onnx import TensorProto, helper

ROOT = pathlib.Path(__file__).resolve().parent.parent


def matmul_model(path, m, k, n, seed=0):
    rng = np.random.default_rng(seed)
    w = (rng.standard_normal((k, n), dtype=np.float32) / np.sqrt(k)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="MatMul_0")],
        "matmul",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [m, k])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [m, n])],
        [onnx.numpy_helper.from_array(w, "w")],
    )
    onnx.save(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
        ),
        path,
    )
    np.savez(path.with_suffix(".npz"), x=rng.standard_normal((m, k), dtype=np.float32))


def chain_model(path, kind, shape, channels, kernel=1, count=3, seed=0):
    """`count` products or convolutions with ReLUs between, named L0, L1, ...: those
    in the middle read and write integers, as in any quantized network."""
    rng = np.random.default_rng(seed)
    nodes, weights = [], []
    for i in range(count):
        size = (
            (channels, channels)
            if kind == "MatMul"
            else (channels, channels, kernel, kernel)
        )
        scale = np.sqrt(channels * kernel * kernel)
        value = (rng.standard_normal(size, dtype=np.float32) / scale).astype(np.float32)
        weights.append(onnx.numpy_helper.from_array(value, f"w{i}"))
        attributes = {"pads": [kernel // 2] * 4} if kind == "Conv" else {}
        nodes += [
            helper.make_node(
                kind, [f"x{i}", f"w{i}"], [f"t{i}"], f"L{i}", **attributes
            ),
            helper.make_node("Relu", [f"t{i}"], [f"x{i + 1}"], f"R{i}"),
        ]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(f"x{count}", TensorProto.FLOAT, shape)],
        weights,
    )
    onnx.save(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
        ),
        path,
    )
    np.savez(path.with_suffix(".npz"), x0=rng.standard_normal(shape, dtype=np.float32))


class Tools:
    def __init__(self, folder, work):
        self.folder, self.work = pathlib.Path(folder), pathlib.Path(work)

    def run(self, tool, *args):
        return subprocess.run(
            [str(self.folder / tool), *map(str, args)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def compile(self, model, quantize, *extra, target="m50"):
        out = self.work / "program.cimb"
        begin = time.monotonic()
        self.run(
            "cimc",
            model,
            "--quantize",
            quantize,
            "--calibration",
            model.with_suffix(".npz"),
            "--target",
            target,
            "-o",
            out,
            *extra,
        )
        return out, time.monotonic() - begin

    def layer(self, program, node):
        report = self.work / "r.json"
        self.run("cim-run", program, "--mode", "timing", "--report", report)
        data = json.loads(report.read_text())
        layer = next(l for l in data["layers"] if l["name"].startswith(node))
        return layer, data["cycles"]


ELASTIC = [
    ("products 2048x2048x2048", "MatMul", [2048, 2048], 2048, 1),
    ("products 1024x1024x1024", "MatMul", [1024, 1024], 1024, 1),
    ("conv 512 3x3 @28", "Conv", [1, 512, 28, 28], 512, 3),
    ("conv 256 3x3 @56", "Conv", [1, 256, 56, 56], 256, 3),
    ("conv 512 3x3 @7", "Conv", [1, 512, 7, 7], 512, 3),
    ("conv 512 1x1 @28", "Conv", [1, 512, 28, 28], 512, 1),
]


def elastic(tools):
    """The second layer of three. The goal is for those that the array or the weight
    writes limit; of the others the report must say what limits them."""
    ok = True
    for name, kind, shape, channels, kernel in ELASTIC:
        model = tools.work / "elastic.onnx"
        chain_model(model, kind, shape, channels, kernel)
        layers = {}
        for bits in (8, 5):
            program, _ = tools.compile(model, f"w{bits}a8")
            layers[bits], _ = tools.layer(program, "L1")
        ratio = layers[5]["cycles"] / layers[8]["cycles"]
        bound = layers[5]["limited_by"] in ("mac", "write")
        ok &= ratio <= 0.67 or not bound
        print(
            f"elastic   {name:24s} w8a8 {layers[8]['cycles']:7d}  w5a8 {layers[5]['cycles']:7d}"
            f"  ratio {ratio:.3f}  {layers[5]['note']}"
        )
    return ok


DUAL_PORT = [
    ("L2, M = 256", 256, 2048, 3, [], 0.60),
    ("DRAM, M = 512", 512, 4096, 2, ["--disable", "resident"], 0.75),
]


def dual_port(tools):
    """The same model with and without overlap of weight writes and MACs."""
    ok = True
    for name, rows, channels, count, extra, goal in DUAL_PORT:
        model = tools.work / "dual.onnx"
        chain_model(model, "MatMul", [rows, channels], channels, count=count)
        cycles = []
        for disabled in ([], ["--disable", "overlap"]):
            program, _ = tools.compile(model, "int8", *extra, *disabled)
            cycles.append(tools.layer(program, "L0")[0]["cycles"])
        ratio = cycles[0] / cycles[1]
        print(
            f"dual-port {name:24s} with {cycles[0]:7d}  without {cycles[1]:7d}"
            f"  ratio {ratio:.3f}  goal {goal}"
        )
        ok &= ratio <= goal
    return ok


def product_shapes(count, seed):
    """M, K, N: of every magnitude, uniform, skinny, prime."""
    rng = random.Random(seed)
    shapes = [
        tuple(int(round(5000 ** rng.random())) for _ in range(3)) for _ in range(count)
    ]
    shapes += [tuple(rng.randint(1, 5000) for _ in range(3)) for _ in range(count // 2)]
    for hole in range(3):
        shape = [rng.randint(1, 5000) for _ in range(3)]
        shape[hole] = 1
        shapes.append(tuple(shape))
    primes = [2, 3, 13, 127, 509, 1021, 2053, 4999]
    shapes += [tuple(rng.choice(primes) for _ in range(3)) for _ in range(count // 3)]
    return shapes + [(1, 1, 1), (5000, 5000, 5000)]


def matmul(tools, count=12, seed=0):
    ok = True
    formats = ["int8", "w5a8", "bfp16", "fp16"]
    for i, (m, k, n) in enumerate(product_shapes(count, seed)):
        # The interpreter adds block by block: too slow for large products.
        quantize = formats[i % 4] if m * k * n < 10**9 else formats[i % 2]
        model = tools.work / "matmul.onnx"
        matmul_model(model, m, k, n, seed + i)
        program, seconds = tools.compile(model, quantize)
        tools.run(
            "cim-run",
            program,
            "--mode",
            "functional",
            "--input",
            model.with_suffix(".npz"),
            "--output",
            tools.work / "d.npz",
        )
        tools.run(
            "cimc",
            model,
            "--quantize",
            quantize,
            "--calibration",
            model.with_suffix(".npz"),
            "--emit",
            "quantize",
            "--emit-bytecode",
            "-o",
            tools.work / "q.mlirbc",
        )
        tools.run(
            "cim-interp",
            tools.work / "q.mlirbc",
            "--input",
            model.with_suffix(".npz"),
            "--output",
            tools.work / "i.npz",
        )
        device, meaning = (
            np.load(tools.work / name)["y"] for name in ("d.npz", "i.npz")
        )
        equal = device.tobytes() == meaning.tobytes()
        ok &= equal and seconds <= 5
        print(
            f"matmul    {m}x{k}x{n} {quantize}: compiled in {seconds:.2f} s, {'exact' if equal else 'WRONG'}",
            flush=True,
        )
    return ok


def big(tools):
    model = tools.work / "big.onnx"
    matmul_model(model, 11264, 11264, 11264)
    ok = True
    for quantize in ("bfp16", "int8", "w5a8"):
        program, seconds = tools.compile(model, quantize)
        size = program.stat().st_size
        print(
            f"matmul    11264^3 {quantize}: compiled in {seconds:.2f} s, {size / 2**20:.0f} MiB"
        )
        ok &= seconds <= 10
    return ok


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what", nargs="*", default=["elastic", "dual-port", "matmul", "big"]
    )
    parser.add_argument("--bin", default=ROOT / "build/bin")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        tools = Tools(args.bin, work)
        jobs = {
            "elastic": elastic,
            "dual-port": dual_port,
            "matmul": matmul,
            "big": big,
        }
        results = {name: jobs[name](tools) for name in args.what}
    for name, ok in results.items():
        print(f"{name}: {'met' if ok else 'NOT met'}")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
