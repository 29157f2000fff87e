# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ONNX's own backend tests on the device model.

    PYTHONPATH=build/python .venv/bin/python benchmarks/onnx_backend.py
        [--jobs 2] [--seconds 60] [--only REGEX] [--resume] [--exact]
        [--table docs/onnx-backend.md]

Runs the methods of onnx.backend.test.BackendTest in worker processes, each test
within a bounded time, and writes one JSON line per test. Nothing is left out:
tests the compiler cannot pass fail, with its message as the reason. --resume
keeps the results of an interrupted run; --exact also compares the device, under
the sanitizer, with the reference interpreter bit for bit; --table writes the table
of results.
"""

import argparse
import collections
import json
import multiprocessing
import multiprocessing.connection
import os
import re
import time
import unittest
import warnings

KINDS = ("Node", "Simple", "PyTorchOperator", "PyTorchConverted")


class Exact:
    """A prepared model that also compares the device, under the sanitizer, with
    the reference interpreter: all bits but those of NaNs."""

    def __init__(self, rep):
        self.rep = rep

    def run(self, inputs):
        import cim
        import numpy as np

        program, feeds = self.rep.specialize(inputs)
        got = program.run(feeds, mode="full", sanitize=True)
        want = cim.interpret(program.ir("quantize"), feeds)
        for name, array in got.items():
            number = array == array
            if not np.array_equal(number, want[name] == want[name]):
                raise AssertionError(f"{name}: NaN where the interpreter has none")
            if array[number].tobytes() != want[name][number].tobytes():
                raise AssertionError(f"{name}: differs from the interpreter")
        return self.rep.run(inputs)


def load_tests(exact=False):
    """Test methods by "<kind>/<name>"; the package cim stays unloaded, so that
    forked workers start without its threads."""
    warnings.filterwarnings("ignore")
    import onnx.backend.test

    class Lazy:
        """Loads the real backend in the worker."""

        @staticmethod
        def supports_device(device):
            return device == "CPU"

        @staticmethod
        def prepare(model, device="CPU", **kwargs):
            from cim import onnx_backend

            rep = onnx_backend.prepare(model, device, **kwargs)
            return Exact(rep) if exact else rep

    runner = onnx.backend.test.BackendTest(Lazy, __name__)
    tests = {}
    for kind in KINDS:
        case = runner.test_cases.get(f"OnnxBackend{kind}ModelTest")
        for name in sorted(vars(case)):
            if name.startswith("test_") and name.endswith("_cpu"):
                tests[f"{kind}/{name.removesuffix('_cpu')}"] = case(name)
    return tests


def numeric_node_tests():
    """Names of the node tests whose every value is a tensor of numbers or
    booleans (no strings, sequences, optionals, files)."""
    import onnx
    from onnx.backend.test.loader import load_model_tests

    names = set()
    for test in load_model_tests(kind="node"):
        model = test.model or onnx.load(os.path.join(test.model_dir, "model.onnx"))
        try:
            model = onnx.shape_inference.infer_shapes(model)
        except Exception:  # noqa: BLE001 (then without inferred types)
            pass
        if _is_numeric(model.graph):
            names.add("Node/" + test.name)
    return names


def _is_numeric(graph):
    import onnx

    for info in [*graph.input, *graph.output, *graph.value_info]:
        kind = info.type.WhichOneof("value")
        if kind and kind != "tensor_type":
            return False
        if info.type.tensor_type.elem_type == onnx.TensorProto.STRING:
            return False
    for node in graph.node:
        if node.domain == "ai.onnx.ml" or node.op_type == "ImageDecoder":
            return False
        for attribute in node.attribute:
            if attribute.t.data_type == onnx.TensorProto.STRING:
                return False
            if attribute.HasField("g") and not _is_numeric(attribute.g):
                return False
    return True


def run_one(test):
    """(passed, reason, seconds)."""
    begin = time.monotonic()
    result = unittest.TestResult()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test.run(result)
    seconds = time.monotonic() - begin
    problems = result.errors + result.failures
    if problems:
        return False, reason_of(problems[0][1]), seconds
    if result.skipped:
        return False, "skipped: " + result.skipped[0][1], seconds
    return True, "", seconds


def reason_of(trace):
    """The message of the exception a traceback ends with, on one line."""
    lines = trace.strip().splitlines()
    last = max(
        (i for i, line in enumerate(lines) if re.match(r"[\w.]+(: |$)", line)),
        default=len(lines) - 1,
    )
    text = " ".join(line.strip() for line in lines[last:] if line.strip())
    return re.sub(r"^cim\.\w+: ", "", text)[:600]


def work(connection, tests):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    while True:
        name = connection.recv()
        if name is None:
            return
        connection.send((name, *run_one(tests[name])))


class Worker:
    def __init__(self, tests):
        self.tests = tests
        self.connection, other = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(
            target=work, args=(other, tests), daemon=True
        )
        self.process.start()
        other.close()
        self.name = None

    def give(self, name):
        self.name, self.since = name, time.monotonic()
        self.connection.send(name)

    def stop(self):
        self.process.kill()
        self.process.join()
        self.connection.close()


def run_all(tests, names, jobs, seconds, report):
    """Runs tests in parallel; a worker that dies or is late is replaced."""
    waiting = collections.deque(names)
    workers = [Worker(tests) for _ in range(min(jobs, len(names)))]
    for worker in workers:
        worker.give(waiting.popleft())
    while workers:
        ready = multiprocessing.connection.wait([w.connection for w in workers], 0.5)
        for worker in list(workers):
            outcome = None
            if worker.connection in ready:
                try:
                    outcome = worker.connection.recv()
                except EOFError:
                    worker.process.join()
                    code = worker.process.exitcode
                    outcome = worker.name, False, f"the process died; status {code}", 0
            elif time.monotonic() - worker.since > seconds:
                reason = f"took more than {seconds:g} s"
                outcome = worker.name, False, reason, seconds
            if outcome is None:
                continue
            report(outcome)
            if not worker.process.is_alive() or worker.connection not in ready:
                worker.stop()
                workers[workers.index(worker)] = worker = Worker(tests)
            if waiting:
                worker.give(waiting.popleft())
            else:
                worker.stop()
                workers.remove(worker)


def table(results, numeric):
    """docs/onnx-backend.md."""
    import onnx

    kinds = collections.Counter(name.split("/")[0] for name in results)
    passed = collections.Counter(n.split("/")[0] for n, r in results.items() if r[0])
    good = sum(results[name][0] for name in numeric if name in results)
    seconds = sorted(r[2] for r in results.values() if r[0])
    lines = [
        "# ONNX backend tests",
        "",
        "Generated by `benchmarks/onnx_backend.py --table`; do not edit.",
        "",
        f"The tests ONNX {onnx.__version__} ships for backends, compiled with"
        " `cim.onnx_backend` for the",
        "default target without quantization and run on the device model; tolerances are",
        "ONNX's. Numeric node tests are those without strings, sequences, optionals,",
        "`ai.onnx.ml` operators and encoded images.",
        "",
        "| tests | passed | of |",
        "|---|---|---|",
    ]
    for kind in KINDS:
        lines.append(f"| {kind} | {passed[kind]} | {kinds[kind]} |")
        if kind == "Node":
            lines.append(f"| Node, numeric | {good} | {len(numeric)} |")
    if seconds:
        median = seconds[len(seconds) // 2]
        lines += [
            "",
            "A test compiles and runs one small model, through Python: in"
            f" {'under 0.1' if median < 0.1 else f'{median:.1f}'} s (median).",
        ]
    for title, wanted in (("Numeric tests that fail", True), ("Others", False)):
        failed = [
            (name, reason)
            for name, (ok, reason, _) in sorted(results.items())
            if not ok and (not name.startswith("Node/") or name in numeric) == wanted
        ]
        lines += ["", f"## {title}", "", "| test | reason |", "|---|---|"]
        for name, reason in failed:
            lines.append(f"| {name} | {tidy(reason)} |")
    return "\n".join(lines) + "\n"


def tidy(reason):
    """A cell of a table: short, without what differs from run to run."""
    text = reason.replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= 240 else text[:237] + "..."


def load_results(path):
    results = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, *rest = json.loads(line)
            results[name] = rest
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=60, help="per test")
    parser.add_argument("--only", default="", help="regular expression over names")
    parser.add_argument("--output", default="build/onnx_backend.jsonl")
    parser.add_argument("--resume", action="store_true", help="skip tests with results")
    parser.add_argument(
        "--exact", action="store_true", help="compare with the interpreter too"
    )
    parser.add_argument("--table", help="write the table of all results here")
    parser.add_argument("--verbose", action="store_true", help="print failures")
    arguments = parser.parse_args()
    tests = load_tests(arguments.exact)
    done = {}
    if arguments.resume and os.path.exists(arguments.output):
        done = load_results(arguments.output)
    names = [n for n in tests if re.search(arguments.only, n) and n not in done]
    begin = time.monotonic()
    with open(arguments.output, "a" if done else "w", encoding="utf-8") as file:

        def report(outcome):
            name, *rest = outcome
            done[name] = rest
            file.write(json.dumps(outcome) + "\n")
            file.flush()
            if arguments.verbose and not rest[0]:
                print(f"{name}: {rest[1]}", flush=True)

        if names:
            run_all(tests, names, arguments.jobs, arguments.seconds, report)
    good = sum(ok for ok, *_ in done.values())
    print(f"{good} of {len(done)} passed, {time.monotonic() - begin:.0f} s")
    if arguments.table:
        missing = len(tests) - len(done)
        if missing:
            parser.error(f"--table: {missing} tests have no result; run them all")
        with open(arguments.table, "w", encoding="utf-8") as file:
            file.write(table(done, numeric_node_tests()))


if __name__ == "__main__":
    main()
