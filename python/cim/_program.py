# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiled programs."""

import json
import os
import threading
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import _cim
from ._arrays import TensorInfo, count_runs, inputs_for, slice_runs
from ._cim import CompileError, LoadError, RunError
from ._plan import Plan
from ._profile import Profile

# Runs between two looks at the interpreter's signals (Ctrl-C).
_CHUNK = 32


@dataclass(frozen=True)
class SourceRange:
    """Instructions `first` to `last` of one queue that come from one place."""

    stage: str
    chip: int
    core: int
    engine: str
    index: int
    first: int
    last: int
    layer: str


def load(path):
    """Reads and checks a .cimb file. Raises LoadError."""
    return Program(_cim.Program.load(os.fspath(path)))


class Program:
    """A program for a device; made by cim.compile and cim.load. Safe to use from
    several threads."""

    def __init__(self, handle, facts=None, origin=None):
        self._handle = handle
        self._facts = facts or {}
        self._origin = origin  # Target and arguments it was compiled with.
        self._stamp = _stamp(origin)
        self._lock = threading.Lock()
        self._idle = {}  # Sessions nobody uses, by options.

    def __repr__(self):
        inputs = ", ".join(map(str, self.inputs))
        outputs = ", ".join(map(str, self.outputs))
        return f"<cim.Program {self.model} for {self.target.name}: ({inputs}) -> ({outputs})>"

    def save(self, path):
        """Writes the program as a .cimb file, atomically."""
        self._handle.save(os.fspath(path))

    def to_bytes(self):
        """The bytes of the .cimb file: a function of model, options and seed."""
        return self._handle.bytes()

    @property
    def model(self):
        return self._handle.model

    @cached_property
    def target(self):
        return self._handle.target

    @cached_property
    def inputs(self):
        return [TensorInfo(*info) for info in self._handle.inputs]

    @cached_property
    def outputs(self):
        return [TensorInfo(*info) for info in self._handle.outputs]

    @cached_property
    def report(self):
        """What the compiler knows: predicted and bound cycles, layers with their
        schedules, remarks; right after compiling also seconds per phase and peak
        memory, which are no part of the file."""
        handle = self._handle
        own = json.loads(handle.report_json) if handle.report_json else {}
        return {
            "model": handle.model,
            "producer": handle.producer,
            "target": handle.target.name,
            "predicted_cycles": handle.predicted_cycles,
            "predicted_load_cycles": handle.predicted_load_cycles,
            "bound_cycles": handle.bound_cycles,
            "macs": sum(layer["macs"] for layer in handle.layers),
            "dram_bytes": handle.dram_bytes,
            "layers": handle.layers,
            "compile": {},
            **own,
            **self._facts,
        }

    def plan(self):
        """Where every node of the model runs, in what precision, why, and its share
        of the predicted time. Raises LoadError for a file of a compiler that kept no
        plan."""
        if "plan" not in self.report:
            raise LoadError(
                f"{self.model}: the program has no plan; compilers before it made the"
                " file; compile the model again"
            )
        return Plan.parse(self.report["plan"])

    @cached_property
    def source_map(self):
        """Where each source (ONNX) node went: {node: [SourceRange, ...]}. A range
        that serves several nodes stands under each of them."""
        result = {}
        for *place, node, layer in self._handle.source_ranges:
            for name in filter(None, node.split(", ")):
                result.setdefault(name, []).append(SourceRange(*place, layer))
        return result

    def run(self, inputs, mode="functional", *, sanitize=False, threads=1):
        """Runs the program on the device model; outputs by name.

        The first dimension of every input may be n times the compiled one: the
        program then runs n times, and outputs are joined along theirs. Inputs of
        exactly the compiled shape are used for every run. bfloat16 outputs come
        as float32.

        mode: functional (results only, fastest) or full (time is simulated too;
            see profile). Results are the same.
        sanitize: prove the instruction streams race-free and check every access.
        threads: host threads; results do not depend on it.

        Raises RunError: inputs that do not fit, or a fault of the device.
        """
        if mode == "timing":
            raise RunError(
                "mode: 'timing'; it computes no outputs; use full or functional, or"
                " Program.profile()"
            )
        arrays = inputs_for(inputs, self.inputs)
        key = (mode, bool(sanitize), False, int(threads))
        session = self._take_session(key)
        outputs = self._run_in_parts(session, arrays)
        self._give_session(key, session)
        return outputs

    def profile(self, inputs=None, *, threads=1):
        """Simulates time and energy on a fresh device: cold (weights are loaded
        first) and steady. With inputs the data are computed too (Profile.outputs);
        without, only time: the figures are the same, they do not depend on data.
        """
        if inputs is None:
            session = _cim.Session(self._handle, "timing", False, True, int(threads))
            return Profile(session, session.run({}))
        arrays = inputs_for(inputs, self.inputs)
        session = _cim.Session(self._handle, "full", False, True, int(threads))
        return Profile(session, self._run_in_parts(session, arrays))

    def ir(self, phase, *, elide_constants=False):
        """The text of the module after `phase` (see cim.phases), made by compiling
        again up to there with the same arguments. Of a program loaded from a file
        only "isa" can be shown. Text with elided constants can be read, not
        interpreted or compiled."""
        if phase == "isa":
            return self._handle.disassemble(elide_constants)
        if phase == "program":
            raise CompileError(
                "phase: 'program' is the binary program; use 'isa' for its text"
            )
        return self._compile_to(phase, elide_constants=elide_constants)[phase]

    def save_ir(self, folder, *, elide_constants=True):
        """Writes the text of every phase into `folder`, as 0-import.mlir and so
        on; returns the paths. Compiles again, once."""
        texts = self._compile_to(
            "allocate", all_texts=True, elide_constants=elide_constants
        )
        texts["isa"] = self._handle.disassemble(elide_constants)
        os.makedirs(folder, exist_ok=True)
        paths = []
        for number, (phase, text) in enumerate(texts.items()):
            paths.append(os.path.join(folder, f"{number}-{phase}.mlir"))
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.write(text)
        return paths

    def _compile_to(self, phase, **more):
        if self._origin is None:
            raise CompileError(
                f"phase: '{phase}' is not kept in program files, only 'isa' is; compile"
                " the model with cim.compile and ask that program"
            )
        target, arguments = self._origin
        if _stamp(self._origin) != self._stamp:
            raise CompileError(
                f"{arguments['path']}: changed since it was compiled; compile it again"
            )
        return _cim.compile(target, {**arguments, "phase": phase, **more})["texts"]

    def _run_in_parts(self, session, arrays):
        runs = count_runs(arrays, self.inputs)
        if runs is None or runs <= _CHUNK:
            return session.run(arrays)
        parts = [
            session.run(
                slice_runs(arrays, self.inputs, at, min(at + _CHUNK, runs)),
            )
            for at in range(0, runs, _CHUNK)
        ]
        return {name: _join(name, [part[name] for part in parts]) for name in parts[0]}

    def _take_session(self, key):
        """An idle session, or a new one. Under the sanitizer always a new one: it
        then sees memory that was never written."""
        with self._lock:
            session = self._idle.pop(key, None)
        return session or _cim.Session(self._handle, *key)

    def _give_session(self, key, session):
        if not key[1]:
            with self._lock:
                self._idle[key] = session


def _join(name, arrays):
    arrays = [np.atleast_1d(array) for array in arrays]
    if len({array.shape[1:] for array in arrays}) > 1:
        raise RunError(
            f"output {name}: the run-time length of a dimension other than the first"
            " differs between runs; such outputs cannot be joined; give the inputs of"
            " one run"
        )
    return np.concatenate(arrays)


def _stamp(origin):
    """Changes when the model file does."""
    if not origin or "path" not in origin[1]:
        return None
    try:
        status = os.stat(origin[1]["path"])
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
