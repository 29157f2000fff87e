# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tests for cim.reduce: functions of a model and its inputs that are true if it
fails in a certain way. Options are those of cim.compile; integer formats without
calibration are calibrated on the inputs."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ._cim import CompileError, Error
from ._compare import count_different, error_of
from ._compile import _OPTIONS, compile, interpret


def compile_error(match=None, **options):
    """Compiling fails with a message that `match`, a regular expression, is found
    in; by default any message but those that a cut model has by itself: invalid
    models, and inputs that have become run-time values."""

    def fails(model, inputs):
        try:
            compile(model, **_calibrated(options, inputs))
        except CompileError as problem:
            if match is not None:
                return re.search(match, str(problem)) is not None
            return not problem.unknown_inputs and "invalid" not in str(problem)
        return False

    return fails


def same_error(model, inputs=None, **options):
    """compile_error for the message that compiling `model` gives: the names of nodes
    and the numbers in it may differ."""
    try:
        compile(model, **_calibrated(options, inputs or {}))
    except CompileError as problem:
        return compile_error(_pattern(str(problem)), **options)
    raise CompileError(
        "model: it compiles; choose another test (differs, inaccurate, command)"
    )


def _pattern(message):
    """What is said, without who says it: the text after the node's name up to the
    limit, any number for a number, any quoted name for a quoted name."""
    text = message.partition(": ")[2] or message
    parts = re.split(r"('[^']*'|\d+)", text.partition(";")[0])
    wild = {"'": "'[^']*'"}
    return "".join(
        wild.get(part[0], r"\d+") if i % 2 else re.escape(part)
        for i, part in enumerate(parts)
    )


def differs(**options):
    """The device's outputs are not the interpreter's, bit for bit, or its sanitizer
    finds a fault."""

    def fails(model, inputs):
        try:
            program = compile(model, **_calibrated(options, inputs))
            text = program.ir("quantize")
            wanted = interpret(text, inputs)
        except Error:
            return False
        try:
            got = program.run(inputs, sanitize=True)
        except Error:
            return True
        return any(count_different(got[name], wanted[name]) for name in wanted)

    return fails


def inaccurate(tolerance, **options):
    """An output on the device differs from ONNX Runtime's by more than `tolerance`,
    relative (L2 norm)."""

    def fails(model, inputs):
        wanted = _onnxruntime(model, inputs)
        if wanted is None:
            return False
        try:
            program = compile(model, **_calibrated(options, inputs))
            got = program.run(inputs)
        except Error:
            return False
        return any(
            error_of(got[n], wanted[n]).relative > tolerance for n in wanted if n in got
        )

    return fails


def command(text, timeout=None):
    """A command of the shell ends with status 0. {} in it is the path of the model,
    {inputs} that of its inputs (.npz)."""
    if "{}" not in text:
        raise CompileError(
            f"test: {text!r}; it names no model; put {{}} where the model's path goes"
        )

    def fails(model, inputs):
        with tempfile.TemporaryDirectory(prefix="cim-") as folder:
            paths = _write(model, inputs, folder)
            line = text.replace("{}", shlex.quote(paths[0]))
            line = line.replace("{inputs}", shlex.quote(paths[1]))
            try:
                done = subprocess.run(
                    line, shell=True, capture_output=True, timeout=timeout, check=False
                )
            except subprocess.TimeoutExpired:
                return False
            return done.returncode == 0

    return fails


def crash(timeout=60.0, **options):
    """Compiling or running ends by a signal or takes more than `timeout` seconds;
    tried in a process of its own."""
    flags = _flags(options)

    def fails(model, inputs):
        with tempfile.TemporaryDirectory(prefix="cim-") as folder:
            path, arrays = _write(model, inputs, folder)
            line = [sys.executable, "-m", "cim", "compare", path, "--input", arrays]
            line += ["--against", "quantized", *flags]
            if "calibration" not in options and _needs_calibration(options):
                line += ["--calibration", arrays]
            package = str(Path(__file__).parent.parent.absolute())
            paths = [package, os.environ.get("PYTHONPATH", "")]
            env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
            try:
                done = subprocess.run(
                    line, capture_output=True, timeout=timeout, check=False, env=env
                )
            except subprocess.TimeoutExpired:
                return True
            return done.returncode < 0

    return fails


# ---------------------------------------------------------------------------


def _needs_calibration(options):
    formats = [options.get("quantize", "none"), *options.get("layers", {}).values()]
    return any(form not in ("none", "bfp16", "fp16") for form in formats)


def _calibrated(options, inputs):
    if _needs_calibration(options) and "calibration" not in options and inputs:
        return {**options, "calibration": inputs}
    return options


def _flags(options):
    """Options of compile as the command line has them."""
    flags = []
    for name, value in options.items():
        if name not in _OPTIONS:
            raise TypeError(f"crash() got an unexpected keyword argument '{name}'")
        for flag, text in _OPTIONS[name].entries(value):
            flags += [f"--{flag}", text]
    return flags


def _write(model, inputs, folder):
    path = os.path.join(folder, "model.onnx")
    Path(path).write_bytes(model.SerializeToString())
    arrays = os.path.join(folder, "model.npz")
    np.savez(arrays, **inputs)
    return path, arrays


def _onnxruntime(model, inputs):
    try:
        import onnxruntime
    except ImportError:
        raise ImportError(
            "inaccurate: the package onnxruntime is not installed; it is the"
            " reference; pip install onnxruntime"
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))
    except Exception:  # noqa: BLE001 (it throws many)
        return None
