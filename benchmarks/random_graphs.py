# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random valid ONNX graphs, on the device against ONNX Runtime.

    PYTHONPATH=build/python .venv/bin/python benchmarks/random_graphs.py
        [--first 0] [--count 500] [--jobs 2] [--int8 10] [--seconds 120]
        [--keep FOLDER]

Every graph has 10 to 60 nodes of many operators and types. It grows node by node:
each node is run by ONNX Runtime (or by ONNX's reference evaluator, where that knows
the type) as soon as it is proposed, and taken if it is valid, its values stay finite
and small, and inputs that differ by rounding give results that differ by rounding:
otherwise a comparison would say nothing. What the nodes gave is what the device must
give, in float32 within ONNX's tolerance. Every --int8-th graph is also quantized to
int8, and the device compared with the reference interpreter bit for bit.

Prints one line per failing graph and a summary. --keep writes failing models there.
"""

import argparse
import collections
import multiprocessing
import multiprocessing.connection
import os
import time

import numpy as np
import onnx
from graph_generator import FLOATS, Graph
from onnx import helper


def mismatch(graph, name, got):
    """What is wrong with the device's result, or None."""
    want = graph.values[name]
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{name}: {got.dtype}{got.shape} for {want.dtype}{want.shape}"
    if want.dtype.type not in FLOATS:
        wrong = got != want
    else:
        relative = 4e-2 if name in graph.coarse else 1e-3
        a, b = got.astype(np.float64), want.astype(np.float64)
        absolute = relative * 1e-2 * max(1.0, float(np.abs(b).max()))
        if name in graph.coarse:
            absolute *= 10
        wrong = ~(np.abs(a - b) <= relative * np.abs(b) + absolute)
    if not wrong.any():
        return None
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return (
        f"{name}: {int(wrong.sum())} of {want.size} differ, first at {place}:"
        f" {got[place]} for {want[place]}"
    )


def check_float(graph, everything=False, **options):
    """Compiles for float32, compares with ONNX Runtime and with the interpreter;
    what is wrong, or None."""
    import cim

    program = cim.compile(graph.model(everything), **options)
    outputs = program.run(graph.feeds, sanitize=True)
    for name in graph.outputs(everything):
        wrong = mismatch(graph, name, outputs[name])
        if wrong:
            return wrong
    return None if everything else same_bits(program, graph.feeds, outputs)


def same_bits(program, feeds, outputs):
    """Where the device differs from the interpreter, or None."""
    import cim

    wanted = cim.interpret(program.ir("quantize"), feeds)
    for name, got in outputs.items():
        want = wanted[name]
        number = got == got
        if not np.array_equal(number, want == want):
            return f"{name}: NaN on one of device and interpreter"
        if got[number].tobytes() != want[number].tobytes():
            return f"{name}: the device differs from the interpreter"
    return None


def check_int8(graph, **options):
    """Compiles for int8; where the device differs from the interpreter, or None."""
    import cim

    rng = np.random.default_rng(graph.seed)
    samples = {}
    for name, a in graph.feeds.items():
        others = [
            a + rng.normal(0, 0.3, a.shape).astype(a.dtype)
            if a.dtype.type in FLOATS
            else a
            for _ in range(7)
        ]
        samples[name] = np.concatenate([a, *others])
    program = cim.compile(
        graph.model(), quantize="int8", calibration=samples, **options
    )
    outputs = program.run(graph.feeds, sanitize=True)
    return same_bits(program, graph.feeds, outputs)


def options_of(seed):
    """Level of optimisation and target, varied."""
    return {"opt": (2, 0, 1)[seed % 3], "target": ("m50", "m50", "tiny")[seed % 5 % 3]}


def describe(graph, wrong):
    """`wrong`, and the first node whose own result is wrong."""
    try:
        first = check_float(graph, everything=True, **options_of(graph.seed))
    except Exception as problem:  # noqa: BLE001 (any failure is a finding)
        first = f"{type(problem).__name__}: {problem}"
    if first:
        for node in graph.nodes:
            if first.split(":")[0] in node.output:
                text = " ".join(helper.printable_node(node).split())
                shapes = [
                    f"{graph.of(n).dtype}{graph.of(n).shape}" for n in node.input if n
                ]
                return f"{first} [{text}; {', '.join(shapes)}]"
    return f"{wrong} (all values visible: {first})"


def check(seed, int8):
    """(what is wrong or None, its operators) of one seed."""
    graph = Graph(seed)
    operators = collections.Counter(node.op_type for node in graph.nodes)
    try:
        wrong = check_float(graph, **options_of(seed))
        if wrong:
            return "float: " + describe(graph, wrong), operators
        if int8:
            wrong = check_int8(graph, **options_of(seed))
    except Exception as problem:  # noqa: BLE001 (any failure is a finding)
        wrong = f"{type(problem).__name__}: {problem}"
    return wrong, operators


def work(pipe):
    """A worker: takes (seed, int8), gives (wrong, operators)."""
    while True:
        item = pipe.recv()
        if item is None:
            return
        pipe.send(check(*item))


class Worker:
    """A process that may die, or be killed after its time."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=work, args=(other,), daemon=True)
        self.process.start()
        other.close()
        self.seed = None

    def give(self, seed, int8, seconds):
        self.seed, self.until = seed, time.monotonic() + seconds
        self.pipe.send((seed, int8))

    def take(self):
        """(wrong, operators, alive)."""
        try:
            return (*self.pipe.recv(), True)
        except (EOFError, OSError):
            self.process.join()
            return f"crash: exit code {self.process.exitcode}", {}, False


def run(seeds, jobs, int8_every, seconds):
    """Yields (seed, wrong, operators) as they come."""
    pending = list(reversed(seeds))
    workers = [Worker() for _ in range(min(jobs, len(pending)))]
    for worker in workers:
        seed = pending.pop()
        worker.give(seed, seed % int8_every == 0, seconds + 30)
    while workers:
        ready = multiprocessing.connection.wait([w.pipe for w in workers], timeout=1.0)
        for worker in list(workers):
            if worker.pipe in ready:
                wrong, operators, alive = worker.take()
            elif time.monotonic() > worker.until:
                worker.process.kill()
                wrong, operators, alive = f"more than {seconds} s", {}, False
            else:
                continue
            yield worker.seed, wrong, operators
            workers.remove(worker)
            if not pending:
                if alive:
                    worker.pipe.send(None)
                continue
            worker = worker if alive else Worker()
            seed = pending.pop()
            worker.give(seed, seed % int8_every == 0, seconds)
            workers.append(worker)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--int8", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.count)
    total, failures = collections.Counter(), 0
    for seed, wrong, operators in run(
        seeds, arguments.jobs, arguments.int8, arguments.seconds
    ):
        total.update(operators)
        if wrong:
            failures += 1
            print(f"{seed}: {wrong}", flush=True)
            if arguments.keep:
                os.makedirs(arguments.keep, exist_ok=True)
                path = os.path.join(arguments.keep, f"random{seed}.onnx")
                onnx.save(Graph(seed).model(), path)
    print(
        f"{arguments.count} graphs, {sum(total.values())} nodes of {len(total)}"
        f" operators, {failures} failures"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
