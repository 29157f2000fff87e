# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiling models and interpreting their IR."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from . import _cim
from ._arrays import named_arrays
from ._cim import CompileError, RunError, Target
from ._program import Program


def compile(
    model,
    target="m50",
    quantize="none",
    calibration=None,
    *,
    input_shapes=None,
    opt=2,
    seed=0,
    layers=None,
    disable=(),
    ranges="mse",
    calibration_samples=512,
    external_data=None,
    threads=0,
):
    """Compiles a model into a program for `target`.

    model: path of an .onnx file (or of the .mlir text of any phase, which is
        continued), the bytes of one, or an onnx.ModelProto.
    target: a preset's name, the path of a YAML file, or a Target.
    quantize: none, int8, w8a8 ... w4a8, bfp16 or fp16.
    calibration: arrays by input name, samples stacked along the first dimension;
        or the path of an .npz file or a folder of them. Integer formats need it.
    input_shapes: shapes of inputs whose dimensions the model leaves open.
    opt: 0 first legal schedule, 1 one core, 2 and 3 search.
    seed: of randomised searches. The search of opt 2 is exhaustive and uses none.
    layers: {regular expression over node names: format}; the first match wins.
    disable: optimisations to switch off: fuse, overlap, copies, cores, resident,
        reroll. Results stay the same bit for bit.
    ranges: how ranges are chosen: minmax, percentile or mse.
    external_data: folder of a model's external data, when it comes as bytes.
    threads: host threads, 0 for all; results do not depend on it.

    Raises CompileError with one line that says what is wrong and what to do.
    """
    arguments = {
        "quantize": _text("quantize", quantize),
        "ranges": _text("ranges", ranges),
        "layers": _layers(layers),
        "disable": _disable(disable),
        "opt": _integer("opt", opt, 0),
        "threads": _integer("threads", threads, 0),
        "calibration_samples": _integer("calibration_samples", calibration_samples, 1),
        "input_shapes": _shapes(input_shapes),
    }
    _integer("seed", seed, 0)
    arguments.update(_model(model, external_data))
    arguments.update(_calibration(calibration))
    spec = _target(target)
    made = _cim.compile(spec, arguments)
    facts = {
        "compile": {
            **made["seconds"],
            "total": sum(made["seconds"].values()),
            "peak_rss_bytes": made["peak_rss_bytes"],
        },
        "remarks": made["remarks"],
    }
    return Program(_cim.Program.parse(made["program"]), facts, (spec, arguments))


def interpret(text, inputs):
    """Runs the reference interpreter, which defines what a program must compute,
    on the text of a tensor-level phase (`program.ir("quantize")`); outputs by
    name. A first dimension n times the function's means n runs."""
    if not isinstance(text, str):
        raise RunError(
            f"text: a {type(text).__name__}; the text of a phase is needed; pass"
            " program.ir('quantize')"
        )
    return _cim.interpret(text, named_arrays(inputs, RunError))


def phases():
    """The phases of compilation in order, each with what holds after it."""
    return dict(_cim.phases())


def _text(name, value):
    if not isinstance(value, str):
        raise CompileError(f"{name}: {value!r}; a string is needed")
    return value


def _integer(name, value, least):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise CompileError(f"{name}: {value!r}; an integer is needed")
    if not least <= value < 2**31:
        raise CompileError(f"{name}: {value}; at least {least} and below 2^31")
    return int(value)


def _model(model, external_data):
    """The model as `path` or `bytes`."""
    extra = {}
    if external_data is not None:
        extra["external_data"] = os.fspath(external_data)
    if isinstance(model, (str, os.PathLike)):
        # In full: ir() reads it again, wherever the process has gone by then.
        path = os.path.abspath(os.fspath(model))
        if not os.path.exists(path):
            raise CompileError(
                f"{os.fspath(model)}: no such file; give the path of an .onnx model"
            )
        return {**extra, "path": path}
    if hasattr(model, "SerializeToString"):
        try:
            data = model.SerializeToString()
        except Exception as problem:  # noqa: BLE001 (protobuf has several)
            raise CompileError(
                f"model: it cannot be serialized ({problem}); models of 2 GiB and"
                " more need external data; save it with external data and give the"
                " path"
            ) from None
        name = getattr(getattr(model, "graph", None), "name", "")
        return {**extra, "bytes": data, "model_name": str(name) or "model"}
    if isinstance(model, (bytes, bytearray, memoryview)):
        return {**extra, "bytes": bytes(model), "model_name": "model"}
    raise CompileError(
        f"model: a {type(model).__name__}; a path, bytes or an onnx.ModelProto is needed"
    )


def _target(target):
    if isinstance(target, Target):
        return target
    if not isinstance(target, (str, os.PathLike)):
        raise CompileError(
            f"target: a {type(target).__name__}; a preset's name, a YAML file or a"
            " cim.Target is needed"
        )
    try:
        return Target.load(target)
    except _cim.LoadError as problem:
        raise CompileError(str(problem)) from None


def _calibration(calibration):
    if calibration is None:
        return {}
    if isinstance(calibration, (str, os.PathLike)):
        return {"calibration_path": os.path.abspath(os.fspath(calibration))}
    if isinstance(calibration, np.lib.npyio.NpzFile):
        calibration = dict(calibration)
    return {"calibration": named_arrays(calibration, CompileError, "calibration")}


def _layers(layers):
    if layers is None:
        return []
    if not isinstance(layers, Mapping):
        raise CompileError(
            f"layers: a {type(layers).__name__}; pass {{regular expression: format}}"
        )
    return [(_text("layers", k), _text("layers", v)) for k, v in layers.items()]


def _disable(disable):
    if isinstance(disable, str):
        disable = disable.split(",")
    if not isinstance(disable, Sequence) and not isinstance(disable, (set, frozenset)):
        raise CompileError(f"disable: a {type(disable).__name__}; pass a list of names")
    return [_text("disable", name) for name in disable]


def _shapes(shapes):
    if shapes is None:
        return []
    if not isinstance(shapes, Mapping):
        raise CompileError(
            f"input_shapes: a {type(shapes).__name__}; pass {{name: [sizes]}}"
        )
    result = []
    for name, shape in shapes.items():
        try:
            sizes = [int(size) for size in shape]
        except (TypeError, ValueError):
            raise CompileError(
                f"input_shapes: '{name}': {shape!r}; a list of sizes is needed"
            ) from None
        if any(not 0 <= size < 2**62 for size in sizes):
            raise CompileError(
                f"input_shapes: '{name}': {shape!r}; sizes are not negative"
            )
        result.append((str(name), sizes))
    return result
