# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the generator of random graphs grows them with: choices, and nodes that are
taken when a comparison of their results says something."""

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

ELEMENTS = 6000  # Of a value, at most.
LARGEST = 100.0  # Magnitude of a value, at most.
FLOATS = (np.float32, np.float16, np.float64)


class Invalid(Exception):
    """A proposed node that is not taken."""


def info(name, array):
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, kind, array.shape)


def evaluate(node, operands, outputs, opset):
    """A function from operand arrays to the node's results."""
    infos = [info(name, a) for name, a in operands.items()]
    outs = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph([node], "one", infos, outs)
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return lambda feeds: session.run(None, feeds)
    except Exception as problem:  # noqa: BLE001 (ONNX Runtime has many)
        if "NOT_IMPLEMENTED" not in str(problem):
            raise Invalid(str(problem)) from None
    try:
        evaluator = ReferenceEvaluator(model)
    except Exception as problem:  # noqa: BLE001 (as above)
        raise Invalid(str(problem)) from None
    return lambda feeds: [np.asarray(v) for v in evaluator.run(None, feeds)]


class Growth:
    """A growing graph; `values` has what every value is for `feeds`."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        self.opset = self.pick(18, 19, 21, 22)
        self.nodes, self.values, self.constants, self.feeds = [], {}, {}, {}
        self.used, self.coarse = set(), set()
        for _ in range(self.pick(1, 1, 2, 3)):
            name = f"x{len(self.feeds)}"
            kind = self.pick(np.float32, np.float32, np.float32, np.int64, np.float16)
            if not self.feeds:
                kind = np.float32
            self.feeds[name] = self.values[name] = self.numbers(self.shape(), kind)
            if kind == np.float16:
                self.coarse.add(name)
        wanted = int(self.rng.integers(10, 61))
        proposals = 0
        while len(self.nodes) < wanted and proposals < 20 * wanted:
            proposals += 1
            try:
                self.propose()
            except (Invalid, ValueError, IndexError, ZeroDivisionError):
                continue

    # Choices.

    def pick(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, probability):
        return self.rng.random() < probability

    def integer(self, low, high):
        """In [low, high)."""
        return int(self.rng.integers(low, high))

    def shape(self, rank=None):
        rank = self.pick(1, 2, 3, 3, 4, 4, 4, 5) if rank is None else rank
        limit = {1: 40, 2: 24, 3: 14, 4: 9, 5: 5}.get(rank, 5)
        return tuple(self.integer(1, limit + 1) for _ in range(rank))

    def numbers(self, shape, kind=np.float32, scale=1.0):
        if kind == np.bool_:
            return self.rng.integers(0, 2, shape).astype(np.bool_)
        if np.issubdtype(kind, np.integer):
            low = 0 if np.issubdtype(kind, np.unsignedinteger) else -8
            return self.rng.integers(low, 9, shape).astype(kind)
        return np.asarray(self.rng.normal(0.0, scale, shape)).astype(kind)

    def constant(self, array, kind=None):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array, kind)
        return name

    def i64(self, *values):
        return self.constant(np.array(values, np.int64))

    def value(self, kinds=(np.float32,), rank=None, least=0):
        """A name; recent values are likelier."""
        names = [
            name
            for name, a in self.values.items()
            if a.dtype.type in kinds
            and (rank is None or a.ndim == rank)
            and a.ndim >= least
        ]
        if not names:
            raise Invalid("no such value")
        names = names[-8:] if self.chance(0.7) else names
        return self.pick(*names)

    def of(self, name):
        return self.values[name] if name in self.values else self.constants[name]

    def axis(self, rank):
        return self.integer(-rank, rank)

    def axes(self, rank):
        count = self.integer(1, rank + 1)
        chosen = self.rng.permutation(rank)[:count]
        return [int(a) - (rank if self.chance(0.3) else 0) for a in chosen]

    def partner(self, name):
        """An operand that broadcasts with `name`."""
        a = self.of(name)
        fitting = []
        for other, b in self.values.items():
            if b.dtype == a.dtype:
                try:
                    np.broadcast_shapes(a.shape, b.shape)
                    fitting.append(other)
                except ValueError:
                    pass
        if fitting and self.chance(0.6):
            return self.pick(*fitting)
        shape = [1 if self.chance(0.4) else size for size in a.shape]
        return self.constant(
            self.numbers(shape[self.integer(0, a.ndim + 1) :], a.dtype.type)
        )

    # Taking nodes.

    def node(self, op, inputs, outputs=1, **attributes):
        """Adds a node if it is fit for comparison; the names of its outputs."""
        names = [f"v{len(self.values) + i}" for i in range(outputs)]
        node = helper.make_node(
            op, inputs, names, f"{op}_{len(self.nodes)}", **attributes
        )
        operands = {name: self.of(name) for name in inputs if name}
        run = evaluate(node, operands, names, self.opset)
        coarse = any(name in self.coarse for name in operands)
        try:
            results = run(operands)
            self.check(results)
            self.agree(node, operands, results)
            for sign in (-1.0, 1.0, 0.0):
                self.compare(
                    results, run(self.perturbed(operands, sign, coarse)), coarse
                )
        except Invalid:
            raise
        except Exception as problem:  # noqa: BLE001 (as above)
            raise Invalid(str(problem)) from None
        self.nodes.append(node)
        for name, result in zip(names, results, strict=True):
            self.values[name] = np.asarray(result)
            if coarse or result.dtype == np.float16:
                self.coarse.add(name)
        self.used.update(inputs)
        return names if outputs > 1 else names[0]

    def check(self, results):
        for a in results:
            if a.size > ELEMENTS or a.size == 0 or a.ndim > 6:
                raise Invalid("size")
            if a.dtype != np.bool_ and not np.all(
                np.abs(a.astype(np.float64)) <= LARGEST
            ):
                raise Invalid("magnitude")

    def agree(self, node, operands, results):
        """ONNX must infer the shapes that the evaluator gave (it and ONNX Runtime
        disagree about some poolings)."""
        graph = helper.make_graph(
            [node],
            "one",
            [info(name, a) for name, a in operands.items() if name in self.values],
            [info(n, np.asarray(a)) for n, a in zip(node.output, results)],
            [
                numpy_helper.from_array(a, name)
                for name, a in operands.items()
                if name in self.constants
            ],
        )
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        onnx.checker.check_model(model, full_check=True)

    def perturbed(self, operands, sign, coarse):
        noise = 4e-3 if coarse else 1e-4
        result = {}
        for name, a in operands.items():
            if a.dtype.type in FLOATS and name not in self.constants:
                by = sign or self.rng.choice((-1.0, 1.0), a.shape)
                a = (a + by * noise * (1 + np.abs(a))).astype(a.dtype)
            result[name] = a
        return result

    def compare(self, results, others, coarse):
        bound = 8e-2 if coarse else 4e-3
        for a, b in zip(results, others, strict=True):
            exact = a.dtype.type not in FLOATS
            if exact and not np.array_equal(a, b):
                raise Invalid("decided by rounding")
            if not exact and not np.allclose(a, b, rtol=bound, atol=bound / 4):
                raise Invalid("ill conditioned")

    # As a model.

    def outputs(self, everything=False):
        """Values nobody uses, and a few others."""
        results = [
            name
            for name in self.values
            if name not in self.feeds
            and (everything or name not in self.used or hash_of(name, self.seed) < 0.1)
        ]
        return results

    def model(self, everything=False):
        used = {name for node in self.nodes for name in node.input}
        graph = helper.make_graph(
            self.nodes,
            f"random{self.seed}",
            [info(name, a) for name, a in self.feeds.items()],
            [info(name, self.values[name]) for name in self.outputs(everything)],
            [
                numpy_helper.from_array(a, name)
                for name, a in self.constants.items()
                if name in used
            ],
        )
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        onnx.checker.check_model(model, full_check=True)
        return model


def hash_of(name, seed):
    """In [0, 1), a function of its arguments."""
    return np.random.default_rng([seed, *name.encode()]).random()
